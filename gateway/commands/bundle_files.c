/* `haechi policy bundle keygen|build|sign|verify|show`: bundles as files. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/command_bundle.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "policy/policy_bundle.h"
#include "schema/base/clock.h"

#define PATH_SIZE   4096
#define DEPTH_LIMIT 8

static int
usage_fault(const char *ko, const char *en)
{
	struct fault why;

	fault_set(&why, FAULT_USAGE, "%s", "%s", ko);
	snprintf(why.en, sizeof why.en, "%s", en);
	return command_fail(&why);
}

/* The gateway's "no" and a bundle's are answers. */
static int
say_no(const struct fault *why)
{
	(void)command_fail(why);
	return why->kind == FAULT_USAGE || why->kind == FAULT_SYSTEM || why->kind == FAULT_MEMORY ||
	               why->kind == FAULT_UNAVAILABLE
	           ? EXIT_USAGE
	           : EXIT_NO;
}

/* ---- keys ----------------------------------------------------------------------------------------------------------- */

static int
write_key(const struct bundle_key *key, const char *path, bool secret, struct fault *why)
{
	struct buffer text;
	struct stat about;
	int result;

	if (stat(path, &about) == 0)
		return fault_set(why, FAULT_CONFLICT, "%s이(가) 이미 있습니다", "%s is there already", path);
	buffer_init(&text, 1024);
	bundle_key_write(&text, key, secret);
	result = file_replace(path, buffer_view(&text), secret ? 0600 : 0644, why);
	buffer_wipe(&text);
	return result;
}

int
bundle_keygen(const struct bundle_options *options)
{
	const char *const folder = options->out == NULL ? "." : options->out;
	char secret[PATH_SIZE], public[PATH_SIZE];
	struct bundle_key key;
	struct fault why;
	int status = EXIT_GOOD;

	snprintf(secret, sizeof secret, "%s/%s.key", folder, options->words[0]);
	snprintf(public, sizeof public, "%s/%s.pub", folder, options->words[0]);
	if (bundle_key_make(&key, options->words[0], &why) == -1 ||
	    write_key(&key, secret, true, &why) == -1 || write_key(&key, public, false, &why) == -1)
		status = command_fail(&why);
	else if (options->json)
		printf("{\"name\":\"%s\",\"id\":\"%s\",\"secret\":\"%s\",\"public\":\"%s\"}\n", key.name,
		       key.id, secret, public);
	else
		printf("비밀 열쇠 (secret, 서명하는 곳에만): %s\n공개 열쇠 (public, haechi.yaml의 "
		       "policy.bundles.keys): %s\n"
		       "열쇠 번호 (id): %s\n",
		       secret, public, key.id);
	bundle_key_wipe(&key);
	return status;
}

static int
read_key(struct bundle_key *out, const char *path, struct fault *why)
{
	struct buffer text;
	int result;

	buffer_init(&text, 4096);
	result = file_read(&text, path, 4096, why);
	if (result == 0 && (result = bundle_key_parse(out, buffer_view(&text), why)) == -1)
		fault_prefix(why, "%s", "%s", path);
	buffer_wipe(&text);
	return result;
}

/* ---- gathering ------------------------------------------------------------------------------------------------------ */

struct gathered {
	struct policy_file *files;
	struct buffer *texts;
	size_t count;
};

static void
gathered_free(struct gathered *gathered)
{
	for (size_t i = 0; i < gathered->count; i++) {
		free((void *)(uintptr_t)gathered->files[i].path);
		buffer_free(&gathered->texts[i]);
	}
	free(gathered->files);
	free(gathered->texts);
}

/* The file at `path`, to stand at prefix/name. */
static int
gather_file(struct gathered *gathered, const char *path, const char *prefix, const char *name,
            struct fault *why)
{
	struct policy_file *files = realloc(gathered->files, (gathered->count + 1) * sizeof *files);
	struct buffer *texts;
	char place[PATH_SIZE];

	if (files == NULL)
		return fault_memory(why);
	gathered->files = files;
	if ((texts = realloc(gathered->texts, (gathered->count + 1) * sizeof *texts)) == NULL)
		return fault_memory(why);
	gathered->texts = texts;
	snprintf(place, sizeof place, "%s%s", prefix, name);
	memset(&texts[gathered->count], 0, sizeof *texts);
	if (file_read(&texts[gathered->count], path, BUNDLE_SIZE_LIMIT, why) == -1)
		return -1;
	files[gathered->count].text = buffer_view(&texts[gathered->count]);
	if ((files[gathered->count].path = strdup(place)) == NULL) {
		buffer_free(&texts[gathered->count]);
		return fault_memory(why);
	}
	gathered->count++;
	return 0;
}

