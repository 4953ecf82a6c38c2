/*
 * llama_peer -- what llama.cpp says, in the form of haechi-engine: logits of a model, tokens and text of a vocabulary.
 *
 *   llama_peer logits M.gguf IDS STEPS TOP [FORCED]     as haechi-engine logits, full precision of the cache
 *   llama_peer tokenize V.gguf [PRE]                    lines of hex in; "ids | ids with specials" out
 *   llama_peer pieces V.gguf                            lines of ids in; what each stands for out, in hex
 *
 * Built and run only where somebody has llama.cpp (build.sh); nothing of it is part of Haechi.
 */
#include <ctype.h>
#include <llama.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
quiet(enum ggml_log_level level, const char *text, void *argument)
{
	(void)argument;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

static void *
room(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (memory == NULL)
		abort();
	return memory;
}

/* Whole numbers with anything between them. */
static llama_token *
read_ids(const char *text, int *count)
{
	llama_token *ids = room(strlen(text), sizeof *ids);

	*count = 0;
	while (*text != '\0') {
		char *end;

		ids[*count] = (llama_token)strtol(text, &end, 10);
		*count += end != text;
		text = end != text ? end : text + 1;
	}
	return ids;
}

static llama_token
print_position(int position, llama_token token, const float *logits, int vocabulary, int top)
{
	double sum = 0;
	int best = 0, last = -1;

	for (int i = 1; i < vocabulary; i++)
		if (logits[i] > logits[best])
			best = i;
	for (int i = 0; i < vocabulary; i++)
		sum += exp((double)logits[i] - (double)logits[best]);
	printf("{\"pos\":%d,\"token\":%d,\"lse\":%.6f,\"top\":[", position, token,
	       (double)logits[best] + log(sum));
	for (int k = 0; k < top && k < vocabulary; k++) {
		int next = -1;

		for (int i = 0; i < vocabulary; i++)
			if ((last < 0 || logits[i] < logits[last] ||
			     (logits[i] == logits[last] && i > last)) &&
			    (next < 0 || logits[i] > logits[next]))
				next = i;
		printf("%s[%d,%.6f]", k == 0 ? "" : ",", next, (double)logits[next]);
		last = next;
	}
	printf("]}\n");
	return best;
}

static int
say_logits(struct llama_model *model, char **arguments)
{
	struct llama_context_params options = llama_context_default_params();
	const struct llama_vocab *vocab = llama_model_get_vocab(model);
	int count, forced = 0, steps = atoi(arguments[1]), top = atoi(arguments[2]), total;
	llama_token *ids = read_ids(arguments[0], &count);
	llama_token *force = arguments[3] != NULL ? read_ids(arguments[3], &forced) : NULL;
	llama_token *greedy = room((size_t)steps, sizeof *greedy), next = 0;
	struct llama_context *context;
	struct llama_batch batch;
	const char *cache = getenv("CACHE"), *flash = getenv("FLASH"), *chunk = getenv("BATCH");

	total = count + steps;
	options.n_ctx = (uint32_t)(total + 256) / 256 * 256;
	options.n_batch = options.n_ubatch = chunk != NULL ? (uint32_t)atoi(chunk) : 512;
	options.n_threads = options.n_threads_batch = 1;
	options.type_k = options.type_v =
	    cache != NULL && strcmp(cache, "16") == 0 ? GGML_TYPE_F16 : GGML_TYPE_F32;
	options.flash_attn_type = flash != NULL && strcmp(flash, "1") == 0 ? LLAMA_FLASH_ATTN_TYPE_ENABLED
	                                                                   : LLAMA_FLASH_ATTN_TYPE_DISABLED;
	options.no_perf = true;
	if ((context = llama_init_from_model(model, options)) == NULL)
		return 1;
	batch = llama_batch_init((int32_t)options.n_batch, 0, 1);
	for (int at = 0; at < total;) {
		int many = at < count ? count - at : 1;

		many = many < (int)options.n_batch ? many : (int)options.n_batch;
		for (int i = 0; i < many; i++) {
			batch.token[i] = at + i < count            ? ids[at + i]
			                 : at + i - count < forced ? force[at + i - count]
			                                           : next;
			batch.pos[i] = at + i;
			batch.n_seq_id[i] = 1;
			batch.seq_id[i][0] = 0;
			batch.logits[i] = 1;
		}
		batch.n_tokens = many;
		if (llama_decode(context, batch) != 0)
			return 1;
		for (int i = 0; i < many; i++) {
			next = print_position(at + i, batch.token[i], llama_get_logits_ith(context, i),
			                      llama_vocab_n_tokens(vocab), top);
			if (at + i + 1 >= count && at + i + 1 - count < steps)
				greedy[at + i + 1 - count] = next;
		}
		at += many;
	}
	printf("{\"greedy\":[");
	for (int i = 0; i < steps; i++)
		printf("%s%d", i == 0 ? "" : ",", greedy[i]);
	printf("]}\n");
	llama_batch_free(batch);
	llama_free(context);
	free(ids);
	free(force);
	free(greedy);
	return 0;
}

static int
digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10;
}

