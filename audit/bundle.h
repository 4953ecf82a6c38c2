/*
 * bundle -- an export or a report, checked from its folder alone: no database, no network, memory that does not grow.
 *
 *	manifest            what it says it holds; signed by the report key
 *	manifest.receipt    (may be absent) the log's own entry of this export, proven
 *	keys                verifier keys that came with it: convenient, not trustworthy
 *	entries.csv         derived; report.json and report.html too, in a report; none in an archive
 *	logs/N/entries.jsonl, proof, checkpoint     the evidence: exact bytes, selection (audit/selection.h), signed head
 *	logs/N/stamped, stamped.tsr                 (may be absent) when an earlier head existed (audit/stampfile.h)
 *	logs/N/contents     in an archive: what is sealed for these entries, a line "ENTRY PART BASE64" each, in their order;
 *	                    may be gone, once it had to be kept no longer
 *
 * Everything derived is made again from the entries and compared byte for byte: no figure is believed.
 */
#ifndef HAECHI_AUDIT_BUNDLE_H
#define HAECHI_AUDIT_BUNDLE_H

#include "audit/manifest.h"
#include "audit/retention.h"
#include "audit/selection.h"
#include "audit/stampfile.h"

#define BUNDLE_LOGS MANIFEST_LOGS

struct bundle_log {
	char origin[NOTE_NAME_SIZE];
	uint64_t size;    /* of the log, as signed */
	uint64_t entries; /* in the bundle that are meant: without the two at the edges */
	struct tree_hash root; /* as signed */
	size_t cosigners;      /* known witnesses that cosigned this head */
	bool stamped;          /* a time stamp came with it: */
	struct stampfile stamp;
	uint64_t contents;     /* sealed, in an archive */
	bool contents_gone;    /* listed, and not there any more */
	struct selection selection;
	bool left_edge,
	    right_edge; /* shown: the entry before and behind is outside the time, or the log begins or ends there */
};

struct bundle_report {
	enum manifest_kind kind;
	struct filter filter; /* strings borrow from the arena */
	int64_t made_ms;
	const char *by;
	char signer[NOTE_NAME_SIZE]; /* name of the report key */
	bool signer_known;           /* among the keys from outside */
	bool outside_keys;           /* log keys came from outside */
	bool rendered; /* derived files were made again; false: made by another version, digests only */
	bool recorded; /* manifest.receipt proves that a log recorded this export */
	uint64_t files, entries, contents;
	char manifest[65];          /* SHA-256 of the manifest, hex: what the log recorded */
	struct retention retention; /* of what is in an archive */
	size_t log_count;
	struct bundle_log logs[BUNDLE_LOGS];
};

/*
 * 0: everything holds. -1: FAULT_TAMPERED, FAULT_INVALID, FAULT_UNIDENTIFIED or FAULT_TOO_LARGE name the first thing that does not,
 * with its file; FAULT_SYSTEM: a file cannot be read. `keyring` NULL: by the keys that came with it.
 */
MUST_CHECK int bundle_check(struct bundle_report *out, const char *directory, const struct keyring *keyring,
                            struct arena *arena, struct fault *why);

#endif
