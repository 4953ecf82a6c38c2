/*
 * haechi-engine bench -- tokens per second through the whole engine: prompts, then answers, alone and together; and
 * which share that is of what the memory gives, since an answer alone reads all weights for every token.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "inference/crew.h"
#include "inference/inference.h"
#include "inference/model.h"
#include "inference/tools.h"
#include "schema/base/clock.h"

static const struct option options[] = {
    {"model",    required_argument, NULL, 'm'},
    {"parallel", required_argument, NULL, 'P'},
    {"device",   required_argument, NULL, 'd'},
    {"threads",  required_argument, NULL, 'j'},
    {"cache",    required_argument, NULL, 'b'},
    {"kernels",  required_argument, NULL, 'K'},
    {"plain",    no_argument,       NULL, 'c'},
    {"depth",    required_argument, NULL, 'D'},
    {"memory",   no_argument,       NULL, 'M'},
    {"json",     no_argument,       NULL, 'J'},
    {"help",     no_argument,       NULL, 'h'},
    {NULL,       0,                 NULL, 0  },
};

static void
usage(FILE *to)
{
	static const struct tool_option said[] = {
	    {"-p N",            "프롬프트 토큰 (512)",                        "tokens of a prompt (512)"                    },
	    {"-n N",            "답 토큰 (128)",                                 "tokens of an answer (128)"                   },
	    {"-r N",            "되풀이 (3), 가장 빠른 것을 적음",       "repetitions (3), of which the fastest counts"},
	    {"--parallel LIST", "함께 계산할 답의 수 (1)",                  "answers computed together (1)"               },
	    {"--depth N",       "답을 시작할 때의 문맥 (1)",               "context at which answers begin (1)"          },
	    {"--memory",        "메모리를 읽는 속도도 잼",                "measure how fast memory is read, too"        },
	    {"--json",          "표 대신 JSON",                                  "JSON instead of the table"                   },
	    {"--device NAME",   "cpu 또는 cuda",                                  "cpu or cuda"                                 },
	    {"--threads N",     "계산 스레드 수",                             "threads that compute"                        },
	    {"--cache 16|32",   "KV 캐시의 비트",                              "bits of the cache"                           },
	    {"--kernels NAME",  "amx-int8 avx512-vnni avx2 plain 가운데 하나",
	     "one of these (default: the best that run here)"	                                                             },
	    {"--plain",         "--kernels plain과 같음",                        "as --kernels plain"                          },
	    {NULL,              NULL,	                                       NULL	                                  },
	};

	tool_usage(to, "bench --model M.gguf [--parallel 1,4,16] [--json]", said);
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned news;
};

static void
on_news(void *owner)
{
	struct waiting *waiting = owner;

	pthread_mutex_lock(&waiting->lock);
	waiting->news++;
	pthread_cond_signal(&waiting->changed);
	pthread_mutex_unlock(&waiting->lock);
}

struct run {
	double first,
	    full; /* seconds until the last answer has begun; until the first has ended, or all have */
	size_t begun, said; /* tokens of all that were there then, and then */
};

/* Tokens of all so far. */
static size_t
tokens_of(struct generation *const *generations, size_t many, size_t length)
{
	size_t tokens = 0;

	for (size_t i = 0; i < many; i++) {
		struct generation_news news;

		if (generations[i] == NULL) { /* it has ended already */
			tokens += length;
			continue;
		}
		generation_read(generations[i], &news);
		tokens += news.completion_tokens;
		buffer_free(&news.text);
		free(news.reports);
	}
	return tokens;
}

/* `many` answers of `length` tokens to different prompts of `prompt` tokens. */
static int
measure(struct engine *engine, uint32_t vocabulary, size_t many, size_t prompt, size_t length, unsigned salt,
        struct run *out, struct fault *why)
{
	static struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
	struct generation **generations = calloc(many, sizeof *generations);
	bool *begun = calloc(many, sizeof *begun);
	uint32_t *tokens = calloc(prompt, sizeof *tokens);
	struct generation_request request = {
	    .prompt = tokens,
	    .prompt_count = prompt,
	    .max_tokens = (uint32_t)length,
	    .sampling = {.top_p = 1, .repetition = 1},
	    .ignore_end = true,
	    .logprobs = -1,
	    .news = on_news,
	    .owner = &waiting
        };
	size_t ended = 0, started = 0;
	const int64_t start = clock_monotonic_ns();
	int result = -1;

