#include "audit/quorum.h"

#include <string.h>

int
keyring_add(struct keyring *keyring, struct slice text, struct fault *why)
{
	while (text.size > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		const size_t size = end == NULL ? text.size : (size_t)(end - text.data) + 1;
		struct note_key key;
		size_t count;
		bool there = false;

		if (note_keys_parse(&key, 1, &count, slice_of(text.data, size), why) == -1)
			return -1;
		text = slice_of(text.data + size, text.size - size);
		if (count == 0)
			continue;
		for (size_t i = 0; i < keyring->count; i++)
			there =
			    there || (keyring->keys[i].id == key.id && keyring->keys[i].type == key.type &&
			              strcmp(keyring->keys[i].name, key.name) == 0);
		if (there)
			continue;
		if (keyring->count == KEYRING_KEYS)
			return fault_set(why, FAULT_TOO_LARGE, "검증 키가 %d개를 넘습니다",
			                 "more than %d verifier keys", KEYRING_KEYS);
		keyring->keys[keyring->count++] = key;
	}
	return 0;
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

int
signed_head_open(struct signed_head *out, struct slice bytes, const char *origin,
                 const struct keyring *keyring, struct fault *why)
{
	bool verified[KEYRING_KEYS];
	bool expect_ed25519 = false, expect_ecdsa = false;

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
	for (size_t i = 0; i < keyring->count; i++) {
		const struct note_key *key = &keyring->keys[i];
		const bool own = slice_is(out->checkpoint.origin, key->name);

		if (own && key->type == NOTE_ED25519) {
			expect_ed25519 = true;
			out->ed25519 = out->ed25519 || verified[i];
		} else if (own && key->type == NOTE_ECDSA) {
			expect_ecdsa = true;
			out->ecdsa = out->ecdsa || verified[i];
		} else if (key->type == NOTE_COSIGNATURE && verified[i]) {
			out->cosigners++;
		}
	}
	if (expect_ed25519 && !out->ed25519)
		return fault_set(why, FAULT_TAMPERED, "체크포인트에 기록의 Ed25519 서명이 없습니다",
		                 "the log's Ed25519 signature is missing from the checkpoint");
	if (expect_ecdsa && !out->ecdsa)
		return fault_set(why, FAULT_TAMPERED, "체크포인트에 기록의 ECDSA P-256 서명이 없습니다",
		                 "the log's ECDSA P-256 signature is missing from the checkpoint");
	return keyring->policy == NULL ? 0 : quorum_check(keyring->policy, out, NULL, why);
}
