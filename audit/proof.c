#include "audit/proof.h"

#include <inttypes.h>
#include <string.h>

#include "schema/base/arena.h"

#define FILE_HEADING "c2sp.org/tlog-proof@v1"

/* Largest power of two strictly below n; n >= 2. */
static uint64_t
split(uint64_t n)
{
	return UINT64_C(1) << (63 - (unsigned)__builtin_clzll(n - 1));
}

static void
reverse(struct proof *proof)
{
	for (size_t i = 0, j = proof->count; i + 1 < j; i++) {
		struct tree_hash hash = proof->hashes[i];

		j--;
		proof->hashes[i] = proof->hashes[j];
		proof->hashes[j] = hash;
	}
}

int
proof_inclusion(struct proof *out, const struct tree_reader *reader, uint64_t index, uint64_t size,
                struct fault *why)
{
	uint64_t begin = 0, end = size;

	out->count = 0;
	if (size >= TREE_SIZE_LIMIT || index >= size)
		return fault_set(why, FAULT_INVALID,
		                 "%" PRIu64 "번 항목은 크기 %" PRIu64 "인 기록에 없습니다",
		                 "entry %" PRIu64 " is not in a log of size %" PRIu64, index, size);
	while (end - begin > 1) {
		uint64_t middle = begin + split(end - begin);
		bool left = index < middle;

		if (tree_range(&out->hashes[out->count], reader, left ? middle : begin, left ? end : middle,
		               why) == -1)
			return -1;
		out->count++;
		*(left ? &end : &begin) = middle;
	}
	reverse(out);
	return 0;
}

static int
not_proof(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "증명의 길이나 크기가 맞지 않습니다",
	                 "the proof's length or sizes do not fit");
}

static int
root_differs(struct fault *why)
{
	return fault_set(why, FAULT_TAMPERED, "증명에서 계산한 루트가 체크포인트와 다릅니다",
	                 "the root computed from the proof differs from the checkpoint's");
}

int
proof_check_inclusion(const struct proof *proof, const struct tree_hash *leaf, uint64_t index, uint64_t size,
                      const struct tree_hash *root, struct fault *why)
{
	struct tree_hash hash = *leaf;
	uint64_t node = index, last = size - 1;

	if (size == 0 || size >= TREE_SIZE_LIMIT || index >= size || proof->count > PROOF_HASHES)
		return not_proof(why);
	for (size_t i = 0; i < proof->count; i++) {
		if (last == 0)
			return not_proof(why);
		if ((node & 1) != 0 || node == last) {
			tree_inner(&hash, &proof->hashes[i], &hash);
			while ((node & 1) == 0 && node != 0) {
				node >>= 1;
				last >>= 1;
			}
		} else {
			tree_inner(&hash, &hash, &proof->hashes[i]);
		}
		node >>= 1;
		last >>= 1;
	}
	if (last != 0)
		return not_proof(why);
	return tree_hash_equal(&hash, root) ? 0 : root_differs(why);
}

int
proof_consistency(struct proof *out, const struct tree_reader *reader, uint64_t older, uint64_t newer,
                  struct fault *why)
{
	uint64_t begin = 0, end = newer;

	out->count = 0;
	if (older == 0 || older > newer || newer >= TREE_SIZE_LIMIT)
		return fault_set(why, FAULT_INVALID,
		                 "크기 %" PRIu64 "에서 %" PRIu64 "(으)로의 일관성은 증명할 수 없습니다",
		                 "consistency from size %" PRIu64 " to %" PRIu64 " cannot be proven", older,
		                 newer);
	/* Down to the subtree that ends at `older`; siblings on the way are the proof, from the top. */
	while (end != older) {
		uint64_t middle = begin + split(end - begin);
		bool left = older <= middle;

		if (tree_range(&out->hashes[out->count], reader, left ? middle : begin, left ? end : middle,
		               why) == -1)
			return -1;
		out->count++;
		*(left ? &end : &begin) = middle;
	}
	/* When it begins at 0 it is the older tree itself, whose root the checker has. */
	if (begin != 0) {
		if (tree_range(&out->hashes[out->count], reader, begin, end, why) == -1)
			return -1;
		out->count++;
	}
	reverse(out);
	return 0;
}

