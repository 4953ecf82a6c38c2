/*
 * What the names of a schema mean. A name is looked for in the current namespace, then in the empty one, each time as a
 * common type, then as an entity type; last among the built-in types.
 */
#include "policy/cedar/schema_resolve.h"
#include "policy/cedar/spelling.h"

#include <string.h>

#define TYPE_LIMIT      4096 /* entity types, and actions: the hierarchy is kept as bits */
#define ATTRIBUTE_LIMIT 4096 /* of one record */

/* A failed resolution still needs a type to go on with. */
static const struct cedar_type simple[] = {
    [CEDAR_TYPE_NEVER] = {.kind = CEDAR_TYPE_NEVER},
    [CEDAR_TYPE_BOOL] = {.kind = CEDAR_TYPE_BOOL},
    [CEDAR_TYPE_TRUE] = {.kind = CEDAR_TYPE_TRUE},
    [CEDAR_TYPE_FALSE] = {.kind = CEDAR_TYPE_FALSE},
    [CEDAR_TYPE_LONG] = {.kind = CEDAR_TYPE_LONG},
    [CEDAR_TYPE_STRING] = {.kind = CEDAR_TYPE_STRING},
    [CEDAR_TYPE_RECORD] = {.kind = CEDAR_TYPE_RECORD},
    [CEDAR_TYPE_DECIMAL] = {.kind = CEDAR_TYPE_DECIMAL},
    [CEDAR_TYPE_IP] = {.kind = CEDAR_TYPE_IP},
    [CEDAR_TYPE_DATETIME] = {.kind = CEDAR_TYPE_DATETIME},
    [CEDAR_TYPE_DURATION] = {.kind = CEDAR_TYPE_DURATION},
};

/* The record is the one without attributes; entities and sets have no simple form. */
const struct cedar_type *
cedar_type_simple(enum cedar_type_kind kind)
{
	return &simple[kind];
}

void *
resolution_take(struct resolution *resolution, size_t count, size_t size)
{
	void *room = arena_array(resolution->arena, count > 0 ? count : 1, size);

	if (room == NULL)
		resolution->memory = true;
	return room;
}

struct cedar_string
resolution_whole_name(struct resolution *resolution, const struct cedar_string *namespace,
                      const struct cedar_string *name)
{
	size_t size = (size_t) namespace->size + 2 + name->size;
	char *text;

	if (namespace->size == 0)
		return *name;
	if ((text = resolution_take(resolution, size, 1)) == NULL)
		return *name;
	memcpy(text, namespace->data, namespace->size);
	memcpy(text + namespace->size, "::", 2);
	memcpy(text + namespace->size + 2, name->data, name->size);
	return cedar_string_of(slice_of(text, size));
}

bool
resolution_qualified(const struct cedar_string *name)
{
	return memchr(name->data, ':', name->size) != NULL;
}

/* ---- directories ----------------------------------------------------------------------------------------------- */

/* Merge sort: the draft's order decides between two alike. */
static void
sort_named(struct named *items, struct named *spare, size_t count)
{
	for (size_t width = 1; width < count; width *= 2) {
		for (size_t from = 0; from < count; from += 2 * width) {
			size_t middle = from + width < count ? from + width : count;
			size_t end = from + 2 * width < count ? from + 2 * width : count;
			size_t left = from, right = middle, to = from;

			while (left < middle || right < end)
				spare[to++] = right == end || (left < middle &&
				                               cedar_string_order(&items[left].name,
				                                                  &items[right].name) <= 0)
				                  ? items[left++]
				                  : items[right++];
		}
		memcpy(items, spare, count * sizeof *items);
	}
}

