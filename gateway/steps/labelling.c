#include "gateway/steps/labelling.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/engine.h"
#include "gateway/jsontext.h"
#include "gateway/pipeline.h"
#include "gateway/registry.h"
#include "gateway/sse.h"
#include "gateway/steps/masking.h"
#include "gateway/stream.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define EVENT_MOST    (256 * 1024)
#define PENDING_MOST  (8 * 1024 * 1024)
#define CHANNELS_MOST 128
#define LOOK_MOST     ((size_t)1 << 19)
#define LOOK_AGAIN    512

/* PIPA 24 and 24-2 (law section 7) and what opens accounts: masked in answers when the duty does not say which. */
#define MASKED_IN_ANSWERS                                                                                    \
	(1u << IDENTIFIER_RRN | 1u << IDENTIFIER_FRN | 1u << IDENTIFIER_PASSPORT |                           \
	 1u << IDENTIFIER_DRIVER_LICENSE | 1u << IDENTIFIER_HEALTH_INSURANCE | 1u << IDENTIFIER_ACCOUNT |    \
	 1u << IDENTIFIER_CARD)

enum place { PLACE_MEMBER = 0, PLACE_APPEND, PLACE_PREPEND };

/* One text of a streamed answer that grows: content, reasoning or the arguments of one call of one choice. */
#define SLOT_CONTENT   (-2)
#define SLOT_REASONING (-1)

struct channel {
	int64_t choice, slot;      /* slot: one of the above, or the call's index */
	struct redactor *redactor; /* NULL: nothing is masked */
	struct restorer restorer;  /* when tokens are restored */
	bool json;                 /* the text is JSON */
	struct jsontext_plain plain;
	struct jsontext_quoting quoting;
	struct buffer text; /* as it went out */
	char name[65];      /* of a call's function */
	struct channel *next;
};

struct labelling {
	struct exchange *x;
	struct openai_mark mark;
	uint32_t kinds; /* to mask; 0: none */
	bool restore;   /* tokens become values again: who asks may see them */
	uint32_t masked[IDENTIFIER_KINDS];
	enum place place;
	struct buffer notice;  /* the words that go into the answer */
	struct buffer content; /* for the commitment */

	/* of a stream */
	struct arena *scratch; /* of one event */
	struct sse sse;
	struct buffer pending; /* written, not yet taken by the client's stream */
	struct buffer made;    /* of one redactor call */
	struct channel *channels;
	size_t channel_count;
	const char *finish[OPENAI_CHOICES];
	bool begun[OPENAI_CHOICES]; /* content has gone out */
	bool called[OPENAI_CHOICES];
	struct openai_answer usage; /* tokens as last told */
	char fingerprint[129];
	bool done, engine_ended, finishing, failed, told;
	struct fault why;
};

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
static int
check_weights(struct labelling *labelling, const char *fingerprint, struct fault *why)
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

static void
take_usage(struct labelling *labelling, const struct openai_answer *answer)
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

static bool
notice_fits(const struct labelling *labelling, const char *finish, bool content, bool calls)
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

static void
content_text(struct buffer *out, const char *name, struct slice text)
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
static int
count_found(struct labelling *labelling, struct slice text, struct arena *arena, struct fault *why)
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
		    count_found(labelling, choice->calls[i].arguments, arena, why) == -1)
			return -1;
	if (count_found(labelling, choice->content, arena, why) == -1 ||
	    count_found(labelling, choice->reasoning, arena, why) == -1)
		return -1;
	if (labelling->kinds != 0 || labelling->restore)
		choice->logprobs = NULL; /* they spell the text once more */
	if (notice_fits(labelling, choice->finish_reason, choice->has_content, choice->call_count > 0)) {
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
			content_text(
			    out, j == 0 ? "{\"arguments\":" : ",{\"arguments\":", choice->calls[j].arguments);
			content_text(out, ",\"name\":", slice_string(choice->calls[j].name));
			buffer_byte(out, '}');
		}
		content_text(out, "],\"content\":", choice->content);
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
	if (check_weights(labelling, answer.fingerprint, why) == -1)
		goto out;
	for (size_t i = 0; i < answer.choice_count; i++)
		if (label_choice(labelling, &answer.choices[i], why) == -1)
			goto out;
	take_usage(labelling, &answer);
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

