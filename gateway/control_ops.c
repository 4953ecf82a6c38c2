#include "gateway/control_ops.h"

#include <sodium.h>
#include <string.h>

#include "gateway/control_bundles.h"
#include "gateway/describe.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/opening.h"
#include "gateway/oversight.h"
#include "gateway/registrar.h"
#include "gateway/registry.h"
#include "gateway/shred.h"
#include "schema/base/clock.h"

typedef int operation(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
                      json_t **result, struct fault *why);

/* ---- status ------------------------------------------------------------------------------------------------------------ */

static int
status(struct gateway *gateway, const struct control_caller *caller, const json_t *request, json_t **result,
       struct fault *why)
{
	(void)caller;
	(void)request;
	return (*result = describe_gateway(gateway)) == NULL ? fault_memory(why) : 0;
}

static int
reload(struct gateway *gateway, const struct control_caller *caller, const json_t *request, json_t **result,
       struct fault *why)
{
	if (gateway_reload(gateway, caller->user, why) == -1)
		return -1;
	return status(gateway, caller, request, result, why);
}

/* ---- keys ---------------------------------------------------------------------------------------------------------------- */

/* PostgreSQL's text form of an array of names. */
static int
array_text(struct buffer *out, const json_t *list, struct fault *why)
{
	buffer_byte(out, '{');
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *const text = json_string_value(json_array_get(list, i));

		if (text == NULL || strlen(text) == 0 || strlen(text) > 64 ||
		    strpbrk(text, "\"\\{},") != NULL)
			return fault_set(why, FAULT_INVALID, "용도나 역할의 이름이 아닙니다",
			                 "not a name of a use case or role");
		if (i > 0)
			buffer_byte(out, ',');
		buffer_printf(out, "\"%s\"", text);
	}
	buffer_byte(out, '}');
	return buffer_text(out) == NULL ? fault_memory(why) : 0;
}

static void
note_text(struct entry_note *note, const char *name, const char *text)
{
	note->facts[note->fact_count].name = name;
	note->facts[note->fact_count++].text = text;
}

struct statement {
	const char *sql;
	size_t count;
	const char *const *parameters;
	size_t rows; /* that came back */
};

static int
run_statement(struct database *database, void *owner, struct fault *why)
{
	struct statement *statement = owner;
	struct database_rows *rows = NULL;

	if (database_ask(&rows, database, statement->sql, statement->count, statement->parameters, why) == -1)
		return -1;
	statement->rows = database_count(rows);
	database_rows_free(rows);
	return 0;
}

/* Is PostgreSQL there? Asked before an entry tells of a change that could not be made. */
static int
database_there(struct gateway *gateway, struct fault *why)
{
	struct statement statement = {.sql = "SELECT 1"};

	return registrar_run(gateway->registrar, run_statement, &statement, false, why);
}

static int
check_usecases(const struct control_caller *caller, const char *agency, const json_t *usecases,
               struct fault *why)
{
	if (json_array_size(usecases) == 0)
		return fault_set(why, FAULT_INVALID, "용도(usecase)가 하나는 있어야 합니다",
		                 "at least one use case is needed");
	for (size_t i = 0; i < json_array_size(usecases); i++) {
		const char *const id = json_string_value(json_array_get(usecases, i));

		if (id == NULL ||
		    registry_usecase(caller->snapshots->registry, agency, slice_string(id)) == NULL)
			return fault_set(why, FAULT_NOT_FOUND, "%s에 등록되지 않은 용도입니다: %s",
			                 "not a registered use case of %s: %s", agency,
			                 id == NULL ? "?" : id);
	}
	return 0;
}

