#include "gateway/review_inside.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define SWEEP_MOST "100"

static json_t *
row_json(const struct database_rows *rows, size_t row)
{
	char created[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE], decided[CLOCK_TEXT_SIZE] = "",
	                                                         opened[CLOCK_TEXT_SIZE] = "";

	clock_text(created, database_integer(rows, row, COLUMN_CREATED));
	clock_text(expires, database_integer(rows, row, COLUMN_EXPIRES));
	if (database_integer(rows, row, COLUMN_DECIDED) > 0)
		clock_text(decided, database_integer(rows, row, COLUMN_DECIDED));
	if (database_integer(rows, row, COLUMN_OPENED) > 0)
		clock_text(opened, database_integer(rows, row, COLUMN_OPENED));
	return json_pack(
	    "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "ticket",
	    database_text(rows, row, COLUMN_TICKET), "state", database_text(rows, row, COLUMN_STATE),
	    "agency", database_text(rows, row, COLUMN_AGENCY), "service",
	    database_text(rows, row, COLUMN_SERVICE), "usecase", database_text(rows, row, COLUMN_USECASE),
	    "entry", database_text(rows, row, COLUMN_ENTRY), "approver_role",
	    database_text(rows, row, COLUMN_ROLE), "created_at", created, "expires_at", expires, "opened_at",
	    opened, "decided_at", decided, "reviewer", database_text(rows, row, COLUMN_REVIEWER), "reason",
	    database_text(rows, row, COLUMN_REASON), "changed", (int)database_bool(rows, row, COLUMN_CHANGED),
	    "request_id", database_text(rows, row, COLUMN_REQUEST_ID));
}

struct listing {
	bool all;
	json_t *rows;
};

static int
list(struct database *database, void *owner, struct fault *why)
{
	struct listing *listing = owner;
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(&rows, database,
	                 listing->all
	                     ? "SELECT " TICKET_COLUMNS
	                       " FROM haechi.ticket ORDER BY created_at DESC LIMIT 500"
	                     : "SELECT " TICKET_COLUMNS
	                       " FROM haechi.ticket WHERE state = 'waiting' ORDER BY created_at LIMIT 500",
	                 0, NULL, why) == -1)
		return -1;
	if ((listing->rows = json_array()) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < database_count(rows); i++)
		if (json_array_append_new(listing->rows, row_json(rows, i)) == -1) {
			fault_memory(why);
			goto out;
		}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

/*
 * Reading the queue, or what somebody asked, is an access (PIPA 29 and the safety measures, Art. 8): account, time, place, whose
 * data, what was done, and why. The reviewers' door is the control socket, of this machine. `ticket` NULL: the queue.
 */
static int
access_record(struct review *review, const char *action, const char *ticket, const json_t *shown,
              const struct reviewer *reviewer, const char *about, const char *reason, struct fault *why)
{
	const struct {
		const char *name, *text;
	} facts[] = {
	    {"about",      about	                                },
	    {"content_of", ticket == NULL ? NULL : json_get_string(shown, "entry")},
	    {"login",            reviewer->user	                                          },
	    {"place",            "local"},
	    {"reason",            reason	                                         },
	    {"reviewer",            reviewer->name},
	    {"ticket",            ticket	                                           },
	};
	struct entry_note note = {.action = action};
	struct snapshots *const snapshots = gateway_hold(review->gateway);
	char entry[ENTRY_ID_SIZE];
	int result;

	if (snapshots == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		if (facts[i].text == NULL || facts[i].text[0] == '\0')
			continue;
		note.facts[note.fact_count].name = facts[i].name;
		note.facts[note.fact_count++].text = facts[i].text;
	}
	/* The queue is the gateway's own agency's. */
	result = gateway_note(review->gateway, ENTRY_ACCESS, &note,
	                      shown == NULL ? snapshots->config->agency : json_get_string(shown, "agency"),
	                      reviewer->user, entry, why);
	snapshots_release(snapshots);
	return result;
}

int
review_list(struct review *review, bool all, const struct reviewer *reviewer, const char *reason,
            json_t **out, struct fault *why)
{
	struct listing listing = {.all = all};
	int result = registrar_run(review->gateway->registrar, list, &listing, false, why);

	if (result == 0)
		result = access_record(review, "list", NULL, NULL, reviewer,
		                       all ? "tickets=all" : "tickets=waiting", reason, why);
	if (result == -1) {
		json_decref(listing.rows);
		listing.rows = NULL;
	}
	*out = listing.rows;
	return result;
}

