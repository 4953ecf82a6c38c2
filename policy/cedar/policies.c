/*
 * A set of policies: made from drafts, then only read.
 */
#include "policy/cedar/clauses.h"
#include "policy/cedar/index.h"
#include "policy/cedar/lexer.h"
#include "policy/cedar/sharing.h"

#include <stdlib.h>
#include <string.h>

/* Room for trees: nodes are larger than the text they come from. */
#define ARENA_LIMIT ((size_t)2 << 30)

static int
order_ids(const struct cedar_policies *policies, uint32_t a, uint32_t b)
{
	return strcmp(policies->policies[a]->id, policies->policies[b]->id);
}

/* Merge sort: never quadratic, and stable, so of two alike the later is the one complained about. */
static void
sort_ids(const struct cedar_policies *policies, uint32_t *items, uint32_t *spare, size_t count)
{
	for (size_t width = 1; width < count; width *= 2) {
		for (size_t from = 0; from < count; from += 2 * width) {
			size_t middle = from + width < count ? from + width : count;
			size_t end = from + 2 * width < count ? from + 2 * width : count;
			size_t left = from, right = middle, to = from;

			while (left < middle || right < end) {
				if (right == end ||
				    (left < middle && order_ids(policies, items[left], items[right]) <= 0))
					spare[to++] = items[left++];
				else
					spare[to++] = items[right++];
			}
		}
		memcpy(items, spare, count * sizeof *items);
	}
}

static int
name_policies(struct cedar_policies *set, struct cedar_notes *notes, struct fault *why)
{
	uint32_t *by_id = arena_array(set->arena, set->count + 1, sizeof *by_id);
	uint32_t *spare = arena_array(set->arena, set->count + 1, sizeof *spare);

	if (by_id == NULL || spare == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < set->count; i++)
		by_id[i] = i;
	sort_ids(set, by_id, spare, set->count);
	for (uint32_t i = 1; i < set->count; i++) {
		const struct cedar_policy *policy = set->policies[by_id[i]];

		if (order_ids(set, by_id[i - 1], by_id[i]) == 0)
			cedar_complain(notes, CEDAR_ERROR, policy->source, policy->offset, "@id를 바꾸십시오",
			               "choose another @id", "정책 id '%s'이(가) 두 번 쓰였습니다",
			               "policy id '%s' is used twice", policy->id);
	}
	set->by_id = by_id;
	return 0;
}

static const struct cedar_policy *
find_template(const struct cedar_policies *set, const char *id)
{
	for (uint32_t i = 0; i < set->template_count; i++)
		if (strcmp(set->templates[i]->id, id) == 0)
			return set->templates[i];
	return NULL;
}

static bool
fill(struct cedar_scope *scope, const struct cedar_uid *uid, struct arena *arena)
{
	char *bytes;

	if (!scope->slot)
		return true;
	if ((bytes = arena_alloc(arena, (size_t)uid->type.size + uid->id.size + 1)) == NULL)
		return false;
	memcpy(bytes, uid->type.data, uid->type.size);
	memcpy(bytes + uid->type.size, uid->id.data, uid->id.size);
	scope->entity =
	    cedar_uid(arena, slice_of(bytes, uid->type.size), slice_of(bytes + uid->type.size, uid->id.size));
	return scope->entity != NULL;
}

static int
make_link(struct cedar_policies *set, const struct cedar_link *link, struct cedar_notes *notes,
          struct fault *why)
{
	const struct cedar_policy *template = find_template(set, link->template_id);
	struct cedar_policy *policy;

	if (template == NULL) {
		cedar_complain(notes, CEDAR_ERROR, NULL, 0, NULL, NULL, "링크 '%s'의 틀 '%s'이(가) 없습니다",
		               "link '%s' names template '%s', which does not exist", link->id,
		               link->template_id);
		return 0;
	}
	if (template->principal.slot != (link->principal != NULL) ||
	    template->resource.slot != (link->resource != NULL)) {
		cedar_complain(notes, CEDAR_ERROR, NULL, 0, "틀에 있는 자리만, 그리고 모두 채우십시오",
		               "fill exactly the slots that the template has",
		               "링크 '%s'이(가) 틀 '%s'의 자리와 맞지 않습니다",
		               "link '%s' does not fit the slots of template '%s'", link->id,
		               link->template_id);
		return 0;
	}
	if ((policy = arena_copy(set->arena, template, sizeof *policy)) == NULL)
		return fault_memory(why);
	policy->template_id = template->id;
	policy->id = arena_string(set->arena, link->id);
	if (policy->id == NULL || !fill(&policy->principal, link->principal, set->arena) ||
	    !fill(&policy->resource, link->resource, set->arena))
		return fault_memory(why);
	set->policies[set->count++] = policy;
	return 0;
}

