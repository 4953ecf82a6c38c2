#include "gateway/bundles.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/bundle_state.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "gateway/registry.h"
#include "gateway/shadow.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define REASON_LIMIT 500

struct refusal { /* the last one, for status */
	int64_t wall_ms;
	char digest[65], source[32];
	int64_t revision;
	struct fault why;
};

struct bundles {
	char directory[BUNDLE_PATH_SIZE];
	pthread_mutex_t
	    lock; /* guards `state` and `refused`; changes are made under the gateway's `reload` too */
	struct bundle_state state;
	struct refusal refused;
	char name[BUNDLE_NAME_LIMIT + 1]; /* of the active one */
	int64_t created_ms;
	/* what bundles_load() passed over at the start */
	bool fell_back;
	struct fault fell_why;
	char fell_digest[65];
	int64_t fell_revision;
	atomic_uint_least64_t activations, refusals, rollbacks, fall_backs;
};

/* ---- trusted keys ------------------------------------------------------------------------------------------------- */

static int
read_keys(const struct config_bundles *config, struct bundle_key **out, struct fault *why)
{
	struct bundle_key *keys = calloc((size_t)config->keys_count + 1, sizeof *keys);

	*out = NULL;
	if (keys == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < config->keys_count; i++) {
		struct buffer text;
		int result;

		buffer_init(&text, 4096);
		result = file_read(&text, config->keys[i], 4096, why);
		if (result == 0 && (result = bundle_key_parse(&keys[i], buffer_view(&text), why)) == -1)
			fault_prefix(why, "%s", "%s", config->keys[i]);
		buffer_wipe(&text);
		if (result == -1) {
			free(keys);
			return -1;
		}
		sodium_memzero(keys[i].seed, sizeof keys[i].seed); /* only the public half is of use here */
	}
	*out = keys;
	return 0;
}

static int
verify(const struct bundle *bundle, const struct config_bundles *config, struct buffer *signers,
       struct fault *why)
{
	struct bundle_key *keys;
	int result;

	if (config->keys_count == 0)
		return fault_set(why, FAULT_FORBIDDEN,
		                 "믿는 열쇠가 없습니다 (haechi.yaml의 policy.bundles.keys)",
		                 "no key is trusted (policy.bundles.keys in haechi.yaml)");
	if (read_keys(config, &keys, why) == -1)
		return -1;
	result = bundle_verify(bundle, keys, config->keys_count, config->signatures, signers, why);
	free(keys);
	return result;
}

/* ---- the start ------------------------------------------------------------------------------------------------------ */

int
bundles_open(struct bundles **out, const struct config *config, struct fault *why)
{
	struct bundles *bundles = calloc(1, sizeof *bundles);
	const char *const directory = config->policy.bundles.directory;

	*out = NULL;
	if (bundles == NULL)
		return fault_memory(why);
	if (strlen(directory) >= BUNDLE_PATH_SIZE - 64) {
		free(bundles);
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다: %s", "the path is too long: %s",
		                 directory);
	}
	snprintf(bundles->directory, sizeof bundles->directory, "%s", directory);
	pthread_mutex_init(&bundles->lock, NULL);
	atomic_init(&bundles->activations, 0);
	atomic_init(&bundles->refusals, 0);
	atomic_init(&bundles->rollbacks, 0);
	atomic_init(&bundles->fall_backs, 0);
	if (mkdir(directory, 0700) == -1 && errno != EEXIST) {
		fault_errno(why, "묶음 폴더 %s", "directory of bundles %s", directory);
		bundles_close(bundles);
		return -1;
	}
	if (bundle_state_read(&bundles->state, directory, why) == -1) {
		bundles_close(bundles);
		return -1;
	}
	*out = bundles;
	return 0;
}

void
bundles_close(struct bundles *bundles)
{
	if (bundles == NULL)
		return;
	pthread_mutex_destroy(&bundles->lock);
	free(bundles);
}

