#include "policy/annotations.h"

#include <string.h>

#include "policy/cedar/ast.h"
#include "schema/base/clock.h"
#include "schema/finding.h"

enum value_type {
	VALUE_TEXT,  /* not empty */
	VALUE_ID,    /* letters, digits and . _ - : */
	VALUE_IDS,   /* such, separated by commas */
	VALUE_SPAN,  /* ISO 8601, one unit: P5Y, P90D, PT24H, PT30M */
	VALUE_DAYS,  /* the same, a day or more */
	VALUE_KINDS, /* identifier kinds separated by commas, or * */
	VALUE_CHOICE,
};

#define AGENCY (1u << DIALECT_AGENCY)
#define ACT    (1u << DIALECT_ACT)
#define BOTH   (AGENCY | ACT)

struct word {
	const char *name;
	unsigned dialects;
	enum value_type type;
	const char *choices[8];
	const char *needs[8]; /* word that the choice at this place asks for beside it */
	const char *beside;   /* a word that must be there too ... */
	const char *value;    /* ... with this value, when not NULL */
	unsigned required;    /* in these dialects */
	const char *effect;   /* "permit" or "forbid": only there */
};

/* clang-format off */
static const struct word words[] = {
	{.name = "id",          .dialects = BOTH, .type = VALUE_ID,   .required = BOTH},
	{.name = "title_ko",    .dialects = BOTH, .type = VALUE_TEXT, .required = BOTH},
	{.name = "title_en",    .dialects = BOTH, .type = VALUE_TEXT, .required = BOTH},
	{.name = "law",         .dialects = BOTH, .type = VALUE_TEXT, .required = ACT},
	{.name = "status",      .dialects = BOTH, .type = VALUE_CHOICE, .required = ACT,
	 .choices = {"verified", "verified*", "recalled", "own"}},
	/* agency: what a caller is told, how a forbid can be met, what comes with a permit */
	{.name = "message_ko",  .dialects = AGENCY, .type = VALUE_TEXT, .beside = "message_en"},
	{.name = "message_en",  .dialects = AGENCY, .type = VALUE_TEXT, .beside = "message_ko"},
	{.name = "remedy",      .dialects = AGENCY, .type = VALUE_CHOICE, .effect = "forbid",
	 .choices = {"hold", "redact"}, .needs = {"approver", "redact"}},
	{.name = "redact",      .dialects = AGENCY, .type = VALUE_KINDS, .beside = "remedy", .value = "redact"},
	{.name = "approver",    .dialects = AGENCY, .type = VALUE_ID,    .beside = "remedy", .value = "hold"},
	{.name = "hold_ttl",    .dialects = AGENCY, .type = VALUE_SPAN,  .beside = "remedy", .value = "hold"},
	{.name = "duty",        .dialects = AGENCY, .type = VALUE_CHOICE, .effect = "permit",
	 .choices = {"label", "retain", "log", "notify", "redact-answer", "restore-answer"}, .needs = {"label", "retain", "log"}},
	{.name = "label",       .dialects = AGENCY, .type = VALUE_CHOICE, .choices = {"metadata", "notice"},
	 .beside = "duty", .value = "label"},
	{.name = "retain",      .dialects = AGENCY, .type = VALUE_DAYS, .beside = "duty", .value = "retain"},
	{.name = "log",         .dialects = AGENCY, .type = VALUE_CHOICE, .choices = {"summary", "full"},
	 .beside = "duty", .value = "log"},
	/* the Act: what the last step says, where sources conflict, questions and obligations */
	{.name = "says",        .dialects = ACT, .type = VALUE_CHOICE, .choices = {"in", "out"}},
	{.name = "stricter",    .dialects = ACT, .type = VALUE_TEXT},
	{.name = "field",       .dialects = ACT, .type = VALUE_IDS},
	{.name = "question_ko", .dialects = ACT, .type = VALUE_TEXT, .beside = "question_en"},
	{.name = "question_en", .dialects = ACT, .type = VALUE_TEXT, .beside = "question_ko"},
	{.name = "duty",        .dialects = ACT, .type = VALUE_ID},
};
/* clang-format on */

struct checking {
	const struct cedar_policy *policy;
	struct cedar_notes *notes;
	uint32_t number;
	enum annotation_dialect dialect; /* of this policy */
};

