#define _GNU_SOURCE /* memmem */
/*
 * Sealed content: comes back whole, belongs to one entry, is found when changed, and can be forgotten for
 * good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/keyfolder.h"
#include "audit/keytree.h"
#include "schema/base/clock.h"

static char root[64];

static int
place_make(void **state)
{
	(void)state;
	snprintf(root, sizeof root, "/tmp/haechi-seal-XXXXXX");
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int
place_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

static struct sealer *
open_sealer(void)
{
	struct sealer *sealer;
	struct fault why;

	if (sealer_open(&sealer, root, "aria-256-gcm", &why) == -1)
		fail_msg("%s", why.en);
	return sealer;
}

static bool
remembers(struct sealer *sealer, const char *id)
{
	struct fault why;
	bool there;

	if (sealer_remembers(sealer, "seoul", id, &there, &why) == -1)
		fail_msg("%s", why.en);
	return there;
}

static void
and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 31, 4096, 1000000};
	struct sealer *sealer = open_sealer();
	struct buffer blob, content, plain;
	struct commitment commitment;
	char id[ENTRY_ID_SIZE], other[ENTRY_ID_SIZE];
	struct fault why;

	(void)state;
	buffer_init(&blob, 2 << 20);
	buffer_init(&content, 2 << 20);
	buffer_init(&plain, 2 << 20);
	entry_id_make(other, clock_wall_ms());
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		entry_id_make(id, clock_wall_ms());
		buffer_reset(&plain);
		for (size_t k = 0; k < sizes[i]; k++)
			buffer_byte(&plain, (uint8_t)(k * 7));
		buffer_reset(&blob);
		assert_int_equal(
		    sealer_seal(sealer, "seoul", id, "prompt", buffer_view(&plain), &blob, &commitment, &why),
		    0);
		assert_int_equal(commitment.bytes, sizes[i]);
		assert_true(sizes[i] < 31 || memmem(blob.data, blob.size, plain.data, 31) == NULL);
		/* with a fresh sealer, as after a restart */
		sealer_close(sealer);
		sealer = open_sealer();
		buffer_reset(&content);
		assert_int_equal(sealer_open_content(sealer, "seoul", id, "prompt", buffer_view(&blob),
		                                     commitment.hex, &content, NULL, &why),
		                 0);
		assert_true(slice_equal(buffer_view(&content), buffer_view(&plain)));
		/* another part, another entry, another commitment */
		assert_int_equal(sealer_open_content(sealer, "seoul", id, "answer", buffer_view(&blob), NULL,
		                                     &content, NULL, &why),
		                 -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
		assert_int_equal(sealer_open_content(sealer, "seoul", other, "prompt", buffer_view(&blob),
		                                     NULL, &content, NULL, &why),
		                 -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
		commitment.hex[0] = commitment.hex[0] == 'a' ? 'b' : 'a';
		assert_int_equal(sealer_open_content(sealer, "seoul", id, "prompt", buffer_view(&blob),
		                                     commitment.hex, &content, NULL, &why),
		                 -1);
		assert_int_equal(why.kind, FAULT_TAMPERED);
	}
	/* two seals of the same words cannot be told to be the same */
	{
		struct commitment again;
		struct buffer twice;

		buffer_init(&twice, 1 << 16);
		buffer_reset(&blob);
		assert_int_equal(sealer_seal(sealer, "seoul", id, "prompt", slice_string("same"), &blob,
		                             &commitment, &why),
		                 0);
		assert_int_equal(
		    sealer_seal(sealer, "seoul", id, "prompt", slice_string("same"), &twice, &again, &why),
		    0);
		assert_string_not_equal(commitment.hex, again.hex);
		assert_false(slice_equal(buffer_view(&blob), buffer_view(&twice)));
		buffer_free(&twice);
	}
	buffer_free(&blob);
	buffer_free(&content);
	buffer_free(&plain);
	sealer_close(sealer);
}

static void
every_bit(void **state)
{
	struct sealer *sealer = open_sealer();
	struct buffer blob, content;
	struct commitment commitment;
	char id[ENTRY_ID_SIZE];
	struct fault why;

	(void)state;
	buffer_init(&blob, 4096);
	buffer_init(&content, 4096);
	entry_id_make(id, clock_wall_ms());
	assert_int_equal(
	    sealer_seal(sealer, "seoul", id, "prompt", slice_string("a prompt"), &blob, &commitment, &why),
	    0);
	for (size_t bit = 0; bit < blob.size * 8; bit++) {
		blob.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(sealer_open_content(sealer, "seoul", id, "prompt", buffer_view(&blob), NULL,
		                                     &content, NULL, &why),
		                 -1);
		blob.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < blob.size; size++)
		assert_int_equal(sealer_open_content(sealer, "seoul", id, "prompt", slice_of(blob.data, size),
		                                     NULL, &content, NULL, &why),
		                 -1);
	assert_int_equal(content.size, 0);
	buffer_free(&blob);
	buffer_free(&content);
	sealer_close(sealer);
}

