/*
 * entry -- one line of evidence and its one encoding: canonical JSON (RFC 8785), at most 64 KiB. See ENTRY.md.
 *
 * An entry holds facts, identifiers of rules and salted commitments; never a prompt, an answer or a personal value.
 * The Merkle leaf is SHA-256(0x00 || these bytes): they are kept exactly as written, in the journal and in PostgreSQL.
 */
#ifndef HAECHI_SCHEMA_ENTRY_H
#define HAECHI_SCHEMA_ENTRY_H

#include "schema/decision.h"
#include "schema/subject.h"
#include "schema/verdict.h"
#include "schema/base/arena.h"

#define ENTRY_SIZE_LIMIT 65535u
#define ENTRY_ID_SIZE    37 /* a UUIDv7 in text, and a zero */
#define ENTRY_FORMAT     1

enum entry_kind {
	ENTRY_DECISION = 0,
	ENTRY_OUTCOME,
	ENTRY_REVIEW,
	ENTRY_USECASE,
	ENTRY_POLICY,
	ENTRY_KEY,
	ENTRY_ACCESS,
	ENTRY_EXPORT,
	ENTRY_SHRED,
	ENTRY_WITNESS,
	ENTRY_LIFECYCLE,
	ENTRY_KINDS
};

const char *entry_kind_name(enum entry_kind kind);
bool        entry_kind_parse(enum entry_kind *kind, const char *name);

/* Time-ordered and unguessable: 48 bits of milliseconds, then random. */
void entry_id_make(char out[ENTRY_ID_SIZE], int64_t wall_ms);

/* A salted commitment: SHA-256(salt || content), the salt lives with the sealed content and is destroyed with it. */
struct commitment {
	bool    present;
	char    hex[65];
	int64_t bytes; /* of the content */
};

/* What every entry begins with. Empty strings are left out of the encoding. */
struct entry_head {
	enum entry_kind kind;
	const char     *id;
	const char     *log;   /* origin, "haechi.<agency>/<node>" */
	int64_t         wall_ms;
	int64_t         monotonic_us;
	const char     *agency, *service, *subject, *key; /* see struct subject */
	const char     *request_id; /* X-Request-ID */
	const char     *of;         /* id of the entry this one follows: decision of an outcome or a review */
	const char     *usecase;
	int64_t         usecase_version;
};

/* What a candidate policy beside the one in force would have decided otherwise. */
struct entry_shadow {
	const char  *bundle; /* its digest */
	enum access  access;
	enum verdict verdict;
	bool         duties; /* duties differ */
	const char  *reasons[16]; /* ids of its determining policies, as many as there is room for */
	size_t       reason_count;
	bool         failed; /* it could not decide */
};

struct entry_decision {
	const struct assessment *assessment; /* as registered; NULL: no use case */
	const struct decision   *decision;
	struct {
		const char *action, *model, *zone, *approver, *approver_role;
		enum grade  declared, grade, zone_grade; /* grade: declared, raised by what was found */
		enum drift  drift;
		struct drift_evidence drift_evidence;
		uint32_t    found[IDENTIFIER_KINDS]; /* confident findings by kind */
		uint32_t    redacted_kinds, signal_domains;
		int64_t     approval_expires_ms;
		int64_t     review_decisions, review_changed, review_hasty; /* T12, as the assessment took them; -1 unknown */
		const struct oversight_limits *review_limits; /* by which; NULL: the defaults */
		bool        streaming;
		const char **roles;
		size_t      role_count;
	} facts;
	struct commitment prompt;
	const char       *ticket; /* of a hold; NULL */
	const struct entry_shadow *shadow; /* NULL: no candidate, or nothing differs */
};

enum outcome_status {
	OUTCOME_FAILED = 0, /* the engine or we ourselves failed after the decision */
	OUTCOME_ANSWERED,
	OUTCOME_REFUSED,   /* denied, and the caller told so */
	OUTCOME_HELD,      /* waiting for a reviewer */
	OUTCOME_CANCELLED, /* the client left */
};
const char *outcome_status_name(enum outcome_status status);

struct entry_outcome {
	enum outcome_status status;
	enum access         access;
	enum verdict        verdict;
	int                 http_status;
	const char         *engine, *zone, *model, *weights; /* node, zone, model id, SHA-256 of the weights, hex */
	const char         *finish;                          /* finish_reason of the answer */
	const char         *reason;                          /* why not, by name: "engine_unavailable"; "" when answered */
	enum label          label;
	struct commitment   answer;
	int64_t             prompt_tokens, completion_tokens; /* -1 unknown */
	uint32_t            masked[IDENTIFIER_KINDS];         /* in the answer */
	uint32_t            restored[IDENTIFIER_KINDS];       /* tokens in the answer that became values again */
	uint32_t            found[IDENTIFIER_KINDS];          /* in what went out: not masked */
	enum grade          grade; /* of the exchange: the decision's, raised by what the answer brought */
	int64_t             decide_us, record_us, first_byte_us, total_us; /* -1 did not happen */
};

struct entry_review {
	const char       *ticket, *reviewer, *role, *action; /* "approve" "refuse" "edit" "expire" */
	const char       *reason;
	int64_t           shown_ms; /* between opening the ticket and deciding; -1: decided without a look */
	int64_t           expires_ms;
	bool              changed; /* the reviewer altered or refused: T11, T12 */
	struct commitment prompt;  /* of the request as approved */
};

/* usecase, policy, key, access, export, shred, witness, lifecycle: an action and flat facts, names ascending. */
struct entry_note {
	const char *action; /* "add" "edit" "retire" "activate" "start" "stop" "query" ... */
	struct {
		const char *name; /* ASCII, ascending */
		const char *text; /* NULL: `number` is meant */
		int64_t     number;
	} facts[24];
	size_t fact_count;
};

/* Write canonical bytes; -1 with the reason when a string is not UTF-8 or the whole is over ENTRY_SIZE_LIMIT. */
MUST_CHECK int entry_write_decision(struct buffer *out, const struct entry_head *head, const struct entry_decision *body,
                                    struct fault *why);
MUST_CHECK int entry_write_outcome(struct buffer *out, const struct entry_head *head, const struct entry_outcome *body,
                                   struct fault *why);
MUST_CHECK int entry_write_review(struct buffer *out, const struct entry_head *head, const struct entry_review *body,
                                  struct fault *why);
MUST_CHECK int entry_write_note(struct buffer *out, const struct entry_head *head, const struct entry_note *body,
                                struct fault *why);

/*
 * The columns an entry is queried by, read back out of its bytes: what the shipper stores beside them and what
 * `verify` compares. Slices borrow from the bytes or, unescaped, from the arena; empty when the entry has no such member.
 */
struct entry_columns {
	enum entry_kind kind;
	int64_t         wall_ms;
	struct slice    id, log, agency, service, subject, key, request_id, of, usecase;
	struct slice    verdict, access, domain; /* domain: the first of the assessment; "" none */
	struct slice    also;                    /* its further domains, "water,education"; "" none */
	struct slice    action;                  /* of review and note entries; status of an outcome */
	struct slice    model, zone;
};
/* Checks that the bytes are a canonical entry (parse, write again, compare) and reads its columns. */
MUST_CHECK int entry_read(struct entry_columns *out, struct slice bytes, struct arena *arena, struct fault *why);

#endif
