/*
 * evidence -- for tests: a private PostgreSQL cluster, and logs written into it as the daemon would, with their own keys.
 *
 * cluster_missing() says when the machine has no PostgreSQL; a test then skips. Static functions, as each test is a program.
 */
#ifndef HAECHI_TESTS_EVIDENCE_H
#define HAECHI_TESTS_EVIDENCE_H

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/database.h"
#include "audit/keyring.h"
#include "audit/migrate.h"
#include "audit/store.h"
#include "schema/entry.h"

/* ---- a cluster of its own ---------------------------------------------------------------------------------------- */

struct cluster {
	char directory[64];
	char conninfo[256]; /* as the superuser haechi_admin, database haechi, migrated */
};

static inline bool
cluster_command(const char *action, const char *directory, char *out, size_t size)
{
	char command[256];
	FILE *pipe;
	bool read;

	snprintf(command, sizeof command, "deploy/cluster.sh %s %s", action, directory);
	if ((pipe = popen(command, "r")) == NULL)
		return false;
	read = out == NULL || fgets(out, (int)size, pipe) != NULL;
	if (out != NULL && read)
		out[strcspn(out, "\n")] = '\0';
	return pclose(pipe) == 0 && read;
}

/* No PostgreSQL on this machine, and said so: main returns 77. */
static inline bool
cluster_missing(void)
{
	if (access("deploy/cluster.sh", X_OK) == 0 &&
	    system("ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1") == 0)
		return false;
	puts("no PostgreSQL on this machine");
	return true;
}

static struct cluster *cluster_running;

static inline void
cluster_stop(struct cluster *cluster)
{
	char command[128];

	if (cluster->directory[0] == '\0')
		return;
	cluster_running = NULL;
	cluster_command("stop", cluster->directory, NULL, 0);
	snprintf(command, sizeof command, "rm -rf '%s'", cluster->directory);
	if (system(command) != 0)
		fprintf(stderr, "%s stays\n", cluster->directory);
	cluster->directory[0] = '\0';
}

static inline void
cluster_stop_at_exit(void)
{
	if (cluster_running != NULL)
		cluster_stop(cluster_running);
}

static inline int
cluster_start(struct cluster *cluster, struct fault *why)
{
	struct database *database = NULL;
	char socket[128], sql[512];
	int result;

	strcpy(cluster->directory, "/tmp/haechi-test-XXXXXX");
	if (mkdtemp(cluster->directory) == NULL)
		return fault_errno(why, "mkdtemp", "mkdtemp");
	if (!cluster_command("start", cluster->directory, socket, sizeof socket))
		return fault_set(why, FAULT_UNAVAILABLE, "PostgreSQL 을 시작할 수 없습니다",
		                 "PostgreSQL cannot be started");
	cluster_running = cluster;
	atexit(cluster_stop_at_exit);
	snprintf(cluster->conninfo, sizeof cluster->conninfo, "host=%s user=haechi_admin dbname=haechi",
	         socket);
	if (database_open(&database, cluster->conninfo, why) == -1)
		return -1;
	result = migrate_directory(sql, sizeof sql, why);
	if (result == 0)
		result = migrate(database, sql, NULL, NULL, why);
	database_close(database);
	return result;
}

/* ---- a log ------------------------------------------------------------------------------------------------------- */

struct test_log {
	char origin[64], agency[32];
	struct note_key ed25519, ecdsa;
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	EVP_PKEY *p256;
	struct buffer vkeys;       /* lines */
	struct database *database; /* NULL: nothing is stored */
	int64_t log_id;
	struct tree_frontier frontier;
	struct tree_hash *leaves; /* all of them */
	size_t capacity;
	struct buffer note;   /* the newest checkpoint */
	uint64_t signed_size; /* of it */
	char (*ids)[ENTRY_ID_SIZE];
	int64_t wall_ms;
	bool tiles;
	/* for large logs: entries go by COPY, as the shipper's do; leaves and ids are not kept */
	struct store *store;
	unsigned pace; /* requests come so many times as often; 0: once */
	bool varied;   /* several agencies, all domains, a second one now and then */
	/* for those who store the entries themselves: the bytes, as many as there is room for */
	struct buffer *kept;
	size_t keep, kept_count;
};

