/* Identifiers made of digits: groups of digits are read once, and every shape is tried where a group begins. */
#include "policy/detect/blocks.h"
#include "policy/detect/identifiers.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER_LIMIT 20 /* digits of the longest identifier */

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_latin(uint8_t byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* What stands between two groups: blanks, one mark, blanks; at most four bytes. 0: nothing that links. */
static char
link_between(struct slice text, size_t from, size_t to)
{
	char link = 0;

	if (to - from > 4 || to == from)
		return 0;
	for (size_t i = from; i < to; i++) {
		char c = (char)text.data[i];

		if (c == ' ') {
			if (link == 0)
				link = ' ';
		} else if (strchr("-./)(:_~", c) != NULL && c != '\0') {
			if (link != 0 && link != ' ' && !(link == ')' && c == '-'))
				return 0;
			link = c == '_' || c == '~' ? '-' : c == '(' ? ')' : c;
		} else {
			return 0;
		}
	}
	return link;
}

/* The middle dot and its sisters take more than one byte: they were left by normalising. */
static size_t
wide_dot(struct slice text, size_t at)
{
	static const char *const dots[] = {"·", "‧", "∙", "•", "・"};

	if (at >= text.size || text.data[at] < 0xC2 || text.data[at] > 0xE3)
		return 0;
	for (size_t i = 0; i < sizeof dots / sizeof *dots; i++) {
		size_t size = strlen(dots[i]);

		if (text.size - at >= size && memcmp(text.data + at, dots[i], size) == 0)
			return size;
	}
	return 0;
}

static struct digits *
group_add(struct scene *scene)
{
	if (scene->digit_count == scene->digit_capacity) {
		size_t capacity = scene->digit_capacity == 0 ? 128 : scene->digit_capacity * 2;
		struct digits *digits = realloc(scene->digits, capacity * sizeof *digits);

		if (digits == NULL) {
			scene->failed = true;
			return NULL;
		}
		scene->digits = digits;
		scene->digit_capacity = capacity;
	}
	return &scene->digits[scene->digit_count++];
}

/* "9 0 0 1 0 1": single digits with the same separator between them are one group. */
static size_t
spaced_group(struct slice text, size_t at, size_t *stride)
{
	size_t gap = 1, end = at + 1;

	if (at + 2 >= text.size || is_digit(text.data[at + 1]))
		return 0;
	if (strchr(" .,_-/*|", text.data[at + 1]) == NULL || text.data[at + 1] == '\0') {
		if ((gap = wide_dot(text, at + 1)) == 0)
			return 0;
	}
	while (end + gap < text.size && memcmp(text.data + end, text.data + at + 1, gap) == 0 &&
	       is_digit(text.data[end + gap]) &&
	       (end + gap + 1 >= text.size || !is_digit(text.data[end + gap + 1])))
		end += gap + 1;
	if (end - at < 4 * (gap + 1) + 1) /* five digits at least, else it is a list or a date */
		return 0;
	*stride = gap + 1;
	return end;
}

/* The next digit from `at` on. */
static size_t
digit_next(struct slice text, size_t at)
{
	for (; at + BLOCK <= text.size; at += BLOCK) {
		uint64_t digits = block_between(text.data + at, '0', '9');

		if (digits != 0)
			return at + (unsigned)__builtin_ctzll(digits);
	}
	while (at < text.size && !is_digit(text.data[at]))
		at++;
	return at;
}

static void
groups_read(struct scene *scene)
{
	struct slice text = scene->text;
	size_t at = 0, before = 0;
	bool any = false;

	scene->digit_count = 0;
	while (at < text.size) {
		struct digits *group;
		size_t end, stride = 1;

		if (!is_digit(text.data[at])) {
			at = digit_next(text, at + 1);
			continue;
		}
		if ((group = group_add(scene)) == NULL)
			return;
		if ((end = spaced_group(text, at, &stride)) == 0) {
			for (end = at + 1; end < text.size && is_digit(text.data[end]); end++)
				;
		}
		group->start = (uint32_t)at;
		group->end = (uint32_t)end;
		group->stride = (uint8_t)stride;
		group->count = (uint32_t)((end - at - 1) / stride + 1);
		group->link = 0;
		if (any) {
			size_t dot = at > before && at - before <= 3 ? wide_dot(text, before) : 0;

			group->link = dot != 0 && before + dot == at ? '.' : link_between(text, before, at);
		}
		any = true;
		before = at = end;
	}
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* A number being looked at: groups first .. first + groups - 1, their digits put together. */
struct number {
	size_t first, groups;
	size_t start, end;
	size_t count;
	uint8_t digit[NUMBER_LIMIT];
	bool linked;   /* a dash or a dot ties it to digits on either side */
	bool lettered; /* a Latin letter touches it */
	char mark;     /* between its groups: '-', ' ', '.', 0 when it is one group */
};

/* Do the groups from `first` on have these counts (ended by 0)? */
static bool
number_shaped(const struct scene *scene, size_t first, const uint8_t *counts, struct number *out)
{
	size_t groups = 0, count = 0;
	char next;

	while (counts[groups] != 0) {
		const struct digits *group = &scene->digits[first + groups];

		if (first + groups >= scene->digit_count || group->count != counts[groups] ||
		    (groups > 0 && group->link == 0))
			return false;
		groups++;
	}
	out->first = first;
	out->groups = groups;
	out->start = scene->digits[first].start;
	out->end = scene->digits[first + groups - 1].end;
	out->mark = groups > 1 ? scene->digits[first + 1].link : 0;
	for (size_t g = 0; g < groups; g++) {
		const struct digits *group = &scene->digits[first + g];

		for (uint32_t k = 0; k < group->count && count < NUMBER_LIMIT; k++)
			out->digit[count++] =
			    (uint8_t)(scene->text.data[group->start + k * group->stride] - '0');
	}
	out->count = count;
	next = first + groups < scene->digit_count ? scene->digits[first + groups].link : 0;
	out->linked = next == '-' || next == '.' || scene->digits[first].link == '-' ||
	              scene->digits[first].link == '.';
	out->lettered = (out->start > 0 && is_latin(scene->text.data[out->start - 1])) ||
	                (out->end < scene->text.size && is_latin(scene->text.data[out->end]));
	return true;
}

static const uint8_t *
shape_any(const struct scene *scene, size_t first, const uint8_t (*shapes)[6], size_t count,
          struct number *out)
{
	for (size_t i = 0; i < count; i++) {
		if (shapes[i][0] == scene->digits[first].count && number_shaped(scene, first, shapes[i], out))
			return shapes[i];
	}
	return NULL;
}

#define SHAPE(scene, first, shapes, out)                                                                     \
	shape_any(scene, first, shapes, sizeof(shapes) / sizeof *(shapes), out)

/* Groups of digits, as they are written; each list is tried in order. */
/* clang-format off */
static const uint8_t thirteen_shapes[][6] = { {6, 7}, {13}, {6, 1, 6}, {2, 2, 2, 7}, {2, 2, 2, 1, 6} };
static const uint8_t business_shapes[][6] = { {3, 2, 5}, {10} };
static const uint8_t phone_national[][6] = { {3, 4, 4}, {3, 3, 4}, {2, 4, 4}, {2, 3, 4}, {4, 4, 4}, {4, 3,
	4}, {11}, {10}, {9}, {3, 8}, {3, 7}, {2, 8} };
static const uint8_t phone_abroad[][6] = { {2, 2, 4, 4}, {2, 2, 3, 4}, {2, 3, 4, 4}, {2, 1, 4, 4}, {2, 1, 3,
	4}, {2, 2, 8}, {2, 10}, {12}, {11}, {10} };
static const uint8_t phone_common[][6] = { {4, 4}, {8} };
static const uint8_t card_shapes[][6] = { {4, 4, 4, 4}, {16}, {4, 6, 5}, {15} };
static const uint8_t licence_modern[][6] = { {2, 2, 6, 2}, {12} };
static const uint8_t licence_old[][6] = { {2, 6, 2} };
static const uint8_t insurance_shapes[][6] = { {11}, {1, 10} };
/* KB, Shinhan, Woori, Hana, NH verified; the others recalled (law section 8). */
static const uint8_t account_shapes[][6] = { {3, 2, 4, 3}, {3, 3, 6}, {4, 3, 6}, {3, 6, 5}, {3, 4, 4, 2},
	{4, 2, 7}, {4, 4, 4}, {3, 6, 2, 3}, {6, 2, 6}, {3, 2, 6}, {4, 2, 6}, {3, 3, 5}, {3, 7, 3}, {3, 2, 7}, {6, 2,
	5}, {3, 6, 3}, {3, 4, 6}, {4, 4, 5} };
/* clang-format on */

/* ---- resident, alien and corporate numbers ----------------------------------------------------------------------- */

/* A real day; the century comes from the seventh digit. */
static bool
birth_date(const uint8_t digit[13], int *year, int *month)
{
	static const uint8_t days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	static const int century[10] = {1800, 1900, 1900, 2000, 2000, 1900, 1900, 2000, 2000, 1800};
	int day = digit[4] * 10 + digit[5];

	*year = century[digit[6]] + digit[0] * 10 + digit[1];
	*month = digit[2] * 10 + digit[3];
	if (*month < 1 || *month > 12 || day < 1 || day > days[*month - 1])
		return false;
	return !(*month == 2 && day == 29 && (*year % 4 != 0 || (*year % 100 == 0 && *year % 400 != 0)));
}

static void
thirteen_find(struct scene *scene, size_t first)
{
	struct number n;
	const uint8_t *shape = SHAPE(scene, first, thirteen_shapes, &n);
	enum naming rrn, frn, crn;
	int year = 0, month = 0, confidence;
	bool dated, dashed, alien;

	if (shape == NULL)
		return;
	rrn = naming_of(scene, IDENTIFIER_RRN, n.start, n.end);
	frn = naming_of(scene, IDENTIFIER_FRN, n.start, n.end);
	crn = naming_of(scene, IDENTIFIER_CORP_REG, n.start, n.end);
	dashed = shape[0] == 6;
	dated = birth_date(n.digit, &year, &month);
	alien = n.digit[6] >= 5 && n.digit[6] <= 8;
	if (dated && (n.digit[6] % 9 != 0 || rrn >= NAMING_FAR)) {
		enum identifier_kind kind = alien ? IDENTIFIER_FRN : IDENTIFIER_RRN;
		bool named = rrn >= NAMING_FAR || frn >= NAMING_FAR;
		bool decoy = rrn == NAMING_DECOY;

		if (alien ? checksum_frn(n.digit) : checksum_rrn(n.digit))
			confidence = named ? 990 : dashed ? 950 : shape[0] == 13 ? 750 : 600;
		else if (named)
			confidence = 800;
		else if (year > 2020 || (year == 2020 && month >= 10))
			confidence = dashed ? 650 : shape[0] == 13 ? 550 : 450;
		else
			confidence = 350;
		if (decoy)
			confidence -= dashed && confidence > 900 ? 300 : 400;
		if (crn == NAMING_NEAR)
			confidence -= 450;
		if (n.lettered)
			confidence -= 150;
		scene_add(scene, kind, n.start, n.end, confidence);
	}
	if (shape[0] == 6 || shape[0] == 13) {
		if (checksum_crn(n.digit))
			confidence = crn == NAMING_NEAR  ? 960
			             : crn == NAMING_FAR ? 800
			             : dashed && !dated  ? 600
			                                 : 300;
		else
			confidence =
			    crn == NAMING_NEAR && shape[1] == 7 ? 600 : 150; /* law section 10, item 11 */
		if (crn == NAMING_DECOY || rrn == NAMING_NEAR || n.lettered)
			confidence -= 300;
		scene_add(scene, IDENTIFIER_CORP_REG, n.start, n.end, confidence);
	}
}

/* ---- business registration --------------------------------------------------------------------------------------- */

static void
business_find(struct scene *scene, size_t first)
{
	struct number n;
	const uint8_t *shape = SHAPE(scene, first, business_shapes, &n);
	enum naming naming;
	int confidence;

	if (shape == NULL || n.lettered || (n.linked && n.mark != ' '))
		return;
	naming = naming_of(scene, IDENTIFIER_BUSINESS_REG, n.start, n.end);
	if (checksum_brn(n.digit))
		confidence = naming >= NAMING_FAR ? 960 : shape[0] == 3 ? n.mark == '-' ? 850 : 550 : 350;
	else
		confidence = naming == NAMING_NEAR ? 450 : 200;
	if (naming == NAMING_DECOY || naming_of(scene, IDENTIFIER_ACCOUNT, n.start, n.end) == NAMING_NEAR)
		confidence -= 450;
	scene_add(scene, IDENTIFIER_BUSINESS_REG, n.start, n.end, confidence);
}

/* ---- telephone --------------------------------------------------------------------------------------------------- */

static unsigned
number_prefix(const struct number *n, size_t count)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++)
		value = value * 10 + n->digit[i];
	return value;
}

