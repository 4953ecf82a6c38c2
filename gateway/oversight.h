/*
 * oversight -- how registered uses of AI are really used: reviews measured (law T11, T12), drift counted.
 *
 * Both are computed from the entries in PostgreSQL, so that they outlive the daemon and nobody can set them. A use case whose
 * reviewers hardly ever decide differently, or decide faster than anyone can read, becomes HIGH_IMPACT by rule T12 of the
 * Act; it returns by evidence alone, when newer reviews say otherwise. Each turn is an entry, and the operator is told.
 */
#ifndef HAECHI_GATEWAY_OVERSIGHT_H
#define HAECHI_GATEWAY_OVERSIGHT_H

#include "audit/database.h"
#include "schema/base/json.h"

struct gateway;
struct registered;
struct registry;

/* Fingerprint of all reviews, to see whether any came: a part of a SELECT list. */
#define OVERSIGHT_LOOK_SQL                                                                                   \
	"(SELECT count(*)::text FROM haechi.entry WHERE kind = 'review' AND action IN ('approve', 'edit', "  \
	"'refuse')) || '/' || (SELECT count(*)::text || ':' || coalesce(max(told_at)::text, '')"             \
	" FROM haechi.usecase_told)"

/* ---- on the registrar's thread ---------------------------------------------------------------------------------- */

/*
 * Count anew the drift of use cases that had requests since *since_ms, and move that on. `seen` keeps the counts, by
 * "agency/id". *changed: any count is another than before.
 */
MUST_CHECK int oversight_drift(json_t *seen, struct database *database, uint32_t window, int64_t *since_ms,
                               bool *changed, struct fault *why);
/*
 * Tell of every verdict and every drift that is not what the log last told: the entry, then the row, then the operator's
 * log. *told counts them.
 */
MUST_CHECK int oversight_tell(struct gateway *gateway, const struct registry *registry,
                              struct database *database, size_t *told, struct fault *why);

/* ---- any thread ------------------------------------------------------------------------------------------------- */

/*
 * The measured reviews of a use case (NULL: of all) within the configured window, whole and by reviewer:
 * [{"agency","usecase","verdict","rule","window","decisions","changed","hasty","median_ms","standing","limits","reviewers":[…]}].
 * Any thread but a loop's.
 */
MUST_CHECK int oversight_reviews(struct gateway *gateway, const char *usecase, json_t **out,
                                 struct fault *why);
/* "few" "rubber-stamped" "hasty" "substantive": what the numbers come to. */
const char *oversight_standing(const struct registered *registered);
/* What an operator must look at: [{"agency","usecase","what":"oversight"|"drift","rule","ko","en"}]. NULL: no memory. */
json_t *oversight_attention(const struct registry *registry);
/* Gauges of use cases that were reviewed or drifted. */
void oversight_metrics(struct buffer *out, const struct registry *registry);

#endif
