#include "gateway/config_inside.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config_outside.h"

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
	if (config_understand(config, state, why) == -1) {
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

const enum redaction_mode *
config_redaction_modes(const struct config *config, const char *usecase)
{
	for (uint32_t i = 0; i < config->redaction.usecases_count; i++)
		if (strcmp(config->redaction.usecases[i].usecase, usecase) == 0)
			return config->redaction.usecases[i].modes;
	return config->redaction.modes;
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
