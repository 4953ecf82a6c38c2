/* Identifiers that are not digits alone: electronic mail, passports, vehicles, IPv6. */
#include "policy/detect/identifiers.h"

#include <arpa/inet.h>
#include <string.h>

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

/* ---- electronic mail --------------------------------------------------------------------------------------------- */

static bool
is_local(uint8_t byte)
{
	return is_digit(byte) || is_latin(byte) || (byte != '\0' && strchr("._%+-", byte) != NULL);
}

static void
email_find(struct scene *scene, size_t at)
{
	struct slice text = scene->text;
	size_t start = at, end = at + 1, dot = 0;

	while (start > 0 && at - start < 64 && is_local(text.data[start - 1]))
		start--;
	while (start < at && strchr(".-+", text.data[start]) != NULL)
		start++;
	while (end < text.size && end - at < 254 &&
	       (is_digit(text.data[end]) || is_latin(text.data[end]) || text.data[end] == '-' ||
	        text.data[end] == '.')) {
		if (text.data[end] == '.' && text.data[end - 1] == '.')
			break;
		end++;
	}
	while (end > at + 1 && (text.data[end - 1] == '.' || text.data[end - 1] == '-'))
		end--;
	for (size_t i = at + 1; i < end; i++) {
		if (text.data[i] == '.')
			dot = i;
	}
	if (start == at || dot <= at + 1 || end - dot < 3)
		return;
	for (size_t i = dot + 1; i < end; i++) {
		if (!is_latin(text.data[i]))
			return;
	}
	scene_add(scene, IDENTIFIER_EMAIL, start, end, 950);
}

/* ---- passports --------------------------------------------------------------------------------------------------- */

/* Old: a letter and eight digits. New, since 2021-12-21: letter, three digits, letter, four digits. */
static void
passport_find(struct scene *scene, size_t at)
{
	struct slice text = scene->text;
	size_t end = at + 1, count = 0;
	bool modern = false;
	enum naming naming;
	int confidence;

	if (at > 0 &&
	    (is_latin(text.data[at - 1]) || is_digit(text.data[at - 1]) || text.data[at - 1] == '-'))
		return;
	while (end < text.size && count < 8) {
		if (is_digit(text.data[end])) {
			count++;
		} else if (count == 3 && !modern && is_latin(text.data[end])) {
			modern = true;
		} else if ((text.data[end] == ' ' || text.data[end] == '-') && end + 1 < text.size &&
		           is_digit(text.data[end + 1]) && end < at + 12) {
			/* one blank is forgiven */
		} else {
			break;
		}
		end++;
		if (modern && count == 7)
			break;
	}
	if (count != (modern ? 7u : 8u) ||
	    (end < text.size &&
	     (is_digit(text.data[end]) || is_latin(text.data[end]) || text.data[end] == '-')))
		return;
	naming = naming_of(scene, IDENTIFIER_PASSPORT, at, end);
	confidence = modern ? 850 : 650;
	if (end - at != 9)
		confidence = 300; /* with blanks only behind its name */
	if (!modern && end - at == 9 &&
	    (memcmp(text.data + at + 1, "20", 2) == 0 || memcmp(text.data + at + 1, "19", 2) == 0))
		confidence = 400; /* looks like a date behind a letter */
	if (text.data[at] >= 'a')
		confidence -= 250;
	if (naming >= NAMING_FAR)
		confidence = naming == NAMING_NEAR ? 960 : confidence + 100;
	if (naming == NAMING_DECOY)
		confidence -= 400;
	scene_add(scene, IDENTIFIER_PASSPORT, at, end, confidence);
}

/* ---- vehicles ---------------------------------------------------------------------------------------------------- */

static const char plate_letters[] =
    "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자배하허호육해공국합";

