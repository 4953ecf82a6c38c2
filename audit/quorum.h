/*
 * quorum -- a trust policy (C2SP tlog-policy): which logs, which witnesses, and how many of them a checkpoint must have.
 *
 *	log <vkey> [url]
 *	witness <name> <vkey> [url]
 *	group <name> all|any|<k> <member>...
 *	quorum <name>|none
 *
 * The same file tells haechid whom to ask (the witnesses with a url), and haechi-verify what to insist on. Pure functions of
 * bytes.
 */
#ifndef HAECHI_AUDIT_QUORUM_H
#define HAECHI_AUDIT_QUORUM_H

#include "audit/keyring.h"

#define QUORUM_LIMIT     (64 * 1024) /* bytes of a policy */
#define QUORUM_LOGS      32
#define QUORUM_WITNESSES 32
#define QUORUM_GROUPS    32
#define QUORUM_NAME_SIZE 128
#define QUORUM_URL_SIZE  512

struct quorum_log {
	struct note_key key;
	char url[QUORUM_URL_SIZE]; /* "" none */
};

struct quorum_witness {
	char name[QUORUM_NAME_SIZE];
	struct note_key key; /* cosignature/v1 */
	char url[QUORUM_URL_SIZE];
};

struct quorum_group {
	char name[QUORUM_NAME_SIZE];
	size_t threshold, count;
	uint8_t members[QUORUM_WITNESSES + QUORUM_GROUPS]; /* witness i, or QUORUM_WITNESSES + group i */
};

struct quorum {
	size_t log_count, witness_count, group_count;
	struct quorum_log logs[QUORUM_LOGS];
	struct quorum_witness witnesses[QUORUM_WITNESSES];
	struct quorum_group groups[QUORUM_GROUPS];
	bool none; /* "quorum none": signed by the log is enough */
	uint8_t root;
};

/* Errors name the line. */
MUST_CHECK int quorum_parse(struct quorum *out, struct slice text, struct fault *why);
/* *out is the caller's to free(). */
MUST_CHECK int quorum_load(struct quorum **out, const char *path, struct fault *why);
/* Does the policy hold when exactly these witnesses cosigned? */
bool quorum_met(const struct quorum *quorum, const bool cosigned[QUORUM_WITNESSES]);
/* Its logs' and witnesses' keys into a keyring. */
MUST_CHECK int quorum_keys(struct keyring *keyring, const struct quorum *quorum, struct fault *why);
/* "2 of 3 (group agencies)" in words of the file: for people. */
void quorum_describe(struct buffer *out, const struct quorum *quorum);

/*
 * A head that signed_head_open() has opened under quorum_keys(): is it as the policy wants it? FAULT_TAMPERED says how many of
 * whom are missing; FAULT_UNIDENTIFIED: of a log the policy does not know (a policy without logs knows all). cosigned may be NULL.
 */
MUST_CHECK int quorum_check(const struct quorum *quorum, const struct signed_head *head,
                            bool cosigned[QUORUM_WITNESSES], struct fault *why);

#endif
