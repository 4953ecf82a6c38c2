/*
 * cedar -- microseconds of processor time that a decision, and parsing with validating, take.
 *
 *	cedar write FOLDER           the questions as files, for others to read
 *	cedar run FOLDER SHAPE COUNT one JSON line: {"engine","shape","policies","decision_us","load_us","allow"}
 *
 * Shapes, all over one schema, one request and the same entities:
 *	mixed  a third names a principal, a third an action and a group of resources, a third tests an attribute first
 *	roles  every policy names a group of principals and a group of resources: what agencies write most
 *	open   nothing in a scope and no equality in front: no index can help, every policy is evaluated
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "policy/cedar/cedar.h"

static const char schema_text[] =
    "entity Agency; entity Group in [Group]; entity Hosting enum [\"on_prem\", \"gov_cloud\", "
    "\"overseas\"];\n"
    "entity User in [Group] {agency: Agency, level: Long};\n"
    "entity Model in [Group] {hosting: Hosting, until: datetime};\n"
    "action all; action chat, embed in [all] appliesTo {principal: User, resource: Model, context:"
    " {agency: Agency, grade: String, pii: Set<String>, confidence: decimal, now: datetime, purpose: "
    "String}};\n";

/* Every extension value and entity is written out, so that a reader without the schema gives the same values. */
/* clang-format off */
static const char entities_text[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"u0\"},\"attrs\":{\"agency\":{\"__entity\":{\"type\":\"Agency\",\"id\":\"seoul\"}},\"level\":3},"
    "\"parents\":[{\"type\":\"Group\",\"id\":\"staff\"},{\"type\":\"Group\",\"id\":\"p2\"}]},\n"
    " {\"uid\":{\"type\":\"Model\",\"id\":\"m\"},\"attrs\":{\"hosting\":{\"__entity\":{\"type\":\"Hosting\",\"id\":\"gov_cloud\"}},"
    "\"until\":{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2027-12-31\"}}},"
    "\"parents\":[{\"type\":\"Group\",\"id\":\"approved\"},{\"type\":\"Group\",\"id\":\"g1\"}]},\n"
    " {\"uid\":{\"type\":\"Action\",\"id\":\"chat\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":\"all\"}]}]\n";
static const char request_text[] =
    "{\"principal\":{\"type\":\"User\",\"id\":\"u0\"},\"action\":{\"type\":\"Action\",\"id\":\"chat\"},\"resource\":{\"type\":\"Model\",\"id\":\"m\"},"
    "\"context\":{\"agency\":{\"__entity\":{\"type\":\"Agency\",\"id\":\"seoul\"}},\"grade\":\"O\",\"pii\":[\"name\",\"phone\"],"
    "\"confidence\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"0.97\"}},"
    "\"now\":{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2026-11-21T10:00:00+0900\"}},\"purpose\":\"p2\"}}\n";
/* clang-format on */

static void
mixed(struct buffer *out, const char *effect, int i)
{
	if (i % 3 == 0)
		buffer_printf(out,
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
		buffer_printf(out,
		              "%s(principal, action in Action::\"all\", resource)"
		              " when { context.purpose == \"p%d\" && !context.pii.contains(\"rrn\") };\n",
		              effect, i);
}

static void
roles(struct buffer *out, const char *effect, int i)
{
	buffer_printf(
	    out,
	    "%s(principal in Group::\"p%d\", action == Action::\"chat\", resource in Group::\"g%d\")"
	    " when { context.grade == \"O\" && resource.hosting != Hosting::\"overseas\" };\n",
	    effect, i, i % 7);
}

static void
open_to_all(struct buffer *out, const char *effect, int i)
{
	buffer_printf(
	    out,
	    "%s(principal, action, resource)"
	    " when { context.confidence.greaterThan(decimal(\"0.%d\")) && !context.pii.contains(\"k%d\") &&"
	    " principal.level > %d && resource.until > context.now };\n",
	    effect, i % 90 + 1, i, i);
}

static const struct {
	const char *name;
	void (*policy)(struct buffer *out, const char *effect, int i);
} shapes[] = {
    {"mixed", mixed      },
    {"roles", roles      },
    {"open",  open_to_all},
};
static const int counts[] = {5, 50, 500};

static void
must(int result, const struct fault *why)
{
	if (result == 0)
		return;
	fault_print(stderr, "bench", why);
	exit(2);
}

static void
write_file(const char *folder, const char *name, struct slice text)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if ((file = fopen(path, "wb")) == NULL || fwrite(text.data, 1, text.size, file) != text.size ||
	    fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

static int
write_all(const char *folder)
{
	if (mkdir(folder, 0777) == -1 && errno != EEXIST) {
		perror(folder);
		return 2;
	}
	write_file(folder, "schema.cedarschema", SLICE_LITERAL(schema_text));
	write_file(folder, "entities.json", SLICE_LITERAL(entities_text));
	write_file(folder, "request.json", SLICE_LITERAL(request_text));
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
			struct buffer text;
			char name[64];

			buffer_init(&text, (size_t)16 << 20);
			for (int k = 0; k < counts[j]; k++)
				shapes[i].policy(&text, k % 5 == 4 ? "forbid" : "permit", k);
			snprintf(name, sizeof name, "%s-%d.cedar", shapes[i].name, counts[j]);
			write_file(folder, name, buffer_view(&text));
			buffer_free(&text);
		}
	}
	return 0;
}

/* The processor's time, not the wall's: one thread that never waits, on machines that are shared. */
static int64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#define ENOUGH_NS 300000000 /* of one measurement */

static double
decide(const struct cedar_policies *policies, const struct cedar_request *request,
       const struct cedar_entities *entities, bool *allow, struct fault *why)
{
	struct arena *arena = arena_new((size_t)1 << 20);
	struct cedar_result result;
	int64_t begin = cpu_ns(), spent;
	int rounds = 0;

	do {
		for (int i = 0; i < 1000; i++, rounds++) {
			arena_reset(arena);
			must(cedar_authorize(policies, request, entities, arena, &result, why), why);
		}
		spent = cpu_ns() - begin;
	} while (spent < ENOUGH_NS);
	*allow = result.decision == CEDAR_ALLOW;
	arena_free(arena);
	return (double)spent / rounds / 1000;
}

static double
load(const struct cedar_source *source, const struct cedar_schema *schema, struct fault *why)
{
	int64_t begin = cpu_ns(), spent;
	int rounds = 0;

	do {
		struct cedar_notes notes = {.arena = arena_new((size_t)1 << 20)};
		struct cedar_policies *policies;

		must(cedar_policies_parse(&policies, source, 1, 0, &notes, why), why);
		must(cedar_validate(policies, schema, &notes, why), why);
		if (notes.errors > 0)
			exit(2);
		cedar_policies_free(policies);
		arena_free(notes.arena);
		rounds++;
		spent = cpu_ns() - begin;
	} while (spent < ENOUGH_NS);
	return (double)spent / rounds / 1000;
}

static void
read_file(struct buffer *out, const char *folder, const char *name, struct fault *why)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	must(file_read(out, path, (size_t)16 << 20, why), why);
}

