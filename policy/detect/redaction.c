/* What stands in the place of identifiers, so that a conversation keeps its sense, and how it is undone. */
#include "policy/policy.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS                                                                                              \
	"ABCDEFGHJKLMNPQRSTUVWXYZ" /* no I and O; no digits, which might look like an identifier again */
#define TAG_SIZE      6
#define TAG_LONG      12   /* when two values of a request share the short one */
#define VALUES_MOST   4096 /* of one request */
#define TOKEN_MOST    64   /* bytes of the longest token, brackets included */
#define RESTORE_LIMIT ((size_t)8 << 20)

_Static_assert(REDACTION_KEY == crypto_shorthash_siphash24_KEYBYTES,
               "a key of a conversation is one of SipHash");

struct value {
	struct value *next;
	enum identifier_kind kind;
	uint64_t hash; /* of its significant characters, under the conversation's key */
	char token[TOKEN_MOST];
	size_t token_size, size;
	uint8_t bytes[]; /* as it was first written */
};

struct redaction {
	uint8_t key[REDACTION_KEY];
	enum redaction_mode modes[IDENTIFIER_KINDS];
	struct value *first;
	size_t count;
};

static const char *const modes[] = {
    [REDACTION_TITLE] = "title", [REDACTION_TOKEN] = "token", [REDACTION_LENGTH] = "length"};

const char *
redaction_mode_name(enum redaction_mode mode)
{
	return (unsigned)mode <= REDACTION_LENGTH ? modes[mode] : modes[REDACTION_TITLE];
}

bool
redaction_mode_parse(enum redaction_mode *mode, const char *name)
{
	for (unsigned i = 0; i <= REDACTION_LENGTH; i++)
		if (strcmp(modes[i], name) == 0) {
			*mode = (enum redaction_mode)i;
			return true;
		}
	return false;
}

int
redaction_open(struct redaction **out, const uint8_t key[REDACTION_KEY],
               const enum redaction_mode wanted[IDENTIFIER_KINDS], struct fault *why)
{
	struct redaction *redaction = calloc(1, sizeof *redaction);

	if (redaction == NULL)
		return fault_memory(why);
	memcpy(redaction->key, key, sizeof redaction->key);
	memcpy(redaction->modes, wanted, sizeof redaction->modes);
	*out = redaction;
	return 0;
}

void
redaction_close(struct redaction *redaction)
{
	if (redaction == NULL)
		return;
	while (redaction->first != NULL) {
		struct value *gone = redaction->first;

		redaction->first = gone->next;
		sodium_memzero(gone->bytes, gone->size);
		free(gone);
	}
	sodium_memzero(redaction->key, sizeof redaction->key);
	free(redaction);
}

/*
 * The same number with hyphens, blanks or full-width digits is the same value. Everything but letters and digits is left out,
 * full-width forms are folded, Latin letters are small.
 */
static uint64_t
value_hash(const struct redaction *redaction, enum identifier_kind kind, struct slice text)
{
	uint8_t plain[512], hash[crypto_shorthash_siphash24_BYTES];
	size_t size = 0;
	uint64_t result;

	plain[size++] = (uint8_t)kind;
	for (size_t i = 0; i < text.size && size + 1 < sizeof plain; i++) {
		uint8_t byte = text.data[i];

		if (byte == 0xEF && text.size - i >= 3 &&
		    (text.data[i + 1] == 0xBC || text.data[i + 1] == 0xBD)) { /* U+FF01 to U+FF5E */
			const unsigned code =
			    (unsigned)(text.data[i + 1] - 0xBC) * 64 + (text.data[i + 2] & 0x3F) + 0x20;

			i += 2;
			byte = code < 0x7F ? (uint8_t)code : 0;
		}
		if (byte >= 'A' && byte <= 'Z')
			byte = (uint8_t)(byte + 32);
		if ((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || byte >= 0x80)
			plain[size++] = byte;
	}
	crypto_shorthash_siphash24(hash, plain, size, redaction->key);
	memcpy(&result, hash, sizeof result);
	sodium_memzero(plain, sizeof plain);
	return result;
}

static size_t
token_write(char out[TOKEN_MOST], enum identifier_kind kind, uint64_t hash, unsigned letters)
{
	char tag[TAG_LONG + 1];

	for (unsigned i = 0; i < letters; i++) {
		tag[i] = LETTERS[hash % (sizeof LETTERS - 1)];
		hash /= sizeof LETTERS - 1;
	}
	tag[letters] = '\0';
	return (size_t)snprintf(out, TOKEN_MOST, "[%s-%s]", identifier_title(kind), tag);
}

static const struct value *
by_token(const struct redaction *redaction, struct slice token)
{
	for (const struct value *value = redaction->first; value != NULL; value = value->next)
		if (value->token_size == token.size && memcmp(value->token, token.data, token.size) == 0)
			return value;
	return NULL;
}

/* Write the value's token, and remember what stands behind it. */
static void
token_put(struct redaction *redaction, struct buffer *out, enum identifier_kind kind, struct slice text)
{
	const uint64_t hash = value_hash(redaction, kind, text);
	char token[TOKEN_MOST];
	struct value *value;
	size_t size;

	for (value = redaction->first; value != NULL; value = value->next)
		if (value->kind == kind && value->hash == hash) {
			buffer_append(out, value->token, value->token_size);
			return;
		}
	size = token_write(token, kind, hash, TAG_SIZE);
	if (by_token(redaction, slice_of((const uint8_t *)token, size)) != NULL)
		size = token_write(token, kind, hash, TAG_LONG);
	buffer_append(out, token, size);
	/* Beyond that many values nothing is restored, but everything is masked. */
	if (redaction->count == VALUES_MOST || (value = malloc(sizeof *value + text.size)) == NULL)
		return;
	*value = (struct value){
	    .next = redaction->first, .kind = kind, .hash = hash, .token_size = size, .size = text.size};
	memcpy(value->token, token, size);
	memcpy(value->bytes, text.data, text.size);
	redaction->first = value;
	redaction->count++;
}

/* As many characters and bytes as before; what separates them stays. */
static void
length_put(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.size;) {
		const uint8_t byte = text.data[i];
		size_t size = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;

		if (size > text.size - i)
			size = text.size - i;
		if (size == 1) {
			const bool sign = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
			                  (byte >= 'A' && byte <= 'Z') || byte >= 0x80;

			buffer_byte(out, sign ? '*' : byte);
		} else {
			buffer_string(out, size == 2 ? "\u00B7" : size == 3 ? "\u25CB" : "\U0001F512");
		}
		i += size;
	}
}

