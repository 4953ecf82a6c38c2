#include "gateway/shred.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "policy/policy.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define PENDING_FILE    "shred.pending"
#define PENDING_MOST    ((size_t)1 << 20)
#define CANDIDATES_MOST 100000
#define SHIP_WAIT_MS    15000

/* ---- the note beside the keys ---------------------------------------------------------------------------------- */

static int
pending_path(char path[PATH_MAX], struct gateway *gateway, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	int length;

	if (snapshots == NULL)
		return fault_set(why, FAULT_UNAVAILABLE, "아직 준비되지 않았습니다", "not ready yet");
	length = snprintf(path, PATH_MAX, "%s/" PENDING_FILE, snapshots->config->ledger.seal);
	snapshots_release(snapshots);
	if (length >= PATH_MAX)
		return fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		                 "the key directory's path is too long");
	return 0;
}

static int
pending_write(const char *path, const json_t *pending, struct fault *why)
{
	struct buffer text;
	int result;

	buffer_init(&text, PENDING_MOST);
	json_write(&text, pending);
	result = buffer_ok(&text) ? file_replace(path, buffer_view(&text), 0600, why) : fault_memory(why);
	buffer_free(&text);
	return result;
}

/* Its absence need not be durable: an order that comes back finds its entry in the log. */
static int
pending_remove(const char *path, struct fault *why)
{
	if (unlink(path) == -1 && errno != ENOENT)
		return fault_errno(why, "파기 쪽지 %s 지우기", "removing the note %s", path);
	return 0;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

/*
 * $1 the log's origin, $2... what chooses. Entries are evidence and cannot be moved away; whether something was
 * sealed for one, its canonical bytes say: a quoted name cannot occur inside a JSON string.
 */
#define OWN_LOG "own AS (SELECT log_id FROM haechi.log WHERE origin = $1)"
#define FOLLOWERS                                                                                            \
	" UNION SELECT e.log_id, e.index, e.wall, e.id FROM chosen c JOIN haechi.entry e ON e.of = c.id "    \
	"AND "                                                                                               \
	"e.log_id = c.log_id)"
#define SEALED                                                                                               \
	" SELECT e.id, e.kind, coalesce(e.agency, ''), coalesce(e.usecase, ''),"                             \
	" (extract(epoch FROM e.wall) * 1000)::bigint, s.rows, s.bytes"                                      \
	" FROM chosen c JOIN haechi.entry e ON e.log_id = c.log_id AND e.index = c.index AND e.wall = "      \
	"c.wall"                                                                                             \
	" CROSS JOIN LATERAL (SELECT count(*) AS rows, coalesce(sum(octet_length(blob)), 0)::bigint AS "     \
	"bytes"                                                                                              \
	"  FROM haechi.content x WHERE x.log_id = e.log_id AND x.entry_id = e.id AND x.wall = e.wall) s"     \
	" WHERE s.rows > 0"                                                                                  \
	" OR (e.kind = 'decision' AND position('\"prompt\":{'::bytea in e.bytes) > 0"                        \
	"  AND (e.access = 'hold' OR position('\"log_full\":true'::bytea in e.bytes) > 0))"                  \
	" OR (e.kind = 'outcome' AND position('\"answer\":{'::bytea in e.bytes) > 0)"                        \
	" OR (e.kind = 'review' AND e.action = 'edit')"
/* Of months that left the database; what lies sealed in their archives is a copy like any other. */
#define ARCHIVED                                                                                             \
	" UNION ALL SELECT a.id, a.kind, coalesce(a.agency, ''), coalesce(a.usecase, ''),"                   \
	" (extract(epoch FROM a.wall) * 1000)::bigint, 0::bigint, 0::bigint"                                 \
	" FROM haechi.archive_sealed a WHERE a.log_id = (SELECT log_id FROM own) AND "
#define IN_ORDER " ORDER BY 1 LIMIT 100001"

static const char by_entry_sql[] =
    "WITH RECURSIVE " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE (e.id = $2 OR e.of = $2 OR e.of IN (SELECT a.id FROM haechi.archive_sealed a WHERE a.root = $2))"
    " AND e.log_id = (SELECT log_id FROM own)" FOLLOWERS SEALED ARCHIVED
    "(a.id = $2 OR a.of = $2 OR a.root = $2)" IN_ORDER;
static const char by_subject_sql[] =
    "WITH RECURSIVE " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE ((e.subject = $2 AND e.kind IN ('decision', 'outcome')) OR e.of IN"
    " (SELECT a.id FROM haechi.archive_sealed a WHERE a.subject = $2)) AND e.log_id = (SELECT log_id FROM "
    "own)" FOLLOWERS SEALED ARCHIVED "(a.subject = $2 OR a.root IN (SELECT r.root FROM haechi.archive_sealed "
    "r WHERE r.subject = $2))" IN_ORDER;
static const char by_period_sql[] =
    "WITH " OWN_LOG ", chosen AS (SELECT e.log_id, e.index, e.wall, e.id FROM haechi.entry e"
    " WHERE e.wall >= to_timestamp($2::float8 / 1000) AND e.wall < to_timestamp($3::float8 / 1000)"
    " AND e.kind IN ('decision', 'outcome', 'review') AND ($4::text IS NULL OR e.agency = $4)"
    " AND e.log_id = (SELECT log_id FROM own))" SEALED ARCHIVED
    "a.wall >= to_timestamp($2::float8 / 1000) AND a.wall < to_timestamp($3::float8 / 1000)"
    " AND ($4::text IS NULL OR a.agency = $4)" IN_ORDER;

struct shredding {
	struct gateway *gateway;
	const struct shred_order *order;
	const char *selector, *subject;
	char path[PATH_MAX];
	json_t *pending, *items;
	json_t *result;
};

static int
ask_candidates(struct database_rows **rows, struct database *database, const struct shredding *shredding,
               struct fault *why)
{
	const struct shred_order *order = shredding->order;
	const char *parameters[4] = {shredding->gateway->origin};
	char from[32], to[32];

	if (shredding->subject != NULL) {
		parameters[1] = shredding->subject;
		return database_ask(rows, database, by_subject_sql, 2, parameters, why);
	}
	if (order->entry != NULL) {
		parameters[1] = order->entry;
		return database_ask(rows, database, by_entry_sql, 2, parameters, why);
	}
	snprintf(from, sizeof from, "%lld", (long long)order->from_ms);
	snprintf(to, sizeof to, "%lld", (long long)order->to_ms);
	parameters[1] = from;
	parameters[2] = to;
	parameters[3] = order->agency;
	return database_ask(rows, database, by_period_sql, 4, parameters, why);
}

/* Into items: what still has a key, or a row. */
static int
find(struct shredding *shredding, struct database *database, int64_t *row_count, int64_t *bytes,
     struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = -1;

	if (ask_candidates(&rows, database, shredding, why) == -1)
		return -1;
	if (database_count(rows) > CANDIDATES_MOST)
		goto too_many;
	for (size_t i = 0; i < database_count(rows); i++) {
		char when[CLOCK_TEXT_SIZE];
		bool there = true;

		if (database_integer(rows, i, 5) == 0 &&
		    sealer_remembers(shredding->gateway->sealer, database_text(rows, i, 2),
		                     database_text(rows, i, 0), &there, why) == -1)
			goto out;
		if (!there)
			continue;
		if (json_array_size(shredding->items) == SHRED_MOST)
			goto too_many;
		clock_text(when, database_integer(rows, i, 4));
		*row_count += database_integer(rows, i, 5);
		*bytes += database_integer(rows, i, 6);
		if (json_array_append_new(
		        shredding->items,
		        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "entry", database_text(rows, i, 0),
		                  "kind", database_text(rows, i, 1), "agency", database_text(rows, i, 2),
		                  "usecase", database_text(rows, i, 3), "time", when, "rows",
		                  (json_int_t)database_integer(rows, i, 5), "bytes",
		                  (json_int_t)database_integer(rows, i, 6))) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	result = 0;
	goto out;
too_many:
	fault_set(why, FAULT_TOO_LARGE, "한 번에 %d건까지 파기합니다: 기간을 나누십시오",
	          "at most %d entries an order: divide the period", SHRED_MOST);
out:
	database_rows_free(rows);
	return result;
}

/* ---- carrying out ---------------------------------------------------------------------------------------------- */

static const char *
item_id(const json_t *item)
{
	const char *const id =
	    json_is_string(item) ? json_string_value(item) : json_get_string(item, "entry");

	return id == NULL ? "" : id;
}

static int
forget(struct gateway *gateway, const json_t *entries, struct fault *why)
{
	const size_t count = json_array_size(entries);
	struct sealed *items = calloc(count + 1, sizeof *items);
	int result;

	if (items == NULL)
		return fault_memory(why);
	/* a bare id: of a note that an earlier version left behind, whose keys had no agencies */
	for (size_t i = 0; i < count; i++) {
		const json_t *const item = json_array_get(entries, i);

		items[i].agency = json_is_string(item) ? "" : json_get_string(item, "agency");
		items[i].id = item_id(item);
	}
	result = sealer_forget(gateway->sealer, items, count, why);
	free(items);
	return result;
}

/* The rows of content; and the copies that wait for a reviewer: their tickets expire, which is an entry of its own. */
static int
remove_rows(struct gateway *gateway, struct database *database, const json_t *entries, struct fault *why)
{
	static const char *const statements[] = {
	    "DELETE FROM haechi.content WHERE entry_id = ANY ($2::text[]) AND log_id ="
	    " (SELECT log_id FROM haechi.log WHERE origin = $1)",
	    "UPDATE haechi.ticket SET content = NULL, expires_at = CASE WHEN state IN ('waiting', "
	    "'approved') THEN"
	    " least(expires_at, clock_timestamp()) ELSE expires_at END WHERE content IS NOT NULL AND"
	    " (entry_id = ANY ($2::text[]) OR review_entry = ANY ($2::text[])) AND log_id IN (0,"
	    " (SELECT log_id FROM haechi.log WHERE origin = $1))"};
	const char *parameters[2] = {gateway->origin};
	struct buffer list;
	int result = 0;

	buffer_init(&list, PENDING_MOST);
	for (size_t i = 0; i < json_array_size(entries); i++)
		buffer_printf(&list, "%s%s", i == 0 ? "{" : ",", item_id(json_array_get(entries, i)));
	buffer_byte(&list, '}');
	if ((parameters[1] = buffer_text(&list)) == NULL)
		result = fault_memory(why);
	for (size_t i = 0; result == 0 && i < sizeof statements / sizeof *statements; i++) {
		struct database_rows *rows = NULL;

		result = database_ask(&rows, database, statements[i], 2, parameters, why);
		database_rows_free(rows);
	}
	buffer_free(&list);
	return result;
}

static int
record(struct gateway *gateway, const json_t *pending, char entry[ENTRY_ID_SIZE], struct fault *why)
{
	static const struct {
		const char *name;
		bool number;
	} facts[] = {
	    {"about",    false},
            {"by",       false},
            {"bytes",    true },
            {"digest",   false},
            {"entries",  true },
	    {"job",      false},
            {"reason",   false},
            {"rows",     true },
            {"selector", false},
	};
	struct entry_note note = {.action = "erase"};

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		const char *const name = facts[i].name;

		note.facts[i].name = name;
		if (facts[i].number)
			note.facts[i].number = json_get_integer(pending, name, 0);
		else if ((note.facts[i].text = json_get_string(pending, name)) == NULL)
			return fault_set(why, FAULT_INVALID, "파기 쪽지에 %s이(가) 없습니다",
			                 "the note of the order lacks %s", name);
		note.fact_count++;
	}
	return gateway_note(gateway, ENTRY_SHRED, &note, json_get_string(pending, "agency"),
	                    json_get_string(pending, "by"), entry, why);
}

/* Everything after the note was written; each step may be done twice, but the entry. */
static int
finish(struct gateway *gateway, struct database *database, const char *path, const json_t *pending,
       char entry[ENTRY_ID_SIZE], struct fault *why)
{
	const json_t *const items = json_object_get(pending, "items");

	if (forget(gateway, items, why) == -1 || remove_rows(gateway, database, items, why) == -1)
		return -1;
	if (entry[0] == '\0' && record(gateway, pending, entry, why) == -1)
		return -1;
	log_info("shred", "event=erased entries=%lld entry=%s",
	         (long long)json_get_integer(pending, "entries", 0), entry);
	return pending_remove(path, why);
}

int
shred_resume(struct gateway *gateway, struct database *database, struct fault *why)
{
	struct ledger_status ledger;
	struct database_rows *rows = NULL;
	char path[PATH_MAX], entry[ENTRY_ID_SIZE] = "";
	const char *parameters[2];
	char begun[32];
	json_t *pending;
	int result = -1;

	if (gateway->ledger == NULL || pending_path(path, gateway, why) == -1 || access(path, F_OK) == -1)
		return 0;
	/* Whether its entry was written, the database can say once it has them all. */
	ledger_status(gateway->ledger, &ledger);
	if (!ledger.writable || ledger.shipped < ledger.size)
		return 0;
	if ((pending = json_read_file(path, PENDING_MOST, why)) == NULL)
		goto out;
	parameters[0] = json_get_string(pending, "job");
	if (parameters[0] == NULL || !json_is_array(json_object_get(pending, "items"))) {
		fault_set(why, FAULT_INVALID, "파기 쪽지 %s이(가) 손상되었습니다", "the note %s is damaged",
		          path);
		goto out;
	}
	snprintf(begun, sizeof begun, "%lld", (long long)json_get_integer(pending, "begun_ms", 0));
	parameters[1] = begun;
	if (database_ask(&rows, database,
	                 "SELECT id FROM haechi.entry WHERE kind = 'shred' AND"
	                 " wall >= to_timestamp($2::float8 / 1000) - interval '1 day' AND"
	                 " position(convert_to($1, 'UTF8') in bytes) > 0 LIMIT 1",
	                 2, parameters, why) == -1)
		goto out;
	if (database_count(rows) == 1)
		snprintf(entry, sizeof entry, "%s", database_text(rows, 0, 0));
	result = finish(gateway, database, path, pending, entry, why);
out:
	database_rows_free(rows);
	json_decref(pending);
	if (result == -1 && why->kind != FAULT_UNAVAILABLE) {
		log_fault(LOG_LEVEL_ERROR, "shred", "not-finished", why);
		return 0; /* no reason to leave the database */
	}
	return result;
}

/* ---- an order -------------------------------------------------------------------------------------------------- */

static int
describe(struct shredding *shredding, const char *agency, int64_t rows, int64_t bytes, struct fault *why)
{
	const struct shred_order *order = shredding->order;
	uint8_t hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	char about[256], from[CLOCK_TEXT_SIZE] = "", to[CLOCK_TEXT_SIZE], digest[65], job[ENTRY_ID_SIZE];
	json_t *ids = json_array();

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < json_array_size(shredding->items); i++) {
		const json_t *const item = json_array_get(shredding->items, i);
		const char *const id = json_get_string(item, "entry");

		json_array_append_new(
		    ids, json_pack("{s:s, s:s}", "agency", json_get_string(item, "agency"), "entry", id));
		crypto_hash_sha256_update(&state, (const uint8_t *)id, strlen(id));
		crypto_hash_sha256_update(&state, (const uint8_t *)"\n", 1);
	}
	crypto_hash_sha256_final(&state, hash);
	hex_encode(digest, hash, sizeof hash);
	if (shredding->subject != NULL) {
		snprintf(about, sizeof about, "subject=%s", shredding->subject);
	} else if (order->entry != NULL) {
		snprintf(about, sizeof about, "entry=%s", order->entry);
	} else {
		if (order->from_ms > 0)
			clock_text(from, order->from_ms);
		clock_text(to, order->to_ms);
		snprintf(about, sizeof about, "from=%s to=%s agency=%s", from, to,
		         order->agency == NULL ? "*" : order->agency);
	}
	entry_id_make(job, clock_wall_ms());
	shredding->pending = json_pack(
	    "{s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:o}", "about", about, "agency", agency,
	    "begun_ms", (json_int_t)clock_wall_ms(), "by", order->by, "bytes", (json_int_t)bytes, "digest",
	    digest, "job", job, "entries", (json_int_t)json_array_size(shredding->items), "reason",
	    order->reason, "selector", shredding->selector, "rows", (json_int_t)rows, "items", ids);
	shredding->result =
	    json_pack("{s:b, s:s, s:s, s:I, s:I, s:I, s:s, s:O}", "dry_run", (int)order->dry_run, "selector",
	              shredding->selector, "about", about, "entries",
	              (json_int_t)json_array_size(shredding->items), "rows", (json_int_t)rows, "bytes",
	              (json_int_t)bytes, "digest", digest, "items", shredding->items);
	return shredding->pending == NULL || shredding->result == NULL ? fault_memory(why) : 0;
}

/* On the registrar's thread, so that no other order and no shred_resume() is under way. */
static int
carry_out(struct database *database, void *owner, struct fault *why)
{
	struct shredding *shredding = owner;
	struct gateway *gateway = shredding->gateway;
	struct snapshots *snapshots = NULL;
	int64_t rows = 0, bytes = 0;
	char entry[ENTRY_ID_SIZE] = "";
	int result = -1;

	if (!shredding->order->dry_run && access(shredding->path, F_OK) == 0)
		return fault_set(why, FAULT_BUSY, "앞선 파기가 아직 끝나지 않았습니다. 잠시 뒤 다시 하십시오",
		                 "an earlier order is not finished yet: try again soon");
	if (find(shredding, database, &rows, &bytes, why) == -1 ||
	    (snapshots = gateway_hold(gateway)) == NULL)
		return -1;
	if (describe(shredding,
	             shredding->order->agency != NULL ? shredding->order->agency : snapshots->config->agency,
	             rows, bytes, why) == -1)
		goto out;
	if (shredding->order->dry_run || json_array_size(shredding->items) == 0) {
		result = 0;
		goto out;
	}
	if (pending_write(shredding->path, shredding->pending, why) == -1 ||
	    finish(gateway, database, shredding->path, shredding->pending, entry, why) == -1)
		goto out;
	result =
	    json_object_set_new(shredding->result, "shred", json_string(entry)) == -1 ? fault_memory(why) : 0;
out:
	snapshots_release(snapshots);
	return result;
}

/* The entries of now must be in the database before it is asked what there is. */
static int
wait_shipped(struct gateway *gateway, struct fault *why)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	const int64_t deadline = clock_monotonic_ns() + (int64_t)SHIP_WAIT_MS * 1000000;
	struct ledger_status status;
	uint64_t size;

	ledger_status(gateway->ledger, &status);
	for (size = status.size; status.shipped < size; ledger_status(gateway->ledger, &status)) {
		if (clock_monotonic_ns() > deadline)
			return fault_set(
			    why, FAULT_UNAVAILABLE,
			    "PostgreSQL에 아직 모두 실리지 않아 무엇을 파기할지 알 수 없습니다",
			    "PostgreSQL does not have every entry yet: what to erase is not known");
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* An erasure must not leave behind in its reason what it erases. */
static int
check_reason(const char *reason, struct fault *why)
{
	struct arena *arena = arena_new((size_t)4 << 20);
	struct detector *detector = NULL;
	struct detection detection;
	int result = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (detector_open(&detector, why) == -1 ||
	    detector_identify(detector, slice_string(reason), arena, &detection, why) == -1)
		goto out;
	result = 0;
	for (size_t i = 0; i < detection.finding_count && result == 0; i++)
		if (detection.findings[i].confidence >= FINDING_CONFIDENT)
			result = fault_set(
			    why, FAULT_INVALID,
			    "이유(reason)에 개인식별자가 있습니다: 기록은 지울 수 없으니 빼고 적으십시오",
			    "the reason holds a personal identifier: the log cannot forget, leave it out");
out:
	detector_close(detector);
	arena_free(arena);
	return result;
}

static bool
is_pseudonym(const char *text)
{
	return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static int
check_order(const struct shred_order *order, struct fault *why)
{
	const int chosen =
	    (order->entry != NULL) + (order->subject != NULL) + (order->user != NULL) + (order->to_ms > 0);

	if (chosen != 1 || (order->from_ms > 0 && order->to_ms <= order->from_ms))
		return fault_set(
		    why, FAULT_INVALID,
		    "entry, subject, user, to(끝나는 때) 가운데 하나로 고르고, 기간은 앞뒤가 맞아야 합니다",
		    "choose by one of entry, subject, user and to; a period must not end before it begins");
	if (order->agency != NULL && (order->agency[0] == '\0' || strlen(order->agency) > 64 ||
	                              order->entry != NULL || order->subject != NULL))
		return fault_set(why, FAULT_INVALID, "agency는 user나 기간과 함께 씁니다 (64자까지)",
		                 "agency goes with user or a period (64 at most)");
	if (order->user != NULL && (order->agency == NULL || order->user[0] == '\0'))
		return fault_set(why, FAULT_INVALID, "user에는 agency가 있어야 합니다", "user needs agency");
	if (order->subject != NULL && !is_pseudonym(order->subject))
		return fault_set(why, FAULT_INVALID, "subject는 가명(16진수 32자)입니다",
		                 "subject is a pseudonym: 32 hex digits");
	if (order->entry != NULL && strlen(order->entry) != ENTRY_ID_SIZE - 1)
		return fault_set(why, FAULT_INVALID, "entry는 항목 id입니다", "entry is the id of an entry");
	if (order->dry_run)
		return 0;
	if (order->reason == NULL || order->reason[0] == '\0' || strlen(order->reason) > 500)
		return fault_set(why, FAULT_INVALID, "이유(reason)를 500바이트까지 적어야 합니다",
		                 "a reason is needed, 500 bytes at most");
	return check_reason(order->reason, why);
}

int
shred_run(struct gateway *gateway, const struct shred_order *order, json_t **result, struct fault *why)
{
	struct shred_order known = *order;
	struct shredding shredding = {.gateway = gateway, .order = &known};
	char pseudonym[33];
	int status = -1;

	*result = NULL;
	if (check_order(order, why) == -1)
		return -1;
	if (known.reason == NULL)
		known.reason = "";
	if (order->user != NULL) {
		sealer_pseudonym(gateway->sealer, order->agency, order->user, pseudonym);
		shredding.subject = pseudonym;
	} else {
		shredding.subject = order->subject;
	}
	shredding.selector = shredding.subject != NULL ? "subject"
	                     : order->entry != NULL    ? "entry"
	                                               : "period";
	if ((shredding.items = json_array()) == NULL)
		return fault_memory(why);
	if (pending_path(shredding.path, gateway, why) == 0 && wait_shipped(gateway, why) == 0 &&
	    registrar_run(gateway->registrar, carry_out, &shredding, false, why) == 0) {
		*result = json_incref(shredding.result);
		status = 0;
	}
	json_decref(shredding.result);
	json_decref(shredding.pending);
	json_decref(shredding.items);
	return status;
}
