#include "gateway/config_inside.h"

#include <ctype.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/bundle_pull.h"
#include "gateway/config_outside.h"
#include "gateway/listen.h"
#include "policy/policy_bundle.h"

#define BYTES_MOST (1LL << 50)

static void
number_default(uint32_t *number, uint32_t value)
{
	if (*number == 0)
		*number = value;
}

static void
size_default(uint64_t *number, uint64_t value)
{
	if (*number == 0)
		*number = value;
}

/* The member gets a copy of `value` when it is absent. */
static int
text_default(char **member, const char *value, struct fault *why)
{
	if (*member == NULL && (*member = strdup(value)) == NULL)
		return fault_memory(why);
	return 0;
}

/* A path of state: below config->state unless it is absolute. */
static int
below_state(const struct config *config, char **path, struct fault *why)
{
	char *whole;
	size_t size;

	if (*path == NULL || (*path)[0] == '/')
		return 0;
	size = strlen(config->state) + strlen(*path) + 2;
	if ((whole = malloc(size)) == NULL)
		return fault_memory(why);
	snprintf(whole, size, "%s/%s", config->state, *path);
	free(*path);
	*path = whole;
	return 0;
}

/* "unix:PATH" with the path below state. */
static int
socket_below_state(const struct config *config, char **address, struct fault *why)
{
	char *path, *whole;
	size_t size;
	int result = -1;

	if (strncmp(*address, "unix:", 5) != 0)
		return 0;
	if ((path = strdup(*address + 5)) == NULL)
		return fault_memory(why);
	if (below_state(config, &path, why) == -1)
		goto out;
	size = strlen(path) + 6;
	if ((whole = malloc(size)) == NULL) {
		fault_memory(why);
		goto out;
	}
	snprintf(whole, size, "unix:%s", path);
	free(*address);
	*address = whole;
	result = 0;
out:
	free(path);
	return result;
}

/* Names that become part of the log's origin and of file names. */
static bool
plain_name(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > 48)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '-')
			return false;
	return true;
}

static int
one_of(const char *member, const char *value, const char *const *choices, struct fault *why)
{
	for (size_t i = 0; choices[i] != NULL; i++)
		if (strcmp(value, choices[i]) == 0)
			return 0;
	return fault_set(why, FAULT_INVALID, "%s: 쓸 수 없는 값입니다: \"%s\"",
	                 "%s: not a value it may have: \"%s\"", member, value);
}

static int
understand_names(struct config *config, const char *state, struct fault *why)
{
	if (!plain_name(config->agency) || !plain_name(config->node))
		return fault_set(why, FAULT_INVALID,
		                 "agency와 node는 소문자, 숫자, '-'만 씁니다 (48자까지): %s/%s",
		                 "agency and node are lower-case letters, digits and '-' (48 at most): %s/%s",
		                 config->agency, config->node);
	snprintf(config->origin, sizeof config->origin, "haechi.%s/%s", config->agency, config->node);
	if (state != NULL) {
		free(config->state);
		config->state = NULL;
		if (text_default(&config->state, state, why) == -1)
			return -1;
	}
	return 0;
}

/* Where to listen is looked at here already, so that `haechid -n` says it. */
static int
understand_listen(const struct config *config, struct fault *why)
{
	for (uint32_t i = 0; i < config->listen_count; i++) {
		struct sockaddr_storage address;
		const char *const text = config->listen[i];
		socklen_t size;

		if (strncmp(text, "unix:", 5) == 0
		        ? text[5] == '\0' || strlen(text + 5) >= sizeof((struct sockaddr_un *)NULL)->sun_path
		        : !address_parse(&address, &size, text))
			return fault_set(
			    why, FAULT_INVALID,
			    "listen: 주소는 '127.0.0.1:8080', '[::1]:8080', 'unix:경로' 꼴이어야 합니다: %s",
			    "listen: an address is '127.0.0.1:8080', '[::1]:8080' or 'unix:PATH': %s", text);
	}
	return 0;
}

