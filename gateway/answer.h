/*
 * answer -- the strict reading of an engine's HTTP/1.1 answer: head, then a body of known length or in chunks.
 *
 * Anything else (another version, an interim answer, a body that ends by closing, two lengths, a folded line) is
 * broken: an engine in a declared zone has no reason to surprise. Pure: no clock, no descriptors.
 */
#ifndef HAECHI_GATEWAY_ANSWER_H
#define HAECHI_GATEWAY_ANSWER_H

#include "gateway/chunk.h"
#include "schema/base/bytes.h"

#define ANSWER_HEAD_SIZE 16384
#define ANSWER_TYPE_SIZE 128

enum answer_event {
	ANSWER_MORE = 0, /* the input is used up, or holds part of a head: call again with the rest and more */
	ANSWER_HEAD,     /* status and content_type are there */
	ANSWER_DATA,     /* *data is a piece of the body, borrowed from the input */
	ANSWER_WHOLE,    /* the body has ended; what is left of the input does not belong to it */
	ANSWER_BROKEN,
};

enum answer_state { ANSWER_STATE_HEAD = 0, ANSWER_STATE_LENGTH, ANSWER_STATE_CHUNKS, ANSWER_STATE_OVER };

struct answer_reader {
	enum answer_state state;
	bool              to_head; /* the request was HEAD: no body follows */
	int               status;  /* 200 to 599 */
	bool              close;   /* Connection: close */
	size_t            left;
	struct chunk      chunk;
	char              content_type[ANSWER_TYPE_SIZE]; /* lower case, no parameters; "" when absent */
};

void              answer_reader_begin(struct answer_reader *reader, bool to_head);
enum answer_event answer_reader_next(struct answer_reader *reader, struct slice *input, struct slice *data);

#endif
