/*
 * policy_bundle_inside -- what the sources of policy_bundle share.
 */
#ifndef HAECHI_POLICY_POLICY_BUNDLE_INSIDE_H
#define HAECHI_POLICY_POLICY_BUNDLE_INSIDE_H

#include "policy/policy_bundle.h"

#define BUNDLE_MANIFEST       "manifest.json"
#define BUNDLE_SIGNATURES     "signatures.json"
#define BUNDLE_MANIFEST_LIMIT ((size_t)1 << 20)

/* Of bundles and of keys: [a-z0-9.-]. The second always returns -1. */
bool bundle_name_valid(const char *name);
int bundle_name_invalid(const char *name, struct fault *why);
int bundle_too_large(struct fault *why);

#endif