static inline void
test_die(const char *what, const struct fault *why)
{
	fprintf(stderr, "%s: %s\n", what, why == NULL ? "" : why->en);
	exit(1); /* the cluster is stopped at exit */
}

static inline void
test_log_init(struct test_log *log, struct database *database, const char *agency, size_t capacity)
{
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES], *der = NULL;
	struct fault why;
	int der_size;

	memset(log, 0, sizeof *log);
	snprintf(log->agency, sizeof log->agency, "%s", agency);
	snprintf(log->origin, sizeof log->origin, "haechi.%s/node1", agency);
	log->database = database;
	log->capacity = capacity;
	log->tiles = true;
	log->wall_ms = 1772442000000; /* 2026-03-02T09:00:00Z */
	log->leaves = calloc(capacity, sizeof *log->leaves);
	log->ids = calloc(capacity, sizeof *log->ids);
	buffer_init(&log->vkeys, 4096);
	buffer_init(&log->note, NOTE_LIMIT);
	crypto_sign_keypair(public_key, log->secret);
	log->p256 = EVP_EC_gen("P-256");
	der_size = i2d_PUBKEY(log->p256, &der);
	if (note_key_make(&log->ed25519, log->origin, NOTE_ED25519, slice_of(public_key, sizeof public_key),
	                  &why) == -1 ||
	    note_key_make(&log->ecdsa, log->origin, NOTE_ECDSA, slice_of(der, (size_t)der_size), &why) == -1)
		test_die("keys", &why);
	OPENSSL_free(der);
	note_key_write(&log->vkeys, &log->ed25519);
	buffer_byte(&log->vkeys, '\n');
	note_key_write(&log->vkeys, &log->ecdsa);
	buffer_byte(&log->vkeys, '\n');
	if (database != NULL) {
		struct database_rows *rows = NULL;
		struct buffer list;
		const char *parameters[] = {log->origin, NULL};

		buffer_init(&list, 8192);
		buffer_printf(&list, "%s", buffer_text(&log->vkeys));
		list.data[list.size - 1] = '\0';
		parameters[1] = (const char *)list.data;
		if (database_ask(&rows, database,
		                 "SELECT haechi.log_register($1, string_to_array($2, E'\\n')), "
		                 "haechi.month_ensure('2026-03-02Z')",
		                 2, parameters, &why) == -1)
			test_die("log_register", &why);
		log->log_id = database_integer(rows, 0, 0);
		database_rows_free(rows);
		buffer_free(&list);
	}
}

static inline void
test_log_free(struct test_log *log)
{
	free(log->leaves);
	free(log->ids);
	buffer_free(&log->vkeys);
	buffer_free(&log->note);
	EVP_PKEY_free(log->p256);
}

/* Both signatures of a text, as a note. */
static inline void
test_log_sign(struct buffer *out, const struct test_log *log, struct slice text)
{
	unsigned char signature[128];
	size_t size = sizeof signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	buffer_slice(out, text);
	buffer_byte(out, '\n');
	crypto_sign_detached(signature, NULL, text.data, text.size, log->secret);
	note_line_write(out, &log->ed25519, slice_of(signature, crypto_sign_BYTES));
	EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, log->p256);
	EVP_DigestSign(context, signature, &size, text.data, text.size);
	EVP_MD_CTX_free(context);
	note_line_write(out, &log->ecdsa, slice_of(signature, size));
}

static inline void
test_hex(struct buffer *sql, struct slice bytes)
{
	buffer_string(sql, "'\\x");
	for (size_t i = 0; i < bytes.size; i++)
		buffer_printf(sql, "%02x", bytes.data[i]);
	buffer_byte(sql, '\'');
}

static inline void
test_text(struct buffer *sql, struct database *database, struct slice text)
{
	char value[256];

	buffer_string(sql, ", ");
	if (text.size == 0) {
		buffer_string(sql, "NULL");
		return;
	}
	snprintf(value, sizeof value, "%.*s", SLICE_PRINT(text));
	database_quote(sql, database, value);
}

