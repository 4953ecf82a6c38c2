/*
 * engine_inside -- what the two files of the API share: its routes (engine_api.c), and answers on their way
 * (engine_answering.c). Nobody else includes this.
 */
#ifndef HAECHI_INFERENCE_ENGINE_INSIDE_H
#define HAECHI_INFERENCE_ENGINE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "inference/engine_answer.h"
#include "inference/engine_http.h"
#include "inference/template.h"

struct engine_api {
	struct engine *engine; /* this and the next once `ready` */
	const struct chat_template *chat_template;
	_Atomic bool ready;
	_Atomic unsigned percent; /* loaded */
	struct http_server *http;
	char address[256];
	int64_t started;
	pthread_mutex_t lock; /* of the list */
	struct answer *news;
};

/* An error object. `param` may be NULL; `code` "" where the kind of the fault says it all; `waiting` for FAULT_BUSY. */
void engine_answer_fault(struct engine_api *api, struct http_call *call, const struct fault *why,
                         const char *param, const char *code, size_t waiting);

/* Begin to answer a call; the answer goes its way by itself, or has ended already as an error. */
void engine_answer_completion(struct engine_api *api, struct http_call *call, bool chat);
void engine_answer_embedding(struct engine_api *api, struct http_call *call);
/* The server stops: this answer ends now, as failed. */
void engine_answer_cut(void *context, struct http_call *call);
/* In the server's loop, when there is news. `context` is the engine_api. */
void engine_answer_news(void *context);

#endif
