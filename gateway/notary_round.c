#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/cosignature.h"
#include "audit/proof.h"
#include "gateway/notary_inside.h"
#include "gateway/remote.h"
#include "schema/base/log.h"

#define TRIES 4 /* of one witness in one round: each 409 costs one */

struct talk {
	const struct quorum_witness *witness;
	size_t number; /* in the policy */
	uint64_t older;
	bool asking, claims; /* claims: it told of another history, with or without proof */
	uint64_t claimed;
	char url[QUORUM_URL_SIZE + COSIGNATURE_MONITOR_SIZE];
	struct buffer body;
	struct notary_witness said;
	struct buffer line;
};

struct round {
	struct notary *notary;
	const struct config_witness *config;
	struct buffer note; /* as the ledger has signed it */
	struct note parsed;
	struct checkpoint head;
	size_t count;
	struct talk talks[QUORUM_WITNESSES];
	bool broken; /* somebody has proof against this log */
	struct fault proof;
};

static void
url_of(struct talk *talk, const char *path)
{
	size_t size = strlen(talk->witness->url);

	while (size > 0 && talk->witness->url[size - 1] == '/')
		size--;
	snprintf(talk->url, sizeof talk->url, "%.*s%s", (int)size, talk->witness->url, path);
}

static int
rolled_back(struct fault *why, const struct talk *talk, uint64_t size, uint64_t ours)
{
	return fault_set(
	    why, FAULT_TAMPERED,
	    "증인 %s이(가) 이 기록의 서명된 머리를 크기 %" PRIu64 "에서 보았는데 여기는 %" PRIu64
	    "뿐입니다. 저널·키 폴더가 옛 백업으로 되돌려졌습니다. 이어 쓰면 기록이 갈라집니다. 가장 새로운 "
	    "저널과 키 폴더를 되살리십시오. 없으면 새 node 이름으로 새 기록을 시작하십시오",
	    "witness %s saw a head signed by this log at size %" PRIu64 ", here it has only %" PRIu64
	    ": journal and key directory were put back from an old backup. Going on would fork the log. "
	    "Restore the "
	    "newest journal and key directory; if there are none, begin a new log under another node name",
	    talk->witness->name, size, ours);
}

static int
rewritten(struct fault *why, const struct talk *talk, uint64_t size)
{
	return fault_set(
	    why, FAULT_TAMPERED,
	    "증인 %s에게 크기 %" PRIu64 "에서 이 기록이 서명한 다른 머리가 있습니다. 기록이 갈라졌습니다 "
	    "(그 앞의 항목이 다시 쓰였습니다). 저널과 키 폴더의 백업을 대조하고 감사 기관에 알리십시오",
	    "witness %s has another head signed by this log at size %" PRIu64
	    ": the history has forked, entries "
	    "before it were written anew. Compare the backups of journal and key directory, and tell the "
	    "auditors",
	    talk->witness->name, size);
}

/*
 * A head of ours that a witness keeps: is it in our history? 0: yes, or it says nothing of us (not our signature, no head at all);
 * -1: it is proof, and *why says of what.
 */
static int
head_compare(struct round *round, const struct talk *talk, struct slice bytes, struct fault *why)
{
	struct signed_head *kept = malloc(sizeof *kept);
	struct tree_hash ours;
	int result = 0;

	if (kept == NULL ||
	    signed_head_open(kept, bytes, round->notary->gateway->origin, &round->notary->keys, NULL) == -1)
		result = 0;
	else if (kept->checkpoint.size > round->head.size)
		result = rolled_back(why, talk, kept->checkpoint.size, round->head.size);
	else if (kept->checkpoint.size > 0 &&
	         ledger_root(round->notary->gateway->ledger, kept->checkpoint.size, &ours, NULL) == 0 &&
	         !tree_hash_equal(&ours, &kept->checkpoint.root))
		result = rewritten(why, talk, kept->checkpoint.size);
	free(kept);
	return result;
}

static void
no_use(struct talk *talk, enum notary_state state, const struct fault *why)
{
	talk->asking = false;
	talk->said.state = state;
	talk->said.why = *why;
}

static void
claim(struct talk *talk)
{
	struct fault why;

	fault_set(&why, FAULT_TAMPERED, "증인 %s은(는) 크기 %" PRIu64 "에서 자란 기록이 아니라고 합니다",
	          "witness %s says that this log has not grown from what it saw at size %" PRIu64,
	          talk->witness->name, talk->older);
	talk->claims = true;
	no_use(talk, NOTARY_CONTRADICTS, &why);
}

