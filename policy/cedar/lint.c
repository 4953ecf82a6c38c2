#include "policy/cedar/lint.h"

#include <string.h>

#include "policy/cedar/ast.h"
#include "schema/base/clock.h"

enum value_type {
	VALUE_TEXT,     /* not empty */
	VALUE_ID,       /* letters, digits and . _ - : */
	VALUE_IDS,      /* such, separated by commas */
	VALUE_DATE,     /* 2026-01-22 */
	VALUE_DURATION, /* ISO 8601, one unit: P5Y, P90D, PT24H, PT30M */
	VALUE_KINDS,    /* identifier kinds separated by commas, or * */
	VALUE_CHOICE,
};

struct word {
	const char *name;
	enum value_type type;
	const char *choices[7];
	const char *beside; /* a word that must be there too … */
	const char *value;  /* … with this value, when not NULL */
	bool required;
	enum cedar_effect effect; /* only of this effect, when `one_effect` */
	bool one_effect;
};

/* clang-format off */
static const struct word words[] = {
	{.name = "id",             .type = VALUE_ID,   .required = true},
	{.name = "title_ko",       .type = VALUE_TEXT, .required = true},
	{.name = "title_en",       .type = VALUE_TEXT, .required = true},
	{.name = "law",            .type = VALUE_TEXT},
	{.name = "basis",          .type = VALUE_TEXT},
	{.name = "status",         .type = VALUE_TEXT},
	{.name = "effective_from", .type = VALUE_DATE},
	{.name = "message_ko",     .type = VALUE_TEXT, .beside = "message_en"},
	{.name = "message_en",     .type = VALUE_TEXT, .beside = "message_ko"},
	{.name = "question_ko",    .type = VALUE_TEXT, .beside = "question_en"},
	{.name = "question_en",    .type = VALUE_TEXT, .beside = "question_ko"},
	{.name = "remedy",         .type = VALUE_CHOICE, .choices = {"hold", "redact"}, .effect = CEDAR_FORBID, .one_effect = true},
	{.name = "redact",         .type = VALUE_KINDS, .beside = "remedy", .value = "redact"},
	{.name = "approver",       .type = VALUE_ID, .beside = "remedy", .value = "hold"},
	{.name = "hold_ttl",       .type = VALUE_DURATION, .beside = "remedy", .value = "hold"},
	{.name = "log",            .type = VALUE_CHOICE, .choices = {"summary", "full"}},
	{.name = "duty",           .type = VALUE_ID, .effect = CEDAR_PERMIT, .one_effect = true},
	{.name = "label",          .type = VALUE_CHOICE, .choices = {"notice", "metadata", "visible"}},
	{.name = "notify",         .type = VALUE_ID},
	{.name = "retain",         .type = VALUE_DURATION},
	{.name = "severity",       .type = VALUE_CHOICE, .choices = {"info", "low", "medium", "high", "critical"}},
	{.name = "rule_of",        .type = VALUE_ID},
	{.name = "says",           .type = VALUE_CHOICE, .choices = {"in", "out"}},
	{.name = "stricter",       .type = VALUE_TEXT},
	{.name = "field",          .type = VALUE_IDS},
};
/* clang-format on */

struct linting {
	const struct cedar_policy *policy;
	struct cedar_notes *notes;
	uint32_t number;
};

#define complain(lint, offset, ...)                                                                          \
	do {                                                                                                 \
		size_t before_ = (lint)->notes->count;                                                       \
		cedar_complain((lint)->notes, CEDAR_ERROR, (lint)->policy->source, offset, __VA_ARGS__);     \
		if ((lint)->notes->count > before_) {                                                        \
			(lint)->notes->items[before_].policy = (lint)->number;                               \
			(lint)->notes->items[before_].policy_id = (lint)->policy->id;                        \
		}                                                                                            \
	} while (0)

