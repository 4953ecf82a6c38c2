/*
 * periodfile -- the bytes of one file of keys: what one agency sealed in one month. Pure; audit/keyfolder.h keeps the files.
 *
 *	"HAECHIP1"   cipher u8   state u8   month u32   generation u64   root[8]   agency   label   old label
 *	wrapped: u16 length, then the file's own key of 32 bytes, wrapped under the kek or under the key `label` of the token
 *	body: nonce, the key tree (audit/keytree.h) encrypted under the file's own key, tag
 *
 * Texts are a length byte and their bytes; numbers are big-endian. Everything before the body is authenticated with it. A file is
 * never changed but written anew, under a fresh key of its own and with the next generation. The file of a destroyed period stays as
 * a tombstone without any key: its body is an empty text under the kek, so that a forged one is noticed.
 */
#ifndef HAECHI_AUDIT_PERIODFILE_H
#define HAECHI_AUDIT_PERIODFILE_H

#include "audit/aead.h"
#include "audit/custodian.h"

#define PERIOD_AGENCY 65 /* bytes of an agency's name, with its zero */
#define PERIOD_ROOT   8u
#define PERIOD_EVERY  "*" /* the agency of keys that were made before keys had agencies */

/* The numbers stand in the file. */
enum period_state { PERIOD_NONE = 0, PERIOD_IN_FILE = 1, PERIOD_IN_TOKEN = 2, PERIOD_DESTROYED = 3 };

struct periodfile {
	enum aead cipher;
	enum period_state state;
	uint32_t month;            /* since January 1970, in Korea; of PERIOD_EVERY in UTC */
	uint64_t generation;       /* grows with every change */
	uint8_t root[PERIOD_ROOT]; /* random name of the root; blobs carry it */
	char agency[PERIOD_AGENCY];
	char label[CUSTODIAN_LABEL]; /* of the wrapping key in the token; "" not in a token */
	char old[CUSTODIAN_LABEL];   /* of the one it replaced: to be destroyed there */
};

struct periodfile_parts {
	struct slice head;    /* what the wrapping authenticates */
	struct slice wrapped; /* empty: destroyed */
	struct slice bound;   /* what the body authenticates: everything before it */
	struct slice body;
};

/* Head, wrapping and room for a body of `text` bytes, which is *body: put the text behind the nonce and seal it there. */
MUST_CHECK bool periodfile_head(struct buffer *out, const struct periodfile *file);
MUST_CHECK bool periodfile_body(struct buffer *out, const struct periodfile *file, struct slice wrapped,
                                size_t text, struct slice *bound, uint8_t **body);
/* Parts borrow from the bytes. false: no such file, or not as this version writes them. */
MUST_CHECK bool periodfile_read(struct periodfile *out, struct periodfile_parts *parts, struct slice bytes);

#endif
