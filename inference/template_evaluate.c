/* template_evaluate -- expressions to values. */
#include <math.h>
#include <string.h>

#include "inference/template_inside.h"

#define REPEAT_LIMIT 100000

static int
evaluate_arguments(struct run *run, const struct node *list, struct arguments *out)
{
	out->count = out->named = 0;
	for (; list != NULL; list = list->next) {
		if (out->count == ARGUMENTS_LIMIT)
			return run_wrong(run, "인수가 너무 많습니다", "too many arguments");
		if (run_evaluate(run, list->a, &out->list[out->count]) == -1)
			return -1;
		out->names[out->count++] = list->name;
		out->named += list->name.size > 0;
	}
	return 0;
}

static int
evaluate_call(struct run *run, const struct node *node, struct value *out)
{
	struct arguments arguments;
	struct value of;
	bool known;

	if (node->a->kind == NODE_ATTRIBUTE) {
		if (run_evaluate(run, node->a->a, &of) == -1 ||
		    evaluate_arguments(run, node->list, &arguments) == -1)
			return -1;
		run->line = node->line;
		if (of.kind ==
		    VALUE_MAP) { /* a member that can be called goes before a method of that name */
			const struct value *member = map_get(of.map, node->a->name);

			if (member != NULL && (member->kind == VALUE_MACRO || member->kind == VALUE_BUILTIN))
				return run_call(run, member, &arguments, out);
		}
		if (of.kind == VALUE_UNDEFINED)
			return value_attribute(run, &of, node->a->name, out);
		if (method_call(run, &of, node->a->name, &arguments, out, &known) == -1)
			return -1;
		if (known)
			return 0;
		return run_wrong(run, "%s에는 '%.*s'이(가) 없습니다", "%s has no method '%.*s'",
		                 value_kind_name(&of), SLICE_PRINT(node->a->name));
	}
	if (run_evaluate(run, node->a, &of) == -1 || evaluate_arguments(run, node->list, &arguments) == -1)
		return -1;
	run->line = node->line;
	return run_call(run, &of, &arguments, out);
}

static int
join_lists(struct run *run, const struct list *a, const struct list *b, struct value *out)
{
	struct list *list = list_new(run, a->count + b->count);

	if (list == NULL)
		return -1;
	for (size_t i = 0; i < list->count; i++)
		list->items[i] = i < a->count ? a->items[i] : b->items[i - a->count];
	list->tuple = a->tuple;
	*out = (struct value){.kind = VALUE_LIST, .list = list};
	return 0;
}

static int
join_texts(struct run *run, const struct value *a, const struct value *b, struct value *out)
{
	struct writer writer;

	writer_init(&writer);
	if (write_value(run, &writer, a) == -1 || write_value(run, &writer, b) == -1) {
		writer_free(&writer);
		return -1;
	}
	return writer_value(run, &writer, out);
}

static int
repeat(struct run *run, const struct value *what, int64_t times, struct value *out)
{
	size_t count = times > 0 ? (size_t)times : 0,
	       size = what->kind == VALUE_TEXT ? what->text.size : what->list->count;
	struct writer writer;
	struct list *list;

	if (count > REPEAT_LIMIT || count * size > ((size_t)16 << 20))
		return run_wrong(run, "너무 많이 되풀이합니다", "repeated too often");
	if (what->kind == VALUE_LIST) {
		if ((list = list_new(run, count * size)) == NULL)
			return -1;
		for (size_t i = 0; i < list->count; i++)
			list->items[i] = what->list->items[i % size];
		*out = (struct value){.kind = VALUE_LIST, .list = list};
		return 0;
	}
	writer_init(&writer);
	for (size_t i = 0; i < count; i++)
		writer_text(&writer, what->text);
	return writer_value(run, &writer, out);
}

static int
real_arithmetic(struct run *run, enum operation operation, double x, double y, struct value *out)
{
	if (y == 0 &&
	    (operation == OPERATION_DIVIDE || operation == OPERATION_FLOOR || operation == OPERATION_MODULO))
		return run_wrong(run, "0으로 나눕니다", "division by zero");
	switch (operation) {
	case OPERATION_ADD:
		*out = value_real(x + y);
		return 0;
	case OPERATION_SUBTRACT:
		*out = value_real(x - y);
		return 0;
	case OPERATION_MULTIPLY:
		*out = value_real(x * y);
		return 0;
	case OPERATION_DIVIDE:
		*out = value_real(x / y);
		return 0;
	case OPERATION_FLOOR:
		*out = value_real(floor(x / y));
		return 0;
	case OPERATION_MODULO:
		*out = value_real(x - y * floor(x / y));
		return 0;
	default:
		*out = value_real(pow(x, y));
		return 0;
	}
}

