/*
 * Trees and proofs: the public values, every proof of every tree up to 70 leaves, and what must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "audit/proof.h"
#include "audit/tile.h"
#include "schema/base/arena.h"
#include "tests/nodes.h"
#include "tests/vectors/tlog.h"

#define LEAVES 70

static struct tree_hash
hash_of(const char *hex)
{
	struct tree_hash hash;

	assert_true(hex_decode(hash.bytes, sizeof hash.bytes, slice_string(hex)));
	return hash;
}

static void
assert_hash(const struct tree_hash *hash, const char *hex)
{
	char text[2 * TREE_HASH_SIZE + 1];

	hex_encode(text, hash->bytes, TREE_HASH_SIZE);
	assert_string_equal(text, hex);
}

static void
public_values(void **state)
{
	struct nodes nodes = {0};
	struct tree_reader reader = nodes_reader(&nodes);
	struct tree_hash hash, left, right;
	struct proof proof;

	(void)state;
	tree_frontier_root(&hash, &nodes.frontier);
	assert_hash(&hash, vector_roots[0]);
	for (size_t i = 0; i < 8; i++) {
		uint8_t leaf[16];
		size_t size = strlen(vector_leaves[i]) / 2;

		assert_true(hex_decode(leaf, size, slice_string(vector_leaves[i])));
		nodes_add(&nodes, slice_of(leaf, size));
		tree_frontier_root(&hash, &nodes.frontier);
		assert_hash(&hash, vector_roots[i + 1]);
	}
	assert_int_equal(proof_inclusion(&proof, &reader, 5, 8, NULL), 0);
	assert_int_equal(proof.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_hash(&proof.hashes[i], vector_inclusion_5_of_8[i]);
	assert_int_equal(proof_consistency(&proof, &reader, 6, 8, NULL), 0);
	assert_int_equal(proof.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_hash(&proof.hashes[i], vector_consistency_6_to_8[i]);
	tree_leaf(&hash, slice_string("L123456"));
	assert_hash(&hash, VECTOR_LEAF_L123456);

	left = hash_of(vector_roots[1]);
	right = nodes.level[0][1];
	tree_inner(&hash, &left, &right);
	assert_hash(&hash, vector_roots[2]);
	nodes_free(&nodes);
}

static void
every_proof(void **state)
{
	struct nodes nodes = {0};
	struct tree_reader reader = nodes_reader(&nodes);
	struct tree_hash roots[LEAVES + 1];
	struct proof proof;
	struct fault why;

	(void)state;
	tree_empty(&roots[0]);
	for (size_t i = 0; i < LEAVES; i++) {
		struct tree_frontier loaded;
		struct tree_hash hash;

		nodes_add(&nodes, slice_of(&i, sizeof i));
		tree_frontier_root(&roots[i + 1], &nodes.frontier);
		assert_int_equal(tree_range(&hash, &reader, 0, i + 1, &why), 0);
		assert_true(tree_hash_equal(&hash, &roots[i + 1]));
		assert_int_equal(tree_frontier_load(&loaded, &reader, i + 1, &why), 0);
		tree_frontier_root(&hash, &loaded);
		assert_true(tree_hash_equal(&hash, &roots[i + 1]));
	}
	for (uint64_t size = 1; size <= LEAVES; size++) {
		for (uint64_t index = 0; index < size; index++) {
			const struct tree_hash *leaf = &nodes.level[0][index];

			assert_int_equal(proof_inclusion(&proof, &reader, index, size, &why), 0);
			assert_int_equal(proof_check_inclusion(&proof, leaf, index, size, &roots[size], &why),
			                 0);
			/* another place, another size, a changed or missing or added hash */
			for (uint64_t other = 0; other < size; other++)
				if (other != index)
					assert_int_equal(proof_check_inclusion(&proof, leaf, other, size,
					                                       &roots[size], &why),
					                 -1);
			assert_int_equal(
			    proof_check_inclusion(&proof, leaf, index, size, &roots[size - 1], &why), -1);
			if (proof.count > 0) {
				proof.hashes[proof.count - 1].bytes[31] ^= 1;
				assert_int_equal(
				    proof_check_inclusion(&proof, leaf, index, size, &roots[size], &why), -1);
				assert_int_equal(why.kind, FAULT_TAMPERED);
				proof.hashes[proof.count - 1].bytes[31] ^= 1;
				proof.count--;
				assert_int_equal(
				    proof_check_inclusion(&proof, leaf, index, size, &roots[size], &why), -1);
				assert_int_equal(why.kind, FAULT_INVALID);
				proof.count++;
			}
			proof.hashes[proof.count++] = roots[0];
			assert_int_equal(proof_check_inclusion(&proof, leaf, index, size, &roots[size], &why),
			                 -1);
		}
		for (uint64_t older = 1; older <= size; older++) {
			assert_int_equal(proof_consistency(&proof, &reader, older, size, &why), 0);
			assert_int_equal(
			    proof_check_consistency(&proof, older, &roots[older], size, &roots[size], &why),
			    0);
			assert_int_equal(proof_check_consistency(&proof, older, &roots[older - 1], size,
			                                         &roots[size], &why),
			                 -1);
			if (older != size)
				assert_int_equal(proof_check_consistency(&proof, older, &roots[size], size,
				                                         &roots[size], &why),
				                 -1);
			proof.hashes[proof.count++] = roots[0];
			assert_int_equal(
			    proof_check_consistency(&proof, older, &roots[older], size, &roots[size], &why),
			    -1);
		}
	}
	assert_int_equal(proof_consistency(&proof, &reader, 0, 5, &why), -1);
	assert_int_equal(proof_consistency(&proof, &reader, 6, 5, &why), -1);
	assert_int_equal(proof_inclusion(&proof, &reader, 5, 5, &why), -1);
	assert_int_equal(proof_inclusion(&proof, &reader, 0, 0, &why), -1);
	proof.count = 0;
	assert_int_equal(proof_check_inclusion(&proof, &roots[1], 0, 0, &roots[0], &why), -1);
	assert_int_equal(proof_check_consistency(&proof, 0, &roots[0], 0, &roots[0], &why), -1);
	nodes_free(&nodes);
}

