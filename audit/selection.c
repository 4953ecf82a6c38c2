#include "audit/selection.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define HEADING "haechi-selection/1"

/* Largest power of two strictly below n; n >= 2. */
static uint64_t
split(uint64_t n)
{
	return UINT64_C(1) << (63 - (unsigned)__builtin_clzll(n - 1));
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct writing {
	const struct selection_run *runs;
	size_t run_count, at; /* runs[at] is the one being taken */
	uint64_t taken;       /* leaves of it taken so far */
	const struct tree_reader *reader;
	int (*write)(void *context, struct slice line, struct fault *why);
	void *context;
};

static struct slice
run_line(char line[SELECTION_LINE_LIMIT], uint64_t first, uint64_t count)
{
	return slice_of(line, (size_t)snprintf(line, SELECTION_LINE_LIMIT, "run %" PRIu64 " %" PRIu64 "\n",
	                                       first, count));
}

void
selection_runs_digest(char out[65], const struct selection_run *runs, size_t run_count)
{
	uint8_t digest[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state state;
	char line[SELECTION_LINE_LIMIT];

	crypto_hash_sha256_init(&state);
	for (size_t i = 0; i < run_count; i++) {
		const struct slice text = run_line(line, runs[i].first, runs[i].count);

		crypto_hash_sha256_update(&state, text.data, text.size);
	}
	crypto_hash_sha256_final(&state, digest);
	hex_encode(out, digest, sizeof digest);
}

static int
write_run(const struct writing *writing, struct fault *why)
{
	const struct selection_run *run = &writing->runs[writing->at];
	char line[SELECTION_LINE_LIMIT];

	return writing->write(writing->context,
	                      writing->at == writing->run_count ? SLICE_LITERAL("end\n")
	                                                        : run_line(line, run->first, run->count),
	                      why);
}

static int
write_part(struct writing *writing, uint64_t begin, uint64_t end, struct fault *why)
{
	const struct selection_run *run = &writing->runs[writing->at];
	uint64_t middle;

	if (writing->at == writing->run_count || run->first + writing->taken >= end) {
		char line[8 + BASE64_SIZE(TREE_HASH_SIZE)] = "hash ";
		struct tree_hash hash;
		size_t size;

		if (tree_range(&hash, writing->reader, begin, end, why) == -1)
			return -1;
		size = 5 + base64_encode(line + 5, hash.bytes, TREE_HASH_SIZE);
		line[size++] = '\n';
		return writing->write(writing->context, slice_of(line, size), why);
	}
	if (end - begin > 1) {
		middle = begin + split(end - begin);
		return write_part(writing, begin, middle, why) == -1 ? -1
		                                                     : write_part(writing, middle, end, why);
	}
	if (++writing->taken < run->count)
		return 0;
	writing->at++;
	writing->taken = 0;
	return write_run(writing, why);
}

int
selection_write(const struct selection_run *runs, size_t run_count, uint64_t size,
                const struct tree_reader *reader,
                int (*write)(void *context, struct slice line, struct fault *why), void *context,
                struct fault *why)
{
	struct writing writing = {
	    .runs = runs, .run_count = run_count, .reader = reader, .write = write, .context = context};
	uint64_t free_from = 0;

	for (size_t i = 0; i < run_count; i++) {
		if (runs[i].count == 0 || runs[i].first >= size || runs[i].count > size - runs[i].first ||
		    (i > 0 && runs[i].first <= free_from))
			return fault_set(why, FAULT_INTERNAL, "고른 항목의 순서나 범위가 잘못되었습니다",
			                 "the selected entries are out of order or out of the log");
		free_from = runs[i].first + runs[i].count;
	}
	if (write(context, SLICE_LITERAL(HEADING "\n"), why) == -1 || write_run(&writing, why) == -1)
		return -1;
	return size == 0 ? 0 : write_part(&writing, 0, size, why);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct reading {
	const struct selection_source *source;
	struct selection *out;
	uint64_t size;
	uint64_t next, left; /* leaf that is selected next, leaves left of its run; left == 0: no more */
	crypto_hash_sha256_state runs;
};

static int
malformed(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "증명(proof)을 읽을 수 없습니다: %s%.0s",
	                 "the proof cannot be read: %.0s%s", ko, en);
}

/* Decimal without leading zeros, up to `end` or a blank; moves `text` behind it. */
static bool
take_number(struct slice *text, uint64_t *out)
{
	size_t size = 0;

	*out = 0;
	while (size < text->size && text->data[size] >= '0' && text->data[size] <= '9' && size < 19)
		*out = *out * 10 + (uint64_t)(text->data[size++] - '0');
	if (size == 0 || (size > 1 && text->data[0] == '0'))
		return false;
	*text = slice_of(text->data + size, text->size - size);
	return true;
}

static bool
take_word(struct slice *text, const char *word)
{
	const size_t size = strlen(word);

	if (text->size < size || memcmp(text->data, word, size) != 0)
		return false;
	*text = slice_of(text->data + size, text->size - size);
	return true;
}

static int
read_run(struct reading *reading, struct fault *why)
{
	struct selection *out = reading->out;
	char again[SELECTION_LINE_LIMIT];
	uint64_t first, count;
	struct slice line;

	if (reading->source->line(reading->source->context, &line, why) == -1)
		return -1;
	reading->left = 0;
	if (slice_is(line, "end"))
		return 0;
	if (!take_word(&line, "run ") || !take_number(&line, &first) || !take_word(&line, " ") ||
	    !take_number(&line, &count) || line.size != 0)
		return malformed(why, "run 줄", "run line");
	if (count == 0 || first >= reading->size || count > reading->size - first ||
	    (out->entries > 0 && first <= out->last + 1))
		return malformed(why, "run의 순서나 범위", "order or range of a run");
	line = run_line(again, first, count);
	crypto_hash_sha256_update(&reading->runs, line.data, line.size);
	if (out->entries == 0)
		out->first = first;
	else
		out->left_out += first - out->last - 1;
	out->entries += count;
	out->last = first + count - 1;
	reading->next = first;
	reading->left = count;
	return 0;
}

static int
read_part(struct reading *reading, struct tree_hash *hash, uint64_t begin, uint64_t end, struct fault *why)
{
	struct tree_hash left, right;
	uint64_t middle;

	if (reading->left == 0 || reading->next >= end) {
		char again[BASE64_SIZE(TREE_HASH_SIZE)];
		uint8_t bytes[48];
		struct slice line;
		size_t size;

		if (reading->source->line(reading->source->context, &line, why) == -1)
			return -1;
		if (!take_word(&line, "hash ") || line.size != 44 || !base64_decode(bytes, &size, line) ||
		    size != TREE_HASH_SIZE)
			return malformed(why, "hash 줄", "hash line");
		base64_encode(again, bytes, size);
		if (!slice_is(line, again)) /* one proof, one text */
			return malformed(why, "hash 줄", "hash line");
		memcpy(hash->bytes, bytes, TREE_HASH_SIZE);
		return 0;
	}
	if (end - begin > 1) {
		middle = begin + split(end - begin);
		if (read_part(reading, &left, begin, middle, why) == -1 ||
		    read_part(reading, &right, middle, end, why) == -1)
			return -1;
		tree_inner(hash, &left, &right);
		return 0;
	}
	if (reading->source->leaf(reading->source->context, begin, hash, why) == -1)
		return -1;
	reading->next++;
	return --reading->left > 0 ? 0 : read_run(reading, why);
}

int
selection_root(struct tree_hash *root, struct selection *out, uint64_t size,
               const struct selection_source *source, struct fault *why)
{
	struct reading reading = {.source = source, .out = out, .size = size};
	uint8_t digest[crypto_hash_sha256_BYTES];
	struct slice line;

	crypto_hash_sha256_init(&reading.runs);
	memset(out, 0, sizeof *out);
	if (size >= TREE_SIZE_LIMIT)
		return malformed(why, "크기", "size");
	if (source->line(source->context, &line, why) == -1)
		return -1;
	if (!slice_is(line, HEADING))
		return malformed(why, "첫 줄", "first line");
	if (read_run(&reading, why) == -1)
		return -1;
	if (size == 0)
		tree_empty(root);
	else if (read_part(&reading, root, 0, size, why) == -1)
		return -1;
	crypto_hash_sha256_final(&reading.runs, digest);
	hex_encode(out->runs, digest, sizeof digest);
	return 0;
}
