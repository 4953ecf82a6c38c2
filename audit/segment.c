#define OPENSSL_API_COMPAT 10101

#include "audit/segment.h"

#include <openssl/sha.h>
#include <string.h>

#define HEAD_MAGIC  "HAECHIJ1"
#define BATCH_MAGIC "HAECHIB1"
#define MAGIC_SIZE  8u
#define DIGEST_AT   96u
#define BODY_AT     SEGMENT_BATCH_HEAD
#define ITEM_SIZE   12u /* of the table, an item */

static const uint8_t zeros[SEGMENT_BLOCK];

static void
sha256(uint8_t out[32], struct slice a, struct slice b)
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, a.data, a.size);
	if (b.size != 0)
		SHA256_Update(&sha, b.data, b.size);
	SHA256_Final(out, &sha);
}

static bool
is_zero(struct slice bytes)
{
	while (bytes.size != 0) {
		size_t size = bytes.size < sizeof zeros ? bytes.size : sizeof zeros;

		if (memcmp(bytes.data, zeros, size) != 0)
			return false;
		bytes.data += size;
		bytes.size -= size;
	}
	return true;
}

static size_t
whole_blocks(size_t size)
{
	return (size + SEGMENT_BLOCK - 1) / SEGMENT_BLOCK * SEGMENT_BLOCK;
}

/* ---- head ---------------------------------------------------------------------------------------------- */

void
segment_head_write(struct buffer *out, const struct segment_head *head)
{
	size_t begin = out->size;
	uint8_t digest[32];

	buffer_append(out, HEAD_MAGIC, MAGIC_SIZE);
	if (head->origin.size > SEGMENT_ORIGIN_LIMIT)
		out->failed = true;
	buffer_u16be(out, (uint16_t)head->origin.size);
	buffer_slice(out, head->origin);
	buffer_append(out, head->chain.bytes, sizeof head->chain.bytes);
	tree_frontier_write(out, &head->frontier);
	if (!buffer_ok(out))
		return;
	buffer_append(out, zeros, SEGMENT_BLOCK - sizeof digest - (out->size - begin));
	if (!buffer_ok(out))
		return;
	sha256(digest, slice_of(out->data + begin, SEGMENT_BLOCK - sizeof digest), (struct slice){NULL, 0});
	buffer_append(out, digest, sizeof digest);
}

int
segment_head_read(struct segment_head *out, struct slice block, struct fault *why)
{
	struct reader reader = reader_of(block), peek;
	struct slice chain, frontier;
	uint8_t digest[32];
	size_t depth;

	memset(out, 0, sizeof *out);
	if (block.size != SEGMENT_BLOCK || memcmp(block.data, HEAD_MAGIC, MAGIC_SIZE) != 0)
		goto bad;
	sha256(digest, slice_of(block.data, SEGMENT_BLOCK - sizeof digest), (struct slice){NULL, 0});
	if (memcmp(digest, block.data + SEGMENT_BLOCK - sizeof digest, sizeof digest) != 0)
		goto bad;
	(void)reader_take(&reader, MAGIC_SIZE);
	out->origin = reader_take(&reader, reader_u16be(&reader));
	chain = reader_take(&reader, sizeof out->chain.bytes);
	peek = reader;
	depth = (size_t)__builtin_popcountll(reader_u64be(&peek));
	frontier = reader_take(&reader, 8 + depth * TREE_HASH_SIZE);
	if (!reader_ok(&reader) || out->origin.size > SEGMENT_ORIGIN_LIMIT ||
	    reader.rest.size < sizeof digest ||
	    !is_zero(slice_of(reader.rest.data, reader.rest.size - sizeof digest)) ||
	    !tree_frontier_read(&out->frontier, frontier))
		goto bad;
	memcpy(out->chain.bytes, chain.data, sizeof out->chain.bytes);
	return 0;
bad:
	return fault_set(why, FAULT_TAMPERED, "저널 파일의 머리 블록이 손상되었습니다",
	                 "the head block of the journal file is damaged");
}

/* ---- batches ------------------------------------------------------------------------------------------- */

struct batch_head {
	uint64_t first, body_size;
	uint32_t count, note_size;
};

static bool
batch_head_read(struct batch_head *out, struct slice bytes)
{
	struct reader reader = reader_of(bytes);
	struct slice magic = reader_take(&reader, MAGIC_SIZE);

	out->first = reader_u64be(&reader);
	out->count = reader_u32be(&reader);
	out->note_size = reader_u32be(&reader);
	out->body_size = reader_u64be(&reader);
	return reader_ok(&reader) && memcmp(magic.data, BATCH_MAGIC, MAGIC_SIZE) == 0 && out->count != 0 &&
	       out->count <= SEGMENT_COUNT_LIMIT && out->first < TREE_SIZE_LIMIT - SEGMENT_COUNT_LIMIT &&
	       out->note_size <= SEGMENT_NOTE_LIMIT && out->body_size <= SEGMENT_BODY_LIMIT &&
	       (uint64_t)out->note_size + (uint64_t)out->count * ITEM_SIZE <= out->body_size;
}

