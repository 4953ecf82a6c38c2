#include "gateway/commands/audit_head.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/anchor.h"
#include "audit/proof.h"
#include "audit/receipt.h"
#include "audit/timestamp.h"
#include "schema/base/arena.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

/* What is known of one log's heads. */
struct heads {
	struct buffer newest, cosigned, stamped, stamp;
	uint64_t size, cosigned_size, stamped_size;
	struct keyring keys;
	struct signed_head cosigned_head; /* opened, when there is one */
	char stamped_at[CLOCK_TEXT_SIZE], authority[256];
};

static struct heads *
heads_new(void)
{
	struct heads *heads = calloc(1, sizeof *heads);

	if (heads != NULL) {
		buffer_init(&heads->newest, NOTE_LIMIT);
		buffer_init(&heads->cosigned, NOTE_LIMIT);
		buffer_init(&heads->stamped, NOTE_LIMIT);
		buffer_init(&heads->stamp, TIMESTAMP_LIMIT);
	}
	return heads;
}

static void
heads_free(struct heads *heads)
{
	if (heads == NULL)
		return;
	buffer_free(&heads->newest);
	buffer_free(&heads->cosigned);
	buffer_free(&heads->stamped);
	buffer_free(&heads->stamp);
	free(heads);
}

static int
keys_take(struct keyring *keyring, struct database *database, int64_t log_id, const struct quorum *policy,
          struct fault *why)
{
	struct buffer text;
	int result = -1;

	buffer_init(&text, KEYRING_LIMIT);
	if (stored_keys(&text, database, log_id, why) == 0 &&
	    keyring_add(keyring, buffer_view(&text), why) == 0)
		result = policy == NULL ? 0 : quorum_keys(keyring, policy, why);
	buffer_free(&text);
	return result;
}

static int
heads_read(struct heads *heads, struct database *database, const struct stored_log *log,
           const struct quorum *policy, struct fault *why)
{
	struct timestamp stamp;

	if (stored_head(&heads->newest, &heads->size, database, log->log_id, why) == -1 ||
	    keys_take(&heads->keys, database, log->log_id, policy, why) == -1)
		return -1;
	if (anchor_cosigned(&heads->cosigned, &heads->cosigned_size, database, log->log_id, 1, why) == -1) {
		if (why->kind != FAULT_NOT_FOUND)
			return -1;
	} else if (signed_head_open(&heads->cosigned_head, buffer_view(&heads->cosigned), log->origin,
	                            &heads->keys, why) == -1) {
		return -1;
	}
	if (anchor_stamped(&heads->stamped, &heads->stamp, &heads->stamped_size, database, log->log_id,
	                   INT64_MAX, why) == -1)
		return why->kind == FAULT_NOT_FOUND ? 0 : -1;
	if (timestamp_check(&stamp, buffer_view(&heads->stamp), buffer_view(&heads->stamped),
	                    slice_of(NULL, 0), why) == -1)
		return -1;
	clock_text(heads->stamped_at, stamp.wall_ms);
	snprintf(heads->authority, sizeof heads->authority, "%s", stamp.authority);
	return 0;
}

/* Lines on the note that are not the log's own. */
static size_t
cosigners(const struct heads *heads, const struct stored_log *log)
{
	size_t count = 0;

	for (size_t i = 0; heads->cosigned.size > 0 && i < heads->cosigned_head.note.count; i++)
		count += !slice_is(heads->cosigned_head.note.signatures[i].name, log->origin);
	return count;
}

static void
state_print(const struct heads *heads, const struct stored_log *log, const struct quorum *policy)
{
	fprintf(stderr, "서명 signed: %s, 크기 size %" PRIu64 "\n", log->origin, heads->size);
	if (heads->cosigned.size == 0) {
		fputs("증인 witnesses: 함께 서명된 체크포인트가 없습니다 / no checkpoint was cosigned\n",
		      stderr);
	} else {
		fprintf(stderr,
		        "증인 witnesses: 크기 size %" PRIu64 "에 %zu명 cosigned:", heads->cosigned_size,
		        cosigners(heads, log));
		for (size_t i = 0; i < heads->cosigned_head.note.count; i++)
			if (!slice_is(heads->cosigned_head.note.signatures[i].name, log->origin))
				fprintf(stderr, " %.*s",
				        SLICE_PRINT(heads->cosigned_head.note.signatures[i].name));
		fputc('\n', stderr);
	}
	if (policy != NULL && heads->cosigned.size > 0)
		fprintf(stderr, "정책 policy: %s\n",
		        quorum_check(policy, &heads->cosigned_head, NULL, NULL) == 0 ? "채움 / met"
		                                                                     : "모자람 / not met");
	if (heads->stamped.size == 0)
		fputs("시점확인 time stamp: 없습니다 / none\n", stderr);
	else
		fprintf(stderr, "시점확인 time stamp: 크기 size %" PRIu64 ", %s, %s\n", heads->stamped_size,
		        heads->stamped_at, heads->authority);
}

