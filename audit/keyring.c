#include "audit/quorum.h"

#include <inttypes.h>
#include <string.h>

/* "# valid FROM [UNTIL]": 1; any other line: 0; -1: malformed. */
static int
validity_read(uint64_t *from, uint64_t *until, struct slice line, struct fault *why)
{
	static const char word[] = "# valid ";
	const uint8_t *space;
	struct slice first;

	if (line.size > 0 && line.data[line.size - 1] == '\n')
		line.size--;
	if (line.size < sizeof word - 1 || memcmp(line.data, word, sizeof word - 1) != 0)
		return 0;
	first = slice_of(line.data + sizeof word - 1, line.size - (sizeof word - 1));
	*until = 0;
	if ((space = memchr(first.data, ' ', first.size)) != NULL) {
		const struct slice second =
		    slice_of(space + 1, (size_t)(first.data + first.size - space) - 1);

		first.size = (size_t)(space - first.data);
		if (!tree_number(until, second) || *until == 0)
			first.size = 0;
	}
	if (!tree_number(from, first) || (*until != 0 && *until < *from))
		return fault_set(why, FAULT_INVALID, "\"# valid 처음 [끝]\" 줄이 아닙니다",
		                 "not a line \"# valid FROM [UNTIL]\"");
	return 1;
}

static int
key_add(struct keyring *keyring, const struct note_key *key, uint64_t from, uint64_t until, struct fault *why)
{
	size_t at = 0;

	while (at < keyring->count &&
	       (keyring->keys[at].id != key->id || keyring->keys[at].type != key->type ||
	        strcmp(keyring->keys[at].name, key->name) != 0))
		at++;
	if (at == KEYRING_KEYS)
		return fault_set(why, FAULT_TOO_LARGE, "검증 키가 %d개를 넘습니다",
		                 "more than %d verifier keys", KEYRING_KEYS);
	if (at == keyring->count) {
		keyring->keys[keyring->count++] = *key;
		keyring->from[at] = from;
		keyring->until[at] = until;
		return 0;
	}
	if (from > keyring->from[at])
		keyring->from[at] = from;
	if (until != 0 && (keyring->until[at] == 0 || until < keyring->until[at]))
		keyring->until[at] = until;
	if (keyring->until[at] != 0 && keyring->until[at] < keyring->from[at])
		return fault_set(why, FAULT_INVALID,
		                 "키 %08" PRIx32
		                 "의 두 \"# valid\" 줄이 서로 맞지 않습니다: 쓸 수 있는 때가 없습니다",
		                 "two \"# valid\" lines of the key %08" PRIx32
		                 " contradict each other: it would never be valid",
		                 key->id);
	return 0;
}

int
keyring_add(struct keyring *keyring, struct slice text, struct fault *why)
{
	uint64_t from = 0, until = 0;

	while (text.size > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		const struct slice line =
		    slice_of(text.data, end == NULL ? text.size : (size_t)(end - text.data) + 1);
		struct note_key key;
		size_t count;
		int validity;

		text = slice_of(text.data + line.size, text.size - line.size);
		if ((validity = validity_read(&from, &until, line, why)) == -1)
			return -1;
		if (validity == 1)
			continue;
		if (note_keys_parse(&key, 1, &count, line, why) == -1)
			return -1;
		if (count == 0)
			continue;
		if (key_add(keyring, &key, from, until, why) == -1)
			return -1;
		from = until = 0;
	}
	return 0;
}

void
keyring_write(struct buffer *out, const struct keyring *keyring)
{
	for (size_t i = 0; i < keyring->count; i++) {
		if (keyring->until[i] != 0)
			buffer_printf(out, "# valid %" PRIu64 " %" PRIu64 "\n", keyring->from[i],
			              keyring->until[i]);
		else if (keyring->from[i] != 0)
			buffer_printf(out, "# valid %" PRIu64 "\n", keyring->from[i]);
		note_key_write(out, &keyring->keys[i]);
		buffer_byte(out, '\n');
	}
}

