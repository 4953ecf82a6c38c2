#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/registry.h"
#include "gateway/steps/masking.h"
#include "gateway/steps/steps.h"
#include "schema/base/clock.h"

/* Denied by the gateway itself: the reason's id and the words for the caller. */
static void
deny_early(struct exchange *x, const char *reason)
{
	if (x->early_reason == NULL)
		x->early_reason = reason;
}

/* The use case named in the header, else the key's first. */
static void
take_usecase(struct exchange *x, const struct registered_key *key)
{
	const struct slice wanted = arrival_field(x->arrival, "X-Haechi-Use-Case");
	size_t which = 0;

	if (key->subject.usecase_count == 0)
		return;
	if (wanted.data != NULL)
		while (which < key->subject.usecase_count && !slice_is(wanted, key->subject.usecases[which]))
			which++;
	if (which == key->subject.usecase_count) {
		fault_set(&x->early, FAULT_FORBIDDEN,
		          "이 API 키는 그 용도에 묶여 있지 않습니다 (X-Haechi-Use-Case)",
		          "this API key is not bound to that use case (X-Haechi-Use-Case)");
		deny_early(x, "gateway.unbound-usecase");
		return;
	}
	x->registered = key->bound[which];
	if (x->registered == NULL || x->registered->usecase.retired) {
		x->registered = NULL;
		fault_set(&x->early, FAULT_FORBIDDEN, "용도가 등록되어 있지 않거나 폐지되었습니다: %s",
		          "the use case is not registered or was retired: %s", key->subject.usecases[which]);
		deny_early(x, "gateway.unregistered-usecase");
	}
}

static bool
model_listed(const struct usecase *usecase, const char *model)
{
	for (size_t i = 0; i < usecase->model_count; i++)
		if (strcmp(usecase->models[i], model) == 0)
			return true;
	return usecase->model_count == 0;
}

/* The end user is known to us by a keyed hash only. */
static void
take_person(struct exchange *x)
{
	char *person;

	if (x->request->user[0] == '\0')
		return;
	if ((person = arena_alloc(x->arena, 33)) == NULL)
		return;
	sealer_pseudonym(x->gateway->sealer, x->subject.agency, x->request->user, person);
	x->subject.person = person;
}

enum step_result
identify(struct exchange *x)
{
	const struct registered_key *key;

	key = identity_find(x->view->registry, arrival_field(x->arrival, "Authorization"),
	                    x->arrival->certificate, clock_wall_ms(), &x->early);
	if (key == NULL) {
		x->subject = (struct subject){.agency = "", .service = "", .key_id = "", .person = ""};
		deny_early(x, "gateway.unidentified");
		return GO_ON;
	}
	x->subject = key->subject;
	if (x->request_id_malformed) {
		exchange_request_id_fault(&x->early);
		x->early_param = "X-Request-ID";
		deny_early(x, "gateway.malformed-request");
	}
	if (x->early_reason == NULL && arrival_field(x->arrival, "X-Haechi-Conversation").data != NULL &&
	    !masking_conversation_good(arrival_field(x->arrival, "X-Haechi-Conversation"))) {
		fault_set(&x->early, FAULT_INVALID, "X-Haechi-Conversation은 [A-Za-z0-9._-] 1-128자입니다",
		          "X-Haechi-Conversation is 1-128 of [A-Za-z0-9._-]");
		x->early_param = "X-Haechi-Conversation";
		deny_early(x, "gateway.malformed-request");
	}
	/* A ticket brings its use case and its request, as approved. */
	if (x->ticket != NULL)
		return GO_ON;
	take_usecase(x, key);
	if (x->early_reason != NULL)
		return GO_ON;
	if (openai_read(&x->request, x->kind, x->arrival->body, &x->view->config->openai, x->arena,
	                &x->early_param, &x->early) == -1) {
		if (x->early.kind == FAULT_MEMORY) {
			x->why = x->early;
			return REFUSE;
		}
		deny_early(x, "gateway.malformed-request");
		return GO_ON;
	}
	take_person(x);
	if (x->registered != NULL && !model_listed(&x->registered->usecase, x->request->model)) {
		fault_set(&x->early, FAULT_FORBIDDEN, "이 용도에 등록된 모델이 아닙니다",
		          "the model is not registered for this use case");
		x->early_param = "model";
		deny_early(x, "gateway.unregistered-model");
	}
	return GO_ON;
}
