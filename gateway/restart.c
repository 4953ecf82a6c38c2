#include "gateway/restart.h"

#include <string.h>

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
name(json_t *names, const char *member)
{
	(void)json_array_append_new(names, json_string(member));
}

/* Those of `limits` that the door was made with; the others are looked up by each request. */
static bool
same_limits(const struct config_limits *a, const struct config_limits *b)
{
	return a->body == b->body && a->head == b->head && a->line == b->line &&
	       a->connections == b->connections && a->connections_per_address == b->connections_per_address &&
	       a->requests_per_connection == b->requests_per_connection && a->tls_ms == b->tls_ms &&
	       a->head_ms == b->head_ms && a->body_ms == b->body_ms && a->idle_ms == b->idle_ms &&
	       a->send_ms == b->send_ms && a->drain_ms == b->drain_ms;
}

static bool
same_ledger(const struct config_ledger *a, const struct config_ledger *b)
{
	return same(a->cipher, b->cipher) && a->max_unshipped == b->max_unshipped &&
	       a->reserve == b->reserve && a->segment == b->segment;
}

json_t *
restart_list(const struct config *started, const struct config *now, const struct confine *confine)
{
	json_t *const names = json_array();

	if (names == NULL)
		return NULL;
	if (started->loops != now->loops)
		name(names, "loops");
	if (!same_ledger(&started->ledger, &now->ledger))
		name(names, "ledger");
	if (!same_limits(&started->limits, &now->limits))
		name(names, "limits");
	/* The notary begins its work at the start, or never. */
	if (started->witness == NULL && started->timestamp == NULL) {
		if (now->witness != NULL)
			name(names, "witness");
		if (now->timestamp != NULL)
			name(names, "timestamp");
	}
	if (started->require_confinement != now->require_confinement)
		name(names, "require_confinement");
	if (confine != NULL)
		confine_unreached(confine, now, names);
	return names;
}
