#include "gateway/watch.h"

#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/keycount.h"
#include "schema/base/log.h"

struct watched {
	bool wrong;
	struct fault why;
};

struct watch {
	pthread_mutex_t lock;
	struct watched keys, hashes;
};

int
watch_open(struct watch **out, struct fault *why)
{
	if ((*out = calloc(1, sizeof **out)) == NULL)
		return fault_memory(why);
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void
watch_close(struct watch *watch)
{
	if (watch == NULL)
		return;
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

static void
found(struct watch *watch, struct watched *watched, const char *what, int result, const struct fault *why)
{
	const bool wrong = result == -1;
	bool changed;

	pthread_mutex_lock(&watch->lock);
	changed = wrong != watched->wrong;
	watched->wrong = wrong;
	if (wrong)
		watched->why = *why;
	pthread_mutex_unlock(&watch->lock);
	if (changed && wrong)
		log_fault(LOG_LEVEL_ERROR, what, "not-as-written", why);
	else if (changed)
		log_info(what, "event=as-written-again");
}

void
watch_look(struct watch *watch, struct gateway *gateway)
{
	struct fault why = {0};

	if (gateway->sealer != NULL)
		found(watch, &watch->keys, "keys",
		      sealer_look(gateway->sealer, &why) == -1 ? -1 : keycount_check(gateway, &why), &why);
	if (gateway->ledger != NULL)
		found(watch, &watch->hashes, "ledger", ledger_look(gateway->ledger, &why), &why);
}

static json_t *
describe(const struct watched *watched)
{
	return watched->wrong ? json_pack("{s:s, s:s}", "ko", watched->why.ko, "en", watched->why.en)
	                      : json_null();
}

json_t *
watch_describe(struct watch *watch)
{
	json_t *result;

	pthread_mutex_lock(&watch->lock);
	result = json_pack("{s:o, s:o}", "keys", describe(&watch->keys), "hashes", describe(&watch->hashes));
	pthread_mutex_unlock(&watch->lock);
	return result;
}
