#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/commands/policy_files.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/cedar/cedar_json.h"
#include "schema/base/json.h"

#define ARENA_LIMIT ((size_t)1 << 30)

static int
missing(const char *what)
{
	struct fault why;

	fault_set(&why, FAULT_USAGE, "%s이(가) 있어야 합니다 (haechi policy --help)",
	          "%s is needed (haechi policy --help)", what);
	return policy_files_fail(NULL, &why);
}

static int
print(struct buffer *out)
{
	buffer_byte(out, '\n');
	return buffer_ok(out) && fwrite(out->data, 1, out->size, stdout) == out->size && fflush(stdout) == 0
	           ? 0
	           : -1;
}

/* ---- authorize ------------------------------------------------------------------------------------------------- */

static void
print_result(const struct cedar_policies *policies, const struct cedar_result *result)
{
	printf("%s\n", result->decision == CEDAR_ALLOW ? "허용 / allow" : "거부 / deny");
	for (size_t i = 0; i < result->determining_count; i++) {
		const char *id = cedar_policy_id(policies, result->determining[i]);
		const char *ko = cedar_policy_annotation(policies, result->determining[i], "title_ko");
		const char *en = cedar_policy_annotation(policies, result->determining[i], "title_en");

		printf("  %s%s%s%s%s\n", id, ko != NULL ? "  " : "", ko != NULL ? ko : "",
		       en != NULL ? " / " : "", en != NULL ? en : "");
	}
	for (size_t i = 0; i < result->error_count; i++)
		printf("  오류 / error: %s %u:%u: %s\n%*s%s\n",
		       cedar_policy_id(policies, result->errors[i].policy), result->errors[i].line,
		       result->errors[i].column, result->errors[i].ko, 17, "", result->errors[i].en);
}

static int
word_authorize(const struct policy_options *options)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_policies *policies = NULL;
	struct cedar_schema *schema = NULL;
	struct cedar_entities *entities = NULL;
	struct cedar_request request;
	struct cedar_result result;
	struct buffer out;
	struct fault why;
	int status = EXIT_USAGE;

	buffer_init(&out, CEDAR_JSON_LIMIT);
	if (arena == NULL) {
		fault_memory(&why);
		policy_files_fail(NULL, &why);
	} else if (options->policy_count == 0 || options->entities == NULL || options->request == NULL) {
		missing("--policies, --entities, --request");
	} else if ((options->schema != NULL &&
	            policy_files_load_schema(&schema, options->schema, &notes, &why) == -1) ||
	           policy_files_load(&policies, options->policies, options->policy_count,
	                             options->ids_from_annotation, &notes, &why) == -1) {
		policy_files_fail(&notes, &why);
	} else if (policy_files_entities(&entities, options->entities, schema, arena, &why) == -1 ||
	           policy_files_request(&request, options->request, schema, !options->no_request_check, arena,
	                                &why) == -1 ||
	           cedar_authorize(policies, &request, entities, arena, &result, &why) == -1) {
		policy_files_fail(NULL, &why);
	} else {
		status = result.decision == CEDAR_ALLOW ? EXIT_GOOD : EXIT_NO;
		if (options->json) {
			policy_write_result(&out, policies, &result);
			if (print(&out) == -1)
				status = EXIT_USAGE;
		} else {
			print_result(policies, &result);
		}
	}
	buffer_free(&out);
	cedar_policies_free(policies);
	cedar_schema_free(schema);
	arena_free(arena);
	return status;
}

/* ---- validate -------------------------------------------------------------------------------------------------- */

