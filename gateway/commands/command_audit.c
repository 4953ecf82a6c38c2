/*
 * haechi audit -- what happened, read from PostgreSQL: query, tail, receipt, proof, checkpoint, verify, export.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/archive.h"
#include "audit/export.h"
#include "audit/opened.h"
#include "audit/proof.h"
#include "audit/query.h"
#include "audit/receipt.h"
#include "audit/verify.h"
#include "gateway/commands/audit_open.h"
#include "gateway/commands/audit_options.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi audit query|tail [조건…] [--json|--csv] 기록 조회, 새 기록 지켜보기\n"
	    "        haechi audit query [조건…] --open --reason 사유  봉인된 내용도 열어 보임: 하나하나 기록에 "
	    "남음 (20건까지, --limit)\n"
	    "        haechi audit receipt 항목 [--open] [--out 파일] 영수증: 혼자서 증명되는 한 파일 "
	    "(--open: 봉인된 "
	    "내용도 열어 담음)\n"
	    "        haechi audit proof 항목 | --older N [--newer M] 포함 증명, 일관성 증명\n"
	    "        haechi audit checkpoint [--log 기록] [--cosigned|--stamped|--timestamp]  서명된 "
	    "체크포인트와 그 확인 상태\n"
	    "        haechi audit verify [--vkey 파일]… [--witness 파일]… [--archive 폴더]…  저장된 "
	    "바이트에서 모두 "
	    "다시 계산\n"
	    "                            [--state 파일 [--full]]     지난번에 이어서 (--full 은 처음부터)\n"
	    "        haechi audit export [조건…] --out 폴더          증명이 붙은 내보내기\n"
	    "        haechi audit shred … | expire                   내용 파기, 보존 기간이 끝난 내용 파기 "
	    "(haechi audit shred --help)\n"
	    "        haechi audit archive | detach | archives        옛 달을 파일로 (haechi audit archive "
	    "--help)\n\n"
	    "usage:  haechi audit query|tail [FILTER...] [--json|--csv] ask for entries, watch new ones\n"
	    "        haechi audit query [FILTER...] --open --reason WHY  with what was sealed: each opening is "
	    "recorded (20, --limit)\n"
	    "        haechi audit receipt ENTRY [--open] [--out FILE] one file that proves itself (--open: "
	    "with its "
	    "sealed content)\n"
	    "        haechi audit proof ENTRY | --older N [--newer M] inclusion, consistency\n"
	    "        haechi audit checkpoint [--log ORIGIN] [--cosigned|--stamped|--timestamp]  a signed "
	    "head, and who confirms it\n"
	    "        haechi audit verify [--vkey FILE]... [--witness FILE]... [--archive DIR]...  recompute "
	    "everything from stored bytes\n"
	    "                            [--state FILE [--full]]      go on from the last run (--full: from "
	    "the "
	    "start)\n"
	    "        haechi audit export [FILTER...] --out DIR        a selection with its proofs\n"
	    "        haechi audit shred ... | expire                  erase content; what need not be kept "
	    "any "
	    "longer (... --help)\n"
	    "        haechi audit archive | detach | archives         old months into files (haechi audit "
	    "archive "
	    "--help)\n\n"
	    "조건 filters: --from 때 --to 때 --agency --usecase --verdict --decision --domain --kind "
	    "--request-id --entry --log\n"
	    "              --limit N  (때: 2026-03-02 는 한국 시각 0시, 또는 RFC 3339;  a date alone is "
	    "00:00 in Korea)\n"
	    "  --policy 파일 (receipt, export, checkpoint): 증인 정책을 채운 체크포인트로만 / under a "
	    "checkpoint that "
	    "meets a witness policy\n"
	    "그 밖 others: --database CONNINFO | -c haechi.yaml (또는/or HAECHI_DATABASE)  --reason 사유  "
	    "--ascending  "
	    "-f/--follow  --json\n"
	    "query --archive 폴더: 데이터베이스 대신 보관함에서, 같은 조건으로\n"
	    "query --archive DIR: of an archive instead of the database, by the same filters\n"
	    "receipt, proof 는 뗀 달의 항목을 보관함에서 찾습니다 (알려진 폴더나 --archive); 증명은 남은 "
	    "해시로 "
	    "만듭니다\n"
	    "receipt and proof find entries of detached months in their archives (at the known place, or "
	    "--archive)\n",
	    to);
}

int
audit_access_note(struct database *database, const struct audit_options *options, const char *action,
                  struct fault *why)
{
	struct buffer about;
	int result = -1;

	buffer_init(&about, 64 * 1024);
	if (options->argument != NULL)
		buffer_printf(&about, "entry=%s", options->argument);
	else
		filter_describe(&about, &options->filter);
	if (buffer_text(&about) == NULL)
		fault_set(why, FAULT_USAGE, "조건이 너무 깁니다", "the filters are too long");
	else
		result = query_access_note(database, action, buffer_text(&about), options->reason, why);
	buffer_free(&about);
	return result;
}

/* ---- receipt, proof, checkpoint ------------------------------------------------------------------------------------ */