static int
key_create(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
           json_t **result, struct fault *why)
{
	const char *const agency = json_get_string(request, "agency"), *const service = json_get_string(
	                                                                   request, "service");
	const char *const certificate = json_get_string(request, "certificate");
	const int64_t expires_ms = json_get_integer(request, "expires_ms", 0);
	struct entry_note note = {.action = "create"};
	char id[65], key[IDENTITY_KEY_SIZE] = "", entry[ENTRY_ID_SIZE], hex[2 * REGISTRY_HASH_SIZE + 1],
	             until[32];
	uint8_t hash[REGISTRY_HASH_SIZE];
	struct buffer usecases, roles;
	const char *parameters[9];
	struct statement statement = {
	    .sql = "INSERT INTO haechi.api_key (key_id, agency, service, secret_hash, usecases, roles, "
	           "created_by, expires_at,"
	           " entry_id) VALUES ($1, $2, $3, decode($4, 'hex'), $5::text[], $6::text[], $7,"
	           " to_timestamp($8::float8 / 1000), $9)",
	    .count = 9,
	    .parameters = parameters};
	int outcome = -1;

	buffer_init(&usecases, 16 * 1024);
	buffer_init(&roles, 16 * 1024);
	if (agency == NULL || service == NULL || agency[0] == '\0' || service[0] == '\0' ||
	    strlen(agency) > 64 || strlen(service) > 64) {
		fault_set(why, FAULT_INVALID, "agency와 service가 있어야 합니다 (64자까지)",
		          "agency and service are needed (64 at most)");
		goto out;
	}
	if (check_usecases(caller, agency, json_object_get(request, "usecases"), why) == -1 ||
	    array_text(&usecases, json_object_get(request, "usecases"), why) == -1 ||
	    array_text(&roles, json_object_get(request, "roles"), why) == -1 ||
	    database_there(gateway, why) == -1)
		goto out;
	if (certificate != NULL) {
		uint8_t digest[32];

		if (!hex_decode(digest, sizeof digest, slice_string(certificate))) {
			fault_set(why, FAULT_INVALID, "certificate는 SHA-256의 16진수 64자입니다",
			          "certificate is SHA-256 in 64 hex digits");
			goto out;
		}
		hex_encode(id, digest, sizeof digest);
		memset(hash, 0, sizeof hash);
	} else {
		char made[IDENTITY_ID_SIZE];

		identity_make(made, key, hash);
		snprintf(id, sizeof id, "%s", made);
	}
	note_text(&note, "agency", agency);
	note_text(&note, "by", caller->user);
	note_text(&note, "key", id);
	note_text(&note, "roles", buffer_text(&roles));
	note_text(&note, "service", service);
	note_text(&note, "usecases", buffer_text(&usecases));
	if (gateway_note(gateway, ENTRY_KEY, &note, agency, caller->user, entry, why) == -1)
		goto out;
	hex_encode(hex, hash, sizeof hash);
	snprintf(until, sizeof until, "%lld", (long long)expires_ms);
	parameters[0] = id;
	parameters[1] = agency;
	parameters[2] = service;
	parameters[3] = hex;
	parameters[4] = buffer_text(&usecases);
	parameters[5] = buffer_text(&roles);
	parameters[6] = caller->user;
	parameters[7] = expires_ms > 0 ? until : NULL;
	parameters[8] = entry;
	if (registrar_run(gateway->registrar, run_statement, &statement, true, why) == -1)
		goto out;
	*result = certificate != NULL
	              ? json_pack("{s:s, s:s}", "key_id", id, "entry", entry)
	              : json_pack("{s:s, s:s, s:s}", "key_id", id, "key", key, "entry", entry);
	outcome = *result == NULL ? fault_memory(why) : 0;
out:
	sodium_memzero(key, sizeof key);
	buffer_free(&usecases);
	buffer_free(&roles);
	return outcome;
}

struct listing {
	json_t *rows;
};

