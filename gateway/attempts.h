/*
 * attempts -- what the process tried and the sandbox refused. Each becomes an entry: lifecycle, "egress-refused" or
 * "call-refused", with where to and how often. The refusing is the kernel's and needs none of this.
 *
 *	connect()    seccomp asks the watching thread first. It looks at the address and lets the kernel go on, where Landlock
 *	             knows the declared ports; an address that is not declared for its port is refused by the thread itself.
 *	the others   SIGSYS: the call did not happen, and its thread goes on with EPERM.
 *
 * Both tell a pipe, and the recording thread writes what comes out of it. Same attempts within a minute are one entry,
 * so that a loop of them cannot fill the log. Whoever rules the process's memory can keep an attempt out of the log, and
 * between the look and the kernel's look exchange the address for another with a declared port; no more than that.
 */
#ifndef HAECHI_GATEWAY_ATTEMPTS_H
#define HAECHI_GATEWAY_ATTEMPTS_H

#include "gateway/sandbox.h"

struct attempts;
struct gateway;

/* Before sandbox_seal() of a plan that is `watched`; one in a process. */
MUST_CHECK int attempts_open(struct attempts **attempts, struct fault *why);
/* At once after it: whoever connects waits for this. `listener`: of the sandbox's state, taken over; -1 none. */
MUST_CHECK int attempts_watch(struct attempts *attempts, int listener, const struct sandbox_plan *plan,
                              struct fault *why);
/* Does the plan let out to this address? Unix sockets are files: always. */
bool attempts_declared(const struct sandbox_plan *plan, const struct sockaddr_storage *address);
/* What was tried before, by the sandbox itself, is forgotten. */
MUST_CHECK int attempts_record(struct attempts *attempts, struct gateway *gateway, struct fault *why);
/* What was seen is recorded; while the ledger is there. NULL is fine. */
void attempts_settle(struct attempts *attempts);
/* Last of all: nothing can connect any more. NULL is fine. */
void attempts_close(struct attempts *attempts);

#endif
