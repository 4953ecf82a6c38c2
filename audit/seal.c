/*
 * Content sealed so that it can be forgotten. A blob:
 *
 *	"HSB2" cipher u8, root[8], nonce, AEAD(salt[32] || content), tag; bound to entry and part
 *	"HSB1" nonce[12], ARIA-256-GCM(salt[32] || content), tag          of an earlier version, keys of every agency
 *
 * Its key is derived from the entry's leaf in the key tree of its agency and month (audit/keyfolder.h): forgetting the leaf, or
 * destroying the month, makes it unreadable, and with it the salt, without which a guess at the content cannot be tested.
 */
#define OPENSSL_API_COMPAT 10101

#include "audit/audit.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/keyfolder.h"

#define MAGIC        "HSB2"
#define MAGIC_1      "HSB1"
#define MAGIC_SIZE   (sizeof MAGIC - 1)
#define HEAD_SIZE    (MAGIC_SIZE + 1 + PERIOD_ROOT)
#define CONTENT_MOST (16u * 1024 * 1024 - 4096) /* what a journal takes, sealed */
#define BOUND_MOST   160u

struct sealer {
	struct keyfolder *folder;
};

int
sealer_open(struct sealer **out, const char *directory, const char *cipher, struct fault *why)
{
	struct sealer *sealer = calloc(1, sizeof *sealer);
	enum aead known;

	*out = NULL;
	if (sealer == NULL)
		return fault_memory(why);
	if (!aead_named(&known, cipher)) {
		free(sealer);
		return fault_set(why, FAULT_INVALID,
		                 "내용을 봉인하는 암호는 aria-256-gcm 이나 xchacha20-poly1305 입니다: %s",
		                 "content is sealed by aria-256-gcm or xchacha20-poly1305: %s", cipher);
	}
	if (keyfolder_open(&sealer->folder, directory, known, why) == -1) {
		free(sealer);
		return -1;
	}
	*out = sealer;
	return 0;
}

void
sealer_close(struct sealer *sealer)
{
	if (sealer == NULL)
		return;
	keyfolder_close(sealer->folder);
	free(sealer);
}

/* ---- where an entry's key is --------------------------------------------------------------------------- */

static bool
hex_value(const char *text, size_t digits, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < digits; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

/*
 * The month of a UUIDv7, since January 1970, `offset_ms` east of Greenwich. A month is what people in Korea call it; that of keys of
 * an earlier version is one in UTC.
 */
static bool
month_of(const char *id, int64_t offset_ms, uint32_t *month)
{
	uint64_t high, low;
	int64_t days, era, year;
	unsigned day_of_era, year_of_era, day_of_year, shifted;

	if (strlen(id) != ENTRY_ID_SIZE - 1 || id[8] != '-' || id[14] != '7' || !hex_value(id, 8, &high) ||
	    !hex_value(id + 9, 4, &low))
		return false;
	/* Days to years and months as in the proleptic Gregorian calendar, years beginning in March. */
	days = ((int64_t)(high << 16 | low) + offset_ms) / 86400000 + 719468;
	era = days / 146097;
	day_of_era = (unsigned)(days % 146097);
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
	year = era * 400 + (int64_t)year_of_era + (shifted >= 10 ? 1 : 0);
	*month = (uint32_t)((year - 1970) * 12 + (shifted >= 10 ? shifted - 10 : shifted + 2));
	return true;
}

static int
not_id(struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "항목 id가 UUIDv7이 아닙니다", "the entry's id is not a UUIDv7");
}

static uint64_t
path_of(const char *id)
{
	uint8_t digest[32];
	uint64_t path = 0;
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, "haechi content", 15);
	SHA256_Update(&sha, id, strlen(id));
	SHA256_Final(digest, &sha);
	for (unsigned i = 0; i < 8; i++)
		path = path << 8 | digest[i];
	return path;
}

static int
place_of(struct keyfolder_place *place, const char *agency, const char *id, struct fault *why)
{
	place->agency = agency == NULL ? "" : agency;
	place->path = path_of(id);
	if (!month_of(id, KEYFOLDER_OFFSET_MS, &place->month) || !month_of(id, 0, &place->month_every))
		return not_id(why);
	if (strcmp(place->agency, PERIOD_EVERY) == 0)
		place->month = place->month_every;
	return 0;
}

/* A leaf is of an entry; each of its parts has a key of its own. In place. */
static void
part_key(uint8_t key[KEYTREE_KEY], const char *part)
{
	static const uint8_t side = 2; /* neither left nor right */
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, &side, 1);
	SHA256_Update(&sha, key, KEYTREE_KEY);
	SHA256_Update(&sha, part, strlen(part));
	SHA256_Final(key, &sha);
	sodium_memzero(&sha, sizeof sha);
}