static int
write_out(const struct audit_options *options, struct slice bytes, struct fault *why)
{
	if (options->out != NULL)
		return file_replace(options->out, bytes, 0644, why);
	return fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size
	           ? 0
	           : fault_errno(why, "표준 출력", "standard output");
}

/* Out of the database, or else out of an archive; proven either way. */
static int
take_receipt(struct buffer *receipt, struct database *database, const struct audit_options *options,
             struct fault *why)
{
	struct stored_log log;
	struct buffer entry;
	uint64_t index;
	int result = -1;

	if (stored_receipt(receipt, database, options->argument, why) == 0)
		return 0;
	if (why->kind != FAULT_NOT_FOUND)
		return -1;
	buffer_init(&entry, ENTRY_SIZE_LIMIT);
	if (archive_entry(&entry, &log, &index, database, options->argument, options->archives,
	                  options->archive_count, why) == 0)
		result = stored_receipt_of(receipt, database, &log, index, buffer_view(&entry), why);
	buffer_free(&entry);
	return result;
}

static int
run_receipt(struct database *database, const struct audit_options *options, struct fault *why)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct proof_file file;
	struct buffer receipt, json, opened;
	int result = -1;

	buffer_init(&receipt, RECEIPT_LIMIT);
	buffer_init(&json, 2 * RECEIPT_LIMIT);
	buffer_init(&opened, OPENED_LIMIT);
	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (audit_access_note(database, options, "receipt", why) == -1 ||
	    take_receipt(&receipt, database, options, why) == -1 ||
	    audit_head_insist(buffer_view(&receipt), database, options->policy, why) == -1)
		goto out;
	if (options->open) {
		if (audit_open(&opened, options->socket, options->argument, options->reason,
		               buffer_view(&receipt), why) == 0)
			result = options->out != NULL
			             ? file_replace(options->out, buffer_view(&opened), 0600, why)
			             : write_out(options, buffer_view(&opened), why);
		goto out;
	}
	if (!options->json) {
		result = write_out(options, buffer_view(&receipt), why);
		goto out;
	}
	if (proof_file_read(&file, buffer_view(&receipt), arena, why) == -1)
		goto out;
	buffer_printf(&json, "{\"id\":");
	json_quote(&json, slice_string(options->argument));
	buffer_printf(&json, ",\"index\":%" PRIu64 ",\"entry\":", file.index);
	buffer_slice(&json, file.extra);
	buffer_string(&json, ",\"receipt\":");
	json_quote(&json, buffer_view(&receipt));
	buffer_string(&json, "}\n");
	result = buffer_ok(&json) ? write_out(options, buffer_view(&json), why) : fault_memory(why);
