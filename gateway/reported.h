/*
 * reported -- what an official did with an answer, told by the application that asked for it: the measured oversight (law T11,
 * T12) of uses whose review does not go through our own queue.
 *
 *	POST /haechi/v1/reviews {"entry","action","reviewer","role","reason","shown_ms"}
 *
 *	entry     id of the decision, as X-Haechi-Entry said it: answered, of this key's service, not reported yet
 *	action    "approve": the answer was followed; "edit": followed but changed; "refuse": decided otherwise
 *	reviewer  the official's account, 1-64 of [A-Za-z0-9._@-]: no name, it stays in the log
 *	role      optional, of the same letters
 *	reason    optional, up to 1000 bytes
 *	shown_ms  how long the official had it before him; left out: he did not look. No longer than the answer is old.
 *
 * It is the application's word, under its key: a review entry without a ticket. Answered 201 once it is durable.
 */
#ifndef HAECHI_GATEWAY_REPORTED_H
#define HAECHI_GATEWAY_REPORTED_H

#include "gateway/exchange.h"

/* On the loop's thread: wakes the exchange with GO_ON, its body filled, or REFUSE and x->why. The caller is known. */
void reported_take(struct exchange *x);

#endif
