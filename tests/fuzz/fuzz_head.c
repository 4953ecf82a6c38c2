/*
 * Heads of requests: what is scanned in pieces is what is scanned at once, and what is let in keeps its promises.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hold(bool what)
{
	if (!what)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct head head;
	struct limits limits;
	struct head_scan whole = {0}, pieces = {0};
	enum refusal refusal, in_pieces = REFUSAL_NONE;
	size_t found, found_in_pieces = 0;

	limits_default(&limits);
	limits.line_size = 300;
	limits.head_size = 1000;
	limits.field_count = 10;
	found = head_scan(slice_of(data, size), &whole, &limits, &refusal);
	for (size_t at = 1; at <= size && found_in_pieces == 0 && in_pieces == REFUSAL_NONE; at++)
		found_in_pieces = head_scan(slice_of(data, at), &pieces, &limits, &in_pieces);
	hold(found == found_in_pieces);
	hold(found != 0 || refusal == in_pieces || refusal == REFUSAL_HEAD_LARGE ||
	     refusal == REFUSAL_TARGET_LONG || in_pieces == REFUSAL_HEAD_LARGE ||
	     in_pieces == REFUSAL_TARGET_LONG);
	if (found == 0 || head_read(&head, slice_of(data, found), &limits) != REFUSAL_NONE)
		return 0;
	hold(head.method != METHOD_NONE && head.target.size > 0 && head.target.data[0] == '/');
	hold(head.path_size >= 1 && head.path_size <= head.target.size);
	hold(head.field_count >= 1 && head.field_count <= limits.field_count);
	hold(head.length <= limits.body_size);
	hold(memchr(head.target.data, '\0', head.target.size) == NULL);
	for (size_t i = 0; i < head.field_count; i++) {
		const struct field *field = &head.fields[i];

		hold(field->name.size > 0);
		for (size_t b = 0; b < field->name.size; b++)
			hold(field->name.data[b] > ' ' && field->name.data[b] < 0x7f &&
			     field->name.data[b] != ':');
		for (size_t b = 0; b < field->value.size; b++)
			hold(field->value.data[b] == '\t' ||
			     (field->value.data[b] >= ' ' && field->value.data[b] != 0x7f));
	}
	return 0;
}
