/* The reader: a regular expression as a tree, by recursive descent. */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "inference/pattern_inside.h"

#define DEPTH_LIMIT 64

struct reading {
	struct expression *out;
	struct slice rest;
	unsigned depth;
	struct fault *why;
};

static int
not_supported(struct reading *reading, const char *what)
{
	return fault_set(reading->why, FAULT_UNSUPPORTED, "정규식의 '%s'은(는) 지원하지 않습니다",
	                 "'%s' in a regular expression is not supported", what);
}

static int
malformed(struct reading *reading)
{
	return fault_set(reading->why, FAULT_INVALID, "정규식이 올바르지 않습니다",
	                 "malformed regular expression");
}

/* ---- trees ------------------------------------------------------------------------------------------------------ */

static int
new_tree(struct reading *reading, enum tree_kind kind, uint32_t left, uint32_t right, uint32_t *out)
{
	struct expression *expression = reading->out;

	if (expression->tree_count == TREE_LIMIT)
		return pattern_too_large(reading->why);
	*out = expression->tree_count++;
	expression->trees[*out] = (struct tree){.kind = kind, .left = left, .right = right};
	return 0;
}

static int
set_tree(struct reading *reading, uint32_t from, bool opposite, uint32_t *out)
{
	if (expression_settle(reading->out, from, opposite, reading->why) == -1 ||
	    new_tree(reading, TREE_SET, 0, 0, out) == -1)
		return -1;
	reading->out->trees[*out].from = from;
	reading->out->trees[*out].count = reading->out->range_count - from;
	return 0;
}

/* ---- characters ------------------------------------------------------------------------------------------------- */

static bool
peek(const struct reading *reading, char byte)
{
	return reading->rest.size > 0 && reading->rest.data[0] == (uint8_t)byte;
}

static bool
take(struct reading *reading, char byte)
{
	if (!peek(reading, byte))
		return false;
	reading->rest = slice_of(reading->rest.data + 1, reading->rest.size - 1);
	return true;
}

static int
take_character(struct reading *reading, uint32_t *out)
{
	size_t size = utf8_next(reading->rest, out);

	if (size == 0)
		return malformed(reading);
	reading->rest = slice_of(reading->rest.data + size, reading->rest.size - size);
	return 0;
}

static int
take_hex(struct reading *reading, unsigned least, unsigned most, uint32_t *out)
{
	unsigned count = 0;

	for (*out = 0; count < most && reading->rest.size > 0; count++) {
		uint8_t byte = reading->rest.data[0];
		uint32_t digit = byte >= '0' && byte <= '9'                 ? byte - (uint32_t)'0'
		                 : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32u) - 'a' + 10u
		                                                            : 16;

		if (digit == 16)
			break;
		*out = *out * 16 + digit;
		reading->rest = slice_of(reading->rest.data + 1, reading->rest.size - 1);
	}
	return count >= least && *out <= 0x10ffff ? 0 : malformed(reading);
}

