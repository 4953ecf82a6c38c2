/*
 * value -- what Cedar computes with, as it lies in memory. Inside policy/cedar only.
 *
 * Sets are sorted by value_order() and hold no twins; records are sorted by the hash of their names. So equality is a
 * walk in step, membership a binary search, and the hash of a composite is made once, when it is built.
 */
#ifndef HAECHI_POLICY_CEDAR_VALUE_H
#define HAECHI_POLICY_CEDAR_VALUE_H

#include "policy/cedar/cedar.h"

struct cedar_set {
	uint32_t count;
	uint32_t hash;
	const struct cedar_value *items;
};

struct cedar_record {
	uint32_t count;
	uint32_t hash;
	const struct cedar_field *fields;
};

struct cedar_ip {
	bool v6;
	uint8_t prefix;      /* 0-32, 0-128 */
	uint8_t address[16]; /* network order; the first four bytes for IPv4 */
};

uint32_t cedar_hash(const void *data, size_t size);
uint32_t cedar_hash_mix(uint32_t a, uint32_t b);
uint32_t cedar_value_hash(struct cedar_value value);
/* A total order: kind, hash, then contents. 0 means equal in Cedar's sense. */
int cedar_value_order(struct cedar_value a, struct cedar_value b);
/* By hash, then size, then bytes: for looking up, not for people. */
int cedar_string_order(const struct cedar_string *a, const struct cedar_string *b);
int cedar_uid_order(const struct cedar_uid *a, const struct cedar_uid *b);

static inline bool
cedar_string_equal(const struct cedar_string *a, const struct cedar_string *b)
{
	return a->hash == b->hash && a->size == b->size &&
	       (a->data == b->data || __builtin_memcmp(a->data, b->data, a->size) == 0);
}

static inline bool
cedar_uid_equal(const struct cedar_uid *a, const struct cedar_uid *b)
{
	return a == b || (a->hash == b->hash && cedar_string_equal(&a->id, &b->id) &&
	                  cedar_string_equal(&a->type, &b->type));
}

static inline struct slice
cedar_string_slice(const struct cedar_string *string)
{
	return (struct slice){(const uint8_t *)string->data, string->size};
}

/* The field of this name, or NULL. */
const struct cedar_field *cedar_record_field(const struct cedar_record *record,
                                             const struct cedar_string *name);
bool cedar_set_has(const struct cedar_set *set, struct cedar_value value);
/* "long", "string" … in Cedar's words, for messages. */
const char *cedar_kind_name(enum cedar_kind kind);

/*
 * Takes `items` over (they are sorted in place): they must lie in an arena that lives as long as the set.
 */
struct cedar_value cedar_set_take(struct arena *arena, struct cedar_value *items, size_t count);
/* The same for fields; `twice`, when not NULL, gets the index (after sorting) of a name that came twice. */
struct cedar_value cedar_record_take(struct arena *arena, struct cedar_field *fields, size_t count);

/* A name as Cedar writes it: IDENT ('::' IDENT)*, nothing reserved, nothing with "__cedar". */
bool cedar_name_valid(struct slice text, bool path);
/* The last part of the name is Action: the type of actions, in some namespace. */
bool cedar_type_is_action(const struct cedar_string *type);
bool cedar_word_reserved(struct slice word);
/* A Cedar string literal with quotes and escapes. */
void cedar_quote(struct buffer *out, struct slice text);

#endif
