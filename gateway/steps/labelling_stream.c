/* Answers that come event by event: each text of each choice through its own channel, written anew as it goes. */
#include <stdlib.h>
#include <string.h>

#include "gateway/bench.h"
#include "gateway/config.h"
#include "gateway/engine.h"
#include "gateway/pipeline.h"
#include "gateway/steps/labelling_inside.h"
#include "gateway/stream.h"
#include "schema/base/log.h"

#define EVENT_MOST    (256 * 1024)
#define PENDING_MOST  (8 * 1024 * 1024)
#define CHANNELS_MOST 128

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
	    labelling_notice_fits(labelling, finish, labelling->begun[index], labelling->called[index])) {
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
		if (labelling_check_weights(labelling, answer.fingerprint, why) == -1)
			goto out;
	}
	labelling_take_usage(labelling, &answer);
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
				labelling_content_text(out,
				                       first_call ? "{\"arguments\":" : ",{\"arguments\":",
				                       buffer_view(&each->text));
				labelling_content_text(out, ",\"name\":", slice_string(each->name));
				buffer_byte(out, '}');
				first_call = false;
			}
		labelling_content_text(
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
		if (labelling_count_found(labelling, buffer_view(&each->text), labelling->scratch, &why) ==
		    -1)
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
