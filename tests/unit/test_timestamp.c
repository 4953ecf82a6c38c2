/*
 * Time stamps (RFC 3161): a token made elsewhere, an authority of our own made with openssl, and everything that is not believed:
 * another document, nonce, policy, root, purpose, a certificate past its time, every changed byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>
#include <time.h>
#include <unistd.h>

#include "audit/timestamp.h"

#define DOCUMENT SLICE_LITERAL("haechi.seoul/node1\n7\nroot\n")

static char folder[] = "/tmp/haechi-stamp-XXXXXX";
static struct buffer roots;

static void
shell(const char *format, ...)
{
	char command[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof command, format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void
load(struct buffer *out, const char *name)
{
	char path[512];
	struct fault why;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (file_read(out, path, 1 << 18, &why) == -1)
		fail_msg("%s", why.en);
}

/* What the authority `section` of the configuration answers. */
static void
reply(struct buffer *out, struct slice query, const char *section)
{
	char path[512];
	struct fault why;

	snprintf(path, sizeof path, "%s/query", folder);
	assert_int_equal(file_replace(path, query, 0600, &why), 0);
	shell(
	    "cd %s && openssl ts -reply -config tsa.cnf -section %s -queryfile query -out reply 2>/dev/null",
	    folder, section);
	load(out, "reply");
}

static void
good(void **state)
{
	struct timestamp_question question;
	struct timestamp stamp;
	struct buffer query, answer;
	struct fault why;
	size_t still_good = 0;

	(void)state;
	buffer_init(&query, 4096);
	assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, "1.2.3.4.1", &why), 0);
	reply(&answer, buffer_view(&query), "good");
	if (timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots), &why) == -1)
		fail_msg("%s", why.en);
	assert_string_equal(stamp.policy, "1.2.3.4.1");
	assert_non_null(strstr(stamp.authority, "test authority"));
	assert_true(stamp.wall_ms / 1000 >= (int64_t)time(NULL) - 60 &&
	            stamp.wall_ms / 1000 <= (int64_t)time(NULL) + 1);
	/* years later, with the document; by openssl too */
	assert_int_equal(timestamp_check(&stamp, buffer_view(&answer), DOCUMENT, buffer_view(&roots), &why),
	                 0);
	assert_int_equal(timestamp_check(&stamp, buffer_view(&answer), SLICE_LITERAL("another"),
	                                 buffer_view(&roots), &why),
	                 -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	/* every byte */
	for (size_t i = 0; i < answer.size; i++) {
		answer.data[i] ^= 1;
		if (timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots),
		                           &why) == 0)
			still_good++;
		answer.data[i] ^= 1;
	}
	/*
	 * Outside what is signed: granted becomes granted with modifications, the list of digest algorithms, the name of the
	 * signature's algorithm, which follows from the key.
	 */
	assert_true(still_good <= 16);
	for (size_t size = 0; size < answer.size; size++)
		assert_int_equal(timestamp_answer_check(&stamp, slice_of(answer.data, size), &question,
		                                        buffer_view(&roots), &why),
		                 -1);
	print_message("           %zu bytes, %zu of them may differ by a bit\n", answer.size, still_good);
	/* an answer to another question */
	buffer_reset(&query);
	assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, "1.2.3.4.1", &why), 0);
	assert_int_equal(
	    timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots), &why), -1);
	assert_non_null(strstr(why.en, "nonce"));
	buffer_free(&answer);
	buffer_free(&query);
}

