#include "schema/usecase.h"

#include <string.h>

#define USECASE_SIZE_LIMIT  ((size_t)256 << 10)
#define USECASE_TEXT_LIMIT  4000
#define USECASE_NAME_LIMIT  64
#define USECASE_LIST_LIMIT  64
#define USECASE_COUNT_LIMIT INT64_C(1000000000000)

/* clang-format off */
static const char *const effects[] = {
	[EFFECT_UNKNOWN] = "unknown", [EFFECT_NONE] = "none", [EFFECT_INFO] = "info", [EFFECT_RECOMMEND] = "recommend",
	[EFFECT_MIDSTAGE] = "midstage", [EFFECT_FINAL] = "final", [EFFECT_ACTUATES] = "actuates", NULL,
};
static const char *const reviews[] = {
	[REVIEW_UNKNOWN] = "unknown", [REVIEW_NONE] = "none", [REVIEW_NOMINAL] = "nominal",
	[REVIEW_SUBSTANTIVE] = "substantive", NULL,
};
static const char *const roles[] = {
	[ROLE_UNKNOWN] = "unknown", [ROLE_DEVELOPER] = "developer", [ROLE_DEPLOYER] = "deployer", [ROLE_USER] = "user",
	[ROLE_BOTH] = "both", NULL,
};
static const char *const audiences[] = {
	[AUDIENCE_UNKNOWN] = "unknown", [AUDIENCE_PUBLIC] = "public", [AUDIENCE_INTERNAL] = "internal", NULL,
};
static const char *const channels[] = { "unknown", "api", "chat", "voice", "export", NULL };
static const char *const reversibilities[] = { "unknown", "reversible", "costly", "irreversible", NULL };
static const char *const severities[] = { "unknown", "negligible", "low", "medium", "high", "very_high", NULL };
static const char *const frequencies[] = { "unknown", "rare", "monthly", "daily", "continuous", NULL };
/* clang-format on */

const char *
decision_effect_name(enum decision_effect effect)
{
	return (unsigned)effect <= EFFECT_ACTUATES ? effects[effect] : effects[EFFECT_UNKNOWN];
}

const char *
human_review_name(enum human_review review)
{
	return (unsigned)review <= REVIEW_SUBSTANTIVE ? reviews[review] : reviews[REVIEW_UNKNOWN];
}

const char *
actor_role_name(enum actor_role role)
{
	return (unsigned)role <= ROLE_BOTH ? roles[role] : roles[ROLE_UNKNOWN];
}

const char *
audience_name(enum audience audience)
{
	return (unsigned)audience <= AUDIENCE_INTERNAL ? audiences[audience] : audiences[AUDIENCE_UNKNOWN];
}

/* ---- reading: each take_* gives the value of a member, or its unknown when it is absent or null ------------------ */

struct reading {
	const json_t *object;
	const char *path; /* "" at the top, "reviewer." below */
	struct fault *why;
	bool failed;
};

static void
refuse(struct reading *reading, const char *name, const char *ko, const char *en)
{
	if (!reading->failed)
		fault_set(reading->why, FAULT_INVALID, "용도의 '%s%s': %s%.0s",
		          "use case, member '%s%s': %.0s%s", reading->path, name, ko, en);
	reading->failed = true;
}

static const json_t *
member(const struct reading *reading, const char *name)
{
	const json_t *value = json_object_get(reading->object, name);

	return json_is_null(value) ? NULL : value;
}

static const char *
take_text(struct reading *reading, const char *name, size_t limit)
{
	const json_t *value = member(reading, name);

	if (value == NULL)
		return "";
	if (!json_is_string(value) || json_string_length(value) > limit) {
		refuse(reading, name, "너무 길거나 문자열이 아닙니다", "must be a string within its limit");
		return "";
	}
	return json_string_value(value);
}

static unsigned
take_word(struct reading *reading, const char *name, const char *const *words)
{
	const json_t *value = member(reading, name);

	if (value == NULL)
		return 0;
	for (unsigned i = 0; json_is_string(value) && words[i] != NULL; i++) {
		if (strcmp(words[i], json_string_value(value)) == 0)
			return i;
	}
	refuse(reading, name, "정해진 낱말이 아닙니다", "is not one of its words, see usecase.schema.json");
	return 0;
}

static int64_t
take_number(struct reading *reading, const char *name, int64_t least, int64_t most, int64_t fallback)
{
	const json_t *value = member(reading, name);

	if (value == NULL)
		return fallback;
	if (!json_is_integer(value) || json_integer_value(value) < least ||
	    json_integer_value(value) > most) {
		refuse(reading, name, "범위 안의 정수가 아닙니다", "must be an integer within its range");
		return fallback;
	}
	return json_integer_value(value);
}

