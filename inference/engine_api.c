#include "inference/engine_api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/engine_inside.h"
#include "inference/engine_report.h"
#include "inference/model.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

/* ---- small answers ---------------------------------------------------------------------------------------------- */

static int
status_of(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_INVALID:
	case FAULT_UNSUPPORTED:
	case FAULT_USAGE:
	case FAULT_TOO_LARGE:
		return 400;
	case FAULT_NOT_FOUND:
		return 404;
	case FAULT_BUSY:
		return 429;
	case FAULT_UNAVAILABLE:
	case FAULT_MEMORY:
		return 503;
	default:
		return 500;
	}
}

void
engine_answer_fault(struct engine_api *api, struct http_call *call, const struct fault *why,
                    const char *param, const char *code, size_t waiting)
{
	int status = status_of(why->kind);
	char retry[48];
	double seconds = 1;
	struct buffer out;

	if (status ==
	    429) { /* when those who wait will have had their turn, by how long answers take of late */
		struct engine_counters counters;

		engine_counters(api->engine, &counters);
		seconds = ceil(counters.mean_seconds * (double)(waiting + 1) / (double)counters.parallel);
		seconds = fmin(fmax(seconds, 1), 600);
		snprintf(retry, sizeof retry, "Retry-After: %.0f\r\n", seconds);
	}
	buffer_init(&out, 8192);
	buffer_string(&out, "{\"error\":{\"message\":");
	{
		char text[2 * FAULT_TEXT_SIZE + 4];

		snprintf(text, sizeof text, "%s | %s", why->ko, why->en);
		json_quote(&out, slice_string(text));
	}
	buffer_printf(&out, ",\"type\":\"%s\",\"param\":",
	              status == 429   ? "rate_limit_error"
	              : status >= 500 ? "server_error"
	                              : "invalid_request_error");
	if (param != NULL && param[0] != '\0')
		json_quote(&out, slice_string(param));
	else
		buffer_string(&out, "null");
	buffer_printf(&out, ",\"code\":\"%s\"", code[0] != '\0' ? code : fault_kind_name(why->kind));
	if (status == 429)
		buffer_printf(&out, ",\"queue_position\":%zu,\"retry_after\":%.0f", waiting, seconds);
	buffer_string(&out, "}}");
	engine_http_answer(call, status, "application/json", buffer_view(&out), status == 429 ? retry : NULL);
	buffer_free(&out);
}

/* The model is not there yet. */
static void
answer_loading(struct engine_api *api, struct http_call *call)
{
	const unsigned percent = atomic_load(&api->percent);
	struct buffer out;

	buffer_init(&out, 1024);
	if (slice_is(call->path, "/healthz"))
		buffer_printf(&out, "{\"status\":\"loading\",\"percent\":%u}", percent);
	else
		buffer_printf(&out,
		              "{\"error\":{\"message\":\"모델을 읽는 중입니다 (%u%%) | the model is being "
		              "loaded (%u%%)\","
		              "\"type\":\"server_error\",\"param\":null,\"code\":\"loading\"}}",
		              percent, percent);
	engine_http_answer(call, 503, "application/json", buffer_view(&out), "Retry-After: 1\r\n");
	buffer_free(&out);
}