static const struct named *
find_named(const struct directory *directory, const struct cedar_string *name)
{
	size_t low = 0, high = directory->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cedar_string_order(&directory->items[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < directory->count && cedar_string_equal(&directory->items[low].name, name))
		return &directory->items[low];
	return NULL;
}

static void
make_directory(struct resolution *resolution, struct directory *directory, uint32_t count)
{
	struct named *spare = resolution_take(resolution, count, sizeof *spare);

	if (spare != NULL)
		sort_named(directory->items, spare, count);
	directory->count = count;
}

static void
collect_names(struct resolution *resolution)
{
	const struct schema_draft *draft = resolution->draft;
	struct named *entities = resolution_take(resolution, draft->entity_count, sizeof *entities);
	struct named *commons = resolution_take(resolution, draft->common_count, sizeof *commons);

	resolution->commons = resolution_take(resolution, draft->common_count, sizeof *resolution->commons);
	if (resolution->memory)
		return;
	for (uint32_t i = 0; i < draft->entity_count; i++) {
		const struct draft_entity *entity = &draft->entities[i];

		entities[i] = (struct named){
		    resolution_whole_name(resolution, &entity->namespace, &entity->name.name), i};
		resolution->entities[i].name = entities[i].name;
		if (slice_is(cedar_string_slice(&entity->name.name), "Action"))
			complain(resolution, entity->name.offset, "다른 이름을 쓰십시오",
			         "choose another name", "Action은 행위의 종류라 개체 종류로 쓸 수 없습니다",
			         "Action is the type of actions and cannot be an entity type");
	}
	for (uint32_t i = 0; i < draft->common_count; i++) {
		static const char *const taken[] = {"Bool", "Boolean", "Entity", "Extension",
		                                    "Long", "Record",  "Set",    "String"};
		const struct draft_common *common = &draft->commons[i];

		commons[i] = (struct named){
		    resolution_whole_name(resolution, &common->namespace, &common->name.name), i};
		resolution->commons[i] = (struct common){.name = commons[i].name, .draft = common};
		for (size_t j = 0; j < sizeof taken / sizeof *taken; j++)
			if (slice_is(cedar_string_slice(&common->name.name), taken[j]))
				complain(resolution, common->name.offset, "다른 이름을 쓰십시오",
				         "choose another name", "'%s'은(는) Cedar가 쓰는 이름입니다",
				         "'%s' is a name of Cedar's own", taken[j]);
	}
	resolution->entity_names.items = entities;
	resolution->common_names.items = commons;
	make_directory(resolution, &resolution->entity_names, draft->entity_count);
	make_directory(resolution, &resolution->common_names, draft->common_count);
}

void
resolution_complain_twice(struct resolution *resolution, uint32_t offset, const struct cedar_string *name)
{
	complain(resolution, offset, "하나만 남기십시오", "keep one of them",
	         "'%.*s'이(가) 두 번 선언되었습니다", "'%.*s' is declared twice", (int)name->size,
	         name->data);
}

void
resolution_complain_shadow(struct resolution *resolution, const struct draft_name *name)
{
	complain(resolution, name->offset, "다른 이름을 쓰십시오", "choose another name",
	         "'%.*s'은(는) 이름공간 밖에도 있습니다", "'%.*s' is also declared outside of the namespace",
	         (int)name->name.size, name->name.data);
}

/* In a namespace nothing may be called as something in the empty one. */
static void
check_shadow(struct resolution *resolution, const struct cedar_string *namespace,
             const struct draft_name *name)
{
	if (namespace->size == 0)
		return;
	if (find_named(&resolution->entity_names, &name->name) != NULL ||
	    find_named(&resolution->common_names, &name->name) != NULL)
		resolution_complain_shadow(resolution, name);
}

static void
check_names(struct resolution *resolution)
{
	const struct schema_draft *draft = resolution->draft;
	const struct directory *of;

	of = &resolution->entity_names;
	for (uint32_t i = 1; i < of->count; i++)
		if (cedar_string_equal(&of->items[i - 1].name, &of->items[i].name))
			resolution_complain_twice(
			    resolution, draft->entities[of->items[i].number].name.offset, &of->items[i].name);
	of = &resolution->common_names;
	for (uint32_t i = 1; i < of->count; i++)
		if (cedar_string_equal(&of->items[i - 1].name, &of->items[i].name))
			resolution_complain_twice(resolution, draft->commons[of->items[i].number].name.offset,
			                          &of->items[i].name);
	for (uint32_t i = 0; i < draft->entity_count; i++)
		check_shadow(resolution, &draft->entities[i].namespace, &draft->entities[i].name);
	for (uint32_t i = 0; i < draft->common_count; i++)
		check_shadow(resolution, &draft->commons[i].namespace, &draft->commons[i].name);
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

static const struct cedar_type *
resolve_common(struct resolution *resolution, struct common *common, uint32_t offset)
{
	if (common->state == COMMON_OPEN) {
		complain(resolution, offset, NULL, NULL, "형 '%.*s'이(가) 자기 자신을 품습니다",
		         "type '%.*s' contains itself", (int)common->name.size, common->name.data);
		return &simple[CEDAR_TYPE_RECORD];
	}
	if (common->state == COMMON_NEW) {
		common->state = COMMON_OPEN;
		common->type = resolution_type(resolution, common->draft->type, &common->draft->namespace);
		common->state = COMMON_DONE;
	}
	return common->type;
}

/* One whole name; NULL when it is neither. */
static const struct cedar_type *
resolve_whole(struct resolution *resolution, const struct cedar_string *name, const struct draft_type *type)
{
	const struct named *found;

	if (type->kind != DRAFT_ENTITY_NAME && (found = find_named(&resolution->common_names, name)) != NULL)
		return resolve_common(resolution, &resolution->commons[found->number], type->offset);
	if (type->kind == DRAFT_COMMON_NAME)
		return NULL;
	if ((found = find_named(&resolution->entity_names, name)) != NULL)
		return resolution->entities[found->number].self;
	for (uint32_t i = resolution->draft->entity_count; i < resolution->entity_count; i++)
		if (cedar_string_equal(&resolution->entities[i].name, name))
			return resolution->entities[i].self; /* attributes may name actions */
	return NULL;
}

/* Which declared name was perhaps meant. */
static struct spelling_hint
hint_for(const struct resolution *resolution, const struct cedar_string *name, bool any_type)
{
	static const char *const builtin[] = {"Long",   "String",  "Bool",     "Set",
	                                      "ipaddr", "decimal", "datetime", "duration"};
	const struct schema_draft *draft = resolution->draft;
	struct spelling_hint otherwise = {"선언하거나 철자를 확인하십시오",
	                                  "declare it, or mind the spelling"};
	struct spelling spelling = spelling_of(cedar_string_slice(name));

	for (uint32_t i = 0; i < draft->entity_count; i++)
		spelling_try(&spelling, cedar_string_slice(&draft->entities[i].name.name));
	for (uint32_t i = 0; any_type && i < draft->common_count; i++)
		spelling_try(&spelling, cedar_string_slice(&draft->commons[i].name.name));
	for (size_t i = 0; any_type && i < sizeof builtin / sizeof *builtin; i++)
		spelling_try(&spelling, slice_string(builtin[i]));
	return spelling_hint_of(&spelling, draft->notes, otherwise);
}

static const struct cedar_type *
resolve_name(struct resolution *resolution, const struct draft_type *type,
             const struct cedar_string *namespace)
{
	const struct cedar_type *found = NULL;
	struct spelling_hint hint;

	if (!resolution_qualified(&type->name) && namespace->size > 0) {
		struct cedar_string whole = resolution_whole_name(resolution, namespace, &type->name);

		found = resolve_whole(resolution, &whole, type);
	}
	if (found == NULL)
		found = resolve_whole(resolution, &type->name, type);
	if (found == NULL && type->kind != DRAFT_ENTITY_NAME)
		found = cedar_type_builtin(&type->name);
	if (found != NULL)
		return found;
	hint = hint_for(resolution, &type->name, true);
	complain(resolution, type->offset, hint.ko, hint.en, "형 '%.*s'이(가) 선언되지 않았습니다",
	         "type '%.*s' is not declared", (int)type->name.size, type->name.data);
	return &simple[CEDAR_TYPE_RECORD];
}

static void
sort_attributes(struct cedar_attribute *list, uint32_t count)
{
	/* Shell sort: the names are all different, so that it need not be stable. */
	for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
		for (uint32_t i = gap; i < count; i++) {
			struct cedar_attribute item = list[i];
			uint32_t j = i;

			for (; j >= gap && cedar_string_order(&list[j - gap].name, &item.name) > 0; j -= gap)
				list[j] = list[j - gap];
			list[j] = item;
		}
	}
}

static const struct cedar_type *
resolve_record(struct resolution *resolution, const struct draft_type *type,
               const struct cedar_string *namespace)
{
	struct cedar_attribute *list = resolution_take(resolution, type->count, sizeof *list);
	struct cedar_type *made = resolution_take(resolution, 1, sizeof *made);
	uint32_t count = 0;

	if (type->count > ATTRIBUTE_LIMIT)
		complain(resolution, type->offset, NULL, NULL, "속성이 너무 많습니다 (한도 %d)",
		         "too many attributes (limit %d)", ATTRIBUTE_LIMIT);
	if (resolution->memory || type->count > ATTRIBUTE_LIMIT)
		return &simple[CEDAR_TYPE_RECORD];
	for (uint32_t i = 0; i < type->count; i++) {
		const struct draft_attribute *attribute = &type->attributes[i];
		bool hidden = false;

		/* A name given twice: only the last one counts, and what it hides need not even be declared. */
		for (uint32_t later = i + 1; later < type->count && !hidden; later++)
			hidden = cedar_string_equal(&type->attributes[later].name, &attribute->name);
		if (!hidden)
			list[count++] = (struct cedar_attribute){
			    attribute->name, resolution_type(resolution, attribute->type, namespace),
			    attribute->required};
	}
	sort_attributes(list, count);
	*made = (struct cedar_type){.kind = CEDAR_TYPE_RECORD, .count = count, .attributes = list};
	return made;
}

const struct cedar_type *
resolution_type(struct resolution *resolution, const struct draft_type *type,
                const struct cedar_string *namespace)
{
	const struct cedar_type *result = &simple[CEDAR_TYPE_RECORD];
	struct cedar_type *made;

	if (resolution->memory)
		return result;
	if (++resolution->depth > CEDAR_DEPTH_LIMIT) {
		complain(resolution, type->offset, NULL, NULL, "형이 너무 깊이 겹쳤습니다 (한도 %d)",
		         "the type is nested too deeply (limit %d)", CEDAR_DEPTH_LIMIT);
		resolution->depth--;
		return result;
	}
	switch (type->kind) {
	case DRAFT_BUILTIN:
		result = type->builtin;
		break;
	case DRAFT_RECORD:
		result = resolve_record(resolution, type, namespace);
		break;
	case DRAFT_SET:
		if ((made = resolution_take(resolution, 1, sizeof *made)) == NULL)
			break;
		*made = (struct cedar_type){.kind = CEDAR_TYPE_SET};
		made->element = resolution_type(resolution, type->element, namespace);
		result = made;
		break;
	default:
		result = resolve_name(resolution, type, namespace);
		break;
	}
	resolution->depth--;
	return result;
}

/* ---- entities -------------------------------------------------------------------------------------------------- */

struct cedar_entity_type *
resolution_entity(struct resolution *resolution, const struct draft_name *name,
                  const struct cedar_string *namespace)
{
	const struct named *found = NULL;
	struct spelling_hint hint;

	if (!resolution_qualified(&name->name) && namespace->size > 0) {
		struct cedar_string whole = resolution_whole_name(resolution, namespace, &name->name);

		found = find_named(&resolution->entity_names, &whole);
	}
	if (found == NULL)
		found = find_named(&resolution->entity_names, &name->name);
	if (found != NULL)
		return &resolution->entities[found->number];
	hint = hint_for(resolution, &name->name, false);
	complain(resolution, name->offset, hint.ko, hint.en, "개체 종류 '%.*s'이(가) 선언되지 않았습니다",
	         "entity type '%.*s' is not declared", (int)name->name.size, name->name.data);
	return NULL;
}

static void
sort_ids(struct cedar_string *list, uint32_t count)
{
	for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
		for (uint32_t i = gap; i < count; i++) {
			struct cedar_string item = list[i];
			uint32_t j = i;

			for (; j >= gap && cedar_string_order(&list[j - gap], &item) > 0; j -= gap)
				list[j] = list[j - gap];
			list[j] = item;
		}
	}
}

