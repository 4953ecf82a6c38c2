/*
 * usecase_versions -- registered uses of AI as they stood, by version: each read from the database once.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_USECASE_VERSIONS_H
#define HAECHI_GATEWAY_COMMANDS_USECASE_VERSIONS_H

#include "audit/database.h"
#include "schema/usecase.h"

struct usecase_versions;

/* `database` is borrowed until usecase_versions_close(). */
MUST_CHECK int usecase_versions_open(struct usecase_versions **out, struct database *database,
                                     struct fault *why);
void usecase_versions_close(struct usecase_versions *versions); /* NULL is fine */
/*
 * *out lives until close. FAULT_NOT_FOUND: this login sees no such version; FAULT_TAMPERED: the document is not the one whose
 * digest was registered.
 */
MUST_CHECK int usecase_versions_find(struct usecase_versions *versions, const char *agency, const char *id,
                                     int64_t version, const struct usecase **out, struct fault *why);

#endif
