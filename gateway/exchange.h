/*
 * exchange -- one request and its answer on their way: what is known about it and when things happened.
 *
 * An exchange lives in the arena of its arrival, on the loop that accepted it, and never changes threads. It is freed
 * once the server holds nothing of it any more (done) and the pipeline has ended (entries durable or refused); see
 * gateway/server.h. Other threads only hand a verdict back through loop_wake(&x->wake, verdict).
 */
#ifndef HAECHI_GATEWAY_EXCHANGE_H
#define HAECHI_GATEWAY_EXCHANGE_H

#include "audit/audit.h"
#include "gateway/head.h"
#include "gateway/loop.h"
#include "gateway/openai.h"
#include "gateway/server.h"
#include "policy/policy.h"
#include "schema/base/arena.h"
#include "schema/base/fault.h"
#include "schema/decision.h"
#include "schema/entry.h"
#include "schema/subject.h"

struct bench;        /* gateway/bench.h: what one loop keeps for its requests */
struct config_route; /* gateway/config.h */
struct engine_call;  /* gateway/engine.h */
struct gateway;      /* gateway/gateway.h */
struct governance_wait;
struct labelling;  /* gateway/steps/labelling.h */
struct registered; /* gateway/registry.h */
struct ticket;     /* gateway/review.h */
struct view;       /* gateway/bench.h: the snapshots this request began with */

/* What a step says. REFUSE is for our own faults and fails closed; a denial is an answer and goes on. */
enum step_result { REFUSE = 0, GO_ON, WAIT };

#define ANSWER_HEADERS           16
#define EXCHANGE_REQUEST_ID_SIZE HEAD_REQUEST_ID_SIZE

/* Nanoseconds of CLOCK_MONOTONIC; 0: did not happen. */
struct exchange_times {
	int64_t begun, decided, record_begun, recorded, first_byte;
};

/* Where in the life of the evidence an exchange is. */
enum evidence_state {
	EVIDENCE_NONE = 0,
	EVIDENCE_PENDING, /* given to the ledger, not back yet */
	EVIDENCE_DURABLE, /* on disk and under a signed checkpoint */
	EVIDENCE_REFUSED, /* nothing may be answered on it */
};

struct exchange {
	struct arrival *arrival; /* the request as the door read it; its arena is ours too */
	struct answer answer;    /* what goes back; status 0: nothing decided yet */
	struct answer_header headers[ANSWER_HEADERS];

	struct gateway *gateway;
	struct bench *bench;
	struct view *view;
	struct arena *arena;                       /* arrival->arena */
	char request_id[EXCHANGE_REQUEST_ID_SIZE]; /* the caller's, or one of ours */
	bool request_id_malformed;                 /* the caller's was no id: 400 */

	/* what the steps found out */
	enum openai_kind kind;
	struct openai_request *request; /* NULL: not read (unknown caller) or malformed */
	struct slice content; /* the request in canonical form: what is sealed, committed to and approved */
	struct fault early;   /* why the gateway itself denies; looked at when early_reason is set */
	const char *early_reason; /* "gateway.unidentified", ...: see pipeline.h; NULL: the policy decides */
	const char *early_param;  /* member of the request that is to blame; NULL: none */
	struct subject subject;
	const struct registered *registered; /* the use case and its verdict; NULL: none */
	struct detection *detections;        /* one per text of the request */
	struct policy_facts facts;
	struct decision decision;
	const struct entry_shadow *shadow; /* what a candidate policy would have decided otherwise; NULL: nothing */
	uint32_t found[IDENTIFIER_KINDS];
	enum grade declared; /* of the use case; facts.grade is that, raised */
	struct drift_evidence drift_evidence;
	struct redaction *redaction; /* what stands for identifiers, and behind; NULL: their titles */
	uint32_t masked_kinds; /* bits that were masked in the prompt */
	const struct config_route
	    *route; /* engine and model that would serve it; NULL: nobody serves that model */
	const struct config_route *last_route; /* the one that was asked last */
	struct ticket *ticket;                 /* of an approved hold that is being answered; NULL else */
	const char *held;                      /* id of the ticket this request was parked under; NULL else */

	/* evidence: at most one item is under way at a time */
	char decision_id[ENTRY_ID_SIZE], outcome_id[ENTRY_ID_SIZE];
	enum evidence_state decision_state, outcome_state;
	struct ledger_item item;
	struct buffer entry, sealed;
	struct commitment prompt;
	uint8_t salt[32]; /* of a commitment whose content is not kept: the caller's */
	struct entry_outcome outcome;

	/* the engine's answer */
	struct engine_call *call;
	struct engine_request *engine_request;
	struct buffer upstream; /* the request for the engine */
	struct buffer body;     /* a plain answer as the engine sent it, bounded */
	int engine_status;
	bool engine_done, engine_ok, engine_streams;
	struct fault engine_fault, stream_fault;
	struct labelling *labelling; /* heap; the answer in the making */

	struct exchange_times times;
	struct loop_wake wake;
	int64_t step_begun;  /* monotonic ns */
	size_t step;         /* of the pipeline's table: the one that runs or waits */
	bool waiting;        /* it answered WAIT */
	bool in_step;        /* a step is running: callbacks only take note */
	bool evidence_waits; /* the ledger holds `item` and will wake us */
	bool asked;          /* review or registry holds us and will wake us */
	bool answer_begun;   /* server_answer() was called */
	bool client_gone;
	bool server_done;                   /* the server holds nothing of it */
	bool ended;                         /* the pipeline will not touch it again */
	struct fault why;                   /* of a REFUSE */
	struct governance_wait *governance; /* a governance route that waits; NULL else */
};

/* The loop's bench is found by the arrival's loop; the arrival is ours from now on. NULL: no memory, nothing taken. */
struct exchange *exchange_new(struct arrival *arrival);
/* Buffers, document, snapshots and the arrival with its arena. */
void exchange_free(struct exchange *x);

/* DESIGN section 7: the caller's X-Request-ID, 1-128 of [A-Za-z0-9._-]; one of ours when absent, or malformed (told). */
void exchange_request_id(struct exchange *x);
/* What is said of a malformed one. */
void exchange_request_id_fault(struct fault *why);
/* Put a header into the answer, in place of one of the same name; both texts must live as long as the exchange. */
void exchange_header(struct exchange *x, const char *name, const char *value);
/*
 * The answer is an OpenAI error object: {"error":{"message","type","param","code","haechi"?}}, message Korean first,
 * then English. A body put there before is replaced, headers stay.
 */
void exchange_error(struct exchange *x, int status, const char *type, const char *code, const char *param,
                    const struct fault *why);
/* The same with further members of the error object, whole: "\"haechi\":{…}". */
void exchange_error_with(struct exchange *x, int status, const char *type, const char *code,
                         const char *param, const struct fault *why, struct slice members);
/* A fault of ours, 5xx: its words (paths, processes, what a library said) are the log's, the client gets the request id to ask with. */
void exchange_own_fault(struct exchange *x, int status, const char *area, const struct fault *why);
/* An error by the kind of the fault alone; 5xx as above. */
void exchange_fault(struct exchange *x, const struct fault *why);
/* The answer is this body, copied into the arena. */
void exchange_body(struct exchange *x, int status, const char *content_type, struct slice body);
/* The one place where a fault's kind becomes an HTTP status, and the API's word for it. */
int exchange_status(enum fault_kind kind);
const char *exchange_error_type(int status);
/* Microseconds between two moments of CLOCK_MONOTONIC; -1 when one of them did not happen. */
int64_t exchange_us(int64_t from_ns, int64_t to_ns);

#endif
