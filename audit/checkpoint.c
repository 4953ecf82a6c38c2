#include "audit/checkpoint.h"

#include <inttypes.h>
#include <string.h>

static int
malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "체크포인트가 아닙니다: %s%.0s", "not a checkpoint: %.0s%s", ko,
	                 en);
}

int
checkpoint_parse(struct checkpoint *out, struct slice text, struct fault *why)
{
	struct reader reader = reader_of(text);
	struct tree_hash empty;
	struct slice line;
	uint8_t root[48];
	size_t size;

	memset(out, 0, sizeof *out);
	out->origin = reader_line(&reader);
	if (!reader_ok(&reader) || out->origin.size == 0)
		return malformed(why, "이름(origin) 줄", "origin line");
	line = reader_line(&reader);
	if (!reader_ok(&reader) || !tree_number(&out->size, line))
		return malformed(why, "크기 줄", "size line");
	line = reader_line(&reader);
	if (!reader_ok(&reader) || line.size != 44 || !base64_decode(root, &size, line) ||
	    size != TREE_HASH_SIZE)
		return malformed(why, "루트 줄", "root line");
	memcpy(out->root.bytes, root, TREE_HASH_SIZE);
	out->extensions = reader.rest;
	while (reader.rest.size != 0) {
		line = reader_line(&reader);
		if (!reader_ok(&reader) || line.size == 0)
			return malformed(why, "확장 줄", "extension line");
	}
	tree_empty(&empty);
	if (out->size == 0 && !tree_hash_equal(&out->root, &empty))
		return fault_set(why, FAULT_TAMPERED,
		                 "빈 기록의 체크포인트인데 루트가 빈 트리의 것이 아닙니다",
		                 "a checkpoint of an empty log has a root that is not the empty tree's");
	return 0;
}

void
checkpoint_write(struct buffer *out, const struct checkpoint *checkpoint)
{
	char root[BASE64_SIZE(TREE_HASH_SIZE)];

	base64_encode(root, checkpoint->root.bytes, TREE_HASH_SIZE);
	buffer_slice(out, checkpoint->origin);
	buffer_printf(out, "\n%" PRIu64 "\n%s\n", checkpoint->size, root);
	buffer_slice(out, checkpoint->extensions);
}

int
checkpoint_open(struct checkpoint *out, struct note *note, struct slice bytes, const char *origin,
                const struct note_key *keys, size_t key_count, bool *verified, struct fault *why)
{
	if (note_parse(note, bytes, why) == -1 ||
	    note_verify(note, keys, key_count, verified, NULL, why) == -1 ||
	    checkpoint_parse(out, note->text, why) == -1)
		return -1;
	if (origin != NULL && !slice_is(out->origin, origin))
		return fault_set(why, FAULT_TAMPERED, "다른 기록의 체크포인트입니다 (이 기록: %s)",
		                 "the checkpoint is of another log (this one: %s)", origin);
	return 0;
}