static bool
area_code(unsigned prefix, size_t digits)
{
	if (digits == 2)
		return prefix == 2;
	return (prefix >= 31 && prefix <= 33) || (prefix >= 41 && prefix <= 44) ||
	       (prefix >= 51 && prefix <= 55) || (prefix >= 61 && prefix <= 64) || prefix == 70 ||
	       prefix == 80;
}

static bool
mobile_code(unsigned prefix)
{
	return prefix == 10 || prefix == 11 || (prefix >= 16 && prefix <= 19);
}

static void
phone_find(struct scene *scene, size_t first)
{
	struct number n;
	const uint8_t *shape;
	enum naming naming;
	int confidence = 0;
	size_t start = scene->digits[first].start;
	bool plus = start > 0 && scene->text.data[start - 1] == '+';

	if (plus && SHAPE(scene, first, phone_abroad, &n) != NULL && n.digit[0] == 8 && n.digit[1] == 2) {
		scene_add(scene, IDENTIFIER_PHONE, n.start - 1, n.end,
		          n.digit[2] == 1 && n.digit[3] == 0 ? 950 : 800);
		return;
	}
	if (scene->text.data[start] == '0' && (shape = SHAPE(scene, first, phone_national, &n)) != NULL) {
		size_t code_size = n.digit[1] == 2 ? 2 : shape[0] == 4 ? 4 : 3;
		unsigned code = number_prefix(&n, code_size);
		bool split = n.groups > 1;

		naming = naming_of(scene, IDENTIFIER_PHONE, n.start, n.end);
		if (split && shape[0] != code_size)
			return;
		if (code_size == 3 && mobile_code(code) && n.count >= 10)
			confidence = n.groups == 3 ? 950 : n.count == 11 && code == 10 ? 850 : 550;
		else if (code_size == 4 ? code >= 500 && code < 510 && n.count >= 11
		                        : area_code(code, code_size))
			confidence = n.groups == 3 ? 880 : split ? 600 : 350;
		else
			return;
		if (naming >= NAMING_FAR && confidence < 850)
			confidence += 200;
		if (naming == NAMING_DECOY)
			confidence -= n.groups == 3 ? 250 : 450;
		if (naming_of(scene, IDENTIFIER_ACCOUNT, n.start, n.end) == NAMING_NEAR && code != 10)
			confidence -= 450;
		if (n.lettered || (n.linked && (n.mark == '-' || n.mark == '.')))
			confidence -= 400;
		scene_add(scene, IDENTIFIER_PHONE, n.start, n.end, confidence);
		return;
	}
	if (scene->text.data[start] == '1' && (shape = SHAPE(scene, first, phone_common, &n)) != NULL &&
	    !n.lettered && !n.linked && (n.digit[1] == 5 || n.digit[1] == 6 || n.digit[1] == 8)) {
		naming = naming_of(scene, IDENTIFIER_PHONE, n.start, n.end);
		if (shape[0] == 4 && n.mark == '-')
			scene_add(scene, IDENTIFIER_PHONE, n.start, n.end, naming >= NAMING_FAR ? 800 : 420);
	}
}

