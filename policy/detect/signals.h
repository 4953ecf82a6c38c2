/*
 * signals -- does a text ask the model to operate or decide in a domain of the Act? A sign, never a verdict (law 2.6).
 */
#ifndef HAECHI_POLICY_DETECT_SIGNALS_H
#define HAECHI_POLICY_DETECT_SIGNALS_H

#include "policy/detect/normalise.h"
#include "policy/detect/words.h"
#include "policy/policy.h"

/*
 * Signals of one normal text, or of the part [from, to) of it, into the arena; the strongest first. `before` is added to
 * every place. What `out` holds already stays when it is as loud: texts are looked at window by window.
 */
MUST_CHECK int signals_find(const struct normal *normal, size_t from, size_t to, size_t before,
                            const struct word_hit *hits, size_t hit_count, struct arena *arena,
                            struct detection *out, struct fault *why);

#endif
