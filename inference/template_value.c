#define _GNU_SOURCE /* memmem */
/* template_value -- what values are: made, compared, looked into. Writing them is template_write.c's. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_inside.h"

#define COMPARE_DEPTH 64
#define JSON_DEPTH    64

struct value
value_undefined(const char *name)
{
	return (struct value){.kind = VALUE_UNDEFINED, .text = text_ours(slice_string(name))};
}

struct value
value_none(void)
{
	return (struct value){.kind = VALUE_NONE};
}

struct value
value_flag(bool flag)
{
	return (struct value){.kind = VALUE_BOOL, .flag = flag};
}

struct value
value_integer(int64_t integer)
{
	return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}

struct value
value_real(double real)
{
	return (struct value){.kind = VALUE_REAL, .real = real};
}

struct value
value_text(struct text text)
{
	return (struct value){.kind = VALUE_TEXT, .text = text};
}

struct value
value_ours(const char *text)
{
	return value_text(text_ours(slice_string(text)));
}

/* ---- strings ---------------------------------------------------------------------------------------------------- */

struct text
text_ours(struct slice slice)
{
	return (struct text){.data = slice.data, .size = slice.size, .origin = ORIGIN_OURS};
}

struct slice
text_slice(struct text text)
{
	return slice_of(text.data, text.size);
}

struct text
text_part(struct text text, size_t start, size_t end)
{
	struct text part = text;

	part.size = end - start;
	if (text.data != NULL)
		part.data = text.data + start;
	if (text.marks != NULL)
		part.marks = text.marks + start;
	return part;
}

