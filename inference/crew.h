/*
 * crew -- a few threads that share one piece of work at a time, and sleep otherwise.
 *
 * Work is cut into chunks which whoever is awake takes one by one; the caller works too and waits only for chunks
 * that somebody has begun. So a helper whose core was given to another process costs at most one chunk, never the
 * whole piece, and an idle crew costs nothing: after a short spin everybody waits in the kernel.
 */
#ifndef HAECHI_INFERENCE_CREW_H
#define HAECHI_INFERENCE_CREW_H

#include <stddef.h>

#include "schema/base/fault.h"

struct crew;

/* Chunk `index` of the work at `argument`, done by member `member` (0 is the caller, then 1 ... size - 1). */
typedef void crew_work(void *argument, size_t index, size_t member);

/* A crew of `size` members, the caller being one of them. *out is the caller's, to crew_stop(). */
MUST_CHECK int crew_start(struct crew **out, size_t size, struct fault *why);
void crew_stop(struct crew *crew); /* NULL is fine */
size_t crew_size(const struct crew *crew);

/* Do chunks 0 ... count - 1, in any order, and return when all are done. One caller at a time. */
void crew_share(struct crew *crew, size_t count, crew_work *work, void *argument);

/* As many members as processors this process may run on. */
size_t crew_processors(void);

#endif