static const struct cedar_annotation *
find(const struct cedar_policy *policy, const char *name)
{
	for (uint32_t i = 0; i < policy->annotation_count; i++)
		if (slice_is(cedar_string_slice(&policy->annotations[i].key), name))
			return &policy->annotations[i];
	return NULL;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool
id_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-' || c == ':';
}

/* Ids of one or more, separated by a comma and any spaces. */
static bool
ids_valid(struct slice text, bool many)
{
	size_t size = 0;

	for (size_t i = 0; i <= text.size; i++) {
		if (i < text.size && id_byte(text.data[i])) {
			size++;
		} else if (i == text.size || (many && text.data[i] == ',')) {
			if (size == 0)
				return false;
			size = 0;
		} else if (!many || text.data[i] != ' ') {
			return false;
		}
	}
	return text.size <= 256;
}

static bool
duration_valid(struct slice text)
{
	bool time = text.size > 1 && text.data[1] == 'T';
	size_t from = time ? 2 : 1, at = from;

	if (text.size < 3 || text.data[0] != 'P')
		return false;
	while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
		at++;
	if (at == from || at - from > 5 || at + 1 != text.size || text.data[from] == '0')
		return false;
	return time ? text.data[at] == 'H' || text.data[at] == 'M'
	            : text.data[at] == 'D' || text.data[at] == 'Y';
}

static bool
kinds_valid(struct slice text)
{
	static const char *const kinds[] = {
	    "rrn",   "frn",     "passport", "driver_license", "business_reg", "corp_reg", "health_insurance",
	    "phone", "account", "card",     "vehicle",        "email",        "ip",       "address"};
	size_t from = 0;

	if (slice_is(text, "*"))
		return true;
	for (size_t i = 0; i <= text.size; i++) {
		struct slice kind;
		bool known = false;

		if (i < text.size && text.data[i] != ',')
			continue;
		while (from < i && text.data[from] == ' ')
			from++;
		kind = slice_of(text.data + from, i - from);
		while (kind.size > 0 && kind.data[kind.size - 1] == ' ')
			kind.size--;
		for (size_t j = 0; j < sizeof kinds / sizeof *kinds && !known; j++)
			known = slice_is(kind, kinds[j]);
		if (!known)
			return false;
		from = i + 1;
	}
	return true;
}

static bool
value_valid(const struct word *word, struct slice text, const char **wanted_ko, const char **wanted_en)
{
	int64_t time;

	switch (word->type) {
	case VALUE_TEXT:
		*wanted_ko = "빈 글이 아닌 것";
		*wanted_en = "some text";
		return text.size > 0 && text.size <= 4096;
	case VALUE_ID:
	case VALUE_IDS:
		*wanted_ko = "영문자·숫자와 . _ - :";
		*wanted_en = "letters, digits and . _ - :";
		return ids_valid(text, word->type == VALUE_IDS);
	case VALUE_DATE:
		*wanted_ko = "2026-01-22 꼴의 날";
		*wanted_en = "a day like 2026-01-22";
		return text.size == 10 && clock_parse(&time, text, true);
	case VALUE_DURATION:
		*wanted_ko = "P5Y, P90D, PT24H, PT30M 꼴의 기간";
		*wanted_en = "a span like P5Y, P90D, PT24H, PT30M";
		return duration_valid(text);
	case VALUE_KINDS:
		*wanted_ko = "rrn, phone처럼 쉼표로 나눈 식별정보 종류나 *";
		*wanted_en = "kinds of identifiers like rrn, phone, or *";
		return kinds_valid(text);
	case VALUE_CHOICE:
		*wanted_ko = "정해진 말 가운데 하나";
		*wanted_en = "one of its words";
		for (size_t i = 0; word->choices[i] != NULL; i++)
			if (slice_is(text, word->choices[i]))
				return true;
		return false;
	}
	return false;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

static const struct word *
find_word(struct slice name)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (slice_is(name, words[i].name))
			return &words[i];
	return NULL;
}

