/*
 * A witness as C2SP tlog-witness wants it: recorded exchanges of another implementation, every status in its order, memory that
 * outlives it and is refused when somebody changed it, and two callers who race.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <unistd.h>

#include "audit/cosignature.h"
#include "audit/witness.h"
#include "schema/base/json.h"
#include "tests/nodes.h"

#define ORIGIN "haechi.seoul/node1"

static char folder[] = "/tmp/haechi-witness-XXXXXX";
static struct note_secret log_secret, own_secret;
static struct keyring logs;
static struct nodes nodes;

static int64_t
now(void)
{
	return 1772442000;
}

static struct witness *
open_witness(const char *name, const struct keyring *keyring)
{
	struct witness *witness;
	struct fault why;
	char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (witness_open(&witness,
	                 &(struct witness_options){
	                     .directory = path, .secret = &own_secret, .logs = keyring, .now = now},
	                 &why) == -1)
		fail_msg("%s", why.en);
	return witness;
}

/* The checkpoint of the first `size` leaves of our tree, signed. */
static void
head_write(struct buffer *note, uint64_t size, bool other_root)
{
	const struct tree_reader reader = nodes_reader(&nodes);
	struct checkpoint checkpoint = {.origin = slice_string(ORIGIN), .size = size};
	struct tree_frontier frontier;
	struct buffer text;
	struct fault why;

	assert_int_equal(tree_frontier_load(&frontier, &reader, size, &why), 0);
	tree_frontier_root(&checkpoint.root, &frontier);
	checkpoint.root.bytes[7] ^= other_root;
	buffer_init(&text, 4096);
	checkpoint_write(&text, &checkpoint);
	buffer_init(note, 8192);
	buffer_slice(note, buffer_view(&text));
	buffer_byte(note, '\n');
	assert_int_equal(note_secret_sign(&log_secret, buffer_view(&text), 0, note, &why), 0);
	buffer_free(&text);
}

static int
ask(struct witness *witness, uint64_t older, uint64_t claimed, uint64_t size, bool other_root, char said[256])
{
	const struct tree_reader reader = nodes_reader(&nodes);
	struct cosignature_request request = {.older = claimed};
	struct witness_answer answer;
	struct buffer note, body;
	struct fault why;
	int status;

	head_write(&note, size, other_root);
	request.checkpoint = buffer_view(&note);
	if (older > 0)
		assert_int_equal(proof_consistency(&request.proof, &reader, older, size, &why), 0);
	buffer_init(&body, 1 << 16);
	cosignature_request_write(&body, &request);
	witness_add(witness, buffer_view(&body), &answer, &why);
	if (said != NULL)
		snprintf(said, 256, "%.*s", SLICE_PRINT(buffer_view(&answer.body)));
	if (answer.status == 409)
		assert_string_equal(answer.content_type, "text/x.tlog.size");
	if (answer.status == 200) {
		struct note parsed;
		struct buffer lines;
		uint64_t time;

		buffer_init(&lines, 1024);
		assert_int_equal(note_parse(&parsed, buffer_view(&note), &why), 0);
		assert_int_equal(cosignature_answer_read(&lines, &time, parsed.text,
		                                         buffer_view(&answer.body), &own_secret.public_key,
		                                         &why),
		                 0);
		assert_int_equal(time, now());
		assert_true(slice_equal(buffer_view(&lines), buffer_view(&answer.body)));
		/* of another text it does not hold */
		assert_int_equal(cosignature_answer_read(&lines, &time, SLICE_LITERAL("other\n"),
		                                         buffer_view(&answer.body), &own_secret.public_key,
		                                         &why),
		                 -1);
		buffer_free(&lines);
	}
	status = answer.status;
	buffer_free(&answer.body);
	buffer_free(&body);
	buffer_free(&note);
	return status;
}

static int
ask_raw(struct witness *witness, const char *body)
{
	struct witness_answer answer;
	struct fault why;
	int status;

	witness_add(witness, slice_string(body), &answer, &why);
	status = answer.status;
	buffer_free(&answer.body);
	return status;
}

