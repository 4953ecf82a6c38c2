#include "gateway/reported.h"

#include <inttypes.h>
#include <string.h>

#include "audit/database.h"
#include "gateway/bench.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "schema/base/arena.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define BODY_MOST    8192
#define DEPTH_MOST   4
#define ACCOUNT_MOST 64
#define REASON_MOST  1000
#define RECENT       256 /* reports that may not have reached PostgreSQL yet */

struct reporting {
	struct registrar_job job;
	struct exchange *x;
	const char *of, *usecase; /* in the exchange's arena */
	struct entry_review review;
};

static bool
account_good(const char *text)
{
	const size_t size = strlen(text);

	return size > 0 && size <= ACCOUNT_MOST &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-") == size;
}

/* Member `name`, a string, copied; "" when it is not there. NULL: it is something else. */
static const char *
take_text(struct exchange *x, const json_t *body, const char *name)
{
	const json_t *const value = json_object_get(body, name);

	if (value == NULL)
		return "";
	return json_is_string(value) ? arena_string(x->arena, json_string_value(value)) : NULL;
}

static int
bad(struct fault *why, const char *member, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "%s: %s%.0s", "%s: %.0s%s", member, ko, en);
}

static int
read_body(struct reporting *reporting, const json_t *body, struct fault *why)
{
	static const char *const known[] = {"entry", "action", "reviewer", "role", "reason", "shown_ms"};
	struct exchange *const x = reporting->x;
	struct entry_review *const review = &reporting->review;
	const json_t *const shown = json_object_get(body, "shown_ms");
	const char *name;
	json_t *value;

	if (!json_is_object(body))
		return bad(why, "body", "JSON 객체여야 합니다", "must be a JSON object");
	json_object_foreach((json_t *)(uintptr_t)body, name, value)
	{
		size_t i = 0;

		while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0)
			i++;
		if (i == sizeof known / sizeof *known)
			return fault_set(why, FAULT_INVALID, "모르는 항목입니다: %.64s",
			                 "unknown member: %.64s", name);
	}
	reporting->of = take_text(x, body, "entry");
	review->action = take_text(x, body, "action");
	review->reviewer = take_text(x, body, "reviewer");
	review->role = take_text(x, body, "role");
	review->reason = take_text(x, body, "reason");
	if (reporting->of == NULL || strlen(reporting->of) != ENTRY_ID_SIZE - 1)
		return bad(why, "entry", "결정의 기록 번호(X-Haechi-Entry)여야 합니다",
		           "must be the id of a decision (X-Haechi-Entry)");
	if (review->action == NULL ||
	    (strcmp(review->action, "approve") != 0 && strcmp(review->action, "edit") != 0 &&
	     strcmp(review->action, "refuse") != 0))
		return bad(why, "action", "approve, edit, refuse 가운데 하나여야 합니다",
		           "must be one of approve, edit, refuse");
	if (review->reviewer == NULL || !account_good(review->reviewer))
		return bad(why, "reviewer", "담당자의 계정(영문자, 숫자, . _ @ - 1~64자)이어야 합니다",
		           "must be an official's account, 1-64 of [A-Za-z0-9._@-]");
	if (review->role == NULL || (review->role[0] != '\0' && !account_good(review->role)))
		return bad(why, "role", "영문자, 숫자, . _ @ - 1~64자여야 합니다",
		           "must be 1-64 of [A-Za-z0-9._@-]");
	if (review->reason == NULL || strlen(review->reason) > REASON_MOST)
		return bad(why, "reason", "1000바이트까지의 글이어야 합니다",
		           "must be text of up to 1000 bytes");
	if (shown != NULL && (!json_is_integer(shown) || json_integer_value(shown) < 0))
		return bad(why, "shown_ms", "0 이상의 정수여야 합니다", "must be an integer, 0 or more");
	review->shown_ms = shown == NULL ? -1 : json_integer_value(shown);
	review->changed = strcmp(review->action, "approve") != 0;
	return 0;
}

static int
already(struct fault *why)
{
	return fault_set(why, FAULT_CONFLICT, "이미 알린 결정입니다", "this decision was reported already");
}

