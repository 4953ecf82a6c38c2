/*
 * Every public vector of transparency logs that lies beside the repository: $HAECHI_SHARED/data/tlog, failing
 * that ../shared/data/tlog. Skipped, visibly, where there is none.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "audit/checkpoint.h"
#include "audit/proof.h"
#include "audit/tile.h"
#include "schema/base/json.h"
#include "tests/nodes.h"

static char folder[4096];

static void
file_load(struct buffer *out, const char *name)
{
	char path[sizeof folder + 128];
	struct fault why;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	buffer_init(out, 4 << 20);
	if (file_read(out, path, 4 << 20, &why) == -1)
		fail_msg("%s", why.en);
}

static json_t *
json_load_vectors(const char *name)
{
	struct buffer text;
	json_t *value;
	struct fault why;

	file_load(&text, name);
	value = json_read(buffer_view(&text), 4 << 20, 16, &why);
	buffer_free(&text);
	assert_non_null(value);
	return value;
}

static struct tree_hash
hash_hex(const char *hex)
{
	struct tree_hash hash;

	assert_true(hex_decode(hash.bytes, sizeof hash.bytes, slice_string(hex)));
	return hash;
}

/* false: no hash of 32 bytes, which is itself a case of some vectors */
static bool
hash_base64(struct tree_hash *out, const char *text)
{
	uint8_t bytes[256];
	size_t size = 0;

	memset(out, 0, sizeof *out);
	if (text == NULL || strlen(text) > 300 || !base64_decode(bytes, &size, slice_string(text)))
		return false;
	memcpy(out->bytes, bytes, size < TREE_HASH_SIZE ? size : TREE_HASH_SIZE);
	return size == TREE_HASH_SIZE;
}

/* Some cases compare roots that are words ("don't care"): filled up with zeros they compare the same. */
static void
root_base64(struct tree_hash *out, const char *text)
{
	(void)hash_base64(out, text);
}

/* Integers beyond int64 come as reals. */
static uint64_t
number_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : UINT64_MAX;
}

static int
check_case(const json_t *test)
{
	const char *kind = json_get_string(test, "kind");
	const json_t *list = json_object_get(test, "proof");
	struct tree_hash one, two;
	struct proof proof = {0};
	struct fault why;

	if (json_array_size(list) > PROOF_HASHES)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!hash_base64(&proof.hashes[proof.count++], json_string_value(json_array_get(list, i))))
			return -1;
	if (strcmp(kind, "inclusion") == 0) {
		if (!hash_base64(&one, json_get_string(test, "leafHash")) ||
		    !hash_base64(&two, json_get_string(test, "root")))
			return -1;
		return proof_check_inclusion(&proof, &one, number_of(test, "leafIdx"),
		                             number_of(test, "treeSize"), &two, &why);
	}
	root_base64(&one, json_get_string(test, "root1"));
	root_base64(&two, json_get_string(test, "root2"));
	if (strcmp(kind, "consistency") == 0)
		return proof_check_consistency(&proof, number_of(test, "size1"), &one,
		                               number_of(test, "size2"), &two, &why);
	assert_string_equal(kind, "subtreeconsistency");
	return proof_check_subtree(&proof, number_of(test, "start"), number_of(test, "end"), &one,
	                           number_of(test, "size"), &two, &why);
}

static void
merkle_proofs(void **state)
{
	struct buffer text;
	struct reader reader;
	size_t count = 0;

	(void)state;
	file_load(&text, "merkle_proofs.jsonl");
	reader = reader_of(buffer_view(&text));
	while (reader.rest.size != 0) {
		struct slice line = reader_line(&reader);
		json_t *test = json_loadb((const char *)line.data, line.size, JSON_DECODE_INT_AS_REAL, NULL);
		bool bad;

		/* JSON_DECODE_INT_AS_REAL makes all integers real: read again where all fit. */
		json_t *exact = json_loadb((const char *)line.data, line.size, 0, NULL);

		if (exact != NULL) {
			json_decref(test);
			test = exact;
		}
		assert_non_null(test);
		bad = json_get_bool(test, "wantErr", false);
		if ((check_case(test) == -1) != bad)
			fail_msg("%s", json_get_string(test, "src"));
		count++;
		json_decref(test);
	}
	print_message("           %zu proofs\n", count);
	assert_int_equal(count, 314);
	buffer_free(&text);
}

