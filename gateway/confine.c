#include "gateway/confine.h"

#include <stdlib.h>
#include <string.h>

#include "audit/quorum.h"
#include "gateway/bundle_pull.h"
#include "gateway/listen.h"
#include "gateway/remote.h"
#include "schema/base/log.h"

static void
may_read(struct sandbox_plan *plan, const char *path)
{
	if (path != NULL && plan->read_count < SANDBOX_PATHS)
		plan->read[plan->read_count++] = path;
}

static void
may_read_folder(struct confine *confine, const char *path)
{
	const char *const slash = strrchr(path, '/');
	char *folder;

	if (confine->renewed_count == CONFINE_FOLDERS)
		return;
	folder = slash == NULL   ? strdup(".")
	         : slash == path ? strdup("/")
	                         : strndup(path, (size_t)(slash - path));
	for (size_t i = 0; folder != NULL && i < confine->renewed_count; i++)
		if (strcmp(confine->renewed[i], folder) == 0) {
			free(folder);
			return;
		}
	if (folder == NULL)
		return;
	confine->renewed[confine->renewed_count++] = folder;
	may_read(&confine->plan, folder);
}

/* Whoever renews a file puts another one in its place, or lets a link lead to another: the folder must be readable, too. */
static void
may_read_renewed(struct confine *confine, const char *path)
{
	char *target;

	if (path == NULL)
		return;
	may_read(&confine->plan, path);
	may_read_folder(confine, path);
	if ((target = realpath(path, NULL)) != NULL)
		may_read_folder(confine, target);
	free(target);
}

static void
may_write(struct sandbox_plan *plan, const char *path)
{
	if (path != NULL && plan->write_count < SANDBOX_PATHS)
		plan->write[plan->write_count++] = path;
}

static void
may_connect(struct sandbox_plan *plan, uint16_t port, const struct sockaddr_storage *host)
{
	if (port != 0 && plan->connect_count < SANDBOX_PORTS)
		plan->connect[plan->connect_count++] = (struct sandbox_target){port, host};
}

/* "127.0.0.1:8080", "[::1]:8080"; Unix sockets lie below state or are refused by the kernel. */
static void
may_listen(struct sandbox_plan *plan, const char *address)
{
	const char *const colon = strrchr(address, ':');

	if (strncmp(address, "unix:", 5) != 0 && colon != NULL && plan->listen_count < SANDBOX_PORTS)
		plan->listen[plan->listen_count++] = (uint16_t)strtoul(colon + 1, NULL, 10);
}

static void
may_ask(struct sandbox_plan *plan, const struct engine_address *engine)
{
	const char *colon;

	if (engine->kind == ENGINE_TCP) {
		may_connect(plan, address_port(&engine->socket), &engine->socket);
	} else if (engine->kind == ENGINE_REMOTE) {
		colon = strrchr(engine->host, ':');
		may_connect(plan,
		            colon != NULL && strchr(colon, ']') == NULL
		                ? (uint16_t)strtoul(colon + 1, NULL, 10)
		                : 443,
		            NULL);
		plan->resolve = true;
	}
}

/* A witness, a time-stamp authority; the URL was checked when the configuration was read. */
static void
may_ask_url(struct sandbox_plan *plan, const char *url)
{
	bool numeric = true;
	uint16_t port = 0;

	if (url[0] == '\0' || remote_url_check(url, &port, &numeric, NULL) == -1)
		return;
	may_connect(plan, port, NULL);
	plan->resolve = plan->resolve || !numeric;
}

/* Where newer policy bundles come from; the address was checked when the configuration was read. */
static void
may_pull(struct sandbox_plan *plan, const struct config_bundles *bundles)
{
	struct pull_address address;

	if (bundles->pull == NULL || pull_address_parse(&address, bundles->pull, NULL) == -1)
		return;
	may_read(plan, bundles->ca);
	may_read(plan, bundles->token_file);
	if (address.kind == PULL_FILE)
		may_read(plan, bundles->pull + strlen("file:"));
	may_connect(plan, address.port, NULL);
	plan->resolve = plan->resolve || address.resolve;
}

/* A database that is reached by TCP: its port is in the conninfo, else 5432. */
static void
may_ask_database(struct sandbox_plan *plan, const char *conninfo)
{
	const char *const host = strstr(conninfo, "host="), *const port = strstr(conninfo, "port=");

	if (strstr(conninfo, "://") == NULL &&
	    (host == NULL || host[5] == '/' || strncmp(host + 5, "'/", 2) == 0))
		return;
	may_connect(plan, port == NULL ? 5432 : (uint16_t)strtoul(port + 5, NULL, 10), NULL);
	plan->resolve = true;
}

static void
measure(struct confine *confine)
{
	struct buffer text;

	buffer_init(&text, sizeof confine->text - 1);
	sandbox_text(&confine->state, &text);
	snprintf(confine->text, sizeof confine->text, "%.*s", SLICE_PRINT(buffer_view(&text)));
	buffer_free(&text);
}

int
confine_begin(struct confine *confine, const struct config *config, const char *config_path,
              struct fault *why)
{
	struct sandbox_plan *plan = &confine->plan;
	const char *const slash = strrchr(config_path, '/');

