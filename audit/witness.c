#include "audit/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/cosignature.h"

#define MEMORY_LIMIT (64 * 1024) /* bytes of a remembered note: the log's own lines and ours, no others */

struct witnessed {
	char origin[NOTE_NAME_SIZE];
	char path[COSIGNATURE_MONITOR_SIZE]; /* as asked for, and the file's name in other clothes */
	pthread_mutex_t lock;                /* everything below */
	bool seen, broken;                   /* broken: what is on the disk is not known any more */
	uint64_t size;
	struct tree_hash root;
	struct buffer note;
};

struct witness {
	struct witness_options options;
	struct keyring keys;
	char directory[PATH_MAX];
	int lock_file;
	size_t count;
	struct witnessed logs[KEYRING_KEYS];
};

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static int
memory_path(char out[PATH_MAX], const struct witness *witness, const struct witnessed *log, struct fault *why)
{
	/* "/<64 hex>/checkpoint" becomes "<64 hex>.checkpoint" */
	if ((size_t)snprintf(out, PATH_MAX, "%s/%.64s.checkpoint", witness->directory, log->path + 1) >=
	    PATH_MAX)
		return fault_set(why, FAULT_INVALID, "증인 폴더의 경로가 너무 깁니다",
		                 "the witness's directory has too long a path");
	return 0;
}

static int
memory_read(struct witness *witness, struct witnessed *log, struct fault *why)
{
	struct note *note = malloc(sizeof *note);
	struct checkpoint checkpoint;
	struct buffer text = {0};
	char path[PATH_MAX];
	int result = -1;

	if (note == NULL) {
		fault_memory(why);
		goto out;
	}
	if (memory_path(path, witness, log, why) == -1)
		goto out;
	if (access(path, F_OK) == -1 && errno == ENOENT) {
		result = 0;
		goto out;
	}
	if (file_read(&text, path, MEMORY_LIMIT, why) == -1)
		goto out;
	if (checkpoint_open(&checkpoint, note, buffer_view(&text), log->origin,
	                    &witness->options.secret->public_key, 1, NULL, why) == -1) {
		fault_prefix(why, "증인의 기억 %s", "the witness's memory %s", path);
		goto out;
	}
	log->seen = true;
	log->size = checkpoint.size;
	log->root = checkpoint.root;
	buffer_slice(&log->note, buffer_view(&text));
	result = buffer_ok(&log->note) ? 0 : fault_memory(why);
out:
	buffer_free(&text);
	free(note);
	return result;
}

static int
log_add(struct witness *witness, const char *origin, struct fault *why)
{
	struct witnessed *log = &witness->logs[witness->count];

	for (size_t i = 0; i < witness->count; i++)
		if (strcmp(witness->logs[i].origin, origin) == 0)
			return 0;
	snprintf(log->origin, sizeof log->origin, "%s", origin);
	cosignature_monitor_path(log->path, slice_string(origin));
	pthread_mutex_init(&log->lock, NULL);
	buffer_init(&log->note, MEMORY_LIMIT);
	witness->count++;
	return memory_read(witness, log, why);
}

