/*
 * export -- take entries out of PostgreSQL into a folder that proves itself: audit/bundle.h says what is in it.
 *
 * Everything is read in one snapshot and, before the folder gets its name, checked by the same code that haechi-verify runs. What is
 * shown of a pure time range shows its edges too: the entry before and the entry behind.
 */
#ifndef HAECHI_AUDIT_EXPORT_H
#define HAECHI_AUDIT_EXPORT_H

#include "audit/database.h"
#include "audit/manifest.h"

struct export_options {
	enum manifest_kind kind;
	struct filter filter;
	const char *directory; /* must not exist, or be empty */
	const char *key_file;  /* the report key; made when absent */
	const char *reason;    /* for the access log; may be NULL */
	/*
	 * May be NULL. Every log is taken as of its newest cosigned head, and that must be as the policy wants it. Without one, a
	 * cosigned head is taken where it covers the whole time that is asked for, else the newest.
	 */
	const struct quorum *policy;
	/*
	 * May be NULL. Have the log record the export: append an entry of kind export whose facts hold manifest = `digest` (SHA-256 of
	 * the signed manifest, hex), and give a receipt of it. The gateway does this through the running daemon. A receipt left empty:
	 * not recorded, and that is no fault.
	 */
	int (*record)(void *context, const char *digest, struct buffer *receipt, struct fault *why);
	void *context;
};

struct export_result {
	uint64_t entries, contents; /* contents: sealed, in an archive */
	size_t logs;
	char manifest[65];         /* SHA-256 of the manifest file, hex */
	char vkey[NOTE_VKEY_SIZE]; /* of the report key */
	bool recorded;
};

MUST_CHECK int export_run(struct export_result *out, struct database *database,
                          const struct export_options *options, struct fault *why);

#endif
