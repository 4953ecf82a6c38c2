#include "policy/cedar/cedar_json.h"

#include <string.h>

struct json_parse {
	struct arena *arena;
	struct slice text;
	size_t at;
	unsigned depth;
	unsigned deepest;
	struct fault *why;
};

static int
refuse(struct json_parse *parse, const char *ko, const char *en)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < parse->at && i < parse->text.size; i++) {
		if (parse->text.data[i] == '\n') {
			line++;
			column = 1;
		} else if ((parse->text.data[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return fault_set(parse->why, FAULT_INVALID, "%u행 %u열: JSON을 읽을 수 없습니다: %s%.0s",
	                 "line %u, column %u: not JSON: %.0s%s", line, column, ko, en);
}

static uint8_t
peek(const struct json_parse *parse)
{
	return parse->at < parse->text.size ? parse->text.data[parse->at] : 0;
}

static void
skip_space(struct json_parse *parse)
{
	while (parse->at < parse->text.size) {
		uint8_t c = parse->text.data[parse->at];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
		parse->at++;
	}
}

static int
hex4(struct json_parse *parse, uint32_t *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, parse->at++) {
		uint8_t c = peek(parse);

		if (c >= '0' && c <= '9')
			*code = *code << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*code = *code << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return refuse(parse, "\\u 뒤에는 16진수 네 자리가 옵니다",
			              "four hex digits must follow \\u");
	}
	return 0;
}

static int
read_escape(struct json_parse *parse, uint8_t *out, size_t *size)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t code, low;
	uint8_t c = peek(parse), put[4];
	size_t length;

	parse->at++;
	if (c != 'u') {
		if (c == 0 || (found = strchr(from, c)) == NULL)
			return refuse(parse, "모르는 이스케이프", "no such escape");
		out[(*size)++] = (uint8_t)to[found - from];
		return 0;
	}
	if (hex4(parse, &code) == -1)
		return -1;
	if (code >= 0xd800 && code < 0xdc00) {
		if (peek(parse) != '\\' || parse->at + 1 >= parse->text.size ||
		    parse->text.data[parse->at + 1] != 'u')
			return refuse(parse, "짝 없는 서로게이트", "a lone surrogate");
		parse->at += 2;
		if (hex4(parse, &low) == -1)
			return -1;
		if (low < 0xdc00 || low >= 0xe000)
			return refuse(parse, "짝 없는 서로게이트", "a lone surrogate");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if ((length = utf8_put(put, code)) == 0)
		return refuse(parse, "짝 없는 서로게이트", "a lone surrogate");
	memcpy(out + *size, put, length);
	*size += length;
	return 0;
}

static int
read_string(struct json_parse *parse, struct slice *string)
{
	size_t from = ++parse->at, end = from, size = 0;
	uint8_t *out;

	while (end < parse->text.size && parse->text.data[end] != '"')
		end += parse->text.data[end] == '\\' ? 2 : 1;
	if (end >= parse->text.size)
		return refuse(parse, "문자열이 닫히지 않았습니다", "the string is not closed");
	if ((out = arena_alloc(parse->arena, end - from + 1)) == NULL)
		return fault_memory(parse->why);
	while (peek(parse) != '"') {
		uint8_t c = peek(parse);

		if (c < 0x20)
			return refuse(parse, "문자열 안의 제어 문자", "a control character inside a string");
		parse->at++;
		if (c != '\\')
			out[size++] = c;
		else if (read_escape(parse, out, &size) == -1)
			return -1;
	}
	parse->at++;
	*string = slice_of(out, size);
	return 0;
}

static int
read_number(struct json_parse *parse, struct cedar_json *value)
{
	bool negative = peek(parse) == '-', whole = true;
	uint64_t number = 0;
	size_t from;

	parse->at += negative;
	from = parse->at;
	for (; peek(parse) >= '0' && peek(parse) <= '9'; parse->at++)
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(peek(parse) - '0'), &number))
			whole = false;
	if (parse->at == from || (parse->text.data[from] == '0' && parse->at - from > 1))
		return refuse(parse, "수의 꼴이 아닙니다", "this is no number");
	if (peek(parse) == '.') {
		whole = false;
		from = ++parse->at;
		for (; peek(parse) >= '0' && peek(parse) <= '9'; parse->at++)
			;
		if (parse->at == from)
			return refuse(parse, "수의 꼴이 아닙니다", "this is no number");
	}
	if (peek(parse) == 'e' || peek(parse) == 'E') {
		whole = false;
		parse->at++;
		if (peek(parse) == '+' || peek(parse) == '-')
			parse->at++;
		from = parse->at;
		for (; peek(parse) >= '0' && peek(parse) <= '9'; parse->at++)
			;
		if (parse->at == from)
			return refuse(parse, "수의 꼴이 아닙니다", "this is no number");
	}
	/* -0 is a float to JSON readers that keep integers apart. */
	if (!whole || number > (uint64_t)INT64_MAX + negative || (negative && number == 0)) {
		value->kind = CEDAR_JSON_NUMBER;
		return 0;
	}
	value->kind = CEDAR_JSON_INTEGER;
	value->as.integer = negative ? (int64_t)(0 - number) : (int64_t)number;
	return 0;
}

