/*
 * haechi-verify -- the offline verifier: a receipt, an export, a report or a checkpoint, and the keys one trusts.
 *
 * Needs libsodium and libcrypto alone: no database, no network, no configuration. Exit 0: everything holds; 1: something does not,
 * and the first such thing is named; 2: usage, or a file that cannot be read.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/bundle.h"
#include "audit/opened.h"
#include "audit/quorum.h"
#include "audit/receipt.h"
#include "audit/timestamp.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"
#include "schema/version.h"

enum { VKEY = 256, POLICY, ROOTS, STAMP, CONTENT, JSON }; /* options */

struct asked {
	const char *path;
	const char *word;        /* "receipt", "export", "report", "checkpoint"; NULL: whatever it is */
	struct keyring *keyring; /* NULL: no --vkey and no --policy */
	struct quorum *policy;   /* NULL: no --policy */
	struct buffer roots;     /* PEM */
	const char *stamp;       /* file of --timestamp; NULL: none */
	const char
	    *content; /* where the content of an opened receipt goes, "-" standard output; NULL: nowhere */
	bool json;
};

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi-verify [receipt|export|report|archive|checkpoint] 경로 [--vkey 키파일]… "
	    "[--policy 파일] [--timestamp 파일] [--roots 파일]… [--content 파일] [--json]\n"
	    "usage:  haechi-verify [receipt|export|report|archive|checkpoint] PATH [--vkey FILE]... "
	    "[--policy FILE] [--timestamp FILE] [--roots FILE]... [--content FILE] [--json]\n\n"
	    "  경로는 영수증, 체크포인트 파일이나 내보내기·보고서 폴더. 키 파일은 기록의 검증 키(vkey) "
	    "줄들이며, 다른 길로 받아야 믿을 수 있습니다.\n"
	    "  PATH is a receipt, a checkpoint, or the folder of an export or a report. A key file has the "
	    "log's verifier keys\n"
	    "  (vkey lines); trust it only when it came to you by another way.\n\n"
	    "  --policy 파일     증인 정책(C2SP tlog-policy): 체크포인트가 그 정족수를 채워야 맞음\n"
	    "                    a trust policy: the checkpoint must have its quorum of witnesses\n"
	    "  --timestamp 파일  체크포인트의 시점확인 응답(.tsr) / the checkpoint's time stamp (RFC 3161)\n"
	    "  --roots 파일      시점확인 기관의 루트 인증서(PEM) / roots of time-stamp authorities\n"
	    "  --content 파일    연 영수증의 내용을 확인한 뒤 여기에 씀 (- 는 화면) / an opened receipt's "
	    "content goes "
	    "here once it is checked (-: the screen)\n\n"
	    "  0 모두 맞음 everything holds, 1 맞지 않음 something does not, 2 사용법·환경 usage, "
	    "environment\n",
	    to);
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static int
refuse(const struct asked *asked, const struct fault *why)
{
	const bool answer = why->kind == FAULT_TAMPERED || why->kind == FAULT_INVALID ||
	                    why->kind == FAULT_UNIDENTIFIED || why->kind == FAULT_TOO_LARGE ||
	                    why->kind == FAULT_UNSUPPORTED;

	if (asked->json) {
		struct buffer out;

		buffer_init(&out, 64 * 1024);
		buffer_string(&out, "{\"holds\":false,\"kind\":");
		json_quote(&out, slice_string(fault_kind_name(why->kind)));
		buffer_string(&out, ",\"ko\":");
		json_quote(&out, slice_string(why->ko));
		buffer_string(&out, ",\"en\":");
		json_quote(&out, slice_string(why->en));
		buffer_string(&out, "}\n");
		fwrite(out.data, 1, out.size, stdout);
		buffer_free(&out);
	} else if (answer) {
		printf("맞지 않습니다: %s\nIt does not hold: %s\n", why->ko, why->en);
	} else {
		fault_print(stderr, "haechi-verify", why);
	}
	return answer ? 1 : 2;
}

