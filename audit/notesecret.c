#include "audit/notesecret.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "audit/keys.h"

#define HEADING    "PRIVATE+KEY+"
#define KEY_LIMIT  1024
#define SEED_BYTES crypto_sign_SEEDBYTES

static int
bad_file(struct fault *why, const char *path)
{
	return fault_set(why, FAULT_INVALID,
	                 "키 파일 %s을(를) 읽을 수 없습니다 (다른 이름이나 종류의 키이거나 손상됨)",
	                 "the key file %s cannot be read (damaged, or of another name or kind)", path);
}

static bool
word_take(struct slice *rest, char separator, struct slice *word)
{
	const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);

	if (at == NULL)
		return false;
	*word = slice_of(rest->data, (size_t)(at - rest->data));
	*rest = slice_of(at + 1, rest->size - word->size - 1);
	return true;
}

/* `rest` begins behind the heading. */
static int
line_read(struct note_secret *out, struct slice rest, const char *name, uint8_t type, uint8_t *seed,
          const char *path, struct fault *why)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], id[4];
	char own_name[NOTE_NAME_SIZE];
	struct slice word, id_text;
	size_t size = 0;

	if (!word_take(&rest, '+', &word) || word.size >= sizeof own_name ||
	    (name != NULL && !slice_is(word, name)) || !word_take(&rest, '+', &id_text) ||
	    !hex_decode(id, sizeof id, id_text) || rest.size != 44 || !base64_decode(seed, &size, rest) ||
	    size != 1 + SEED_BYTES || seed[0] != type)
		return bad_file(why, path);
	memcpy(own_name, word.data, word.size);
	own_name[word.size] = '\0';
	crypto_sign_seed_keypair(public_key, out->secret, seed + 1);
	if (note_key_make(&out->public_key, own_name, type, slice_of(public_key, sizeof public_key), why) ==
	    -1)
		return fault_prefix(why, "%s", "%s", path);
	if (out->public_key.id !=
	    ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]))
		return bad_file(why, path);
	return 0;
}

int
note_secret_load(struct note_secret *out, const char *path, const char *name, uint8_t type, struct fault *why)
{
	static const size_t heading = sizeof HEADING - 1;
	uint8_t *text = NULL, *seed = NULL;
	struct slice line;
	size_t size;
	int result = -1;

	memset(out, 0, sizeof *out);
	if (secret_read(&text, &size, path, KEY_LIMIT, why) == -1)
		return -1;
	line = slice_of(text, size);
	if (line.size != 0 && line.data[line.size - 1] == '\n')
		line.size--;
	seed = sodium_malloc(48);
	out->secret = sodium_malloc(crypto_sign_SECRETKEYBYTES);
	if (seed == NULL || out->secret == NULL)
		fault_memory(why);
	else if (line.size <= heading || memcmp(line.data, HEADING, heading) != 0)
		bad_file(why, path);
	else
		result = line_read(out, slice_of(line.data + heading, line.size - heading), name, type, seed,
		                   path, why);
	sodium_free(seed);
	sodium_free(text);
	if (result == -1)
		note_secret_release(out);
	return result;
}

int
note_secret_make(const char *path, const char *name, uint8_t type, struct note_key *public_key,
                 struct fault *why)
{
	uint8_t public_bytes[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	uint8_t bytes[1 + SEED_BYTES];
	char encoded[BASE64_SIZE(sizeof bytes)];
	struct note_key key;
	struct buffer line;
	int result = -1;

	crypto_sign_keypair(public_bytes, secret);
	bytes[0] = type;
	crypto_sign_ed25519_sk_to_seed(bytes + 1, secret);
	base64_encode(encoded, bytes, sizeof bytes);
	buffer_init(&line, KEY_LIMIT);
	if (note_key_make(&key, name, type, slice_of(public_bytes, sizeof public_bytes), why) == 0) {
		buffer_printf(&line, HEADING "%s+%08" PRIx32 "+%s\n", name, key.id, encoded);
		result =
		    buffer_ok(&line) ? file_replace(path, buffer_view(&line), 0600, why) : fault_memory(why);
		if (public_key != NULL)
			*public_key = key;
	}
	buffer_wipe(&line);
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(bytes, sizeof bytes);
	sodium_memzero(encoded, sizeof encoded);
	return result;
}

void
note_secret_release(struct note_secret *secret)
{
	sodium_free(secret->secret);
	memset(secret, 0, sizeof *secret);
}

int
note_secret_sign(const struct note_secret *secret, struct slice text, uint64_t time, struct buffer *out,
                 struct fault *why)
{
	const bool timed = secret->public_key.type == NOTE_COSIGNATURE;
	uint8_t signature[8 + crypto_sign_BYTES];
	const size_t skipped = timed ? 0 : 8;
	struct buffer message;
	int result = -1;

	buffer_init(&message, text.size + 64);
	for (unsigned i = 0; i < 8; i++)
		signature[i] = (uint8_t)(time >> (56 - 8 * i));
	if (timed)
		note_cosigned_text(&message, time, text);
	else
		buffer_slice(&message, text);
	if (!buffer_ok(&message)) {
		fault_memory(why);
	} else if (crypto_sign_detached(signature + 8, NULL, message.data, message.size, secret->secret) !=
	           0) {
		fault_set(why, FAULT_INTERNAL, "노트에 서명하지 못했습니다", "the note could not be signed");
	} else {
		note_line_write(out, &secret->public_key,
		                slice_of(signature + skipped, sizeof signature - skipped));
		result = buffer_ok(out) ? 0 : fault_memory(why);
	}
	buffer_free(&message);
	return result;
}
