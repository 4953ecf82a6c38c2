/*
 * Policies: annotations, effect, scope, conditions. Expressions are parser_expression.c's.
 */
#include "policy/cedar/parser.h"

#include <string.h>

bool
cedar_draft_add(struct cedar_draft *draft, struct cedar_policy *policy)
{
	if (draft->count == draft->capacity) {
		size_t capacity = draft->capacity == 0 ? 16 : 2 * draft->capacity;
		struct cedar_policy **items = arena_array(draft->arena, capacity, sizeof *items);

		if (items == NULL)
			return false;
		if (draft->count > 0)
			memcpy(items, draft->items, draft->count * sizeof *items);
		draft->items = items;
		draft->capacity = capacity;
	}
	draft->items[draft->count++] = policy;
	return true;
}

/* ---- annotations ---------------------------------------------------------------------------------------------- */

/* '@' ANYIDENT ( '(' STR ')' )? */
static bool
parse_annotation(struct parser *parser, struct cedar_annotation *annotation)
{
	struct token token;
	struct cedar_string value;
	const char *text;

	annotation->offset = parser->token.offset;
	parser_advance(parser);
	token = parser->token;
	if (!parser_expect(parser, TOKEN_WORD, "주석 이름", "the name of an annotation"))
		return false;
	annotation->key = cedar_string_of(token.text);
	annotation->bare = true;
	value = cedar_string_of((struct slice){NULL, 0});
	if (parser_accept(parser, TOKEN_OPEN_ROUND)) {
		annotation->bare = false;
		if (!parser_string(parser, &value) || !parser_expect(parser, TOKEN_CLOSE_ROUND, "')'", "')'"))
			return false;
	}
	if ((text = arena_text(parser->arena, cedar_string_slice(&value))) == NULL) {
		parser_no_memory(parser);
		return false;
	}
	annotation->value = cedar_string_of(slice_of(text, value.size));
	return true;
}

static bool
parse_annotations(struct parser *parser, struct cedar_policy *policy)
{
	struct cedar_annotation *list = NULL;
	uint32_t count = 0, capacity = 0;

	while (parser->token.kind == TOKEN_AT) {
		if (!parser_grow(parser, &list, count, &capacity, sizeof *list) ||
		    !parse_annotation(parser, &list[count]))
			return false;
		if (count == CEDAR_NAMES_LIMIT) {
			parser_complain(parser, list[count].offset, NULL, NULL,
			                "주석이 너무 많습니다 (한도 %d)", "too many annotations (limit %d)",
			                CEDAR_NAMES_LIMIT);
			parser->lost = true;
			return false;
		}
		for (uint32_t i = 0; i < count; i++)
			if (cedar_string_equal(&list[i].key, &list[count].key))
				parser_complain(parser, list[count].offset, "하나만 남기십시오",
				                "keep one of them", "주석 @%.*s이(가) 두 번 있습니다",
				                "annotation @%.*s is there twice", (int)list[i].key.size,
				                list[i].key.data);
		count++;
	}
	policy->annotations = list;
	policy->annotation_count = count;
	return true;
}

/* ---- scope ---------------------------------------------------------------------------------------------------- */

/* Entity, or the slot of this variable. */
static bool
parse_scope_entity(struct parser *parser, struct cedar_scope *scope, const char *variable)
{
	struct token token = parser->token;

	if (token.kind != TOKEN_SLOT)
		return (scope->entity = parser_entity(parser)) != NULL;
	parser_advance(parser);
	if (slice_equal(slice_of(token.text.data + 1, token.text.size - 1), slice_string(variable)) &&
	    !slice_is(token.text, "?action")) {
		scope->slot = true;
		return true;
	}
	parser_complain(parser, token.offset, "?principal과 ?resource가 있고, 저마다 제 변수에만 씁니다",
	                "there are ?principal and ?resource, each at its own variable",
	                "자리 %.*s은(는) 여기에 쓸 수 없습니다", "slot %.*s may not stand here",
	                SLICE_PRINT(token.text));
	scope->slot = true;
	return true;
}