size_t
text_length(struct text text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

/* Where the character `index` begins; the size where there are fewer. */
static size_t
text_offset(struct text text, size_t index)
{
	size_t at = 0;

	while (at < text.size) {
		if ((text.data[at] & 0xc0) != 0x80 && index-- == 0)
			return at;
		at++;
	}
	return at;
}

/* ---- containers ------------------------------------------------------------------------------------------------- */

struct list *
list_new(struct run *run, size_t count)
{
	struct list *list = arena_alloc(run->arena, sizeof *list);

	if (list == NULL || (list->items = arena_array(run->arena, count + 1, sizeof *list->items)) == NULL ||
	    run_work(run, count * 16) == -1) {
		if (list == NULL || list->items == NULL)
			run_memory(run);
		return NULL;
	}
	list->count = count;
	return list;
}

struct map *
map_new(struct run *run, size_t capacity)
{
	struct map *map = arena_alloc(run->arena, sizeof *map);

	if (map == NULL || (map->pairs = arena_array(run->arena, capacity + 4, sizeof *map->pairs)) == NULL) {
		run_memory(run);
		return NULL;
	}
	map->capacity = capacity + 4;
	return map;
}

const struct value *
map_get(const struct map *map, struct slice name)
{
	for (size_t i = 0; i < map->count; i++)
		if (map->pairs[i].key.kind == VALUE_TEXT &&
		    slice_equal(text_slice(map->pairs[i].key.text), name))
			return &map->pairs[i].value;
	return NULL;
}

const struct value *
map_find(const struct map *map, const struct value *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (value_equal(&map->pairs[i].key, key, 0))
			return &map->pairs[i].value;
	return NULL;
}

int
map_put(struct run *run, struct map *map, struct value key, struct value value)
{
	if (run_work(run, map->count * 8) == -1)
		return -1;
	for (size_t i = 0; i < map->count; i++)
		if (value_equal(&map->pairs[i].key, &key, 0)) {
			map->pairs[i].value = value;
			return 0;
		}
	if (map->count == map->capacity) {
		size_t capacity = map->capacity * 2;
		struct pair *pairs = arena_array(run->arena, capacity, sizeof *pairs);

		if (pairs == NULL)
			return run_memory(run);
		memcpy(pairs, map->pairs, map->count * sizeof *pairs);
		map->pairs = pairs;
		map->capacity = capacity;
	}
	map->pairs[map->count++] = (struct pair){key, value};
	return 0;
}

/* A message's role is one of these, and templates build control tokens of it: '[|' + message['role'] + '|]'. */
static bool
is_role(const char *name, const json_t *json)
{
	static const char *const roles[] = {"system", "user", "assistant", "tool", "developer", "function"};

	for (size_t i = 0; strcmp(name, "role") == 0 && i < sizeof roles / sizeof *roles; i++)
		if (strcmp(json_string_value(json), roles[i]) == 0)
			return true;
	return false;
}

static struct value
text_of_json(const char *data, size_t size, enum origin origin)
{
	return value_text((struct text){.data = (const uint8_t *)data, .size = size, .origin = origin});
}

/* Strings borrow from the JSON. */
int
value_of_json(struct run *run, const json_t *json, enum origin origin, unsigned depth, struct value *out)
{
	if (depth > JSON_DEPTH)
		return run_wrong(run, "값이 너무 깊습니다", "a value is nested too deeply");
	switch (json_typeof(json)) {
	case JSON_OBJECT: {
		struct map *map = map_new(run, json_object_size(json));
		void *at;

		if (map == NULL || run_work(run, json_object_size(json) * 16) == -1)
			return -1;
		for (at = json_object_iter((json_t *)(uintptr_t)json); at != NULL;
		     at = json_object_iter_next((json_t *)(uintptr_t)json, at)) {
			const char *name = json_object_iter_key(at);
			const json_t *value = json_object_iter_value(at);
			struct pair *pair = &map->pairs[map->count];
			enum origin from =
			    json_is_string(value) && is_role(name, value) ? ORIGIN_OURS : origin;

			pair->key = text_of_json(name, strlen(name), origin);
			if (value_of_json(run, value, from, depth + 1, &pair->value) == -1)
				return -1;
			map->count++;
		}
		*out = (struct value){.kind = VALUE_MAP, .map = map};
		return 0;
	}
	case JSON_ARRAY: {
		struct list *list = list_new(run, json_array_size(json));

		if (list == NULL)
			return -1;
		for (size_t i = 0; i < list->count; i++)
			if (value_of_json(run, json_array_get(json, i), origin, depth + 1, &list->items[i]) ==
			    -1)
				return -1;
		*out = (struct value){.kind = VALUE_LIST, .list = list};
		return 0;
	}
	case JSON_STRING:
		*out = text_of_json(json_string_value(json), json_string_length(json), origin);
		return 0;
	case JSON_INTEGER:
		*out = value_integer(json_integer_value(json));
		return 0;
	case JSON_REAL:
		*out = value_real(json_real_value(json));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		*out = value_flag(json_is_true(json));
		return 0;
	default:
		*out = value_none();
		return 0;
	}
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

const char *
value_kind_name(const struct value *value)
{
	static const char *const names[] = {
	    [VALUE_UNDEFINED] = "undefined", [VALUE_NONE] = "none",        [VALUE_BOOL] = "bool",
	    [VALUE_INTEGER] = "int",         [VALUE_REAL] = "float",       [VALUE_TEXT] = "str",
	    [VALUE_LIST] = "list",           [VALUE_MAP] = "dict",         [VALUE_LOOP] = "loop",
	    [VALUE_MACRO] = "macro",         [VALUE_BUILTIN] = "function",
	};

	return names[value->kind];
}

bool
value_true(const struct value *value)
{
	switch (value->kind) {
	case VALUE_UNDEFINED:
	case VALUE_NONE:
		return false;
	case VALUE_BOOL:
		return value->flag;
	case VALUE_INTEGER:
		return value->integer != 0;
	case VALUE_REAL:
		return value->real != 0.0;
	case VALUE_TEXT:
		return value->text.size > 0;
	case VALUE_LIST:
		return value->list->count > 0;
	case VALUE_MAP:
		return value->map->count > 0 || value->map->namespace;
	default:
		return true;
	}
}

bool
value_whole(const struct value *value, int64_t *out)
{
	if (value->kind != VALUE_INTEGER && value->kind != VALUE_BOOL)
		return false;
	*out = value->kind == VALUE_BOOL ? value->flag : value->integer;
	return true;
}

bool
value_number(const struct value *value, double *out)
{
	int64_t whole;

	if (value->kind == VALUE_REAL)
		*out = value->real;
	else if (value_whole(value, &whole))
		*out = (double)whole;
	else
		return false;
	return true;
}

bool
value_equal(const struct value *a, const struct value *b, unsigned depth)
{
	int64_t whole, other;
	double x, y;

	if (depth > COMPARE_DEPTH)
		return false;
	if (value_whole(a, &whole) && value_whole(b, &other))
		return whole == other;
	if (value_number(a, &x) && value_number(b, &y))
		return x == y;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case VALUE_UNDEFINED:
	case VALUE_NONE:
		return true;
	case VALUE_TEXT:
		return slice_equal(text_slice(a->text), text_slice(b->text));
	case VALUE_LIST:
		if (a->list->count != b->list->count || a->list->tuple != b->list->tuple)
			return false;
		for (size_t i = 0; i < a->list->count; i++)
			if (!value_equal(&a->list->items[i], &b->list->items[i], depth + 1))
				return false;
		return true;
	case VALUE_MAP:
		if (a->map == b->map)
			return true;
		if (a->map->count != b->map->count)
			return false;
		for (size_t i = 0; i < a->map->count; i++) {
			const struct value *found = map_find(b->map, &a->map->pairs[i].key);

			if (found == NULL || !value_equal(&a->map->pairs[i].value, found, depth + 1))
				return false;
		}
		return true;
	case VALUE_LOOP:
		return a->loop == b->loop;
	case VALUE_MACRO:
		return a->macro == b->macro;
	case VALUE_BUILTIN:
		return a->builtin == b->builtin;
	default:
		return false;
	}
}

int
value_compare(struct run *run, const struct value *a, const struct value *b, int *order)
{
	double x, y;

	if (run_work(run, a->kind == VALUE_TEXT ? a->text.size : 0) == -1)
		return -1;
	if (value_number(a, &x) && value_number(b, &y)) {
		*order = x < y ? -1 : x > y;
	} else if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT) {
		int found = slice_compare(text_slice(a->text), text_slice(b->text));

		*order = found < 0 ? -1 : found > 0;
	} else if (a->kind == VALUE_LIST && b->kind == VALUE_LIST && run->depth < JINJA_DEPTH_LIMIT) {
		*order = 0;
		run->depth++;
		for (size_t i = 0; *order == 0; i++) {
			if (i == a->list->count || i == b->list->count) {
				*order = (a->list->count > i) - (b->list->count > i);
				break;
			}
			if (value_compare(run, &a->list->items[i], &b->list->items[i], order) == -1)
				return -1;
		}
		run->depth--;
	} else {
		return run_wrong(run, "%s와(과) %s은(는) 크기를 견줄 수 없습니다",
		                 "%s and %s cannot be ordered", value_kind_name(a), value_kind_name(b));
	}
	return 0;
}

