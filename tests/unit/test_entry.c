/* The worked example of schema/ENTRY.md is read out of the document: what is promised there is what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "schema/base/clock.h"
#include "schema/entry.h"

static const struct entry_head head = {
    .kind = ENTRY_DECISION,
    .id = "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61",
    .log = "haechi.haneul/node1",
    .wall_ms = 1772442000123,
    .monotonic_us = 86400000000,
    .agency = "haneul",
    .service = "welfare-desk",
    .subject = "5f0c2d7e9a41b8366d1e0f4a7c92b853",
    .key = "k4m2p9",
    .request_id = "req-0001",
    .usecase = "welfare-eligibility",
    .usecase_version = 2,
};

static void
write_example(struct buffer *out)
{
	static struct rule_hit rules[] = {
	    {"PUB.i", "2.3 PUB i", "in", "자격 확인", "eligibility", "verified"},
	};
	static const char *duties[] = {"art31.notice", "art34.human-oversight"};
	const char *roles[] = {"service"};
	static struct assessment assessment = {
	    .verdict = VERDICT_HIGH_IMPACT,
	    .domains = {DOMAIN_PUBLIC_SERVICE},
	    .domain_count = 1,
	    .rules = rules,
	    .rule_count = 1,
	    .ruleset = "2026-01-22",
	    .duties = duties,
	    .duty_count = 2,
	};
	static struct policy_reason reasons[] = {
	    {"forbid.high-impact-without-approval", "5.4 4", "", "", "", ""}
        };
	static struct policy_reason permits[] = {
	    {"permit.open-grade", "7 N2SF", "", "", "", ""}
        };
	static struct decision decision = {
	    .access = ACCESS_HOLD,
	    .reasons = reasons,
	    .reason_count = 1,
	    .permits = permits,
	    .permit_count = 1,
	    .duties = {.label = LABEL_NOTICE,
	               .notify = true,
	               .retention_days = 1826,
	               .log_full = true,
	               .approver_role = "reviewer",
	               .hold_seconds = 86400},
	    .bundle = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
	};
	struct entry_decision body = {
	    .assessment = &assessment,
	    .decision = &decision,
	    .facts = {.action = "chat",
	              .model = "haechi-demo",
	              .zone = "internal",
	              .declared = GRADE_O,
	              .grade = GRADE_O,
	              .zone_grade = GRADE_S,
	              .drift = DRIFT_NONE,
	              .review_decisions = 40,
	              .review_changed = 6,
	              .review_hasty = -1,
	              .signal_domains = 1u << DOMAIN_PUBLIC_SERVICE,
	              .roles = roles,
	              .role_count = 1},
	    .prompt = {true, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",    118},
	    .ticket = "t-7Q2M4K9XW3",
	};
	struct fault why = {0};

	body.facts.found[IDENTIFIER_PHONE] = 1;
	if (entry_write_decision(out, &head, &body, &why) == -1)
		fail_msg("%s", why.en);
}

/* The text between ```NAME and ``` in the document, without the last newline. */
static struct slice
fenced(const struct buffer *document, const char *name)
{
	char opening[64];
	const char *begin, *end;

	snprintf(opening, sizeof opening, "```%s\n", name);
	begin = strstr((const char *)document->data, opening);
	assert_non_null(begin);
	begin += strlen(opening);
	end = strstr(begin, "\n```");
	assert_non_null(end);
	return slice_of(begin, (size_t)(end - begin));
}

static void
the_document_shows_what_is_written(void **state)
{
	struct buffer out, document;
	struct fault why;
	struct slice shown;
	uint8_t leaf[32];
	char hex[65];
	crypto_hash_sha256_state hash;

	(void)state;
	buffer_init(&out, ENTRY_SIZE_LIMIT);
	write_example(&out);
	assert_int_equal(file_read(&document, "schema/ENTRY.md", 1 << 20, &why), 0);
	shown = fenced(&document, "entry");
	if (!slice_equal(shown, buffer_view(&out))) {
		print_error("the example is\n");
		fprintf(stderr, "%.*s\n", SLICE_PRINT(buffer_view(&out)));
		fail();
	}
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, (const uint8_t *)"", 1);
	crypto_hash_sha256_update(&hash, out.data, out.size);
	crypto_hash_sha256_final(&hash, leaf);
	hex_encode(hex, leaf, sizeof leaf);
	if (!slice_is(fenced(&document, "leaf"), hex))
		fail_msg("the leaf hash is %s", hex);
	buffer_free(&out);
	buffer_free(&document);
}

