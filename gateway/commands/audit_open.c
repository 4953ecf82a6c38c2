#include "gateway/commands/audit_open.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/opened.h"
#include "gateway/commands/asking.h"

int
audit_open(struct buffer *out, const char *socket, const char *entry, const char *reason,
           struct slice receipt, struct fault *why)
{
	const char *content, *salt_hex, *part;
	uint8_t salt[OPENED_SALT], *bytes = NULL;
	json_t *answer = NULL;
	size_t size = 0;
	int result = -1;

	if (reason == NULL)
		return fault_set(why, FAULT_USAGE,
		                 "내용을 열려면 --reason 으로 사유를 적습니다 (기록에 남습니다)",
		                 "opening content needs a --reason (it is recorded)");
	if (asking_ask(socket,
	               json_pack("{s:s, s:s, s:s}", "op", "audit.open", "entry", entry, "reason", reason),
	               &answer, why) == -1)
		return -1;
	content = json_get_string(answer, "content");
	salt_hex = json_get_string(answer, "salt");
	part = json_get_string(answer, "part");
	if (content == NULL || salt_hex == NULL || part == NULL ||
	    !hex_decode(salt, sizeof salt, slice_string(salt_hex)) ||
	    (bytes = malloc(strlen(content) / 4 * 3 + 1)) == NULL ||
	    !base64_decode(bytes, &size, slice_string(content))) {
		fault_set(why, FAULT_INTERNAL, "haechid의 답을 읽을 수 없습니다",
		          "haechid's answer cannot be read");
		goto out;
	}
	opened_write(out, receipt, part, salt, slice_of(bytes, size));
	result = buffer_ok(out) ? 0 : fault_memory(why);
out:
	free(bytes);
	json_decref(answer);
	return result;
}