static const struct cedar_annotation *
find(const struct cedar_policy *policy, const char *name)
{
	for (uint32_t i = 0; i < policy->annotation_count; i++)
		if (slice_is(cedar_string_slice(&policy->annotations[i].key), name))
			return &policy->annotations[i];
	return NULL;
}

/* As people know it, whether or not the set was read with @id as ids. */
static const char *
name_of(const struct cedar_policy *policy)
{
	const struct cedar_annotation *id = find(policy, "id");

	return id != NULL && id->value.size > 0 ? id->value.data : policy->id;
}

#define complain(check, offset, ...)                                                                         \
	do {                                                                                                 \
		size_t before_ = (check)->notes->count;                                                      \
		cedar_complain((check)->notes, CEDAR_ERROR, (check)->policy->source, offset, __VA_ARGS__);   \
		if ((check)->notes->count > before_) {                                                       \
			(check)->notes->items[before_].policy = (check)->number;                             \
			(check)->notes->items[before_].policy_id = name_of((check)->policy);                 \
		}                                                                                            \
	} while (0)

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

uint32_t
annotation_duration(struct slice text)
{
	const bool time = text.size > 1 && text.data[1] == 'T';
	const size_t from = time ? 2 : 1;
	uint32_t count = 0;
	size_t at = from;

	if (text.size < 3 || text.data[0] != 'P')
		return 0;
	for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9' && at - from < 5; at++)
		count = 10 * count + (uint32_t)(text.data[at] - '0');
	if (at == from || at + 1 != text.size || text.data[from] == '0' || count > 10000)
		return 0;
	switch (text.data[at]) {
	case 'D':
		return time ? 0 : count * 86400;
	case 'Y':
		return time || count > 100 ? 0 : count * 1461 / 4 * 86400;
	case 'H':
		return time ? count * 3600 : 0;
	case 'M': /* months have no length of their own */
		return time ? count * 60 : 0;
	default:
		return 0;
	}
}

bool
annotation_kinds(struct slice text, uint32_t *kinds, bool *all)
{
	size_t from = 0;

	*kinds = 0;
	if ((*all = slice_is(text, "*")))
		return true;
	for (size_t i = 0; i <= text.size; i++) {
		enum identifier_kind kind;
		char name[32];
		size_t end = i;

		if (i < text.size && text.data[i] != ',')
			continue;
		while (from < end && text.data[from] == ' ')
			from++;
		while (end > from && text.data[end - 1] == ' ')
			end--;
		if (end - from >= sizeof name)
			return false;
		memcpy(name, text.data + from, end - from);
		name[end - from] = '\0';
		if (!identifier_parse(&kind, name))
			return false;
		*kinds |= 1u << kind;
		from = i + 1;
	}
	return true;
}

/* The place of the value among the choices, or -1. */
static int
choice_of(const struct word *word, struct slice text)
{
	for (int i = 0; i < 6 && word->choices[i] != NULL; i++)
		if (slice_is(text, word->choices[i]))
			return i;
	return -1;
}

static bool
value_valid(const struct word *word, struct slice text, struct buffer *wanted_ko, struct buffer *wanted_en)
{
	const char *ko = "", *en = "";
	uint32_t kinds;
	bool good = false, all;

	switch (word->type) {
	case VALUE_TEXT:
		ko = "빈 글이 아닌 것";
		en = "some text";
		good = text.size > 0 && text.size <= 4096;
		break;
	case VALUE_ID:
	case VALUE_IDS:
		ko = "영문자·숫자와 . _ - :";
		en = "letters, digits and . _ - :";
		good = ids_valid(text, word->type == VALUE_IDS);
		break;
	case VALUE_SPAN:
		ko = "P5Y, P90D, PT24H, PT30M 꼴의 기간";
		en = "a span like P5Y, P90D, PT24H, PT30M";
		good = annotation_duration(text) > 0;
		break;
	case VALUE_DAYS:
		ko = "P5Y, P90D 꼴의 하루 이상의 기간";
		en = "a span of a day or more like P5Y, P90D";
		good = annotation_duration(text) >= 86400;
		break;
	case VALUE_KINDS:
		ko = "rrn, phone처럼 쉼표로 나눈 식별정보 종류나 *";
		en = "kinds of identifiers like rrn, phone, or *";
		good = annotation_kinds(text, &kinds, &all);
		break;
	case VALUE_CHOICE:
		good = choice_of(word, text) >= 0;
		for (unsigned i = 0; i < 6 && word->choices[i] != NULL; i++) {
			buffer_printf(wanted_ko, "%s%s", i > 0 ? ", " : "", word->choices[i]);
			buffer_printf(wanted_en, "%s%s", i > 0 ? ", " : "", word->choices[i]);
		}
		break;
	}
	buffer_string(wanted_ko, ko);
	buffer_string(wanted_en, en);
	return good;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

static const struct word *
find_word(struct slice name, unsigned dialects)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if ((words[i].dialects & dialects) != 0 && slice_is(name, words[i].name))
			return &words[i];
	return NULL;
}