/* ---- streams ------------------------------------------------------------------------------------------------------------- */

static struct channel *
channel_of(struct labelling *labelling, int64_t choice, int64_t slot, struct fault *why)
{
	struct channel *channel;

	for (channel = labelling->channels; channel != NULL; channel = channel->next)
		if (channel->choice == choice && channel->slot == slot)
			return channel;
	if (labelling->channel_count == CHANNELS_MOST || (channel = calloc(1, sizeof *channel)) == NULL) {
		fault_set(why, FAULT_UNAVAILABLE, "엔진의 답에 갈래가 너무 많습니다",
		          "the engine's answer has too many parts");
		return NULL;
	}
	channel->choice = choice;
	channel->slot = slot;
	buffer_init(&channel->text, (size_t)labelling->x->view->config->limits.answer);
	if (labelling->kinds != 0 &&
	    redactor_open(&channel->redactor, labelling->x->bench->detector, labelling->kinds, why) == -1) {
		buffer_free(&channel->text);
		free(channel);
		return NULL;
	}
	if (channel->redactor != NULL)
		redactor_use(channel->redactor, labelling->x->redaction);
	channel->json = slot >= 0 || (slot == SLOT_CONTENT && labelling->x->request->json_output);
	restorer_init(&channel->restorer, labelling->x->redaction, channel->json);
	channel->next = labelling->channels;
	labelling->channels = channel;
	labelling->channel_count++;
	return channel;
}

/* What was made of a text, in its place: in the scratch arena. */
static int
take_made(struct labelling *labelling, struct slice *text, struct fault *why)
{
	if (!buffer_ok(&labelling->made))
		return fault_memory(why);
	*text = arena_slice(labelling->scratch, buffer_view(&labelling->made));
	buffer_reset(&labelling->made);
	return text->size > 0 && text->data == NULL ? fault_memory(why) : 0;
}

/* Text of a channel on its way: masked as far as it is known, kept for the commitment. Into the scratch arena. */
static int
pass(struct labelling *labelling, struct channel *channel, struct slice *text, bool last, struct fault *why)
{
	buffer_reset(&labelling->made);
	if (channel->json) {
		jsontext_plain(&channel->plain, *text, last, &labelling->made);
		if (take_made(labelling, text, why) == -1)
			return -1;
	}
	if (channel->redactor != NULL || labelling->restore) {
		if ((labelling->restore ? restorer_write(&channel->restorer, *text, last, &labelling->made,
		                                         labelling->x->outcome.restored, why)
		                        : redactor_write(channel->redactor, *text, last, &labelling->made,
		                                         labelling->masked, why)) == -1)
			return -1;
		if (take_made(labelling, text, why) == -1)
			return -1;
	}
	if (channel->json && channel->redactor != NULL) {
		jsontext_quoting(&channel->quoting, *text, last, &labelling->made);
		if (take_made(labelling, text, why) == -1)
			return -1;
	}
	buffer_slice(&channel->text, *text);
	return 0;
}

/* As much of what is written as the client's stream takes now; the engine waits while there is more. */
static void
flush(struct labelling *labelling)
{
	struct exchange *x = labelling->x;

	while (labelling->pending.size > 0) {
		size_t size = stream_room(x->answer.stream);

		if (size > labelling->pending.size)
			size = labelling->pending.size;
		if (size == 0 || !stream_write(x->answer.stream, slice_of(labelling->pending.data, size))) {
			/* A refusal to fit is what makes the stream tell when it has drained. */
			if (stream_write(x->answer.stream, buffer_view(&labelling->pending)))
				buffer_reset(&labelling->pending);
			else if (x->call != NULL)
				engine_pause(x->call);
			return;
		}
		buffer_consume(&labelling->pending, size);
	}
}

