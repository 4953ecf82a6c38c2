#include "gateway/bundle_pull.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/bundles.h"
#include "gateway/gateway.h"
#include "gateway/remote.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define DEADLINE_MS 10000

struct bundle_pull {
	struct gateway *gateway;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t look; /* one look at a time */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	char from[1024], etag[128], outcome[16];
	char refused
	    [65]; /* SHA-256 of what was refused last: a server without ETags brings it again and again */
	int64_t looked_ms;
	struct fault why; /* of the last failure */
	bool failed;
	struct pull_counts counts;
};

/* ---- addresses ------------------------------------------------------------------------------------------------------- */

static int
malformed(const char *text, struct fault *why)
{
	return fault_set(
	    why, FAULT_INVALID,
	    "https://호스트/경로, http://127.0.0.1:포트/경로, unix:소켓:/경로, file:파일 가운데 "
	    "하나여야 합니다: %.200s",
	    "must be https://host/path, http://127.0.0.1:port/path, unix:SOCKET:/path or file:PATH: "
	    "%.200s",
	    text);
}

static bool
loopback(const char *url)
{
	return strncmp(url, "http://127.", 11) == 0 || strncmp(url, "http://[::1]", 12) == 0;
}

int
pull_address_parse(struct pull_address *out, const char *text, struct fault *why)
{
	bool numeric;

	memset(out, 0, sizeof *out);
	if (strlen(text) >= sizeof out->path)
		return malformed(text, why);
	if (strncmp(text, "file:", 5) == 0 && text[5] != '\0') {
		out->kind = PULL_FILE;
		snprintf(out->path, sizeof out->path, "%s", text + 5);
		return 0;
	}
	out->kind = PULL_HTTP;
	if (strncmp(text, "unix:", 5) == 0) {
		const char *const path = strstr(text + 5, ":/");

		if (path == NULL || path == text + 5)
			return malformed(text, why);
		snprintf(out->path, sizeof out->path, "%.*s", (int)(path - text - 5), text + 5);
		snprintf(out->url, sizeof out->url, "http://127.0.0.1%s", path + 1);
		return remote_url_check(out->url, &out->port, &numeric, why) == 0 ? (out->port = 0) : -1;
	}
	snprintf(out->url, sizeof out->url, "%s", text);
	if (remote_url_check(text, &out->port, &numeric, why) == -1)
		return -1;
	if (strncmp(text, "http://", 7) == 0 && !loopback(text))
		return malformed(text, why);
	out->resolve = !numeric;
	return 0;
}

/* ---- one look -------------------------------------------------------------------------------------------------------- */

struct look {
	struct pull_address address;
	const struct config_bundles *config;
	char etag[128]; /* of the answer */
	char hash[65];  /* SHA-256 of the bytes; "" when none came */
	bool unchanged;
	struct buffer bytes;
};

static void
take_hash(struct look *look)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, look->bytes.data, look->bytes.size);
	hex_encode(look->hash, hash, sizeof hash);
}

static int
read_file(struct look *look, const char *known, struct fault *why)
{
	if (file_read(&look->bytes, look->address.path, BUNDLE_SIZE_LIMIT, why) == -1)
		return -1;
	take_hash(look);
	snprintf(look->etag, sizeof look->etag, "%s", look->hash);
	look->unchanged = strcmp(look->etag, known) == 0;
	return 0;
}