/* What is authenticated beside the content: the blob's head, entry and part, each with a zero behind it. */
static bool
bind(uint8_t out[BOUND_MOST], struct slice *bound, struct slice head, const char *id, const char *part)
{
	const size_t id_size = strlen(id) + 1, part_size = strlen(part) + 1;

	if (head.size + 1 + id_size + part_size > BOUND_MOST)
		return false;
	memcpy(out, head.data, head.size);
	out[head.size] = 0;
	memcpy(out + head.size + 1, id, id_size);
	memcpy(out + head.size + 1 + id_size, part, part_size);
	*bound = slice_of(out, head.size + 1 + id_size + part_size);
	return true;
}

/* ---- content ------------------------------------------------------------------------------------------- */

static void
commit(char hex[65], struct slice salt, struct slice content)
{
	uint8_t digest[32];
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, salt.data, salt.size);
	if (content.size != 0)
		SHA256_Update(&sha, content.data, content.size);
	SHA256_Final(digest, &sha);
	hex_encode(hex, digest, sizeof digest);
}

int
sealer_seal(struct sealer *sealer, const char *agency, const char *id, const char *part, struct slice content,
            struct buffer *blob, struct commitment *commitment, struct fault *why)
{
	static const uint8_t room[AEAD_NONCE_MOST + SEALER_SALT];
	const enum aead cipher = keyfolder_cipher(sealer->folder);
	const size_t begin = blob->size, nonce = aead_nonce(cipher);
	uint8_t *salt, bytes[BOUND_MOST];
	struct keyfolder_place place;
	struct keyfolder_leaf leaf;
	struct slice bound;
	int result = -1;

	memset(commitment, 0, sizeof *commitment);
	if (content.size > CONTENT_MOST)
		return fault_set(why, FAULT_TOO_LARGE, "봉인할 내용이 %u바이트를 넘습니다",
		                 "content to seal is over %u bytes", CONTENT_MOST);
	if (place_of(&place, agency, id, why) == -1 ||
	    keyfolder_leaf(sealer->folder, &place, true, &leaf, why) == -1)
		return -1;
	part_key(leaf.key, part);
	buffer_string(blob, MAGIC);
	buffer_byte(blob, (uint8_t)cipher);
	buffer_append(blob, leaf.root, sizeof leaf.root);
	buffer_append(blob, room, nonce + SEALER_SALT);
	buffer_slice(blob, content);
	buffer_append(blob, room, AEAD_TAG);
	if (!buffer_ok(blob) || !bind(bytes, &bound, slice_of(blob->data + begin, HEAD_SIZE), id, part)) {
		fault_memory(why);
		goto out;
	}
	salt = blob->data + begin + HEAD_SIZE + nonce;
	randombytes_buf(salt, SEALER_SALT);
	commitment->present = true;
	commitment->bytes = (int64_t)content.size;
	commit(commitment->hex, slice_of(salt, SEALER_SALT), content);
	if (!aead_seal(cipher, leaf.key, bound, blob->data + begin + HEAD_SIZE, SEALER_SALT + content.size)) {
		/* the content must not stand there as it is */
		sodium_memzero(blob->data + begin, blob->size - begin);
		fault_set(why, FAULT_INTERNAL, "내용을 봉인하지 못했습니다", "the content cannot be sealed");
		goto out;
	}
	result = 0;
out:
	sodium_memzero(&leaf, sizeof leaf);
	return result;
}

static int
destroyed(struct fault *why)
{
	return fault_set(why, FAULT_NOT_FOUND, "이 내용의 키는 파기되었습니다",
	                 "the key of this content was destroyed");
}

/* The key of a blob, by the head it has; *head_size: what is before the nonce. */
static int
blob_leaf(struct sealer *sealer, struct slice blob, const char *agency, const char *id, enum aead *cipher,
          size_t *head_size, struct keyfolder_leaf *leaf, struct fault *why)
{
	const bool first = blob.size > MAGIC_SIZE && memcmp(blob.data, MAGIC_1, MAGIC_SIZE) == 0;
	struct keyfolder_place place;
	struct fault told = {0};

	*cipher = AEAD_NONE;
	if (first)
		*cipher = AEAD_ARIA_256_GCM;
	else if (blob.size > HEAD_SIZE && memcmp(blob.data, MAGIC, MAGIC_SIZE) == 0)
		*cipher = (enum aead)blob.data[MAGIC_SIZE];
	*head_size = first ? MAGIC_SIZE : HEAD_SIZE;
	if (aead_nonce(*cipher) == 0 || blob.size < *head_size + aead_extra(*cipher) + SEALER_SALT ||
	    blob.size > *head_size + aead_extra(*cipher) + SEALER_SALT + CONTENT_MOST)
		return fault_set(why, FAULT_INVALID, "봉인된 내용의 형식이 아닙니다",
		                 "this is no sealed content");
	if (place_of(&place, first ? PERIOD_EVERY : agency, id, why) == -1)
		return -1;
	if (keyfolder_leaf(sealer->folder, &place, false, leaf, &told) == 0)
		return first || memcmp(leaf->root, blob.data + MAGIC_SIZE + 1, PERIOD_ROOT) == 0
		           ? 0
		           : fault_set(why, FAULT_TAMPERED,
		                       "이 내용은 이 기관의 이 달 키로 봉인된 것이 아닙니다",
		                       "this content was not sealed under the keys of this agency and month");
	if (told.kind == FAULT_CONFLICT || told.kind == FAULT_NOT_FOUND)
		return destroyed(why);
	if (why != NULL)
		*why = told;
	return -1;
}

