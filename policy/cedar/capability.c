#include "policy/cedar/typecheck.h"

bool
capability_known(const struct capability *known, const struct capability *end, const struct cedar_expr *of,
                 const struct cedar_string *name, const struct cedar_expr *tag)
{
	for (; known != end; known = known->next) {
		if ((known->name == NULL) != (name == NULL) || !cedar_expr_same(known->of, of))
			continue;
		if (name != NULL ? cedar_string_equal(known->name, name) : cedar_expr_same(known->tag, tag))
			return true;
	}
	return false;
}

const struct capability *
capability_add(struct checking *check, const struct capability *known, const struct cedar_expr *of,
               const struct cedar_string *name, const struct cedar_expr *tag)
{
	struct capability *made = arena_alloc(check->arena, sizeof *made);

	if (made == NULL) {
		check->memory = true;
		return known;
	}
	*made = (struct capability){known, of, name, tag};
	return made;
}

const struct capability *
capability_unite(struct checking *check, const struct capability *known, struct capabilities adds)
{
	for (const struct capability *item = adds.head; item != adds.end; item = item->next)
		known = capability_add(check, known, item->of, item->name, item->tag);
	return known;
}

struct capabilities
capability_intersect(struct checking *check, struct capabilities a, struct capabilities b)
{
	struct capabilities both = {NULL, NULL};

	for (const struct capability *item = a.head; item != a.end; item = item->next)
		if (capability_known(b.head, b.end, item->of, item->name, item->tag))
			both.head = capability_add(check, both.head, item->of, item->name, item->tag);
	return both;
}
