/*
 * Why a policy did or did not apply: its scope line by line, its conditions clause by clause. Of a condition that was
 * false the reason is followed down: through && to the part that was false, through || to all of its parts, and a
 * comparison shows what each side was.
 */
#include "policy/cedar/evaluate.h"
#include "policy/cedar/lexer.h"

#include <string.h>

struct explaining {
	struct buffer *ko, *en;
	struct evaluation *run;
	const struct cedar_policy *policy;
};

/* The same words in both languages' texts. */
static void
both(struct explaining *explain, const char *ko, const char *en)
{
	buffer_string(explain->ko, ko);
	buffer_string(explain->en, en);
}

static void
both_slice(struct explaining *explain, struct slice text)
{
	buffer_slice(explain->ko, text);
	buffer_slice(explain->en, text);
}

static void
both_value(struct explaining *explain, struct cedar_value value)
{
	cedar_value_write(explain->ko, value);
	cedar_value_write(explain->en, value);
}

static void
indent(struct explaining *explain, unsigned depth)
{
	for (unsigned i = 0; i < depth && i < 20; i++)
		both(explain, "  ", "  ");
}

/* Where it stands, as "line:column", when the policy has a text. */
static void
place(struct explaining *explain, uint32_t offset)
{
	unsigned line, column;

	if (explain->policy->source == NULL)
		return;
	lexer_place(explain->policy->source->text, offset, &line, &column);
	buffer_printf(explain->ko, "%u:%u ", line, column);
	buffer_printf(explain->en, "%u:%u ", line, column);
}

static void
tell_failure(struct explaining *explain)
{
	const char *ko, *en;

	if (!evaluation_tell(explain->run, &ko, &en))
		ko = en = "?";
	both(explain, ko, en);
}

/* ---- expressions, shortly ---------------------------------------------------------------------------------------- */

static void show(struct explaining *explain, const struct cedar_expr *expr, unsigned depth);

static void
show_list(struct explaining *explain, const struct cedar_expr *expr, uint32_t from, const char *between,
          unsigned depth)
{
	for (uint32_t i = from; i < expr->as.list.count; i++) {
		both(explain, i > from ? between : "", i > from ? between : "");
		if (expr->op == CEDAR_RECORD_OF) {
			both_slice(explain, cedar_string_slice(&expr->as.list.names[i]));
			both(explain, ": ", ": ");
		}
		show(explain, expr->as.list.items[i], depth);
	}
}

static void
show_pattern(struct explaining *explain, const struct cedar_pattern *pattern)
{
	both(explain, "\"", "\"");
	for (uint32_t i = 0; i < pattern->count; i++) {
		both(explain, i > 0 ? "*" : "", i > 0 ? "*" : "");
		both_slice(explain, pattern->pieces[i]);
	}
	both(explain, "\"", "\"");
}