static inline void
test_log_store(struct test_log *log, uint64_t index, struct slice bytes)
{
	struct arena *arena = arena_new(1 << 20);
	struct entry_columns columns;
	struct buffer sql;
	struct fault why;
	char time[64];

	buffer_init(&sql, 1 << 20);
	if (entry_read(&columns, bytes, arena, &why) == -1)
		test_die("entry_read", &why);
	snprintf(time, sizeof time, "to_timestamp(%" PRId64 ") + %d * interval '1 ms'",
	         columns.wall_ms / 1000, (int)(columns.wall_ms % 1000));
	buffer_printf(
	    &sql,
	    "INSERT INTO haechi.entry (log_id, index, wall, id, kind, agency, service, subject, key_id, "
	    "request_id, "
	    "of, usecase, verdict, access, domain, action, model, zone, bytes, also) VALUES (%" PRId64
	    ", %" PRIu64 ", %s",
	    log->log_id, index, time);
	test_text(&sql, log->database, columns.id);
	test_text(&sql, log->database, slice_string(entry_kind_name(columns.kind)));
	test_text(&sql, log->database, columns.agency);
	test_text(&sql, log->database, columns.service);
	test_text(&sql, log->database, columns.subject);
	test_text(&sql, log->database, columns.key);
	test_text(&sql, log->database, columns.request_id);
	test_text(&sql, log->database, columns.of);
	test_text(&sql, log->database, columns.usecase);
	test_text(&sql, log->database, columns.verdict);
	test_text(&sql, log->database, columns.access);
	test_text(&sql, log->database, columns.domain);
	test_text(&sql, log->database, columns.action);
	test_text(&sql, log->database, columns.model);
	test_text(&sql, log->database, columns.zone);
	buffer_string(&sql, ", ");
	test_hex(&sql, bytes);
	buffer_printf(&sql, ", string_to_array(nullif('%.*s', ''), ','))", SLICE_PRINT(columns.also));
	if (buffer_text(&sql) == NULL || database_run(log->database, buffer_text(&sql), &why) == -1)
		test_die("insert", &why);
	buffer_free(&sql);
	arena_free(arena);
}

static inline void
test_log_node(void *context, unsigned height, uint64_t index, const struct tree_hash *hash)
{
	static struct tree_hash level1[256];
	struct test_log *log = context;
	const struct tree_hash *hashes;
	unsigned level = height / 8;
	struct buffer sql;
	struct fault why;

	if (height % 8 != 0 || level > 1)
		return;
	if (level == 1)
		level1[index % 256] = *hash;
	if (index % 256 != 255 || log->database == NULL || !log->tiles)
		return;
	hashes = level == 0 ? log->leaves + (index - 255) : level1;
	buffer_init(&sql, 1 << 20);
	buffer_printf(&sql, "INSERT INTO haechi.tile VALUES (%" PRId64 ", %u, %" PRIu64 ", ", log->log_id,
	              level, index / 256);
	test_hex(&sql, slice_of(hashes, 256 * sizeof *hashes));
	buffer_string(&sql, ")");
	if (database_run(log->database, buffer_text(&sql), &why) == -1)
		test_die("tile", &why);
	buffer_free(&sql);
}

static inline void
test_log_append(struct test_log *log, struct slice bytes, const char *id)
{
	const uint64_t index = log->frontier.size;

	if (log->keep > 0) {
		if (log->kept_count < log->keep) {
			buffer_init(&log->kept[log->kept_count], ENTRY_SIZE_LIMIT);
			buffer_slice(&log->kept[log->kept_count++], bytes);
		}
		return;
	}
	if (log->store != NULL) {
		const struct segment_item item = {.entry = bytes};
		struct tree_hash leaf;
		struct fault why;

		if (store_entry(log->store, &item, &why) == -1)
			test_die("store_entry", &why);
		tree_leaf(&leaf, bytes);
		tree_frontier_add(&log->frontier, &leaf, NULL, NULL);
		return;
	}
	if (index >= log->capacity)
		test_die("capacity", NULL);
	tree_leaf(&log->leaves[index], bytes);
	snprintf(log->ids[index], ENTRY_ID_SIZE, "%s", id);
	if (log->database != NULL)
		test_log_store(log, index, bytes);
	tree_frontier_add(&log->frontier, &log->leaves[index], test_log_node, log);
}

