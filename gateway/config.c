#include "gateway/config.h"

#include <ctype.h>
#include <cyaml/cyaml.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/config_outside.h"
#include "gateway/bundle_pull.h"
#include "gateway/listen.h"
#include "policy/policy_bundle.h"

#define TEXT_MOST 4096

/* ---- the grammar, one table a mapping ---------------------------------------------------------------------------- */

#define NEEDED   CYAML_FLAG_POINTER
#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define NUMBER   CYAML_FLAG_OPTIONAL

#define TEXT(flags, type, name) CYAML_FIELD_STRING_PTR(#name, flags, struct type, name, 1, TEXT_MOST)
#define BYTES_MOST              (1LL << 50)
#define UINT(type, name)        CYAML_FIELD_UINT(#name, NUMBER, struct type, name)
#define TEXTS(type, name)       CYAML_FIELD_SEQUENCE(#name, OPTIONAL, struct type, name, &text_value, 0, 64)

static const cyaml_schema_value_t text_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MOST)};

/* clang-format off */
static const cyaml_schema_field_t tls_fields[] = {
	TEXT(NEEDED, config_tls, certificate),
	TEXT(NEEDED, config_tls, key),
	TEXT(OPTIONAL, config_tls, clients),
	CYAML_FIELD_BOOL("require", NUMBER, struct config_tls, require),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t model_fields[] = {
	TEXT(NEEDED, config_model, name),
	TEXT(OPTIONAL, config_model, upstream),
	TEXT(OPTIONAL, config_model, weights),
	TEXT(OPTIONAL, config_model, license),
	TEXTS(config_model, aliases),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t model_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_model, model_fields),
};

static const cyaml_schema_field_t engine_fields[] = {
	TEXT(NEEDED, config_engine, name),
	TEXT(NEEDED, config_engine, address),
	TEXT(NEEDED, config_engine, zone),
	TEXT(NEEDED, config_engine, grade),
	TEXT(OPTIONAL, config_engine, pin),
	TEXT(OPTIONAL, config_engine, token_file),
	UINT(config_engine, connect_ms),
	UINT(config_engine, first_byte_ms),
	UINT(config_engine, idle_ms),
	UINT(config_engine, total_ms),
	UINT(config_engine, connections),
	CYAML_FIELD_SEQUENCE("models", CYAML_FLAG_POINTER, struct config_engine, models, &model_value, 1, 256),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t engine_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_engine, engine_fields),
};