/* Its answer: a cosignature, its size, or no. */
static void
answer_take(struct round *round, struct talk *talk, const struct remote_question *question)
{
	const struct slice answer = buffer_view(&question->answer);
	struct fault why;
	uint64_t time;

	if (!question->answered) {
		no_use(talk, NOTARY_UNREACHABLE, &question->why);
	} else if (question->status == 200) {
		buffer_reset(&talk->line);
		if (cosignature_answer_read(&talk->line, &time, round->parsed.text, answer,
		                            &talk->witness->key, &why) == -1) {
			no_use(talk, NOTARY_UNREACHABLE, &why);
			return;
		}
		talk->asking = false;
		talk->said.state = NOTARY_COSIGNED;
		talk->said.size = round->head.size;
		talk->said.time = (int64_t)time;
		memset(&talk->said.why, 0, sizeof talk->said.why);
	} else if (question->status == 409) {
		uint64_t size;

		if (cosignature_size_read(&size, answer, &why) == -1) {
			/* Some answer so where the specification has 422: the same size with another root. */
			claim(talk);
		} else if (size <= round->head.size) {
			talk->older = size; /* and once more */
		} else {
			fault_set(&why, FAULT_TAMPERED,
			          "증인 %s은(는) 이 기록을 크기 %" PRIu64
			          "까지 보았다고 합니다 (여기는 %" PRIu64 ")",
			          "witness %s says that it has seen this log at size %" PRIu64
			          " (here: %" PRIu64 ")",
			          talk->witness->name, size, round->head.size);
			talk->claims = true;
			no_use(talk, NOTARY_CONTRADICTS, &why);
		}
	} else if (question->status == 422) {
		claim(talk);
	} else {
		struct slice words = answer;

		words.size = utf8_valid(words) ? utf8_cut(words, 120) : 0;
		while (words.size > 0 && words.data[words.size - 1] <= ' ')
			words.size--;
		fault_set(&why, FAULT_UNAVAILABLE, "증인 %s이(가) %d(으)로 거절했습니다: %.*s",
		          "witness %s refused with %d: %.*s", talk->witness->name, question->status,
		          SLICE_PRINT(words));
		no_use(talk, NOTARY_REFUSED, &why);
	}
}

/* The request, or a reason why it cannot be made. */
static int
body_make(struct round *round, struct talk *talk, struct fault *why)
{
	struct cosignature_request request = {.older = talk->older, .checkpoint = buffer_view(&round->note)};

	if (talk->older > 0 && talk->older < round->head.size &&
	    ledger_consistency(round->notary->gateway->ledger, talk->older, round->head.size, &request.proof,
	                       why) == -1)
		return -1;
	buffer_reset(&talk->body);
	cosignature_request_write(&talk->body, &request);
	return buffer_ok(&talk->body) ? 0 : fault_memory(why);
}

static void
witnesses_ask(struct round *round)
{
	struct remote_question questions[QUORUM_WITNESSES];
	struct talk *asked[QUORUM_WITNESSES];

	for (unsigned attempt = 0; attempt < TRIES && !atomic_load(&round->notary->stopping); attempt++) {
		size_t count = 0;
		struct fault why;

		for (size_t i = 0; i < round->count; i++) {
			struct talk *talk = &round->talks[i];

			if (!talk->asking)
				continue;
			if (body_make(round, talk, &why) == -1) {
				no_use(talk, NOTARY_UNREACHABLE, &why);
				continue;
			}
			url_of(talk, COSIGNATURE_PATH);
			asked[count] = talk;
			questions[count++] = (struct remote_question){
			    .url = talk->url,
			    .method = "POST",
			    .content_type = "text/plain; charset=utf-8",
			    .body = buffer_view(&talk->body),
			    .ca = round->config->ca,
			    .answer_limit = COSIGNATURE_ANSWER_LIMIT,
			    .deadline_ms = round->config->deadline_seconds * 1000,
			};
		}
		if (count == 0)
			return;
		remote_ask(questions, count, &round->notary->stopping);
		for (size_t i = 0; i < count; i++) {
			answer_take(round, asked[i], &questions[i]);
			buffer_free(&questions[i].answer);
		}
	}
	for (size_t i = 0; i < round->count; i++)
		if (round->talks[i].asking) {
			struct fault why;

			fault_set(&why, FAULT_UNAVAILABLE, "증인 %s의 크기가 물을 때마다 바뀝니다",
			          "the size of witness %s changes with every question",
			          round->talks[i].witness->name);
			no_use(&round->talks[i], NOTARY_UNREACHABLE, &why);
		}
}

