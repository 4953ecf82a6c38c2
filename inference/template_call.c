/* template_call -- what a template can call: functions of ours and its own macros. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inference/template_inside.h"

#define RANGE_LIMIT 100000

enum builtin { BUILTIN_RANGE, BUILTIN_NAMESPACE, BUILTIN_DICT, BUILTIN_RAISE, BUILTIN_TIME, BUILTIN_COUNT };

static const char *const builtins[BUILTIN_COUNT] = {"range", "namespace", "dict", "raise_exception",
                                                    "strftime_now"};

int
builtin_find(struct slice name)
{
	for (int i = 0; i < BUILTIN_COUNT; i++)
		if (slice_is(name, builtins[i]))
			return i;
	return -1;
}

static int
call_range(struct run *run, const struct arguments *arguments, struct value *out)
{
	int64_t numbers[3] = {0, 0, 1}, count;
	struct list *list;

	for (size_t i = 0; i < arguments->count && i < 3; i++)
		if (!value_whole(&arguments->list[i], &numbers[i]) || llabs(numbers[i]) > INT32_MAX)
			return run_wrong(run, "range에는 정수가 필요합니다", "range() needs integers");
	if (arguments->count == 1) {
		numbers[1] = numbers[0];
		numbers[0] = 0;
	}
	if (arguments->count == 0 || arguments->count > 3 || numbers[2] == 0)
		return run_wrong(run, "range의 인수가 올바르지 않습니다", "range() was given bad arguments");
	count = numbers[2] > 0 ? (numbers[1] - numbers[0] + numbers[2] - 1) / numbers[2]
	                       : (numbers[0] - numbers[1] - numbers[2] - 1) / -numbers[2];
	count = count < 0 ? 0 : count;
	if (count > RANGE_LIMIT)
		return run_wrong(run, "range가 너무 깁니다", "range() is too long");
	if ((list = list_new(run, (size_t)count)) == NULL)
		return -1;
	for (int64_t i = 0; i < count; i++)
		list->items[i] = value_integer(numbers[0] + i * numbers[2]);
	*out = (struct value){.kind = VALUE_LIST, .list = list};
	return 0;
}

static int
call_dict(struct run *run, const struct arguments *arguments, bool namespace, struct value *out)
{
	struct map *map = map_new(run, arguments->count);
	size_t positional = arguments->count - arguments->named;

	if (map == NULL)
		return -1;
	if (positional > 1 || (positional == 1 && arguments->list[0].kind != VALUE_MAP))
		return run_wrong(run, "dict에는 dict가 필요합니다", "dict() and namespace() take a dict");
	for (size_t i = 0; positional == 1 && i < arguments->list[0].map->count; i++)
		if (map_put(run, map, arguments->list[0].map->pairs[i].key,
		            arguments->list[0].map->pairs[i].value) == -1)
			return -1;
	for (size_t i = positional; i < arguments->count; i++)
		if (map_put(run, map, value_text(text_ours(arguments->names[i])), arguments->list[i]) == -1)
			return -1;
	map->namespace = namespace;
	*out = (struct value){.kind = VALUE_MAP, .map = map};
	return 0;
}

/* The template's own words only: what people wrote does not belong into faults. */
static int
call_raise(struct run *run, const struct arguments *arguments)
{
	char words[200] = "?";
	size_t size = 0;

	if (arguments->count > 0 && arguments->list[0].kind == VALUE_TEXT) {
		struct text text = arguments->list[0].text;
		bool theirs = false;

		for (size_t i = 0; i < text.size && size + 8 < sizeof words; i++) {
			bool mark = text.origin == ORIGIN_THEIRS ||
			            (text.origin == ORIGIN_MIXED && text.marks[i] != 0);

			if (mark && !theirs) {
				memcpy(words + size, "…", 3);
				size += 3;
			} else if (!mark && text.data[i] >= 32 && text.data[i] != 127) {
				words[size++] = (char)text.data[i];
			}
			theirs = mark;
		}
		words[size] = '\0';
		words[utf8_cut(slice_string(words), size > 180 ? 180 : size)] = '\0';
	}
	return run_wrong(run, "모델의 대화 틀이 거절했습니다: %s", "the model's chat template refuses: %s",
	                 words);
}