static int
word_validate(const struct policy_options *options)
{
	struct arena *arena = arena_new(ARENA_LIMIT);
	struct cedar_notes notes = {.arena = arena};
	struct cedar_policies *policies = NULL;
	struct cedar_schema *schema = NULL;
	struct buffer out;
	struct fault why;
	int status = EXIT_USAGE;

	buffer_init(&out, CEDAR_JSON_LIMIT);
	if (arena == NULL) {
		fault_memory(&why);
		policy_files_fail(NULL, &why);
	} else if (options->policy_count == 0 || options->schema == NULL) {
		missing("--policies, --schema");
	} else if (policy_files_load_schema(&schema, options->schema, &notes, &why) == -1 ||
	           policy_files_load(&policies, options->policies, options->policy_count,
	                             options->ids_from_annotation, &notes, &why) == -1) {
		/* A text that is no policy is an answer of this word: the set is not valid. */
		if (notes.errors == 0) {
			policy_files_fail(NULL, &why);
		} else {
			status = EXIT_NO;
		}
	} else if (cedar_validate(policies, schema, &notes, &why) == -1) {
		policy_files_fail(NULL, &why);
	} else {
		status = notes.errors == 0 ? EXIT_GOOD : EXIT_NO;
	}
	if (status != EXIT_USAGE && options->json) {
		buffer_printf(&out, "{\"valid\":%s,\"errors\":", status == EXIT_GOOD ? "true" : "false");
		policy_write_notes(&out, &notes, CEDAR_ERROR);
		buffer_string(&out, ",\"warnings\":");
		policy_write_notes(&out, &notes, CEDAR_WARNING);
		buffer_byte(&out, '}');
		if (print(&out) == -1)
			status = EXIT_USAGE;
	} else if (status != EXIT_USAGE) {
		cedar_notes_print(stderr, &notes);
		printf("%s\n", status == EXIT_GOOD ? "맞습니다 / valid" : "맞지 않습니다 / not valid");
	}
	buffer_free(&out);
	cedar_policies_free(policies);
	cedar_schema_free(schema);
	arena_free(arena);
	return status;
}

/* ---- the word -------------------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *word;
	int (*run)(const struct policy_options *options);
	const char *usage;
	const char *ko, *en;
} words[] = {
	{"authorize", word_authorize, "--policies P --entities E [--schema S] --request R [--json]",
	 "요청 하나를 판정", "decide one request"},
	{"validate", word_validate, "--policies P --schema S [--json]",
	 "정책을 스키마로 검증", "check policies against a schema"},
	{"explain", policy_explain, "--policies P --entities E [--schema S] --request R [--policy ID] [--json]",
	 "정책마다 왜 그런지", "why, policy by policy"},
	{"test", policy_test,
	 "[--policies P [--schema S] [--entities E]] [--tests T...] [--bundle B] [--min-coverage N] [--json]",
	 "정책 시험: 결정, 조치, 의무, 그리고 정책과 조건절의 시험 범위",
	 "tests: decisions, outcomes, duties; coverage of policies and clauses"},
	{"lint", policy_lint, "P… [--json]",
	 "주석 낱말 검사", "the closed vocabulary of annotations"},
	{"fmt", policy_format, "P… [--check | --write]",
	 "정책 글을 다듬기", "canonical text"},
	{"serve", policy_serve, "",
	 "JSON 줄로 묻고 답하기", "questions and answers as JSON lines"},
};
/* clang-format on */

static void
usage(FILE *to)
{
	fprintf(to, "사용법 / usage: haechi policy WORD [OPTION...]\n\n");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		fprintf(to, "  %-10s%s\n            %s\n            %s\n", words[i].word, words[i].usage,
		        words[i].ko, words[i].en);
	fprintf(to, "  %-10s%s\n            %s\n            %s\n", "replay",
	        "--policies DIR [...] (haechi replay --help)", "기록된 결정을 다시 내려 비교",
	        "recorded decisions made again: what would flip");
	fprintf(to, "  %-10s%s\n            %s\n            %s\n", "bundle",
	        "keygen|build|sign|verify|show|activate|rollback|shadow|list|import|export|pull",
	        "서명된 묶음: 만들기, 시행, 되돌리기, 나란히 돌리기 (haechi policy bundle --help)",
	        "signed bundles: make, activate, roll back, run beside");
	fprintf(to, "\n  --policies   파일이나 폴더(*.cedar, 아래 폴더까지), 되풀이할 수 있음 / a file or a "
	            "folder and "
	            "those below it, may be repeated\n"
	            "  --use-ids    @id를 정책의 id로 / take @id as the policy's id\n"
	            "  --no-validate-request   요청을 스키마로 검사하지 않음 / do not check the request\n"
	            "  0 허용·맞음 / allow, valid   1 거부·틀림 / deny, not valid   2 사용법·환경 / usage, "
	            "environment\n");
}