static int
directory_lock(struct witness *witness, struct fault *why)
{
	char path[PATH_MAX];

	if (mkdir(witness->directory, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "증인 폴더 %s", "the witness's directory %s", witness->directory);
	if ((size_t)snprintf(path, sizeof path, "%s/lock", witness->directory) >= sizeof path)
		return fault_set(why, FAULT_INVALID, "증인 폴더의 경로가 너무 깁니다",
		                 "the witness's directory has too long a path");
	witness->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (witness->lock_file == -1)
		return fault_errno(why, "%s", "%s", path);
	if (flock(witness->lock_file, LOCK_EX | LOCK_NB) == -1)
		return fault_set(why, FAULT_CONFLICT, "다른 증인이 %s을(를) 쓰고 있습니다",
		                 "another witness uses %s", witness->directory);
	return 0;
}

int
witness_open(struct witness **out, const struct witness_options *options, struct fault *why)
{
	struct witness *witness = calloc(1, sizeof *witness);
	int result = -1;

	*out = NULL;
	if (witness == NULL)
		return fault_memory(why);
	witness->options = *options;
	witness->keys = *options->logs;
	witness->lock_file = -1;
	snprintf(witness->directory, sizeof witness->directory, "%s", options->directory);
	if (directory_lock(witness, why) == -1)
		goto out;
	for (size_t i = 0; i < witness->keys.count; i++)
		if (witness->keys.keys[i].type != NOTE_COSIGNATURE &&
		    log_add(witness, witness->keys.keys[i].name, why) == -1)
			goto out;
	if (witness->count == 0) {
		fault_set(why, FAULT_INVALID, "증인이 지켜볼 기록의 키가 없습니다",
		          "there is no key of a log to witness");
		goto out;
	}
	*out = witness;
	witness = NULL;
	result = 0;
out:
	witness_close(witness);
	return result;
}

void
witness_close(struct witness *witness)
{
	if (witness == NULL)
		return;
	for (size_t i = 0; i < witness->count; i++) {
		pthread_mutex_destroy(&witness->logs[i].lock);
		buffer_free(&witness->logs[i].note);
	}
	if (witness->lock_file != -1)
		close(witness->lock_file);
	free(witness);
}

/* ---- add-checkpoint ------------------------------------------------------------------------------------------------------ */

struct asking {
	struct cosignature_request request;
	struct note note;
	struct checkpoint checkpoint;
	const struct note_key *keys[KEYRING_KEYS]; /* of the origin */
	size_t key_count;
};

static int
refuse(struct witness_answer *answer, int status, const struct fault *why)
{
	answer->status = status;
	buffer_reset(&answer->body);
	buffer_printf(&answer->body, "%s\n", why->en);
	return -1;
}

/* Everything that needs no memory: 400, 404, 403. The order is the specification's. */
static int
request_check(struct witness *witness, struct asking *asking, struct witnessed **log, struct slice body,
              struct witness_answer *answer, struct fault *why)
{
	struct note_key own[KEYRING_KEYS];
	size_t count = 0;

	if (cosignature_request_read(&asking->request, body, why) == -1 ||
	    note_parse(&asking->note, asking->request.checkpoint, why) == -1)
		return refuse(answer, 400, why);
	if (checkpoint_parse(&asking->checkpoint, asking->note.text, why) == -1 &&
	    why->kind != FAULT_TAMPERED)
		return refuse(answer, 400, why);
	*log = NULL;
	for (size_t i = 0; i < witness->count; i++)
		if (slice_is(asking->checkpoint.origin, witness->logs[i].origin))
			*log = &witness->logs[i];
	if (*log == NULL) {
		fault_set(why, FAULT_NOT_FOUND, "모르는 기록입니다", "unknown log");
		return refuse(answer, 404, why);
	}
	for (size_t i = 0; i < witness->keys.count; i++)
		if (witness->keys.keys[i].type != NOTE_COSIGNATURE &&
		    strcmp(witness->keys.keys[i].name, (*log)->origin) == 0)
			own[count++] = witness->keys.keys[i];
	if (note_verify(&asking->note, own, count, NULL, NULL, why) == -1)
		return refuse(answer, 403, why);
	if (asking->request.older > asking->checkpoint.size) {
		fault_set(why, FAULT_INVALID, "old가 체크포인트의 크기보다 큽니다",
		          "old is beyond the checkpoint's size");
		return refuse(answer, 400, why);
	}
	/* The text's lines by these keys alone are remembered: nobody fills our memory with lines of strangers. */
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < witness->keys.count; k++)
			if (witness->keys.keys[k].id == own[i].id &&
			    strcmp(witness->keys.keys[k].name, own[i].name) == 0)
				asking->keys[asking->key_count++] = &witness->keys.keys[k];
	return 0;
}

/* With the log's lock: 409, 422. */
static int
growth_check(const struct witnessed *log, const struct asking *asking, struct witness_answer *answer,
             struct fault *why)
{
	const struct checkpoint *head = &asking->checkpoint;
	const uint64_t older = asking->request.older;
	struct tree_hash empty;

