#include "policy/policy_bundle_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ustar.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

bool
bundle_name_valid(const char *name)
{
	const size_t size = strlen(name);

	return size > 0 && size <= BUNDLE_NAME_LIMIT &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == size;
}

int
bundle_name_invalid(const char *name, struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "이름 '%.80s'은(는) 영문 소문자, 숫자, . - 로 %d자까지입니다",
	                 "the name '%.80s' must be lower-case letters, digits, . and -, %d at most", name,
	                 BUNDLE_NAME_LIMIT);
}

int
bundle_too_large(struct fault *why)
{
	return fault_set(why, FAULT_TOO_LARGE, "정책 묶음이 너무 큽니다 (%zu바이트, 파일 %d개까지)",
	                 "the bundle is too large (%zu bytes, %d files at most)", BUNDLE_SIZE_LIMIT,
	                 BUNDLE_FILES_LIMIT);
}

/* ---- building ----------------------------------------------------------------------------------------------------- */

static bool
below(const char *path, const char *folder)
{
	return strncmp(path, folder, strlen(folder)) == 0;
}

static bool
ends(const char *path, const char *tail)
{
	const size_t size = strlen(path), tail_size = strlen(tail);

	return size > tail_size && strcmp(path + size - tail_size, tail) == 0;
}

/* The layout: nothing else may travel along. */
static bool
path_allowed(const char *path)
{
	if (!ustar_name_valid(path))
		return false;
	return strcmp(path, POLICY_FILE_SCHEMA) == 0 ||
	       ((below(path, POLICY_FILE_AGENCY) || below(path, POLICY_FILE_ACT)) && ends(path, ".cedar")) ||
	       (below(path, POLICY_FILE_TESTS) && (ends(path, ".json") || ends(path, ".jsonl")));
}

static int
compare_files(const void *a, const void *b)
{
	return strcmp(((const struct policy_file *)a)->path, ((const struct policy_file *)b)->path);
}