/* An expression in one line; deeper than a few levels it is only hinted at. */
static void
show(struct explaining *explain, const struct cedar_expr *expr, unsigned depth)
{
	static const char *const variables[] = {"principal", "action", "resource", "context"};
	static const char *const operators[] = {[CEDAR_AND] = " && ",
	                                        [CEDAR_OR] = " || ",
	                                        [CEDAR_EQUAL] = " == ",
	                                        [CEDAR_NOT_EQUAL] = " != ",
	                                        [CEDAR_LESS] = " < ",
	                                        [CEDAR_LESS_EQUAL] = " <= ",
	                                        [CEDAR_GREATER] = " > ",
	                                        [CEDAR_GREATER_EQUAL] = " >= ",
	                                        [CEDAR_IN] = " in ",
	                                        [CEDAR_ADD] = " + ",
	                                        [CEDAR_SUBTRACT] = " - ",
	                                        [CEDAR_MULTIPLY] = " * ",
	                                        [CEDAR_CONTAINS] = ".contains(",
	                                        [CEDAR_CONTAINS_ALL] = ".containsAll(",
	                                        [CEDAR_CONTAINS_ANY] = ".containsAny(",
	                                        [CEDAR_GET_TAG] = ".getTag(",
	                                        [CEDAR_HAS_TAG] = ".hasTag("};

	if (++depth > 6) {
		both(explain, "…", "…");
		return;
	}
	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		both_value(explain, expr->value);
		break;
	case CEDAR_VARIABLE:
		both(explain, variables[expr->as.variable], variables[expr->as.variable]);
		break;
	case CEDAR_AND:
	case CEDAR_OR:
		both(explain, "(", "(");
		show_list(explain, expr, 0, operators[expr->op], depth);
		both(explain, ")", ")");
		break;
	case CEDAR_IF:
		both(explain, "if ", "if ");
		show(explain, expr->as.choice.guard, depth);
		both(explain, " then ", " then ");
		show(explain, expr->as.choice.yes, depth);
		both(explain, " else ", " else ");
		show(explain, expr->as.choice.no, depth);
		break;
	case CEDAR_NOT:
	case CEDAR_NEGATE:
		both(explain, expr->op == CEDAR_NOT ? "!" : "-", expr->op == CEDAR_NOT ? "!" : "-");
		show(explain, expr->as.pair.left, depth);
		break;
	case CEDAR_IS_EMPTY:
		show(explain, expr->as.pair.left, depth);
		both(explain, ".isEmpty()", ".isEmpty()");
		break;
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		show(explain, expr->as.member.left, depth - 1);
		for (uint32_t i = 0; i < expr->as.member.count; i++) {
			const char *mark = expr->op == CEDAR_HAS && i == 0 ? " has " : ".";

			both(explain, mark, mark);
			both_slice(explain, cedar_string_slice(&expr->as.member.names[i]));
		}
		break;
	case CEDAR_LIKE:
		show(explain, expr->as.like.left, depth);
		both(explain, " like ", " like ");
		show_pattern(explain, expr->as.like.pattern);
		break;
	case CEDAR_IS:
		show(explain, expr->as.is.left, depth);
		both(explain, " is ", " is ");
		both_slice(explain, cedar_string_slice(&expr->as.is.type));
		if (expr->as.is.in != NULL) {
			both(explain, " in ", " in ");
			show(explain, expr->as.is.in, depth);
		}
		break;
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
		both(explain, expr->op == CEDAR_SET_OF ? "[" : "{", expr->op == CEDAR_SET_OF ? "[" : "{");
		show_list(explain, expr, 0, ", ", depth);
		both(explain, expr->op == CEDAR_SET_OF ? "]" : "}", expr->op == CEDAR_SET_OF ? "]" : "}");
		break;
	case CEDAR_CALL: {
		const struct cedar_signature *signature = cedar_signature(expr->as.list.function);
		bool method = signature->method && expr->as.list.count > 0;

		if (method) {
			show(explain, expr->as.list.items[0], depth);
			both(explain, ".", ".");
		}
		both(explain, signature->name, signature->name);
		both(explain, "(", "(");
		show_list(explain, expr, method ? 1 : 0, ", ", depth);
		both(explain, ")", ")");
		break;
	}
	default:
		show(explain, expr->as.pair.left, depth);
		both(explain, operators[expr->op], operators[expr->op]);
		show(explain, expr->as.pair.right, depth);
		if (expr->op >= CEDAR_CONTAINS)
			both(explain, ")", ")");
		break;
	}
}

void
cedar_expr_show(struct buffer *out, const struct cedar_expr *expr)
{
	struct buffer nothing = {0};
	struct explaining explain = {.ko = out, .en = &nothing};

	show(&explain, expr, 0);
}

/* ---- reasons --------------------------------------------------------------------------------------------------- */

/* What one side was, unless it is written out already. */
static void
show_side(struct explaining *explain, const struct cedar_expr *expr, unsigned depth)
{
	struct cedar_value value;

	if (expr == NULL || expr->constant || expr->op == CEDAR_VARIABLE)
		return;
	value = evaluation_of(explain->run, expr);
	indent(explain, depth);
	show(explain, expr, 0);
	both(explain, " = ", " = ");
	if (value.kind == CEDAR_NONE)
		tell_failure(explain);
	else
		both_value(explain, value);
	both(explain, "\n", "\n");
}

static void
show_sides(struct explaining *explain, const struct cedar_expr *expr, unsigned depth)
{
	switch ((enum cedar_op)expr->op) {
	case CEDAR_ATTRIBUTE:
	case CEDAR_HAS:
		show_side(explain, expr->as.member.left, depth);
		break;
	case CEDAR_LIKE:
		show_side(explain, expr->as.like.left, depth);
		break;
	case CEDAR_IS:
		show_side(explain, expr->as.is.left, depth);
		break;
	case CEDAR_CALL:
		for (uint32_t i = 0; i < expr->as.list.count; i++)
			show_side(explain, expr->as.list.items[i], depth);
		break;
	case CEDAR_LITERAL:
	case CEDAR_VARIABLE:
	case CEDAR_IF:
	case CEDAR_SET_OF:
	case CEDAR_RECORD_OF:
		break;
	default:
		show_side(explain, expr->as.pair.left, depth);
		show_side(explain, expr->as.pair.right, depth);
		break;
	}
}

