#include "gateway/commands/classify_lines.h"

#include <stdlib.h>

#include "policy/policy.h"
#include "schema/base/json.h"

#define PARTS_LIMIT  4096
#define TEXT_LIMIT   ((size_t)1 << 20)
#define ARENA_LIMIT  ((size_t)64 << 20)
#define OUTPUT_LIMIT ((size_t)64 << 20)

/* The texts of one line, put one behind the other. */
struct content {
	struct buffer text;
	size_t start[PARTS_LIMIT + 1]; /* of each part in `text` */
	size_t count;
	bool messages;
};

struct classifier {
	struct detector *detector;
	struct arena *arena;
	struct content content;
	struct buffer line, out;
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

/* The part a place begins in. */
static size_t
part_of(const struct content *content, size_t start)
{
	size_t part = content->count > 0 ? content->count - 1 : 0;

	while (part > 0 && content->start[part] > start)
		part--;
	return part;
}

/* "start", "end" within the part a place lies in, and which part when there are several. */
static void
write_place(struct buffer *out, const struct content *content, size_t start, size_t end)
{
	const size_t part = part_of(content, start);

	buffer_printf(out, "\"start\":%zu,\"end\":%zu", start - content->start[part],
	              end - content->start[part]);
	if (content->messages)
		buffer_printf(out, ",\"part\":%zu", part);
}

/* What supports a domain may reach over several parts: a place in each of them. */
static void
write_evidence(struct buffer *out, const struct content *content, const struct signal *signal, bool *more)
{
	size_t start = signal->start;

	for (size_t part = part_of(content, start); start < signal->end; part++) {
		const bool last = part + 1 >= content->count;
		const size_t next = last ? signal->end : content->start[part + 1];
		const size_t rest = last ? next : next - 1; /* without the line feed that joins parts */
		const size_t end = rest < signal->end ? rest : signal->end;

		if (end > start) {
			buffer_string(out, *more ? ",{" : "{");
			write_place(out, content, start, end);
			buffer_printf(out, ",\"rule\":\"%s\"}", signal->rule);
			*more = true;
		}
		start = next;
	}
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
			write_evidence(out, content, &detection->signals[k], &more);
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

int
classifier_open(struct classifier **out, struct fault *why)
{
	struct classifier *classifier = calloc(1, sizeof *classifier);

	if (classifier == NULL)
		return fault_memory(why);
	buffer_init(&classifier->content.text, TEXT_LIMIT);
	buffer_init(&classifier->line, CLASSIFY_LINE_LIMIT);
	buffer_init(&classifier->out, OUTPUT_LIMIT);
	if ((classifier->arena = arena_new(ARENA_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (detector_open(&classifier->detector, why) == -1)
		goto out;
	*out = classifier;
	return 0;
out:
	classifier_close(classifier);
	return -1;
}

void
classifier_close(struct classifier *classifier)
{
	if (classifier == NULL)
		return;
	detector_close(classifier->detector);
	arena_free(classifier->arena);
	buffer_free(&classifier->content.text);
	buffer_free(&classifier->line);
	buffer_free(&classifier->out);
	free(classifier);
}

bool
classifier_read(struct classifier *classifier, FILE *from, struct slice *line, bool *too_long)
{
	bool any = false;
	int byte;

	buffer_reset(&classifier->line);
	*too_long = false;
	flockfile(from);
	while ((byte = getc_unlocked(from)) != EOF) {
		any = true;
		if (byte == '\n')
			break;
		if (classifier->line.size < CLASSIFY_LINE_LIMIT)
			buffer_byte(&classifier->line, (uint8_t)byte);
		else
			*too_long = true;
	}
	funlockfile(from);
	*line = buffer_view(&classifier->line);
	if (*too_long)
		line->size = 0;
	return any;
}

static void
write_id(struct buffer *out, const json_t *id)
{
	buffer_string(out, "{\"id\":");
	if (id == NULL)
		buffer_string(out, "null");
	else
		json_write(out, id);
}

int
classifier_answer(struct classifier *classifier, struct slice text, bool too_long, size_t number,
                  struct slice *answer, struct fault *why)
{
	struct detection detection;
	struct buffer *out = &classifier->out;
	json_t *line = too_long ? NULL : json_read(text, CLASSIFY_LINE_LIMIT, JSON_DEPTH_LIMIT, why);
	const json_t *id = json_object_get(line, "id");
	int result = -1;

	if (too_long)
		fault_set(why, FAULT_TOO_LARGE, "줄이 8MiB를 넘습니다", "the line is longer than 8 MiB");

	buffer_reset(out);
	arena_reset(classifier->arena);
	write_id(out, id);
	if (line == NULL)
		goto out;
	if (id == NULL) {
		fault_set(why, FAULT_INVALID, "\"id\"가 있는 JSON 객체여야 합니다",
		          "must be a JSON object with an \"id\"");
		goto out;
	}
	if (content_read(&classifier->content, line, why) == -1 ||
	    detector_scan(classifier->detector, buffer_view(&classifier->content.text), 0, classifier->arena,
	                  &detection, why) == -1)
		goto out;
	buffer_printf(out, ",\"high_impact\":%s,\"domains\":[", detection.high_impact ? "true" : "false");
	write_domains(out, &classifier->content, &detection);
	buffer_string(out, "],\"pii\":[");
	write_findings(out, &classifier->content, &detection);
	buffer_string(out, "]}\n");
	if (!buffer_ok(out)) {
		fault_set(why, FAULT_TOO_LARGE, "답이 너무 깁니다", "the answer is too long");
		buffer_reset(out);
		write_id(out, id);
		goto out;
	}
	result = 0;
out:
	if (result == -1) {
		fault_prefix(why, "%zu째 줄", "line %zu", number);
		buffer_printf(out, ",\"line\":%zu,\"error\":{\"ko\":", number);
		json_quote(out, slice_string(why->ko));
		buffer_string(out, ",\"en\":");
		json_quote(out, slice_string(why->en));
		buffer_string(out, "}}\n");
	}
	json_decref(line);
	*answer = buffer_view(out);
	return result;
}
