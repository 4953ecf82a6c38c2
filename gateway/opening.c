#include "gateway/opening.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/opened.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/keycount.h"
#include "gateway/registrar.h"
#include "gateway/shred.h"
#include "schema/base/clock.h"

struct opening {
	struct gateway *gateway;
	const char *entry;
	char agency[128];
	struct buffer bytes, blob; /* of the entry, of what was sealed */
	char stored_part[16];
};

/* On the registrar's thread. Only of this log: the keys of another node are there. */
static int
fetch(struct database *database, void *owner, struct fault *why)
{
	struct opening *const opening = owner;
	const char *const parameters[] = {opening->gateway->origin, opening->entry};
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(
	        &rows, database,
	        "SELECT e.bytes, coalesce(e.agency, ''), x.part, x.blob FROM haechi.entry e"
	        " LEFT JOIN haechi.content x ON x.log_id = e.log_id AND x.entry_id = e.id"
	        " AND x.wall = e.wall WHERE e.id = $2"
	        " AND e.log_id = (SELECT log_id FROM haechi.log WHERE origin = $1) ORDER BY x.part LIMIT 1",
	        2, parameters, why) == -1)
		return -1;
	if (database_count(rows) != 1) {
		fault_set(why, FAULT_NOT_FOUND,
		          "이 기록에는 그런 항목이 없습니다 (뗀 달의 것이면 열 수 없습니다): %s",
		          "this log has no such entry (of a detached month it cannot be opened): %s",
		          opening->entry);
		goto out;
	}
	buffer_slice(&opening->bytes, database_field(rows, 0, 0));
	snprintf(opening->agency, sizeof opening->agency, "%s", database_text(rows, 0, 1));
	snprintf(opening->stored_part, sizeof opening->stored_part, "%s", database_text(rows, 0, 2));
	buffer_slice(&opening->blob, database_field(rows, 0, 3));
	if (!buffer_ok(&opening->bytes) || !buffer_ok(&opening->blob))
		fault_memory(why);
	else if (opening->blob.size == 0)
		fault_set(why, FAULT_NOT_FOUND,
		          "이 항목의 봉인된 내용이 없습니다: 남기지 않았거나 파기되었습니다",
		          "there is no sealed content of this entry: it was not kept, or was erased");
	else
		result = 0;
out:
	database_rows_free(rows);
	return result;
}

static int
note_access(struct gateway *gateway, const struct opening *opening, const char *part, const char *reason,
            const char *by, char id[ENTRY_ID_SIZE], struct fault *why)
{
	char about[96], at[CLOCK_TEXT_SIZE];
	const struct entry_note note = {
	    .action = "open",
	    .facts = {{"about", about, 0},
	              {"at", at, 0},
	              {"login", by, 0},
	              {"part", part, 0},
	              {"place", "control", 0},
	              {"reason", reason, 0}},
	    .fact_count = 6,
	};

	snprintf(about, sizeof about, "entry=%.40s", opening->entry);
	clock_text(at, clock_wall_ms());
	return gateway_note(gateway, ENTRY_ACCESS, &note, opening->agency, by, id, why);
}

int
opening_run(struct gateway *gateway, const char *entry, const char *reason, const char *by, json_t **result,
            struct fault *why)
{
	struct opening opening = {.gateway = gateway, .entry = entry};
	char expected[65], salt_hex[2 * SEALER_SALT + 1], access[ENTRY_ID_SIZE];
	uint8_t salt[SEALER_SALT];
	const char *part = NULL;
	struct buffer content;
	char *base64 = NULL;
	int status = -1;

	*result = NULL;
	if (entry == NULL || strlen(entry) != ENTRY_ID_SIZE - 1)
		return fault_set(why, FAULT_INVALID, "entry는 항목 id입니다", "entry is the id of an entry");
	if (shred_check_reason(reason, why) == -1 || keycount_check(gateway, why) == -1)
		return -1;
	buffer_init(&opening.bytes, ENTRY_SIZE_LIMIT);
	buffer_init(&opening.blob, OPENED_CONTENT + 4096);
	buffer_init(&content, OPENED_CONTENT);
	if (registrar_run(gateway->registrar, fetch, &opening, false, why) == -1 ||
	    opened_commitment(&part, expected, buffer_view(&opening.bytes), why) == -1)
		goto out;
	if (strcmp(part, opening.stored_part) != 0) {
		fault_set(why, FAULT_TAMPERED, "항목의 %s 대신 %s이(가) 실려 있습니다",
		          "instead of the entry's %s a %s is stored", part, opening.stored_part);
		goto out;
	}
	if (sealer_open_content(gateway->sealer, opening.agency, entry, part, buffer_view(&opening.blob),
	                        expected, &content, salt, why) == -1 ||
	    note_access(gateway, &opening, part, reason, by, access, why) == -1)
		goto out;
	hex_encode(salt_hex, salt, sizeof salt);
	if ((base64 = malloc(BASE64_SIZE(content.size))) == NULL) {
		fault_memory(why);
		goto out;
	}
	base64_encode(base64, content.data, content.size);
	*result = json_pack("{s:s, s:s, s:s, s:s, s:s}", "entry", entry, "part", part, "salt", salt_hex,
	                    "content", base64, "access", access);
	status = *result == NULL ? fault_memory(why) : 0;
	sodium_memzero(base64, BASE64_SIZE(content.size));
out:
	free(base64);
	buffer_wipe(&content);
	buffer_free(&opening.bytes);
	buffer_free(&opening.blob);
	return status;
}