/* ---- cards, licences, health insurance --------------------------------------------------------------------------- */

static void
card_find(struct scene *scene, size_t first)
{
	struct number n;
	const uint8_t *shape = SHAPE(scene, first, card_shapes, &n);
	enum naming naming;
	int confidence;

	if (shape == NULL || n.lettered || (n.linked && n.mark == '-'))
		return;
	if (n.count == 15 && !(n.digit[0] == 3 && (n.digit[1] == 4 || n.digit[1] == 7)))
		return;
	naming = naming_of(scene, IDENTIFIER_CARD, n.start, n.end);
	if (checksum_luhn(n.digit, n.count) && n.digit[0] >= 2 && n.digit[0] != 7 && n.digit[0] != 8)
		confidence = naming >= NAMING_FAR ? 980 : n.groups > 1 ? 920 : 780;
	else
		confidence = naming == NAMING_NEAR ? 450 : 250;
	if (naming == NAMING_DECOY)
		confidence -= n.groups > 1 ? 300 : 400;
	scene_add(scene, IDENTIFIER_CARD, n.start, n.end, confidence);
}

static void
licence_find(struct scene *scene, size_t first)
{
	struct number n;
	const uint8_t *shape = SHAPE(scene, first, licence_modern, &n);
	enum naming naming;
	unsigned region;

	if (shape != NULL && !n.lettered && !(n.linked && n.mark == '-')) {
		naming = naming_of(scene, IDENTIFIER_DRIVER_LICENSE, n.start, n.end);
		region = number_prefix(&n, 2);
		if (region >= 11 && region <= 28)
			scene_add(scene, IDENTIFIER_DRIVER_LICENSE, n.start, n.end,
			          (shape[0] == 2 ? n.mark == '-' ? 880 : 600 : 250) +
			              (naming >= NAMING_FAR ? 110 : 0) +
			              (naming == NAMING_NEAR && shape[0] == 12 ? 400 : 0) -
			              (naming == NAMING_DECOY ? 450 : 0));
		return;
	}
	if (SHAPE(scene, first, licence_old, &n) != NULL && region_before(scene, n.start, 2) != NULL)
		scene_add(scene, IDENTIFIER_DRIVER_LICENSE, n.start, n.end, 850);
}