int
value_contains(struct run *run, const struct value *in, const struct value *what, bool *out)
{
	*out = false;
	switch (in->kind) {
	case VALUE_TEXT:
		if (what->kind != VALUE_TEXT)
			return run_wrong(run, "문자열 안에서 %s을(를) 찾을 수 없습니다",
			                 "%s cannot be in a string", value_kind_name(what));
		if (run_work(run, in->text.size) == -1)
			return -1;
		*out = what->text.size == 0 ||
		       (in->text.size >= what->text.size &&
		        memmem(in->text.data, in->text.size, what->text.data, what->text.size) != NULL);
		return 0;
	case VALUE_LIST:
		for (size_t i = 0; i < in->list->count && !*out; i++)
			*out = value_equal(&in->list->items[i], what, 0);
		return run_work(run, in->list->count * 16);
	case VALUE_MAP:
		*out = map_find(in->map, what) != NULL;
		return run_work(run, in->map->count * 16);
	case VALUE_UNDEFINED:
		return 0;
	default:
		return run_wrong(run, "%s 안에서는 찾을 수 없습니다", "nothing can be in %s",
		                 value_kind_name(in));
	}
}

int
value_length(struct run *run, const struct value *value, size_t *out)
{
	switch (value->kind) {
	case VALUE_TEXT:
		*out = text_length(value->text);
		return run_work(run, value->text.size);
	case VALUE_LIST:
		*out = value->list->count;
		return 0;
	case VALUE_MAP:
		*out = value->map->count;
		return 0;
	case VALUE_LOOP:
		*out = value->loop->items->count;
		return 0;
	case VALUE_UNDEFINED:
		*out = 0;
		return 0;
	default:
		return run_wrong(run, "%s에는 길이가 없습니다", "%s has no length", value_kind_name(value));
	}
}