static void
write_event(struct labelling *labelling, const struct openai_answer *answer, bool usage, bool last)
{
	buffer_string(&labelling->pending, "data: ");
	openai_chunk_write(&labelling->pending, answer, usage, &labelling->mark, last);
	buffer_string(&labelling->pending, "\n\n");
}

static void
write_choice(struct labelling *labelling, const struct openai_choice *choice, const char *fingerprint,
             bool last)
{
	struct openai_choice copy = *choice;
	const struct openai_answer answer = {
	    .kind = labelling->x->kind, .fingerprint = fingerprint, .choices = &copy, .choice_count = 1};

	write_event(labelling, &answer, false, last);
}

/* What the redactors of a finished choice still hold, and the notice behind its content. */
static int
end_choice(struct labelling *labelling, int64_t index, struct fault *why)
{
	struct openai_choice rest = {.index = index};
	struct openai_call call = {.id = "", .name = ""};
	const char *const finish = labelling->finish[index];

	for (struct channel *channel = labelling->channels; channel != NULL; channel = channel->next) {
		struct slice text = {0};

		if (channel->choice != index ||
		    (channel->redactor == NULL && !labelling->restore && !channel->json))
			continue;
		if (pass(labelling, channel, &text, true, why) == -1)
			return -1;
		if (text.size == 0)
			continue;
		rest = (struct openai_choice){.index = index};
		if (channel->slot == SLOT_CONTENT) {
			rest.has_content = true;
			rest.content = text;
		} else if (channel->slot == SLOT_REASONING) {
			rest.has_reasoning = true;
			rest.reasoning = text;
		} else {
			call.index = channel->slot;
			call.arguments = text;
			rest.calls = &call;
			rest.call_count = 1;
		}
		write_choice(labelling, &rest, labelling->fingerprint, false);
	}
	if (labelling->place == PLACE_APPEND &&
	    notice_fits(labelling, finish, labelling->begun[index], labelling->called[index])) {
		struct channel *content = channel_of(labelling, index, SLOT_CONTENT, why);

		if (content == NULL)
			return -1;
		rest = (struct openai_choice){
		    .index = index, .has_content = true, .content = buffer_view(&labelling->notice)};
		buffer_slice(&content->text, rest.content);
		write_choice(labelling, &rest, labelling->fingerprint, false);
	}
	return 0;
}

static int
pass_content(struct labelling *labelling, struct openai_choice *choice, struct fault *why)
{
	struct channel *channel = channel_of(labelling, choice->index, SLOT_CONTENT, why);
	struct buffer whole;

	if (channel == NULL || pass(labelling, channel, &choice->content, false, why) == -1)
		return -1;
	if (labelling->place != PLACE_PREPEND || labelling->begun[choice->index] || choice->content.size == 0)
		return 0;
	buffer_init(&whole, EVENT_MOST);
	buffer_slice(&whole, buffer_view(&labelling->notice));
	buffer_slice(&whole, choice->content);
	choice->content = arena_slice(labelling->scratch, buffer_view(&whole));
	buffer_free(&whole);
	return choice->content.data == NULL ? fault_memory(why) : 0;
}

static int
pass_choice(struct labelling *labelling, struct openai_choice *choice, struct fault *why)
{
	const char *const finish = choice->finish_reason;
	struct channel *channel;

	choice->finish_reason = NULL;
	if (labelling->kinds != 0 || labelling->restore)
		choice->logprobs = NULL;
	if (choice->has_content) {
		if (pass_content(labelling, choice, why) == -1)
			return -1;
		labelling->begun[choice->index] |= choice->content.size > 0;
		choice->has_content = choice->content.size > 0 || choice->role != NULL;
	}
	if (choice->has_reasoning) {
		if ((channel = channel_of(labelling, choice->index, SLOT_REASONING, why)) == NULL ||
		    pass(labelling, channel, &choice->reasoning, false, why) == -1)
			return -1;
		choice->has_reasoning = choice->reasoning.size > 0;
	}
	for (size_t i = 0; i < choice->call_count; i++) {
		struct openai_call *call = &choice->calls[i];

		labelling->called[choice->index] = true;
		if ((channel = channel_of(labelling, choice->index, call->index, why)) == NULL ||
		    pass(labelling, channel, &call->arguments, false, why) == -1)
			return -1;
		if (call->name[0] != '\0')
			snprintf(channel->name, sizeof channel->name, "%s", call->name);
	}
	if (choice->role != NULL || choice->has_content || choice->has_reasoning || choice->call_count > 0)
		write_choice(labelling, choice, labelling->fingerprint, false);
	/* The end itself waits for the outcome entry. */
	if (finish != NULL && labelling->finish[choice->index] == NULL) {
		labelling->finish[choice->index] = finish;
		return end_choice(labelling, choice->index, why);
	}
	return 0;
}