static void
insurance_find(struct scene *scene, size_t first)
{
	struct number n;
	enum naming naming;

	if (SHAPE(scene, first, insurance_shapes, &n) == NULL || n.lettered || n.linked || n.digit[0] == 0)
		return;
	naming = naming_of(scene, IDENTIFIER_HEALTH_INSURANCE, n.start, n.end);
	scene_add(scene, IDENTIFIER_HEALTH_INSURANCE, n.start, n.end,
	          naming == NAMING_NEAR  ? 800
	          : naming == NAMING_FAR ? 450
	                                 : 150);
}

/* ---- accounts ---------------------------------------------------------------------------------------------------- */

static void
account_find(struct scene *scene, size_t first)
{
	struct number n;
	size_t groups = 1, count = scene->digits[first].count;
	enum naming naming;
	int confidence = 0;

	if (SHAPE(scene, first, account_shapes, &n) != NULL && !n.linked &&
	    (n.mark == '-' || n.mark == ' ')) {
		naming = naming_of(scene, IDENTIFIER_ACCOUNT, n.start, n.end);
		confidence = naming == NAMING_NEAR ? 900 : naming == NAMING_FAR ? 550 : 400;
		if (n.count == 13 && n.groups == 3 && number_prefix(&n, 4) == 3333 && n.mark == '-')
			confidence = naming >= NAMING_FAR ? 950 : 600;
		if (naming == NAMING_DECOY)
			confidence -= 300;
	} else { /* an account is also whatever stands behind "account", ten to fourteen digits long */
		while (groups < 5 && first + groups < scene->digit_count &&
		       scene->digits[first + groups].link == '-' && count <= 14)
			count += scene->digits[first + groups++].count;
		if (count < 10 || count > 14 || groups > 4)
			return;
		n.start = scene->digits[first].start;
		n.end = scene->digits[first + groups - 1].end;
		if (scene->digits[first].link == '-' ||
		    naming_of(scene, IDENTIFIER_ACCOUNT, n.start, n.end) != NAMING_NEAR)
			return;
		confidence =
		    scene->text.data[n.start] == '0' && scene->text.data[n.start + 1] == '1' ? 300 : 650;
	}
	scene_add(scene, IDENTIFIER_ACCOUNT, n.start, n.end, confidence);
}