/* Those who contradict us are asked for what they saw: it is proof when our own signature is on it. */
static void
claims_look(struct round *round)
{
	char path[COSIGNATURE_MONITOR_SIZE];

	cosignature_monitor_path(path, slice_string(round->notary->gateway->origin));
	for (size_t i = 0; i < round->count; i++) {
		struct talk *talk = &round->talks[i];
		struct remote_question question = {
		    .url = talk->url,
		    .method = "GET",
		    .ca = round->config->ca,
		    .answer_limit = COSIGNATURE_ANSWER_LIMIT,
		    .deadline_ms = round->config->deadline_seconds * 1000,
		};

		if (!talk->claims)
			continue;
		url_of(talk, path);
		remote_ask(&question, 1, &round->notary->stopping);
		if (question.answered && question.status == 200 && !round->broken &&
		    head_compare(round, talk, buffer_view(&question.answer), &round->proof) == -1) {
			round->broken = true;
			talk->said.why = round->proof;
		}
		buffer_free(&question.answer);
	}
}

static int
round_begin(struct round *round, struct notary *notary, const struct config_witness *config,
            struct fault *why)
{
	const struct quorum *quorum = config->quorum;

	round->notary = notary;
	round->config = config;
	buffer_init(&round->note, NOTARY_NOTE_LIMIT);
	if (ledger_checkpoint(notary->gateway->ledger, &round->note, why) == -1 ||
	    note_parse(&round->parsed, buffer_view(&round->note), why) == -1 ||
	    checkpoint_parse(&round->head, round->parsed.text, why) == -1)
		return -1;
	for (size_t i = 0; i < quorum->witness_count; i++) {
		struct talk *talk = &round->talks[round->count];

		if (quorum->witnesses[i].url[0] == '\0')
			continue;
		round->count++;
		talk->witness = &quorum->witnesses[i];
		talk->number = i;
		talk->said = notary->told.witnesses[i];
		talk->older = talk->said.size <= round->head.size ? talk->said.size : 0;
		talk->asking = true;
		buffer_init(&talk->body, COSIGNATURE_REQUEST_LIMIT);
		buffer_init(&talk->line, 4096);
	}
	return 0;
}

static void
round_end(struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		buffer_free(&round->talks[i].body);
		buffer_free(&round->talks[i].line);
	}
	buffer_free(&round->note);
	free(round);
}

/* The lines that an earlier round gathered for the same head, of witnesses who were silent in this one. */
static void
lines_keep(struct round *round, struct buffer *note, bool cosigned[QUORUM_WITNESSES])
{
	struct notary *notary = round->notary;
	const struct quorum *quorum = round->config->quorum;
	struct note *before = malloc(sizeof *before);

	if (before != NULL && note_parse(before, buffer_view(&notary->cosigned), NULL) == 0 &&
	    slice_equal(before->text, round->parsed.text))
		for (size_t i = 0; i < quorum->witness_count; i++)
			for (size_t s = 0; s < before->count && !cosigned[i]; s++)
				if (before->signatures[s].id == quorum->witnesses[i].key.id &&
				    slice_is(before->signatures[s].name, quorum->witnesses[i].key.name)) {
					buffer_slice(note, before->signatures[s].line);
					cosigned[i] = true;
				}
	free(before);
}