static int
take_event(void *owner, struct slice data, struct fault *why)
{
	struct labelling *labelling = owner;
	struct openai_answer answer;
	int result = -1;

	if (labelling->done)
		return 0;
	if (slice_is(data, "[DONE]")) {
		labelling->done = true;
		return 0;
	}
	arena_reset(labelling->scratch);
	if (openai_answer_read(&answer, labelling->x->kind, true, data, EVENT_MOST, labelling->scratch,
	                       why) == -1)
		return -1;
	if (!labelling->told) {
		labelling->told = true;
		snprintf(labelling->fingerprint, sizeof labelling->fingerprint, "%s", answer.fingerprint);
		if (check_weights(labelling, answer.fingerprint, why) == -1)
			goto out;
	}
	take_usage(labelling, &answer);
	for (size_t i = 0; i < answer.choice_count; i++)
		if (pass_choice(labelling, &answer.choices[i], why) == -1)
			goto out;
	result = buffer_ok(&labelling->pending) ? 0 : fault_memory(why);
out:
	openai_answer_free(&answer);
	return result;
}

static void
drained(void *owner)
{
	struct labelling *labelling = owner;
	struct exchange *x = labelling->x;

	flush(labelling);
	if (labelling->pending.size > 0)
		return;
	if (labelling->finishing)
		stream_end(x->answer.stream);
	else if (labelling->engine_ended)
		pipeline_resume(x, GO_ON);
	else if (x->call != NULL)
		engine_resume(x->call);
}

int
labelling_open(struct labelling *labelling, struct fault *why)
{
	struct exchange *x = labelling->x;

	sse_init(&labelling->sse, EVENT_MOST);
	buffer_init(&labelling->pending, PENDING_MOST);
	buffer_init(&labelling->made, PENDING_MOST);
	if ((labelling->scratch = loop_arena_take(x->arrival->loop)) == NULL ||
	    (x->answer.stream = stream_new(STREAM_SIZE)) == NULL)
		return fault_memory(why);
	stream_on_drain(x->answer.stream, drained, labelling);
	x->answer.status = 200;
	exchange_header(x, "Content-Type", "text/event-stream; charset=utf-8");
	exchange_header(x, "Cache-Control", "no-cache");
	return 0;
}

void
labelling_feed(struct labelling *labelling, struct slice bytes)
{
	struct exchange *x = labelling->x;

	if (labelling->failed)
		return;
	if (sse_feed(&labelling->sse, bytes, take_event, labelling, &labelling->why) == -1) {
		labelling->failed = true;
		engine_cancel(x->call);
		x->call = NULL;
		labelling_engine_ended(labelling);
		return;
	}
	flush(labelling);
}

