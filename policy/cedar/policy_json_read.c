/*
 * Policies from their JSON form, into the same tree as text. A set is
 * {"staticPolicies":{id:P},"templates":{id:P},"templateLinks":[{"templateId","newId","values":{"?principal":U}}]}.
 */
#include "policy/cedar/policy_json.h"

#include <string.h>

#define ARENA_LIMIT ((size_t)1 << 30)

/* ---- policies -------------------------------------------------------------------------------------------------- */

/* {"entity":U} or {"slot":"?principal"}; other members do no harm, as in the reference. */
static bool
read_scope_entity(struct policy_reading *reading, const struct cedar_json *json, const char *slot,
                  struct cedar_scope *scope)
{
	const struct cedar_json *named = cedar_json_get(json, "slot"),
	                        *entity = cedar_json_get(json, "entity");

	if (entity == NULL && named != NULL) {
		if (named->kind == CEDAR_JSON_STRING && slot != NULL && slice_is(named->as.string, slot)) {
			scope->slot = true;
			return true;
		}
		policy_json_complain(reading, "%s은(는) 여기에 쓸 수 없습니다", "this %s may not stand here",
		                     "slot");
		return false;
	}
	if ((entity = policy_json_need(reading, json, "entity")) == NULL)
		return false;
	return (scope->entity = policy_json_uid(reading, entity)) != NULL;
}

static bool
read_action_list(struct policy_reading *reading, const struct cedar_json *list, struct cedar_scope *scope)
{
	const struct cedar_uid **uids;

	scope->kind = CEDAR_SCOPE_IN_LIST;
	if (list->kind != CEDAR_JSON_ARRAY) {
		policy_json_complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array",
		                     "entities");
		return false;
	}
	if ((uids = policy_json_take(reading, list->count, sizeof *uids)) == NULL)
		return false;
	for (uint32_t i = 0; i < list->count; i++)
		if ((uids[scope->count++] = policy_json_uid(reading, &list->as.items[i])) == NULL)
			return false;
	scope->list = uids;
	return true;
}

static bool
check_actions(struct policy_reading *reading, const struct cedar_scope *scope)
{
	bool fine = scope->entity == NULL || cedar_type_is_action(&scope->entity->type);

	for (uint32_t i = 0; i < scope->count; i++)
		fine = fine && cedar_type_is_action(&scope->list[i]->type);
	if (!fine)
		policy_json_complain(reading, "%s의 종류는 Action이어야 합니다",
		                     "the type of %s must be Action", "action");
	return fine;
}

static bool
read_scope(struct policy_reading *reading, const struct cedar_json *json, const char *slot,
           struct cedar_scope *scope)
{
	static const char *const known_of_is[] = {"op", "entity_type", "in", NULL};
	const struct cedar_json *op = policy_json_string(reading, json, "op"), *in;
	const struct cedar_json *list = cedar_json_get(json, "entities");

	if (op == NULL)
		return false;
	if (slice_is(op->as.string, "All") || slice_is(op->as.string, "all"))
		return true;
	if (slice_is(op->as.string, "==")) {
		scope->kind = CEDAR_SCOPE_EQUAL;
		return read_scope_entity(reading, json, slot, scope);
	}
	if (slice_is(op->as.string, "in")) {
		scope->kind = CEDAR_SCOPE_IN;
		if (slot == NULL && list != NULL && cedar_json_get(json, "entity") == NULL)
			return read_action_list(reading, list, scope);
		return read_scope_entity(reading, json, slot, scope);
	}
	if (slice_is(op->as.string, "is") && slot != NULL) {
		scope->kind = CEDAR_SCOPE_IS;
		if (!policy_json_only(reading, json, known_of_is) ||
		    !policy_json_type(reading, policy_json_string(reading, json, "entity_type"),
		                      &scope->type))
			return false;
		if ((in = cedar_json_get(json, "in")) == NULL || in->kind == CEDAR_JSON_NULL)
			return true;
		scope->kind = CEDAR_SCOPE_IS_IN;
		return read_scope_entity(reading, in, slot, scope);
	}
	policy_json_complain(reading, "모르는 op '%.*s'", "unknown op '%.*s'", SLICE_PRINT(op->as.string));
	return false;
}

