/* template_run -- a template's tree with its variables becomes a prompt. */
#include "inference/template_jinja.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_inside.h"

struct jinja {
	struct arena *arena;
	struct node *tree;
	struct slice source;
};

/* ---- bounds and faults ------------------------------------------------------------------------------------------ */

/* Both formats are checked against the arguments at every call. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
int
run_wrong(struct run *run, const char *ko, const char *en, ...)
{
	va_list arguments;

	if (run->why == NULL)
		return -1;
	run->why->kind = FAULT_INVALID;
	va_start(arguments, en);
	vsnprintf(run->why->ko, sizeof run->why->ko, ko, arguments);
	va_end(arguments);
	va_start(arguments, en);
	vsnprintf(run->why->en, sizeof run->why->en, en, arguments);
	va_end(arguments);
	return fault_prefix(run->why, "대화 틀 %u행", "chat template, line %u", run->line);
}
#pragma GCC diagnostic pop

int
run_memory(struct run *run)
{
	return fault_set(run->why, FAULT_TOO_LARGE, "대화 틀 %u행: 메모리 한도를 넘었습니다",
	                 "chat template, line %u: over the limit of memory", run->line);
}

int
run_work(struct run *run, size_t bytes)
{
	run->steps += 1 + bytes / 128;
	if (run->steps > JINJA_STEPS_LIMIT)
		return fault_set(run->why, FAULT_TOO_LARGE, "대화 틀 %u행: 계산 한도를 넘었습니다",
		                 "chat template, line %u: over the limit of steps", run->line);
	return 0;
}

int
run_deeper(struct run *run)
{
	if (++run->depth > JINJA_DEPTH_LIMIT)
		return run_wrong(run, "너무 깊습니다", "nested too deeply");
	return 0;
}

const struct value *
argument(const struct arguments *arguments, size_t position, const char *name)
{
	size_t positional = arguments->count - arguments->named;

	if (position < positional)
		return &arguments->list[position];
	for (size_t i = positional; name != NULL && i < arguments->count; i++)
		if (slice_is(arguments->names[i], name))
			return &arguments->list[i];
	return NULL;
}

/* ---- variables -------------------------------------------------------------------------------------------------- */

static struct variable *
find_variable(const struct scope *scope, struct slice name)
{
	for (struct variable *variable = scope->variables; variable != NULL; variable = variable->next)
		if (slice_equal(variable->name, name))
			return variable;
	return NULL;
}

int
run_set_variable(struct run *run, struct slice name, struct value value)
{
	struct variable *variable = find_variable(run->scope, name);

	if (variable == NULL) {
		if ((variable = arena_alloc(run->arena, sizeof *variable)) == NULL)
			return run_memory(run);
		variable->name = name;
		variable->next = run->scope->variables;
		run->scope->variables = variable;
	}
	variable->value = value;
	return 0;
}

int
run_open_scope(struct run *run, struct scope *parent)
{
	struct scope *scope = arena_alloc(run->arena, sizeof *scope);

	if (scope == NULL)
		return run_memory(run);
	scope->parent = parent;
	run->scope = scope;
	return 0;
}

