/*
 * bundle_pull -- asking for a newer policy bundle, now and then: If-None-Match with the ETag of the last answer, so that nothing
 * travels while nothing changed. What comes is handed to bundles_activate() like any other; nothing that comes is trusted.
 *
 * A thread of its own, which sleeps. Where a network is closed there is no `pull`, and bundles are carried in by hand.
 */
#ifndef HAECHI_GATEWAY_BUNDLE_PULL_H
#define HAECHI_GATEWAY_BUNDLE_PULL_H

#include "schema/base/fault.h"
#include "schema/base/json.h"

struct gateway;
struct bundle_pull;

enum pull_kind { PULL_NONE = 0, PULL_FILE, PULL_HTTP };

struct pull_address {
	enum pull_kind kind;
	char url[1024]; /* of PULL_HTTP */
	char path[512]; /* the file; the Unix socket of PULL_HTTP, or "" */
	bool resolve;   /* a name is looked up */
	uint16_t port;  /* of TCP; 0: none */
};

/* "https://host[:port]/path", "http://127.0.0.1:port/path" (loopback only), "unix:SOCKET:/path", "file:PATH". */
MUST_CHECK int pull_address_parse(struct pull_address *out, const char *text, struct fault *why);

/* Reads the configuration at every look: a reload may change where and how often. */
MUST_CHECK int bundle_pull_start(struct bundle_pull **out, struct gateway *gateway, struct fault *why);
void bundle_pull_stop(struct bundle_pull *pull); /* NULL is fine */
/* Look now, and wait for what came of it: {"outcome":"unchanged"|"activated", ...}. Any thread but a loop's. */
MUST_CHECK int bundle_pull_now(struct bundle_pull *pull, const char *by, json_t **result, struct fault *why);
/* {"from","etag","looked_at","outcome","error"?}; NULL: not configured, or no memory. */
json_t *bundle_pull_describe(struct bundle_pull *pull);

struct pull_counts {
	uint64_t looks, unchanged, activated, failed;
};
void bundle_pull_counts(struct bundle_pull *pull, struct pull_counts *out);

#endif
