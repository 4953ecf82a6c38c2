/* Goal of these tests: a model in several files is the same model, and parts that do not belong together are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inference/gguf.h"
#include "inference/model.h"
#include "inference/weights.h"
#include "tests/gguf_maker.h"

#define PARTS 3

static char folder[] = "/tmp/haechi-split-XXXXXX";
static char first[256];

static const char *
part_name(char out[256], unsigned number, unsigned count)
{
	snprintf(out, 256, "%s/m-%05u-of-%05u.gguf", folder, number, count);
	return out;
}

static void
write_file(const char *path, struct slice bytes)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes.data, 1, bytes.size, out), bytes.size);
	assert_int_equal(fclose(out), 0);
}

/* Where the first key that begins with "general.", and where the tensors' list begins: keys are copied as they are. */
static struct slice
raw_keys(const struct gguf *gguf, struct slice file)
{
	const uint8_t *start = file.data + 24;
	const struct gguf_key *last = &gguf->keys[gguf->key_count - 1];

	return slice_of(start, (size_t)(last->bytes.data + last->bytes.size - start));
}

struct split_says {
	unsigned number, count;
	uint32_t tensors;
	int twice; /* -1, or a tensor that is in this part too */
};

/* Every PARTS-th tensor of the model, with what the part says of itself. */
static struct buffer
make_part(const struct gguf *gguf, struct slice file, const struct split_says *says)
{
	struct gguf_maker maker;
	struct slice keys = raw_keys(gguf, file);

	maker_init(&maker, 1);
	if (says->number == 0) {
		buffer_slice(&maker.keys, keys);
		maker.key_count = gguf->key_count;
	}
	maker_key_u32(&maker, "split.no", says->number);
	maker_key_u32(&maker, "split.count", says->count);
	maker_key_u32(&maker, "split.tensors.count", says->tensors);
	for (size_t i = 0; i < gguf->tensor_count; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];

		if (i % PARTS != says->number && (int)i != says->twice)
			continue;
		maker.tensor_count++;
		maker_u64(&maker.tensors, tensor->name.size);
		buffer_slice(&maker.tensors, tensor->name);
		maker_u32(&maker.tensors, tensor->dimensions);
		for (unsigned j = 0; j < tensor->dimensions; j++)
			maker_u64(&maker.tensors, tensor->shape[j]);
		maker_u32(&maker.tensors, tensor->type);
		maker_align(&maker.data);
		maker_u64(&maker.tensors, maker.data.size);
		buffer_slice(&maker.data, tensor->data);
	}
	return maker_finish(&maker);
}

struct fixture {
	struct buffer file;
	struct gguf gguf;
	struct buffer parts[PARTS];
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	char name[256];

	setenv("HAECHI_CACHE_DIR", "/nonexistent/haechi", 1);
	if (fixture == NULL || mkdtemp(folder) == NULL)
		return -1;
	fixture->file = maker_model(QUANT_Q8_0, 21);
	if (gguf_parse(&fixture->gguf, buffer_view(&fixture->file), NULL) == -1)
		return -1;
	for (unsigned i = 0; i < PARTS; i++)
		fixture->parts[i] =
		    make_part(&fixture->gguf, buffer_view(&fixture->file),
		              &(struct split_says){i, PARTS, (uint32_t)fixture->gguf.tensor_count, -1});
	snprintf(first, sizeof first, "%s", part_name(name, 1, PARTS));
	*state = fixture;
	return 0;
}

