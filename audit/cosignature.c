#include "audit/cosignature.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "add-checkpoint 요청이 아닙니다: %s%.0s",
	                 "not an add-checkpoint request: %.0s%s", ko, en);
}

void
cosignature_request_write(struct buffer *out, const struct cosignature_request *request)
{
	buffer_printf(out, "old %" PRIu64 "\n", request->older);
	for (size_t i = 0; i < request->proof.count; i++) {
		char text[BASE64_SIZE(TREE_HASH_SIZE)];

		base64_encode(text, request->proof.hashes[i].bytes, TREE_HASH_SIZE);
		buffer_printf(out, "%s\n", text);
	}
	buffer_byte(out, '\n');
	buffer_slice(out, request->checkpoint);
}

int
cosignature_request_read(struct cosignature_request *out, struct slice body, struct fault *why)
{
	struct reader reader = reader_of(body);
	struct slice line;

	memset(out, 0, sizeof *out);
	if (body.size > COSIGNATURE_REQUEST_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "요청이 %d바이트를 넘습니다",
		                 "the request is over %d bytes", COSIGNATURE_REQUEST_LIMIT);
	line = reader_line(&reader);
	if (!reader_ok(&reader) || line.size < 5 || memcmp(line.data, "old ", 4) != 0 ||
	    !tree_number(&out->older, slice_of(line.data + 4, line.size - 4)))
		return malformed(why, "old 줄", "old line");
	for (;;) {
		uint8_t hash[48];
		size_t size;

		line = reader_line(&reader);
		if (!reader_ok(&reader))
			return malformed(why, "빈 줄이 없음", "no blank line");
		if (line.size == 0)
			break;
		if (out->proof.count == COSIGNATURE_HASHES || line.size != 44 ||
		    !base64_decode(hash, &size, line) || size != TREE_HASH_SIZE)
			return malformed(why, "해시 줄", "hash line");
		memcpy(out->proof.hashes[out->proof.count++].bytes, hash, TREE_HASH_SIZE);
	}
	if (reader.rest.size == 0)
		return malformed(why, "체크포인트가 없음", "no checkpoint");
	out->checkpoint = reader.rest;
	return 0;
}

int
cosignature_answer_read(struct buffer *lines, uint64_t *time, struct slice text, struct slice answer,
                        const struct note_key *key, struct fault *why)
{
	struct note *note = malloc(sizeof *note);
	struct buffer whole;
	bool verified = false;
	int result = -1;

	/* As the specification advises: the answer behind the text is a note, if the answer is one. */
	buffer_init(&whole, NOTE_LIMIT);
	buffer_slice(&whole, text);
	buffer_byte(&whole, '\n');
	buffer_slice(&whole, answer);
	if (note == NULL || !buffer_ok(&whole)) {
		fault_memory(why);
		goto out;
	}
	if (answer.size == 0 || answer.size > COSIGNATURE_ANSWER_LIMIT) {
		fault_set(why, FAULT_INVALID, "증인의 답이 비었거나 너무 깁니다",
		          "the witness's answer is empty or too long");
		goto out;
	}
	if (note_parse(note, buffer_view(&whole), why) == -1 || note->text.size != text.size) {
		fault_set(why, FAULT_INVALID, "증인의 답이 서명 줄이 아닙니다",
		          "the witness's answer is not of signature lines");
		goto out;
	}
	if (note_verify(note, key, 1, &verified, time, why) == -1)
		goto out;
	for (size_t i = 0; i < note->count; i++)
		if (note->signatures[i].id == key->id && slice_is(note->signatures[i].name, key->name)) {
			buffer_slice(lines, note->signatures[i].line);
			break;
		}
	result = buffer_ok(lines) ? 0 : fault_memory(why);
out:
	buffer_free(&whole);
	free(note);
	return result;
}

int
cosignature_size_read(uint64_t *size, struct slice answer, struct fault *why)
{
	if (answer.size < 2 || answer.data[answer.size - 1] != '\n' ||
	    !tree_number(size, slice_of(answer.data, answer.size - 1)))
		return fault_set(why, FAULT_INVALID, "증인의 409 답이 크기가 아닙니다",
		                 "the witness's answer 409 is not a size");
	return 0;
}

void
cosignature_monitor_path(char out[COSIGNATURE_MONITOR_SIZE], struct slice origin)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof digest + 1];

	crypto_hash_sha256(digest, origin.data, origin.size);
	hex_encode(hex, digest, sizeof digest);
	snprintf(out, COSIGNATURE_MONITOR_SIZE, "/%s/checkpoint", hex);
}
