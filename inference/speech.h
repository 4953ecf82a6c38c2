/*
 * speech -- tokens to text as it streams: whole characters only, and nothing that may turn out to be a stop string.
 *
 * A Hangul syllable is three bytes and often two tokens: bytes wait until their character is whole. Text that could
 * be the beginning of a stop string waits until it is not.
 */
#ifndef HAECHI_INFERENCE_SPEECH_H
#define HAECHI_INFERENCE_SPEECH_H

#include "schema/base/bytes.h"

#define SPEECH_STOPS_LIMIT 16
#define SPEECH_STOP_SIZE   512

struct speech {
	struct buffer bytes;                    /* not yet a whole character */
	struct buffer held;                     /* whole characters, held back for the stop strings */
	struct slice stops[SPEECH_STOPS_LIMIT]; /* borrowed */
	size_t stop_count, longest;
	bool stopped, trim; /* trim: drop one space at the very beginning */
};

void speech_init(struct speech *speech, const struct slice *stops, size_t count, bool trim);
void speech_free(struct speech *speech);
/* One token's bytes; what may be said now is appended to `out`. true: a stop string came, and nothing more will. */
bool speech_add(struct speech *speech, struct slice bytes, struct buffer *out);
/*
 * No more tokens: what was held back is said, and half characters as U+FFFD; but an answer that was cut off (`cut`)
 * simply ends before the character that it could not finish.
 */
void speech_end(struct speech *speech, bool cut, struct buffer *out);

#endif
