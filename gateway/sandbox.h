/*
 * sandbox -- what the process cannot do any more: Landlock for files and TCP ports, seccomp for everything else.
 *
 * Two halves, since Landlock binds the calling thread and those it makes later, seccomp all threads at once:
 *	sandbox_begin()  before the first thread (and behind the signer's fork): no_new_privs, no core dumps, Landlock
 *	sandbox_seal()   when all sockets listen and all files of the start are open: seccomp
 *	sandbox_try()    then the forbidden is tried
 * Each layer that the kernel lacks is reported, not passed over: sandbox_complete() decides `--require-confinement`,
 * sandbox_text() is for the lifecycle entry and the log. What stands there was measured: forbidden things were tried.
 *
 * Landlock alone leaks (TCP Fast Open, MPTCP, UDP and raw sockets pass it), so seccomp forbids those by name.
 */
#ifndef HAECHI_GATEWAY_SANDBOX_H
#define HAECHI_GATEWAY_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/base/bytes.h"
#include "schema/base/fault.h"

#define SANDBOX_PATHS 64
#define SANDBOX_PORTS 16

struct sockaddr_storage;

struct sandbox_target {
	uint16_t                       port; /* Landlock holds to it */
	const struct sockaddr_storage *host; /* NULL: any. What attempts.h holds to, beside the port */
};

/* What must still be possible. The system's own libraries, certificates and zones may always be read. */
struct sandbox_plan {
	const char *read[SANDBOX_PATHS]; /* files, or folders and all in them; those that do not exist are passed over */
	size_t      read_count;
	const char *write[SANDBOX_PATHS]; /* also created, removed, renamed, made sockets of */
	size_t      write_count;
	uint16_t    listen[SANDBOX_PORTS]; /* TCP ports bound between the halves; 0 for any free one */
	size_t      listen_count;
	struct sandbox_target connect[SANDBOX_PORTS]; /* by TCP; none: no Internet socket can be made at all */
	size_t                connect_count;
	bool resolve; /* names are looked up in this process (UDP to port 53): engines by https:// */
	bool watched; /* what is refused is told: gateway/attempts.h is open, and watches when all is sealed */
};

struct sandbox_state {
	bool no_new_privileges;
	bool no_dumps;
	int  landlock_abi;  /* 0: the kernel has none */
	bool files, ports, abstract; /* Landlock: files; TCP ports; abstract Unix sockets */
	bool calls;         /* seccomp, all threads */
	int  listener;      /* of a watched plan that lets out: connect() waits for an answer from here; else -1 */
	/* tried; true: it failed, as it should */
	bool tried_file, tried_port, tried_internet, tried_execute;
};

/* -1 only when a layer that the kernel has could not be put on. */
MUST_CHECK int sandbox_begin(const struct sandbox_plan *plan, struct sandbox_state *state, struct fault *why);
MUST_CHECK int sandbox_seal(const struct sandbox_plan *plan, struct sandbox_state *state, struct fault *why);
/* Behind sandbox_seal(), and attempts_watch() where the plan is watched: what is forbidden is tried. */
void sandbox_try(struct sandbox_state *state);
/* Every layer is on and held when tried. The fault names what is missing. */
MUST_CHECK int sandbox_complete(const struct sandbox_plan *plan, const struct sandbox_state *state, struct fault *why);
/* "no_new_privileges=on dumps=off landlock=6(files,ports,abstract) seccomp=on tried=file,port,internet,execute" */
void sandbox_text(const struct sandbox_state *state, struct buffer *out);

#endif
