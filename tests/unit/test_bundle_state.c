/*
 * Bundles on disk: which one is active survives whatever happens to state.json, and forgetting never opens the way back to an older
 * revision. Addresses to pull from: only what may be asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/bundle_pull.h"
#include "gateway/bundle_state.h"

static char directory[64];

static int
setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/haechi-bundles-XXXXXX");
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

/* A bundle of one file, kept; its mark. */
static struct bundle_mark
kept(int64_t revision, bool imported)
{
	const struct policy_file file = {"agency/a.cedar", SLICE_LITERAL("// nothing\n")};
	const struct bundle_plan plan = {
	    .name = "a", .revision = revision, .created_ms = 1790000000000, .files = &file, .file_count = 1};
	struct bundle_mark mark = {.revision = revision, .activated_ms = 1790000000000 + revision};
	struct bundle *bundle;
	struct buffer archive;
	struct fault why;

	buffer_init(&archive, BUNDLE_SIZE_LIMIT);
	assert_int_equal(bundle_build(&archive, &plan, &why), 0);
	assert_int_equal(bundle_open(&bundle, buffer_view(&archive), &why), 0);
	snprintf(mark.digest, sizeof mark.digest, "%s", bundle->digest);
	snprintf(mark.source, sizeof mark.source, "command");
	snprintf(mark.signers, sizeof mark.signers, "office");
	assert_int_equal((imported ? bundle_state_import : bundle_state_keep)(directory, &mark,
	                                                                      buffer_view(&archive), &why),
	                 0);
	bundle_close(bundle);
	buffer_free(&archive);
	return mark;
}

static void
put_state(const char *text)
{
	char path[128];
	struct fault why;

	snprintf(path, sizeof path, "%s/state.json", directory);
	assert_int_equal(file_replace(path, slice_string(text), 0600, &why), 0);
}

static size_t
files(void)
{
	struct bundle_listing listing;
	struct fault why;
	size_t count;

	assert_int_equal(bundle_listing_read(&listing, directory, &why), 0);
	count = listing.count;
	bundle_listing_free(&listing);
	return count;
}

static void
remembered(void **state)
{
	struct bundle_state here, there;
	struct fault why;

	(void)state;
	assert_int_equal(bundle_state_read(&here, directory, &why), 0);
	assert_int_equal(here.count, 0);
	assert_int_equal(here.highest, 0);
	for (int64_t revision = 1; revision <= 6; revision++) {
		const struct bundle_mark mark = kept(revision, false);

		bundle_state_push(&here, &mark, 4);
		assert_int_equal(bundle_state_write(&here, directory, &why), 0);
		bundle_state_tidy(&here, directory);
	}
	assert_int_equal(here.count, 4);
	assert_int_equal(here.highest, 6);
	assert_int_equal(files(), 4);
	assert_int_equal(bundle_state_read(&there, directory, &why), 0);
	assert_memory_equal(&here, &there, sizeof here);
	/* Going back to 4: it is active, 6 stays the highest, nothing is there twice. */
	bundle_state_push(&here, &there.marks[1], 4);
	assert_int_equal(here.count, 4);
	assert_int_equal(here.marks[3].revision, 4);
	assert_int_equal(here.highest, 6);
	/* What was brought in and never activated is no bundle to fall back to, and goes once it is behind. */
	(void)kept(5, true);
	(void)kept(9, true);
	assert_int_equal(files(), 6);
	bundle_state_tidy(&here, directory);
	assert_int_equal(files(), 5);
}

static void
forgetting_opens_no_way_back(void **state)
{
	static const char *const damaged[] = {
	    "",
	    "{",
	    "null",
	    "[]",
	    "{\"format\":2,\"highest\":1,\"marks\":[]}",
	    "{\"format\":1,\"highest\":-5,\"marks\":[]}",
	    "{\"format\":1,\"highest\":1,\"marks\":[{}]}",
	    "{\"format\":1,\"highest\":1,\"marks\":[{\"revision\":9,\"digest\":\"00\",\"activated\":\"x\"}]}",
	    "{\"format\":1,\"marks\":7}",
	};
	struct bundle_state here;
	struct fault why;
	char path[128];

	(void)state;
	/* The bundles of the test before lie here: 3, 4, 5 and 6 were in force, 9 never was. */
	snprintf(path, sizeof path, "%s/state.json", directory);
	for (size_t i = 0; i <= sizeof damaged / sizeof *damaged; i++) {
		if (i < sizeof damaged / sizeof *damaged)
			put_state(damaged[i]);
		else
			assert_int_equal(unlink(path), 0);
		assert_int_equal(bundle_state_read(&here, directory, &why), 0);
		assert_int_equal(here.highest, 6);
		assert_int_equal(here.count, 4);
		assert_int_equal(here.marks[here.count - 1].revision, 6);
		assert_int_equal(strlen(here.marks[here.count - 1].digest), 64);
	}
}

static void
addresses(void **state)
{
	static const struct {
		const char *text;
		enum pull_kind kind;
		uint16_t port;
	} good[] = {
	    {"file:/srv/policy/seoul.bundle",                  PULL_FILE, 0   },
	    {"https://policy.example.go.kr/seoul.bundle",      PULL_HTTP, 443 },
	    {"https://policy.example.go.kr:8443/seoul.bundle", PULL_HTTP, 8443},
	    {"http://127.0.0.1:9000/a",                        PULL_HTTP, 9000},
	    {"http://[::1]:9000/a",                            PULL_HTTP, 9000},
	    {"unix:/run/policy.sock:/seoul.bundle",            PULL_HTTP, 0   },
	};
	static const char *const bad[] = {"",
	                                  "file:",
	                                  "seoul.bundle",
	                                  "/srv/seoul.bundle",
	                                  "ftp://127.0.0.1/a",
	                                  "http://policy.example/a",
	                                  "http://10.0.0.1/a",
	                                  "http://localhost/a",
	                                  "https://user:word@policy.example/a",
	                                  "unix:",
	                                  "unix:/run/s",
	                                  "unix::/a",
	                                  "gopher://127.0.0.1/",
	                                  "https://"};
	struct pull_address address;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (pull_address_parse(&address, good[i].text, &why) == -1)
			fail_msg("%s: %s", good[i].text, why.en);
		assert_int_equal(address.kind, good[i].kind);
		assert_int_equal(address.port, good[i].port);
	}
	assert_string_equal(address.path, "/run/policy.sock");
	assert_string_equal(address.url, "http://127.0.0.1/seoul.bundle");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (pull_address_parse(&address, bad[i], &why) == 0)
			fail_msg("'%s' may be asked", bad[i]);
}

int
main(void)
{
	static const struct CMUnitTest all[] = {cmocka_unit_test(remembered),
	                                        cmocka_unit_test(forgetting_opens_no_way_back),
	                                        cmocka_unit_test(addresses)};

	return cmocka_run_group_tests(all, setup, teardown);
}