/* Each cipher opens what the other sealed; agencies do not share keys. */
static void
ciphers(void **state)
{
	static const char *const names[] = {"aria-256-gcm", "xchacha20-poly1305"};
	char place[80], id[ENTRY_ID_SIZE];
	struct buffer blobs[2], content;
	struct commitment commitments[2];
	struct sealer *sealer;
	uint8_t salt[SEALER_SALT];
	struct fault why;

	(void)state;
	snprintf(place, sizeof place, "%s/ciphers", root);
	entry_id_make(id, clock_wall_ms());
	buffer_init(&content, 4096);
	assert_int_equal(sealer_open(&sealer, place, "aes-256-gcm", &why), -1);
	assert_int_equal(why.kind, FAULT_INVALID);
	for (size_t i = 0; i < 2; i++) {
		buffer_init(&blobs[i], 4096);
		assert_int_equal(sealer_open(&sealer, place, names[i], &why), 0);
		assert_int_equal(sealer_seal(sealer, "seoul", id, i == 0 ? "prompt" : "answer",
		                             slice_string(names[i]), &blobs[i], &commitments[i], &why),
		                 0);
		sealer_close(sealer);
	}
	for (size_t opener = 0; opener < 2; opener++) {
		assert_int_equal(sealer_open(&sealer, place, names[opener], &why), 0);
		for (size_t i = 0; i < 2; i++) {
			char hex[65];
			uint8_t digest[32];
			crypto_hash_sha256_state sha;

			buffer_reset(&content);
			assert_int_equal(sealer_open_content(sealer, "seoul", id,
			                                     i == 0 ? "prompt" : "answer",
			                                     buffer_view(&blobs[i]), commitments[i].hex,
			                                     &content, salt, &why),
			                 0);
			assert_true(slice_is(buffer_view(&content), names[i]));
			/* the commitment is what ENTRY.md says it is */
			crypto_hash_sha256_init(&sha);
			crypto_hash_sha256_update(&sha, salt, sizeof salt);
			crypto_hash_sha256_update(&sha, content.data, content.size);
			crypto_hash_sha256_final(&sha, digest);
			hex_encode(hex, digest, sizeof digest);
			assert_string_equal(hex, commitments[i].hex);
			assert_int_equal(sealer_open_content(sealer, "busan", id, "prompt",
			                                     buffer_view(&blobs[i]), NULL, &content, NULL,
			                                     &why),
			                 -1);
		}
		sealer_close(sealer);
	}
	for (size_t i = 0; i < 2; i++)
		buffer_free(&blobs[i]);
	buffer_free(&content);
}

/* A month of one agency goes at once; other months and agencies stay, and nothing is sealed in it again. */
static void
destroy(void **state)
{
	static const char *const agencies[] = {"seoul", "busan"};
	struct sealer *sealer, *other;
	struct keyfolder_period *periods;
	char place[80], ids[4][ENTRY_ID_SIZE];
	struct buffer blobs[4], content;
	struct commitment commitment;
	struct fault why;
	size_t count;

	(void)state;
	snprintf(place, sizeof place, "%s/destroy", root);
	buffer_init(&content, 4096);
	assert_int_equal(sealer_open(&sealer, place, "aria-256-gcm", &why), 0);
	assert_int_equal(sealer_open(&other, place, "aria-256-gcm", &why), 0);
	for (size_t i = 0; i < 4; i++) {
		/* January and February 2026 */
		entry_id_make(ids[i], i < 2 ? INT64_C(1768000000000) : INT64_C(1771000000000));
		buffer_init(&blobs[i], 4096);
		assert_int_equal(sealer_seal(other, agencies[i % 2], ids[i], "prompt", slice_string("words"),
		                             &blobs[i], &commitment, &why),
		                 0);
	}
	assert_int_equal(sealer_destroy(sealer, "seoul", 56 * 12 + 7, &why), 0); /* never began */
	assert_int_equal(sealer_destroy(sealer, "seoul", 56 * 12, &why), 0);
	assert_int_equal(sealer_destroy(sealer, "seoul", 56 * 12, &why), 0);
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < 4; i++) {
			const int result =
			    sealer_open_content(other, agencies[i % 2], ids[i], "prompt",
			                        buffer_view(&blobs[i]), NULL, &content, NULL, &why);

			assert_int_equal(result, i == 0 ? -1 : 0);
			assert_true(i != 0 || why.kind == FAULT_NOT_FOUND);
		}
		assert_int_equal(sealer_seal(other, "seoul", ids[0], "answer", slice_string("late"), &content,
		                             &commitment, &why),
		                 -1);
		assert_int_equal(why.kind, FAULT_CONFLICT);
		assert_int_equal(sealer_periods(other, &periods, &count, &why), 0);
		assert_int_equal(count, 4);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(periods[i].destroyed, periods[i].month == 56 * 12 &&
			                                           strcmp(periods[i].agency, "seoul") == 0);
		free(periods);
		sealer_close(other);
		assert_int_equal(sealer_open(&other, place, "aria-256-gcm", &why), 0);
	}
	sealer_close(other);
	sealer_close(sealer);
	for (size_t i = 0; i < 4; i++)
		buffer_free(&blobs[i]);
	buffer_free(&content);
}

