/*
 * jsontext -- JSON that is carried as text, such as the arguments of a tool call, made fit to be looked at and masked.
 *
 * What is written as \uXXXX is read by whoever parses it, but not by a detector: it becomes the letter itself, the JSON
 * meaning the same. And what masking put in the place of a bare number is put into quotes, so that it stays JSON. Both
 * take their text in pieces as they come; text that is no JSON passes too.
 */
#ifndef HAECHI_GATEWAY_JSONTEXT_H
#define HAECHI_GATEWAY_JSONTEXT_H

#include <stdbool.h>

#include "schema/base/bytes.h"

/* Zeroed is ready. */
struct jsontext_plain {
	bool string;      /* within one */
	uint8_t held[12]; /* of an escape, or of a pair of them */
	size_t held_size;
};

/* Zeroed is ready. */
struct jsontext_quoting {
	bool string, escaped, bare;
};

/* `last`: nothing comes after this. Appends to `out`, at most 12 bytes more than came in. */
void jsontext_plain(struct jsontext_plain *state, struct slice text, bool last, struct buffer *out);
void jsontext_quoting(struct jsontext_quoting *state, struct slice text, bool last, struct buffer *out);

#endif
