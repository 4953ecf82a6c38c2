#define _GNU_SOURCE /* memmem */
/*
 * Sealed content: comes back whole, belongs to one entry, is found when changed, and can be forgotten for
 * good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/keytree.h"
#include "schema/base/clock.h"

static char root[64];

static int
place_make(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/haechi-seal-XXXXXX");
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int
place_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

static struct sealer *
open_sealer(void)
{
	struct sealer *sealer;
	struct fault why;

	if (sealer_open(&sealer, root, &why) == -1)
		fail_msg("%s", why.en);
	return sealer;
}

static void
and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 31, 4096, 1000000};
	struct sealer *sealer = open_sealer();
	struct buffer blob, content, plain;
	struct commitment commitment;
	char id[ENTRY_ID_SIZE], other[ENTRY_ID_SIZE];
	struct fault why;

	(void)state;
	buffer_init(&blob, 2 << 20);
	buffer_init(&content, 2 << 20);
	buffer_init(&plain, 2 << 20);
	entry_id_make(other, clock_wall_ms());
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		entry_id_make(id, clock_wall_ms());
		buffer_reset(&plain);
		for (size_t k = 0; k < sizes[i]; k++)
			buffer_byte(&plain, (uint8_t)(k * 7));
		buffer_reset(&blob);
		assert_int_equal(
		    sealer_seal(sealer, id, "prompt", buffer_view(&plain), &blob, &commitment, &why), 0);
		assert_int_equal(commitment.bytes, sizes[i]);
		assert_true(sizes[i] < 31 || memmem(blob.data, blob.size, plain.data, 31) == NULL);
		/* with a fresh sealer, as after a restart */
		sealer_close(sealer);
		sealer = open_sealer();
		buffer_reset(&content);
		assert_int_equal(sealer_open_content(sealer, id, "prompt", buffer_view(&blob), commitment.hex,
		                                     &content, &why),
		                 0);
		assert_true(slice_equal(buffer_view(&content), buffer_view(&plain)));
		/* another part, another entry, another commitment */
		assert_int_equal(
		    sealer_open_content(sealer, id, "answer", buffer_view(&blob), NULL, &content, &why), -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
		assert_int_equal(
		    sealer_open_content(sealer, other, "prompt", buffer_view(&blob), NULL, &content, &why),
		    -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
		commitment.hex[0] = commitment.hex[0] == 'a' ? 'b' : 'a';
		assert_int_equal(sealer_open_content(sealer, id, "prompt", buffer_view(&blob), commitment.hex,
		                                     &content, &why),
		                 -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
	}
	/* two seals of the same words cannot be told to be the same */
	{
		struct commitment again;
		struct buffer twice;

		buffer_init(&twice, 1 << 16);
		buffer_reset(&blob);
		assert_int_equal(
		    sealer_seal(sealer, id, "prompt", slice_string("same"), &blob, &commitment, &why), 0);
		assert_int_equal(
		    sealer_seal(sealer, id, "prompt", slice_string("same"), &twice, &again, &why), 0);
		assert_string_not_equal(commitment.hex, again.hex);
		assert_false(slice_equal(buffer_view(&blob), buffer_view(&twice)));
		buffer_free(&twice);
	}
	buffer_free(&blob);
	buffer_free(&content);
	buffer_free(&plain);
	sealer_close(sealer);
}

static void
every_bit(void **state)
{
	struct sealer *sealer = open_sealer();
	struct buffer blob, content;
	struct commitment commitment;
	char id[ENTRY_ID_SIZE];
	struct fault why;

	(void)state;
	buffer_init(&blob, 4096);
	buffer_init(&content, 4096);
	entry_id_make(id, clock_wall_ms());
	assert_int_equal(
	    sealer_seal(sealer, id, "prompt", slice_string("a prompt"), &blob, &commitment, &why), 0);
	for (size_t bit = 0; bit < blob.size * 8; bit++) {
		blob.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    sealer_open_content(sealer, id, "prompt", buffer_view(&blob), NULL, &content, &why), -1);
		blob.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < blob.size; size++)
		assert_int_equal(sealer_open_content(sealer, id, "prompt", slice_of(blob.data, size), NULL,
		                                     &content, &why),
		                 -1);
	assert_int_equal(content.size, 0);
	buffer_free(&blob);
	buffer_free(&content);
	sealer_close(sealer);
}

static void
forget(void **state)
{
	struct sealer *sealer = open_sealer(), *daemon = open_sealer();
	char ids[60][ENTRY_ID_SIZE];
	struct buffer blobs[60], content;
	struct commitment commitment;
	const char *gone[20];
	struct fault why;

	(void)state;
	buffer_init(&content, 1 << 20);
	for (size_t i = 0; i < 60; i++) {
		/* over three months, a year apart */
		entry_id_make(ids[i], INT64_C(1770000000000) + (int64_t)(i % 3) * 31536000000);
		buffer_init(&blobs[i], 4096);
		assert_int_equal(
		    sealer_seal(daemon, ids[i], "answer", slice_string(ids[i]), &blobs[i], &commitment, &why),
		    0);
	}
	for (size_t i = 0; i < 20; i++)
		gone[i] = ids[i * 2];
	assert_int_equal(sealer_forget(sealer, gone, 20, &why), 0);
	assert_int_equal(sealer_forget(sealer, gone, 1, &why), 0); /* twice is once */
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < 60; i++) {
			int result;

			buffer_reset(&content);
			assert_true(sealer_remembers(daemon, ids[i]) != (i < 40 && i % 2 == 0));
			/* the other process sees it too */
			result = sealer_open_content(daemon, ids[i], "answer", buffer_view(&blobs[i]), NULL,
			                             &content, &why);
			if (i < 40 && i % 2 == 0) {
				assert_int_equal(result, -1);
				assert_int_equal(why.kind, FAULT_NOT_FOUND);
				assert_int_equal(sealer_seal(daemon, ids[i], "answer", slice_string("again"),
				                             &content, &commitment, &why),
				                 -1);
				assert_int_equal(why.kind, FAULT_CONFLICT);
			} else {
				assert_int_equal(result, 0);
				assert_true(slice_is(buffer_view(&content), ids[i]));
			}
		}
		sealer_close(daemon);
		daemon = open_sealer();
	}
	for (size_t i = 0; i < 60; i++)
		buffer_free(&blobs[i]);
	buffer_free(&content);
	sealer_close(daemon);
	sealer_close(sealer);
}

