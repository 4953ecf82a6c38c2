#include "gateway/steps/labelling.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/registry.h"
#include "gateway/steps/labelling_inside.h"
#include "gateway/steps/masking.h"
#include "schema/base/clock.h"

#define LOOK_MOST  ((size_t)1 << 19)
#define LOOK_AGAIN 512

/* PIPA 24 and 24-2 (law section 7) and what opens accounts: masked in answers when the duty does not say which. */
#define MASKED_IN_ANSWERS                                                                                    \
	(1u << IDENTIFIER_RRN | 1u << IDENTIFIER_FRN | 1u << IDENTIFIER_PASSPORT |                           \
	 1u << IDENTIFIER_DRIVER_LICENSE | 1u << IDENTIFIER_HEALTH_INSURANCE | 1u << IDENTIFIER_ACCOUNT |    \
	 1u << IDENTIFIER_CARD)

/* ---- common ----------------------------------------------------------------------------------------------------------- */

static enum place
place_of(const struct exchange *x)
{
	const struct config_label *label = &x->view->config->label;
	const char *const channel = x->registered == NULL ? "api" : x->registered->usecase.channel;
	const char *place = "member";

	/* Art. 31 in the channel's way: law 5.1, rows 31(2) and "Export formats". */
	if (channel == NULL || x->decision.duties.label != LABEL_NOTICE || x->request->json_output ||
	    x->kind == OPENAI_EMBEDDING)
		return PLACE_MEMBER;
	if (strcmp(channel, "chat") == 0)
		place = label->chat;
	else if (strcmp(channel, "voice") == 0)
		place = label->voice;
	else if (strcmp(channel, "export") == 0)
		place = label->export;
	return strcmp(place, "append") == 0    ? PLACE_APPEND
	       : strcmp(place, "prepend") == 0 ? PLACE_PREPEND
	                                       : PLACE_MEMBER;
}

static const char *
label_name_of(const struct exchange *x)
{
	return label_name(x->decision.duties.label);
}

int
labelling_begin(struct exchange *x, struct fault *why)
{
	static const char *const prefixes[] = {"chatcmpl-", "cmpl-", "embd-"};
	const struct config_label *label = &x->view->config->label;
	struct labelling *labelling = calloc(1, sizeof *labelling);

	if (labelling == NULL)
		return fault_memory(why);
	x->labelling = labelling;
	labelling->x = x;
	labelling->mark = (struct openai_mark){
	    .id = arena_printf(x->arena, "%s%s", prefixes[x->kind], x->decision_id),
	    .model = x->request->model,
	    .created = x->facts.wall_ms / 1000,
	    .entry = x->decision_id,
	    .decision = access_name(x->decision.access),
	    .verdict = verdict_name(x->facts.verdict),
	    .label = label_name_of(x),
	    .notify = x->decision.duties.notify,
	};
	if (labelling->mark.id == NULL)
		return fault_memory(why);
	if (x->prompt.present && !x->decision.duties.log_full) {
		char *salt = arena_alloc(x->arena, 2 * sizeof x->salt + 1);

		if (salt == NULL)
			return fault_memory(why);
		hex_encode(salt, x->salt, sizeof x->salt);
		labelling->mark.commitment = x->prompt.hex;
		labelling->mark.salt = salt;
	}
	if (x->decision.duties.redact_answer) {
		labelling->kinds = x->decision.duties.redact_kinds | MASKED_IN_ANSWERS;
		labelling->mark.masked = labelling->masked;
		if (masking_open(x, why) == -1)
			return -1;
	} else {
		labelling->restore = x->decision.duties.restore_answer && redaction_restores(x->redaction);
	}
	buffer_init(&labelling->notice, 16 * 1024);
	buffer_init(&labelling->content, (size_t)x->view->config->limits.answer);
	if (x->decision.duties.label == LABEL_NOTICE) {
		labelling->mark.notice_ko = label->notice_ko;
		labelling->mark.notice_en = label->notice_en;
	}
	labelling->place = place_of(x);
	if (labelling->place == PLACE_APPEND)
		buffer_printf(&labelling->notice, "\n\n※ %s\n※ %s", label->notice_ko, label->notice_en);
	else if (labelling->place == PLACE_PREPEND)
		buffer_printf(&labelling->notice, "※ %s\n※ %s\n\n", label->notice_ko, label->notice_en);
	labelling->usage = (struct openai_answer){.kind = x->kind,
	                                          .fingerprint = "",
	                                          .prompt_tokens = -1,
	                                          .completion_tokens = -1,
	                                          .cached_tokens = -1};
	return 0;
}

void
labelling_free(struct labelling *labelling)
{
	if (labelling == NULL)
		return;
	while (labelling->channels != NULL) {
		struct channel *gone = labelling->channels;

		labelling->channels = gone->next;
		redactor_close(gone->redactor);
		restorer_end(&gone->restorer);
		buffer_wipe(&gone->text);
		free(gone);
	}
	sse_free(&labelling->sse);
	buffer_free(&labelling->notice);
	buffer_wipe(&labelling->content);
	buffer_wipe(&labelling->pending);
	buffer_wipe(&labelling->made);
	loop_arena_give(labelling->x->arrival->loop, labelling->scratch);
	free(labelling);
}

