/*
 * Policies to their JSON form. What was written stays: `>` and `!=` are kept; only an extended has becomes the chain of
 * && that it means, as the reference writes it.
 */
#include "policy/cedar/ast.h"
#include "schema/base/json.h"

static void write_expr(struct buffer *out, const struct cedar_expr *expr);

static void
quote(struct buffer *out, const struct cedar_string *string)
{
	json_quote(out, cedar_string_slice(string));
}

static void
write_uid(struct buffer *out, const struct cedar_uid *uid)
{
	buffer_string(out, "{\"type\":");
	quote(out, &uid->type);
	buffer_string(out, ",\"id\":");
	quote(out, &uid->id);
	buffer_byte(out, '}');
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static const char *
operator_name(enum cedar_op op)
{
	static const char *const names[] = {[CEDAR_AND] = "&&",
	                                    [CEDAR_OR] = "||",
	                                    [CEDAR_NOT] = "!",
	                                    [CEDAR_NEGATE] = "neg",
	                                    [CEDAR_EQUAL] = "==",
	                                    [CEDAR_NOT_EQUAL] = "!=",
	                                    [CEDAR_LESS] = "<",
	                                    [CEDAR_LESS_EQUAL] = "<=",
	                                    [CEDAR_GREATER] = ">",
	                                    [CEDAR_GREATER_EQUAL] = ">=",
	                                    [CEDAR_IN] = "in",
	                                    [CEDAR_ADD] = "+",
	                                    [CEDAR_SUBTRACT] = "-",
	                                    [CEDAR_MULTIPLY] = "*",
	                                    [CEDAR_CONTAINS] = "contains",
	                                    [CEDAR_CONTAINS_ALL] = "containsAll",
	                                    [CEDAR_CONTAINS_ANY] = "containsAny",
	                                    [CEDAR_GET_TAG] = "getTag",
	                                    [CEDAR_HAS_TAG] = "hasTag",
	                                    [CEDAR_IS_EMPTY] = "isEmpty"};

	return names[op];
}

static void
write_literal(struct buffer *out, struct cedar_value value)
{
	buffer_string(out, "{\"Value\":");
	switch (value.kind) {
	case CEDAR_BOOL:
		buffer_string(out, value.as.boolean ? "true" : "false");
		break;
	case CEDAR_LONG:
		buffer_printf(out, "%lld", (long long)value.as.number);
		break;
	case CEDAR_STRING:
		quote(out, value.as.string);
		break;
	default: /* literals are nothing else */
		buffer_string(out, "{\"__entity\":");
		write_uid(out, value.as.entity);
		buffer_byte(out, '}');
		break;
	}
	buffer_byte(out, '}');
}

/* A chain is written as the nested pairs that it means, without as many calls. */
static void
write_chain(struct buffer *out, const struct cedar_expr *expr)
{
	const char *name = operator_name((enum cedar_op)expr->op);

	for (uint32_t i = 1; i < expr->as.list.count; i++)
		buffer_printf(out, "{\"%s\":{\"left\":", name);
	write_expr(out, expr->as.list.items[0]);
	for (uint32_t i = 1; i < expr->as.list.count; i++) {
		buffer_string(out, ",\"right\":");
		write_expr(out, expr->as.list.items[i]);
		buffer_string(out, "}}");
	}
}

/* left, then .a.b… of the first `count` names behind it */
static void
write_path(struct buffer *out, const struct cedar_expr *left, const struct cedar_string *names,
           uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		buffer_string(out, "{\".\":{\"left\":");
	write_expr(out, left);
	for (uint32_t i = 0; i < count; i++) {
		buffer_string(out, ",\"attr\":");
		quote(out, &names[i]);
		buffer_string(out, "}}");
	}
}

static void
write_has(struct buffer *out, const struct cedar_expr *expr)
{
	uint32_t count = expr->as.member.count;

	for (uint32_t i = 1; i < count; i++)
		buffer_string(out, "{\"&&\":{\"left\":");
	for (uint32_t i = 0; i < count; i++) {
		buffer_string(out, i > 0 ? ",\"right\":{\"has\":{\"left\":" : "{\"has\":{\"left\":");
		write_path(out, expr->as.member.left, expr->as.member.names, i);
		buffer_string(out, ",\"attr\":");
		quote(out, &expr->as.member.names[i]);
		buffer_string(out, i > 0 ? "}}}}" : "}}");
	}
}

static void
write_like(struct buffer *out, const struct cedar_expr *expr)
{
	const struct cedar_pattern *pattern = expr->as.like.pattern;
	bool any = false;

	buffer_string(out, "{\"like\":{\"left\":");
	write_expr(out, expr->as.like.left);
	buffer_string(out, ",\"pattern\":[");
	for (uint32_t i = 0; i < pattern->count; i++) {
		if (i > 0)
			buffer_string(out, any ? ",\"Wildcard\"" : "\"Wildcard\"");
		any = any || i > 0;
		if (pattern->pieces[i].size == 0)
			continue;
		buffer_string(out, any ? ",{\"Literal\":" : "{\"Literal\":");
		json_quote(out, pattern->pieces[i]);
		buffer_byte(out, '}');
		any = true;
	}
	buffer_string(out, "]}}");
}

static void
write_items(struct buffer *out, const struct cedar_expr *expr, const char *name)
{
	bool record = expr->op == CEDAR_RECORD_OF;

	buffer_printf(out, "{\"%s\":%c", name, record ? '{' : '[');
	for (uint32_t i = 0; i < expr->as.list.count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		if (record) {
			quote(out, &expr->as.list.names[i]);
			buffer_byte(out, ':');
		}
		write_expr(out, expr->as.list.items[i]);
	}
	buffer_string(out, record ? "}}" : "]}");
}

static void
write_is(struct buffer *out, const struct cedar_expr *expr)
{
	buffer_string(out, "{\"is\":{\"left\":");
	write_expr(out, expr->as.is.left);
	buffer_string(out, ",\"entity_type\":");
	quote(out, &expr->as.is.type);
	if (expr->as.is.in != NULL) {
		buffer_string(out, ",\"in\":");
		write_expr(out, expr->as.is.in);
	}
	buffer_string(out, "}}");
}

static void
write_expr(struct buffer *out, const struct cedar_expr *expr)
{
	static const char *const variables[] = {"principal", "action", "resource", "context"};

	switch ((enum cedar_op)expr->op) {
	case CEDAR_LITERAL:
		write_literal(out, expr->value);
		break;
	case CEDAR_VARIABLE:
		buffer_printf(out, "{\"Var\":\"%s\"}", variables[expr->as.variable]);
		break;
	case CEDAR_AND:
	case CEDAR_OR:
		write_chain(out, expr);
		break;
	case CEDAR_IF:
		buffer_string(out, "{\"if-then-else\":{\"if\":");
		write_expr(out, expr->as.choice.guard);
		buffer_string(out, ",\"then\":");
		write_expr(out, expr->as.choice.yes);
		buffer_string(out, ",\"else\":");
		write_expr(out, expr->as.choice.no);
		buffer_string(out, "}}");
		break;
	case CEDAR_NOT:
	case CEDAR_NEGATE:
	case CEDAR_IS_EMPTY:
		buffer_printf(out, "{\"%s\":{\"arg\":", operator_name((enum cedar_op)expr->op));
		write_expr(out, expr->as.pair.left);
		buffer_string(out, "}}");
		break;
	case CEDAR_ATTRIBUTE:
		write_path(out, expr->as.member.left, expr->as.member.names, 1);
		break;
	case CEDAR_HAS:
		write_has(out, expr);
		break;
	case CEDAR_LIKE:
		write_like(out, expr);
		break;
	case CEDAR_IS:
		write_is(out, expr);
		break;
	case CEDAR_SET_OF:
		write_items(out, expr, "Set");
		break;
	case CEDAR_RECORD_OF:
		write_items(out, expr, "Record");
		break;
	case CEDAR_CALL:
		write_items(out, expr, cedar_signature(expr->as.list.function)->name);
		break;
	default:
		buffer_printf(out, "{\"%s\":{\"left\":", operator_name((enum cedar_op)expr->op));
		write_expr(out, expr->as.pair.left);
		buffer_string(out, ",\"right\":");
		write_expr(out, expr->as.pair.right);
		buffer_string(out, "}}");
		break;
	}
}

/* ---- policies -------------------------------------------------------------------------------------------------- */

static void
write_scope_entity(struct buffer *out, const struct cedar_scope *scope, const char *variable, bool template)
{
	if (scope->slot && template) {
		buffer_printf(out, "\"slot\":\"?%s\"", variable);
		return;
	}
	buffer_string(out, "\"entity\":");
	write_uid(out, scope->entity);
}

static void
write_scope(struct buffer *out, const struct cedar_scope *scope, const char *variable, bool template)
{
	buffer_printf(out, ",\"%s\":{\"op\":", variable);
	switch (scope->kind) {
	case CEDAR_SCOPE_ANY:
		buffer_string(out, "\"All\"");
		break;
	case CEDAR_SCOPE_EQUAL:
	case CEDAR_SCOPE_IN:
		buffer_string(out, scope->kind == CEDAR_SCOPE_IN ? "\"in\"," : "\"==\",");
		write_scope_entity(out, scope, variable, template);
		break;
	case CEDAR_SCOPE_IN_LIST:
		if (scope->count == 1) { /* [a] is written as a: the reference makes no difference either */
			buffer_string(out, "\"in\",\"entity\":");
			write_uid(out, scope->list[0]);
			break;
		}
		buffer_string(out, "\"in\",\"entities\":[");
		for (uint32_t i = 0; i < scope->count; i++) {
			buffer_string(out, i > 0 ? "," : "");
			write_uid(out, scope->list[i]);
		}
		buffer_byte(out, ']');
		break;
	case CEDAR_SCOPE_IS:
	case CEDAR_SCOPE_IS_IN:
		buffer_string(out, "\"is\",\"entity_type\":");
		quote(out, &scope->type);
		if (scope->kind == CEDAR_SCOPE_IS_IN) {
			buffer_string(out, ",\"in\":{");
			write_scope_entity(out, scope, variable, template);
			buffer_byte(out, '}');
		}
		break;
	}
	buffer_byte(out, '}');
}

static void
write_policy(struct buffer *out, const struct cedar_policy *policy)
{
	bool template = cedar_policy_is_template(policy);

	buffer_printf(out, "{\"effect\":\"%s\"", policy->effect == CEDAR_PERMIT ? "permit" : "forbid");
	write_scope(out, &policy->principal, "principal", template);
	write_scope(out, &policy->action, "action", template);
	write_scope(out, &policy->resource, "resource", template);
	buffer_string(out, ",\"conditions\":[");
	for (uint32_t i = 0; i < policy->condition_count; i++) {
		buffer_printf(out, "%s{\"kind\":\"%s\",\"body\":", i > 0 ? "," : "",
		              policy->conditions[i].unless ? "unless" : "when");
		write_expr(out, policy->conditions[i].body);
		buffer_byte(out, '}');
	}
	buffer_byte(out, ']');
	for (uint32_t i = 0; i < policy->annotation_count; i++) {
		buffer_string(out, i > 0 ? "," : ",\"annotations\":{");
		quote(out, &policy->annotations[i].key);
		buffer_byte(out, ':');
		if (policy->annotations[i].bare)
			buffer_string(out, "null");
		else
			quote(out, &policy->annotations[i].value);
	}
	buffer_string(out, policy->annotation_count > 0 ? "}}" : "}");
}

static void
write_links(struct buffer *out, const struct cedar_policies *policies)
{
	bool any = false;

	for (uint32_t i = 0; i < policies->count; i++) {
		const struct cedar_policy *policy = policies->policies[i];

		if (policy->template_id == NULL)
			continue;
		buffer_string(out, any ? ",{\"templateId\":" : "{\"templateId\":");
		any = true;
		json_quote(out, slice_string(policy->template_id));
		buffer_string(out, ",\"newId\":");
		json_quote(out, slice_string(policy->id));
		buffer_string(out, ",\"values\":{");
		if (policy->principal.slot) {
			buffer_string(out, "\"?principal\":");
			write_uid(out, policy->principal.entity);
		}
		if (policy->resource.slot) {
			buffer_string(out, policy->principal.slot ? ",\"?resource\":" : "\"?resource\":");
			write_uid(out, policy->resource.entity);
		}
		buffer_string(out, "}}");
	}
}

int
cedar_policies_write_json(struct buffer *out, const struct cedar_policies *policies, struct fault *why)
{
	bool any = false;

	buffer_string(out, "{\"staticPolicies\":{");
	for (uint32_t i = 0; i < policies->count; i++) {
		if (policies->policies[i]->template_id != NULL)
			continue;
		buffer_string(out, any ? "," : "");
		any = true;
		json_quote(out, slice_string(policies->policies[i]->id));
		buffer_byte(out, ':');
		write_policy(out, policies->policies[i]);
	}
	buffer_string(out, "},\"templates\":{");
	for (uint32_t i = 0; i < policies->template_count; i++) {
		buffer_string(out, i > 0 ? "," : "");
		json_quote(out, slice_string(policies->templates[i]->id));
		buffer_byte(out, ':');
		write_policy(out, policies->templates[i]);
	}
	buffer_string(out, "},\"templateLinks\":[");
	write_links(out, policies);
	buffer_string(out, "]}");
	return buffer_ok(out) ? 0 : fault_memory(why);
}
