/*
 * Policy bundles: an archive of anybody's ('a'), a manifest ('m') or signatures ('s') of anybody's in an archive of ours. What opens is
 * what the manifest says, can be signed, and opens again with the same digest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy_bundle.h"
#include "policy/ustar.h"

#define SECONDS INT64_C(1790000000)
#define EMPTY   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char manifest[] =
    "{\"created\":\"2026-09-21T14:13:20.000Z\",\"files\":[{\"path\":\"agency/a.cedar\",\"sha256\":\"" EMPTY
    "\",\"size\":0}],\"format\":1,\"name\":\"a\",\"revision\":1}";

static void
look(struct slice archive)
{
	static struct bundle_key key;
	struct bundle *bundle = NULL, *again = NULL;
	struct buffer resigned;
	struct fault why;

	if (key.name[0] == '\0' && bundle_key_make(&key, "fuzz", &why) == -1)
		abort();
	if (bundle_open(&bundle, archive, &why) == -1)
		return;
	for (size_t i = 0; i < bundle->file_count; i++)
		if (!ustar_name_valid(bundle->files[i].path) ||
		    strstr(bundle->files[i].path, "..") == bundle->files[i].path)
			abort();
	if (bundle_verify(bundle, &key, 1, 1, NULL, &why) == 0)
		abort();
	buffer_init(&resigned, BUNDLE_SIZE_LIMIT);
	if (bundle_sign(&resigned, bundle, &key, &why) == 0) {
		if (bundle_open(&again, buffer_view(&resigned), &why) == -1 ||
		    strcmp(again->digest, bundle->digest) != 0 ||
		    bundle_verify(again, &key, 1, 1, NULL, &why) == -1)
			abort();
	}
	buffer_free(&resigned);
	bundle_close(again);
	bundle_close(bundle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest;
	struct buffer archive;

	if (size == 0)
		return 0;
	rest = slice_of(data + 1, size - 1);
	if (data[0] == 'a') {
		look(rest);
		return 0;
	}
	buffer_init(&archive, BUNDLE_SIZE_LIMIT);
	ustar_put(&archive, "manifest.json", data[0] == 'm' ? rest : slice_string(manifest), SECONDS);
	if (data[0] == 's')
		ustar_put(&archive, "signatures.json", rest, SECONDS);
	ustar_put(&archive, "agency/a.cedar", slice_string(""), SECONDS);
	ustar_end(&archive);
	if (buffer_ok(&archive))
		look(buffer_view(&archive));
	buffer_free(&archive);
	return 0;
}