static void
print_signatures(const struct signed_head *head)
{
	printf("  서명 signatures: %s%s%s", head->ed25519 ? "Ed25519" : "",
	       head->ed25519 && head->ecdsa ? " + " : "", head->ecdsa ? "ECDSA P-256" : "");
	if (head->cosigners > 0)
		printf(", 증인 witnesses %zu", head->cosigners);
	printf("\n");
}

/* How many witnesses are many enough only a policy says. */
static void
print_policy(const struct asked *asked)
{
	struct buffer words;

	if (asked->policy == NULL)
		return;
	buffer_init(&words, 4096);
	quorum_describe(&words, asked->policy);
	printf("  증인 정책을 채움: %s / meets the witness policy\n",
	       buffer_text(&words) == NULL ? "…" : buffer_text(&words));
	buffer_free(&words);
}

static void
print_stamp(uint64_t size, int64_t wall_ms, const char *authority, bool chained)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, wall_ms);
	printf("  시점확인 time stamp: 크기 %" PRIu64
	       "의 머리는 늦어도 %s에 있었습니다 / the head of size %" PRIu64
	       " existed not later than %s\n    기관 authority: %s%s\n",
	       size, time, size, time, authority,
	       chained
	           ? ""
	           : " (확인하지 않음: --roots 로 루트 인증서를 주십시오 / not checked: give its roots by "
	             "--roots)");
}

static void
print_limits(const struct asked *asked, bool outside_keys, size_t cosigners)
{
	const bool one_history = asked->policy != NULL && !asked->policy->none;

	printf("\n증명하지 않는 것: 기록에 남지 않은 일%s%s%s\n",
	       one_history ? ""
	       : cosigners == 0 ? "; 다른 사람에게도 같은 기록이 보였는지 (증인의 서명이 있어야 합니다)"
	                        : "; 증인이 넉넉한지 (--policy 로 정책을 주십시오)",
	       outside_keys ? ""
	                    : "; 누구의 기록인지 (키가 함께 왔습니다: --vkey 로 따로 받은 키를 주십시오)",
	       one_history ? "; 정족수의 증인이 짜고 속이지 않았는지" : "");
	printf("not proven: what was never logged%s%s%s\n",
	       one_history      ? ""
	       : cosigners == 0 ? "; that everybody is shown the same log (that takes witnesses)"
	                        : "; that the witnesses are enough (give a policy by --policy)",
	       outside_keys
	           ? ""
	           : "; whose log it is (the keys came with it: give keys received another way by --vkey)",
	       one_history ? "; that no quorum of witnesses colludes" : "");
}

/* ---- what can be checked --------------------------------------------------------------------------------------------- */

static int
keys_needed(const struct asked *asked, struct fault *why)
{
	return asked->keyring != NULL ? 0
	                              : fault_set(why, FAULT_USAGE, "기록의 검증 키를 --vkey 로 주십시오",
	                                          "give the log's verifier keys by --vkey");
}

/* What an opened receipt has more than one. */
static void
print_opened(const struct opened *opened)
{
	printf("  내용 content    %s, %zu바이트 bytes: 항목이 약속한 바로 그 내용입니다 / exactly what the "
	       "entry commits "
	       "to\n",
	       strcmp(opened->part, "prompt") == 0 ? "질문 prompt" : "답변 answer", opened->content.size);
}

static void
print_opened_limits(void)
{
	printf("\n내용이 증명하는 것: 기록이 서명할 때 이 내용에 약속했고 한 글자도 바뀌지 않았습니다.\n"
	       "증명하지 않는 것: 내용이 사실인지; 약속값만 남긴 다른 내용이 없었는지. 이 파일을 가진 사람은 "
	       "내용을 읽을 수 "
	       "있고,\n기관이 내용을 파기해도 이 파일의 내용은 남습니다.\n"
	       "what the content proves: the log committed to it when it signed, and not a letter has "
	       "changed since.\n"
	       "not proven: that what it says is true; that there was no other content. Whoever has this "
	       "file can read "
	       "it, and it stays\nreadable when the agency erases its own copy.\n");
}

