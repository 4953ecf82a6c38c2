/*
 * engine_api -- the OpenAI API over an engine: chat and text completions, models, health, metrics.
 */
#ifndef HAECHI_INFERENCE_ENGINE_API_H
#define HAECHI_INFERENCE_ENGINE_API_H

#include "inference/inference.h"
#include "inference/template.h"

struct engine_api;

/*
 * Listen on `listen` (engine_http.h). Until engine_api_begin() everything is answered with 503 and how far loading is.
 * *out is the caller's, to engine_api_close() before the engine is closed.
 */
MUST_CHECK int engine_api_open(struct engine_api **out, const char *listen, struct fault *why);
const char *engine_api_address(const struct engine_api *api); /* where, with the port that was picked */
/* From any thread: how far loading is; now `engine` answers. */
void engine_api_loading(struct engine_api *api, unsigned percent);
void engine_api_begin(struct engine_api *api, struct engine *engine,
                      const struct chat_template *chat_template);
void engine_api_run(struct engine_api *api);  /* until engine_api_stop() */
void engine_api_stop(struct engine_api *api); /* safe in a signal handler */
void engine_api_close(struct engine_api *api);

#endif
