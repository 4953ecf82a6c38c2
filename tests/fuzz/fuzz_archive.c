/*
 * An archive's folder of foreign bytes: entries, proof and sealed contents are the input's (divided by zero bytes); manifest and
 * head around them are honestly signed, so that what is behind the signatures is reached.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/archive.h"

#define ORIGIN "haechi.fuzz/node1"
#define REPORT "haechi.fuzz.report"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];
static unsigned char secrets[2][crypto_sign_SECRETKEYBYTES];
static struct note_key keys[2];

static void
clean(void)
{
	static const char *const names[] = {"logs/1/entries.jsonl",
	                                    "logs/1/proof",
	                                    "logs/1/contents",
	                                    "logs/1/checkpoint",
	                                    "keys",
	                                    "manifest",
	                                    "logs/1",
	                                    "logs",
	                                    ""};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)remove(path);
	}
}

static void
begin(void)
{
	static const char *const names[] = {ORIGIN, REPORT};
	char path[128];

	if (folder[0] != '\0')
		return;
	snprintf(folder, sizeof folder, "%s/haechi-fuzz-XXXXXX",
	         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (sodium_init() == -1 || mkdtemp(folder) == NULL)
		abort();
	snprintf(path, sizeof path, "%s/logs", folder);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/logs/1", folder);
	(void)mkdir(path, 0700);
	for (size_t i = 0; i < 2; i++) {
		unsigned char seed[crypto_sign_SEEDBYTES] = {(unsigned char)(i + 1)}, public_key[32];

		crypto_sign_seed_keypair(public_key, secrets[i], seed);
		if (note_key_make(&keys[i], names[i], NOTE_ED25519, slice_of(public_key, sizeof public_key),
		                  NULL) == -1)
			abort();
	}
	atexit(clean);
}

static struct slice
section(struct slice *rest)
{
	const uint8_t *zero = rest->size == 0 ? NULL : memchr(rest->data, 0, rest->size);
	const struct slice taken =
	    slice_of(rest->data, zero == NULL ? rest->size : (size_t)(zero - rest->data));

	*rest = zero == NULL ? slice_of(NULL, 0) : slice_of(zero + 1, rest->size - taken.size - 1);
	return taken;
}

static void
put(struct manifest *manifest, const char *name, struct slice bytes, bool sealed)
{
	struct manifest_file *file = &manifest->files[manifest->file_count++];
	uint8_t digest[32];
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if ((out = fopen(path, "w")) == NULL)
		abort();
	if (bytes.size > 0)
		fwrite(bytes.data, 1, bytes.size, out);
	fclose(out);
	crypto_hash_sha256(digest, bytes.size == 0 ? (const uint8_t *)"" : bytes.data, bytes.size);
	hex_encode(file->digest, digest, sizeof digest);
	file->size = bytes.size;
	file->sealed = sealed;
	snprintf(file->name, sizeof file->name, "%s", name);
}

static void
sign(struct buffer *note, struct slice text, size_t which)
{
	unsigned char signature[crypto_sign_BYTES];

	crypto_sign_detached(signature, NULL, text.data, text.size, secrets[which]);
	buffer_slice(note, text);
	buffer_byte(note, '\n');
	note_line_write(note, &keys[which], slice_of(signature, sizeof signature));
}

/* A head over all lines: so a whole log with the proof of all of it holds. */
static void
head_put(struct manifest *manifest, struct slice entries)
{
	struct checkpoint checkpoint = {.origin = SLICE_LITERAL(ORIGIN)};
	struct tree_frontier frontier = {0};
	struct reader reader = reader_of(entries);
	struct buffer text, note;
	struct tree_hash leaf;

	while (reader.rest.size > 0 && frontier.size < 1000) {
		tree_leaf(&leaf, reader_line(&reader));
		tree_frontier_add(&frontier, &leaf, NULL, NULL);
	}
	checkpoint.size = frontier.size;
	tree_frontier_root(&checkpoint.root, &frontier);
	buffer_init(&text, 4096);
	buffer_init(&note, 4096);
	checkpoint_write(&text, &checkpoint);
	sign(&note, buffer_view(&text), 0);
	put(manifest, "logs/1/checkpoint", buffer_view(&note), false);
	buffer_free(&text);
	buffer_free(&note);
}

static int
pass(void *context, const struct archive_line *line, struct fault *why)
{
	(void)why;
	*(uint64_t *)context += line->bytes.size;
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), entries, proof, contents;
	struct manifest *manifest = calloc(1, sizeof *manifest);
	struct bundle_report *report = malloc(sizeof *report);
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	struct buffer text;
	uint64_t seen = 0;
	struct fault why;
	char path[128];

	if (manifest == NULL || report == NULL || arena == NULL)
		abort();
	begin();
	entries = section(&rest);
	proof = section(&rest);
	contents = section(&rest);
	*manifest = (struct manifest){
	    .kind = MANIFEST_ARCHIVE,
	    .by = "fuzz",
	    .renderer = MANIFEST_RENDERER,
	    .filter = {.has_from = true,
	               .has_to = true,
	               .from_ms = INT64_C(1772323200000),
	               .to_ms = INT64_C(1775001600000)},
	    .log_count = 1,
	    .logs = {ORIGIN}
        };
	buffer_init(&text, MANIFEST_LIMIT);
	for (size_t i = 0; i < 2; i++) {
		note_key_write(&text, &keys[i]);
		buffer_byte(&text, '\n');
	}
	put(manifest, "logs/1/entries.jsonl", entries, false);
	put(manifest, "logs/1/proof", proof, false);
	head_put(manifest, entries);
	put(manifest, "logs/1/contents", contents, true);
	put(manifest, "keys", buffer_view(&text), false);
	buffer_reset(&text);
	manifest_write(&text, manifest);
	{
		struct buffer note;
		struct manifest ignored = {0};

		buffer_init(&note, MANIFEST_LIMIT);
		sign(&note, buffer_view(&text), 1);
		put(&ignored, "manifest", buffer_view(&note), false);
		buffer_free(&note);
	}
	if (bundle_check(report, folder, NULL, arena, &why) == 0 && report->entries > 1000)
		abort(); /* more than its head covers */
	/* The quick reader gives only what lies there, in lines an entry can have. */
	if (archive_read(folder, pass, &seen, &why) == 0 && seen > entries.size)
		abort();
	snprintf(path, sizeof path, "%s/logs/1/contents", folder);
	(void)unlink(path);
	buffer_free(&text);
	arena_free(arena);
	free(report);
	free(manifest);
	return 0;
}