static int
whole_arithmetic(struct run *run, enum operation operation, int64_t x, int64_t y, struct value *out)
{
	int64_t made = 1;
	bool over = false;

	switch (operation) {
	case OPERATION_ADD:
		over = __builtin_add_overflow(x, y, &made);
		break;
	case OPERATION_SUBTRACT:
		over = __builtin_sub_overflow(x, y, &made);
		break;
	case OPERATION_MULTIPLY:
		over = __builtin_mul_overflow(x, y, &made);
		break;
	case OPERATION_FLOOR:
	case OPERATION_MODULO:
		if (y == 0)
			return run_wrong(run, "0으로 나눕니다", "division by zero");
		if (y == -1) { /* the one division that overflows */
			over = operation == OPERATION_FLOOR && __builtin_sub_overflow(0, x, &made);
			made = operation == OPERATION_FLOOR ? made : 0;
			break;
		}
		made = operation == OPERATION_FLOOR ? x / y : x % y;
		if (x % y != 0 && (x < 0) != (y < 0)) /* towards minus infinity */
			made += operation == OPERATION_FLOOR ? -1 : y;
		break;
	default:
		if (y < 0 || y > 64)
			return real_arithmetic(run, operation, (double)x, (double)y, out);
		for (int64_t i = 0; i < y && !over; i++)
			over = __builtin_mul_overflow(made, x, &made);
		break;
	}
	if (over)
		return run_wrong(run, "수가 너무 큽니다", "a number is too large");
	*out = value_integer(made);
	return 0;
}

