#include "gateway/commands/usecase_fields.h"

#include <getopt.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/rules.h"

#define LIST_LIMIT ((size_t)1 << 20)
#define MANY       1000000 /* no limit that anybody would meet */

static void
usage(FILE *to)
{
	fputs(
	    "사용법 / usage: haechi usecase fields [--domain 영역] [--share FOLDER] [--json]\n\n"
	    "  용도에 적을 수 있는 항목과 뜻, 값 / what may be entered about a use, its meaning and values\n"
	    "  --domain  그 영역의 것만 / those of one domain alone: energy water healthcare medical_device\n"
	    "            nuclear biometric hiring_lending transport public_service education\n",
	    to);
}

/* "참·거짓", "0…4", "low, medium, high": what may stand there. */
static void
put_values(struct buffer *out, const json_t *field)
{
	const json_t *words = json_object_get(field, "enum"), *const one_of = json_object_get(field, "oneOf"),
	             *type = json_object_get(field, "type"), *each;
	const char *name = json_string_value(json_is_array(type) ? json_array_get(type, 0) : type);
	bool any = false;
	size_t i;

	/* "domains": an array of words among its forms. */
	json_array_foreach(one_of, i, each) if (words == NULL) words =
	    json_object_get(json_object_get(each, "items"), "enum");
	json_array_foreach(words, i, each)
	{
		const char *const word = json_string_value(each);

		if (word == NULL || strcmp(word, "unknown") == 0)
			continue;
		buffer_printf(out, "%s%s", any ? ", " : "", word);
		any = true;
	}
	if (words != NULL || name == NULL)
		return;
	if (strcmp(name, "boolean") == 0)
		buffer_string(out, "true, false");
	else if (strcmp(name, "integer") == 0 && json_get_integer(field, "maximum", 0) >= MANY)
		buffer_printf(out, "%lld …", (long long)json_get_integer(field, "minimum", 0));
	else if (strcmp(name, "integer") == 0)
		buffer_printf(out, "%lld … %lld", (long long)json_get_integer(field, "minimum", 0),
		              (long long)json_get_integer(field, "maximum", 0));
	else if (strcmp(name, "string") == 0)
		buffer_string(out, "글 text");
	else if (strcmp(name, "array") == 0)
		buffer_string(out, "목록 list");
}

struct listing {
	json_t *rows;
	const char *domain; /* NULL: of all */
};

static void
add(struct listing *listing, const char *name, const char *ko, const char *en, const char *values,
    const char *domain)
{
	if (listing->domain != NULL && strcmp(domain, listing->domain) != 0)
		return;
	json_array_append_new(listing->rows,
	                      json_pack("{s:s, s:s, s:s, s:s, s:s}", "field", name, "ko",
	                                ko == NULL ? "" : ko, "en", en == NULL ? "" : en, "values",
	                                values == NULL ? "" : values, "domain", domain));
}

/* Members one after another; those of an object below it are told by their path. */
static void
add_members(struct listing *listing, const json_t *properties, const char *prefix)
{
	const char *name;
	json_t *members, *field;

	memcpy(&members, &properties, sizeof members); /* iterated, not changed */
	json_object_foreach(members, name, field)
	{
		const char *const domain = json_get_string(field, "x-domain");
		struct buffer values;
		char path[128];

		/* The registry's own, and what is listed word by word. */
		if (strcmp(name, "version") == 0 || strcmp(name, "retired") == 0 ||
		    strcmp(name, "sub_function") == 0)
			continue;
		snprintf(path, sizeof path, "%s%s", prefix, name);
		if (json_object_get(field, "properties") != NULL) {
			strncat(path, ".", sizeof path - strlen(path) - 1);
			add_members(listing, json_object_get(field, "properties"), path);
			continue;
		}
		buffer_init(&values, LIST_LIMIT);
		put_values(&values, field);
		add(listing, path, json_get_string(field, "title"), json_get_string(field, "description"),
		    buffer_text(&values), domain == NULL ? "" : domain);
		buffer_free(&values);
	}
}

static void
add_functions(struct listing *listing, const json_t *field)
{
	const json_t *titles = json_object_get(field, "x-titles");
	const char *domain;
	json_t *by_domain, *names, *name;
	size_t i;

	by_domain = json_object_get(field, "x-by-domain");
	json_object_foreach(by_domain, domain, names) json_array_foreach(names, i, name)
	{
		const json_t *title = json_object_get(titles, json_string_value(name));

		add(listing, "sub_function", json_get_string(title, "ko"), json_get_string(title, "en"),
		    json_string_value(name), domain);
	}
}

/* "decision_effect  none, info, …", and its meaning below. */
static int
print(const json_t *rows)
{
	const char *before = "";

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *const row = json_array_get(rows, i);
		const char *const domain = json_get_string(row, "domain");

		if (strcmp(domain, before) != 0 && domain[0] != '\0')
			printf("\n[%s]\n", domain);
		before = domain;
		printf("%s  %s\n    %s\n    %s\n", json_get_string(row, "field"),
		       json_get_string(row, "values"), json_get_string(row, "ko"),
		       json_get_string(row, "en"));
	}
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_USAGE;
}

int
usecase_fields(int argc, char **argv)
{
	static const struct option known[] = {
	    {"domain", required_argument, NULL, 'd'},
	    {"share",  required_argument, NULL, 's'},
	    {"json",   no_argument,       NULL, 'j'},
	    {"help",   no_argument,       NULL, 'h'},
	    {NULL,     0,                 NULL, 0  }
        };
	struct listing listing = {0};
	const char *share = NULL;
	const json_t *properties;
	json_t *schema;
	enum domain domain;
	struct fault why;
	bool json = false;
	int option, status;

	optind = 1;
	while ((option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
		case 'd':
			listing.domain = optarg;
			break;
		case 's':
			share = optarg;
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	if (optind != argc || (listing.domain != NULL && !domain_parse(&domain, listing.domain))) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if ((schema = command_usecase_schema(share)) == NULL) {
		fault_set(&why, FAULT_NOT_FOUND, "usecase.schema.json을 찾을 수 없습니다 (--share)",
		          "usecase.schema.json is not there (--share)");
		return command_fail(&why);
	}
	properties = json_object_get(schema, "properties");
	listing.rows = json_array();
	add_members(&listing, properties, "");
	add_functions(&listing, json_object_get(properties, "sub_function"));
	status = json ? asking_print_lines(listing.rows) : print(listing.rows);
	json_decref(listing.rows);
	json_decref(schema);
	return status;
}
