#include "gateway/control_bundles.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/bundle_pull.h"
#include "gateway/bundles.h"
#include "gateway/gateway.h"

/* The bundle of the request into *bytes, the caller's to free(); NULL when it names a revision, or nothing. */
static int
take_bundle(uint8_t **bytes, struct bundle_order *order, const json_t *request, struct fault *why)
{
	const char *const text = json_get_string(request, "bundle");
	size_t size = 0;

	*bytes = NULL;
	order->revision = json_get_integer(request, "revision", 0);
	if (text == NULL)
		return 0;
	if ((*bytes = malloc(strlen(text) / 4 * 3 + 3)) == NULL)
		return fault_memory(why);
	if (!base64_decode(*bytes, &size, slice_string(text)) || size == 0) {
		free(*bytes);
		*bytes = NULL;
		return fault_set(why, FAULT_INVALID, "bundle이 base64가 아닙니다", "bundle is no base64");
	}
	order->archive = slice_of(*bytes, size);
	return 0;
}

static int
activate(struct gateway *gateway, struct bundle_order *order, const json_t *request, json_t **result,
         struct fault *why)
{
	uint8_t *bytes;
	int outcome;

	order->allow_rollback = json_get_bool(request, "allow_rollback", false);
	order->only_import = json_get_bool(request, "import_only", false);
	if (take_bundle(&bytes, order, request, why) == -1)
		return -1;
	outcome = order->archive.data == NULL && order->revision < 1
	              ? fault_set(why, FAULT_INVALID, "bundle이나 revision이 있어야 합니다",
	                          "bundle or revision is needed")
	              : bundles_activate(gateway, order, result, why);
	free(bytes);
	return outcome;
}

static int
shadow(struct gateway *gateway, struct bundle_order *order, const json_t *request, json_t **result,
       struct fault *why)
{
	uint8_t *bytes;
	int outcome;

	if (take_bundle(&bytes, order, request, why) == -1)
		return -1;
	outcome = bundles_shadow(gateway, order, result, why);
	free(bytes);
	return outcome;
}

static int
export_bundle(struct gateway *gateway, const json_t *request, json_t **result, struct fault *why)
{
	struct buffer bytes;
	char *text = NULL;
	int outcome = -1;

	buffer_init(&bytes, BUNDLE_SIZE_LIMIT);
	if (bundles_read(gateway->bundles, json_get_integer(request, "revision", 0), &bytes, why) == -1)
		goto out;
	if ((text = malloc(BASE64_SIZE(bytes.size))) == NULL) {
		fault_memory(why);
		goto out;
	}
	base64_encode(text, bytes.data, bytes.size);
	*result = json_pack("{s:s}", "bundle", text);
	outcome = *result == NULL ? fault_memory(why) : 0;
out:
	free(text);
	buffer_free(&bytes);
	return outcome;
}

int
control_bundles(struct gateway *gateway, const struct control_caller *caller, const json_t *request,
                json_t **result, struct fault *why)
{
	const char *const op = strchr(json_get_string(request, "op"), '.') + 1;
	const char *const reason = json_get_string(request, "reason");
	struct bundle_order order = {
	    .source = "command", .by = caller->user, .reason = reason == NULL ? "" : reason};

	if (strlen(order.reason) > 500)
		return fault_set(why, FAULT_INVALID, "이유(reason)는 500바이트까지 적을 수 있습니다",
		                 "a reason has 500 bytes at most");
	if (strcmp(op, "activate") == 0)
		return activate(gateway, &order, request, result, why);
	if (strcmp(op, "rollback") == 0)
		return bundles_rollback(gateway, json_get_integer(request, "revision", 0), caller->user,
		                        order.reason, result, why);
	if (strcmp(op, "shadow") == 0)
		return shadow(gateway, &order, request, result, why);
	if (strcmp(op, "list") == 0)
		return bundles_list(gateway->bundles, result, why);
	if (strcmp(op, "export") == 0)
		return export_bundle(gateway, request, result, why);
	return bundle_pull_now(gateway->pull, caller->user, result, why);
}
