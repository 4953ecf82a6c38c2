#define OPENSSL_API_COMPAT 10101

#include "audit/lasthead.h"

#include <openssl/sha.h>
#include <string.h>

#define MAGIC      "HAECHIH1"
#define MAGIC_SIZE 8u

static const uint8_t zeros[LASTHEAD_FILE_SIZE];

/* Of what is in front of the digest. With every batch: libcrypto's uses the processor's own instructions. */
static void
digest_make(uint8_t out[SHA256_DIGEST_LENGTH], const uint8_t *block)
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, block, LASTHEAD_BLOCK - SHA256_DIGEST_LENGTH);
	SHA256_Final(out, &sha);
}

void
lasthead_write(struct buffer *out, const struct tree_frontier *frontier)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	size_t begin = out->size;

	buffer_append(out, MAGIC, MAGIC_SIZE);
	tree_frontier_write(out, frontier);
	if (!buffer_ok(out))
		return;
	buffer_append(out, zeros, LASTHEAD_BLOCK - sizeof digest - (out->size - begin));
	if (!buffer_ok(out))
		return;
	digest_make(digest, out->data + begin);
	buffer_append(out, digest, sizeof digest);
}

void
lasthead_file_write(struct buffer *out, const struct tree_frontier *frontier)
{
	static const struct tree_frontier empty;
	size_t begin = out->size;

	lasthead_write(out, frontier == NULL ? &empty : frontier);
	if (buffer_ok(out))
		buffer_append(out, zeros, LASTHEAD_FILE_SIZE - (out->size - begin));
}

static bool
lasthead_read(struct tree_frontier *out, struct slice block)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint64_t size = 0;

	if (memcmp(block.data, MAGIC, MAGIC_SIZE) != 0)
		return false;
	digest_make(digest, block.data);
	if (memcmp(digest, block.data + LASTHEAD_BLOCK - sizeof digest, sizeof digest) != 0)
		return false;
	for (unsigned i = 0; i < 8; i++)
		size = size << 8 | block.data[MAGIC_SIZE + i];
	return tree_frontier_read(
	    out, slice_of(block.data + MAGIC_SIZE, 8 + (size_t)__builtin_popcountll(size) * TREE_HASH_SIZE));
}

int
lasthead_file_read(struct tree_frontier *out, unsigned *block, struct slice bytes, struct fault *why)
{
	bool found = false;

	for (unsigned i = 0; i < LASTHEAD_BLOCKS && bytes.size == LASTHEAD_FILE_SIZE; i++) {
		struct tree_frontier head;
		struct tree_hash one, two;

		if (!lasthead_read(&head, slice_of(bytes.data + i * LASTHEAD_BLOCK, LASTHEAD_BLOCK)))
			continue;
		if (found && head.size == out->size) {
			tree_frontier_root(&one, &head);
			tree_frontier_root(&two, out);
			if (!tree_hash_equal(&one, &two))
				return fault_set(why, FAULT_TAMPERED,
				                 "서명자의 마지막 머리 기록이 서로 모순됩니다",
				                 "the signer's last heads contradict each other");
		}
		if (!found || head.size > out->size) {
			*out = head;
			*block = i;
			found = true;
		}
	}
	if (!found)
		return fault_set(
		    why, FAULT_TAMPERED,
		    "서명자의 마지막 머리 기록(last-head)이 손상되었습니다. 백업에서 되살리십시오",
		    "the signer's memory (last-head) is damaged: restore it from a backup");
	return 0;
}