static void
big_roots(void **state)
{
	json_t *vectors = json_load_vectors("big_roots.json");
	const json_t *roots = json_object_get(vectors, "root_hex");
	struct nodes nodes = {0};
	struct tree_reader reader = nodes_reader(&nodes);
	struct tree_hash root;
	struct proof proof;
	struct fault why;
	size_t checked = 0;

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		uint8_t leaf[8];
		char size[24];
		const char *expected;

		for (unsigned b = 0; b < 8; b++)
			leaf[b] = (uint8_t)(i >> (56 - 8 * b));
		nodes_add(&nodes, slice_of(leaf, sizeof leaf));
		snprintf(size, sizeof size, "%llu", (unsigned long long)i + 1);
		expected = json_get_string(roots, size);
		if (expected == NULL)
			continue;
		tree_frontier_root(&root, &nodes.frontier);
		{
			struct tree_hash wanted = hash_hex(expected);

			assert_true(tree_hash_equal(&root, &wanted));
		}
		checked++;
	}
	assert_int_equal(checked, json_object_size(roots));
	{
		const json_t *path = json_object_get(vectors, "inclusion_65535_of_70000");

		assert_int_equal(proof_inclusion(&proof, &reader, 65535, 70000, &why), 0);
		if (json_is_array(path)) {
			assert_int_equal(proof.count, json_array_size(path));
			for (size_t i = 0; i < proof.count; i++) {
				struct tree_hash wanted =
				    hash_hex(json_string_value(json_array_get(path, i)));

				assert_true(tree_hash_equal(&proof.hashes[i], &wanted));
			}
		}
		path = json_object_get(vectors, "consistency_65537_to_70000");
		assert_int_equal(proof_consistency(&proof, &reader, 65537, 70000, &why), 0);
		if (json_is_array(path)) {
			assert_int_equal(proof.count, json_array_size(path));
			for (size_t i = 0; i < proof.count; i++) {
				struct tree_hash wanted =
				    hash_hex(json_string_value(json_array_get(path, i)));

				assert_true(tree_hash_equal(&proof.hashes[i], &wanted));
			}
		}
	}
	nodes_free(&nodes);
	json_decref(vectors);
}

static void
notes(void **state)
{
	json_t *vectors = json_load_vectors("notes.json");

	(void)state;
	assert_true(json_array_size(vectors) >= 12);
	for (size_t i = 0; i < json_array_size(vectors); i++) {
		const json_t *test = json_array_get(vectors, i);
		struct slice bytes = slice_string(json_get_string(test, "note"));
		struct checkpoint checkpoint;
		struct note_key key;
		struct note note;
		struct fault why;
		int result;

		assert_int_equal(note_key_parse(&key, slice_string(json_get_string(test, "vkey")), &why), 0);
		result = note_parse(&note, bytes, &why);
		if (result == 0)
			result = note_verify(&note, &key, 1, NULL, NULL, &why);
		if (result == 0 && strcmp(json_get_string(test, "kind"), "note") != 0)
			result = checkpoint_parse(&checkpoint, note.text, &why);
		if ((result == 0) != json_get_bool(test, "expect_valid", false))
			fail_msg("%s", json_get_string(test, "name"));
	}
	json_decref(vectors);
	vectors = json_load_vectors("vkeys.json");
	for (int good = 0; good < 2; good++) {
		const json_t *list = json_object_get(vectors, good ? "good" : "bad");

		assert_true(json_array_size(list) >= 2);
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *vkey = json_string_value(json_array_get(list, i));
			struct note_key key;
			struct buffer again;
			struct fault why;

			assert_int_equal(note_key_parse(&key, slice_string(vkey), &why), good ? 0 : -1);
			if (!good)
				continue;
			buffer_init(&again, 1024);
			note_key_write(&again, &key);
			assert_string_equal(buffer_text(&again), vkey);
			buffer_free(&again);
		}
	}
	json_decref(vectors);
}

