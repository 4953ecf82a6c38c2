#include "gateway/entries.h"

#include <inttypes.h>
#include <string.h>

#include "audit/database.h"
#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registrar.h"
#include "schema/base/arena.h"

#define BUNDLE_MOST ((size_t)TILE_WIDTH * (2 + ENTRY_SIZE_LIMIT))

struct fetching {
	struct registrar_job job;
	struct exchange *x;
	uint64_t first;
	unsigned width;
};

static bool
may_read(const struct subject *subject)
{
	for (size_t i = 0; i < subject->role_count; i++)
		if (strcmp(subject->roles[i], "auditor") == 0 || strcmp(subject->roles[i], "regulator") == 0)
			return true;
	return false;
}

static int
bundle_read(const struct fetching *fetching, struct database *database, struct fault *why)
{
	struct exchange *x = fetching->x;
	struct ledger_status status;
	struct database_rows *rows = NULL;
	char first[24], behind[24];
	const char *const parameters[] = {x->gateway->origin, first, behind};
	int result = -1;

	snprintf(first, sizeof first, "%" PRIu64, fetching->first);
	snprintf(behind, sizeof behind, "%" PRIu64, fetching->first + fetching->width);
	if (database_ask(
	        &rows, database,
	        "SELECT index, bytes FROM haechi.entry WHERE log_id = (SELECT log_id FROM haechi.log WHERE "
	        "origin = $1) AND index >= $2::bigint AND index < $3::bigint ORDER BY index",
	        3, parameters, why) == -1)
		return -1;
	if (database_count(rows) != fetching->width) {
		ledger_status(x->gateway->ledger, &status);
		if (status.shipped < fetching->first + fetching->width)
			fault_set(why, FAULT_UNAVAILABLE, "항목이 아직 데이터베이스로 옮겨지지 않았습니다",
			          "the entries are not in the database yet");
		else
			fault_set(why, FAULT_NOT_FOUND,
			          "항목이 보관함으로 옮겨졌습니다 (haechi audit archives)",
			          "the entries were detached into an archive (haechi audit archives)");
		goto out;
	}
	buffer_init(&x->body, BUNDLE_MOST);
	for (size_t i = 0; i < database_count(rows); i++)
		tile_entry_write(&x->body, database_field(rows, i, 1));
	result = buffer_ok(&x->body) ? 0 : fault_memory(why);
out:
	database_rows_free(rows);
	return result;
}

/* Who read what is evidence, durable before a byte of it leaves. */
static int
access_record(const struct fetching *fetching, struct fault *why)
{
	struct exchange *x = fetching->x;
	char id[ENTRY_ID_SIZE], about[64];
	const struct entry_note note = {
	    .action = "entry-bundle",
	    .facts = {{"about", about, 0},
	              {"first", NULL, (int64_t)fetching->first},
	              {"key", x->subject.key_id, 0},
	              {"login", x->subject.service, 0},
	              {"place", x->arrival->peer, 0},
	              {"width", NULL, (int64_t)fetching->width}},
	    .fact_count = 6
        };

	snprintf(about, sizeof about, "entries=%" PRIu64 "-%" PRIu64, fetching->first,
	         fetching->first + fetching->width - 1);

	return gateway_note(x->gateway, ENTRY_ACCESS, &note, x->subject.agency, x->subject.service, id, why);
}

static void
fetch_job(struct registrar_job *job, struct database *database, const struct fault *why)
{
	const struct fetching *fetching = job->owner;
	struct exchange *x = fetching->x;

	if (database == NULL) {
		x->why = *why;
		x->why.kind = FAULT_UNAVAILABLE;
		loop_wake(&x->wake, REFUSE);
	} else if (bundle_read(fetching, database, &x->why) == -1 || access_record(fetching, &x->why) == -1) {
		loop_wake(&x->wake, REFUSE);
	} else {
		loop_wake(&x->wake, GO_ON);
	}
}

void
entries_fetch(struct exchange *x, const struct tile *tile)
{
	struct fetching *fetching = arena_alloc(x->arena, sizeof *fetching);
	struct ledger_status status;

	ledger_status(x->gateway->ledger, &status);
	if (fetching == NULL) {
		fault_memory(&x->why);
	} else if (!may_read(&x->subject)) {
		fault_set(&x->why, FAULT_FORBIDDEN, "항목 묶음은 auditor나 regulator 역할의 키로만 읽습니다",
		          "entry bundles are for keys with the role auditor or regulator");
	} else if (!tile_exists(tile, status.size)) {
		fault_set(&x->why, FAULT_NOT_FOUND, "그런 타일이 없습니다", "no such tile");
	} else {
		*fetching = (struct fetching){
		    .job = {.run = fetch_job, .owner = fetching},
		    .x = x,
		    .first = tile->number * TILE_WIDTH,
		    .width = tile->width
                };
		if (registrar_give(x->gateway->registrar, &fetching->job))
			return;
		fault_set(&x->why, FAULT_UNAVAILABLE, "데이터베이스를 읽을 수 없습니다",
		          "the database cannot be read");
	}
	loop_wake(&x->wake, REFUSE);
}
