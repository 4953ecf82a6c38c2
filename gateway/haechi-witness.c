/*
 * haechi-witness -- cosigns other people's logs: a program of its own, with a key, a folder and a list of logs, and nothing else.
 *
 *	POST /add-checkpoint          C2SP tlog-witness
 *	GET  /<sha256 of origin>/checkpoint
 *	GET  /vkey                    its own verifier key, for the logs' policies
 *	GET  /healthz
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/cosignature.h"
#include "audit/witness.h"
#include "gateway/sandbox.h"
#include "gateway/server.h"
#include "schema/base/log.h"
#include "schema/version.h"

#define KEY_FILE  "witness.key"
#define STOP_MS   3000
#define LOG_FILES 16

struct arguments {
	const char *state, *name, *logs[LOG_FILES], *listen[SERVER_ADDRESSES];
	size_t log_count, listen_count;
	bool vkey, require_confinement;
};

struct serving {
	struct witness *witness;
	char vkey[NOTE_VKEY_SIZE + 1];
};

/* One request: the answer must stay until the server has sent it. */
struct call {
	struct arrival *arrival;
	struct answer answer;
	struct answer_header header;
	struct witness_answer said;
};

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi-witness -s 폴더 --name 이름 --logs 파일… --listen 주소… [--require-confinement]\n"
	    "        haechi-witness -s 폴더 --name 이름 --vkey\n"
	    "usage:  haechi-witness -s STATE --name NAME --logs FILE... --listen ADDRESS... "
	    "[--require-confinement]\n"
	    "        haechi-witness -s STATE --name NAME --vkey\n\n"
	    "  -s, --state DIR   증인의 키와 기억이 사는 폴더 (없으면 만듦) / where its key and its memory "
	    "live "
	    "(made when absent)\n"
	    "  --name NAME       증인의 이름, 예 witness.seoul.example/w1 / its name, as in its key\n"
	    "  --logs FILE       지켜볼 기록의 검증 키 줄들(/log/vkey) / verifier keys of the logs to "
	    "cosign\n"
	    "  --listen ADDRESS  127.0.0.1:8090, [::1]:8090, unix:/path\n"
	    "  --vkey            자기 검증 키를 출력하고 끝냄 (없으면 만듦) / print its own verifier key "
	    "(made "
	    "when absent)\n",
	    to);
}