/* One that was in force once: read, verified, compiled. Its tests ran when it was activated. */
static int
load_one(struct bundles *bundles, const struct config *config, const struct bundle_mark *mark,
         struct policy **out, struct fault *why)
{
	struct bundle *bundle = NULL;
	struct buffer bytes;
	int result = -1;

	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (bundle_state_load(bundles->directory, mark, false, &bytes, why) == -1 ||
	    bundle_open(&bundle, buffer_view(&bytes), why) == -1)
		goto out;
	if (strcmp(bundle->digest, mark->digest) != 0 || bundle->revision != mark->revision) {
		fault_set(why, FAULT_TAMPERED, "활성화한 것과 다른 묶음입니다",
		          "not the bundle that was activated");
		goto out;
	}
	if (verify(bundle, &config->policy.bundles, NULL, why) == -1 || bundle_policy(out, bundle, why) == -1)
		goto out;
	pthread_mutex_lock(&bundles->lock);
	snprintf(bundles->name, sizeof bundles->name, "%s", bundle->name);
	bundles->created_ms = bundle->created_ms;
	pthread_mutex_unlock(&bundles->lock);
	result = 0;
out:
	if (result == -1)
		fault_prefix(why, "정책 묶음 %lld판", "policy bundle revision %lld",
		             (long long)mark->revision);
	bundle_close(bundle);
	buffer_free(&bytes);
	return result;
}

int
bundles_load(struct bundles *bundles, const struct config *config, bool fall_back, struct policy **out,
             struct fault *why)
{
	struct bundle_state *state = &bundles->state;

	*out = NULL;
	if (state->count == 0)
		return 0;
	if (load_one(bundles, config, &state->marks[state->count - 1], out, why) == 0)
		return 0;
	if (!fall_back)
		return -1;
	log_fault(LOG_LEVEL_ERROR, "bundles", "active-bundle-unusable", why);
	bundles->fell_back = true;
	bundles->fell_why = *why;
	bundles->fell_revision = state->marks[state->count - 1].revision;
	snprintf(bundles->fell_digest, sizeof bundles->fell_digest, "%s",
	         state->marks[state->count - 1].digest);
	/* The last good one serves on; the broken one is no longer the active one, but its revision stays used. */
	while (--state->count > 0) {
		struct fault older;

		if (load_one(bundles, config, &state->marks[state->count - 1], out, &older) == 0) {
			atomic_fetch_add(&bundles->fall_backs, 1);
			return bundle_state_write(state, bundles->directory, why);
		}
		log_fault(LOG_LEVEL_ERROR, "bundles", "older-bundle-unusable", &older);
	}
	*why = bundles->fell_why;
	return -1;
}

static void
fact_text(struct entry_note *note, const char *name, const char *text)
{
	note->facts[note->fact_count].name = name;
	note->facts[note->fact_count++].text = text;
}

static void
fact_number(struct entry_note *note, const char *name, int64_t number)
{
	note->facts[note->fact_count].name = name;
	note->facts[note->fact_count++].number = number;
}

static int
note_policy(struct gateway *gateway, const struct entry_note *note, const char *by, char id[ENTRY_ID_SIZE],
            struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	const int result = gateway_note(gateway, ENTRY_POLICY, note, snapshots->config->agency, by, id, why);

	snapshots_release(snapshots);
	return result;
}

int
bundles_report(struct gateway *gateway, struct fault *why)
{
	struct bundles *bundles = gateway->bundles;
	const struct bundle_state *state = &bundles->state;
	struct entry_note note = {.action = "fall-back"};
	char id[ENTRY_ID_SIZE];

	if (!bundles->fell_back)
		return 0;
	fact_text(&note, "broken_bundle", bundles->fell_digest);
	fact_number(&note, "broken_revision", bundles->fell_revision);
	fact_text(&note, "bundle", state->marks[state->count - 1].digest);
	fact_text(&note, "reason", bundles->fell_why.en);
	fact_number(&note, "revision", state->marks[state->count - 1].revision);
	return note_policy(gateway, &note, "haechid", id, why);
}

/* ---- activating ------------------------------------------------------------------------------------------------------ */

struct activating {
	struct gateway *gateway;
	struct bundles *bundles;
	const struct bundle_order *order;
	struct snapshots *snapshots;
	struct buffer bytes, signers;
	struct bundle *bundle;
	struct bundle_proof proof;
	struct policy *policy;
	struct registry *registry;
	char previous[65];
	bool back; /* not above the highest: by an operator's word */
	char entry[ENTRY_ID_SIZE];
};

