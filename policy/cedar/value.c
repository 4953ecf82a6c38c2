#include "policy/cedar/value.h"

#include <string.h>

/* ---- hashes and order ----------------------------------------------------------------------------------------- */

static uint64_t
load_tail(const uint8_t *at, size_t size)
{
	uint64_t word = 0;

	memcpy(&word, at, size);
	return word;
}

uint32_t
cedar_hash(const void *data, size_t size)
{
	const uint64_t prime = 0x9e3779b97f4a7c15ull;
	const uint8_t *at = data;
	uint64_t hash = (uint64_t)size * prime + 1;

	for (; size >= 8; at += 8, size -= 8) {
		hash = (hash ^ load_tail(at, 8)) * prime;
		hash ^= hash >> 29;
	}
	if (size > 0)
		hash = (hash ^ load_tail(at, size)) * prime;
	hash ^= hash >> 32;
	hash *= prime;
	return (uint32_t)(hash >> 32);
}

uint32_t
cedar_hash_mix(uint32_t a, uint32_t b)
{
	uint64_t hash = (((uint64_t)a << 32) | b) * 0x9e3779b97f4a7c15ull;

	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(hash >> 32);
}

uint32_t
cedar_value_hash(struct cedar_value value)
{
	uint32_t hash = 0;

	switch (value.kind) {
	case CEDAR_NONE:
		break;
	case CEDAR_BOOL:
		hash = value.as.boolean;
		break;
	case CEDAR_LONG:
	case CEDAR_DECIMAL:
	case CEDAR_DATETIME:
	case CEDAR_DURATION:
		hash = cedar_hash_mix((uint32_t)((uint64_t)value.as.number >> 32), (uint32_t)value.as.number);
		break;
	case CEDAR_STRING:
		hash = value.as.string->hash;
		break;
	case CEDAR_ENTITY:
		hash = value.as.entity->hash;
		break;
	case CEDAR_SET:
		hash = value.as.set->hash;
		break;
	case CEDAR_RECORD:
		hash = value.as.record->hash;
		break;
	case CEDAR_IP:
		hash = cedar_hash(value.as.ip, sizeof *value.as.ip);
		break;
	}
	return cedar_hash_mix(hash, (uint32_t)value.kind);
}

static int
order_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int
cedar_string_order(const struct cedar_string *a, const struct cedar_string *b)
{
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return a->size == 0 ? 0 : memcmp(a->data, b->data, a->size);
}

int
cedar_uid_order(const struct cedar_uid *a, const struct cedar_uid *b)
{
	int order;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if ((order = cedar_string_order(&a->id, &b->id)) != 0)
		return order;
	return cedar_string_order(&a->type, &b->type);
}

static int
order_sets(const struct cedar_set *a, const struct cedar_set *b)
{
	int order = 0;

	if (a->hash != b->hash || a->count != b->count)
		return order_numbers((uint64_t)a->hash << 32 | a->count, (uint64_t)b->hash << 32 | b->count);
	for (uint32_t i = 0; i < a->count && order == 0; i++)
		order = cedar_value_order(a->items[i], b->items[i]);
	return order;
}

static int
order_records(const struct cedar_record *a, const struct cedar_record *b)
{
	int order = 0;

	if (a->hash != b->hash || a->count != b->count)
		return order_numbers((uint64_t)a->hash << 32 | a->count, (uint64_t)b->hash << 32 | b->count);
	for (uint32_t i = 0; i < a->count && order == 0; i++) {
		order = cedar_string_order(&a->fields[i].name, &b->fields[i].name);
		if (order == 0)
			order = cedar_value_order(a->fields[i].value, b->fields[i].value);
	}
	return order;
}

int
cedar_value_order(struct cedar_value a, struct cedar_value b)
{
	if (a.kind != b.kind)
		return a.kind < b.kind ? -1 : 1;
	switch (a.kind) {
	case CEDAR_NONE:
		return 0;
	case CEDAR_BOOL:
		return (int)a.as.boolean - (int)b.as.boolean;
	case CEDAR_LONG:
	case CEDAR_DECIMAL:
	case CEDAR_DATETIME:
	case CEDAR_DURATION:
		return order_numbers((uint64_t)a.as.number, (uint64_t)b.as.number);
	case CEDAR_STRING:
		return cedar_string_order(a.as.string, b.as.string);
	case CEDAR_ENTITY:
		return a.as.entity == b.as.entity ? 0 : cedar_uid_order(a.as.entity, b.as.entity);
	case CEDAR_SET:
		return a.as.set == b.as.set ? 0 : order_sets(a.as.set, b.as.set);
	case CEDAR_RECORD:
		return a.as.record == b.as.record ? 0 : order_records(a.as.record, b.as.record);
	case CEDAR_IP:
		return memcmp(a.as.ip, b.as.ip, sizeof *a.as.ip);
	}
	return 0;
}