static int
write_content(const struct asked *asked, const struct opened *opened, struct fault *why)
{
	if (asked->content == NULL)
		return 0;
	if (strcmp(asked->content, "-") != 0)
		return file_replace(asked->content, buffer_view(&opened->content), 0600, why);
	printf("\n");
	return fwrite(opened->content.data, 1, opened->content.size, stdout) == opened->content.size &&
	               printf("\n") > 0
	           ? 0
	           : fault_errno(why, "표준 출력", "standard output");
}

/* `opened`: NULL, or what it was checked with. */
static int
tell_receipt(const struct asked *asked, const struct receipt *checked, const struct opened *opened,
             struct fault *why)
{
	const struct receipt receipt = *checked;
	char time[CLOCK_TEXT_SIZE], leaf[65];

	clock_text(time, receipt.columns.wall_ms);
	hex_encode(leaf, receipt.leaf.bytes, TREE_HASH_SIZE);
	if (asked->json) {
		struct buffer out;

		buffer_init(&out, 256 * 1024);
		buffer_string(&out, "{\"holds\":true,\"what\":\"receipt\",\"log\":");
		json_quote(&out, receipt.columns.log);
		if (opened != NULL)
			buffer_printf(&out, ",\"part\":\"%s\",\"content_bytes\":%zu", opened->part,
			              opened->content.size);
		buffer_printf(&out,
		              ",\"index\":%" PRIu64 ",\"size\":%" PRIu64
		              ",\"leaf\":\"%s\",\"witnesses\":%zu,\"entry\":",
		              receipt.index, receipt.head.checkpoint.size, leaf, receipt.head.cosigners);
		buffer_slice(&out, receipt.entry);
		buffer_string(&out, "}\n");
		fwrite(out.data, 1, out.size, stdout);
		buffer_free(&out);
		return opened == NULL || write_content(asked, opened, why) == 0 ? 0 : refuse(asked, why);
	}
	printf("맞습니다: 기록 %.*s의 %" PRIu64 "번 항목입니다 (서명된 크기 %" PRIu64 ").\n"
	       "It holds: this is entry %" PRIu64 " of the log %.*s (signed size %" PRIu64 ").\n\n",
	       SLICE_PRINT(receipt.columns.log), receipt.index, receipt.head.checkpoint.size, receipt.index,
	       SLICE_PRINT(receipt.columns.log), receipt.head.checkpoint.size);
	printf("  항목 entry      %.*s  %s  %s\n", SLICE_PRINT(receipt.columns.id),
	       entry_kind_name(receipt.columns.kind), time);
	if (receipt.columns.access.size > 0)
		printf("  결정 decision   %.*s, 판정 verdict %.*s\n", SLICE_PRINT(receipt.columns.access),
		       SLICE_PRINT(receipt.columns.verdict));
	if (receipt.columns.agency.size > 0)
		printf("  기관 agency     %.*s, 용도 use case %.*s\n", SLICE_PRINT(receipt.columns.agency),
		       SLICE_PRINT(receipt.columns.usecase));
	printf("  리프 leaf       %s\n", leaf);
	if (opened != NULL)
		print_opened(opened);
	print_signatures(&receipt.head);
	print_policy(asked);
	printf("\n확인한 것: 항목의 정규형, 리프 해시, 포함 증명, 체크포인트의 서명%s\n"
	       "checked: the entry's canonical form, its leaf hash, the inclusion proof, the checkpoint's "
	       "signatures%s\n",
	       opened == NULL ? "" : ", 내용과 솔트(salt)의 약속값",
	       opened == NULL ? "" : ", the commitment to content and salt");
	print_limits(asked, true, receipt.head.cosigners);
	if (opened == NULL)
		return 0;
	print_opened_limits();
	return write_content(asked, opened, why) == 0 ? 0 : refuse(asked, why);
}

static int
check_receipt(const struct asked *asked, struct slice text, struct arena *arena, struct fault *why)
{
	struct receipt receipt;

	if (keys_needed(asked, why) == -1 || receipt_check(&receipt, text, asked->keyring, arena, why) == -1)
		return refuse(asked, why);
	return tell_receipt(asked, &receipt, NULL, why);
}

