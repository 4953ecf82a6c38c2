#include "inference/pretokenizer.h"

#include <string.h>
#include <utf8proc.h>

static const struct pretokenizer_name names[] = {
    {"gpt-2",            PRETOKENIZER_GPT2,        false, false},
    {"exaone4",          PRETOKENIZER_GPT2,        false, false},
    {"a.x-4.0",          PRETOKENIZER_GPT2,        false, false},
    {"trillion",         PRETOKENIZER_GPT2,        false, false},
    {"exaone",           PRETOKENIZER_DIGITS_GPT2, false, false},
    {"starcoder",        PRETOKENIZER_DIGITS_GPT2, false, false},
    {"command-r",        PRETOKENIZER_DIGITS_GPT2, false, false},
    {"smollm",           PRETOKENIZER_DIGITS_GPT2, false, false},
    {"llama-bpe",        PRETOKENIZER_LLAMA3,      true,  true },
    {"llama3",           PRETOKENIZER_LLAMA3,      true,  true },
    {"llama-v3",         PRETOKENIZER_LLAMA3,      true,  true },
    {"midm-2.0",         PRETOKENIZER_LLAMA3,      true,  true },
    {"qwen2",            PRETOKENIZER_QWEN2,       false, false},
    {"deepseek-r1-qwen", PRETOKENIZER_QWEN2,       false, false},
    {"kormo",            PRETOKENIZER_QWEN2,       false, false},
    {"solar-open",       PRETOKENIZER_QWEN2,       false, false},
    {"exaone-moe",       PRETOKENIZER_EXAONE_MOE,  false, false},
    {"kanana2",          PRETOKENIZER_GPT4O,       false, false},
    {"gpt-4o",           PRETOKENIZER_GPT4O,       false, false},
    {"llama4",           PRETOKENIZER_GPT4O,       false, false},
    {"deepseek-v3",      PRETOKENIZER_DEEPSEEK_V3, false, false},
    {"default",          PRETOKENIZER_DEFAULT,     false, false},
};

const struct pretokenizer_name *
pretokenizer_find(struct slice name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_is(name, names[i].name))
			return &names[i];
	return NULL;
}

size_t
pretokenizer_letters(struct slice text, struct letter *out)
{
	size_t count = 0, at = 0;

	while (at < text.size) {
		uint32_t code = text.data[at];
		size_t size = 1;

		if (code >= 0x80 &&
		    (size = utf8_next(slice_of(text.data + at, text.size - at), &code)) == 0) {
			size = 1;
			code = 0xfffd;
		}
		out[count].code = code;
		out[count++].offset = (uint32_t)at;
		at += size;
	}
	out[count].code = 0;
	out[count].offset = (uint32_t)text.size;
	return count;
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

struct scan {
	const struct letter *letters;
	size_t count;
};

static bool
is_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	       c == 0x3000;
}

/* utf8proc may be of Unicode 15.0; 15.1 added one block of ideographs and five signs that describe such. */
static utf8proc_category_t
category_of(uint32_t c)
{
	if (c >= 0x2ebf0 && c <= 0x2ee5d)
		return UTF8PROC_CATEGORY_LO;
	if ((c >= 0x2ffc && c <= 0x2fff) || c == 0x31ef)
		return UTF8PROC_CATEGORY_SO;
	return utf8proc_category((utf8proc_int32_t)c);
}