	*confine = (struct confine){.plan = {.watched = true}};
	snprintf(confine->folder, sizeof confine->folder, "%.*s",
	         slash == NULL ? 1 : (int)(slash - config_path + 1), slash == NULL ? "." : config_path);
	may_read(plan, confine->folder);
	may_read(plan, config->policy.agency);
	may_read(plan, config->policy.act);
	may_read(plan, config->policy.schema);
	if (config->tls != NULL) {
		may_read_renewed(confine, config->tls->certificate);
		may_read_renewed(confine, config->tls->key);
		may_read_renewed(confine, config->tls->clients);
	}
	/* Names of the accounts behind the operator's socket. */
	may_read(plan, "/etc/passwd");
	may_read(plan, "/etc/nsswitch.conf");
	may_write(plan, config->state);
	may_write(plan, config->ledger.directory);
	may_write(plan, config->ledger.keys);
	may_write(plan, config->ledger.seal);
	for (uint32_t i = 0; i < config->listen_count; i++)
		may_listen(plan, config->listen[i]);
	for (uint32_t i = 0; i < config->engines_count; i++) {
		may_read_renewed(confine, config->engines[i].token_file);
		may_ask(plan, config->engines[i].target);
	}
	may_ask_database(plan, config->database.conninfo);
	if (config->witness != NULL) {
		may_read(plan, config->witness->policy);
		may_read(plan, config->witness->ca);
		for (size_t i = 0; i < config->witness->quorum->witness_count; i++)
			may_ask_url(plan, config->witness->quorum->witnesses[i].url);
	}
	if (config->timestamp != NULL) {
		may_read(plan, config->timestamp->roots);
		may_read(plan, config->timestamp->ca);
		may_ask_url(plan, config->timestamp->url);
	}
	may_write(plan, config->policy.bundles.directory);
	for (uint32_t i = 0; i < config->policy.bundles.keys_count; i++)
		may_read(plan, config->policy.bundles.keys[i]);
	may_pull(plan, &config->policy.bundles);
	if (sandbox_begin(plan, &confine->state, why) == -1)
		return -1;
	measure(confine);
	return 0;
}

/* Is all that `wanted` lets out to let out to by what is on? */
static bool
reached(const struct confine *confine, const struct sandbox_plan *wanted)
{
	const struct sandbox_plan *const on = &confine->plan;
	bool all = !wanted->resolve || on->resolve;

	if (!confine->state.ports && !confine->state.calls)
		return true; /* this kernel confines nothing */
	for (size_t i = 0; all && i < wanted->connect_count; i++) {
		const struct sandbox_target *const target = &wanted->connect[i];

		all = target->host != NULL && attempts_declared(on, target->host);
		for (size_t k = 0; !all && target->host == NULL && k < on->connect_count; k++)
			all = on->connect[k].host == NULL && on->connect[k].port == target->port;
	}
	return all;
}

static void
tell_unreached(const struct confine *confine, const struct sandbox_plan *wanted, json_t *names,
               const char *name)
{
	if (!reached(confine, wanted))
		(void)json_array_append_new(names, json_string(name));
}

void
confine_unreached(const struct confine *confine, const struct config *config, json_t *names)
{
	for (uint32_t i = 0; i < config->engines_count; i++) {
		struct sandbox_plan wanted = {0};
		char name[256];

		may_ask(&wanted, config->engines[i].target);
		snprintf(name, sizeof name, "engines.%s", config->engines[i].name);
		tell_unreached(confine, &wanted, names, name);
	}
	if (config->witness != NULL) {
		struct sandbox_plan wanted = {0};

		for (size_t i = 0; i < config->witness->quorum->witness_count; i++)
			may_ask_url(&wanted, config->witness->quorum->witnesses[i].url);
		tell_unreached(confine, &wanted, names, "witness");
	}
	if (config->timestamp != NULL) {
		struct sandbox_plan wanted = {0};

		may_ask_url(&wanted, config->timestamp->url);
		tell_unreached(confine, &wanted, names, "timestamp");
	}
	if (config->policy.bundles.pull != NULL) {
		struct sandbox_plan wanted = {0};

		may_pull(&wanted, &config->policy.bundles);
		tell_unreached(confine, &wanted, names, "policy.bundles.pull");
	}
}

int
confine_seal(struct confine *confine, bool required, struct fault *why)
{
	struct fault missing;

	if (attempts_open(&confine->attempts, why) == -1 ||
	    sandbox_seal(&confine->plan, &confine->state, why) == -1 ||
	    attempts_watch(confine->attempts, confine->state.listener, &confine->plan, why) == -1)
		return -1;
	sandbox_try(&confine->state);
	measure(confine);
	if (sandbox_complete(&confine->plan, &confine->state, &missing) == -1) {
		if (required) {
			*why = missing;
			return -1;
		}
		log_fault(LOG_LEVEL_WARN, "haechid", "not-wholly-confined", &missing);
	}
	log_info("haechid", "event=confined %s", confine->text);
	return 0;
}
