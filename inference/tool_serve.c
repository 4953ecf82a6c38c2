/* haechi-engine serve -- load a model, listen, answer, until told to stop. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inference/engine_api.h"
#include "inference/engine_sandbox.h"
#include "inference/template_jinja.h"
#include "inference/tools.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

static const struct option options[] = {
    {"model",               required_argument, NULL, 'm'},
    {"device",              required_argument, NULL, 'd'},
    {"listen",              required_argument, NULL, 'l'},
    {"threads",             required_argument, NULL, 'j'},
    {"parallel",            required_argument, NULL, 'p'},
    {"context",             required_argument, NULL, 'c'},
    {"cache",               required_argument, NULL, 'b'},
    {"queue",               required_argument, NULL, 'q'},
    {"weight",              required_argument, NULL, 'w'},
    {"chat-template",       required_argument, NULL, 't'},
    {"require-confinement", no_argument,       NULL, 'R'},
    {"help",                no_argument,       NULL, 'h'},
    {NULL,                  0,                 NULL, 0  },
};

static void
usage(FILE *to)
{
	static const struct tool_option said[] = {
	    {"--model M.gguf",        "모델 파일",	                                                 "the model"                    },
	    {"--listen ADDRESS",      "unix:PATH 또는 tcp:HOST:PORT",                                        "unix:PATH or tcp:HOST:PORT"   },
	    {"--device NAME",         "cpu 또는 cuda",	                                               "cpu or cuda"                  },
	    {"--threads N",           "계산 스레드 수 (기본: 모델에 맞게)",
	     "threads that compute (default: what suits the model)"	                                                                   },
	    {"--parallel N",          "함께 계산할 답 (8)",                                              "answers computed together (8)"},
	    {"--context N",           "답 하나와 그 프롬프트의 토큰 (모델의 값, 최대 8192)",
	     "tokens of prompt and answer (the model's, 8192 at most)"	                                                                },
	    {"--cache 16|32",         "KV 캐시의 비트",	                                           "bits of the cache"            },
	    {"--queue N",             "기다릴 수 있는 요청 (64)",                                      "requests that may wait (64)"  },
	    {"--weight AGENCY=N",     "바쁠 때 기관의 몫, 나머지는 1 (되풀이할 수 있음)",
	     "an agency's share when busy, others 1 (repeatable)"	                                                                     },
	    {"--require-confinement", "격리할 수 없으면 시작하지 않음",                           "refuse to start unconfined"   },
	    {"--chat-template NAME",  "대신 쓸 틀: llama3 exaone4 exaone gemma chatml zephyr",
	     "one of these instead of the model's own, or FILE.jinja"	                                                                 },
	    {NULL,	            NULL,	                                                            NULL                           },
	};

	tool_usage(to, "serve --model M.gguf [--listen tcp:127.0.0.1:8081]", said);
}

#define SERVE_WEIGHTS_LIMIT 255

struct job {
	struct engine_options engine;
	struct agency_weight weights[SERVE_WEIGHTS_LIMIT];
	const char *listen, *chat_template;
	bool require_confinement;
};

/* What is loaded while the socket listens already. */
struct service {
	const struct job *job;
	struct engine_sandbox sandbox;
	struct buffer source; /* of a chat template in a file */
	struct engine_api *api;
	struct engine *engine;
	struct chat_template *chat_template;
	_Atomic unsigned logged; /* percent */
	struct fault why;
	int result;
};

static struct engine_api *serving;

static void
on_signal(int number)
{
	(void)number;
	engine_api_stop(serving);
}

/* The weights are mapped: cut short under us, a page of them is no more. Then the kernel ends us, as before. */
static void
on_lost(int number)
{
	static const char text[] = PROGRAM
	    ": 모델 파일이 읽는 동안 잘렸거나 읽을 수 없게 되었습니다\n"
	    "               the model file was cut short, or became unreadable, while it was in use\n";

	(void)number;
	if (write(STDERR_FILENO, text, sizeof text - 1) == -1)
		return;
}

static void
on_progress(void *context, unsigned percent)
{
	struct service *service = context;
	unsigned logged = atomic_load(&service->logged);

	engine_api_loading(service->api, percent);
	if (percent >= logged + 10 && atomic_compare_exchange_strong(&service->logged, &logged, percent))
		log_info("engine", "event=loading percent=%u", percent);
}

static int
open_template(struct service *service)
{
	const struct model *model = engine_model(service->engine);
	const char *name = service->job->chat_template;
	struct fault *why = &service->why;

	if (name == NULL || !template_is_path(name))
		return template_open(&service->chat_template, name, model->chat_template, model->tokenizer,
		                     why);
	if (template_open_source(&service->chat_template, buffer_view(&service->source), model->tokenizer,
	                         why) == 0)
		return 0;
	fault_prefix(why, "%s", "%s", name);
	return -1;
}

/* What the log says when it answers. */
static void
log_ready(const struct service *service, int64_t start, const char *address)
{
	const struct model *model = engine_model(service->engine);
	const struct engine_sandbox *sandbox = &service->sandbox;
	const struct fault *problem;

	if (template_guessed(service->chat_template, &problem))
		log_warn("engine", "event=template_guessed template=%s why=\"%s\"",
		         template_name(service->chat_template),
		         problem != NULL ? problem->en : "the model has none");
	log_info("engine",
	         "event=listening address=%s model=%s sha256=%s license=\"%s\" device=\"%s\" context=%zu "
	         "load_ms=%lld",
	         address, model->name, model->sha256,
	         model->license[0] != '\0' ? model->license : "not stated", engine_describe(service->engine),
	         engine_context(service->engine), (long long)((clock_monotonic_ns() - start) / 1000000));
	log_line(sandbox->landlock > 0 && sandbox->seccomp ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "engine",
	         "event=confined landlock=%d seccomp=%d no_network=%d", sandbox->landlock, sandbox->seccomp,
	         sandbox->no_network);
}