static void
write_parts(const struct fixture *fixture)
{
	char name[256];

	for (unsigned i = 0; i < PARTS; i++)
		write_file(part_name(name, i + 1, PARTS), buffer_view(&fixture->parts[i]));
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;
	char command[300];

	for (unsigned i = 0; i < PARTS; i++)
		buffer_free(&fixture->parts[i]);
	gguf_free(&fixture->gguf);
	buffer_free(&fixture->file);
	free(fixture);
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

/* Logits of the last of twelve tokens, vocabulary many. */
static float *
compute(const char *path, char sha256[65])
{
	static const uint32_t pages[] = {0};
	struct runner_options options = {.threads = 1, .rows = 12, .pages = 1, .context = 64};
	struct step_row rows[12];
	struct step step = {.rows = rows, .count = 12};
	struct runner *runner = NULL;
	struct model *model = NULL;
	struct fault why = {0};

	if (model_open(&model, path, &why) == -1 || model_hash(model, &why) == -1 ||
	    runner_cpu.open(&runner, model, &options, &why) == -1)
		fail_msg("%s", why.en);
	for (uint32_t i = 0; i < 12; i++)
		rows[i] = (struct step_row){.token = i * 7, .position = i, .pages = pages, .wanted = i == 11};
	step.logits = malloc(model->shape.vocabulary * sizeof *step.logits);
	runner_cpu.forward(runner, &step);
	memcpy(sha256, model->sha256, 65);
	runner_cpu.close(runner);
	model_close(model);
	return step.logits;
}

static void
parts_are_the_model_and_their_hash_is_over_all(void **state)
{
	const struct fixture *fixture = *state;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char whole[256], sha256[65], again[65], expected[65];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	float *a, *b;

	snprintf(whole, sizeof whole, "%s/whole.gguf", folder);
	write_file(whole, buffer_view(&fixture->file));
	write_parts(fixture);
	a = compute(whole, sha256);
	b = compute(first, sha256);
	assert_memory_equal(a, b, MAKER_TOKENS * sizeof *a);
	EVP_DigestInit_ex(context, EVP_sha256(), NULL);
	for (unsigned i = 0; i < PARTS; i++)
		EVP_DigestUpdate(context, fixture->parts[i].data, fixture->parts[i].size);
	EVP_DigestFinal_ex(context, digest, NULL);
	EVP_MD_CTX_free(context);
	hex_encode(expected, digest, 32);
	assert_string_equal(sha256, expected);
	/* One byte of the last part, and it is another model. */
	fixture->parts[PARTS - 1].data[fixture->parts[PARTS - 1].size - 1] ^= 1;
	write_parts(fixture);
	free(compute(first, again));
	fixture->parts[PARTS - 1].data[fixture->parts[PARTS - 1].size - 1] ^= 1;
	assert_string_not_equal(sha256, again);
	free(a);
	free(b);
}

static void
refused(const char *path, const char *says)
{
	struct model *model = NULL;
	struct fault why = {0};

	assert_int_equal(model_open(&model, path, &why), -1);
	assert_true(why.ko[0] != '\0');
	if (strstr(why.en, says) == NULL)
		fail_msg("'%s' is not in: %s", says, why.en);
}

static void
what_is_missing_or_of_another_model_is_named(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t tensors = (uint32_t)fixture->gguf.tensor_count;
	struct split_says wrong[] = {
	    {2, PARTS,     tensors, -1},
            {1, PARTS + 1, tensors, -1},
            {1, PARTS,     tensors, 0 }
        };
	static const char *const says[] = {"part 3 of 3, not 2 of 3", "part 2 of 4, not 2 of 3",
	                                   "tensors, not"};
	char second[256], other[256];
	struct buffer part;

	part_name(second, 2, PARTS);
	write_parts(fixture);
	refused(second, "name the first file of a split model (this is 2 of 3)");
	unlink(second);
	refused(first, "part 2 of 3 of a split model");
	refused(first, "m-00002-of-00003.gguf");
	for (unsigned i = 0; i < 3; i++) {
		part = make_part(&fixture->gguf, buffer_view(&fixture->file), &wrong[i]);
		write_file(second, buffer_view(&part));
		refused(first, says[i]);
		refused(first, i < 2 ? "m-00002-of-00003.gguf" : "m-00001-of-00003.gguf");
		buffer_free(&part);
	}
	/* Of a model that is not split; a part that lacks a tensor; one tensor twice, the count being right. */
	write_file(second, buffer_view(&fixture->file));
	refused(first, "it has no split.no");
	part = make_part(&fixture->gguf, buffer_view(&fixture->file),
	                 &(struct split_says){1, PARTS, tensors, 0});
	write_file(second, buffer_view(&part));
	buffer_free(&part);
	part = make_part(&fixture->gguf, buffer_view(&fixture->file),
	                 &(struct split_says){0, PARTS, tensors + 1, -1});
	write_file(first, buffer_view(&part));
	buffer_free(&part);
	refused(first, "is in part 1 and in part 2");
	write_parts(fixture);
	snprintf(other, sizeof other, "%s/renamed.gguf", folder);
	write_file(other, buffer_view(&fixture->parts[0]));
	refused(other, "must end in '-00001-of-00003.gguf'");
}

/* The bytes at `size` and beyond are not there: the loader says what is wrong, in both languages, and names the file. */
static void
every_truncation_of_a_part_is_refused(void **state)
{
	const struct fixture *fixture = *state;
	char name[256];

	write_parts(fixture);
	for (unsigned part = 0; part < PARTS; part++) {
		part_name(name, part + 1, PARTS);
		for (size_t size = fixture->parts[part].size; size-- > 0;) {
			struct model *model = NULL;
			struct fault why = {0};

			/* All of what comes before the data, then a part of the rest: it is one answer there. */
			if (size > 12000 && size % 61 != 0)
				continue;
			assert_int_equal(truncate(name, (off_t)size), 0);
			assert_int_equal(model_open(&model, first, &why), -1);
			if (why.ko[0] == '\0' || strstr(why.en, name) == NULL)
				fail_msg("%zu bytes of part %u: %s", size, part + 1, why.en);
		}
		write_parts(fixture);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_are_the_model_and_their_hash_is_over_all),
	    cmocka_unit_test(what_is_missing_or_of_another_model_is_named),
	    cmocka_unit_test(every_truncation_of_a_part_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