static bool
read_annotations(struct policy_reading *reading, const struct cedar_json *json)
{
	struct cedar_annotation *list;

	if (json == NULL)
		return true;
	if (json->kind != CEDAR_JSON_OBJECT || json->count > CEDAR_NAMES_LIMIT) {
		policy_json_complain(reading, "%s을(를) 읽을 수 없습니다", "%s cannot be read",
		                     "annotations");
		return false;
	}
	if ((list = policy_json_take(reading, json->count, sizeof *list)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i];
		struct slice value =
		    item->kind == CEDAR_JSON_STRING ? item->as.string : (struct slice){NULL, 0};
		const char *text = arena_text(reading->arena, value);

		if ((item->kind != CEDAR_JSON_STRING && item->kind != CEDAR_JSON_NULL) ||
		    (!cedar_name_valid(item->name, false) && !cedar_word_reserved(item->name))) {
			policy_json_complain(reading, "주석 '%.*s'을(를) 읽을 수 없습니다",
			                     "annotation '%.*s' cannot be read", SLICE_PRINT(item->name));
			return false;
		}
		if (text == NULL) {
			reading->memory = true;
			return false;
		}
		list[i] = (struct cedar_annotation){.key = cedar_string_of(item->name),
		                                    .value = cedar_string_of(slice_of(text, value.size)),
		                                    .bare = item->kind == CEDAR_JSON_NULL};
	}
	reading->policy->annotations = list;
	reading->policy->annotation_count = json->count;
	return true;
}

static bool
read_conditions(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"kind", "body", NULL};
	struct cedar_condition *list;

	if (json->kind != CEDAR_JSON_ARRAY) {
		policy_json_complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array",
		                     "conditions");
		return false;
	}
	if ((list = policy_json_take(reading, json->count, sizeof *list)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		const struct cedar_json *item = &json->as.items[i],
		                        *kind = policy_json_string(reading, item, "kind");

		if (kind == NULL || !policy_json_only(reading, item, known))
			return false;
		list[i].unless = slice_is(kind->as.string, "unless");
		if (!list[i].unless && !slice_is(kind->as.string, "when")) {
			policy_json_complain(reading, "%s은(는) when 또는 unless입니다",
			                     "%s is when or unless", "kind");
			return false;
		}
		if ((list[i].body = policy_json_part(reading, item, "body")) == NULL)
			return false;
	}
	reading->policy->conditions = list;
	reading->policy->condition_count = json->count;
	return true;
}

