/*
 * checkpoint -- the text of a signed tree head (C2SP tlog-checkpoint): origin, size, root, optional extension
 * lines.
 */
#ifndef HAECHI_AUDIT_CHECKPOINT_H
#define HAECHI_AUDIT_CHECKPOINT_H

#include "audit/note.h"
#include "audit/tree.h"

struct checkpoint {
	struct slice origin;
	uint64_t size; /* below TREE_SIZE_LIMIT; 0 carries the empty root */
	struct tree_hash root;
	struct slice extensions; /* whole lines, or empty */
};

/* Slices borrow from `text`, the signed part of a note. */
MUST_CHECK int checkpoint_parse(struct checkpoint *out, struct slice text, struct fault *why);
void checkpoint_write(struct buffer *out, const struct checkpoint *checkpoint);

/* Parse a note, verify it as note_verify() does, parse its text, compare the origin (NULL: any). */
MUST_CHECK int checkpoint_open(struct checkpoint *out, struct note *note, struct slice bytes,
                               const char *origin, const struct note_key *keys, size_t key_count,
                               bool *verified, struct fault *why);

#endif
