/* A receipt holds under its log's keys and under no others, and not when any byte of it is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/receipt.h"
#include "tests/evidence.h"
#include "tests/nodes.h"

#define ENTRIES 21

static struct test_log logged, stranger;
static struct nodes nodes;
static struct keyring keyring;
static struct buffer entry;
static struct arena *arena;

static void
append(struct test_log *log)
{
	const struct entry_note body = {.action = "start", .facts = {{"version", "1", 0}}, .fact_count = 1};
	char id[ENTRY_ID_SIZE];
	const struct entry_head head = {
	    .kind = ENTRY_LIFECYCLE, .id = id, .log = log->origin, .wall_ms = log->wall_ms++};
	struct fault why;

	entry_id_make(id, log->wall_ms);
	buffer_reset(&entry);
	assert_int_equal(entry_write_note(&entry, &head, &body, &why), 0);
	test_log_append(log, buffer_view(&entry), id);
}

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	arena = arena_new(1 << 22);
	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	test_log_init(&logged, NULL, "haneul", ENTRIES);
	test_log_init(&stranger, NULL, "haneul", ENTRIES);
	for (size_t i = 0; i < ENTRIES; i++) {
		append(&logged);
		tree_frontier_add(&nodes.frontier, &logged.leaves[i], nodes_seen, &nodes);
	}
	test_log_head(&logged);
	return keyring_add(&keyring, buffer_view(&logged.vkeys), &why);
}

static int
teardown(void **state)
{
	(void)state;
	test_log_free(&logged);
	test_log_free(&stranger);
	nodes_free(&nodes);
	buffer_free(&entry);
	arena_free(arena);
	return 0;
}

/* Of the entry appended last. */
static void
make(struct buffer *out, struct slice note)
{
	const struct tree_reader reader = nodes_reader(&nodes);
	struct proof proof;
	struct fault why;

	buffer_init(out, RECEIPT_LIMIT);
	assert_int_equal(proof_inclusion(&proof, &reader, ENTRIES - 1, ENTRIES, &why), 0);
	receipt_write(out, buffer_view(&entry), ENTRIES - 1, &proof, note);
	assert_true(buffer_ok(out));
}

static void
it_holds(void **state)
{
	struct receipt receipt;
	struct buffer text;
	struct fault why;

	(void)state;
	make(&text, buffer_view(&logged.note));
	assert_true(receipt_looks_like(buffer_view(&text)));
	if (receipt_check(&receipt, buffer_view(&text), &keyring, arena, &why) == -1)
		fail_msg("%s", why.en);
	assert_int_equal(receipt.index, ENTRIES - 1);
	assert_true(slice_equal(receipt.entry, buffer_view(&entry)));
	assert_true(receipt.head.ed25519 && receipt.head.ecdsa);
	buffer_free(&text);
}

static void
no_other_byte_holds(void **state)
{
	struct receipt receipt;
	struct buffer text;
	struct fault why;
	size_t lax = 0;

	(void)state;
	make(&text, buffer_view(&logged.note));
	for (size_t i = 0; i < text.size; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			text.data[i] ^= (uint8_t)(1u << bit);
			arena_reset(arena);
			/* Spare bits of base64 (signed notes are lax there) change nothing that is decoded. */
			if (receipt_check(&receipt, buffer_view(&text), &keyring, arena, &why) == 0)
				lax++;
			text.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	if (lax > 40)
		fail_msg("%zu changed receipts hold", lax);
	for (size_t size = 0; size < text.size; size++) {
		arena_reset(arena);
		assert_int_equal(receipt_check(&receipt, slice_of(text.data, size), &keyring, arena, &why),
		                 -1);
	}
	buffer_free(&text);
}

static void
both_signatures_are_needed(void **state)
{
	struct keyring other = {0};
	struct receipt receipt;
	struct buffer text, note;
	struct fault why;
	size_t cut;

	(void)state;
	buffer_init(&note, NOTE_LIMIT);
	buffer_slice(&note, buffer_view(&logged.note));
	for (cut = note.size - 1; note.data[cut - 1] != '\n'; cut--)
		;
	note.size = cut; /* the second signature, ECDSA */
	make(&text, buffer_view(&note));
	assert_int_equal(receipt_check(&receipt, buffer_view(&text), &keyring, arena, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_non_null(strstr(why.en, "ECDSA"));
	/* Who trusts the Ed25519 key alone may. */
	other.keys[other.count++] = logged.ed25519;
	assert_int_equal(receipt_check(&receipt, buffer_view(&text), &other, arena, &why), 0);
	buffer_free(&text);
	buffer_free(&note);
}

static void
other_keys_are_no_keys(void **state)
{
	struct keyring other = {0};
	struct receipt receipt;
	struct buffer text;
	struct fault why;

	(void)state;
	make(&text, buffer_view(&logged.note));
	assert_int_equal(receipt_check(&receipt, buffer_view(&text), &other, arena, &why), -1);
	assert_int_equal(why.kind, FAULT_UNIDENTIFIED);
	assert_int_equal(keyring_add(&other, buffer_view(&stranger.vkeys), &why), 0); /* of the same name */
	assert_int_equal(receipt_check(&receipt, buffer_view(&text), &other, arena, &why), -1);
	buffer_free(&text);
}

/* The verifier must run where little is installed. */
static void
haechi_verify_needs_little(void **state)
{
	static const char *const allowed[] = {"linux-vdso", "libcrypto",  "libsodium", "libc.so",
	                                      "ld-linux",   "libm.so",    "libasan",   "libubsan",
	                                      "libtsan",    "libstdc++",  "libgcc_s",  "libdl",
	                                      "librt",      "libpthread", "libgcov"};
	const char *build = getenv("BUILD");
	char command[512], line[512];
	unsigned lines = 0;
	FILE *pipe;

	(void)state;
	snprintf(command, sizeof command, "%s/haechi-verify", build == NULL ? "build" : build);
	if (access(command, X_OK) != 0)
		skip();
	snprintf(command, sizeof command, "ldd %s/haechi-verify", build == NULL ? "build" : build);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof line, pipe) != NULL) {
		bool known = false;

		for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
			known = known || strstr(line, allowed[i]) != NULL;
		if (!known)
			fail_msg("haechi-verify needs %s", line);
		lines++;
	}
	pclose(pipe);
	assert_true(lines >= 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_holds),
	    cmocka_unit_test(no_other_byte_holds),
	    cmocka_unit_test(both_signatures_are_needed),
	    cmocka_unit_test(other_keys_are_no_keys),
	    cmocka_unit_test(haechi_verify_needs_little),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
