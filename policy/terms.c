#include "policy/terms.h"

#include <pthread.h>
#include <string.h>

/* clang-format off */
static const char *const names[TERMS] = {
	[TERM_ACTOR] = "actor", [TERM_AGENCY] = "agency", [TERM_APPROVAL] = "approval", [TERM_APPROVER] = "approver",
	[TERM_AUDIENCE] = "audience", [TERM_CHANNEL] = "channel", [TERM_DOMAINS] = "domains", [TERM_DRIFT] = "drift",
	[TERM_EFFECT] = "effect", [TERM_EXPIRES] = "expires", [TERM_FOUND] = "found", [TERM_GRADE] = "grade",
	[TERM_ID] = "id", [TERM_KNOWN] = "known", [TERM_MODEL_ALLOWED] = "model_allowed", [TERM_NOW] = "now",
	[TERM_REDACTED] = "redacted", [TERM_RESIDENT_NUMBERS] = "resident_numbers", [TERM_RETIRED] = "retired",
	[TERM_REVIEW] = "review", [TERM_ROLE] = "role", [TERM_SIGNALS] = "signals", [TERM_STREAMING] = "streaming",
	[TERM_USE] = "use", [TERM_VERDICT] = "verdict", [TERM_ZONE] = "zone", [TERM_ZONE_GRADE] = "zone_grade",
};
static const char *const channels[] = { "unknown", "api", "chat", "voice", "export" };
/* clang-format on */

#define CHANNELS (sizeof channels / sizeof *channels)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cedar_string terms[TERMS];
static struct cedar_uid domains[DOMAIN_KINDS], identifiers[IDENTIFIER_KINDS], grades[GRADE_O + 1];
static struct cedar_uid verdicts[VERDICT_EXCLUDED + 1], drifts[DRIFT_NONE + 1], effects[EFFECT_ACTUATES + 1];
static struct cedar_uid reviews[REVIEW_SUBSTANTIVE + 1], actors[ROLE_BOTH + 1],
    audiences[AUDIENCE_INTERNAL + 1];
static struct cedar_uid channel_uids[CHANNELS];

static struct cedar_uid
uid(const char *type, const char *id)
{
	return cedar_uid_of(cedar_string_of(slice_string(type)), cedar_string_of(slice_string(id)));
}

#define FILL(table, type, enumeration, name)                                                                 \
	for (unsigned i = 0; i < sizeof(table) / sizeof *(table); i++)                                       \
	(table)[i] = uid(type, name((enumeration)i))

static void
fill(void)
{
	for (unsigned i = 0; i < TERMS; i++)
		terms[i] = cedar_string_of(slice_string(names[i]));
	FILL(domains, "Domain", enum domain, domain_name);
	FILL(identifiers, "Identifier", enum identifier_kind, identifier_name);
	FILL(grades, "Grade", enum grade, grade_name);
	FILL(verdicts, "Verdict", enum verdict, verdict_name);
	FILL(drifts, "Drift", enum drift, drift_name);
	FILL(effects, "Effect", enum decision_effect, decision_effect_name);
	FILL(reviews, "Review", enum human_review, human_review_name);
	FILL(actors, "Actor", enum actor_role, actor_role_name);
	FILL(audiences, "Audience", enum audience, audience_name);
	for (unsigned i = 0; i < CHANNELS; i++)
		channel_uids[i] = uid("Channel", channels[i]);
}

static struct cedar_value
pick(const struct cedar_uid *table, size_t count, unsigned at)
{
	pthread_once(&once, fill);
	return cedar_entity(&table[at < count ? at : 0]);
}

#define PICK(table, at) pick(table, sizeof(table) / sizeof *(table), (unsigned)(at))

struct cedar_string
term(enum term which)
{
	pthread_once(&once, fill);
	return terms[which];
}

struct cedar_value
term_domain(enum domain domain)
{
	return PICK(domains, domain);
}

struct cedar_value
term_identifier(enum identifier_kind kind)
{
	return PICK(identifiers, kind);
}

struct cedar_value
term_grade(enum grade grade)
{
	return PICK(grades, grade);
}

struct cedar_value
term_verdict(enum verdict verdict)
{
	return PICK(verdicts, verdict);
}

struct cedar_value
term_drift(enum drift drift)
{
	return PICK(drifts, drift);
}

struct cedar_value
term_effect(enum decision_effect effect)
{
	return PICK(effects, effect);
}

struct cedar_value
term_review(enum human_review review)
{
	return PICK(reviews, review);
}

struct cedar_value
term_actor(enum actor_role role)
{
	return PICK(actors, role);
}

struct cedar_value
term_audience(enum audience audience)
{
	return PICK(audiences, audience);
}

struct cedar_value
term_channel(const char *channel)
{
	unsigned i = 0;

	while (i < CHANNELS && (channel == NULL || strcmp(channels[i], channel) != 0))
		i++;
	return PICK(channel_uids, i < CHANNELS ? i : 0);
}

const struct cedar_uid *
term_domain_uid(enum domain domain)
{
	return term_domain(domain).as.entity;
}

struct cedar_value
term_identifiers(struct arena *arena, uint32_t kinds)
{
	struct cedar_value items[IDENTIFIER_KINDS];
	size_t count = 0;

	for (unsigned i = 0; i < IDENTIFIER_KINDS; i++) {
		if (kinds >> i & 1)
			items[count++] = term_identifier((enum identifier_kind)i);
	}
	return cedar_set(arena, items, count);
}

struct cedar_value
term_domain_bits(struct arena *arena, uint32_t bits)
{
	struct cedar_value items[DOMAIN_KINDS];
	size_t count = 0;

	for (unsigned i = DOMAIN_NONE + 1; i < DOMAIN_KINDS; i++) {
		if (bits >> i & 1)
			items[count++] = term_domain((enum domain)i);
	}
	return cedar_set(arena, items, count);
}

struct cedar_value
term_domain_list(struct arena *arena, const enum domain *list, size_t count)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < count; i++)
		bits |= 1u << list[i];
	return term_domain_bits(arena, bits);
}

struct cedar_value
term_entity(struct arena *arena, const char *type, const char *id)
{
	return cedar_entity(cedar_uid(arena, slice_string(type), slice_string(id != NULL ? id : "")));
}
