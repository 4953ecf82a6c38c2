/*
 * A decision is written as an entry, read back and made again: nothing may differ. What is missing or malformed in an entry is
 * refused by name, and what was changed in it is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/deciding.h"
#include "gateway/replay.h"
#include "schema/base/json.h"

static struct policy *policy;
static struct arena *arena;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	if ((arena = arena_new(16 << 20)) == NULL ||
	    policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why) == -1) {
		fault_print(stderr, "test_replay", &why);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	policy_release(policy);
	arena_free(arena);
	return 0;
}

static void
read_usecase(struct usecase *out, const char *path)
{
	struct buffer text;
	struct fault why;

	assert_int_equal(file_read(&text, path, 1 << 20, &why), 0);
	if (usecase_parse(out, buffer_view(&text), arena, &why) == -1)
		fail_msg("%s: %s", path, why.en);
	buffer_free(&text);
}

/* As the gateway does it: assess, decide, write. */
static void
write_entry(struct buffer *out, struct policy_facts *facts, struct usecase *usecase, uint32_t rrn)
{
	struct assessment assessment;
	struct decision decision;
	struct entry_decision body = {.decision = &decision};
	struct entry_head head = {.kind = ENTRY_DECISION,
	                          .id = "019c9b4e-a1c0-7d3f-8a52-3f1e9b0c7d61",
	                          .log = "haechi.haneul/node1",
	                          .wall_ms = facts->wall_ms,
	                          .agency = facts->subject->agency,
	                          .service = facts->subject->service,
	                          .key = facts->subject->key_id,
	                          .request_id = "req-1"};
	struct fault why = {0};
	uint32_t masked;

	facts->usecase = usecase;
	facts->found_kinds = rrn > 0 ? 1u << IDENTIFIER_RRN : 0;
	body.facts.found[IDENTIFIER_RRN] = rrn;
	body.facts.review_decisions = body.facts.review_changed = body.facts.review_hasty = -1;
	if (usecase != NULL) {
		if (policy_assess(policy, usecase, "2026-11-21", arena, &assessment, &why) == -1)
			fail_msg("%s", why.en);
		facts->verdict = assessment.verdict;
		body.assessment = &assessment;
		head.usecase = usecase->id;
		head.usecase_version = usecase->version;
		body.facts.review_decisions = usecase->reviewer.decisions;
		body.facts.review_changed = usecase->reviewer.changed;
		body.facts.review_hasty = usecase->reviewer.hasty;
		body.facts.review_limits = &usecase->reviewer.limits;
	}
	if (deciding_run(policy, facts, NULL, NULL, &masked, arena, &decision, &why) == -1)
		fail_msg("%s", why.en);
	body.facts.action = facts->action;
	body.facts.model = facts->model;
	body.facts.zone = facts->engine_zone;
	body.facts.approver = facts->approver;
	body.facts.approver_role = facts->approver_role;
	body.facts.approval_expires_ms = facts->approval_expires_ms;
	body.facts.grade = facts->grade;
	body.facts.zone_grade = facts->zone_grade;
	body.facts.drift = facts->drift;
	body.facts.redacted_kinds = facts->redacted_kinds;
	body.facts.signal_domains = facts->signal_domains;
	body.facts.streaming = facts->streaming;
	body.facts.roles = facts->subject->roles;
	body.facts.role_count = facts->subject->role_count;
	if (entry_write_decision(out, &head, &body, &why) == -1)
		fail_msg("%s", why.en);
}

static uint32_t
replayed(struct slice entry, const struct usecase *usecase, enum access *was)
{
	struct recorded recorded;
	struct remade remade;
	struct fault why = {0};

	if (recorded_read(&recorded, entry, arena, &why) == -1 ||
	    replay_make(&remade, policy, &recorded, usecase, NULL, arena, &why) == -1)
		fail_msg("%s", why.en);
	*was = recorded.decision.access;
	return replay_compare(&recorded, &remade);
}

static const char *roles[] = {"civil-service"};
static const struct subject somebody = {.known = true,
                                        .agency = "haneul",
                                        .service = "desk",
                                        .key_id = "k1",
                                        .person = "",
                                        .roles = roles,
                                        .role_count = 1};
static const struct policy_facts plain = {.subject = &somebody,
                                          .drift = DRIFT_NONE,
                                          .grade = GRADE_S,
                                          .zone_grade = GRADE_S,
                                          .action = "chat",
                                          .model = "haechi-demo",
                                          .engine_zone = "kr-gov",
                                          .wall_ms = 1795251600123};

