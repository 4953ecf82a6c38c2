#include "audit/stampfile.h"

#include <stdlib.h>
#include <string.h>

#include "audit/cosignature.h"
#include "audit/timestamp.h"

static int
stamped_check(struct stampfile *out, const struct cosignature_request *request, struct slice answer,
              const struct checkpoint *head, const struct keyring *keyring, struct signed_head *stamped,
              struct fault *why)
{
	struct timestamp stamp;

	if (signed_head_open(stamped, request->checkpoint, NULL, keyring, why) == -1)
		return -1;
	if (!slice_equal(stamped->checkpoint.origin, head->origin) ||
	    stamped->checkpoint.size != request->older)
		return fault_set(why, FAULT_TAMPERED, "시각이 찍힌 머리가 이 기록의 것이 아닙니다",
		                 "the stamped head is not of this log");
	if (proof_check_consistency(&request->proof, stamped->checkpoint.size, &stamped->checkpoint.root,
	                            head->size, &head->root, why) == -1)
		return fault_prefix(why, "시각이 찍힌 머리에서 이 머리로",
		                    "from the stamped head to this one");
	if (timestamp_check(&stamp, answer, request->checkpoint, keyring->roots, why) == -1)
		return -1;
	out->size = stamped->checkpoint.size;
	out->wall_ms = stamp.wall_ms;
	out->chained = keyring->roots.size > 0;
	snprintf(out->authority, sizeof out->authority, "%s", stamp.authority);
	return 0;
}

int
stampfile_check(struct stampfile *out, struct slice text, struct slice answer, const struct checkpoint *head,
                const struct keyring *keyring, struct fault *why)
{
	struct signed_head *stamped = malloc(sizeof *stamped);
	struct keyring *keys = malloc(sizeof *keys);
	struct cosignature_request request;
	int result = -1;

	memset(out, 0, sizeof *out);
	if (stamped == NULL || keys == NULL) {
		fault_memory(why);
	} else if (cosignature_request_read(&request, text, why) == 0) {
		*keys = *keyring;
		keys->policy = NULL;
		result = stamped_check(out, &request, answer, head, keys, stamped, why);
	}
	free(keys);
	free(stamped);
	return result;
}