static void
lint_annotation(struct linting *lint, const struct cedar_annotation *annotation)
{
	const struct word *word = find_word(cedar_string_slice(&annotation->key));
	const char *ko = "", *en = "";
	const struct cedar_annotation *other;

	if (word == NULL) {
		complain(lint, annotation->offset, "철자를 확인하십시오", "mind the spelling",
		         "모르는 주석 @%.*s입니다", "annotation @%.*s is not known",
		         (int)annotation->key.size, annotation->key.data);
		return;
	}
	if (!value_valid(word, cedar_string_slice(&annotation->value), &ko, &en))
		complain(lint, annotation->offset, NULL, NULL, "@%s의 값이 맞지 않습니다. 와야 할 것: %s%.0s",
		         "@%s has a wrong value; wanted %.0s%s", word->name, ko, en);
	if (word->one_effect && lint->policy->effect != word->effect)
		complain(lint, annotation->offset, NULL, NULL, "@%s은(는) %s에만 씁니다",
		         "@%s belongs to %s only", word->name,
		         word->effect == CEDAR_FORBID ? "forbid" : "permit");
	if (word->beside == NULL)
		return;
	other = find(lint->policy, word->beside);
	if (other == NULL ||
	    (word->value != NULL && !slice_is(cedar_string_slice(&other->value), word->value)))
		complain(lint, annotation->offset, NULL, NULL, "@%s에는 @%s%s%s이(가) 함께 있어야 합니다",
		         "@%s needs @%s%s%s beside it", word->name, word->beside,
		         word->value != NULL ? " " : "", word->value != NULL ? word->value : "");
}

static void
lint_policy(struct linting *lint)
{
	for (uint32_t i = 0; i < lint->policy->annotation_count; i++)
		lint_annotation(lint, &lint->policy->annotations[i]);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i].required && find(lint->policy, words[i].name) == NULL)
			complain(lint, lint->policy->offset, NULL, NULL, "@%s이(가) 있어야 합니다",
			         "@%s is missing", words[i].name);
}

/* Ids of all policies in a table of their hashes: the later of two alike is complained about. */
static int
lint_twins(struct linting *lint, const struct cedar_policy *const *all, uint32_t count, struct fault *why)
{
	uint32_t size = 16;
	uint32_t *table;

	while (size < 2 * count)
		size *= 2;
	if ((table = arena_array(lint->notes->arena, size, sizeof *table)) == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < count; i++) {
		const struct cedar_annotation *id = find(all[i], "id");
		uint32_t at;

		if (id == NULL)
			continue;
		for (at = id->value.hash & (size - 1); table[at] != 0; at = (at + 1) & (size - 1)) {
			if (!cedar_string_equal(&find(all[table[at] - 1], "id")->value, &id->value))
				continue;
			lint->policy = all[i];
			lint->number = CEDAR_NO_POLICY;
			complain(lint, id->offset, "다른 id를 쓰십시오", "choose another id",
			         "@id(\"%.*s\")이(가) 두 번 쓰였습니다", "@id(\"%.*s\") is used twice",
			         (int)id->value.size, id->value.data);
			break;
		}
		if (table[at] == 0)
			table[at] = i + 1;
	}
	return 0;
}

int
cedar_lint(const struct cedar_policies *policies, struct cedar_notes *notes, struct fault *why)
{
	struct linting lint = {.notes = notes};
	uint32_t count = policies->count + policies->template_count;
	const struct cedar_policy **all = arena_array(notes->arena, (size_t)count + 1, sizeof *all);
	uint32_t kept = 0;

	if (all == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < count; i++) {
		lint.policy =
		    i < policies->count ? policies->policies[i] : policies->templates[i - policies->count];
		lint.number = i < policies->count ? i : CEDAR_NO_POLICY;
		if (lint.policy->template_id != NULL) /* a link says what its template says */
			continue;
		all[kept++] = lint.policy;
		lint_policy(&lint);
	}
	return lint_twins(&lint, all, kept, why);
}
