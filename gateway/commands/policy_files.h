/*
 * policy_files -- policies, schemas, entities and requests from files, for the words of `haechi policy`.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_POLICY_FILES_H
#define HAECHI_GATEWAY_COMMANDS_POLICY_FILES_H

#include "policy/cedar/cedar.h"

#define POLICY_PATHS 64

/* What was said on the command line; every word takes the same options and refuses those it has no use for. */
struct policy_options {
	const char *policies[POLICY_PATHS]; /* files, or folders: every *.cedar in them and below, by name */
	size_t policy_count;
	const char *schema;
	const char *entities;
	const char *request;
	const char *tests[POLICY_PATHS]; /* files, or folders: every *.json and *.jsonl in them */
	size_t test_count;
	const char *bundle;    /* a bundle instead of policies, schema and tests */
	unsigned min_coverage; /* test: percent below which the answer is no */
	const char *policy; /* an id */
	bool json;
	bool ids_from_annotation;
	bool no_request_check;
	bool check; /* fmt: only tell */
	bool write; /* fmt: replace the file */
};

/* The texts of all policy files, kept together. */
struct policy_texts {
	struct cedar_source *items;
	struct buffer *contents;
	char **names;
	size_t count;
	size_t capacity;
};

MUST_CHECK int policy_texts_read(struct policy_texts *texts, const char *const *paths, size_t count,
                                 struct fault *why);
void policy_texts_free(struct policy_texts *texts);

/* A file ending in .json is the JSON form (alone), everything else is text. */
MUST_CHECK int policy_files_load(struct cedar_policies **out, const char *const *paths, size_t count,
                                 bool ids_from_annotation, struct cedar_notes *notes, struct fault *why);
MUST_CHECK int policy_files_load_schema(struct cedar_schema **out, const char *path,
                                        struct cedar_notes *notes, struct fault *why);

/* {"policy","message","file","line","column"} of each note of this severity, as a JSON array. */
void policy_write_notes(struct buffer *out, const struct cedar_notes *notes, enum cedar_severity severity);
/* {"decision","determining_policies","errors", …} */
void policy_write_result(struct buffer *out, const struct cedar_policies *policies,
                         const struct cedar_result *result);

/* The words that have files of their own. */
int policy_serve(const struct policy_options *options);
int policy_format(const struct policy_options *options);
int policy_lint(const struct policy_options *options);
int policy_explain(const struct policy_options *options);
int policy_test(const struct policy_options *options);

/* Entities and a request from files, into the arena; the fault names the file. */
MUST_CHECK int policy_files_entities(struct cedar_entities **entities, const char *path,
                                     const struct cedar_schema *schema, struct arena *arena,
                                     struct fault *why);
MUST_CHECK int policy_files_request(struct cedar_request *request, const char *path,
                                    const struct cedar_schema *schema, bool check, struct arena *arena,
                                    struct fault *why);
/* The fault, or all complaints when there are any, to people; the exit status is 2. */
int policy_files_fail(const struct cedar_notes *notes, const struct fault *why);

#endif
