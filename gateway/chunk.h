/*
 * chunk -- the strict reading of a chunked body, of requests and of engines' answers alike.
 *
 * A chunk is its size in 1 to 8 hex digits, CRLF, that many bytes, CRLF; the last has size 0 and an empty line behind
 * it. No extensions, no trailers. A pure state machine: no memory, no clock.
 */
#ifndef HAECHI_GATEWAY_CHUNK_H
#define HAECHI_GATEWAY_CHUNK_H

#include "schema/base/bytes.h"

enum chunk_state {
	CHUNK_SIZE = 0, /* zeroed memory is the beginning */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_LAST_LF,
	CHUNK_END_CR,
	CHUNK_END_LF,
	CHUNK_DONE,
	CHUNK_BROKEN,  /* malformed */
	CHUNK_TRAILER, /* well-formed so far, but a trailer follows */
};

struct chunk {
	enum chunk_state state;
	unsigned         digits;
	size_t           left; /* bytes of this chunk still to come */
};

/*
 * Take from the front of *input until a run of data is found, the body ends, or the input does. *data is the run,
 * borrowed from the input; empty when there was none. Call again while *input is not empty and the state is none of
 * DONE, BROKEN, TRAILER.
 */
void chunk_next(struct chunk *chunk, struct slice *input, struct slice *data);

#endif
