/*
 * control -- the operator's Unix socket: one JSON object a line in, one a line out. Used by `haechi key|review|status|usecase`.
 *
 *	{"op":"key.list"}  ->  {"ok":true,"result":[...]}  |  {"ok":false,"error":{"kind","ko","en"}}
 *
 * The kernel says who is at the other end (SO_PEERCRED): root and whoever runs haechid may do everything, accounts
 * listed under review.reviewers only what begins with "review." and "status". Everybody else is cut off.
 *
 *	status                                                  what runs, with which policy, how much log
 *	reload                                                  as SIGHUP
 *	key.create  agency service usecases[] roles[] expires_ms? certificate?   {"key_id","key"?,"entry"}
 *	key.list                                                [{"key_id","agency","service","usecases","roles","state",...}]
 *	key.revoke  key_id                                      {"key_id","entry"}
 *	export.record manifest kind about                       {"entry"}: the log tells of an export or report
 *	usecase.add document (text of a usecase.schema.json)    {"id","agency","version","verdict","rules",...,"entry"}
 *	usecase.list                                            [{"id","agency","version","verdict","domains",...}]
 *	usecase.retire agency id                                {"id","version","entry"}
 *	audit.shred entry|subject|user+agency|to_ms+from_ms?+agency? reason dry_run?   as gateway/shred.h has it
 *	policy.activate|rollback|shadow|list|export|pull        as gateway/control_bundles.h has it
 *	audit.shred expire: true agency? default_days? reason dry_run?
 *	audit.open  entry reason                                {"entry","part","salt","content","access"}: gateway/opening.h
 *	review.list all?    review.show ticket    review.approve|refuse ticket role? reason    review.edit ... request
 */
#ifndef HAECHI_GATEWAY_CONTROL_H
#define HAECHI_GATEWAY_CONTROL_H

#include <sys/types.h>

#include "schema/base/json.h"

#define CONTROL_LINE_LIMIT ((size_t)8 << 20)

struct control;
struct gateway;

/* Bind the socket (mode 0666: who may is settled by the peer's uid), start the thread. */
MUST_CHECK int control_start(struct control **out, struct gateway *gateway, const char *path,
                             struct fault *why);
void control_stop(struct control *control); /* NULL is fine */

/*
 * One request, for the thread of control.c and for tests: *result is the caller's. `uid` is the peer's.
 */
MUST_CHECK int control_handle(struct gateway *gateway, uid_t uid, const json_t *request, json_t **result,
                              struct fault *why);

/* The other end: ask the daemon at `path`. *result is the caller's; a refusal by the daemon is its fault. */
MUST_CHECK int control_ask(const char *path, const json_t *request, json_t **result, struct fault *why);

#endif