static enum fact
take_fact(struct reading *reading, const char *name)
{
	const json_t *value = member(reading, name);

	if (value == NULL)
		return FACT_UNKNOWN;
	if (!json_is_boolean(value)) {
		refuse(reading, name, "참·거짓이 아닙니다", "must be true, false or null");
		return FACT_UNKNOWN;
	}
	return json_is_true(value) ? FACT_YES : FACT_NO;
}

/* An object below, or an empty reading; unknown members are refused by name. */
static struct reading
take_object(struct reading *reading, const char *name, const char *path, const char *const *known)
{
	const json_t *value = member(reading, name);
	struct reading below = {
	    .object = value, .path = path, .why = reading->why, .failed = reading->failed};
	const char *stranger;

	if (value == NULL || json_is_null(value)) {
		below.object = NULL;
		return below;
	}
	if (!json_is_object(value)) {
		refuse(reading, name, "객체가 아닙니다", "must be an object");
		below.object = NULL;
	} else if ((stranger = json_unknown_member(json_object_get(reading->object, name), known)) != NULL) {
		refuse(&below, stranger, "모르는 항목입니다", "is not a known member");
		reading->failed = true;
	}
	return below;
}

static const char **
take_list(struct reading *reading, const char *name, size_t limit, size_t *count, struct arena *arena)
{
	const json_t *value = member(reading, name);
	const char **list;

	*count = 0;
	if (value == NULL)
		return NULL;
	if (!json_is_array(value) || json_array_size(value) > USECASE_LIST_LIMIT) {
		refuse(reading, name, "목록이 아니거나 너무 깁니다", "must be a list within its limit");
		return NULL;
	}
	if ((list = arena_array(arena, json_array_size(value) + 1, sizeof *list)) == NULL) {
		fault_memory(reading->why);
		reading->failed = true;
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);

		if (!json_is_string(item) || json_string_length(item) == 0 ||
		    json_string_length(item) > limit) {
			refuse(reading, name, "빈 값이거나 너무 길거나 문자열이 아닙니다",
			       "holds something that is no name");
			return NULL;
		}
		list[(*count)++] = json_string_value(item);
	}
	return list;
}

static bool
id_good(const char *id)
{
	size_t size = strlen(id);

	return size >= 1 && size <= USECASE_NAME_LIMIT && id[0] != '-' &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

/* "domains": absent or "unknown" - nobody has said; [] - in none; else a list without twins. */
static void
take_domains(struct usecase *out, struct reading *reading, struct arena *arena)
{
	const json_t *value = member(reading, "domains");
	const char **names;
	size_t count;

	if (value == NULL || (json_is_string(value) && strcmp(json_string_value(value), "unknown") == 0))
		return;
	names = take_list(reading, "domains", USECASE_NAME_LIMIT, &count, arena);
	for (size_t i = 0; i < count && !reading->failed; i++) {
		enum domain domain;

		if (!domain_parse(&domain, names[i]) || domain == DOMAIN_NONE) {
			refuse(reading, "domains", "모르는 영역입니다", "names an unknown domain");
			return;
		}
		for (size_t k = 0; k < out->domain_count; k++) {
			if (out->domains[k] == domain) {
				refuse(reading, "domains", "같은 영역이 두 번 있습니다",
				       "names a domain twice");
				return;
			}
		}
		out->domains[out->domain_count++] = domain;
	}
	out->domain_known = true;
}

/* One name or a list of names. */
static void
take_sub_functions(struct usecase *out, struct reading *reading, struct arena *arena)
{
	const json_t *value = member(reading, "sub_function");

	if (json_is_string(value)) {
		if (strcmp(json_string_value(value), "unknown") == 0)
			return;
		out->sub_functions = arena_array(arena, 1, sizeof *out->sub_functions);
		if (out->sub_functions == NULL) {
			fault_memory(reading->why);
			reading->failed = true;
			return;
		}
		out->sub_functions[0] = json_string_value(value);
		out->sub_function_count = 1;
	} else {
		out->sub_functions =
		    take_list(reading, "sub_function", USECASE_NAME_LIMIT, &out->sub_function_count, arena);
	}
	for (size_t i = 0; i < out->sub_function_count; i++) {
		const char *name;
		size_t k = 0;

		while ((name = usecase_sub_function_at(k, NULL)) != NULL &&
		       strcmp(name, out->sub_functions[i]) != 0)
			k++;
		if (name == NULL)
			refuse(reading, "sub_function", "정해진 낱말이 아닙니다",
			       "is not one of its words, see usecase.schema.json");
	}
}

/* Nobody named a domain, but what it does belongs to one. That somebody said "unknown" stands. */
static void
domains_of_functions(struct usecase *out, const struct reading *reading)
{
	if (out->domain_known || member(reading, "domains") != NULL)
		return;
	for (size_t i = 0; i < out->sub_function_count; i++) {
		enum domain domain = DOMAIN_NONE;
		const char *name;
		size_t known = 0;

		for (size_t k = 0; (name = usecase_sub_function_at(k, &domain)) != NULL; k++)
			if (strcmp(name, out->sub_functions[i]) == 0)
				break;
		while (known < out->domain_count && out->domains[known] != domain)
			known++;
		if (name != NULL && domain != DOMAIN_OTHER && known == out->domain_count)
			out->domains[out->domain_count++] = domain;
	}
	out->domain_known = out->domain_count > 0;
}

static bool
word_listed(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; size > 0 && (at = strstr(at, word)) != NULL; at += size) {
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	}
	return false;
}

