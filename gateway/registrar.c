#include "gateway/registrar.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/oversight.h"
#include "gateway/registry.h"
#include "gateway/review.h"
#include "gateway/shred.h"
#include "gateway/watch.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"
#include "schema/base/log.h"

#define ANSWER_MS     60000 /* a silent database is as good as none, and must not hold up the end */
#define LOOK_SECONDS  2
#define DRIFT_SECONDS 10
#define JOBS_MOST     1024

struct registrar {
	struct gateway *gateway;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct registrar_job *first, *last;
	size_t waiting;
	bool stopping;
	/* the thread's own */
	struct database *database;
	struct fault away; /* why there is no connection */
	char seen[256];    /* fingerprint of what was read last */
	json_t *drift;     /* of every use case, see oversight_drift() */
	int64_t drift_since_ms, drift_due_ms;
	uint64_t told;        /* generation of the snapshots whose verdicts and drift the log knows */
	json_t *source;       /* what was read last; also read by registrar_rebuild() under `lock` */
	struct timespec look; /* when the next one is due, however many jobs there are */
	atomic_bool up;
};

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Cheap to ask: grows or changes whenever a use case, a key or a review does. */
static const char look_sql[] =
    "SELECT (SELECT count(*)::text || ':' || coalesce(max(created_at)::text, '') FROM haechi.usecase) || '/' "
    "||"
    " (SELECT count(*)::text || ':' || count(revoked_at)::text || ':' || coalesce(max(created_at)::text, '')"
    "  FROM haechi.api_key) || '/' || " OVERSIGHT_LOOK_SQL;

/*
 * Use cases with what was measured of their reviews: of the last $1, $2 ms being hasty; and with what the log last told of
 * this version.
 */
static const char usecase_sql[] =
    "SELECT u.agency, u.id, u.version, u.retired, u.document, u.digest, u.verdict, r.decisions, r.changed, "
    "r.hasty,"
    " r.median_ms, t.verdict, t.drift"
    " FROM haechi.usecase_latest u"
    " LEFT JOIN haechi.usecase_told t ON t.agency = u.agency AND t.id = u.id AND t.version = u.version"
    " CROSS JOIN LATERAL (SELECT count(*) AS decisions, count(*) FILTER (WHERE changed) AS changed,"
    "  count(*) FILTER (WHERE action = 'approve' AND coalesce(shown_ms, 0) < $2::bigint) AS hasty,"
    "  coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY shown_ms), -1)::bigint AS median_ms"
    "  FROM (SELECT d.* FROM haechi.review_decision d WHERE d.agency = u.agency AND d.usecase = u.id"
    "   ORDER BY d.wall DESC, d.index DESC LIMIT $1::int) latest) r";

static const char key_sql[] =
    "SELECT key_id, agency, service, encode(secret_hash, 'hex'), array_to_json(usecases)::text,"
    " array_to_json(roles)::text, coalesce((extract(epoch FROM expires_at) * 1000)::bigint, 0), revoked_at "
    "IS NOT NULL"
    " FROM haechi.api_key";

static int
read_usecases(json_t *list, struct database *database, const struct config *config, const json_t *drift,
              struct fault *why)
{
	struct database_rows *rows = NULL;
	char window[16], hasty[24], key[160];
	const char *const parameters[] = {window, hasty};
	int result = -1;

