/* The hashes of Content-Security-Policy are those of the page's only style and only script; nothing else is fetched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "gateway/console_page.h"

static void
check(const char *open, const char *close, const char *hash)
{
	const char *begin = strstr(console_page, open), *end;
	uint8_t digest[crypto_hash_sha256_BYTES];
	char text[64];

	assert_non_null(begin);
	begin += strlen(open);
	assert_non_null(end = strstr(begin, close));
	assert_null(strstr(end, open));
	crypto_hash_sha256(digest, (const uint8_t *)begin, (size_t)(end - begin));
	sodium_bin2base64(text, sizeof text, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
	assert_string_equal(text, hash);
}

static void
test_hashes(void **state)
{
	(void)state;
	check("<style>", "</style>", CONSOLE_STYLE_HASH);
	check("<script>", "</script>", CONSOLE_SCRIPT_HASH);
	assert_null(strstr(console_page, "http:"));
	assert_null(strstr(console_page, "https:"));
	assert_null(strstr(console_page, "src="));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hashes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