/* Characters of a string, keys of a map. */
int
value_list(struct run *run, const struct value *value, const struct list **out)
{
	struct list *list;
	size_t at = 0;

	switch (value->kind) {
	case VALUE_LIST:
		*out = value->list;
		return 0;
	case VALUE_MAP:
		if ((list = list_new(run, value->map->count)) == NULL)
			return -1;
		for (size_t i = 0; i < list->count; i++)
			list->items[i] = value->map->pairs[i].key;
		break;
	case VALUE_TEXT:
		if ((list = list_new(run, text_length(value->text))) == NULL)
			return -1;
		for (size_t i = 0; i < list->count; i++) {
			size_t end = at + 1;

			while (end < value->text.size && (value->text.data[end] & 0xc0) == 0x80)
				end++;
			list->items[i] = value_text(text_part(value->text, at, end));
			at = end;
		}
		break;
	case VALUE_UNDEFINED:
		if ((list = list_new(run, 0)) == NULL)
			return -1;
		break;
	default:
		return run_wrong(run, "%s은(는) 차례로 볼 수 없습니다", "%s cannot be gone through",
		                 value_kind_name(value));
	}
	*out = list;
	return 0;
}

/* ---- looking into ----------------------------------------------------------------------------------------------- */

static struct value
loop_attribute(const struct loop *loop, struct slice name)
{
	size_t count = loop->items->count, index = loop->index;

	if (slice_is(name, "index"))
		return value_integer((int64_t)index + 1);
	if (slice_is(name, "index0"))
		return value_integer((int64_t)index);
	if (slice_is(name, "revindex"))
		return value_integer((int64_t)(count - index));
	if (slice_is(name, "revindex0"))
		return value_integer((int64_t)(count - index) - 1);
	if (slice_is(name, "first"))
		return value_flag(index == 0);
	if (slice_is(name, "last"))
		return value_flag(index + 1 == count);
	if (slice_is(name, "length"))
		return value_integer((int64_t)count);
	if (slice_is(name, "depth"))
		return value_integer(1); /* only recursive loops are deeper */
	if (slice_is(name, "depth0"))
		return value_integer(0);
	if (slice_is(name, "previtem") && index > 0)
		return loop->items->items[index - 1];
	if (slice_is(name, "nextitem") && index + 1 < count)
		return loop->items->items[index + 1];
	return value_undefined("loop");
}

static int
of_undefined(struct run *run, const struct value *of)
{
	return run_wrong(run, "'%.*s'이(가) 정해지지 않았습니다", "'%.*s' is undefined",
	                 SLICE_PRINT(text_slice(of->text)));
}

static struct value
undefined_named(struct run *run, struct slice name)
{
	struct value value = value_undefined("");

	value.text = text_ours(arena_slice(run->arena, name));
	return value;
}

