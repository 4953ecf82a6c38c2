/*
 * gateway -- the parts of a running haechid, and the snapshots that may be exchanged while it runs.
 *
 * Configuration, policy and registry are immutable snapshots: made whole, then published in one step. Loops notice a
 * new generation at their next request (gateway/bench.h).
 */
#ifndef HAECHI_GATEWAY_GATEWAY_H
#define HAECHI_GATEWAY_GATEWAY_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit/audit.h"
#include "gateway/config.h"
#include "gateway/metrics.h"
#include "policy/policy.h"
#include "schema/entry.h"

struct control;
struct confine;     /* gateway/confine.h */
struct bundle_pull; /* gateway/bundle_pull.h */
struct bundles;     /* gateway/bundles.h */
struct ledger;
struct notary;    /* gateway/notary.h */
struct registrar; /* gateway/registrar.h */
struct registry;
struct review;
struct sealer;
struct server;
struct shadow; /* gateway/shadow.h */
struct signer;
struct watch; /* gateway/watch.h */

/* What a request is judged by. Counted; its parts are its own. */
struct snapshots {
	atomic_size_t holders;
	struct config *config;     /* counted by itself */
	struct policy *policy;     /* counted by itself */
	struct registry *registry; /* counted by itself */
	struct shadow *shadow;     /* a candidate policy beside it; NULL: none. Counted by itself */
};

struct gateway {
	const char *config_path;
	const char *state; /* -s on the command line, or NULL */
	char origin[128];  /* of the log */
	char *vkeys;       /* verifier keys of the log, a line each */
	struct signer *signer;
	struct sealer *sealer;
	struct ledger *ledger;
	struct notary *notary; /* NULL: nobody outside confirms this log */
	struct bundles *bundles;
	struct bundle_pull *pull; /* NULL: bundles are not pulled */
	struct registrar *registrar;
	struct watch *watch;
	struct review *review;
	struct control *control;
	struct server *server;
	struct metrics_all metrics;
	int64_t started_ms;      /* wall */
	const char *confinement; /* measured state, for status and the lifecycle entry */
	const struct confine *confine; /* NULL: nothing is confined */
	struct config *begun; /* what the process was started with; held. NULL before the first publication */
	atomic_bool draining;

	pthread_mutex_t lock;             /* guards `current` */
	struct snapshots *current;        /* held once */
	atomic_uint_least64_t generation; /* grows with every publication */
	pthread_mutex_t reload;           /* one reload at a time */
};

MUST_CHECK int gateway_init(struct gateway *gateway, struct fault *why);
void gateway_end(struct gateway *gateway);
/* The snapshots in force, held for the caller. NULL before the first publication. */
struct snapshots *gateway_hold(struct gateway *gateway);
void snapshots_release(struct snapshots *snapshots); /* NULL is fine */
/*
 * Put new snapshots in force; NULL keeps the one there is. Takes over the caller's hold on what it is given, also on
 * failure.
 */
MUST_CHECK int gateway_publish(struct gateway *gateway, struct config *config, struct policy *policy,
                               struct registry *registry, struct fault *why);
/* Put a candidate beside the policy in force, or take it away (NULL). Takes over the caller's hold, also on failure. */
MUST_CHECK int gateway_publish_shadow(struct gateway *gateway, struct shadow *shadow, struct fault *why);
/*
 * SIGHUP: read configuration and policies anew, all or nothing, assess the registry with them, write the policy entry, then publish.
 * What cannot change while running (agency, node, state, listen, ledger) must be as it was. Any thread but a loop's.
 */
MUST_CHECK int gateway_reload(struct gateway *gateway, const char *who, struct fault *why);

/* The head of an entry that no request caused: `who` is the person or program that did. `id` is filled. */
void gateway_entry_head(struct gateway *gateway, struct entry_head *head, enum entry_kind kind,
                        char id[ENTRY_ID_SIZE], const char *agency, const char *who);
/* Write a note entry and wait until it is durable. Any thread but a loop's. */
MUST_CHECK int gateway_note(struct gateway *gateway, enum entry_kind kind, const struct entry_note *note,
                            const char *agency, const char *who, char id[ENTRY_ID_SIZE], struct fault *why);

/* The same of a registered use, kind ENTRY_USECASE: `audit query --usecase` finds it. */
MUST_CHECK int gateway_note_usecase(struct gateway *gateway, const struct entry_note *note,
                                    const struct usecase *usecase, const char *who, char id[ENTRY_ID_SIZE],
                                    struct fault *why);

#endif
