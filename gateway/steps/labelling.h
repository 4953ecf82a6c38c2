/*
 * labelling -- an answer on its way out: identifiers masked, marked as made by a machine (Art. 31, law 5.1), written
 * anew; whole, or event by event as it streams.
 *
 * A streamed answer ends in two parts: everything but the end goes out as it comes, the last events (finish reasons with
 * the marks, usage, [DONE]) only by labelling_finish(), when the outcome entry is durable.
 */
#ifndef HAECHI_GATEWAY_STEPS_LABELLING_H
#define HAECHI_GATEWAY_STEPS_LABELLING_H

#include "gateway/exchange.h"

/* Begin for this exchange; x->labelling is set. */
MUST_CHECK int labelling_begin(struct exchange *x, struct fault *why);
void labelling_free(struct labelling *labelling); /* NULL is fine */

/* The whole answer in x->body: read, masked, marked, put into x->answer. */
MUST_CHECK int labelling_plain(struct labelling *labelling, struct fault *why);

/* Make x->answer.stream. */
MUST_CHECK int labelling_open(struct labelling *labelling, struct fault *why);
/* Bytes of the engine's event stream. A failure is kept and ends the exchange's waiting. */
void labelling_feed(struct labelling *labelling, struct slice bytes);
/* The engine is done; when all of it is with the client's stream the exchange goes on. */
void labelling_engine_ended(struct labelling *labelling);
/* The engine has ended and all it said is with the client's stream, or nothing more will be. */
bool labelling_over(const struct labelling *labelling);
/* Was the stream whole? -1 with *why when not. */
MUST_CHECK int labelling_whole(const struct labelling *labelling, struct fault *why);
/* The last events and the end. */
void labelling_finish(struct labelling *labelling);
/* An error event, then the connection is cut: nobody may take this for a whole answer. */
void labelling_fail(struct labelling *labelling, const struct fault *why);

/* What was answered, as the outcome entry commits to it. Valid once the answer is made; false: too large to be kept. */
bool labelling_content(const struct labelling *labelling, struct slice *content);

#endif
