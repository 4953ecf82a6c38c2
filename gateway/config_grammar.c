#include "gateway/config_inside.h"

#define TEXT_MOST 4096

#define NEEDED   CYAML_FLAG_POINTER
#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define NUMBER   CYAML_FLAG_OPTIONAL

#define TEXT(flags, type, name) CYAML_FIELD_STRING_PTR(#name, flags, struct type, name, 1, TEXT_MOST)
#define UINT(type, name)        CYAML_FIELD_UINT(#name, NUMBER, struct type, name)
#define TEXTS(type, name)       CYAML_FIELD_SEQUENCE(#name, OPTIONAL, struct type, name, &text_value, 0, 64)

static const cyaml_schema_value_t text_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MOST)};

/* clang-format off */
static const cyaml_schema_field_t tls_fields[] = {
	TEXT(NEEDED, config_tls, certificate),
	TEXT(NEEDED, config_tls, key),
	TEXT(OPTIONAL, config_tls, clients),
	CYAML_FIELD_BOOL("require", NUMBER, struct config_tls, require),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t model_fields[] = {
	TEXT(NEEDED, config_model, name),
	TEXT(OPTIONAL, config_model, upstream),
	TEXT(OPTIONAL, config_model, weights),
	TEXT(OPTIONAL, config_model, license),
	TEXTS(config_model, aliases),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t model_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_model, model_fields),
};

static const cyaml_schema_field_t engine_fields[] = {
	TEXT(NEEDED, config_engine, name),
	TEXT(NEEDED, config_engine, address),
	TEXT(NEEDED, config_engine, zone),
	TEXT(NEEDED, config_engine, grade),
	TEXT(OPTIONAL, config_engine, pin),
	TEXT(OPTIONAL, config_engine, token_file),
	UINT(config_engine, connect_ms),
	UINT(config_engine, first_byte_ms),
	UINT(config_engine, idle_ms),
	UINT(config_engine, total_ms),
	UINT(config_engine, connections),
	CYAML_FIELD_SEQUENCE("models", CYAML_FLAG_POINTER, struct config_engine, models, &model_value, 1, 256),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t engine_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_engine, engine_fields),
};