int
proof_check_subtree(const struct proof *proof, uint64_t begin, uint64_t end, const struct tree_hash *part,
                    uint64_t size, const struct tree_hash *root, struct fault *why)
{
	struct tree_hash part_hash, root_hash;
	uint64_t first = begin, node = end - 1, last = size - 1, align = 1;
	size_t next = 0;

	if (begin > end || end > size || size >= TREE_SIZE_LIMIT || proof->count > PROOF_HASHES)
		return not_proof(why);
	if (begin == end) {
		tree_empty(&root_hash);
		if (proof->count != 0)
			return not_proof(why);
		return tree_hash_equal(part, &root_hash) ? 0 : root_differs(why);
	}
	while (align < end - begin)
		align <<= 1;
	if ((begin & (align - 1)) != 0)
		return not_proof(why);
	while (first != node && (node == last || (node & 1) != 0)) {
		first >>= 1;
		node >>= 1;
		last >>= 1;
	}
	if (first == node) {
		/*
		 * A whole node of the larger tree, or the larger tree's own right edge: its root starts the
		 * chain.
		 */
		part_hash = *part;
	} else {
		if (proof->count == 0)
			return not_proof(why);
		part_hash = proof->hashes[next++];
	}
	root_hash = part_hash;
	for (; next < proof->count; next++) {
		const struct tree_hash *hash = &proof->hashes[next];

		if (last == 0)
			return not_proof(why);
		if ((node & 1) != 0 || node == last) {
			if (first < node)
				tree_inner(&part_hash, hash, &part_hash);
			tree_inner(&root_hash, hash, &root_hash);
			while ((node & 1) == 0 && node != 0) {
				first >>= 1;
				node >>= 1;
				last >>= 1;
			}
		} else {
			tree_inner(&root_hash, &root_hash, hash);
		}
		first >>= 1;
		node >>= 1;
		last >>= 1;
	}
	if (last != 0)
		return not_proof(why);
	return tree_hash_equal(&part_hash, part) && tree_hash_equal(&root_hash, root) ? 0 : root_differs(why);
}

int
proof_check_consistency(const struct proof *proof, uint64_t older, const struct tree_hash *older_root,
                        uint64_t newer, const struct tree_hash *newer_root, struct fault *why)
{
	if (older == 0) /* the empty tree is a prefix of every tree: it would prove nothing */
		return not_proof(why);
	return proof_check_subtree(proof, 0, older, older_root, newer, newer_root, why);
}

/* ---- tlog-proof files ---------------------------------------------------------------------------------- */

static void
base64_put(struct buffer *out, struct slice bytes)
{
	char text[BASE64_SIZE(48)];

	for (size_t at = 0; at < bytes.size; at += 48) {
		size_t size = bytes.size - at < 48 ? bytes.size - at : 48;

		buffer_append(out, text, base64_encode(text, bytes.data + at, size));
	}
}

void
proof_file_write(struct buffer *out, const struct proof_file *file)
{
	buffer_string(out, FILE_HEADING "\n");
	if (file->has_extra) {
		buffer_string(out, "extra ");
		base64_put(out, file->extra);
		buffer_byte(out, '\n');
	}
	buffer_printf(out, "index %" PRIu64 "\n", file->index);
	for (size_t i = 0; i < file->proof.count; i++) {
		base64_put(out, slice_of(file->proof.hashes[i].bytes, TREE_HASH_SIZE));
		buffer_byte(out, '\n');
	}
	buffer_byte(out, '\n');
	buffer_slice(out, file->checkpoint);
}

static bool
prefix_drop(struct slice *line, const char *prefix)
{
	size_t size = strlen(prefix);

	if (line->size < size || memcmp(line->data, prefix, size) != 0)
		return false;
	line->data += size;
	line->size -= size;
	return true;
}

static int
file_malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "증명 파일(tlog-proof)을 읽을 수 없습니다: %s%.0s",
	                 "the proof file (tlog-proof) cannot be read: %.0s%s", ko, en);
}

int
proof_file_read(struct proof_file *out, struct slice text, struct arena *arena, struct fault *why)
{
	struct reader reader = reader_of(text);
	struct slice line;

	memset(out, 0, sizeof *out);
	if (text.size > PROOF_FILE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "증명 파일이 %d바이트를 넘습니다",
		                 "the proof file is over %d bytes", PROOF_FILE_LIMIT);
	if (!slice_is(reader_line(&reader), FILE_HEADING) || !reader_ok(&reader))
		return file_malformed(why, "첫 줄", "first line");
	line = reader_line(&reader);
	if (reader_ok(&reader) && prefix_drop(&line, "extra ")) {
		uint8_t *extra = arena_alloc(arena, line.size / 4 * 3 + 1);
		size_t size;

		if (extra == NULL)
			return fault_memory(why);
		if (!base64_decode(extra, &size, line))
			return file_malformed(why, "extra 줄", "extra line");
		out->has_extra = true;
		out->extra = slice_of(extra, size);
		line = reader_line(&reader);
	}
	if (!reader_ok(&reader) || !prefix_drop(&line, "index ") || !tree_number(&out->index, line))
		return file_malformed(why, "index 줄", "index line");
	for (;;) {
		uint8_t hash[48];
		size_t size;

		line = reader_line(&reader);
		if (!reader_ok(&reader))
			return file_malformed(why, "빈 줄이 없음", "no blank line");
		if (line.size == 0)
			break;
		if (out->proof.count == PROOF_HASHES || line.size != 44 ||
		    !base64_decode(hash, &size, line) || size != TREE_HASH_SIZE)
			return file_malformed(why, "해시 줄", "hash line");
		memcpy(out->proof.hashes[out->proof.count++].bytes, hash, TREE_HASH_SIZE);
	}
	if (reader.rest.size == 0)
		return file_malformed(why, "체크포인트가 없음", "no checkpoint");
	out->checkpoint = reader.rest;
	return 0;
}