static int
parse_options(struct policy_options *options, int argc, char **argv)
{
	enum {
		POLICIES = 1,
		SCHEMA,
		ENTITIES,
		REQUEST,
		TESTS,
		BUNDLE,
		MIN_COVERAGE,
		POLICY,
		JSON,
		USE_IDS,
		NO_CHECK,
		CHECK,
		WRITE,
		HELP
	};
	static const struct option known[] = {
	    {"policies",            required_argument, NULL, POLICIES    },
	    {"schema",              required_argument, NULL, SCHEMA      },
	    {"entities",            required_argument, NULL, ENTITIES    },
	    {"request",             required_argument, NULL, REQUEST     },
	    {"tests",               required_argument, NULL, TESTS       },
	    {"bundle",              required_argument, NULL, BUNDLE      },
	    {"min-coverage",        required_argument, NULL, MIN_COVERAGE},
	    {"policy",              required_argument, NULL, POLICY      },
	    {"json",                no_argument,       NULL, JSON        },
	    {"use-ids",             no_argument,       NULL, USE_IDS     },
	    {"no-validate-request", no_argument,       NULL, NO_CHECK    },
	    {"check",               no_argument,       NULL, CHECK       },
	    {"write",               no_argument,       NULL, WRITE       },
	    {"help",                no_argument,       NULL, HELP        },
	    {NULL,                  0,                 NULL, 0           }
        };

	uint64_t number;
	struct fault why;

	memset(options, 0, sizeof *options);
	options->json = isatty(STDOUT_FILENO) == 0; /* a program reads: JSON, asked for or not */
	optind = 1;
	for (;;) {
		switch (command_option(argc, argv, "h", known)) {
		case -1:
			for (; optind < argc; optind++) { /* bare words are policy files too */
				if (options->policy_count == POLICY_PATHS)
					return -1;
				options->policies[options->policy_count++] = argv[optind];
			}
			return 0;
		case POLICIES:
			if (options->policy_count == POLICY_PATHS)
				return -1;
			options->policies[options->policy_count++] = optarg;
			break;
		case SCHEMA:
			options->schema = optarg;
			break;
		case ENTITIES:
			options->entities = optarg;
			break;
		case REQUEST:
			options->request = optarg;
			break;
		case TESTS:
			if (options->test_count == POLICY_PATHS)
				return -1;
			options->tests[options->test_count++] = optarg;
			break;
		case BUNDLE:
			options->bundle = optarg;
			break;
		case MIN_COVERAGE:
			if (command_parse_number(&number, "min-coverage", optarg, &why) == -1 || number > 100)
				return -1;
			options->min_coverage = (unsigned)number;
			break;
		case POLICY:
			options->policy = optarg;
			break;
		case JSON:
			options->json = true;
			break;
		case USE_IDS:
			options->ids_from_annotation = true;
			break;
		case NO_CHECK:
			options->no_request_check = true;
			break;
		case CHECK:
			options->check = true;
			break;
		case WRITE:
			options->write = true;
			break;
		case HELP:
		case 'h':
			return 1;
		default:
			return -1;
		}
	}
}

int
command_policy(int argc, char **argv)
{
	struct policy_options options;

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return EXIT_GOOD;
	}
	if (argc >= 2 && strcmp(argv[1], "replay") == 0) /* reads the log: options of its own */
		return command_replay(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "bundle") == 0)
		return command_bundle(argc - 1, argv + 1);
	for (size_t i = 0; argc >= 2 && i < sizeof words / sizeof *words; i++) {
		int parsed;

		if (strcmp(argv[1], words[i].word) != 0)
			continue;
		if ((parsed = parse_options(&options, argc - 1, argv + 1)) == 0)
			return words[i].run(&options);
		usage(parsed == 1 ? stdout : stderr);
		return parsed == 1 ? EXIT_GOOD : EXIT_USAGE;
	}
	usage(stderr);
	return EXIT_USAGE;
}