static void
the_same_facts_give_the_same_decision(void **state)
{
	struct usecase drafting, welfare;
	const struct {
		struct usecase *usecase;
		uint32_t rrn;
		enum drift drift;
		enum grade zone_grade;
		bool approved;
		enum access access;
	} cases[] = {
	    {&drafting, 0, DRIFT_NONE,    GRADE_S, false, ACCESS_PERMIT},
	    {&drafting, 2, DRIFT_NONE,    GRADE_S, false, ACCESS_REDACT},
	    {&drafting, 2, DRIFT_CERTAIN, GRADE_S, false, ACCESS_HOLD  },
	    {&drafting, 0, DRIFT_NONE,    GRADE_O, false, ACCESS_DENY  },
	    {&welfare,  0, DRIFT_NONE,    GRADE_S, false, ACCESS_HOLD  },
	    {&welfare,  0, DRIFT_NONE,    GRADE_S, true,  ACCESS_PERMIT},
	    {&welfare,  1, DRIFT_NONE,    GRADE_S, true,  ACCESS_REDACT},
	    {NULL,      0, DRIFT_NONE,    GRADE_S, false, ACCESS_DENY  },
	};

	(void)state;
	read_usecase(&drafting, "deploy/demo/office-drafting.json");
	read_usecase(&welfare, "deploy/demo/welfare-eligibility.json");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy_facts facts = plain;
		struct buffer entry;
		enum access was;
		uint32_t changed;

		facts.drift = cases[i].drift;
		facts.zone_grade = cases[i].zone_grade;
		facts.signal_domains = 1u << DOMAIN_PUBLIC_SERVICE;
		facts.streaming = i % 2 == 1;
		if (cases[i].approved) {
			facts.approver = "김검토";
			facts.approver_role = "reviewer";
			facts.approval_expires_ms = facts.wall_ms + 1; /* a millisecond either way decides */
		}
		buffer_init(&entry, ENTRY_SIZE_LIMIT);
		write_entry(&entry, &facts, cases[i].usecase, cases[i].rrn);
		changed = replayed(buffer_view(&entry), cases[i].usecase, &was);
		if (changed != 0 || was != cases[i].access)
			fail_msg("case %zu: %s, differs in %x: %.*s", i, access_name(was), (unsigned)changed,
			         SLICE_PRINT(buffer_view(&entry)));
		buffer_free(&entry);
	}
	usecase_release(&drafting);
	usecase_release(&welfare);
}

/* T12 moves on after the entry: its own numbers count, not those of the document. */
static void
the_reviews_of_that_moment_count(void **state)
{
	struct policy_facts facts = plain;
	struct assessment assessment;
	struct usecase usecase;
	struct buffer entry;
	struct fault why;
	enum access was;

	(void)state;
	read_usecase(&usecase, "deploy/demo/welfare-eligibility.json");
	usecase.decision_effect = EFFECT_RECOMMEND;
	usecase.human_review = REVIEW_SUBSTANTIVE;
	usecase.reviewer.may_modify = FACT_YES;
	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	usecase.reviewer.decisions = 200;
	usecase.reviewer.changed = 0;
	write_entry(&entry, &facts, &usecase, 0);
	usecase.reviewer.decisions = 200;
	usecase.reviewer.changed = 60;
	assert_int_equal(policy_assess(policy, &usecase, "2026-11-21", arena, &assessment, &why), 0);
	assert_int_not_equal(assessment.verdict, facts.verdict);
	assert_int_equal(replayed(buffer_view(&entry), &usecase, &was), 0);
	buffer_free(&entry);
	usecase_release(&usecase);
}

/* Replace once in a copy; the entry need not be canonical for this. */
static struct slice
changed(const struct buffer *entry, const char *from, const char *to)
{
	struct buffer text = {0};
	const char *at;
	struct slice out;

	buffer_init(&text, 2 * ENTRY_SIZE_LIMIT);
	buffer_slice(&text, buffer_view(entry));
	at = strstr(buffer_text(&text), from);
	if (at == NULL)
		fail_msg("no %s in the entry", from);
	out = slice_string(arena_printf(arena, "%.*s%s%s", (int)(at - (const char *)text.data),
	                                (const char *)text.data, to, at + strlen(from)));
	buffer_free(&text);
	return out;
}