out:
	buffer_free(&receipt);
	buffer_free(&json);
	buffer_wipe(&opened);
	arena_free(arena);
	return result;
}

static int
pick_log(struct stored_log *out, struct database *database, const struct audit_options *options,
         struct fault *why)
{
	struct stored_log *logs = calloc(STORED_LOGS, sizeof *logs);
	int result = -1;
	size_t count;

	if (logs == NULL)
		return fault_memory(why);
	if (stored_logs(logs, &count, database, why) == -1)
		goto out;
	for (size_t i = 0; i < count; i++) {
		if (options->filter.log != NULL ? strcmp(logs[i].origin, options->filter.log) == 0
		                                : count == 1) {
			*out = logs[i];
			result = 0;
			goto out;
		}
	}
	if (options->filter.log == NULL && count > 1)
		fault_set(why, FAULT_USAGE, "기록이 %zu개입니다: --log 로 고르십시오",
		          "there are %zu logs: choose one with --log", count);
	else
		fault_set(why, FAULT_NOT_FOUND, "그런 기록이 없습니다", "there is no such log");
out:
	free(logs);
	return result;
}

static void
print_hashes(struct buffer *out, const struct proof *proof)
{
	buffer_string(out, "\"proof\":[");
	for (size_t i = 0; i < proof->count; i++) {
		char hash[BASE64_SIZE(TREE_HASH_SIZE)];

		base64_encode(hash, proof->hashes[i].bytes, TREE_HASH_SIZE);
		buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", hash);
	}
	buffer_byte(out, ']');
}

static int
run_consistency(struct database *database, const struct audit_options *options, struct fault *why)
{
	struct stored_tree *tree = NULL;
	struct tree_reader reader;
	struct stored_log log;
	struct buffer out, note;
	struct proof proof;
	uint64_t size;
	int result = -1;

	buffer_init(&out, 64 * 1024);
	buffer_init(&note, NOTE_LIMIT);
	if (pick_log(&log, database, options, why) == -1 ||
	    stored_head(&note, &size, database, log.log_id, why) == -1)
		goto out;
	if (options->has_newer && options->newer > size) {
		fault_set(why, FAULT_NOT_FOUND, "기록의 크기는 %" PRIu64 "입니다",
		          "the log has size %" PRIu64, size);
		goto out;
	}
	size = options->has_newer ? options->newer : size;
	if (stored_tree_open(&tree, database, log.log_id, size, why) == -1)
		goto out;
	reader = stored_tree_reader(tree);
	if (proof_consistency(&proof, &reader, options->older, size, why) == -1)
		goto out;
	if (options->json) {
		buffer_string(&out, "{\"log\":");
		json_quote(&out, slice_string(log.origin));
		buffer_printf(&out, ",\"old\":%" PRIu64 ",\"new\":%" PRIu64 ",", options->older, size);
		print_hashes(&out, &proof);
		buffer_string(&out, "}\n");
	} else {
		for (size_t i = 0; i < proof.count; i++) {
			char hash[BASE64_SIZE(TREE_HASH_SIZE)];

			base64_encode(hash, proof.hashes[i].bytes, TREE_HASH_SIZE);
			buffer_printf(&out, "%s\n", hash);
		}
	}
	result = buffer_ok(&out) ? write_out(options, buffer_view(&out), why) : fault_memory(why);
out:
	stored_tree_close(tree);
	buffer_free(&out);
	buffer_free(&note);
	return result;
}