/* A thread: load, give up what is not needed any more, answer. */
static void *
load(void *context)
{
	struct service *service = context;
	struct engine_options loaded = service->job->engine;
	struct sigaction action = {.sa_handler = on_signal};
	struct sigaction lost = {.sa_handler = on_lost, .sa_flags = (int)SA_RESETHAND};
	int64_t start = clock_monotonic_ns();

	loaded.progress = on_progress;
	loaded.progress_context = service;
	service->result = -1;
	if (engine_open(&service->engine, &loaded, &service->why) == -1 || open_template(service) == -1)
		goto out;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGBUS, &lost, NULL);
	if (engine_sandbox_calls(&service->sandbox, &service->why) == -1)
		goto out;
	if (service->job->require_confinement &&
	    !(service->sandbox.landlock > 0 && service->sandbox.seccomp)) {
		fault_set(&service->why, FAULT_UNAVAILABLE, "격리할 수 없습니다: Landlock %d, seccomp %d",
		          "confinement is not complete: Landlock %d, seccomp %d", service->sandbox.landlock,
		          service->sandbox.seccomp);
		goto out;
	}
	engine_api_begin(service->api, service->engine, service->chat_template);
	log_ready(service, start, engine_api_address(service->api));
	service->result = 0;
out:
	if (service->result == -1)
		engine_api_stop(service->api);
	return NULL;
}

static int
serve(const struct job *job, struct fault *why)
{
	struct service service = {.job = job};
	const bool gpu = job->engine.device != NULL && strcmp(job->engine.device, "cuda") == 0;
	pthread_t loader;
	int result = -1;

	/* Before the files are closed to us. */
	if (job->chat_template != NULL && template_is_path(job->chat_template) &&
	    file_read(&service.source, job->chat_template, JINJA_SOURCE_LIMIT, why) == -1)
		goto out;
	if (engine_sandbox_files(&service.sandbox, job->engine.model, job->listen, gpu, why) == -1)
		goto out;
	if (engine_api_open(&service.api, job->listen, why) == -1)
		goto out;
	log_info("engine", "event=loading model=%s address=%s", job->engine.model,
	         engine_api_address(service.api));
	serving = service.api;
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&loader, NULL, load, &service) != 0) {
		fault_errno(why, "스레드", "thread");
		goto out;
	}
	engine_api_run(service.api);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	pthread_join(loader, NULL);
	if (service.result == -1) {
		*why = service.why;
		goto out;
	}
	log_info("engine", "event=stopping");
	result = 0;
out:
	engine_api_close(service.api);
	template_close(service.chat_template);
	buffer_free(&service.source);
	engine_close(service.engine);
	return result;
}

/* "seoul=3" */
static int
add_weight(struct job *job, const char *text, struct fault *why)
{
	const char *equals = strchr(text, '=');
	struct agency_weight *weight = &job->weights[job->engine.weight_count];
	long number;

	if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof weight->name ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
	        (size_t)(equals - text))
		return fault_set(why, FAULT_USAGE, "--weight는 기관=N으로 씁니다: %s",
		                 "--weight is written AGENCY=N: %s", text);
	if (job->engine.weight_count == SERVE_WEIGHTS_LIMIT)
		return fault_set(why, FAULT_USAGE, "--weight는 %d번까지 쓸 수 있습니다",
		                 "--weight may be given %d times at most", SERVE_WEIGHTS_LIMIT);
	if (tool_number("--weight", equals + 1, 1, 1000, &number, why) == -1)
		return -1;
	snprintf(weight->name, sizeof weight->name, "%.*s", (int)(equals - text), text);
	weight->weight = (uint32_t)number;
	job->engine.weights = job->weights;
	job->engine.weight_count++;
	return 0;
}

int
tool_serve(int count, char **arguments)
{
	static struct job job = {.listen = "tcp:127.0.0.1:8081"};
	struct fault why = {0};
	long number;
	int option, result = 0;

	while (result == 0 && (option = getopt_long(count, arguments, "", options, NULL)) != -1)
		switch (option) {
		case 'm':
			job.engine.model = optarg;
			break;
		case 'd':
			job.engine.device = optarg;
			break;
		case 'l':
			job.listen = optarg;
			break;
		case 'j':
			if ((result = tool_number("--threads", optarg, 1, 1024, &number, &why)) == 0)
				job.engine.threads = (size_t)number;
			break;
		case 'p':
			if ((result = tool_number("--parallel", optarg, 1, 1024, &number, &why)) == 0)
				job.engine.parallel = (size_t)number;
			break;
		case 'c':
			if ((result = tool_number("--context", optarg, 1, 1 << 24, &number, &why)) == 0)
				job.engine.context = (size_t)number;
			break;
		case 'b':
			if ((result = tool_number("--cache", optarg, 16, 32, &number, &why)) == 0)
				job.engine.cache_bits = number > 16 ? 32 : 16;
			break;
		case 'q':
			if ((result = tool_number("--queue", optarg, 1, 1 << 20, &number, &why)) == 0)
				job.engine.queue = (size_t)number;
			break;
		case 'w':
			result = add_weight(&job, optarg, &why);
			break;
		case 't':
			job.chat_template = optarg;
			break;
		case 'R':
			job.require_confinement = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (result == 0 && (job.engine.model == NULL || optind != count)) {
		usage(stderr);
		return 2;
	}
	if (result == 0)
		result = serve(&job, &why);
	return result == 0 ? 0 : tool_fail(&why);
}