static bool
read_policy(struct policy_reading *reading, const struct cedar_json *json)
{
	static const char *const known[] = {"effect",     "principal",   "action", "resource",
	                                    "conditions", "annotations", NULL};
	const struct cedar_json *effect, *principal, *action, *resource, *conditions;
	struct cedar_policy *policy = reading->policy;

	if (json->kind != CEDAR_JSON_OBJECT) {
		policy_json_complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", "policy");
		return false;
	}
	if (!policy_json_only(reading, json, known) ||
	    (effect = policy_json_string(reading, json, "effect")) == NULL ||
	    (principal = policy_json_need(reading, json, "principal")) == NULL ||
	    (action = policy_json_need(reading, json, "action")) == NULL ||
	    (resource = policy_json_need(reading, json, "resource")) == NULL ||
	    (conditions = policy_json_need(reading, json, "conditions")) == NULL)
		return false;
	policy->effect = slice_is(effect->as.string, "permit") ? CEDAR_PERMIT : CEDAR_FORBID;
	if (policy->effect == CEDAR_FORBID && !slice_is(effect->as.string, "forbid")) {
		policy_json_complain(reading, "%s은(는) permit 또는 forbid입니다", "%s is permit or forbid",
		                     "effect");
		return false;
	}
	return read_scope(reading, principal, "?principal", &policy->principal) &&
	       read_scope(reading, action, NULL, &policy->action) &&
	       check_actions(reading, &policy->action) &&
	       read_scope(reading, resource, "?resource", &policy->resource) &&
	       read_conditions(reading, conditions) &&
	       read_annotations(reading, cedar_json_get(json, "annotations"));
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

/* {id: policy}; a policy may also be a string of Cedar text, as in calls of the reference. */
static bool
read_group(struct policy_reading *reading, const struct cedar_json *json, bool templates,
           struct cedar_draft *draft)
{
	const char *name = templates ? "templates" : "staticPolicies";

	if (json == NULL)
		return true;
	reading->offset = json->offset;
	if (json->kind != CEDAR_JSON_OBJECT) {
		policy_json_complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", name);
		return false;
	}
	for (uint32_t i = 0; i < json->count && !reading->memory; i++) {
		const struct cedar_json *item = &json->as.items[i];
		size_t before = draft->count;

		reading->id = item->name;
		reading->offset = item->offset;
		if (item->kind == CEDAR_JSON_STRING) {
			struct cedar_text_source *source = policy_json_take(reading, 1, sizeof *source);

			if (source == NULL)
				return false;
			*source = (struct cedar_text_source){reading->source->name, item->as.string};
			if (!cedar_parse_text(draft, source, reading->notes)) {
				reading->memory = true;
				return false;
			}
			if (draft->count != before + 1) {
				if (reading->notes->errors == 0)
					policy_json_complain(reading, "%s의 id마다 정책 하나를 적습니다",
					                     "each id of %s holds one policy", name);
				draft->count = before; /* none of them has an id */
			}
		} else {
			if ((reading->policy = policy_json_take(reading, 1, sizeof *reading->policy)) == NULL)
				return false;
			if (read_policy(reading, item) && !cedar_draft_add(draft, reading->policy))
				reading->memory = true;
		}
		if (draft->count == before)
			continue;
		draft->items[draft->count - 1]->id = arena_text(reading->arena, item->name);
		if (draft->items[draft->count - 1]->id == NULL)
			reading->memory = true;
		else if (templates && !cedar_policy_is_template(draft->items[draft->count - 1]))
			policy_json_complain(
			    reading, "자리가 없는 정책은 %s이(가) 아니라 staticPolicies에 적습니다",
			    "a policy without slots belongs into staticPolicies, not %s", name);
		else if (!templates && cedar_policy_is_template(draft->items[draft->count - 1]))
			policy_json_complain(reading, "자리가 있는 틀은 %s이(가) 아니라 templates에 적습니다",
			                     "a template, with slots, belongs into templates, not %s", name);
	}
	return !reading->memory;
}

static bool
read_links(struct policy_reading *reading, const struct cedar_json *json, struct cedar_link **links,
           size_t *count)
{
	*links = NULL;
	*count = 0;
	if (json == NULL)
		return true;
	if (json->kind != CEDAR_JSON_ARRAY) {
		policy_json_complain(reading, "%s은(는) 배열이어야 합니다", "%s must be an array",
		                     "templateLinks");
		return false;
	}
	if ((*links = policy_json_take(reading, json->count, sizeof **links)) == NULL)
		return false;
	for (uint32_t i = 0; i < json->count; i++) {
		static const char *const known[] = {"templateId", "newId", "values", NULL};
		const struct cedar_json *item = &json->as.items[i], *values, *template, *id;
		struct cedar_link *link = &(*links)[*count];

		if (!policy_json_only(reading, item, known) ||
		    (template = policy_json_string(reading, item, "templateId")) == NULL ||
		    (id = policy_json_string(reading, item, "newId")) == NULL ||
		    (values = policy_json_need(reading, item, "values")) == NULL)
			return false;
		reading->id = id->as.string;
		link->template_id = arena_text(reading->arena, template->as.string);
		link->id = arena_text(reading->arena, id->as.string);
		for (uint32_t j = 0; values->kind == CEDAR_JSON_OBJECT && j < values->count; j++) {
			const struct cedar_json *value = &values->as.items[j];
			const struct cedar_uid *uid = policy_json_uid(reading, value);

			if (uid == NULL)
				return false;
			if (slice_is(value->name, "?principal"))
				link->principal = uid;
			else if (slice_is(value->name, "?resource"))
				link->resource = uid;
			else
				policy_json_complain(reading, "자리 '%.*s'은(는) 없습니다",
				                     "there is no slot '%.*s'", SLICE_PRINT(value->name));
		}
		if (link->template_id == NULL || link->id == NULL)
			reading->memory = true;
		++*count;
	}
	return !reading->memory;
}

static int
read_set(struct policy_reading *reading, struct slice text, struct cedar_draft *draft,
         struct cedar_link **links, size_t *link_count, struct fault *why)
{
	static const char *const known[] = {"staticPolicies", "templates", "templateLinks", NULL};
	const struct cedar_json *json;

	if (cedar_json_read(&json, reading->arena, text, CEDAR_JSON_DEPTH_POLICY, why) == -1)
		return -1;
	if (cedar_json_get(json, "effect") != NULL) { /* one policy alone */
		reading->id = slice_string("policy0");
		if ((reading->policy = policy_json_take(reading, 1, sizeof *reading->policy)) != NULL &&
		    read_policy(reading, json)) {
			reading->policy->id = "policy0";
			if (!cedar_draft_add(draft, reading->policy))
				reading->memory = true;
		}
	} else if (json->kind != CEDAR_JSON_OBJECT) {
		policy_json_complain(reading, "%s은(는) 객체여야 합니다", "%s must be an object", "policies");
	} else if (policy_json_only(reading, json, known)) {
		if (read_group(reading, cedar_json_get(json, "staticPolicies"), false, draft) &&
		    read_group(reading, cedar_json_get(json, "templates"), true, draft))
			read_links(reading, cedar_json_get(json, "templateLinks"), links, link_count);
	}
	return reading->memory ? fault_memory(why) : 0;
}

int
cedar_policies_parse_json(struct cedar_policies **out, struct cedar_source source, struct cedar_notes *notes,
                          struct fault *why)
{
	struct arena *own = notes == NULL || notes->arena == NULL ? arena_new((size_t)1 << 20) : NULL;
	struct cedar_notes kept = {.arena = own};
	struct cedar_draft draft = {.arena = arena_new(ARENA_LIMIT)};
	struct cedar_text_source named = {
	    "", {NULL, 0}
        };
	struct policy_reading reading = {.arena = draft.arena, .source = &named};
	struct cedar_link *links = NULL;
	size_t link_count = 0, before = 0;
	int result = -1;

	*out = NULL;
	if (own != NULL)
		notes = &kept;
	if (draft.arena == NULL || notes == NULL || notes->arena == NULL) {
		fault_memory(why);
		goto out;
	}
	before = notes->errors;
	notes->errors = 0;
	reading.notes = notes;
	named.text = source.text;
	named.name = arena_string(draft.arena, source.name == NULL ? "" : source.name);
	if (named.name == NULL) {
		fault_memory(why);
		goto restore;
	}
	if (read_set(&reading, source.text, &draft, &links, &link_count, why) == -1)
		goto restore;
	result = cedar_policies_assemble(out, &draft, links, link_count, notes, why);
	draft.arena = NULL; /* the set's, or gone */
	if (result == 0 && *out == NULL)
		result = cedar_notes_tell(notes, why);
restore:
	notes->errors += before;
out:
	arena_free(draft.arena);
	arena_free(own);
	return result;
}