/* ---- dotted quad ------------------------------------------------------------------------------------------------- */

static void
quad_find(struct scene *scene, size_t first)
{
	const struct digits *group = &scene->digits[first];
	enum naming naming;
	int confidence;
	size_t end;

	if (first + 4 > scene->digit_count || (group->link == '.' && group->start == group[-1].end + 1))
		return;
	for (size_t i = 0; i < 4; i++) {
		unsigned value = 0;

		if (group[i].count > 3 || group[i].stride != 1 ||
		    (i > 0 && (group[i].link != '.' || group[i].start != group[i - 1].end + 1)))
			return;
		for (size_t k = group[i].start; k < group[i].end; k++)
			value = value * 10 + (unsigned)(scene->text.data[k] - '0');
		if (value > 255 || (group[i].count > 1 && scene->text.data[group[i].start] == '0'))
			return;
	}
	end = group[3].end;
	if (first + 4 < scene->digit_count && group[4].link == '.' && group[4].start == end + 1)
		return;
	naming = naming_of(scene, IDENTIFIER_IP, group->start, end);
	confidence = naming >= NAMING_FAR ? 950 : 750;
	if (naming == NAMING_DECOY || (group->start > 0 && is_latin(scene->text.data[group->start - 1])))
		confidence = 300;
	scene_add(scene, IDENTIFIER_IP, group->start, end, confidence);
}

void
numbers_find(struct scene *scene)
{
	groups_read(scene);
	for (size_t i = 0; i < scene->digit_count && !scene->failed; i++) {
		uint32_t count = scene->digits[i].count;

		bool alone = i + 1 >= scene->digit_count || scene->digits[i + 1].link == 0;

		if (count > 16 ||
		    (alone && count < 9)) /* the shortest identifier in one piece has nine digits */
			continue;
		if (count <= 3)
			quad_find(scene, i);
		if (count == 6 || count == 13 || count == 2)
			thirteen_find(scene, i);
		if (count == 3 || count == 10)
			business_find(scene, i);
		phone_find(scene, i);
		if (count == 4 || count >= 15)
			card_find(scene, i);
		if (count == 2 || count == 12)
			licence_find(scene, i);
		if (count == 11 || count == 1)
			insurance_find(scene, i);
		if (count >= 3 && count <= 14)
			account_find(scene, i);
	}
}