	snprintf(window, sizeof window, "%u", config->review.window);
	snprintf(hasty, sizeof hasty, "%lld", (long long)config->oversight.hasty_ms);
	if (database_ask(&rows, database, usecase_sql, 2, parameters, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows); i++) {
		const struct slice document = database_field(rows, i, 4);
		json_t *row = json_pack("{s:s, s:s, s:I, s:b, s:s%, s:s, s:s, s:{s:I, s:I, s:I, s:I}}",
		                        "agency", database_text(rows, i, 0), "id", database_text(rows, i, 1),
		                        "version", (json_int_t)database_integer(rows, i, 2), "retired",
		                        (int)database_bool(rows, i, 3), "document",
		                        (const char *)document.data, document.size, "digest",
		                        database_text(rows, i, 5), "verdict", database_text(rows, i, 6),
		                        "review", "decisions", (json_int_t)database_integer(rows, i, 7),
		                        "changed", (json_int_t)database_integer(rows, i, 8), "hasty",
		                        (json_int_t)database_integer(rows, i, 9), "median_ms",
		                        (json_int_t)database_integer(rows, i, 10));

		/* A row that is not UTF-8 makes no JSON: it is left out, and its use case with it. */
		if (row == NULL) {
			log_error("registry", "event=row-left-out usecase=%zu", i);
			continue;
		}
		if (database_field(rows, i, 11).data != NULL)
			json_object_set_new(row, "told",
			                    json_pack("{s:s, s:b}", "verdict", database_text(rows, i, 11),
			                              "drift", (int)database_bool(rows, i, 12)));
		snprintf(key, sizeof key, "%s/%s", database_text(rows, i, 0), database_text(rows, i, 1));
		if (json_object_get(drift, key) != NULL)
			json_object_set(row, "drift", json_object_get(drift, key));
		if (json_array_append_new(list, row) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

static int
read_keys(json_t *list, struct database *database, struct fault *why)
{
	struct database_rows *rows = NULL;
	int result = -1;

	if (database_ask(&rows, database, key_sql, 0, NULL, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows); i++) {
		json_t *usecases = json_read(slice_string(database_text(rows, i, 4)), 1 << 20, 4, why);
		json_t *roles = json_read(slice_string(database_text(rows, i, 5)), 1 << 20, 4, why);
		json_t *row = json_pack(
		    "{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:b}", "key_id", database_text(rows, i, 0), "agency",
		    database_text(rows, i, 1), "service", database_text(rows, i, 2), "hash",
		    database_text(rows, i, 3), "usecases", usecases, "roles", roles, "expires_ms",
		    (json_int_t)database_integer(rows, i, 6), "revoked", (int)database_bool(rows, i, 7));

		if (row == NULL) {
			log_error("registry", "event=row-left-out key=%zu", i);
			continue;
		}
		if (json_array_append_new(list, row) == -1) {
			fault_memory(why);
			goto out;
		}
	}
	result = 0;
out:
	database_rows_free(rows);
	return result;
}

static json_t *
read_source(struct database *database, const struct config *config, const json_t *drift, struct fault *why)
{
	json_t *usecases = json_array(), *keys = json_array(), *source = NULL;

	if (usecases == NULL || keys == NULL) {
		fault_memory(why);
		goto out;
	}
	if (read_usecases(usecases, database, config, drift, why) == -1 ||
	    read_keys(keys, database, why) == -1)
		goto out;
	if ((source = json_pack("{s:O, s:O}", "usecases", usecases, "keys", keys)) == NULL)
		fault_memory(why);
out:
	json_decref(usecases);
	json_decref(keys);
	return source;
}

/* The copy for starting without PostgreSQL: hashes of keys and documents, no secrets; mode 0600. */
static void
keep_copy(const json_t *source, const char *path)
{
	struct buffer text;
	struct fault why;

	buffer_init(&text, REGISTRY_SIZE_LIMIT);
	json_write(&text, source);
	if (!buffer_ok(&text))
		log_warn("registry", "event=copy-not-kept reason=too-large");
	else if (file_replace(path, buffer_view(&text), 0600, &why) == -1)
		log_fault(LOG_LEVEL_WARN, "registry", "copy-not-kept", &why);
	buffer_free(&text);
}

/* ---- the connection ----------------------------------------------------------------------------------------------- */

static void
lost(struct registrar *registrar, const struct fault *why)
{
	if (atomic_exchange(&registrar->up, false))
		log_fault(LOG_LEVEL_WARN, "registry", "database-away", why);
	registrar->away = *why;
	database_close(registrar->database);
	registrar->database = NULL;
}

static bool
connected(struct registrar *registrar)
{
	struct snapshots *snapshots;
	struct fault why;

	if (registrar->database != NULL)
		return true;
	if ((snapshots = gateway_hold(registrar->gateway)) == NULL)
		return false;
	if (database_open(&registrar->database, snapshots->config->database.conninfo, &why) == -1) {
		registrar->database = NULL;
		lost(registrar, &why);
	} else {
		database_patience(registrar->database, ANSWER_MS);
		if (!atomic_exchange(&registrar->up, true))
			log_info("registry", "event=database-up");
	}
	snapshots_release(snapshots);
	return registrar->database != NULL;
}

/* Requests come all the time: their drift is counted now and then. *changed is only ever set. */
static int
count_drift(struct registrar *registrar, const struct config *config, bool *changed, struct fault *why)
{
	const int64_t now = clock_monotonic_ns() / 1000000;
	bool other = false;

	if (registrar->drift_due_ms > now)
		return 0;
	if (oversight_drift(registrar->drift, registrar->database, config->drift.window,
	                    &registrar->drift_since_ms, &other, why) == -1)
		return -1;
	registrar->drift_due_ms = now + DRIFT_SECONDS * 1000;
	*changed |= other;
	return 0;
}

/*
 * Read anew when something changed or the day did (other rules may be in force), build, publish. Not while policies are
 * exchanged: the registry must be assessed by the policies it is published with.
 */
static int
refresh(struct registrar *registrar, bool always, struct fault *why)
{
	struct snapshots *snapshots;
	struct database_rows *rows = NULL;
	struct registry *registry = NULL;
	json_t *source = NULL, *old;
	const char *now;
	int result = -1;

	pthread_mutex_lock(&registrar->gateway->reload);
	snapshots = gateway_hold(registrar->gateway);
	if (count_drift(registrar, snapshots->config, &always, why) == -1)
		goto out;
	if (database_ask(&rows, registrar->database, look_sql, 0, NULL, why) == -1)
		goto out;
	now = database_text(rows, 0, 0);
	if (!always && strcmp(now, registrar->seen) == 0 && snapshots->registry != NULL &&
	    registry_day(snapshots->registry) == registry_today()) {
		result = 0;
		goto out;
	}
	if ((source = read_source(registrar->database, snapshots->config, registrar->drift, why)) == NULL)
		goto out;
	if (registry_build(&registry, source, snapshots->policy, snapshots->config, why) == -1)
		goto out;
	log_info("registry", "event=read usecases=%zu keys=%zu", registry_usecase_count(registry),
	         registry_key_count(registry));
	if (gateway_publish(registrar->gateway, NULL, NULL, registry, why) == -1)
		goto out;
	snprintf(registrar->seen, sizeof registrar->seen, "%s", now);
	keep_copy(source, snapshots->config->database.cache);
	pthread_mutex_lock(&registrar->lock);
	old = registrar->source;
	registrar->source = source;
	source = old;
	pthread_mutex_unlock(&registrar->lock);
	result = 0;
out:
	json_decref(source);
	database_rows_free(rows);
	snapshots_release(snapshots);
	pthread_mutex_unlock(&registrar->gateway->reload);
	return result;
}

/*
 * What the registry in force says of a use case and the log does not yet: reviews, drift, another day's rules or other policies
 * may have turned it. Told, then read anew.
 */
static int
tell(struct registrar *registrar, struct fault *why)
{
	const uint64_t generation = atomic_load(&registrar->gateway->generation);
	struct snapshots *snapshots = gateway_hold(registrar->gateway);
	size_t told = 0;
	int result = 0;

	if (snapshots == NULL || snapshots->registry == NULL || registrar->gateway->ledger == NULL ||
	    registrar->told == generation)
		goto out;
	if ((result = oversight_tell(registrar->gateway, snapshots->registry, registrar->database, &told,
	                             why)) == 0)
		registrar->told = generation;
out:
	snapshots_release(snapshots);
	return result == 0 && told > 0 ? refresh(registrar, true, why) : result;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------- */

static struct registrar_job *
next_job(struct registrar *registrar, bool *stop)
{
	struct registrar_job *job = NULL;
	struct timespec now;
	bool due;

	pthread_mutex_lock(&registrar->lock);
	while (registrar->first == NULL && !registrar->stopping)
		if (pthread_cond_timedwait(&registrar->wake, &registrar->lock, &registrar->look) == ETIMEDOUT)
			break;
	clock_gettime(CLOCK_MONOTONIC, &now);
	due = !registrar->stopping &&
	      (now.tv_sec > registrar->look.tv_sec ||
	       (now.tv_sec == registrar->look.tv_sec && now.tv_nsec >= registrar->look.tv_nsec));
	if (due) {
		registrar->look = now;
		registrar->look.tv_sec += LOOK_SECONDS;
	} else if ((job = registrar->first) != NULL) {
		registrar->first = job->next;
		if (registrar->first == NULL)
			registrar->last = NULL;
		registrar->waiting--;
	}
	*stop = registrar->stopping && job == NULL;
	pthread_mutex_unlock(&registrar->lock);
	return job;
}

static void *
run(void *argument)
{
	struct registrar *registrar = argument;
	struct fault why;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &registrar->look);
	registrar->look.tv_sec += LOOK_SECONDS;
	for (;;) {
		struct registrar_job *job = next_job(registrar, &stop);

		if (stop)
			break;
		if (job == NULL) {
			if (registrar->gateway->watch != NULL)
				watch_look(registrar->gateway->watch, registrar->gateway);
			if (!connected(registrar))
				continue;
			if (refresh(registrar, false, &why) == -1 || tell(registrar, &why) == -1 ||
			    (registrar->gateway->review != NULL &&
			     review_sweep(registrar->gateway->review, registrar->database, &why) == -1) ||
			    shred_resume(registrar->gateway, registrar->database, &why) == -1)
				lost(registrar, &why);
			continue;
		}
		if (connected(registrar))
			job->run(job, registrar->database, NULL);
		else
			job->run(job, NULL, &registrar->away);
	}
	database_close(registrar->database);
	registrar->database = NULL;
	return NULL;
}

bool
registrar_give(struct registrar *registrar, struct registrar_job *job)
{
	bool taken = false;

	job->next = NULL;
	pthread_mutex_lock(&registrar->lock);
	if (!registrar->stopping && registrar->waiting < JOBS_MOST) {
		if (registrar->last == NULL)
			registrar->first = job;
		else
			registrar->last->next = job;
		registrar->last = job;
		registrar->waiting++;
		taken = true;
		pthread_cond_signal(&registrar->wake);
	}
	pthread_mutex_unlock(&registrar->lock);
	return taken;
}

/* ---- waiting for a job ------------------------------------------------------------------------------------------------ */

struct errand {
	struct registrar_job job;
	struct registrar *registrar;
	int (*work)(struct database *database, void *owner, struct fault *why);
	void *owner;
	bool changed, done;
	int result;
	struct fault *why;
	pthread_mutex_t lock;
	pthread_cond_t finished;
};

static void
run_errand(struct registrar_job *job, struct database *database, const struct fault *why)
{
	struct errand *errand = job->owner;
	struct fault reason;
	int result = -1;

	if (database == NULL) {
		if (errand->why != NULL)
			*errand->why = *why;
	} else {
		result = errand->work(database, errand->owner, errand->why);
		if (result == -1 && errand->why != NULL && errand->why->kind == FAULT_UNAVAILABLE)
			lost(errand->registrar, errand->why);
		if (result == 0 && errand->changed)
			result = refresh(errand->registrar, true, errand->why);
		if (result == 0 && errand->changed && tell(errand->registrar, &reason) == -1)
			log_fault(LOG_LEVEL_ERROR, "oversight", "not-told", &reason); /* at the next look */
	}
	pthread_mutex_lock(&errand->lock);
	errand->result = result;
	errand->done = true;
	pthread_cond_signal(&errand->finished);
	pthread_mutex_unlock(&errand->lock);
}

int
registrar_run(struct registrar *registrar,
              int (*work)(struct database *database, void *owner, struct fault *why), void *owner,
              bool changed, struct fault *why)
{
	struct errand errand = {.registrar = registrar,
	                        .work = work,
	                        .owner = owner,
	                        .changed = changed,
	                        .why = why,
	                        .lock = PTHREAD_MUTEX_INITIALIZER,
	                        .finished = PTHREAD_COND_INITIALIZER};

	errand.job = (struct registrar_job){.run = run_errand, .owner = &errand};
	if (!registrar_give(registrar, &errand.job))
		return fault_set(why, FAULT_UNAVAILABLE, "데이터베이스 일이 밀려 있습니다",
		                 "too much database work is waiting");
	pthread_mutex_lock(&errand.lock);
	while (!errand.done)
		pthread_cond_wait(&errand.finished, &errand.lock);
	pthread_mutex_unlock(&errand.lock);
	return errand.result;
}

int
registrar_rebuild(struct registrar *registrar, struct registry **out, const struct policy *policy,
                  const struct config *config, struct fault *why)
{
	json_t *source;
	int result;

	pthread_mutex_lock(&registrar->lock);
	source = json_incref(registrar->source);
	pthread_mutex_unlock(&registrar->lock);
	result = registry_build(out, source, policy, config, why);
	/* jansson's counters are atomic: the thread may drop its own hold meanwhile. */
	json_decref(source);
	return result;
}

bool
registrar_up(struct registrar *registrar)
{
	return atomic_load(&registrar->up);
}

/* ---- start and stop ---------------------------------------------------------------------------------------------------- */

/* What is used until PostgreSQL answers: the copy on disk, or nothing at all. */
static int
begin_without(struct registrar *registrar, const struct snapshots *snapshots, struct fault *why)
{
	struct registry *registry = NULL;
	struct fault reason;

	registrar->source = json_read_file(snapshots->config->database.cache, REGISTRY_SIZE_LIMIT, &reason);
	if (registrar->source == NULL) {
		log_fault(LOG_LEVEL_WARN, "registry", "no-copy-every-caller-is-unknown", &reason);
		if ((registrar->source = json_pack("{s:[], s:[]}", "usecases", "keys")) == NULL)
			return fault_memory(why);
	} else {
		log_warn("registry", "event=begun-from-copy");
	}
	if (registry_build(&registry, registrar->source, snapshots->policy, snapshots->config, why) == -1)
		return -1;
	return gateway_publish(registrar->gateway, NULL, NULL, registry, why);
}

int
registrar_start(struct registrar **out, struct gateway *gateway, struct fault *why)
{
	struct registrar *registrar = calloc(1, sizeof *registrar);
	struct snapshots *snapshots = NULL;
	pthread_condattr_t attributes;
	int error;

	*out = NULL;
	if (registrar == NULL)
		return fault_memory(why);
	registrar->gateway = gateway;
	if ((registrar->drift = json_object()) == NULL) {
		free(registrar);
		return fault_memory(why);
	}
	atomic_init(&registrar->up, false);
	pthread_mutex_init(&registrar->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&registrar->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (connected(registrar)) {
		if (refresh(registrar, true, why) == -1) {
			fault_prefix(why, "등록부", "registry");
			goto fail;
		}
	} else {
		if ((snapshots = gateway_hold(gateway)) == NULL ||
		    begin_without(registrar, snapshots, why) == -1)
			goto fail;
		snapshots_release(snapshots);
		snapshots = NULL;
	}
	if ((error = pthread_create(&registrar->thread, NULL, run, registrar)) != 0) {
		errno = error;
		fault_errno(why, "등록부 스레드", "registry thread");
		goto fail;
	}
	registrar->started = true;
	*out = registrar;
	return 0;
fail:
	snapshots_release(snapshots);
	registrar_stop(registrar);
	return -1;
}

void
registrar_stop(struct registrar *registrar)
{
	if (registrar == NULL)
		return;
	pthread_mutex_lock(&registrar->lock);
	registrar->stopping = true;
	pthread_cond_signal(&registrar->wake);
	pthread_mutex_unlock(&registrar->lock);
	if (registrar->started)
		pthread_join(registrar->thread, NULL);
	database_close(registrar->database);
	json_decref(registrar->source);
	json_decref(registrar->drift);
	pthread_cond_destroy(&registrar->wake);
	pthread_mutex_destroy(&registrar->lock);
	free(registrar);
}
