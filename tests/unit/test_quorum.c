/*
 * Trust policies (C2SP tlog-policy): groups within groups, every rule of the form, and a head held against them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "audit/quorum.h"

static char vkey[8][NOTE_VKEY_SIZE], log_vkey[NOTE_VKEY_SIZE];

static int
parse(struct quorum *quorum, struct fault *why, const char *format)
{
	/* "$0" to "$7" stand for witness keys, "$L" for the log's. */
	struct buffer text;
	int result;

	buffer_init(&text, 1 << 17);
	for (const char *at = format; *at != '\0'; at++) {
		if (*at != '$') {
			buffer_byte(&text, (uint8_t)*at);
			continue;
		}
		at++;
		buffer_string(&text, *at == 'L' ? log_vkey : vkey[*at - '0']);
	}
	result = quorum_parse(quorum, buffer_view(&text), why);
	buffer_free(&text);
	return result;
}

static void
two_levels(void **state)
{
	struct quorum *quorum = malloc(sizeof *quorum);
	bool cosigned[QUORUM_WITNESSES] = {false};
	struct buffer words;
	struct fault why;

	(void)state;
	assert_int_equal(parse(quorum, &why,
	                       "# two organisations\n\tlog  $L https://log.example/\n\n"
	                       "witness X1 $0 http://127.0.0.1:1\nwitness X2 $1\nwitness X3 $2\n"
	                       "group X 2 X1 X2 X3\nwitness Y1 $3\nwitness Y2 $4\ngroup Y any Y1 Y2\n"
	                       "group both all X Y\n  quorum both\n"),
	                 0);
	assert_int_equal(quorum->witness_count, 5);
	assert_string_equal(quorum->witnesses[0].url, "http://127.0.0.1:1");
	assert_string_equal(quorum->logs[0].url, "https://log.example/");
	assert_false(quorum_met(quorum, cosigned));
	cosigned[0] = cosigned[2] = true;
	assert_false(quorum_met(quorum, cosigned));
	cosigned[4] = true;
	assert_true(quorum_met(quorum, cosigned));
	cosigned[2] = false;
	assert_false(quorum_met(quorum, cosigned));
	buffer_init(&words, 256);
	quorum_describe(&words, quorum);
	assert_string_equal(buffer_text(&words), "2/2(2/3(X1, X2, X3), 1/2(Y1, Y2))");
	buffer_free(&words);
	free(quorum);
}

static void
forms(void **state)
{
	static const char *const good[] = {
	    "quorum none\n",
	    "witness a $0\nquorum a\n",
	    "log $L\nwitness a $0\nquorum none\n",
	    "witness \xed\x95\xb4\xec\xb9\x98 $0\nquorum \xed\x95\xb4\xec\xb9\x98\n",
	    "witness a $0\ngroup g 1 a\nquorum g\n#\n\n \t\n",
	};
	static const char *const bad[] = {
	    "",
	    "witness a $0\n",
	    "quorum a\n",
	    "quorum a\nwitness a $0\n",
	    "quorum none\nquorum none\n",
	    "quorum none",
	    "witness a $0\r\nquorum a\n",
	    "witness a\nquorum none\n",
	    "witness none $0\nquorum none\n",
	    "witness a $0\nwitness a $1\nquorum a\n",
	    "witness a $0\nwitness b $0\nquorum a\n",
	    "witness a $0 url another\nquorum a\n",
	    "witness a $L\nquorum a\n",
	    "log $0\nquorum none\n",
	    "log $L\nlog $L\nquorum none\n",
	    "witness a $0\ngroup g 0 a\nquorum g\n",
	    "witness a $0\ngroup g 2 a\nquorum g\n",
	    "witness a $0\ngroup g 01 a\nquorum g\n",
	    "witness a $0\ngroup g all\nquorum g\n",
	    "witness a $0\ngroup g all a a\nquorum g\n",
	    "witness a $0\ngroup g all a\ngroup h all a\nquorum h\n",
	    "group g all g\nquorum g\n",
	    "group g all none\nquorum g\n",
	    "witness a $0\ngroup a all a\nquorum a\n",
	    "wintess a $0\nquorum none\n",
	    "quorum none none\n",
	    "witness a name+00000000+AAAA\nquorum a\n",
	};
	struct quorum *quorum = malloc(sizeof *quorum);
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (parse(quorum, &why, good[i]) == -1)
			fail_msg("good %zu: %s", i, why.en);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(quorum, &why, bad[i]) == 0)
			fail_msg("bad %zu was taken", i);
	assert_int_equal(parse(quorum, &why, "# x\n\nwitness a $0\nbad\nquorum a\n"), -1);
	assert_non_null(strstr(why.en, "line 4"));
	free(quorum);
}

static void
key(char out[NOTE_VKEY_SIZE], const char *name, uint8_t type)
{
	uint8_t bytes[32];
	struct note_key made;
	struct buffer text;

	randombytes_buf(bytes, sizeof bytes);
	buffer_init(&text, NOTE_VKEY_SIZE);
	if (note_key_make(&made, name, type, slice_of(bytes, sizeof bytes), NULL) == -1)
		abort();
	note_key_write(&text, &made);
	snprintf(out, NOTE_VKEY_SIZE, "%s", buffer_text(&text));
	buffer_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_levels),
	    cmocka_unit_test(forms),
	};

	if (sodium_init() == -1)
		return 2;
	key(log_vkey, "haechi.seoul/node1", NOTE_ED25519);
	for (int i = 0; i < 8; i++) {
		char name[32];

		snprintf(name, sizeof name, "witness.example/w%d", i);
		key(vkey[i], name, NOTE_COSIGNATURE);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