static int
understand_paths(struct config *config, struct fault *why)
{
	static const char *const ciphers[] = {"aria-256-gcm", "xchacha20-poly1305", NULL};
	char **const paths[] = {&config->control,     &config->ledger.directory, &config->ledger.keys,
	                        &config->ledger.seal, &config->database.socket,  &config->database.cache};

	if (text_default(&config->control, "control.sock", why) == -1 ||
	    text_default(&config->ledger.directory, "ledger", why) == -1 ||
	    text_default(&config->ledger.keys, "keys", why) == -1 ||
	    text_default(&config->ledger.seal, "seal", why) == -1 ||
	    text_default(&config->ledger.cipher, "aria-256-gcm", why) == -1 ||
	    text_default(&config->database.cache, "registry.json", why) == -1 ||
	    one_of("ledger.cipher", config->ledger.cipher, ciphers, why) == -1)
		return -1;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (below_state(config, paths[i], why) == -1)
			return -1;
	for (uint32_t i = 0; i < config->listen_count; i++)
		if (socket_below_state(config, &config->listen[i], why) == -1)
			return -1;
	return 0;
}

/* libpq wants an absolute directory; a value in single quotes may not hold one of its own. */
static int
understand_database(struct config *config, struct fault *why)
{
	struct config_database *database = &config->database;
	char *absolute, *conninfo;
	size_t size;

	if (database->conninfo != NULL) {
		if (database->socket != NULL || database->name != NULL || database->user != NULL)
			return fault_set(why, FAULT_INVALID,
			                 "database: conninfo와 socket·name·user는 함께 쓸 수 없습니다",
			                 "database: conninfo excludes socket, name and user");
		return 0;
	}
	if (database->socket == NULL)
		return fault_set(why, FAULT_INVALID, "database: conninfo나 socket이 있어야 합니다",
		                 "database: conninfo or socket is needed");
	if (text_default(&database->name, "haechi", why) == -1 ||
	    text_default(&database->user, "haechi", why) == -1)
		return -1;
	if (strpbrk(database->socket, "'\\") != NULL || strpbrk(database->name, "'\\") != NULL ||
	    strpbrk(database->user, "'\\") != NULL)
		return fault_set(why, FAULT_INVALID, "database: 따옴표와 역사선은 쓸 수 없습니다",
		                 "database: quotes and backslashes cannot be used");
	if ((absolute = realpath(database->socket, NULL)) == NULL &&
	    (absolute = strdup(database->socket)) == NULL)
		return fault_memory(why);
	size = strlen(absolute) + strlen(database->name) + strlen(database->user) + 64;
	if ((conninfo = malloc(size)) == NULL) {
		free(absolute);
		return fault_memory(why);
	}
	snprintf(conninfo, size, "host='%s' dbname='%s' user='%s' connect_timeout=5", absolute,
	         database->name, database->user);
	free(absolute);
	database->conninfo = conninfo;
	return 0;
}

static int
understand_token(struct config_engine *engine, struct fault *why)
{
	struct buffer token;
	char *text;
	size_t size;

	if (file_read(&token, engine->token_file, 4096, why) == -1)
		return -1;
	while (token.size > 0 && isspace(token.data[token.size - 1]))
		token.size--;
	size = token.size;
	text = buffer_text(&token);
	if (text == NULL || size == 0 || strpbrk(text, "\r\n\t ") != NULL) {
		buffer_wipe(&token);
		return fault_set(why, FAULT_INVALID, "%s: 토큰 한 줄이 있어야 합니다",
		                 "%s: one line with a token is needed", engine->token_file);
	}
	if ((engine->authorization = malloc(size + 8)) != NULL)
		snprintf(engine->authorization, size + 8, "Bearer %s", text);
	buffer_wipe(&token);
	return engine->authorization == NULL ? fault_memory(why) : 0;
}

