/*
 * fault -- why something could not be done: a kind for the program, a sentence in two languages for people.
 *
 * Fallible functions return 0, or -1 with *why filled. fault_set() and its sisters return -1 themselves, so that
 * `return fault_set(why, ...)` reads as what it is. Libraries neither print nor exit; only main() does.
 * No text may hold content of requests, keys or passwords: faults reach logs.
 */
#ifndef HAECHI_SCHEMA_BASE_FAULT_H
#define HAECHI_SCHEMA_BASE_FAULT_H

#include <stdio.h>

#define MUST_CHECK __attribute__((warn_unused_result))

enum fault_kind {
	FAULT_INTERNAL =
	    0,         /* our own mistake; HTTP 500. The zero: an unset fault is never the caller's blame */
	FAULT_USAGE,   /* wrong command line */
	FAULT_INVALID, /* malformed or contradictory input; 400 */
	FAULT_UNIDENTIFIED, /* no or wrong credentials; 401 */
	FAULT_FORBIDDEN,    /* known, but not allowed; 403 */
	FAULT_NOT_FOUND,    /* 404 */
	FAULT_CONFLICT,     /* exists already, or state does not allow it; 409 */
	FAULT_TOO_LARGE,    /* over a documented limit; 413 */
	FAULT_TIMEOUT,      /* 408 from a client, 504 from an engine */
	FAULT_BUSY,         /* over a rate or a queue; 429 */
	FAULT_UNSUPPORTED,  /* well-formed, but not known here: 400, and by name */
	FAULT_UNAVAILABLE,  /* a dependency is away: evidence, engine, database; 503 */
	FAULT_SYSTEM,       /* the kernel said no: errno is in the text */
	FAULT_MEMORY,       /* out of memory */
	FAULT_TAMPERED,     /* evidence does not hold */
};

#define FAULT_TEXT_SIZE 480

struct fault {
	enum fault_kind kind;
	char ko[FAULT_TEXT_SIZE]; /* what, where, how to mend; UTF-8, cut at a character */
	char en[FAULT_TEXT_SIZE];
};

/* Both formats get the same arguments in the same order. `why` may be NULL. Always -1. */
int fault_set(struct fault *why, enum fault_kind kind, const char *ko, const char *en, ...)
    __attribute__((format(printf, 3, 5), format(printf, 4, 5)));

/* As fault_set() with FAULT_SYSTEM (FAULT_MEMORY for ENOMEM) and ": " strerror(errno) behind both texts. */
int fault_errno(struct fault *why, const char *ko, const char *en, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));

/* Out of memory, with nothing allocated to say so. */
int fault_memory(struct fault *why);

/* Put "ko_prefix: " and "en_prefix: " before what is there: the caller knows which file it was. */
int fault_prefix(struct fault *why, const char *ko, const char *en, ...)
    __attribute__((format(printf, 2, 4), format(printf, 3, 4)));

/* "haechi: 한국어\n        English\n" to `to`; `program` without its path. */
void fault_print(FILE *to, const char *program, const struct fault *why);

/* Lower-case name of a kind as in logs ("invalid", "unavailable"); never NULL. */
const char *fault_kind_name(enum fault_kind kind);

#endif
