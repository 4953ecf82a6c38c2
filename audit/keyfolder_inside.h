/* The inside of keyfolder: keyfolder.c opens the folder and carries old ones over, keyperiods.c keeps the period files. */
#ifndef HAECHI_AUDIT_KEYFOLDER_INSIDE_H
#define HAECHI_AUDIT_KEYFOLDER_INSIDE_H

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/keeper.h"
#include "audit/keyfolder.h"

#define KEYFOLDER_ROOM    128 /* bytes below PATH_MAX for the longest name in the folder */
#define KEYFOLDER_FOLDER  "periods"
#define KEYFOLDER_WATCHED 3

/* Which file was read. */
struct file_stamp {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct period {
	struct periodfile file;
	char path[PATH_MAX];
	struct keytree tree; /* of this month alone; empty: destroyed */
	struct file_stamp stamp;
	bool settled; /* file.old is gone from the token */
	bool told;    /* the log says that its file is not as it was */
};

struct watched_file {
	struct file_stamp stamp;
	uint8_t digest[32];
	bool there;
};

struct keyfolder {
	char directory[PATH_MAX - KEYFOLDER_ROOM];
	enum aead cipher;
	uint8_t *kek, *pseudonym; /* sodium_malloc()ed; they never change */
	uint64_t count;
	struct keeper *keeper;   /* NULL: no token */
	pthread_rwlock_t lock;   /* what is below */
	struct period **periods; /* by month, then agency */
	size_t period_count, period_room;
	struct watched_file seen[KEYFOLDER_WATCHED]; /* kek, kek.pkcs11, content.keys as they were read */
};

struct file_stamp file_stamp_of(const struct stat *status);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* The right to change the folder, among processes: -1, or a descriptor to close(). */
MUST_CHECK int keyfolder_begin(struct keyfolder *folder, struct fault *why);
/* Put `content` in the place of the file at `path`, and overwrite what was there. */
MUST_CHECK int keyfolder_replace(const char *path, struct slice content, struct fault *why);
/* What a crash left of a change: overwrite and remove "X.old" and "X.new" in a folder. */
MUST_CHECK int keyfolder_sweep(const char *directory, struct fault *why);

/* With the lock of keyfolder_begin() held. A period from the tree of an earlier version, as its first generation. */
MUST_CHECK int period_carry(struct keyfolder *folder, uint32_t month, const struct keytree *tree,
                            struct fault *why);
/* Read every file of the folder once; finish in the token what a crash left there. */
MUST_CHECK int periods_open(struct keyfolder *folder, struct fault *why);
/* Is the file still there, whole and not older than what was read? */
MUST_CHECK int period_look(struct keyfolder *folder, const char *agency, uint32_t month, struct fault *why);
void periods_free(struct keyfolder *folder);
/* Is any of them further than its first generation? */
bool periods_used(const struct keyfolder *folder);

#endif