bool
cedar_equal(struct cedar_value a, struct cedar_value b)
{
	return cedar_value_order(a, b) == 0;
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static const struct cedar_value none;

struct cedar_string
cedar_string_of(struct slice bytes)
{
	if (bytes.size > UINT32_MAX)
		bytes.size = UINT32_MAX;
	return (struct cedar_string){(const char *)bytes.data, (uint32_t)bytes.size,
	                             cedar_hash(bytes.data, bytes.size)};
}

struct cedar_uid
cedar_uid_of(struct cedar_string type, struct cedar_string id)
{
	return (struct cedar_uid){type, id, cedar_hash_mix(type.hash, id.hash)};
}

const struct cedar_uid *
cedar_uid(struct arena *arena, struct slice type, struct slice id)
{
	struct cedar_uid *uid = arena_alloc(arena, sizeof *uid);

	if (uid != NULL)
		*uid = cedar_uid_of(cedar_string_of(type), cedar_string_of(id));
	return uid;
}

struct cedar_value
cedar_bool(bool value)
{
	return (struct cedar_value){CEDAR_BOOL, {.boolean = value}};
}

struct cedar_value
cedar_long(int64_t value)
{
	return (struct cedar_value){CEDAR_LONG, {.number = value}};
}

struct cedar_value
cedar_datetime(int64_t wall_ms)
{
	return (struct cedar_value){CEDAR_DATETIME, {.number = wall_ms}};
}

struct cedar_value
cedar_duration(int64_t ms)
{
	return (struct cedar_value){CEDAR_DURATION, {.number = ms}};
}

struct cedar_value
cedar_decimal(int64_t ten_thousandths)
{
	return (struct cedar_value){CEDAR_DECIMAL, {.number = ten_thousandths}};
}

struct cedar_value
cedar_entity(const struct cedar_uid *uid)
{
	return uid == NULL ? none : (struct cedar_value){CEDAR_ENTITY, {.entity = uid}};
}

struct cedar_value
cedar_text(const struct cedar_string *string)
{
	return string == NULL ? none : (struct cedar_value){CEDAR_STRING, {.string = string}};
}

struct cedar_value
cedar_string(struct arena *arena, struct slice bytes)
{
	struct cedar_string *string = arena_alloc(arena, sizeof *string);

	if (string == NULL || bytes.size > UINT32_MAX)
		return none;
	*string = cedar_string_of(bytes);
	return cedar_text(string);
}

/*
 * Sorting: insertion for the few that are usual, heap sort beyond, so that no input is quadratic and nothing recurses.
 */
#define FEW 12

static void
sift_values(struct cedar_value *items, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && cedar_value_order(items[child], items[child + 1]) < 0)
			child++;
		if (cedar_value_order(items[root], items[child]) >= 0)
			return;
		struct cedar_value swap = items[root];
		items[root] = items[child];
		items[child] = swap;
	}
}

static void
sort_values(struct cedar_value *items, size_t count)
{
	if (count <= FEW) {
		for (size_t i = 1; i < count; i++) {
			struct cedar_value item = items[i];
			size_t j = i;

			for (; j > 0 && cedar_value_order(items[j - 1], item) > 0; j--)
				items[j] = items[j - 1];
			items[j] = item;
		}
		return;
	}
	for (size_t i = count / 2; i-- > 0;)
		sift_values(items, i, count);
	for (size_t end = count; --end > 0;) {
		struct cedar_value swap = items[0];
		items[0] = items[end];
		items[end] = swap;
		sift_values(items, 0, end);
	}
}

static void
sift_fields(struct cedar_field *fields, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && cedar_string_order(&fields[child].name, &fields[child + 1].name) < 0)
			child++;
		if (cedar_string_order(&fields[root].name, &fields[child].name) >= 0)
			return;
		struct cedar_field swap = fields[root];
		fields[root] = fields[child];
		fields[child] = swap;
	}
}

static void
sort_fields(struct cedar_field *fields, size_t count)
{
	if (count <= FEW) {
		for (size_t i = 1; i < count; i++) {
			struct cedar_field field = fields[i];
			size_t j = i;

			for (; j > 0 && cedar_string_order(&fields[j - 1].name, &field.name) > 0; j--)
				fields[j] = fields[j - 1];
			fields[j] = field;
		}
		return;
	}
	for (size_t i = count / 2; i-- > 0;)
		sift_fields(fields, i, count);
	for (size_t end = count; --end > 0;) {
		struct cedar_field swap = fields[0];
		fields[0] = fields[end];
		fields[end] = swap;
		sift_fields(fields, 0, end);
	}
}

