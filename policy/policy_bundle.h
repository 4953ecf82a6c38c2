/*
 * policy_bundle -- a set of policies as one file that can be signed, carried and put in force: schema, policies of the agency
 * and of the Act, tests, and a manifest with a revision and the digest of every file.
 *
 *	manifest.json            canonical JSON (RFC 8785): {"created","files":[{"path","sha256","size"}],"format":1,"name",
 *	                         "revision"}; files in ascending order of their paths
 *	signatures.json          {"format":1,"signatures":[{"id","name","signature"}]}, by id; absent in an unsigned bundle
 *	act/DATE/...cedar  agency/...cedar  schema.cedarschema  tests/...   as the manifest lists them, no more and no less
 *
 * in the strict ustar of policy/ustar.h, so that a bundle has one encoding. Its digest is SHA-256 of manifest.json: the
 * manifest names every byte, so signatures can be added without changing what decisions name. A signature is Ed25519 over
 * "haechi policy bundle v1\n" and manifest.json.
 *
 * Nothing here reads a clock, a network or a trusted key by itself. Foreign bytes: everything has a limit.
 */
#ifndef HAECHI_POLICY_POLICY_BUNDLE_H
#define HAECHI_POLICY_POLICY_BUNDLE_H

#include "policy/policy.h"

#define BUNDLE_SIZE_LIMIT      ((size_t)5 << 20) /* of the whole file */
#define BUNDLE_FILES_LIMIT     2048
#define BUNDLE_NAME_LIMIT      64
#define BUNDLE_SIGNATURE_LIMIT 16
#define BUNDLE_REVISION_LIMIT  (INT64_C(1) << 53)

/* ---- keys --------------------------------------------------------------------------------------------------------- */

/* A file of one line: "haechi-bundle-key ed25519 NAME BASE64" (seed, keep it secret) or "haechi-bundle-pub ..." (public). */
struct bundle_key {
	char name[BUNDLE_NAME_LIMIT + 1]; /* [a-z0-9.-] */
	char id[17];                      /* first 8 bytes of SHA-256 of the public key, hex */
	uint8_t public[32];
	uint8_t seed[32]; /* zeros in a public one */
	bool secret;
};

MUST_CHECK int bundle_key_make(struct bundle_key *out, const char *name, struct fault *why);
MUST_CHECK int bundle_key_parse(struct bundle_key *out, struct slice text, struct fault *why);
/* The line, secret or public. The caller wipes the buffer. */
void bundle_key_write(struct buffer *out, const struct bundle_key *key, bool secret);
void bundle_key_wipe(struct bundle_key *key);

/* ---- building ----------------------------------------------------------------------------------------------------- */

struct bundle_plan {
	const char *name;                /* [a-z0-9.-] */
	int64_t revision;                /* 1 ... */
	int64_t created_ms;              /* whole seconds */
	const struct policy_file *files; /* any order; paths as in a bundle */
	size_t file_count;
};

/* An unsigned bundle. Refused: paths outside the layout, two alike, limits. Whether it would run is bundle_prove()'s. */
MUST_CHECK int bundle_build(struct buffer *out, const struct bundle_plan *plan, struct fault *why);

/* ---- reading ------------------------------------------------------------------------------------------------------ */

struct bundle_signature {
	char name[BUNDLE_NAME_LIMIT + 1], id[17];
	uint8_t bytes[64];
};

struct bundle {
	char name[BUNDLE_NAME_LIMIT + 1];
	int64_t revision, created_ms;
	char digest[65];
	struct slice manifest;     /* these point into the archive */
	struct policy_file *files; /* ascending; without manifest and signatures */
	size_t file_count;
	struct bundle_signature signatures[BUNDLE_SIGNATURE_LIMIT];
	size_t signature_count;
	struct buffer archive; /* own copy */
};

/*
 * Read all of it: encoding, manifest, that every digest and size is as the manifest says. Nothing is trusted yet. *out is the
 * caller's, to bundle_close(). FAULT_TAMPERED when a file is not what the manifest says, else FAULT_INVALID.
 */
MUST_CHECK int bundle_open(struct bundle **out, struct slice archive, struct fault *why);
void bundle_close(struct bundle *bundle); /* NULL is fine */
/* One more signature (one of the same key is replaced): the new archive into *out. */
MUST_CHECK int bundle_sign(struct buffer *out, const struct bundle *bundle, const struct bundle_key *key,
                           struct fault *why);
/*
 * At least `needed` of these keys have signed it. `signers`, when not NULL, gets their names, "a, b". FAULT_TAMPERED when a
 * signature of one of the keys does not hold, FAULT_FORBIDDEN when there are too few; needed 0 lets an unsigned one pass.
 */
MUST_CHECK int bundle_verify(const struct bundle *bundle, const struct bundle_key *keys, size_t key_count,
                             unsigned needed, struct buffer *signers, struct fault *why);

/* ---- proving ------------------------------------------------------------------------------------------------------ */

struct bundle_proof {
	size_t policies, tests;
	unsigned coverage; /* percent, when asked for */
};

/*
 * Parse, validate, lint, and run the tests it brings: only what passes all of it becomes a policy, *out, the caller's. A bundle
 * without a test is refused; the fault names the first thing that did not hold. `proof` may be NULL.
 */
MUST_CHECK int bundle_prove(struct policy **out, const struct bundle *bundle, struct bundle_proof *proof,
                            struct fault *why);
/* Is this a file of tests? Those below a folder of tests/ are what tests name. */
bool bundle_is_tests(const char *path);
/* What `name` means in `file`: "requests/a.json" in "tests/agency.json" is "tests/requests/a.json"; NULL: not in the bundle. */
const struct policy_file *bundle_file_beside(const struct bundle *bundle, const char *file, const char *name);
/* Without the tests: for what was proven before, and for looking at. */
MUST_CHECK int bundle_policy(struct policy **out, const struct bundle *bundle, struct fault *why);

#endif