static void
state_json(struct buffer *out, const struct heads *heads, const struct stored_log *log, struct slice note,
           const struct checkpoint *checkpoint, size_t signatures)
{
	char root[65];
	bool first = true;

	hex_encode(root, checkpoint->root.bytes, TREE_HASH_SIZE);
	buffer_string(out, "{\"log\":");
	json_quote(out, slice_string(log->origin));
	buffer_printf(out,
	              ",\"size\":%" PRIu64 ",\"root\":\"%s\",\"signatures\":%zu,\"note\":", checkpoint->size,
	              root, signatures);
	json_quote(out, note);
	if (heads->cosigned.size == 0) {
		buffer_string(out, ",\"cosigned\":null");
	} else {
		buffer_printf(out, ",\"cosigned\":{\"size\":%" PRIu64 ",\"witnesses\":[",
		              heads->cosigned_size);
		for (size_t i = 0; i < heads->cosigned_head.note.count; i++) {
			if (slice_is(heads->cosigned_head.note.signatures[i].name, log->origin))
				continue;
			buffer_string(out, first ? "" : ",");
			json_quote(out, heads->cosigned_head.note.signatures[i].name);
			first = false;
		}
		buffer_string(out, "]}");
	}
	if (heads->stamped.size == 0) {
		buffer_string(out, ",\"stamped\":null}\n");
	} else {
		buffer_printf(out, ",\"stamped\":{\"size\":%" PRIu64 ",\"at\":\"%s\",\"authority\":",
		              heads->stamped_size, heads->stamped_at);
		json_quote(out, slice_string(heads->authority));
		buffer_string(out, "}}\n");
	}
}

int
audit_head(struct buffer *out, struct database *database, const struct stored_log *log, enum audit_head which,
           const struct quorum *policy, bool json, struct fault *why)
{
	struct heads *heads = heads_new();
	struct signed_head *head = malloc(sizeof *head);
	const struct buffer *note;
	int result = -1;

	if (heads == NULL || head == NULL) {
		fault_memory(why);
		goto out;
	}
	if (heads_read(heads, database, log, policy, why) == -1)
		goto out;
	note = which == AUDIT_HEAD_SIGNED     ? &heads->newest
	       : which == AUDIT_HEAD_COSIGNED ? &heads->cosigned
	                                      : &heads->stamped;
	if (policy != NULL && which == AUDIT_HEAD_SIGNED)
		note = &heads->cosigned;
	if (note->size == 0) {
		fault_set(why, FAULT_NOT_FOUND, "그런 체크포인트가 아직 없습니다",
		          "there is no such checkpoint yet");
		goto out;
	}
	heads->keys.policy = policy;
	if (signed_head_open(head, buffer_view(note), log->origin, &heads->keys, why) == -1)
		goto out;
	if (json)
		state_json(out, heads, log, buffer_view(note), &head->checkpoint, head->note.count);
	else
		buffer_slice(out, buffer_view(which == AUDIT_HEAD_TIMESTAMP ? &heads->stamp : note));
	if (!json)
		state_print(heads, log, policy);
	result = buffer_ok(out) ? 0 : fault_memory(why);
out:
	free(head);
	heads_free(heads);
	return result;
}

int
audit_head_insist(struct slice receipt, struct database *database, const struct quorum *policy,
                  struct fault *why)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct keyring *keys = calloc(1, sizeof *keys);
	struct signed_head *head = malloc(sizeof *head);
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	struct proof_file file;
	size_t count;
	int result = -1;

	if (policy == NULL) {
		result = 0;
		goto out;
	}
	if (arena == NULL || keys == NULL || head == NULL || logs == NULL) {
		fault_memory(why);
		goto out;
	}
	if (proof_file_read(&file, receipt, arena, why) == -1 ||
	    stored_logs(logs, &count, database, why) == -1)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (keys_take(keys, database, logs[i].log_id, NULL, why) == -1)
			goto out;
	if (quorum_keys(keys, policy, why) == -1)
		goto out;
	keys->policy = policy;
	result = signed_head_open(head, file.checkpoint, NULL, keys, why);
out:
	free(logs);
	free(head);
	free(keys);
	arena_free(arena);
	return result;
}