static void
what_was_changed_is_seen(void **state)
{
	static const struct {
		const char *from, *to;
		uint32_t change;
	} forgeries[] = {
	    {"\"access\":\"redact\"",                      "\"access\":\"permit\"",                             REPLAY_ACCESS    },
	    {"\"reasons\":[{\"id\":\"forbid.rrn\"",        "\"reasons\":[{\"id\":\"forbid.model\"",             REPLAY_REASONS   },
	    {"\"permits\":[{\"id\":\"permit.sensitive\"",  "\"permits\":[{\"id\":\"permit.open\"",
	     REPLAY_PERMITS	                                                                                              },
	    {"\"errors\":[]",	                      "\"errors\":[{\"message\":\"m\",\"policy\":\"p\"}]", REPLAY_ERRORS    },
	    {"\"log_full\":false",                         "\"log_full\":true",                                 REPLAY_DUTIES    },
	    {"\"redacted\":[]",                            "\"redacted\":[\"rrn\"]",                            REPLAY_REDACTED  },
	    {"},\"verdict\":\"NOT_HIGH_IMPACT\",\"zone\"", "},\"verdict\":\"EXCLUDED\",\"zone\"",
	     REPLAY_VERDICT	                                                                                              },
	    {"\"stricter_reading\":false",                 "\"stricter_reading\":true",                         REPLAY_ASSESSMENT},
	};
	struct policy_facts facts = plain;
	struct usecase usecase;
	struct buffer entry;
	enum access was;

	(void)state;
	read_usecase(&usecase, "deploy/demo/office-drafting.json");
	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	write_entry(&entry, &facts, &usecase, 1);
	for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
		uint32_t seen;

		/* "verdict" of the body stands behind the reasons. */
		if (forgeries[i].change == REPLAY_VERDICT)
			seen = replayed(changed(&entry, "],\"verdict\":\"NOT_HIGH_IMPACT\",\"zone\"",
			                        "],\"verdict\":\"EXCLUDED\",\"zone\""),
			                &usecase, &was);
		else
			seen = replayed(changed(&entry, forgeries[i].from, forgeries[i].to), &usecase, &was);
		if (seen != forgeries[i].change)
			fail_msg("%s: %x", forgeries[i].to, (unsigned)seen);
	}
	/* Without the identifier there was nothing to mask. */
	assert_true((replayed(changed(&entry, "{\"rrn\":1}", "{}"), &usecase, &was) & REPLAY_ACCESS) != 0);
	buffer_free(&entry);
	usecase_release(&usecase);
}

static void
malformed_entries_are_refused(void **state)
{
	static const char *const broken[][3] = {
	    {"\"drift\":\"none\",",    "",                        "drift"    },
	    {"\"drift\":\"none\"",     "\"drift\":\"never\"",     "drift"    },
	    {"\"grade\":\"S\"",        "\"grade\":\"X\"",         "grade"    },
	    {"\"found\":{",            "\"found\":{\"card\":-1,", "found"    },
	    {"\"redacted\":[]",        "\"redacted\":[\"soul\"]", "redacted" },
	    {"\"roles\":[",            "\"roles\":[7,",           "roles"    },
	    {"\"signals\":[]",         "\"signals\":[\"none\"]",  "signals"  },
	    {"\"streaming\":false,",   "",                        "streaming"},
	    {"\"kind\":\"decision\"",  "\"kind\":\"outcome\"",    "kind"     },
	    {"\"access\":\"redact\"",  "\"access\":\"maybe\"",    "access"   },
	    {"\"label\":\"metadata\"", "\"label\":1",             "label"    },
	    {"\"retention_days\":730", "\"retention_days\":-730", "duties"   },
	    {"\"time\":\"2026",        "\"time\":\"noon",         "time"     },
	};
	struct policy_facts facts = plain;
	struct recorded recorded;
	struct usecase usecase;
	struct buffer entry;

	(void)state;
	read_usecase(&usecase, "deploy/demo/office-drafting.json");
	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	write_entry(&entry, &facts, &usecase, 1);
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		struct fault why = {0};
		char named[40];

		snprintf(named, sizeof named, "'%s'", broken[i][2]);
		assert_int_equal(
		    recorded_read(&recorded, changed(&entry, broken[i][0], broken[i][1]), arena, &why), -1);
		assert_int_equal(why.kind, FAULT_INVALID);
		if (strstr(why.en, named) == NULL)
			fail_msg("%s: %s", broken[i][1], why.en);
	}
	buffer_free(&entry);
	usecase_release(&usecase);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_same_facts_give_the_same_decision),
	    cmocka_unit_test(the_reviews_of_that_moment_count),
	    cmocka_unit_test(what_was_changed_is_seen),
	    cmocka_unit_test(malformed_entries_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
