#include "gateway/shred_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/keycount.h"
#include "gateway/registrar.h"
#include "policy/policy.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define PENDING_FILE "shred.pending"
#define PENDING_MOST ((size_t)1 << 20)
#define SHIP_WAIT_MS 15000

/* ---- the note beside the keys ---------------------------------------------------------------------------------- */

static int
pending_path(char path[PATH_MAX], struct gateway *gateway, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	int length;

	if (snapshots == NULL)
		return fault_set(why, FAULT_UNAVAILABLE, "아직 준비되지 않았습니다", "not ready yet");
	length = snprintf(path, PATH_MAX, "%s/" PENDING_FILE, snapshots->config->ledger.seal);
	snapshots_release(snapshots);
	if (length >= PATH_MAX)
		return fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		                 "the key directory's path is too long");
	return 0;
}

static int
pending_write(const char *path, const json_t *pending, struct fault *why)
{
	struct buffer text;
	int result;

	buffer_init(&text, PENDING_MOST);
	json_write(&text, pending);
	result = buffer_ok(&text) ? file_replace(path, buffer_view(&text), 0600, why) : fault_memory(why);
	buffer_free(&text);
	return result;
}

/* Its absence need not be durable: an order that comes back finds its entry in the log. */
static int
pending_remove(const char *path, struct fault *why)
{
	if (unlink(path) == -1 && errno != ENOENT)
		return fault_errno(why, "파기 쪽지 %s 지우기", "removing the note %s", path);
	return 0;
}

/* ---- carrying out ---------------------------------------------------------------------------------------------- */

static const char *
item_id(const json_t *item)
{
	const char *const id =
	    json_is_string(item) ? json_string_value(item) : json_get_string(item, "entry");

	return id == NULL ? "" : id;
}

static int
forget(struct gateway *gateway, const json_t *entries, struct fault *why)
{
	const size_t count = json_array_size(entries);
	struct sealed *items = calloc(count + 1, sizeof *items);
	int result;

	if (items == NULL)
		return fault_memory(why);
	/* a bare id: of a note that an earlier version left behind, whose keys had no agencies */
	for (size_t i = 0; i < count; i++) {
		const json_t *const item = json_array_get(entries, i);

		items[i].agency = json_is_string(item) ? "" : json_get_string(item, "agency");
		items[i].id = item_id(item);
	}
	result = sealer_forget(gateway->sealer, items, count, why);
	free(items);
	return result;
}

/* Whole months of agencies. */
static int
destroy(struct gateway *gateway, const json_t *periods, struct fault *why)
{
	for (size_t i = 0; i < json_array_size(periods); i++) {
		const json_t *const period = json_array_get(periods, i);
		const char *const agency = json_get_string(period, "agency");
		uint32_t month;

		if (agency == NULL || !shred_month_read(&month, json_get_string(period, "month")))
			return fault_set(why, FAULT_INVALID, "파기 쪽지의 기간이 잘못되었습니다",
			                 "a period of the order's note is wrong");
		if (sealer_destroy(gateway->sealer, agency, month, why) == -1)
			return -1;
	}
	return 0;
}

static int
remove_period_rows(struct gateway *gateway, struct database *database, const json_t *periods,
                   struct fault *why)
{
	/* what was sealed under keys of every agency ("*") shows it; a month is the one in the id */
	static const char *const statements[] = {
	    "DELETE FROM haechi.content WHERE entry_id >= $2 AND entry_id < $3 AND ($4 = '*' OR"
	    " coalesce(agency, '') = $4) AND ($4 = '*') = (substr(blob, 1, 4) = 'HSB1'::bytea)"
	    " AND wall >= to_timestamp($5::float8 / 1000) - interval '1 day'"
	    " AND wall < to_timestamp($6::float8 / 1000) + interval '1 day'"
	    " AND log_id = (SELECT log_id FROM haechi.log WHERE origin = $1)",
	    "UPDATE haechi.ticket SET content = NULL, expires_at = CASE WHEN state IN ('waiting', "
	    "'approved') THEN"
	    " least(expires_at, clock_timestamp()) ELSE expires_at END WHERE content IS NOT NULL"
	    " AND ($4 = '*' OR agency = $4) AND ($4 = '*') = (substr(content, 1, 4) = 'HSB1'::bytea)"
	    " AND coalesce(review_entry, entry_id) >= $2 AND coalesce(review_entry, entry_id) < $3"
	    " AND $5::float8 < $6::float8 AND log_id IN (0, (SELECT log_id FROM haechi.log WHERE origin = "
	    "$1))"};
	int result = 0;