	if (older != (log->seen ? log->size : 0)) {
		fault_set(why, FAULT_CONFLICT, "마지막으로 함께 서명한 크기는 %" PRIu64 "입니다",
		          "the size cosigned last is %" PRIu64, log->seen ? log->size : 0);
		answer->status = 409;
		answer->content_type = COSIGNATURE_SIZE_TYPE;
		buffer_printf(&answer->body, "%" PRIu64 "\n", log->seen ? log->size : 0);
		return -1;
	}
	tree_empty(&empty);
	if (head->size == 0 && !tree_hash_equal(&head->root, &empty)) {
		fault_set(why, FAULT_TAMPERED, "빈 기록의 루트가 아닙니다", "not the root of an empty log");
		return refuse(answer, 422, why);
	}
	if (older == 0 ? asking->request.proof.count != 0
	               : proof_check_consistency(&asking->request.proof, older, &log->root, head->size,
	                                         &head->root, NULL) == -1) {
		fault_set(why, FAULT_TAMPERED,
		          "크기 %" PRIu64 "에서 %" PRIu64 "(으)로의 일관성 증명이 맞지 않습니다",
		          "the consistency proof from size %" PRIu64 " to %" PRIu64 " does not hold", older,
		          head->size);
		return refuse(answer, 422, why);
	}
	return 0;
}

/* With the log's lock: sign, remember on the disk, then give the line out. */
static int
cosign(struct witness *witness, struct witnessed *log, const struct asking *asking,
       struct witness_answer *answer, struct fault *why)
{
	char path[PATH_MAX];
	struct buffer note;
	size_t line;
	int result = -1;

	buffer_init(&note, MEMORY_LIMIT);
	buffer_slice(&note, asking->note.text);
	buffer_byte(&note, '\n');
	for (size_t i = 0; i < asking->note.count; i++) {
		const struct note_signature *signature = &asking->note.signatures[i];

		for (size_t k = 0; k < asking->key_count; k++)
			if (signature->id == asking->keys[k]->id &&
			    slice_is(signature->name, asking->keys[k]->name)) {
				buffer_slice(&note, signature->line);
				break;
			}
	}
	line = note.size;
	if (note_secret_sign(witness->options.secret, asking->note.text, (uint64_t)witness->options.now(),
	                     &note, why) == -1 ||
	    memory_path(path, witness, log, why) == -1)
		goto out;
	if (file_replace(path, buffer_view(&note), 0600, why) == -1) {
		/* The old file or the new one: nothing is cosigned of this log until a restart has read which. */
		log->broken = true;
		goto out;
	}
	buffer_append(&answer->body, note.data + line, note.size - line);
	log->seen = true;
	log->size = asking->checkpoint.size;
	log->root = asking->checkpoint.root;
	buffer_free(&log->note);
	log->note = note;
	buffer_init(&note, 0);
	answer->status = 200;
	result = 0;
out:
	buffer_free(&note);
	return result == 0 ? 0 : refuse(answer, 500, why);
}

void
witness_add(struct witness *witness, struct slice body, struct witness_answer *answer, struct fault *why)
{
	struct asking *asking = calloc(1, sizeof *asking);
	struct witnessed *log;

	answer->status = 500;
	answer->content_type = "text/plain; charset=utf-8";
	buffer_init(&answer->body, 4096);
	if (asking == NULL) {
		fault_memory(why);
		return;
	}
	if (request_check(witness, asking, &log, body, answer, why) == 0) {
		pthread_mutex_lock(&log->lock);
		if (log->broken) {
			fault_set(why, FAULT_UNAVAILABLE, "이 기록의 기억을 쓰지 못해 멈추었습니다",
			          "the memory of this log could not be written: restart the witness");
			(void)refuse(answer, 500, why);
		} else if (growth_check(log, asking, answer, why) == 0) {
			(void)cosign(witness, log, asking, answer, why);
		}
		pthread_mutex_unlock(&log->lock);
	}
	free(asking);
}

void
witness_show(struct witness *witness, struct slice path, struct witness_answer *answer)
{
	answer->status = 404;
	answer->content_type = "text/plain; charset=utf-8";
	buffer_init(&answer->body, MEMORY_LIMIT);
	for (size_t i = 0; i < witness->count; i++) {
		struct witnessed *log = &witness->logs[i];

		if (!slice_is(path, log->path))
			continue;
		pthread_mutex_lock(&log->lock);
		if (log->seen) {
			answer->status = 200;
			buffer_slice(&answer->body, buffer_view(&log->note));
		}
		pthread_mutex_unlock(&log->lock);
	}
	if (answer->status == 404)
		buffer_string(&answer->body, "not found\n");
}

void
witness_count(struct witness *witness, size_t *logs, size_t *seen)
{
	*logs = witness->count;
	*seen = 0;
	for (size_t i = 0; i < witness->count; i++) {
		pthread_mutex_lock(&witness->logs[i].lock);
		*seen += witness->logs[i].seen;
		pthread_mutex_unlock(&witness->logs[i].lock);
	}
}
