/*
 * registry -- registered uses of AI and API keys as requests see them: an immutable, counted snapshot in memory.
 *
 * Requests never ask PostgreSQL: the registrar reads its tables, the registry is built from what it read (or from the
 * copy on disk when PostgreSQL is away at the start), every use case is assessed with the rules in force, and the
 * whole is published.
 */
#ifndef HAECHI_GATEWAY_REGISTRY_H
#define HAECHI_GATEWAY_REGISTRY_H

#include "policy/policy.h"
#include "schema/base/json.h"
#include "schema/subject.h"
#include "schema/usecase.h"
#include "schema/verdict.h"

struct config; /* gateway/config.h */

#define REGISTRY_HASH_SIZE  32
#define REGISTRY_SIZE_LIMIT ((size_t)256 << 20)

/* A use case and what the Act says of it today. */
struct registered {
	struct usecase usecase;
	struct assessment assessment;
	const char *digest; /* SHA-256 of the document, hex */
	/* T12: what the review queue measured; usecase.reviewer has what the assessment took. */
	struct {
		int64_t decisions, changed, hasty, median_ms;
	} review;
	struct {
		int64_t decisions, suspected, certain; /* of the newest requests of this version */
		bool often;
	} drift;
	/* What the log last told of this version; see gateway/oversight.h. */
	enum verdict told_verdict;
	bool told_drift;
};

/* A key or a client certificate. */
struct registered_key {
	struct subject subject;           /* known; person "" */
	uint8_t hash[REGISTRY_HASH_SIZE]; /* SHA-256 of the secret; unused for certificates */
	bool certificate;                 /* subject.key_id is a certificate's SHA-256, hex */
	int64_t expires_ms;               /* 0: never */
	bool revoked;
	const struct registered **bound; /* in the order of subject.usecases; NULL where there is none such */
};

struct registry;

/*
 * Build from {"usecases":[{"agency","id","version","retired","document","digest","verdict","review":{"decisions","changed",
 * "hasty","median_ms"},"drift":{"decisions","suspected","certain"},"told":{"verdict","drift"}}],
 * "keys":[{"key_id","agency","service","hash","usecases","roles","expires_ms","revoked"}]}: what the registrar reads and what is
 * kept on disk. A document that cannot be read or assessed is left out with a log line: its requests are denied.
 * `source` and `config`, for its thresholds, are borrowed for the call. *out is held once.
 */
MUST_CHECK int registry_build(struct registry **out, const json_t *source, const struct policy *policy,
                              const struct config *config, struct fault *why);
struct registry *registry_hold(struct registry *registry);
void registry_release(struct registry *registry); /* NULL is fine */

/* NULL: none such. Revoked and expired ones are found too: the caller looks. */
const struct registered_key *registry_key(const struct registry *registry, struct slice key_id);
const struct registered *registry_usecase(const struct registry *registry, const char *agency,
                                          struct slice id);
size_t registry_usecase_count(const struct registry *registry);
const struct registered *registry_usecase_at(const struct registry *registry, size_t index);
/* Give a use case, its thresholds set, the measured reviews of what is registered: a new version does not undo them. */
void registered_measure(struct usecase *usecase, const struct registered *from);
/* The first of its rules whose id begins so, as "T12."; NULL: none. */
const struct rule_hit *registered_rule(const struct registered *registered, const char *prefix);
size_t registry_key_count(const struct registry *registry);
/* The day in Korea whose rules assessed it: days since 1970. */
int64_t registry_day(const struct registry *registry);
int64_t registry_today(void);

#endif
