#include "audit/filter.h"

#include <string.h>

#include "schema/base/clock.h"

const char *const filter_names[FILTER_VALUES] = {
    "agency", "usecase", "verdict", "decision", "domain", "kind", "request-id", "entry", "log",
};

static const struct {
	size_t value;  /* in struct filter */
	size_t column; /* in struct entry_columns */
} places[FILTER_VALUES] = {
    {offsetof(struct filter, agency),                       offsetof(struct entry_columns, agency) },
    {offsetof(struct filter, usecase),                      offsetof(struct entry_columns, usecase)},
    {offsetof(struct filter, verdict),                      offsetof(struct entry_columns, verdict)},
    {offsetof(struct filter, decision),                     offsetof(struct entry_columns, access) },
    {offsetof(struct filter, domain),                       offsetof(struct entry_columns, domain) },
    {offsetof(struct filter, kind),                         SIZE_MAX                     }, /* an enum */
    {offsetof(struct filter,           request_id), offsetof(struct entry_columns,                   request_id)        },
    {offsetof(struct filter,                entry), offsetof(struct entry_columns,                           id)},
    {offsetof(struct filter,                  log), offsetof(struct entry_columns,                          log)        },
};

const char *
filter_value(const struct filter *filter, size_t which)
{
	const char *value;

	memcpy(&value, (const char *)filter + places[which].value, sizeof value);
	return value;
}

void
filter_set(struct filter *filter, size_t which, const char *value)
{
	memcpy((char *)filter + places[which].value, &value, sizeof value);
}

static int
unknown_word(struct fault *why, const char *option, const char *word, const char *allowed)
{
	return fault_set(why, FAULT_USAGE, "--%s: 모르는 값 '%s' (쓸 수 있는 값: %s)",
	                 "--%s: unknown value '%s' (allowed: %s)", option, word, allowed);
}

int
filter_check(const struct filter *filter, struct fault *why)
{
	enum entry_kind kind;
	enum verdict verdict;
	enum access access;
	enum domain domain;

	if (filter->kind != NULL && !entry_kind_parse(&kind, filter->kind))
		return unknown_word(
		    why, "kind", filter->kind,
		    "decision outcome review usecase policy key access export shred witness lifecycle");
	if (filter->verdict != NULL && !verdict_parse(&verdict, filter->verdict))
		return unknown_word(why, "verdict", filter->verdict,
		                    "HIGH_IMPACT NOT_HIGH_IMPACT EXCLUDED UNDETERMINED");
	if (filter->decision != NULL && !access_parse(&access, filter->decision))
		return unknown_word(why, "decision", filter->decision, "permit hold redact deny");
	if (filter->domain != NULL && !domain_parse(&domain, filter->domain))
		return unknown_word(
		    why, "domain", filter->domain,
		    "energy water healthcare medical_device nuclear biometric hiring_lending transport "
		    "public_service education other");
	if (filter->has_from && filter->has_to && filter->from_ms >= filter->to_ms)
		return fault_set(why, FAULT_USAGE, "--from 이 --to 보다 앞서야 합니다",
		                 "--from must be before --to");
	return 0;
}

void
filter_describe(struct buffer *out, const struct filter *filter)
{
	char text[CLOCK_TEXT_SIZE];
	const char *blank = "";

	if (filter->has_from) {
		clock_text(text, filter->from_ms);
		buffer_printf(out, "from=%s", text);
		blank = " ";
	}
	if (filter->has_to) {
		clock_text(text, filter->to_ms);
		buffer_printf(out, "%sto=%s", blank, text);
		blank = " ";
	}
	for (size_t i = 0; i < FILTER_VALUES; i++) {
		if (filter_value(filter, i) == NULL)
			continue;
		buffer_printf(out, "%s%s=%s", blank, filter_names[i], filter_value(filter, i));
		blank = " ";
	}
	if (*blank == '\0')
		buffer_string(out, "all");
}

bool
filter_in_time(const struct filter *filter, int64_t wall_ms)
{
	return (!filter->has_from || wall_ms >= filter->from_ms) &&
	       (!filter->has_to || wall_ms < filter->to_ms);
}

/* "water,education" */
static bool
is_among(struct slice list, const char *name)
{
	while (list.size > 0) {
		const uint8_t *comma = memchr(list.data, ',', list.size);
		const size_t size = comma == NULL ? list.size : (size_t)(comma - list.data);

		if (slice_is(slice_of(list.data, size), name))
			return true;
		list = comma == NULL ? slice_of(NULL, 0) : slice_of(comma + 1, list.size - size - 1);
	}
	return false;
}

bool
filter_matches(const struct filter *filter, const struct entry_columns *columns)
{
	for (size_t i = 0; i < FILTER_VALUES; i++) {
		const char *value = filter_value(filter, i);
		struct slice column;

		if (value == NULL)
			continue;
		if (places[i].column == SIZE_MAX)
			column = slice_string(entry_kind_name(columns->kind));
		else
			memcpy(&column, (const char *)columns + places[i].column, sizeof column);
		if (!slice_is(column, value) &&
		    !(places[i].value == offsetof(struct filter, domain) && is_among(columns->also, value)))
			return false;
	}
	return true;
}

bool
filter_is_time_only(const struct filter *filter)
{
	for (size_t i = 0; i < FILTER_VALUES; i++)
		if (filter_value(filter, i) != NULL && strcmp(filter_names[i], "log") != 0)
			return false;
	return true;
}
