/* The inside of shred: shred_find.c finds what an order means, shred.c carries it out. */
#ifndef HAECHI_GATEWAY_SHRED_INSIDE_H
#define HAECHI_GATEWAY_SHRED_INSIDE_H

#include <limits.h>

#include "gateway/shred.h"

struct shredding {
	struct gateway *gateway;
	const struct shred_order *order;
	const char *selector, *subject;
	char path[PATH_MAX]; /* of the note beside the keys */
	json_t *items;       /* entry by entry: agency, entry, and what a table shows */
	json_t *periods;     /* whole months of an agency: agency, month "2026-10", entries, rows, bytes */
	int64_t entries, rows, bytes; /* of both together */
	int64_t unset;                /* expiry: entries whose content has no period of retention */
	bool more;                    /* expiry: there is more than one order takes */
	json_t *pending, *result;
};

/* What still has a key, or a row. */
MUST_CHECK int shred_find(struct shredding *shredding, struct database *database, struct fault *why);

/* "2026-10" to months since January 1970 and back; false: it is none. */
MUST_CHECK bool shred_month_read(uint32_t *month, const char *text);
void shred_month_write(char out[16], uint32_t month);
/* When a month begins: in Korea; one of the keys of every agency ("*") in UTC (audit/keyfolder.h). */
int64_t shred_month_ms(const char *agency, uint32_t month);
/* The first id of a UUIDv7 that it can have begins so; compared bytewise. */
#define SHRED_BOUND 14
void shred_month_bound(char out[SHRED_BOUND], const char *agency, uint32_t month);

#endif
