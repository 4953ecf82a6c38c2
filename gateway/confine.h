/*
 * confine -- which files, ports and calls the daemon needs, out of its configuration; the sandbox does the rest.
 *
 * After confine_begin() only the state directory can be written, only it, the policies, certificates and the folder of the
 * configuration be read: a reload can name new files below those, not elsewhere.
 */
#ifndef HAECHI_GATEWAY_CONFINE_H
#define HAECHI_GATEWAY_CONFINE_H

#include "gateway/config.h"
#include "gateway/attempts.h"
#include "gateway/sandbox.h"

struct confine {
	struct sandbox_plan plan;
	struct sandbox_state state;
	struct attempts *attempts; /* the caller settles and closes them */
	char folder[4096]; /* of the configuration */
	char text[256];    /* as measured last */
};

/* Before the first thread, behind the signer's fork. `confine` stays until the end. */
MUST_CHECK int confine_begin(struct confine *confine, const struct config *config, const char *config_path,
                             struct fault *why);
/* When everything listens and is open. `required`: any layer that is missing is a fault. */
MUST_CHECK int confine_seal(struct confine *confine, bool required, struct fault *why);

#endif
