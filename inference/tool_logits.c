/* haechi-engine logits -- what the model thinks at each position, for comparison with other engines. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "inference/sampler.h"
#include "inference/tools.h"

static const struct option options[] = {
    {"model",   required_argument, NULL, 'm'},
    {"tokens",  required_argument, NULL, 't'},
    {"force",   required_argument, NULL, 'f'},
    {"top",     required_argument, NULL, 'k'},
    {"steps",   required_argument, NULL, 's'},
    {"threads", required_argument, NULL, 'j'},
    {"batch",   required_argument, NULL, 'b'},
    {"device",  required_argument, NULL, 'd'},
    {"cache",   required_argument, NULL, 'c'},
    {"kernels", required_argument, NULL, 'K'},
    {"plain",   no_argument,       NULL, 'p'},
    {"json",    no_argument,       NULL, 'J'},
    {"help",    no_argument,       NULL, 'h'},
    {NULL,      0,                 NULL, 0  },
};

static void
usage(FILE *to)
{
	static const struct tool_option said[] = {
	    {"--tokens LIST",  "프롬프트의 토큰 번호",                                 "token ids of the prompt"              },
	    {"--top K",        "위치마다 상위 K개 (10)",                                 "the K best at each position (10)"     },
	    {"--steps N",      "이어서 탐욕 생성 N개 (0)",                              "then N greedy tokens (0)"             },
	    {"--force LIST",   "탐욕 생성 대신 이 토큰을 넣음",                     "feed these instead of the greedy ones"},
	    {"--batch N",      "한 번에 계산할 토큰 수 (512)",                         "tokens computed together (512)"       },
	    {"--cache 16|32",  "KV 캐시의 비트 (32)",                                      "bits of the cache (32)"               },
	    {"--device NAME",  "cpu 또는 cuda",	                                       "cpu or cuda"                          },
	    {"--threads N",    "계산 스레드 수 (기본: 모델에 맞게)",
	     "threads that compute (default: what suits the model)"                                                              },
	    {"--kernels NAME", "amx-int8 avx512-vnni avx2 plain 가운데 하나",
	     "one of these (default: the best that run here)"	                                                                  },
	    {"--plain",        "--kernels plain과 같음",                                     "as --kernels plain"                   },
	    {NULL,             NULL,	                                                    NULL	                           },
	};

	tool_usage(to, "logits --model M.gguf --tokens 1,2,3", said);
}

struct job {
	const char *path, *device;
	struct token_list tokens, force;
	long top, steps, batch;
	struct runner_options runner;
};

static void
print_position(size_t position, uint32_t token, const float *logits, size_t vocabulary, size_t top,
               uint32_t *best)
{
	double sum = 0;

	*best = sampler_greatest(logits, vocabulary);
	for (size_t i = 0; i < vocabulary; i++)
		sum += exp((double)logits[i] - (double)logits[*best]);
	printf("{\"pos\":%zu,\"token\":%u,\"lse\":%.6f,\"top\":[", position, token,
	       (double)logits[*best] + log(sum));
	for (size_t k = 0, last = SIZE_MAX; k < top && k < vocabulary; k++) {
		size_t next = SIZE_MAX;

		/* The best of those behind the last one printed; equals in the order of their ids. */
		for (size_t i = 0; i < vocabulary; i++)
			if ((last == SIZE_MAX || logits[i] < logits[last] ||
			     (logits[i] == logits[last] && i > last)) &&
			    (next == SIZE_MAX || logits[i] > logits[next]))
				next = i;
		if (next == SIZE_MAX)
			break;
		printf("%s[%zu,%.6f]", k == 0 ? "" : ",", next, (double)logits[next]);
		last = next;
	}
	printf("]}\n");
}