/* What comes must grow; going back is an operator's word, and said in the log. */
static int
check_revision(struct activating *activating, struct fault *why)
{
	const struct bundle_state *state = &activating->bundles->state;
	const struct bundle *bundle = activating->bundle;
	const struct bundle_order *order = activating->order;

	if (state->count > 0 && strcmp(state->marks[state->count - 1].digest, bundle->digest) == 0)
		return fault_set(why, FAULT_CONFLICT, "이미 시행 중인 묶음입니다 (%lld판)",
		                 "this bundle is in force already (revision %lld)",
		                 (long long)bundle->revision);
	if (bundle->revision > state->highest)
		return 0;
	if (!order->allow_rollback)
		return fault_set(why, FAULT_CONFLICT,
		                 "되돌림을 막았습니다: %lld판은 지금까지 가장 높은 %lld판보다 높지 않습니다",
		                 "rollback refused: revision %lld is not above the highest so far, %lld",
		                 (long long)bundle->revision, (long long)state->highest);
	activating->back = true;
	if (order->reason == NULL || order->reason[0] == '\0' || strlen(order->reason) > REASON_LIMIT)
		return fault_set(why, FAULT_INVALID, "되돌리는 까닭을 %d바이트까지 적어야 합니다 (--reason)",
		                 "going back needs a reason, %d bytes at most (--reason)", REASON_LIMIT);
	return 0;
}

static int
open_order(struct activating *activating, struct fault *why)
{
	const struct bundle_order *order = activating->order;
	struct slice archive = order->archive;

	if (archive.data == NULL) {
		if (bundles_read(activating->bundles, order->revision, &activating->bytes, why) == -1)
			return -1;
		archive = buffer_view(&activating->bytes);
	}
	return bundle_open(&activating->bundle, archive, why);
}

static int
prove(struct activating *activating, struct fault *why)
{
	const struct config *config = activating->snapshots->config;

	if (verify(activating->bundle, &config->policy.bundles, &activating->signers, why) == -1 ||
	    check_revision(activating, why) == -1 ||
	    bundle_prove(&activating->policy, activating->bundle, &activating->proof, why) == -1)
		return -1;
	return 0;
}

/* No evidence, no change; then the files, so that a restart finds what is in force; then everybody at once. */
static int
carry_out(struct activating *activating, struct fault *why)
{
	struct gateway *gateway = activating->gateway;
	struct bundles *bundles = activating->bundles;
	const struct bundle *bundle = activating->bundle;
	const struct bundle_order *order = activating->order;
	struct entry_note note = {.action = activating->back ? "rollback" : "activate"};
	struct bundle_state fresh = bundles->state;
	struct bundle_mark mark = {.revision = bundle->revision, .activated_ms = clock_wall_ms()};

	snprintf(mark.digest, sizeof mark.digest, "%s", bundle->digest);
	snprintf(mark.source, sizeof mark.source, "%s", order->source);
	snprintf(mark.signers, sizeof mark.signers, "%s", buffer_text(&activating->signers));
	if (bundle_state_keep(bundles->directory, &mark, buffer_view(&bundle->archive), why) == -1)
		return -1;
	fact_text(&note, "bundle", bundle->digest);
	fact_number(&note, "coverage", activating->proof.coverage);
	fact_text(&note, "name", bundle->name);
	fact_number(&note, "policies", (int64_t)activating->proof.policies);
	fact_text(&note, "previous_bundle", activating->previous);
	fact_text(&note, "reason", order->reason == NULL ? "" : order->reason);
	fact_number(&note, "revision", bundle->revision);
	fact_text(&note, "signers", mark.signers);
	fact_text(&note, "source", order->source);
	fact_number(&note, "tests", (int64_t)activating->proof.tests);
	if (note_policy(gateway, &note, order->by, activating->entry, why) == -1)
		return -1;
	bundle_state_push(&fresh, &mark, activating->snapshots->config->policy.bundles.keep);
	if (bundle_state_write(&fresh, bundles->directory, why) == -1)
		return -1;
	bundle_state_tidy(&fresh, bundles->directory);
	pthread_mutex_lock(&bundles->lock);
	bundles->state = fresh;
	snprintf(bundles->name, sizeof bundles->name, "%s", bundle->name);
	bundles->created_ms = bundle->created_ms;
	pthread_mutex_unlock(&bundles->lock);
	atomic_fetch_add(activating->back ? &bundles->rollbacks : &bundles->activations, 1);
	log_info("bundles", "event=%s bundle=%s revision=%lld previous=%s source=%s entry=%s",
	         activating->back ? "rolled-back" : "activated", bundle->digest, (long long)bundle->revision,
	         activating->previous, order->source, activating->entry);
	if (gateway_publish(gateway, NULL, activating->policy, activating->registry, why) == -1) {
		activating->policy = NULL;
		activating->registry = NULL;
		return -1;
	}
	activating->policy = NULL;
	activating->registry = NULL;
	return 0;
}

