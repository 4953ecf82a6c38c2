/*
 * cedar_policies: text that is accepted is written as JSON and read again to the same JSON; it validates and decides
 * without harm. Run with -max_len=512: every construct fits, and what is longer only takes longer.
 */
#include <stdlib.h>

#include "policy/cedar/cedar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema_text[] =
    "entity User in [Group] {name: String, age?: Long, tags: Set<String>} tags Long;"
    "entity Group; entity Kind enum [\"a\", \"b\"];"
    "action view, edit in [all] appliesTo {principal: User, resource: [User, Group],"
    " context: {now: datetime, ip?: ipaddr, k: Kind}}; action all;";

static void
decide(const struct cedar_policies *policies, struct arena *arena)
{
	struct cedar_field fields[] = {
	    {cedar_string_of(SLICE_LITERAL("now")),  cedar_datetime(1)},
	    {cedar_string_of(SLICE_LITERAL("name")), cedar_bool(true) }
        };
	struct cedar_request request = {
	    .principal = cedar_uid(arena, SLICE_LITERAL("User"), SLICE_LITERAL("a")),
	    .action = cedar_uid(arena, SLICE_LITERAL("Action"), SLICE_LITERAL("view")),
	    .resource = cedar_uid(arena, SLICE_LITERAL("User"), SLICE_LITERAL("b")),
	    .context = cedar_record(arena, fields, 2)};
	struct cedar_result result;

	if (cedar_authorize(policies, &request, NULL, arena, &result, NULL) == 0 &&
	    result.determining_count > cedar_policies_count(policies))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cedar_schema *schema;
	static struct arena *arena;
	struct cedar_source source = {"fuzz", slice_of(data, size)};
	struct cedar_policies *policies, *again;
	struct cedar_notes notes = {NULL, NULL, 0, 0, 0, 0};
	struct buffer first, second;

	if (schema == NULL &&
	    ((arena = arena_new((size_t)64 << 20)) == NULL ||
	     cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                        NULL) == -1))
		abort();
	if (size > 16384 || cedar_policies_parse(&policies, &source, 1, 0, NULL, NULL) == -1)
		return 0;
	arena_reset(arena);
	notes.arena = arena;
	buffer_init(&first, (size_t)64 << 20);
	buffer_init(&second, (size_t)64 << 20);
	if (cedar_validate(policies, schema, &notes, NULL) == -1)
		abort();
	decide(policies, arena);
	if (cedar_policies_write_json(&first, policies, NULL) == 0 &&
	    cedar_policies_parse_json(&again, (struct cedar_source){"json", buffer_view(&first)}, NULL,
	                              NULL) == 0) {
		if (cedar_policies_write_json(&second, again, NULL) == -1 ||
		    !slice_equal(buffer_view(&first), buffer_view(&second)))
			abort();
		cedar_policies_free(again);
	}
	buffer_free(&first);
	buffer_free(&second);
	cedar_policies_free(policies);
	return 0;
}