static int
run(struct job *job, struct fault *why)
{
	struct model *model = NULL;
	const struct runner_kind *kind = NULL;
	struct runner *runner = NULL;
	struct step_row *rows = NULL;
	float *logits = NULL;
	uint32_t *pages = NULL, next = 0, *greedy = NULL;
	size_t count = job->tokens.count, total = count + (size_t)job->steps, vocabulary;
	int result = -1;

	if (model_open(&model, job->path, why) == -1)
		goto out;
	vocabulary = model->shape.vocabulary;
	for (size_t i = 0; i < count + job->force.count; i++)
		if ((i < count ? job->tokens.ids[i] : job->force.ids[i - count]) >= vocabulary) {
			fault_set(why, FAULT_USAGE, "토큰 번호는 %zu보다 작아야 합니다",
			          "token ids must be below %zu", vocabulary);
			goto out;
		}
	job->runner.rows = (size_t)job->batch;
	job->runner.pages = total / CACHE_PAGE + 1;
	job->runner.context = total;
	if ((kind = runner_named(job->device, why)) == NULL ||
	    kind->open(&runner, model, &job->runner, why) == -1)
		goto out;
	rows = calloc(job->runner.rows, sizeof *rows);
	logits = calloc(job->runner.rows * vocabulary, sizeof *logits);
	pages = calloc(job->runner.pages, sizeof *pages);
	greedy = calloc((size_t)job->steps + 1, sizeof *greedy);
	if (rows == NULL || logits == NULL || pages == NULL || greedy == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < job->runner.pages; i++)
		pages[i] = (uint32_t)i;
	for (size_t at = 0; at < total;) {
		size_t many = at < count ? count - at : 1;
		struct step step = {.rows = rows, .logits = logits};

		many = many < job->runner.rows ? many : job->runner.rows;
		for (size_t i = 0; i < many; i++) {
			uint32_t token = at + i < count                      ? job->tokens.ids[at + i]
			                 : at + i - count < job->force.count ? job->force.ids[at + i - count]
			                                                     : next;

			rows[i] = (struct step_row){
			    .token = token, .position = (uint32_t)(at + i), .pages = pages, .wanted = true};
		}
		step.count = many;
		kind->forward(runner, &step);
		for (size_t i = 0; i < many; i++) {
			print_position(at + i, rows[i].token, logits + i * vocabulary, vocabulary,
			               (size_t)job->top, &next);
			if (at + i + 1 >= count && at + i + 1 - count < (size_t)job->steps)
				greedy[at + i + 1 - count] = next;
		}
		at += many;
	}
	printf("{\"greedy\":[");
	for (long i = 0; i < job->steps; i++)
		printf("%s%u", i == 0 ? "" : ",", greedy[i]);
	printf("]}\n");
	result = 0;
out:
	free(rows);
	free(logits);
	free(pages);
	free(greedy);
	if (runner != NULL)
		kind->close(runner);
	model_close(model);
	return result;
}

int
tool_logits(int count, char **arguments)
{
	/* A comparison wants nothing rounded that need not be. */
	struct job job = {.top = 10, .batch = 512, .runner.cache_bits = 32};
	struct fault why = {0};
	long number;
	int option, result = 0;

	token_list_init(&job.tokens, 1 << 20);
	token_list_init(&job.force, 1 << 20);
	while (result == 0 && (option = getopt_long(count, arguments, "", options, NULL)) != -1)
		switch (option) {
		case 'm':
			job.path = optarg;
			break;
		case 't':
			result = tool_tokens(optarg, &job.tokens, &why);
			break;
		case 'f':
			result = tool_tokens(optarg, &job.force, &why);
			break;
		case 'k':
			result = tool_number("--top", optarg, 1, 1000, &job.top, &why);
			break;
		case 's':
			result = tool_number("--steps", optarg, 0, 1 << 20, &job.steps, &why);
			break;
		case 'b':
			result = tool_number("--batch", optarg, 1, 4096, &job.batch, &why);
			break;
		case 'd':
			job.device = optarg;
			break;
		case 'j':
			if ((result = tool_number("--threads", optarg, 1, 1024, &number, &why)) == 0)
				job.runner.threads = (size_t)number;
			break;
		case 'c':
			if ((result = tool_number("--cache", optarg, 16, 32, &number, &why)) == 0)
				job.runner.cache_bits = number > 16 ? 32 : 16;
			break;
		case 'K':
			job.runner.kernels = optarg;
			break;
		case 'p':
			job.runner.kernels = "plain";
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
	if (result == 0 && (job.path == NULL || job.tokens.count == 0)) {
		usage(stderr);
		return 2;
	}
	if (result == 0)
		result = run(&job, &why);
	token_list_free(&job.tokens);
	token_list_free(&job.force);
	return result == 0 ? 0 : tool_fail(&why);
}
