#include "policy/detect/identifiers.h"
#include "policy/detect/normalise.h"
#include "policy/detect/passages.h"
#include "policy/detect/signals.h"

#include <stdlib.h>
#include <string.h>

/*
 * A long text is looked at window by window: memory stays what one window needs, and what a byte costs does not grow with
 * the text. Each window is read with a margin on either side, so that an identifier across a border and the words that
 * name it are seen whole; a finding belongs to the window in which it begins.
 */
#define WINDOW ((size_t)24 << 10)
#define MARGIN ((size_t)1 << 10)

struct detector {
	struct words *words;
	struct normal normal;
	struct scene scene;
	struct buffer decoded;    /* of the passage at hand */
	struct finding *findings; /* of the text so far; lent for one call, the arena gets a copy */
	size_t finding_count, finding_capacity;
};

int
detector_open(struct detector **out, struct fault *why)
{
	struct detector *detector = calloc(1, sizeof *detector);

	if (detector == NULL)
		return fault_memory(why);
	if (words_open(&detector->words, why) == -1) {
		free(detector);
		return -1;
	}
	buffer_init(&detector->decoded, PASSAGE_SIZE_LIMIT);
	*out = detector;
	return 0;
}

void
detector_close(struct detector *detector)
{
	if (detector == NULL)
		return;
	words_close(detector->words);
	normal_free(&detector->normal);
	scene_free(&detector->scene);
	buffer_wipe(&detector->decoded);
	free(detector->findings);
	free(detector);
}

static int
finding_add(struct detector *detector, const struct finding *finding, struct fault *why)
{
	if (detector->finding_count == detector->finding_capacity) {
		size_t capacity = detector->finding_capacity == 0 ? 64 : detector->finding_capacity * 2;
		struct finding *findings = realloc(detector->findings, capacity * sizeof *findings);

		if (findings == NULL)
			return fault_memory(why);
		detector->findings = findings;
		detector->finding_capacity = capacity;
	}
	detector->findings[detector->finding_count++] = *finding;
	return 0;
}