int
sealer_open_content(struct sealer *sealer, const char *agency, const char *id, const char *part,
                    struct slice blob, const char *expected, struct buffer *content, uint8_t *salt,
                    struct fault *why)
{
	struct keyfolder_leaf leaf = {0};
	struct slice bound, text;
	uint8_t *plain = NULL, bytes[BOUND_MOST];
	size_t head, size = 0;
	enum aead cipher;
	char hex[65];
	int result = -1;

	if (blob_leaf(sealer, blob, agency, id, &cipher, &head, &leaf, why) == -1)
		goto out;
	part_key(leaf.key, part);
	size = blob.size - head;
	if ((plain = malloc(size)) == NULL || !bind(bytes, &bound, slice_of(blob.data, head), id, part)) {
		fault_memory(why);
		goto out;
	}
	memcpy(plain, blob.data + head, size);
	if (!aead_open(cipher, leaf.key, bound, plain, size - aead_extra(cipher))) {
		fault_set(why, FAULT_TAMPERED, "봉인된 내용이 바뀌었거나 이 항목의 것이 아닙니다",
		          "the sealed content was changed, or is not of this entry");
		goto out;
	}
	text = slice_of(plain + aead_nonce(cipher) + SEALER_SALT, size - aead_extra(cipher) - SEALER_SALT);
	commit(hex, slice_of(text.data - SEALER_SALT, SEALER_SALT), text);
	if (expected != NULL && strcmp(hex, expected) != 0) {
		fault_set(why, FAULT_TAMPERED, "내용이 항목의 약속값과 다릅니다",
		          "the content does not fit the entry's commitment");
		goto out;
	}
	if (salt != NULL)
		memcpy(salt, text.data - SEALER_SALT, SEALER_SALT);
	buffer_slice(content, text);
	result = buffer_ok(content) ? 0 : fault_memory(why);
out:
	if (plain != NULL)
		sodium_memzero(plain, size);
	free(plain);
	sodium_memzero(&leaf, sizeof leaf);
	return result;
}

/* ---- forgetting ---------------------------------------------------------------------------------------- */

int
sealer_remembers(struct sealer *sealer, const char *agency, const char *id, bool *there, struct fault *why)
{
	const char *const agencies[] = {agency, PERIOD_EVERY};
	struct keyfolder_place place;
	struct keyfolder_leaf leaf;

	*there = false;
	for (size_t i = 0; i < 2 && !*there; i++) {
		struct fault told = {0};

		if (place_of(&place, agencies[i], id, why) == -1)
			return -1;
		*there = keyfolder_leaf(sealer->folder, &place, false, &leaf, &told) == 0;
		sodium_memzero(&leaf, sizeof leaf);
		if (!*there && told.kind != FAULT_NOT_FOUND && told.kind != FAULT_CONFLICT) {
			if (why != NULL)
				*why = told;
			return -1;
		}
	}
	return 0;
}

int
sealer_forget(struct sealer *sealer, const struct sealed *items, size_t count, struct fault *why)
{
	struct keyfolder_place *places = calloc(count + 1, sizeof *places);
	int result = 0;

	if (places == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < count && result == 0; i++)
		result = place_of(&places[i], items[i].agency, items[i].id, why);
	if (result == 0)
		result = keyfolder_forget(sealer->folder, places, count, why);
	free(places);
	return result;
}

int
sealer_destroy(struct sealer *sealer, const char *agency, uint32_t month, struct fault *why)
{
	return keyfolder_destroy(sealer->folder, agency, month, why);
}

int
sealer_periods(struct sealer *sealer, struct keyfolder_period **periods, size_t *count, struct fault *why)
{
	return keyfolder_list(sealer->folder, periods, count, why);
}

int
sealer_count(struct sealer *sealer, uint64_t *count, bool more, struct fault *why)
{
	return keyfolder_count(sealer->folder, count, more, why);
}

int
sealer_look(struct sealer *sealer, struct fault *why)
{
	return keyfolder_look(sealer->folder, why);
}

void
sealer_pseudonym(struct sealer *sealer, const char *agency, const char *user, char out[33])
{
	crypto_auth_hmacsha256_state state;
	uint8_t digest[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(&state, keyfolder_pseudonym(sealer->folder), KEYTREE_KEY);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)agency, strlen(agency) + 1);
	crypto_auth_hmacsha256_update(&state, (const uint8_t *)user, strlen(user));
	crypto_auth_hmacsha256_final(&state, digest);
	hex_encode(out, digest, 16);
	sodium_memzero(&state, sizeof state);
}
