/*
 * The flags of the Makefile do not make the compiler destroy data. gcc 12 with -ftrivial-auto-var-init=zero clears four
 * bytes inside a struct that is copied into another by a designated initializer, as below: evidence was lost to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct hash {
	uint8_t bytes[32];
};

struct frontier {
	uint64_t size;
	unsigned depth;
	struct hash stack[64];
};

struct head {
	struct frontier tree;
	unsigned more;
};

__attribute__((noinline)) static void
compare(const struct head *head, const struct frontier *original)
{
	assert_memory_equal(head->tree.stack, original->stack, sizeof original->stack);
	assert_int_equal(head->tree.size, original->size);
	assert_int_equal(head->tree.depth, original->depth);
}

static void
an_initializer_copies_every_byte(void **state)
{
	struct frontier *original = malloc(sizeof *original);

	(void)state;
	assert_non_null(original);
	for (size_t i = 0; i < sizeof *original; i++)
		((uint8_t *)original)[i] = (uint8_t)(i * 7 + 1);
	{
		struct head head = {.tree = *original, .more = 1};

		compare(&head, original);
	}
	free(original);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(an_initializer_copies_every_byte)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