int
run_look_up(struct run *run, struct slice name, struct value *out)
{
	int builtin;

	for (const struct scope *scope = run->scope; scope != NULL; scope = scope->parent) {
		struct variable *variable = find_variable(scope, name);

		if (variable != NULL) {
			*out = variable->value;
			return 0;
		}
	}
	if ((builtin = builtin_find(name)) != -1) {
		*out = (struct value){.kind = VALUE_BUILTIN, .builtin = builtin};
	} else {
		*out = value_undefined("");
		out->text = text_ours(name);
	}
	return 0;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

/* A value to one name, or its elements to several. */
static int
assign(struct run *run, const struct node *targets, const struct value *value)
{
	const struct list *list;
	size_t count = 0;

	if (targets->next == NULL) {
		struct value of;

		if (targets->kind == NODE_NAME)
			return run_set_variable(run, targets->name, *value);
		if (run_evaluate(run, targets->a, &of) == -1)
			return -1;
		if (of.kind != VALUE_MAP || !of.map->namespace)
			return run_wrong(run, "'%.*s'은(는) namespace가 아닙니다", "'%.*s' is no namespace",
			                 SLICE_PRINT(targets->a->name));
		return map_put(run, of.map, value_text(text_ours(targets->name)), *value);
	}
	if (value_list(run, value, &list) == -1)
		return -1;
	for (const struct node *target = targets; target != NULL; target = target->next)
		count++;
	if (list->count != count)
		return run_wrong(run, "값 %zu개를 이름 %zu개에 나눌 수 없습니다",
		                 "%zu values do not fit %zu names", list->count, count);
	for (size_t i = 0; i < count; i++, targets = targets->next)
		if (targets->kind != NODE_NAME || run_set_variable(run, targets->name, list->items[i]) == -1)
			return targets->kind != NODE_NAME ? run_wrong(run, "여기에는 이름만 올 수 있습니다",
			                                              "only names can stand here")
			                                  : -1;
	return 0;
}

/* What of the list the loop's own condition lets through. */
static int
loop_filter(struct run *run, const struct node *node, const struct list *all, const struct list **out)
{
	struct list *kept = list_new(run, all->count);
	struct scope *before = run->scope;
	struct value condition;

	if (kept == NULL)
		return -1;
	kept->count = 0;
	for (size_t i = 0; i < all->count; i++) {
		if (run_open_scope(run, before) == -1 || assign(run, node->targets, &all->items[i]) == -1 ||
		    run_evaluate(run, node->b, &condition) == -1)
			return -1;
		if (value_true(&condition))
			kept->items[kept->count++] = all->items[i];
	}
	run->scope = before;
	*out = kept;
	return 0;
}

static int
run_for(struct run *run, const struct node *node)
{
	struct scope *before = run->scope;
	const struct list *list;
	struct loop *loop;
	struct value over;

	if (run_evaluate(run, node->a, &over) == -1 || value_list(run, &over, &list) == -1 ||
	    (node->b != NULL && loop_filter(run, node, list, &list) == -1))
		return -1;
	if (list->count == 0)
		return run_statements(run, node->otherwise);
	if ((loop = arena_alloc(run->arena, sizeof *loop)) == NULL)
		return run_memory(run);
	loop->items = list;
	for (size_t i = 0; i < list->count && !run->leave; i++) {
		loop->index = i;
		if (run_open_scope(run, before) == -1 ||
		    run_set_variable(run, SLICE_LITERAL("loop"),
		                     (struct value){.kind = VALUE_LOOP, .loop = loop}) == -1 ||
		    assign(run, node->targets, &list->items[i]) == -1 ||
		    run_statements(run, node->body) == -1)
			return -1;
		run->again = false;
	}
	run->leave = false;
	run->scope = before;
	return 0;
}

static int
run_macro(struct run *run, const struct node *node)
{
	struct macro *macro = arena_alloc(run->arena, sizeof *macro);

	if (macro == NULL)
		return run_memory(run);
	macro->node = node;
	macro->scope = run->scope;
	return run_set_variable(run, node->name, (struct value){.kind = VALUE_MACRO, .macro = macro});
}

/* {% set x %}…{% endset %} and {% filter f %}…{% endfilter %} */
static int
run_captured(struct run *run, const struct node *node)
{
	struct scope *before = run->scope;
	struct value text, hole = run->hole;

	if (run_open_scope(run, before) == -1 || run_capture(run, node->body, &text) == -1)
		return -1;
	run->scope = before;
	run->hole = text;
	if (run_evaluate(run, node->a, &text) == -1)
		return -1;
	run->hole = hole;
	return node->kind == NODE_CAPTURE ? assign(run, node->targets, &text)
	                                  : write_value(run, run->out, &text);
}

static int
run_with(struct run *run, const struct node *node)
{
	struct scope *before = run->scope, *inner;

	if (run_open_scope(run, before) == -1)
		return -1;
	inner = run->scope;
	for (const struct node *item = node->list; item != NULL; item = item->next) {
		struct value value;

		run->scope = before; /* values see what is outside */
		if (run_evaluate(run, item->a, &value) == -1)
			return -1;
		run->scope = inner;
		if (run_set_variable(run, item->name, value) == -1)
			return -1;
	}
	if (run_statements(run, node->body) == -1)
		return -1;
	run->scope = before;
	return 0;
}

static int
run_statement(struct run *run, const struct node *node)
{
	struct value value;

	switch (node->kind) {
	case NODE_TEXT:
		writer_text(run->out, node->literal.text);
		return run_work(run, node->literal.text.size);
	case NODE_PRINT:
		return run_evaluate(run, node->a, &value) == -1 ? -1 : write_value(run, run->out, &value);
	case NODE_IF:
		if (run_evaluate(run, node->a, &value) == -1)
			return -1;
		return run_statements(run, value_true(&value) ? node->body : node->otherwise);
	case NODE_FOR:
		return run_for(run, node);
	case NODE_SET:
		return run_evaluate(run, node->a, &value) == -1 ? -1 : assign(run, node->targets, &value);
	case NODE_CAPTURE:
	case NODE_FILTERED:
		return run_captured(run, node);
	case NODE_MACRO:
		return run_macro(run, node);
	case NODE_WITH:
		return run_with(run, node);
	case NODE_BREAK:
		run->leave = true;
		return 0;
	case NODE_CONTINUE:
		run->again = true;
		return 0;
	default:
		return run_statements(run, node->body);
	}
}

int
run_statements(struct run *run, const struct node *first)
{
	if (run_deeper(run) == -1)
		return -1;
	for (const struct node *node = first; node != NULL && !run->leave && !run->again; node = node->next) {
		run->line = node->line;
		if (run_work(run, 0) == -1 || run_statement(run, node) == -1)
			return -1;
		if (!buffer_ok(&run->out->bytes) || !buffer_ok(&run->out->marks))
			return run_memory(run);
	}
	run->depth--;
	return 0;
}

/* ---- the door --------------------------------------------------------------------------------------------------- */

int
jinja_compile(struct jinja **out, struct slice source, struct fault *why)
{
	struct jinja *jinja = calloc(1, sizeof *jinja);
	struct lexeme *lexemes;
	int result = -1;

	if (jinja == NULL)
		return fault_memory(why);
	if (source.size > JINJA_SOURCE_LIMIT || !utf8_valid(source)) {
		fault_set(why, FAULT_INVALID, "대화 틀이 UTF-8이 아니거나 너무 큽니다",
		          "the chat template is not UTF-8, or too large");
		goto out;
	}
	if ((jinja->arena = arena_new(JINJA_MEMORY_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	jinja->source = arena_slice(jinja->arena, source);
	if (template_lex(jinja->arena, source, &lexemes, why) == -1 ||
	    template_parse(jinja->arena, lexemes, &jinja->tree, why) == -1)
		goto out;
	*out = jinja;
	jinja = NULL;
	result = 0;
out:
	jinja_free(jinja);
	return result;
}

void
jinja_free(struct jinja *jinja)
{
	if (jinja == NULL)
		return;
	arena_free(jinja->arena);
	free(jinja);
}

bool
jinja_mentions(const struct jinja *jinja, const char *word)
{
	size_t size = strlen(word);

	for (size_t i = 0; i + size <= jinja->source.size; i++)
		if (memcmp(jinja->source.data + i, word, size) == 0)
			return true;
	return false;
}

static int
set_all(struct run *run, const json_t *members, enum origin origin)
{
	json_t *object = (json_t *)(uintptr_t)members; /* iteration is not const in jansson */

	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
		struct value value;

		if (value_of_json(run, json_object_iter_value(at), origin, 0, &value) == -1 ||
		    run_set_variable(run, slice_string(json_object_iter_key(at)), value) == -1)
			return -1;
	}
	return 0;
}

/* Stretches of one origin each, as the prompt wants them. */
static void
hand_over(const struct writer *writer, struct prompt *out)
{
	size_t size = writer->bytes.size;

	for (size_t start = 0, end; start < size; start = end) {
		uint8_t mark = writer->marks.data[start];
		struct slice part;

		for (end = start + 1; end < size && writer->marks.data[end] == mark;)
			end++;
		part = slice_of(writer->bytes.data + start, end - start);
		if (mark)
			prompt_untrusted(out, part);
		else
			prompt_trusted(out, part);
	}
}

int
jinja_render(const struct jinja *jinja, const json_t *ours, const json_t *theirs, struct prompt *out,
             struct fault *why)
{
	struct scope globals = {0};
	struct writer writer;
	struct run run = {.scope = &globals, .out = &writer, .why = why, .hole = value_undefined("")};
	int result = -1;

	writer_init(&writer);
	if ((run.arena = arena_new(JINJA_MEMORY_LIMIT)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (set_all(&run, ours, ORIGIN_OURS) == -1 || set_all(&run, theirs, ORIGIN_THEIRS) == -1 ||
	    run_statements(&run, jinja->tree) == -1)
		goto out;
	hand_over(&writer, out);
	result = 0;
out:
	writer_free(&writer);
	arena_free(run.arena);
	return result;
}