static int
check_opened(const struct asked *asked, struct slice text, struct arena *arena, struct fault *why)
{
	struct opened opened = {0};
	int status;

	if (keys_needed(asked, why) == -1 || opened_check(&opened, text, asked->keyring, arena, why) == -1)
		status = refuse(asked, why);
	else
		status = tell_receipt(asked, &opened.receipt, &opened, why);
	opened_free(&opened);
	return status;
}

/* --timestamp: the answer over exactly this file. 1: checked. */
static int
stamp_check(struct timestamp *stamp, const struct asked *asked, struct slice text, struct fault *why)
{
	struct buffer answer = {0};
	int result;

	if (asked->stamp == NULL)
		return 0;
	result = file_read(&answer, asked->stamp, TIMESTAMP_LIMIT, why);
	if (result == 0)
		result = timestamp_check(stamp, buffer_view(&answer), text, buffer_view(&asked->roots), why);
	buffer_free(&answer);
	return result == -1 ? -1 : 1;
}

static int
check_checkpoint(const struct asked *asked, struct slice text, struct fault *why)
{
	struct timestamp stamp;
	struct signed_head head;
	char root[65], time[CLOCK_TEXT_SIZE];
	int stamped;

	if (keys_needed(asked, why) == -1 || signed_head_open(&head, text, NULL, asked->keyring, why) == -1 ||
	    (stamped = stamp_check(&stamp, asked, text, why)) == -1)
		return refuse(asked, why);
	hex_encode(root, head.checkpoint.root.bytes, TREE_HASH_SIZE);
	if (asked->json) {
		clock_text(time, stamped == 1 ? stamp.wall_ms : 0);
		printf("{\"holds\":true,\"what\":\"checkpoint\",\"log\":\"%.*s\",\"size\":%" PRIu64
		       ",\"root\":\"%s\",\"witnesses\":%zu,\"policy\":%s,\"stamped_at\":\"%s\",\"stamp_"
		       "chained\":%s}\n",
		       SLICE_PRINT(head.checkpoint.origin), head.checkpoint.size, root, head.cosigners,
		       asked->policy != NULL ? "true" : "false", stamped == 1 ? time : "",
		       stamped == 1 && asked->roots.size > 0 ? "true" : "false");
		return 0;
	}
	printf("맞습니다: 기록 %.*s이(가) 크기 %" PRIu64
	       "에 서명했습니다.\nIt holds: the log %.*s signed size %" PRIu64 ".\n"
	       "  루트 root       %s\n",
	       SLICE_PRINT(head.checkpoint.origin), head.checkpoint.size, SLICE_PRINT(head.checkpoint.origin),
	       head.checkpoint.size, root);
	print_signatures(&head);
	print_policy(asked);
	if (stamped == 1)
		print_stamp(head.checkpoint.size, stamp.wall_ms, stamp.authority, asked->roots.size > 0);
	print_limits(asked, true, head.cosigners);
	return 0;
}

static void
bundle_json(const struct bundle_report *report)
{
	struct buffer out, filter;

	buffer_init(&out, 1024 * 1024);
	buffer_init(&filter, 64 * 1024);
	filter_describe(&filter, &report->filter);
	buffer_printf(&out,
	              "{\"holds\":true,\"what\":\"%s\",\"entries\":%" PRIu64 ",\"files\":%" PRIu64
	              ",\"keys\":\"%s\",\"signer_known\":%s,\"recorded\":%s,\"recomputed\":%s,\"signer\":",
	              manifest_kind_name(report->kind), report->entries, report->files,
	              report->outside_keys ? "outside" : "enclosed", report->signer_known ? "true" : "false",
	              report->recorded ? "true" : "false", report->rendered ? "true" : "false");
	json_quote(&out, slice_string(report->signer));
	buffer_string(&out, ",\"filter\":");
	json_quote(&out, buffer_view(&filter));
	buffer_string(&out, ",\"logs\":[");
	for (size_t i = 0; i < report->log_count; i++) {
		const struct bundle_log *log = &report->logs[i];
		char time[CLOCK_TEXT_SIZE];

		clock_text(time, log->stamp.wall_ms);
		buffer_string(&out, i > 0 ? ",{\"log\":" : "{\"log\":");
		json_quote(&out, slice_string(log->origin));
		buffer_printf(&out,
		              ",\"size\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"left_out\":%" PRIu64
		              ",\"complete\":%s,\"witnesses\":%zu,\"stamped_size\":%" PRIu64
		              ",\"stamped_at\":\"%s\",\"stamp_chained\":%s}",
		              log->size, log->entries, log->selection.left_out,
		              filter_is_time_only(&report->filter) && log->left_edge && log->right_edge &&
		                      log->selection.left_out == 0
		                  ? "true"
		                  : "false",
		              log->cosigners, log->stamp.size, log->stamped ? time : "",
		              log->stamp.chained ? "true" : "false");
	}
	buffer_string(&out, "]}\n");
	fwrite(out.data, 1, out.size, stdout);
	buffer_free(&out);
	buffer_free(&filter);
}

