/*
 * config -- haechi.yaml as it was understood: an immutable, counted snapshot. See haechid.conf.5 for every member.
 *
 * The file is read strictly: an unknown or repeated name, a missing one, a number outside its range are refused with file and
 * line. Relative paths of state (ledger, keys, seal, control socket, unix: engines, database socket) are below
 * `state`; those of policies, certificates and `state` itself are relative to the working directory.
 */
#ifndef HAECHI_GATEWAY_CONFIG_H
#define HAECHI_GATEWAY_CONFIG_H

#include <stdatomic.h>

#include "gateway/engine.h"
#include "gateway/limits.h"
#include "gateway/openai.h"
#include "schema/base/fault.h"
#include "policy/policy.h"
#include "schema/finding.h"
#include "schema/verdict.h"

struct quorum; /* audit/quorum.h */

#define CONFIG_SIZE_LIMIT (1024 * 1024)

/* Zeros of optional members are replaced by their defaults when the file is read. */
struct config_tls {
	char *certificate; /* PEM chain */
	char *key;         /* PEM, mode 0600 */
	char *clients;     /* PEM of CAs; when given, client certificates are asked for */
	bool require;      /* refuse a connection without one */
};

struct config_model {
	char *name;     /* as clients ask for it */
	char *upstream; /* as the engine calls it; default: name */
	char *weights;  /* SHA-256 of the weights, hex; when given, another one is refused */
	char *license;
	char **aliases;
	uint32_t aliases_count;
};

struct config_engine {
	char *name;       /* node, as in entries */
	char *address;    /* "unix:engine.sock" or "https://host:port" */
	char *zone;       /* "kr-gov-seoul" */
	char *grade;      /* strictest data grade the zone may see: "C" "S" "O" */
	char *pin;        /* "sha256//BASE64=" of SubjectPublicKeyInfo; needed for https */
	char *token_file; /* the engine's own bearer token, one line; state */
	uint32_t connect_ms, first_byte_ms, idle_ms, total_ms, connections; /* 0 becomes a default */
	struct config_model *models;
	uint32_t models_count;
	/* understood */
	enum grade zone_grade;
	struct engine_address *target; /* parsed from `address` */
	char *authorization;           /* "Bearer ..." from token_file; NULL: none */
};

struct config_reviewer {
	char *user; /* account on this machine, or "@self": who runs haechid */
	char *name; /* of the person, as entries record it */
	char **roles;
	uint32_t roles_count;
};

struct config_label {
	char *notice_ko, *notice_en; /* Art. 31 */
	char *chat, *voice, *export; /* where the notice goes: "member" "append" "prepend" */
};

struct config_ledger {
	char *directory, *keys, *seal;
	char *cipher;                    /* of sealed content: "aria-256-gcm", "xchacha20-poly1305" */
	uint64_t max_unshipped, reserve; /* bytes */
	uint32_t segment;                /* bytes */
};

struct config_database {
	char *conninfo;             /* of libpq; when absent it is made from: */
	char *socket, *name, *user; /* the directory of the Unix socket */
	char *cache;                /* copy of the registry, for starting while PostgreSQL is away */
};

struct config_bundles { /* signed policy bundles: gateway/bundles.h */
	char *directory;      /* those that were put in force, and which one is */
	char **keys;          /* files of the public keys that are trusted; none: no bundle can be activated */
	uint32_t keys_count;
	uint32_t signatures;  /* how many of them must have signed */
	uint32_t keep;        /* how many bundles are kept for going back */
	char *pull;           /* "https://...", "http://127.0.0.1:...", "unix:SOCKET:/path", "file:PATH"; NULL: not pulled */
	uint32_t pull_seconds;
	char *pin, *ca, *token_file; /* of https */
};

struct config_policy {
	char *agency, *act, *schema; /* folders and file: in force while no bundle is */
	struct config_bundles bundles;
};

/* What a client meets; gateway/limits.h has the meaning of most. Bytes, milliseconds, counts. */
struct config_limits {
	uint64_t body, head, line, answer;
	uint32_t messages, text, tools, choices, depth;
	uint32_t output_tokens; /* max_tokens is cut to it; 0: as asked */
	uint32_t connections, connections_per_address, requests_per_connection;
	uint32_t tls_ms, head_ms, body_ms, idle_ms, send_ms;
	uint32_t drain_ms; /* at SIGTERM */
};

struct config_review {
	uint32_t hold_seconds;   /* life of a ticket when the policy does not say */
	uint32_t answer_seconds; /* how long an approval may be used */
	uint32_t window; /* T12: this many reviewed decisions of a use case are looked at, the newest */
	/* T12: when they tell against the review; see struct oversight_limits. Nobody has published such numbers. */
	uint32_t least_decisions, least_changed, hasty_seconds, most_hasty;
	bool look_first; /* T11: approving without `review show` is refused, not only recorded */
	struct config_reviewer *reviewers;
	uint32_t reviewers_count;
};

