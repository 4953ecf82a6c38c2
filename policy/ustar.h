/*
 * ustar -- one file of files, as tar reads it, in exactly one way.
 *
 * A strict subset of POSIX ustar: plain files only, one modification time for all, names of at most 100 bytes made of
 * [A-Za-z0-9._-] between slashes, never absolute, no part beginning with a dot; everything else in a header is fixed. Two
 * archives of the same files in the same order have the same bytes, and every byte of one is looked at: what differs anywhere
 * is refused. That no name comes twice is for the caller to see.
 */
#ifndef HAECHI_POLICY_USTAR_H
#define HAECHI_POLICY_USTAR_H

#include "schema/base/bytes.h"

#define USTAR_NAME_LIMIT  100
#define USTAR_FILES_LIMIT 4096

struct ustar_file {
	char name[USTAR_NAME_LIMIT + 1];
	struct slice bytes; /* points into the archive */
};

/* May a file have this name? */
bool ustar_name_valid(const char *name);

/* Files one after the other, then the end. A name or time that is not allowed fails the buffer. */
void ustar_put(struct buffer *out, const char *name, struct slice bytes, int64_t seconds);
void ustar_end(struct buffer *out);

/* Reading: one file at a time. */
struct ustar_reader {
	struct slice rest;
	int64_t seconds; /* of the first file; all must have it */
	size_t count;
	size_t at; /* place of the header, for messages */
};
struct ustar_reader ustar_of(struct slice archive);
/* 1: a file; 0: the end, and nothing behind it; -1: no archive of ours, with the place. */
MUST_CHECK int ustar_next(struct ustar_reader *reader, struct ustar_file *out, struct fault *why);

#endif
