/* haechi-engine inspect -- what a model file holds, and whether we can serve it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/tools.h"
#include "inference/quant.h"
#include "inference/weights.h"
#include "schema/base/json.h"

static const struct option options[] = {
    {"model", required_argument, NULL, 'm'},
    {"json",  no_argument,       NULL, 'J'},
    {"help",  no_argument,       NULL, 'h'},
    {NULL,    0,                 NULL, 0  },
};

struct type_count {
	const char *name;
	uint64_t tensors, bytes;
};

static size_t
count_types(const struct model *model, struct type_count *out, size_t most)
{
	size_t count = 0;

	for (size_t p = 0; p < model->weights->count; p++) {
		const struct gguf *gguf = &model->weights->parts[p].gguf;

		for (size_t i = 0; i < gguf->tensor_count; i++) {
			const char *name = quant_kind(gguf->tensors[i].type)->name;
			size_t at = 0;

			while (at < count && strcmp(out[at].name, name) != 0)
				at++;
			if (at == most)
				continue;
			if (at == count)
				out[count++] = (struct type_count){.name = name};
			out[at].tensors++;
			out[at].bytes += gguf->tensors[i].data.size;
		}
	}
	return count;
}

static void
print_json(const struct model *model)
{
	const struct shape *shape = &model->shape;
	struct type_count types[32];
	size_t count = count_types(model, types, 32);
	json_t *by_type = json_object(), *object;
	struct buffer out;

	for (size_t i = 0; i < count; i++)
		json_object_set_new(by_type, types[i].name,
		                    json_pack("{s:I,s:I}", "tensors", (json_int_t)types[i].tensors, "bytes",
		                              (json_int_t)types[i].bytes));
	object = json_pack(
	    "{s:s,s:s,s:s,s:s,s:I,s:I,s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i},s:{s:s,s:s,s:b},s:"
	    "b,s:o}",
	    "id", model->name, "architecture", model->architecture, "license", model->license,
	    "weights_sha256", model->sha256, "parameters", (json_int_t)model->parameters, "weight_bytes",
	    (json_int_t)model->weight_bytes, "shape", "layers", (int)shape->layers, "width",
	    (int)shape->width, "ffn", (int)shape->ffn, "heads", (int)shape->heads, "kv_heads",
	    (int)shape->kv_heads, "head_size", (int)shape->head_size, "vocabulary", (int)shape->vocabulary,
	    "context", (int)shape->context, "window", (int)shape->window, "latent", (int)shape->latent,
	    "experts", (int)shape->experts, "experts_used", (int)shape->experts_used, "tokenizer", "model",
	    tokenizer_model(model->tokenizer), "pre", tokenizer_pre(model->tokenizer), "adds_bos",
	    (int)tokenizer_adds_bos(model->tokenizer), "chat_template", (int)(model->chat_template.size > 0),
	    "types", by_type);
	buffer_init(&out, 1 << 20);
	json_write(&out, object);
	buffer_byte(&out, '\n');
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
	json_decref(object);
}

/* A Hangul syllable is as wide as two letters. */
static void
print_label(const char *ko, const char *en)
{
	struct slice rest = slice_string(ko);
	int width = 0;
	uint32_t code;

	for (size_t size; (size = utf8_next(rest, &code)) != 0;
	     rest = slice_of(rest.data + size, rest.size - size))
		width += code >= 0x1100 ? 2 : 1;
	printf("%s%*s  %-14s ", ko, width < 12 ? 12 - width : 0, "", en);
}

static void
print_table(const struct model *model)
{
	const struct shape *shape = &model->shape;
	struct type_count types[32];
	size_t count = count_types(model, types, 32);

	print_label("모델", "model");
	printf("%s\n", model->name);
	print_label("구조", "architecture");
	printf("%s\n", model->architecture);
	print_label("라이선스", "license");
	printf("%s\n", model->license[0] != '\0' ? model->license : "파일에 없음 (not stated)");
	print_label("가중치 해시", "weights SHA-256");
	printf("%s\n", model->sha256);
	print_label("매개변수", "parameters");
	printf("%.1f M\n", (double)model->parameters / 1e6);
	print_label("크기", "size");
	printf("%.1f MiB\n", (double)model->weight_bytes / 1048576.0);
	print_label("층", "layers");
	printf("%u\n", shape->layers);
	print_label("너비", "width");
	printf("%u, FFN %u\n", shape->width, shape->ffn);
	print_label("헤드", "heads");
	printf("%u, KV %u, x %u\n", shape->heads, shape->kv_heads, shape->head_size);
	if (shape->latent > 0) {
		print_label("잠재", "latent");
		printf("%u + %u\n", shape->latent, shape->rotated);
	}
	if (shape->experts > 0) {
		print_label("전문가", "experts");
		printf("%u 중 %u (%u of %u), FFN %u\n", shape->experts, shape->experts_used,
		       shape->experts_used, shape->experts, shape->expert_ffn);
	}
	print_label("문맥", "context");
	printf("%u 토큰 (tokens)\n", shape->context);
	print_label("토크나이저", "tokenizer");
	printf("%s, %s, %u 토큰 (tokens)\n", tokenizer_model(model->tokenizer),
	       tokenizer_pre(model->tokenizer), shape->vocabulary);
	print_label("대화 틀", "chat template");
	printf("%s\n", model->chat_template.size > 0 ? "있음 (yes)" : "없음 (no)");
	for (size_t i = 0; i < count; i++) {
		print_label(i == 0 ? "텐서" : "", i == 0 ? "tensors" : "");
		printf("%-6s %5llu %10.1f MiB\n", types[i].name, (unsigned long long)types[i].tensors,
		       (double)types[i].bytes / 1048576.0);
	}
}

int
tool_inspect(int count, char **arguments)
{
	struct model *model = NULL;
	struct fault why = {0};
	const char *path = NULL;
	bool json = false;
	int option, result;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1)
		switch (option) {
		case 'm':
			path = optarg;
			break;
		case 'J':
			json = true;
			break;
		default:
			fprintf(option == 'h' ? stdout : stderr,
			        "사용법 (usage): %s inspect [--json] M.gguf\n", PROGRAM);
			return option == 'h' ? 0 : 2;
		}
	if (path == NULL && optind + 1 == count)
		path = arguments[optind];
	if (path == NULL) {
		fprintf(stderr, "사용법 (usage): %s inspect [--json] M.gguf\n", PROGRAM);
		return 2;
	}
	result = model_open(&model, path, &why);
	if (result == 0)
		result = model_hash(model, &why);
	if (result == 0) {
		if (json)
			print_json(model);
		else
			print_table(model);
	}
	model_close(model);
	/* A whole model that is not for us is an answer: no. What is no model, or a broken one, is none. */
	if (result == -1) {
		tool_fail(&why);
		return why.kind == FAULT_UNSUPPORTED ? 1 : 2;
	}
	return 0;
}