static void
keep_channels(struct labelling *labelling)
{
	struct buffer *out = &labelling->content;
	bool first_choice = true;

	buffer_string(out, "{\"choices\":[");
	for (int64_t index = 0; index < OPENAI_CHOICES; index++) {
		const struct channel *content = NULL;
		bool any = false, first_call = true;

		for (const struct channel *each = labelling->channels; each != NULL; each = each->next)
			any |= each->choice == index;
		if (!any)
			continue;
		buffer_string(out, first_choice ? "{\"calls\":[" : ",{\"calls\":[");
		first_choice = false;
		for (int64_t slot = SLOT_CONTENT; slot < OPENAI_CALLS; slot++)
			for (const struct channel *each = labelling->channels; each != NULL;
			     each = each->next) {
				if (each->choice != index || each->slot != slot)
					continue;
				if (slot == SLOT_CONTENT)
					content = each;
				if (slot < 0)
					continue;
				content_text(out, first_call ? "{\"arguments\":" : ",{\"arguments\":",
				             buffer_view(&each->text));
				content_text(out, ",\"name\":", slice_string(each->name));
				buffer_byte(out, '}');
				first_call = false;
			}
		content_text(
		    out, "],\"content\":", content == NULL ? (struct slice){0} : buffer_view(&content->text));
		buffer_byte(out, '}');
	}
	buffer_string(out, "]}");
}

void
labelling_engine_ended(struct labelling *labelling)
{
	struct exchange *x = labelling->x;
	struct fault why;

	if (labelling->engine_ended)
		return;
	labelling->engine_ended = true;
	for (const struct channel *each = labelling->channels; each != NULL && labelling->scratch != NULL;
	     each = each->next) {
		arena_reset(labelling->scratch);
		if (count_found(labelling, buffer_view(&each->text), labelling->scratch, &why) == -1)
			log_fault(LOG_LEVEL_WARN, "label", "answer-not-looked-at", &why);
	}
	keep_channels(labelling);
	memcpy(x->outcome.masked, labelling->masked, sizeof labelling->masked);
	for (unsigned i = 0; i < OPENAI_CHOICES && x->outcome.finish == NULL; i++)
		x->outcome.finish = labelling->finish[i];
	if (labelling_over(labelling))
		pipeline_resume(x, GO_ON);
}

bool
labelling_over(const struct labelling *labelling)
{
	return labelling->engine_ended && (labelling->pending.size == 0 || labelling->failed);
}

int
labelling_whole(const struct labelling *labelling, struct fault *why)
{
	bool finished = false;

	if (labelling->failed) {
		*why = labelling->why;
		return -1;
	}
	if (!labelling->x->engine_ok) {
		*why = labelling->x->engine_fault;
		return -1;
	}
	for (unsigned i = 0; i < OPENAI_CHOICES; i++)
		finished |= labelling->finish[i] != NULL;
	if (!labelling->done || !finished || !sse_clean(&labelling->sse))
		return fault_set(why, FAULT_UNAVAILABLE, "엔진의 답이 끝까지 오지 않았습니다",
		                 "the engine's answer ended before its end");
	return 0;
}

void
labelling_finish(struct labelling *labelling)
{
	struct exchange *x = labelling->x;
	unsigned last = 0;

	for (unsigned i = 0; i < OPENAI_CHOICES; i++)
		if (labelling->finish[i] != NULL)
			last = i;
	for (unsigned i = 0; i <= last; i++) {
		const struct openai_choice end = {.index = i, .finish_reason = labelling->finish[i]};

		if (end.finish_reason != NULL)
			write_choice(labelling, &end, labelling->fingerprint, i == last);
	}
	if (x->request->include_usage) {
		labelling->usage.fingerprint = labelling->fingerprint;
		write_event(labelling, &labelling->usage, true, false);
	}
	buffer_string(&labelling->pending, "data: [DONE]\n\n");
	labelling->finishing = true;
	flush(labelling);
	if (labelling->pending.size == 0)
		stream_end(x->answer.stream);
}

void
labelling_fail(struct labelling *labelling, const struct fault *why)
{
	struct buffer event;

	buffer_init(&event, 16 * 1024);
	buffer_string(&event, "data: ");
	openai_error_write(&event, "server_error", fault_kind_name(why->kind), NULL, why, (struct slice){0});
	buffer_string(&event, "\n\n");
	if (labelling->pending.size == 0)
		(void)stream_write(labelling->x->answer.stream, buffer_view(&event));
	buffer_free(&event);
	stream_abort(labelling->x->answer.stream);
}