	for (size_t i = 0; result == 0 && i < json_array_size(periods); i++) {
		const json_t *const period = json_array_get(periods, i);
		char from[SHRED_BOUND], to[SHRED_BOUND], begin[32], end[32];
		const char *const agency = json_get_string(period, "agency");
		const char *const parameters[] = {gateway->origin, from, to, agency, begin, end};
		uint32_t month;

		if (agency == NULL || !shred_month_read(&month, json_get_string(period, "month")))
			return fault_set(why, FAULT_INVALID, "파기 쪽지의 기간이 잘못되었습니다",
			                 "a period of the order's note is wrong");
		shred_month_bound(from, agency, month);
		shred_month_bound(to, agency, month + 1);
		snprintf(begin, sizeof begin, "%lld", (long long)shred_month_ms(agency, month));
		snprintf(end, sizeof end, "%lld", (long long)shred_month_ms(agency, month + 1));
		for (size_t k = 0; result == 0 && k < sizeof statements / sizeof *statements; k++) {
			struct database_rows *rows = NULL;

			result = database_ask(&rows, database, statements[k], 6, parameters, why);
			database_rows_free(rows);
		}
	}
	return result;
}

/* The rows of content; and the copies that wait for a reviewer: their tickets expire, which is an entry of its own. */
static int
remove_rows(struct gateway *gateway, struct database *database, const json_t *entries, struct fault *why)
{
	static const char *const statements[] = {
	    "DELETE FROM haechi.content WHERE entry_id = ANY ($2::text[]) AND log_id ="
	    " (SELECT log_id FROM haechi.log WHERE origin = $1)",
	    "UPDATE haechi.ticket SET content = NULL, expires_at = CASE WHEN state IN ('waiting', "
	    "'approved') THEN"
	    " least(expires_at, clock_timestamp()) ELSE expires_at END WHERE content IS NOT NULL AND"
	    " (entry_id = ANY ($2::text[]) OR review_entry = ANY ($2::text[])) AND log_id IN (0,"
	    " (SELECT log_id FROM haechi.log WHERE origin = $1))"};
	const char *parameters[2] = {gateway->origin};
	struct buffer list;
	int result = 0;

	buffer_init(&list, PENDING_MOST);
	buffer_byte(&list, '{');
	for (size_t i = 0; i < json_array_size(entries); i++)
		buffer_printf(&list, "%s%s", i == 0 ? "" : ",", item_id(json_array_get(entries, i)));
	buffer_byte(&list, '}');
	if ((parameters[1] = buffer_text(&list)) == NULL)
		result = fault_memory(why);
	for (size_t i = 0; result == 0 && i < sizeof statements / sizeof *statements; i++) {
		struct database_rows *rows = NULL;

		result = database_ask(&rows, database, statements[i], 2, parameters, why);
		database_rows_free(rows);
	}
	buffer_free(&list);
	return result;
}

/* "haneul/2026-10", each followed by `end`, but a space only between them. */
static void
periods_text(struct buffer *out, const json_t *periods, char end)
{
	for (size_t i = 0; i < json_array_size(periods); i++) {
		const json_t *const period = json_array_get(periods, i);

		if (i > 0 && end == ' ')
			buffer_byte(out, ' ');
		buffer_printf(out, "%s/%s", json_get_string(period, "agency"),
		              json_get_string(period, "month"));
		if (end != ' ')
			buffer_byte(out, (uint8_t)end);
	}
}

/* `keys`: the number of this order for these keys. */
static int
record(struct gateway *gateway, const json_t *pending, uint64_t keys, char entry[ENTRY_ID_SIZE],
       struct fault *why)
{
	static const struct {
		const char *name;
		bool number;
	} facts[] = {
	    {"about",    false},
            {"by",       false},
            {"bytes",    true },
            {"digest",   false},
	    {"entries",  true },
            {"job",      false},
            {"keys",     true },
            {"periods",  false},
	    {"reason",   false},
            {"rows",     true },
            {"selector", false},
	};
	const bool expired = strcmp(json_get_string(pending, "selector"), "expired") == 0;
	struct entry_note note = {.action = expired ? "expire" : "erase"};
	struct buffer periods;
	int result = -1;

	buffer_init(&periods, ENTRY_SIZE_LIMIT);
	periods_text(&periods, json_object_get(pending, "periods"), ' ');
	if (buffer_text(&periods) == NULL)
		return fault_memory(why);

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		const char *const name = facts[i].name;

		const bool list = strcmp(name, "periods") == 0;