static void
files(void **state)
{
	struct sealer *sealer = open_sealer(), *second;
	char path[128], saved[128];
	char one[33], two[33];
	struct fault why;
	struct stat status;

	(void)state;
	snprintf(path, sizeof path, "%s/content.keys", root);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	sealer_pseudonym(sealer, "seoul", "user-1", one);
	second = open_sealer();
	sealer_pseudonym(second, "seoul", "user-1", two);
	assert_string_equal(one, two);
	sealer_pseudonym(second, "seou", "luser-1", two);
	assert_string_not_equal(one, two);
	sealer_close(second);
	sealer_close(sealer);
	/* the kek gone: nothing is made anew beside keys that exist */
	snprintf(path, sizeof path, "%s/kek", root);
	snprintf(saved, sizeof saved, "%s/kek.saved", root);
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(sealer_open(&sealer, root, &why), -1);
	/* another kek */
	assert_int_equal(file_replace(path, SLICE_LITERAL("0123456789abcdef0123456789abcdef"), 0600, &why),
	                 0);
	assert_int_equal(sealer_open(&sealer, root, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(rename(saved, path), 0);
	sealer = open_sealer();
	sealer_close(sealer);
}

static void
key_trees(void **state)
{
	struct keytree tree = {0}, again;
	uint8_t keys[64][KEYTREE_KEY], key[KEYTREE_KEY], *bytes;
	uint64_t paths[64];

	(void)state;
	assert_true(keytree_add_month(&tree, 672));
	assert_false(keytree_add_month(&tree, 672));
	assert_true(keytree_add_month(&tree, 673));
	for (size_t i = 0; i < 64; i++) {
		/* neighbours, ends, and others */
		paths[i] = i < 8 ? i : i < 16 ? UINT64_MAX - i : (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
		assert_true(keytree_key(&tree, 672, paths[i], keys[i]));
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(keys[i], keys[k], KEYTREE_KEY);
	}
	assert_false(keytree_key(&tree, 671, paths[0], key));
	for (size_t gone = 0; gone < 64; gone += 2) {
		size_t before = tree.count;

		assert_true(keytree_forget(&tree, 672, paths[gone]));
		assert_true(keytree_forget(&tree, 672, paths[gone]));
		assert_true(tree.count <= before + KEYTREE_DEPTH - 1);
		bytes = malloc(keytree_encoded(&tree));
		keytree_write(bytes, &tree);
		assert_true(keytree_read(&again, slice_of(bytes, keytree_encoded(&tree))));
		/* no forgotten key is anywhere in what is kept */
		for (size_t k = 0; k <= gone; k += 2)
			assert_null(memmem(bytes, keytree_encoded(&tree), keys[k], KEYTREE_KEY));
		free(bytes);
		for (size_t i = 0; i < 64; i++) {
			bool there = keytree_key(&again, 672, paths[i], key);

			assert_int_equal(there, i % 2 != 0 || i > gone);
			if (there)
				assert_memory_equal(key, keys[i], KEYTREE_KEY);
		}
		assert_true(keytree_key(&again, 673, paths[gone], key));
		keytree_free(&again);
	}
	keytree_free(&tree);
}

static void *
seal_many(void *argument)
{
	struct sealer *sealer = argument;

	for (int i = 0; i < 200; i++) {
		char id[ENTRY_ID_SIZE];
		struct commitment commitment;
		struct buffer blob, content;
		struct fault why;

		buffer_init(&blob, 4096);
		buffer_init(&content, 4096);
		entry_id_make(id, INT64_C(1700000000000) + (int64_t)(i / 50) * 2678400000);
		if (sealer_seal(sealer, id, "prompt", slice_string(id), &blob, &commitment, &why) == -1 ||
		    sealer_open_content(sealer, id, "prompt", buffer_view(&blob), commitment.hex, &content,
		                        &why) == -1 ||
		    !slice_is(buffer_view(&content), id))
			abort();
		if (i % 40 == 0) {
			const char *one = id;

			if (sealer_forget(sealer, &one, 1, &why) == -1 ||
			    sealer_open_content(sealer, id, "prompt", buffer_view(&blob), NULL, &content,
			                        &why) == 0)
				abort();
		}
		buffer_free(&blob);
		buffer_free(&content);
	}
	return NULL;
}

static void
threads(void **state)
{
	struct sealer *one = open_sealer(), *two = open_sealer();
	pthread_t ids[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, seal_many, i < 2 ? one : two), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	sealer_close(one);
	sealer_close(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_trees), cmocka_unit_test(and_back), cmocka_unit_test(every_bit),
	    cmocka_unit_test(forget),    cmocka_unit_test(files),    cmocka_unit_test(threads),
	};

	return sodium_init() == -1 ? 1 : cmocka_run_group_tests(tests, place_make, place_remove);
}