/* A refusal changes nothing, and is told: in the log, in the metrics, in the status, in an entry. */
static void
refuse(struct activating *activating, const struct fault *why)
{
	struct bundles *bundles = activating->bundles;
	const struct bundle *bundle = activating->bundle;
	struct entry_note note = {.action = "refuse"};
	struct fault unwritten;
	char id[ENTRY_ID_SIZE];

	atomic_fetch_add(&bundles->refusals, 1);
	log_fault(LOG_LEVEL_ERROR, "bundles", "bundle-refused", why);
	pthread_mutex_lock(&bundles->lock);
	bundles->refused = (struct refusal){
	    .wall_ms = clock_wall_ms(), .revision = bundle != NULL ? bundle->revision : 0, .why = *why};
	snprintf(bundles->refused.digest, sizeof bundles->refused.digest, "%s",
	         bundle != NULL ? bundle->digest : "");
	snprintf(bundles->refused.source, sizeof bundles->refused.source, "%s", activating->order->source);
	pthread_mutex_unlock(&bundles->lock);
	if (bundle != NULL) {
		fact_text(&note, "bundle", bundle->digest);
		fact_text(&note, "name", bundle->name);
	}
	fact_text(&note, "reason", why->en);
	if (bundle != NULL)
		fact_number(&note, "revision", bundle->revision);
	fact_text(&note, "source", activating->order->source);
	if (note_policy(activating->gateway, &note, activating->order->by, id, &unwritten) == -1)
		log_fault(LOG_LEVEL_ERROR, "bundles", "refusal-not-recorded", &unwritten);
}

static int
import(struct activating *activating, json_t **result, struct fault *why)
{
	const struct bundle *bundle = activating->bundle;
	struct bundle_mark mark = {.revision = bundle->revision};
	struct entry_note note = {.action = "import"};
	char id[ENTRY_ID_SIZE];

	snprintf(mark.digest, sizeof mark.digest, "%s", bundle->digest);
	fact_text(&note, "bundle", bundle->digest);
	fact_text(&note, "name", bundle->name);
	fact_number(&note, "revision", bundle->revision);
	fact_text(&note, "signers", buffer_text(&activating->signers));
	fact_text(&note, "source", activating->order->source);
	if (bundle_state_import(activating->bundles->directory, &mark, buffer_view(&bundle->archive), why) ==
	        -1 ||
	    note_policy(activating->gateway, &note, activating->order->by, id, why) == -1)
		return -1;
	*result = json_pack("{s:s, s:s, s:I, s:s, s:s}", "outcome", "imported", "bundle", bundle->digest,
	                    "revision", (json_int_t)bundle->revision, "name", bundle->name, "entry", id);
	return *result == NULL ? fault_memory(why) : 0;
}

static int
finish(struct activating *activating, json_t **result, struct fault *why)
{
	const struct bundle *bundle = activating->bundle;

	*result =
	    json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "outcome",
	              activating->back ? "rolled-back" : "activated", "bundle", bundle->digest, "revision",
	              (json_int_t)bundle->revision, "name", bundle->name, "previous", activating->previous,
	              "signers", buffer_text(&activating->signers), "policies",
	              (json_int_t)activating->proof.policies, "tests", (json_int_t)activating->proof.tests,
	              "coverage", (json_int_t)activating->proof.coverage, "entry", activating->entry);
	return *result == NULL ? fault_memory(why) : 0;
}

int
bundles_activate(struct gateway *gateway, const struct bundle_order *order, json_t **result,
                 struct fault *why)
{
	struct activating activating = {.gateway = gateway, .bundles = gateway->bundles, .order = order};
	int outcome = -1;

