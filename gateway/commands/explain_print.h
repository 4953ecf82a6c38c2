/*
 * explain_print -- an explanation as a page for a terminal, Korean first.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_EXPLAIN_PRINT_H
#define HAECHI_GATEWAY_COMMANDS_EXPLAIN_PRINT_H

#include "schema/base/json.h"

/* `explanation` is what `haechi explain --json` prints. */
void explain_print(struct buffer *out, const json_t *explanation);

#endif