int
value_attribute(struct run *run, const struct value *of, struct slice name, struct value *out)
{
	const struct value *found;

	switch (of->kind) {
	case VALUE_UNDEFINED:
		return of_undefined(run, of);
	case VALUE_LOOP:
		*out = loop_attribute(of->loop, name);
		return 0;
	case VALUE_MAP:
		if ((found = map_get(of->map, name)) != NULL) {
			*out = *found;
			return run_work(run, of->map->count * 8);
		}
		break;
	default:
		break;
	}
	*out = undefined_named(run, name);
	return 0;
}

int
value_path(struct run *run, const struct value *of, struct text path, struct value *out)
{
	size_t start = 0;
	struct value at = *of;

	for (size_t i = 0; i <= path.size; i++) {
		struct slice name;
		bool digits = i > start;

		if (i < path.size && path.data[i] != '.')
			continue;
		name = slice_of(path.data + start, i - start);
		for (size_t j = 0; j < name.size; j++)
			digits = digits && name.data[j] >= '0' && name.data[j] <= '9' && name.size < 10;
		if (digits) {
			struct value index = value_integer(0);

			for (size_t j = 0; j < name.size; j++)
				index.integer = index.integer * 10 + name.data[j] - '0';
			if (value_index(run, &at, &index, out) == -1)
				return -1;
		} else if (value_attribute(run, &at, name, out) == -1) {
			return -1;
		}
		at = *out;
		start = i + 1;
	}
	return 0;
}

int
value_index(struct run *run, const struct value *of, const struct value *index, struct value *out)
{
	const struct value *found;
	int64_t at, count;

	switch (of->kind) {
	case VALUE_UNDEFINED:
		return of_undefined(run, of);
	case VALUE_MAP:
		found = map_find(of->map, index);
		if (run_work(run, of->map->count * 8) == -1)
			return -1;
		*out = found != NULL ? *found
		                     : undefined_named(run, index->kind == VALUE_TEXT &&
		                                                    index->text.origin == ORIGIN_OURS
		                                                ? text_slice(index->text)
		                                                : SLICE_LITERAL("…"));
		return 0;
	case VALUE_LIST:
	case VALUE_TEXT:
		if (!value_whole(index, &at)) {
			if (index->kind == VALUE_TEXT)
				return value_attribute(run, of, text_slice(index->text), out);
			break;
		}
		count = of->kind == VALUE_LIST ? (int64_t)of->list->count : (int64_t)text_length(of->text);
		at += at < 0 ? count : 0;
		if (at < 0 || at >= count) {
			*out = undefined_named(run, SLICE_LITERAL("[…]"));
			return 0;
		}
		if (of->kind == VALUE_LIST) {
			*out = of->list->items[at];
			return 0;
		}
		*out = value_text(text_part(of->text, text_offset(of->text, (size_t)at),
		                            text_offset(of->text, (size_t)at + 1)));
		return run_work(run, of->text.size);
	case VALUE_LOOP:
		if (index->kind == VALUE_TEXT)
			return value_attribute(run, of, text_slice(index->text), out);
		break;
	default:
		break;
	}
	*out = undefined_named(run, SLICE_LITERAL("[…]"));
	return 0;
}

/* A bound of a slice as Python reads it. false: not a whole number. */
static bool
bound(const struct value *value, int64_t count, int64_t step, bool start, int64_t *out)
{
	int64_t low = step < 0 ? -1 : 0, high = step < 0 ? count - 1 : count;

	if (value == NULL || value->kind == VALUE_NONE) {
		*out = (start == (step > 0)) ? low : high;
		return true;
	}
	if (!value_whole(value, out))
		return false;
	if (*out < 0)
		*out = *out < -count ? low : *out + count;
	*out = *out < low ? low : *out > high ? high : *out;
	return true;
}

