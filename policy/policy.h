/*
 * policy -- what is allowed, and why: the wing's one door.
 *
 * A snapshot is an immutable set of compiled Cedar policies: the agency's access and duty policies, the dated rules of
 * the Act, and their schema. It is loaded whole or not at all, counted (hold/release), and read by any thread without
 * a lock. A detector is one thread's scratch space for finding identifiers and domain signals in text.
 *
 * Nothing here knows of HTTP, of the ledger or of engines.
 */
#ifndef HAECHI_POLICY_POLICY_H
#define HAECHI_POLICY_POLICY_H

#include "schema/base/arena.h"
#include "schema/decision.h"
#include "schema/finding.h"
#include "schema/subject.h"
#include "schema/usecase.h"
#include "schema/verdict.h"

struct policy;   /* a counted snapshot */
struct detector; /* one thread's */

/*
 * Compile every *.cedar below `agency_directory` (access and duties) and every dated rule set below `act_directory`
 * (YYYY-MM-DD/ *.cedar), check them against the schema file and lint their annotations. *out is held once: the
 * caller's, to policy_release(). On -1 *why names file:line:column of the first complaint.
 */
MUST_CHECK int policy_load(struct policy **out, const char *agency_directory, const char *act_directory,
                           const char *schema_path, struct fault *why);
/*
 * The same out of memory, as a bundle has them (policy/policy_bundle.h): paths in ascending order, the schema at
 * POLICY_FILE_SCHEMA, agency policies below POLICY_FILE_AGENCY, those of the Act below POLICY_FILE_ACT, a folder a date;
 * other files are not looked at. `digest` (64 hex digits) is what policy_bundle() and every decision then name.
 */
struct policy_file {
	const char  *path;
	struct slice text;
};

#define POLICY_FILE_SCHEMA "schema.cedarschema"
#define POLICY_FILE_AGENCY "agency/"
#define POLICY_FILE_ACT    "act/"
#define POLICY_FILE_TESTS  "tests/"

MUST_CHECK int policy_load_files(struct policy **out, const struct policy_file *files, size_t count, const char *digest,
                                 struct fault *why);
struct policy *policy_hold(struct policy *policy);
void           policy_release(struct policy *policy); /* NULL is fine */
/* SHA-256, hex, over file names and bytes in order: what entries record. Lives with the snapshot. */
const char *policy_bundle(const struct policy *policy);
size_t      policy_count(const struct policy *policy);
/* Titles and messages of the reason an entry names by id, our own ("default-deny") too; NULL: none such here. */
const struct policy_reason *policy_reason_find(const struct policy *policy, const char *id);

/*
 * The two-stage test of the Act over the facts of a registered use case (law 2.6), under the rule set in force on
 * `as_of` ("2026-03-02"; NULL: today in Korea). The result borrows from `arena` and from the snapshot.
 */
MUST_CHECK int policy_assess(const struct policy *policy, const struct usecase *usecase, const char *as_of,
                             struct arena *arena, struct assessment *out, struct fault *why);

/* What the decision is made from; also what an entry records so that it can be made again. */
struct policy_facts {
	const struct subject *subject;
	const struct usecase *usecase; /* NULL: none named or not bound to this key: denied by default */
	enum verdict          verdict;
	enum drift            drift;
	enum grade            grade;         /* of the data: declared, raised by what was found */
	uint32_t              found_kinds;   /* bit per identifier_kind, confident ones */
	uint32_t              redacted_kinds;/* bits already masked */
	uint32_t              signal_domains;/* bit per enum domain the text showed */
	const char           *action;        /* "chat" | "embed" */
	const char           *model;         /* as asked */
	const char           *engine_zone;   /* zone of the engine that would serve it */
	enum grade            zone_grade;    /* strictest grade that zone may see */
	bool                  streaming;
	int64_t               wall_ms;
	const char           *approver;      /* reviewer of a granted hold; NULL when not approved */
	const char           *approver_role;
	int64_t               approval_expires_ms;
	uint32_t              cannot; /* POLICY_DUTY_* bits that this way cannot perform: needing one denies */
};

#define POLICY_DUTY_LABEL         1u
#define POLICY_DUTY_NOTIFY        2u
#define POLICY_DUTY_RETAIN        4u
#define POLICY_DUTY_LOG           8u
#define POLICY_DUTY_REDACT_ANSWER 16u

/*
 * Access, then duties. Never fails open: an evaluation error or lack of memory is ACCESS_DENY with the reason in
 * out->errors; no permit at all is ACCESS_DENY for the reason "default-deny". @remedy("hold"|"redact") forbids are
 * preconditions; a forbid without remedy is final. A remedy that would not lead to a permit is not offered: DENY.
 * After masking ask again with redacted_kinds, after an approval with the approver: the answer is then PERMIT.
 * The decision needs at most 64 KiB of the arena plus its permits and forbids.
 */
void policy_decide(const struct policy *policy, const struct policy_facts *facts, struct arena *arena,
                   struct decision *out);