static bool
has_end(const char *name, const char *end)
{
	const size_t size = strlen(name), tail = strlen(end);

	return size > tail && strcmp(name + size - tail, end) == 0;
}

static int
is_seen(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* What belongs into a bundle of all that lies in the folder and below it. */
static int
gather_folder(struct gathered *gathered, const char *folder, const char *prefix, bool tests, unsigned depth,
              struct fault *why)
{
	struct dirent **names = NULL;
	const int count = scandir(folder, &names, is_seen, alphasort);
	int result = 0;

	if (count == -1)
		return fault_errno(why, "%s", "%s", folder);
	for (int i = 0; i < count; i++) {
		const char *const name = names[i]->d_name;
		char path[PATH_SIZE], below[PATH_SIZE];
		struct stat about;

		if (result == 0 &&
		    (depth == DEPTH_LIMIT ||
		     (size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path ||
		     (size_t)snprintf(below, sizeof below, "%s%s/", prefix, name) >= sizeof below))
			result = fault_set(why, FAULT_TOO_LARGE, "%s: 경로가 너무 깁니다",
			                   "%s: the path is too long", folder);
		if (result == 0 && stat(path, &about) == -1)
			result = fault_errno(why, "%s", "%s", path);
		if (result == 0 && S_ISDIR(about.st_mode))
			result = gather_folder(gathered, path, below, tests, depth + 1, why);
		else if (result == 0 && (tests ? has_end(name, ".json") || has_end(name, ".jsonl")
		                               : has_end(name, ".cedar")))
			result = gather_file(gathered, path, prefix, name, why);
		free(names[i]);
	}
	free(names);
	return result;
}

static int
gather_tests(struct gathered *gathered, const char *path, struct fault *why)
{
	const char *const slash = strrchr(path, '/');
	struct stat about;

	if (stat(path, &about) == -1)
		return fault_errno(why, "%s", "%s", path);
	return S_ISDIR(about.st_mode)
	           ? gather_folder(gathered, path, POLICY_FILE_TESTS, true, 0, why)
	           : gather_file(gathered, path, POLICY_FILE_TESTS, slash != NULL ? slash + 1 : path, why);
}

static int
gather(struct gathered *gathered, const struct bundle_options *options, struct fault *why)
{
	struct policy_places places = options->places;

	if (policy_places_complete(&places, why) == -1 ||
	    gather_folder(gathered, places.agency, POLICY_FILE_AGENCY, false, 0, why) == -1 ||
	    gather_folder(gathered, places.act, POLICY_FILE_ACT, false, 0, why) == -1 ||
	    gather_file(gathered, places.schema, "", POLICY_FILE_SCHEMA, why) == -1)
		return -1;
	for (size_t i = 0; i < options->test_count; i++)
		if (gather_tests(gathered, options->tests[i], why) == -1)
			return -1;
	return 0;
}

/* ---- making --------------------------------------------------------------------------------------------------------- */

/* Sign what is in *archive with every key, in place. */
static int
sign_all(struct buffer *archive, const char *const *keys, size_t count, struct fault *why)
{
	for (size_t i = 0; i < count; i++) {
		struct bundle *bundle = NULL;
		struct bundle_key key;
		struct buffer signed_one;
		int result = -1;

		buffer_init(&signed_one, BUNDLE_SIZE_LIMIT);
		if (read_key(&key, keys[i], why) == 0 && bundle_open(&bundle, buffer_view(archive), why) == 0)
			result = bundle_sign(&signed_one, bundle, &key, why);
		bundle_key_wipe(&key);
		bundle_close(bundle);
		if (result == -1) {
			buffer_free(&signed_one);
			return -1;
		}
		buffer_free(archive);
		*archive = signed_one;
	}
	return 0;
}

static int
tell_made(const struct bundle_options *options, const struct bundle *bundle, const struct bundle_proof *proof,
          const char *out)
{
	if (options->json)
		printf(
		    "{\"bundle\":\"%s\",\"name\":\"%s\",\"revision\":%lld,\"files\":%zu,\"signatures\":%zu,"
		    "\"policies\":%zu,\"tests\":%zu,\"coverage\":%u,\"bytes\":%zu}\n",
		    bundle->digest, bundle->name, (long long)bundle->revision, bundle->file_count,
		    bundle->signature_count, proof->policies, proof->tests, proof->coverage,
		    bundle->archive.size);
	else if (proof->tests == 0)
		printf("%s: %s 제%lld판 revision, 파일 (files) %zu, 서명 (signatures) %zu\n  시험하지 않음 / "
		       "not proven\n  묶음 (bundle): %s\n",
		       out, bundle->name, (long long)bundle->revision, bundle->file_count,
		       bundle->signature_count, bundle->digest);
	else
		printf("%s: %s 제%lld판 revision, 파일 (files) %zu, 서명 (signatures) %zu\n"
		       "  정책 (policies): %zu, 통과한 시험 (tests passed): %zu, 시험 범위 (coverage): %u%%\n"
		       "  묶음 (bundle): %s\n",
		       out, bundle->name, (long long)bundle->revision, bundle->file_count,
		       bundle->signature_count, proof->policies, proof->tests, proof->coverage,
		       bundle->digest);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_USAGE;
}

static int
created_of(int64_t *out, const char *text, struct fault *why)
{
	const char *const epoch = getenv("SOURCE_DATE_EPOCH");

	if (text != NULL) {
		if (!clock_parse(out, slice_string(text), true))
			return fault_set(why, FAULT_USAGE, "--created: 시각이 아닙니다: %s",
			                 "--created: not a time: %s", text);
	} else {
		*out = epoch != NULL ? strtoll(epoch, NULL, 10) * 1000 : clock_wall_ms();
	}
	*out -= *out % 1000;
	return 0;
}

int
bundle_make(const struct bundle_options *options)
{
	struct gathered gathered = {0};
	struct bundle_plan plan = {.name = options->name == NULL ? "haechi" : options->name,
	                           .revision = (int64_t)options->revision};
	struct bundle_proof proof = {0};
	struct bundle *bundle = NULL;
	struct policy *policy = NULL;
	struct buffer archive;
	struct fault why;
	int status;

	if (options->out == NULL || options->revision == 0 || options->test_count == 0)
		return usage_fault("--out, --revision, --tests가 있어야 합니다",
		                   "--out, --revision and --tests are needed");
	buffer_init(&archive, BUNDLE_SIZE_LIMIT);
	if (gather(&gathered, options, &why) == -1 ||
	    created_of(&plan.created_ms, options->created, &why) == -1) {
		status = command_fail(&why);
		goto out;
	}
	plan.files = gathered.files;
	plan.file_count = gathered.count;
	if (bundle_build(&archive, &plan, &why) == -1 ||
	    sign_all(&archive, options->keys, options->key_count, &why) == -1 ||
	    bundle_open(&bundle, buffer_view(&archive), &why) == -1 ||
	    (!options->unproven && bundle_prove(&policy, bundle, &proof, &why) == -1) ||
	    file_replace(options->out, buffer_view(&archive), 0644, &why) == -1)
		status = say_no(&why);
	else
		status = tell_made(options, bundle, &proof, options->out);
out:
	policy_release(policy);
	bundle_close(bundle);
	buffer_free(&archive);
	gathered_free(&gathered);
	return status;
}

int
bundle_add_signature(const struct bundle_options *options)
{
	const char *const out = options->out == NULL ? options->words[0] : options->out;
	struct bundle_proof proof = {0};
	struct bundle *bundle = NULL;
	struct policy *policy = NULL;
	struct buffer archive;
	struct fault why;
	int status;

	if (options->key_count == 0)
		return usage_fault("--key 비밀열쇠가 있어야 합니다", "--key with a secret key is needed");
	buffer_init(&archive, BUNDLE_SIZE_LIMIT);
	if (file_read(&archive, options->words[0], BUNDLE_SIZE_LIMIT, &why) == -1) {
		status = command_fail(&why);
		goto out;
	}
	/* Nobody signs what would not run. */
	if (sign_all(&archive, options->keys, options->key_count, &why) == -1 ||
	    bundle_open(&bundle, buffer_view(&archive), &why) == -1 ||
	    (!options->unproven && bundle_prove(&policy, bundle, &proof, &why) == -1) ||
	    file_replace(out, buffer_view(&archive), 0644, &why) == -1)
		status = say_no(&why);
	else
		status = tell_made(options, bundle, &proof, out);
out:
	policy_release(policy);
	bundle_close(bundle);
	buffer_free(&archive);
	return status;
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

int
bundle_check_file(const struct bundle_options *options)
{
	struct bundle_key *keys = calloc(options->key_count + 1, sizeof *keys);
	struct bundle *bundle = NULL;
	struct policy *policy = NULL;
	struct bundle_proof proof;
	struct buffer signers;
	struct fault why;
	int status = EXIT_GOOD;

	buffer_init(&signers, 8192);
	if (keys == NULL || options->key_count == 0) {
		status = usage_fault("--key 공개열쇠가 있어야 합니다", "--key with a public key is needed");
		goto out;
	}
	for (size_t i = 0; i < options->key_count && status == EXIT_GOOD; i++)
		if (read_key(&keys[i], options->keys[i], &why) == -1)
			status = command_fail(&why);
	if (status != EXIT_GOOD)
		goto out;
	if (command_open_bundle(&bundle, options->words[0], &why) == -1 ||
	    bundle_verify(bundle, keys, options->key_count, (unsigned)options->signatures, &signers, &why) ==
	        -1 ||
	    bundle_prove(&policy, bundle, &proof, &why) == -1) {
		if (options->json) {
			json_t *no = json_pack("{s:b, s:{s:s, s:s, s:s}}", "valid", 0, "error", "kind",
			                       fault_kind_name(why.kind), "ko", why.ko, "en", why.en);
			asking_print(no);
			json_decref(no);
		}
		status = say_no(&why);
	} else if (options->json) {
		json_t *yes =
		    json_pack("{s:b, s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "valid", 1, "bundle",
		              bundle->digest, "name", bundle->name, "revision", (json_int_t)bundle->revision,
		              "signers", buffer_text(&signers), "policies", (json_int_t)proof.policies,
		              "tests", (json_int_t)proof.tests, "coverage", (json_int_t)proof.coverage);
		status = asking_print(yes);
		json_decref(yes);
	} else {
		printf("맞습니다 / holds: %s 제%lld판 revision, 서명 (signed by): %s, 정책 %zu개, 시험 %zu개 "
		       "통과\n  %s\n",
		       bundle->name, (long long)bundle->revision, buffer_text(&signers), proof.policies,
		       proof.tests, bundle->digest);
	}
out:
	policy_release(policy);
	bundle_close(bundle);
	buffer_free(&signers);
	free(keys);
	return status;
}

int
bundle_look(const struct bundle_options *options)
{
	static const char *const titles[] = {"경로 path", "크기 bytes"};
	char created[CLOCK_TEXT_SIZE], local[COMMAND_TIME_SIZE];
	struct bundle *bundle;
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (command_open_bundle(&bundle, options->words[0], &why) == -1)
		return say_no(&why);
	clock_text(created, bundle->created_ms);
	if (options->json) {
		json_t *signatures = json_array(), *files = json_array(), *all;

		for (size_t i = 0; i < bundle->signature_count; i++)
			json_array_append_new(signatures,
			                      json_pack("{s:s, s:s}", "name", bundle->signatures[i].name,
			                                "id", bundle->signatures[i].id));
		for (size_t i = 0; i < bundle->file_count; i++)
			json_array_append_new(files,
			                      json_pack("{s:s, s:I}", "path", bundle->files[i].path, "size",
			                                (json_int_t)bundle->files[i].text.size));
		all = json_pack("{s:s, s:s, s:I, s:s, s:o, s:o}", "bundle", bundle->digest, "name",
		                bundle->name, "revision", (json_int_t)bundle->revision, "created", created,
		                "signatures", signatures, "files", files);
		status = asking_print(all);
		json_decref(all);
	} else {
		printf(
		    "묶음 (bundle): %s\n이름 (name): %s\n판 (revision): %lld\n만든 때 (created, 한국): %s\n",
		    bundle->digest, bundle->name, (long long)bundle->revision,
		    command_time_of(local, created));
		for (size_t i = 0; i < bundle->signature_count; i++)
			printf("서명 (signature, 확인 전 not verified here): %s %s\n",
			       bundle->signatures[i].name, bundle->signatures[i].id);
		table_init(&table, 2, titles);
		table.right[1] = true;
		for (size_t i = 0; i < bundle->file_count; i++) {
			char size[24];

			snprintf(size, sizeof size, "%zu", bundle->files[i].text.size);
			table_row(&table, (const char *const[]){bundle->files[i].path, size});
		}
		if (table_print(&table, stdout, &why) == -1)
			status = command_fail(&why);
		table_free(&table);
	}
	bundle_close(bundle);
	return status;
}
