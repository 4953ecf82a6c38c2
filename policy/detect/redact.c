/* Masking identifiers: in a text that is whole, and in one that is still coming. */
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

void
detection_redact(struct buffer *out, struct slice text, const struct finding *findings, size_t count,
                 uint32_t kinds)
{
	detection_mask(out, text, findings, count, kinds, NULL);
}

void
detection_mask(struct buffer *out, struct slice text, const struct finding *findings, size_t count,
               uint32_t kinds, struct redaction *redaction)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const struct finding *finding = &findings[i];

		if (finding->confidence < FINDING_CONFIDENT || (kinds >> finding->kind & 1) == 0 ||
		    finding->start < at || finding->end > text.size)
			continue;
		buffer_append(out, text.data + at, finding->start - at);
		redaction_put(redaction, out, finding->kind,
		              slice_of(text.data + finding->start, finding->end - finding->start));
		at = finding->end;
	}
	buffer_append(out, text.data + at, text.size - at);
}

/* ---- a text that is still coming --------------------------------------------------------------------------------- */

#define REDACTOR_CONTEXT 400 /* bytes already let go that are kept: what names a number stands before it */
#define REDACTOR_HOLD    320 /* bytes held back at most: an address is the longest identifier */
#define REDACTOR_PENDING ((size_t)1 << 18)
#define REDACTOR_ARENA   ((size_t)8 << 20)

struct redactor {
	struct detector *detector;   /* borrowed */
	struct redaction *redaction; /* borrowed; NULL: titles */
	uint32_t kinds;
	struct arena *arena;
	struct buffer held; /* context, then what has not been let go */
	size_t gone;        /* bytes of `held` that are context */
};

int
redactor_open(struct redactor **out, struct detector *detector, uint32_t kinds, struct fault *why)
{
	struct redactor *redactor = calloc(1, sizeof *redactor);

	if (redactor == NULL || (redactor->arena = arena_new(REDACTOR_ARENA)) == NULL) {
		free(redactor);
		return fault_memory(why);
	}
	redactor->detector = detector;
	redactor->kinds = kinds;
	buffer_init(&redactor->held, REDACTOR_CONTEXT + REDACTOR_HOLD + REDACTOR_PENDING);
	*out = redactor;
	return 0;
}

void
redactor_use(struct redactor *redactor, struct redaction *redaction)
{
	redactor->redaction = redaction;
}

void
redactor_close(struct redactor *redactor)
{
	if (redactor == NULL)
		return;
	buffer_wipe(&redactor->held);
	arena_free(redactor->arena);
	free(redactor);
}

static bool
is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/*
 * How far text may be let go: everything that could still become part of an identifier stays. Digits with what links
 * them, a word of Latin letters (mail, passport), one syllable behind a digit (vehicle), bytes that are no plain text
 * (they may be digits in disguise), and, when addresses are masked, the line since a place was named.
 */
static size_t
hold_from(const struct redactor *redactor, struct slice text)
{
	size_t least =
	    text.size > redactor->gone + REDACTOR_HOLD ? text.size - REDACTOR_HOLD : redactor->gone;
	size_t at = text.size;

	while (at > least) {
		uint8_t byte = text.data[at - 1];

		if (byte == '\n')
			break;
		if (is_blank(byte)) { /* a blank holds on only to digits, or a short way within an address */
			size_t before = at - 1;

			while (before > least && is_blank(text.data[before - 1]))
				before--;
			if (at - before > 4 || before == least)
				break;
			if (!(text.data[before - 1] >= '0' && text.data[before - 1] <= '9') &&
			    !(text.data[before - 1] < 0x80 &&
			      strchr("-./:)(+", text.data[before - 1]) != NULL)) {
				/* "12가 3456": a syllable with digits before it */
				if (!(before >= least + 4 && text.data[before - 3] >= 0xEA &&
				      text.data[before - 4] >= '0' && text.data[before - 4] <= '9'))
					break;
			}
			at = before;
			continue;
		}
		if (byte >= 0x80) {
			size_t head = at - 1;

			while (head > least && (text.data[head] & 0xC0) == 0x80)
				head--;
			/* A plain Korean syllable ends what could grow, unless digits stand before it. */
			if (text.data[head] >= 0xEA && text.data[head] <= 0xED && at - head == 3 &&
			    !(head > least && text.data[head - 1] >= '0' && text.data[head - 1] <= '9'))
				break;
			at = head;
			continue;
		}
		at--;
	}
	return at;
}

