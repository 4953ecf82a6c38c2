#include "gateway/governance.h"

#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/console_page.h"
#include "gateway/describe.h"
#include "gateway/entries.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/metrics.h"
#include "gateway/notary.h"
#include "gateway/pipeline.h"
#include "gateway/registry.h"
#include "gateway/reported.h"
#include "gateway/review.h"
#include "schema/base/clock.h"

#define TICKETS  "/haechi/v1/tickets/"
#define USECASES "/haechi/v1/usecases/"
#define MODELS   "/v1/models/"
#define TILES    "/log/tile/"

/* A route that waits: who goes on when it is woken. */
struct governance_wait {
	void (*resume)(struct exchange *x, enum step_result verdict);
};

/* Fills the answer. What it does not answer it has handed on: to the pipeline, or to whoever wakes it. */
typedef void route(struct exchange *x, const char *rest);

static void
finish(struct exchange *x)
{
	exchange_header(x, "X-Request-ID", x->request_id);
	pipeline_answer(x);
	pipeline_end(x);
}

static void
finish_json(struct exchange *x, int status, json_t *value)
{
	struct buffer body;
	struct fault why;

	buffer_init(&body, (size_t)8 << 20);
	if (value != NULL)
		json_write(&body, value);
	if (value == NULL || !buffer_ok(&body)) {
		fault_memory(&why);
		exchange_fault(x, &why);
	} else {
		exchange_body(x, status, "application/json", buffer_view(&body));
	}
	json_decref(value);
	buffer_free(&body);
	finish(x);
}

static void
fail(struct exchange *x, enum fault_kind kind, const char *ko, const char *en)
{
	struct fault why;

	fault_set(&why, kind, "%s", "%s", ko);
	snprintf(why.en, sizeof why.en, "%s", en);
	exchange_fault(x, &why);
	finish(x);
}

/* The caller of a route that is for callers only. NULL: answered 401. */
static const struct registered_key *
caller(struct exchange *x)
{
	const struct registered_key *key =
	    identity_find(x->view->registry, arrival_field(x->arrival, "Authorization"),
	                  x->arrival->certificate, clock_wall_ms(), &x->why);

	if (key == NULL) {
		exchange_fault(x, &x->why);
		exchange_header(x, "WWW-Authenticate", "Bearer realm=\"haechi\"");
		finish(x);
		return NULL;
	}
	x->subject = key->subject;
	return key;
}

/* ---- for operators ------------------------------------------------------------------------------------------------------ */

static void
healthz(struct exchange *x, const char *rest)
{
	(void)rest;
	exchange_body(x, 200, "text/plain; charset=utf-8", SLICE_LITERAL("ok\n"));
	finish(x);
}

/* Can a request be answered now? Evidence is what we answer for; engines and PostgreSQL are told beside it. */
static void
readyz(struct exchange *x, const char *rest)
{
	struct gateway *gateway = x->gateway;
	struct ledger_status status = {0};
	const bool draining = atomic_load(&gateway->draining);

	(void)rest;
	ledger_status(gateway->ledger, &status);
	finish_json(x, status.writable && !draining ? 200 : 503,
	            json_pack("{s:b, s:b, s:b, s:b, s:s}", "ready", status.writable && !draining, "ledger",
	                      (int)status.writable, "database", (int)status.database_up, "draining",
	                      (int)draining, "refusal", status.refusal));
}

static void
metrics(struct exchange *x, const char *rest)
{
	struct buffer body;

	(void)rest;
	buffer_init(&body, (size_t)1 << 20);
	metrics_write(&body, x->gateway);
	exchange_body(x, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_view(&body));
	buffer_free(&body);
	finish(x);
}

static void
status(struct exchange *x, const char *rest)
{
	json_t *const described = describe_gateway(x->gateway);
	json_t *const policy = json_object_get(described, "policy");

	(void)rest;
	/* For everybody: where bundles come from, what was wrong with one and whose requests differ is for operators. */
	json_object_del(policy, "pull");
	json_object_del(policy, "refused");
	json_object_del(json_object_get(policy, "shadow"), "recent");
	finish_json(x, 200, described);
}

/* ---- models --------------------------------------------------------------------------------------------------------------- */

