/*
 * haechi classify [--stream] [FILE] -- the text-only signal: JSON lines in, JSON lines out, one for one.
 *
 * It says what a text gives away: signs of a domain of the Act and identifiers of people. It is no verdict: the Act
 * judges registered uses (haechi usecase assess). A line that cannot be read gets an error line of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/commands/commands.h"
#include "policy/policy.h"
#include "schema/base/json.h"

#define LINE_LIMIT   ((size_t)8 << 20) /* one megabyte of text, every character escaped */
#define PARTS_LIMIT  4096
#define ARENA_LIMIT  ((size_t)64 << 20)
#define OUTPUT_LIMIT ((size_t)64 << 20)

/* The texts of one line, put one behind the other. */
struct content {
	struct buffer text;
	size_t start[PARTS_LIMIT + 1]; /* of each part in `text` */
	size_t count;
	bool messages;
};

struct classifying {
	struct detector *detector;
	struct arena *arena;
	struct content content;
	struct buffer out;
	bool bad; /* a line could not be answered */
};

static int
content_add(struct content *content, const json_t *text, struct fault *why)
{
	if (content->count == PARTS_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "메시지가 %d개를 넘습니다", "more than %d messages",
		                 PARTS_LIMIT);
	if (content->count > 0)
		buffer_byte(&content->text, '\n');
	content->start[content->count++] = content->text.size;
	buffer_append(&content->text, json_string_value(text), json_string_length(text));
	if (!buffer_ok(&content->text))
		return fault_set(why, FAULT_TOO_LARGE, "글이 1MiB를 넘습니다",
		                 "the text is larger than 1 MiB");
	return 0;
}

/* "content" of a message: a string, or parts of which those with "text" count. */
static int
content_message(struct content *content, const json_t *message, struct fault *why)
{
	const json_t *value = json_object_get(message, "content");

	if (json_is_string(value))
		return content_add(content, value, why);
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *text = json_object_get(json_array_get(value, i), "text");

		if (json_is_string(text) && content_add(content, text, why) == -1)
			return -1;
	}
	if (value != NULL && !json_is_null(value) && !json_is_array(value))
		return fault_set(why, FAULT_INVALID, "메시지의 content는 문자열이나 목록이어야 합니다",
		                 "content of a message must be a string or a list");
	return 0;
}

static int
content_read(struct content *content, json_t *line, struct fault *why)
{
	const json_t *text = json_object_get(line, "text"), *messages = json_object_get(line, "messages");

	buffer_reset(&content->text);
	content->count = 0;
	content->messages = false;
	if (json_is_string(text))
		return content_add(content, text, why);
	if (!json_is_array(messages))
		return fault_set(why, FAULT_INVALID, "\"text\"나 \"messages\"가 있어야 합니다",
		                 "needs \"text\" or \"messages\"");
	content->messages = true;
	for (size_t i = 0; i < json_array_size(messages); i++) {
		if (content_message(content, json_array_get(messages, i), why) == -1)
			return -1;
	}
	return 0;
}

/* "start", "end" within the part a place lies in, and which part when there are several. */
static void
write_place(struct buffer *out, const struct content *content, size_t start, size_t end)
{
	size_t part = content->count > 0 ? content->count - 1 : 0;

	while (part > 0 && content->start[part] > start)
		part--;
	buffer_printf(out, "\"start\":%zu,\"end\":%zu", start - content->start[part],
	              end - content->start[part]);
	if (content->messages)
		buffer_printf(out, ",\"part\":%zu", part);
}

static void
write_domains(struct buffer *out, const struct content *content, const struct detection *detection)
{
	bool done[DOMAIN_KINDS] = {false}, first = true;

	for (size_t i = 0; i < detection->signal_count; i++) { /* strongest first */
		const struct signal *signal = &detection->signals[i];
		bool more = false;

		if (done[signal->domain])
			continue;
		done[signal->domain] = true;
		buffer_printf(out, "%s{\"domain\":\"%s\",\"score\":%u.%03u,\"evidence\":[", first ? "" : ",",
		              domain_name(signal->domain), signal->score / 1000u, signal->score % 1000u);
		first = false;
		for (size_t k = i; k < detection->signal_count; k++) {
			if (detection->signals[k].domain != signal->domain)
				continue;
			buffer_string(out, more ? ",{" : "{");
			write_place(out, content, detection->signals[k].start, detection->signals[k].end);
			buffer_printf(out, ",\"rule\":\"%s\"}", detection->signals[k].rule);
			more = true;
		}
		buffer_string(out, "]}");
	}
}

static void
write_findings(struct buffer *out, const struct content *content, const struct detection *detection)
{
	bool first = true;

	for (size_t i = 0; i < detection->finding_count; i++) {
		const struct finding *finding = &detection->findings[i];

		if (finding->confidence < FINDING_CONFIDENT)
			continue;
		buffer_printf(out, "%s{\"kind\":\"%s\",", first ? "" : ",", identifier_name(finding->kind));
		write_place(out, content, finding->start, finding->end);
		buffer_printf(out, ",\"confidence\":%u.%03u}", finding->confidence / 1000u,
		              finding->confidence % 1000u);
		first = false;
	}
}