static int
evaluate_binary(struct run *run, const struct node *node, struct value *out)
{
	enum operation operation = (enum operation)node->number;
	struct value a, b;
	int64_t x, y;
	double u, v;

	if (run_evaluate(run, node->a, &a) == -1 || run_evaluate(run, node->b, &b) == -1)
		return -1;
	run->line = node->line;
	if (operation == OPERATION_JOIN)
		return join_texts(run, &a, &b, out);
	if (operation == OPERATION_ADD && a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
		return join_texts(run, &a, &b, out);
	if (operation == OPERATION_ADD && a.kind == VALUE_LIST && b.kind == VALUE_LIST)
		return join_lists(run, a.list, b.list, out);
	if (operation == OPERATION_MULTIPLY && (a.kind == VALUE_TEXT || a.kind == VALUE_LIST) &&
	    value_whole(&b, &y))
		return repeat(run, &a, y, out);
	if (operation == OPERATION_MULTIPLY && (b.kind == VALUE_TEXT || b.kind == VALUE_LIST) &&
	    value_whole(&a, &x))
		return repeat(run, &b, x, out);
	if (operation != OPERATION_DIVIDE && value_whole(&a, &x) && value_whole(&b, &y))
		return whole_arithmetic(run, operation, x, y, out);
	if (value_number(&a, &u) && value_number(&b, &v))
		return real_arithmetic(run, operation, u, v, out);
	if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
		return run_wrong(run, "'%.*s'이(가) 정해지지 않았습니다", "'%.*s' is undefined",
		                 SLICE_PRINT(text_slice(a.kind == VALUE_UNDEFINED ? a.text : b.text)));
	return run_wrong(run, "%s와(과) %s은(는) 계산할 수 없습니다", "%s and %s cannot be calculated with",
	                 value_kind_name(&a), value_kind_name(&b));
}

static int
compare_once(struct run *run, enum operation operation, const struct value *a, const struct value *b,
             bool *out)
{
	int order = 0;

	switch (operation) {
	case OPERATION_EQUAL:
	case OPERATION_DIFFERENT:
		*out = value_equal(a, b, 0) == (operation == OPERATION_EQUAL);
		return run_work(run, a->kind == VALUE_TEXT ? a->text.size : 0);
	case OPERATION_IN:
	case OPERATION_NOT_IN:
		if (value_contains(run, b, a, out) == -1)
			return -1;
		*out = *out == (operation == OPERATION_IN);
		return 0;
	default:
		if (value_compare(run, a, b, &order) == -1)
			return -1;
		*out = operation == OPERATION_LESS         ? order < 0
		       : operation == OPERATION_LESS_EQUAL ? order <= 0
		       : operation == OPERATION_GREATER    ? order > 0
		                                           : order >= 0;
		return 0;
	}
}

static int
evaluate_compare(struct run *run, const struct node *node, struct value *out)
{
	struct value left, right;
	bool holds = true;

	if (run_evaluate(run, node->a, &left) == -1)
		return -1;
	for (const struct node *other = node->list; other != NULL && holds; other = other->next) {
		if (run_evaluate(run, other->a, &right) == -1)
			return -1;
		run->line = node->line;
		if (compare_once(run, (enum operation)other->number, &left, &right, &holds) == -1)
			return -1;
		left = right;
	}
	*out = value_flag(holds);
	return 0;
}

static int
evaluate_container(struct run *run, const struct node *node, struct value *out)
{
	struct value key, value;
	struct list *list;
	struct map *map;
	size_t count = 0;

	for (const struct node *item = node->list; item != NULL; item = item->next)
		count++;
	if (node->kind == NODE_LIST) {
		if ((list = list_new(run, count)) == NULL)
			return -1;
		list->tuple = node->number == 1;
		count = 0;
		for (const struct node *item = node->list; item != NULL; item = item->next)
			if (run_evaluate(run, item->a, &list->items[count++]) == -1)
				return -1;
		*out = (struct value){.kind = VALUE_LIST, .list = list};
		return 0;
	}
	if ((map = map_new(run, count)) == NULL)
		return -1;
	for (const struct node *item = node->list; item != NULL; item = item->next)
		if (run_evaluate(run, item->a, &key) == -1 || run_evaluate(run, item->b, &value) == -1 ||
		    map_put(run, map, key, value) == -1)
			return -1;
	*out = (struct value){.kind = VALUE_MAP, .map = map};
	return 0;
}

static int
evaluate_part(struct run *run, const struct node *node, struct value *out)
{
	const struct node *nodes[3] = {node->b, node->c, node->d};
	struct value of, parts[3];

	if (run_evaluate(run, node->a, &of) == -1)
		return -1;
	if (node->kind == NODE_ATTRIBUTE) {
		run->line = node->line;
		return value_attribute(run, &of, node->name, out);
	}
	for (size_t i = 0; i < 3; i++) {
		parts[i] = value_none();
		if (nodes[i] != NULL && run_evaluate(run, nodes[i], &parts[i]) == -1)
			return -1;
	}
	run->line = node->line;
	return node->kind == NODE_INDEX ? value_index(run, &of, &parts[0], out)
	                                : value_slice(run, &of, &parts[0], &parts[1], &parts[2], out);
}

static int
evaluate_unary(struct run *run, const struct node *node, struct value *out)
{
	struct value of;
	int64_t whole;
	double real;

	if (run_evaluate(run, node->a, &of) == -1)
		return -1;
	run->line = node->line;
	if (node->kind == NODE_NOT)
		*out = value_flag(!value_true(&of));
	else if (value_whole(&of, &whole) && whole != INT64_MIN)
		*out = value_integer(node->kind == NODE_NEGATE ? -whole : whole);
	else if (value_number(&of, &real))
		*out = value_real(node->kind == NODE_NEGATE ? -real : real);
	else
		return run_wrong(run, "%s에는 부호를 붙일 수 없습니다", "%s cannot have a sign",
		                 value_kind_name(&of));
	return 0;
}

static int
evaluate_operation(struct run *run, const struct node *node, struct value *out)
{
	struct arguments arguments;
	struct value of;
	bool holds;

	if (run_evaluate(run, node->a, &of) == -1 || evaluate_arguments(run, node->list, &arguments) == -1)
		return -1;
	run->line = node->line;
	if (node->number == -1)
		return run_wrong(run, "%s '%.*s'은(는) 지원하지 않습니다", "%s '%.*s' is not supported",
		                 node->kind == NODE_FILTER ? "filter" : "test", SLICE_PRINT(node->name));
	if (node->kind == NODE_FILTER)
		return filter_apply(run, node->number, &of, &arguments, out);
	if (test_apply(run, node->number, &of, &arguments, &holds) == -1)
		return -1;
	*out = value_flag(holds);
	return 0;
}

static int
evaluate_choice(struct run *run, const struct node *node, struct value *out)
{
	if (node->kind == NODE_CONDITION) {
		struct value condition;

		if (run_evaluate(run, node->b, &condition) == -1)
			return -1;
		if (value_true(&condition))
			return run_evaluate(run, node->a, out);
		if (node->c != NULL)
			return run_evaluate(run, node->c, out);
		*out = value_undefined("else");
		return 0;
	}
	if (run_evaluate(run, node->a, out) == -1)
		return -1;
	return value_true(out) == (node->kind == NODE_AND) ? run_evaluate(run, node->b, out) : 0;
}

static int
evaluate_node(struct run *run, const struct node *node, struct value *out)
{
	switch (node->kind) {
	case NODE_LITERAL:
		*out = node->literal;
		return 0;
	case NODE_HOLE:
		*out = run->hole;
		return 0;
	case NODE_NAME:
		return run_look_up(run, node->name, out);
	case NODE_ATTRIBUTE:
	case NODE_INDEX:
	case NODE_SLICE:
		return evaluate_part(run, node, out);
	case NODE_CALL:
		return evaluate_call(run, node, out);
	case NODE_FILTER:
	case NODE_TEST:
		return evaluate_operation(run, node, out);
	case NODE_NOT:
	case NODE_NEGATE:
	case NODE_PLUS:
		return evaluate_unary(run, node, out);
	case NODE_AND:
	case NODE_OR:
	case NODE_CONDITION:
		return evaluate_choice(run, node, out);
	case NODE_BINARY:
		return evaluate_binary(run, node, out);
	case NODE_COMPARE:
		return evaluate_compare(run, node, out);
	default:
		return evaluate_container(run, node, out);
	}
}

int
run_evaluate(struct run *run, const struct node *node, struct value *out)
{
	run->line = node->line;
	if (run_work(run, 0) == -1 || run_deeper(run) == -1 || evaluate_node(run, node, out) == -1)
		return -1;
	run->depth--;
	return 0;
}