/* \p{…}: general categories, and the scripts that agencies write. */
static int
add_property(struct reading *reading)
{
	static const struct {
		const char *name;
		struct range ranges[6];
	} scripts[] = {
	    {"Hangul",
	     {{0x1100, 0x11ff}, {0x3131, 0x318e}, {0xa960, 0xa97c}, {0xac00, 0xd7a3}, {0xd7b0, 0xd7fb}}     },
	    {"Han",
	     {{0x2e80, 0x2fd5}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0x20000, 0x323af}}   },
	    {"Latin",  {{'A', 'Z'}, {'a', 'z'}, {0xc0, 0xd6}, {0xd8, 0xf6}, {0xf8, 0x2b8}, {0x1e00, 0x1eff}}},
	};
	const uint8_t *end =
	    reading->rest.size > 1 ? memchr(reading->rest.data, '}', reading->rest.size) : NULL;
	struct slice name, value;
	uint32_t since = 0;
	bool open = false;

	if (!take(reading, '{') || end == NULL)
		return malformed(reading);
	name = value = slice_of(reading->rest.data, (size_t)(end - reading->rest.data));
	reading->rest = slice_of(end + 1, reading->rest.size - name.size - 1);
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] == '=')
			value = slice_of(name.data + i + 1, name.size - i - 1);
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		if (!slice_is(value, scripts[i].name))
			continue;
		for (size_t j = 0; j < 6 && scripts[i].ranges[j].last != 0; j++)
			if (expression_range(reading->out, scripts[i].ranges[j].first,
			                     scripts[i].ranges[j].last, reading->why) == -1)
				return -1;
		return 0;
	}
	if (value.size != name.size || name.size < 1 || name.size > 2)
		return not_supported(reading, "\\p{…}");
	if (++reading->out->properties > 16)
		return pattern_too_large(reading->why);
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		const char *category = utf8proc_category_string((utf8proc_int32_t)code);
		bool in = category[0] == (char)name.data[0] &&
		          (name.size == 1 || category[1] == (char)name.data[1]);

		if (in && !open)
			since = code;
		if (!in && open && expression_range(reading->out, since, code - 1, reading->why) == -1)
			return -1;
		open = in;
	}
	return open ? expression_range(reading->out, since, 0x10ffff, reading->why) : 0;
}

/* \d \w \s \p and their opposites; false: `letter` names no set. */
static int
add_class(struct reading *reading, uint32_t letter, bool *is_class)
{
	static const struct range digits[] = {
	    {'0', '9'}
        };
	static const struct range words[] = {
	    {'0', '9'},
            {'A', 'Z'},
            {'_', '_'},
            {'a', 'z'}
        };
	static const struct range spaces[] = {
	    {9,      13    },
            {' ',    ' '   },
            {0xa0,   0xa0  },
            {0x1680, 0x1680},
            {0x2000, 0x200a},
	    {0x2028, 0x2029},
            {0x202f, 0x202f},
            {0x205f, 0x205f},
            {0x3000, 0x3000},
            {0xfeff, 0xfeff}
        };
	const uint32_t kind = letter < 128 ? letter | 32 : 0, from = reading->out->range_count;
	const struct range *ranges = kind == 'd' ? digits : kind == 'w' ? words : spaces;
	const size_t count = kind == 'd' ? 1 : kind == 'w' ? 4 : sizeof spaces / sizeof *spaces;

	*is_class = kind == 'd' || kind == 'w' || kind == 's' || kind == 'p';
	if (!*is_class)
		return 0;
	if (kind == 'p') {
		if (add_property(reading) == -1)
			return -1;
	} else {
		for (size_t i = 0; i < count; i++)
			if (expression_range(reading->out, ranges[i].first, ranges[i].last, reading->why) ==
			    -1)
				return -1;
	}
	return expression_settle(reading->out, from, letter < 'a', reading->why);
}

/* Behind a backslash: one character. */
static int
take_escape(struct reading *reading, uint32_t letter, bool in_set, uint32_t *out)
{
	uint32_t low;
	char text[3] = "\\?";

	switch (letter) {
	case 'n':
		*out = '\n';
		return 0;
	case 't':
		*out = '\t';
		return 0;
	case 'r':
		*out = '\r';
		return 0;
	case 'f':
		*out = '\f';
		return 0;
	case 'v':
		*out = '\v';
		return 0;
	case 'x':
		return take_hex(reading, 2, 2, out);
	case 'u':
		if (take(reading, '{'))
			return take_hex(reading, 1, 6, out) == 0 && take(reading, '}') ? 0
			                                                               : malformed(reading);
		if (take_hex(reading, 4, 4, out) == -1)
			return -1;
		if (*out < 0xd800 || *out > 0xdbff)
			return 0;
		if (!take(reading, '\\') || !take(reading, 'u') || take_hex(reading, 4, 4, &low) == -1 ||
		    low < 0xdc00 || low > 0xdfff)
			return malformed(reading);
		*out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
		return 0;
	case 'b':
		if (in_set) {
			*out = '\b';
			return 0;
		}
		break;
	default:
		if (letter > 127 ||
		    !((letter >= '0' && letter <= '9') || ((letter | 32) >= 'a' && (letter | 32) <= 'z'))) {
			*out = letter;
			return 0;
		}
	}
	text[1] = (char)letter;
	return not_supported(reading, text);
}