static int
say_tokens(const struct llama_vocab *vocab)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	while ((size = getline(&line, &capacity, stdin)) > 0) {
		int bytes = (int)(size / 2), most = bytes + 16;
		char *text = room((size_t)bytes, 1);
		llama_token *ids = room((size_t)most, sizeof *ids);

		for (int i = 0; i < bytes; i++)
			text[i] = (char)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
		for (int special = 0; special < 2; special++) {
			int count = llama_tokenize(vocab, text, bytes, ids, most, special, special);

			if (count < 0) {
				most = -count;
				free(ids);
				ids = room((size_t)most, sizeof *ids);
				count = llama_tokenize(vocab, text, bytes, ids, most, special, special);
			}
			for (int i = 0; i < count; i++)
				printf("%s%d", i == 0 ? "" : ",", ids[i]);
			fputs(special ? "\n" : " | ", stdout);
		}
		free(text);
		free(ids);
	}
	free(line);
	return 0;
}

static int
say_pieces(const struct llama_vocab *vocab)
{
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, stdin) > 0) {
		int count;
		llama_token *ids = read_ids(line, &count);

		for (int i = 0; i < count; i++) {
			char piece[4096];
			int size = llama_token_to_piece(vocab, ids[i], piece, sizeof piece, 0, true);

			fputs(i == 0 ? "" : " ", stdout);
			for (int j = 0; j < size; j++)
				printf("%02x", (unsigned char)piece[j]);
		}
		putchar('\n');
		free(ids);
	}
	free(line);
	return 0;
}

int
main(int count, char **arguments)
{
	struct llama_model_params options = llama_model_default_params();
	struct llama_model_kv_override override[2] = {{0}};
	struct llama_model *model;
	bool logits = count >= 6 && strcmp(arguments[1], "logits") == 0;
	int result;

	if (count < 3) {
		fprintf(stderr,
		        "usage: llama_peer logits M IDS STEPS TOP [FORCED] | tokenize V [PRE] | pieces V\n");
		return 2;
	}
	llama_log_set(quiet, NULL);
	llama_backend_init();
	options.vocab_only = !logits;
	options.use_extra_bufts = getenv("REPACK") == NULL || strcmp(getenv("REPACK"), "0") != 0;
	if (!logits && count > 3) {
		override[0].tag = LLAMA_KV_OVERRIDE_TYPE_STR;
		snprintf(override[0].key, sizeof override[0].key, "tokenizer.ggml.pre");
		snprintf(override[0].val_str, sizeof override[0].val_str, "%s", arguments[3]);
		options.kv_overrides = override;
	}
	if ((model = llama_model_load_from_file(arguments[2], options)) == NULL)
		return 1;
	if (logits)
		result = say_logits(model, arguments + 3);
	else if (strcmp(arguments[1], "tokenize") == 0)
		result = say_tokens(llama_model_get_vocab(model));
	else
		result = say_pieces(llama_model_get_vocab(model));
	llama_model_free(model);
	llama_backend_free();
	return result;
}
