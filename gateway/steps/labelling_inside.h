/*
 * What the files of labelling share: labelling.c begins, ends and does whole answers, labelling_stream.c those that come
 * event by event. Nobody else includes this.
 */
#ifndef HAECHI_GATEWAY_STEPS_LABELLING_INSIDE_H
#define HAECHI_GATEWAY_STEPS_LABELLING_INSIDE_H

#include "gateway/jsontext.h"
#include "gateway/openai.h"
#include "gateway/sse.h"
#include "gateway/steps/labelling.h"

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

/* Are these the configured weights? */
int labelling_check_weights(struct labelling *labelling, const char *fingerprint, struct fault *why);
/* Tokens as last told. */
void labelling_take_usage(struct labelling *labelling, const struct openai_answer *answer);
/* Whether the words of the notice belong behind (or before) this content. */
bool labelling_notice_fits(const struct labelling *labelling, const char *finish, bool content, bool calls);
/* A member of the kept content: its name with quotes and colon, and the text. */
void labelling_content_text(struct buffer *out, const char *name, struct slice text);
/* Identifiers that go out all the same, into the outcome. */
int labelling_count_found(struct labelling *labelling, struct slice text, struct arena *arena,
                          struct fault *why);

#endif