static const char *const filings[] = {
    "corporate_number", "business_number",  "representative",  "address",           "officer",
    "officer_contact",  "country",          "base_model",      "derived_model",     "other",
    "risk_policy",      "explanation_plan", "protection_plan", "impact_assessment", NULL};

const char *
usecase_filing_at(size_t i)
{
	return i < sizeof filings / sizeof *filings ? filings[i] : NULL;
}

const char *
usecase_filing(const struct usecase *usecase, const char *name)
{
	const char *text = json_get_string(usecase->filing, name);

	return text == NULL ? "" : text;
}

static void
take_filing(struct usecase *out, struct reading *reading)
{
	struct reading below = take_object(reading, "filing", "filing.", filings);

	for (size_t i = 0; filings[i] != NULL; i++)
		take_text(&below, filings[i], USECASE_TEXT_LIMIT);
	out->filing = below.object;
	reading->failed |= below.failed;
}

static void
check_facts(struct reading *reading)
{
	const char *name;
	const json_t *value;
	struct reading below = *reading;

	if ((below.object = member(reading, "facts")) == NULL)
		return;
	below.path = "facts.";
	if (!json_is_object(below.object)) {
		refuse(reading, "facts", "객체가 아닙니다", "must be an object");
		return;
	}
	for (void *at = json_object_iter((json_t *)(uintptr_t)below.object); at != NULL;
	     at = json_object_iter_next((json_t *)(uintptr_t)below.object, at)) {
		const struct usecase_fact *fact;
		size_t i = 0;

		name = json_object_iter_key(at);
		value = json_object_iter_value(at);
		while ((fact = usecase_fact_at(i)) != NULL && strcmp(fact->name, name) != 0)
			i++;
		if (fact == NULL) {
			refuse(&below, name, "모르는 항목입니다", "is not a known member");
		} else if (json_is_null(value)) {
			continue;
		} else if (fact->type == USECASE_FACT_BOOL) {
			take_fact(&below, name);
		} else if (fact->type == USECASE_FACT_NUMBER) {
			take_number(&below, name, fact->least, fact->most, 0);
		} else if (!json_is_string(value) || !word_listed(fact->words, json_string_value(value))) {
			refuse(&below, name, "정해진 낱말이 아닙니다",
			       "is not one of its words, see usecase.schema.json");
		}
		if (below.failed) {
			reading->failed = true;
			return;
		}
	}
}

static void
take_registry(struct usecase *out, struct reading *reading, struct arena *arena)
{
	static const char *const titles[] = {"ko", "en", NULL};
	struct reading title;
	const char *grade;

	out->id = take_text(reading, "id", USECASE_NAME_LIMIT);
	if (!id_good(out->id))
		refuse(reading, "id", "소문자·숫자·'-'로 된 1-64자여야 합니다",
		       "must be 1-64 of [a-z0-9-], not beginning with -");
	out->version = take_number(reading, "version", 1, USECASE_COUNT_LIMIT, 1);
	out->agency = take_text(reading, "agency", USECASE_NAME_LIMIT);
	title = take_object(reading, "title", "title.", titles);
	out->title_ko = take_text(&title, "ko", USECASE_TEXT_LIMIT);
	out->title_en = take_text(&title, "en", USECASE_TEXT_LIMIT);
	reading->failed |= title.failed;
	out->purpose = take_text(reading, "purpose", USECASE_TEXT_LIMIT);
	out->retired = take_fact(reading, "retired") == FACT_YES;
	grade = take_text(reading, "grade", 1);
	if (grade[0] != '\0' && !grade_parse(&out->grade, grade)) /* undeclared stays C, the strictest */
		refuse(reading, "grade", "C, S, O 가운데 하나여야 합니다", "must be C, S or O");
	out->rrn_legal_basis = take_text(reading, "rrn_legal_basis", USECASE_TEXT_LIMIT);
	out->channel = channels[take_word(reading, "channel", channels)];
	out->models = take_list(reading, "models", 256, &out->model_count, arena);
}

