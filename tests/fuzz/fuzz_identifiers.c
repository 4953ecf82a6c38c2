/* Findings lie in the text, ascending and apart; masking an answer piece by piece loses and leaks nothing whole. */
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define PIECES_MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct detector *detector;
static struct arena *arena;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t masked[IDENTIFIER_KINDS] = {0}, kinds = (1u << IDENTIFIER_KINDS) - 1;
	struct detection detection;
	struct redactor *redactor;
	struct buffer out;
	struct fault why;
	size_t before = 0, step;

	if (detector == NULL &&
	    ((arena = arena_new((size_t)64 << 20)) == NULL || detector_open(&detector, &why) == -1))
		abort();
	arena_reset(arena);
	if (size == 0 || size > 1 << 16)
		return 0;
	if (detector_scan(detector, slice_of(data, size), 0, arena, &detection, &why) == -1)
		abort();
	for (size_t i = 0; i < detection.finding_count; i++) {
		const struct finding *finding = &detection.findings[i];

		if (finding->start >= finding->end || finding->end > size || finding->start < before ||
		    finding->confidence > 1000)
			abort();
		before = finding->end;
	}
	step = data[0] % 40 +
	       1u; /* each piece costs a look at all that is held: a long text comes in longer ones */
	step = step < size / PIECES_MOST ? size / PIECES_MOST : step;
	buffer_init(&out, (size_t)4 << 20);
	if (redactor_open(&redactor, detector, kinds, &why) == -1)
		abort();
	for (size_t at = 0; at < size; at += step) {
		size_t now = size - at < step ? size - at : step;

		if (redactor_write(redactor, slice_of(data + at, now), at + now == size, &out, masked,
		                   &why) == -1)
			abort();
	}
	before = 0;
	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		before += masked[kind];
	if (before == 0 && (out.size != size || memcmp(out.data, data, size) != 0))
		abort();
	redactor_close(redactor);
	buffer_free(&out);
	return 0;
}