void
redaction_put(struct redaction *redaction, struct buffer *out, enum identifier_kind kind, struct slice value)
{
	const enum redaction_mode mode = redaction == NULL ? REDACTION_TITLE : redaction->modes[kind];

	if (mode == REDACTION_TOKEN)
		token_put(redaction, out, kind, value);
	else if (mode == REDACTION_LENGTH)
		length_put(out, value);
	else
		buffer_printf(out, "[%s]", identifier_title(kind));
}

/* ---- the way back -------------------------------------------------------------------------------------------------- */

bool
redaction_restores(const struct redaction *redaction)
{
	return redaction != NULL && redaction->count > 0;
}

/* No byte of a value may end the JSON string it would stand in. */
static bool
plain_in_json(const struct value *value)
{
	for (size_t i = 0; i < value->size; i++)
		if (value->bytes[i] < 0x20 || value->bytes[i] == '"' || value->bytes[i] == '\\')
			return false;
	return true;
}

/* Text from `at` on that may be the beginning of a token which is not whole yet: where it begins; else text.size. */
static size_t
token_begun(struct slice text, size_t at)
{
	size_t open = text.size;

	for (size_t i = at; i < text.size; i++)
		if (text.data[i] == '[')
			open = i;
		else if (text.data[i] == ']')
			open = text.size;
	return text.size - open < TOKEN_MOST ? open : text.size;
}

void
redaction_restore(struct redaction *redaction, struct slice text, bool json, struct buffer *out,
                  uint32_t restored[IDENTIFIER_KINDS])
{
	size_t at = 0;

	for (size_t i = 0; i < text.size; i++) {
		const uint8_t *close;
		const struct value *value;
		size_t size;

		if (text.data[i] != '[' || (close = memchr(text.data + i, ']', text.size - i)) == NULL)
			continue;
		size = (size_t)(close - (text.data + i)) + 1;
		if (size > TOKEN_MOST ||
		    (value = by_token(redaction, slice_of(text.data + i, size))) == NULL ||
		    (json && !plain_in_json(value)))
			continue;
		buffer_append(out, text.data + at, i - at);
		buffer_append(out, value->bytes, value->size);
		restored[value->kind]++;
		i += size - 1;
		at = i + 1;
	}
	if (at < text.size)
		buffer_append(out, text.data + at, text.size - at);
}

int
restorer_write(struct restorer *restorer, struct slice text, bool last, struct buffer *out,
               uint32_t restored[IDENTIFIER_KINDS], struct fault *why)
{
	struct slice all;
	size_t cut;

	buffer_slice(&restorer->held, text);
	if (!buffer_ok(&restorer->held))
		return fault_memory(why);
	all = buffer_view(&restorer->held);
	cut = last ? all.size : token_begun(all, 0);
	redaction_restore(restorer->redaction, slice_of(all.data, cut), restorer->json, out, restored);
	buffer_consume(&restorer->held, cut);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

void
restorer_init(struct restorer *restorer, struct redaction *redaction, bool json)
{
	restorer->redaction = redaction;
	restorer->json = json;
	buffer_init(&restorer->held, RESTORE_LIMIT);
}

void
restorer_end(struct restorer *restorer)
{
	buffer_wipe(&restorer->held);
}
