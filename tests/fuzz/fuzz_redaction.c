/*
 * An answer with tokens in it, restored whole and in pieces: the same either way, and what is no token stays as it is. The first bytes
 * say how large the pieces are.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[REDACTION_KEY] = {7};
	enum redaction_mode modes[IDENTIFIER_KINDS];
	uint32_t restored[IDENTIFIER_KINDS] = {0}, again[IDENTIFIER_KINDS] = {0};
	struct buffer text, whole, parts;
	struct redaction *redaction;
	struct restorer restorer;
	struct fault why;
	size_t step;

	if (size < 2 || size > 4096 || sodium_init() < 0)
		return 0;
	step = (size_t)data[0] % 97 + 1;
	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++)
		modes[i] = (enum redaction_mode)((data[1] + i) % 3);
	if (redaction_open(&redaction, key, modes, &why) == -1)
		abort();
	buffer_init(&text, 1 << 20);
	buffer_init(&whole, 1 << 20);
	buffer_init(&parts, 1 << 20);
	/* Every '#' becomes a token of what stands behind it. */
	for (size_t i = 2; i < size; i++) {
		const size_t value = size - i - 1 < 12 ? size - i - 1 : 12;

		if (data[i] == '#')
			redaction_put(redaction, &text, (enum identifier_kind)(i % IDENTIFIER_KINDS),
			              slice_of(data + i + 1, value));
		else
			buffer_byte(&text, data[i]);
	}
	redaction_restore(redaction, buffer_view(&text), data[1] > 127, &whole, restored);
	restorer_init(&restorer, redaction, data[1] > 127);
	for (size_t at = 0; at < text.size; at += step) {
		const size_t now = text.size - at < step ? text.size - at : step;

		if (restorer_write(&restorer, slice_of(text.data + at, now), at + now == text.size, &parts,
		                   again, &why) == -1)
			abort();
	}
	if (parts.size != whole.size || (whole.size > 0 && memcmp(parts.data, whole.data, whole.size) != 0) ||
	    memcmp(restored, again, sizeof again) != 0)
		abort();
	restorer_end(&restorer);
	redaction_close(redaction);
	buffer_free(&text);
	buffer_free(&whole);
	buffer_free(&parts);
	return 0;
}