static const struct {
	const char *ko, *en;
} bundle_words[MANIFEST_KINDS] = {
    [MANIFEST_EXPORT] = {"내보내기", "an export" },
    [MANIFEST_REPORT] = {"보고서",    "a report"  },
    [MANIFEST_ARCHIVE] = {"보관함",    "an archive"},
};

static void
archive_log_text(const struct bundle_log *log)
{
	printf("    번호 indices %" PRIu64 "–%" PRIu64, log->selection.first, log->selection.last);
	if (log->selection.left_out > 0)
		printf(", 그 사이의 %" PRIu64 "건은 다른 달의 것입니다 / %" PRIu64
		       " in between are of other months",
		       log->selection.left_out, log->selection.left_out);
	if (log->contents_gone)
		printf("\n    봉인된 내용은 보존 기간이 지나 없습니다 / the sealed content is gone, past its "
		       "time\n");
	else
		printf("\n    봉인된 내용 %" PRIu64 "개 (열쇠 없이는 속을 볼 수 없습니다) / %" PRIu64
		       " sealed contents (closed without their keys)\n",
		       log->contents, log->contents);
}

static void
bundle_log_text(const struct bundle_report *report, const struct bundle_log *log)
{
	printf("\n  기록 log %s: 항목 %" PRIu64 "건 entries, 서명된 크기 signed size %" PRIu64 "\n",
	       log->origin, log->entries, log->size);
	if (report->kind == MANIFEST_ARCHIVE)
		archive_log_text(log);
	else if (!filter_is_time_only(&report->filter))
		printf("    조건으로 고른 것입니다: 고른 것이 기록에 있음은 증명되지만, 조건에 맞는 것이 다 "
		       "들어 있는지는 증명되지 않습니다.\n"
		       "    a selection by filter: that these are in the log is proven, that none was left "
		       "out is not.\n");
	else if (log->selection.left_out > 0)
		printf("    그 사이의 항목 %" PRIu64
		       "개가 들어 있지 않습니다 (시계가 되돌려졌거나, 빠졌습니다).\n"
		       "    %" PRIu64
		       " entries in between are not in it (the clock was set back, or they were left out).\n",
		       log->selection.left_out, log->selection.left_out);
	else if (log->left_edge && log->right_edge)
		printf("    빠진 것이 없습니다: 번호가 이어지고, 앞뒤 항목은 기간 밖입니다.\n"
		       "    nothing is left out: the indices have no gap, and the entries before and behind "
		       "are outside the time.\n");
	else
		printf("    사이에 빠진 것은 없습니다. 기간의 %s 끝은 보이지 않습니다.\n"
		       "    nothing in between is left out. The %s edge of the time is not shown.\n",
		       log->left_edge ? "뒤" : "앞", log->left_edge ? "right" : "left");
}