static void
check_beside(struct checking *check, const struct word *word, uint32_t offset)
{
	const struct cedar_annotation *other = find(check->policy, word->beside);

	if (other == NULL ||
	    (word->value != NULL && !slice_is(cedar_string_slice(&other->value), word->value)))
		complain(check, offset, NULL, NULL, "@%s은(는) @%s%s%s%s와 함께만 씁니다",
		         "@%s is used beside @%s%s%s%s only", word->name, word->beside,
		         word->value != NULL ? "(\"" : "", word->value != NULL ? word->value : "",
		         word->value != NULL ? "\")" : "");
}

static void
check_annotation(struct checking *check, const struct cedar_annotation *annotation)
{
	const struct slice name = cedar_string_slice(&annotation->key),
	                   value = cedar_string_slice(&annotation->value);
	const struct word *word = find_word(name, 1u << check->dialect);
	char ko_text[256], en_text[256];
	struct buffer ko, en;
	int choice;

	if (word == NULL && find_word(name, BOTH) != NULL) {
		complain(check, annotation->offset, NULL, NULL, "@%.*s은(는) %s에 쓰지 않는 주석입니다%.0s",
		         "annotation @%.*s does not belong to %.0s%s", SLICE_PRINT(name),
		         check->dialect == DIALECT_ACT ? "법의 규칙" : "기관의 정책",
		         check->dialect == DIALECT_ACT ? "rules of the Act" : "policies of an agency");
		return;
	}
	if (word == NULL) {
		complain(check, annotation->offset, "철자를 확인하십시오", "mind the spelling",
		         "모르는 주석 @%.*s입니다", "annotation @%.*s is not known", SLICE_PRINT(name));
		return;
	}
	buffer_init(&ko, sizeof ko_text - 1);
	buffer_init(&en, sizeof en_text - 1);
	if (!value_valid(word, value, &ko, &en)) {
		snprintf(ko_text, sizeof ko_text, "%.*s", SLICE_PRINT(buffer_view(&ko)));
		snprintf(en_text, sizeof en_text, "%.*s", SLICE_PRINT(buffer_view(&en)));
		complain(check, annotation->offset, NULL, NULL,
		         "@%s의 값 \"%.*s\"이(가) 맞지 않습니다. 와야 할 것: %s%.0s",
		         "@%s has the wrong value \"%.*s\"; wanted %.0s%s", word->name,
		         (int)utf8_cut(value, 60), (const char *)value.data, ko_text, en_text);
	}
	buffer_free(&ko);
	buffer_free(&en);
	if (word->effect != NULL &&
	    strcmp(word->effect, check->policy->effect == CEDAR_FORBID ? "forbid" : "permit") != 0)
		complain(check, annotation->offset, NULL, NULL, "@%s은(는) %s에만 씁니다",
		         "@%s belongs to a %s only", word->name, word->effect);
	if ((choice = choice_of(word, value)) >= 0 && word->needs[choice] != NULL &&
	    find(check->policy, word->needs[choice]) == NULL)
		complain(check, annotation->offset, NULL, NULL, "@%s(\"%s\")에는 @%s이(가) 있어야 합니다",
		         "@%s(\"%s\") needs @%s beside it", word->name, word->choices[choice],
		         word->needs[choice]);
	if (word->beside != NULL)
		check_beside(check, word, annotation->offset);
}

/* Action::"duty", and nothing else, is in the scope; or it is among what is. */
static bool
scope_of_duty(const struct cedar_scope *scope, bool *alone)
{
	const struct cedar_uid *const *list =
	    scope->kind == CEDAR_SCOPE_IN_LIST ? scope->list : &scope->entity;
	const uint32_t count = scope->kind == CEDAR_SCOPE_IN_LIST ? scope->count : 1;
	bool any = false;

	*alone = scope->kind != CEDAR_SCOPE_ANY && count > 0;
	if (scope->kind == CEDAR_SCOPE_ANY)
		return true;
	for (uint32_t i = 0; i < count; i++) {
		const bool duty = list[i] != NULL && slice_is(cedar_string_slice(&list[i]->type), "Action") &&
		                  slice_is(cedar_string_slice(&list[i]->id), "duty");

		any |= duty;
		*alone &= duty;
	}
	return any;
}

