/* haechi-engine tokenize -- text to token ids. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inference/tools.h"
#include "inference/gguf.h"
#include "schema/base/json.h"

#define TEXT_LIMIT ((size_t)256 << 20)

static const struct option options[] = {
    {"model",   required_argument, NULL, 'm'},
    {"text",    required_argument, NULL, 't'},
    {"file",    required_argument, NULL, 'f'},
    {"special", no_argument,       NULL, 's'},
    {"lines",   no_argument,       NULL, 'l'},
    {"pieces",  no_argument,       NULL, 'p'},
    {"pre",     required_argument, NULL, 'P'},
    {"json",    no_argument,       NULL, 'J'},
    {"help",    no_argument,       NULL, 'h'},
    {NULL,      0,                 NULL, 0  },
};

static void
usage(FILE *to)
{
	static const struct tool_option said[] = {
	    {"--text T",   "이 텍스트 (없으면 표준 입력)",                   "this text (else standard input)"           },
	    {"--file F",   "이 파일의 텍스트",                                   "the text in this file"                     },
	    {"--special",  "특수 토큰을 해석하고 BOS 등을 더함",           "parse special tokens, add BOS and the like"},
	    {"--lines",    "JSON 줄 {\"text\"} 또는 {\"hex\"}마다 한 줄의 답",
	     "one answer for each JSON line {\"text\"} or {\"hex\"}"                                                                },
	    {"--pieces",   "토큰의 글자도 출력 (글자의 조각은 16진수)",
	     "also what each token stands for (parts of characters in hex)"                                                         },
	    {"--pre NAME", "사전 토크나이저를 바꿈",                          "another pre-tokenizer"                     },
	    {NULL,         NULL,	                                                NULL	                                },
	};

	tool_usage(to, "tokenize --model M.gguf [--text T | --file F]", said);
}

struct job {
	struct tokenizer *tokenizer;
	bool special, pieces;
};

static int
answer(const struct job *job, struct slice text, struct fault *why)
{
	struct token_list list;
	struct prompt prompt;
	struct buffer out;
	int result;

	token_list_init(&list, TEXT_LIMIT);
	prompt_init(&prompt, TEXT_LIMIT);
	buffer_init(&out, (size_t)4 << 30);
	if (job->special)
		prompt_trusted(&prompt, text);
	else
		prompt_untrusted(&prompt, text);
	result = job->special ? tokenizer_encode_prompt(job->tokenizer, &prompt, &list, why)
	                      : tokenizer_encode(job->tokenizer, text, NULL, 0, &list, why);
	if (result == 0) {
		buffer_string(&out, job->pieces ? "{\"ids\":[" : "[");
		for (size_t i = 0; i < list.count; i++)
			buffer_printf(&out, "%s%u", i == 0 ? "" : ",", list.ids[i]);
		if (job->pieces) {
			buffer_string(&out, "],\"pieces\":[");
			for (size_t i = 0; i < list.count; i++) {
				struct slice bytes = tokenizer_bytes(job->tokenizer, list.ids[i]);

				buffer_string(&out, i == 0 ? "" : ",");
				if (utf8_valid(bytes)) {
					json_quote(&out, bytes);
					continue;
				}
				/* A part of a character is no text. */
				buffer_string(&out, "{\"hex\":\"");
				for (size_t j = 0; j < bytes.size; j++)
					buffer_printf(&out, "%02x", bytes.data[j]);
				buffer_string(&out, "\"}");
			}
		}
		buffer_string(&out, job->pieces ? "]}\n" : "]\n");
		fwrite(out.data, 1, out.size, stdout);
	}
	buffer_free(&out);
	prompt_free(&prompt);
	token_list_free(&list);
	return result;
}

/* {"hex":"..."} or {"text":"..."} a line. */
static int
answer_lines(const struct job *job, struct slice input, struct fault *why)
{
	struct reader reader = reader_of(input);
	struct slice line;

	while (line = reader_line(&reader), reader_ok(&reader)) {
		json_t *object = json_read(line, TEXT_LIMIT, 8, why);
		const char *hex = object == NULL ? NULL : json_get_string(object, "hex");
		const char *text = object == NULL ? NULL : json_get_string(object, "text");
		int result = -1;

		if (object == NULL)
			return -1;
		if (hex != NULL) {
			size_t size = strlen(hex) / 2;
			uint8_t *bytes = malloc(size + 1);

			if (bytes != NULL && hex_decode(bytes, size, slice_string(hex)))
				result = answer(job, slice_of(bytes, size), why);
			else
				fault_set(why, FAULT_INVALID, "hex가 올바르지 않습니다", "malformed hex");
			free(bytes);
		} else if (text != NULL) {
			result = answer(job, slice_string(text), why);
		} else {
			fault_set(why, FAULT_INVALID, "줄에 hex도 text도 없습니다",
			          "a line without hex or text");
		}
		json_decref(object);
		if (result == -1)
			return -1;
	}
	return 0;
}

/* Only the metadata is touched: files without weights have a vocabulary too. */
static int
open_tokenizer(const char *path, const char *pre, struct slice *map, struct gguf *gguf,
               struct tokenizer **out, struct fault *why)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	void *bytes;

	if (file == -1)
		return fault_errno(why, "모델 파일 %s", "model file %s", path);
	bytes = fstat(file, &status) == 0 && status.st_size > 0
	            ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0)
	            : MAP_FAILED;
	close(file);
	if (bytes == MAP_FAILED)
		return fault_set(why, FAULT_INVALID, "모델 파일 %s을(를) 읽을 수 없거나 비어 있습니다",
		                 "model file %s cannot be read or is empty", path);
	*map = slice_of(bytes, (size_t)status.st_size);
	if (gguf_parse(gguf, *map, why) == -1)
		return fault_prefix(why, "%s", "%s", path);
	for (size_t i = 0; pre != NULL && i < gguf->key_count; i++)
		if (slice_is(gguf->keys[i].name, "tokenizer.ggml.pre") && gguf->keys[i].type == GGUF_STRING)
			gguf->keys[i].bytes = slice_string(pre);
	return tokenizer_open(out, gguf, why);
}

int
tool_tokenize(int count, char **arguments)
{
	struct job job = {0};
	struct gguf gguf = {0};
	struct buffer input;
	struct slice map = {0};
	struct fault why = {0};
	const char *path = NULL, *text = NULL, *from = "-", *pre = NULL;
	bool lines = false;
	int option, result = -1;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1)
		switch (option) {
		case 'm':
			path = optarg;
			break;
		case 't':
			text = optarg;
			break;
		case 'f':
			from = optarg;
			break;
		case 's':
			job.special = true;
			break;
		case 'l':
			lines = true;
			break;
		case 'p':
			job.pieces = true;
			break;
		case 'P':
			pre = optarg;
			break;
		case 'J':
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (path == NULL) {
		usage(stderr);
		return 2;
	}
	buffer_init(&input, TEXT_LIMIT);
	if (open_tokenizer(path, pre, &map, &gguf, &job.tokenizer, &why) == -1)
		goto out;
	if (text == NULL && file_read(&input, from, TEXT_LIMIT, &why) == -1)
		goto out;
	result = lines ? answer_lines(&job, text != NULL ? slice_string(text) : buffer_view(&input), &why)
	               : answer(&job, text != NULL ? slice_string(text) : buffer_view(&input), &why);
out:
	tokenizer_close(job.tokenizer);
	gguf_free(&gguf);
	if (map.data != NULL)
		munmap((void *)(uintptr_t)map.data, map.size);
	buffer_free(&input);
	return result == 0 ? 0 : tool_fail(&why);
}
