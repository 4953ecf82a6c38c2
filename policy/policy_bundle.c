#include "policy/policy_bundle.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "policy/trials.h"
#include "policy/ustar.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

#define MANIFEST       "manifest.json"
#define SIGNATURES     "signatures.json"
#define MANIFEST_LIMIT ((size_t)1 << 20)
#define SIGNED_AS      "haechi policy bundle v1\n"
#define KEY_LINE_LIMIT 256

static bool
name_valid(const char *name)
{
	const size_t size = strlen(name);

	return size > 0 && size <= BUNDLE_NAME_LIMIT &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == size;
}

static int
name_invalid(const char *name, struct fault *why)
{
	return fault_set(why, FAULT_INVALID, "이름 '%.80s'은(는) 영문 소문자, 숫자, . - 로 %d자까지입니다",
	                 "the name '%.80s' must be lower-case letters, digits, . and -, %d at most", name,
	                 BUNDLE_NAME_LIMIT);
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static void
key_complete(struct bundle_key *key)
{
	uint8_t hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, key->public, sizeof key->public);
	hex_encode(key->id, hash, 8);
}

static void
key_from_seed(struct bundle_key *key)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(key->public, secret, key->seed);
	sodium_memzero(secret, sizeof secret);
	key->secret = true;
	key_complete(key);
}

int
bundle_key_make(struct bundle_key *out, const char *name, struct fault *why)
{
	memset(out, 0, sizeof *out);
	if (!name_valid(name))
		return name_invalid(name, why);
	if (sodium_init() == -1)
		return fault_set(why, FAULT_INTERNAL, "libsodium을 쓸 수 없습니다",
		                 "libsodium cannot be used");
	snprintf(out->name, sizeof out->name, "%s", name);
	randombytes_buf(out->seed, sizeof out->seed);
	key_from_seed(out);
	return 0;
}

int
bundle_key_parse(struct bundle_key *out, struct slice text, struct fault *why)
{
	char line[KEY_LINE_LIMIT], kind[32], type[16], name[BUNDLE_NAME_LIMIT + 1], value[64], more;
	uint8_t bytes[48];
	size_t size = 0;
	int result = -1;

	memset(out, 0, sizeof *out);
	while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
		text.size--;
	if (text.size == 0 || text.size >= sizeof line || memchr(text.data, '\0', text.size) != NULL)
		goto out;
	memcpy(line, text.data, text.size);
	line[text.size] = '\0';
	if (sscanf(line, "%31s %15s %64s %63s %c", kind, type, name, value, &more) != 4 ||
	    strcmp(type, "ed25519") != 0 || !name_valid(name) || strlen(value) != 44 ||
	    !base64_decode(bytes, &size, slice_string(value)) || size != 32)
		goto out;
	snprintf(out->name, sizeof out->name, "%s", name);
	if (strcmp(kind, "haechi-bundle-key") == 0) {
		memcpy(out->seed, bytes, sizeof out->seed);
		key_from_seed(out);
	} else if (strcmp(kind, "haechi-bundle-pub") == 0) {
		memcpy(out->public, bytes, sizeof out->public);
		key_complete(out);
	} else {
		goto out;
	}
	result = 0;
out:
	sodium_memzero(line, sizeof line);
	sodium_memzero(value, sizeof value);
	sodium_memzero(bytes, sizeof bytes);
	return result == 0 ? 0
	                   : fault_set(why, FAULT_INVALID,
	                               "정책 묶음의 열쇠 파일이 아닙니다 (haechi policy bundle keygen)",
	                               "not a key of policy bundles (haechi policy bundle keygen)");
}

void
bundle_key_write(struct buffer *out, const struct bundle_key *key, bool secret)
{
	char text[BASE64_SIZE(32)];

	base64_encode(text, secret ? key->seed : key->public, 32);
	buffer_printf(out, "haechi-bundle-%s ed25519 %s %s\n", secret ? "key" : "pub", key->name, text);
	sodium_memzero(text, sizeof text);
}