/* A tlog-proof without the entry: for those who have its bytes. */
static int
run_proof(struct database *database, const struct audit_options *options, struct fault *why)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct buffer receipt, out;
	struct proof_file file;
	int result = -1;

	if (options->argument == NULL) {
		arena_free(arena);
		return run_consistency(database, options, why);
	}
	buffer_init(&receipt, RECEIPT_LIMIT);
	buffer_init(&out, RECEIPT_LIMIT);
	if (arena == NULL) {
		fault_memory(why);
		goto out;
	}
	if (audit_access_note(database, options, "proof", why) == -1 ||
	    take_receipt(&receipt, database, options, why) == -1 ||
	    proof_file_read(&file, buffer_view(&receipt), arena, why) == -1)
		goto out;
	if (options->json) {
		buffer_string(&out, "{\"id\":");
		json_quote(&out, slice_string(options->argument));
		buffer_printf(&out, ",\"index\":%" PRIu64 ",", file.index);
		print_hashes(&out, &file.proof);
		buffer_string(&out, ",\"checkpoint\":");
		json_quote(&out, file.checkpoint);
		buffer_string(&out, "}\n");
	} else {
		file.has_extra = false;
		proof_file_write(&out, &file);
	}
	result = buffer_ok(&out) ? write_out(options, buffer_view(&out), why) : fault_memory(why);
out:
	buffer_free(&receipt);
	buffer_free(&out);
	arena_free(arena);
	return result;
}

