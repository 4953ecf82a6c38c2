/*
 * command_bundle -- the words of `haechi policy bundle`: bundle_files.c makes and looks at bundles as files,
 * bundle_daemon.c asks the running gateway.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_COMMAND_BUNDLE_H
#define HAECHI_GATEWAY_COMMANDS_COMMAND_BUNDLE_H

#include "gateway/commands/rules.h"
#include "schema/base/json.h"

#define BUNDLE_PATHS 64

struct bundle_options {
	struct policy_places places;
	const char *tests[BUNDLE_PATHS], *keys[BUNDLE_PATHS];
	size_t test_count, key_count;
	const char *name, *out, *created, *reason, *socket;
	uint64_t revision; /* 0: not told */
	uint64_t signatures;
	bool json, unproven, allow_rollback, import_only, off;
	const char *const *words; /* behind the word itself */
	size_t word_count;
};

int bundle_keygen(const struct bundle_options *options);
int bundle_make(const struct bundle_options *options);
int bundle_add_signature(const struct bundle_options *options);
int bundle_look(const struct bundle_options *options);
int bundle_check_file(const struct bundle_options *options);

int bundle_activate(const struct bundle_options *options);
int bundle_import(const struct bundle_options *options);
int bundle_roll_back(const struct bundle_options *options);
int bundle_beside(const struct bundle_options *options);
int bundle_list(const struct bundle_options *options);
int bundle_export(const struct bundle_options *options);
int bundle_pull_ask(const struct bundle_options *options);

#endif
