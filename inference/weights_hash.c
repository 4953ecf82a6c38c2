/* Which weights these are, by SHA-256: the one door of the engine to libcrypto. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inference/weights.h"

#define HASH_BLOCK ((size_t)16 << 20) /* between two words on how far it is */

bool
weights_cache_directory(char *out, size_t size, bool make)
{
	const char *own = getenv("HAECHI_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int length;

	if (own != NULL && own[0] == '/')
		length = snprintf(out, size, "%s", own);
	else if (xdg != NULL && xdg[0] == '/')
		length = snprintf(out, size, "%s/haechi", xdg);
	else if (home != NULL && home[0] == '/')
		length = snprintf(out, size, "%s/.cache/haechi", home);
	else
		return false;
	if (length <= 0 || (size_t)length >= size)
		return false;
	for (char *at = out + 1; make && (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(out, 0700);
		*at = '/';
	}
	if (make)
		mkdir(out, 0700);
	return true;
}

/* Where the hash of files with this identity is kept. false: nowhere. */
static bool
cache_path(const struct weights *weights, char *out, size_t size)
{
	char directory[1024], name[65];
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good;

	good = context != NULL && weights_cache_directory(directory, sizeof directory, false) &&
	       EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; good && i < weights->count; i++)
		good = EVP_DigestUpdate(context, weights->parts[i].identity,
		                        strlen(weights->parts[i].identity)) == 1;
	good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
	EVP_MD_CTX_free(context);
	if (!good)
		return false;
	hex_encode(name, digest, 32);
	return (size_t)snprintf(out, size, "%s/weights-%.32s.sha256", directory, name) < size;
}

/* A hash that only we (or root) can have put there. */
static bool
read_cached(const char *path, char sha256[65])
{
	struct stat status;
	char text[66];
	uint8_t digest[32];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool good;

	if (file == -1)
		return false;
	good = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
	       (status.st_uid == geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0 &&
	       read(file, text, sizeof text) == 65 && text[64] == '\n' &&
	       hex_decode(digest, 32, slice_of(text, 64));
	close(file);
	if (good)
		hex_encode(sha256, digest, 32);
	return good;
}

static void
write_cached(const char *path, const char *sha256)
{
	char directory[1100], line[66];

	if (!weights_cache_directory(directory, sizeof directory, true))
		return;
	snprintf(line, sizeof line, "%s\n", sha256);
	/* Only a convenience: without it the next start hashes again. */
	if (file_replace(path, slice_string(line), 0600, NULL) == -1)
		return;
}

int
model_hash(struct model *model, struct fault *why)
{
	const struct weights *weights = model->weights;
	char path[1100];
	bool cached = cache_path(weights, path, sizeof path);
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context;
	int good;

	if (cached && read_cached(path, model->sha256))
		return 0;
	context = EVP_MD_CTX_new();
	good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	for (size_t i = 0; good && i < weights->count; i++)
		for (struct slice rest = weights->parts[i].bytes; good && rest.size > 0;) {
			size_t size = rest.size < HASH_BLOCK ? rest.size : HASH_BLOCK;

			good = EVP_DigestUpdate(context, rest.data, size) == 1;
			rest = slice_of(rest.data + size, rest.size - size);
			if (model->progress != NULL)
				model->progress(model->progress_context, size, 0);
		}
	good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
	EVP_MD_CTX_free(context);
	if (!good)
		return fault_set(why, FAULT_INTERNAL, "가중치의 SHA-256을 계산할 수 없습니다",
		                 "the SHA-256 of the weights cannot be computed");
	hex_encode(model->sha256, digest, 32);
	if (cached)
		write_cached(path, model->sha256);
	return 0;
}
