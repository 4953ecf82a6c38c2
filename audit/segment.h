/*
 * segment -- the journal's file format as bytes: a head of one block, then batches, each whole blocks. No
 * files here.
 *
 *	segment  = head, batch, batch, ..., zeros
 *	head     = "HAECHIJ1" u16be size-of-origin origin  chain[32]  frontier  zeros
 *	           sha256[32] of all before, at the end of the block
 *	batch    = "HAECHIB1" u64be first  u32be count  u32be note-size  u64be body-size
 *	           previous[32]  root[32]  digest[32]  body  zeros to the end of the block
 *	body     = note, count * (u32be entry, u32be prompt, u32be answer), then those bytes in order
 *
 * digest = SHA-256(batch before digest || body), previous = the digest of the batch before: no batch can be
 * changed, taken out or put in unseen. root is the tree's root behind the batch. note is the signed
 * checkpoint of an earlier batch: a batch is signed only when it is durable, so its own note travels with a
 * later one. A batch begins a block, so that writing one never rewrites a sector that holds another.
 */
#ifndef HAECHI_AUDIT_SEGMENT_H
#define HAECHI_AUDIT_SEGMENT_H

#include "audit/tree.h"

#define SEGMENT_BLOCK         4096u
#define SEGMENT_BATCH_HEAD    128u
#define SEGMENT_COUNT_LIMIT   4096u               /* entries of a batch */
#define SEGMENT_CONTENT_LIMIT (16u * 1024 * 1024) /* bytes of one sealed content */
#define SEGMENT_BODY_LIMIT    (64u * 1024 * 1024) /* bytes of a batch's body */
#define SEGMENT_NOTE_LIMIT    (64u * 1024)
#define SEGMENT_ORIGIN_LIMIT  255u

struct segment_digest {
	uint8_t bytes[32];
};

struct segment_head {
	struct slice origin;           /* in reading: borrowed from the block */
	struct segment_digest chain;   /* of the last batch before this segment; zeros: none */
	struct tree_frontier frontier; /* of everything before this segment */
};

/* Exactly SEGMENT_BLOCK bytes. */
void segment_head_write(struct buffer *out, const struct segment_head *head);
/* FAULT_TAMPERED when the block is not a segment's head. */
MUST_CHECK int segment_head_read(struct segment_head *out, struct slice block, struct fault *why);

struct segment_batch {
	uint64_t first; /* index of its first entry */
	uint32_t count;
	size_t size; /* with head and padding: whole blocks */
	struct segment_digest previous, digest;
	struct tree_hash root;
	struct slice note; /* a checkpoint's, of a size <= first; may be empty */
	struct slice table, bytes;
};

struct segment_item {
	struct slice entry;
	struct slice content[2];
};

/* What a block that should begin a batch is. */
enum segment_found {
	SEGMENT_BATCH, /* a batch's head; its size is known, its bytes not yet checked */
	SEGMENT_END,   /* zeros: nothing was written here */
	SEGMENT_BROKEN /* neither */
};
/* Look at the first SEGMENT_BATCH_HEAD bytes; *size is the whole batch's when it is one. */
enum segment_found segment_peek(struct slice bytes, size_t *size);
/*
 * Read and check a whole batch, padding included: exactly `size` bytes as segment_peek() said. Slices borrow.
 */
MUST_CHECK bool segment_batch_read(struct segment_batch *out, struct slice bytes);

/* Walk the items of a checked batch. */
struct segment_walk {
	struct reader table, bytes;
};
struct segment_walk segment_items(const struct segment_batch *batch);
bool segment_next(struct segment_walk *walk, struct segment_item *item);

/* Writing: begin, the sizes of every item, the bytes of every item, end. Appends to `out`, whole blocks. */
struct segment_writer {
	struct buffer *out;
	size_t begin;
};
void segment_begin(struct segment_writer *writer, struct buffer *out, uint64_t first, uint32_t count,
                   struct slice note, const struct segment_digest *previous, const struct tree_hash *root);
void segment_sizes(struct segment_writer *writer, const struct segment_item *item);
void segment_bytes(struct segment_writer *writer, const struct segment_item *item);
void segment_end(struct segment_writer *writer, struct segment_digest *digest);

#endif