	*result = NULL;
	buffer_init(&activating.bytes, BUNDLE_SIZE_LIMIT);
	buffer_init(&activating.signers, 2048);
	pthread_mutex_lock(&gateway->reload);
	if ((activating.snapshots = gateway_hold(gateway)) == NULL) {
		fault_set(why, FAULT_INTERNAL, "아직 시작되지 않았습니다", "not started yet");
		goto out;
	}
	snprintf(activating.previous, sizeof activating.previous, "%s",
	         policy_bundle(activating.snapshots->policy));
	if (open_order(&activating, why) == -1 || prove(&activating, why) == -1) {
		refuse(&activating, why);
		goto out;
	}
	if (order->only_import) {
		outcome = import(&activating, result, why);
		goto out;
	}
	if (registrar_rebuild(gateway->registrar, &activating.registry, activating.policy,
	                      activating.snapshots->config, why) == -1 ||
	    carry_out(&activating, why) == -1)
		goto out;
	outcome = finish(&activating, result, why);
out:
	registry_release(activating.registry);
	policy_release(activating.policy);
	bundle_close(activating.bundle);
	buffer_free(&activating.bytes);
	buffer_free(&activating.signers);
	snapshots_release(activating.snapshots);
	pthread_mutex_unlock(&gateway->reload);
	return outcome;
}

bool
bundles_is_active(struct bundles *bundles, struct slice archive)
{
	struct bundle *bundle = NULL;
	struct fault why;
	bool same;

	if (bundle_open(&bundle, archive, &why) == -1)
		return false;
	pthread_mutex_lock(&bundles->lock);
	same = bundles->state.count > 0 &&
	       strcmp(bundles->state.marks[bundles->state.count - 1].digest, bundle->digest) == 0;
	pthread_mutex_unlock(&bundles->lock);
	bundle_close(bundle);
	return same;
}

int
bundles_rollback(struct gateway *gateway, int64_t revision, const char *by, const char *reason,
                 json_t **result, struct fault *why)
{
	struct bundles *bundles = gateway->bundles;
	struct bundle_order order = {
	    .revision = revision, .source = "rollback", .by = by, .reason = reason, .allow_rollback = true};

	*result = NULL;
	pthread_mutex_lock(&bundles->lock);
	if (revision == 0 && bundles->state.count >= 2)
		order.revision = bundles->state.marks[bundles->state.count - 2].revision;
	pthread_mutex_unlock(&bundles->lock);
	if (order.revision == 0)
		return fault_set(why, FAULT_NOT_FOUND, "되돌아갈 묶음이 없습니다",
		                 "there is no bundle to go back to");
	return bundles_activate(gateway, &order, result, why);
}

/* ---- the candidate --------------------------------------------------------------------------------------------------- */

/* Kept beside the bundles, so that a restart goes on with it. */
static void
shadow_path(const struct bundles *bundles, char path[BUNDLE_PATH_SIZE + 16])
{
	snprintf(path, BUNDLE_PATH_SIZE + 16, "%s/shadow", bundles->directory);
}

static int
end_shadow(struct gateway *gateway, const char *by, json_t **result, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	struct entry_note note = {.action = "shadow-end"};
	char id[ENTRY_ID_SIZE], path[BUNDLE_PATH_SIZE + 16];
	int outcome = -1;

	if (snapshots->shadow == NULL) {
		fault_set(why, FAULT_NOT_FOUND, "나란히 돌리는 묶음이 없습니다",
		          "no bundle runs in the shadow");
		goto out;
	}
	fact_text(&note, "bundle", shadow_bundle(snapshots->shadow));
	shadow_path(gateway->bundles, path);
	if (note_policy(gateway, &note, by, id, why) == -1)
		goto out;
	if (unlink(path) == -1 && errno != ENOENT) {
		fault_errno(why, "%s", "%s", path);
		goto out;
	}
	if (gateway_publish_shadow(gateway, NULL, why) == -1)
		goto out;
	if ((*result = shadow_describe(snapshots->shadow)) == NULL)
		fault_memory(why);
	else
		outcome = 0;
out:
	snapshots_release(snapshots);
	return outcome;
}