/* What was gathered becomes the newest cosigned head, if it is one. */
static void
round_publish(struct round *round)
{
	struct notary *notary = round->notary;
	struct notary_status *told = &notary->told;
	bool cosigned[QUORUM_WITNESSES] = {false};
	struct buffer note;
	size_t fresh = 0, count = 0;

	buffer_init(&note, NOTARY_NOTE_LIMIT);
	buffer_slice(&note, buffer_view(&round->note));
	for (size_t i = 0; i < round->count; i++)
		if (round->talks[i].said.state == NOTARY_COSIGNED && round->talks[i].line.size > 0) {
			buffer_slice(&note, buffer_view(&round->talks[i].line));
			cosigned[round->talks[i].number] = true;
			fresh++;
		}
	if (fresh > 0)
		lines_keep(round, &note, cosigned);
	for (size_t i = 0; i < QUORUM_WITNESSES; i++)
		count += cosigned[i];
	notary->missed = quorum_met(round->config->quorum, cosigned) ? 0 : notary->missed + 1;
	pthread_mutex_lock(&notary->lock);
	for (size_t i = 0; i < round->count; i++)
		told->witnesses[round->talks[i].number] = round->talks[i].said;
	if (fresh > 0 && buffer_ok(&note)) {
		/* Of the same head a later time alone is no news for the database. */
		notary->unstored =
		    notary->unstored || told->cosigned_size != round->head.size || told->cosigners != count;
		notary_buffer_keep(&notary->cosigned, buffer_view(&note));
		told->cosigned_size = round->head.size;
		told->cosigners = count;
		told->quorum = quorum_met(round->config->quorum, cosigned);
	}
	pthread_mutex_unlock(&notary->lock);
	if (fresh > 0 && notary->unstored)
		notary_file_keep(notary, NOTARY_COSIGNED_FILE, buffer_view(&notary->cosigned));
	buffer_free(&note);
}

/* A witness's change of mind is told once. */
static void
changes_log(const struct round *round)
{
	for (size_t i = 0; i < round->count; i++) {
		const struct talk *talk = &round->talks[i];
		const struct notary_witness *before = &round->notary->told.witnesses[talk->number];

		if (talk->said.state == before->state)
			continue;
		if (talk->said.state == NOTARY_COSIGNED)
			log_info("notary", "event=cosigned witness=%s size=%" PRIu64, talk->witness->name,
			         talk->said.size);
		else
			log_line(talk->said.state == NOTARY_CONTRADICTS ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
			         "notary", "event=%s witness=%s why=\"%s\"",
			         notary_state_name(talk->said.state), talk->witness->name, talk->said.why.en);
	}
}

/* Another policy than last time: nothing is known of its witnesses yet. */
static void
policy_take(struct notary *notary, const struct config_witness *config)
{
	const struct quorum *quorum = config->quorum;
	struct notary_status *told = &notary->told;
	struct buffer words, all;
	uint8_t digest[32];

	buffer_init(&all, 1 << 20);
	for (size_t i = 0; i < quorum->witness_count; i++) {
		note_key_write(&all, &quorum->witnesses[i].key);
		buffer_printf(&all, " %s %s\n", quorum->witnesses[i].name, quorum->witnesses[i].url);
	}
	quorum_describe(&all, quorum);
	{
		struct tree_hash hash;

		tree_leaf(&hash, buffer_view(&all));
		memcpy(digest, hash.bytes, sizeof digest);
	}
	buffer_free(&all);
	if (told->witnessing && memcmp(digest, notary->policy, sizeof digest) == 0)
		return;
	memcpy(notary->policy, digest, sizeof digest);
	buffer_init(&words, sizeof told->wants - 1);
	quorum_describe(&words, quorum);
	pthread_mutex_lock(&notary->lock);
	memset(told->witnesses, 0, sizeof told->witnesses);
	told->witnessing = true;
	told->witness_count = quorum->witness_count;
	for (size_t i = 0; i < quorum->witness_count; i++)
		snprintf(told->witnesses[i].name, sizeof told->witnesses[i].name, "%s",
		         quorum->witnesses[i].name);
	snprintf(told->wants, sizeof told->wants, "%.*s", SLICE_PRINT(buffer_view(&words)));
	pthread_mutex_unlock(&notary->lock);
	buffer_free(&words);
}

int
notary_round(struct notary *notary, const struct config_witness *config, struct fault *why)
{
	struct round *round = calloc(1, sizeof *round);
	int result = -1;

	if (round == NULL)
		return fault_memory(why);
	policy_take(notary, config);
	if (round_begin(round, notary, config, why) == -1)
		goto out;
	witnesses_ask(round);
	if (atomic_load(&notary->stopping)) {
		result = 0;
		goto out;
	}
	claims_look(round);
	changes_log(round);
	round_publish(round);
	result = 0;
	for (size_t i = 0; i < round->count; i++)
		if (round->talks[i].claims) {
			*why = round->talks[i].said.why;
			why->kind = FAULT_CONFLICT;
			result = -1;
		}
	if (round->broken) {
		*why = round->proof;
		result = -1;
	}
out:
	round_end(round);
	return result;
}