static void
statuses(void **state)
{
	struct witness *witness = open_witness("statuses", &logs);
	struct witness_answer answer;
	char path[COSIGNATURE_MONITOR_SIZE], said[256];

	(void)state;
	cosignature_monitor_path(path, slice_string(ORIGIN));
	witness_show(witness, slice_string(path), &answer);
	assert_int_equal(answer.status, 404);
	buffer_free(&answer.body);
	assert_int_equal(ask(witness, 0, 0, 5, false, NULL), 200);
	assert_int_equal(ask(witness, 0, 0, 9, false, said), 409);
	assert_string_equal(said, "5\n");
	assert_int_equal(ask(witness, 5, 5, 9, false, NULL), 200);
	/* the same again: a fresh time; the same size with another root; a proof of something else */
	assert_int_equal(ask(witness, 0, 9, 9, false, NULL), 200);
	assert_int_equal(ask(witness, 0, 9, 9, true, NULL), 422);
	assert_int_equal(ask(witness, 8, 9, 20, false, NULL), 422);
	assert_int_equal(ask(witness, 0, 9, 20, false, NULL), 422);
	assert_int_equal(ask(witness, 9, 9, 20, true, NULL), 422);
	/* back is no way: old beyond the size is 400, the true old is beyond it too */
	assert_int_equal(ask(witness, 0, 9, 5, false, NULL), 400);
	assert_int_equal(ask(witness, 0, 0, 5, false, said), 409);
	assert_string_equal(said, "9\n");
	witness_show(witness, slice_string(path), &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(buffer_text(&answer.body), ORIGIN "\n9\n"));
	buffer_free(&answer.body);
	witness_close(witness);
	/* it remembers */
	witness = open_witness("statuses", &logs);
	assert_int_equal(ask(witness, 0, 0, 20, false, said), 409);
	assert_string_equal(said, "9\n");
	assert_int_equal(ask(witness, 9, 9, 20, false, NULL), 200);
	witness_close(witness);
}

static void
malformed(void **state)
{
	static const char *const bad[] = {
	    "",
	    "old\n",
	    "old 0\n",
	    "old 0\n\n",
	    "old 01\n\nx",
	    "old -1\n\nx",
	    "old 0\nAAAA\n\nx\n",
	    "old 0\n\nx\n1\nAA\n",
	    "0\n\nx",
	    "old 9223372036854775808\n\nx\n",
	};
	struct witness *witness = open_witness("malformed", &logs);
	struct buffer note, body;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ask_raw(witness, bad[i]) != 400)
			fail_msg("case %zu", i);
	/* 64 hashes are one too many */
	head_write(&note, 5, false);
	buffer_init(&body, 1 << 16);
	buffer_string(&body, "old 0\n");
	for (int i = 0; i < 64; i++)
		buffer_string(&body, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
	buffer_byte(&body, '\n');
	buffer_slice(&body, buffer_view(&note));
	assert_int_equal(ask_raw(witness, buffer_text(&body)), 400);
	/* an origin nobody named; a signature that was changed; no signature of ours */
	buffer_reset(&body);
	buffer_printf(&body, "old 0\n\nhaechi.busan/node1%s", buffer_text(&note) + strlen(ORIGIN));
	assert_int_equal(ask_raw(witness, buffer_text(&body)), 404);
	buffer_reset(&body);
	buffer_printf(&body, "old 0\n\n%s", buffer_text(&note));
	text = buffer_text(&body);
	text[body.size - 20] = text[body.size - 20] == 'A' ? 'B' : 'A';
	assert_int_equal(ask_raw(witness, text), 403);
	buffer_reset(&body);
	buffer_printf(&body, "old 0\n\n%.*s\xe2\x80\x94 stranger AAAAAAAA\n",
	              (int)(strstr(buffer_text(&note), "\n\n") + 2 - buffer_text(&note)), buffer_text(&note));
	assert_int_equal(ask_raw(witness, buffer_text(&body)), 403);
	/* size 0 with another root is 422, not 400: it is well-formed */
	buffer_reset(&body);
	buffer_free(&note);
	buffer_init(&note, 4096);
	assert_int_equal(
	    note_secret_sign(&log_secret,
	                     SLICE_LITERAL(ORIGIN "\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), 0,
	                     &note, NULL),
	    0);
	buffer_printf(&body, "old 0\n\n" ORIGIN "\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n%s",
	              buffer_text(&note));
	assert_int_equal(ask_raw(witness, buffer_text(&body)), 422);
	buffer_free(&note);
	buffer_free(&body);
	witness_close(witness);
}

static void
memory_changed(void **state)
{
	struct witness *witness = open_witness("changed", &logs), *second;
	char path[COSIGNATURE_MONITOR_SIZE], file[512], directory[256];
	struct buffer text = {0};
	struct fault why;

	(void)state;
	assert_int_equal(ask(witness, 0, 0, 9, false, NULL), 200);
	snprintf(directory, sizeof directory, "%s/changed", folder);
	assert_int_equal(
	    witness_open(&second,
	                 &(struct witness_options){
	                     .directory = directory, .secret = &own_secret, .logs = &logs, .now = now},
	                 &why),
	    -1);
	assert_int_equal(why.kind, FAULT_CONFLICT);
	witness_close(witness);
	cosignature_monitor_path(path, slice_string(ORIGIN));
	snprintf(file, sizeof file, "%s/changed/%.64s.checkpoint", folder, path + 1);
	assert_int_equal(file_read(&text, file, 65536, &why), 0);
	text.data[sizeof ORIGIN] = '5'; /* the size */
	assert_int_equal(file_replace(file, buffer_view(&text), 0600, &why), 0);
	buffer_free(&text);
	assert_int_equal(
	    witness_open(&second,
	                 &(struct witness_options){
	                     .directory = directory, .secret = &own_secret, .logs = &logs, .now = now},
	                 &why),
	    -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
}

struct racer {
	struct witness *witness;
	uint64_t newest; /* of its own answers */
	unsigned good;
};

static void *
race(void *argument)
{
	struct racer *racer = argument;
	uint64_t older = 0;

	for (unsigned i = 0; i < 200 && older < 300; i++) {
		char said[256];
		const int status = ask(racer->witness, older, older, older + 1, false, said);

		if (status == 200) {
			if (older + 1 <= racer->newest)
				return NULL; /* back: left with good == 0 */
			racer->newest = ++older;
			racer->good++;
		} else if (status == 409) {
			older = strtoull(said, NULL, 10);
			if (older < racer->newest)
				return NULL;
		}
	}
	return racer;
}

static void
racing(void **state)
{
	struct racer racers[2] = {{0}, {0}};
	pthread_t threads[2];
	void *fine;

	(void)state;
	racers[0].witness = racers[1].witness = open_witness("racing", &logs);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &fine), 0);
		assert_non_null(fine);
	}
	assert_true(racers[0].good + racers[1].good > 100);
	witness_close(racers[0].witness);
}

