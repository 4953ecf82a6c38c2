/*
 * replay -- make a recorded decision again from its facts, and say where the two differ: "the same facts give the same
 * decision". With the bundle the entry names any difference is a defect; with another it is what would change.
 */
#ifndef HAECHI_GATEWAY_REPLAY_H
#define HAECHI_GATEWAY_REPLAY_H

#include "gateway/recorded.h"

struct remade {
	struct decision decision;
	struct assessment assessment; /* with titles; empty without a use case */
	uint32_t redacted_kinds;      /* among the facts of the decision that took effect */
};

/*
 * `usecase`: the document of the version the entry names; NULL when it names none. The assessment is made under the rules in
 * force on `as_of`, NULL: on the date of the rule set the entry names. Borrows from the arena, the policy and the use case.
 */
MUST_CHECK int replay_make(struct remade *out, const struct policy *policy, const struct recorded *recorded,
                           const struct usecase *usecase, const char *as_of, struct arena *arena,
                           struct fault *why);

/* What differs, a bit each; the names are those of the entry's members. */
#define REPLAY_ACCESS     1u
#define REPLAY_REASONS    2u
#define REPLAY_PERMITS    4u
#define REPLAY_ERRORS     8u
#define REPLAY_DUTIES     16u
#define REPLAY_REDACTED   32u
#define REPLAY_VERDICT    64u
#define REPLAY_ASSESSMENT 128u
#define REPLAY_CHANGES    8

uint32_t replay_compare(const struct recorded *recorded, const struct remade *remade);
/* The bit's name ("access") and title ("결정"). */
const char *replay_change_name(unsigned bit);
const char *replay_change_title(unsigned bit);

#endif