static bool
is_letter(uint32_t c)
{
	if (c < 128)
		return (c | 32) >= 'a' && (c | 32) <= 'z';
	if (c >= 0xac00 && c <= 0xd7a3)
		return true;
	switch (category_of(c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return true;
	default:
		return false;
	}
}

static bool
is_number(uint32_t c)
{
	utf8proc_category_t category;

	if (c < 128)
		return c >= '0' && c <= '9';
	category = category_of(c);
	return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
	       category == UTF8PROC_CATEGORY_NO;
}

static bool
is_mark(uint32_t c)
{
	utf8proc_category_t category;

	if (c < 128)
		return false;
	category = category_of(c);
	return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
	       category == UTF8PROC_CATEGORY_ME;
}

static bool
is_punctuation(uint32_t c)
{
	utf8proc_category_t category = category_of(c);

	return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static bool
is_symbol(uint32_t c)
{
	utf8proc_category_t category = category_of(c);

	return category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO;
}

/* Letters that may be upper case, and those that may be lower: only ASCII tells them apart, as in llama.cpp. */
static bool
is_upper(uint32_t c)
{
	return is_letter(c) && !(c >= 'a' && c <= 'z');
}

static bool
is_lower(uint32_t c)
{
	return is_letter(c) && !(c >= 'A' && c <= 'Z');
}

static uint32_t
code_at(const struct scan *scan, size_t at)
{
	return at < scan->count ? scan->letters[at].code : 0;
}

static bool
space_at(const struct scan *scan, size_t at)
{
	return at < scan->count && is_space(scan->letters[at].code);
}

static bool
letter_at(const struct scan *scan, size_t at)
{
	return at < scan->count && is_letter(scan->letters[at].code);
}

static bool
number_at(const struct scan *scan, size_t at)
{
	return at < scan->count && is_number(scan->letters[at].code);
}

/* Neither space nor letter nor number. */
static bool
other_at(const struct scan *scan, size_t at)
{
	return at < scan->count && !is_space(scan->letters[at].code) && !is_letter(scan->letters[at].code) &&
	       !is_number(scan->letters[at].code);
}

static bool
break_at(const struct scan *scan, size_t at)
{
	return at < scan->count && (scan->letters[at].code == '\r' || scan->letters[at].code == '\n');
}

static size_t
run(const struct scan *scan, size_t at, bool (*is)(const struct scan *, size_t))
{
	while (is(scan, at))
		at++;
	return at;
}

/* ---- parts of rules: each gives the end of its match at `at`, or `at` itself for no match ------------------------- */

/* 's 't 're 've 'm 'll 'd */
static size_t
contraction(const struct scan *scan, size_t at, bool any_case)
{
	uint32_t a, b;

	if (code_at(scan, at) != '\'')
		return at;
	a = code_at(scan, at + 1);
	b = code_at(scan, at + 2);
	if (any_case) {
		a = a < 128 ? a | 32 : a;
		b = b < 128 ? b | 32 : b;
	}
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return at + 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return at + 3;
	return at;
}

/* \s+(?!\S) | \s+ : all but the last of a run that text follows, unless it is the only one. */
static size_t
spaces(const struct scan *scan, size_t at)
{
	size_t end = run(scan, at, space_at);

	return end < scan->count && end - at > 1 ? end - 1 : end;
}

/* \s*[\r\n]+ : up to the last line break of a run of spaces. */
static size_t
breaks(const struct scan *scan, size_t at)
{
	size_t last = at;

	for (size_t i = at; space_at(scan, i); i++)
		if (break_at(scan, i))
			last = i + 1;
	return last;
}

static size_t
gpt2(const struct scan *scan, size_t at)
{
	size_t end = contraction(scan, at, false), from;

	if (end > at)
		return end;
	from = at + (code_at(scan, at) == ' ' ? 1 : 0);
	if (letter_at(scan, from))
		return run(scan, from, letter_at);
	if (number_at(scan, from))
		return run(scan, from, number_at);
	if (other_at(scan, from))
		return run(scan, from, other_at);
	return spaces(scan, at);
}

static size_t
llama3(const struct scan *scan, size_t at, size_t digits)
{
	size_t end = contraction(scan, at, true), from;

	if (end > at)
		return end;
	from = at;
	if (!letter_at(scan, at) && !number_at(scan, at) && !break_at(scan, at))
		from++;
	if (letter_at(scan, from))
		return run(scan, from, letter_at);
	if (number_at(scan, at)) {
		for (end = at + 1; end < at + digits && number_at(scan, end);)
			end++;
		return end;
	}
	from = at + (code_at(scan, at) == ' ' ? 1 : 0);
	if (other_at(scan, from))
		return run(scan, run(scan, from, other_at), break_at);
	if ((end = breaks(scan, at)) > at)
		return end;
	return spaces(scan, at);
}

/* \p{L}\p{M}*(?: \p{L}\p{M}*)* repeated: words, and single spaces between words. */
static size_t
words(const struct scan *scan, size_t at)
{
	while (letter_at(scan, at)) {
		at++;
		while (at < scan->count && is_mark(scan->letters[at].code))
			at++;
		if (code_at(scan, at) == ' ' && letter_at(scan, at + 1))
			at++;
	}
	return at;
}

static size_t
exaone_moe(const struct scan *scan, size_t at)
{
	size_t end = contraction(scan, at, true), from = at;

	if (end > at)
		return end;
	if (!letter_at(scan, at) && !number_at(scan, at) && !break_at(scan, at))
		from++;
	if (letter_at(scan, from))
		return words(scan, from);
	if (number_at(scan, at))
		return at + 1;
	from = at + (code_at(scan, at) == ' ' ? 1 : 0);
	if (other_at(scan, from)) {
		end = run(scan, from, other_at);
		return break_at(scan, end) || code_at(scan, end) == '/' ? end + 1 : end;
	}
	/* \s*[\r\n] */
	if ((end = breaks(scan, at)) > at)
		return end;
	return spaces(scan, at);
}

/*
 * upper* lower+ (contraction)?, else upper+ lower* (contraction)?, each with one sign or space before it if there is.
 * Letters without case are both.
 */
static size_t
cased_word(const struct scan *scan, size_t at)
{
	size_t from = at, upper, end;

	if (!letter_at(scan, at) && !number_at(scan, at) && !break_at(scan, at))
		from++;
	for (upper = from; upper < scan->count && is_upper(scan->letters[upper].code);)
		upper++;
	for (end = upper; end < scan->count && is_lower(scan->letters[end].code);)
		end++;
	if (end == upper) {
		/* No lower case behind: the last letter without case ends a first kind of word. */
		while (upper > from && !is_lower(scan->letters[upper - 1].code))
			upper--;
		if (upper > from)
			end = upper;
	}
	return end > from ? contraction(scan, end, true) : at;
}

static bool
slash_at(const struct scan *scan, size_t at)
{
	return break_at(scan, at) || code_at(scan, at) == '/';
}

static size_t
gpt4o(const struct scan *scan, size_t at)
{
	size_t end = cased_word(scan, at), from;

	if (end > at)
		return end;
	if (number_at(scan, at)) {
		for (end = at + 1; end < at + 3 && number_at(scan, end);)
			end++;
		return end;
	}
	from = at + (code_at(scan, at) == ' ' ? 1 : 0);
	if (other_at(scan, from))
		return run(scan, run(scan, from, other_at), slash_at);
	if ((end = breaks(scan, at)) > at)
		return end;
	return spaces(scan, at);
}

static bool
ascii_letter_at(const struct scan *scan, size_t at)
{
	uint32_t c = code_at(scan, at) | 32;

	return code_at(scan, at) < 128 && c >= 'a' && c <= 'z';
}

static bool
marked_letter_at(const struct scan *scan, size_t at)
{
	return letter_at(scan, at) || (at < scan->count && is_mark(scan->letters[at].code));
}

static bool
sign_at(const struct scan *scan, size_t at)
{
	return at < scan->count &&
	       (is_punctuation(scan->letters[at].code) || is_symbol(scan->letters[at].code));
}

static size_t
deepseek(const struct scan *scan, size_t at)
{
	uint32_t c = code_at(scan, at);
	size_t end, from;

	if (c > ' ' && c < 127 && !letter_at(scan, at) && !number_at(scan, at) &&
	    ascii_letter_at(scan, at + 1))
		return run(scan, at + 1, ascii_letter_at);
	from = at + (!break_at(scan, at) && !letter_at(scan, at) && !sign_at(scan, at) ? 1 : 0);
	if (marked_letter_at(scan, from))
		return run(scan, from, marked_letter_at);
	if (marked_letter_at(scan, at))
		return run(scan, at, marked_letter_at);
	from = at + (c == ' ' ? 1 : 0);
	if (sign_at(scan, from))
		return run(scan, run(scan, from, sign_at), break_at);
	if ((end = breaks(scan, at)) > at)
		return end;
	return spaces(scan, at);
}

/* ---- cutting ---------------------------------------------------------------------------------------------------- */

/* A later rule works within the pieces of the one before: 0 says "no match here". */
typedef size_t matcher(const struct scan *scan, size_t at);

static size_t
match_digit(const struct scan *scan, size_t at)
{
	return number_at(scan, at) ? at + 1 : at;
}

static size_t
match_three_digits(const struct scan *scan, size_t at)
{
	size_t end = at;

	while (end < at + 3 && number_at(scan, end))
		end++;
	return end;
}

static size_t
match_numbers(const struct scan *scan, size_t at)
{
	return run(scan, at, number_at);
}

static size_t
match_three_ascii_digits(const struct scan *scan, size_t at)
{
	for (size_t i = at; i < at + 3; i++)
		if (code_at(scan, i) < '0' || code_at(scan, i) > '9')
			return at;
	return at + 3;
}

static bool
han_at(const struct scan *scan, size_t at)
{
	uint32_t c = code_at(scan, at);

	return (c >= 0x4e00 && c <= 0x9fa5) || (c >= 0x3040 && c <= 0x309f) || (c >= 0x30a0 && c <= 0x30ff);
}

static size_t
match_han(const struct scan *scan, size_t at)
{
	return run(scan, at, han_at);
}

/* [\p{P}\$\+<=>\^~\|]+ */
static bool
default_sign_at(const struct scan *scan, size_t at)
{
	uint32_t c = code_at(scan, at);

	return at < scan->count &&
	       (is_punctuation(c) || (c < 128 && c != 0 && strchr("$+<=>^~|", (int)c) != NULL));
}

static size_t
match_default_signs(const struct scan *scan, size_t at)
{
	return run(scan, at, default_sign_at);
}

static size_t
match_llama3(const struct scan *scan, size_t at)
{
	return llama3(scan, at, 3);
}

static size_t
match_qwen2(const struct scan *scan, size_t at)
{
	return llama3(scan, at, 1);
}

static size_t
cut_with(matcher *match, const struct letter *letters, const size_t *in, size_t in_count, size_t *out)
{
	size_t start = 0, count = 0;

	for (size_t i = 0; i < in_count; i++) {
		struct scan scan = {letters + start, in[i] - start};
		size_t at = 0, gap = 0;

		while (at < scan.count) {
			size_t end = match(&scan, at);

			if (end == at) {
				at++;
				continue;
			}
			if (at > gap)
				out[count++] = start + at;
			out[count++] = start + end;
			at = gap = end;
		}
		if (at > gap)
			out[count++] = start + at;
		start = in[i];
	}
	return count;
}

size_t
pretokenizer_cut(enum pretokenizer rule, const struct letter *letters, size_t count, size_t *ends,
                 size_t *scratch)
{
	matcher *passes[4] = {NULL};
	size_t pieces = 1;
	size_t *from = scratch, *to = ends;

	switch (rule) {
	case PRETOKENIZER_GPT2:
		passes[0] = gpt2;
		break;
	case PRETOKENIZER_DIGITS_GPT2:
		passes[0] = match_digit;
		passes[1] = gpt2;
		break;
	case PRETOKENIZER_LLAMA3:
		passes[0] = match_llama3;
		break;
	case PRETOKENIZER_QWEN2:
		passes[0] = match_qwen2;
		break;
	case PRETOKENIZER_EXAONE_MOE:
		passes[0] = exaone_moe;
		break;
	case PRETOKENIZER_GPT4O:
		passes[0] = gpt4o;
		break;
	case PRETOKENIZER_DEEPSEEK_V3:
		passes[0] = match_three_digits;
		passes[1] = match_han;
		passes[2] = deepseek;
		break;
	case PRETOKENIZER_DEFAULT:
		passes[0] = match_default_signs;
		passes[1] = gpt2;
		passes[2] = match_numbers;
		passes[3] = match_three_ascii_digits;
		break;
	default:
		break;
	}
	if (count == 0)
		return 0;
	from[0] = count;
	for (size_t i = 0; i < 4 && passes[i] != NULL; i++) {
		size_t *other = from;

		pieces = cut_with(passes[i], letters, from, pieces, to);
		from = to;
		to = other;
	}
	if (from != ends)
		memcpy(ends, from, pieces * sizeof *ends);
	return pieces;
}
