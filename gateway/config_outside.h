/*
 * config_outside -- the part of the configuration that names others who confirm this log: witnesses and a time-stamp authority.
 * For its two other files alone.
 */
#ifndef HAECHI_GATEWAY_CONFIG_OUTSIDE_H
#define HAECHI_GATEWAY_CONFIG_OUTSIDE_H

#include "gateway/config.h"

/* Defaults, limits, and the files these members name. */
MUST_CHECK int config_outside_understand(struct config *config, struct fault *why);
void config_outside_release(struct config *config);

#endif
