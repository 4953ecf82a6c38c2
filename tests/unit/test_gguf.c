#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "inference/gguf.h"
#include "inference/model.h"
#include "tests/gguf_maker.h"

static int
parse(const struct buffer *file, size_t size, struct fault *why)
{
	struct gguf gguf;
	/* Exactly as long as it claims to be, for the sanitizers. */
	uint8_t *exact = malloc(size == 0 ? 1 : size);
	int result;

	memcpy(exact, file->data, size);
	result = gguf_parse(&gguf, slice_of(exact, size), why);
	gguf_free(&gguf);
	free(exact);
	return result;
}

static void
every_truncation_is_refused_with_a_reason(void **state)
{
	struct buffer file = maker_model(QUANT_Q8_0, 1);

	(void)state;
	assert_int_equal(parse(&file, file.size, NULL), 0);
	for (size_t size = 0; size < file.size; size++) {
		struct fault why = {0};

		assert_int_equal(parse(&file, size, &why), -1);
		assert_true(why.ko[0] != '\0' && why.en[0] != '\0');
	}
	buffer_free(&file);
}

static void
what_lies_is_refused(void **state)
{
	struct gguf_maker maker;
	struct buffer file;
	struct fault why;

	(void)state;
	for (int kind = 0; kind < 7; kind++) {
		maker_init(&maker, 1);
		maker_key_string(&maker, "a", "x");
		if (kind == 0)
			maker_key_string(&maker, "a", "y"); /* twice */
		if (kind == 1)
			maker_key_u32(&maker, "general.alignment", 33);
		if (kind == 2) { /* an array that claims more than there is */
			maker_key(&maker, "b", 9);
			maker_u32(&maker.keys, 4);
			maker_u64(&maker.keys, UINT64_MAX / 4);
		}
		maker_tensor(&maker, "t", QUANT_F32, 8, 4, 0, 1);
		if (kind == 3)
			maker_tensor(&maker, "t", QUANT_F32, 8, 4, 0, 1);
		if (kind == 4) { /* lies over the other */
			maker_tensor(&maker, "u", QUANT_F32, 8, 4, 0, 1);
			maker.tensors.data[maker.tensors.size - 8] = 32;
		}
		if (kind ==
		    5) /* shape overflows: columns are the 8 bytes before type and offset, rows between */
			memset(maker.tensors.data + maker.tensors.size - 28, 0xff, 7);
		if (kind == 6)
			maker.tensors.data[maker.tensors.size - 8] = 8; /* not aligned */
		file = maker_finish(&maker);
		memset(&why, 0, sizeof why);
		assert_int_equal(parse(&file, file.size, &why), -1);
		assert_true(why.en[0] != '\0');
		buffer_free(&file);
	}
}

static void
keys_are_read_whatever_their_width(void **state)
{
	struct gguf_maker maker;
	struct buffer file;
	struct gguf gguf;
	int64_t integer;
	double real;
	bool flag;
	struct slice text;

	(void)state;
	maker_init(&maker, 1);
	maker_key(&maker, "byte", 1);
	buffer_byte(&maker.keys, 0xff);
	maker_key_f32(&maker, "real", 0.5f);
	maker_key_bool(&maker, "flag", true);
	maker_key_string(&maker, "text", "한글");
	file = maker_finish(&maker);
	assert_int_equal(gguf_parse(&gguf, buffer_view(&file), NULL), 0);
	assert_true(gguf_integer(gguf_key(&gguf, "byte"), &integer));
	assert_int_equal(integer, -1);
	assert_true(gguf_real(gguf_key(&gguf, "real"), &real));
	assert_true(real == 0.5);
	assert_false(gguf_integer(gguf_key(&gguf, "real"), &integer));
	assert_true(gguf_flag(gguf_key(&gguf, "flag"), &flag) && flag);
	assert_true(gguf_string(gguf_key(&gguf, "text"), &text) && slice_is(text, "한글"));
	assert_null(gguf_key(&gguf, "absent"));
	gguf_free(&gguf);
	buffer_free(&file);
}

/* The loader refuses by name: flips of the file's head must never crash it, and a good file must load. */
static void
flip_everywhere(struct buffer *file, const char *name, size_t step)
{
	char path[] = "/tmp/haechi-test-XXXXXX";
	int out = mkstemp(path);
	struct model *model = NULL;
	struct fault why = {0};

	assert_int_equal(write(out, file->data, file->size), (ssize_t)file->size);
	assert_int_equal(model_open(&model, path, &why), 0);
	assert_string_equal(model->name, name);
	assert_int_equal(model->shape.vocabulary, MAKER_TOKENS);
	model_close(model);
	for (size_t at = 0; at < file->size && at < 20000; at += step) {
		uint8_t byte = file->data[at] ^ (uint8_t)(1u << at % 8);

		assert_int_equal(pwrite(out, &byte, 1, (off_t)at), 1);
		model = NULL;
		memset(&why, 0, sizeof why);
		if (model_open(&model, path, &why) == -1)
			assert_true(why.ko[0] != '\0' && why.en[0] != '\0');
		else
			model_close(model);
		assert_int_equal(pwrite(out, file->data + at, 1, (off_t)at), 1);
	}
	close(out);
	unlink(path);
	buffer_free(file);
}

static void
a_model_is_bound_whole_or_refused(void **state)
{
	struct buffer file = maker_model(QUANT_F32, 7);

	(void)state;
	flip_everywhere(&file, "test-llama", 3);
	file = maker_latent(QUANT_Q8_0, 7, false);
	flip_everywhere(&file, "test-latent", 3);
	file = maker_latent(QUANT_Q8_0, 7, true);
	flip_everywhere(&file, "test-latent", 5);
}

/* A latent of 64 values and 16 that turn is all that is cached of a position, whatever the heads. */
static void
a_latent_is_all_that_is_cached(void **state)
{
	char path[] = "/tmp/haechi-test-XXXXXX";
	struct runner_options options = {.rows = 1, .pages = 1, .context = 64, .cache_bits = 16};
	struct fault why = {0};

	(void)state;
	for (int older = 0; older < 2; older++) {
		struct buffer file = maker_latent(QUANT_F32, 7, older == 1);
		struct model *model = NULL;
		int out = older == 0 ? mkstemp(path) : open(path, O_WRONLY | O_TRUNC);

		assert_int_equal(write(out, file.data, file.size), (ssize_t)file.size);
		close(out);
		buffer_free(&file);
		assert_int_equal(model_open(&model, path, &why), 0);
		assert_int_equal(runner_page_bytes(model, &options), 2 * 64 * (64 + 16) * 2);
		assert_int_equal(runner_refuse("cuda", model, &why), -1);
		assert_non_null(strstr(why.en, "deepseek2"));
		assert_non_null(strstr(why.ko, "deepseek2"));
		model_close(model);
	}
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_truncation_is_refused_with_a_reason),
	    cmocka_unit_test(what_lies_is_refused),
	    cmocka_unit_test(keys_are_read_whatever_their_width),
	    cmocka_unit_test(a_model_is_bound_whole_or_refused),
	    cmocka_unit_test(a_latent_is_all_that_is_cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