static void
frontier_bytes(void **state)
{
	struct tree_frontier frontier = {0}, again;
	struct buffer bytes;
	struct tree_hash a, b;

	(void)state;
	buffer_init(&bytes, 4096);
	for (size_t i = 0; i < 300; i++) {
		struct tree_hash leaf;

		buffer_reset(&bytes);
		tree_frontier_write(&bytes, &frontier);
		assert_true(buffer_ok(&bytes));
		assert_true(tree_frontier_read(&again, buffer_view(&bytes)));
		tree_frontier_root(&a, &frontier);
		tree_frontier_root(&b, &again);
		assert_true(tree_hash_equal(&a, &b));
		for (size_t cut = 0; cut < bytes.size; cut += 7)
			assert_false(tree_frontier_read(&again, slice_of(bytes.data, cut)));
		buffer_byte(&bytes, 0);
		assert_false(tree_frontier_read(&again, buffer_view(&bytes)));
		tree_leaf(&leaf, slice_of(&i, sizeof i));
		tree_frontier_add(&frontier, &leaf, NULL, NULL);
	}
	buffer_free(&bytes);
}

static void
numbers(void **state)
{
	static const char *const bad[] = {"",
	                                  "00",
	                                  "01",
	                                  "-1",
	                                  "+1",
	                                  " 1",
	                                  "1 ",
	                                  "0x1",
	                                  "9223372036854775808",
	                                  "18446744073709551616",
	                                  "99999999999999999999"};
	uint64_t number;

	(void)state;
	assert_true(tree_number(&number, slice_string("0")) && number == 0);
	assert_true(tree_number(&number, slice_string("9223372036854775807")) &&
	            number == TREE_SIZE_LIMIT - 1);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(tree_number(&number, slice_string(bad[i])));
}

static void
proof_files(void **state)
{
	static const char checkpoint[] = "o\n2\nabc\n\n\xe2\x80\x94 o AAAA\n";
	struct arena *arena = arena_new(1 << 16);
	struct proof_file file = {
	    .index = 7, .has_extra = true, .extra = SLICE_LITERAL("leaf bytes \0 of any kind")};
	struct proof_file again;
	struct buffer out;
	struct fault why;

	(void)state;
	buffer_init(&out, PROOF_FILE_LIMIT);
	file.proof.count = 3;
	for (size_t i = 0; i < 3; i++)
		file.proof.hashes[i] = hash_of(vector_inclusion_5_of_8[i]);
	file.checkpoint = slice_string(checkpoint);
	proof_file_write(&out, &file);
	assert_true(buffer_ok(&out));
	assert_int_equal(proof_file_read(&again, buffer_view(&out), arena, &why), 0);
	assert_int_equal(again.index, 7);
	assert_true(slice_equal(again.extra, file.extra));
	assert_true(slice_equal(again.checkpoint, file.checkpoint));
	assert_int_equal(again.proof.count, 3);
	assert_memory_equal(again.proof.hashes, file.proof.hashes, 96);
	/* cut anywhere before the checkpoint: refused */
	for (size_t cut = 0; cut <= out.size - strlen(checkpoint); cut++)
		assert_int_equal(proof_file_read(&again, slice_of(out.data, cut), arena, &why), -1);
	arena_free(arena);
	buffer_free(&out);
}

static void
tile_bytes(void **state)
{
	struct nodes nodes = {0};
	struct tree_reader reader = nodes_reader(&nodes);
	struct buffer out;
	struct tile tile;
	struct fault why;

	(void)state;
	for (uint32_t i = 0; i < 600; i++)
		nodes_add(&nodes, slice_of(&i, sizeof i));
	buffer_init(&out, 8192);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/001"), &why), 0);
	assert_true(tile_exists(&tile, 600));
	assert_int_equal(tile_read(&out, &tile, &reader, &why), 0);
	assert_int_equal(out.size, 8192);
	assert_memory_equal(out.data, nodes.level[0][256].bytes, 8192);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/1/000.p/2"), &why), 0);
	assert_true(tile_exists(&tile, 600));
	buffer_reset(&out);
	assert_int_equal(tile_read(&out, &tile, &reader, &why), 0);
	assert_memory_equal(out.data, nodes.level[8][0].bytes, 64);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/002"), &why), 0);
	assert_false(tile_exists(&tile, 600));
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/002.p/88"), &why), 0);
	assert_true(tile_exists(&tile, 600));
	assert_false(tile_exists(&tile, 599));
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/64/000"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/00/000"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/000.p/256"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/000.p/0"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/000.p/07"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("tile/0/x000/001"), &why), -1);
	assert_int_equal(tile_path_parse(&tile, slice_string("/tile/0/001"), &why), -1);
	buffer_free(&out);
	nodes_free(&nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(public_values), cmocka_unit_test(every_proof), cmocka_unit_test(frontier_bytes),
	    cmocka_unit_test(numbers),       cmocka_unit_test(proof_files), cmocka_unit_test(tile_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