static int
check_bundle(const struct asked *asked, struct arena *arena, struct fault *why)
{
	struct bundle_report *report = malloc(sizeof *report);
	char time[CLOCK_TEXT_SIZE];
	int status = 0;
	size_t cosigners = SIZE_MAX; /* the least of any log */
	bool derived;

	if (report == NULL) {
		fault_memory(why);
		return refuse(asked, why);
	}
	if (bundle_check(report, asked->path, asked->keyring, arena, why) == -1) {
		status = refuse(asked, why);
		goto out;
	}
	if (asked->json) {
		bundle_json(report);
		goto out;
	}
	derived = report->rendered && report->kind != MANIFEST_ARCHIVE;
	clock_text(time, report->made_ms);
	printf("맞습니다: %s, 항목 %" PRIu64 "건, 파일 %" PRIu64 "개.\nIt holds: %s of %" PRIu64
	       " entries in %" PRIu64 " files.\n",
	       bundle_words[report->kind].ko, report->entries, report->files, bundle_words[report->kind].en,
	       report->entries, report->files);
	printf("\n  만든 이 made by %s, %s\n  manifest 서명 signed by %s%s\n", report->by, time,
	       report->signer,
	       report->signer_known
	           ? ""
	           : " (함께 온 키: 온전함만 보입니다 / an enclosed key: shows only that it is whole)");
	if (report->recorded)
		printf(
		    "  이 내보내기를 기록이 스스로 적어 두었습니다 / the log itself recorded this export\n");
	for (size_t i = 0; i < report->log_count; i++) {
		const struct bundle_log *log = &report->logs[i];

		bundle_log_text(report, log);
		cosigners = log->cosigners < cosigners ? log->cosigners : cosigners;
		if (log->cosigners > 0)
			printf("    증인 %zu명이 함께 서명했습니다 / cosigned by %zu witnesses\n",
			       log->cosigners, log->cosigners);
		if (log->stamped)
			print_stamp(log->stamp.size, log->stamp.wall_ms, log->stamp.authority,
			            log->stamp.chained);
	}
	print_policy(asked);
	if (report->kind == MANIFEST_ARCHIVE) {
		char keep[2][CLOCK_TEXT_SIZE];

		clock_text(keep[0], report->retention.entries_ms);
		clock_text(keep[1], report->retention.content_ms);
		printf("\n  보존: 항목은 %.10s 까지, 봉인된 내용은 %.10s 까지 둡니다\n"
		       "  to be kept: the entries until %.10s, the sealed content until %.10s\n",
		       keep[0], report->retention.content_ms == 0 ? "-" : keep[1], keep[0],
		       report->retention.content_ms == 0 ? "-" : keep[1]);
	}
	printf("\n확인한 것: 모든 파일의 해시, 항목의 정규형, 서명된 루트까지의 증명, 체크포인트의 서명%s\n"
	       "checked: every file's digest, the entries' canonical form, the proof up to the signed root, "
	       "the checkpoints' "
	       "signatures%s\n",
	       derived ? ", 표와 수치를 항목에서 다시 만들어 비교" : "",
	       derived ? "; tables and figures were made again from the entries and compared" : "");
	if (!report->rendered)
		printf("표와 수치는 다른 판이 만들어 다시 만들지 못했습니다 (해시만 확인)\n"
		       "tables and figures were made by another version and were not made again (digests "
		       "only)\n");
	print_limits(asked, report->outside_keys, cosigners);
out:
	free(report);
	return status;
}

/* ---- the command line ---------------------------------------------------------------------------------------------- */

static int
check(const struct asked *asked, struct arena *arena, struct fault *why)
{
	struct stat status;
	struct buffer text = {0};
	int result;

	if (strcmp(asked->path, "-") != 0) {
		if (stat(asked->path, &status) == -1) {
			fault_errno(why, "%s", "%s", asked->path);
			return refuse(asked, why);
		}
		if (S_ISDIR(status.st_mode))
			return check_bundle(asked, arena, why);
	}
	if (asked->word != NULL &&
	    (strcmp(asked->word, "export") == 0 || strcmp(asked->word, "report") == 0 ||
	     strcmp(asked->word, "archive") == 0)) {
		fault_set(why, FAULT_INVALID, "%s: 폴더가 아닙니다", "%s: not a folder", asked->path);
		return refuse(asked, why);
	}
	if (file_read(&text, asked->path, OPENED_LIMIT, why) == -1)
		result = refuse(asked, why);
	else if (opened_looks_like(buffer_view(&text)))
		result = check_opened(asked, buffer_view(&text), arena, why);
	else if (receipt_looks_like(buffer_view(&text)) ||
	         (asked->word != NULL && strcmp(asked->word, "receipt") == 0))
		result = check_receipt(asked, buffer_view(&text), arena, why);
	else
		result = check_checkpoint(asked, buffer_view(&text), why);
	buffer_wipe(&text);
	return result;
}

