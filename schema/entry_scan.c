#include "schema/entry_scan.h"

#include <string.h>

#include "schema/base/clock.h"

#define DEPTH_LIMIT 16 /* entries have 5; deeper ones are the tree's */
#define ALSO_LIMIT  16 /* there are 11 domains; more are the tree's */

/* Members that are columns, or that columns hang on. */
enum slot {
	AGENCY,
	ID,
	KEY,
	KIND,
	LOG,
	OF,
	REQUEST_ID,
	SERVICE,
	SUBJECT,
	TIME,
	USECASE, /* of the entry */
	ACCESS,
	ACTION,
	MODEL,
	STATUS,
	VERDICT,
	ZONE,   /* of its body */
	DOMAIN, /* the first of the assessment's */
	SLOTS
};

#define NAME(text)                                                                                           \
	{                                                                                                    \
		(const uint8_t *)(text), sizeof(text) - 1                                                    \
	}

static const struct slice entry_names[] = {NAME("agency"),  NAME("id"),   NAME("key"),        NAME("kind"),
                                           NAME("log"),     NAME("of"),   NAME("request_id"), NAME("service"),
                                           NAME("subject"), NAME("time"), NAME("usecase")};
static const struct slice body_names[] = {NAME("access"), NAME("action"),  NAME("model"),
                                          NAME("status"), NAME("verdict"), NAME("zone")};

enum where { ELSEWHERE, ENTRY, BODY, ASSESSMENT, DOMAINS };

struct scan {
	const uint8_t *at, *end;
	unsigned depth;
	struct slice text[SLOTS]; /* without quotes; data == NULL: not there, or no string */
	bool plain[SLOTS];        /* no escapes: the bytes are the text */
	bool body, format;
	struct slice also[ALSO_LIMIT]; /* domains behind the first */
	size_t also_count;
};

static bool value(struct scan *scan, enum where where);

static bool
byte(struct scan *scan, char wanted)
{
	if (scan->at == scan->end || *scan->at != (uint8_t)wanted)
		return false;
	scan->at++;
	return true;
}

/* Behind a backslash: the one spelling RFC 8785 has for what must be escaped. */
static bool
escape(struct scan *scan)
{
	static const char digits[] = "0123456789abcdef";
	const char *low;

	if (scan->at == scan->end)
		return false;
	if (strchr("\"\\btnfr", *scan->at) != NULL && *scan->at != '\0') {
		scan->at++;
		return true;
	}
	if (scan->end - scan->at < 5 || memcmp(scan->at, "u00", 3) != 0 ||
	    (scan->at[3] != '0' && scan->at[3] != '1') || scan->at[4] == '\0' ||
	    (low = strchr(digits, scan->at[4])) == NULL)
		return false;
	/* \u0000 no text may hold; 8, 9, a, c, d have short forms */
	if (scan->at[3] == '0' && strchr("089acd", *low) != NULL)
		return false;
	scan->at += 5;
	return true;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static bool
is_special(uint8_t byte)
{
	return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

/*
 * The next control character, quote, backslash or byte beyond ASCII, or the end. Eight bytes at a time: the lowest bit set stands
 * for the first such byte, since a borrow only runs upwards from it.
 */
static const uint8_t *
special(const uint8_t *at, const uint8_t *end)
{
	while (end - at >= 8) {
		uint64_t word, quote, backslash, found;

		memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		quote = word ^ EACH('"');
		backslash = word ^ EACH('\\');
		found = (word | (word - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1))) & EACH(0x80);
		if (found != 0)
			return at + __builtin_ctzll(found) / 8;
		at += 8;
	}
	while (at < end && !is_special(*at))
		at++;
	return at;
}

static bool
string(struct scan *scan, struct slice *out, bool *plain, bool *ascii)
{
	const uint8_t *const end = scan->end, *at = scan->at, *begin;

	*plain = *ascii = true;
	if (at == end || *at != '"')
		return false;
	begin = ++at;
	for (;;) {
		uint32_t code;
		size_t size;

		at = special(at, end);
		if (at == end || *at < 0x20)
			return false;
		if (*at == '"') {
			*out = (struct slice){begin, (size_t)(at - begin)};
			scan->at = at + 1;
			return true;
		}
		if (*at == '\\') {
			*plain = false;
			scan->at = at + 1;
			if (!escape(scan))
				return false;
			at = scan->at;
			continue;
		}
		*ascii = false;
		if ((size = utf8_next((struct slice){at, (size_t)(end - at)}, &code)) == 0)
			return false;
		at += size;
	}
}

/* Integers below 10^15: all of them are below 2^53, and an entry's are far below. */
static bool
number(struct scan *scan, bool *is_format)
{
	const uint8_t *begin;

	if (*scan->at == '-') {
		scan->at++;
		if (scan->at == scan->end || *scan->at == '0')
			return false;
	}
	begin = scan->at;
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	if (scan->at == begin || scan->at - begin > 15 || (*begin == '0' && scan->at - begin > 1))
		return false;
	*is_format = scan->at - begin == 1 && *begin == '0' + ENTRY_FORMAT && begin[-1] == ':';
	return true;
}

static bool
word(struct scan *scan, const char *text)
{
	const size_t size = strlen(text);

	if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, text, size) != 0)
		return false;
	scan->at += size;
	return true;
}

