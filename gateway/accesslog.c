#include "gateway/accesslog.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ROWS          100
#define EVERY_SECONDS 2
/* Numbers are given out before rows become visible: a row may come later than a few behind it. */
#define LATECOMERS "10000"

struct access_row {
	int64_t access_id;
	char at[CLOCK_TEXT_SIZE], login[64], place[64], action[65], about[1025], reason[1025];
	char entry[ENTRY_ID_SIZE];
};

struct accesslog {
	struct gateway *gateway;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping; /* guarded */
	size_t count;
	struct access_row rows[ROWS];
};

static void
take(char *out, size_t size, const struct database_rows *rows, size_t row, size_t column)
{
	const struct slice field = database_field(rows, row, column);
	const size_t length = utf8_cut(field, size - 1);

	if (length > 0)
		memcpy(out, field.data, length);
	out[length] = '\0';
}

/* On the registrar's thread: rows that no entry tells of yet. */
static int
fetch(struct database *database, void *owner, struct fault *why)
{
	struct accesslog *accesslog = owner;
	struct database_rows *rows = NULL;

	accesslog->count = 0;
	if (database_ask(
	        &rows, database,
	        "SELECT access_id, wall, login::text, place, action, about, coalesce(reason, '') FROM "
	        "haechi.access a "
	        "WHERE access_id > (SELECT coalesce(max(access_id), 0) - " LATECOMERS
	        " FROM haechi.access_carried) "
	        "AND NOT EXISTS (SELECT FROM haechi.access_carried c WHERE c.access_id = a.access_id) "
	        "ORDER BY access_id LIMIT 100",
	        0, NULL, why) == -1)
		return -1;
	for (size_t i = 0; i < database_count(rows) && i < ROWS; i++) {
		struct access_row *row = &accesslog->rows[accesslog->count++];
		const int64_t microseconds = field_integer(database_field(rows, i, 1));

		row->access_id = database_integer(rows, i, 0);
		clock_text(row->at, microseconds / 1000 +
		                        INT64_C(946684800000)); /* PostgreSQL counts from 2000-01-01 */
		take(row->login, sizeof row->login, rows, i, 2);
		take(row->place, sizeof row->place, rows, i, 3);
		take(row->action, sizeof row->action, rows, i, 4);
		take(row->about, sizeof row->about, rows, i, 5);
		take(row->reason, sizeof row->reason, rows, i, 6);
	}
	database_rows_free(rows);
	return 0;
}

/* On the registrar's thread: the entries are durable. */
static int
mark(struct database *database, void *owner, struct fault *why)
{
	struct accesslog *accesslog = owner;

	for (size_t i = 0; i < accesslog->count; i++) {
		const struct access_row *row = &accesslog->rows[i];
		struct database_rows *rows = NULL;
		char number[24];
		const char *const parameters[] = {number, row->entry};

		snprintf(number, sizeof number, "%" PRId64, row->access_id);
		if (database_ask(
		        &rows, database,
		        "INSERT INTO haechi.access_carried VALUES ($1::bigint, $2) ON CONFLICT DO NOTHING", 2,
		        parameters, why) == -1)
			return -1;
		database_rows_free(rows);
	}
	return 0;
}

static int
carry(struct accesslog *accesslog, struct fault *why)
{
	struct gateway *gateway = accesslog->gateway;
	struct snapshots *snapshots;
	int result = 0;

	if (registrar_run(gateway->registrar, fetch, accesslog, false, why) == -1)
		return -1;
	if (accesslog->count == 0 || (snapshots = gateway_hold(gateway)) == NULL)
		return 0;
	for (size_t i = 0; i < accesslog->count; i++) {
		struct access_row *row = &accesslog->rows[i];
		const struct entry_note note = {
		    .action = row->action,
		    .facts = {{"about", row->about, 0},
		              {"access_id", NULL, row->access_id},
		              {"at", row->at, 0},
		              {"login", row->login, 0},
		              {"place", row->place, 0},
		              {"reason", row->reason, 0}},
		    .fact_count = row->reason[0] == '\0' ? 5 : 6,
		};

		if (gateway_note(gateway, ENTRY_ACCESS, &note, snapshots->config->agency, row->login,
		                 row->entry, why) == -1) {
			accesslog->count = i; /* those before it are entries */
			result = -1;
			break;
		}
	}
	snapshots_release(snapshots);
	if (accesslog->count > 0) {
		struct fault marking;

		if (registrar_run(gateway->registrar, mark, accesslog, false, &marking) == -1 &&
		    result == 0) {
			*why = marking;
			result = -1;
		}
	}
	return result;
}

static void *
run(void *context)
{
	struct accesslog *accesslog = context;
	bool failing = false;

	pthread_mutex_lock(&accesslog->lock);
	while (!accesslog->stopping) {
		struct timespec until;
		struct fault why;
		bool failed;

		pthread_mutex_unlock(&accesslog->lock);
		failed = carry(accesslog, &why) == -1;
		if (failed && !failing)
			log_fault(LOG_LEVEL_WARN, "gateway", "access_not_carried", &why);
		failing = failed;
		pthread_mutex_lock(&accesslog->lock);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += EVERY_SECONDS;
		if (!accesslog->stopping && accesslog->count < ROWS)
			pthread_cond_timedwait(&accesslog->wake, &accesslog->lock, &until);
	}
	pthread_mutex_unlock(&accesslog->lock);
	return NULL;
}

int
accesslog_start(struct accesslog **out, struct gateway *gateway, struct fault *why)
{
	struct accesslog *accesslog = calloc(1, sizeof *accesslog);
	pthread_condattr_t monotonic; /* a wall clock that is set back must not make it wait for a day */

	if (accesslog == NULL)
		return fault_memory(why);
	accesslog->gateway = gateway;
	pthread_mutex_init(&accesslog->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&accesslog->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&accesslog->thread, NULL, run, accesslog) != 0) {
		pthread_cond_destroy(&accesslog->wake);
		pthread_mutex_destroy(&accesslog->lock);
		free(accesslog);
		return fault_errno(why, "열람 기록 스레드", "the access log's thread");
	}
	*out = accesslog;
	return 0;
}

void
accesslog_stop(struct accesslog *accesslog)
{
	if (accesslog == NULL)
		return;
	pthread_mutex_lock(&accesslog->lock);
	accesslog->stopping = true;
	pthread_cond_signal(&accesslog->wake);
	pthread_mutex_unlock(&accesslog->lock);
	pthread_join(accesslog->thread, NULL);
	pthread_cond_destroy(&accesslog->wake);
	pthread_mutex_destroy(&accesslog->lock);
	free(accesslog);
}