	out->full = 0;
	if (generations == NULL || begun == NULL || tokens == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < many; i++) {
		uint64_t state = salt * 1000003u + i;

		/* Different from the first token on, so that no prompt finds another in the cache. */
		for (size_t j = 0; j < prompt; j++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			tokens[j] = (uint32_t)((state >> 33) % vocabulary);
		}
		if (generation_submit(engine, &request, &generations[i], NULL, why) == -1)
			goto out;
	}
	while (ended < many) {
		pthread_mutex_lock(&waiting.lock);
		while (waiting.news == 0)
			pthread_cond_wait(&waiting.changed, &waiting.lock);
		waiting.news = 0;
		pthread_mutex_unlock(&waiting.lock);
		for (size_t i = 0; i < many; i++) {
			struct generation_news news;

			if (generations[i] == NULL)
				continue;
			generation_read(generations[i], &news);
			if (!begun[i] && news.completion_tokens > 0) {
				begun[i] = true;
				if (++started == many) {
					out->first = (double)(clock_monotonic_ns() - start) * 1e-9;
					out->begun = tokens_of(generations, many, length);
				}
			}
			buffer_free(&news.text);
			free(news.reports);
			if (news.end != GENERATION_RUNNING) {
				/* From now on there are fewer at once. */
				if (ended == 0 && started == many) {
					out->full = (double)(clock_monotonic_ns() - start) * 1e-9;
					out->said = tokens_of(generations, many, length);
				}
				generation_release(generations[i]);
				generations[i] = NULL;
				ended++;
			}
		}
	}
	if (out->full <= out->first || out->said <= out->begun) {
		out->full = (double)(clock_monotonic_ns() - start) * 1e-9;
		out->said = many * length;
	}
	result = 0;
out:
	for (size_t i = 0; generations != NULL && i < many; i++)
		generation_release(generations[i]);
	free(generations);
	free(begun);
	free(tokens);
	return result;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

#define MEMORY_BYTES ((size_t)512 << 20) /* more than any cache keeps */
#define MEMORY_CHUNK ((size_t)4 << 20)

struct reading {
	const uint64_t *words;
	uint64_t found[64];
};

static void
read_chunk(void *argument, size_t index, size_t member)
{
	struct reading *reading = argument;
	const uint64_t *words = reading->words + index * (MEMORY_CHUNK / 8);
	uint64_t found[8] = {0};

	for (size_t i = 0; i < MEMORY_CHUNK / 8; i += 8) {
		__builtin_prefetch(words + i + 512);
		for (size_t j = 0; j < 8; j++)
			found[j] |= words[i + j];
	}
	for (size_t j = 0; j < 8; j++)
		reading->found[member % 64] |= found[j];
}

/* Bytes a second that `threads` read from memory: the best of eight times. 0: there is not that much. */
static double
memory_rate(size_t threads)
{
	struct reading reading = {0};
	struct crew *crew = NULL;
	double best = 0;
	void *bytes = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return 0;
	madvise(bytes, MEMORY_BYTES, MADV_HUGEPAGE);
	memset(bytes, 1, MEMORY_BYTES);
	reading.words = bytes;
	if (crew_start(&crew, threads > 0 ? threads : crew_processors(), NULL) == 0) {
		for (unsigned i = 0; i < 8; i++) {
			int64_t start = clock_monotonic_ns();
			double rate;

			crew_share(crew, MEMORY_BYTES / MEMORY_CHUNK, read_chunk, &reading);
			rate = (double)MEMORY_BYTES * 1e9 / (double)(clock_monotonic_ns() - start);
			if (reading.found[0] != 0 && rate > best)
				best = rate;
		}
	}
	crew_stop(crew);
	munmap(bytes, MEMORY_BYTES);
	return best;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define PROMPT_TOKENS 512

struct job {
	struct engine_options engine;
	long prompt, length, depth, repeat; /* prompt 0: 512, or what the model can take */
	struct token_list parallel;
	bool json, memory;
};

struct facts {
	const struct model *model;
	const char *device;
	double load, memory; /* seconds; bytes a second, or 0 */
	double read;         /* bytes of weights for one token */
	double cache;        /* bytes at most */
};

static void
print_head(const struct job *job, const struct facts *facts)
{
	const struct model *model = facts->model;

	if (job->json) {
		printf("{\"model\":\"%s\",\"device\":\"%s\",\"weight_bytes\":%llu,\"cache_bytes\":%.0f,"
		       "\"load_seconds\":%.3f,\"memory_bytes_per_second\":%.0f,\"prompt\":%ld,\"length\":%ld,"
		       "\"runs\":[",
		       model->name, facts->device, (unsigned long long)model->weight_bytes, facts->cache,
		       facts->load, facts->memory, job->prompt, job->length);
		return;
	}
	printf("모델    (model)    %s\n장치    (device)   %s\n프롬프트 (prompt)  %ld 토큰 (tokens)\n답      "
	       "(answer)   %ld 토큰 (tokens)\n",
	       model->name, facts->device, job->prompt, job->length);
	printf("가중치  (weights)  %.1f MiB, 올리는 데 (loaded in) %.2f s\n",
	       (double)model->weight_bytes / 1048576.0, facts->load);
	if (facts->memory > 0)
		printf("메모리  (memory)   읽기 (reads) %.1f GB/s\n", facts->memory * 1e-9);
	printf("\n    함께   프롬프트     답(모두)     답(하나)      가중치%s\n"
	       "parallel     prompt      answers      of each     weights%s\n"
	       "           tokens/s     tokens/s     tokens/s        GB/s%s\n",
	       facts->memory > 0 ? "  메모리의" : "", facts->memory > 0 ? " of memory" : "",
	       facts->memory > 0 ? "         %" : "");
}

static void
print_run(const struct job *job, const struct facts *facts, size_t i, double prompt_rate, double answer_rate)
{
	const size_t many = job->parallel.ids[i];
	const double each = answer_rate / (double)many, reads = each * facts->read;
	const double share = facts->memory > 0 ? reads / facts->memory : 0;

	if (job->json)
		printf(
		    "%s{\"parallel\":%zu,\"prompt_tokens_per_second\":%.2f,\"answer_tokens_per_second\":%.2f,"
		    "\"weight_bytes_per_second\":%.0f,\"memory_share\":%.3f}",
		    i == 0 ? "" : ",", many, prompt_rate, answer_rate, reads, share);
	else if (facts->memory > 0)
		printf("%8zu %10.1f %12.1f %12.1f %11.2f %9.0f\n", many, prompt_rate, answer_rate, each,
		       reads * 1e-9, share * 100);
	else
		printf("%8zu %10.1f %12.1f %12.1f %11.2f\n", many, prompt_rate, answer_rate, each,
		       reads * 1e-9);
	fflush(stdout);
}

/* What the columns say, for whoever has not read the manual. */
static void
print_tail(const struct job *job, const struct facts *facts)
{
	if (job->json) {
		printf("]}\n");
		return;
	}
	printf("\n"
	       "  토큰: 글을 나눈 조각, 모델이 읽고 쓰는 단위.  함께: 동시에 답을 받는 사람 수.\n"
	       "  프롬프트: 물음을 읽는 속도.\n"
	       "  답(모두): 모두의 답을 더한 속도.  답(하나): 한 사람이 보는 속도.\n"
	       "  가중치: 답 하나를 쓰며 읽는 모델의 양.\n%s"
	       "  A token is a piece of text, what a model reads and writes.\n"
	       "  parallel: people answered at once.  prompt: how fast questions are read.\n"
	       "  answers: of all together.  of each: what one person sees.\n"
	       "  weights: how much of the model is read to write one answer.\n%s",
	       facts->memory > 0 ? "  메모리의 %: 이 기계의 메모리가 낼 수 있는 속도에 대한 비율.\n" : "",
	       facts->memory > 0 ? "  of memory: against what this machine's memory can give.\n" : "");
}

static void
gather_facts(const struct job *job, struct engine *engine, struct facts *facts)
{
	const struct runner_options runner = {.cache_bits = job->engine.cache_bits};
	const struct model *model = engine_model(engine);
	struct engine_counters counters;

	facts->model = model;
	facts->device = engine_describe(engine);
	facts->read = (double)model->weight_bytes;
	/* Of an embedding that is not the head too, a token reads one row. */
	if (model->embedding.data != model->head.data)
		facts->read -= (double)model->embedding.rows * (double)model->embedding.row_size;
	/* And of experts those that it chose. */
	for (uint32_t i = 0; model->shape.experts > 0 && i < model->shape.layers; i++) {
		const struct mixture *mixture = model->layers[i].mixture;

		if (mixture != NULL)
			facts->read -= (double)(model->shape.experts - model->shape.experts_used) *
			               ((double)mixture->gate->rows * (double)mixture->gate->row_size +
			                (double)mixture->up->rows * (double)mixture->up->row_size +
			                (double)mixture->down->rows * (double)mixture->down->row_size);
	}
	engine_counters(engine, &counters);
	facts->cache = (double)counters.pages * (double)runner_page_bytes(model, &runner);
}

static int
run(struct job *job, struct fault *why)
{
	struct facts facts = {.memory = job->memory ? memory_rate(job->engine.threads) : 0};
	struct engine *engine = NULL;
	unsigned salt = 1;
	int64_t start = clock_monotonic_ns();
	int result = -1;

	if (engine_open(&engine, &job->engine, why) == -1)
		return -1;
	facts.load = (double)(clock_monotonic_ns() - start) * 1e-9;
	if (job->prompt == 0) {
		const long room = (long)engine_context(engine) - 2;

		job->prompt = room < PROMPT_TOKENS ? room : PROMPT_TOKENS;
	}
	gather_facts(job, engine, &facts);
	print_head(job, &facts);
	for (size_t i = 0; i < job->parallel.count; i++) {
		size_t many = job->parallel.ids[i];
		double prompt_rate = 0, answer_rate = 0;

		for (long r = 0; r < job->repeat; r++) {
			struct run prompts = {0}, answers = {0};
			double rate;

			if (measure(engine, facts.model->shape.vocabulary, many, (size_t)job->prompt, 1,
			            salt++, &prompts, why) == -1 ||
			    measure(engine, facts.model->shape.vocabulary, many, (size_t)job->depth,
			            (size_t)job->length, salt++, &answers, why) == -1)
				goto out;
			rate = (double)many * (double)job->prompt / prompts.first;
			prompt_rate = rate > prompt_rate ? rate : prompt_rate;
			rate =
			    ((double)answers.said - (double)answers.begun) / (answers.full - answers.first);
			answer_rate = rate > answer_rate ? rate : answer_rate;
		}
		print_run(job, &facts, i, prompt_rate, answer_rate);
	}
	print_tail(job, &facts);
	result = 0;
out:
	engine_close(engine);
	return result;
}

int
tool_bench(int count, char **arguments)
{
	struct job job = {.prompt = 0, .length = 128, .depth = 1, .repeat = 3};
	struct fault why = {0};
	long number, wanted;
	size_t most = 1;
	int option, result = 0;

	token_list_init(&job.parallel, 64);
	while (result == 0 && (option = getopt_long(count, arguments, "p:n:r:", options, NULL)) != -1)
		switch (option) {
		case 'm':
			job.engine.model = optarg;
			break;
		case 'p':
			result = tool_number("-p", optarg, 1, 1 << 20, &job.prompt, &why);
			break;
		case 'n':
			result = tool_number("-n", optarg, 2, 1 << 20, &job.length, &why);
			break;
		case 'D':
			result = tool_number("--depth", optarg, 1, 1 << 20, &job.depth, &why);
			break;
		case 'r':
			result = tool_number("-r", optarg, 1, 100, &job.repeat, &why);
			break;
		case 'd':
			job.engine.device = optarg;
			break;
		case 'P':
			result = tool_tokens(optarg, &job.parallel, &why);
			break;
		case 'j':
			if ((result = tool_number("--threads", optarg, 1, 1024, &number, &why)) == 0)
				job.engine.threads = (size_t)number;
			break;
		case 'b':
			if ((result = tool_number("--cache", optarg, 16, 32, &number, &why)) == 0)
				job.engine.cache_bits = number > 16 ? 32 : 16;
			break;
		case 'K':
			job.engine.kernels = optarg;
			break;
		case 'c':
			job.engine.kernels = "plain";
			break;
		case 'M':
			job.memory = true;
			break;
		case 'J':
			job.json = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (result == 0 && job.parallel.count == 0)
		result = tool_tokens("1", &job.parallel, &why);
	for (size_t i = 0; result == 0 && i < job.parallel.count; i++) {
		if (job.parallel.ids[i] < 1 || job.parallel.ids[i] > 1024)
			result = fault_set(&why, FAULT_USAGE, "--parallel은 1-1024입니다",
			                   "--parallel is within 1-1024");
		most = job.parallel.ids[i] > most ? job.parallel.ids[i] : most;
	}
	if (result == 0 && job.engine.model == NULL) {
		usage(stderr);
		return 2;
	}
	wanted = job.prompt > 0 ? job.prompt : PROMPT_TOKENS;
	job.engine.parallel = most;
	job.engine.queue = most;
	if (wanted < job.depth + job.length)
		wanted = job.depth + job.length;
	job.engine.context = (size_t)wanted + 2;
	if (result == 0)
		result = run(&job, &why);
	token_list_free(&job.parallel);
	return result == 0 ? 0 : tool_fail(&why);
}