static void
answer_method(struct http_call *call, const char *allowed)
{
	char header[64];
	struct buffer out;

	snprintf(header, sizeof header, "Allow: %s\r\n", allowed);
	buffer_init(&out, 1024);
	buffer_printf(&out,
	              "{\"error\":{\"message\":\"이 경로는 %s(으)로 부릅니다 | this path is called with %s\","
	              "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"method_not_allowed\"}}",
	              allowed, allowed);
	engine_http_answer(call, 405, "application/json", buffer_view(&out), header);
	buffer_free(&out);
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

/* What is behind "/v1/models/" names the model, as URLs write it. */
static bool
names_model(struct slice path, const char *name)
{
	char text[256];
	size_t size = 0;

	for (size_t i = 0; i < path.size; i++) {
		uint8_t byte = path.data[i];

		if (byte == '%') {
			if (i + 2 >= path.size || !hex_decode(&byte, 1, slice_of(path.data + i + 1, 2)))
				return false;
			i += 2;
		}
		if (size + 1 >= sizeof text || byte == 0)
			return false;
		text[size++] = (char)byte;
	}
	text[size] = '\0';
	return strcmp(text, name) == 0;
}

static void
route_chat(struct engine_api *api, struct http_call *call)
{
	engine_answer_completion(api, call, true);
}

static void
route_text(struct engine_api *api, struct http_call *call)
{
	engine_answer_completion(api, call, false);
}

static void
route_models(struct engine_api *api, struct http_call *call)
{
	engine_report_models(api->engine, api->chat_template, api->started, false, call);
}

static void
route_model(struct engine_api *api, struct http_call *call)
{
	const char *name = engine_model(api->engine)->name;
	const size_t skip = strlen("/v1/models/");
	struct fault why;

	if (names_model(slice_of(call->path.data + skip, call->path.size - skip), name)) {
		engine_report_models(api->engine, api->chat_template, api->started, true, call);
		return;
	}
	fault_set(&why, FAULT_NOT_FOUND, "그런 모델이 없습니다: 이 엔진의 모델은 '%s'입니다",
	          "no such model: this engine serves '%s'", name);
	engine_answer_fault(api, call, &why, "model", "model_not_found", 0);
}

static void
route_health(struct engine_api *api, struct http_call *call)
{
	(void)api;
	engine_http_answer(call, 200, "application/json", slice_string("{\"status\":\"ok\"}"), NULL);
}

static void
route_metrics(struct engine_api *api, struct http_call *call)
{
	engine_report_metrics(api->engine, api->http, call);
}

static const struct {
	const char *path; /* ending in '/': whatever is behind it too */
	bool post;
	void (*answer)(struct engine_api *api, struct http_call *call);
} routes[] = {
    {"/v1/chat/completions", true,  route_chat             },
    {"/v1/completions",      true,  route_text             },
    {"/v1/embeddings",       true,  engine_answer_embedding},
    {"/v1/models",           false, route_models           },
    {"/v1/models/",          false, route_model            },
    {"/healthz",             false, route_health           },
    {"/metrics",             false, route_metrics          },
};

static bool
on_route(struct slice path, const char *route)
{
	size_t size = strlen(route);

	return slice_is(path, route) ||
	       (route[size - 1] == '/' && path.size > size && memcmp(path.data, route, size) == 0);
}

static void
handle(void *context, struct http_call *call)
{
	struct engine_api *api = context;
	const bool get = slice_is(call->method, "GET") || slice_is(call->method, "HEAD");
	struct fault why;

	if (!atomic_load(&api->ready)) {
		answer_loading(api, call);
		return;
	}
	if (engine_http_stopping(api->http)) {
		fault_set(&why, FAULT_UNAVAILABLE, "엔진이 멈추는 중입니다", "the engine is stopping");
		engine_answer_fault(api, call, &why, NULL, "stopping", 0);
		return;
	}
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!on_route(call->path, routes[i].path))
			continue;
		if (routes[i].post ? slice_is(call->method, "POST") : get) {
			routes[i].answer(api, call);
			return;
		}
		answer_method(call, routes[i].post ? "POST" : "GET, HEAD");
		return;
	}
	fault_set(&why, FAULT_NOT_FOUND, "그런 경로가 없습니다", "there is no such path");
	engine_answer_fault(api, call, &why, NULL, "", 0);
}

int
engine_api_open(struct engine_api **out, const char *listen, struct fault *why)
{
	struct engine_api *api = calloc(1, sizeof *api);
	struct http_callbacks callbacks = {.context = api, .request = handle, .woken = engine_answer_news, .cut = engine_answer_cut};

	if (api == NULL)
		return fault_memory(why);
	api->started = clock_wall_ms();
	pthread_mutex_init(&api->lock, NULL);
	if (engine_http_open(&api->http, listen, &callbacks, api->address, why) == -1) {
		pthread_mutex_destroy(&api->lock);
		free(api);
		return -1;
	}
	*out = api;
	return 0;
}

const char *
engine_api_address(const struct engine_api *api)
{
	return api->address;
}

void
engine_api_loading(struct engine_api *api, unsigned percent)
{
	atomic_store(&api->percent, percent);
}

void
engine_api_begin(struct engine_api *api, struct engine *engine, const struct chat_template *chat_template)
{
	api->engine = engine;
	api->chat_template = chat_template;
	atomic_store(&api->ready, true);
}

void
engine_api_run(struct engine_api *api)
{
	engine_http_run(api->http);
}

void
engine_api_stop(struct engine_api *api)
{
	engine_http_stop(api->http);
}

void
engine_api_close(struct engine_api *api)
{
	if (api == NULL)
		return;
	engine_http_close(api->http);
	pthread_mutex_destroy(&api->lock);
	free(api);
}
