#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/bundles.h"
#include "gateway/registrar.h"
#include "gateway/registry.h"
#include "gateway/restart.h"
#include "gateway/server.h"
#include "gateway/shadow.h"
#include "gateway/tls.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

int
gateway_init(struct gateway *gateway, struct fault *why)
{
	*gateway = (struct gateway){.started_ms = clock_wall_ms(), .confinement = "none"};
	atomic_init(&gateway->generation, 0);
	atomic_init(&gateway->draining, false);
	if (pthread_mutex_init(&gateway->lock, NULL) != 0 ||
	    pthread_mutex_init(&gateway->reload, NULL) != 0 || metrics_init(&gateway->metrics) != 0)
		return fault_memory(why);
	return 0;
}

void
gateway_end(struct gateway *gateway)
{
	snapshots_release(gateway->current);
	gateway->current = NULL;
	config_release(gateway->begun);
	metrics_end(&gateway->metrics);
	pthread_mutex_destroy(&gateway->reload);
	pthread_mutex_destroy(&gateway->lock);
}

struct snapshots *
gateway_hold(struct gateway *gateway)
{
	struct snapshots *snapshots;

	pthread_mutex_lock(&gateway->lock);
	if ((snapshots = gateway->current) != NULL)
		atomic_fetch_add_explicit(&snapshots->holders, 1, memory_order_relaxed);
	pthread_mutex_unlock(&gateway->lock);
	return snapshots;
}

void
snapshots_release(struct snapshots *snapshots)
{
	if (snapshots == NULL || atomic_fetch_sub_explicit(&snapshots->holders, 1, memory_order_acq_rel) != 1)
		return;
	shadow_release(snapshots->shadow);
	registry_release(snapshots->registry);
	policy_release(snapshots->policy);
	config_release(snapshots->config);
	free(snapshots);
}

int
gateway_publish(struct gateway *gateway, struct config *config, struct policy *policy,
                struct registry *registry, struct fault *why)
{
	struct snapshots *fresh = calloc(1, sizeof *fresh);
	struct snapshots *old;

	if (fresh == NULL) {
		registry_release(registry);
		policy_release(policy);
		config_release(config);
		return fault_memory(why);
	}
	atomic_init(&fresh->holders, 1);
	pthread_mutex_lock(&gateway->lock);
	old = gateway->current;
	fresh->config = config != NULL ? config : old != NULL ? config_hold(old->config) : NULL;
	fresh->policy = policy != NULL ? policy : old != NULL ? policy_hold(old->policy) : NULL;
	fresh->registry = registry != NULL                       ? registry
	                  : old != NULL && old->registry != NULL ? registry_hold(old->registry)
	                                                         : NULL;
	/* A candidate that came into force is none any more. */
	if (old != NULL && old->shadow != NULL &&
	    strcmp(shadow_bundle(old->shadow), policy_bundle(fresh->policy)) != 0)
		fresh->shadow = shadow_hold(old->shadow);
	gateway->current = fresh;
	atomic_fetch_add_explicit(&gateway->generation, 1, memory_order_release);
	pthread_mutex_unlock(&gateway->lock);
	snapshots_release(old);
	return 0;
}