/* ---- the grammar ------------------------------------------------------------------------------------------------ */

static int read_either(struct reading *reading, uint32_t *out);

/* One member of a set: a class, which has been added, or a character. */
static int
set_member(struct reading *reading, uint32_t *character, bool *is_class)
{
	uint32_t letter;

	*is_class = false;
	if (!take(reading, '\\'))
		return take_character(reading, character);
	if (take_character(reading, &letter) == -1 || add_class(reading, letter, is_class) == -1)
		return -1;
	return *is_class ? 0 : take_escape(reading, letter, true, character);
}

static int
read_set(struct reading *reading, uint32_t *out)
{
	const uint32_t from = reading->out->range_count;
	const bool opposite = take(reading, '^');

	while (!take(reading, ']')) {
		uint32_t first, last;
		bool is_class;

		if (reading->rest.size == 0)
			return malformed(reading);
		if (set_member(reading, &first, &is_class) == -1)
			return -1;
		if (is_class)
			continue;
		last = first;
		if (reading->rest.size > 1 && reading->rest.data[0] == '-' && reading->rest.data[1] != ']') {
			take(reading, '-');
			if (set_member(reading, &last, &is_class) == -1)
				return -1;
			if (is_class || last < first)
				return malformed(reading);
		}
		if (expression_range(reading->out, first, last, reading->why) == -1)
			return -1;
	}
	return set_tree(reading, from, opposite, out);
}

static int
read_group(struct reading *reading, uint32_t *out)
{
	if (take(reading, '?') && !take(reading, ':')) {
		const uint8_t *end;

		if (peek(reading, '=') || peek(reading, '!'))
			return not_supported(reading, peek(reading, '=') ? "(?=" : "(?!");
		if (!take(reading, '<') || peek(reading, '=') || peek(reading, '!'))
			return not_supported(reading, "(?");
		end = memchr(reading->rest.data, '>', reading->rest.size); /* a name is nothing to us */
		if (end == NULL)
			return malformed(reading);
		reading->rest =
		    slice_of(end + 1, reading->rest.size - (size_t)(end + 1 - reading->rest.data));
	}
	if (++reading->depth > DEPTH_LIMIT)
		return pattern_too_large(reading->why);
	if (read_either(reading, out) == -1)
		return -1;
	reading->depth--;
	return take(reading, ')') ? 0 : malformed(reading);
}

static int
read_atom(struct reading *reading, uint32_t *out)
{
	const uint32_t from = reading->out->range_count;
	uint32_t character;
	bool is_class;

	if (take(reading, '('))
		return read_group(reading, out);
	if (take(reading, '['))
		return read_set(reading, out);
	if (take(reading, '^'))
		return new_tree(reading, TREE_BEGIN, 0, 0, out);
	if (take(reading, '$'))
		return new_tree(reading, TREE_END, 0, 0, out);
	if (peek(reading, '*') || peek(reading, '+') || peek(reading, '?') || peek(reading, '{'))
		return malformed(reading);
	if (take(reading, '.')) {
		if (expression_range(reading->out, '\n', '\n', reading->why) == -1 ||
		    expression_range(reading->out, '\r', '\r', reading->why) == -1 ||
		    expression_range(reading->out, 0x2028, 0x2029, reading->why) == -1)
			return -1;
		return set_tree(reading, from, true, out);
	}
	if (take(reading, '\\')) {
		if (take_character(reading, &character) == -1 ||
		    add_class(reading, character, &is_class) == -1)
			return -1;
		if (is_class)
			return set_tree(reading, from, false, out);
		if (take_escape(reading, character, false, &character) == -1)
			return -1;
	} else if (take_character(reading, &character) == -1) {
		return -1;
	}
	return expression_range(reading->out, character, character, reading->why) == -1
	           ? -1
	           : set_tree(reading, from, false, out);
}