static void
keep(struct scan *scan, enum where where, struct slice name, struct slice text, bool plain)
{
	const struct slice *names = where == ENTRY ? entry_names : body_names;
	const size_t first = where == ENTRY ? AGENCY : ACCESS;
	const size_t count = where == ENTRY ? sizeof entry_names / sizeof *entry_names
	                                    : sizeof body_names / sizeof *body_names;

	for (size_t i = 0; i < count; i++) {
		if (name.size != names[i].size || name.data[0] != names[i].data[0] ||
		    memcmp(name.data, names[i].data, name.size) != 0)
			continue;
		scan->text[first + i] = text;
		scan->plain[first + i] = plain;
		return;
	}
}

/* Of a literal, so that the compiler sees its length. */
#define NAMED(name, text)                                                                                    \
	((name).size == sizeof(text) - 1 && memcmp((name).data, text, sizeof(text) - 1) == 0)

static bool
member(struct scan *scan, enum where where, struct slice name)
{
	enum where below = ELSEWHERE;
	struct slice text;
	bool plain, ascii, is_format;

	if (scan->at == scan->end)
		return false;
	if (*scan->at == '"') {
		if (!string(scan, &text, &plain, &ascii))
			return false;
		if (where == ENTRY || where == BODY)
			keep(scan, where, name, text, plain);
		return true;
	}
	if (where == ENTRY && NAMED(name, "format")) {
		if (!number(scan, &is_format))
			return false;
		scan->format = is_format;
		return true;
	}
	if (where == ENTRY && NAMED(name, "body")) {
		scan->body = *scan->at == '{';
		below = BODY;
	} else if (where == BODY && NAMED(name, "assessment")) {
		below = ASSESSMENT;
	} else if (where == ASSESSMENT && NAMED(name, "domains")) {
		below = *scan->at == '[' ? DOMAINS : ELSEWHERE;
	}
	return value(scan, below);
}

static bool
ascends(struct slice last, struct slice name)
{
	if (last.size == 0 || name.size == 0)
		return last.size < name.size;
	return last.data[0] != name.data[0] ? last.data[0] < name.data[0] : slice_compare(last, name) < 0;
}

/* Names in ascending order: of plain ASCII, whose bytes are in the order of their UTF-16. Others are the tree's. */
static bool
object(struct scan *scan, enum where where)
{
	struct slice name, last = {NULL, 0};
	bool plain, ascii;

	if (++scan->depth > DEPTH_LIMIT || !byte(scan, '{'))
		return false;
	if (!byte(scan, '}')) {
		do {
			if (!string(scan, &name, &plain, &ascii) || !plain || !ascii ||
			    (last.data != NULL && !ascends(last, name)) || !byte(scan, ':') ||
			    !member(scan, where, name))
				return false;
			last = name;
		} while (byte(scan, ','));
		if (!byte(scan, '}'))
			return false;
	}
	scan->depth--;
	return true;
}

/* A domain behind the first. */
static bool
further(struct scan *scan)
{
	struct slice text;
	bool plain, ascii;

	if (scan->also_count == ALSO_LIMIT || !string(scan, &text, &plain, &ascii) || !plain)
		return false;
	if (text.size > 0)
		scan->also[scan->also_count++] = text;
	return true;
}