static void
real_log(void **state)
{
	struct buffer vkey, entries, hashes, head;
	struct note_key key;
	struct nodes nodes = {0};
	struct tree_reader reader = nodes_reader(&nodes);
	struct fault why;

	(void)state;
	file_load(&vkey, "tessera_log/vkey");
	assert_int_equal(note_key_parse(&key, buffer_view(&vkey), &why), 0);
	for (unsigned size = 0; size <= 15; size++) {
		struct checkpoint checkpoint;
		struct tree_hash root;
		struct note note;
		struct buffer made;
		struct tile tile = {.width = size};
		struct reader bundle;
		char name[128];

		snprintf(name, sizeof name, "tessera_log/checkpoint.%u", size);
		file_load(&head, name);
		assert_int_equal(checkpoint_open(&checkpoint, &note, buffer_view(&head),
		                                 "example.com/log/testdata", &key, 1, NULL, &why),
		                 0);
		assert_int_equal(checkpoint.size, size);
		if (size > 0) {
			snprintf(name, sizeof name, "tessera_log/tile/entries/000.p/%u", size);
			file_load(&entries, name);
			bundle = reader_of(buffer_view(&entries));
			nodes_free(&nodes);
			buffer_init(&made, 1 << 20);
			while (bundle.rest.size != 0) {
				struct slice entry = reader_take(&bundle, reader_u16be(&bundle));

				assert_true(reader_ok(&bundle));
				nodes_add(&nodes, entry);
				tile_entry_write(&made, entry);
			}
			assert_true(slice_equal(buffer_view(&made), buffer_view(&entries)));
			snprintf(name, sizeof name, "tessera_log/tile/0/000.p/%u", size);
			file_load(&hashes, name);
			buffer_reset(&made);
			assert_int_equal(tile_read(&made, &tile, &reader, &why), 0);
			assert_true(slice_equal(buffer_view(&made), buffer_view(&hashes)));
			buffer_free(&made);
			buffer_free(&entries);
			buffer_free(&hashes);
		}
		tree_frontier_root(&root, &nodes.frontier);
		assert_true(tree_hash_equal(&root, &checkpoint.root));
		buffer_free(&head);
	}
	nodes_free(&nodes);
	buffer_free(&vkey);
}

static void
tile_paths(void **state)
{
	json_t *vectors = json_load_vectors("tile_paths.json");
	const json_t *list = json_object_get(vectors, "tile_paths");
	const json_t *value;
	const char *index, *bad;
	char path[128];
	struct tile tile;
	struct fault why;
	size_t i;

	(void)state;
	json_object_foreach((json_t *)(uintptr_t)json_object_get(vectors, "index_to_path"), index, value)
	{
		struct tile wanted = {.level = 0, .number = strtoull(index, NULL, 10), .width = TILE_WIDTH};

		snprintf(path, sizeof path, "tile/0/%s", json_string_value(value));
		assert_int_equal(tile_path_parse(&tile, slice_string(path), &why), 0);
		assert_true(tile.number == wanted.number && tile.width == TILE_WIDTH && !tile.entries);
		tile_path_write(path, &wanted);
		assert_string_equal(path + 7, json_string_value(value));
	}
	json_array_foreach(list, i, value)
	{
		unsigned width = (unsigned)json_integer_value(json_array_get(value, 2));
		const char *text = json_string_value(json_array_get(value, 3));

		assert_int_equal(tile_path_parse(&tile, slice_string(text), &why), 0);
		assert_int_equal(tile.level, json_integer_value(json_array_get(value, 0)));
		assert_int_equal(tile.number, json_integer_value(json_array_get(value, 1)));
		assert_int_equal(tile.width, width == 0 ? TILE_WIDTH : width);
		tile_path_write(path, &tile);
		assert_string_equal(path, text);
	}
	list = json_object_get(vectors, "entries_for_seq");
	json_array_foreach(list, i, value)
	{
		uint64_t number = (uint64_t)json_integer_value(json_array_get(value, 0));
		uint64_t size = (uint64_t)json_integer_value(json_array_get(value, 1));
		uint64_t within = size - number / TILE_WIDTH * TILE_WIDTH;
		struct tile wanted = {.entries = true,
		                      .number = number / TILE_WIDTH,
		                      .width = (unsigned)(within < TILE_WIDTH ? within : TILE_WIDTH)};

		tile_path_write(path, &wanted);
		assert_string_equal(path, json_string_value(json_array_get(value, 2)));
		assert_true(tile_exists(&wanted, size));
	}
	json_object_foreach((json_t *)(uintptr_t)json_object_get(vectors, "widths_by_size"), index, value)
	{
		uint64_t size = strtoull(index, NULL, 10);

		for (i = 0; i < json_array_size(value); i++) {
			const json_t *row = json_array_get(value, i);
			uint64_t hashes =
			    tile_hashes((unsigned)json_integer_value(json_array_get(row, 0)), size);

			assert_int_equal(hashes / TILE_WIDTH, json_integer_value(json_array_get(row, 1)));
			assert_int_equal(hashes % TILE_WIDTH, json_integer_value(json_array_get(row, 2)));
		}
	}
	list = json_object_get(vectors, "bad_paths");
	json_array_foreach(list, i, value)
	{
		bad = json_string_value(value);
		snprintf(path, sizeof path, "tile/0/%s", bad);
		assert_int_equal(tile_path_parse(&tile, slice_string(path), &why), -1);
		snprintf(path, sizeof path, "tile/entries/%s", bad);
		assert_int_equal(tile_path_parse(&tile, slice_string(path), &why), -1);
	}
	json_decref(vectors);
}