static int
call_time(struct run *run, const struct arguments *arguments, struct value *out)
{
	char format[128], made[256];
	time_t now = time(NULL);
	struct tm local;
	size_t size;
	char *copy;

	if (arguments->count != 1 || arguments->list[0].kind != VALUE_TEXT ||
	    arguments->list[0].text.size >= sizeof format || arguments->list[0].text.size == 0 ||
	    localtime_r(&now, &local) == NULL)
		return run_wrong(run, "strftime_now의 형식이 올바르지 않습니다",
		                 "strftime_now() was given a bad format");
	memcpy(format, arguments->list[0].text.data, arguments->list[0].text.size);
	format[arguments->list[0].text.size] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	size = strftime(made, sizeof made, format, &local);
#pragma GCC diagnostic pop
	if ((copy = arena_copy(run->arena, made, size + 1)) == NULL)
		return run_memory(run);
	*out = value_text(text_ours(slice_of(copy, size)));
	return 0;
}

int
builtin_call(struct run *run, int builtin, const struct arguments *arguments, struct value *out)
{
	switch ((enum builtin)builtin) {
	case BUILTIN_RANGE:
		return call_range(run, arguments, out);
	case BUILTIN_NAMESPACE:
		return call_dict(run, arguments, true, out);
	case BUILTIN_DICT:
		return call_dict(run, arguments, false, out);
	case BUILTIN_TIME:
		return call_time(run, arguments, out);
	default:
		return call_raise(run, arguments);
	}
}

/* The body into a string instead of the output. */
int
run_capture(struct run *run, const struct node *body, struct value *out)
{
	struct writer writer, *before = run->out;
	int result;

	writer_init(&writer);
	run->out = &writer;
	result = run_statements(run, body);
	run->out = before;
	if (result == -1) {
		writer_free(&writer);
		return -1;
	}
	return writer_value(run, &writer, out);
}

static int
call_macro(struct run *run, const struct macro *macro, const struct arguments *arguments, struct value *out)
{
	struct scope *before = run->scope;
	size_t position = 0, taken = 0;
	int result = -1;

	if (run_deeper(run) == -1 || run_open_scope(run, macro->scope) == -1)
		return -1;
	for (const struct node *parameter = macro->node->list; parameter != NULL;
	     parameter = parameter->next) {
		char name[64];
		const struct value *given = NULL;
		struct value value = value_undefined("");

		snprintf(name, sizeof name, "%.*s", SLICE_PRINT(parameter->name));
		given = argument(arguments, position, name);
		value.text = text_ours(parameter->name);
		if (given != NULL) {
			value = *given;
			taken++;
		} else if (parameter->a != NULL && run_evaluate(run, parameter->a, &value) == -1) {
			goto out;
		}
		if (run_set_variable(run, parameter->name, value) == -1)
			goto out;
		position++;
	}
	if (taken < arguments->count) {
		run_wrong(run, "매크로 '%.*s'의 인수가 맞지 않습니다",
		          "macro '%.*s' was given arguments it does not take",
		          SLICE_PRINT(macro->node->name));
		goto out;
	}
	result = run_capture(run, macro->node->body, out);
out:
	run->scope = before;
	run->depth--;
	return result;
}

int
run_call(struct run *run, const struct value *what, const struct arguments *arguments, struct value *out)
{
	if (what->kind == VALUE_MACRO)
		return call_macro(run, what->macro, arguments, out);
	if (what->kind == VALUE_BUILTIN)
		return builtin_call(run, what->builtin, arguments, out);
	if (what->kind == VALUE_UNDEFINED)
		return run_wrong(run, "함수 '%.*s'을(를) 모릅니다", "function '%.*s' is not known",
		                 SLICE_PRINT(text_slice(what->text)));
	return run_wrong(run, "%s은(는) 부를 수 없습니다", "%s cannot be called", value_kind_name(what));
}