/* Sign the head and store it. */
static inline void
test_log_head(struct test_log *log)
{
	struct checkpoint checkpoint = {.origin = slice_string(log->origin), .size = log->frontier.size};
	struct buffer text, sql;
	struct fault why;

	if (log->signed_size == checkpoint.size)
		return;
	log->signed_size = checkpoint.size;
	buffer_init(&text, 4096);
	buffer_init(&sql, 1 << 16);
	tree_frontier_root(&checkpoint.root, &log->frontier);
	checkpoint_write(&text, &checkpoint);
	buffer_reset(&log->note);
	test_log_sign(&log->note, log, buffer_view(&text));
	if (log->database != NULL) {
		buffer_printf(&sql, "INSERT INTO haechi.checkpoint VALUES (%" PRId64 ", %" PRIu64 ", ",
		              log->log_id, checkpoint.size);
		test_hex(&sql, slice_of(checkpoint.root.bytes, TREE_HASH_SIZE));
		buffer_string(&sql, ", now(), ");
		database_quote(&sql, log->database, buffer_text(&log->note));
		buffer_string(&sql, ")");
		if (database_run(log->database, buffer_text(&sql), &why) == -1)
			test_die("checkpoint", &why);
	}
	buffer_free(&text);
	buffer_free(&sql);
}

/* ---- entries as the gateway writes them ---------------------------------------------------------------------------- */

