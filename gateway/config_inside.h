/*
 * config_inside -- the two halves of reading a configuration: its grammar, and what its words come to. For config.c alone.
 */
#ifndef HAECHI_GATEWAY_CONFIG_INSIDE_H
#define HAECHI_GATEWAY_CONFIG_INSIDE_H

#include <cyaml/cyaml.h>

#include "gateway/config.h"

extern const cyaml_schema_value_t config_value; /* config_grammar.c: a pointer to struct config */

/* config_understand.c: defaults, limits, paths made whole, and everything the members name. */
MUST_CHECK int config_understand(struct config *config, const char *state, struct fault *why);

#endif