static void
columns_come_back(void **state)
{
	struct buffer out;
	struct entry_columns columns;
	struct arena *arena = arena_new(1 << 20);
	struct fault why;

	(void)state;
	buffer_init(&out, ENTRY_SIZE_LIMIT);
	write_example(&out);
	assert_int_equal(entry_read(&columns, buffer_view(&out), arena, &why), 0);
	assert_int_equal(columns.kind, ENTRY_DECISION);
	assert_int_equal(columns.wall_ms, head.wall_ms);
	assert_true(slice_is(columns.id, head.id));
	assert_true(slice_is(columns.log, head.log));
	assert_true(slice_is(columns.request_id, "req-0001"));
	assert_true(slice_is(columns.usecase, "welfare-eligibility"));
	assert_true(slice_is(columns.access, "hold"));
	assert_true(slice_is(columns.verdict, "HIGH_IMPACT"));
	assert_true(slice_is(columns.domain, "public_service"));
	assert_true(slice_is(columns.model, "haechi-demo"));
	assert_int_equal(columns.action.size, 0);
	/* Any single byte changed: refused, or another canonical entry - never the same columns silently altered. */
	for (size_t i = 0; i < out.size; i++) {
		out.data[i] ^= 0x20;
		arena_reset(arena);
		if (entry_read(&columns, buffer_view(&out), arena, &why) == -1)
			assert_true(why.kind == FAULT_INVALID);
		out.data[i] ^= 0x20;
	}
	buffer_free(&out);
	arena_free(arena);
}

static void
other_spellings_are_refused(void **state)
{
	static const char *const texts[] = {
	    "{\"body\":{},\"format\":1,\"id\":\"x\",\"kind\":\"key\",\"log\":\"l\",\"time\":\"2026-03-02T09:"
	    "00:00.000Z\"} ",
	    "{\"format\":1,\"body\":{},\"id\":\"x\",\"kind\":\"key\",\"log\":\"l\",\"time\":\"2026-03-02T09:"
	    "00:00.000Z\"}",
	    "{\"body\":{},\"format\":2,\"id\":\"x\",\"kind\":\"key\",\"log\":\"l\",\"time\":\"2026-03-02T09:"
	    "00:00.000Z\"}",
	    "{\"body\":{},\"format\":1,\"id\":\"x\",\"kind\":\"kex\",\"log\":\"l\",\"time\":\"2026-03-02T09:"
	    "00:00.000Z\"}",
	    "{\"body\":{},\"format\":1,\"kind\":\"key\",\"log\":\"l\",\"time\":\"2026-03-02T09:00:00.000Z\"}",
	    "{\"body\":{\"x\":1.5},\"format\":1,\"id\":\"x\",\"kind\":\"key\",\"log\":\"l\",\"time\":\"2026-"
	    "03-02T09:00:00.000Z\"}",
	    "[]",
	    "7",
	    ""};
	struct entry_columns columns;
	struct arena *arena = arena_new(1 << 20);
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(entry_read(&columns, slice_string(texts[i]), arena, &why), -1);
	assert_int_equal(
	    entry_read(&columns,
	               SLICE_LITERAL(
	                   "{\"body\":{},\"format\":1,\"id\":\"x\",\"kind\":\"key\",\"log\":\"l\",\"time\":"
	                   "\"2026-03-02T09:00:00.000Z\"}"),
	               arena, &why),
	    0);
	arena_free(arena);
}

static void
notes_must_ascend_and_be_text(void **state)
{
	struct entry_head note_head = head;
	struct entry_note note = {
	    .action = "start", .facts = {{"b", "x", 0}, {"a", "y", 0}},
                 .fact_count = 2
        };
	struct buffer out;
	struct fault why;

	(void)state;
	note_head.kind = ENTRY_LIFECYCLE;
	buffer_init(&out, ENTRY_SIZE_LIMIT);
	assert_int_equal(entry_write_note(&out, &note_head, &note, &why), -1);
	buffer_reset(&out);
	note.facts[0].name = "a", note.facts[1].name = "b", note.facts[1].text = "\xFF";
	assert_int_equal(entry_write_note(&out, &note_head, &note, &why), -1);
	buffer_reset(&out);
	note.facts[1].text = NULL, note.facts[1].number = 7;
	assert_int_equal(entry_write_note(&out, &note_head, &note, &why), 0);
	assert_non_null(
	    strstr(buffer_text(&out), "\"body\":{\"action\":\"start\",\"facts\":{\"a\":\"x\",\"b\":7}}"));
	buffer_free(&out);
}

static void
ids_are_ordered_by_time(void **state)
{
	char first[ENTRY_ID_SIZE], second[ENTRY_ID_SIZE];

	(void)state;
	entry_id_make(first, 1772442000123);
	entry_id_make(second, 1772442000124);
	assert_memory_equal(first, "019cadc3-", 4);
	assert_int_equal(strlen(first), ENTRY_ID_SIZE - 1);
	assert_true(strcmp(first, second) < 0);
	assert_int_equal(first[14], '7');
	assert_non_null(strchr("89ab", first[19]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_document_shows_what_is_written),
	    cmocka_unit_test(columns_come_back),
	    cmocka_unit_test(other_spellings_are_refused),
	    cmocka_unit_test(notes_must_ascend_and_be_text),
	    cmocka_unit_test(ids_are_ordered_by_time),
	};

	return sodium_init() == -1 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