/* The nth of a made-up day: a decision and its outcome, a review now and then. Same number, same entry (but its id). */
static inline void
test_log_request(struct test_log *log, unsigned n)
{
	static const char *const usecases[] = {"welfare-eligibility", "minwon-guide", "traffic-signal",
	                                       "draft-helper"};
	static struct rule_hit rules[] = {
	    {"PUB.i", "2.3 PUB i", "in", "자격 확인", "eligibility", "verified"},
	};
	static struct policy_reason denied[] = {
	    {"forbid.resident-number", "7 PIPA 24-2", "", "", "", ""},
	};
	static struct policy_reason permitted[] = {
	    {"permit.open-grade", "7 N2SF", "", "", "", ""},
	};
	struct assessment assessment = {.verdict = VERDICT_NOT_HIGH_IMPACT, .ruleset = "2026-01-22"};
	struct decision decision = {
	    .reasons = permitted,
	    .reason_count = 1,
	    .permits = permitted,
	    .permit_count = 1,
	    .duties = {.label = LABEL_NOTICE, .notify = true, .retention_days = 1826}
        };
	struct entry_decision body = {
	    .assessment = &assessment,
	    .decision = &decision,
	    .facts = {.action = "chat",
	              .model = "haechi-demo",
	              .zone = "kr-gov",
	              .grade = GRADE_O,
	              .zone_grade = GRADE_S,
	              .drift = DRIFT_NONE},
	    .prompt = {true, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",    118}
        };
	struct entry_outcome outcome = {
	    .http_status = 200,
	    .engine = "local",
	    .zone = "kr-gov",
	    .model = "haechi-demo",
	    .weights = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
	    .finish = "stop",
	    .label = LABEL_NOTICE,
	    .prompt_tokens = 20 + n % 7,
	    .completion_tokens = 50 + n % 31,
	    .decide_us = 180,
	    .record_us = 900,
	    .first_byte_us = 21000,
	    .total_us = 90000};
	char id[ENTRY_ID_SIZE], following[ENTRY_ID_SIZE], request[32];
	struct entry_head head = {.kind = ENTRY_DECISION,
	                          .id = id,
	                          .log = log->origin,
	                          .wall_ms = log->wall_ms,
	                          .monotonic_us = (int64_t)n * 1000,
	                          .agency = log->agency,
	                          .service = "welfare-desk",
	                          .key = "k4m2p9",
	                          .request_id = request,
	                          .usecase = usecases[n % 4],
	                          .usecase_version = 1};
	struct buffer bytes;
	struct fault why;

	buffer_init(&bytes, ENTRY_SIZE_LIMIT);
	if (log->varied)
		snprintf(log->agency, sizeof log->agency, "agency-%u", n * 2654435761u % 12);
	entry_id_make(id, log->wall_ms);
	snprintf(request, sizeof request, "req-%06u", n);
	if (n % 4 == 0) {
		assessment.verdict = VERDICT_HIGH_IMPACT;
		assessment.domains[0] = DOMAIN_PUBLIC_SERVICE;
		assessment.domain_count = 1;
		if (n % 36 == 0) { /* a second domain */
			assessment.domains[1] = DOMAIN_EDUCATION;
			assessment.domain_count = 2;
		}
		if (log->varied) {
			assessment.domains[0] = (enum domain)(1 + n / 4 % (DOMAIN_KINDS - 1));
			assessment.domains[1] = (enum domain)(1 + n / 4 * 7 % (DOMAIN_KINDS - 1));
			assessment.domain_count =
			    n % 12 == 0 && assessment.domains[0] < assessment.domains[1] ? 2 : 1;
		}
		assessment.rules = rules;
		assessment.rule_count = 1;
	}
	decision.access = n % 10 == 7   ? ACCESS_DENY
	                  : n % 12 == 4 ? ACCESS_HOLD
	                  : n % 10 == 3 ? ACCESS_REDACT
	                                : ACCESS_PERMIT;
	if (decision.access == ACCESS_DENY) {
		decision.reasons = denied;
		body.facts.found[IDENTIFIER_RRN] = 1;
	}
	if (decision.access == ACCESS_REDACT) {
		body.facts.found[IDENTIFIER_PHONE] = 1 + n % 3;
		body.facts.redacted_kinds = 1u << IDENTIFIER_PHONE;
	}
	memset(decision.bundle, 'b', 64);
	if (entry_write_decision(&bytes, &head, &body, &why) == -1)
		test_die("decision", &why);
	test_log_append(log, buffer_view(&bytes), id);
	log->wall_ms += 700;
	if (decision.access == ACCESS_HOLD) {
		const struct entry_review review = {.ticket = "t-7Q2M4K9XW3",
		                                    .reviewer = "김검토",
		                                    .role = "reviewer",
		                                    .action = n % 8 == 0 ? "refuse" : "approve",
		                                    .reason = "자격 확인함",
		                                    .shown_ms = 1000 * (20 + (n * 37) % 500),
		                                    .changed = n % 8 == 0};

		entry_id_make(following, log->wall_ms);
		head.kind = ENTRY_REVIEW;
		head.id = following;
		head.of = id;
		head.wall_ms = log->wall_ms;
		buffer_reset(&bytes);
		if (entry_write_review(&bytes, &head, &review, &why) == -1)
			test_die("review", &why);
		test_log_append(log, buffer_view(&bytes), following);
		log->wall_ms += 300;
	}
	outcome.status = decision.access == ACCESS_DENY   ? OUTCOME_REFUSED
	                 : decision.access == ACCESS_HOLD ? OUTCOME_HELD
	                                                  : OUTCOME_ANSWERED;
	outcome.access = decision.access;
	outcome.verdict = assessment.verdict;
	if (decision.access == ACCESS_DENY) {
		outcome.reason = "denied";
		outcome.http_status = 403;
		outcome.completion_tokens = -1;
	}
	entry_id_make(following, log->wall_ms);
	head.kind = ENTRY_OUTCOME;
	head.id = following;
	head.of = id;
	head.wall_ms = log->wall_ms;
	buffer_reset(&bytes);
	if (entry_write_outcome(&bytes, &head, &outcome, &why) == -1)
		test_die("outcome", &why);
	test_log_append(log, buffer_view(&bytes), following);
	log->wall_ms += 1000 + (n * 7919) % 60000 / (log->pace == 0 ? 1 : log->pace);
	buffer_free(&bytes);
}

#endif