/* `at` is the Hangul syllable between the digits. */
static void
vehicle_find(struct scene *scene, size_t at)
{
	struct slice text = scene->text;
	size_t start = at, end = at + 3, digits = 0;
	char letter[4] = {(char)text.data[at], (char)text.data[at + 1], (char)text.data[at + 2], '\0'};
	bool blank = false, region = false;
	const struct word_hit *province;
	enum naming naming;
	int confidence;

	while (start > 0 && is_digit(text.data[start - 1]) && at - start < 4)
		start--;
	digits = at - start;
	if (digits < 1 || digits > 3 || strstr(plate_letters, letter) == NULL)
		return;
	if (end < text.size && text.data[end] == ' ') {
		blank = true;
		end++;
	}
	for (size_t i = 0; i < 4; i++, end++) {
		if (end >= text.size || !is_digit(text.data[end]))
			return;
	}
	if (end < text.size &&
	    (is_digit(text.data[end]) || is_latin(text.data[end]) || text.data[end] == '-'))
		return;
	if ((province = region_before(scene, start, 1)) != NULL) { /* old plates begin with it */
		region = true;
		start = province->start;
	}
	if (digits == 1 && !region)
		return;
	naming = naming_of(scene, IDENTIFIER_VEHICLE, start, end);
	confidence = region ? 900 : digits == 3 ? blank ? 700 : 800 : blank ? 450 : 650;
	if (blank && !region && strstr("호주조수도구부하서고", letter) != NULL)
		confidence = 350; /* "10호 1234" counts rooms, "3주 2024" weeks */
	if (naming >= NAMING_FAR)
		confidence = naming == NAMING_NEAR ? 950 : confidence + 100;
	if (naming == NAMING_DECOY)
		confidence -= 350;
	scene_add(scene, IDENTIFIER_VEHICLE, start, end, confidence);
}

/* ---- IPv6 -------------------------------------------------------------------------------------------------------- */

static bool
is_hex(uint8_t byte)
{
	return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

/* `at` is the first colon of a token. Gives the end of the token. */
static size_t
ipv6_find(struct scene *scene, size_t at)
{
	struct slice text = scene->text;
	size_t start = at, end = at, colons = 0;
	char token[64];
	unsigned char address[16];
	bool digit = false;

	while (start > 0 && is_hex(text.data[start - 1]) && at - start < 5)
		start--;
	while (end < text.size && (is_hex(text.data[end]) || text.data[end] == ':') && end - start < 50)
		colons += text.data[end++] == ':';
	while (end > at && text.data[end - 1] == ':' && !(end >= 2 && text.data[end - 2] == ':'))
		end--;
	if (colons < 2 || end - start < 3 || end - start >= sizeof token ||
	    (start > 0 && (is_latin(text.data[start - 1]) || is_digit(text.data[start - 1]))) ||
	    (end < text.size && is_latin(text.data[end])))
		return end;
	memcpy(token, text.data + start, end - start);
	token[end - start] = '\0';
	for (size_t i = start; i < end; i++)
		digit |= is_digit(text.data[i]);
	if (digit && inet_pton(AF_INET6, token, address) == 1)
		scene_add(scene, IDENTIFIER_IP, start, end,
		          colons >= 4 || naming_of(scene, IDENTIFIER_IP, start, end) >= NAMING_FAR ? 850
		                                                                                   : 520);
	return end;
}

/* Every place where a mark stands, in order. */
static const uint8_t *
mark_next(struct slice text, size_t from, char mark)
{
	return from < text.size ? memchr(text.data + from, mark, text.size - from) : NULL;
}

void
tokens_find(struct scene *scene)
{
	struct slice text = scene->text;
	const uint8_t *mark;

	for (mark = mark_next(text, 0, '@'); mark != NULL && !scene->failed;
	     mark = mark_next(text, (size_t)(mark - text.data) + 1, '@'))
		email_find(scene, (size_t)(mark - text.data));
	for (mark = mark_next(text, 0, ':'); mark != NULL && !scene->failed;) {
		size_t at = (size_t)(mark - text.data), end = at + 1;

		if (at + 2 < text.size && (is_hex(text.data[at + 1]) || text.data[at + 1] == ':'))
			end = ipv6_find(scene, at);
		mark = mark_next(text, end > at ? end : at + 1, ':');
	}
	/* A passport's letter stands before digits, a plate's syllable behind them. */
	for (size_t i = 0; i < scene->digit_count && !scene->failed; i++) {
		size_t start = scene->digits[i].start, end = scene->digits[i].end;

		if (start > 0 && start + 7 < text.size && text.data[start - 1] != '\0' &&
		    strchr("MSRGDmsrgd", text.data[start - 1]) != NULL)
			passport_find(scene, start - 1);
		if (end + 7 <= text.size && text.data[end] >= 0xEA && text.data[end] <= 0xED)
			vehicle_find(scene, end);
	}
}
