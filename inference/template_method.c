#define _GNU_SOURCE /* memmem */
/* template_method -- methods of strings and maps as Python has them, and the string work filters share with them. */
#include <string.h>
#include <utf8proc.h>

#include "inference/template_inside.h"

bool
code_is_space(uint32_t code)
{
	return (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x20) || code == 0x85 || code == 0xa0 ||
	       code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	       code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool
strips(uint32_t code, const struct text *characters)
{
	uint8_t bytes[4];
	size_t size;

	if (characters == NULL)
		return code_is_space(code);
	size = utf8_put(bytes, code);
	return size > 0 && characters->size >= size &&
	       memmem(characters->data, characters->size, bytes, size) != NULL;
}

struct text
text_strip(struct text text, enum strip sides, const struct text *characters)
{
	size_t start = 0, end = text.size;
	uint32_t code;

	while ((sides & STRIP_LEFT) && start < end) {
		size_t step = utf8_next(slice_of(text.data + start, end - start), &code);

		if (step == 0 || !strips(code, characters))
			break;
		start += step;
	}
	while ((sides & STRIP_RIGHT) && end > start) {
		size_t at = end - 1;

		while (at > start && (text.data[at] & 0xc0) == 0x80)
			at--;
		if (utf8_next(slice_of(text.data + at, end - at), &code) == 0 || !strips(code, characters))
			break;
		end = at;
	}
	return text_part(text, start, end);
}

static bool
is_word(uint32_t code)
{
	switch (utf8proc_category((utf8proc_int32_t)code)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
		return true;
	default:
		return false;
	}
}

/* Upper, lower, title (each word), capitalize (the first letter): letter by letter. */
int
text_case(struct run *run, struct text text, char how, struct value *out)
{
	struct writer writer;
	bool inside = false;

	if (run_work(run, text.size * 8) == -1)
		return -1;
	writer_init(&writer);
	for (size_t at = 0; at < text.size;) {
		uint32_t code;
		size_t step = utf8_next(slice_of(text.data + at, text.size - at), &code);
		struct text part = text_part(text, at, at + (step > 0 ? step : 1));
		uint8_t bytes[4];
		bool up = how == 'u' || (how == 't' && !inside) || (how == 'c' && at == 0);
		uint8_t mark = part.origin == ORIGIN_MIXED ? part.marks[0] : part.origin == ORIGIN_THEIRS;

		if (step > 0) {
			inside = is_word(code);
			code = (uint32_t)(up ? utf8proc_toupper((utf8proc_int32_t)code)
			                     : utf8proc_tolower((utf8proc_int32_t)code));
			part.size = utf8_put(bytes, code);
			part.data = bytes;
			part.origin = mark ? ORIGIN_THEIRS : ORIGIN_OURS;
		}
		writer_text(&writer, part);
		at += step > 0 ? step : 1;
	}
	return writer_value(run, &writer, out);
}

int
text_replace(struct run *run, struct text text, struct text old, struct text new, int64_t most,
             struct value *out)
{
	struct writer writer;
	size_t at = 0;

	if (old.size == 0) /* Python puts it between all characters; nobody means that */
		return run_wrong(run, "빈 문자열은 바꿀 수 없습니다", "an empty string cannot be replaced");
	writer_init(&writer);
	while (most != 0 && text.size - at >= old.size) {
		const uint8_t *found = memmem(text.data + at, text.size - at, old.data, old.size);

		if (found == NULL)
			break;
		writer_text(&writer, text_part(text, at, (size_t)(found - text.data)));
		writer_text(&writer, new);
		at = (size_t)(found - text.data) + old.size;
		most -= most > 0;
		if (run_work(run, 64 + new.size) == -1) {
			writer_free(&writer);
			return -1;
		}
	}
	writer_text(&writer, text_part(text, at, text.size));
	return writer_value(run, &writer, out);
}

/* ---- splitting -------------------------------------------------------------------------------------------------- */

struct pieces {
	struct run *run;
	struct value *items;
	size_t count, capacity;
};

static int
add_piece(struct pieces *pieces, struct text text)
{
	if (pieces->count == pieces->capacity) {
		size_t capacity = pieces->capacity * 2 + 16;
		struct value *items = arena_array(pieces->run->arena, capacity, sizeof *items);

		if (items == NULL)
			return run_memory(pieces->run);
		if (pieces->count > 0)
			memcpy(items, pieces->items, pieces->count * sizeof *items);
		pieces->items = items;
		pieces->capacity = capacity;
	}
	pieces->items[pieces->count++] = value_text(text);
	return run_work(pieces->run, 32);
}

static int
finish_pieces(struct pieces *pieces, struct value *out)
{
	struct list *list = list_new(pieces->run, pieces->count);

	if (list == NULL)
		return -1;
	if (pieces->count > 0)
		memcpy(list->items, pieces->items, pieces->count * sizeof *list->items);
	*out = (struct value){.kind = VALUE_LIST, .list = list};
	return 0;
}

/* At white space: runs of it are one, none at the ends. */
static int
split_words(struct pieces *pieces, struct text text, int64_t most)
{
	size_t at = 0;

	for (;;) {
		struct text rest = text_strip(text_part(text, at, text.size), STRIP_LEFT, NULL);
		size_t end = 0;
		uint32_t code;

		if (rest.size == 0)
			return 0;
		if (most >= 0 && (int64_t)pieces->count == most)
			return add_piece(pieces, rest);
		while (end < rest.size) {
			size_t step = utf8_next(slice_of(rest.data + end, rest.size - end), &code);

			if (step > 0 && code_is_space(code))
				break;
			end += step > 0 ? step : 1;
		}
		if (add_piece(pieces, text_part(rest, 0, end)) == -1)
			return -1;
		at = text.size - rest.size + end;
	}
}

static int
split_text(struct run *run, struct text text, const struct value *separator, int64_t most, bool right,
           struct value *out)
{
	struct pieces pieces = {.run = run};
	struct text by;
	size_t start = 0, end = text.size;

	if (run_work(run, text.size) == -1)
		return -1;
	if (separator == NULL || separator->kind == VALUE_NONE)
		return split_words(&pieces, text, most) == -1 ? -1 : finish_pieces(&pieces, out);
	if (separator->kind != VALUE_TEXT || separator->text.size == 0)
		return run_wrong(run, "split의 구분자가 올바르지 않습니다",
		                 "split() was given a bad separator");
	by = separator->text;
	if (right && most >= 0) { /* from the right: gathered backwards, then turned */
		for (; most > 0 && end >= by.size; most--) {
			size_t at = end - by.size;

			while (at > 0 && memcmp(text.data + at, by.data, by.size) != 0)
				at--;
			if (memcmp(text.data + at, by.data, by.size) != 0)
				break;
			if (add_piece(&pieces, text_part(text, at + by.size, end)) == -1)
				return -1;
			end = at;
		}
		if (add_piece(&pieces, text_part(text, 0, end)) == -1)
			return -1;
		for (size_t i = 0; i < pieces.count / 2; i++) {
			struct value other = pieces.items[i];

			pieces.items[i] = pieces.items[pieces.count - 1 - i];
			pieces.items[pieces.count - 1 - i] = other;
		}
		return finish_pieces(&pieces, out);
	}
	while (most != 0 && text.size - start >= by.size) {
		const uint8_t *found = memmem(text.data + start, text.size - start, by.data, by.size);

		if (found == NULL)
			break;
		if (add_piece(&pieces, text_part(text, start, (size_t)(found - text.data))) == -1)
			return -1;
		start = (size_t)(found - text.data) + by.size;
		most -= most > 0;
	}
	return add_piece(&pieces, text_part(text, start, text.size)) == -1 ? -1 : finish_pieces(&pieces, out);
}

static int
split_lines(struct run *run, struct text text, bool keep, struct value *out)
{
	struct pieces pieces = {.run = run};
	size_t start = 0;

	for (size_t i = 0; i < text.size; i++) {
		size_t size = text.data[i] == '\r' && i + 1 < text.size && text.data[i + 1] == '\n' ? 2 : 1;

		if (text.data[i] != '\n' && text.data[i] != '\r')
			continue;
		if (add_piece(&pieces, text_part(text, start, keep ? i + size : i)) == -1)
			return -1;
		i += size - 1;
		start = i + 1;
	}
	if (start < text.size && add_piece(&pieces, text_part(text, start, text.size)) == -1)
		return -1;
	return finish_pieces(&pieces, out);
}

/* ---- methods ---------------------------------------------------------------------------------------------------- */

static bool
edge_is(struct text text, struct text part, bool end)
{
	return text.size >= part.size &&
	       (part.size == 0 ||
	        memcmp(end ? text.data + text.size - part.size : text.data, part.data, part.size) == 0);
}

/* One string or a tuple of them at the beginning or the end. */
static int
has_edge(struct run *run, struct text text, const struct value *what, bool end, struct value *out)
{
	bool found = false;

	if (what != NULL && what->kind == VALUE_LIST) {
		for (size_t i = 0; i < what->list->count; i++)
			found = found || (what->list->items[i].kind == VALUE_TEXT &&
			                  edge_is(text, what->list->items[i].text, end));
	} else if (what != NULL && what->kind == VALUE_TEXT) {
		found = edge_is(text, what->text, end);
	} else {
		return run_wrong(run, "startswith/endswith에는 문자열이 필요합니다",
		                 "startswith and endswith need a string");
	}
	*out = value_flag(found);
	return 0;
}

static int
all_of(struct run *run, struct text text, struct slice name, struct value *out)
{
	bool good = text.size > 0, cased = false;

	for (size_t at = 0; at < text.size && good;) {
		uint32_t code = 0;
		size_t step = utf8_next(slice_of(text.data + at, text.size - at), &code);
		utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
		bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
		bool digit = category == UTF8PROC_CATEGORY_ND;

		if (slice_is(name, "isdigit") || slice_is(name, "isdecimal") || slice_is(name, "isnumeric"))
			good = digit;
		else if (slice_is(name, "isalpha"))
			good = letter;
		else if (slice_is(name, "isalnum"))
			good = letter || digit;
		else if (slice_is(name, "isspace"))
			good = code_is_space(code);
		else if (slice_is(name, "isupper"))
			good = category != UTF8PROC_CATEGORY_LL && category != UTF8PROC_CATEGORY_LT;
		else
			good = category != UTF8PROC_CATEGORY_LU && category != UTF8PROC_CATEGORY_LT;
		cased = cased || category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL;
		at += step > 0 ? step : 1;
	}
	if (slice_is(name, "isupper") || slice_is(name, "islower"))
		good = good && cased;
	*out = value_flag(good);
	return run_work(run, text.size * 4);
}

static int
find_in(struct run *run, struct text text, const struct value *what, struct slice name, struct value *out)
{
	const uint8_t *found = NULL;
	int64_t count = 0;
	size_t at = 0;

	if (what == NULL || what->kind != VALUE_TEXT || (what->text.size == 0 && slice_is(name, "count")))
		return run_wrong(run, "'%.*s'에는 문자열이 필요합니다", "'%.*s' needs a string",
		                 SLICE_PRINT(name));
	if (slice_is(name, "count")) {
		while ((found = memmem(text.data + at, text.size - at, what->text.data, what->text.size)) !=
		       NULL) {
			count++;
			at = (size_t)(found - text.data) + what->text.size;
			if (text.size - at < what->text.size)
				break;
		}
		*out = value_integer(count);
		return run_work(run, text.size);
	}
	if (slice_is(name, "rfind")) {
		for (at = text.size + 1; at-- > 0 && found == NULL;)
			if (text.size - at >= what->text.size &&
			    memcmp(text.data + at, what->text.data, what->text.size) == 0)
				found = text.data + at;
	} else if (text.size >= what->text.size && text.size > 0) {
		found = memmem(text.data, text.size, what->text.data, what->text.size);
	}
	if (found == NULL && slice_is(name, "index"))
		return run_wrong(run, "찾는 문자열이 없습니다", "a substring was not found");
	*out = value_integer(
	    found == NULL ? -1 : (int64_t)text_length(text_part(text, 0, (size_t)(found - text.data))));
	return run_work(run, 2 * text.size);
}

static int
text_method(struct run *run, struct text text, struct slice name, const struct arguments *arguments,
            struct value *out, bool *known)
{
	const struct value *first = argument(arguments, 0, NULL), *second = argument(arguments, 1, NULL),
	                   *more;
	int64_t most = -1;

	if (slice_is(name, "strip") || slice_is(name, "lstrip") || slice_is(name, "rstrip")) {
		*out =
		    value_text(text_strip(text,
		                          slice_is(name, "strip")    ? STRIP_BOTH
		                          : slice_is(name, "lstrip") ? STRIP_LEFT
		                                                     : STRIP_RIGHT,
		                          first != NULL && first->kind == VALUE_TEXT ? &first->text : NULL));
		return run_work(run, text.size);
	}
	if (slice_is(name, "split") || slice_is(name, "rsplit")) {
		first = argument(arguments, 0, "sep");
		if ((more = argument(arguments, 1, "maxsplit")) != NULL && !value_whole(more, &most))
			return run_wrong(run, "split의 횟수가 올바르지 않습니다",
			                 "split() was given a bad count");
		return split_text(run, text, first, most, slice_is(name, "rsplit"), out);
	}
	if (slice_is(name, "splitlines"))
		return split_lines(run, text, first != NULL && value_true(first), out);
	if (slice_is(name, "startswith") || slice_is(name, "endswith"))
		return has_edge(run, text, first, slice_is(name, "endswith"), out);
	if (slice_is(name, "upper"))
		return text_case(run, text, 'u', out);
	if (slice_is(name, "lower") || slice_is(name, "casefold"))
		return text_case(run, text, 'l', out);
	if (slice_is(name, "title"))
		return text_case(run, text, 't', out);
	if (slice_is(name, "capitalize"))
		return text_case(run, text, 'c', out);
	if (slice_is(name, "replace")) {
		if (first == NULL || second == NULL || first->kind != VALUE_TEXT ||
		    second->kind != VALUE_TEXT ||
		    ((more = argument(arguments, 2, "count")) != NULL && !value_whole(more, &most)))
			return run_wrong(run, "replace에는 문자열 둘이 필요합니다",
			                 "replace() needs two strings");
		return text_replace(run, text, first->text, second->text, most, out);
	}
	if (slice_is(name, "removeprefix") || slice_is(name, "removesuffix")) {
		bool end = slice_is(name, "removesuffix");

		if (first == NULL || first->kind != VALUE_TEXT)
			return run_wrong(run, "removeprefix에는 문자열이 필요합니다",
			                 "removeprefix() needs a string");
		*out = value_text(text);
		if (edge_is(text, first->text, end))
			*out = value_text(end ? text_part(text, 0, text.size - first->text.size)
			                      : text_part(text, first->text.size, text.size));
		return 0;
	}
	if (slice_is(name, "find") || slice_is(name, "rfind") || slice_is(name, "index") ||
	    slice_is(name, "count"))
		return find_in(run, text, first, name, out);
	if (slice_is(name, "join") && first != NULL) {
		const struct list *list;
		struct writer writer;

		if (value_list(run, first, &list) == -1)
			return -1;
		writer_init(&writer);
		for (size_t i = 0; i < list->count; i++) {
			if (i > 0)
				writer_text(&writer, text);
			if (write_value(run, &writer, &list->items[i]) == -1) {
				writer_free(&writer);
				return -1;
			}
		}
		return writer_value(run, &writer, out);
	}
	if (name.size > 5 && memcmp(name.data, "is", 2) == 0 &&
	    (slice_is(name, "isdigit") || slice_is(name, "isdecimal") || slice_is(name, "isnumeric") ||
	     slice_is(name, "isalpha") || slice_is(name, "isalnum") || slice_is(name, "isspace") ||
	     slice_is(name, "isupper") || slice_is(name, "islower")))
		return all_of(run, text, name, out);
	*known = false;
	return 0;
}

static int
map_method(struct run *run, const struct map *map, struct slice name, const struct arguments *arguments,
           struct value *out, bool *known)
{
	bool keys = slice_is(name, "keys"), values = slice_is(name, "values"),
	     items = slice_is(name, "items");
	struct list *list, *pair;

	if (slice_is(name, "get")) {
		const struct value *key = argument(arguments, 0, "key"),
		                   *other = argument(arguments, 1, "default");
		const struct value *found = key != NULL ? map_find(map, key) : NULL;

		*out = found != NULL ? *found : other != NULL ? *other : value_none();
		return run_work(run, map->count * 8);
	}
	if (slice_is(name, "copy")) {
		*out = (struct value){.kind = VALUE_MAP, .map = (struct map *)(uintptr_t)map};
		return 0;
	}
	if (!keys && !values && !items) {
		*known = false;
		return 0;
	}
	if ((list = list_new(run, map->count)) == NULL)
		return -1;
	for (size_t i = 0; i < map->count; i++) {
		if (!items) {
			list->items[i] = keys ? map->pairs[i].key : map->pairs[i].value;
			continue;
		}
		if ((pair = list_new(run, 2)) == NULL)
			return -1;
		pair->tuple = true;
		pair->items[0] = map->pairs[i].key;
		pair->items[1] = map->pairs[i].value;
		list->items[i] = (struct value){.kind = VALUE_LIST, .list = pair};
	}
	*out = (struct value){.kind = VALUE_LIST, .list = list};
	return 0;
}

static int
loop_method(struct run *run, struct loop *loop, struct slice name, const struct arguments *arguments,
            struct value *out, bool *known)
{
	if (slice_is(name, "cycle") && arguments->count > 0) {
		*out = arguments->list[loop->index % arguments->count];
		return 0;
	}
	if (slice_is(name, "changed") && arguments->count == 1) {
		*out = value_flag(!loop->asked || !value_equal(&loop->last, &arguments->list[0], 0));
		loop->last = arguments->list[0];
		loop->asked = true;
		return run_work(run, 64);
	}
	*known = false;
	return 0;
}

int
method_call(struct run *run, const struct value *value, struct slice name, const struct arguments *arguments,
            struct value *out, bool *known)
{
	*known = true;
	switch (value->kind) {
	case VALUE_TEXT:
		return text_method(run, value->text, name, arguments, out, known);
	case VALUE_MAP:
		return map_method(run, value->map, name, arguments, out, known);
	case VALUE_LOOP:
		return loop_method(run, value->loop, name, arguments, out, known);
	case VALUE_LIST:
		if (slice_is(name, "count") || slice_is(name, "index")) {
			const struct value *what = argument(arguments, 0, NULL);
			int64_t count = 0, first = -1;

			for (size_t i = 0; what != NULL && i < value->list->count; i++)
				if (value_equal(&value->list->items[i], what, 0)) {
					count++;
					first = first < 0 ? (int64_t)i : first;
				}
			if (slice_is(name, "index") && first < 0)
				return run_wrong(run, "목록에 그 값이 없습니다",
				                 "a value is not in the list");
			*out = value_integer(slice_is(name, "index") ? first : count);
			return run_work(run, value->list->count * 16);
		}
		break;
	default:
		break;
	}
	*known = false;
	return 0;
}