struct deciding {
	struct review *review;
	const char *id, *action, *role, *reason;
	const struct reviewer *reviewer;
	struct slice edited;
	char *entry;
	json_t *shown;
};

static int
show(struct database *database, void *owner, struct fault *why)
{
	struct deciding *deciding = owner;
	const char *const parameters[] = {deciding->id};
	struct database_rows *rows = NULL;
	struct buffer content;
	json_t *request = NULL;
	int result = -1;

	buffer_init(&content, TICKET_MOST);
	if (database_ask(&rows, database, ticket_find_sql, 1, parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1) {
		ticket_missing(why);
		goto out;
	}
	if ((deciding->shown = row_json(rows, 0)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (database_field(rows, 0, COLUMN_CONTENT).data != NULL) {
		if (ticket_open(deciding->review->gateway->sealer, rows, &content, why) == -1 ||
		    (request = json_read(buffer_view(&content), TICKET_MOST, JSON_DEPTH_LIMIT, why)) == NULL)
			goto out;
		if (json_object_set_new(deciding->shown, "request", request) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	result = ticket_run(database,
	                    "UPDATE haechi.ticket SET opened_at = clock_timestamp() WHERE ticket = $1 AND"
	                    " state = 'waiting' AND opened_at IS NULL",
	                    1, parameters, NULL, why);
out:
	buffer_wipe(&content);
	database_rows_free(rows);
	return result;
}

int
review_show(struct review *review, const char *id, const struct reviewer *reviewer, const char *reason,
            json_t **out, struct fault *why)
{
	struct deciding deciding = {.review = review, .id = id, .reviewer = reviewer};
	char about[160];

	*out = NULL;
	snprintf(about, sizeof about, "ticket=%.128s", id);
	/* Before it is shown. */
	if (registrar_run(review->gateway->registrar, show, &deciding, false, why) == -1 ||
	    access_record(review, "show", id, deciding.shown, reviewer, about, reason, why) == -1) {
		json_decref(deciding.shown);
		return -1;
	}
	*out = deciding.shown;
	return 0;
}

static bool
has_role(const struct reviewer *reviewer, const char *role)
{
	for (size_t i = 0; i < reviewer->role_count; i++)
		if (strcmp(reviewer->roles[i], role) == 0)
			return true;
	return false;
}

/* Requests carry the pseudonym of the person they are for: the reviewer's account or name under the same key is he. */
static bool
asked_himself(const struct deciding *deciding, const struct database_rows *rows)
{
	const char *const subject = database_text(rows, 0, COLUMN_SUBJECT);
	const char *const names[] = {deciding->reviewer->user, deciding->reviewer->name};
	char pseudonym[33];

	for (size_t i = 0; subject[0] != '\0' && i < 2; i++) {
		sealer_pseudonym(deciding->review->gateway->sealer, database_text(rows, 0, COLUMN_AGENCY),
		                 names[i], pseudonym);
		if (strcmp(pseudonym, subject) == 0)
			return true;
	}
	return false;
}

/* May this person decide this ticket now? On success *role is the one he acts in. */
static int
check_decider(const struct deciding *deciding, const struct database_rows *rows,
              const struct config_review *config, const char **role, struct fault *why)
{
	const char *const wanted = database_text(rows, 0, COLUMN_ROLE);

	if (strcmp(database_text(rows, 0, COLUMN_STATE), "waiting") != 0)
		return fault_set(why, FAULT_CONFLICT, "이미 끝난 검토표입니다: %s",
		                 "the ticket is already settled: %s", database_text(rows, 0, COLUMN_STATE));
	if (clock_wall_ms() >= database_integer(rows, 0, COLUMN_EXPIRES))
		return fault_set(why, FAULT_CONFLICT, "기한이 지난 검토표입니다", "the ticket has expired");
	*role = deciding->role != NULL               ? deciding->role
	        : wanted[0] != '\0'                  ? wanted
	        : deciding->reviewer->role_count > 0 ? deciding->reviewer->roles[0]
	                                             : "";
	if (!has_role(deciding->reviewer, *role))
		return fault_set(why, FAULT_FORBIDDEN, "%s 님에게는 역할 '%s'이(가) 없습니다",
		                 "%s does not have the role '%s'", deciding->reviewer->name, *role);
	if (wanted[0] != '\0' && strcmp(wanted, *role) != 0)
		return fault_set(why, FAULT_FORBIDDEN, "이 검토에는 역할 '%s'이(가) 있어야 합니다",
		                 "this review needs the role '%s'", wanted);
	if (strcmp(deciding->action, "refuse") == 0) /* harms nobody, seen or unseen, whoever asked */
		return 0;
	if (asked_himself(deciding, rows))
		return fault_set(why, FAULT_FORBIDDEN, "자신이 한 요청은 자신이 승인할 수 없습니다: %s",
		                 "nobody approves his own request: %s", deciding->reviewer->name);
	/* T11: nobody can have weighed what he was not shown. Where it is not forbidden the entry says it all the same. */
	if (config->look_first && database_integer(rows, 0, COLUMN_OPENED) == 0)
		return fault_set(why, FAULT_CONFLICT, "먼저 내용을 보십시오: haechi review show %s",
		                 "look at it first: haechi review show %s", deciding->id);
	return 0;
}

static const char decide_sql[] =
    "UPDATE haechi.ticket SET state = $2, reviewer = $3, approver_role = $4, reason = $5, changed = "
    "$6::boolean,"
    " review_entry = $7, decided_at = clock_timestamp(), request_digest = $8,"
    " content = CASE WHEN $9::text IS NULL THEN CASE WHEN $2 = 'refused' THEN NULL ELSE content END"
    " ELSE $9::bytea END, expires_at = to_timestamp($10::float8 / 1000)"
    " WHERE ticket = $1 AND state = 'waiting' RETURNING ticket";

/* The edited request must be one that could have come in; it is kept in the form that goes to an engine. */
static int
remake(struct deciding *deciding, struct buffer *content, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(deciding->review->gateway);
	struct arena *arena = arena_new((size_t)32 << 20);
	struct openai_request *request = NULL;
	const char *param;
	int result = -1;

	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (openai_read(&request, openai_kind_of(deciding->edited), deciding->edited,
	                &snapshots->config->openai, arena, &param, why) == -1)
		goto out;
	openai_content(content, request);
	result = buffer_ok(content) ? 0 : fault_memory(why);
out:
	openai_free(request);
	arena_free(arena);
	snapshots_release(snapshots);
	return result;
}

static int
decide(struct database *database, void *owner, struct fault *why)
{
	struct deciding *deciding = owner;
	struct gateway *gateway = deciding->review->gateway;
	const bool edit = strcmp(deciding->action, "edit") == 0,
	           refuse = strcmp(deciding->action, "refuse") == 0;
	struct snapshots *snapshots = NULL;
	struct database_rows *rows = NULL;
	const char *parameters[10] = {deciding->id};
	struct buffer bytes, content, blob;
	struct entry_review review = {0};
	struct entry_head head;
	char expires[32], *sealed = NULL;
	size_t changed_rows = 0;
	uint64_t index;
	int result = -1;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	buffer_init(&content, TICKET_MOST);
	buffer_init(&blob, TICKET_MOST + 4096);
	if (database_ask(&rows, database, ticket_find_sql, 1, parameters, why) == -1)
		goto out;
	if (database_count(rows) != 1) {
		ticket_missing(why);
		goto out;
	}
	if ((snapshots = gateway_hold(gateway)) == NULL) {
		fault_set(why, FAULT_INTERNAL, "아직 시작되지 않았습니다", "not started yet");
		goto out;
	}
	if (check_decider(deciding, rows, &snapshots->config->review, &review.role, why) == -1)
		goto out;
	gateway_entry_head(gateway, &head, ENTRY_REVIEW, deciding->entry,
	                   database_text(rows, 0, COLUMN_AGENCY), deciding->reviewer->user);
	head.of = database_text(rows, 0, COLUMN_ENTRY);
	head.usecase = database_text(rows, 0, COLUMN_USECASE);
	head.request_id = database_text(rows, 0, COLUMN_REQUEST_ID);
	review.ticket = deciding->id;
	review.reviewer = deciding->reviewer->name;
	review.action = deciding->action;
	review.reason = deciding->reason;
	review.changed = edit || refuse;
	review.shown_ms = database_integer(rows, 0, COLUMN_OPENED) == 0
	                      ? -1
	                      : clock_wall_ms() - database_integer(rows, 0, COLUMN_OPENED);
	review.expires_ms = refuse
	                        ? database_integer(rows, 0, COLUMN_EXPIRES)
	                        : clock_wall_ms() + (int64_t)snapshots->config->review.answer_seconds * 1000;
	review.prompt.present = true;
	snprintf(review.prompt.hex, sizeof review.prompt.hex, "%s", database_text(rows, 0, COLUMN_DIGEST));
	if (edit && (remake(deciding, &content, why) == -1 ||
	             sealer_seal(gateway->sealer, database_text(rows, 0, COLUMN_AGENCY), deciding->entry,
	                         "prompt", buffer_view(&content), &blob, &review.prompt, why) == -1 ||
	             (sealed = ticket_bytea(buffer_view(&blob))) == NULL))
		goto out;
	/* The evidence first: what cannot be recorded does not happen. */
	if (entry_write_review(&bytes, &head, &review, why) == -1 ||
	    ledger_append_wait(gateway->ledger, buffer_view(&bytes), buffer_view(&blob), (struct slice){0},
	                       &index, why) == -1)
		goto out;
	snprintf(expires, sizeof expires, "%lld", (long long)review.expires_ms);
	parameters[1] = refuse ? "refused" : "approved";
	parameters[2] = review.reviewer;
	parameters[3] = review.role;
	parameters[4] = deciding->reason;
	parameters[5] = review.changed ? "true" : "false";
	parameters[6] = deciding->entry;
	parameters[7] = review.prompt.hex;
	parameters[8] = sealed;
	parameters[9] = expires;
	if (ticket_run(database, decide_sql, 10, parameters, &changed_rows, why) == -1)
		goto out;
	if (changed_rows == 0) {
		fault_set(why, FAULT_CONFLICT, "다른 사람이 먼저 결정했습니다",
		          "somebody else decided first");
		goto out;
	}
	result = 0;
out:
	free(sealed);
	buffer_wipe(&content);
	buffer_free(&blob);
	buffer_free(&bytes);
	snapshots_release(snapshots);
	database_rows_free(rows);
	return result;
}

int
review_decide(struct review *review, const char *id, const char *action, const struct reviewer *reviewer,
              const char *role, const char *reason, struct slice edited, char entry[ENTRY_ID_SIZE],
              struct fault *why)
{
	struct deciding deciding = {.review = review,
	                            .id = id,
	                            .action = action,
	                            .role = role,
	                            .reason = reason,
	                            .reviewer = reviewer,
	                            .edited = edited,
	                            .entry = entry};

	return registrar_run(review->gateway->registrar, decide, &deciding, true, why);
}

/* ---- expiry --------------------------------------------------------------------------------------------------------------- */

static int
expire(struct review *review, struct database *database, const struct database_rows *rows, size_t row,
       struct fault *why)
{
	const char *const parameters[] = {database_text(rows, row, COLUMN_TICKET), NULL};
	struct entry_review body = {.ticket = parameters[0],
	                            .reviewer = "",
	                            .role = "",
	                            .action = "expire",
	                            .reason = "",
	                            .shown_ms = -1,
	                            .expires_ms = database_integer(rows, row, COLUMN_EXPIRES)};
	const struct slice nothing = {0};
	char entry[ENTRY_ID_SIZE];
	struct entry_head head;
	struct buffer bytes;
	uint64_t index;
	int result = -1;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	gateway_entry_head(review->gateway, &head, ENTRY_REVIEW, entry,
	                   database_text(rows, row, COLUMN_AGENCY), "haechid");
	head.of = database_text(rows, row, COLUMN_ENTRY);
	head.usecase = database_text(rows, row, COLUMN_USECASE);
	if (entry_write_review(&bytes, &head, &body, why) == 0 &&
	    ledger_append_wait(review->gateway->ledger, buffer_view(&bytes), nothing, nothing, &index, why) ==
	        0)
		/* Another node may have decided meanwhile, which gave the ticket a new end. */
		result = ticket_run(
		    database,
		    "UPDATE haechi.ticket SET state = 'expired', content = NULL WHERE ticket = $1 AND"
		    " state IN ('waiting', 'approved') AND expires_at < clock_timestamp()",
		    1, parameters, NULL, why);
	buffer_free(&bytes);
	return result;
}

int
review_sweep(struct review *review, struct database *database, struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = 0;

	if (database_ask(&rows, database,
	                 "SELECT " TICKET_COLUMNS
	                 " FROM haechi.ticket WHERE state IN ('waiting', 'approved') AND"
	                 " expires_at < clock_timestamp() ORDER BY expires_at LIMIT " SWEEP_MOST,
	                 0, NULL, why) == -1)
		return -1;
	for (size_t i = 0; result == 0 && i < database_count(rows); i++)
		result = expire(review, database, rows, i, why);
	database_rows_free(rows);
	return result;
}