/* A folder as the version before made it: everything opens that did, nothing that did not, and so it stays. */
static void
earlier_version(void **state)
{
	struct keyfolder_period *periods;
	struct sealer *sealer = NULL;
	char place[80], command[512], line[1024], id[40], part[8], hex[65], blob[800], text[64], user[33];
	struct buffer content;
	struct fault why;
	char kept[40] = "";
	size_t count;
	int number;

	(void)state;
	snprintf(place, sizeof place, "%s/earlier", root);
	buffer_init(&content, 4096);
	for (int turn = 0; turn < 3; turn++) {
		FILE *sealed;

		snprintf(command, sizeof command,
		         "mkdir -m 700 %s && install -m 600 tests/vectors/seal-1/kek "
		         "tests/vectors/seal-1/content.keys %s",
		         place, place);
		assert_true(turn != 0 || system(command) == 0);
		assert_int_equal(sealer_open(&sealer, place, "xchacha20-poly1305", &why), 0);
		assert_int_equal(sealer_periods(sealer, &periods, &count, &why), 0);
		assert_int_equal(count, turn < 2 ? 3 : 4);
		free(periods);
		sealed = fopen("tests/vectors/seal-1/sealed.txt", "r");
		assert_non_null(sealed);
		sealer_pseudonym(sealer, "seoul", "hong", user);
		snprintf(command, sizeof command, "pseudonym %s\n", user);
		assert_non_null(fgets(line, sizeof line, sealed));
		assert_string_equal(line, command);
		while (fgets(line, sizeof line, sealed) != NULL) {
			uint8_t bytes[400];
			char said[8];
			bool gone;
			int result;

			assert_int_equal(
			    sscanf(line, "%7s %39s %7s %64s %d %799s", said, id, part, hex, &number, blob),
			    6);
			assert_true(hex_decode(bytes, strlen(blob) / 2, slice_string(blob)));
			gone = strcmp(said, "gone") == 0 || strcmp(id, kept) == 0;
			buffer_reset(&content);
			/* whatever the agency: it had no say then */
			result =
			    sealer_open_content(sealer, number % 2 ? "seoul" : "busan", id, part,
			                        slice_of(bytes, strlen(blob) / 2), hex, &content, NULL, &why);
			assert_int_equal(result, gone ? -1 : 0);
			assert_true(!gone || why.kind == FAULT_NOT_FOUND);
			snprintf(text, sizeof text, "content number %d, sealed by the earlier version",
			         number);
			assert_true(gone || slice_is(buffer_view(&content), text));
			if (turn == 1 && kept[0] == '\0' && !gone) {
				const struct sealed one = {"seoul", id};
				struct commitment commitment;
				char fresh[ENTRY_ID_SIZE];

				/* the same month goes on with keys of the agency; both kinds are forgotten by id */
				entry_id_make(fresh, INT64_C(1770000000000));
				assert_int_equal(sealer_seal(sealer, "seoul", fresh, "prompt",
				                             slice_string("later"), &content, &commitment,
				                             &why),
				                 0);
				assert_int_equal(sealer_forget(sealer, &one, 1, &why), 0);
				snprintf(kept, sizeof kept, "%s", id);
			}
		}
		fclose(sealed);
		sealer_close(sealer);
	}
	/* an old copy put back would bring back what was forgotten since */
	snprintf(command, sizeof command, "install -m 600 tests/vectors/seal-1/content.keys %s", place);
	assert_int_equal(system(command), 0);
	assert_int_equal(sealer_open(&sealer, place, "aria-256-gcm", &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	buffer_free(&content);
}

/* Months begin at 00:00 in Korea. */
static void
months(void **state)
{
	const int64_t february_ms = INT64_C(1769871600000); /* 2026-01-31T15:00:00Z */
	struct keyfolder_period *periods;
	struct commitment commitment;
	struct sealer *sealer;
	struct buffer blob;
	struct fault why;
	char place[80], id[ENTRY_ID_SIZE];
	size_t count;

	(void)state;
	snprintf(place, sizeof place, "%s/months", root);
	buffer_init(&blob, 4096);
	assert_int_equal(sealer_open(&sealer, place, "aria-256-gcm", &why), 0);
	for (int64_t late = 1; late >= 0; late--) {
		entry_id_make(id, february_ms - late);
		assert_int_equal(
		    sealer_seal(sealer, "seoul", id, "prompt", slice_string("x"), &blob, &commitment, &why),
		    0);
		assert_int_equal(sealer_periods(sealer, &periods, &count, &why), 0);
		assert_int_equal(count, late == 1 ? 1 : 2);
		assert_int_equal(periods[count - 1].month, 56 * 12 + (late == 1 ? 0 : 1));
		free(periods);
	}
	buffer_free(&blob);
	sealer_close(sealer);
}

static void
period_path(char out[256], const char *place, const char *end)
{
	FILE *list;
	char command[128];

	snprintf(command, sizeof command, "ls %s/periods", place);
	list = popen(command, "r");
	assert_non_null(list);
	assert_non_null(fgets(command, sizeof command, list));
	command[strcspn(command, "\n")] = '\0';
	snprintf(out, 256, "%s/periods/%.60s%s", place, command, end);
	pclose(list);
}

/* What happens to the files under a running sealer: it never begins anew beside what is gone, and says which file it is. */
static void
files_change(void **state)
{
	char place[80], path[256], saved[256], command[2048], ids[2][ENTRY_ID_SIZE];
	struct sealer *sealer;
	struct buffer blob;
	struct commitment commitment;
	struct sealed one = {"seoul", ids[0]};
	struct fault why;
	uint64_t orders;

	(void)state;
	snprintf(place, sizeof place, "%s/change", root);
	buffer_init(&blob, 4096);
	entry_id_make(ids[0], INT64_C(1768000000000));
	entry_id_make(ids[1], INT64_C(1768000000000));
	assert_int_equal(sealer_open(&sealer, place, "aria-256-gcm", &why), 0);
	assert_int_equal(
	    sealer_seal(sealer, "seoul", ids[0], "prompt", slice_string("x"), &blob, &commitment, &why), 0);
	assert_int_equal(sealer_look(sealer, &why), 0);
	period_path(path, place, "");
	snprintf(saved, sizeof saved, "%s/saved", place);

	/* gone */
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(sealer_look(sealer, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(
	    sealer_seal(sealer, "seoul", ids[1], "prompt", slice_string("x"), &blob, &commitment, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(rename(saved, path), 0);
	assert_int_equal(sealer_look(sealer, &why), 0);
	assert_int_equal(
	    sealer_seal(sealer, "seoul", ids[1], "prompt", slice_string("x"), &blob, &commitment, &why), 0);

	/* put back to how it was before something was forgotten; touched only */
	snprintf(command, sizeof command, "cp -p %s %s", path, saved);
	assert_int_equal(system(command), 0);
	assert_int_equal(sealer_count(sealer, &orders, true, &why), 0);
	assert_int_equal(orders, 1);
	assert_int_equal(sealer_forget(sealer, &one, 1, &why), 0);
	assert_int_equal(sealer_look(sealer, &why), 0);
	snprintf(command, sizeof command, "cp %s %s.kept && cp %s %s", path, saved, saved, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(sealer_look(sealer, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(sealer_open_content(sealer, "seoul", ids[0], "prompt", buffer_view(&blob), NULL,
	                                     &blob, NULL, &why),
	                 -1);
	snprintf(command, sizeof command, "cp %s.kept %s", saved, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(sealer_look(sealer, &why), 0);
	assert_false(remembers(sealer, ids[0]));

	/* every changed byte is found */
	for (size_t at = 0; at < 200; at += 7) {
		snprintf(command, sizeof command,
		         "cp %s.kept %s && printf '\\377' | dd of=%s bs=1 seek=%zu conv=notrunc status=none "
		         "&& cmp -s "
		         "%s %s.kept",
		         saved, path, path, at, path, saved);
		if (system(command) == 0)
			continue;
		assert_int_equal(sealer_look(sealer, &why), -1);
	}
	snprintf(command, sizeof command, "cp %s.kept %s", saved, path);
	assert_int_equal(system(command), 0);

	/* the kek and content.keys: nothing of ours reads them again before a restart */
	snprintf(path, sizeof path, "%s/kek", place);
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(sealer_look(sealer, &why), -1);
	assert_non_null(strstr(why.en, "/kek was changed or is gone"));
	/* nor does an order to erase make us believe what is there now */
	assert_int_equal(file_replace(path, SLICE_LITERAL("0123456789abcdef0123456789abcdef"), 0600, &why),
	                 0);
	assert_int_equal(sealer_count(sealer, &orders, true, &why), 0);
	assert_int_equal(sealer_look(sealer, &why), -1);
	assert_non_null(strstr(why.en, "/kek was changed or is gone"));
	assert_int_equal(rename(saved, path), 0);
	assert_int_equal(sealer_look(sealer, &why), 0);
	snprintf(command, sizeof command, "printf x >> %s/content.keys", place);
	assert_int_equal(system(command), 0);
	assert_int_equal(sealer_look(sealer, &why), -1);
	buffer_free(&blob);
	sealer_close(sealer);
}

static void
forget(void **state)
{
	struct sealer *sealer = open_sealer(), *daemon = open_sealer();
	char ids[60][ENTRY_ID_SIZE];
	struct buffer blobs[60], content;
	struct commitment commitment;
	struct sealed gone[20];
	struct fault why;

	(void)state;
	buffer_init(&content, 1 << 20);
	for (size_t i = 0; i < 60; i++) {
		/* over three months, a year apart */
		entry_id_make(ids[i], INT64_C(1770000000000) + (int64_t)(i % 3) * 31536000000);
		buffer_init(&blobs[i], 4096);
		assert_int_equal(sealer_seal(daemon, "seoul", ids[i], "answer", slice_string(ids[i]),
		                             &blobs[i], &commitment, &why),
		                 0);
	}
	for (size_t i = 0; i < 20; i++)
		gone[i] = (struct sealed){"seoul", ids[i * 2]};
	assert_int_equal(sealer_forget(sealer, gone, 20, &why), 0);
	assert_int_equal(sealer_forget(sealer, gone, 1, &why), 0); /* twice is once */
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < 60; i++) {
			int result;

			buffer_reset(&content);
			assert_true(remembers(daemon, ids[i]) != (i < 40 && i % 2 == 0));
			/* the other process sees it too */
			result = sealer_open_content(daemon, "seoul", ids[i], "answer",
			                             buffer_view(&blobs[i]), NULL, &content, NULL, &why);
			if (i < 40 && i % 2 == 0) {
				assert_int_equal(result, -1);
				assert_int_equal(why.kind, FAULT_NOT_FOUND);
				assert_int_equal(sealer_seal(daemon, "seoul", ids[i], "answer",
				                             slice_string("again"), &content, &commitment,
				                             &why),
				                 -1);
				assert_int_equal(why.kind, FAULT_CONFLICT);
			} else {
				assert_int_equal(result, 0);
				assert_true(slice_is(buffer_view(&content), ids[i]));
			}
		}
		sealer_close(daemon);
		daemon = open_sealer();
	}
	for (size_t i = 0; i < 60; i++)
		buffer_free(&blobs[i]);
	buffer_free(&content);
	sealer_close(daemon);
	sealer_close(sealer);
}

static void
files(void **state)
{
	struct sealer *sealer = open_sealer(), *second;
	char path[128], saved[128];
	char one[33], two[33];
	struct fault why;
	struct stat status;

	(void)state;
	snprintf(path, sizeof path, "%s/content.keys", root);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	sealer_pseudonym(sealer, "seoul", "user-1", one);
	second = open_sealer();
	sealer_pseudonym(second, "seoul", "user-1", two);
	assert_string_equal(one, two);
	sealer_pseudonym(second, "seou", "luser-1", two);
	assert_string_not_equal(one, two);
	sealer_close(second);
	sealer_close(sealer);
	/* the kek gone: nothing is made anew beside keys that exist */
	snprintf(path, sizeof path, "%s/kek", root);
	snprintf(saved, sizeof saved, "%s/kek.saved", root);
	assert_int_equal(rename(path, saved), 0);
	assert_int_equal(sealer_open(&sealer, root, "aria-256-gcm", &why), -1);
	/* another kek */
	assert_int_equal(file_replace(path, SLICE_LITERAL("0123456789abcdef0123456789abcdef"), 0600, &why),
	                 0);
	assert_int_equal(sealer_open(&sealer, root, "aria-256-gcm", &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(rename(saved, path), 0);
	sealer = open_sealer();
	sealer_close(sealer);
}

static void
key_trees(void **state)
{
	struct keytree tree = {0}, again;
	uint8_t keys[64][KEYTREE_KEY], key[KEYTREE_KEY], *bytes;
	uint64_t paths[64];

	(void)state;
	assert_true(keytree_add_month(&tree, 672));
	assert_false(keytree_add_month(&tree, 672));
	assert_true(keytree_add_month(&tree, 673));
	for (size_t i = 0; i < 64; i++) {
		/* neighbours, ends, and others */
		paths[i] = i < 8 ? i : i < 16 ? UINT64_MAX - i : (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
		assert_true(keytree_key(&tree, 672, paths[i], keys[i]));
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(keys[i], keys[k], KEYTREE_KEY);
	}
	assert_false(keytree_key(&tree, 671, paths[0], key));
	for (size_t gone = 0; gone < 64; gone += 2) {
		size_t before = tree.count;

		assert_true(keytree_forget(&tree, 672, paths[gone]));
		assert_true(keytree_forget(&tree, 672, paths[gone]));
		assert_true(tree.count <= before + KEYTREE_DEPTH - 1);
		bytes = malloc(keytree_encoded(&tree));
		keytree_write(bytes, &tree);
		assert_true(keytree_read(&again, slice_of(bytes, keytree_encoded(&tree))));
		/* no forgotten key is anywhere in what is kept */
		for (size_t k = 0; k <= gone; k += 2)
			assert_null(memmem(bytes, keytree_encoded(&tree), keys[k], KEYTREE_KEY));
		free(bytes);
		for (size_t i = 0; i < 64; i++) {
			bool there = keytree_key(&again, 672, paths[i], key);

			assert_int_equal(there, i % 2 != 0 || i > gone);
			if (there)
				assert_memory_equal(key, keys[i], KEYTREE_KEY);
		}
		assert_true(keytree_key(&again, 673, paths[gone], key));
		keytree_free(&again);
	}
	keytree_free(&tree);
}

static void *
seal_many(void *argument)
{
	struct sealer *sealer = argument;

	for (int i = 0; i < 200; i++) {
		char id[ENTRY_ID_SIZE];
		struct commitment commitment;
		struct buffer blob, content;
		struct fault why;

		buffer_init(&blob, 4096);
		buffer_init(&content, 4096);
		entry_id_make(id, INT64_C(1700000000000) + (int64_t)(i / 50) * 2678400000);
		if (sealer_seal(sealer, "seoul", id, "prompt", slice_string(id), &blob, &commitment, &why) ==
		        -1 ||
		    sealer_open_content(sealer, "seoul", id, "prompt", buffer_view(&blob), commitment.hex,
		                        &content, NULL, &why) == -1 ||
		    !slice_is(buffer_view(&content), id))
			abort();
		if (i % 40 == 0) {
			const struct sealed one = {"seoul", id};

			if (sealer_forget(sealer, &one, 1, &why) == -1 ||
			    sealer_open_content(sealer, "seoul", id, "prompt", buffer_view(&blob), NULL,
			                        &content, NULL, &why) == 0)
				abort();
		}
		buffer_free(&blob);
		buffer_free(&content);
	}
	return NULL;
}

static void
threads(void **state)
{
	struct sealer *one = open_sealer(), *two = open_sealer();
	pthread_t ids[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, seal_many, i < 2 ? one : two), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	sealer_close(one);
	sealer_close(two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_trees),    cmocka_unit_test(and_back), cmocka_unit_test(every_bit),
	    cmocka_unit_test(forget),       cmocka_unit_test(files),    cmocka_unit_test(threads),
	    cmocka_unit_test(ciphers),      cmocka_unit_test(destroy),  cmocka_unit_test(earlier_version),
	    cmocka_unit_test(files_change), cmocka_unit_test(months),
	};

	return sodium_init() == -1 ? 1 : cmocka_run_group_tests(tests, place_make, place_remove);
}
