/*
 * masking -- how identifiers of one exchange are masked: by the configured mode of its use case, under the key of its
 * conversation.
 *
 * A conversation is what X-Haechi-Conversation names (within a service and a use case); without that header it is the messages up to
 * and with the first of the user, which OpenAI clients send again with every turn. Nothing is stored: the key is a keyed hash
 * of that, the tokens are keyed hashes of the values, so that the same value has the same token in every turn.
 */
#ifndef HAECHI_GATEWAY_STEPS_MASKING_H
#define HAECHI_GATEWAY_STEPS_MASKING_H

#include "gateway/exchange.h"

/* Is it 1-128 of [A-Za-z0-9._-]? */
bool masking_conversation_good(struct slice id);
/* Make x->redaction, unless it is there or every kind is masked by its title. Before anything is masked in the request. */
MUST_CHECK int masking_open(struct exchange *x, struct fault *why);

#endif