static int
list_keys(struct database *database, void *owner, struct fault *why)
{
	struct listing *listing = owner;
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(
	        &rows, database,
	        "SELECT key_id, agency, service, array_to_string(usecases, ','), array_to_string(roles, ','),"
	        " created_by, (extract(epoch FROM created_at) * 1000)::bigint,"
	        " coalesce((extract(epoch FROM expires_at) * 1000)::bigint, 0),"
	        " CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at < clock_timestamp() THEN "
	        "'expired'"
	        " ELSE 'active' END FROM haechi.api_key ORDER BY created_at",
	        0, NULL, why) == -1)
		return -1;
	if ((listing->rows = json_array()) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < database_count(rows); i++) {
		char created[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE] = "";

		clock_text(created, database_integer(rows, i, 6));
		if (database_integer(rows, i, 7) > 0)
			clock_text(expires, database_integer(rows, i, 7));
		if (json_array_append_new(
		        listing->rows,
		        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "key_id",
		                  database_text(rows, i, 0), "agency", database_text(rows, i, 1), "service",
		                  database_text(rows, i, 2), "usecases", database_text(rows, i, 3), "roles",
		                  database_text(rows, i, 4), "created_by", database_text(rows, i, 5),
		                  "created_at", created, "expires_at", expires, "state",
		                  database_text(rows, i, 8))) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

static int
key_list(struct gateway *gateway, const struct control_caller *caller, const json_t *request, json_t **result,
         struct fault *why)
{
	struct listing listing = {0};
	const int outcome = registrar_run(gateway->registrar, list_keys, &listing, false, why);

	(void)caller;
	(void)request;
	if (outcome == 0)
		*result = listing.rows;
	else
		json_decref(listing.rows);
	return outcome;
}

static int
key_revoke(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
           json_t **result, struct fault *why)
{
	const char *const id = json_get_string(request, "key_id");
	const struct registered_key *key =
	    id == NULL ? NULL : registry_key(caller->snapshots->registry, slice_string(id));
	const char *const parameters[] = {id};
	struct statement statement = {.sql = "UPDATE haechi.api_key SET revoked_at = clock_timestamp() WHERE "
	                                     "key_id = $1 AND revoked_at IS NULL"
	                                     " RETURNING key_id",
	                              .count = 1,
	                              .parameters = parameters};
	struct entry_note note = {.action = "revoke"};
	char entry[ENTRY_ID_SIZE];

	if (key == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "그런 키는 없습니다", "there is no such key");
	if (key->revoked)
		return fault_set(why, FAULT_CONFLICT, "이미 폐지된 키입니다: %s",
		                 "the key is revoked already: %s", id);
	note_text(&note, "agency", key->subject.agency);
	note_text(&note, "by", caller->user);
	note_text(&note, "key", id);
	note_text(&note, "service", key->subject.service);
	if (database_there(gateway, why) == -1 ||
	    gateway_note(gateway, ENTRY_KEY, &note, key->subject.agency, caller->user, entry, why) == -1 ||
	    registrar_run(gateway->registrar, run_statement, &statement, true, why) == -1)
		return -1;
	*result = json_pack("{s:s, s:s}", "key_id", id, "entry", entry);
	return *result == NULL ? fault_memory(why) : 0;
}

/* ---- use cases --------------------------------------------------------------------------------------------------------------- */

/* Names of members that differ, "reviewer.name, facts.discretion", as far as they fit; their values may be personal. */
static void
names_changed(struct buffer *out, const char *prefix, const json_t *before, const json_t *after)
{
	const json_t *const sides[] = {before, after};
	char path[96];

	for (unsigned side = 0; side < 2; side++) {
		const char *name;
		json_t *object, *value;

		memcpy(&object, &sides[side], sizeof object); /* iterated, not changed */
		json_object_foreach(object, name, value)
		{
			const json_t *other = json_object_get(sides[1 - side], name);

			if (json_equal(value, other) || (side == 1 && other != NULL) || strlen(name) > 40)
				continue;
			snprintf(path, sizeof path, "%s%s", prefix, name);
			if (prefix[0] == '\0' && (json_is_object(value) || json_is_object(other))) {
				strcat(path, ".");
				names_changed(out, path,
				              json_is_object(before) ? json_object_get(before, name) : NULL,
				              json_object_get(after, name));
			} else if (out->size + strlen(path) < 1000) {
				buffer_printf(out, "%s%s", out->size > 0 ? ", " : "", path);
			}
		}
	}
}

/* The next version of a use case: the entry, the row, the registry. */
static int
register_usecase(struct gateway *gateway, const struct control_caller *caller, const struct usecase *usecase,
                 struct slice document, const char *action, json_t **result, struct fault *why)
{
	const struct registered *before =
	    registry_usecase(caller->snapshots->registry, usecase->agency, slice_string(usecase->id));
	struct registered made = {.usecase = *usecase};
	struct arena *arena = arena_new((size_t)16 << 20);
	struct entry_note note = {.action = action};
	uint8_t digest[crypto_hash_sha256_BYTES];
	char hex[65], version[32], entry[ENTRY_ID_SIZE];
	char *bytes = NULL, *assessment_text = NULL;
	json_t *described = NULL;
	struct buffer text, names;
	struct statement statement = {.sql = "INSERT INTO haechi.usecase (agency, id, version, document, "
	                                     "digest, verdict, ruleset, assessment, retired,"
	                                     " created_by, entry_id) VALUES ($1, $2, $3::bigint, decode($4, "
	                                     "'hex'), $5, $6, $7, $8::jsonb, $11::boolean,"
	                                     " $9, $10)",
	                              .count = 11};
	const char *all[11];
	int outcome = -1;

	buffer_init(&names, 4096);
	buffer_init(&text, (size_t)4 << 20);
	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	made.usecase.version = before == NULL ? 1 : before->usecase.version + 1;
	made.usecase.reviewer.limits = caller->snapshots->config->oversight;
	if (before != NULL) {
		made.review.decisions = before->review.decisions;
		made.review.changed = before->review.changed;
		made.review.hasty = before->review.hasty;
		made.review.median_ms = before->review.median_ms;
		registered_measure(&made.usecase, before);
	}
	made.usecase.retired = strcmp(action, "retire") == 0;
	if (policy_assess(caller->snapshots->policy, &made.usecase, NULL, arena, &made.assessment, why) == -1)
		goto out;
	if ((described = describe_usecase(&made)) == NULL) {
		fault_memory(why);
		goto out;
	}
	json_write(&text, described);
	crypto_hash_sha256(digest, document.data, document.size);
	hex_encode(hex, digest, sizeof digest);
	snprintf(version, sizeof version, "%lld", (long long)made.usecase.version);
	bytes = arena_alloc(arena, 2 * document.size + 1);
	assessment_text = buffer_text(&text);
	if (bytes == NULL || assessment_text == NULL) {
		fault_memory(why);
		goto out;
	}
	hex_encode(bytes, document.data, document.size);
	note_text(&note, "agency", usecase->agency);
	note_text(&note, "by", caller->user);
	if (before != NULL && made.usecase.document != before->usecase.document) {
		names_changed(&names, "", before->usecase.document, made.usecase.document);
		note_text(&note, "changed", buffer_text(&names));
	}
	note_text(&note, "digest", hex);
	if (before != NULL)
		note_text(&note, "from", verdict_name(before->assessment.verdict));
	note_text(&note, "ruleset", made.assessment.ruleset == NULL ? "" : made.assessment.ruleset);
	note_text(&note, "usecase", usecase->id);
	note_text(&note, "verdict", verdict_name(made.assessment.verdict));
	note.facts[note.fact_count].name = "version";
	note.facts[note.fact_count++].number = made.usecase.version;
	if (database_there(gateway, why) == -1 ||
	    gateway_note_usecase(gateway, &note, &made.usecase, caller->user, entry, why) == -1)
		goto out;
	all[0] = usecase->agency;
	all[1] = usecase->id;
	all[2] = version;
	all[3] = bytes;
	all[4] = hex;
	all[5] = verdict_name(made.assessment.verdict);
	all[6] = made.assessment.ruleset == NULL ? "" : made.assessment.ruleset;
	all[7] = assessment_text;
	all[8] = caller->user;
	all[9] = entry;
	all[10] = made.usecase.retired ? "true" : "false";
	statement.parameters = all;
	if (registrar_run(gateway->registrar, run_statement, &statement, true, why) == -1)
		goto out;
	json_object_set_new(described, "entry", json_string(entry));
	*result = json_incref(described);
	outcome = 0;
out:
	buffer_free(&names);
	json_decref(described);
	buffer_free(&text);
	arena_free(arena);
	return outcome;
}

static int
usecase_add(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
            json_t **result, struct fault *why)
{
	const json_t *document = json_object_get(request, "document");
	const struct slice text = slice_of(json_string_value(document), json_string_length(document));
	struct arena *arena = arena_new((size_t)16 << 20);
	struct usecase usecase;
	int outcome = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (!json_is_string(document)) {
		fault_set(why, FAULT_INVALID, "document(글)가 있어야 합니다", "document, a text, is needed");
	} else if (usecase_parse(&usecase, text, arena, why) == 0) {
		const bool known = registry_usecase(caller->snapshots->registry, usecase.agency,
		                                    slice_string(usecase.id)) != NULL;

		if (!known && json_get_bool(request, "must_exist", false))
			fault_set(why, FAULT_NOT_FOUND, "등록되지 않은 용도입니다. add 로 등록하십시오: %s",
			          "no such use case is registered; register it by add: %s", usecase.id);
		else
			outcome = register_usecase(gateway, caller, &usecase, text, known ? "edit" : "add",
			                           result, why);
		usecase_release(&usecase);
	}
	arena_free(arena);
	return outcome;
}

static int
usecase_retire(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
               json_t **result, struct fault *why)
{
	const char *const agency = json_get_string(request, "agency"), *const id =
	                                                                   json_get_string(request, "id");
	const struct registered *registered =
	    agency == NULL || id == NULL
	        ? NULL
	        : registry_usecase(caller->snapshots->registry, agency, slice_string(id));
	struct buffer text;
	int outcome;

	if (registered == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "그런 용도는 없습니다", "there is no such use case");
	buffer_init(&text, (size_t)4 << 20);
	json_write(&text, registered->usecase.document);
	outcome = buffer_ok(&text) ? register_usecase(gateway, caller, &registered->usecase,
	                                              buffer_view(&text), "retire", result, why)
	                           : fault_memory(why);
	buffer_free(&text);
	return outcome;
}

static int
usecase_list(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
             json_t **result, struct fault *why)
{
	const struct registry *registry = caller->snapshots->registry;

	(void)gateway;
	if ((*result = json_array()) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < registry_usecase_count(registry); i++) {
		const struct registered *registered = registry_usecase_at(registry, i);
		json_t *described = describe_usecase(registered);

		if (json_get_bool(request, "documents", false)) /* for the forms of `haechi usecase` */
			json_object_set_new(described, "document",
			                    json_deep_copy(registered->usecase.document));
		json_array_append_new(*result, described);
	}
	return 0;
}

/* ---- review -------------------------------------------------------------------------------------------------------------------- */

/* Why, in the caller's words; "" when none was given, NULL when it is too long. */
static const char *
reason_of(const json_t *request, struct fault *why)
{
	const char *const reason = json_get_string(request, "reason");

	if (reason != NULL && strlen(reason) > 500) {
		fault_set(why, FAULT_INVALID, "이유(reason)는 500바이트까지 적을 수 있습니다",
		          "a reason has 500 bytes at most");
		return NULL;
	}
	return reason == NULL ? "" : reason;
}

static int
list_reviews(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
             json_t **result, struct fault *why)
{
	const char *const reason = reason_of(request, why);

	return reason == NULL ? -1
	                      : review_list(gateway->review, json_get_bool(request, "all", false),
	                                    &caller->reviewer, reason, result, why);
}

/* Reviews as they were measured (T12): for reviewers, and for whoever runs the gateway. */
static int
review_stats(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
             json_t **result, struct fault *why)
{
	(void)caller;
	return oversight_reviews(gateway, json_get_string(request, "usecase"), result, why);
}

static const char *
ticket_of(const json_t *request, struct fault *why)
{
	const char *const ticket = json_get_string(request, "ticket");

	if (ticket == NULL)
		fault_set(why, FAULT_INVALID, "ticket이 있어야 합니다", "ticket is needed");
	return ticket;
}

static int
show_review(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
            json_t **result, struct fault *why)
{
	const char *const ticket = ticket_of(request, why);
	const char *const reason = reason_of(request, why);

	return ticket == NULL || reason == NULL
	           ? -1
	           : review_show(gateway->review, ticket, &caller->reviewer, reason, result, why);
}

static int
decide_review(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
              json_t **result, struct fault *why)
{
	const char *const action = strchr(json_get_string(request, "op"), '.') + 1;
	const char *const reason = reason_of(request, why);
	const char *const edited = json_get_string(request, "request");
	const char *const ticket = ticket_of(request, why);
	char entry[ENTRY_ID_SIZE];

	if (ticket == NULL || reason == NULL)
		return -1;
	if ((strcmp(action, "edit") == 0) != (edited != NULL))
		return fault_set(why, FAULT_INVALID, "고친 요청(request)은 edit에만, 반드시 있어야 합니다",
		                 "edit, and only edit, needs the changed request");
	if (review_decide(gateway->review, ticket, action, &caller->reviewer,
	                  json_get_string(request, "role"), reason, slice_string(edited), entry, why) == -1)
		return -1;
	*result = json_pack("{s:s, s:s, s:s, s:s}", "ticket", ticket, "action", action, "reviewer",
	                    caller->reviewer.name, "entry", entry);
	return *result == NULL ? fault_memory(why) : 0;
}

/* ---- exports -------------------------------------------------------------------------------------------------------- */

/* Somebody took evidence out of the database: the log says so, by the digest of the manifest he signed. */
static int
export_record(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
              json_t **result, struct fault *why)
{
	static const char *const kinds[] = {"report", "export", "archive", "detach", "expire"};
	const char *const manifest = json_get_string(request, "manifest"), *const kind = json_get_string(
	                                                                       request, "kind");
	const char *const about = json_get_string(request, "about");
	/* of one log's part that is detached: ascending, as facts are; see audit/archive.h */
	static const struct {
		const char *name;
		bool number;
	} detached[] = {
	    {"entries",  true },
            {"first",    true },
            {"last",     true },
            {"log",      false},
	    {"manifest", false},
            {"month",    false},
            {"runs",     false},
	};
	struct entry_note note = {.action = kind};
	char entry[ENTRY_ID_SIZE];
	uint8_t digest[32];
	bool known = false, detach;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && kind != NULL; i++)
		known = known || strcmp(kind, kinds[i]) == 0;
	if (manifest == NULL || !hex_decode(digest, sizeof digest, slice_string(manifest)) || !known ||
	    about == NULL || strlen(about) > 1024)
		return fault_set(
		    why, FAULT_INVALID,
		    "manifest(SHA-256), kind(report, export, archive, detach, expire), about이 "
		    "있어야 합니다",
		    "manifest (SHA-256), kind (report, export, archive, detach, expire) and about "
		    "are needed");
	detach = strcmp(kind, "detach") == 0;
	note_text(&note, "about", about);
	note_text(&note, "by", caller->user);
	if (!detach)
		note_text(&note, "manifest", manifest);
	for (size_t i = 0; i < sizeof detached / sizeof *detached && detach; i++) {
		const char *const name = detached[i].name, *const text = json_get_string(request, name);
		const int64_t number = json_get_integer(request, name, -1);

		if (detached[i].number ? number < 0 : text == NULL || strlen(text) > 255)
			return fault_set(why, FAULT_INVALID, "%s이(가) 있어야 합니다", "%s is needed", name);
		note_text(&note, name, detached[i].number ? NULL : text);
		note.facts[note.fact_count - 1].number = number;
	}
	if (gateway_note(gateway, ENTRY_EXPORT, &note, caller->snapshots->config->agency, caller->user, entry,
	                 why) == -1)
		return -1;
	*result = json_pack("{s:s}", "entry", entry);
	return *result == NULL ? fault_memory(why) : 0;
}

