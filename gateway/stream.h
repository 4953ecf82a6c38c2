/*
 * stream -- the bytes of an answer that are made while they are sent: a bounded buffer between the pipeline, which
 * writes, and the server, which reads. Both are on the loop's thread, so there is no lock.
 *
 * The buffer is bounded: when stream_room() is less than what comes next, the writer stops its source (engine_pause)
 * and goes on (engine_resume) when `drained` is called. A write that does not fit is refused whole.
 */
#ifndef HAECHI_GATEWAY_STREAM_H
#define HAECHI_GATEWAY_STREAM_H

#include "schema/base/bytes.h"

struct stream;

#define STREAM_SIZE 65536 /* the usual capacity in bytes */

struct stream *stream_new(size_t capacity); /* NULL: no memory */
void           stream_free(struct stream *stream);

/* The writer's side. */
size_t stream_room(const struct stream *stream); /* bytes that fit now */
bool   stream_write(struct stream *stream, struct slice bytes); /* false: does not fit, nothing was written */
void   stream_end(struct stream *stream);   /* nothing follows; what is held is still sent */
void   stream_abort(struct stream *stream); /* cut the connection: the client must not take this for a whole answer */
/* `drained(owner)` when the reader has taken so much that at least half is free; once after each refusal to fit. */
void stream_on_drain(struct stream *stream, void (*drained)(void *owner), void *owner);

/* The reader's side: server.c. `filled(owner)` when there is something to read, or the end. */
enum stream_state { STREAM_OPEN, STREAM_ENDED, STREAM_ABORTED };
void              stream_on_fill(struct stream *stream, void (*filled)(void *owner), void *owner);
size_t            stream_read(struct stream *stream, void *out, size_t size); /* 0: nothing now */
enum stream_state stream_state(const struct stream *stream); /* ENDED only once everything is read */

#endif
