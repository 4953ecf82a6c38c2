/*
 * Attributes and tags: what is certain, what must be asked for first.
 */
#include "policy/cedar/spelling.h"
#include "policy/cedar/typecheck.h"

#define complain(check, expr, hint_ko, hint_en, ...)                                                         \
	typecheck_complain(check, CEDAR_ERROR, (expr)->offset, hint_ko, hint_en, __VA_ARGS__)

const struct cedar_type *
typecheck_tag(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
              struct capabilities *adds)
{
	const struct cedar_expr *left = expr->as.pair.left, *key = expr->as.pair.right;
	const struct cedar_type *a = typecheck_type_of(check, left, known),
	                        *b = typecheck_type_of(check, key, known);
	bool certain;

	if (a == NULL || b == NULL)
		return NULL;
	if (a->kind != CEDAR_TYPE_ENTITY)
		return typecheck_wrong(check, left, "entity", a);
	if (b->kind != CEDAR_TYPE_STRING)
		return typecheck_wrong(check, key, "String", b);
	certain = a->entity->tags != NULL && capability_known(known, NULL, left, NULL, key);
	if (expr->op == CEDAR_HAS_TAG) {
		if (a->entity->tags == NULL)
			return typecheck_truth(false);
		if (certain)
			return typecheck_truth(true);
		*adds = (struct capabilities){capability_add(check, NULL, left, NULL, key), NULL};
		return cedar_type_simple(CEDAR_TYPE_BOOL);
	}
	if (certain)
		return a->entity->tags;
	if (a->entity->tags == NULL)
		complain(check, expr, NULL, NULL, "%.*s 종류에는 태그가 없습니다",
		         "entities of type %.*s have no tags", (int)a->entity->name.size,
		         a->entity->name.data);
	else
		complain(check, expr, "먼저 hasTag(…)로 물으십시오", "ask with hasTag(…) first",
		         "태그가 없을 수 있습니다", "the tag may be absent");
	return NULL;
}

static const struct cedar_type *
shape_of(const struct cedar_type *type)
{
	if (type->kind == CEDAR_TYPE_RECORD)
		return type;
	return type->kind == CEDAR_TYPE_ENTITY ? type->entity->shape : NULL;
}

const struct cedar_type *
typecheck_attribute(struct checking *check, const struct cedar_expr *expr, const struct capability *known)
{
	const struct cedar_expr *left = expr->as.member.left;
	const struct cedar_string *name = expr->as.member.names;
	const struct cedar_type *a = typecheck_type_of(check, left, known), *shape;
	const struct cedar_attribute *attribute;

	if (a == NULL)
		return NULL;
	if ((shape = shape_of(a)) == NULL)
		return typecheck_wrong(check, left, "entity, Record", a);
	if ((attribute = cedar_type_attribute(shape, name)) == NULL) {
		struct spelling_hint hint = {"스키마에 있는 속성인지 확인하십시오",
		                             "see whether the schema has it"};
		struct spelling spelling = spelling_of(cedar_string_slice(name));

		for (uint32_t i = 0; i < shape->count; i++)
			spelling_try(&spelling, cedar_string_slice(&shape->attributes[i].name));
		hint = spelling_hint_of(&spelling, check->notes, hint);
		complain(check, expr, hint.ko, hint.en, "속성 '%.*s'이(가) 없습니다: %s",
		         "there is no attribute '%.*s': %s", (int)name->size, name->data,
		         typecheck_show(check, a));
		return NULL;
	}
	if (attribute->required || capability_known(known, NULL, left, name, NULL))
		return attribute->type;
	complain(check, expr, "먼저 has로 물으십시오: 값 has 속성 && …",
	         "ask with has first: value has attribute && …", "속성 '%.*s'이(가) 없을 수 있습니다",
	         "attribute '%.*s' may be absent", (int)name->size, name->data);
	return NULL;
}

/* One step of has: left has name. */
static const struct cedar_type *
of_has_one(struct checking *check, const struct cedar_expr *left, const struct cedar_string *name,
           const struct capability *known, struct capabilities *adds)
{
	const struct cedar_type *a = typecheck_type_of(check, left, known), *shape;
	const struct cedar_attribute *attribute;

	*adds = (struct capabilities){NULL, NULL};
	if (a == NULL)
		return NULL;
	if ((shape = shape_of(a)) == NULL)
		return typecheck_wrong(check, left, "entity, Record", a);
	if ((attribute = cedar_type_attribute(shape, name)) == NULL)
		return typecheck_truth(false);
	if (capability_known(known, NULL, left, name, NULL) ||
	    (attribute->required && a->kind == CEDAR_TYPE_RECORD))
		return typecheck_truth(true);
	*adds = (struct capabilities){capability_add(check, NULL, left, name, NULL), NULL};
	return cedar_type_simple(CEDAR_TYPE_BOOL);
}

/* t has a.b.c is t has a && t.a has b && t.a.b has c; the inner t.a is made here, in the arena of the check. */
const struct cedar_type *
typecheck_has(struct checking *check, const struct cedar_expr *expr, const struct capability *known,
              struct capabilities *adds)
{
	const struct cedar_expr *left = expr->as.member.left;
	const struct cedar_type *type = cedar_type_simple(CEDAR_TYPE_TRUE);
	const struct capability *now = known;

	for (uint32_t i = 0; i < expr->as.member.count; i++) {
		const struct cedar_string *name = &expr->as.member.names[i];
		struct cedar_expr *inner;
		struct capabilities more;
		const struct cedar_type *step = of_has_one(check, left, name, now, &more);

		if (step == NULL)
			return NULL;
		type = typecheck_and(type, step);
		if (type->kind == CEDAR_TYPE_FALSE)
			return type;
		now = capability_unite(check, now, more);
		if ((inner = cedar_expr_new(check->arena, CEDAR_ATTRIBUTE, expr->offset)) == NULL) {
			check->memory = true;
			return NULL;
		}
		inner->as.member.left = left;
		inner->as.member.names = name;
		inner->as.member.count = 1;
		inner->height = (uint16_t)(left->height + 1);
		left = inner;
	}
	*adds = (struct capabilities){now, known};
	return type;
}