/* One line; its answer or its error goes to state->out. */
static void
classify_line(struct classifying *state, struct slice text, size_t number)
{
	struct detection detection;
	struct fault why = {0};
	json_t *line = json_read(text, LINE_LIMIT, JSON_DEPTH_LIMIT, &why);
	const json_t *id = json_object_get(line, "id");
	struct buffer *out = &state->out;

	buffer_reset(out);
	arena_reset(state->arena);
	buffer_string(out, "{\"id\":");
	if (json_is_string(id))
		json_quote(out, slice_of(json_string_value(id), json_string_length(id)));
	else if (json_is_integer(id))
		buffer_printf(out, "%lld", (long long)json_integer_value(id));
	else
		buffer_string(out, "null");
	if (line == NULL)
		goto refused;
	if (!json_is_object(line) || (!json_is_string(id) && !json_is_integer(id))) {
		fault_set(&why, FAULT_INVALID, "\"id\"가 있는 JSON 객체여야 합니다",
		          "must be a JSON object with an \"id\"");
		goto refused;
	}
	if (content_read(&state->content, line, &why) == -1 ||
	    detector_scan(state->detector, buffer_view(&state->content.text), 0, state->arena, &detection,
	                  &why) == -1)
		goto refused;
	buffer_printf(out, ",\"high_impact\":%s,\"domains\":[", detection.high_impact ? "true" : "false");
	write_domains(out, &state->content, &detection);
	buffer_string(out, "],\"pii\":[");
	write_findings(out, &state->content, &detection);
	buffer_string(out, "]}\n");
	json_decref(line);
	return;
refused:
	fault_prefix(&why, "%zu째 줄", "line %zu", number);
	fault_print(stderr, "haechi classify", &why);
	buffer_printf(out, ",\"line\":%zu,\"error\":{\"ko\":", number);
	json_quote(out, slice_string(why.ko));
	buffer_string(out, ",\"en\":");
	json_quote(out, slice_string(why.en));
	buffer_string(out, "}}\n");
	state->bad = true;
	json_decref(line);
}

/* Bytes up to the next line feed; over-long lines are read to their end, but only their head is kept. */
static bool
read_line(FILE *from, struct buffer *line, bool *too_long)
{
	bool any = false;
	int byte;

	buffer_reset(line);
	*too_long = false;
	flockfile(from);
	while ((byte = getc_unlocked(from)) != EOF) {
		any = true;
		if (byte == '\n')
			break;
		if (line->size < LINE_LIMIT)
			buffer_byte(line, (uint8_t)byte);
		else
			*too_long = true;
	}
	funlockfile(from);
	return any;
}

static int
classify_file(struct classifying *state, FILE *from, bool stream)
{
	struct buffer line;
	size_t number = 0;
	bool too_long;
	int result = 0;

	buffer_init(&line, LINE_LIMIT);
	while (read_line(from, &line, &too_long)) {
		struct slice text = buffer_view(&line);

		number++;
		while (text.size > 0 && (text.data[text.size - 1] == '\r' || text.data[text.size - 1] == ' '))
			text.size--;
		if (text.size == 0)
			continue;
		if (too_long)
			text.size = 0; /* refused below, with its number */
		classify_line(state, text, number);
		if (fwrite(state->out.data, 1, state->out.size, stdout) != state->out.size ||
		    (stream && fflush(stdout) != 0)) {
			result = -1;
			break;
		}
	}
	buffer_free(&line);
	return result;
}

static void
usage(FILE *to)
{
	fputs("사용법: haechi classify [--stream] [파일]   표준 입력이나 파일의 JSON 줄을 읽습니다\n"
	      "usage:  haechi classify [--stream] [FILE]  reads JSON lines from FILE or standard input\n\n"
	      "  {\"id\":\"1\",\"text\":\"...\"}  또는/or  "
	      "{\"id\":\"1\",\"messages\":[{\"role\":\"user\",\"content\":\"...\"}]}\n\n"
	      "  --stream  줄마다 바로 내보냅니다 / write each answer at once\n",
	      to);
}

int
command_classify(int argc, char **argv)
{
	struct classifying *state = calloc(1, sizeof *state);
	struct fault why = {0};
	const char *path = "-";
	FILE *from = NULL;
	bool stream = false;
	int status = EXIT_USAGE;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--stream") == 0) {
			stream = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			continue; /* it never prints anything else */
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			status = EXIT_GOOD;
			goto out;
		} else if (argv[i][0] == '-' && argv[i][1] != '\0') {
			usage(stderr);
			goto out;
		} else {
			path = argv[i];
		}
	}
	if (state == NULL || (state->arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(&why);
		goto failed;
	}
	buffer_init(&state->content.text, (size_t)1 << 20);
	buffer_init(&state->out, OUTPUT_LIMIT);
	if (detector_open(&state->detector, &why) == -1)
		goto failed;
	from = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	if (from == NULL) {
		fault_errno(&why, "%s", "%s", path);
		goto failed;
	}
	if (classify_file(state, from, stream) == -1 || fflush(stdout) != 0) {
		fault_errno(&why, "표준 출력", "standard output");
		goto failed;
	}
	status = state->bad ? EXIT_USAGE : EXIT_GOOD;
	goto out;
failed:
	fault_print(stderr, "haechi classify", &why);
out:
	if (from != NULL && from != stdin)
		fclose(from);
	if (state != NULL) {
		detector_close(state->detector);
		arena_free(state->arena);
		buffer_free(&state->content.text);
		buffer_free(&state->out);
	}
	free(state);
	return status;
}