struct cedar_value
cedar_set_take(struct arena *arena, struct cedar_value *items, size_t count)
{
	struct cedar_set *set = arena_alloc(arena, sizeof *set);
	size_t kept = 0;
	uint32_t hash = 0;

	if (set == NULL || count > UINT32_MAX)
		return none;
	sort_values(items, count);
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind == CEDAR_NONE)
			return none;
		if (kept > 0 && cedar_value_order(items[kept - 1], items[i]) == 0)
			continue;
		items[kept++] = items[i];
		hash = cedar_hash_mix(hash, cedar_value_hash(items[i]));
	}
	*set = (struct cedar_set){(uint32_t)kept, hash, items};
	return (struct cedar_value){CEDAR_SET, {.set = set}};
}

struct cedar_value
cedar_set(struct arena *arena, const struct cedar_value *items, size_t count)
{
	struct cedar_value *copy = arena_array(arena, count > 0 ? count : 1, sizeof *copy);

	if (copy == NULL)
		return none;
	if (count > 0)
		memcpy(copy, items, count * sizeof *copy);
	return cedar_set_take(arena, copy, count);
}

struct cedar_value
cedar_record_take(struct arena *arena, struct cedar_field *fields, size_t count)
{
	struct cedar_record *record = arena_alloc(arena, sizeof *record);
	uint32_t hash = 1;

	if (record == NULL || count > UINT32_MAX)
		return none;
	sort_fields(fields, count);
	for (size_t i = 0; i < count; i++) {
		if (fields[i].value.kind == CEDAR_NONE)
			return none;
		if (i > 0 && cedar_string_order(&fields[i - 1].name, &fields[i].name) == 0)
			return none;
		hash = cedar_hash_mix(hash, fields[i].name.hash);
		hash = cedar_hash_mix(hash, cedar_value_hash(fields[i].value));
	}
	*record = (struct cedar_record){(uint32_t)count, hash, fields};
	return (struct cedar_value){CEDAR_RECORD, {.record = record}};
}

