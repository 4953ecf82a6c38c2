/*
 * shred -- content is erased (PIPA 21, 36): its keys are destroyed, its sealed rows removed, and an entry says so.
 *
 * In this order, each durable before the next: what is to go is found; it is noted in shred.pending beside the keys;
 * the keys are forgotten; the rows are deleted; the entry is in the log; the note is removed. A crash in between is
 * made good by the same steps when the daemon and PostgreSQL are there again: each may be done twice.
 *
 * What is found comes from the entries, not from the rows of content: a sealed copy kept elsewhere (a backup, the
 * journal, a row somebody moved away) becomes unreadable with the key. Only content of this daemon's own log: the
 * keys of another node are on that node.
 *
 * By entry, by person, by period, or what need not be kept any longer. Of a period the months that are over and lie in it whole go
 * by their roots (audit/keyfolder.h; months of Korea), however many entries they have; the rest goes entry by entry. The entry of the log says what
 * chose, how many entries, which months of which agency, the digest of what went, and the number of this order for these keys.
 */
#ifndef HAECHI_GATEWAY_SHRED_H
#define HAECHI_GATEWAY_SHRED_H

#include "schema/base/json.h"

#define SHRED_MOST                                                                                           \
	1000 /* entries an order, one by one: requests that seal wait while their keys leave the tree */
#define SHRED_PERIODS_MOST 400 /* months of agencies an order: their names must fit the entry */

struct database;
struct gateway;

/* Exactly one of entry, subject, user, to_ms > 0 and expire chooses. */
struct shred_order {
	const char *entry;   /* its content, and that of what follows it: answer, edited request */
	const char *subject; /* pseudonym, as in entries: 32 hex digits */
	const char *user;    /* the name behind it; needs agency; goes no further than the keyed hash */
	const char *agency;  /* also narrows a period, and an expiry */
	int64_t from_ms, to_ms;
	bool expire;           /* content whose period of retention has ended; as much as one order takes */
	unsigned default_days; /* with expire: where no period is set; 0: such content stays */
	const char *reason, *by;
	bool dry_run;
};

/*
 * {"dry_run","selector","about","entries","rows","bytes","items":[{"entry","kind","agency","usecase","time","rows",
 * "bytes"}],"periods":[{"agency","month","entries","rows","bytes"}],"digest","more","unset","shred"?}. entries == 0: there was
 * nothing (left) to erase, and nothing is recorded. `shred` is the id of the entry that tells of it; `digest` is in it: SHA-256 of
 * the items' ids, ascending, then of the periods as "agency/2026-10", a line each. `more`: an expiry has further entries for another
 * order; `unset`: entries whose content has no period of retention.
 * Waits until PostgreSQL has all there is now. FAULT_UNAVAILABLE: PostgreSQL is away; if the order was begun, it is
 * finished later. The operator's thread.
 */
MUST_CHECK int shred_run(struct gateway *gateway, const struct shred_order *order, json_t **result,
                         struct fault *why);
/* Nothing that the log cannot forget may stand in a reason: 1 to 500 bytes without a personal identifier. */
MUST_CHECK int shred_check_reason(const char *reason, struct fault *why);
/* Finish what a crash or an outage left unfinished. On the registrar's thread, at each look. */
MUST_CHECK int shred_resume(struct gateway *gateway, struct database *database, struct fault *why);

#endif
