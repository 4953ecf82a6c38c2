#include "inference/engine_report.h"

#include <stdlib.h>

#include "inference/engine_http.h"
#include "inference/model.h"
#include "schema/base/json.h"

#define AGENCIES_SHOWN 256

void
engine_report_models(struct engine *engine, const struct chat_template *chat_template, int64_t started,
                     bool one, struct http_call *call)
{
	const struct model *model = engine_model(engine);
	const struct fault *problem;
	struct buffer out;

	buffer_init(&out, 16384);
	buffer_string(&out, one ? "" : "{\"object\":\"list\",\"data\":[");
	buffer_string(&out, "{\"id\":");
	json_quote(&out, slice_string(model->name));
	buffer_printf(&out,
	              ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"haechi\",\"architecture\":",
	              (long long)(started / 1000));
	json_quote(&out, slice_string(model->architecture));
	buffer_string(&out, ",\"license\":");
	if (model->license[0] != '\0')
		json_quote(&out, slice_string(model->license));
	else
		buffer_string(&out, "null");
	buffer_printf(&out,
	              ",\"weights_sha256\":\"%s\",\"context_length\":%zu,\"parameters\":%llu,\"chat_"
	              "template\":\"%s%s\",\"device\":",
	              model->sha256, engine_context(engine), (unsigned long long)model->parameters,
	              template_name(chat_template),
	              template_guessed(chat_template, &problem) ? " (guessed)" : "");
	json_quote(&out, slice_string(engine_describe(engine)));
	buffer_string(&out, one ? "}" : "}]}");
	engine_http_answer(call, 200, "application/json", buffer_view(&out), NULL);
	buffer_free(&out);
}

static void
metric(struct buffer *out, const char *name, const char *type, const char *help, double value)
{
	buffer_printf(out, "# HELP haechi_engine_%s %s\n# TYPE haechi_engine_%s %s\nhaechi_engine_%s %.17g\n",
	              name, help, name, type, name, value);
}

/* One line for each agency that has asked. */
static void
agency_metrics(struct engine *engine, struct buffer *out)
{
	static const char *const heads[] = {
	    "# HELP haechi_engine_agency_tokens_total Tokens computed for an agency.\n"
	    "# TYPE haechi_engine_agency_tokens_total counter\n",
	    "# HELP haechi_engine_agency_weight Its weight.\n# TYPE haechi_engine_agency_weight gauge\n",
	    "# HELP haechi_engine_agency_active Its answers being computed.\n"
	    "# TYPE haechi_engine_agency_active gauge\n",
	    "# HELP haechi_engine_agency_waiting Its answers waiting.\n"
	    "# TYPE haechi_engine_agency_waiting gauge\n"};
	static const char *const names[] = {"tokens_total", "weight", "active", "waiting"};
	struct agency_counters *agencies = calloc(AGENCIES_SHOWN, sizeof *agencies);
	size_t count = agencies == NULL ? 0 : engine_agencies(engine, agencies, AGENCIES_SHOWN);

	for (unsigned what = 0; what < 4; what++) {
		buffer_string(out, heads[what]);
		for (size_t i = 0; i < count; i++) {
			const struct agency_counters *agency = &agencies[i];
			const unsigned long long values[] = {agency->tokens, agency->weight, agency->active,
			                                     agency->waiting};

			buffer_printf(out, "haechi_engine_agency_%s{agency=\"%s\"} %llu\n", names[what],
			              agency->name, values[what]);
		}
	}
	free(agencies);
}

void
engine_report_metrics(struct engine *engine, const struct http_server *http, struct http_call *call)
{
	struct engine_counters counters;
	struct buffer out;

	engine_counters(engine, &counters);
	buffer_init(&out, 32768 + AGENCIES_SHOWN * 4 * 128);
	metric(&out, "prompt_tokens_total", "counter", "Tokens of prompts.", (double)counters.prompt_tokens);
	metric(&out, "cached_tokens_total", "counter", "Tokens of prompts found in the cache.",
	       (double)counters.cached_tokens);
	metric(&out, "completion_tokens_total", "counter", "Tokens of answers.",
	       (double)counters.completion_tokens);
	metric(&out, "generations_total", "counter", "Answers begun or queued.",
	       (double)counters.generations);
	metric(&out, "cancelled_total", "counter", "Answers whose client left.", (double)counters.cancelled);
	metric(&out, "refused_total", "counter", "Requests refused with 429.", (double)counters.refused);
	metric(&out, "steps_total", "counter", "Passes through the model.", (double)counters.steps);
	metric(&out, "step_rows_total", "counter", "Tokens computed in all passes.",
	       (double)counters.step_rows);
	metric(&out, "busy_seconds_total", "counter", "Time spent computing.", counters.busy_seconds);
	metric(&out, "active", "gauge", "Answers being computed.", (double)counters.active);
	metric(&out, "parallel", "gauge", "Most answers computed together.", (double)counters.parallel);
	metric(&out, "waiting", "gauge", "Answers waiting.", (double)counters.waiting);
	metric(&out, "cache_pages", "gauge", "Pages of the cache.", (double)counters.pages);
	metric(&out, "cache_pages_used", "gauge", "Pages held by answers.", (double)counters.pages_used);
	metric(&out, "interrupted_total", "counter",
	       "Answers that gave their place to another agency for a while.", (double)counters.interrupted);
	agency_metrics(engine, &out);
	metric(&out, "connections", "gauge", "Open connections.", (double)engine_http_connections(http));
	engine_http_answer(call, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_view(&out), NULL);
	buffer_free(&out);
}