static int
take_number(struct reading *reading, uint32_t *out)
{
	bool any = false;

	for (*out = 0; reading->rest.size > 0 && reading->rest.data[0] >= '0' && reading->rest.data[0] <= '9';
	     any = true) {
		*out = *out * 10 + (reading->rest.data[0] - '0');
		if (*out > REPEATS_LIMIT)
			return pattern_too_large(reading->why);
		reading->rest = slice_of(reading->rest.data + 1, reading->rest.size - 1);
	}
	return any ? 0 : malformed(reading);
}

static int
read_repeat(struct reading *reading, uint32_t *out)
{
	uint32_t atom, least, most;

	if (read_atom(reading, &atom) == -1)
		return -1;
	*out = atom;
	for (;;) {
		if (take(reading, '*')) {
			least = 0;
			most = UINT32_MAX;
		} else if (take(reading, '+')) {
			least = 1;
			most = UINT32_MAX;
		} else if (take(reading, '?')) {
			least = 0;
			most = 1;
		} else if (take(reading, '{')) {
			if (take_number(reading, &least) == -1)
				return -1;
			most = least;
			if (take(reading, ',')) {
				most = UINT32_MAX;
				if (!peek(reading, '}') && take_number(reading, &most) == -1)
					return -1;
			}
			if (!take(reading, '}') || most < least)
				return malformed(reading);
		} else {
			return 0;
		}
		take(reading, '?'); /* lazy or not, the same texts fit */
		if (reading->out->trees[atom].kind == TREE_BEGIN ||
		    reading->out->trees[atom].kind == TREE_END || *out != atom)
			return malformed(reading);
		if (new_tree(reading, TREE_REPEAT, atom, 0, out) == -1)
			return -1;
		reading->out->trees[*out].least = least;
		reading->out->trees[*out].most = most;
	}
}

static int
read_both(struct reading *reading, uint32_t *out)
{
	uint32_t next;

	if (new_tree(reading, TREE_EMPTY, 0, 0, out) == -1)
		return -1;
	while (reading->rest.size > 0 && !peek(reading, '|') && !peek(reading, ')'))
		if (read_repeat(reading, &next) == -1 || new_tree(reading, TREE_BOTH, *out, next, out) == -1)
			return -1;
	return 0;
}

static int
read_either(struct reading *reading, uint32_t *out)
{
	uint32_t next;

	if (read_both(reading, out) == -1)
		return -1;
	while (take(reading, '|'))
		if (read_both(reading, &next) == -1 || new_tree(reading, TREE_EITHER, *out, next, out) == -1)
			return -1;
	return 0;
}

int
expression_read(struct expression *out, struct slice text, struct fault *why)
{
	struct reading reading = {.out = out, .rest = text, .why = why};

	memset(out, 0, sizeof *out);
	out->trees = calloc(TREE_LIMIT, sizeof *out->trees);
	out->ranges = calloc(RANGES_LIMIT, sizeof *out->ranges);
	if (out->trees == NULL || out->ranges == NULL)
		return fault_memory(why);
	/* Tree 0 is the whole alphabet: what comes before and behind. */
	if (set_tree(&reading, 0, true, &out->root) == -1 || read_either(&reading, &out->root) == -1)
		return -1;
	return reading.rest.size == 0 ? 0 : malformed(&reading);
}

void
expression_free(struct expression *expression)
{
	free(expression->trees);
	free(expression->ranges);
	memset(expression, 0, sizeof *expression);
}
