/*
 * engine_api -- the OpenAI API over an engine: chat and text completions, models, health, metrics.
 */
#ifndef HAECHI_INFERENCE_ENGINE_API_H
#define HAECHI_INFERENCE_ENGINE_API_H

#include "inference/inference.h"
#include "inference/template.h"

struct engine_api;

/*
 * Serve `engine` on `listen` (engine_http.h). `address` says where in the end. *out is the caller's, to
 * engine_api_close() before the engine is closed.
 */
MUST_CHECK int engine_api_open(struct engine_api **out, struct engine *engine,
                               const struct chat_template *chat_template, const char *listen,
                               char address[256], struct fault *why);
void engine_api_run(struct engine_api *api);  /* until engine_api_stop() */
void engine_api_stop(struct engine_api *api); /* safe in a signal handler */
void engine_api_close(struct engine_api *api);

#endif