int
cedar_policies_assemble(struct cedar_policies **out, struct cedar_draft *draft,
                        const struct cedar_link *links, size_t link_count, struct cedar_notes *notes,
                        struct fault *why)
{
	struct cedar_policies *set = arena_alloc(draft->arena, sizeof *set);
	int result = -1;

	if (draft->count + link_count > CEDAR_POLICY_LIMIT) {
		fault_set(why, FAULT_TOO_LARGE, "정책이 너무 많습니다 (한도 %d)",
		          "too many policies (limit %d)", CEDAR_POLICY_LIMIT);
		goto out;
	}
	if (set == NULL) {
		fault_memory(why);
		goto out;
	}
	set->arena = draft->arena;
	set->policies = arena_array(set->arena, draft->count + link_count + 1, sizeof(void *));
	set->templates = arena_array(set->arena, draft->count + 1, sizeof(void *));
	if (set->policies == NULL || set->templates == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < draft->count; i++) {
		if (cedar_policy_is_template(draft->items[i]))
			set->templates[set->template_count++] = draft->items[i];
		else
			set->policies[set->count++] = draft->items[i];
	}
	for (size_t i = 0; i < link_count; i++)
		if (make_link(set, &links[i], notes, why) == -1)
			goto out;
	if (name_policies(set, notes, why) == -1)
		goto out;
	for (uint32_t i = 0; i < set->template_count; i++) {
		const struct cedar_policy *policy = set->templates[i];

		if (cedar_policy_find(set, policy->id) != CEDAR_NO_POLICY ||
		    find_template(set, policy->id) != policy)
			cedar_complain(notes, CEDAR_ERROR, policy->source, policy->offset, "@id를 바꾸십시오",
			               "choose another @id", "정책 id '%s'이(가) 두 번 쓰였습니다",
			               "policy id '%s' is used twice", policy->id);
	}
	if (notes->errors > 0) {
		result = 0; /* the caller tells the first complaint */
		goto out;
	}
	if (!cedar_sharing_make(set) || !cedar_clauses_make(set) ||
	    (set->index = cedar_index_make(set)) == NULL) {
		fault_memory(why);
		goto out;
	}
	*out = set;
	draft->arena = NULL; /* the set's now */
	result = 0;
out:
	arena_free(draft->arena);
	return result;
}

static int
name_draft(struct cedar_draft *draft, unsigned options, struct fault *why)
{
	for (size_t i = 0; i < draft->count; i++) {
		struct cedar_policy *policy = draft->items[i];

		for (uint32_t j = 0;
		     j < policy->annotation_count && (options & CEDAR_IDS_FROM_ANNOTATION) != 0; j++)
			if (slice_is(cedar_string_slice(&policy->annotations[j].key), "id"))
				policy->id = policy->annotations[j].value.data;
		if (policy->id == NULL)
			policy->id = arena_printf(draft->arena, "policy%zu", i);
		if (policy->id == NULL)
			return fault_memory(why);
	}
	return 0;
}

int
cedar_policies_parse_linked(struct cedar_policies **out, const struct cedar_source *sources, size_t count,
                            const struct cedar_link *links, size_t link_count, unsigned options,
                            struct cedar_notes *notes, struct fault *why)
{
	struct cedar_draft draft = {.arena = arena_new(ARENA_LIMIT)};
	struct arena *own = notes == NULL || notes->arena == NULL ? arena_new((size_t)1 << 20) : NULL;
	struct cedar_notes kept = {.arena = own};
	struct cedar_text_source *texts;
	size_t before;
	int result = -1;