int
value_slice(struct run *run, const struct value *of, const struct value *start, const struct value *stop,
            const struct value *step, struct value *out)
{
	int64_t from, to, by = 1, count, many;
	size_t length;
	const struct list *source;
	struct list *list;

	if (of->kind != VALUE_LIST && of->kind != VALUE_TEXT)
		return of->kind == VALUE_UNDEFINED ? of_undefined(run, of)
		                                   : run_wrong(run, "%s에는 구간이 없습니다",
		                                               "%s has no slices", value_kind_name(of));
	if (value_length(run, of, &length) == -1)
		return -1;
	count = (int64_t)length;
	if ((step != NULL && step->kind != VALUE_NONE && (!value_whole(step, &by) || by == 0)) ||
	    !bound(start, count, by, true, &from) || !bound(stop, count, by, false, &to))
		return run_wrong(run, "구간이 올바르지 않습니다", "a slice is malformed");
	if (of->kind == VALUE_TEXT && by == 1) {
		size_t first = text_offset(of->text, (size_t)from);

		*out = value_text(from >= to ? text_part(of->text, 0, 0)
		                             : text_part(of->text, first, text_offset(of->text, (size_t)to)));
		return run_work(run, 2 * of->text.size);
	}
	if (value_list(run, of, &source) == -1)
		return -1;
	by = by > count + 1 ? count + 1 : by < -count - 1 ? -count - 1 : by;
	many = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
	if ((list = list_new(run, many > 0 ? (size_t)many : 0)) == NULL)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		list->items[i] = source->items[from + (int64_t)i * by];
	list->tuple = source->tuple;
	*out = (struct value){.kind = VALUE_LIST, .list = list};
	if (of->kind == VALUE_TEXT) {
		struct writer writer;

		writer_init(&writer);
		for (size_t i = 0; i < list->count; i++)
			writer_text(&writer, list->items[i].text);
		return writer_value(run, &writer, out);
	}
	return 0;
}

/* ---- sorting ---------------------------------------------------------------------------------------------------- */

/* What an element is sorted by, its letters small where they do not count. */
static int
sort_key(struct run *run, const struct value *item, bool fold, const struct text *by, struct value *out)
{
	*out = *item;
	if (by != NULL && value_path(run, item, *by, out) == -1)
		return -1;
	return fold && out->kind == VALUE_TEXT ? text_case(run, out->text, 'l', out) : 0;
}

static int
merge_sort(struct run *run, struct pair *items, struct pair *scratch, size_t count, bool reverse)
{
	size_t half = count / 2, i = 0, j = half;

	if (count < 2)
		return 0;
	if (merge_sort(run, items, scratch, half, reverse) == -1 ||
	    merge_sort(run, items + half, scratch, count - half, reverse) == -1)
		return -1;
	for (size_t at = 0; at < count; at++) {
		int order = 0;

		if (i < half && j < count && value_compare(run, &items[i].key, &items[j].key, &order) == -1)
			return -1;
		scratch[at] =
		    j >= count || (i < half && (reverse ? order >= 0 : order <= 0)) ? items[i++] : items[j++];
	}
	memcpy(items, scratch, count * sizeof *items);
	return 0;
}

int
value_sort(struct run *run, const struct list *list, bool reverse, bool fold, const struct text *by,
           struct list **out)
{
	struct pair *pairs = arena_array(run->arena, 2 * list->count + 1, sizeof *pairs);

	if (pairs == NULL)
		return run_memory(run);
	for (size_t i = 0; i < list->count; i++) {
		pairs[i].value = list->items[i];
		if (sort_key(run, &list->items[i], fold, by, &pairs[i].key) == -1)
			return -1;
	}
	if (merge_sort(run, pairs, pairs + list->count, list->count, reverse) == -1 ||
	    (*out = list_new(run, list->count)) == NULL)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		(*out)->items[i] = pairs[i].value;
	return 0;
}
