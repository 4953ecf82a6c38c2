/* `haechi policy bundle`: policies as one signed file, and which of them is in force. */
#include "gateway/commands/command_bundle.h"

#include <getopt.h>
#include <string.h>

#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

/* clang-format off */
static const struct {
	const char *word;
	int (*run)(const struct bundle_options *options);
	size_t least, most; /* bare words */
	const char *usage, *ko, *en;
} words[] = {
	{"keygen",   bundle_keygen,        1, 1, "NAME [--out DIR]", "서명 열쇠 한 쌍 만들기", "make a pair of keys"},
	{"build",    bundle_make,          0, 0,
	 "--out FILE --revision N [--name NAME] [--agency DIR] [--act DIR] [--schema FILE] --tests PATH... [--key KEY...] [--created TIME]",
	 "폴더의 정책과 시험으로 묶음 만들기: 시험을 통과해야 함", "make a bundle of folders and tests, which must pass"},
	{"sign",     bundle_add_signature, 1, 1, "FILE --key KEY [--out FILE]", "서명 더하기", "add a signature"},
	{"verify",   bundle_check_file,    1, 1, "FILE --key PUB... [--signatures N]",
	 "서명, 해시, 문법, 스키마, 주석, 시험을 모두 확인", "check signatures, digests, syntax, schema, annotations and tests"},
	{"show",     bundle_look,          1, 1, "FILE", "무엇이 들어 있는지", "what is in it"},
	{"activate", bundle_activate,      1, 1, "FILE|REVISION [--allow-rollback --reason WHY]",
	 "시행하기 (다시 시작하지 않음)", "put in force, without a restart"},
	{"rollback", bundle_roll_back,     0, 1, "[REVISION] --reason WHY", "앞의 것으로 되돌리기: 기록에 남음", "go back to the one before: recorded"},
	{"shadow",   bundle_beside,        0, 1, "FILE|REVISION | --off", "시행하지 않고 나란히 돌려 차이를 셈", "run it beside the one in force and count differences"},
	{"list",     bundle_list,          0, 0, "", "보관된 묶음", "bundles that are kept"},
	{"import",   bundle_import,        1, 1, "FILE", "들여오기만 함 (닫힌 망)", "bring in without activating (closed networks)"},
	{"export",   bundle_export,        0, 1, "[REVISION] --out FILE", "내보내기", "write one to a file"},
	{"pull",     bundle_pull_ask,      0, 0, "", "설정된 곳에서 지금 가져오기", "look now where the configuration says"},
};
/* clang-format on */

static void
usage(FILE *to)
{
	fprintf(to, "사용법 / usage: haechi policy bundle WORD [OPTION...]\n\n");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		fprintf(to, "  %-9s %s\n            %s\n            %s\n", words[i].word, words[i].usage,
		        words[i].ko, words[i].en);
	fprintf(
	    to,
	    "\n  --socket PATH   haechid의 운영자 소켓 / the operator's socket of haechid\n"
	    "  --json          기계가 읽는 답 / for programs\n"
	    "  0 좋음 / good   1 아니오: 거절됨, 맞지 않음 / no: refused, does not hold   2 사용법·환경 / "
	    "usage, environment\n");
}

enum {
	OUT = 256,
	REVISION,
	NAME,
	AGENCY,
	ACT,
	SCHEMA,
	TESTS,
	KEY,
	CREATED,
	SIGNATURES,
	REASON,
	SOCKET,
	ALLOW_ROLLBACK,
	UNPROVEN,
	OFF,
	JSON
};

static const struct option known[] = {
    {"out",            required_argument, NULL, OUT           },
    {"revision",       required_argument, NULL, REVISION      },
    {"name",           required_argument, NULL, NAME          },
    {"agency",         required_argument, NULL, AGENCY        },
    {"policies",       required_argument, NULL, AGENCY        },
    {"act",            required_argument, NULL, ACT           },
    {"schema",         required_argument, NULL, SCHEMA        },
    {"tests",          required_argument, NULL, TESTS         },
    {"key",            required_argument, NULL, KEY           },
    {"created",        required_argument, NULL, CREATED       },
    {"signatures",     required_argument, NULL, SIGNATURES    },
    {"reason",         required_argument, NULL, REASON        },
    {"socket",         required_argument, NULL, SOCKET        },
    {"allow-rollback", no_argument,       NULL, ALLOW_ROLLBACK},
    {"unproven",       no_argument,       NULL, UNPROVEN      },
    {"off",            no_argument,       NULL, OFF           },
    {"json",           no_argument,       NULL, JSON          },
    {"help",           no_argument,       NULL, 'h'           },
    {NULL,             0,                 NULL, 0             },
};

static int
too_many(const char *option, struct fault *why)
{
	return fault_set(why, FAULT_USAGE, "--%s: 너무 많습니다", "--%s: too many", option);
}

static int
take_option(struct bundle_options *options, int option, const char *value, struct fault *why)
{
	switch (option) {
	case OUT:
		options->out = value;
		return 0;
	case REVISION:
		return command_parse_number(&options->revision, "revision", value, why);
	case NAME:
		options->name = value;
		return 0;
	case AGENCY:
		return policy_place(options->places.agency, value, why);
	case ACT:
		return policy_place(options->places.act, value, why);
	case SCHEMA:
		return policy_place(options->places.schema, value, why);
	case TESTS:
		if (options->test_count == BUNDLE_PATHS)
			return too_many("tests", why);
		options->tests[options->test_count++] = value;
		return 0;
	case KEY:
		if (options->key_count == BUNDLE_PATHS)
			return too_many("key", why);
		options->keys[options->key_count++] = value;
		return 0;
	case CREATED:
		options->created = value;
		return 0;
	case SIGNATURES:
		return command_parse_number(&options->signatures, "signatures", value, why);
	case REASON:
		options->reason = value;
		return 0;
	case SOCKET:
		options->socket = value;
		return 0;
	case ALLOW_ROLLBACK:
		options->allow_rollback = true;
		return 0;
	case UNPROVEN:
		options->unproven = true;
		return 0;
	case OFF:
		options->off = true;
		return 0;
	default: /* --json: command_option() gives nothing else */
		options->json = true;
		return 0;
	}
}

int
command_bundle(int argc, char **argv)
{
	struct bundle_options options = {.signatures = 1};
	struct fault why;
	size_t word = 0;
	int option;

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return EXIT_GOOD;
	}
	while (argc >= 2 && word < sizeof words / sizeof *words && strcmp(words[word].word, argv[1]) != 0)
		word++;
	if (argc < 2 || word == sizeof words / sizeof *words) {
		usage(stderr);
		return EXIT_USAGE;
	}
	optind = 1;
	while ((option = command_option(argc - 1, argv + 1, "h", known)) != -1) {
		if (option == 'h' || option == '?') {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
		if (take_option(&options, option, optarg, &why) == -1)
			return command_fail(&why);
	}
	options.words = (const char *const *)argv + 1 + optind;
	options.word_count = (size_t)(argc - 1 - optind);
	if (options.word_count < words[word].least || options.word_count > words[word].most) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return words[word].run(&options);
}