/*
 * Which weights answered: "sha256:HEX" of the engine's fingerprint. Others than the pinned ones, or an engine that does not
 * tell though they are pinned, are no answer.
 */
int
labelling_check_weights(struct labelling *labelling, const char *fingerprint, struct fault *why)
{
	struct exchange *x = labelling->x;
	const char *const pinned = x->last_route->served->weights;
	uint8_t digest[32];
	const char *told = NULL;

	if (strncmp(fingerprint, "sha256:", 7) == 0 &&
	    hex_decode(digest, sizeof digest, slice_string(fingerprint + 7)))
		told = fingerprint + 7;
	if (pinned != NULL && (told == NULL || strcmp(told, pinned) != 0))
		return fault_set(why, FAULT_UNAVAILABLE, "엔진 %s의 가중치가 설정과 다릅니다",
		                 "the weights of engine %s are not the configured ones",
		                 x->last_route->engine->name);
	if (told != NULL && x->outcome.weights == NULL)
		x->outcome.weights = arena_string(x->arena, told);
	return 0;
}

void
labelling_take_usage(struct labelling *labelling, const struct openai_answer *answer)
{
	if (!answer->has_usage)
		return;
	labelling->usage.has_usage = true;
	labelling->usage.prompt_tokens = answer->prompt_tokens;
	labelling->usage.completion_tokens = answer->completion_tokens;
	labelling->usage.cached_tokens = answer->cached_tokens;
	labelling->x->outcome.prompt_tokens = answer->prompt_tokens;
	labelling->x->outcome.completion_tokens = answer->completion_tokens;
}

bool
labelling_notice_fits(const struct labelling *labelling, const char *finish, bool content, bool calls)
{
	return content && !calls && labelling->notice.size > 0 && finish != NULL &&
	       (strcmp(finish, "stop") == 0 || strcmp(finish, "length") == 0);
}

bool
labelling_content(const struct labelling *labelling, struct slice *content)
{
	*content = buffer_view(&labelling->content);
	return buffer_ok(&labelling->content) && content->size > 0;
}

void
labelling_content_text(struct buffer *out, const char *name, struct slice text)
{
	buffer_string(out, name);
	json_quote(out, text);
}

/* ---- whole answers ----------------------------------------------------------------------------------------------------- */

static int
restore(struct labelling *labelling, struct slice *text, bool json, struct fault *why)
{
	struct exchange *x = labelling->x;
	struct buffer whole;
	int result;

	buffer_init(&whole, (size_t)x->view->config->limits.answer);
	redaction_restore(x->redaction, *text, json, &whole, x->outcome.restored);
	*text = arena_slice(x->arena, buffer_view(&whole));
	result = buffer_ok(&whole) && (whole.size == 0 || text->data != NULL) ? 0 : fault_memory(why);
	buffer_wipe(&whole);
	return result;
}

/* JSON as text: with letters in the place of escapes, so that they hide nothing; or what was masked, in quotes. */
static int
rewrite(struct labelling *labelling, struct slice *text, bool quoting, struct fault *why)
{
	struct jsontext_plain plain = {0};
	struct jsontext_quoting quotes = {0};
	struct buffer out;
	int result;

	buffer_init(&out, 2 * text->size + 64);
	if (quoting)
		jsontext_quoting(&quotes, *text, true, &out);
	else
		jsontext_plain(&plain, *text, true, &out);
	*text = arena_slice(labelling->x->arena, buffer_view(&out));
	result = buffer_ok(&out) && text->data != NULL ? 0 : fault_memory(why);
	buffer_wipe(&out);
	return result;
}

/* Mask one text, or restore it; `json`: it stands inside a JSON string. The masked copy lives in the exchange's arena. */
static int
mask(struct labelling *labelling, struct slice *text, bool json, struct fault *why)
{
	struct exchange *x = labelling->x;
	struct detection found;
	struct buffer masked;
	int result = -1;

	if (text->size == 0)
		return 0;
	if (json && rewrite(labelling, text, false, why) == -1)
		return -1;
	if (labelling->restore)
		return restore(labelling, text, json, why);
	if (labelling->kinds == 0)
		return 0;
	if (detector_scan(x->bench->detector, *text, 0, x->arena, &found, why) == -1)
		return -1;
	buffer_init(&masked, 2 * text->size + 4096);
	detection_mask(&masked, *text, found.findings, found.finding_count, labelling->kinds, x->redaction);
	for (size_t i = 0; i < found.finding_count; i++)
		if (found.findings[i].confidence >= FINDING_CONFIDENT &&
		    (labelling->kinds >> found.findings[i].kind & 1) != 0)
			labelling->masked[found.findings[i].kind]++;
	*text = arena_slice(x->arena, buffer_view(&masked));
	if (!buffer_ok(&masked) || (masked.size > 0 && text->data == NULL))
		fault_memory(why);
	else
		result = 0;
	buffer_wipe(&masked);
	return result == 0 && json ? rewrite(labelling, text, true, why) : result;
}