static int
run_checkpoint(struct database *database, const struct audit_options *options, struct fault *why)
{
	struct stored_log log;
	struct buffer out;
	int result = -1;

	buffer_init(&out, 4 * NOTE_LIMIT);
	if (pick_log(&log, database, options, why) == 0 &&
	    audit_head(&out, database, &log, options->head, options->policy, options->json, why) == 0)
		result = write_out(options, buffer_view(&out), why);
	buffer_free(&out);
	return result;
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

static int
run_export(const struct audit_options *options, struct fault *why)
{
	const struct export_options how = {.kind = MANIFEST_EXPORT,
	                                   .filter = options->filter,
	                                   .directory = options->out,
	                                   .key_file = options->key,
	                                   .reason = options->reason,
	                                   .policy = options->policy};

	if (options->out == NULL)
		return fault_set(why, FAULT_USAGE, "--out 폴더를 정해 주십시오", "--out DIR is missing");
	return command_export(&how, options->database, options->socket, options->json, why);
}

/* ---- the command line ---------------------------------------------------------------------------------------------- */

enum {
	FROM = 256,
	TO,
	AGENCY,
	USECASE,
	VERDICT,
	DECISION,
	DOMAIN,
	KIND,
	REQUEST_ID,
	ENTRY,
	LOG,
	LIMIT,
	DATABASE,
	SOCKET,
	REASON,
	OUT,
	KEY,
	VKEY,
	POLICY,
	COSIGNED,
	STAMPED,
	STAMP,
	WITNESS,
	ARCHIVE,
	OLDER,
	NEWER,
	STATE,
	FULL,
	ASCENDING,
	CSV,
	OPEN,
	JSON
};

static const struct option known[] = {
    {"from",       required_argument, NULL, FROM      },
    {"to",         required_argument, NULL, TO        },
    {"agency",     required_argument, NULL, AGENCY    },
    {"usecase",    required_argument, NULL, USECASE   },
    {"verdict",    required_argument, NULL, VERDICT   },
    {"decision",   required_argument, NULL, DECISION  },
    {"domain",     required_argument, NULL, DOMAIN    },
    {"kind",       required_argument, NULL, KIND      },
    {"request-id", required_argument, NULL, REQUEST_ID},
    {"entry",      required_argument, NULL, ENTRY     },
    {"log",        required_argument, NULL, LOG       },
    {"limit",      required_argument, NULL, LIMIT     },
    {"database",   required_argument, NULL, DATABASE  },
    {"socket",     required_argument, NULL, SOCKET    },
    {"reason",     required_argument, NULL, REASON    },
    {"out",        required_argument, NULL, OUT       },
    {"key",        required_argument, NULL, KEY       },
    {"vkey",       required_argument, NULL, VKEY      },
    {"policy",     required_argument, NULL, POLICY    },
    {"cosigned",   no_argument,       NULL, COSIGNED  },
    {"stamped",    no_argument,       NULL, STAMPED   },
    {"timestamp",  no_argument,       NULL, STAMP     },
    {"witness",    required_argument, NULL, WITNESS   },
    {"archive",    required_argument, NULL, ARCHIVE   },
    {"older",      required_argument, NULL, OLDER     },
    {"newer",      required_argument, NULL, NEWER     },
    {"state",      required_argument, NULL, STATE     },
    {"full",       no_argument,       NULL, FULL      },
    {"ascending",  no_argument,       NULL, ASCENDING },
    {"open",       no_argument,       NULL, OPEN      },
    {"csv",        no_argument,       NULL, CSV       },
    {"json",       no_argument,       NULL, JSON      },
    {"follow",     no_argument,       NULL, 'f'       },
    {"help",       no_argument,       NULL, 'h'       },
    {NULL,         0,                 NULL, 0         },
};

static int
take_key(struct audit_options *options, const char *path, struct fault *why)
{
	if (options->keyring == NULL && (options->keyring = calloc(1, sizeof *options->keyring)) == NULL)
		return fault_memory(why);
	return keyring_add_file(options->keyring, path, why);
}

static int
take_witness(struct audit_options *options, const char *path, struct fault *why)
{
	struct buffer *bytes = &options->witness_bytes[options->witness_count];

	if (options->witness_count == VERIFY_WITNESSES)
		return fault_set(why, FAULT_USAGE, "--witness 는 %d개까지입니다", "at most %d --witness",
		                 VERIFY_WITNESSES);
	buffer_init(bytes, NOTE_LIMIT);
	if (file_read(bytes, path, NOTE_LIMIT, why) == -1)
		return -1;
	options->witnesses[options->witness_count++] = buffer_view(bytes);
	return 0;
}

static int
take_option(struct audit_options *options, int option, const char *value, struct fault *why)
{
	struct filter *filter = &options->filter;

	switch (option) {
	case FROM:
		filter->has_from = true;
		return command_parse_time(&filter->from_ms, "from", value, why);
	case TO:
		filter->has_to = true;
		return command_parse_time(&filter->to_ms, "to", value, why);
	case AGENCY:
		filter->agency = value;
		return 0;
	case USECASE:
		filter->usecase = value;
		return 0;
	case VERDICT:
		filter->verdict = value;
		return 0;
	case DECISION:
		filter->decision = value;
		return 0;
	case DOMAIN:
		filter->domain = value;
		return 0;
	case KIND:
		filter->kind = value;
		return 0;
	case REQUEST_ID:
		filter->request_id = value;
		return 0;
	case ENTRY:
		filter->entry = value;
		return 0;
	case LOG:
		filter->log = value;
		return 0;
	case LIMIT:
		options->has_limit = true;
		return command_parse_number(&options->limit, "limit", value, why);
	case DATABASE:
		options->database = value;
		return 0;
	case SOCKET:
		options->socket = value;
		return 0;
	case 'c':
		if (command_config_database(&options->configured, value, why) == -1)
			return -1;
		if (options->database == NULL)
			options->database = options->configured;
		return 0;
	case REASON:
		options->reason = value;
		return 0;
	case OUT:
		options->out = value;
		return 0;
	case KEY:
		options->key = value;
		return 0;
	case POLICY:
		return options->policy != NULL
		           ? fault_set(why, FAULT_USAGE, "--policy 는 한 번만", "--policy only once")
		           : quorum_load(&options->policy, value, why);
	case COSIGNED:
		options->head = AUDIT_HEAD_COSIGNED;
		return 0;
	case STAMPED:
		options->head = AUDIT_HEAD_STAMPED;
		return 0;
	case STAMP:
		options->head = AUDIT_HEAD_TIMESTAMP;
		return 0;
	case VKEY:
		return take_key(options, value, why);
	case WITNESS:
		return take_witness(options, value, why);
	case ARCHIVE:
		if (options->archive_count == VERIFY_ARCHIVES)
			return fault_set(why, FAULT_USAGE, "--archive 는 %d개까지입니다",
			                 "at most %d --archive", VERIFY_ARCHIVES);
		options->archives[options->archive_count++] = value;
		return 0;
	case OLDER:
		options->has_older = true;
		return command_parse_number(&options->older, "older", value, why);
	case NEWER:
		options->has_newer = true;
		return command_parse_number(&options->newer, "newer", value, why);
	case STATE:
		options->state = value;
		return 0;
	case FULL:
		options->full = true;
		return 0;
	case OPEN:
		options->open = true;
		return 0;
	case ASCENDING:
		options->ascending = true;
		return 0;
	case CSV:
		options->csv = true;
		return 0;
	case JSON:
		options->json = true;
		return 0;
	default: /* -f: command_option() gives nothing else */
		options->follow = true;
		return 0;
	}
}

/* -1 with the fault, or an exit status. */
static int
run(const char *word, const struct audit_options *options, struct fault *why)
{
	const bool wants_entry =
	    strcmp(word, "receipt") == 0 || (strcmp(word, "proof") == 0 && !options->has_older);
	struct database *database = NULL;
	int result = -1;

	if (wants_entry != (options->argument != NULL))
		return fault_set(
		    why, FAULT_USAGE,
		    wants_entry ? "%s: 항목 ID가 있어야 합니다" : "%s: 남는 인자가 있습니다",
		    wants_entry ? "%s: an entry id is missing" : "%s: there is an argument too many", word);
	if (strcmp(word, "verify") == 0)
		return audit_verify(options, why);
	if (strcmp(word, "export") == 0)
		return run_export(options, why);
	if (command_open_database(&database, options->database, why) == -1)
		return -1;
	if (strcmp(word, "query") == 0 || strcmp(word, "tail") == 0)
		result = audit_query(database, options, strcmp(word, "tail") == 0, why);
	else if (strcmp(word, "receipt") == 0)
		result = run_receipt(database, options, why);
	else if (strcmp(word, "proof") == 0)
		result = run_proof(database, options, why);
	else
		result = run_checkpoint(database, options, why);
	database_close(database);
	return result;
}

int
command_audit(int argc, char **argv)
{
	static const char *const words[] = {"query",      "tail",   "receipt", "proof",
	                                    "checkpoint", "verify", "export"};
	static const char *const archiving[] = {"archive", "detach", "archives"};
	struct audit_options options = {0};
	struct fault why = {0};
	const char *word = NULL;
	int option, result = EXIT_GOOD;

	/* These do, where the others read: their own options. */
	if (argc > 1 && (strcmp(argv[1], "shred") == 0 || strcmp(argv[1], "expire") == 0))
		return command_shred(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof archiving / sizeof *archiving; i++)
		if (argc > 1 && strcmp(argv[1], archiving[i]) == 0)
			return command_archive(argc - 1, argv + 1);
	while (result == EXIT_GOOD && (option = command_option(argc, argv, "c:fh", known)) != -1) {
		if (option == 'h') {
			usage(stdout);
			goto out;
		}
		if (option == '?')
			result = EXIT_USAGE;
		else if (take_option(&options, option, optarg, &why) == -1)
			result = command_fail(&why);
	}
	if (result != EXIT_GOOD)
		goto out;
	for (size_t i = 0; i < sizeof words / sizeof *words && optind < argc; i++)
		if (strcmp(argv[optind], words[i]) == 0)
			word = words[i];
	options.argument = argc - optind == 2 ? argv[optind + 1] : NULL;
	if (word == NULL || argc - optind > 2) {
		usage(stderr);
		result = EXIT_USAGE;
		goto out;
	}
	if ((result = run(word, &options, &why)) == -1)
		result = command_fail(&why);
out:
	free(options.keyring);
	free(options.policy);
	free(options.configured);
	for (size_t i = 0; i < options.witness_count; i++)
		buffer_free(&options.witness_bytes[i]);
	return result;
}
