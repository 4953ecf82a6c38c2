/*
 * accesslog -- reads are entries too: carries the rows of haechi.access (who read what, from where, when, why: PIPA 29) into the log.
 *
 * The reading command has written its row before it gave anything out; here it becomes evidence that the database's owner cannot
 * take back. One thread, looking every two seconds; while PostgreSQL is away nothing can be read there either.
 */
#ifndef HAECHI_GATEWAY_ACCESSLOG_H
#define HAECHI_GATEWAY_ACCESSLOG_H

#include "schema/base/fault.h"

struct accesslog;
struct gateway;

/* After the registrar, before anybody is served. */
MUST_CHECK int accesslog_start(struct accesslog **out, struct gateway *gateway, struct fault *why);
void accesslog_stop(struct accesslog *accesslog); /* NULL is fine */

#endif