static bool
array(struct scan *scan, enum where where)
{
	bool ascii;

	if (++scan->depth > DEPTH_LIMIT || !byte(scan, '['))
		return false;
	if (!byte(scan, ']')) {
		if (where == DOMAINS && scan->at < scan->end && *scan->at == '"') {
			if (!string(scan, &scan->text[DOMAIN], &scan->plain[DOMAIN], &ascii))
				return false;
		} else if (!value(scan, ELSEWHERE)) {
			return false;
		}
		while (byte(scan, ','))
			if (where == DOMAINS && scan->at < scan->end && *scan->at == '"'
			        ? !further(scan)
			        : !value(scan, ELSEWHERE))
				return false;
		if (!byte(scan, ']'))
			return false;
	}
	scan->depth--;
	return true;
}

static bool
value(struct scan *scan, enum where where)
{
	struct slice text;
	bool plain, ascii;

	if (scan->at == scan->end)
		return false;
	switch (*scan->at) {
	case '{':
		return object(scan, where);
	case '[':
		return array(scan, where);
	case '"':
		return string(scan, &text, &plain, &ascii);
	case 't':
		return word(scan, "true");
	case 'f':
		return word(scan, "false");
	case 'n':
		return word(scan, "null");
	default:
		return number(scan, &plain);
	}
}

static bool
also(struct entry_columns *out, const struct scan *scan, struct arena *arena)
{
	size_t size = 0;
	uint8_t *text;

	if (scan->also_count == 0)
		return true;
	for (size_t i = 0; i < scan->also_count; i++)
		size += scan->also[i].size + 1;
	if ((text = arena_alloc(arena, size)) == NULL)
		return false;
	out->also = slice_of(text, size - 1);
	for (size_t i = 0; i < scan->also_count; i++) {
		memcpy(text, scan->also[i].data, scan->also[i].size);
		text += scan->also[i].size;
		*text++ = ',';
	}
	return true;
}

static bool
columns(struct entry_columns *out, const struct scan *scan, struct arena *arena)
{
	char kind[16];
	const struct {
		struct slice *to;
		enum slot from;
	} copies[] = {
	    {&out->id,         ID        },
	    {&out->log,        LOG       },
	    {&out->agency,     AGENCY    },
	    {&out->service,    SERVICE   },
	    {&out->subject,    SUBJECT   },
	    {&out->key,        KEY       },
	    {&out->request_id, REQUEST_ID},
	    {&out->of,         OF        },
	    {&out->usecase,    USECASE   },
	    {&out->verdict,    VERDICT   },
	    {&out->access,     ACCESS    },
	    {&out->domain,     DOMAIN    },
	    {&out->model,      MODEL     },
	    {&out->zone,       ZONE      },
	    {&out->action,     ACTION    },
	};

	for (size_t i = 0; i < SLOTS; i++)
		if (scan->text[i].data != NULL && !scan->plain[i])
			return false; /* to be unescaped: the tree does that */
	if (scan->text[KIND].size >= sizeof kind || scan->text[ID].size == 0 || scan->text[LOG].size == 0)
		return false;
	memcpy(kind, scan->text[KIND].data == NULL ? (const uint8_t *)"" : scan->text[KIND].data,
	       scan->text[KIND].size);
	kind[scan->text[KIND].size] = '\0';
	if (!entry_kind_parse(&out->kind, kind) || !clock_parse(&out->wall_ms, scan->text[TIME], false))
		return false;
	for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
		const enum slot from =
		    copies[i].from == ACTION && out->kind == ENTRY_OUTCOME ? STATUS : copies[i].from;

		*copies[i].to = scan->text[from].size == 0 ? (struct slice){NULL, 0} : scan->text[from];
	}
	return also(out, scan, arena) && arena_ok(arena);
}

bool
entry_scan(struct entry_columns *out, struct slice bytes, struct arena *arena)
{
	struct scan scan = {.at = bytes.data, .end = bytes.data + bytes.size};

	*out = (struct entry_columns){0};
	return bytes.size > 0 && bytes.size <= ENTRY_SIZE_LIMIT && object(&scan, ENTRY) &&
	       scan.at == scan.end && scan.body && scan.format && columns(out, &scan, arena);
}