static void
write_manifest(struct buffer *out, const struct bundle_plan *plan, const struct policy_file *files)
{
	struct json_writer writer;
	char created[CLOCK_TEXT_SIZE];

	clock_text(created, plan->created_ms);
	json_writer_init(&writer, out);
	json_object_begin(&writer);
	json_name(&writer, "created");
	json_cstring(&writer, created);
	json_name(&writer, "files");
	json_array_begin(&writer);
	for (size_t i = 0; i < plan->file_count; i++) {
		uint8_t hash[crypto_hash_sha256_BYTES];
		char hex[65];

		crypto_hash_sha256(hash, files[i].text.data, files[i].text.size);
		hex_encode(hex, hash, sizeof hash);
		json_object_begin(&writer);
		json_name(&writer, "path");
		json_cstring(&writer, files[i].path);
		json_name(&writer, "sha256");
		json_cstring(&writer, hex);
		json_name(&writer, "size");
		json_number(&writer, (int64_t)files[i].text.size);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_name(&writer, "format");
	json_number(&writer, 1);
	json_name(&writer, "name");
	json_cstring(&writer, plan->name);
	json_name(&writer, "revision");
	json_number(&writer, plan->revision);
	json_object_end(&writer);
}

static int
check_plan(const struct bundle_plan *plan, struct fault *why)
{
	if (!bundle_name_valid(plan->name))
		return bundle_name_invalid(plan->name, why);
	if (plan->revision < 1 || plan->revision >= BUNDLE_REVISION_LIMIT)
		return fault_set(why, FAULT_INVALID, "판 번호(revision)는 1 이상이어야 합니다",
		                 "the revision must be 1 or more");
	if (plan->created_ms < 0 || plan->created_ms % 1000 != 0)
		return fault_set(why, FAULT_INVALID, "만든 시각은 초 단위입니다",
		                 "the time of making is in whole seconds");
	if (plan->file_count > BUNDLE_FILES_LIMIT)
		return bundle_too_large(why);
	for (size_t i = 0; i < plan->file_count; i++)
		if (!path_allowed(plan->files[i].path))
			return fault_set(why, FAULT_INVALID,
			                 "묶음에 넣을 수 없는 경로: %.200s (영문자, 숫자, . _ - 로 %d자까지; "
			                 "*.cedar와 시험 *.json, *.jsonl)",
			                 "a path that cannot be in a bundle: %.200s (letters, digits, . _ - "
			                 "and %d bytes at most; *.cedar, and tests *.json, *.jsonl)",
			                 plan->files[i].path, USTAR_NAME_LIMIT);
	return 0;
}

int
bundle_build(struct buffer *out, const struct bundle_plan *plan, struct fault *why)
{
	struct policy_file *files = NULL;
	struct buffer manifest;
	int result = -1;

	buffer_init(&manifest, BUNDLE_MANIFEST_LIMIT);
	if (check_plan(plan, why) == -1)
		goto out;
	if ((files = calloc(plan->file_count + 1, sizeof *files)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (plan->file_count > 0)
		memcpy(files, plan->files, plan->file_count * sizeof *files);
	qsort(files, plan->file_count, sizeof *files, compare_files);
	for (size_t i = 1; i < plan->file_count; i++)
		if (strcmp(files[i].path, files[i - 1].path) == 0) {
			fault_set(why, FAULT_INVALID, "%s이(가) 두 번 있습니다", "%s is there twice",
			          files[i].path);
			goto out;
		}
	write_manifest(&manifest, plan, files);
	ustar_put(out, BUNDLE_MANIFEST, buffer_view(&manifest), plan->created_ms / 1000);
	for (size_t i = 0; i < plan->file_count; i++)
		ustar_put(out, files[i].path, files[i].text, plan->created_ms / 1000);
	ustar_end(out);
	result = buffer_ok(out) && buffer_ok(&manifest) && out->size <= BUNDLE_SIZE_LIMIT
	             ? 0
	             : bundle_too_large(why);
out:
	buffer_free(&manifest);
	free(files);
	return result;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static int
bad_manifest(const char *ko, const char *en, struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "manifest.json: %s%.0s", "manifest.json: %.0s%s", ko, en);
}

/* The tree, when the bytes are its one encoding. */
static json_t *
read_canonical(struct slice bytes, const char *file, struct fault *why)
{
	json_t *json = json_read(bytes, BUNDLE_MANIFEST_LIMIT, 8, why);
	struct buffer again;

	if (json == NULL) {
		fault_prefix(why, "%s", "%s", file);
		return NULL;
	}
	buffer_init(&again, BUNDLE_MANIFEST_LIMIT);
	json_write_canonical(&again, json);
	if (!json_is_object(json) || !buffer_ok(&again) || !slice_equal(buffer_view(&again), bytes)) {
		fault_set(why, FAULT_INVALID, "%s: 정해진 꼴(RFC 8785)의 객체가 아닙니다",
		          "%s: not an object in canonical form (RFC 8785)", file);
		json_decref(json);
		json = NULL;
	}
	buffer_free(&again);
	return json;
}

static int
read_file_line(struct bundle *bundle, json_t *line, struct fault *why)
{
	static const char *const known[] = {"path", "sha256", "size", NULL};
	const char *const path = json_get_string(line, "path"), *const sha256 =
	                                                            json_get_string(line, "sha256");
	const int64_t size = json_get_integer(line, "size", -1);
	struct policy_file *file = &bundle->files[bundle->file_count];
	char *copy;

	if (!json_is_object(line) || json_unknown_member(line, known) != NULL || path == NULL ||
	    sha256 == NULL || strlen(sha256) != 64 || size < 0)
		return bad_manifest("files의 한 줄이 path, sha256, size가 아닙니다",
		                    "a line of files is not path, sha256, size", why);
	if (!path_allowed(path))
		return bad_manifest("허용되지 않는 경로", "a path that is not allowed", why);
	if (bundle->file_count > 0 && strcmp(path, bundle->files[bundle->file_count - 1].path) <= 0)
		return bad_manifest("경로가 순서대로가 아니거나 두 번 나옵니다",
		                    "paths are out of order, or one comes twice", why);
	if ((copy = strdup(path)) == NULL)
		return fault_memory(why);
	file->path = copy;
	bundle->file_count++;
	return 0;
}

static int
read_manifest(struct bundle *bundle, const json_t *json, int64_t seconds, struct fault *why)
{
	static const char *const known[] = {"created", "files", "format", "name", "revision", NULL};
	const json_t *files = json_object_get(json, "files");
	const char *const name = json_get_string(json, "name"), *const created =
	                                                            json_get_string(json, "created");
	char text[CLOCK_TEXT_SIZE];

	if (json_get_integer(json, "format", 0) != 1)
		return bad_manifest("모르는 format입니다", "its format is not known", why);
	if (json_unknown_member((json_t *)(uintptr_t)json, known) != NULL)
		return bad_manifest("모르는 항목이 있습니다", "it has a member that is not known", why);
	bundle->revision = json_get_integer(json, "revision", 0);
	if (bundle->revision < 1 || bundle->revision >= BUNDLE_REVISION_LIMIT)
		return bad_manifest("revision이 1 이상의 수가 아닙니다", "revision is no number of 1 or more",
		                    why);
	if (name == NULL || !bundle_name_valid(name))
		return bad_manifest("name이 이름이 아닙니다", "name is no name", why);
	snprintf(bundle->name, sizeof bundle->name, "%s", name);
	if (created == NULL || !clock_parse(&bundle->created_ms, slice_string(created), false))
		return bad_manifest("created가 시각이 아닙니다", "created is no time", why);
	clock_text(text, bundle->created_ms);
	if (strcmp(text, created) != 0 || bundle->created_ms != seconds * 1000)
		return bad_manifest("created가 파일들의 시각과 다릅니다",
		                    "created is not the time of its files", why);
	if (!json_is_array(files) || json_array_size(files) == 0 ||
	    json_array_size(files) > BUNDLE_FILES_LIMIT)
		return bad_manifest("files가 파일의 목록이 아닙니다", "files is no list of files", why);
	if ((bundle->files = calloc(json_array_size(files), sizeof *bundle->files)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < json_array_size(files); i++)
		if (read_file_line(bundle, json_array_get(files, i), why) == -1)
			return -1;
	return 0;
}

static int
read_signature(struct bundle *bundle, json_t *line, struct fault *why)
{
	static const char *const known[] = {"id", "name", "signature", NULL};
	const char *const id = json_get_string(line, "id"), *const name = json_get_string(line, "name"),
	                  *const text = json_get_string(line, "signature");
	struct bundle_signature *signature = &bundle->signatures[bundle->signature_count];
	uint8_t bytes[66], id_bytes[8];
	size_t size = 0;

	if (!json_is_object(line) || json_unknown_member(line, known) != NULL || id == NULL || name == NULL ||
	    text == NULL || !bundle_name_valid(name) || !hex_decode(id_bytes, 8, slice_string(id)) ||
	    strlen(text) != 88 || !base64_decode(bytes, &size, slice_string(text)) ||
	    size != sizeof signature->bytes)
		return fault_set(why, FAULT_INVALID, "signatures.json: 서명이 아닌 것이 있습니다",
		                 "signatures.json: something in it is no signature");
	hex_encode(signature->id, id_bytes, 8);
	if (strcmp(signature->id, id) != 0 ||
	    (bundle->signature_count > 0 &&
	     strcmp(id, bundle->signatures[bundle->signature_count - 1].id) <= 0))
		return fault_set(why, FAULT_INVALID,
		                 "signatures.json: id가 순서대로가 아니거나 두 번 나옵니다",
		                 "signatures.json: ids are out of order, or one comes twice");
	snprintf(signature->name, sizeof signature->name, "%s", name);
	memcpy(signature->bytes, bytes, sizeof signature->bytes);
	bundle->signature_count++;
	return 0;
}

static int
read_signatures(struct bundle *bundle, struct slice bytes, struct fault *why)
{
	static const char *const known[] = {"format", "signatures", NULL};
	json_t *json = read_canonical(bytes, BUNDLE_SIGNATURES, why);
	const json_t *list = json_object_get(json, "signatures");
	int result = -1;

	if (json == NULL)
		return -1;
	if (json_get_integer(json, "format", 0) != 1 || json_unknown_member(json, known) != NULL ||
	    json_array_size(list) == 0 || json_array_size(list) > BUNDLE_SIGNATURE_LIMIT) {
		fault_set(why, FAULT_INVALID, "signatures.json: 서명이 1개에서 %d개까지여야 합니다",
		          "signatures.json: there must be 1 to %d signatures", BUNDLE_SIGNATURE_LIMIT);
		goto out;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		if (read_signature(bundle, json_array_get(list, i), why) == -1)
			goto out;
	result = 0;
out:
	json_decref(json);
	return result;
}

/* What the manifest says of the i-th file is true of these bytes. */
static int
check_file(const struct bundle *bundle, const json_t *manifest, size_t i, const struct ustar_file *file,
           struct fault *why)
{
	const json_t *line = json_array_get(json_object_get(manifest, "files"), i);
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[65];

	if (i >= bundle->file_count || strcmp(file->name, bundle->files[i].path) != 0)
		return fault_set(why, FAULT_TAMPERED, "%s: manifest.json에 적힌 자리가 아닙니다",
		                 "%s: not where manifest.json has it", file->name);
	crypto_hash_sha256(hash, file->bytes.data, file->bytes.size);
	hex_encode(hex, hash, sizeof hash);
	if (json_get_integer(line, "size", -1) != (int64_t)file->bytes.size ||
	    strcmp(json_get_string(line, "sha256"), hex) != 0)
		return fault_set(why, FAULT_TAMPERED, "%s: 내용이 manifest.json에 적힌 것과 다릅니다",
		                 "%s: its content is not what manifest.json says", file->name);
	bundle->files[i].text = file->bytes;
	return 0;
}

static int
read_files(struct bundle *bundle, struct ustar_reader *reader, const json_t *manifest, struct fault *why)
{
	struct ustar_file file;
	size_t count = 0;
	int more;

	while ((more = ustar_next(reader, &file, why)) == 1) {
		if (count == 0 && bundle->signature_count == 0 && strcmp(file.name, BUNDLE_SIGNATURES) == 0) {
			if (read_signatures(bundle, file.bytes, why) == -1)
				return -1;
			continue;
		}
		if (check_file(bundle, manifest, count++, &file, why) == -1)
			return -1;
	}
	if (more == -1)
		return -1;
	if (count < bundle->file_count)
		return fault_set(why, FAULT_TAMPERED, "%s: manifest.json에 있으나 묶음에 없습니다",
		                 "%s: in manifest.json, but not in the bundle", bundle->files[count].path);
	return 0;
}

static int
read_bundle(struct bundle *bundle, struct fault *why)
{
	struct ustar_reader reader = ustar_of(buffer_view(&bundle->archive));
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct ustar_file file;
	json_t *manifest = NULL;
	int result = -1;

	switch (ustar_next(&reader, &file, why)) {
	case -1:
		return -1;
	case 1:
		if (strcmp(file.name, BUNDLE_MANIFEST) == 0)
			break;
		/* fallthrough */
	default:
		return fault_set(why, FAULT_INVALID,
		                 "첫 파일이 manifest.json이 아닙니다: 정책 묶음이 아닙니다",
		                 "its first file is not manifest.json: this is no policy bundle");
	}
	bundle->manifest = file.bytes;
	crypto_hash_sha256(hash, file.bytes.data, file.bytes.size);
	hex_encode(bundle->digest, hash, sizeof hash);
	if ((manifest = read_canonical(file.bytes, BUNDLE_MANIFEST, why)) == NULL)
		return -1;
	if (read_manifest(bundle, manifest, reader.seconds, why) == 0 &&
	    read_files(bundle, &reader, manifest, why) == 0)
		result = 0;
	json_decref(manifest);
	return result;
}

int
bundle_open(struct bundle **out, struct slice archive, struct fault *why)
{
	struct bundle *bundle;

	*out = NULL;
	if (archive.size > BUNDLE_SIZE_LIMIT)
		return bundle_too_large(why);
	if ((bundle = calloc(1, sizeof *bundle)) == NULL)
		return fault_memory(why);
	buffer_init(&bundle->archive, BUNDLE_SIZE_LIMIT);
	buffer_slice(&bundle->archive, archive);
	if (!buffer_ok(&bundle->archive)) {
		bundle_close(bundle);
		return fault_memory(why);
	}
	if (read_bundle(bundle, why) == -1) {
		bundle_close(bundle);
		return -1;
	}
	*out = bundle;
	return 0;
}

void
bundle_close(struct bundle *bundle)
{
	if (bundle == NULL)
		return;
	for (size_t i = 0; i < bundle->file_count; i++)
		free((void *)(uintptr_t)bundle->files[i].path);
	free(bundle->files);
	buffer_free(&bundle->archive);
	free(bundle);
}