/* torchwood's litewitness, recorded: 403 for an unknown log became 404 in tlog-witness 1.0.0. */
static void
recorded(void **state)
{
	const char *shared = getenv("HAECHI_SHARED");
	const json_t *list, *exchange;
	struct keyring keyring = {.count = 1};
	struct witness *witness;
	uint8_t key[32];
	char path[4096], origin[256] = "";
	json_t *vectors;
	struct fault why;
	size_t i;

	(void)state;
	snprintf(path, sizeof path, "%s/data/tlog/witness_exchanges.json",
	         shared == NULL ? "../shared" : shared);
	if (access(path, R_OK) == -1) {
		print_message("           skipped: no %s\n", path);
		return;
	}
	vectors = json_read_file(path, 1 << 20, &why);
	assert_non_null(vectors);
	assert_true(
	    hex_decode(key, sizeof key, slice_string(json_get_string(vectors, "log_public_key_hex"))));
	list = json_object_get(vectors, "exchanges");
	assert_int_equal(
	    sscanf(json_get_string(json_array_get(list, 0), "body"), "old 0\n\n%255[^\n]", origin), 1);
	assert_int_equal(
	    note_key_make(&keyring.keys[0], origin, NOTE_ED25519, slice_of(key, sizeof key), &why), 0);
	witness = open_witness("recorded", &keyring);
	json_array_foreach(list, i, exchange)
	{
		const bool unknown = strstr(json_get_string(exchange, "asserts"), "unknown log") != NULL;
		const int wanted = unknown ? 404 : (int)json_get_integer(exchange, "status", 0);
		const int status = ask_raw(witness, json_get_string(exchange, "body"));

		if (status != wanted)
			fail_msg("exchange %zu: %d instead of %d", i, status, wanted);
	}
	print_message("           %zu exchanges\n", i);
	assert_int_equal(i, 9);
	witness_close(witness);
	json_decref(vectors);
}

static int
begin(void **state)
{
	struct fault why;
	char path[256];

	(void)state;
	if (sodium_init() == -1 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/log.key", folder);
	if (note_secret_make(path, ORIGIN, NOTE_ED25519, NULL, &why) == -1 ||
	    note_secret_load(&log_secret, path, ORIGIN, NOTE_ED25519, &why) == -1)
		return -1;
	snprintf(path, sizeof path, "%s/own.key", folder);
	if (note_secret_make(path, "witness.example/w1", NOTE_COSIGNATURE, NULL, &why) == -1 ||
	    note_secret_load(&own_secret, path, NULL, NOTE_COSIGNATURE, &why) == -1)
		return -1;
	/* a key of another name or type is not taken for it */
	if (note_secret_load(&(struct note_secret){0}, path, "witness.example/w2", NOTE_COSIGNATURE, &why) ==
	        0 ||
	    note_secret_load(&(struct note_secret){0}, path, NULL, NOTE_ED25519, &why) == 0)
		return -1;
	logs.keys[logs.count++] = log_secret.public_key;
	for (unsigned i = 0; i < 400; i++) {
		char leaf[16];

		snprintf(leaf, sizeof leaf, "leaf %u", i);
		nodes_add(&nodes, slice_string(leaf));
	}
	return 0;
}

static int
end(void **state)
{
	char command[64];

	(void)state;
	note_secret_release(&log_secret);
	note_secret_release(&own_secret);
	nodes_free(&nodes);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(statuses), cmocka_unit_test(malformed), cmocka_unit_test(memory_changed),
	    cmocka_unit_test(racing),   cmocka_unit_test(recorded),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