/*
 * What goes out all the same is counted: it raises the grade of the data (law section 7). Text beyond what the detector takes at
 * once is looked at piece by piece, each beginning a little before the end of the last.
 */
int
labelling_count_found(struct labelling *labelling, struct slice text, struct arena *arena, struct fault *why)
{
	struct exchange *x = labelling->x;
	struct detection found;
	size_t begin = 0;

	while (text.size > begin) {
		const size_t size = text.size - begin < LOOK_MOST ? text.size - begin : LOOK_MOST;

		if (detector_identify(x->bench->detector, slice_of(text.data + begin, size), arena, &found,
		                      why) == -1)
			return -1;
		for (size_t i = 0; i < found.finding_count; i++)
			if (found.findings[i].confidence >= FINDING_CONFIDENT)
				x->outcome.found[found.findings[i].kind]++;
		begin += begin + size == text.size ? size : size - LOOK_AGAIN;
	}
	return 0;
}

static int
label_choice(struct labelling *labelling, struct openai_choice *choice, struct fault *why)
{
	struct arena *arena = labelling->x->arena;
	const struct slice notice = buffer_view(&labelling->notice);

	if (mask(labelling, &choice->content, labelling->x->request->json_output, why) == -1 ||
	    mask(labelling, &choice->reasoning, false, why) == -1)
		return -1;
	for (size_t i = 0; i < choice->call_count; i++)
		if (mask(labelling, &choice->calls[i].arguments, true, why) == -1 ||
		    labelling_count_found(labelling, choice->calls[i].arguments, arena, why) == -1)
			return -1;
	if (labelling_count_found(labelling, choice->content, arena, why) == -1 ||
	    labelling_count_found(labelling, choice->reasoning, arena, why) == -1)
		return -1;
	if (labelling->kinds != 0 || labelling->restore)
		choice->logprobs = NULL; /* they spell the text once more */
	if (labelling_notice_fits(labelling, choice->finish_reason, choice->has_content,
	                          choice->call_count > 0)) {
		const struct slice before = labelling->place == PLACE_PREPEND ? notice : choice->content;
		const struct slice after = labelling->place == PLACE_PREPEND ? choice->content : notice;
		uint8_t *whole = arena_alloc(arena, before.size + after.size);

		if (whole == NULL)
			return fault_memory(why);
		if (before.size > 0)
			memcpy(whole, before.data, before.size);
		if (after.size > 0)
			memcpy(whole + before.size, after.data, after.size);
		choice->content = slice_of(whole, before.size + after.size);
	}
	return 0;
}

static void
keep_answer(struct labelling *labelling, const struct openai_answer *answer)
{
	struct buffer *out = &labelling->content;

	buffer_string(out, "{\"choices\":[");
	for (size_t i = 0; i < answer->choice_count; i++) {
		const struct openai_choice *choice = &answer->choices[i];

		buffer_string(out, i == 0 ? "{\"calls\":[" : ",{\"calls\":[");
		for (size_t j = 0; j < choice->call_count; j++) {
			labelling_content_text(
			    out, j == 0 ? "{\"arguments\":" : ",{\"arguments\":", choice->calls[j].arguments);
			labelling_content_text(out, ",\"name\":", slice_string(choice->calls[j].name));
			buffer_byte(out, '}');
		}
		labelling_content_text(out, "],\"content\":", choice->content);
		buffer_byte(out, '}');
	}
	buffer_string(out, "]}");
}

int
labelling_plain(struct labelling *labelling, struct fault *why)
{
	struct exchange *x = labelling->x;
	const size_t limit = (size_t)x->view->config->limits.answer;
	struct openai_answer answer;
	struct buffer body;
	int result = -1;

	buffer_init(&body, limit);
	if (openai_answer_read(&answer, x->kind, false, buffer_view(&x->body), limit, x->arena, why) == -1)
		return -1;
	if (labelling_check_weights(labelling, answer.fingerprint, why) == -1)
		goto out;
	for (size_t i = 0; i < answer.choice_count; i++)
		if (label_choice(labelling, &answer.choices[i], why) == -1)
			goto out;
	labelling_take_usage(labelling, &answer);
	x->outcome.finish = answer.choice_count > 0 && answer.choices[0].finish_reason != NULL
	                        ? answer.choices[0].finish_reason
	                        : "";
	if (openai_answer_write(&body, &answer, x->request->base64_embedding, &labelling->mark, why) == -1)
		goto out;
	if (x->kind != OPENAI_EMBEDDING)
		keep_answer(labelling, &answer);
	else
		buffer_slice(&labelling->content, buffer_view(&body));
	exchange_body(x, 200, "application/json", buffer_view(&body));
	if (x->answer.status != 200) {
		fault_memory(why);
		goto out;
	}
	memcpy(x->outcome.masked, labelling->masked, sizeof labelling->masked);
	result = 0;
out:
	buffer_wipe(&body);
	openai_answer_free(&answer);
	return result;
}
