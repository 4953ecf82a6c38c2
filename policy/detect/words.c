#include "policy/detect/words.h"

#include <hs/hs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the process compiles once ------------------------------------------------------------------------------ */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static hs_database_t *database;
static const struct word **all;
static uint32_t *all_sizes;
static unsigned all_count;
static char compile_error[200];

static void
compile(void)
{
	const struct word *const tables[] = {words_identifiers, words_signals};
	hs_compile_error_t *error = NULL;
	const char **texts = NULL;
	size_t *sizes = NULL;
	unsigned *flags = NULL, *ids = NULL;

	for (size_t t = 0; t < 2; t++) {
		for (const struct word *word = tables[t]; word->text != NULL; word++)
			all_count++;
	}
	all = calloc(all_count, sizeof(void *));
	all_sizes = calloc(all_count, sizeof *all_sizes);
	texts = calloc(all_count, sizeof *texts);
	sizes = calloc(all_count, sizeof *sizes);
	flags = calloc(all_count, sizeof *flags);
	ids = calloc(all_count, sizeof *ids);
	if (all == NULL || all_sizes == NULL || texts == NULL || sizes == NULL || flags == NULL ||
	    ids == NULL) {
		snprintf(compile_error, sizeof compile_error, "out of memory");
		goto out;
	}
	for (size_t t = 0, i = 0; t < 2; t++) {
		for (const struct word *word = tables[t]; word->text != NULL; word++, i++) {
			all[i] = word;
			texts[i] = word->text;
			sizes[i] = strlen(word->text);
			all_sizes[i] = (uint32_t)sizes[i];
			flags[i] = HS_FLAG_CASELESS;
			ids[i] = (unsigned)i;
		}
	}
	if (hs_compile_lit_multi(texts, flags, ids, sizes, all_count, HS_MODE_BLOCK, NULL, &database,
	                         &error) != HS_SUCCESS) {
		snprintf(compile_error, sizeof compile_error, "%s",
		         error != NULL ? error->message : "no reason given");
		hs_free_compile_error(error);
		database = NULL;
	}
out:
	free(texts);
	free(sizes);
	free(flags);
	free(ids);
}

/* ---- one thread's ------------------------------------------------------------------------------------------------ */

struct words {
	hs_scratch_t *scratch;
	struct slice text;
	struct word_hit *hits;
	size_t count, capacity;
	bool failed;
};

int
words_open(struct words **out, struct fault *why)
{
	struct words *words;

	pthread_once(&once, compile);
	if (database == NULL)
		return fault_set(why, FAULT_INTERNAL, "탐지 낱말을 준비하지 못했습니다: %s",
		                 "the words of detection could not be compiled: %s", compile_error);
	if ((words = calloc(1, sizeof *words)) == NULL ||
	    hs_alloc_scratch(database, &words->scratch) != HS_SUCCESS) {
		free(words);
		return fault_memory(why);
	}
	*out = words;
	return 0;
}

void
words_close(struct words *words)
{
	if (words == NULL)
		return;
	hs_free_scratch(words->scratch);
	free(words->hits);
	free(words);
}

static bool
is_letter(uint8_t byte)
{
	return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* A Latin word must stand alone: "tel" is not in "hotel". */
static int
on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	struct words *words = context;
	const struct word *word = all[id];
	size_t end = (size_t)to, start = end - all_sizes[id];

	(void)from;
	(void)flags;
	if (is_letter(words->text.data[start]) && start > 0 && is_letter(words->text.data[start - 1]))
		return 0;
	if (is_letter(words->text.data[end - 1]) && end < words->text.size &&
	    is_letter(words->text.data[end]))
		return 0;
	if (words->count == words->capacity) {
		size_t capacity = words->capacity == 0 ? 256 : words->capacity * 2;
		struct word_hit *hits = realloc(words->hits, capacity * sizeof *hits);

		if (hits == NULL) {
			words->failed = true;
			return 1;
		}
		words->hits = hits;
		words->capacity = capacity;
	}
	words->hits[words->count++] = (struct word_hit){(uint32_t)start, (uint32_t)end, word};
	return 0;
}

int
words_find(struct words *words, struct slice text, const struct word_hit **hits, size_t *count,
           struct fault *why)
{
	hs_error_t error = HS_SUCCESS;

	words->text = text;
	words->count = 0;
	words->failed = false;
	if (text.size > 0)
		error = hs_scan(database, (const char *)text.data, (unsigned)text.size, 0, words->scratch,
		                on_match, words);
	if (words->failed)
		return fault_memory(why);
	if (error != HS_SUCCESS)
		return fault_set(why, FAULT_INTERNAL, "낱말을 찾지 못했습니다 (오류 %d)",
		                 "the scan for words failed (error %d)", error);
	*hits = words->hits;
	*count = words->count;
	return 0;
}

static int
on_match_count(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	++*(size_t *)context;
	return 0;
}

size_t
words_count(struct words *words, struct slice text)
{
	size_t count = 0;

	if (text.size > 0)
		(void)hs_scan(database, (const char *)text.data, (unsigned)text.size, 0, words->scratch,
		              on_match_count, &count);
	return count;
}
