/*
 * shares -- who may compute next when many want to: each agency by its weight.
 *
 * Every agency has a counter of the tokens computed for it, divided by its weight; a free place goes to whoever waits
 * with the lowest. An agency of which nothing waited begins at the counter of whoever had a place last: what it did not
 * use is not saved up, and what others used before it came is not held against them. (Virtual token counters: Sheng et
 * al., "Fairness in Serving Large Language Models", OSDI 2024; virtual time as in start-time fair queueing.) Pure
 * bookkeeping, no threads: the engine calls it under its lock, but for what is marked as the engine thread's.
 */
#ifndef HAECHI_INFERENCE_SHARES_H
#define HAECHI_INFERENCE_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARES_LIMIT      256 /* agencies at once; more are counted with those who give no name */
#define SHARES_NAME_LIMIT 64

struct generation; /* batch.h */

struct share {
	char name[SHARES_NAME_LIMIT + 1]; /* "": requests without an agency */
	bool fixed;                       /* was given a weight: never forgotten */
	uint32_t weight;                  /* 1 or more */
	size_t waiting, running;
	double served;   /* tokens divided by weight */
	uint64_t tokens; /* that were computed */
	uint64_t salt;   /* of its pages in the cache: never used for another agency */

	/* the engine thread's */
	struct generation *queue, **queue_end;
	size_t room; /* rows of a step */
};

struct shares {
	struct share list[SHARES_LIMIT]; /* the first is of requests without an agency */
	size_t count;
	double now;     /* the counter of whoever had a place last; never goes back */
	uint64_t salts; /* given so far */
};

void shares_init(struct shares *shares);
/* The agency of that name (of 1 to SHARES_NAME_LIMIT bytes; "" for none), made when new; never NULL. */
struct share *shares_find(struct shares *shares, const char *name);
/* The salt for a request of that agency, for which `share` was found: one of its own, if it has no share to itself. */
uint64_t shares_salt(struct shares *shares, const struct share *share, const char *name);
/* Give an agency another weight than 1; it then keeps its place. false: there are too many. */
bool shares_weigh(struct shares *shares, const char *name, uint32_t weight);

/* One request: it comes and waits; its turn comes; its turn is taken back; it leaves from where it is. */
void shares_come(struct shares *shares, struct share *share);
void shares_begin(struct shares *shares, struct share *share);
void shares_return(struct share *share);
void shares_leave(struct share *share, bool running);
void shares_charge(struct share *share, size_t tokens);

/* Who is next of those who wait. NULL: nobody waits. */
struct share *shares_next(struct shares *shares);
/* How many of those who wait will have their turn before one who comes now. */
size_t shares_ahead(const struct shares *shares, const struct share *share);
/* Whether the agency has less of a queue of `limit` than its weight gives it: others cannot take that away. */
bool shares_entitled(const struct shares *shares, const struct share *share, size_t limit);

#endif
