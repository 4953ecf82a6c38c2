/*
 * haechid -- the gateway daemon: its life on one page, a numbered ladder up and the same rungs down.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/accesslog.h"
#include "gateway/bench.h"
#include "gateway/bundle_pull.h"
#include "gateway/bundles.h"
#include "gateway/config.h"
#include "gateway/confine.h"
#include "gateway/control.h"
#include "gateway/gateway.h"
#include "gateway/notary.h"
#include "gateway/pipeline.h"
#include "gateway/registrar.h"
#include "gateway/review.h"
#include "gateway/server.h"
#include "gateway/tls.h"
#include "gateway/watch.h"
#include "schema/base/log.h"
#include "schema/version.h"

#define LEDGER_DRAIN_MS 10000

struct arguments {
	const char *config, *state;
	unsigned check; /* -n: 1, -nn: 2 */
	bool require_confinement;
};

static void
usage(FILE *to)
{
	fputs("사용법: haechid -c 설정파일 [-s 상태폴더] [-n | -nn] [--require-confinement]\n"
	      "usage:  haechid -c CONFIG [-s STATE] [-n | -nn] [--require-confinement]\n\n"
	      "  -c FILE   설정 (haechid.conf(5)) / configuration\n"
	      "  -s DIR    상태 폴더를 설정 대신 이것으로 / state directory instead of the configured one\n"
	      "  -n        설정과 정책만 검사 / check configuration and policies only\n"
	      "  -nn       검사하고 이해한 바를 출력 / and print what was understood\n"
	      "  --version  판 번호 / which version this is\n"
	      "  --require-confinement  가두지 못하면 시작하지 않음 / do not start unconfined\n"
	      "SIGHUP: 설정과 정책을 다시 읽음 / reload.  SIGTERM: 하던 일을 마치고 끝냄 / finish and end.\n",
	      to);
}

/* 0: go on; 1: everything is said; -1: wrong. */
static int
read_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
	    {"help",                no_argument, NULL, 'h'},
	    {"require-confinement", no_argument, NULL, 'R'},
	    {NULL,                  0,           NULL, 0  }
        };
	int option;

	while ((option = getopt_long(argc, argv, "c:s:nh", options, NULL)) != -1)
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case 's':
			arguments->state = optarg;
			break;
		case 'n':
			arguments->check++;
			break;
		case 'R':
			arguments->require_confinement = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			return -1;
		}
	return arguments->config == NULL || optind != argc ? -1 : 0;
}

/* The folder of what outlives us: ours alone, made when absent. Deeper ones are made by who owns them. */
static int
make_state(const struct config *config, struct fault *why)
{
	const char *const folders[] = {config->state, config->ledger.directory, config->ledger.keys,
	                               config->ledger.seal, config->policy.bundles.directory};

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (mkdir(folders[i], 0700) == -1 && errno != EEXIST)
			return fault_errno(why, "상태 폴더 %s", "state directory %s", folders[i]);
	return 0;
}

/* What verifies the log: published under /log/vkey, and beside the state for whoever verifies on this machine. */
static int
publish_vkeys(struct gateway *gateway, const struct config *config, struct signer_rotation *rotation,
              struct fault *why)
{
	char path[4096];
	const char *text;

	if (signer_keys_settle(rotation, gateway->signer, config->ledger.keys, config->origin, why) == -1)
		return -1;
	snprintf(path, sizeof path, "%s/log.vkey", config->state);
	if (file_replace(path, buffer_view(&rotation->vkeys), 0644, why) == -1)
		return -1;
	text = buffer_text(&rotation->vkeys);
	return text == NULL || (gateway->vkeys = strdup(text)) == NULL ? fault_memory(why) : 0;
}

/* A key that begins or ends to sign is evidence. */
static int
record_rotation(struct gateway *gateway, const struct config *config, const struct signer_rotation *rotation,
                struct fault *why)
{
	struct entry_note note = {.action = rotation->begun[0] != '\0' ? "log-key-added" : "log-key-retired"};
	char id[ENTRY_ID_SIZE];

	if (rotation->begun[0] == '\0' && rotation->ended[0] == '\0')
		return 0;
	if (rotation->begun[0] != '\0') {
		note.facts[note.fact_count].name = "begun";
		note.facts[note.fact_count++].text = rotation->begun;
	}
	if (rotation->ended[0] != '\0') {
		note.facts[note.fact_count].name = "ended";
		note.facts[note.fact_count++].text = rotation->ended;
	}
	note.facts[note.fact_count].name = "size";
	note.facts[note.fact_count++].number = (int64_t)rotation->size;
	note.facts[note.fact_count].name = "vkeys";
	note.facts[note.fact_count++].text = gateway->vkeys;
	if (gateway_note(gateway, ENTRY_KEY, &note, config->agency, "haechid", id, why) == -1)
		return -1;
	log_info("haechid", "event=log-keys begun=\"%s\" ended=\"%s\" entry=%s", rotation->begun,
	         rotation->ended, id);
	return signer_keys_settled(rotation, config->ledger.keys, why);
}