static bool
is_word(const char *text)
{
	static const char *const words[] = {"receipt", "export", "report", "archive", "checkpoint"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static int
keyring_need(struct asked *asked, struct fault *why)
{
	if (asked->keyring == NULL && (asked->keyring = calloc(1, sizeof *asked->keyring)) == NULL)
		return fault_memory(why);
	return 0;
}

static int
take_policy(struct asked *asked, const char *path, struct fault *why)
{
	if (asked->policy != NULL)
		return fault_set(why, FAULT_USAGE, "--policy 는 한 번만", "--policy only once");
	if (keyring_need(asked, why) == -1 || quorum_load(&asked->policy, path, why) == -1 ||
	    quorum_keys(asked->keyring, asked->policy, why) == -1)
		return -1;
	asked->keyring->policy = asked->policy;
	return 0;
}

static int
take_roots(struct asked *asked, const char *path, struct fault *why)
{
	struct buffer text = {0};
	int result = file_read(&text, path, TIMESTAMP_ROOTS_LIMIT, why);

	if (result == 0) {
		buffer_slice(&asked->roots, buffer_view(&text));
		result =
		    buffer_ok(&asked->roots)
		        ? 0
		        : fault_set(why, FAULT_TOO_LARGE, "루트 인증서가 너무 많습니다", "too many roots");
	}
	buffer_free(&text);
	return result;
}

/* An option with a file behind it. */
static int
take(struct asked *asked, int option, const char *path, struct fault *why)
{
	switch (option) {
	case VKEY:
		return keyring_need(asked, why) == -1 ? -1 : keyring_add_file(asked->keyring, path, why);
	case POLICY:
		return take_policy(asked, path, why);
	case ROOTS:
		return take_roots(asked, path, why);
	default:
		asked->stamp = path;
		return 0;
	}
}

int
main(int argc, char **argv)
{
	static const struct option known[] = {
	    {"vkey",      required_argument, NULL, VKEY   },
	    {"policy",    required_argument, NULL, POLICY },
	    {"roots",     required_argument, NULL, ROOTS  },
	    {"timestamp", required_argument, NULL, STAMP  },
	    {"content",   required_argument, NULL, CONTENT},
	    {"json",      no_argument,       NULL, JSON   },
	    {"help",      no_argument,       NULL, 'h'    },
	    {NULL,        0,                 NULL, 0      },
	};
	struct arena *arena = arena_new(4 * 1024 * 1024);
	struct asked asked = {0};
	struct fault why = {0};
	int option, status = 2;

	if (version_asked(argc, argv, "haechi-verify")) {
		arena_free(arena);
		return 0;
	}
	buffer_init(&asked.roots, TIMESTAMP_ROOTS_LIMIT);
	if (sodium_init() == -1 || arena == NULL) {
		fault_memory(&why);
		fault_print(stderr, "haechi-verify", &why);
		goto out;
	}
	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (option >= VKEY && option <= STAMP) {
			if (take(&asked, option, optarg, &why) == -1) {
				fault_print(stderr, "haechi-verify", &why);
				goto out;
			}
		} else if (option == CONTENT) {
			asked.content = optarg;
		} else if (option == JSON) {
			asked.json = true;
		} else {
			usage(option == 'h' ? stdout : stderr);
			status = option == 'h' ? 0 : 2;
			goto out;
		}
	}
	if (argc - optind == 2 && is_word(argv[optind]))
		asked.word = argv[optind++];
	if (argc - optind != 1) {
		usage(stderr);
		goto out;
	}
	asked.path = argv[optind];
	if (asked.keyring != NULL)
		asked.keyring->roots = buffer_view(&asked.roots);
	status = check(&asked, arena, &why);
out:
	free(asked.keyring);
	free(asked.policy);
	buffer_free(&asked.roots);
	arena_free(arena);
	return status;
}
