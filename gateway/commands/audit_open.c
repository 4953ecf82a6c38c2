#include "gateway/commands/audit_open.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands/asking.h"

int
audit_open_entry(struct audit_opened *out, const char *socket, const char *entry, const char *reason,
                 struct fault *why)
{
	const char *content, *salt_hex, *part, *access;
	json_t *answer = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int result = -1;

	memset(out, 0, sizeof *out);
	buffer_init(&out->content, OPENED_CONTENT);
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
	access = json_get_string(answer, "access");
	if (content == NULL || salt_hex == NULL || part == NULL || access == NULL ||
	    !hex_decode(out->salt, sizeof out->salt, slice_string(salt_hex)) ||
	    (bytes = malloc(strlen(content) / 4 * 3 + 1)) == NULL ||
	    !base64_decode(bytes, &size, slice_string(content))) {
		fault_set(why, FAULT_INTERNAL, "haechid의 답을 읽을 수 없습니다",
		          "haechid's answer cannot be read");
		goto out;
	}
	snprintf(out->part, sizeof out->part, "%s", part);
	snprintf(out->access, sizeof out->access, "%s", access);
	buffer_append(&out->content, bytes, size);
	result = buffer_ok(&out->content) ? 0 : fault_memory(why);
out:
	if (bytes != NULL)
		sodium_memzero(bytes, size);
	free(bytes);
	json_decref(answer);
	return result;
}

void
audit_opened_free(struct audit_opened *opened)
{
	buffer_wipe(&opened->content);
}

int
audit_open(struct buffer *out, const char *socket, const char *entry, const char *reason,
           struct slice receipt, struct fault *why)
{
	struct audit_opened opened;
	int result = -1;

	if (audit_open_entry(&opened, socket, entry, reason, why) == 0) {
		opened_write(out, receipt, opened.part, opened.salt, buffer_view(&opened.content));
		result = buffer_ok(out) ? 0 : fault_memory(why);
	}
	audit_opened_free(&opened);
	return result;
}
