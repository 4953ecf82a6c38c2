/*
 * registrar -- the one thread of the gateway that talks to PostgreSQL: reads the registry, runs jobs for others.
 *
 * It looks every two seconds whether use cases, keys or measured reviews changed, builds a new registry and publishes
 * it. While PostgreSQL is away requests go on with the registry there is; only what must be written there (holds,
 * keys, reviews) is refused.
 */
#ifndef HAECHI_GATEWAY_REGISTRAR_H
#define HAECHI_GATEWAY_REGISTRAR_H

#include "audit/database.h"
#include "schema/base/fault.h"

struct gateway;
struct registrar;

/*
 * Work for the thread. `run` gets the connection, or NULL with *why when PostgreSQL is away; it hands over its result
 * itself. The job is the giver's again once `run` was called.
 */
struct registrar_job {
	void (*run)(struct registrar_job *job, struct database *database, const struct fault *why);
	void *owner;
	struct registrar_job *next; /* the registrar's own */
};

/*
 * Read the registry (from PostgreSQL, else from the copy on disk, else it is empty and says so in the log), publish it,
 * start the thread.
 */
MUST_CHECK int registrar_start(struct registrar **out, struct gateway *gateway, struct fault *why);
void registrar_stop(struct registrar *registrar); /* NULL is fine */
/* Any thread. false: it is stopping, or too much waits; `run` is not called. */
bool registrar_give(struct registrar *registrar, struct registrar_job *job);
/*
 * Run `work` on the registrar's thread and wait for it. Any thread but a loop's. PostgreSQL away: FAULT_UNAVAILABLE.
 * `changed`: the registry is read anew before this returns.
 */
MUST_CHECK int registrar_run(struct registrar *registrar,
                             int (*work)(struct database *database, void *owner, struct fault *why),
                             void *owner, bool changed, struct fault *why);
/* Read everything anew and build it with this policy; not yet published. The caller's. Any thread but a loop's. */
struct config;
struct policy;
struct registry;
MUST_CHECK int registrar_rebuild(struct registrar *registrar, struct registry **out,
                                 const struct policy *policy, const struct config *config,
                                 struct fault *why);
/* Does PostgreSQL answer? As of the last look. */
bool registrar_up(struct registrar *registrar);

#endif
