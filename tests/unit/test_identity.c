/* identity and registry: who is let in, who is not, and what is read of tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/config.h"
#include "gateway/identity.h"
#include "schema/base/log.h"

#define NOW 1700000000000

static struct policy *policy;
static char id[IDENTITY_ID_SIZE], key[IDENTITY_KEY_SIZE], bearer[IDENTITY_KEY_SIZE + 8];
static char certificate[65];

static struct registry *
build(const char *state, int64_t expires_ms)
{
	static const char document[] =
	    "{\"id\":\"guide\",\"agency\":\"haneul\",\"title\":{\"ko\":\"안내\",\"en\":\"guide\"},"
	    "\"purpose\":\"안내\",\"grade\":\"O\",\"channel\":\"chat\",\"domains\":[]}";
	uint8_t hash[REGISTRY_HASH_SIZE];
	char hex[65];
	struct config config = {0};
	struct registry *registry = NULL;
	struct fault why;
	json_t *source;

	identity_make(id, key, hash);
	snprintf(bearer, sizeof bearer, "Bearer %s", key);
	hex_encode(hex, hash, sizeof hash);
	memset(certificate, 'c', 64);
	source = json_pack(
	    "{s:[{s:s, s:s, s:i, s:b, s:s, s:s}, {s:s, s:s, s:i, s:b, s:s, s:s}],"
	    " s:[{s:s, s:s, s:s, s:s, s:[s,s], s:[], s:I, s:b}, {s:s, s:s, s:s, s:s, s:[s], s:[], s:I, s:b},"
	    " {s:s, s:s, s:s, s:s, s:[], s:[], s:I, s:b}]}",
	    "usecases", "agency", "haneul", "id", "guide", "version", 3, "retired", 0, "document", document,
	    "digest", "d",
	    /* a row whose document tells of another use case than its columns */
	    "agency", "haneul", "id", "forged", "version", 1, "retired", 0, "document", document, "digest",
	    "d", "keys", "key_id", id, "agency", "haneul", "service", "bot", "hash", hex, "usecases", "guide",
	    "gone", "roles", "expires_ms", (json_int_t)expires_ms, "revoked", strcmp(state, "revoked") == 0,
	    "key_id", certificate, "agency", "haneul", "service", "desk", "hash",
	    "0000000000000000000000000000000000000000000000000000000000000000", "usecases", "guide", "roles",
	    "expires_ms", (json_int_t)0, "revoked", 0, "key_id", "ffffffffffff", "agency", "other", "service",
	    "x", "hash", "short", "usecases", "roles", "expires_ms", (json_int_t)0, "revoked", 0);
	assert_non_null(source);
	config.oversight = oversight_defaults;
	if (registry_build(&registry, source, policy, &config, &why) == -1)
		fail_msg("%s", why.en);
	json_decref(source);
	return registry;
}

static const struct registered_key *
find(const struct registry *registry, const char *authorization, const char *of_certificate)
{
	struct fault why = {.kind = FAULT_INTERNAL};
	const struct registered_key *found =
	    identity_find(registry, slice_string(authorization), of_certificate, NOW, &why);

	if (found == NULL)
		assert_int_equal(why.kind, FAULT_UNIDENTIFIED);
	return found;
}

static void
let_in(void **state)
{
	struct registry *registry = build("active", NOW + 1);
	const struct registered_key *found = find(registry, bearer, "");

	(void)state;
	assert_non_null(found);
	assert_string_equal(found->subject.service, "bot");
	assert_true(found->subject.known);
	assert_string_equal(found->bound[0]->usecase.id, "guide");
	assert_int_equal(found->bound[0]->usecase.version, 3);
	assert_null(found->bound[1]); /* bound to what is not registered */
	found = find(registry, NULL, certificate);
	assert_string_equal(found->subject.service, "desk");
	/* A key beside a certificate of the same agency: the key it is. */
	assert_string_equal(find(registry, bearer, certificate)->subject.service, "bot");
	/* Rows that contradict themselves are left out. */
	assert_int_equal(registry_usecase_count(registry), 1);
	assert_int_equal(registry_key_count(registry), 2);
	registry_release(registry);
}

static void
kept_out(void **state)
{
	struct registry *registry = build("active", 0);
	char wrong[sizeof bearer + 8];

	(void)state;
	assert_null(find(registry, NULL, ""));
	assert_null(find(registry, "", NULL));
	assert_null(find(registry, key, "")); /* no scheme */
	assert_null(find(registry, "Basic aGs6eA==", ""));
	assert_null(find(registry, "Bearer hk_", ""));
	assert_null(find(registry, "Bearer hk_a", ""));
	assert_null(find(registry, "Bearer hk__x", ""));
	snprintf(wrong, sizeof wrong, "%s ", bearer);
	assert_null(find(registry, wrong, ""));
	snprintf(wrong, sizeof wrong, "%s", bearer);
	wrong[strlen(wrong) - 1] = wrong[strlen(wrong) - 1] == 'A' ? 'B' : 'A';
	assert_null(find(registry, wrong, ""));
	/* The hash of nothing opens no certificate's place. */
	snprintf(wrong, sizeof wrong, "Bearer hk_%.64s_x", certificate);
	assert_null(find(registry, wrong, ""));
	assert_null(find(registry, NULL, id)); /* a key's id is no certificate */
	registry_release(registry);
	registry = build("revoked", 0);
	assert_null(find(registry, bearer, ""));
	registry_release(registry);
	registry = build("active", NOW);
	assert_null(find(registry, bearer, "")); /* expired this moment */
	registry_release(registry);
}

static int
load(void **state)
{
	struct fault why;

	(void)state;
	log_level_set(LOG_LEVEL_ERROR);
	return policy_load(&policy, "policy/agency", "policy/act", "schema/haechi.cedarschema", &why);
}

static int
unload(void **state)
{
	(void)state;
	policy_release(policy);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(let_in),
	    cmocka_unit_test(kept_out),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