static int
read_word(struct json_parse *parse, const char *word)
{
	size_t size = strlen(word);

	if (parse->text.size - parse->at < size || memcmp(parse->text.data + parse->at, word, size) != 0)
		return refuse(parse, "값이 와야 합니다", "a value must stand here");
	parse->at += size;
	return 0;
}

/* No name twice: each with each while they are few, by heap sort beyond. */
static int
check_names(struct json_parse *parse, const struct cedar_json *items, uint32_t count)
{
	enum { FEW = 64 };
	uint32_t *table;

	if (count <= FEW) {
		for (uint32_t i = 1; i < count; i++)
			for (uint32_t j = 0; j < i; j++)
				if (slice_equal(items[i].name, items[j].name))
					return refuse(parse, "한 객체에 같은 이름이 두 번 있습니다",
					              "a name is twice in an object");
		return 0;
	}
	if ((table = arena_array(parse->arena, count, sizeof *table)) == NULL)
		return fault_memory(parse->why);
	for (uint32_t i = 0; i < count; i++) { /* sift up */
		uint32_t at = i;

		table[i] = i;
		for (; at > 0 && slice_compare(items[table[(at - 1) / 2]].name, items[table[at]].name) < 0;
		     at = (at - 1) / 2) {
			uint32_t swap = table[at];
			table[at] = table[(at - 1) / 2];
			table[(at - 1) / 2] = swap;
		}
	}
	for (uint32_t end = count;
	     end > 1;) { /* the greatest goes last; the next greatest may not equal it */
		uint32_t last = table[0], root = 0;

		table[0] = table[--end];
		for (uint32_t child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end &&
			    slice_compare(items[table[child]].name, items[table[child + 1]].name) < 0)
				child++;
			if (slice_compare(items[table[root]].name, items[table[child]].name) >= 0)
				break;
			uint32_t swap = table[root];
			table[root] = table[child];
			table[child] = swap;
		}
		if (slice_equal(items[last].name, items[table[0]].name))
			return refuse(parse, "한 객체에 같은 이름이 두 번 있습니다",
			              "a name is twice in an object");
	}
	return 0;
}

static int read_value(struct json_parse *parse, struct cedar_json *value);

static int
read_items(struct json_parse *parse, struct cedar_json *value, bool object)
{
	struct cedar_json *items = NULL;
	uint32_t count = 0, capacity = 0;
	uint8_t close = object ? '}' : ']';

	if (++parse->depth > parse->deepest)
		return refuse(parse, "너무 깊이 겹쳤습니다", "nested too deeply");
	parse->at++;
	skip_space(parse);
	while (peek(parse) != close) {
		if (count == capacity) {
			struct cedar_json *more;

			capacity = capacity == 0 ? 4 : 2 * capacity;
			if ((more = arena_array(parse->arena, capacity, sizeof *more)) == NULL)
				return fault_memory(parse->why);
			if (count > 0)
				memcpy(more, items, count * sizeof *more);
			items = more;
		}
		if (object) {
			if (peek(parse) != '"')
				return refuse(parse, "이름이 와야 합니다", "a name must stand here");
			if (read_string(parse, &items[count].name) == -1)
				return -1;
			skip_space(parse);
			if (peek(parse) != ':')
				return refuse(parse, "':'이 와야 합니다", "':' must stand here");
			parse->at++;
		}
		if (read_value(parse, &items[count++]) == -1)
			return -1;
		skip_space(parse);
		if (peek(parse) == ',') {
			parse->at++;
			skip_space(parse);
			if (peek(parse) == close)
				return refuse(parse, "쉼표 뒤에 아무것도 없습니다",
				              "nothing follows the comma");
		} else if (peek(parse) != close) {
			return refuse(parse, "',' 또는 닫는 괄호가 와야 합니다",
			              "',' or a closing bracket must stand here");
		}
	}
	parse->at++;
	parse->depth--;
	value->kind = object ? CEDAR_JSON_OBJECT : CEDAR_JSON_ARRAY;
	value->count = count;
	value->as.items = items;
	return object ? check_names(parse, items, count) : 0;
}