static int
open_ledger(struct gateway *gateway, const struct config *config, struct fault *why)
{
	const struct ledger_options options = {
	    .directory = config->ledger.directory,
	    .origin = config->origin,
	    .database = config->database.conninfo,
	    .signer = gateway->signer,
	    .max_unshipped_bytes = config->ledger.max_unshipped,
	    .reserve_bytes = config->ledger.reserve,
	    .segment_bytes = config->ledger.segment,
	};

	return ledger_open(&gateway->ledger, &options, why);
}

/* Start and stop are evidence too: with which configuration and policies, how confined. */
static int
lifecycle(struct gateway *gateway, const char *action, struct fault *why)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	struct entry_note note = {.action = action};
	char id[ENTRY_ID_SIZE];
	int result;

	note.facts[note.fact_count].name = "bundle";
	note.facts[note.fact_count++].text = policy_bundle(snapshots->policy);
	note.facts[note.fact_count].name = "config";
	note.facts[note.fact_count++].text = snapshots->config->digest;
	note.facts[note.fact_count].name = "confinement";
	note.facts[note.fact_count++].text = gateway->confinement;
	note.facts[note.fact_count].name = "pid";
	note.facts[note.fact_count++].number = getpid();
	note.facts[note.fact_count].name = "version";
	note.facts[note.fact_count++].text = HAECHI_VERSION;
	result = gateway_note(gateway, ENTRY_LIFECYCLE, &note, snapshots->config->agency, "haechid", id, why);
	snapshots_release(snapshots);
	return result;
}

static int
start_server(struct gateway *gateway, const struct config *config, struct fault *why)
{
	struct server_options options = {
	    .loops = config->loops,
	    .limits = config->door,
	    .handler = {.request = pipeline_request,
	                .left = pipeline_left,
	                .done = pipeline_done,
	                .loop_begin = bench_begin,
	                .loop_end = bench_end,
	                .owner = gateway},
	};

	for (uint32_t i = 0; i < config->listen_count; i++)
		options.listen[options.listen_count++] = config->listen[i];
	if (config->tls != NULL) {
		options.tls_certificate = config->tls->certificate;
		options.tls_key = config->tls->key;
		options.tls_client_ca = config->tls->clients;
		options.tls_client_required = config->tls->require;
	}
	if (server_start(&gateway->server, &options, why) == -1)
		return -1;
	for (size_t i = 0; i < options.listen_count; i++)
		log_info("haechid", "event=listening address=%s loops=%u", server_address(gateway->server, i),
		         server_loop_count(gateway->server));
	return 0;
}

/* Until SIGTERM or SIGINT; SIGHUP reloads. */
static void
serve(struct gateway *gateway, const sigset_t *signals)
{
	struct fault why;
	int signal = 0;

	for (;;) {
		if (sigwait(signals, &signal) != 0)
			continue;
		if (signal == SIGTERM || signal == SIGINT)
			break;
		if (signal == SIGHUP && gateway_reload(gateway, "SIGHUP", &why) == -1)
			log_fault(LOG_LEVEL_ERROR, "haechid", "reload-refused", &why);
	}
	log_info("haechid", "event=stopping signal=%d", signal);
}

/* -n: what the configuration names can be read and understood too. */
static int
check(const struct config *config, struct fault *why)
{
	struct policy *policy = NULL;
	struct tls *tls = NULL;
	int result;

	result = policy_load(&policy, config->policy.agency, config->policy.act, config->policy.schema, why);
	if (result == 0 && config->tls != NULL)
		result = tls_open(&tls, config->tls->certificate, config->tls->key, config->tls->clients,
		                  config->tls->require, why);
	tls_close(tls);
	policy_release(policy);
	return result;
}

