/*
 * usecase -- a registered use of AI (용도), the unit the Act judges: law T2 and section 2.6.
 * Its one encoding is the JSON of usecase.schema.json; usecase_parse() refuses unknown members by name.
 */
#ifndef HAECHI_SCHEMA_USECASE_H
#define HAECHI_SCHEMA_USECASE_H

#include "schema/base/arena.h"
#include "schema/base/json.h"
#include "schema/finding.h"
#include "schema/verdict.h"

enum decision_effect {
	EFFECT_UNKNOWN = 0,
	EFFECT_NONE,
	EFFECT_INFO,
	EFFECT_RECOMMEND,
	EFFECT_MIDSTAGE,
	EFFECT_FINAL,
	EFFECT_ACTUATES
};
enum human_review { REVIEW_UNKNOWN = 0, REVIEW_NONE, REVIEW_NOMINAL, REVIEW_SUBSTANTIVE };
enum actor_role { ROLE_UNKNOWN = 0, ROLE_DEVELOPER, ROLE_DEPLOYER, ROLE_USER, ROLE_BOTH };
enum audience { AUDIENCE_UNKNOWN = 0, AUDIENCE_PUBLIC, AUDIENCE_INTERNAL };
enum fact { FACT_UNKNOWN = 0, FACT_NO, FACT_YES };

struct usecase {
	/* the registry's part */
	const char *id;     /* [a-z0-9][a-z0-9-]{0,63} */
	int64_t     version; /* 1, 2, ... */
	const char *agency;
	const char *title_ko, *title_en;
	const char *purpose; /* what it is for, in the official's words */
	bool        retired;
	enum grade  grade;           /* of the data it may carry, declared */
	const char *rrn_legal_basis; /* PIPA 24-2: statute that allows resident numbers; "" none */
	const char *channel;         /* "api" "chat" "voice" "export": how answers reach people */
	const char **models;         /* allowed models; none listed: any the policy allows */
	size_t      model_count;

	/* the facts of law 2.6; unknown is a value: assessment names what it misses */
	enum actor_role      actor_role;
	enum audience        audience;
	enum domain          domains[DOMAIN_KINDS]; /* declared domains; none: DOMAIN_NONE never listed */
	size_t               domain_count;
	bool                 domain_known; /* false: nobody has said yet whether it falls in a domain */
	const char         **sub_functions; /* closed vocabulary of usecase.schema.json; none: unknown */
	size_t               sub_function_count;
	enum decision_effect decision_effect;
	enum human_review    human_review;
	struct {
		const char *name, *contact; /* Decree 27(1): name and contact of the human supervisor */
		enum fact   may_exclude, may_modify, may_refuse; /* T11 */
		int64_t     decisions, changed; /* T12: measured by the review queue, else as declared; -1 unknown */
		int64_t     hasty, median_ms;   /* measured only; -1 unknown */
		struct oversight_limits limits; /* by which that is judged; usecase_parse() gives the defaults */
	} reviewer;
	struct {
		const char *designator, *document, *task; /* Decree 2: who designated it, by which document, item */
		enum fact   sole_use;
	} exclusion;
	int64_t     affected_count; /* -1 unknown */
	const char *reversibility, *severity, *frequency; /* T4; closed vocabularies; "" unknown */
	const json_t *filing; /* what forms need and no rule asks for, see usecase_filing(); NULL: none */
	const json_t *facts; /* every other fact as given (see usecase_fact_at), checked; NULL: none */
	json_t       *document; /* the whole JSON this was read from; owned, see usecase_release() */
};

/* Read and check one use case. Strings borrow from out->document: call usecase_release() when done. */
MUST_CHECK int usecase_parse(struct usecase *out, struct slice text, struct arena *arena, struct fault *why);
void           usecase_release(struct usecase *usecase); /* NULL is fine */

/* A text of "filing" by its name; "" when it is not given. */
const char *usecase_filing(const struct usecase *usecase, const char *name);
/* The i-th such name; NULL behind the last. */
const char *usecase_filing_at(size_t i);

/* Names as in the JSON; "unknown" for the zero. */
const char *decision_effect_name(enum decision_effect effect);
const char *human_review_name(enum human_review review);
const char *actor_role_name(enum actor_role role);
const char *audience_name(enum audience audience);

/*
 * The vocabulary of `facts`, and of sub-functions: what usecase.schema.json offers to officials and what the rules of
 * the Act may ask for. A fact that is absent or null is unknown.
 */
enum usecase_fact_type { USECASE_FACT_BOOL, USECASE_FACT_NUMBER, USECASE_FACT_WORD };

struct usecase_fact {
	const char            *name;
	enum usecase_fact_type type;
	int64_t                least, most; /* of a number */
	const char            *words;       /* of a word, separated by spaces */
	enum domain            domain;      /* it belongs to; DOMAIN_NONE: to any */
};

/* The i-th; NULL behind the last. */
const struct usecase_fact *usecase_fact_at(size_t i);
/* The i-th sub-function and the domain it belongs to; NULL behind the last. */
const char *usecase_sub_function_at(size_t i, enum domain *domain);

#endif
