/*
 * extensions -- decimal, ipaddr, datetime and duration: their functions and methods as one table.
 */
#ifndef HAECHI_POLICY_CEDAR_EXTENSIONS_H
#define HAECHI_POLICY_CEDAR_EXTENSIONS_H

#include "policy/cedar/value.h"

enum cedar_function {
	CEDAR_FUNCTION_DECIMAL,
	CEDAR_FUNCTION_IP,
	CEDAR_FUNCTION_DATETIME,
	CEDAR_FUNCTION_DURATION,
	CEDAR_FUNCTION_LESS_THAN,
	CEDAR_FUNCTION_LESS_THAN_OR_EQUAL,
	CEDAR_FUNCTION_GREATER_THAN,
	CEDAR_FUNCTION_GREATER_THAN_OR_EQUAL,
	CEDAR_FUNCTION_IS_IPV4,
	CEDAR_FUNCTION_IS_IPV6,
	CEDAR_FUNCTION_IS_LOOPBACK,
	CEDAR_FUNCTION_IS_MULTICAST,
	CEDAR_FUNCTION_IS_IN_RANGE,
	CEDAR_FUNCTION_OFFSET,
	CEDAR_FUNCTION_DURATION_SINCE,
	CEDAR_FUNCTION_TO_DATE,
	CEDAR_FUNCTION_TO_TIME,
	CEDAR_FUNCTION_TO_MILLISECONDS,
	CEDAR_FUNCTION_TO_SECONDS,
	CEDAR_FUNCTION_TO_MINUTES,
	CEDAR_FUNCTION_TO_HOURS,
	CEDAR_FUNCTION_TO_DAYS,
	CEDAR_FUNCTIONS,
};

struct cedar_signature {
	const char *name;
	bool method;   /* x.name(…), else name(…) */
	uint8_t arity; /* the receiver of a method counts */
	enum cedar_kind arguments[2];
	enum cedar_kind result;
	const char *form_ko, *form_en; /* how its text is written, for hints; NULL when it takes none */
};

const struct cedar_signature *cedar_signature(enum cedar_function function);
/* CEDAR_FUNCTIONS when there is no such name. */
enum cedar_function cedar_function_find(struct slice name);
/*
 * Call with arguments of any kind and number; CEDAR_NONE with *failure said (arity, type, extension, overflow,
 * memory). Only ip() allocates.
 */
struct cedar_value cedar_function_call(enum cedar_function function, const struct cedar_value *arguments,
                                       size_t count, struct arena *arena, enum cedar_failure *failure);

#endif
