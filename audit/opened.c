#include "audit/opened.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json.h"

#define FORMAT  "haechi-opened-receipt@1"
#define HEADING "{\"content\":\""

bool
opened_looks_like(struct slice text)
{
	return text.size > sizeof HEADING && memcmp(text.data, HEADING, sizeof HEADING - 1) == 0;
}

int
opened_commitment(const char **part, char hex[65], struct slice entry, struct fault *why)
{
	static const char *const parts[] = {"prompt", "answer"};
	json_t *const tree = json_read(entry, ENTRY_SIZE_LIMIT, JSON_DEPTH_LIMIT, why);
	uint8_t digest[32];
	int result = -1;

	if (tree == NULL)
		return -1;
	for (size_t i = 0; i < 2 && result == -1; i++) {
		const json_t *const body = json_object_get(tree, "body");
		const char *const text = json_get_string(json_object_get(body, parts[i]), "commitment");

		if (text == NULL || strlen(text) != 64 ||
		    !hex_decode(digest, sizeof digest, slice_string(text)))
			continue;
		memcpy(hex, text, 65);
		*part = parts[i];
		result = 0;
	}
	json_decref(tree);
	return result == 0 ? 0
	                   : fault_set(why, FAULT_NOT_FOUND,
	                               "이 항목은 어떤 내용에도 약속하지 않았습니다 (약속값이 없음)",
	                               "this entry commits to no content");
}

void
opened_write(struct buffer *out, struct slice receipt, const char *part, const uint8_t *salt,
             struct slice content)
{
	char *const base64 = malloc(BASE64_SIZE(content.size));
	char hex[2 * OPENED_SALT + 1];

	if (base64 == NULL) {
		out->failed = true;
		return;
	}
	base64_encode(base64, content.data, content.size);
	hex_encode(hex, salt, OPENED_SALT);
	buffer_string(out, HEADING);
	buffer_string(out, base64);
	buffer_printf(out, "\",\"format\":\"" FORMAT "\",\"part\":\"%s\",\"receipt\":", part);
	json_quote(out, receipt);
	buffer_printf(out, ",\"salt\":\"%s\"}\n", hex);
	sodium_memzero(base64, BASE64_SIZE(content.size));
	free(base64);
}

static int
take_content(struct opened *out, const char *base64, const char *salt_hex, const char *expected,
             struct fault *why)
{
	const size_t room = strlen(base64) / 4 * 3;
	uint8_t *const content = malloc(room + 1);
	uint8_t salt[OPENED_SALT], digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	char hex[65];
	size_t size = 0;
	int result = -1;

	if (content == NULL)
		return fault_memory(why);
	if (room > OPENED_CONTENT || !base64_decode(content, &size, slice_string(base64)) ||
	    strlen(salt_hex) != 2 * sizeof salt || !hex_decode(salt, sizeof salt, slice_string(salt_hex))) {
		fault_set(why, FAULT_INVALID, "연 영수증의 content나 salt를 읽을 수 없습니다",
		          "content or salt of the opened receipt cannot be read");
		goto out;
	}
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, salt, sizeof salt);
	crypto_hash_sha256_update(&state, content, size);
	crypto_hash_sha256_final(&state, digest);
	hex_encode(hex, digest, sizeof digest);
	if (strcmp(hex, expected) != 0) {
		fault_set(
		    why, FAULT_TAMPERED, "내용이 항목의 약속값과 다릅니다: 기록이 약속한 그 내용이 아닙니다",
		    "the content does not fit the entry's commitment: it is not what the log committed to");
		goto out;
	}
	buffer_append(&out->content, content, size);
	result = buffer_ok(&out->content) ? 0 : fault_memory(why);
out:
	free(content);
	return result;
}

int
opened_check(struct opened *out, struct slice bytes, const struct keyring *keyring, struct arena *arena,
             struct fault *why)
{
	static const char *const known[] = {"content", "format", "part", "receipt", "salt", NULL};
	const char *format, *part, *receipt, *salt, *content;
	char expected[65];
	json_t *tree;
	int result = -1;

	memset(out, 0, sizeof *out);
	buffer_init(&out->text, RECEIPT_LIMIT);
	buffer_init(&out->content, OPENED_CONTENT);
	if ((tree = json_read(bytes, OPENED_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL)
		return -1;
	format = json_get_string(tree, "format");
	part = json_get_string(tree, "part");
	receipt = json_get_string(tree, "receipt");
	salt = json_get_string(tree, "salt");
	content = json_get_string(tree, "content");
	if (format == NULL || strcmp(format, FORMAT) != 0 || part == NULL || receipt == NULL ||
	    salt == NULL || content == NULL || json_unknown_member(tree, known) != NULL) {
		fault_set(why, FAULT_INVALID, "연 영수증(" FORMAT ")의 꼴이 아닙니다",
		          "this is not an opened receipt (" FORMAT ")");
		goto out;
	}
	buffer_string(&out->text, receipt);
	if (!buffer_ok(&out->text)) {
		fault_set(why, FAULT_TOO_LARGE, "영수증이 %d바이트를 넘습니다",
		          "the receipt is over %d bytes", RECEIPT_LIMIT);
		goto out;
	}
	if (receipt_check(&out->receipt, buffer_view(&out->text), keyring, arena, why) == -1 ||
	    opened_commitment(&out->part, expected, out->receipt.entry, why) == -1)
		goto out;
	if (strcmp(part, out->part) != 0) {
		fault_set(why, FAULT_TAMPERED, "항목은 %s에 약속했는데 영수증은 %s을(를) 담고 있습니다",
		          "the entry commits to its %s, the receipt holds a %s", out->part,
		          strcmp(part, "prompt") == 0   ? "prompt"
		          : strcmp(part, "answer") == 0 ? "answer"
		                                        : "?");
		goto out;
	}
	result = take_content(out, content, salt, expected, why);
out:
	json_decref(tree);
	return result;
}

void
opened_free(struct opened *opened)
{
	buffer_free(&opened->text);
	buffer_wipe(&opened->content);
}