		if (list && periods.size == 0)
			continue;
		note.facts[note.fact_count].name = name;
		if (strcmp(name, "keys") == 0) {
			note.facts[note.fact_count].number = (int64_t)keys;
		} else if (facts[i].number) {
			note.facts[note.fact_count].number = json_get_integer(pending, name, 0);
		} else if ((note.facts[note.fact_count].text =
		                list ? buffer_text(&periods) : json_get_string(pending, name)) == NULL) {
			fault_set(why, FAULT_INVALID, "파기 쪽지에 %s이(가) 없습니다",
			          "the note of the order lacks %s", name);
			goto out;
		}
		note.fact_count++;
	}
	result = gateway_note(gateway, ENTRY_SHRED, &note, json_get_string(pending, "agency"),
	                      json_get_string(pending, "by"), entry, why);
out:
	buffer_free(&periods);
	return result;
}

/* Everything after the note was written; each step may be done twice, but the entry. */
static int
finish(struct gateway *gateway, struct database *database, const char *path, const json_t *pending,
       char entry[ENTRY_ID_SIZE], struct fault *why)
{
	const json_t *const items = json_object_get(pending, "items");
	const json_t *const periods = json_object_get(pending, "periods");
	uint64_t keys;

	/* counted first: a folder of keys that is put back to before this shows a smaller number than the log */
	if (sealer_count(gateway->sealer, &keys, true, why) == -1 ||
	    keycount_write(gateway, keys, why) == -1 || forget(gateway, items, why) == -1 ||
	    destroy(gateway, periods, why) == -1 || remove_rows(gateway, database, items, why) == -1 ||
	    remove_period_rows(gateway, database, periods, why) == -1)
		return -1;
	if (entry[0] == '\0' && record(gateway, pending, keys, entry, why) == -1)
		return -1;
	log_info("shred", "event=erased entries=%lld months=%zu entry=%s",
	         (long long)json_get_integer(pending, "entries", 0), json_array_size(periods), entry);
	return pending_remove(path, why);
}

int
shred_resume(struct gateway *gateway, struct database *database, struct fault *why)
{
	struct ledger_status ledger;
	struct database_rows *rows = NULL;
	char path[PATH_MAX], entry[ENTRY_ID_SIZE] = "";
	const char *parameters[2];
	char begun[32];
	json_t *pending;
	int result = -1;

	if (gateway->ledger == NULL || pending_path(path, gateway, why) == -1 || access(path, F_OK) == -1)
		return 0;
	/* Whether its entry was written, the database can say once it has them all. */
	ledger_status(gateway->ledger, &ledger);
	if (!ledger.writable || ledger.shipped < ledger.size)
		return 0;
	if ((pending = json_read_file(path, PENDING_MOST, why)) == NULL)
		goto out;
	parameters[0] = json_get_string(pending, "job");
	if (parameters[0] == NULL || !json_is_array(json_object_get(pending, "items"))) {
		fault_set(why, FAULT_INVALID, "파기 쪽지 %s이(가) 손상되었습니다", "the note %s is damaged",
		          path);
		goto out;
	}
	snprintf(begun, sizeof begun, "%lld", (long long)json_get_integer(pending, "begun_ms", 0));
	parameters[1] = begun;
	if (database_ask(&rows, database,
	                 "SELECT id FROM haechi.entry WHERE kind = 'shred' AND"
	                 " wall >= to_timestamp($2::float8 / 1000) - interval '1 day' AND"
	                 " position(convert_to($1, 'UTF8') in bytes) > 0 LIMIT 1",
	                 2, parameters, why) == -1)
		goto out;
	if (database_count(rows) == 1)
		snprintf(entry, sizeof entry, "%s", database_text(rows, 0, 0));
	result = finish(gateway, database, path, pending, entry, why);
out:
	database_rows_free(rows);
	json_decref(pending);
	if (result == -1 && why->kind != FAULT_UNAVAILABLE) {
		log_fault(LOG_LEVEL_ERROR, "shred", "not-finished", why);
		return 0; /* no reason to leave the database */
	}
	return result;
}

/* ---- an order -------------------------------------------------------------------------------------------------- */