static bool
parse_scope_is(struct parser *parser, struct cedar_scope *scope, const char *variable)
{
	scope->kind = CEDAR_SCOPE_IS;
	parser_advance(parser);
	if (!parser_path(parser, &scope->type, NULL, NULL))
		return false;
	if (!parser_at_word(parser, "in"))
		return true;
	scope->kind = CEDAR_SCOPE_IS_IN;
	parser_advance(parser);
	return parse_scope_entity(parser, scope, variable);
}

#define HEAD_FORM                                                                                            \
	"머리는 (principal, action, resource) 차례입니다. 여러 행위는 action in [… , …]로 적습니다",         \
	    "the scope is (principal, action, resource); several actions are action in [… , …]"

static bool
parse_word(struct parser *parser, const char *word)
{
	if (parser->lost)
		return false;
	if (!parser_at_word(parser, word)) {
		parser_unexpected_with(parser, word, word, HEAD_FORM);
		return false;
	}
	parser_advance(parser);
	return true;
}

static bool
parse_comma(struct parser *parser)
{
	if (parser_accept(parser, TOKEN_COMMA))
		return true;
	parser_unexpected_with(parser, "','", "','", HEAD_FORM);
	return false;
}

static bool
parse_scope(struct parser *parser, struct cedar_scope *scope, const char *variable)
{
	scope->offset = parser->token.offset;
	if (!parse_word(parser, variable))
		return false;
	if (parser->token.kind == TOKEN_EQUAL) {
		scope->kind = CEDAR_SCOPE_EQUAL;
		parser_advance(parser);
		return parse_scope_entity(parser, scope, variable);
	}
	if (parser_at_word(parser, "in")) {
		scope->kind = CEDAR_SCOPE_IN;
		parser_advance(parser);
		return parse_scope_entity(parser, scope, variable);
	}
	if (parser_at_word(parser, "is"))
		return parse_scope_is(parser, scope, variable);
	return true;
}

static void
check_action(struct parser *parser, const struct cedar_uid *uid, uint32_t offset)
{
	if (!cedar_type_is_action(&uid->type))
		parser_complain(parser, offset, "Action::\"…\" 또는 이름공간::Action::\"…\"로 적으십시오",
		                "write Action::\"…\" or Namespace::Action::\"…\"",
		                "행위의 종류는 Action이어야 합니다: %.*s",
		                "the type of an action must be Action: %.*s", (int)uid->type.size,
		                uid->type.data);
}

/* 'action' [ '==' Entity | 'in' Entity | 'in' '[' Entity,* ']' ] */
static bool
parse_action(struct parser *parser, struct cedar_scope *scope)
{
	const struct cedar_uid **list = NULL;
	uint32_t capacity = 0, offset;

	scope->offset = parser->token.offset;
	if (!parse_word(parser, "action"))
		return false;
	if (parser->token.kind == TOKEN_EQUAL)
		scope->kind = CEDAR_SCOPE_EQUAL;
	else if (parser_at_word(parser, "in"))
		scope->kind = CEDAR_SCOPE_IN;
	else
		return true;
	parser_advance(parser);
	offset = parser->token.offset;
	if (scope->kind == CEDAR_SCOPE_EQUAL || parser->token.kind != TOKEN_OPEN_SQUARE) {
		if (parser->token.kind == TOKEN_SLOT)
			return parse_scope_entity(parser, scope, "action");
		if ((scope->entity = parser_entity(parser)) == NULL)
			return false;
		check_action(parser, scope->entity, offset);
		return true;
	}
	scope->kind = CEDAR_SCOPE_IN_LIST;
	parser_advance(parser);
	while (!parser_accept(parser, TOKEN_CLOSE_SQUARE)) {
		offset = parser->token.offset;
		if (!parser_grow(parser, &list, scope->count, &capacity, sizeof *list) ||
		    (list[scope->count] = parser_entity(parser)) == NULL)
			return false;
		check_action(parser, list[scope->count++], offset);
		if (parser->token.kind != TOKEN_CLOSE_SQUARE &&
		    !parser_expect(parser, TOKEN_COMMA, "',' 또는 ']'", "',' or ']'"))
			return false;
	}
	scope->list = list;
	return true;
}

/* ---- policies ------------------------------------------------------------------------------------------------- */

