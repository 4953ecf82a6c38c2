/*
 * manifest -- the first page of an export or a report: what it says it holds, and the digest of every file; a signed note.
 *
 *	haechi-manifest/1
 *	kind report                      or export, or archive
 *	made 2026-04-01T00:00:00.000Z
 *	by inspector                     who made it: the database's login
 *	renderer 1                       MANIFEST_RENDERER
 *	from 2026-03-01T00:00:00.000Z    the filter: from, to, then values by name; absent ones are left out
 *	to 2026-04-01T00:00:00.000Z
 *	agency haneul
 *	origin 1 haechi.haneul/node1     logs/1/{entries.jsonl,proof,checkpoint}
 *	file 64HEX SIZE NAME             every file but the manifest and its receipt
 *	sealed 64HEX SIZE NAME           of an archive: sealed content, which may be gone once it had to be kept no longer
 *
 * It is signed by a report key (Ed25519), the key of whoever exported: it shows that the bundle is whole as it was made. What the
 * entries are is proven by the logs' own signatures. Where the log itself recorded the export, manifest.receipt proves it.
 */
#ifndef HAECHI_AUDIT_MANIFEST_H
#define HAECHI_AUDIT_MANIFEST_H

#include "audit/filter.h"
#include "audit/keyring.h"

#define MANIFEST_LIMIT    (512 * 1024)
#define MANIFEST_FILES    1024
#define MANIFEST_LOGS     256
#define MANIFEST_PATH     64 /* bytes of a file's name */
#define MANIFEST_RENDERER 1  /* how entries.csv, report.json and report.html are made from the entries */

enum manifest_kind { MANIFEST_EXPORT = 0, MANIFEST_REPORT, MANIFEST_ARCHIVE, MANIFEST_KINDS };
const char *manifest_kind_name(enum manifest_kind kind);

struct manifest_file {
	char digest[65]; /* SHA-256, hex */
	uint64_t size;
	char name[MANIFEST_PATH + 1]; /* [a-z0-9.-/], no "..", nothing hidden */
	bool sealed;                  /* may be absent */
};

struct manifest {
	enum manifest_kind kind;
	int64_t made_ms;
	const char *by;
	unsigned renderer;
	struct filter filter;
	size_t log_count, file_count;
	const char *logs[MANIFEST_LOGS]; /* origins; logs[i] is in folder logs/i+1 */
	struct manifest_file files[MANIFEST_FILES];
};

/* The text that is signed. */
void manifest_write(struct buffer *out, const struct manifest *manifest);
/* From the signed text. Strings are copies in the arena. Order and form are strict: one manifest, one text. */
MUST_CHECK int manifest_read(struct manifest *out, struct slice text, struct arena *arena, struct fault *why);
/* NULL: not listed. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *name);

/*
 * The report key in `path`: a seed in the form Go's notes use (PRIVATE+KEY+name+id+base64), mode 0600; made when absent. Signs
 * `text` into a note and gives the verifier key. The name ends with ".report": no log is called so.
 */
MUST_CHECK int report_key_sign(struct buffer *note, struct note_key *key, const char *path, struct slice text,
                               struct fault *why);

#endif
