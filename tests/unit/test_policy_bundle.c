/*
 * Bundles: built, signed, read and proven; and every way in which one can be wrong. One bundle has one encoding, so every changed
 * byte, every cut and everything that tar could smuggle in is refused, by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy_bundle.h"
#include "policy/ustar.h"

#define CREATED INT64_C(1790000000000)

static struct buffer schema;
static struct bundle_key office, auditor, stranger;

static int
setup(void **state)
{
	struct fault why;

	(void)state;
	buffer_init(&schema, 1 << 20);
	if (file_read(&schema, "schema/haechi.cedarschema", 1 << 20, &why) == -1 ||
	    bundle_key_make(&office, "security-office", &why) == -1 ||
	    bundle_key_make(&auditor, "auditor", &why) == -1 ||
	    bundle_key_make(&stranger, "stranger", &why) == -1) {
		fault_print(stderr, "test_policy_bundle", &why);
		return -1;
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buffer_free(&schema);
	return 0;
}

static const char policies[] =
    "@id(\"permit.open\") @title_ko(\"열림\") @title_en(\"open\")\n"
    "permit (principal, action in Action::\"ask\", resource) when { context.grade == Grade::\"O\" };\n";
static const char rules[] =
    "@id(\"ACT.1\") @law(\"2.3\") @status(\"own\") @title_ko(\"가\") @title_en(\"a\")\n"
    "permit (principal, action == Act::Action::\"inside\", resource)\n"
    "when { context.effect == Effect::\"final\" };\n";
static const char tests[] =
    "{\"name\":\"open\",\"facts\":{\"grade\":\"O\"},\"access\":\"permit\"}\n"
    "{\"name\":\"not "
    "open\",\"facts\":{\"grade\":\"S\"},\"access\":\"deny\",\"reasons\":[\"default-deny\"]}\n";

struct files {
	struct policy_file items[8];
	size_t count;
};

static struct files
good_files(void)
{
	return (struct files){
	    .items = {{"tests/agency.jsonl", slice_string(tests)},
	              {"agency/deep/er/access.cedar", slice_string(policies)},
	              {"act/2026-01-22/general.cedar", slice_string(rules)},
	              {POLICY_FILE_SCHEMA, buffer_view(&schema)}},
	    .count = 4
        };
}

/* Built of these; opened; the caller's. */
static struct bundle *
made(const struct files *files, int64_t revision, struct buffer *archive)
{
	const struct bundle_plan plan = {.name = "seoul",
	                                 .revision = revision,
	                                 .created_ms = CREATED,
	                                 .files = files->items,
	                                 .file_count = files->count};
	struct bundle *bundle = NULL;
	struct fault why;

	buffer_init(archive, BUNDLE_SIZE_LIMIT);
	if (bundle_build(archive, &plan, &why) == -1 ||
	    bundle_open(&bundle, buffer_view(archive), &why) == -1)
		fail_msg("%s", why.en);
	return bundle;
}

static void
built_and_read(void **state)
{
	struct files files = good_files();
	struct buffer archive, again;
	struct bundle *bundle = made(&files, 7, &archive), *other;
	struct bundle_proof proof;
	struct policy *policy;
	struct fault why;

	(void)state;
	assert_string_equal(bundle->name, "seoul");
	assert_int_equal(bundle->revision, 7);
	assert_int_equal(bundle->created_ms, CREATED);
	assert_int_equal(bundle->file_count, 4);
	assert_string_equal(bundle->files[0].path, "act/2026-01-22/general.cedar");
	assert_int_equal(bundle->signature_count, 0);
	if (bundle_prove(&policy, bundle, &proof, &why) == -1)
		fail_msg("%s", why.en);
	/* Decisions name the digest of the manifest. */
	assert_string_equal(policy_bundle(policy), bundle->digest);
	assert_int_equal(proof.policies, 2);
	assert_int_equal(proof.tests, 2);
	assert_true(proof.coverage > 0 && proof.coverage <= 100);
	policy_release(policy);
	/* The order they are named in makes no difference, the revision does. */
	files.items[4] = files.items[0];
	files.items[0] = files.items[3];
	files.items[3] = files.items[4];
	other = made(&files, 7, &again);
	assert_true(slice_equal(buffer_view(&archive), buffer_view(&again)));
	bundle_close(other);
	buffer_free(&again);
	other = made(&files, 8, &again);
	assert_string_not_equal(other->digest, bundle->digest);
	bundle_close(other);
	buffer_free(&again);
	bundle_close(bundle);
	buffer_free(&archive);
}