static json_t *
describe_model(const struct config_route *served, int64_t created_ms)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "id", served->model, "object",
	                 "model", "created", (json_int_t)(created_ms / 1000), "owned_by", "haechi", "haechi",
	                 "engine", served->engine->name, "zone", served->engine->zone, "grade",
	                 grade_name(served->engine->zone_grade), "weights_sha256",
	                 served->served->weights == NULL ? "" : served->served->weights, "license",
	                 served->served->license == NULL ? "" : served->served->license);
}

static void
models(struct exchange *x, const char *rest)
{
	const struct config *config = x->view->config;
	json_t *list;

	(void)rest;
	if (caller(x) == NULL)
		return;
	list = json_array();
	for (size_t i = 0; i < config->route_count; i++) {
		/* Served by several engines, listed once: the first is asked first. */
		if (config_route(config, config->routes[i].model) == &config->routes[i])
			json_array_append_new(list,
			                      describe_model(&config->routes[i], x->gateway->started_ms));
	}
	finish_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void
one_model(struct exchange *x, const char *rest)
{
	const struct config_route *served;

	if (caller(x) == NULL)
		return;
	if ((served = config_route(x->view->config, rest)) == NULL)
		fail(x, FAULT_NOT_FOUND, "그런 모델은 없습니다", "there is no such model");
	else
		finish_json(x, 200, describe_model(served, x->gateway->started_ms));
}

/* ---- the log ---------------------------------------------------------------------------------------------------------------- */

/* Are two notes of the same text? A restart signs a head anew, and ECDSA gives another signature each time. */
static bool
same_head(const struct buffer *one, const struct buffer *two)
{
	size_t text = 0;

	while (text + 1 < one->size && (one->data[text] != '\n' || one->data[text + 1] != '\n'))
		text++;
	return text + 2 <= two->size && memcmp(one->data, two->data, text + 2) == 0;
}

/* The newest head as it was signed; with its cosignatures when witnesses have seen exactly this one. */
static void
checkpoint(struct exchange *x, const char *rest)
{
	struct buffer note, cosigned;

	(void)rest;
	buffer_init(&note, 64 * 1024);
	buffer_init(&cosigned, 64 * 1024);
	if (ledger_checkpoint(x->gateway->ledger, &note, &x->why) == -1) {
		exchange_fault(x, &x->why);
	} else {
		const bool confirmed_too = x->gateway->notary != NULL &&
		                           notary_cosigned(x->gateway->notary, &cosigned, NULL) == 0 &&
		                           same_head(&note, &cosigned);

		exchange_header(x, "Cache-Control", "no-cache");
		exchange_body(x, 200, "text/plain; charset=utf-8",
		              buffer_view(confirmed_too ? &cosigned : &note));
	}
	buffer_free(&cosigned);
	buffer_free(&note);
	finish(x);
}

/* What others confirmed last: the cosigned head, the stamped head, the stamp. */
static void
confirmed(struct exchange *x, const char *rest)
{
	const char *const what = strrchr(x->arrival->path, '.');
	const bool stamp = strcmp(what, ".tsr") == 0;
	struct buffer note, answer;
	int result;

	(void)rest;
	buffer_init(&note, 64 * 1024);
	buffer_init(&answer, 64 * 1024);
	if (strcmp(what, ".cosigned") == 0)
		result = notary_cosigned(x->gateway->notary, &note, &x->why);
	else
		result = notary_stamped(x->gateway->notary, &note, &answer, &x->why);
	if (result == -1) {
		exchange_fault(x, &x->why);
	} else {
		exchange_header(x, "Cache-Control", "no-cache");
		exchange_body(x, 200, stamp ? "application/timestamp-reply" : "text/plain; charset=utf-8",
		              buffer_view(stamp ? &answer : &note));
	}
	buffer_free(&answer);
	buffer_free(&note);
	finish(x);
}

static void
vkeys(struct exchange *x, const char *rest)
{
	(void)rest;
	exchange_body(x, 200, "text/plain; charset=utf-8", slice_string(x->gateway->vkeys));
	finish(x);
}

/* A bundle is as immutable as a tile, but nobody else's cache may keep it. */
static void
entries_found(struct exchange *x, enum step_result verdict)
{
	x->governance = NULL;
	x->asked = false;
	if (verdict != GO_ON) {
		exchange_fault(x, &x->why);
	} else {
		exchange_header(x, "Cache-Control", "private, max-age=31536000, immutable");
		exchange_body(x, 200, "application/octet-stream", buffer_view(&x->body));
	}
	finish(x);
}

static struct governance_wait waiting_for_entries = {entries_found};

/* Hash tiles: what is behind a path never changes, partial tiles carry their width in it (C2SP tlog-tiles). */
static void
tile(struct exchange *x, const char *rest)
{
	const struct slice path = slice_string(x->arrival->path + strlen("/log/"));
	struct buffer bytes;
	struct tile wanted;
	bool full;

	(void)rest;
	if (tile_path_parse(&wanted, path, &x->why) == 0 && wanted.entries) {
		if (caller(x) == NULL)
			return;
		x->governance = &waiting_for_entries;
		x->asked = true;
		entries_fetch(x, &wanted);
		return;
	}
	buffer_init(&bytes, 16 * 1024);
	if (ledger_tile(x->gateway->ledger, path, &bytes, &full, &x->why) == -1) {
		exchange_fault(x, &x->why);
	} else {
		exchange_header(x, "Cache-Control", "public, max-age=31536000, immutable");
		exchange_body(x, 200, "application/octet-stream", buffer_view(&bytes));
	}
	buffer_free(&bytes);
	finish(x);
}

/* ---- use cases --------------------------------------------------------------------------------------------------------------- */

static void
usecases(struct exchange *x, const char *rest)
{
	const struct registry *registry = x->view->registry;
	json_t *list;

	(void)rest;
	if (caller(x) == NULL)
		return;
	list = json_array();
	for (size_t i = 0; i < registry_usecase_count(registry); i++) {
		const struct registered *registered = registry_usecase_at(registry, i);

		if (strcmp(registered->usecase.agency, x->subject.agency) == 0)
			json_array_append_new(list, describe_usecase(registered));
	}
	finish_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void
one_usecase(struct exchange *x, const char *rest)
{
	const struct registered *registered;

	if (caller(x) == NULL)
		return;
	registered = registry_usecase(x->view->registry, x->subject.agency, slice_string(rest));
	if (registered == NULL)
		fail(x, FAULT_NOT_FOUND, "그런 용도는 없습니다", "there is no such use case");
	else
		finish_json(x, 200, describe_usecase(registered));
}

/* ---- tickets ------------------------------------------------------------------------------------------------------------------ */

/* Approved: the request as approved takes the way of every request, with the approver among the facts. */
static void
answer_ticket(struct exchange *x, const struct registered_key *key)
{
	const struct slice content = review_content(x->ticket);
	const struct openai_limits *limits = &x->view->config->openai;
	const char *param;

	for (size_t i = 0; i < key->subject.usecase_count; i++)
		if (strcmp(key->subject.usecases[i], review_usecase(x->ticket)) == 0)
			x->registered = key->bound[i];
	x->kind = openai_kind_of(content);
	if (openai_read(&x->request, x->kind, content, limits, x->arena, &param, &x->why) == -1) {
		review_settled(x);
		exchange_fault(x, &x->why);
		finish(x);
		return;
	}
	pipeline_steps(x);
}

/* A ticket belongs to the decision that held it; what is told of it says so in its head too. */
static void
ticket_headers(struct exchange *x, enum access access)
{
	const struct registered *registered =
	    registry_usecase(x->view->registry, x->subject.agency, slice_string(review_usecase(x->ticket)));

	exchange_header(x, "X-Haechi-Entry", review_decision(x->ticket));
	exchange_header(x, "X-Haechi-Decision", access_name(access));
	exchange_header(
	    x, "X-Haechi-Verdict",
	    verdict_name(registered == NULL ? VERDICT_UNDETERMINED : registered->assessment.verdict));
}

static void
tell_waiting(struct exchange *x)
{
	char until[CLOCK_TEXT_SIZE];

	clock_text(until, review_expires(x->ticket));
	ticket_headers(x, ACCESS_HOLD);
	exchange_header(x, "Retry-After", "5");
	finish_json(x, 202,
	            json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "object", "haechi.ticket", "id",
	                      review_id(x->ticket), "status", "waiting", "expires_at", until, "haechi",
	                      "entry", review_decision(x->ticket)));
}

static void
tell_refused(struct exchange *x)
{
	struct fault words;

	fault_set(&words, FAULT_FORBIDDEN, "검토자가 거절했습니다: %s", "the reviewer refused: %s",
	          review_reason(x->ticket));
	exchange_error(x, 403, "permission_error", "review_refused", NULL, &words);
	ticket_headers(x, ACCESS_DENY);
	finish(x);
}

static void
ticket_found(struct exchange *x, enum step_result verdict)
{
	const struct registered_key *key;

	x->governance = NULL;
	x->asked = false;
	if (verdict != GO_ON) {
		exchange_fault(x, &x->why);
		finish(x);
		return;
	}
	switch (review_state(x->ticket)) {
	case TICKET_WAITING:
		tell_waiting(x);
		return;
	case TICKET_REFUSED:
		tell_refused(x);
		return;
	case TICKET_EXPIRED:
		ticket_headers(x, ACCESS_HOLD);
		fail(x, FAULT_CONFLICT, "기한이 지났습니다: 다시 요청하십시오",
		     "the ticket has expired: ask again");
		return;
	case TICKET_ANSWERED:
	case TICKET_FAILED:
		ticket_headers(x, ACCESS_HOLD);
		fail(x, FAULT_CONFLICT, "이미 쓰인 승인입니다: 다시 요청하십시오",
		     "the approval was used already: ask again");
		return;
	case TICKET_APPROVED:
		if ((key = registry_key(x->view->registry, slice_string(x->subject.key_id))) != NULL)
			answer_ticket(x, key);
		else
			fail(x, FAULT_NOT_FOUND, "그런 검토표는 없습니다", "there is no such ticket");
		return;
	}
}

static struct governance_wait waiting_for_ticket = {ticket_found};

static void
ticket(struct exchange *x, const char *rest)
{
	if (caller(x) == NULL)
		return;
	x->governance = &waiting_for_ticket;
	x->asked = true;
	review_fetch(x, slice_string(rest));
}

static void
report_taken(struct exchange *x, enum step_result verdict)
{
	x->governance = NULL;
	x->asked = false;
	if (verdict != GO_ON)
		exchange_fault(x, &x->why);
	else
		exchange_body(x, 201, "application/json", buffer_view(&x->body));
	finish(x);
}

static struct governance_wait waiting_for_report = {report_taken};

static void
report_review(struct exchange *x, const char *rest)
{
	(void)rest;
	if (caller(x) == NULL)
		return;
	x->governance = &waiting_for_report;
	x->asked = true;
	reported_take(x);
}

/* ---- for people ------------------------------------------------------------------------------------------------------------------ */

static void
console(struct exchange *x, const char *rest)
{
	(void)rest;
	exchange_header(x, "Content-Security-Policy",
	                "default-src 'none'; style-src 'sha256-" CONSOLE_STYLE_HASH
	                "'; script-src 'sha256-" CONSOLE_SCRIPT_HASH
	                "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	exchange_header(x, "X-Content-Type-Options", "nosniff");
	exchange_header(x, "Referrer-Policy", "no-referrer");
	exchange_body(x, 200, "text/html; charset=utf-8", slice_string(console_page));
	finish(x);
}

static void
to_console(struct exchange *x, const char *rest)
{
	(void)rest;
	exchange_header(x, "Location", "/console/");
	exchange_body(x, 302, "text/plain; charset=utf-8", SLICE_LITERAL("/console/\n"));
	finish(x);
}

/* ---- models are asked --------------------------------------------------------------------------------------------------------------- */

static void
chat(struct exchange *x, const char *rest)
{
	(void)rest;
	x->kind = OPENAI_CHAT;
	pipeline_steps(x);
}

static void
completion(struct exchange *x, const char *rest)
{
	(void)rest;
	x->kind = OPENAI_COMPLETION;
	pipeline_steps(x);
}

static void
embedding(struct exchange *x, const char *rest)
{
	(void)rest;
	x->kind = OPENAI_EMBEDDING;
	pipeline_steps(x);
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------------ */

static const struct {
	enum method method; /* GET serves HEAD too */
	const char *path;
	bool prefix; /* a path behind it, its last segment given to the route */
	bool
	    recorded; /* takes the steps from the beginning: a malformed X-Request-ID is denied there, with its entries */
	route *run;
} routes[] = {
    {METHOD_POST, "/v1/chat/completions",     false, true,  chat         },
    {METHOD_POST, "/v1/completions",          false, true,  completion   },
    {METHOD_POST, "/v1/embeddings",           false, true,  embedding    },
    {METHOD_GET,  "/v1/models",               false, false, models       },
    {METHOD_GET,  MODELS,                     true,  false, one_model    },
    {METHOD_GET,  "/healthz",                 false, false, healthz      },
    {METHOD_GET,  "/readyz",                  false, false, readyz       },
    {METHOD_GET,  "/metrics",                 false, false, metrics      },
    {METHOD_GET,  "/log/checkpoint",          false, false, checkpoint   },
    {METHOD_GET,  "/log/checkpoint.cosigned", false, false, confirmed    },
    {METHOD_GET,  "/log/checkpoint.stamped",  false, false, confirmed    },
    {METHOD_GET,  "/log/checkpoint.tsr",      false, false, confirmed    },
    {METHOD_GET,  "/log/vkey",                false, false, vkeys        },
    {METHOD_GET,  TILES,                      true,  false, tile         },
    {METHOD_GET,  "/haechi/v1/status",        false, false, status       },
    {METHOD_GET,  "/haechi/v1/usecases",      false, false, usecases     },
    {METHOD_GET,  USECASES,                   true,  false, one_usecase  },
    {METHOD_GET,  TICKETS,                    true,  false, ticket       },
    {METHOD_POST, "/haechi/v1/reviews",       false, false, report_review},
    {METHOD_GET,  "/console/",                false, false, console      },
    {METHOD_GET,  "/console",                 false, false, to_console   },
    {METHOD_GET,  "/",                        false, false, to_console   },
};

/* What is behind a prefix, when it is exactly one plain segment; a tile's path has several. */
static const char *
rest_of(const char *path, const char *prefix)
{
	const size_t size = strlen(prefix);
	const char *const rest = path + size;

	if (strncmp(path, prefix, size) != 0 || rest[0] == '\0' ||
	    strpbrk(rest, strcmp(prefix, TILES) == 0 ? "%" : "/%") != NULL)
		return NULL;
	return rest;
}

static void
malformed_id(struct exchange *x)
{
	exchange_request_id_fault(&x->why);
	exchange_error(x, 400, "invalid_request_error", "malformed-request", "X-Request-ID", &x->why);
	finish(x);
}

void
governance_route(struct exchange *x)
{
	const enum method method = x->arrival->method == METHOD_HEAD ? METHOD_GET : x->arrival->method;
	const char *allowed = NULL;

	exchange_request_id(x);
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const char *const rest = routes[i].prefix ? rest_of(x->arrival->path, routes[i].path)
		                         : strcmp(x->arrival->path, routes[i].path) == 0 ? ""
		                                                                         : NULL;

		if (rest == NULL)
			continue;
		if (routes[i].method == method) {
			if (x->request_id_malformed && !routes[i].recorded)
				malformed_id(x);
			else
				routes[i].run(x, rest);
			return;
		}
		allowed = routes[i].method == METHOD_POST ? "POST" : "GET, HEAD";
	}
	if (allowed == NULL) {
		fail(x, FAULT_NOT_FOUND, "그런 주소는 없습니다", "there is nothing at this address");
		return;
	}
	fault_set(&x->why, FAULT_UNSUPPORTED, "이 주소에는 쓸 수 없는 방법입니다",
	          "this address does not take that method");
	exchange_error(x, 405, "invalid_request_error", "method_not_allowed", NULL, &x->why);
	exchange_header(x, "Allow", allowed);
	finish(x);
}

void
governance_resume(struct exchange *x, enum step_result verdict)
{
	x->governance->resume(x, verdict);
}
