/*
 * policy_json -- what the readers of the JSON form share: the policy at hand, and complaining about it by its id.
 */
#ifndef HAECHI_POLICY_CEDAR_POLICY_JSON_H
#define HAECHI_POLICY_CEDAR_POLICY_JSON_H

#include "policy/cedar/ast.h"
#include "policy/cedar/cedar_json.h"

struct policy_reading {
	struct arena *arena;
	struct cedar_notes *notes;
	struct cedar_text_source *source; /* the JSON */
	uint32_t offset;                  /* of what is being read in it */
	struct cedar_policy *policy;
	struct slice id;
	bool memory;
};

/* A complaint names the policy, when there is one at hand, beside the place. */
#define policy_json_complain(reading, ko, en, ...)                                                           \
	cedar_complain((reading)->notes, CEDAR_ERROR, (reading)->source, (reading)->offset, NULL, NULL,      \
	               "%.*s%s" ko, "%.*s%s" en, SLICE_PRINT((reading)->id),                                 \
	               (reading)->id.size > 0 ? ": " : "", __VA_ARGS__)
#define policy_json_refuse(...) (policy_json_complain(__VA_ARGS__), NULL)

void *policy_json_take(struct policy_reading *reading, size_t count, size_t size);
/* A member that must be there; NULL: complained. */
const struct cedar_json *policy_json_need(struct policy_reading *reading, const struct cedar_json *object,
                                          const char *name);
const struct cedar_json *policy_json_string(struct policy_reading *reading, const struct cedar_json *object,
                                            const char *name);
bool policy_json_only(struct policy_reading *reading, const struct cedar_json *object,
                      const char *const *known);
bool policy_json_type(struct policy_reading *reading, const struct cedar_json *json,
                      struct cedar_string *name);
/* {"type","id"}, also inside {"__entity":…} */
const struct cedar_uid *policy_json_uid(struct policy_reading *reading, const struct cedar_json *json);
/* The expression in this member; NULL: complained. */
const struct cedar_expr *policy_json_part(struct policy_reading *reading, const struct cedar_json *json,
                                          const char *name);

#endif
