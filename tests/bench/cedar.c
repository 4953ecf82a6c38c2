/*
 * cedar -- microseconds of processor time a decision and a validation take, as JSON lines: 5, 50 and 500 policies over one schema, the same
 * request and entities. A third of the policies name a principal, a third an action and a resource group, a third test
 * an attribute first, so that neither the index nor its absence is flattered; two of them apply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/cedar/cedar.h"

static const char schema_text[] =
    "entity Agency; entity Group in [Group]; entity Hosting enum [\"on_prem\", \"gov_cloud\", \"overseas\"];"
    "entity User in [Group] {agency: Agency, level: Long}; entity Model in [Group] {hosting: Hosting, until: "
    "datetime};"
    "action all; action chat, embed in [all] appliesTo {principal: User, resource: Model, context:"
    " {agency: Agency, grade: String, pii: Set<String>, confidence: decimal, now: datetime, purpose: "
    "String}};";

static void
make_policies(struct buffer *out, int count)
{
	for (int i = 0; i < count; i++) {
		const char *effect = i % 5 == 4 ? "forbid" : "permit";

		if (i % 3 == 0)
			buffer_printf(
			    out,
			    "%s(principal == User::\"u%d\", action in Action::\"all\", resource in "
			    "Group::\"approved\")"
			    " when { principal.agency == context.agency && context.grade == \"O\" };\n",
			    effect, i);
		else if (i % 3 == 1)
			buffer_printf(out,
			              "%s(principal, action == Action::\"chat\", resource in Group::\"g%d\")"
			              " when { resource.until > context.now && "
			              "context.confidence.greaterThan(decimal(\"0.9\")) };\n",
			              effect, i);
		else
			buffer_printf(
			    out,
			    "%s(principal, action in Action::\"all\", resource)"
			    " when { context.purpose == \"p%d\" && !context.pii.contains(\"rrn\") };\n",
			    effect, i);
	}
}

/* clang-format off */
static const char entities_text[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"u0\"},\"attrs\":{\"agency\":{\"type\":\"Agency\",\"id\":\"seoul\"},\"level\":3},"
    "\"parents\":[{\"type\":\"Group\",\"id\":\"staff\"}]},"
    "{\"uid\":{\"type\":\"Model\",\"id\":\"m\"},\"attrs\":{\"hosting\":{\"type\":\"Hosting\",\"id\":\"gov_cloud\"},\"until\":\"2027-12-31\"},"
    "\"parents\":[{\"type\":\"Group\",\"id\":\"approved\"},{\"type\":\"Group\",\"id\":\"g1\"}]}]";
static const char request_text[] =
    "{\"principal\":{\"type\":\"User\",\"id\":\"u0\"},\"action\":{\"type\":\"Action\",\"id\":\"chat\"},\"resource\":{\"type\":\"Model\",\"id\":\"m\"},"
    "\"context\":{\"agency\":{\"type\":\"Agency\",\"id\":\"seoul\"},\"grade\":\"O\",\"pii\":[\"name\",\"phone\"],\"confidence\":\"0.97\","
    "\"now\":\"2026-11-21T10:00:00+0900\",\"purpose\":\"p2\"}}";
/* clang-format on */

static void
must(int result, const struct fault *why)
{
	if (result == 0)
		return;
	fault_print(stderr, "bench", why);
	exit(2);
}

/* The processor's time, not the wall's: one thread that never waits, on machines that are shared. */
static int64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double
decide(const struct cedar_policies *policies, const struct cedar_request *request,
       const struct cedar_entities *entities, struct fault *why)
{
	enum { ROUNDS = 200000 };
	struct arena *arena = arena_new((size_t)1 << 20);
	struct cedar_result result;
	int64_t begin = cpu_ns();

	for (int i = 0; i < ROUNDS; i++) {
		arena_reset(arena);
		must(cedar_authorize(policies, request, entities, arena, &result, why), why);
	}
	begin = cpu_ns() - begin;
	arena_free(arena);
	return (double)begin / ROUNDS / 1000;
}

static double
load(const struct cedar_source *source, const struct cedar_schema *schema, int rounds, struct fault *why)
{
	int64_t begin = cpu_ns();

	for (int i = 0; i < rounds; i++) {
		struct cedar_notes notes = {.arena = arena_new((size_t)1 << 20)};
		struct cedar_policies *policies;

		must(cedar_policies_parse(&policies, source, 1, 0, &notes, why), why);
		must(cedar_validate(policies, schema, &notes, why), why);
		cedar_policies_free(policies);
		arena_free(notes.arena);
	}
	return (double)(cpu_ns() - begin) / rounds / 1000;
}

int
main(int argc, char **argv)
{
	static const int counts[] = {5, 50, 500};
	struct arena *arena = arena_new((size_t)16 << 20);
	struct cedar_schema *schema;
	struct cedar_entities *entities;
	struct cedar_request request;
	struct fault why;

	must(cedar_schema_parse(&schema, (struct cedar_source){"schema", SLICE_LITERAL(schema_text)}, NULL,
	                        &why),
	     &why);
	must(cedar_entities_read(&entities, arena, SLICE_LITERAL(entities_text), schema, &why), &why);
	must(cedar_request_read(&request, arena, SLICE_LITERAL(request_text), schema, true, &why), &why);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct cedar_policies *policies;
		struct buffer text;
		struct cedar_source source = {
		    "bench", {NULL, 0}
                };

		buffer_init(&text, (size_t)16 << 20);
		make_policies(&text, counts[i]);
		source.text = buffer_view(&text);
		if (argc > 1 && strcmp(argv[1], "text") == 0) { /* the same policies for others to read */
			printf("%s\n", buffer_text(&text));
		} else {
			must(cedar_policies_parse(&policies, &source, 1, 0, NULL, &why), &why);
			printf("{\"bench\":\"cedar\",\"policies\":%d,\"decision_us\":%.3f,\"parse_validate_"
			       "us\":%.1f}\n",
			       counts[i], decide(policies, &request, entities, &why),
			       load(&source, schema, 20000 / counts[i], &why));
			cedar_policies_free(policies);
		}
		buffer_free(&text);
	}
	cedar_schema_free(schema);
	arena_free(arena);
	return 0;
}
