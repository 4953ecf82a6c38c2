/*
 * confine -- which files, ports and calls the daemon needs, out of its configuration; the sandbox does the rest.
 *
 * After confine_begin() only the state directory can be written, only it, the policies, certificates and the folder of the
 * configuration be read: a reload can name new files below those, not elsewhere. What is renewed by putting another file in
 * its place, certificates and tokens, has its whole folder, also the one a link leads to.
 */
#ifndef HAECHI_GATEWAY_CONFINE_H
#define HAECHI_GATEWAY_CONFINE_H

#include "gateway/config.h"
#include "gateway/attempts.h"
#include "gateway/sandbox.h"
#include "schema/base/json.h"

#define CONFINE_FOLDERS 16

struct confine {
	struct sandbox_plan plan;
	struct sandbox_state state;
	struct attempts *attempts; /* the caller settles and closes them */
	char folder[4096]; /* of the configuration */
	char *renewed[CONFINE_FOLDERS]; /* folders of certificates and tokens; as long as the process */
	size_t renewed_count;
	char text[256];    /* as measured last */
};

/* Before the first thread, behind the signer's fork. `confine` stays until the end. */
MUST_CHECK int confine_begin(struct confine *confine, const struct config *config, const char *config_path,
                             struct fault *why);
/* Adds to `names` what `config` wants called and this confinement does not let out to: "engines.gpu2", "witness". */
void confine_unreached(const struct confine *confine, const struct config *config, json_t *names);
/* When everything listens and is open. `required`: any layer that is missing is a fault. */
MUST_CHECK int confine_seal(struct confine *confine, bool required, struct fault *why);

#endif