int
gateway_publish_shadow(struct gateway *gateway, struct shadow *shadow, struct fault *why)
{
	struct snapshots *fresh = calloc(1, sizeof *fresh);
	struct snapshots *old;

	if (fresh == NULL) {
		shadow_release(shadow);
		return fault_memory(why);
	}
	atomic_init(&fresh->holders, 1);
	pthread_mutex_lock(&gateway->lock);
	old = gateway->current;
	fresh->config = config_hold(old->config);
	fresh->policy = policy_hold(old->policy);
	fresh->registry = old->registry != NULL ? registry_hold(old->registry) : NULL;
	fresh->shadow = shadow;
	gateway->current = fresh;
	atomic_fetch_add_explicit(&gateway->generation, 1, memory_order_release);
	pthread_mutex_unlock(&gateway->lock);
	snapshots_release(old);
	return 0;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What was opened at the start with these values stays open with them. */
static int
check_unchanged(const struct config *old, const struct config *new, struct fault *why)
{
	const char *member = NULL;

	if (strcmp(old->origin, new->origin) != 0)
		member = "agency, node";
	else if (strcmp(old->state, new->state) != 0)
		member = "state";
	else if (!same_text(old->control, new->control))
		member = "control";
	else if (strcmp(old->ledger.directory, new->ledger.directory) != 0 ||
	         strcmp(old->ledger.keys, new->ledger.keys) != 0 ||
	         strcmp(old->ledger.seal, new->ledger.seal) != 0)
		member = "ledger";
	else if (strcmp(old->database.conninfo, new->database.conninfo) != 0)
		member = "database";
	else if (strcmp(old->policy.bundles.directory, new->policy.bundles.directory) != 0)
		member = "policy.bundles.directory";
	else if (old->listen_count != new->listen_count)
		member = "listen";
	else if ((old->tls == NULL) != (new->tls == NULL))
		member = "tls";
	for (uint32_t i = 0; member == NULL && i < new->listen_count; i++)
		if (strcmp(old->listen[i], new->listen[i]) != 0)
			member = "listen";
	if (member == NULL)
		return 0;
	return fault_set(why, FAULT_CONFLICT, "%s: 실행 중에는 바꿀 수 없습니다 (다시 시작하십시오)",
	                 "%s: cannot change while running (restart)", member);
}

/* The certificate as it is on the disk now; *out stays NULL where none is served. */
static int
renewed_tls(struct tls **out, const struct gateway *gateway, const struct config_tls *tls, struct fault *why)
{
	if (tls == NULL || gateway->server == NULL)
		return 0;
	return tls_open(out, tls->certificate, tls->key, tls->clients, tls->require, why);
}

/* What was asked for and has to wait is said where the operator looks: here, and in `haechi status`. */
static void
tell_restart(const struct gateway *gateway, const struct config *config)
{
	json_t *const names =
	    gateway->begun == NULL ? NULL : restart_list(gateway->begun, config, gateway->confine);

	for (size_t i = 0; i < json_array_size(names); i++)
		log_warn("gateway", "event=restart-needed member=%s",
		         json_string_value(json_array_get(names, i)));
	json_decref(names);
}

int
gateway_reload(struct gateway *gateway, const char *who, struct fault *why)
{
	struct snapshots *old = NULL;
	struct config *config = NULL;
	struct tls *tls = NULL;
	struct policy *policy = NULL;
	struct registry *registry = NULL;
	struct entry_note note = {.action = "activate"};
	char id[ENTRY_ID_SIZE];
	int result = -1;

	pthread_mutex_lock(&gateway->reload);
	if ((old = gateway_hold(gateway)) == NULL) {
		fault_set(why, FAULT_INTERNAL, "아직 시작되지 않았습니다", "not started yet");
		goto out;
	}
	if (config_load(&config, gateway->config_path, gateway->state, why) == -1 ||
	    check_unchanged(old->config, config, why) == -1 ||
	    renewed_tls(&tls, gateway, config->tls, why) == -1 ||
	    bundles_load(gateway->bundles, config, false, &policy, why) == -1 ||
	    (policy == NULL && policy_load(&policy, config->policy.agency, config->policy.act,
	                                   config->policy.schema, why) == -1) ||
	    registrar_rebuild(gateway->registrar, &registry, policy, config, why) == -1)
		goto out;
	note.facts[note.fact_count].name = "bundle";
	note.facts[note.fact_count++].text = policy_bundle(policy);
	note.facts[note.fact_count].name = "config";
	note.facts[note.fact_count++].text = config->digest;
	note.facts[note.fact_count].name = "policies";
	note.facts[note.fact_count++].number = (int64_t)policy_count(policy);
	note.facts[note.fact_count].name = "previous_bundle";
	note.facts[note.fact_count++].text = policy_bundle(old->policy);
	/* No evidence, no change. */
	if (gateway_note(gateway, ENTRY_POLICY, &note, config->agency, who, id, why) == -1)
		goto out;
	log_info("gateway", "event=reloaded bundle=%s entry=%s", policy_bundle(policy), id);
	log_level_named(config->log.level);
	tell_restart(gateway, config);
	if (tls != NULL) {
		server_renew(gateway->server, tls);
		tls = NULL;
	}
	result = gateway_publish(gateway, config, policy, registry, why);
	config = NULL;
	policy = NULL;
	registry = NULL;
out:
	tls_close(tls);
	registry_release(registry);
	policy_release(policy);
	config_release(config);
	snapshots_release(old);
	pthread_mutex_unlock(&gateway->reload);
	return result;
}

void
gateway_entry_head(struct gateway *gateway, struct entry_head *head, enum entry_kind kind,
                   char id[ENTRY_ID_SIZE], const char *agency, const char *who)
{
	const int64_t wall_ms = clock_wall_ms();

	entry_id_make(id, wall_ms);
	*head = (struct entry_head){
	    .kind = kind,
	    .id = id,
	    .log = gateway->origin,
	    .wall_ms = wall_ms,
	    .monotonic_us = clock_monotonic_ns() / 1000,
	    .agency = agency,
	    .service = "haechid",
	    .subject = who,
	    .key = "",
	    .request_id = "",
	    .of = "",
	    .usecase = "",
	};
}

/* `usecase` may be NULL. */
static int
note_write(struct gateway *gateway, enum entry_kind kind, const struct entry_note *note, const char *agency,
           const struct usecase *usecase, const char *who, char id[ENTRY_ID_SIZE], struct fault *why)
{
	const struct slice nothing = {0};
	struct entry_head head;
	struct buffer bytes;
	uint64_t index;
	int result = -1;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	gateway_entry_head(gateway, &head, kind, id, agency, who);
	if (usecase != NULL) {
		head.usecase = usecase->id;
		head.usecase_version = usecase->version;
	}
	if (entry_write_note(&bytes, &head, note, why) == 0)
		result =
		    ledger_append_wait(gateway->ledger, buffer_view(&bytes), nothing, nothing, &index, why);
	buffer_free(&bytes);
	return result;
}

int
gateway_note(struct gateway *gateway, enum entry_kind kind, const struct entry_note *note, const char *agency,
             const char *who, char id[ENTRY_ID_SIZE], struct fault *why)
{
	return note_write(gateway, kind, note, agency, NULL, who, id, why);
}

int
gateway_note_usecase(struct gateway *gateway, const struct entry_note *note, const struct usecase *usecase,
                     const char *who, char id[ENTRY_ID_SIZE], struct fault *why)
{
	return note_write(gateway, ENTRY_USECASE, note, usecase->agency, usecase, who, id, why);
}
