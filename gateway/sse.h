/*
 * sse -- server-sent events (WHATWG HTML 9.2) of an engine, read strictly and bounded.
 *
 * Bytes go in as they come; the data of each whole event comes out. LF, CRLF and CR end a line; several data lines are
 * joined by LF; names other than data are ignored; a zero byte or an event over the limit is refused and sticky.
 */
#ifndef HAECHI_GATEWAY_SSE_H
#define HAECHI_GATEWAY_SSE_H

#include "schema/base/bytes.h"

/* One event's data. -1 stops the reader and becomes its failure. */
typedef int sse_event(void *owner, struct slice data, struct fault *why);

struct sse {
	struct buffer line, data; /* of the event in the making */
	bool any;                 /* a data line was seen */
	bool after_cr;
	bool begun; /* the first byte was seen: a BOM may stand there only */
	bool failed;
};

void sse_init(struct sse *sse, size_t event_limit);
void sse_free(struct sse *sse);
MUST_CHECK int sse_feed(struct sse *sse, struct slice bytes, sse_event *event, void *owner,
                        struct fault *why);
/* An event that was begun but not ended is dropped, as the standard wants; true when there was none. */
bool sse_clean(const struct sse *sse);

#endif