static void
take_oversight(struct usecase *out, struct reading *reading)
{
	static const char *const reviewers[] = {"name",       "contact",   "may_exclude", "may_modify",
	                                        "may_refuse", "decisions", "changed",     NULL};
	static const char *const exclusions[] = {"designator", "document", "task", "sole_use", NULL};
	struct reading below = take_object(reading, "reviewer", "reviewer.", reviewers);

	out->reviewer.name = take_text(&below, "name", USECASE_TEXT_LIMIT);
	out->reviewer.contact = take_text(&below, "contact", USECASE_TEXT_LIMIT);
	out->reviewer.may_exclude = take_fact(&below, "may_exclude");
	out->reviewer.may_modify = take_fact(&below, "may_modify");
	out->reviewer.may_refuse = take_fact(&below, "may_refuse");
	out->reviewer.decisions = take_number(&below, "decisions", 0, USECASE_COUNT_LIMIT, -1);
	out->reviewer.changed = take_number(&below, "changed", 0, USECASE_COUNT_LIMIT, -1);
	out->reviewer.hasty = -1;
	out->reviewer.median_ms = -1;
	out->reviewer.limits = oversight_defaults;
	if (out->reviewer.changed > out->reviewer.decisions)
		refuse(&below, "changed", "결정 수보다 많습니다", "is more than the number of decisions");
	reading->failed |= below.failed;

	below = take_object(reading, "exclusion", "exclusion.", exclusions);
	out->exclusion.designator = take_text(&below, "designator", USECASE_NAME_LIMIT);
	out->exclusion.document = take_text(&below, "document", USECASE_TEXT_LIMIT);
	out->exclusion.task = take_text(&below, "task", USECASE_TEXT_LIMIT);
	out->exclusion.sole_use = take_fact(&below, "sole_use");
	reading->failed |= below.failed;
}

int
usecase_parse(struct usecase *out, struct slice text, struct arena *arena, struct fault *why)
{
	static const char *const known[] = {
	    "id",        "version",        "agency",        "title",    "purpose",         "retired",
	    "grade",     "channel",        "models",        "audience", "rrn_legal_basis", "actor_role",
	    "domains",   "sub_function",   "human_review",  "reviewer", "facts",           "decision_effect",
	    "exclusion", "affected_count", "reversibility", "severity", "frequency",       "filing",
	    NULL};
	struct reading reading = {.path = "", .why = why};
	const char *stranger;

	memset(out, 0, sizeof *out);
	if ((out->document = json_read(text, USECASE_SIZE_LIMIT, 8, why)) == NULL)
		return -1;
	reading.object = out->document;
	if (!json_is_object(out->document)) {
		fault_set(why, FAULT_INVALID, "용도는 JSON 객체여야 합니다",
		          "a use case must be a JSON object");
		goto refused;
	}
	if ((stranger = json_unknown_member(out->document, known)) != NULL) {
		refuse(&reading, stranger, "모르는 항목입니다", "is not a known member");
		goto refused;
	}
	take_registry(out, &reading, arena);
	out->actor_role = (enum actor_role)take_word(&reading, "actor_role", roles);
	out->audience = (enum audience)take_word(&reading, "audience", audiences);
	take_domains(out, &reading, arena);
	take_sub_functions(out, &reading, arena);
	if (!reading.failed)
		domains_of_functions(out, &reading);
	out->decision_effect = (enum decision_effect)take_word(&reading, "decision_effect", effects);
	out->human_review = (enum human_review)take_word(&reading, "human_review", reviews);
	take_oversight(out, &reading);
	out->affected_count = take_number(&reading, "affected_count", 0, USECASE_COUNT_LIMIT, -1);
	out->reversibility = reversibilities[take_word(&reading, "reversibility", reversibilities)];
	out->severity = severities[take_word(&reading, "severity", severities)];
	out->frequency = frequencies[take_word(&reading, "frequency", frequencies)];
	take_filing(out, &reading);
	check_facts(&reading);
	out->facts = member(&reading, "facts");
	if (!reading.failed)
		return 0;
refused:
	usecase_release(out);
	return -1;
}

void
usecase_release(struct usecase *usecase)
{
	if (usecase == NULL)
		return;
	json_decref(usecase->document);
	memset(usecase, 0, sizeof *usecase);
}