/* The last 32 bytes of an OpenSSH Ed25519 key blob are the key. */
static struct note_key
ssh_key(const char *text, const char *name, uint8_t type)
{
	uint8_t blob[64];
	struct note_key key;
	struct fault why;
	size_t size;

	assert_true(base64_decode(blob, &size, slice_string(text)) && size == 51);
	assert_int_equal(note_key_make(&key, name, type, slice_of(blob + 19, 32), &why), 0);
	return key;
}

static void
sigsum(void **state)
{
	json_t *vector = json_load_vectors("sigsum_proof.json");
	const json_t *path = json_object_get(vector, "path_hex");
	struct note_key log = ssh_key(json_get_string(vector, "log_pub_ssh"), "log", NOTE_ED25519);
	struct note_key witness =
	    ssh_key(json_get_string(vector, "witness_pub_ssh"), "witness", NOTE_COSIGNATURE);
	struct note_key submitter =
	    ssh_key(json_get_string(vector, "submit_pub_ssh"), "submitter", NOTE_ED25519);
	uint8_t message[33], checksum[32], leaf[128], cosignature[72], signature[64];
	static const char namespace[] = "sigsum.org/v1/tree-leaf";
	struct tree_hash leaf_hash, root = hash_hex(json_get_string(vector, "root_hex"));
	struct checkpoint checkpoint = {0};
	struct proof proof = {0};
	struct buffer text;
	struct fault why;
	uint64_t time = (uint64_t)json_get_integer(vector, "cosig_time", 0), seen;

	(void)state;
	checkpoint.origin = slice_string(json_get_string(vector, "origin"));
	checkpoint.size = (uint64_t)json_get_integer(vector, "size", 0);
	checkpoint.root = root;
	buffer_init(&text, 1024);
	checkpoint_write(&text, &checkpoint);
	assert_true(hex_decode(signature, 64, slice_string(json_get_string(vector, "log_sig_hex"))));
	assert_true(note_signature_holds(&log, buffer_view(&text), slice_of(signature, 64), NULL));
	for (unsigned i = 0; i < 8; i++)
		cosignature[i] = (uint8_t)(time >> (56 - 8 * i));
	assert_true(hex_decode(cosignature + 8, 64, slice_string(json_get_string(vector, "cosig_hex"))));
	assert_true(note_signature_holds(&witness, buffer_view(&text), slice_of(cosignature, 72), &seen));
	assert_int_equal(seen, time);
	cosignature[7] ^= 1;
	assert_false(note_signature_holds(&witness, buffer_view(&text), slice_of(cosignature, 72), &seen));

	/* leaf: checksum || signature over (namespace, 0, checksum) || key hash */
	snprintf((char *)message, sizeof message, "%32s",
	         json_get_string(vector, "message_ascii_padded_to_32"));
	crypto_hash_sha256(checksum, message, 32);
	assert_true(hex_decode(signature, 64, slice_string(json_get_string(vector, "leaf_sig_hex"))));
	buffer_reset(&text);
	buffer_append(&text, namespace, sizeof namespace);
	buffer_append(&text, checksum, 32);
	assert_true(note_signature_holds(&submitter, buffer_view(&text), slice_of(signature, 64), NULL));
	memcpy(leaf, checksum, 32);
	memcpy(leaf + 32, signature, 64);
	assert_true(hex_decode(leaf + 96, 32, slice_string(json_get_string(vector, "leaf_keyhash_hex"))));
	tree_leaf(&leaf_hash, slice_of(leaf, sizeof leaf));
	for (size_t i = 0; i < json_array_size(path); i++)
		proof.hashes[proof.count++] = hash_hex(json_string_value(json_array_get(path, i)));
	assert_int_equal(proof_check_inclusion(&proof, &leaf_hash,
	                                       (uint64_t)json_get_integer(vector, "leaf_index", 0),
	                                       checkpoint.size, &root, &why),
	                 0);
	buffer_free(&text);
	json_decref(vector);
}