static int
understand_engine(const struct config *config, struct config_engine *engine, struct fault *why)
{
	struct engine_address *target;
	char *at;

	if (!grade_parse(&engine->zone_grade, engine->grade))
		return fault_set(why, FAULT_INVALID, "engines: %s: grade는 C, S, O 가운데 하나입니다",
		                 "engines: %s: grade is one of C, S, O", engine->name);
	if (socket_below_state(config, &engine->address, why) == -1 ||
	    below_state(config, &engine->token_file, why) == -1)
		return -1;
	if ((target = engine->target = calloc(1, sizeof *target)) == NULL)
		return fault_memory(why);
	if (engine_address_parse(target, engine->address, why) == -1)
		return fault_prefix(why, "engines: %s", "engines: %s", engine->name);
	if (target->kind == ENGINE_REMOTE && engine->pin == NULL)
		return fault_set(why, FAULT_INVALID,
		                 "engines: %s: https 엔진은 pin(sha256//…)이 있어야 합니다",
		                 "engines: %s: an https engine needs a pin (sha256//...)", engine->name);
	if (engine->pin != NULL) {
		if (strncmp(engine->pin, "sha256//", 8) != 0 || strlen(engine->pin) >= sizeof target->pin)
			return fault_set(why, FAULT_INVALID, "engines: %s: pin의 꼴은 sha256//BASE64= 입니다",
			                 "engines: %s: a pin looks like sha256//BASE64=", engine->name);
		snprintf(target->pin, sizeof target->pin, "%s", engine->pin);
	}
	if (engine->connect_ms > 0)
		target->connect_ms = engine->connect_ms;
	if (engine->first_byte_ms > 0)
		target->first_byte_ms = engine->first_byte_ms;
	if (engine->idle_ms > 0)
		target->idle_ms = engine->idle_ms;
	if (engine->total_ms > 0)
		target->total_ms = engine->total_ms;
	if (engine->connections > 0)
		target->connections = engine->connections;
	target->answer_size = (size_t)config->limits.answer;
	for (uint32_t i = 0; i < engine->models_count; i++) {
		struct config_model *model = &engine->models[i];
		uint8_t digest[32];

		if (text_default(&model->upstream, model->name, why) == -1)
			return -1;
		if (model->weights == NULL)
			continue;
		if (!hex_decode(digest, sizeof digest, slice_string(model->weights)))
			return fault_set(why, FAULT_INVALID,
			                 "engines: %s: %s: weights는 SHA-256의 16진수 64자입니다",
			                 "engines: %s: %s: weights is SHA-256 in 64 hex digits", engine->name,
			                 model->name);
		for (at = model->weights; *at != '\0'; at++)
			*at = (char)tolower((unsigned char)*at);
	}
	return engine->token_file == NULL ? 0 : understand_token(engine, why);
}

/* Every name a model goes by, in the order of the file: what config_route() looks through. */
static int
understand_routes(struct config *config, struct fault *why)
{
	size_t count = 0;

	for (uint32_t i = 0; i < config->engines_count; i++)
		for (uint32_t j = 0; j < config->engines[i].models_count; j++)
			count += 1 + config->engines[i].models[j].aliases_count;
	if ((config->routes = calloc(count, sizeof *config->routes)) == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < config->engines_count; i++) {
		const struct config_engine *engine = &config->engines[i];

		for (uint32_t k = 0; k < i; k++)
			if (strcmp(config->engines[k].name, engine->name) == 0)
				return fault_set(why, FAULT_INVALID, "engines: 같은 이름이 두 번: %s",
				                 "engines: the same name twice: %s", engine->name);
		for (uint32_t j = 0; j < engine->models_count; j++) {
			const struct config_model *model = &engine->models[j];

			config->routes[config->route_count++] =
			    (struct config_route){model->name, engine, model};
			for (uint32_t k = 0; k < model->aliases_count; k++)
				config->routes[config->route_count++] =
				    (struct config_route){model->aliases[k], engine, model};
		}
	}
	return 0;
}

static int
understand_limits(struct config *config, struct fault *why)
{
	struct config_limits *limits = &config->limits;
	struct limits *door = &config->door;

	limits_default(door);
	size_default(&limits->body, 1024 * 1024);
	size_default(&limits->head, door->head_size);
	size_default(&limits->line, door->line_size);
	size_default(&limits->answer, 32 * 1024 * 1024);
	number_default(&limits->messages, 512);
	number_default(&limits->text, 1024 * 1024);
	number_default(&limits->tools, 128);
	number_default(&limits->choices, 8);
	number_default(&limits->depth, 32);
	number_default(&limits->connections, door->connections);
	number_default(&limits->connections_per_address, door->connections_per_address);
	number_default(&limits->requests_per_connection, door->requests_per_connection);
	number_default(&limits->tls_ms, door->tls_ms);
	number_default(&limits->head_ms, door->head_ms);
	number_default(&limits->body_ms, door->body_ms);
	number_default(&limits->idle_ms, door->idle_ms);
	number_default(&limits->send_ms, door->send_ms);
	number_default(&limits->drain_ms, 30 * 1000);
	/* One call of the detector takes a MiB; the document of an exchange lives in memory. */
	if (limits->body > 64 * 1024 * 1024 || limits->text > 1024 * 1024 ||
	    limits->choices > OPENAI_CHOICES || limits->depth > JSON_DEPTH_LIMIT - 8 ||
	    limits->answer > 1024 * 1024 * 1024 || limits->head > 1024 * 1024 || limits->line > 1024 * 1024)
		return fault_set(why, FAULT_INVALID,
		                 "limits: 넘을 수 없는 값: body 64MiB, text·head·line 1MiB, answer 1GiB, "
		                 "choices %d, depth %d",
		                 "limits: at most body 64 MiB, text, head and line 1 MiB, answer 1 GiB, "
		                 "choices %d, depth %d",
		                 OPENAI_CHOICES, JSON_DEPTH_LIMIT - 8);
	door->body_size = (size_t)limits->body;
	door->head_size = (size_t)limits->head;
	door->line_size = (size_t)limits->line;
	door->messages = limits->messages;
	door->depth = limits->depth;
	door->connections = limits->connections;
	door->connections_per_address = limits->connections_per_address;
	door->requests_per_connection = limits->requests_per_connection;
	door->tls_ms = limits->tls_ms;
	door->head_ms = limits->head_ms;
	door->body_ms = limits->body_ms;
	door->idle_ms = limits->idle_ms;
	door->send_ms = limits->send_ms;
	if (limits_check(door, why) == -1)
		return fault_prefix(why, "limits", "limits");
	config->openai = (struct openai_limits){
	    .body_bytes = (size_t)limits->body,
	    .messages = limits->messages,
	    .text_bytes = limits->text,
	    .tools = limits->tools,
	    .texts = 8192,
	    .depth = limits->depth,
	    .choices = limits->choices,
	    .output_tokens = limits->output_tokens,
	};
	return 0;
}