/* 0: go on; 1: everything is said; -1: wrong. */
static int
read_arguments(struct arguments *arguments, int argc, char **argv)
{
	enum { NAME = 256, LOGS, LISTEN, VKEY, REQUIRE };
	static const struct option options[] = {
	    {"state",               required_argument, NULL, 's'    },
            {"name",                required_argument, NULL, NAME   },
	    {"logs",                required_argument, NULL, LOGS   },
            {"listen",              required_argument, NULL, LISTEN },
	    {"vkey",                no_argument,       NULL, VKEY   },
            {"require-confinement", no_argument,       NULL, REQUIRE},
	    {"help",                no_argument,       NULL, 'h'    },
            {NULL,                  0,                 NULL, 0      },
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:h", options, NULL)) != -1)
		switch (option) {
		case 's':
			arguments->state = optarg;
			break;
		case NAME:
			arguments->name = optarg;
			break;
		case LOGS:
			if (arguments->log_count == LOG_FILES)
				return -1;
			arguments->logs[arguments->log_count++] = optarg;
			break;
		case LISTEN:
			if (arguments->listen_count == SERVER_ADDRESSES)
				return -1;
			arguments->listen[arguments->listen_count++] = optarg;
			break;
		case VKEY:
			arguments->vkey = true;
			break;
		case REQUIRE:
			arguments->require_confinement = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			return -1;
		}
	if (optind != argc || arguments->state == NULL || arguments->name == NULL)
		return -1;
	return arguments->vkey || (arguments->log_count > 0 && arguments->listen_count > 0) ? 0 : -1;
}

static int
key_open(struct note_secret *secret, const struct arguments *arguments, struct fault *why)
{
	char path[4096];

	if (mkdir(arguments->state, 0700) == -1 && errno != EEXIST)
		return fault_errno(why, "증인 폴더 %s", "the witness's directory %s", arguments->state);
	if ((size_t)snprintf(path, sizeof path, "%s/" KEY_FILE, arguments->state) >= sizeof path)
		return fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
	if (access(path, F_OK) == -1 && errno == ENOENT &&
	    note_secret_make(path, arguments->name, NOTE_COSIGNATURE, NULL, why) == -1)
		return -1;
	return note_secret_load(secret, path, arguments->name, NOTE_COSIGNATURE, why);
}

/* ---- requests ------------------------------------------------------------------------------------------------------------ */

static void
say(struct call *call, int status, const char *text)
{
	call->said.status = status;
	call->said.content_type = "text/plain; charset=utf-8";
	buffer_init(&call->said.body, 4096);
	buffer_string(&call->said.body, text);
}

static void
add_checkpoint(struct serving *serving, struct call *call)
{
	struct fault why = {0};

	witness_add(serving->witness, call->arrival->body, &call->said, &why);
	if (call->said.status == 200)
		log_info("witness", "event=cosigned peer=%s", call->arrival->peer);
	else
		log_line(call->said.status >= 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "witness",
		         "event=refused status=%d peer=%s why=\"%s\"", call->said.status, call->arrival->peer,
		         why.en);
}

static void *
request(struct arrival *arrival, void *owner)
{
	struct serving *serving = owner;
	const bool reading = arrival->method == METHOD_GET || arrival->method == METHOD_HEAD;
	struct call *call = calloc(1, sizeof *call);

	if (call == NULL) {
		arrival_free(arrival);
		return NULL;
	}
	call->arrival = arrival;
	if (strcmp(arrival->path, COSIGNATURE_PATH) == 0) {
		if (arrival->method == METHOD_POST)
			add_checkpoint(serving, call);
		else
			say(call, 405, "POST\n");
	} else if (!reading) {
		say(call, 404, "not found\n");
	} else if (strcmp(arrival->path, "/vkey") == 0) {
		say(call, 200, serving->vkey);
	} else if (strcmp(arrival->path, "/healthz") == 0) {
		say(call, 200, "ok\n");
	} else {
		witness_show(serving->witness, slice_string(arrival->path), &call->said);
	}
	call->header = (struct answer_header){"Content-Type", call->said.content_type};
	call->answer = (struct answer){.status = call->said.status,
	                               .headers = &call->header,
	                               .header_count = 1,
	                               .body = buffer_view(&call->said.body)};
	server_answer(arrival->call, &call->answer);
	return call;
}

static void
left(void *context)
{
	(void)context;
}

static void
done(void *context)
{
	struct call *call = context;

	buffer_free(&call->said.body);
	arrival_free(call->arrival);
	free(call);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static int64_t
now(void)
{
	return (int64_t)time(NULL);
}

static int
start_server(struct server **server, const struct arguments *arguments, struct serving *serving,
             struct fault *why)
{
	struct server_options options = {
	    .loops = 2, .handler = {.request = request, .left = left, .done = done, .owner = serving}
        };

	limits_default(&options.limits);
	options.limits.body_size = COSIGNATURE_REQUEST_LIMIT;
	options.limits.connections = 512;
	for (size_t i = 0; i < arguments->listen_count; i++)
		options.listen[options.listen_count++] = arguments->listen[i];
	if (server_start(server, &options, why) == -1)
		return -1;
	for (size_t i = 0; i < options.listen_count; i++)
		log_info("witness", "event=listening address=%s", server_address(*server, i));
	return 0;
}

static void
plan_make(struct sandbox_plan *plan, const struct arguments *arguments)
{
	plan->write[plan->write_count++] = arguments->state;
	for (size_t i = 0; i < arguments->listen_count; i++) {
		const char *const colon = strrchr(arguments->listen[i], ':');

		if (strncmp(arguments->listen[i], "unix:", 5) != 0 && colon != NULL)
			plan->listen[plan->listen_count++] = (uint16_t)strtoul(colon + 1, NULL, 10);
		else
			plan->write[plan->write_count++] = arguments->listen[i] + 5;
	}
}

static int
confine(const struct sandbox_plan *plan, struct sandbox_state *state, bool required, struct fault *why)
{
	struct fault missing;

	if (sandbox_seal(plan, state, why) == -1)
		return -1;
	sandbox_try(state);
	if (sandbox_complete(plan, state, &missing) == -1) {
		if (required) {
			*why = missing;
			return -1;
		}
		log_fault(LOG_LEVEL_WARN, "witness", "not-wholly-confined", &missing);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct serving serving;
	static struct keyring logs;
	static struct sandbox_plan plan;
	struct sandbox_state state = {0};
	struct arguments arguments = {0};
	struct note_secret secret = {0};
	struct server *server = NULL;
	struct buffer vkey;
	struct fault why;
	sigset_t signals;
	size_t known, seen;
	int status = 2, parsed, signal_number = 0;

	if (version_asked(argc, argv, "haechi-witness"))
		return 0;
	if ((parsed = read_arguments(&arguments, argc, argv)) != 0) {
		if (parsed == -1)
			usage(stderr);
		return parsed == -1 ? 2 : 0;
	}
	umask(077);
	buffer_init(&vkey, sizeof serving.vkey);
	if (sodium_init() == -1 || key_open(&secret, &arguments, &why) == -1)
		goto fail;
	note_key_write(&vkey, &secret.public_key);
	snprintf(serving.vkey, sizeof serving.vkey, "%s\n", buffer_text(&vkey));
	if (arguments.vkey) {
		fputs(serving.vkey, stdout);
		status = 0;
		goto out;
	}
	for (size_t i = 0; i < arguments.log_count; i++)
		if (keyring_add_file(&logs, arguments.logs[i], &why) == -1)
			goto fail;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	plan_make(&plan, &arguments);
	if (sandbox_begin(&plan, &state, &why) == -1 ||
	    witness_open(&serving.witness,
	                 &(struct witness_options){
	                     .directory = arguments.state, .secret = &secret, .logs = &logs, .now = now},
	                 &why) == -1 ||
	    start_server(&server, &arguments, &serving, &why) == -1 ||
	    confine(&plan, &state, arguments.require_confinement, &why) == -1)
		goto fail;
	witness_count(serving.witness, &known, &seen);
	log_info("witness", "event=ready vkey=%.*s logs=%zu remembered=%zu", (int)strcspn(serving.vkey, "\n"),
	         serving.vkey, known, seen);
	while (sigwait(&signals, &signal_number) != 0)
		;
	log_info("witness", "event=stopping signal=%d", signal_number);
	status = 0;
	goto out;
fail:
	fault_print(stderr, "haechi-witness", &why);
out:
	server_stop(server, STOP_MS);
	witness_close(serving.witness);
	note_secret_release(&secret);
	buffer_free(&vkey);
	return status;
}