/* Why it gave what it gave (or failed), down to the parts that decided. */
static void
reason(struct explaining *explain, const struct cedar_expr *expr, unsigned depth)
{
	struct cedar_value value = evaluation_of(explain->run, expr);
	bool chain = expr->op == CEDAR_AND || expr->op == CEDAR_OR;

	indent(explain, depth);
	place(explain, expr->offset);
	if (value.kind == CEDAR_NONE) {
		both(explain, "오류: ", "error: ");
		tell_failure(explain);
		both(explain, ": ", ": ");
	} else if (value.kind == CEDAR_BOOL) {
		both(explain, value.as.boolean ? "참: " : "거짓: ", value.as.boolean ? "true: " : "false: ");
	} else {
		both(explain, "참도 거짓도 아님: ", "neither true nor false: ");
	}
	show(explain, expr, 0);
	both(explain, "\n", "\n");
	if (depth > 12)
		return;
	if (expr->op == CEDAR_NOT) {
		reason(explain, expr->as.pair.left, depth + 1);
		return;
	}
	if (!chain) {
		show_sides(explain, expr, depth + 1);
		return;
	}
	for (uint32_t i = 0; i < expr->as.list.count; i++) {
		struct cedar_value item = evaluation_of(explain->run, expr->as.list.items[i]);
		bool decisive = item.kind != CEDAR_BOOL || item.as.boolean == (expr->op == CEDAR_OR);

		/* The part that ended the chain alone, or all when none did. */
		if (decisive || (value.kind == CEDAR_BOOL && value.as.boolean != (expr->op == CEDAR_OR)))
			reason(explain, expr->as.list.items[i], depth + 1);
		if (decisive)
			break;
	}
}

static bool
explain_scope(struct explaining *explain, const struct cedar_scope *scope, enum cedar_variable variable,
              const struct cedar_uid *uid)
{
	static const char *const names[] = {"principal", "action", "resource"};
	static const char *const operators[] = {"", " == ", " in ", " in ", " is ", " is "};
	bool holds = evaluation_scope(explain->run, scope, variable);

	indent(explain, 1);
	both(explain, holds ? "참: " : "거짓: ", holds ? "true: " : "false: ");
	both(explain, names[variable], names[variable]);
	both(explain, operators[scope->kind], operators[scope->kind]);
	both_slice(explain, cedar_string_slice(&scope->type));
	if (scope->kind == CEDAR_SCOPE_IS_IN)
		both(explain, " in ", " in ");
	if (scope->entity != NULL)
		both_value(explain, cedar_entity(scope->entity));
	for (uint32_t i = 0; i < scope->count; i++) {
		both(explain, i == 0 ? "[" : ", ", i == 0 ? "[" : ", ");
		both_value(explain, cedar_entity(scope->list[i]));
	}
	both(explain, scope->kind == CEDAR_SCOPE_IN_LIST ? "]" : "",
	     scope->kind == CEDAR_SCOPE_IN_LIST ? "]" : "");
	if (scope->kind != CEDAR_SCOPE_ANY) {
		both(explain, "   (", "   (");
		both_value(explain, cedar_entity(uid));
		both(explain, ")", ")");
	}
	both(explain, "\n", "\n");
	return holds;
}

static void
explain_conditions(struct explaining *explain)
{
	for (uint32_t i = 0; i < explain->policy->condition_count; i++) {
		const struct cedar_condition *condition = &explain->policy->conditions[i];
		struct cedar_value value = evaluation_of(explain->run, condition->body);
		bool holds = value.kind == CEDAR_BOOL && value.as.boolean != condition->unless;

		indent(explain, 1);
		both(explain,
		     condition->unless ? "unless: " : "when: ", condition->unless ? "unless: " : "when: ");
		both(explain, holds ? "지나감\n" : "막힘\n", holds ? "passes\n" : "stops\n");
		reason(explain, condition->body, 2);
		if (!holds)
			return;
	}
}

int
cedar_explain(struct buffer *ko, struct buffer *en, const struct cedar_policies *policies, uint32_t policy,
              const struct cedar_request *request, const struct cedar_entities *entities, struct arena *arena,
              struct fault *why)
{
	static const char *const outcomes_ko[] = {"해당하지 않음", "해당함", "오류로 건너뜀"};
	static const char *const outcomes_en[] = {"does not apply", "applies", "skipped for an error"};
	struct evaluation run;
	struct explaining explain = {.ko = ko, .en = en, .run = &run};
	enum outcome outcome;
	bool holds;

	if (policy >= policies->count)
		return fault_set(why, FAULT_NOT_FOUND, "그런 정책이 없습니다", "there is no such policy");
	if (evaluation_begin(&run, request, entities, arena, why) == -1)
		return -1;
	explain.policy = policies->policies[policy];
	outcome = evaluation_policy(&run, explain.policy);
	both(&explain, explain.policy->id, explain.policy->id);
	both(&explain, explain.policy->effect == CEDAR_PERMIT ? " (permit): " : " (forbid): ",
	     explain.policy->effect == CEDAR_PERMIT ? " (permit): " : " (forbid): ");
	both(&explain, outcomes_ko[outcome], outcomes_en[outcome]);
	both(&explain, "\n", "\n");
	holds = explain_scope(&explain, &explain.policy->principal, CEDAR_PRINCIPAL, request->principal);
	holds = explain_scope(&explain, &explain.policy->action, CEDAR_ACTION, request->action) && holds;
	holds =
	    explain_scope(&explain, &explain.policy->resource, CEDAR_RESOURCE, request->resource) && holds;
	if (holds)
		explain_conditions(&explain);
	return arena_ok(arena) && buffer_ok(ko) && buffer_ok(en) ? 0 : fault_memory(why);
}