void
bundle_key_wipe(struct bundle_key *key)
{
	sodium_memzero(key, sizeof *key);
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
too_large(struct fault *why)
{
	return fault_set(why, FAULT_TOO_LARGE, "정책 묶음이 너무 큽니다 (%zu바이트, 파일 %d개까지)",
	                 "the bundle is too large (%zu bytes, %d files at most)", BUNDLE_SIZE_LIMIT,
	                 BUNDLE_FILES_LIMIT);
}

static int
check_plan(const struct bundle_plan *plan, struct fault *why)
{
	if (!name_valid(plan->name))
		return name_invalid(plan->name, why);
	if (plan->revision < 1 || plan->revision >= BUNDLE_REVISION_LIMIT)
		return fault_set(why, FAULT_INVALID, "판 번호(revision)는 1 이상이어야 합니다",
		                 "the revision must be 1 or more");
	if (plan->created_ms < 0 || plan->created_ms % 1000 != 0)
		return fault_set(why, FAULT_INVALID, "만든 시각은 초 단위입니다",
		                 "the time of making is in whole seconds");
	if (plan->file_count > BUNDLE_FILES_LIMIT)
		return too_large(why);
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

	buffer_init(&manifest, MANIFEST_LIMIT);
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
	ustar_put(out, MANIFEST, buffer_view(&manifest), plan->created_ms / 1000);
	for (size_t i = 0; i < plan->file_count; i++)
		ustar_put(out, files[i].path, files[i].text, plan->created_ms / 1000);
	ustar_end(out);
	result =
	    buffer_ok(out) && buffer_ok(&manifest) && out->size <= BUNDLE_SIZE_LIMIT ? 0 : too_large(why);
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
	json_t *json = json_read(bytes, MANIFEST_LIMIT, 8, why);
	struct buffer again;

	if (json == NULL) {
		fault_prefix(why, "%s", "%s", file);
		return NULL;
	}
	buffer_init(&again, MANIFEST_LIMIT);
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
	if (name == NULL || !name_valid(name))
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
	    text == NULL || !name_valid(name) || !hex_decode(id_bytes, 8, slice_string(id)) ||
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
	json_t *json = read_canonical(bytes, SIGNATURES, why);
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
		if (count == 0 && bundle->signature_count == 0 && strcmp(file.name, SIGNATURES) == 0) {
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
		if (strcmp(file.name, MANIFEST) == 0)
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
	if ((manifest = read_canonical(file.bytes, MANIFEST, why)) == NULL)
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
		return too_large(why);
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

/* ---- signing ------------------------------------------------------------------------------------------------------ */

static int
signed_bytes(struct buffer *out, const struct bundle *bundle, struct fault *why)
{
	buffer_init(out, MANIFEST_LIMIT + sizeof SIGNED_AS);
	buffer_string(out, SIGNED_AS);
	buffer_slice(out, bundle->manifest);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static void
write_signatures(struct buffer *out, const struct bundle_signature *signatures, size_t count)
{
	struct json_writer writer;
	char text[BASE64_SIZE(64)];

	json_writer_init(&writer, out);
	json_object_begin(&writer);
	json_name(&writer, "format");
	json_number(&writer, 1);
	json_name(&writer, "signatures");
	json_array_begin(&writer);
	for (size_t i = 0; i < count; i++) {
		base64_encode(text, signatures[i].bytes, sizeof signatures[i].bytes);
		json_object_begin(&writer);
		json_name(&writer, "id");
		json_cstring(&writer, signatures[i].id);
		json_name(&writer, "name");
		json_cstring(&writer, signatures[i].name);
		json_name(&writer, "signature");
		json_cstring(&writer, text);
		json_object_end(&writer);
	}
	json_array_end(&writer);
	json_object_end(&writer);
}

static int
compare_signatures(const void *a, const void *b)
{
	return strcmp(((const struct bundle_signature *)a)->id, ((const struct bundle_signature *)b)->id);
}

/* The archive anew, with these signatures. */
static int
write_signed(struct buffer *out, const struct bundle *bundle, const struct bundle_signature *signatures,
             size_t count, struct fault *why)
{
	const int64_t seconds = bundle->created_ms / 1000;
	struct buffer text;
	int result;

	buffer_init(&text, MANIFEST_LIMIT);
	write_signatures(&text, signatures, count);
	ustar_put(out, MANIFEST, bundle->manifest, seconds);
	ustar_put(out, SIGNATURES, buffer_view(&text), seconds);
	for (size_t i = 0; i < bundle->file_count; i++)
		ustar_put(out, bundle->files[i].path, bundle->files[i].text, seconds);
	ustar_end(out);
	result = buffer_ok(out) && buffer_ok(&text) && out->size <= BUNDLE_SIZE_LIMIT ? 0 : too_large(why);
	buffer_free(&text);
	return result;
}

int
bundle_sign(struct buffer *out, const struct bundle *bundle, const struct bundle_key *key, struct fault *why)
{
	struct bundle_signature signatures[BUNDLE_SIGNATURE_LIMIT + 1];
	uint8_t public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
	struct buffer text;
	size_t count = 0;

	if (!key->secret)
		return fault_set(why, FAULT_INVALID, "서명하려면 비밀 열쇠(.key)가 있어야 합니다",
		                 "signing needs the secret key (.key)");
	for (size_t i = 0; i < bundle->signature_count; i++)
		if (strcmp(bundle->signatures[i].id, key->id) != 0)
			signatures[count++] = bundle->signatures[i];
	if (count == BUNDLE_SIGNATURE_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "서명은 %d개까지입니다",
		                 "a bundle has %d signatures at most", BUNDLE_SIGNATURE_LIMIT);
	if (signed_bytes(&text, bundle, why) == -1) {
		buffer_free(&text);
		return -1;
	}
	memset(&signatures[count], 0, sizeof signatures[count]);
	snprintf(signatures[count].name, sizeof signatures[count].name, "%s", key->name);
	snprintf(signatures[count].id, sizeof signatures[count].id, "%s", key->id);
	crypto_sign_seed_keypair(public, secret, key->seed);
	crypto_sign_detached(signatures[count++].bytes, NULL, text.data, text.size, secret);
	sodium_memzero(secret, sizeof secret);
	buffer_free(&text);
	qsort(signatures, count, sizeof *signatures, compare_signatures);
	return write_signed(out, bundle, signatures, count, why);
}

int
bundle_verify(const struct bundle *bundle, const struct bundle_key *keys, size_t key_count, unsigned needed,
              struct buffer *signers, struct fault *why)
{
	struct buffer text;
	unsigned held = 0;
	int result = -1;

	if (signed_bytes(&text, bundle, why) == -1)
		goto out;
	for (size_t i = 0; i < key_count; i++) {
		bool twice = false;

		for (size_t k = 0; k < i && !twice; k++)
			twice = memcmp(keys[k].public, keys[i].public, sizeof keys[i].public) == 0;
		for (size_t j = 0; j < bundle->signature_count && !twice; j++) {
			const struct bundle_signature *signature = &bundle->signatures[j];

			if (strcmp(signature->id, keys[i].id) != 0)
				continue;
			if (crypto_sign_verify_detached(signature->bytes, text.data, text.size,
			                                keys[i].public) != 0) {
				fault_set(why, FAULT_TAMPERED, "%s(%s)의 서명이 맞지 않습니다",
				          "the signature of %s (%s) does not hold", keys[i].name, keys[i].id);
				goto out;
			}
			if (signers != NULL)
				buffer_printf(signers, "%s%s", held > 0 ? ", " : "", keys[i].name);
			held++;
		}
	}
	if (held < needed) {
		fault_set(why, FAULT_FORBIDDEN, "믿는 열쇠의 서명이 모자랍니다: %u개 가운데 %u개",
		          "too few signatures of trusted keys: of %u needed there are %u", needed, held);
		goto out;
	}
	result = 0;
out:
	buffer_free(&text);
	return result;
}

/* ---- proving ------------------------------------------------------------------------------------------------------ */

int
bundle_policy(struct policy **out, const struct bundle *bundle, struct fault *why)
{
	return policy_load_files(out, bundle->files, bundle->file_count, bundle->digest, why);
}

struct proving {
	const struct bundle *bundle;
	struct fault first; /* the first test that did not pass */
	bool failed;
};

const struct policy_file *
bundle_file_beside(const struct bundle *bundle, const char *file, const char *name)
{
	const char *const slash = strrchr(file, '/');
	const size_t folder = slash == NULL ? 0 : (size_t)(slash + 1 - file);

	for (size_t i = 0; i < bundle->file_count; i++) {
		const char *path = bundle->files[i].path;

		if (strlen(path) > folder && strncmp(path, file, folder) == 0 &&
		    strcmp(path + folder, name) == 0)
			return &bundle->files[i];
	}
	return NULL;
}

static int
read_beside(void *owner, const char *file, const char *name, struct buffer *out, struct fault *why)
{
	const struct policy_file *found = bundle_file_beside(((struct proving *)owner)->bundle, file, name);

	if (found == NULL)
		return fault_set(why, FAULT_NOT_FOUND, "묶음에 없습니다", "not in the bundle");
	buffer_slice(out, found->text);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

static void
tell(void *owner, const struct trial_told *told)
{
	struct proving *proving = owner;

	if (told->passed || proving->failed)
		return;
	proving->failed = true;
	if (told->why != NULL) {
		proving->first = *told->why;
		fault_prefix(&proving->first, "%s #%u %s", "%s #%u %s", told->file, told->number, told->name);
	} else {
		fault_set(&proving->first, FAULT_INVALID, "%s #%u %s: %s이(가) 기대와 다릅니다",
		          "%s #%u %s: %s is not as expected", told->file, told->number, told->name,
		          told->wanted);
	}
}

bool
bundle_is_tests(const char *path)
{
	return below(path, POLICY_FILE_TESTS) && strchr(path + strlen(POLICY_FILE_TESTS), '/') == NULL;
}

static int
run_tests(const struct bundle *bundle, const struct policy *policy, struct bundle_proof *proof,
          struct fault *why)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct proving proving = {.bundle = bundle};
	struct trials trials = {.policy = policy, .read = read_beside, .tell = tell, .owner = &proving};
	struct coverage_sums sums = {0};
	int result = -1;

	if (arena == NULL)
		return fault_memory(why);
	if (proof != NULL && trials_cover(&trials, arena, why) == -1)
		goto out;
	for (size_t i = 0; i < bundle->file_count; i++)
		if (bundle_is_tests(bundle->files[i].path) &&
		    trials_run(&trials, bundle->files[i].path, bundle->files[i].text, why) == -1)
			goto out;
	if (trials.failed > 0) {
		*why = proving.first;
		fault_prefix(why, "시험 %zu개 가운데 %zu개가 통과하지 못했습니다",
		             "of %zu tests %zu did not pass", trials.passed + trials.failed, trials.failed);
		why->kind = FAULT_INVALID;
		goto out;
	}
	if (trials.passed == 0) {
		fault_set(why, FAULT_INVALID, "묶음에 시험이 하나도 없습니다 (tests/)",
		          "the bundle has not one test (tests/)");
		goto out;
	}
	if (proof != NULL) {
		coverage_sum(trials.coverage, &sums);
		*proof = (struct bundle_proof){.policies = policy_count(policy),
		                               .tests = trials.passed,
		                               .coverage = coverage_percent(&sums)};
	}
	result = 0;
out:
	arena_free(arena);
	return result;
}

int
bundle_prove(struct policy **out, const struct bundle *bundle, struct bundle_proof *proof, struct fault *why)
{
	if (bundle_policy(out, bundle, why) == -1)
		return -1;
	if (run_tests(bundle, *out, proof, why) == -1) {
		policy_release(*out);
		*out = NULL;
		return -1;
	}
	return 0;
}