/* "Bearer ..." out of the file; "" when there is none. */
static int
read_token(char out[1024], const char *path, struct fault *why)
{
	struct buffer text;
	int result = 0;

	out[0] = '\0';
	if (path == NULL)
		return 0;
	buffer_init(&text, 1000);
	if ((result = file_read(&text, path, 1000, why)) == 0) {
		while (text.size > 0 &&
		       (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
			text.size--;
		snprintf(out, 1024, "Bearer %.*s", SLICE_PRINT(buffer_view(&text)));
		if (strpbrk(out, "\r\n") != NULL)
			result = fault_set(why, FAULT_INVALID, "%s: 토큰 한 줄이 있어야 합니다",
			                   "%s: one line with a token is needed", path);
	}
	buffer_wipe(&text);
	return result;
}

static int
ask(struct look *look, const char *known, const atomic_bool *stop, struct fault *why)
{
	char token[1024];
	struct remote_question question = {.url = look->address.url,
	                                   .method = "GET",
	                                   .if_none_match = known[0] == '\0' ? NULL : known,
	                                   .unix_socket =
	                                       look->address.path[0] == '\0' ? NULL : look->address.path,
	                                   .pin = look->config->pin,
	                                   .ca = look->config->ca,
	                                   .answer_limit = BUNDLE_SIZE_LIMIT,
	                                   .deadline_ms = DEADLINE_MS};
	int result = -1;

	if (read_token(token, look->config->token_file, why) == -1)
		return -1;
	question.authorization = token[0] == '\0' ? NULL : token;
	remote_ask(&question, 1, stop);
	sodium_memzero(token, sizeof token);
	if (!question.answered) {
		*why = question.why;
	} else if (question.status == 304) {
		look->unchanged = true;
		snprintf(look->etag, sizeof look->etag, "%s", known);
		result = 0;
	} else if (question.status == 200) {
		buffer_slice(&look->bytes, buffer_view(&question.answer));
		snprintf(look->etag, sizeof look->etag, "%s", question.etag);
		result = buffer_ok(&look->bytes) ? 0 : fault_memory(why);
		take_hash(look);
	} else {
		fault_set(why, FAULT_UNAVAILABLE, "%s: 답이 %d입니다", "%s: the answer is %d",
		          look->address.url, question.status);
	}
	buffer_free(&question.answer);
	return result;
}

/* Trying again at the next look makes sense only for what may pass. */
static bool
may_pass(enum fault_kind kind)
{
	return kind == FAULT_UNAVAILABLE || kind == FAULT_SYSTEM || kind == FAULT_MEMORY ||
	       kind == FAULT_TIMEOUT || kind == FAULT_BUSY || kind == FAULT_INTERNAL;
}

static int
take(struct bundle_pull *pull, struct look *look, const char *by, json_t **result, struct fault *why)
{
	const struct bundle_order order = {
	    .archive = buffer_view(&look->bytes), .source = "pull", .by = by, .reason = ""};

	bool again;

	pthread_mutex_lock(&pull->lock);
	again = look->hash[0] != '\0' && strcmp(look->hash, pull->refused) == 0;
	pthread_mutex_unlock(&pull->lock);
	if (again || look->unchanged || bundles_is_active(pull->gateway->bundles, order.archive)) {
		look->unchanged = true;
		*result = json_pack("{s:s}", "outcome", "unchanged");
		return *result == NULL ? fault_memory(why) : 0;
	}
	return bundles_activate(pull->gateway, &order, result, why);
}

static void
remember(struct bundle_pull *pull, const struct look *look, bool came, int outcome, const struct fault *why)
{
	bool new_failure;

	pthread_mutex_lock(&pull->lock);
	new_failure = outcome == -1 && (!pull->failed || strcmp(pull->why.en, why->en) != 0);
	pull->looked_ms = clock_wall_ms();
	pull->failed = outcome == -1;
	pull->counts.looks++;
	if (outcome == -1) {
		pull->why = *why;
		pull->counts.failed++;
	} else if (look->unchanged) {
		pull->counts.unchanged++;
	} else {
		pull->counts.activated++;
	}
	snprintf(pull->outcome, sizeof pull->outcome, "%s",
	         outcome == -1     ? "failed"
	         : look->unchanged ? "unchanged"
	                           : "activated");
	/* What was refused once need not come again; what could not be looked at must. */
	if (came && (outcome == 0 || !may_pass(why->kind)))
		snprintf(pull->etag, sizeof pull->etag, "%s", look->etag);
	if (came && outcome == -1 && !may_pass(why->kind))
		snprintf(pull->refused, sizeof pull->refused, "%s", look->hash);
	pthread_mutex_unlock(&pull->lock);
	if (new_failure)
		log_fault(LOG_LEVEL_WARN, "bundles", "pull-failed", why);
}

int
bundle_pull_now(struct bundle_pull *pull, const char *by, json_t **result, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(pull->gateway);
	struct look look = {.config = &snapshots->config->policy.bundles};
	char known[sizeof pull->etag];
	bool came = false;
	int outcome = -1;

	*result = NULL;
	buffer_init(&look.bytes, BUNDLE_SIZE_LIMIT);
	pthread_mutex_lock(&pull->look);
	if (look.config->pull == NULL) {
		fault_set(why, FAULT_UNSUPPORTED, "가져올 곳이 설정되지 않았습니다 (policy.bundles.pull)",
		          "there is nowhere to pull from (policy.bundles.pull)");
		goto out;
	}
	pthread_mutex_lock(&pull->lock);
	if (strcmp(pull->from, look.config->pull) != 0) /* another place: its ETags are others */
		pull->etag[0] = '\0';
	snprintf(pull->from, sizeof pull->from, "%s", look.config->pull);
	snprintf(known, sizeof known, "%s", pull->etag);
	pthread_mutex_unlock(&pull->lock);
	if (pull_address_parse(&look.address, look.config->pull, why) == 0 &&
	    (look.address.kind == PULL_FILE ? read_file(&look, known, why)
	                                    : ask(&look, known, &pull->stopping, why)) == 0) {
		came = true;
		outcome = take(pull, &look, by, result, why);
	}
	if (!atomic_load(&pull->stopping))
		remember(pull, &look, came, outcome, why);
out:
	pthread_mutex_unlock(&pull->look);
	buffer_free(&look.bytes);
	snapshots_release(snapshots);
	return outcome;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static void
wait_a_while(struct bundle_pull *pull)
{
	struct snapshots *snapshots = gateway_hold(pull->gateway);
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += snapshots->config->policy.bundles.pull_seconds;
	snapshots_release(snapshots);
	pthread_mutex_lock(&pull->lock);
	while (!atomic_load(&pull->stopping) &&
	       pthread_cond_timedwait(&pull->wake, &pull->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&pull->lock);
}

static void *
run(void *argument)
{
	struct bundle_pull *pull = argument;

	while (!atomic_load(&pull->stopping)) {
		struct snapshots *snapshots = gateway_hold(pull->gateway);
		const bool wanted = snapshots->config->policy.bundles.pull != NULL;
		json_t *result;
		struct fault why;

		snapshots_release(snapshots);
		if (wanted) {
			(void)!bundle_pull_now(pull, "haechid", &result, &why);
			json_decref(result);
		}
		wait_a_while(pull);
	}
	return NULL;
}

int
bundle_pull_start(struct bundle_pull **out, struct gateway *gateway, struct fault *why)
{
	struct bundle_pull *pull = calloc(1, sizeof *pull);
	pthread_condattr_t attributes;
	int error;

	*out = NULL;
	if (pull == NULL)
		return fault_memory(why);
	pull->gateway = gateway;
	atomic_init(&pull->stopping, false);
	pthread_mutex_init(&pull->look, NULL);
	pthread_mutex_init(&pull->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&pull->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if ((error = pthread_create(&pull->thread, NULL, run, pull)) != 0) {
		bundle_pull_stop(pull);
		errno = error;
		return fault_errno(why, "묶음을 가져오는 스레드", "thread that pulls bundles");
	}
	pull->started = true;
	*out = pull;
	return 0;
}

void
bundle_pull_stop(struct bundle_pull *pull)
{
	if (pull == NULL)
		return;
	pthread_mutex_lock(&pull->lock);
	atomic_store(&pull->stopping, true);
	pthread_cond_broadcast(&pull->wake);
	pthread_mutex_unlock(&pull->lock);
	if (pull->started)
		pthread_join(pull->thread, NULL);
	pthread_cond_destroy(&pull->wake);
	pthread_mutex_destroy(&pull->lock);
	pthread_mutex_destroy(&pull->look);
	free(pull);
}

json_t *
bundle_pull_describe(struct bundle_pull *pull)
{
	char looked[CLOCK_TEXT_SIZE] = "";
	json_t *result = NULL;

	pthread_mutex_lock(&pull->lock);
	if (pull->from[0] != '\0') {
		if (pull->looked_ms != 0)
			clock_text(looked, pull->looked_ms);
		result = json_pack("{s:s, s:s, s:s, s:s}", "from", pull->from, "etag", pull->etag,
		                   "looked_at", looked, "outcome", pull->outcome);
		if (result != NULL && pull->failed)
			json_object_set_new(result, "error",
			                    json_pack("{s:s, s:s}", "ko", pull->why.ko, "en", pull->why.en));
	}
	pthread_mutex_unlock(&pull->lock);
	return result;
}

void
bundle_pull_counts(struct bundle_pull *pull, struct pull_counts *out)
{
	pthread_mutex_lock(&pull->lock);
	*out = pull->counts;
	pthread_mutex_unlock(&pull->lock);
}