static int
describe(struct shredding *shredding, const char *agency, struct fault *why)
{
	const struct shred_order *order = shredding->order;
	uint8_t hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	char about[256], from[CLOCK_TEXT_SIZE] = "", to[CLOCK_TEXT_SIZE], digest[65], job[ENTRY_ID_SIZE];
	json_t *ids = json_array();
	struct buffer lines;

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < json_array_size(shredding->items); i++) {
		const json_t *const item = json_array_get(shredding->items, i);
		const char *const id = json_get_string(item, "entry");

		json_array_append_new(
		    ids, json_pack("{s:s, s:s}", "agency", json_get_string(item, "agency"), "entry", id));
		crypto_hash_sha256_update(&state, (const uint8_t *)id, strlen(id));
		crypto_hash_sha256_update(&state, (const uint8_t *)"\n", 1);
	}
	buffer_init(&lines, PENDING_MOST);
	periods_text(&lines, shredding->periods, '\n');
	crypto_hash_sha256_update(&state, lines.data, lines.size);
	buffer_free(&lines);
	crypto_hash_sha256_final(&state, hash);
	hex_encode(digest, hash, sizeof hash);
	if (shredding->subject != NULL) {
		snprintf(about, sizeof about, "subject=%s", shredding->subject);
	} else if (order->entry != NULL) {
		snprintf(about, sizeof about, "entry=%s", order->entry);
	} else if (order->expire) {
		clock_text(to, clock_wall_ms());
		snprintf(about, sizeof about, "retention-ended=%s agency=%s default-days=%u", to,
		         order->agency == NULL ? "*" : order->agency, order->default_days);
	} else {
		if (order->from_ms > 0)
			clock_text(from, order->from_ms);
		clock_text(to, order->to_ms);
		snprintf(about, sizeof about, "from=%s to=%s agency=%s", from, to,
		         order->agency == NULL ? "*" : order->agency);
	}
	entry_id_make(job, clock_wall_ms());
	shredding->pending = json_pack(
	    "{s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:o, s:O}", "about", about, "agency",
	    agency, "begun_ms", (json_int_t)clock_wall_ms(), "by", order->by, "bytes",
	    (json_int_t)shredding->bytes, "digest", digest, "job", job, "entries",
	    (json_int_t)shredding->entries, "reason", order->reason, "selector", shredding->selector, "rows",
	    (json_int_t)shredding->rows, "items", ids, "periods", shredding->periods);
	shredding->result = json_pack(
	    "{s:b, s:s, s:s, s:I, s:I, s:I, s:s, s:O, s:O, s:b, s:I}", "dry_run", (int)order->dry_run,
	    "selector", shredding->selector, "about", about, "entries", (json_int_t)shredding->entries,
	    "rows", (json_int_t)shredding->rows, "bytes", (json_int_t)shredding->bytes, "digest", digest,
	    "items", shredding->items, "periods", shredding->periods, "more", (int)shredding->more, "unset",
	    (json_int_t)shredding->unset);
	return shredding->pending == NULL || shredding->result == NULL ? fault_memory(why) : 0;
}

/* On the registrar's thread, so that no other order and no shred_resume() is under way. */
static int
carry_out(struct database *database, void *owner, struct fault *why)
{
	struct shredding *shredding = owner;
	struct gateway *gateway = shredding->gateway;
	struct snapshots *snapshots = NULL;
	char entry[ENTRY_ID_SIZE] = "";
	int result = -1;

	if (!shredding->order->dry_run && access(shredding->path, F_OK) == 0)
		return fault_set(why, FAULT_BUSY, "앞선 파기가 아직 끝나지 않았습니다. 잠시 뒤 다시 하십시오",
		                 "an earlier order is not finished yet: try again soon");
	if (shred_find(shredding, database, why) == -1 || (snapshots = gateway_hold(gateway)) == NULL)
		return -1;
	if (describe(shredding,
	             shredding->order->agency != NULL ? shredding->order->agency : snapshots->config->agency,
	             why) == -1)
		goto out;
	if (shredding->order->dry_run ||
	    json_array_size(shredding->items) + json_array_size(shredding->periods) == 0) {
		result = 0;
		goto out;
	}
	if (pending_write(shredding->path, shredding->pending, why) == -1 ||
	    finish(gateway, database, shredding->path, shredding->pending, entry, why) == -1)
		goto out;
	result =
	    json_object_set_new(shredding->result, "shred", json_string(entry)) == -1 ? fault_memory(why) : 0;
out:
	snapshots_release(snapshots);
	return result;
}