static const cyaml_schema_field_t ledger_fields[] = {
	TEXT(OPTIONAL, config_ledger, directory),
	TEXT(OPTIONAL, config_ledger, keys),
	TEXT(OPTIONAL, config_ledger, seal),
	TEXT(OPTIONAL, config_ledger, cipher),
	UINT(config_ledger, max_unshipped),
	UINT(config_ledger, reserve),
	UINT(config_ledger, segment),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t database_fields[] = {
	TEXT(OPTIONAL, config_database, conninfo),
	TEXT(OPTIONAL, config_database, socket),
	TEXT(OPTIONAL, config_database, name),
	TEXT(OPTIONAL, config_database, user),
	TEXT(OPTIONAL, config_database, cache),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t bundles_fields[] = {
	TEXT(OPTIONAL, config_bundles, directory),
	TEXTS(config_bundles, keys),
	UINT(config_bundles, signatures),
	UINT(config_bundles, keep),
	TEXT(OPTIONAL, config_bundles, pull),
	UINT(config_bundles, pull_seconds),
	TEXT(OPTIONAL, config_bundles, pin),
	TEXT(OPTIONAL, config_bundles, ca),
	TEXT(OPTIONAL, config_bundles, token_file),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t policy_fields[] = {
	TEXT(NEEDED, config_policy, agency),
	TEXT(NEEDED, config_policy, act),
	TEXT(NEEDED, config_policy, schema),
	CYAML_FIELD_MAPPING("bundles", NUMBER, struct config_policy, bundles, bundles_fields),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t limits_fields[] = {
	UINT(config_limits, body),
	UINT(config_limits, head),
	UINT(config_limits, line),
	UINT(config_limits, answer),
	UINT(config_limits, messages),
	UINT(config_limits, text),
	UINT(config_limits, tools),
	UINT(config_limits, choices),
	UINT(config_limits, depth),
	UINT(config_limits, output_tokens),
	UINT(config_limits, connections),
	UINT(config_limits, connections_per_address),
	UINT(config_limits, requests_per_connection),
	UINT(config_limits, tls_ms),
	UINT(config_limits, head_ms),
	UINT(config_limits, body_ms),
	UINT(config_limits, idle_ms),
	UINT(config_limits, send_ms),
	UINT(config_limits, drain_ms),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t reviewer_fields[] = {
	TEXT(NEEDED, config_reviewer, user),
	TEXT(NEEDED, config_reviewer, name),
	CYAML_FIELD_SEQUENCE("roles", CYAML_FLAG_POINTER, struct config_reviewer, roles, &text_value, 1, 32),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t reviewer_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_reviewer, reviewer_fields),
};

static const cyaml_schema_field_t review_fields[] = {
	UINT(config_review, hold_seconds),
	UINT(config_review, answer_seconds),
	UINT(config_review, window),
	UINT(config_review, least_decisions),
	UINT(config_review, least_changed),
	UINT(config_review, hasty_seconds),
	UINT(config_review, most_hasty),
	CYAML_FIELD_BOOL("look_first", NUMBER, struct config_review, look_first),
	CYAML_FIELD_SEQUENCE("reviewers", OPTIONAL, struct config_review, reviewers, &reviewer_value, 0, 256),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t drift_fields[] = {
	UINT(config_drift, window),
	UINT(config_drift, least),
	UINT(config_drift, suspected),
	UINT(config_drift, certain),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t redaction_kind_fields[] = {
	TEXT(NEEDED, config_redaction_kind, kind),
	TEXT(NEEDED, config_redaction_kind, mode),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t redaction_kind_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_redaction_kind, redaction_kind_fields),
};
static const cyaml_schema_field_t redaction_use_fields[] = {
	TEXT(NEEDED, config_redaction_use, usecase),
	TEXT(OPTIONAL, config_redaction_use, mode),
	CYAML_FIELD_SEQUENCE("kinds", OPTIONAL, struct config_redaction_use, kinds, &redaction_kind_value, 0, 32),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t redaction_use_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_redaction_use, redaction_use_fields),
};
static const cyaml_schema_field_t redaction_fields[] = {
	TEXT(OPTIONAL, config_redaction, mode),
	CYAML_FIELD_SEQUENCE("kinds", OPTIONAL, struct config_redaction, kinds, &redaction_kind_value, 0, 32),
	CYAML_FIELD_SEQUENCE("usecases", OPTIONAL, struct config_redaction, usecases, &redaction_use_value, 0, 1024),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t label_fields[] = {
	TEXT(OPTIONAL, config_label, notice_ko),
	TEXT(OPTIONAL, config_label, notice_en),
	TEXT(OPTIONAL, config_label, chat),
	TEXT(OPTIONAL, config_label, voice),
	TEXT(OPTIONAL, config_label, export),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t witness_fields[] = {
	TEXT(NEEDED, config_witness, policy),
	UINT(config_witness, interval_seconds),
	UINT(config_witness, deadline_seconds),
	CYAML_FIELD_BOOL("required", NUMBER, struct config_witness, required),
	TEXT(OPTIONAL, config_witness, ca),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t timestamp_fields[] = {
	TEXT(NEEDED, config_timestamp, url),
	TEXT(NEEDED, config_timestamp, roots),
	TEXT(OPTIONAL, config_timestamp, policy),
	TEXT(OPTIONAL, config_timestamp, ca),
	UINT(config_timestamp, interval_seconds),
	UINT(config_timestamp, deadline_seconds),
	UINT(config_timestamp, skew_seconds),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t log_fields[] = {
	TEXT(OPTIONAL, config_log, level),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t config_fields[] = {
	TEXT(NEEDED, config, agency),
	TEXT(NEEDED, config, node),
	TEXT(NEEDED, config, state),
	CYAML_FIELD_SEQUENCE("listen", CYAML_FLAG_POINTER, struct config, listen, &text_value, 1, 8),
	CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL, struct config, tls, tls_fields),
	UINT(config, loops),
	TEXT(OPTIONAL, config, control),
	CYAML_FIELD_MAPPING("ledger", NUMBER, struct config, ledger, ledger_fields),
	CYAML_FIELD_MAPPING("database", CYAML_FLAG_DEFAULT, struct config, database, database_fields),
	CYAML_FIELD_MAPPING("policy", CYAML_FLAG_DEFAULT, struct config, policy, policy_fields),
	CYAML_FIELD_SEQUENCE("engines", CYAML_FLAG_POINTER, struct config, engines, &engine_value, 1, 64),
	CYAML_FIELD_MAPPING("limits", NUMBER, struct config, limits, limits_fields),
	CYAML_FIELD_MAPPING("review", NUMBER, struct config, review, review_fields),
	CYAML_FIELD_MAPPING("drift", NUMBER, struct config, drift, drift_fields),
	CYAML_FIELD_MAPPING("redaction", NUMBER, struct config, redaction, redaction_fields),
	CYAML_FIELD_MAPPING("label", NUMBER, struct config, label, label_fields),
	CYAML_FIELD_MAPPING_PTR("witness", OPTIONAL, struct config, witness, witness_fields),
	CYAML_FIELD_MAPPING_PTR("timestamp", OPTIONAL, struct config, timestamp, timestamp_fields),
	CYAML_FIELD_MAPPING("log", NUMBER, struct config, log, log_fields),
	CYAML_FIELD_BOOL("require_confinement", NUMBER, struct config, require_confinement),
	CYAML_FIELD_END
};
/* clang-format on */
const cyaml_schema_value_t config_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, config_fields),
};
