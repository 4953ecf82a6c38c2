#include "inference/speech.h"

#include <string.h>

#define BYTES_LIMIT ((size_t)1 << 20) /* one token's bytes and three more */

void
speech_init(struct speech *speech, const struct slice *stops, size_t count, bool trim)
{
	memset(speech, 0, sizeof *speech);
	buffer_init(&speech->bytes, BYTES_LIMIT);
	buffer_init(&speech->held, BYTES_LIMIT);
	speech->trim = trim;
	for (size_t i = 0; i < count && i < SPEECH_STOPS_LIMIT; i++) {
		if (stops[i].size == 0)
			continue;
		speech->stops[speech->stop_count++] = stops[i];
		if (stops[i].size > speech->longest)
			speech->longest = stops[i].size;
	}
}

void
speech_free(struct speech *speech)
{
	buffer_free(&speech->bytes);
	buffer_free(&speech->held);
}

/* Bytes the lead promises when what follows is right so far and only more is missing; 0 when it is wrong already. */
static size_t
promised(struct slice bytes)
{
	uint8_t lead = bytes.data[0];
	size_t size = lead >= 0xc2 && lead <= 0xdf   ? 2
	              : (lead & 0xf0) == 0xe0        ? 3
	              : lead >= 0xf0 && lead <= 0xf4 ? 4
	                                             : 0;

	if (size == 0 || bytes.size >= size)
		return 0;
	for (size_t i = 1; i < bytes.size; i++)
		if ((bytes.data[i] & 0xc0) != 0x80)
			return 0;
	if (bytes.size > 1) {
		uint8_t second = bytes.data[1];

		if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
		    (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
			return 0;
	}
	return size;
}

/* Move whole characters from bytes to held. */
static void
gather(struct speech *speech, bool end)
{
	struct slice rest = buffer_view(&speech->bytes);
	size_t used = 0;

	while (used < rest.size) {
		struct slice at = slice_of(rest.data + used, rest.size - used);
		uint32_t code;
		size_t size = utf8_next(at, &code);

		if (size == 0 && !end && promised(at) != 0)
			break;
		if (size == 0) {
			buffer_append(&speech->held, "\xef\xbf\xbd", 3);
			/* A beginning that never came to its end is one mark, not one for each byte. */
			size = end && promised(at) != 0 ? at.size : 1;
		} else {
			buffer_append(&speech->held, at.data, size);
		}
		used += size;
	}
	buffer_consume(&speech->bytes, used);
	if (speech->trim && speech->held.size > 0) {
		if (speech->held.data[0] == ' ')
			buffer_consume(&speech->held, 1);
		speech->trim = false;
	}
}

/* How many bytes at the end of held are the beginning of a stop string. */
static size_t
suspicious(const struct speech *speech)
{
	size_t most = speech->longest - 1 < speech->held.size ? speech->longest - 1 : speech->held.size;

	for (size_t size = most; size > 0; size--)
		for (size_t i = 0; i < speech->stop_count; i++)
			if (speech->stops[i].size > size &&
			    memcmp(speech->held.data + speech->held.size - size, speech->stops[i].data,
			           size) == 0)
				return size;
	return 0;
}

bool
speech_add(struct speech *speech, struct slice bytes, struct buffer *out)
{
	size_t first = SIZE_MAX, ready;

	if (speech->stopped)
		return true;
	buffer_slice(&speech->bytes, bytes);
	gather(speech, false);
	if (speech->stop_count == 0) {
		buffer_slice(out, buffer_view(&speech->held));
		buffer_reset(&speech->held);
		return false;
	}
	for (size_t i = 0; i < speech->stop_count; i++) {
		struct slice stop = speech->stops[i];

		for (size_t at = 0; at + stop.size <= speech->held.size && at < first; at++)
			if (memcmp(speech->held.data + at, stop.data, stop.size) == 0)
				first = at;
	}
	if (first != SIZE_MAX) {
		buffer_append(out, speech->held.data, first);
		buffer_reset(&speech->held);
		speech->stopped = true;
		return true;
	}
	ready = speech->held.size - suspicious(speech);
	buffer_append(out, speech->held.data, ready);
	buffer_consume(&speech->held, ready);
	return false;
}

void
speech_end(struct speech *speech, bool cut, struct buffer *out)
{
	if (speech->stopped)
		return;
	gather(speech, !cut);
	buffer_slice(out, buffer_view(&speech->held));
	buffer_reset(&speech->held);
}
