#include "audit/receipt.h"

#include <string.h>

#define HEADING "c2sp.org/tlog-proof@"

bool
receipt_looks_like(struct slice text)
{
	return text.size > sizeof HEADING && memcmp(text.data, HEADING, sizeof HEADING - 1) == 0;
}

void
receipt_write(struct buffer *out, struct slice entry, uint64_t index, const struct proof *proof,
              struct slice checkpoint)
{
	const struct proof_file file = {
	    .has_extra = true, .extra = entry, .index = index, .proof = *proof, .checkpoint = checkpoint};

	proof_file_write(out, &file);
}

int
receipt_check(struct receipt *out, struct slice text, const struct keyring *keyring, struct arena *arena,
              struct fault *why)
{
	struct proof_file file;

	memset(out, 0, sizeof *out);
	if (text.size > RECEIPT_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "영수증이 %d바이트를 넘습니다",
		                 "the receipt is over %d bytes", RECEIPT_LIMIT);
	if (proof_file_read(&file, text, arena, why) == -1)
		return -1;
	if (!file.has_extra || file.extra.size > ENTRY_SIZE_LIMIT)
		return fault_set(why, FAULT_INVALID, "영수증에 항목의 바이트(extra)가 없거나 너무 깁니다",
		                 "the receipt has no entry bytes (extra), or too many");
	out->entry = file.extra;
	out->index = file.index;
	if (entry_read(&out->columns, out->entry, arena, why) == -1)
		return fault_prefix(why, "항목", "the entry");
	if (signed_head_open(&out->head, file.checkpoint, NULL, keyring, why) == -1)
		return fault_prefix(why, "체크포인트", "the checkpoint");
	if (!slice_equal(out->columns.log, out->head.checkpoint.origin))
		return fault_set(why, FAULT_TAMPERED,
		                 "항목은 기록 %.*s의 것인데 체크포인트는 %.*s의 것입니다",
		                 "the entry is of the log %.*s, the checkpoint of %.*s",
		                 SLICE_PRINT(out->columns.log), SLICE_PRINT(out->head.checkpoint.origin));
	tree_leaf(&out->leaf, out->entry);
	if (proof_check_inclusion(&file.proof, &out->leaf, out->index, out->head.checkpoint.size,
	                          &out->head.checkpoint.root, why) == -1)
		return fault_prefix(why, "포함 증명", "inclusion proof");
	return 0;
}