int
bundles_shadow(struct gateway *gateway, const struct bundle_order *order, json_t **result, struct fault *why)
{
	struct activating activating = {.gateway = gateway, .bundles = gateway->bundles, .order = order};
	struct entry_note note = {.action = "shadow"};
	struct policy *policy = NULL;
	struct shadow *shadow = NULL;
	char id[ENTRY_ID_SIZE], path[BUNDLE_PATH_SIZE + 16];
	int outcome = -1;

	*result = NULL;
	shadow_path(gateway->bundles, path);
	buffer_init(&activating.bytes, BUNDLE_SIZE_LIMIT);
	pthread_mutex_lock(&gateway->reload);
	if (order->archive.data == NULL && order->revision == 0) {
		outcome = end_shadow(gateway, order->by, result, why);
		goto out;
	}
	/* It decides nothing, so it need be neither signed nor tested: only readable. */
	if (open_order(&activating, why) == -1 || bundle_policy(&policy, activating.bundle, why) == -1 ||
	    shadow_new(&shadow, policy, activating.bundle->revision, activating.bundle->name, why) == -1)
		goto out;
	fact_text(&note, "bundle", activating.bundle->digest);
	fact_text(&note, "name", activating.bundle->name);
	fact_number(&note, "revision", activating.bundle->revision);
	if (note_policy(gateway, &note, order->by, id, why) == -1 ||
	    file_replace(path, order->archive.data != NULL ? order->archive : buffer_view(&activating.bytes),
	                 0600, why) == -1)
		goto out;
	if ((*result = shadow_describe(shadow)) == NULL) {
		fault_memory(why);
		goto out;
	}
	log_info("bundles", "event=shadow bundle=%s revision=%lld entry=%s", activating.bundle->digest,
	         (long long)activating.bundle->revision, id);
	outcome = gateway_publish_shadow(gateway, shadow, why);
	shadow = NULL;
out:
	shadow_release(shadow);
	bundle_close(activating.bundle);
	buffer_free(&activating.bytes);
	pthread_mutex_unlock(&gateway->reload);
	return outcome;
}

void
bundles_shadow_resume(struct gateway *gateway)
{
	struct bundle_order order = {.source = "start", .by = "haechid", .reason = ""};
	char path[BUNDLE_PATH_SIZE + 16];
	json_t *result = NULL;
	struct buffer bytes;
	struct fault why;

	shadow_path(gateway->bundles, path);
	if (access(path, F_OK) == -1)
		return;
	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (file_read(&bytes, path, BUNDLE_SIZE_LIMIT, &why) == 0) {
		order.archive = buffer_view(&bytes);
		if (bundles_shadow(gateway, &order, &result, &why) == 0)
			goto out;
	}
	/* It decides nothing: no reason not to start. */
	log_fault(LOG_LEVEL_WARN, "bundles", "shadow-lost", &why);
out:
	json_decref(result);
	buffer_free(&bytes);
}

/* ---- looking ----------------------------------------------------------------------------------------------------------- */

int
bundles_read(struct bundles *bundles, int64_t revision, struct buffer *out, struct fault *why)
{
	struct bundle_mark mark = {0};

	pthread_mutex_lock(&bundles->lock);
	for (size_t i = bundles->state.count; i-- > 0;)
		if (revision == 0 || bundles->state.marks[i].revision == revision) {
			mark = bundles->state.marks[i];
			break;
		}
	pthread_mutex_unlock(&bundles->lock);
	if (mark.revision != 0)
		return bundle_state_load(bundles->directory, &mark, false, out, why);
	if (revision == 0)
		return fault_set(why, FAULT_NOT_FOUND, "시행 중인 묶음이 없습니다 (폴더의 정책이 시행 중)",
		                 "no bundle is in force (the folders' policies are)");
	return bundle_state_load_any(bundles->directory, revision, out, why);
}

static json_t *
describe_file(const struct bundle_state *state, const char *directory, const struct bundle_mark *mark,
              bool imported)
{
	const struct bundle_mark *const active = state->count > 0 ? &state->marks[state->count - 1] : NULL;
	const char *what = imported ? "imported" : "kept", *signers = "";
	char created[CLOCK_TEXT_SIZE] = "", activated[CLOCK_TEXT_SIZE] = "";
	struct bundle *bundle = NULL;
	struct buffer bytes;
	struct fault why;
	json_t *row;

	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (bundle_state_load(directory, mark, imported, &bytes, &why) == -1 ||
	    bundle_open(&bundle, buffer_view(&bytes), &why) == -1)
		what = "broken";
	else
		clock_text(created, bundle->created_ms);
	if (!imported && active != NULL && active->revision == mark->revision &&
	    strncmp(active->digest, mark->digest, strlen(mark->digest)) == 0)
		what = bundle == NULL ? "broken" : "active";
	for (size_t i = 0; i < state->count; i++)
		if (!imported && state->marks[i].revision == mark->revision &&
		    state->marks[i].activated_ms > 0) {
			clock_text(activated, state->marks[i].activated_ms);
			signers = state->marks[i].signers;
		}
	row = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "revision", (json_int_t)mark->revision,
	                "bundle", bundle != NULL ? bundle->digest : mark->digest, "state", what, "name",
	                bundle != NULL ? bundle->name : "", "created", created, "activated_at", activated,
	                "signers", signers, "bytes", (json_int_t)bytes.size);
	bundle_close(bundle);
	buffer_free(&bytes);
	return row;
}

