/*
 * engine_report -- what an engine tells of itself: its model, and its numbers for Prometheus.
 */
#ifndef HAECHI_INFERENCE_ENGINE_REPORT_H
#define HAECHI_INFERENCE_ENGINE_REPORT_H

#include "inference/inference.h"
#include "inference/template.h"

struct http_call;
struct http_server;

/* Answers /v1/models, or (`one`) what is behind it. `started`: ms since 1970. */
void engine_report_models(struct engine *engine, const struct chat_template *chat_template, int64_t started,
                          bool one, struct http_call *call);
/* Answers /metrics. */
void engine_report_metrics(struct engine *engine, const struct http_server *http, struct http_call *call);

#endif