struct cedar_value
cedar_record(struct arena *arena, const struct cedar_field *fields, size_t count)
{
	struct cedar_field *copy = arena_array(arena, count > 0 ? count : 1, sizeof *copy);

	if (copy == NULL)
		return none;
	if (count > 0)
		memcpy(copy, fields, count * sizeof *copy);
	return cedar_record_take(arena, copy, count);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

const struct cedar_field *
cedar_record_field(const struct cedar_record *record, const struct cedar_string *name)
{
	size_t low = 0, high = record->count;

	if (high <= FEW) {
		for (; low < high; low++)
			if (cedar_string_equal(&record->fields[low].name, name))
				return &record->fields[low];
		return NULL;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = cedar_string_order(&record->fields[middle].name, name);

		if (order == 0)
			return &record->fields[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct cedar_value
cedar_record_get(struct cedar_value record, const struct cedar_string *name)
{
	const struct cedar_field *field = NULL;

	if (record.kind == CEDAR_RECORD)
		field = cedar_record_field(record.as.record, name);
	return field == NULL ? none : field->value;
}

bool
cedar_set_has(const struct cedar_set *set, struct cedar_value value)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct cedar_value item = set->items[middle];
		int order;

		/* Strings lie by their hash, which nearly always tells. */
		if (item.kind == CEDAR_STRING && value.kind == CEDAR_STRING &&
		    item.as.string->hash != value.as.string->hash)
			order = item.as.string->hash < value.as.string->hash ? -1 : 1;
		else
			order = cedar_value_order(item, value);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

const char *
cedar_kind_name(enum cedar_kind kind)
{
	static const char *const names[] = {"nothing", "bool",    "long", "string",   "entity",  "set",
	                                    "record",  "decimal", "ip",   "datetime", "duration"};

	return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

/* ---- names and text ------------------------------------------------------------------------------------------- */

bool
cedar_word_reserved(struct slice word)
{
	static const char *const reserved[] = {"true", "false", "if",   "then", "else",
	                                       "in",   "is",    "like", "has",  "__cedar"};

	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (slice_is(word, reserved[i]))
			return true;
	return false;
}

bool
cedar_type_is_action(const struct cedar_string *type)
{
	return type->size >= 6 && memcmp(type->data + type->size - 6, "Action", 6) == 0 &&
	       (type->size == 6 || type->data[type->size - 7] == ':');
}

static bool
word_valid(struct slice word)
{
	if (word.size == 0 || (word.data[0] >= '0' && word.data[0] <= '9'))
		return false;
	for (size_t i = 0; i < word.size; i++) {
		uint8_t c = word.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return !cedar_word_reserved(word);
}

bool
cedar_name_valid(struct slice text, bool path)
{
	size_t from = 0;

	if (!path)
		return word_valid(text);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] != ':')
			continue;
		if (!word_valid(slice_of(text.data + from, i - from)) || i + 1 >= text.size ||
		    text.data[i + 1] != ':')
			return false;
		from = i + 2;
		i++;
	}
	return from <= text.size && word_valid(slice_of(text.data + from, text.size - from));
}

void
cedar_quote(struct buffer *out, struct slice text)
{
	buffer_byte(out, '"');
	while (text.size > 0) {
		uint32_t code = 0;
		size_t size = utf8_next(text, &code);

		if (size ==
		    0) { /* not UTF-8: cannot come from a parser; shown as the replacement character */
			buffer_string(out, "\\u{fffd}");
			size = 1;
		} else if (code == '"' || code == '\\') {
			buffer_byte(out, '\\');
			buffer_byte(out, (uint8_t)code);
		} else if (code == '\n') {
			buffer_string(out, "\\n");
		} else if (code == '\r') {
			buffer_string(out, "\\r");
		} else if (code == '\t') {
			buffer_string(out, "\\t");
		} else if (code == 0) {
			buffer_string(out, "\\0");
		} else if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		           (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
		           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff) {
			/* Controls and marks that turn the direction of writing must be seen by whoever reads a policy. */
			buffer_printf(out, "\\u{%x}", (unsigned)code);
		} else {
			buffer_append(out, text.data, size);
		}
		text = slice_of(text.data + size, text.size - size);
	}
	buffer_byte(out, '"');
}

static void
write_fraction(struct buffer *out, int64_t number)
{
	uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	buffer_printf(out, "decimal(\"%s%llu.%04llu\")", number < 0 ? "-" : "",
	              (unsigned long long)(size / 10000), (unsigned long long)(size % 10000));
}

static void
write_ip(struct buffer *out, const struct cedar_ip *ip)
{
	buffer_string(out, "ip(\"");
	if (ip->v6) {
		for (size_t i = 0; i < 16; i += 2)
			buffer_printf(out, "%s%x", i > 0 ? ":" : "",
			              (unsigned)(ip->address[i] << 8 | ip->address[i + 1]));
	} else {
		buffer_printf(out, "%u.%u.%u.%u", ip->address[0], ip->address[1], ip->address[2],
		              ip->address[3]);
	}
	if (ip->prefix != (ip->v6 ? 128 : 32))
		buffer_printf(out, "/%u", ip->prefix);
	buffer_string(out, "\")");
}

void
cedar_value_write(struct buffer *out, struct cedar_value value)
{
	switch (value.kind) {
	case CEDAR_NONE:
		buffer_string(out, "?");
		break;
	case CEDAR_BOOL:
		buffer_string(out, value.as.boolean ? "true" : "false");
		break;
	case CEDAR_LONG:
		buffer_printf(out, "%lld", (long long)value.as.number);
		break;
	case CEDAR_STRING:
		cedar_quote(out, cedar_string_slice(value.as.string));
		break;
	case CEDAR_ENTITY:
		buffer_slice(out, cedar_string_slice(&value.as.entity->type));
		buffer_string(out, "::");
		cedar_quote(out, cedar_string_slice(&value.as.entity->id));
		break;
	case CEDAR_SET:
		buffer_byte(out, '[');
		for (uint32_t i = 0; i < value.as.set->count; i++) {
			buffer_string(out, i > 0 ? ", " : "");
			cedar_value_write(out, value.as.set->items[i]);
		}
		buffer_byte(out, ']');
		break;
	case CEDAR_RECORD:
		buffer_byte(out, '{');
		for (uint32_t i = 0; i < value.as.record->count; i++) {
			buffer_string(out, i > 0 ? ", " : "");
			cedar_quote(out, cedar_string_slice(&value.as.record->fields[i].name));
			buffer_string(out, ": ");
			cedar_value_write(out, value.as.record->fields[i].value);
		}
		buffer_byte(out, '}');
		break;
	case CEDAR_DECIMAL:
		write_fraction(out, value.as.number);
		break;
	case CEDAR_IP:
		write_ip(out, value.as.ip);
		break;
	case CEDAR_DATETIME:
		buffer_printf(out, "datetime(\"1970-01-01\").offset(duration(\"%lldms\"))",
		              (long long)value.as.number);
		break;
	case CEDAR_DURATION:
		buffer_printf(out, "duration(\"%lldms\")", (long long)value.as.number);
		break;
	}
}