static bool
parse_conditions(struct parser *parser, struct cedar_policy *policy)
{
	struct cedar_condition *list = NULL;
	uint32_t count = 0, capacity = 0;

	while (parser_at_word(parser, "when") || parser_at_word(parser, "unless")) {
		if (!parser_grow(parser, &list, count, &capacity, sizeof *list))
			return false;
		list[count].offset = parser->token.offset;
		list[count].unless = parser_at_word(parser, "unless");
		parser_advance(parser);
		if (!parser_expect(parser, TOKEN_OPEN_CURLY, "'{'", "'{'"))
			return false;
		if (parser->token.kind == TOKEN_CLOSE_CURLY) {
			parser_complain(parser, parser->token.offset, "조건을 적거나 통째로 지우십시오",
			                "write a condition or leave it out whole", "조건이 비어 있습니다",
			                "the condition is empty");
			parser_advance(parser);
			continue;
		}
		if ((list[count].body = parser_expression(parser)) == NULL ||
		    !parser_expect(parser, TOKEN_CLOSE_CURLY, "연산자 또는 '}'", "an operator or '}'"))
			return false;
		count++;
	}
	policy->conditions = list;
	policy->condition_count = count;
	return true;
}

static bool
parse_policy(struct parser *parser, struct cedar_policy *policy)
{
	policy->source = parser->source;
	policy->offset = parser->token.offset;
	if (!parse_annotations(parser, policy))
		return false;
	policy->effect_offset = parser->token.offset;
	if (parser_at_word(parser, "permit")) {
		policy->effect = CEDAR_PERMIT;
	} else if (!parser_at_word(parser, "forbid")) {
		parser_unexpected(parser, "permit 또는 forbid", "permit or forbid");
		return false;
	}
	parser_advance(parser);
	if (!parser_expect(parser, TOKEN_OPEN_ROUND, "'('", "'('") ||
	    !parse_scope(parser, &policy->principal, "principal") || !parse_comma(parser) ||
	    !parse_action(parser, &policy->action) || !parse_comma(parser) ||
	    !parse_scope(parser, &policy->resource, "resource"))
		return false;
	parser_accept(parser, TOKEN_COMMA);
	if (!parser_expect(parser, TOKEN_CLOSE_ROUND, "')'", "')'") || !parse_conditions(parser, policy))
		return false;
	if (!parser_expect(parser, TOKEN_SEMICOLON, "when, unless 또는 ';'", "when, unless or ';'"))
		return false;
	policy->end = parser->previous;
	return true;
}

/* On to what looks like the beginning of the next policy. */
static void
recover(struct parser *parser)
{
	parser->lost = false;
	parser->depth = 0;
	for (; parser->token.kind != TOKEN_END; parser_advance(parser)) {
		if (parser->token.kind == TOKEN_SEMICOLON) {
			parser_advance(parser);
			return;
		}
		if ((parser_at_word(parser, "permit") || parser_at_word(parser, "forbid")) &&
		    parser_behind(parser).kind == TOKEN_OPEN_ROUND)
			return;
	}
}

bool
cedar_parse_text(struct cedar_draft *draft, const struct cedar_text_source *source, struct cedar_notes *notes)
{
	struct parser parser;

	if (source->text.size > CEDAR_TEXT_LIMIT) {
		cedar_complain(notes, CEDAR_ERROR, source, 0, "파일을 나누십시오", "split the file",
		               "정책 파일이 너무 큽니다 (한도 %zu바이트)",
		               "the policy text is too large (limit %zu bytes)", CEDAR_TEXT_LIMIT);
		return true;
	}
	if (!utf8_valid(source->text)) {
		cedar_complain(notes, CEDAR_ERROR, source, 0, "파일을 UTF-8로 저장하십시오",
		               "save the file as UTF-8", "UTF-8이 아닙니다", "this is not UTF-8");
		return true;
	}
	parser_init(&parser, draft->arena, source, notes);
	while (parser.token.kind != TOKEN_END && !parser.memory) {
		struct cedar_policy *policy = arena_alloc(draft->arena, sizeof *policy);
		uint32_t from = parser.token.offset;

		if (policy == NULL)
			return false;
		parser.slots = false;
		if (parse_policy(&parser, policy)) {
			if (!cedar_draft_add(draft, policy))
				return false;
			continue;
		}
		if (parser.token.offset == from) /* a token that no policy begins with: never stand still */
			parser_advance(&parser);
		recover(&parser);
	}
	return !parser.memory;
}
