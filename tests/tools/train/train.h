/*
 * train -- how policy/detect/model.weights comes out of policy/detect/corpus.
 *
 * corpus: lines as they were written -> texts: put together and spoilt as people's typing does -> network: learns from
 * their features -> score: what it gets right of lines it has not seen.
 */
#ifndef HAECHI_TESTS_TOOLS_TRAIN_H
#define HAECHI_TESTS_TOOLS_TRAIN_H

#include <stdio.h>

#include "policy/detect/model.h"

#define LINES_LIMIT    1000
#define WRITERS_LIMIT  16
#define TEXT_LIMIT     8192
#define FEATURES_LIMIT 2048

/* ---- the corpus ---- */

enum section {
	SITUATION,
	ASK,
	NEAR,
	CONSEQUENCE,
	HARMLESS,
	FRAME,
	CLAIM,
	CLAIM_NONE,
	CHAT,
	THING,
	ENDING,
	POSITIVE,
	NEGATIVE,
	WORDS,
	SECTIONS
};
enum language { KO, EN, LANGUAGES };

struct lines {
	char *line[LINES_LIMIT];
	size_t count;
};

/* The project's own fragments; DOMAIN_NONE: common. */
extern struct lines corpus[DOMAIN_KINDS][SECTIONS][LANGUAGES];

/* A whole request with its label, by one of the writers who knew nothing of each other nor of the rest. */
struct request {
	char *text;
	enum domain label, near; /* near: whose words a harmless one uses, DOMAIN_NONE: nobody's */
	uint16_t also;           /* a bit for each domain that a careful reader could choose as well */
	bool hard, adversarial;
};

struct requests {
	char *name; /* of the file */
	struct request *list;
	size_t count;
};

extern struct requests writers[WRITERS_LIMIT];
extern size_t writer_count;

/* All of a directory: exits with a message when it cannot be read. */
void corpus_read(const char *directory);
void requests_read(struct requests *out, const char *path);

/* ---- texts ---- */

struct text {
	char data[TEXT_LIMIT];
	size_t size;
	bool high, topic;   /* topic: names a domain and asks nothing */
	bool mixed;         /* of several requests: its domain is that of one of them */
	enum domain domain; /* DOMAIN_NONE: nobody's */
	uint16_t also;
	float weight; /* beside others */
};

extern uint64_t chance_state;
uint32_t chance(void);
bool likely(unsigned percent);

/* Every document to learn from, by document_add(). */
void texts_add(void);

/* ---- learning ---- */

void document_add(const struct text *text);
/* Learn from what was added; `trained` is what the gateway would run. */
void weights_train(void);
extern struct model_weights trained;

/* ---- checking ---- */

struct score {
	unsigned tp, fp, fn, tn, hard[2], adversarial[2], domain[DOMAIN_KINDS][3];
};
void score_request(struct score *score, const struct request *request);
void score_print(const struct score *score, const char *name);

#endif