enum segment_found
segment_peek(struct slice bytes, size_t *size)
{
	struct batch_head head;

	*size = 0;
	if (bytes.size < SEGMENT_BATCH_HEAD)
		return SEGMENT_BROKEN;
	bytes.size = SEGMENT_BATCH_HEAD;
	if (is_zero(bytes))
		return SEGMENT_END;
	if (!batch_head_read(&head, bytes))
		return SEGMENT_BROKEN;
	*size = whole_blocks(BODY_AT + (size_t)head.body_size);
	return SEGMENT_BATCH;
}

bool
segment_batch_read(struct segment_batch *out, struct slice bytes)
{
	struct batch_head head;
	struct segment_walk walk;
	struct reader reader;
	struct slice body;
	uint8_t digest[32];
	uint64_t total = 0;

	memset(out, 0, sizeof *out);
	if (bytes.size < SEGMENT_BATCH_HEAD || !batch_head_read(&head, bytes) ||
	    bytes.size != whole_blocks(BODY_AT + (size_t)head.body_size))
		return false;
	body = slice_of(bytes.data + BODY_AT, (size_t)head.body_size);
	sha256(digest, slice_of(bytes.data, DIGEST_AT), body);
	if (memcmp(digest, bytes.data + DIGEST_AT, sizeof digest) != 0 ||
	    !is_zero(slice_of(body.data + body.size, bytes.size - BODY_AT - body.size)))
		return false;
	out->first = head.first;
	out->count = head.count;
	out->size = bytes.size;
	memcpy(out->previous.bytes, bytes.data + 32, 32);
	memcpy(out->root.bytes, bytes.data + 64, 32);
	memcpy(out->digest.bytes, digest, 32);
	reader = reader_of(body);
	out->note = reader_take(&reader, head.note_size);
	out->table = reader_take(&reader, (size_t)head.count * ITEM_SIZE);
	out->bytes = reader.rest;
	walk = segment_items(out);
	while (walk.table.rest.size != 0)
		total += reader_u32be(&walk.table);
	return total == out->bytes.size;
}

struct segment_walk
segment_items(const struct segment_batch *batch)
{
	return (struct segment_walk){reader_of(batch->table), reader_of(batch->bytes)};
}

bool
segment_next(struct segment_walk *walk, struct segment_item *item)
{
	uint32_t sizes[3];

	if (walk->table.rest.size == 0)
		return false;
	for (int i = 0; i < 3; i++)
		sizes[i] = reader_u32be(&walk->table);
	item->entry = reader_take(&walk->bytes, sizes[0]);
	item->content[0] = reader_take(&walk->bytes, sizes[1]);
	item->content[1] = reader_take(&walk->bytes, sizes[2]);
	return reader_ok(&walk->table) && reader_ok(&walk->bytes);
}

void
segment_begin(struct segment_writer *writer, struct buffer *out, uint64_t first, uint32_t count,
              struct slice note, const struct segment_digest *previous, const struct tree_hash *root)
{
	writer->out = out;
	writer->begin = out->size;
	buffer_append(out, BATCH_MAGIC, MAGIC_SIZE);
	buffer_u64be(out, first);
	buffer_u32be(out, count);
	buffer_u32be(out, (uint32_t)note.size);
	buffer_u64be(out, 0); /* body size and digest: segment_end() */
	buffer_append(out, previous->bytes, sizeof previous->bytes);
	buffer_append(out, root->bytes, sizeof root->bytes);
	buffer_append(out, zeros, 32);
	buffer_slice(out, note);
}

void
segment_sizes(struct segment_writer *writer, const struct segment_item *item)
{
	buffer_u32be(writer->out, (uint32_t)item->entry.size);
	buffer_u32be(writer->out, (uint32_t)item->content[0].size);
	buffer_u32be(writer->out, (uint32_t)item->content[1].size);
}

void
segment_bytes(struct segment_writer *writer, const struct segment_item *item)
{
	buffer_slice(writer->out, item->entry);
	buffer_slice(writer->out, item->content[0]);
	buffer_slice(writer->out, item->content[1]);
}

void
segment_end(struct segment_writer *writer, struct segment_digest *digest)
{
	struct buffer *out = writer->out;
	size_t body_size;
	uint8_t *batch;

	if (!buffer_ok(out))
		return;
	batch = out->data + writer->begin;
	body_size = out->size - writer->begin - BODY_AT;
	for (unsigned i = 0; i < 8; i++)
		batch[24 + i] = (uint8_t)((uint64_t)body_size >> (56 - 8 * i));
	sha256(digest->bytes, slice_of(batch, DIGEST_AT), slice_of(batch + BODY_AT, body_size));
	memcpy(batch + DIGEST_AT, digest->bytes, sizeof digest->bytes);
	buffer_append(out, zeros, whole_blocks(BODY_AT + body_size) - BODY_AT - body_size);
}