static void
signed_by_some(void **state)
{
	struct files files = good_files();
	struct buffer archive, once, twice, thrice, signers;
	struct bundle *bundle = made(&files, 1, &archive), *one, *two;
	struct bundle_key trusted[] = {office, auditor, office};
	struct fault why;

	(void)state;
	buffer_init(&once, BUNDLE_SIZE_LIMIT);
	buffer_init(&twice, BUNDLE_SIZE_LIMIT);
	buffer_init(&thrice, BUNDLE_SIZE_LIMIT);
	buffer_init(&signers, 1000);
	assert_int_equal(bundle_verify(bundle, trusted, 3, 1, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_FORBIDDEN);
	assert_int_equal(bundle_sign(&once, bundle, &office, &why), 0);
	assert_int_equal(bundle_open(&one, buffer_view(&once), &why), 0);
	assert_string_equal(one->digest, bundle->digest); /* signing does not change what decisions name */
	assert_int_equal(bundle_verify(one, trusted, 3, 1, &signers, &why), 0);
	assert_string_equal(buffer_text(&signers), "security-office");
	/* The same key named twice among the trusted counts once. */
	assert_int_equal(bundle_verify(one, trusted, 3, 2, NULL, &why), -1);
	assert_int_equal(bundle_verify(one, &stranger, 1, 1, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_FORBIDDEN);
	assert_int_equal(bundle_sign(&twice, one, &auditor, &why), 0);
	assert_int_equal(bundle_open(&two, buffer_view(&twice), &why), 0);
	assert_int_equal(bundle_verify(two, trusted, 3, 2, NULL, &why), 0);
	/* Signed again by the same: nothing changes. */
	assert_int_equal(bundle_sign(&thrice, two, &office, &why), 0);
	assert_true(slice_equal(buffer_view(&twice), buffer_view(&thrice)));
	/* A signature of one bundle is none of another. */
	bundle_close(bundle);
	buffer_free(&archive);
	bundle = made(&files, 2, &archive);
	bundle->signatures[0] = one->signatures[0];
	bundle->signature_count = 1;
	assert_int_equal(bundle_verify(bundle, trusted, 3, 1, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	bundle_close(bundle);
	bundle_close(one);
	bundle_close(two);
	buffer_free(&archive);
	buffer_free(&once);
	buffer_free(&twice);
	buffer_free(&thrice);
	buffer_free(&signers);
}

static void
keys_as_text(void **state)
{
	static const char *const bad[] = {
	    "",
	    "\n",
	    "haechi-bundle-pub ed25519 a",
	    "haechi-bundle-pub ed25519 A AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "haechi-bundle-pub rsa a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "haechi-bundle-xyz ed25519 a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "haechi-bundle-pub ed25519 a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= more",
	    "haechi-bundle-pub ed25519 a AAAA",
	};
	struct bundle_key key;
	struct buffer text;
	struct fault why;

	(void)state;
	buffer_init(&text, 1000);
	bundle_key_write(&text, &office, true);
	assert_int_equal(bundle_key_parse(&key, buffer_view(&text), &why), 0);
	assert_true(key.secret);
	assert_string_equal(key.id, office.id);
	assert_memory_equal(key.public, office.public, 32);
	buffer_reset(&text);
	bundle_key_write(&text, &office, false);
	assert_int_equal(bundle_key_parse(&key, buffer_view(&text), &why), 0);
	assert_false(key.secret);
	assert_string_equal(key.id, office.id);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(bundle_key_parse(&key, slice_string(bad[i]), &why), -1);
	assert_int_equal(bundle_key_make(&key, "Not A Name", &why), -1);
	buffer_free(&text);
}

/* ---- what must not be read ------------------------------------------------------------------------------------------ */

static void
every_cut_and_every_flip(void **state)
{
	struct files files = good_files();
	struct buffer archive, whole;
	struct bundle *bundle, *got;
	struct bundle_key trusted = office;
	struct fault why;
	size_t signature_only = 0;

	(void)state;
	/* Small enough to try each byte: a schema of one line is enough for the container. */
	files.items[3].text = SLICE_LITERAL("entity A;\n");
	bundle = made(&files, 3, &archive);
	buffer_init(&whole, BUNDLE_SIZE_LIMIT);
	assert_int_equal(bundle_sign(&whole, bundle, &office, &why), 0);
	bundle_close(bundle);
	for (size_t size = 0; size < whole.size; size++) {
		if (bundle_open(&got, slice_of(whole.data, size), &why) == 0)
			fail_msg("cut to %zu of %zu bytes it opens", size, whole.size);
		assert_null(got);
	}
	for (size_t at = 0; at < whole.size; at++) {
		whole.data[at] ^= 1;
		/* Only the base64 of a signature and the name beside it may still read: then the signature does not hold, or
		 * names nobody else. */
		if (bundle_open(&got, buffer_view(&whole), &why) == 0) {
			const int held = bundle_verify(got, &trusted, 1, 1, NULL, &why);

			if (held == 0 && strcmp(got->signatures[0].name, office.name) == 0)
				fail_msg("byte %zu changed, and it still holds", at);
			signature_only++;
			bundle_close(got);
		}
		whole.data[at] ^= 1;
	}
	assert_true(signature_only < 140);
	buffer_append(&whole, "\0", 1);
	assert_int_equal(bundle_open(&got, buffer_view(&whole), &why), -1);
	buffer_free(&whole);
	buffer_free(&archive);
}

/* An archive with one header changed by hand, its sum made right again. */
static void
hand_made(struct buffer *out, const struct buffer *archive, size_t header, size_t at, const char *bytes,
          size_t size)
{
	unsigned sum = 0;

	buffer_init(out, BUNDLE_SIZE_LIMIT);
	buffer_slice(out, buffer_view(archive));
	memcpy(out->data + header + at, bytes, size);
	memset(out->data + header + 148, ' ', 8);
	for (unsigned i = 0; i < 512; i++)
		sum += out->data[header + i];
	snprintf((char *)out->data + header + 148, 8, "%06o", sum & 0777777u);
	out->data[header + 155] = ' ';
}

static void
hostile_headers(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t size;
	} changes[] = {
	    {0,   "../../../etc/passwd\0",              20},
	    {0,   "/etc/passwd\0",                      12},
	    {0,   "agency/../../x.cedar\0",             21},
	    {0,   "agency//x.cedar\0",                  16},
	    {0,   "agency/./x.cedar\0",                 17},
	    {0,   "agency/.hidden.cedar\0",             21},
	    {0,   "agency\\x.cedar\0",                  15},
	    {0,   "agency/x\ny.cedar\0",                17},
	    {0,   "\xec\xa0\x95\xec\xb1\x85\0",         7 },
	    {156, "1",	                          1 }, /* a hard link */
	    {156, "2",	                          1 }, /* a symbolic one */
	    {156, "3",	                          1 }, /* a device */
	    {156, "5",	                          1 }, /* a folder */
	    {156, "L",	                          1 }, /* GNU's long names */
	    {156, "x",	                          1 }, /* pax */
	    {156, "\0",	                         1 }, /* the old way of a plain file */
	    {157, "/etc/shadow",                        11}, /* a link's target */
	    {124, "77777777777\0",                      12}, /* eight gigabytes */
	    {124, "\x80\0\0\0\0\0\0\0\xff\xff\xff\xff", 12}, /* base 256 */
	    {124, "           \0",                      12},
	    {136, "00000000000\0",                      12}, /* another time */
	    {100, "0004755\0",                          8 }, /* set-uid */
	    {108, "0001750\0",                          8 },
	    {257, "ustar  \0",                          8 }, /* GNU's */
	    {265, "root",	                       4 },
	    {345, "agency",	                     6 }, /* a prefix */
	    {500, "x",	                          1 },
	};
	struct files files = good_files();
	struct buffer archive, changed;
	struct bundle *bundle = made(&files, 3, &archive), *got;
	const size_t first_file = 512 + (bundle->manifest.size + 511) / 512 * 512;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		hand_made(&changed, &archive, first_file, changes[i].at, changes[i].bytes, changes[i].size);
		if (bundle_open(&got, buffer_view(&changed), &why) == 0)
			fail_msg("change %zu at %zu opens", i, changes[i].at);
		assert_true(why.kind == FAULT_INVALID || why.kind == FAULT_TAMPERED);
		assert_true(why.ko[0] != '\0');
		buffer_free(&changed);
	}
	bundle_close(bundle);
	buffer_free(&archive);
}

/* An archive of our own making around a manifest of anybody's. */
static int
opens(const char *manifest, const char *name, const char *content, struct fault *why)
{
	struct buffer archive;
	struct bundle *bundle;
	int result;

	buffer_init(&archive, BUNDLE_SIZE_LIMIT);
	ustar_put(&archive, "manifest.json", slice_string(manifest), CREATED / 1000);
	if (name != NULL)
		ustar_put(&archive, name, slice_string(content), CREATED / 1000);
	ustar_end(&archive);
	assert_true(buffer_ok(&archive));
	result = bundle_open(&bundle, buffer_view(&archive), why);
	bundle_close(bundle);
	buffer_free(&archive);
	return result;
}

#define TIME            "\"created\":\"2026-09-21T14:13:20.000Z\""
#define EMPTY           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LINE(path)      "{\"path\":\"" path "\",\"sha256\":\"" EMPTY "\",\"size\":0}"
#define MANIFEST(files) "{" TIME ",\"files\":[" files "],\"format\":1,\"name\":\"a\",\"revision\":1}"

static void
hostile_manifests(void **state)
{
	static const char *const manifests[] = {
	    "",
	    "[]",
	    "{}",
	    "null",
	    "{\"a\":1,\"a\":2}",
	    MANIFEST(""),
	    MANIFEST(LINE("a.cedar")) " ",
	    " " MANIFEST(LINE("a.cedar")),
	    MANIFEST(LINE("../a.cedar")),
	    MANIFEST(LINE("/a.cedar")),
	    MANIFEST(LINE("agency/a.txt")),
	    MANIFEST(LINE("bin/haechid")),
	    MANIFEST(LINE("agency/b.cedar") "," LINE("agency/a.cedar")),
	    MANIFEST(LINE("agency/a.cedar") "," LINE("agency/a.cedar")),
	    MANIFEST("1"),
	    MANIFEST("{\"path\":\"agency/a.cedar\",\"sha256\":\"" EMPTY "\"}"),
	    MANIFEST("{\"path\":\"agency/a.cedar\",\"sha256\":\"" EMPTY "\",\"size\":-1}"),
	    MANIFEST("{\"mode\":1,\"path\":\"agency/a.cedar\",\"sha256\":\"" EMPTY "\",\"size\":0}"),
	    "{" TIME ",\"files\":[" LINE("agency/a.cedar") "],\"format\":2,\"name\":\"a\",\"revision\":1}",
	    "{" TIME ",\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"A b\",\"revision\":1}",
	    "{" TIME ",\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":0}",
	    "{" TIME ",\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":-1}",
	    "{" TIME ",\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":1.5}",
	    "{" TIME
	    ",\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":\"1\"}",
	    "{\"created\":\"2026-09-21T14:13:21.000Z\",\"files\":[" LINE(
	        "agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":1}",
	    "{\"created\":\"yesterday\",\"files\":[" LINE(
	        "agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":1}",
	    "{" TIME
	    ",\"extra\":1,\"files\":[" LINE("agency/a.cedar") "],\"format\":1,\"name\":\"a\",\"revision\":1}",
	};
	struct fault why;

	(void)state;
	if (opens(MANIFEST(LINE("agency/a.cedar")), "agency/a.cedar", "", &why) == -1)
		fail_msg("the good one: %s", why.en);
	for (size_t i = 0; i < sizeof manifests / sizeof *manifests; i++)
		if (opens(manifests[i], "agency/a.cedar", "", &why) == 0)
			fail_msg("opens: %s", manifests[i]);
	/* A file the manifest does not know, another one, none, changed. */
	assert_int_equal(opens(MANIFEST(LINE("agency/a.cedar")), "agency/b.cedar", "", &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_int_equal(opens(MANIFEST(LINE("agency/a.cedar")), NULL, NULL, &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	assert_non_null(strstr(why.en, "agency/a.cedar"));
	assert_int_equal(opens(MANIFEST(LINE("agency/a.cedar")), "agency/a.cedar", "x", &why), -1);
	assert_int_equal(why.kind, FAULT_TAMPERED);
	/* Signatures that are none. */
	assert_int_equal(opens(MANIFEST(LINE("agency/a.cedar")), "signatures.json", "{}", &why), -1);
	assert_int_equal(
	    opens(MANIFEST(LINE("agency/a.cedar")), "signatures.json",
	          "{\"format\":1,\"signatures\":[{\"id\":\"00\",\"name\":\"a\",\"signature\":\"\"}]}", &why),
	    -1);
}

static void
plans_that_cannot_be(void **state)
{
	static const char *const paths[] = {"x",
	                                    "agency/x.txt",
	                                    "../agency/x.cedar",
	                                    "manifest.json",
	                                    "signatures.json",
	                                    "agency/한글.cedar",
	                                    "tests/x.sh",
	                                    "agency/",
	                                    "agency/.x.cedar"};
	struct files files = good_files();
	struct bundle_plan plan = {.name = "a", .revision = 1, .files = files.items, .file_count = 5};
	struct buffer out;
	struct fault why;

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		files.items[4] = (struct policy_file){paths[i], SLICE_LITERAL("")};
		buffer_init(&out, BUNDLE_SIZE_LIMIT);
		if (bundle_build(&out, &plan, &why) == 0)
			fail_msg("%s may travel", paths[i]);
		buffer_free(&out);
	}
	files.items[4] = files.items[1];
	buffer_init(&out, BUNDLE_SIZE_LIMIT);
	assert_int_equal(bundle_build(&out, &plan, &why), -1);
	plan.file_count = 4;
	plan.revision = 0;
	assert_int_equal(bundle_build(&out, &plan, &why), -1);
	plan.revision = 1;
	plan.name = "";
	assert_int_equal(bundle_build(&out, &plan, &why), -1);
	plan.name = "a";
	plan.created_ms = 5;
	assert_int_equal(bundle_build(&out, &plan, &why), -1);
	buffer_free(&out);
}

/* ---- what must not come into force ------------------------------------------------------------------------------------ */

static void
proofs_that_fail(void **state)
{
	static const struct {
		size_t file;
		const char *text, *says;
	} breaks[] = {
	    {1, "permit (principal, action, resource",                                          "agency/deep/er/access.cedar:1"},
	    {1, "permit (principal, action, resource);",                                        "@id is missing"               },
	    {1,
	     "@id(\"a\") @title_ko(\"가\") @title_en(\"a\") @remdy(\"hold\") forbid (principal, action, "
	     "resource);",	                                                              "@remdy"	               },
	    {1,
	     "@id(\"a\") @title_ko(\"가\") @title_en(\"a\") permit (principal, action, resource) when { "
	     "context.no };",	                                                           "access.cedar:1:"              },
	    {1, "// nothing\n",	                                                         "holds no policy"              },
	    {2, "@id(\"a\") permit (principal, action, resource);",                             "general.cedar:1:"             },
	    {3, "entity A",	                                                             "schema.cedarschema"           },
	    {0, "{\"name\":\"x\",\"facts\":{\"grade\":\"O\"},\"access\":\"deny\"}\n",           "#1 x: access"                 },
	    {0, "{\"name\":\"x\",\"facts\":{\"grade\":\"O\"},\"acces\":\"permit\"}\n",          "acces"                        },
	    {0, "{\"name\":\"x\",\"facts\":{\"grade\":\"Q\"},\"access\":\"deny\"}\n",           "vocabulary"                   },
	    {0, "{\"name\":\"x\",\"facts\":{}}\n",                                              "expects nothing"              },
	    {0, "{\"name\":\"x\"}\n",	                                                   "request, facts, usecase"      },
	    {0, "not json\n",	                                                           "tests/agency.jsonl:1"         },
	    {0, "\n\n",	                                                                 "not one test"                 },
	    {0, "[{\"name\":\"x\",\"request\":\"../../../etc/passwd\",\"decision\":\"deny\"}]",
	     "not in the bundle"	                                                                                       },
	};

	(void)state;
	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		struct files files = good_files();
		struct policy *policy = NULL;
		struct buffer archive;
		struct bundle *bundle;
		struct fault why;

		files.items[breaks[i].file].text = slice_string(breaks[i].text);
		bundle = made(&files, 1, &archive);
		if (bundle_prove(&policy, bundle, NULL, &why) == 0)
			fail_msg("%zu: proven", i);
		assert_null(policy);
		if (strstr(why.en, breaks[i].says) == NULL)
			fail_msg("%zu: '%s' does not say '%s'", i, why.en, breaks[i].says);
		bundle_close(bundle);
		buffer_free(&archive);
	}
}

int
main(void)
{
	static const struct CMUnitTest all[] = {
	    cmocka_unit_test(built_and_read),       cmocka_unit_test(signed_by_some),
	    cmocka_unit_test(keys_as_text),         cmocka_unit_test(every_cut_and_every_flip),
	    cmocka_unit_test(hostile_headers),      cmocka_unit_test(hostile_manifests),
	    cmocka_unit_test(plans_that_cannot_be), cmocka_unit_test(proofs_that_fail),
	};

	return cmocka_run_group_tests(all, setup, teardown);
}