/* law 10.6: no official source says from which number on. These are ours, and every decision entry names those it was made by. */
static int
understand_oversight(struct config *config, struct fault *why)
{
	struct config_review *review = &config->review;
	struct config_drift *drift = &config->drift;

	number_default(&review->window, 100);
	number_default(&review->least_decisions, (uint32_t)oversight_defaults.decisions);
	number_default(&review->least_changed, (uint32_t)oversight_defaults.least_changed);
	number_default(&review->hasty_seconds, (uint32_t)oversight_defaults.hasty_ms / 1000);
	number_default(&review->most_hasty, (uint32_t)oversight_defaults.most_hasty);
	number_default(&drift->window, 500);
	number_default(&drift->least, 20);
	number_default(&drift->suspected, 200);
	number_default(&drift->certain, 50);
	if (review->window > 100000 || drift->window > 100000)
		return fault_set(why, FAULT_INVALID, "review.window와 drift.window는 100000까지입니다",
		                 "review.window and drift.window are 100000 at most");
	if (review->least_decisions > review->window || drift->least > drift->window)
		return fault_set(why, FAULT_INVALID,
		                 "review.least_decisions와 drift.least는 그 window를 넘을 수 없습니다",
		                 "review.least_decisions and drift.least are within their window");
	if (review->least_changed > 1000 || review->most_hasty > 1000 || drift->suspected > 1000 ||
	    drift->certain > 1000 || review->hasty_seconds > 3600)
		return fault_set(why, FAULT_INVALID,
		                 "least_changed, most_hasty, suspected, certain은 천분율이고 hasty_seconds는 "
		                 "3600까지입니다",
		                 "least_changed, most_hasty, suspected and certain are thousandths, "
		                 "hasty_seconds is 3600 at most");
	config->oversight = (struct oversight_limits){
	    .decisions = review->least_decisions,
	    .least_changed = review->least_changed,
	    .hasty_ms = (int64_t)review->hasty_seconds * 1000,
	    .most_hasty = review->most_hasty,
	};
	return 0;
}

/* Modes of the kinds listed, over `modes`, which hold what is usual. */
static int
understand_modes(enum redaction_mode modes[IDENTIFIER_KINDS], const char *mode,
                 const struct config_redaction_kind *kinds, uint32_t count, struct fault *why)
{
	enum redaction_mode usual;
	enum identifier_kind kind;

	if (mode != NULL) {
		if (!redaction_mode_parse(&usual, mode))
			return fault_set(why, FAULT_INVALID,
			                 "redaction: mode는 title, token, length 가운데 하나입니다: %s",
			                 "redaction: mode is title, token or length: %s", mode);
		for (unsigned i = 0; i < IDENTIFIER_KINDS; i++)
			modes[i] = usual;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!identifier_parse(&kind, kinds[i].kind))
			return fault_set(why, FAULT_INVALID, "redaction: 모르는 종류입니다: %s",
			                 "redaction: an unknown kind: %s", kinds[i].kind);
		if (!redaction_mode_parse(&modes[kind], kinds[i].mode))
			return fault_set(why, FAULT_INVALID,
			                 "redaction: mode는 title, token, length 가운데 하나입니다: %s",
			                 "redaction: mode is title, token or length: %s", kinds[i].mode);
	}
	return 0;
}