static void
bad_authorities(void **state)
{
	static const char *const sections[] = {"late", "stranger"};
	struct timestamp_question question;
	struct timestamp stamp;
	struct buffer query, answer;
	struct fault why;

	(void)state;
	buffer_init(&query, 4096);
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		buffer_reset(&query);
		assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, NULL, &why), 0);
		reply(&answer, buffer_view(&query), sections[i]);
		if (timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots),
		                           &why) == 0)
			fail_msg("%s was believed", sections[i]);
		assert_int_equal(why.kind, FAULT_TAMPERED);
		buffer_free(&answer);
	}
	/* a policy it does not have: refused with its own words */
	buffer_reset(&query);
	assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, "1.2.3.4.9", &why), 0);
	reply(&answer, buffer_view(&query), "good");
	assert_int_equal(
	    timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots), &why), -1);
	assert_int_equal(why.kind, FAULT_UNAVAILABLE);
	buffer_free(&answer);
	/* a policy that was not asked for */
	buffer_reset(&query);
	assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, NULL, &why), 0);
	reply(&answer, buffer_view(&query), "good");
	snprintf(question.policy, sizeof question.policy, "1.2.3.4.2");
	assert_int_equal(
	    timestamp_answer_check(&stamp, buffer_view(&answer), &question, buffer_view(&roots), &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(
	    timestamp_check(&stamp, buffer_view(&answer), DOCUMENT, SLICE_LITERAL("no PEM"), &why), -1);
	assert_int_equal(why.kind, FAULT_INVALID);
	assert_int_equal(timestamp_ask(&query, &question, DOCUMENT, "no oid", &why), -1);
	buffer_free(&answer);
	buffer_free(&query);
}

static void
elsewhere(void **state)
{
	const char *shared = getenv("HAECHI_SHARED");
	struct buffer answer, document, root;
	struct timestamp stamp;
	struct fault why;
	char path[4096];

	(void)state;
	snprintf(path, sizeof path, "%s/data/tlog/rfc3161/r.tsr", shared == NULL ? "../shared" : shared);
	if (access(path, R_OK) == -1) {
		print_message("           skipped: no %s\n", path);
		return;
	}
	assert_int_equal(file_read(&answer, path, TIMESTAMP_LIMIT, &why), 0);
	snprintf(path, sizeof path, "%s/data/tlog/rfc3161/checkpoint.15",
	         shared == NULL ? "../shared" : shared);
	assert_int_equal(file_read(&document, path, TIMESTAMP_LIMIT, &why), 0);
	snprintf(path, sizeof path, "%s/data/tlog/rfc3161/ca.pem", shared == NULL ? "../shared" : shared);
	assert_int_equal(file_read(&root, path, TIMESTAMP_LIMIT, &why), 0);
	if (timestamp_check(&stamp, buffer_view(&answer), buffer_view(&document), buffer_view(&root), &why) ==
	    -1)
		fail_msg("%s", why.en);
	assert_int_equal(stamp.wall_ms, INT64_C(1795290043000));
	document.data[3] ^= 1;
	assert_int_equal(
	    timestamp_check(&stamp, buffer_view(&answer), buffer_view(&document), buffer_view(&root), &why),
	    -1);
	document.data[3] ^= 1;
	assert_int_equal(
	    timestamp_check(&stamp, buffer_view(&answer), buffer_view(&document), buffer_view(&roots), &why),
	    -1);
	buffer_free(&answer);
	buffer_free(&document);
	buffer_free(&root);
}

static int
begin(void **state)
{
	static const char configuration[] =
	    "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,"
	    "keyCertSign\n"
	    "[stamping]\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
	    "extendedKeyUsage=critical,timeStamping\n"
	    "[base]\n"
	    "[good]\nserial=./"
	    "serial\nsigner_cert=good.pem\nsigner_key=good.key\nsigner_digest=sha256\n"
	    "default_policy=1.2.3.4.1\nother_policies=1.2.3.4.2\ndigests=sha256\nordering=yes\ness_cert_id_"
	    "alg=sha256\n"
	    "clock_precision_digits=3\n"
	    "[late]\nserial=./"
	    "serial\nsigner_cert=late.pem\nsigner_key=late.key\nsigner_digest=sha256\n"
	    "default_policy=1.2.3.4.1\ndigests=sha256\ness_cert_id_alg=sha256\n"
	    "[stranger]\nserial=./"
	    "serial\nsigner_cert=stranger.pem\nsigner_key=stranger.key\n"
	    "signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\ness_cert_id_alg=sha256\n";
	char path[512];
	struct fault why;

	(void)state;
	if (sodium_init() == -1 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/tsa.cnf", folder);
	if (file_replace(path, SLICE_LITERAL(configuration), 0600, &why) == -1)
		return -1;
	shell("cd %s && exec 2>/dev/null && echo 01 > serial && for ca in ca other; do "
	      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $ca.key -out "
	      "$ca.pem -days 30 "
	      "-subj \"/CN=$ca\" -config tsa.cnf -extensions ca || exit 1; done; for who in good late "
	      "stranger; do "
	      "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key -out $who.csr "
	      "-config tsa.cnf "
	      "-subj \"/CN=test authority $who\" || exit 1; by=ca; days=30; [ $who != stranger ] || "
	      "by=other; [ $who != late ] || "
	      "days=-1; openssl x509 -req -in $who.csr -CA $by.pem -CAkey $by.key -CAcreateserial -out "
	      "$who.pem -days $days "
	      "-extfile tsa.cnf -extensions stamping || exit 1; done",
	      folder);
	load(&roots, "ca.pem");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buffer_free(&roots);
	shell("rm -rf %s", folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(bad_authorities),
	    cmocka_unit_test(elsewhere),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