/* A use case whose requests leave it often is shown to the operator, to be assessed anew. */
struct config_drift {
	uint32_t window;             /* this many decisions of a use case are looked at, the newest */
	uint32_t least;              /* fewer say nothing */
	uint32_t suspected, certain; /* thousandths: more are often; suspected counts both */
};

/* Who cosigns this log's heads (gateway/notary.h). */
struct config_witness {
	char *policy;              /* file, C2SP tlog-policy: the witnesses with a url are asked */
	uint32_t interval_seconds; /* between two heads that are cosigned */
	uint32_t deadline_seconds; /* for the answers to one head */
	bool required;             /* at the start: no quorum of witnesses heard, no start */
	char *ca;                  /* PEM of the authorities to believe for https; the system's when absent */
	struct quorum *quorum;     /* understood */
};

/* Who stamps this log's heads with the time (RFC 3161). */
struct config_timestamp {
	char *url;
	char *roots;  /* PEM: to whom the authority's certificate must lead */
	char *policy; /* OID that is asked for; any when absent */
	char *ca;     /* as above */
	uint32_t interval_seconds, deadline_seconds;
	uint32_t skew_seconds;    /* an answer further than this from our clock is not taken */
	struct buffer *roots_pem; /* understood */
};

/* What stands in the place of identifiers, by kind and use case; see struct redaction in policy/policy.h. */
struct config_redaction_kind {
	char *kind, *mode;
};
struct config_redaction_use {
	char *usecase;
	char *mode; /* of the kinds not listed; absent: as elsewhere */
	struct config_redaction_kind *kinds;
	uint32_t kinds_count;
	enum redaction_mode modes[IDENTIFIER_KINDS]; /* understood */
};
struct config_redaction {
	char *mode; /* "title" "token" "length" */
	struct config_redaction_kind *kinds;
	uint32_t kinds_count;
	struct config_redaction_use *usecases;
	uint32_t usecases_count;
	enum redaction_mode modes[IDENTIFIER_KINDS]; /* understood */
};

struct config_log {
	char *level; /* "debug" "info" "warn" "error" */
};

struct config {
	char *agency, *node;
	char *state;   /* directory */
	char *control; /* socket */
	char **listen; /* "127.0.0.1:8080", "[::1]:8443", "unix:PATH" */
	uint32_t listen_count;
	struct config_tls *tls; /* on every TCP address; NULL: plain HTTP */
	uint32_t loops;         /* 0: one per core */
	struct config_ledger ledger;
	struct config_database database;
	struct config_policy policy;
	struct config_engine *engines;
	uint32_t engines_count;
	struct config_limits limits;
	struct config_review review;
	struct config_drift drift;
	struct config_redaction redaction;
	struct config_label label;
	struct config_witness *witness;     /* NULL: nobody cosigns */
	struct config_timestamp *timestamp; /* NULL: nobody stamps */
	struct config_log log;
	bool require_confinement;

	/* understood; see config.c */
	atomic_size_t holders;
	char origin[128]; /* "haechi.<agency>/<node>" */
	char digest[65];  /* SHA-256 of the file, hex */
	struct oversight_limits oversight;
	struct openai_limits openai;
	struct limits door;
	struct config_route *routes; /* every (model or alias, engine), in order of the file */
	size_t route_count;
};

/* One engine that serves one model. Borrowed from the snapshot. */
struct config_route {
	const char *model; /* as asked */
	const struct config_engine *engine;
	const struct config_model *served;
};

/* Read, check and complete. `state` replaces the file's when not NULL. *out is held once. */
MUST_CHECK int config_load(struct config **out, const char *path, const char *state, struct fault *why);
/* The same from bytes; `name` is for messages. */
MUST_CHECK int config_parse(struct config **out, struct slice text, const char *name, const char *state,
                            struct fault *why);
struct config *config_hold(struct config *config);
void config_release(struct config *config); /* NULL is fine */
/* What was understood, as YAML, secrets absent. */
MUST_CHECK int config_print(const struct config *config, FILE *to, struct fault *why);
/* How each kind of identifier is masked for this use case ("": none). */
const enum redaction_mode *config_redaction_modes(const struct config *config, const char *usecase);
/* The first route of a model; NULL when none serves it. */
const struct config_route *config_route(const struct config *config, const char *model);
/* The next one of the same model, zone and grade behind `route`; NULL when none. */
const struct config_route *config_route_next(const struct config *config, const struct config_route *route);

#endif
