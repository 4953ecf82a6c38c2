/*
 * Postal addresses: province, city or district, then road and building number, or village and lot number.
 *
 * A province found by its name starts a candidate; without one, a district and a road together do.
 */
#include "policy/detect/blocks.h"
#include "policy/detect/identifiers.h"

#include <string.h>

#define PART_LIMIT 60 /* bytes of one part: twenty syllables */

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* The next part of an address at `at`: Hangul and digits up to a blank or a mark. 0: none. */
static size_t
part_end(struct slice text, size_t at)
{
	size_t end = at;

	while (end < text.size && end - at < PART_LIMIT) {
		uint8_t byte = text.data[end];

		if (is_digit(byte) || byte == '-' || byte == '.')
			end++;
		else if (byte >= 0xEA && byte <= 0xED && end + 3 <= text.size)
			end += 3;
		else
			break;
	}
	return end;
}

/* Does [start, end) end with one of these syllables, something before it? */
static bool
ends_with_any(struct slice text, size_t start, size_t end, const char *syllables)
{
	if (end - start <= 3)
		return false;
	for (; *syllables != '\0'; syllables += 3) {
		if (memcmp(text.data + end - 3, syllables, 3) == 0)
			return true;
	}
	return false;
}

static size_t
blanks(struct slice text, size_t at)
{
	size_t end = at;

	while (end < text.size && (text.data[end] == ' ' || text.data[end] == ',') && end - at < 3)
		end++;
	return end;
}

/* "123", "123-4", "산12-3", with 번지, 번길, 호 behind. 0: no number here. */
static size_t
number_end(struct slice text, size_t at)
{
	static const char *const behind[] = {"번길", "번지", "번", "호", NULL};
	size_t end = at;

	if (text.size - end >= 3 && memcmp(text.data + end, "산", 3) == 0)
		end += 3;
	if (end < text.size && text.data[end] == ' ')
		end++;
	if (end >= text.size || !is_digit(text.data[end]))
		return 0;
	while (end < text.size && is_digit(text.data[end]))
		end++;
	if (end + 1 < text.size && text.data[end] == '-' && is_digit(text.data[end + 1])) {
		for (end++; end < text.size && is_digit(text.data[end]);)
			end++;
	}
	for (size_t i = 0; behind[i] != NULL; i++) {
		size_t size = strlen(behind[i]);

		if (text.size - end >= size && memcmp(text.data + end, behind[i], size) == 0) {
			size_t more = end + size;

			if (i == 0) /* "123번길 45": the building's number is still to come */
				return number_end(text, blanks(text, more)) != 0
				           ? number_end(text, blanks(text, more))
				           : more;
			return more;
		}
	}
	return end;
}

/* "101동 1203호", "3층" behind an address belong to it. */
static size_t
detail_end(struct slice text, size_t at)
{
	static const char *const units[] = {"동", "호", "층", NULL};
	size_t end = at;

	for (size_t round = 0; round < 3; round++) {
		size_t next = blanks(text, end), stop;

		for (stop = next; stop < text.size && is_digit(text.data[stop]) && stop - next < 5;)
			stop++;
		if (stop == next || text.size - stop < 3)
			return end;
		for (size_t i = 0;; i++) {
			if (units[i] == NULL)
				return end;
			if (memcmp(text.data + stop, units[i], 3) == 0)
				break;
		}
		end = stop + 3;
	}
	return end;
}

/* Parts of an address from `at` on. `province`: a province's name ends here. */
static void
address_from(struct scene *scene, size_t start, size_t at, bool province)
{
	static const char cities[] = "시군구", roads[] = "로길", villages[] = "동리읍면가";
	struct slice text = scene->text;
	bool city = false, village = false;
	int confidence;

	for (size_t parts = 0; parts < 6; parts++) {
		size_t head = blanks(text, at), end = part_end(text, head), stop;

		if (end == head)
			return;
		/* "테헤란로123" and "테헤란로 123": the number may cling to the road. */
		for (stop = head; stop < end && !is_digit(text.data[stop]);)
			stop++;
		if (stop > head && ends_with_any(text, head, stop, roads) && (city || province)) {
			size_t number = number_end(text, stop < end ? stop : blanks(text, end));

			if (number != 0) {
				confidence = province && city ? 900 : province ? 750 : 700;
				scene_add(scene, IDENTIFIER_ADDRESS, start, detail_end(text, number),
				          confidence);
				return;
			}
		}
		if (stop == end && ends_with_any(text, head, end, villages) && (city || province)) {
			size_t number = number_end(text, blanks(text, end));

			village = true;
			if (number != 0) {
				confidence = province && city ? 850 : city ? 650 : 600;
				scene_add(scene, IDENTIFIER_ADDRESS, start, detail_end(text, number),
				          confidence);
				return;
			}
		}
		if (stop == end && ends_with_any(text, head, end, cities)) {
			city = true;
		} else if (!village || stop != end) {
			if (!(stop == end && ends_with_any(text, head, end, villages)) &&
			    !ends_with_any(text, head, stop, roads))
				return;
		}
		at = end;
	}
}

/* "강남구 테헤란로 123" without a province: the blank behind the district. */
static void
district_find(struct scene *scene, size_t blank)
{
	const uint8_t *end = scene->text.data + blank;
	size_t at = blank - 3, start = at;

	if (*end != ' ' ||
	    (memcmp(end - 3, "구", 3) != 0 && memcmp(end - 3, "군", 3) != 0 && memcmp(end - 3, "시", 3) != 0))
		return;
	while (start >= 3 && at - start < 12 && scene->text.data[start - 3] >= 0xEA &&
	       scene->text.data[start - 3] <= 0xED)
		start -= 3;
	if (at - start >= 3)
		address_from(scene, start, start, false);
}

void
addresses_find(struct scene *scene)
{
	struct slice text = scene->text;
	size_t at = 6;

	for (size_t i = 0; i < scene->hit_count && !scene->failed; i++) {
		const struct word_hit *hit = &scene->hits[i];

		if (hit->word->class == WORD_REGION && hit->end < text.size && text.data[hit->end] == ' ')
			address_from(scene, hit->start, hit->end, true);
	}
	/* "강남구 ", "양평군 ", "수원시 ": a blank behind their last bytes is rare. */
	for (; at + BLOCK <= text.size && !scene->failed; at += BLOCK) {
		const uint8_t *last = text.data + at - 1;
		uint64_t blanks =
		    block_equal(text.data + at, ' ') &
		    (block_equal(last, 0xAC) | block_equal(last, 0xB0) | block_equal(last, 0x9C));

		for (; blanks != 0; blanks &= blanks - 1)
			district_find(scene, at + (unsigned)__builtin_ctzll(blanks));
	}
	for (; at < text.size && !scene->failed; at++)
		district_find(scene, at);
}
