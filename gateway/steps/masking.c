#include "gateway/steps/masking.h"

#include <sodium.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/registry.h"

#define OPENING_MOST ((size_t)32 << 20)

bool
masking_conversation_good(struct slice id)
{
	if (id.size == 0 || id.size > 128)
		return false;
	for (size_t i = 0; i < id.size; i++)
		if (!((id.data[i] >= '0' && id.data[i] <= '9') || (id.data[i] >= 'a' && id.data[i] <= 'z') ||
		      (id.data[i] >= 'A' && id.data[i] <= 'Z') || id.data[i] == '.' || id.data[i] == '_' ||
		      id.data[i] == '-'))
			return false;
	return true;
}

/* The messages up to and with the first of the user; what else is asked counts whole. */
static int
put_opening(struct buffer *out, const struct exchange *x, struct fault *why)
{
	const json_t *messages = json_object_get(x->request->document, "messages"), *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		const char *const role = json_get_string(message, "role");

		json_write(out, message);
		if (role != NULL && strcmp(role, "user") == 0)
			break;
	}
	for (i = 0; messages == NULL && i < x->request->text_count; i++)
		buffer_slice(out, x->request->texts[i].text);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static int
conversation_key(const struct exchange *x, uint8_t key[REDACTION_KEY], struct fault *why)
{
	const struct slice named = arrival_field(x->arrival, "X-Haechi-Conversation");
	uint8_t hash[crypto_hash_sha256_BYTES];
	char of[2 * sizeof hash + 1], hex[33], where[256];
	struct buffer what;
	int result = -1;

	buffer_init(&what, OPENING_MOST);
	buffer_printf(&what, "%s\n%s\n", x->subject.service, named.size > 0 ? "named" : x->subject.person);
	if (named.size > 0)
		buffer_slice(&what, named);
	else if (put_opening(&what, x, why) == -1)
		goto out;
	if (!buffer_ok(&what)) {
		fault_memory(why);
		goto out;
	}
	crypto_hash_sha256(hash, what.data, what.size);
	hex_encode(of, hash, sizeof hash);
	snprintf(where, sizeof where, "conversation/%s/%s", x->subject.agency,
	         x->registered == NULL ? "" : x->registered->usecase.id);
	sealer_pseudonym(x->gateway->sealer, where, of, hex);
	if (!hex_decode(key, REDACTION_KEY, slice_string(hex)))
		fault_set(why, FAULT_INTERNAL, "대화의 열쇠를 만들 수 없습니다",
		          "no key for the conversation");
	else
		result = 0;
	sodium_memzero(hex, sizeof hex);
out:
	buffer_wipe(&what);
	return result;
}

int
masking_open(struct exchange *x, struct fault *why)
{
	const enum redaction_mode *modes =
	    config_redaction_modes(x->view->config, x->registered == NULL ? "" : x->registered->usecase.id);
	uint8_t key[REDACTION_KEY];
	bool any = false;
	int result;

	for (unsigned kind = 0; kind < IDENTIFIER_KINDS; kind++)
		any |= modes[kind] != REDACTION_TITLE;
	if (!any || x->redaction != NULL)
		return 0;
	if (conversation_key(x, key, why) == -1)
		return -1;
	result = redaction_open(&x->redaction, key, modes, why);
	sodium_memzero(key, sizeof key);
	return result;
}