static const cyaml_schema_field_t ledger_fields[] = {
	TEXT(OPTIONAL, config_ledger, directory),
	TEXT(OPTIONAL, config_ledger, keys),
	TEXT(OPTIONAL, config_ledger, seal),
	TEXT(OPTIONAL, config_ledger, cipher),
	UINT(config_ledger, max_unshipped),
	UINT(config_ledger, reserve),
	UINT(config_ledger, segment),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t database_fields[] = {
	TEXT(OPTIONAL, config_database, conninfo),
	TEXT(OPTIONAL, config_database, socket),
	TEXT(OPTIONAL, config_database, name),
	TEXT(OPTIONAL, config_database, user),
	TEXT(OPTIONAL, config_database, cache),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t bundles_fields[] = {
	TEXT(OPTIONAL, config_bundles, directory),
	TEXTS(config_bundles, keys),
	UINT(config_bundles, signatures),
	UINT(config_bundles, keep),
	TEXT(OPTIONAL, config_bundles, pull),
	UINT(config_bundles, pull_seconds),
	TEXT(OPTIONAL, config_bundles, pin),
	TEXT(OPTIONAL, config_bundles, ca),
	TEXT(OPTIONAL, config_bundles, token_file),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t policy_fields[] = {
	TEXT(NEEDED, config_policy, agency),
	TEXT(NEEDED, config_policy, act),
	TEXT(NEEDED, config_policy, schema),
	CYAML_FIELD_MAPPING("bundles", NUMBER, struct config_policy, bundles, bundles_fields),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t limits_fields[] = {
	UINT(config_limits, body),
	UINT(config_limits, head),
	UINT(config_limits, line),
	UINT(config_limits, answer),
	UINT(config_limits, messages),
	UINT(config_limits, text),
	UINT(config_limits, tools),
	UINT(config_limits, choices),
	UINT(config_limits, depth),
	UINT(config_limits, output_tokens),
	UINT(config_limits, connections),
	UINT(config_limits, connections_per_address),
	UINT(config_limits, requests_per_connection),
	UINT(config_limits, tls_ms),
	UINT(config_limits, head_ms),
	UINT(config_limits, body_ms),
	UINT(config_limits, idle_ms),
	UINT(config_limits, send_ms),
	UINT(config_limits, drain_ms),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t reviewer_fields[] = {
	TEXT(NEEDED, config_reviewer, user),
	TEXT(NEEDED, config_reviewer, name),
	CYAML_FIELD_SEQUENCE("roles", CYAML_FLAG_POINTER, struct config_reviewer, roles, &text_value, 1, 32),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t reviewer_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_reviewer, reviewer_fields),
};

static const cyaml_schema_field_t review_fields[] = {
	UINT(config_review, hold_seconds),
	UINT(config_review, answer_seconds),
	UINT(config_review, window),
	UINT(config_review, least_decisions),
	UINT(config_review, least_changed),
	UINT(config_review, hasty_seconds),
	UINT(config_review, most_hasty),
	CYAML_FIELD_BOOL("look_first", NUMBER, struct config_review, look_first),
	CYAML_FIELD_SEQUENCE("reviewers", OPTIONAL, struct config_review, reviewers, &reviewer_value, 0, 256),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t drift_fields[] = {
	UINT(config_drift, window),
	UINT(config_drift, least),
	UINT(config_drift, suspected),
	UINT(config_drift, certain),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t redaction_kind_fields[] = {
	TEXT(NEEDED, config_redaction_kind, kind),
	TEXT(NEEDED, config_redaction_kind, mode),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t redaction_kind_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_redaction_kind, redaction_kind_fields),
};
static const cyaml_schema_field_t redaction_use_fields[] = {
	TEXT(NEEDED, config_redaction_use, usecase),
	TEXT(OPTIONAL, config_redaction_use, mode),
	CYAML_FIELD_SEQUENCE("kinds", OPTIONAL, struct config_redaction_use, kinds, &redaction_kind_value, 0, 32),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t redaction_use_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_redaction_use, redaction_use_fields),
};
static const cyaml_schema_field_t redaction_fields[] = {
	TEXT(OPTIONAL, config_redaction, mode),
	CYAML_FIELD_SEQUENCE("kinds", OPTIONAL, struct config_redaction, kinds, &redaction_kind_value, 0, 32),
	CYAML_FIELD_SEQUENCE("usecases", OPTIONAL, struct config_redaction, usecases, &redaction_use_value, 0, 1024),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t label_fields[] = {
	TEXT(OPTIONAL, config_label, notice_ko),
	TEXT(OPTIONAL, config_label, notice_en),
	TEXT(OPTIONAL, config_label, chat),
	TEXT(OPTIONAL, config_label, voice),
	TEXT(OPTIONAL, config_label, export),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t witness_fields[] = {
	TEXT(NEEDED, config_witness, policy),
	UINT(config_witness, interval_seconds),
	UINT(config_witness, deadline_seconds),
	CYAML_FIELD_BOOL("required", NUMBER, struct config_witness, required),
	TEXT(OPTIONAL, config_witness, ca),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t timestamp_fields[] = {
	TEXT(NEEDED, config_timestamp, url),
	TEXT(NEEDED, config_timestamp, roots),
	TEXT(OPTIONAL, config_timestamp, policy),
	TEXT(OPTIONAL, config_timestamp, ca),
	UINT(config_timestamp, interval_seconds),
	UINT(config_timestamp, deadline_seconds),
	UINT(config_timestamp, skew_seconds),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t log_fields[] = {
	TEXT(OPTIONAL, config_log, level),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t config_fields[] = {
	TEXT(NEEDED, config, agency),
	TEXT(NEEDED, config, node),
	TEXT(NEEDED, config, state),
	CYAML_FIELD_SEQUENCE("listen", CYAML_FLAG_POINTER, struct config, listen, &text_value, 1, 8),
	CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL, struct config, tls, tls_fields),
	UINT(config, loops),
	TEXT(OPTIONAL, config, control),
	CYAML_FIELD_MAPPING("ledger", NUMBER, struct config, ledger, ledger_fields),
	CYAML_FIELD_MAPPING("database", CYAML_FLAG_DEFAULT, struct config, database, database_fields),
	CYAML_FIELD_MAPPING("policy", CYAML_FLAG_DEFAULT, struct config, policy, policy_fields),
	CYAML_FIELD_SEQUENCE("engines", CYAML_FLAG_POINTER, struct config, engines, &engine_value, 1, 64),
	CYAML_FIELD_MAPPING("limits", NUMBER, struct config, limits, limits_fields),
	CYAML_FIELD_MAPPING("review", NUMBER, struct config, review, review_fields),
	CYAML_FIELD_MAPPING("drift", NUMBER, struct config, drift, drift_fields),
	CYAML_FIELD_MAPPING("redaction", NUMBER, struct config, redaction, redaction_fields),
	CYAML_FIELD_MAPPING("label", NUMBER, struct config, label, label_fields),
	CYAML_FIELD_MAPPING_PTR("witness", OPTIONAL, struct config, witness, witness_fields),
	CYAML_FIELD_MAPPING_PTR("timestamp", OPTIONAL, struct config, timestamp, timestamp_fields),
	CYAML_FIELD_MAPPING("log", NUMBER, struct config, log, log_fields),
	CYAML_FIELD_BOOL("require_confinement", NUMBER, struct config, require_confinement),
	CYAML_FIELD_END
};
/* clang-format on */
static const cyaml_schema_value_t config_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};

/* ---- what libcyaml complains of, as a fault ----------------------------------------------------------------------- */

struct complaint {
	char text[256]; /* the first message */
	unsigned line, column;
};

/*
 * libcyaml tells its errors to a log: first what is wrong, then where, innermost first ("in mapping field 'x' (line:
 * 3, column: 5)"). Values may be quoted in the first message: they are configuration, not request content.
 */
__attribute__((format(printf, 3, 0))) static void
complain(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	struct complaint *complaint = context;
	char text[256];
	const char *at;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof text, format, arguments);
	text[strcspn(text, "\n")] = '\0';
	if ((at = strstr(text, "line: ")) != NULL) {
		if (complaint->line == 0 &&
		    sscanf(at, "line: %u, column: %u", &complaint->line, &complaint->column) != 2)
			complaint->line = 0;
		return;
	}
	if (strstr(text, "Backtrace") != NULL || complaint->text[0] != '\0')
		return;
	at = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
	snprintf(complaint->text, sizeof complaint->text, "%s", at);
}

/*
 * For a name that should not be there libcyaml only tells where its mapping begins. The line itself is looked for from
 * there on: the first that has the name before a colon, behind the one that was read already when it stands twice.
 */
static void
find_line(struct complaint *complaint, struct slice text)
{
	static const char *const begins[] = {"Unexpected key: ", "Mapping field already seen: "};
	const uint8_t *at = text.data, *const end = text.data + text.size;
	const char *name = NULL;
	unsigned skip = 0;

	for (unsigned i = 0; i < 2; i++)
		if (strncmp(complaint->text, begins[i], strlen(begins[i])) == 0) {
			name = complaint->text + strlen(begins[i]);
			skip = i;
		}
	if (name == NULL || name[0] == '\0')
		return;
	for (unsigned line = 1; at < end; line++) {
		const uint8_t *const stop = memchr(at, '\n', (size_t)(end - at));
		const size_t size = (size_t)((stop == NULL ? end : stop) - at);
		size_t indent = 0;

		while (indent < size && (at[indent] == ' ' || at[indent] == '-'))
			indent++;
		if (line >= complaint->line + skip && size - indent > strlen(name) &&
		    memcmp(at + indent, name, strlen(name)) == 0 && at[indent + strlen(name)] == ':') {
			complaint->line = line;
			complaint->column = (unsigned)indent + 1;
			return;
		}
		at += size + 1;
	}
}

static const cyaml_config_t cyaml_settings = {
    .log_fn = complain,
    .mem_fn = cyaml_mem,
    .log_level = CYAML_LOG_ERROR,
    .flags = CYAML_CFG_NO_ALIAS,
};

static const char *
complaint_ko(cyaml_err_t code)
{
	switch (code) {
	case CYAML_ERR_INVALID_KEY:
		return "모르는 이름";
	case CYAML_ERR_MAPPING_FIELD_MISSING:
		return "빠진 이름";
	case CYAML_ERR_INVALID_VALUE:
		return "맞지 않는 값";
	case CYAML_ERR_STRING_LENGTH_MIN:
		return "빈 문자열";
	case CYAML_ERR_STRING_LENGTH_MAX:
		return "너무 긴 문자열";
	case CYAML_ERR_SEQUENCE_ENTRIES_MIN:
		return "목록의 항목이 모자람";
	case CYAML_ERR_SEQUENCE_ENTRIES_MAX:
		return "목록의 항목이 너무 많음";
	case CYAML_ERR_ALIAS:
	case CYAML_ERR_INVALID_ALIAS:
		return "YAML 별칭(&, *)은 쓸 수 없음";
	case CYAML_ERR_UNEXPECTED_EVENT:
		return "값의 꼴이 다름";
	case CYAML_ERR_LIBYAML_PARSER:
		return "YAML 문법 오류";
	default:
		return "읽을 수 없음";
	}
}

/* ---- defaults and checks ------------------------------------------------------------------------------------------ */

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

const enum redaction_mode *
config_redaction_modes(const struct config *config, const char *usecase)
{
	for (uint32_t i = 0; i < config->redaction.usecases_count; i++)
		if (strcmp(config->redaction.usecases[i].usecase, usecase) == 0)
			return config->redaction.usecases[i].modes;
	return config->redaction.modes;
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

static int
understand(struct config *config, const char *state, struct fault *why)
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

/* ---- the door ------------------------------------------------------------------------------------------------------ */

int
config_parse(struct config **out, struct slice text, const char *name, const char *state, struct fault *why)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = cyaml_settings;
	struct config *config = NULL;
	uint8_t digest[crypto_hash_sha256_BYTES];
	cyaml_err_t error;

	*out = NULL;
	if (text.size > CONFIG_SIZE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "%s: 설정이 너무 큽니다 (최대 %d바이트)",
		                 "%s: configuration too large (at most %d bytes)", name, CONFIG_SIZE_LIMIT);
	if (!utf8_valid(text) || memchr(text.data, '\0', text.size) != NULL)
		return fault_set(why, FAULT_INVALID, "%s: UTF-8 글이 아닙니다", "%s: not UTF-8 text", name);
	settings.log_ctx = &complaint;
	error =
	    cyaml_load_data(text.data, text.size, &settings, &config_value, (cyaml_data_t **)&config, NULL);
	if (error != CYAML_OK) {
		find_line(&complaint, text);
		fault_set(why, FAULT_INVALID, "%s:%u:%u: %s", "%s:%u:%u: %s", name, complaint.line,
		          complaint.column, complaint_ko(error));
		if (why != NULL) {
			snprintf(why->ko, sizeof why->ko, "%s:%u:%u: %s (%s)", name, complaint.line,
			         complaint.column, complaint_ko(error), complaint.text);
			snprintf(why->en, sizeof why->en, "%s:%u:%u: %s", name, complaint.line,
			         complaint.column,
			         complaint.text[0] != '\0' ? complaint.text : cyaml_strerror(error));
		}
		return -1;
	}
	if (config == NULL)
		return fault_set(why, FAULT_INVALID, "%s: 빈 설정입니다", "%s: the configuration is empty",
		                 name);
	atomic_init(&config->holders, 1);
	crypto_hash_sha256(digest, text.data, text.size);
	hex_encode(config->digest, digest, sizeof digest);
	if (understand(config, state, why) == -1) {
		config_release(config);
		return fault_prefix(why, "%s", "%s", name);
	}
	*out = config;
	return 0;
}

int
config_load(struct config **out, const char *path, const char *state, struct fault *why)
{
	struct buffer text;
	int result;

	*out = NULL;
	if (file_read(&text, path, CONFIG_SIZE_LIMIT, why) == -1)
		return -1;
	result = config_parse(out, buffer_view(&text), path, state, why);
	buffer_free(&text);
	return result;
}

struct config *
config_hold(struct config *config)
{
	atomic_fetch_add_explicit(&config->holders, 1, memory_order_relaxed);
	return config;
}

void
config_release(struct config *config)
{
	if (config == NULL || atomic_fetch_sub_explicit(&config->holders, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < config->engines_count; i++) {
		struct config_engine *engine = &config->engines[i];

		free(engine->target);
		if (engine->authorization != NULL) {
			sodium_memzero(engine->authorization, strlen(engine->authorization));
			free(engine->authorization);
		}
	}
	config_outside_release(config);
	free(config->routes);
	cyaml_free(&cyaml_settings, &config_value, config, 0);
}

int
config_print(const struct config *config, FILE *to, struct fault *why)
{
	struct complaint complaint = {0};
	cyaml_config_t settings = cyaml_settings;
	char *text = NULL;
	size_t size = 0;
	cyaml_err_t error;

	settings.log_ctx = &complaint;
	settings.flags |= CYAML_CFG_STYLE_BLOCK;
	error = cyaml_save_data(&text, &size, &settings, &config_value, config, 0);
	if (error != CYAML_OK)
		return fault_set(why, FAULT_INTERNAL, "설정을 쓸 수 없습니다: %s",
		                 "cannot write the configuration: %s", cyaml_strerror(error));
	fprintf(to, "# origin: %s\n# sha256: %s\n", config->origin, config->digest);
	for (size_t at = 0, end; at < size; at = end) {
		const char *const stop = memchr(text + at, '\n', size - at);

		end = stop == NULL ? size : (size_t)(stop - text) + 1;
		if (end - at > 12 && memcmp(text + at, "  conninfo: ", 12) == 0)
			fputs("  # conninfo: (given; it may hold a password)\n", to);
		else
			fwrite(text + at, 1, end - at, to);
	}
	cyaml_mem(NULL, text, 0);
	return 0;
}

const struct config_route *
config_route(const struct config *config, const char *model)
{
	for (size_t i = 0; i < config->route_count; i++)
		if (strcmp(config->routes[i].model, model) == 0)
			return &config->routes[i];
	return NULL;
}

const struct config_route *
config_route_next(const struct config *config, const struct config_route *route)
{
	const struct config_route *const end = config->routes + config->route_count;

	for (const struct config_route *next = route + 1; next < end; next++)
		if (strcmp(next->model, route->model) == 0 &&
		    next->engine->zone_grade == route->engine->zone_grade &&
		    strcmp(next->engine->zone, route->engine->zone) == 0)
			return next;
	return NULL;
}