int
bundles_list(struct bundles *bundles, json_t **out, struct fault *why)
{
	struct bundle_listing listing;
	struct bundle_state state;
	int result = 0;

	pthread_mutex_lock(&bundles->lock);
	state = bundles->state;
	pthread_mutex_unlock(&bundles->lock);
	if ((*out = json_array()) == NULL)
		return fault_memory(why);
	if (bundle_listing_read(&listing, bundles->directory, why) == -1) {
		json_decref(*out);
		*out = NULL;
		return -1;
	}
	for (size_t i = listing.count; result == 0 && i-- > 0;)
		if (json_array_append_new(*out,
		                          describe_file(&state, bundles->directory, &listing.items[i].mark,
		                                        listing.items[i].imported)) == -1)
			result = fault_memory(why);
	bundle_listing_free(&listing);
	if (result == -1) {
		json_decref(*out);
		*out = NULL;
	}
	return result;
}

static json_t *
describe_refusal(const struct refusal *refused)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, refused->wall_ms);
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "time", time, "bundle", refused->digest,
	                 "revision", (json_int_t)refused->revision, "source", refused->source, "ko",
	                 refused->why.ko, "en", refused->why.en);
}

json_t *
bundles_describe(struct bundles *bundles)
{
	const struct bundle_mark *active;
	char created[CLOCK_TEXT_SIZE], activated[CLOCK_TEXT_SIZE];
	json_t *result;

	pthread_mutex_lock(&bundles->lock);
	active = bundles->state.count > 0 ? &bundles->state.marks[bundles->state.count - 1] : NULL;
	if (active == NULL) {
		result = json_pack("{s:s, s:I}", "source", "folders", "highest",
		                   (json_int_t)bundles->state.highest);
	} else {
		clock_text(created, bundles->created_ms);
		clock_text(activated, active->activated_ms);
		result = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:b}", "source", "bundle", "revision",
		                   (json_int_t)active->revision, "name", bundles->name, "created", created,
		                   "activated_at", activated, "signers", active->signers, "highest",
		                   (json_int_t)bundles->state.highest, "fell_back", (int)bundles->fell_back);
	}
	if (result != NULL && bundles->refused.wall_ms != 0)
		json_object_set_new(result, "refused", describe_refusal(&bundles->refused));
	pthread_mutex_unlock(&bundles->lock);
	return result;
}

static void
metric(struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	buffer_printf(out, "# HELP haechi_%s %s\n# TYPE haechi_%s %s\nhaechi_%s %llu\n", name, help, name,
	              type, name, (unsigned long long)value);
}

void
bundles_metrics(struct bundles *bundles, struct buffer *out)
{
	uint64_t revision, highest;

	pthread_mutex_lock(&bundles->lock);
	revision =
	    bundles->state.count > 0 ? (uint64_t)bundles->state.marks[bundles->state.count - 1].revision : 0;
	highest = (uint64_t)bundles->state.highest;
	pthread_mutex_unlock(&bundles->lock);
	metric(out, "bundle_revision", "gauge", "Revision of the policy bundle in force; 0: the folders.",
	       revision);
	metric(out, "bundle_highest_revision", "gauge", "Highest revision that ever was in force.", highest);
	metric(out, "bundle_activations_total", "counter", "Policy bundles put in force.",
	       atomic_load(&bundles->activations));
	metric(out, "bundle_refusals_total", "counter", "Policy bundles refused.",
	       atomic_load(&bundles->refusals));
	metric(out, "bundle_rollbacks_total", "counter", "Older policy bundles put in force by an operator.",
	       atomic_load(&bundles->rollbacks));
	metric(out, "bundle_fall_backs_total", "counter",
	       "Starts at which the active bundle could not be used.", atomic_load(&bundles->fall_backs));
}

bool
bundles_active_path(const struct config *config, char *path, size_t size)
{
	struct bundle_state state;
	struct fault why;

	return bundle_state_read(&state, config->policy.bundles.directory, &why) == 0 && state.count > 0 &&
	       bundle_state_path(path, size, config->policy.bundles.directory, &state.marks[state.count - 1],
	                         false);
}