static int
understand_redaction(struct config_redaction *redaction, struct fault *why)
{
	if (understand_modes(redaction->modes, redaction->mode, redaction->kinds, redaction->kinds_count,
	                     why) == -1)
		return -1;
	for (uint32_t i = 0; i < redaction->usecases_count; i++) {
		struct config_redaction_use *use = &redaction->usecases[i];

		memcpy(use->modes, redaction->modes, sizeof use->modes);
		if (understand_modes(use->modes, use->mode, use->kinds, use->kinds_count, why) == -1)
			return -1;
	}
	return 0;
}

static int
understand_bundles(struct config *config, struct fault *why)
{
	struct config_bundles *bundles = &config->policy.bundles;
	struct pull_address address;

	number_default(&bundles->signatures, 1);
	number_default(&bundles->keep, 8);
	number_default(&bundles->pull_seconds, 300);
	if (text_default(&bundles->directory, "bundles", why) == -1 ||
	    below_state(config, &bundles->directory, why) == -1 ||
	    below_state(config, &bundles->token_file, why) == -1)
		return -1;
	for (uint32_t i = 0; i < bundles->keys_count; i++)
		if (below_state(config, &bundles->keys[i], why) == -1)
			return -1;
	if (bundles->signatures > BUNDLE_SIGNATURE_LIMIT || bundles->keep > 32 ||
	    bundles->pull_seconds > 86400)
		return fault_set(
		    why, FAULT_INVALID,
		    "policy.bundles: signatures는 %d, keep은 32, pull_seconds는 86400까지입니다",
		    "policy.bundles: signatures, keep and pull_seconds are at most %d, 32 and 86400",
		    BUNDLE_SIGNATURE_LIMIT);
	if (bundles->pull == NULL)
		return 0;
	if (pull_address_parse(&address, bundles->pull, why) == -1)
		return fault_prefix(why, "policy.bundles.pull", "policy.bundles.pull");
	if (bundles->pin != NULL && strncmp(bundles->pin, "sha256//", 8) != 0)
		return fault_set(why, FAULT_INVALID, "policy.bundles: pin의 꼴은 sha256//BASE64= 입니다",
		                 "policy.bundles: a pin looks like sha256//BASE64=");
	return 0;
}

int
config_understand(struct config *config, const char *state, struct fault *why)
{
	static const char *const places[] = {"member", "append", "prepend", NULL};
	static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
	struct config_label *label = &config->label;

	if (understand_names(config, state, why) == -1 || understand_paths(config, why) == -1 ||
	    understand_listen(config, why) == -1 || understand_database(config, why) == -1 ||
	    understand_limits(config, why) == -1 || understand_bundles(config, why) == -1)
		return -1;
	size_default(&config->ledger.max_unshipped, (uint64_t)1 << 30);
	size_default(&config->ledger.reserve, (uint64_t)256 << 20);
	number_default(&config->ledger.segment, 64 << 20);
	/* libcyaml lets a number below nothing wrap around. */
	if (config->ledger.max_unshipped > BYTES_MOST || config->ledger.reserve > BYTES_MOST)
		return fault_set(why, FAULT_INVALID, "ledger: max_unshipped와 reserve는 0에서 %lld까지입니다",
		                 "ledger: max_unshipped and reserve are 0 to %lld", BYTES_MOST);
	number_default(&config->review.hold_seconds, 24 * 3600);
	number_default(&config->review.answer_seconds, 3600);
	if (understand_oversight(config, why) == -1 || understand_redaction(&config->redaction, why) == -1)
		return -1;
	for (uint32_t i = 0; i < config->engines_count; i++)
		if (understand_engine(config, &config->engines[i], why) == -1)
			return -1;
	if (understand_routes(config, why) == -1 || config_outside_understand(config, why) == -1)
		return -1;
	if (text_default(&label->notice_ko, "이 답변은 생성형 인공지능이 만들었습니다.", why) == -1 ||
	    text_default(&label->notice_en, "This answer was generated by AI.", why) == -1 ||
	    text_default(&label->chat, "append", why) == -1 ||
	    text_default(&label->voice, "prepend", why) == -1 ||
	    text_default(&label->export, "append", why) == -1 ||
	    text_default(&config->log.level, "info", why) == -1)
		return -1;
	if (one_of("label.chat", label->chat, places, why) == -1 ||
	    one_of("label.voice", label->voice, places, why) == -1 ||
	    one_of("label.export", label->export, places, why) == -1 ||
	    one_of("log.level", config->log.level, levels, why) == -1)
		return -1;
	return 0;
}
