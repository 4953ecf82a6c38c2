/*
 * watch -- files of ours that nobody else may change: the keys of sealed content, the stored hashes of the tree. What is wrong is
 * told once in the log and stands in `haechi status` until it is mended.
 */
#ifndef HAECHI_GATEWAY_WATCH_H
#define HAECHI_GATEWAY_WATCH_H

#include <pthread.h>

#include "schema/base/json.h"

struct gateway;
struct watch;

MUST_CHECK int watch_open(struct watch **out, struct fault *why);
void watch_close(struct watch *watch); /* NULL is fine */
/* Look once; costs a stat() a file that is as it was, and a little reading of hashes. The registrar's thread. */
void watch_look(struct watch *watch, struct gateway *gateway);
/* {"keys":null|{"ko","en"},"hashes":null|{"ko","en"}}. Any thread. The caller's. */
json_t *watch_describe(struct watch *watch);

#endif
