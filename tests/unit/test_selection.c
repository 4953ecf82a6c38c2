/* Any selection of any tree gives the root of the whole; a change of anything gives another root or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/selection.h"
#include "tests/nodes.h"

#define LEAVES 300

struct text {
	struct buffer bytes;
	struct reader reader;
	const struct tree_hash *leaves;
	int lie; /* index of a leaf that is given wrongly, -1 none */
};

static struct tree_hash leaves[LEAVES];

static int
keep(void *context, struct slice line, struct fault *why)
{
	struct text *text = context;

	(void)why;
	assert_true(line.size > 0 && line.data[line.size - 1] == '\n');
	buffer_slice(&text->bytes, line);
	return 0;
}

static int
give_line(void *context, struct slice *out, struct fault *why)
{
	struct text *text = context;

	*out = reader_line(&text->reader);
	return reader_ok(&text->reader) ? 0 : fault_set(why, FAULT_INVALID, "끝", "end");
}

static int
give_leaf(void *context, uint64_t index, struct tree_hash *out, struct fault *why)
{
	struct text *text = context;

	(void)why;
	assert_true(index < LEAVES);
	*out = text->leaves[index];
	if ((int)index == text->lie)
		out->bytes[9] ^= 1;
	return 0;
}

static int
read_back(struct text *text, uint64_t size, struct tree_hash *root, struct selection *selection,
          struct fault *why)
{
	const struct selection_source source = {give_line, give_leaf, text};

	text->reader = reader_of(buffer_view(&text->bytes));
	if (selection_root(root, selection, size, &source, why) == -1)
		return -1;
	return reader_done(&text->reader) ? 0 : fault_set(why, FAULT_INVALID, "남음", "left over");
}

static size_t
choose(struct selection_run *runs, unsigned seed, uint64_t size)
{
	size_t count = 0;

	srand(seed);
	for (uint64_t i = 0; i < size;) {
		const uint64_t skip = (uint64_t)rand() % (1 + (uint64_t)rand() % (1 + size));
		const uint64_t length = 1 + (uint64_t)rand() % (1 + size / 4);

		i += skip + (count > 0);
		if (i >= size)
			break;
		runs[count].first = i;
		runs[count].count = length < size - i ? length : size - i;
		i += runs[count++].count;
	}
	return count;
}

static void
every_selection_gives_the_root(void **state)
{
	struct nodes nodes = {0};
	struct tree_reader reader;
	struct tree_frontier frontier = {0};
	struct selection_run runs[LEAVES];
	struct text text = {.leaves = leaves, .lie = -1};
	unsigned refused = 0;

	(void)state;
	buffer_init(&text.bytes, 1 << 20);
	for (uint64_t size = 0; size < LEAVES; size++) {
		struct tree_hash root, whole;

		tree_frontier_root(&whole, &frontier);
		reader = nodes_reader(&nodes);
		for (unsigned seed = 0; seed < 12; seed++) {
			const size_t count = seed == 0 ? 0 : choose(runs, seed * 1000 + (unsigned)size, size);
			struct selection selection;
			uint64_t selected = 0;
			struct fault why;

			buffer_reset(&text.bytes);
			text.lie = -1;
			if (selection_write(runs, count, size, &reader, keep, &text, &why) == -1)
				fail_msg("size %d: %s", (int)size, why.en);
			if (read_back(&text, size, &root, &selection, &why) == -1)
				fail_msg("size %d: %s", (int)size, why.en);
			assert_true(tree_hash_equal(&root, &whole));
			for (size_t i = 0; i < count; i++)
				selected += runs[i].count;
			assert_int_equal(selection.entries, selected);
			if (count == 0)
				continue;
			assert_int_equal(selection.first, runs[0].first);
			assert_int_equal(selection.last, runs[count - 1].first + runs[count - 1].count - 1);
			assert_int_equal(selection.left_out, selection.last - selection.first + 1 - selected);
			/* A leaf that is not the one. */
			text.lie = (int)runs[count / 2].first;
			assert_int_equal(read_back(&text, size, &root, &selection, &why), 0);
			assert_false(tree_hash_equal(&root, &whole));
			text.lie = -1;
			/* Any one byte of the proof. */
			for (size_t at = 0; at < text.bytes.size; at += 1 + text.bytes.size / 40) {
				text.bytes.data[at] ^= 2;
				if (read_back(&text, size, &root, &selection, &why) == -1)
					refused++;
				else
					assert_false(tree_hash_equal(&root, &whole));
				text.bytes.data[at] ^= 2;
			}
		}
		tree_frontier_add(&frontier, &leaves[size], NULL, NULL);
		tree_frontier_add(&nodes.frontier, &leaves[size], nodes_seen, &nodes);
	}
	assert_true(refused > 1000);
	buffer_free(&text.bytes);
	nodes_free(&nodes);
}

static void
a_contiguous_range_is_small(void **state)
{
	struct nodes nodes = {0};
	struct text text = {.leaves = leaves, .lie = -1};
	const struct selection_run run = {77, 100};
	struct tree_reader reader;
	unsigned lines = 0;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < LEAVES; i++)
		tree_frontier_add(&nodes.frontier, &leaves[i], nodes_seen, &nodes);
	reader = nodes_reader(&nodes);
	buffer_init(&text.bytes, 1 << 20);
	assert_int_equal(selection_write(&run, 1, LEAVES, &reader, keep, &text, &why), 0);
	for (size_t i = 0; i < text.bytes.size; i++)
		lines += text.bytes.data[i] == '\n';
	assert_true(lines < 3 + 2 * 9);
	buffer_free(&text.bytes);
	nodes_free(&nodes);
}

static void
selections_out_of_order_are_refused(void **state)
{
	static const struct {
		struct selection_run runs[2];
		size_t count;
	} wrong[] = {
	    {{{5, 0}},         1},
            {{{10, 1}},        1},
            {{{0, 11}},        1},
	    {{{3, 2}, {4, 1}}, 2},
            {{{3, 2}, {5, 1}}, 2},
            {{{5, 1}, {2, 1}}, 2},
	};
	struct nodes nodes = {0};
	struct text text = {.leaves = leaves, .lie = -1};
	struct tree_reader reader;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		tree_frontier_add(&nodes.frontier, &leaves[i], nodes_seen, &nodes);
	reader = nodes_reader(&nodes);
	buffer_init(&text.bytes, 1 << 20);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(
		    selection_write(wrong[i].runs, wrong[i].count, 10, &reader, keep, &text, &why), -1);
	buffer_free(&text.bytes);
	nodes_free(&nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_selection_gives_the_root),
	    cmocka_unit_test(a_contiguous_range_is_small),
	    cmocka_unit_test(selections_out_of_order_are_refused),
	};

	for (size_t i = 0; i < LEAVES; i++) {
		const uint8_t byte[2] = {(uint8_t)i, (uint8_t)(i >> 8)};

		tree_leaf(&leaves[i], slice_of(byte, sizeof byte));
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