/* ---- erasing ------------------------------------------------------------------------------------------------------- */

static int
audit_shred(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
            json_t **result, struct fault *why)
{
	const int64_t days = json_get_integer(request, "default_days", 0);
	const struct shred_order order = {.entry = json_get_string(request, "entry"),
	                                  .subject = json_get_string(request, "subject"),
	                                  .user = json_get_string(request, "user"),
	                                  .agency = json_get_string(request, "agency"),
	                                  .from_ms = json_get_integer(request, "from_ms", 0),
	                                  .to_ms = json_get_integer(request, "to_ms", 0),
	                                  .expire = json_get_bool(request, "expire", false),
	                                  .default_days = (unsigned)days,
	                                  .reason = json_get_string(request, "reason"),
	                                  .by = caller->user,
	                                  .dry_run = json_get_bool(request, "dry_run", false)};

	if (days < 0 || days > 36525)
		return fault_set(why, FAULT_INVALID, "default_days는 0부터 36525까지입니다",
		                 "default_days is from 0 to 36525");
	return shred_run(gateway, &order, result, why);
}

static int
audit_open(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
           json_t **result, struct fault *why)
{
	return opening_run(gateway, json_get_string(request, "entry"), json_get_string(request, "reason"),
	                   caller->user, result, why);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------- */

enum who { OWNER = 0, REVIEWER };

static const struct {
	const char *name;
	operation *run;
	enum who who; /* who may, besides the owner */
} operations[] = {
    {"status",          status,          REVIEWER},
    {"reload",          reload,          OWNER   },
    {"key.create",      key_create,      OWNER   },
    {"key.list",        key_list,        OWNER   },
    {"key.revoke",      key_revoke,      OWNER   },
    {"export.record",   export_record,   OWNER   },
    {"audit.shred",     audit_shred,     OWNER   },
    {"audit.open",      audit_open,      OWNER   },
    {"policy.activate", control_bundles, OWNER   },
    {"policy.rollback", control_bundles, OWNER   },
    {"policy.shadow",   control_bundles, OWNER   },
    {"policy.list",     control_bundles, OWNER   },
    {"policy.export",   control_bundles, OWNER   },
    {"policy.pull",     control_bundles, OWNER   },
    {"usecase.add",     usecase_add,     OWNER   },
    {"usecase.list",    usecase_list,    REVIEWER},
    {"usecase.retire",  usecase_retire,  OWNER   },
    {"oversight",       review_stats,    REVIEWER},
    {"review.list",     list_reviews,    REVIEWER},
    {"review.show",     show_review,     REVIEWER},
    {"review.approve",  decide_review,   REVIEWER},
    {"review.refuse",   decide_review,   REVIEWER},
    {"review.edit",     decide_review,   REVIEWER},
};

int
control_run(struct gateway *gateway, const struct control_caller *caller, const char *op,
            const json_t *request, json_t **result, struct fault *why)
{
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		if (strcmp(operations[i].name, op) != 0)
			continue;
		/* Reviews are done by named reviewers alone: root may run the machine, but is no one's supervisor. */
		if (strncmp(op, "review.", 7) == 0
		        ? !caller->is_reviewer
		        : !caller->owner && !(operations[i].who == REVIEWER && caller->is_reviewer))
			return fault_set(why, FAULT_FORBIDDEN, "계정 %s은(는) 이 일을 할 수 없습니다: %s",
			                 "account %s may not do this: %s", caller->user, op);
		return operations[i].run(gateway, caller, request, result, why);
	}
	return fault_set(why, FAULT_UNSUPPORTED, "모르는 op입니다", "unknown op");
}