int
keyring_add_file(struct keyring *keyring, const char *path, struct fault *why)
{
	struct buffer text;
	int result;

	buffer_init(&text, KEYRING_LIMIT);
	result = file_read(&text, path, KEYRING_LIMIT, why);
	if (result == 0 && keyring_add(keyring, buffer_view(&text), why) == -1)
		result = fault_prefix(why, "%s", "%s", path);
	buffer_free(&text);
	return result;
}

bool
keyring_knows(const struct keyring *keyring, struct slice name)
{
	for (size_t i = 0; i < keyring->count; i++)
		if (keyring->keys[i].type != NOTE_COSIGNATURE && slice_is(name, keyring->keys[i].name))
			return true;
	return false;
}

/* The log's own signatures: both kinds that are known for a head of this size, each by a key in its time. */
static int
own_check(struct signed_head *out, const struct keyring *keyring, const bool *verified, struct fault *why)
{
	const uint64_t size = out->checkpoint.size;
	bool expect_ed25519 = false, expect_ecdsa = false;
	const struct note_key *late = NULL;

	for (size_t i = 0; i < keyring->count; i++) {
		const struct note_key *key = &keyring->keys[i];
		const bool in_time =
		    size >= keyring->from[i] && (keyring->until[i] == 0 || size <= keyring->until[i]);

		if (key->type == NOTE_COSIGNATURE) {
			out->cosigners += verified[i];
			continue;
		}
		if (!slice_is(out->checkpoint.origin, key->name))
			continue;
		if (!in_time) {
			late = verified[i] ? key : late;
		} else if (key->type == NOTE_ED25519) {
			expect_ed25519 = true;
			out->ed25519 = out->ed25519 || verified[i];
		} else if (key->type == NOTE_ECDSA) {
			expect_ecdsa = true;
			out->ecdsa = out->ecdsa || verified[i];
		}
	}
	if (late != NULL && !out->ed25519 && !out->ecdsa)
		return fault_set(why, FAULT_TAMPERED,
		                 "크기 %" PRIu64 "의 체크포인트에 쓰일 수 없는 키(%08" PRIx32
		                 ")로만 서명되었습니다: 그 전에 물러났거나 그 뒤에 쓰이기 시작한 키입니다",
		                 "a checkpoint of size %" PRIu64
		                 " is signed by a key out of its time alone (%08" PRIx32
		                 "): it was retired before, or came later",
		                 size, late->id);
	if ((expect_ed25519 && !out->ed25519) || (!expect_ed25519 && !expect_ecdsa))
		return fault_set(why, FAULT_TAMPERED, "체크포인트에 기록의 Ed25519 서명이 없습니다",
		                 "the log's Ed25519 signature is missing from the checkpoint");
	if (expect_ecdsa && !out->ecdsa)
		return fault_set(why, FAULT_TAMPERED, "체크포인트에 기록의 ECDSA P-256 서명이 없습니다",
		                 "the log's ECDSA P-256 signature is missing from the checkpoint");
	return 0;
}

int
signed_head_open(struct signed_head *out, struct slice bytes, const char *origin,
                 const struct keyring *keyring, struct fault *why)
{
	bool verified[KEYRING_KEYS];

	memset(out, 0, sizeof *out);
	if (note_parse(&out->note, bytes, why) == -1 ||
	    checkpoint_parse(&out->checkpoint, out->note.text, why) == -1)
		return -1;
	if (origin != NULL && !slice_is(out->checkpoint.origin, origin))
		return fault_set(why, FAULT_TAMPERED, "다른 기록의 체크포인트입니다 (이 기록: %s)",
		                 "the checkpoint is of another log (this one: %s)", origin);
	if (!keyring_knows(keyring, out->checkpoint.origin))
		return fault_set(why, FAULT_UNIDENTIFIED, "기록 %.*s의 검증 키(vkey)가 없습니다",
		                 "there is no verifier key (vkey) of the log %.*s",
		                 SLICE_PRINT(out->checkpoint.origin));
	if (note_verify(&out->note, keyring->keys, keyring->count, verified, NULL, why) == -1)
		return -1;
	if (own_check(out, keyring, verified, why) == -1)
		return -1;
	return keyring->policy == NULL ? 0 : quorum_check(keyring->policy, out, NULL, why);
}