/* Does a syllable that ends the name of a place, or a province, stand at `at`? */
static bool
place_at(struct slice text, size_t at)
{
	static const char ends[] = "시도구군로길동읍면리",
	                  provinces[] =
	                      "서울부산대구인천광주대전울산세종경기강원충북충남전북전남경북경남제주";
	bool end = text.size - at >= 4 && text.data[at + 3] == ' ';

	if (text.data[at] < 0xEA || text.data[at] > 0xED)
		return false;
	for (size_t i = 0; end && i + 3 < sizeof ends; i += 3) {
		if (memcmp(text.data + at, ends + i, 3) == 0)
			return true;
	}
	for (size_t i = 0; text.size - at >= 6 && i + 6 < sizeof provinces; i += 6) {
		if (memcmp(text.data + at, provinces + i, 6) == 0)
			return true;
	}
	return false;
}

/* Where an address may have begun that has not found its end: behind the last place name of the last line. */
static size_t
hold_address(const struct redactor *redactor, struct slice text, size_t from)
{
	size_t least =
	    text.size > redactor->gone + REDACTOR_HOLD / 2 ? text.size - REDACTOR_HOLD / 2 : redactor->gone;
	size_t first = from;

	if ((redactor->kinds >> IDENTIFIER_ADDRESS & 1) == 0 || from < least)
		return from;
	while (least < text.size && (text.data[least] & 0xC0) == 0x80)
		least++;
	while (first > least && !is_blank(text.data[first - 1]) && text.data[first - 1] != '\n')
		first--; /* the word under way may become a place */
	from = first;
	for (size_t at = least; at + 3 <= text.size; at++) {
		if (text.data[at] == '\n')
			first = from;
		else if (first == from && place_at(text, at))
			first = at;
	}
	/* The word that the place name ends begins before it. */
	while (first < from && first > redactor->gone && first > least && !is_blank(text.data[first - 1]) &&
	       text.data[first - 1] != '\n')
		first--;
	return first < from ? first : from;
}

int
redactor_write(struct redactor *redactor, struct slice text, bool last, struct buffer *out,
               uint32_t masked[IDENTIFIER_KINDS], struct fault *why)
{
	struct detection detection;
	struct slice all;
	size_t cut, at = redactor->gone;

	if (text.size > REDACTOR_PENDING)
		return fault_set(why, FAULT_TOO_LARGE, "답의 한 조각이 너무 큽니다",
		                 "one piece of an answer is too large");
	buffer_slice(&redactor->held, text);
	if (!buffer_ok(&redactor->held))
		return fault_memory(why);
	all = buffer_view(&redactor->held);
	arena_reset(redactor->arena);
	if (detector_identify(redactor->detector, all, redactor->arena, &detection, why) == -1)
		return -1;
	cut = last ? all.size : hold_address(redactor, all, hold_from(redactor, all));
	for (size_t i = 0; i < detection.finding_count; i++) {
		const struct finding *finding = &detection.findings[i];

		if (finding->confidence < FINDING_CONFIDENT || (redactor->kinds >> finding->kind & 1) == 0 ||
		    finding->start < at || finding->start >= cut)
			continue;
		if (finding->end > cut) { /* not whole yet: all of it waits */
			cut = finding->start;
			break;
		}
		buffer_append(out, all.data + at, finding->start - at);
		redaction_put(redactor->redaction, out, finding->kind,
		              slice_of(all.data + finding->start, finding->end - finding->start));
		masked[finding->kind]++;
		at = finding->end;
	}
	if (cut > at) {
		buffer_append(out, all.data + at, cut - at);
		at = cut;
	}
	if (!buffer_ok(out))
		return fault_memory(why);
	redactor->gone = at;
	if (at > REDACTOR_CONTEXT) {
		size_t drop = at - REDACTOR_CONTEXT;

		while (drop < at && (all.data[drop] & 0xC0) == 0x80)
			drop++;
		buffer_consume(&redactor->held, drop);
		redactor->gone -= drop;
	}
	return 0;
}