	*out = NULL;
	if (own != NULL)
		notes = &kept;
	before = notes->errors;
	notes->errors = 0;
	if (draft.arena == NULL || notes->arena == NULL ||
	    (texts = arena_array(draft.arena, count + 1, sizeof *texts)) == NULL) {
		fault_memory(why);
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		texts[i].name = arena_string(draft.arena, sources[i].name == NULL ? "" : sources[i].name);
		texts[i].text = arena_slice(draft.arena, sources[i].text);
		if (!arena_ok(draft.arena) || !cedar_parse_text(&draft, &texts[i], notes)) {
			fault_memory(why);
			goto out;
		}
	}
	if (name_draft(&draft, options, why) == -1)
		goto out;
	if (cedar_policies_assemble(out, &draft, links, link_count, notes, why) == -1) {
		draft.arena = NULL;
		goto out;
	}
	draft.arena = NULL;
	result = *out != NULL ? 0 : cedar_notes_tell(notes, why);
out:
	notes->errors += before;
	arena_free(draft.arena);
	arena_free(own);
	return result;
}

int
cedar_policies_parse(struct cedar_policies **out, const struct cedar_source *sources, size_t count,
                     unsigned options, struct cedar_notes *notes, struct fault *why)
{
	return cedar_policies_parse_linked(out, sources, count, NULL, 0, options, notes, why);
}

void
cedar_policies_free(struct cedar_policies *policies)
{
	if (policies != NULL)
		arena_free(policies->arena);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

size_t
cedar_policies_count(const struct cedar_policies *policies)
{
	return policies->count;
}

size_t
cedar_templates_count(const struct cedar_policies *policies)
{
	return policies->template_count;
}

const char *
cedar_policy_id(const struct cedar_policies *policies, uint32_t policy)
{
	return policy < policies->count ? policies->policies[policy]->id : NULL;
}

enum cedar_effect
cedar_policy_effect(const struct cedar_policies *policies, uint32_t policy)
{
	return policy < policies->count ? policies->policies[policy]->effect : CEDAR_FORBID;
}

const char *
cedar_policy_annotation(const struct cedar_policies *policies, uint32_t policy, const char *key)
{
	const struct cedar_policy *of;

	if (policy >= policies->count)
		return NULL;
	of = policies->policies[policy];
	for (uint32_t i = 0; i < of->annotation_count; i++)
		if (slice_is(cedar_string_slice(&of->annotations[i].key), key))
			return of->annotations[i].value.data;
	return NULL;
}

size_t
cedar_policy_annotation_count(const struct cedar_policies *policies, uint32_t policy)
{
	return policy < policies->count ? policies->policies[policy]->annotation_count : 0;
}

void
cedar_policy_annotation_at(const struct cedar_policies *policies, uint32_t policy, size_t i,
                           struct slice *key, struct slice *value)
{
	const struct cedar_annotation *annotation = &policies->policies[policy]->annotations[i];

	*key = cedar_string_slice(&annotation->key);
	*value = cedar_string_slice(&annotation->value);
}

void
cedar_policy_place(const struct cedar_policies *policies, uint32_t policy, const char **file, unsigned *line,
                   unsigned *column)
{
	const struct cedar_policy *of = policy < policies->count ? policies->policies[policy] : NULL;
	unsigned at_line = 0, at_column = 0;

	if (of != NULL && of->source != NULL)
		lexer_place(of->source->text, of->offset, &at_line, &at_column);
	if (file != NULL)
		*file = of != NULL && of->source != NULL ? of->source->name : "";
	if (line != NULL)
		*line = at_line;
	if (column != NULL)
		*column = at_column;
}

struct slice
cedar_policy_text(const struct cedar_policies *policies, uint32_t policy)
{
	const struct cedar_policy *of = policy < policies->count ? policies->policies[policy] : NULL;

	if (of == NULL || of->source == NULL)
		return (struct slice){NULL, 0};
	return slice_of(of->source->text.data + of->offset, of->end - of->offset);
}

uint32_t
cedar_policy_find(const struct cedar_policies *policies, const char *id)
{
	size_t low = 0, high = policies->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(policies->policies[policies->by_id[middle]]->id, id);

		if (order == 0)
			return policies->by_id[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return CEDAR_NO_POLICY;
}