int
main(int argc, char **argv)
{
	static struct gateway gateway;
	static struct confine confine;
	static struct signer_rotation rotation;
	struct accesslog *accesslog = NULL;
	struct arguments arguments = {0};
	struct config *config = NULL, *published;
	struct policy *policy = NULL;
	struct fault why;
	sigset_t signals;
	int status = 2, parsed;

	/* 1 arguments */
	if (version_asked(argc, argv, "haechid"))
		return 0;
	if ((parsed = read_arguments(&arguments, argc, argv)) != 0) {
		if (parsed == -1)
			usage(stderr);
		return parsed == -1 ? 2 : 0;
	}
	if (sodium_init() == -1)
		return 2;

	/* 2 configuration */
	if (config_load(&config, arguments.config, arguments.state, &why) == -1)
		goto fail;
	if (arguments.check > 0) {
		if (check(config, &why) == -1 ||
		    (arguments.check > 1 && config_print(config, stdout, &why) == -1))
			goto fail;
		config_release(config);
		return 0;
	}
	log_level_named(config->log.level);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (gateway_init(&gateway, &why) == -1 || make_state(config, &why) == -1)
		goto fail;
	gateway.config_path = arguments.config;
	gateway.state = arguments.state;
	snprintf(gateway.origin, sizeof gateway.origin, "%s", config->origin);

	/* 3 signer: a process of its own, before any thread */
	if (signer_keys_make(config->ledger.keys, config->origin, &why) == -1 ||
	    signer_start(&gateway.signer, config->ledger.keys, config->origin, &why) == -1 ||
	    publish_vkeys(&gateway, config, &rotation, &why) == -1)
		goto fail;

	/* 4 sealer: where its keys are in a token, a process of its own keeps the token open */
	if (sealer_open(&gateway.sealer, config->ledger.seal, config->ledger.cipher, &why) == -1)
		goto fail;

	/* 5 confinement, first half: files and ports, before any thread */
	if (confine_begin(&confine, config, arguments.config, &why) == -1)
		goto fail;
	gateway.confinement = confine.text;
	gateway.confine = &confine;
	gateway.begun = config_hold(config);

	/* 6 policy: the bundle in force, or else the folders */
	if (bundles_open(&gateway.bundles, config, &why) == -1 ||
	    bundles_load(gateway.bundles, config, true, &policy, &why) == -1 ||
	    (policy == NULL && policy_load(&policy, config->policy.agency, config->policy.act,
	                                   config->policy.schema, &why) == -1))
		goto fail;

	/* 7 ledger: its tail verified, the folder locked */
	if (open_ledger(&gateway, config, &why) == -1)
		goto fail;

	/* 8 what requests are judged by */
	published = config_hold(config);
	if (gateway_publish(&gateway, published, policy, NULL, &why) == -1)
		goto fail;
	policy = NULL;

	/* 9 does anybody outside know another history of this log? */
	if (notary_open(&gateway.notary, &gateway, config, &why) == -1)
		goto fail;

	/* 10 registry and review */
	if (watch_open(&gateway.watch, &why) == -1 ||
	    review_start(&gateway.review, &gateway, &why) == -1 ||
	    registrar_start(&gateway.registrar, &gateway, &why) == -1)
		goto fail;

	/* 11 what happened is recorded before anything else happens */
	if (record_rotation(&gateway, config, &rotation, &why) == -1 ||
	    lifecycle(&gateway, "start", &why) == -1 || bundles_report(&gateway, &why) == -1 ||
	    notary_run(gateway.notary, &why) == -1)
		goto fail;
	bundles_shadow_resume(&gateway);

	/* 12 operators, then everybody */
	if (accesslog_start(&accesslog, &gateway, &why) == -1 ||
	    bundle_pull_start(&gateway.pull, &gateway, &why) == -1 ||
	    control_start(&gateway.control, &gateway, config->control, &why) == -1 ||
	    start_server(&gateway, config, &why) == -1)
		goto fail;

	/* 13 confinement, second half: calls; measured, and recorded as it was measured */
	if (confine_seal(&confine, arguments.require_confinement || config->require_confinement, &why) ==
	        -1 ||
	    lifecycle(&gateway, "confined", &why) == -1 ||
	    attempts_record(confine.attempts, &gateway, &why) == -1)
		goto fail;

	/* 14 wait */
	serve(&gateway, &signals);
	status = 0;

	/* the same rungs down */
	atomic_store(&gateway.draining, true);
	server_stop(gateway.server, config->limits.drain_ms);
	gateway.server = NULL;
	if (lifecycle(&gateway, "stop", &why) == -1)
		log_fault(LOG_LEVEL_ERROR, "haechid", "stop-not-recorded", &why);
	goto out;
fail:
	fault_print(stderr, "haechid", &why);
out:
	server_stop(gateway.server, 0);
	attempts_settle(confine.attempts);
	control_stop(gateway.control);
	bundle_pull_stop(gateway.pull);
	accesslog_stop(accesslog);
	notary_stop(gateway.notary);
	registrar_stop(gateway.registrar);
	review_stop(gateway.review);
	ledger_close(gateway.ledger, LEDGER_DRAIN_MS);
	policy_release(policy);
	watch_close(gateway.watch);
	sealer_close(gateway.sealer);
	signer_stop(gateway.signer);
	bundles_close(gateway.bundles);
	free(gateway.vkeys);
	buffer_free(&rotation.vkeys);
	if (gateway.started_ms != 0)
		gateway_end(&gateway);
	attempts_close(confine.attempts);
	config_release(config);
	if (status == 0)
		log_info("haechid", "event=stopped");
	return status;
}