/* Duties are asked with an action of their own: elsewhere @duty would silently do nothing. */
static void
check_duty(struct checking *check)
{
	const struct cedar_annotation *duty = find(check->policy, "duty");
	bool alone;
	const bool asked = scope_of_duty(&check->policy->action, &alone);

	if (duty != NULL && !asked)
		complain(check, duty->offset, NULL, NULL,
		         "@duty는 action == Action::\"duty\"인 정책에 씁니다",
		         "@duty belongs to a policy for action == Action::\"duty\"");
	if (duty == NULL && alone && check->policy->effect == CEDAR_PERMIT)
		complain(check, check->policy->offset, NULL, NULL, "어떤 의무인지 @duty로 적어야 합니다",
		         "@duty must say which duty this is");
	if (alone && check->policy->effect == CEDAR_FORBID)
		complain(check, check->policy->effect_offset, NULL, NULL, "의무는 금지할 수 없습니다",
		         "a duty cannot be forbidden");
}

static bool
is_rule(const struct cedar_policy *policy)
{
	const struct cedar_scope *action = &policy->action;
	const struct cedar_uid *uid = action->kind == CEDAR_SCOPE_IN_LIST
	                                  ? (action->count > 0 ? action->list[0] : NULL)
	                                  : action->entity;

	return uid != NULL && slice_is(cedar_string_slice(&uid->type), "Act::Action");
}

static void
check_policy(struct checking *check)
{
	for (uint32_t i = 0; i < check->policy->annotation_count; i++)
		check_annotation(check, &check->policy->annotations[i]);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if ((words[i].required >> check->dialect & 1) != 0 &&
		    find(check->policy, words[i].name) == NULL)
			complain(check, check->policy->offset, NULL, NULL, "@%s이(가) 있어야 합니다",
			         "@%s is missing", words[i].name);
	if (check->dialect == DIALECT_AGENCY)
		check_duty(check);
	else if (check->policy->effect != CEDAR_PERMIT)
		complain(check, check->policy->effect_offset, NULL, NULL, "법의 규칙은 permit이어야 합니다",
		         "rules of the Act must be permits");
}

/* Ids of all policies in a table of their hashes: the later of two alike is complained about. */
static int
check_twins(struct checking *check, const struct cedar_policy *const *all, uint32_t count, struct fault *why)
{
	uint32_t size = 16;
	uint32_t *table;

	while (size < 2 * count)
		size *= 2;
	if ((table = arena_array(check->notes->arena, size, sizeof *table)) == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < count; i++) {
		const struct cedar_annotation *id = find(all[i], "id");
		uint32_t at;

		if (id == NULL)
			continue;
		for (at = id->value.hash & (size - 1); table[at] != 0; at = (at + 1) & (size - 1)) {
			if (!cedar_string_equal(&find(all[table[at] - 1], "id")->value, &id->value))
				continue;
			check->policy = all[i];
			check->number = CEDAR_NO_POLICY;
			complain(check, id->offset, "다른 id를 쓰십시오", "choose another id",
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
annotations_check(const struct cedar_policies *policies, enum annotation_dialect dialect,
                  struct cedar_notes *notes, struct fault *why)
{
	struct checking check = {.notes = notes};
	uint32_t count = policies->count + policies->template_count;
	const struct cedar_policy **all = arena_array(notes->arena, (size_t)count + 1, sizeof *all);
	uint32_t kept = 0;

	if (all == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < count; i++) {
		check.policy =
		    i < policies->count ? policies->policies[i] : policies->templates[i - policies->count];
		check.number = i < policies->count ? i : CEDAR_NO_POLICY;
		check.dialect = dialect != DIALECT_BY_ACTION ? dialect
		                : is_rule(check.policy)      ? DIALECT_ACT
		                                             : DIALECT_AGENCY;
		if (check.policy->template_id != NULL) /* a link says what its template says */
			continue;
		all[kept++] = check.policy;
		check_policy(&check);
	}
	return check_twins(&check, all, kept, why);
}