/* The entries of now must be in the database before it is asked what there is. */
static int
wait_shipped(struct gateway *gateway, struct fault *why)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	const int64_t deadline = clock_monotonic_ns() + (int64_t)SHIP_WAIT_MS * 1000000;
	struct ledger_status status;
	uint64_t size;

	ledger_status(gateway->ledger, &status);
	for (size = status.size; status.shipped < size; ledger_status(gateway->ledger, &status)) {
		if (clock_monotonic_ns() > deadline)
			return fault_set(
			    why, FAULT_UNAVAILABLE,
			    "PostgreSQL에 아직 모두 실리지 않아 무엇을 파기할지 알 수 없습니다",
			    "PostgreSQL does not have every entry yet: what to erase is not known");
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* An erasure must not leave behind in its reason what it erases. */
int
shred_check_reason(const char *reason, struct fault *why)
{
	struct arena *arena = arena_new((size_t)4 << 20);
	struct detector *detector = NULL;
	struct detection detection;
	int result = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (reason == NULL || reason[0] == '\0' || strlen(reason) > 500) {
		fault_set(why, FAULT_INVALID, "이유(reason)를 500바이트까지 적어야 합니다",
		          "a reason is needed, 500 bytes at most");
		goto out;
	}
	if (detector_open(&detector, why) == -1 ||
	    detector_identify(detector, slice_string(reason), arena, &detection, why) == -1)
		goto out;
	result = 0;
	for (size_t i = 0; i < detection.finding_count && result == 0; i++)
		if (detection.findings[i].confidence >= FINDING_CONFIDENT)
			result = fault_set(
			    why, FAULT_INVALID,
			    "이유(reason)에 개인식별자가 있습니다: 기록은 지울 수 없으니 빼고 적으십시오",
			    "the reason holds a personal identifier: the log cannot forget, leave it out");
out:
	detector_close(detector);
	arena_free(arena);
	return result;
}

static bool
is_pseudonym(const char *text)
{
	return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static int
check_order(const struct shred_order *order, struct fault *why)
{
	const int chosen = (order->entry != NULL) + (order->subject != NULL) + (order->user != NULL) +
	                   (order->to_ms > 0) + (order->expire ? 1 : 0);

	if (chosen != 1 || (order->from_ms > 0 && order->to_ms <= order->from_ms))
		return fault_set(
		    why, FAULT_INVALID,
		    "entry, subject, user, to(끝나는 때) 가운데 하나로 고르고, 기간은 앞뒤가 맞아야 합니다",
		    "choose by one of entry, subject, user and to; a period must not end before it begins");
	if (order->agency != NULL && (order->agency[0] == '\0' || strlen(order->agency) > 64 ||
	                              order->entry != NULL || order->subject != NULL))
		return fault_set(why, FAULT_INVALID, "agency는 user나 기간과 함께 씁니다 (64자까지)",
		                 "agency goes with user or a period (64 at most)");
	if (order->user != NULL && (order->agency == NULL || order->user[0] == '\0'))
		return fault_set(why, FAULT_INVALID, "user에는 agency가 있어야 합니다", "user needs agency");
	if (order->subject != NULL && !is_pseudonym(order->subject))
		return fault_set(why, FAULT_INVALID, "subject는 가명(16진수 32자)입니다",
		                 "subject is a pseudonym: 32 hex digits");
	if (order->entry != NULL && strlen(order->entry) != ENTRY_ID_SIZE - 1)
		return fault_set(why, FAULT_INVALID, "entry는 항목 id입니다", "entry is the id of an entry");
	return order->dry_run ? 0 : shred_check_reason(order->reason, why);
}

int
shred_run(struct gateway *gateway, const struct shred_order *order, json_t **result, struct fault *why)
{
	struct shred_order known = *order;
	struct shredding shredding = {.gateway = gateway, .order = &known};
	char pseudonym[33];
	int status = -1;

	*result = NULL;
	if (check_order(order, why) == -1)
		return -1;
	if (known.reason == NULL)
		known.reason = "";
	if (order->user != NULL) {
		sealer_pseudonym(gateway->sealer, order->agency, order->user, pseudonym);
		shredding.subject = pseudonym;
	} else {
		shredding.subject = order->subject;
	}
	shredding.selector = shredding.subject != NULL ? "subject"
	                     : order->entry != NULL    ? "entry"
	                     : order->expire           ? "expired"
	                                               : "period";
	shredding.items = json_array();
	shredding.periods = json_array();
	if (shredding.items == NULL || shredding.periods == NULL)
		fault_memory(why);
	else if (pending_path(shredding.path, gateway, why) == 0 && wait_shipped(gateway, why) == 0 &&
	         registrar_run(gateway->registrar, carry_out, &shredding, false, why) == 0) {
		*result = json_incref(shredding.result);
		status = 0;
	}
	json_decref(shredding.result);
	json_decref(shredding.pending);
	json_decref(shredding.items);
	json_decref(shredding.periods);
	return status;
}