/* The first place of the normal text that does not lie before `original`. */
static size_t
normal_place(const struct normal *normal, size_t original)
{
	size_t low = 0, high = normal->size;

	while (low < high) {
		size_t middle = low + (high - low) / 2, start, end;

		normal_locate(normal, middle, middle + 1, &start, &end);
		if (start < original)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The bytes [from, to) of the text: normal text, words, identifiers and, when wanted, signals. */
static int
window_scan(struct detector *detector, struct slice text, size_t from, size_t to, uint32_t part, bool signals,
            struct arena *arena, struct detection *out, struct fault *why)
{
	struct scene *scene = &detector->scene;
	size_t begin = from > MARGIN ? from - MARGIN : 0,
	       end = text.size - to > MARGIN ? to + MARGIN : text.size;

	/* Half a character is no character. */
	while (begin > 0 && begin < from && (text.data[begin] & 0xC0) == 0x80)
		begin++;
	while (end < text.size && end > to && (text.data[end] & 0xC0) == 0x80)
		end--;
	if (normal_make(&detector->normal, slice_of(text.data + begin, end - begin), why) == -1)
		return -1;
	scene->text = slice_of(detector->normal.text, detector->normal.size);
	if (words_find(detector->words, scene->text, &scene->hits, &scene->hit_count, why) == -1 ||
	    identifiers_find(scene, why) == -1)
		return -1;
	for (size_t i = 0; i < scene->candidate_count; i++) {
		const struct candidate *candidate = &scene->candidates[i];
		struct finding finding = {
		    .kind = candidate->kind, .part = part, .confidence = candidate->confidence};

		normal_locate(&detector->normal, candidate->start, candidate->end, &finding.start,
		              &finding.end);
		finding.start += begin;
		finding.end += begin;
		if (finding.start >= from && finding.start < to &&
		    (detector->finding_count == 0 ||
		     detector->findings[detector->finding_count - 1].end <= finding.start) &&
		    finding_add(detector, &finding, why) == -1)
			return -1;
	}
	if (!signals)
		return 0;
	return signals_find(&detector->normal,
	                    begin == from ? 0 : normal_place(&detector->normal, from - begin),
	                    end == to ? detector->normal.size : normal_place(&detector->normal, to - begin),
	                    begin, scene->hits, scene->hit_count, arena, out, why);
}

/* Where a window ends: behind a line or a sentence when there is one in its last quarter, else behind a blank. */
static size_t
window_end(struct slice text, size_t from)
{
	size_t most = from + WINDOW, blank = 0;

	if (text.size - from <= WINDOW + WINDOW / 2)
		return text.size;
	for (size_t at = most; at > most - WINDOW / 4; at--) {
		uint8_t byte = text.data[at - 1];

		if (byte == '\n' || ((byte == '.' || byte == '?' || byte == '!') && text.data[at] == ' '))
			return at;
		if (byte == ' ' && blank == 0)
			blank = at;
	}
	if (blank != 0)
		return blank;
	while (most > from + 1 && (text.data[most] & 0xC0) == 0x80)
		most--;
	return most;
}

/* Findings and, when wanted, signals of a text, passages aside. */
static int
scan(struct detector *detector, struct slice text, uint32_t part, bool signals, struct arena *arena,
     struct detection *out, struct fault *why)
{
	size_t from = 0;

	*out = (struct detection){0};
	detector->finding_count = 0;
	if (text.size > NORMAL_SIZE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "한 글은 %zu바이트까지 살핍니다",
		                 "one text may have %zu bytes", NORMAL_SIZE_LIMIT);
	do {
		size_t to = window_end(text, from);

		if (window_scan(detector, text, from, to, part, signals, arena, out, why) == -1)
			return -1;
		from = to;
	} while (from < text.size);
	if (detector->finding_count == 0)
		return 0;
	out->findings = arena_array(arena, detector->finding_count, sizeof *out->findings);
	if (out->findings == NULL)
		return fault_memory(why);
	out->finding_count = detector->finding_count;
	memcpy(out->findings, detector->findings, out->finding_count * sizeof *out->findings);
	return 0;
}

/* Findings and signals of a decoded passage count where it stands in the text. */
static int
passage_merge(struct detection *out, struct detection *inner, size_t start, size_t end, struct arena *arena,
              struct fault *why)
{
	struct finding *findings;
	size_t at = 0;

	for (size_t i = 0; i < inner->signal_count; i++) {
		inner->signals[i].start = start;
		inner->signals[i].end = end;
	}
	/* The louder opinion stands: a decoy around a hidden demand must not hide it, nor the other way. */
	if (inner->signal_count > 0 &&
	    (out->signal_count == 0 || inner->signals[0].score > out->signals[0].score)) {
		out->signals = inner->signals;
		out->signal_count = inner->signal_count;
	}
	out->high_impact |= inner->high_impact;
	if (inner->finding_count == 0)
		return 0;
	findings = arena_array(arena, out->finding_count + inner->finding_count, sizeof *findings);
	if (findings == NULL)
		return fault_memory(why);
	/* What lay across the passage in the outer text was an accident of its letters. */
	while (at < out->finding_count && out->findings[at].end <= start)
		at++;
	if (at > 0)
		memcpy(findings, out->findings, at * sizeof *findings);
	/* One finding for the passage: it can only be masked whole; the most confident gives the kind. */
	findings[at] = inner->findings[0];
	for (size_t i = 1; i < inner->finding_count; i++) {
		if (inner->findings[i].confidence > findings[at].confidence)
			findings[at] = inner->findings[i];
	}
	findings[at].start = start;
	findings[at].end = end;
	inner->finding_count = at + 1;
	for (; at < out->finding_count; at++) {
		if (out->findings[at].start >= end)
			findings[inner->finding_count++] = out->findings[at];
	}
	out->findings = findings;
	out->finding_count = inner->finding_count;
	return 0;
}

static int
passages_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
              struct detection *out, struct fault *why)
{
	size_t at = 0, start, end;

	for (unsigned count = 0;
	     count < PASSAGES_LIMIT && passage_next(text, &at, &start, &end, &detector->decoded); count++) {
		struct detection inner;

		if (scan(detector, buffer_view(&detector->decoded), part, true, arena, &inner, why) == -1 ||
		    passage_merge(out, &inner, start, end, arena, why) == -1)
			return -1;
	}
	return 0;
}

int
detector_scan(struct detector *detector, struct slice text, uint32_t part, struct arena *arena,
              struct detection *out, struct fault *why)
{
	if (scan(detector, text, part, true, arena, out, why) == -1)
		return -1;
	return passages_scan(detector, text, part, arena, out, why);
}

int
detector_identify(struct detector *detector, struct slice text, struct arena *arena, struct detection *out,
                  struct fault *why)
{
	return scan(detector, text, 0, false, arena, out, why);
}
