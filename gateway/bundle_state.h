/*
 * bundle_state -- policy bundles on disk: which one is active, which were before, the highest revision that ever was.
 *
 * state.json is replaced whole and synced, so that a crash leaves the old or the new one. Where it is missing or damaged although
 * bundles lie there, the highest revision among them counts as active: forgetting must not open the way back.
 */
#ifndef HAECHI_GATEWAY_BUNDLE_STATE_H
#define HAECHI_GATEWAY_BUNDLE_STATE_H

#include "policy/policy_bundle.h"

#define BUNDLE_PATH_SIZE  1024
#define BUNDLE_MARKS_MOST 32 /* of those before; more are forgotten, oldest first */

struct bundle_mark {
	int64_t revision;
	char digest[65]; /* as far as it is known: a file's name has 16 digits of it */
	int64_t activated_ms;
	char source[32], signers[512];
};

struct bundle_state {
	int64_t highest;
	struct bundle_mark marks[BUNDLE_MARKS_MOST]; /* as they came into force; the last one is active */
	size_t count;
};

MUST_CHECK int bundle_state_read(struct bundle_state *out, const char *directory, struct fault *why);
MUST_CHECK int bundle_state_write(const struct bundle_state *state, const char *directory, struct fault *why);
/* In memory: `mark` is active now, `keep` are remembered (at least one before it). */
void bundle_state_push(struct bundle_state *state, const struct bundle_mark *mark, uint32_t keep);
/* Remove what is no longer remembered; imports that were activated or fell behind as well. What cannot be removed stays. */
void bundle_state_tidy(const struct bundle_state *state, const char *directory);

bool bundle_state_path(char *path, size_t size, const char *directory, const struct bundle_mark *mark,
                       bool imported);
MUST_CHECK int bundle_state_keep(const char *directory, const struct bundle_mark *mark, struct slice archive,
                                 struct fault *why);
MUST_CHECK int bundle_state_import(const char *directory, const struct bundle_mark *mark,
                                   struct slice archive, struct fault *why);
MUST_CHECK int bundle_state_load(const char *directory, const struct bundle_mark *mark, bool imported,
                                 struct buffer *out, struct fault *why);
/* The newest file of this revision, kept or imported. */
MUST_CHECK int bundle_state_load_any(const char *directory, int64_t revision, struct buffer *out,
                                     struct fault *why);

struct bundle_listing {
	struct {
		struct bundle_mark mark;
		bool imported;
	} * items; /* ascending by revision */
	size_t count;
};
MUST_CHECK int bundle_listing_read(struct bundle_listing *out, const char *directory, struct fault *why);
void bundle_listing_free(struct bundle_listing *listing);

#endif