static int
run(const char *folder, const char *shape, const char *count)
{
	struct arena *arena = arena_new((size_t)16 << 20);
	struct buffer schema_file, entities_file, request_file, policies_file;
	struct cedar_schema *schema;
	struct cedar_entities *entities;
	struct cedar_request request;
	struct cedar_policies *policies;
	struct cedar_source source = {.name = "bench"};
	struct fault why;
	char name[64];
	double decision, loading;
	bool allow;

	snprintf(name, sizeof name, "%s-%s.cedar", shape, count);
	read_file(&schema_file, folder, "schema.cedarschema", &why);
	read_file(&entities_file, folder, "entities.json", &why);
	read_file(&request_file, folder, "request.json", &why);
	read_file(&policies_file, folder, name, &why);
	source.text = buffer_view(&policies_file);
	must(cedar_schema_parse(&schema, (struct cedar_source){"schema", buffer_view(&schema_file)}, NULL,
	                        &why),
	     &why);
	must(cedar_entities_read(&entities, arena, buffer_view(&entities_file), schema, &why), &why);
	must(cedar_request_read(&request, arena, buffer_view(&request_file), schema, true, &why), &why);
	must(cedar_policies_parse(&policies, &source, 1, 0, NULL, &why), &why);
	decision = decide(policies, &request, entities, &allow, &why);
	loading = load(&source, schema, &why);
	printf(
	    "{\"engine\":\"haechi\",\"shape\":\"%s\",\"policies\":%s,\"decision_us\":%.3f,\"load_us\":%.1f,"
	    "\"allow\":%s}\n",
	    shape, count, decision, loading, allow ? "true" : "false");
	cedar_policies_free(policies);
	cedar_schema_free(schema);
	buffer_free(&schema_file);
	buffer_free(&entities_file);
	buffer_free(&request_file);
	buffer_free(&policies_file);
	arena_free(arena);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "write") == 0)
		return write_all(argv[2]);
	if (argc == 5 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv[3], argv[4]);
	fputs("usage: cedar write FOLDER | cedar run FOLDER SHAPE COUNT\n", stderr);
	return 2;
}
