/*
 * terms -- names of haechi.cedarschema, hashed once for the process, and how nouns become Cedar values.
 */
#ifndef HAECHI_POLICY_TERMS_H
#define HAECHI_POLICY_TERMS_H

#include "policy/cedar/cedar.h"
#include "schema/usecase.h"
#include "schema/verdict.h"

enum term {
	TERM_ACTOR,
	TERM_AGENCY,
	TERM_APPROVAL,
	TERM_APPROVER,
	TERM_AUDIENCE,
	TERM_CHANNEL,
	TERM_DOMAINS,
	TERM_DRIFT,
	TERM_EFFECT,
	TERM_EXPIRES,
	TERM_FOUND,
	TERM_GRADE,
	TERM_ID,
	TERM_KNOWN,
	TERM_MODEL_ALLOWED,
	TERM_NOW,
	TERM_REDACTED,
	TERM_RESIDENT_NUMBERS,
	TERM_RETIRED,
	TERM_REVIEW,
	TERM_ROLE,
	TERM_SIGNALS,
	TERM_STREAMING,
	TERM_USE,
	TERM_VERDICT,
	TERM_ZONE,
	TERM_ZONE_GRADE,
	TERMS
};

struct cedar_string term(enum term term);

/* Entities of the enumerated types. */
struct cedar_value term_domain(enum domain domain);
struct cedar_value term_identifier(enum identifier_kind kind);
struct cedar_value term_grade(enum grade grade);
struct cedar_value term_verdict(enum verdict verdict);
struct cedar_value term_drift(enum drift drift);
struct cedar_value term_effect(enum decision_effect effect);
struct cedar_value term_review(enum human_review review);
struct cedar_value term_actor(enum actor_role role);
struct cedar_value term_audience(enum audience audience);
struct cedar_value term_channel(const char *channel);

const struct cedar_uid *term_domain_uid(enum domain domain);

/* Sets of the bits of a mask; of a list of domains. */
struct cedar_value term_identifiers(struct arena *arena, uint32_t kinds);
struct cedar_value term_domain_bits(struct arena *arena, uint32_t domains);
struct cedar_value term_domain_list(struct arena *arena, const enum domain *domains, size_t count);

/* type::"id" with the id borrowed. */
struct cedar_value term_entity(struct arena *arena, const char *type, const char *id);

#endif
