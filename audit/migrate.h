/*
 * migrate -- bring a database to the newest tables: files NNNN_name.sql in order, each in a transaction of its own and
 * recorded with its SHA-256. Safe to repeat, safe to run from two places at once (an advisory lock).
 */
#ifndef HAECHI_AUDIT_MIGRATE_H
#define HAECHI_AUDIT_MIGRATE_H

#include "audit/database.h"

struct migrate_step {
	int number;
	char name[64];   /* file name */
	char digest[65]; /* SHA-256 of the file, hex */
	bool applied;    /* by this call; false: it was there already */
};

/*
 * Apply what is missing from `directory`. `seen` is called for every file in order, after it holds. Refused: a file that differs
 * from what was applied (FAULT_TAMPERED), a database that is newer than the directory, a gap in the numbers (FAULT_CONFLICT).
 */
MUST_CHECK int migrate(struct database *database, const char *directory,
                       void (*seen)(void *context, const struct migrate_step *step), void *context,
                       struct fault *why);

/* schema/sql beside a built tree or share/haechi/sql beside an installed program, found from /proc/self/exe. */
MUST_CHECK int migrate_directory(char *out, size_t size, struct fault *why);

#endif
