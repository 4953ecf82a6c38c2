#include "gateway/sse.h"

#include <string.h>

void
sse_init(struct sse *sse, size_t event_limit)
{
	*sse = (struct sse){0};
	buffer_init(&sse->line, event_limit);
	buffer_init(&sse->data, event_limit);
}

void
sse_free(struct sse *sse)
{
	buffer_free(&sse->line);
	buffer_free(&sse->data);
}

static int
fail(struct sse *sse, struct fault *why)
{
	sse->failed = true;
	return fault_set(why, FAULT_UNAVAILABLE, "엔진의 이벤트 흐름을 읽을 수 없습니다",
	                 "the engine's event stream cannot be read");
}

/* One whole line: empty ends the event, "data:" adds to it, anything else is passed over. */
static int
take_line(struct sse *sse, struct slice line, sse_event *event, void *owner, struct fault *why)
{
	if (line.size == 0) {
		const bool any = sse->any;

		sse->any = false;
		if (any && event(owner, buffer_view(&sse->data), why) == -1) {
			sse->failed = true;
			return -1;
		}
		buffer_reset(&sse->data);
		return 0;
	}
	if (line.size < 4 || memcmp(line.data, "data", 4) != 0 || (line.size > 4 && line.data[4] != ':'))
		return 0;
	line.data += line.size > 4 ? 5 : 4;
	line.size -= line.size > 4 ? 5 : 4;
	if (line.size > 0 && line.data[0] == ' ') {
		line.data++;
		line.size--;
	}
	if (sse->any)
		buffer_byte(&sse->data, '\n');
	sse->any = true;
	buffer_slice(&sse->data, line);
	return buffer_ok(&sse->data) ? 0 : fail(sse, why);
}

int
sse_feed(struct sse *sse, struct slice bytes, sse_event *event, void *owner, struct fault *why)
{
	if (sse->failed || (bytes.size > 0 && memchr(bytes.data, '\0', bytes.size) != NULL))
		return fail(sse, why);
	while (bytes.size > 0) {
		size_t length = 0;

		/* The LF of a CRLF that was cut in two. */
		if (sse->after_cr) {
			sse->after_cr = false;
			if (bytes.data[0] == '\n') {
				bytes.data++;
				bytes.size--;
				continue;
			}
		}
		while (length < bytes.size && bytes.data[length] != '\n' && bytes.data[length] != '\r')
			length++;
		buffer_append(&sse->line, bytes.data, length);
		if (!buffer_ok(&sse->line))
			return fail(sse, why);
		if (length == bytes.size)
			return 0;
		sse->after_cr = bytes.data[length] == '\r';
		bytes.data += length + 1;
		bytes.size -= length + 1;
		if (!sse->begun && sse->line.size >= 3 && memcmp(sse->line.data, "\xEF\xBB\xBF", 3) == 0)
			buffer_consume(&sse->line, 3);
		sse->begun = true;
		if (take_line(sse, buffer_view(&sse->line), event, owner, why) == -1)
			return -1;
		buffer_reset(&sse->line);
	}
	return 0;
}

bool
sse_clean(const struct sse *sse)
{
	return !sse->failed && !sse->any && sse->line.size == 0;
}