/* ---- detection -------------------------------------------------------------------------------------------------- */

struct signal { /* a sign that a text asks for something of a domain */
	enum domain domain;
	uint16_t    score; /* thousandths */
	size_t      start, end;
	const char *rule; /* id of the pattern; lives with the detector's process-wide tables */
};

struct detection { /* from the arena given to detector_scan() */
	struct finding *findings; /* by start; overlapping ones resolved, confident or not */
	size_t          finding_count;
	struct signal  *signals;
	size_t          signal_count;
	bool            high_impact; /* text-only signal; never a verdict */
};

/* Process-wide tables are compiled at the first call. *out is the caller's, to detector_close(). */
MUST_CHECK int detector_open(struct detector **out, struct fault *why);
void           detector_close(struct detector *detector); /* NULL is fine */
/*
 * One text (`part` is copied into its findings). Malformed UTF-8 is scanned with a defined replacement. Offsets are
 * of the original bytes. At most 1 MiB a call.
 */
MUST_CHECK int detector_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
                             struct detection *out, struct fault *why);
/* The findings alone, without signals: for answers, piece by piece. */
MUST_CHECK int detector_identify(struct detector *detector, struct slice text, struct arena *arena,
                                 struct detection *out, struct fault *why);
/* Write `text` with every confident finding of `kinds` replaced by its mask ("[주민등록번호]"). */
void detection_redact(struct buffer *out, struct slice text, const struct finding *findings, size_t count,
                      uint32_t kinds);
/* Compare what the texts showed with the registered use. */
enum drift detection_drift(const struct detection *detection, const struct usecase *usecase);
/* The same, and what showed it; *evidence is left alone when nothing does. Its rule lives with the process-wide tables. */
enum drift detection_drift_evidence(const struct detection *detection, const struct usecase *usecase,
                                    struct drift_evidence *evidence);

/*
 * What stands in the place of an identifier. TITLE: "[전화번호]". TOKEN: "[전화번호-KQWZRB]", the same for the same value
 * (however it is written) throughout one conversation, another in every other one, and nothing that tells of the value:
 * letters of SipHash under the conversation's key. LENGTH: as many characters and bytes, separators kept.
 *
 * A redaction is one request's: it remembers the values behind its tokens until it is closed, in memory alone, so that the
 * answer can be restored for those who may see them. No lock: one thread at a time.
 */
enum redaction_mode { REDACTION_TITLE = 0, REDACTION_TOKEN, REDACTION_LENGTH };
#define REDACTION_KEY 16

struct redaction;
const char *redaction_mode_name(enum redaction_mode mode);
bool        redaction_mode_parse(enum redaction_mode *mode, const char *name);
MUST_CHECK int redaction_open(struct redaction **out, const uint8_t key[REDACTION_KEY],
                              const enum redaction_mode modes[IDENTIFIER_KINDS], struct fault *why);
void           redaction_close(struct redaction *redaction); /* NULL is fine; values are wiped */
/* What stands for `value`; NULL redaction: its title. */
void redaction_put(struct redaction *redaction, struct buffer *out, enum identifier_kind kind, struct slice value);
/* Did any value get a token? NULL: no. */
bool redaction_restores(const struct redaction *redaction);
/*
 * Tokens of this request become their values again; other text in brackets stays. `json`: the text stands inside a JSON string, values
 * that would end it stay tokens. `restored` counts by kind.
 */
void redaction_restore(struct redaction *redaction, struct slice text, bool json, struct buffer *out,
                       uint32_t restored[IDENTIFIER_KINDS]);
/* The same for a text that is still coming: at most a token's length is held back. */
struct restorer {
	struct redaction *redaction; /* borrowed */
	bool              json;
	struct buffer     held;
};
void           restorer_init(struct restorer *restorer, struct redaction *redaction, bool json);
MUST_CHECK int restorer_write(struct restorer *restorer, struct slice text, bool last, struct buffer *out,
                              uint32_t restored[IDENTIFIER_KINDS], struct fault *why);
void           restorer_end(struct restorer *restorer);
/* detection_redact() with other things in the place of identifiers than their titles. */
void detection_mask(struct buffer *out, struct slice text, const struct finding *findings, size_t count,
                    uint32_t kinds, struct redaction *redaction);

/*
 * Masking while an answer streams: bytes go in as they come, masked bytes come out, held back only as far as an
 * identifier might still be in the making (a bounded window). *masked counts replacements by kind.
 */
struct redactor;
MUST_CHECK int redactor_open(struct redactor **out, struct detector *detector, uint32_t kinds, struct fault *why);
void           redactor_use(struct redactor *redactor, struct redaction *redaction); /* borrowed; else titles */
void           redactor_close(struct redactor *redactor); /* NULL is fine */
MUST_CHECK int redactor_write(struct redactor *redactor, struct slice text, bool last, struct buffer *out,
                              uint32_t masked[IDENTIFIER_KINDS], struct fault *why);

#endif