static int
read_value(struct json_parse *parse, struct cedar_json *value)
{
	skip_space(parse);
	value->offset = (uint32_t)parse->at;
	switch (peek(parse)) {
	case '{':
		return read_items(parse, value, true);
	case '[':
		return read_items(parse, value, false);
	case '"':
		value->kind = CEDAR_JSON_STRING;
		return read_string(parse, &value->as.string);
	case 't':
	case 'f':
		value->kind = CEDAR_JSON_BOOL;
		value->as.boolean = peek(parse) == 't';
		return read_word(parse, value->as.boolean ? "true" : "false");
	case 'n':
		value->kind = CEDAR_JSON_NULL;
		return read_word(parse, "null");
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return read_number(parse, value);
	default:
		return refuse(parse, "값이 와야 합니다", "a value must stand here");
	}
}

int
cedar_json_read(const struct cedar_json **out, struct arena *arena, struct slice text, unsigned depth,
                struct fault *why)
{
	struct json_parse parse = {.arena = arena, .text = text, .deepest = depth, .why = why};
	struct cedar_json *value;

	*out = NULL;
	if (text.size > CEDAR_JSON_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "JSON이 너무 큽니다 (한도 %zu바이트)",
		                 "the JSON is too large (limit %zu bytes)", CEDAR_JSON_LIMIT);
	if (!utf8_valid(text))
		return fault_set(why, FAULT_INVALID, "UTF-8이 아닙니다", "this is not UTF-8");
	if ((value = arena_alloc(arena, sizeof *value)) == NULL)
		return fault_memory(why);
	if (read_value(&parse, value) == -1)
		return -1;
	skip_space(&parse);
	if (parse.at != text.size)
		return refuse(&parse, "값 뒤에 무엇이 더 있습니다", "something stands behind the value");
	*out = value;
	return 0;
}

const struct cedar_json *
cedar_json_get(const struct cedar_json *object, const char *name)
{
	if (object == NULL || object->kind != CEDAR_JSON_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < object->count; i++)
		if (slice_is(object->as.items[i].name, name))
			return &object->as.items[i];
	return NULL;
}

static bool
has_text(const struct cedar_json *json, const char *name)
{
	const struct cedar_json *member = cedar_json_get(json, name);

	return member != NULL && member->kind == CEDAR_JSON_STRING;
}

bool
cedar_json_is_uid(const struct cedar_json *json)
{
	return has_text(json, "type") && has_text(json, "id");
}

bool
cedar_json_is_call(const struct cedar_json *json)
{
	const struct cedar_json *list = cedar_json_get(json, "args");

	return has_text(json, "fn") &&
	       (cedar_json_get(json, "arg") != NULL || (list != NULL && list->kind == CEDAR_JSON_ARRAY));
}

bool
cedar_json_is_expression(const struct cedar_json *json)
{
	return has_text(json, "__expr");
}

enum cedar_json_escape
cedar_json_escape_of(const struct cedar_json *object)
{
	if (object->kind != CEDAR_JSON_OBJECT || object->count != 1)
		return CEDAR_JSON_PLAIN;
	if (cedar_json_is_expression(object))
		return CEDAR_JSON_EXPRESSION;
	if (cedar_json_is_uid(cedar_json_get(object, "__entity")))
		return CEDAR_JSON_ENTITY;
	if (cedar_json_is_call(cedar_json_get(object, "__extn")))
		return CEDAR_JSON_EXTENSION;
	return CEDAR_JSON_PLAIN;
}

const char *
cedar_json_kind_name(const struct cedar_json *value)
{
	static const char *const names[] = {"null",   "boolean", "integer", "number",
	                                    "string", "array",   "object"};

	return value == NULL ? "nothing" : names[value->kind];
}