/* Does a document hold a number that an entry may not: with a fraction, or beyond 2^53? */
static bool
has_real(const json_t *value)
{
	const json_t *inner;
	const char *name;
	size_t i;

	if (json_is_real(value))
		return true;
	json_array_foreach(value, i, inner)
	{
		if (has_real(inner))
			return true;
	}
	json_object_foreach((json_t *)(uintptr_t)value, name, inner)
	{
		if (has_real(inner))
			return true;
	}
	return false;
}

/* RFC 8785, as far as an entry goes: what has real numbers is refused, never written some other way. */
static void
jcs(void **state)
{
	static const char *const names[] = {"arrays", "french", "structures", "unicode", "values", "weird"};
	struct buffer input, expected, made, numbers;
	unsigned written = 0, refused = 0;
	struct reader reader;
	struct fault why;
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		json_t *value;

		snprintf(name, sizeof name, "jcs/input/%s.json", names[i]);
		file_load(&input, name);
		snprintf(name, sizeof name, "jcs/output/%s.json", names[i]);
		file_load(&expected, name);
		value = json_read(buffer_view(&input), 1 << 20, 16, &why);
		assert_non_null(value);
		buffer_init(&made, 1 << 20);
		json_write_canonical(&made, value);
		if (has_real(value)) {
			assert_false(buffer_ok(&made));
			refused++;
		} else {
			assert_true(slice_equal(buffer_view(&made), buffer_view(&expected)));
			written++;
		}
		json_decref(value);
		buffer_free(&made);
		buffer_free(&input);
		buffer_free(&expected);
	}
	file_load(&numbers, "jcs/es6numbers.csv");
	reader = reader_of(buffer_view(&numbers));
	while (reader.rest.size > 0) {
		const struct slice line = reader_line(&reader);
		uint64_t bits;
		double number;
		char text[64];
		json_t *value;

		if (sscanf((const char *)line.data, "%16" SCNx64 ",%63[^\r\n]", &bits, text) != 2 ||
		    line.data[0] == '#')
			continue;
		memcpy(&number, &bits, sizeof number);
		buffer_init(&made, 64);
		if (number > -9007199254740992.0 && number < 9007199254740992.0 &&
		    (double)(int64_t)number == number) {
			value = json_integer((json_int_t)number);
			json_write_canonical(&made, value);
			assert_string_equal(buffer_text(&made), text);
			written++;
		} else {
			value = json_real(number); /* NULL for what is no number */
			if (value != NULL) {
				json_write_canonical(&made, value);
				assert_false(buffer_ok(&made));
			}
			refused++;
		}
		json_decref(value);
		buffer_free(&made);
	}
	buffer_free(&numbers);
	print_message("           %u written, %u refused\n", written, refused);
	assert_true(written + refused >= 6 + 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(merkle_proofs), cmocka_unit_test(big_roots),  cmocka_unit_test(notes),
	    cmocka_unit_test(real_log),      cmocka_unit_test(tile_paths), cmocka_unit_test(sigsum),
	    cmocka_unit_test(jcs),
	};
	const char *shared = getenv("HAECHI_SHARED");
	FILE *probe;

	snprintf(folder, sizeof folder, "%s/data/tlog", shared == NULL ? "../shared" : shared);
	probe = fopen(folder, "r");
	if (probe == NULL) {
		printf("SKIP test_tlog_vectors: no %s (set HAECHI_SHARED)\n", folder);
		return 77;
	}
	fclose(probe);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