/* Is it a decision of this service that was answered, and the first report of it? Its use case and age are taken. */
static int
check_decision(struct reporting *reporting, struct database *database, struct fault *why)
{
	const struct exchange *const x = reporting->x;
	const char *const parameters[] = {reporting->of, x->subject.agency, x->subject.service};
	struct database_rows *rows = NULL;
	int64_t age_ms;
	int result = -1;

	if (database_ask(&rows, database,
	                 "SELECT coalesce(d.usecase, ''), (extract(epoch FROM d.wall) * 1000)::bigint,"
	                 " EXISTS (SELECT FROM haechi.entry o WHERE o.of = d.id AND o.kind = 'outcome' AND "
	                 "o.action = 'answered'),"
	                 " EXISTS (SELECT FROM haechi.entry r WHERE r.of = d.id AND r.kind = 'review'"
	                 "  AND r.action IN ('approve', 'edit', 'refuse')),"
	                 " position('\"approver\":'::bytea IN d.bytes) > 0"
	                 " FROM haechi.entry d WHERE d.id = $1 AND d.kind = 'decision' AND d.agency = $2 AND "
	                 "d.service = $3",
	                 3, parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1 || !database_bool(rows, 0, 2)) {
		fault_set(why, FAULT_NOT_FOUND,
		          "이 서비스가 받은 답의 결정 가운데 그런 기록이 없습니다 (방금 받은 답이면 잠시 "
		          "뒤에 다시)",
		          "no such decision of an answer to this service (when it was answered just now: try "
		          "again in a moment)");
	} else if (database_bool(rows, 0, 3)) {
		already(why);
	} else if (database_bool(rows, 0, 4)) {
		fault_set(why, FAULT_CONFLICT, "검토 대기열에서 승인된 답입니다: 그때 이미 셌습니다",
		          "the answer was approved in the review queue and counted then");
	} else if (database_text(rows, 0, 0)[0] == '\0') {
		fault_set(why, FAULT_CONFLICT, "등록된 용도의 결정이 아닙니다",
		          "the decision was for no registered use");
	} else if ((age_ms = clock_wall_ms() - database_integer(rows, 0, 1)) < reporting->review.shown_ms) {
		fault_set(why, FAULT_INVALID, "shown_ms: 답이 나온 지 %" PRId64 " ms밖에 지나지 않았습니다",
		          "shown_ms: the answer is only %" PRId64 " ms old", age_ms);
	} else {
		reporting->usecase = arena_string(x->arena, database_text(rows, 0, 0));
		result = reporting->usecase == NULL ? fault_memory(why) : 0;
	}
	database_rows_free(rows);
	return result;
}

/* One thread runs jobs: what it reported last it knows before PostgreSQL does. */
static char recent[RECENT][ENTRY_ID_SIZE];
static size_t recent_next;

static int
record(struct reporting *reporting, struct database *database, struct fault *why)
{
	struct exchange *const x = reporting->x;
	const struct slice nothing = {0};
	struct entry_head head;
	struct buffer bytes;
	char id[ENTRY_ID_SIZE];
	uint64_t index;
	int result = -1;

	for (size_t i = 0; i < RECENT; i++)
		if (strcmp(recent[i], reporting->of) == 0)
			return already(why);
	if (check_decision(reporting, database, why) == -1)
		return -1;
	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	gateway_entry_head(x->gateway, &head, ENTRY_REVIEW, id, x->subject.agency,
	                   reporting->review.reviewer);
	head.service = x->subject.service;
	head.key = x->subject.key_id;
	head.of = reporting->of;
	head.usecase = reporting->usecase;
	head.request_id = x->request_id;
	if (entry_write_review(&bytes, &head, &reporting->review, why) == -1 ||
	    ledger_append_wait(x->gateway->ledger, buffer_view(&bytes), nothing, nothing, &index, why) == -1)
		goto out;
	snprintf(recent[recent_next++ % RECENT], ENTRY_ID_SIZE, "%s", reporting->of);
	buffer_init(&x->body, 512);
	buffer_printf(&x->body,
	              "{\"object\":\"haechi.review\",\"entry\":\"%s\",\"of\":\"%s\",\"usecase\":\"%s\"}", id,
	              reporting->of, reporting->usecase);
	result = buffer_ok(&x->body) ? 0 : fault_memory(why);
out:
	buffer_free(&bytes);
	return result;
}

static void
report_job(struct registrar_job *job, struct database *database, const struct fault *why)
{
	struct reporting *reporting = job->owner;
	struct exchange *x = reporting->x;

	if (database == NULL) {
		x->why = *why;
		x->why.kind = FAULT_UNAVAILABLE;
	}
	loop_wake(&x->wake, database == NULL || record(reporting, database, &x->why) == -1 ? REFUSE : GO_ON);
}

void
reported_take(struct exchange *x)
{
	struct reporting *reporting = arena_alloc(x->arena, sizeof *reporting);
	json_t *body = NULL;

	if (reporting == NULL) {
		fault_memory(&x->why);
	} else {
		*reporting = (struct reporting){
		    .job = {.run = report_job, .owner = reporting},
                      .x = x
                };
		body = json_read(x->arrival->body, BODY_MOST, DEPTH_MOST, &x->why);
		if (body != NULL && read_body(reporting, body, &x->why) == 0) {
			json_decref(body);
			if (registrar_give(x->gateway->registrar, &reporting->job))
				return;
			body = NULL;
			fault_set(&x->why, FAULT_UNAVAILABLE, "데이터베이스에 쓸 수 없습니다",
			          "the database cannot be written");
		}
	}
	json_decref(body);
	loop_wake(&x->wake, REFUSE);
}
