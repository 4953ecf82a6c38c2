/*
 * Whether two expressions are the same, as the keys of capabilities must be.
 */
#include "policy/cedar/ast.h"

static bool
same_lists(const struct cedar_expr *a, const struct cedar_expr *b)
{
	if (a->as.list.count != b->as.list.count)
		return false;
	for (uint32_t i = 0; i < a->as.list.count; i++) {
		if (!cedar_expr_same(a->as.list.items[i], b->as.list.items[i]))
			return false;
		if (a->op == CEDAR_RECORD_OF &&
		    !cedar_string_equal(&a->as.list.names[i], &b->as.list.names[i]))
			return false;
	}
	return a->op != CEDAR_CALL || a->as.list.function == b->as.list.function;
}

static bool
same_patterns(const struct cedar_pattern *a, const struct cedar_pattern *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!slice_equal(a->pieces[i], b->pieces[i]))
			return false;
	return true;
}

static bool
same_or_absent(const struct cedar_expr *a, const struct cedar_expr *b)
{
	return a == NULL || b == NULL ? a == b : cedar_expr_same(a, b);
}

bool
cedar_expr_same(const struct cedar_expr *a, const struct cedar_expr *b)
{
	if (a == b)
		return true;
	if (a->op != b->op || a->height != b->height)
		return false;
	switch ((enum cedar_op)a->op) {
	case CEDAR_LITERAL:
		return cedar_equal(a->value, b->value);
	case CEDAR_VARIABLE:
		return a->as.variable == b->as.variable;
	case CEDAR_IF:
		return cedar_expr_same(a->as.choice.guard, b->as.choice.guard) &&
		       cedar_expr_same(a->as.choice.yes, b->as.choice.yes) &&
		       cedar_expr_same(a->as.choice.no, b->as.choice.no);
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		if (a->as.member.count != b->as.member.count ||
		    !cedar_expr_same(a->as.member.left, b->as.member.left))
			return false;
		for (uint32_t i = 0; i < a->as.member.count; i++)
			if (!cedar_string_equal(&a->as.member.names[i], &b->as.member.names[i]))
				return false;
		return true;
	case CEDAR_LIKE:
		return same_patterns(a->as.like.pattern, b->as.like.pattern) &&
		       cedar_expr_same(a->as.like.left, b->as.like.left);
	case CEDAR_IS:
		return cedar_string_equal(&a->as.is.type, &b->as.is.type) &&
		       cedar_expr_same(a->as.is.left, b->as.is.left) &&
		       same_or_absent(a->as.is.in, b->as.is.in);
	case CEDAR_AND:
	case CEDAR_OR:
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
	case CEDAR_CALL:
		return same_lists(a, b);
	default:
		return cedar_expr_same(a->as.pair.left, b->as.pair.left) &&
		       same_or_absent(a->as.pair.right, b->as.pair.right);
	}
}