static void
resolve_entity(struct resolution *resolution, uint32_t number)
{
	const struct draft_entity *draft = &resolution->draft->entities[number];
	struct cedar_entity_type *entity = &resolution->entities[number];

	entity->shape = &simple[CEDAR_TYPE_RECORD];
	if (draft->shape != NULL)
		entity->shape = resolution_type(resolution, draft->shape, &draft->namespace);
	if (entity->shape->kind != CEDAR_TYPE_RECORD)
		complain(resolution, draft->name.offset, NULL, NULL,
		         "개체 종류 '%.*s'의 속성은 레코드여야 합니다",
		         "the shape of entity type '%.*s' must be a record", (int)entity->name.size,
		         entity->name.data);
	if (draft->tags != NULL)
		entity->tags = resolution_type(resolution, draft->tags, &draft->namespace);
	if (draft->enumerated) {
		struct cedar_string *ids = resolution_take(resolution, draft->id_count, sizeof *ids);

		if (ids == NULL)
			return;
		memcpy(ids, draft->ids, draft->id_count * sizeof *ids);
		sort_ids(ids, draft->id_count);
		entity->ids = ids;
		entity->id_count = draft->id_count;
	}
}

/* Which types can stand above which, by Warshall on bits: cycles are allowed among types. */
static void
close_hierarchy(struct resolution *resolution)
{
	uint32_t count = resolution->entity_count, words = (count + 63) / 64;
	uint64_t **above = resolution_take(resolution, count, sizeof *above);

	for (uint32_t i = 0; i < count && !resolution->memory; i++) {
		above[i] = resolution_take(resolution, words, sizeof **above);
		resolution->entities[i].above = above[i];
	}
	if (resolution->memory)
		return;
	for (uint32_t i = 0; i < resolution->draft->entity_count; i++) {
		const struct draft_entity *draft = &resolution->draft->entities[i];

		for (uint32_t j = 0; j < draft->parent_count; j++) {
			const struct cedar_entity_type *parent =
			    resolution_entity(resolution, &draft->parents[j], &draft->namespace);

			if (parent != NULL)
				above[i][parent->number / 64] |= UINT64_C(1) << (parent->number % 64);
		}
	}
	for (uint32_t via = 0; via < count; via++)
		for (uint32_t i = 0; i < count; i++)
			if ((above[i][via / 64] >> (via % 64) & 1) != 0)
				for (uint32_t word = 0; word < words; word++)
					above[i][word] |= above[via][word];
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static bool
sort_entities(struct resolution *resolution, struct cedar_schema *schema)
{
	struct named *names = resolution_take(resolution, resolution->entity_count, sizeof *names);
	struct named *spare = resolution_take(resolution, resolution->entity_count, sizeof *spare);
	const struct cedar_entity_type **sorted =
	    resolution_take(resolution, resolution->entity_count, sizeof *sorted);

	if (resolution->memory)
		return false;
	for (uint32_t i = 0; i < resolution->entity_count; i++)
		names[i] = (struct named){resolution->entities[i].name, i};
	sort_named(names, spare, resolution->entity_count);
	for (uint32_t i = 0; i < resolution->entity_count; i++)
		sorted[i] = &resolution->entities[names[i].number];
	schema->entities = sorted;
	schema->entity_count = resolution->entity_count;
	return true;
}

bool
schema_resolve(const struct schema_draft *draft, struct cedar_schema *schema)
{
	struct resolution resolution = {
	    .draft = draft, .arena = draft->arena, .entity_count = draft->entity_count};
	const struct cedar_action_type **sorted;

	if (draft->entity_count > TYPE_LIMIT || draft->action_count > TYPE_LIMIT) {
		complain(&resolution, 0, NULL, NULL, "종류나 행위가 너무 많습니다 (한도 %d)",
		         "too many types or actions (limit %d)", TYPE_LIMIT);
		return true;
	}
	resolution.entities = resolution_take(&resolution, (size_t)draft->entity_count + draft->action_count,
	                                      sizeof *resolution.entities);
	resolution.actions = resolution_take(&resolution, draft->action_count, sizeof *resolution.actions);
	for (uint32_t i = 0; i < draft->entity_count && !resolution.memory; i++) {
		struct cedar_type *self = resolution_take(&resolution, 1, sizeof *self);

		if (self == NULL)
			break;
		*self = (struct cedar_type){.kind = CEDAR_TYPE_ENTITY, .entity = &resolution.entities[i]};
		resolution.entities[i].number = i;
		resolution.entities[i].self = self;
	}
	if (!resolution.memory)
		collect_names(&resolution);
	sorted = resolution_name_actions(&resolution);
	if (resolution.memory)
		return false;
	check_names(&resolution);
	for (uint32_t i = 0; i < draft->common_count; i++)
		resolve_common(&resolution, &resolution.commons[i], resolution.commons[i].draft->name.offset);
	for (uint32_t i = 0; i < draft->entity_count; i++)
		resolve_entity(&resolution, i);
	if (!resolution_actions(&resolution, sorted, schema))
		return false;
	close_hierarchy(&resolution);
	return !resolution.memory && sort_entities(&resolution, schema);
}
