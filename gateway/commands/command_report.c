/*
 * haechi report -- a period's evidence as one folder for a regulator: figures, table, page, entries and their proofs.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/export.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

static void
usage(FILE *to)
{
	fputs(
	    "사용법: haechi report export --from 때 --to 때 [--agency 기관] --out 폴더 [--key 파일] "
	    "[--reason 사유] [--json]\n"
	    "usage:  haechi report export --from TIME --to TIME [--agency NAME] --out DIR [--key FILE] "
	    "[--reason TEXT] [--json]\n\n"
	    "  폴더에 report.html, report.json, entries.csv, 항목과 증명이 담깁니다. 확인: haechi-verify "
	    "폴더 --vkey 기록의-키\n"
	    "  The folder gets report.html, report.json, entries.csv, the entries and their proofs. Check: "
	    "haechi-verify DIR --vkey KEYS\n"
	    "  때: 2026-03-02 는 한국 시각 0시, 또는 RFC 3339 / TIME: a date is 00:00 in Korea, or RFC 3339\n"
	    "  데이터베이스: --database 또는 HAECHI_DATABASE / the database: --database or HAECHI_DATABASE\n",
	    to);
}

int
command_report(int argc, char **argv)
{
	enum { FROM = 256, TO, AGENCY, OUT, KEY, REASON, DATABASE, SOCKET, JSON };
	static const struct option known[] = {
	    {"from",     required_argument, NULL, FROM    },
	    {"to",       required_argument, NULL, TO      },
	    {"agency",   required_argument, NULL, AGENCY  },
	    {"out",      required_argument, NULL, OUT     },
	    {"key",      required_argument, NULL, KEY     },
	    {"reason",   required_argument, NULL, REASON  },
	    {"database", required_argument, NULL, DATABASE},
	    {"socket",   required_argument, NULL, SOCKET  },
	    {"json",     no_argument,       NULL, JSON    },
	    {"help",     no_argument,       NULL, 'h'     },
	    {NULL,       0,                 NULL, 0       },
	};
	struct export_options options = {.kind = MANIFEST_REPORT};
	const char *conninfo = NULL, *socket = NULL;
	char *configured = NULL;
	struct fault why = {0};
	bool json = false;
	int option, result = 0;

	while (result == 0 && (option = command_option(argc, argv, "c:h", known)) != -1) {
		switch (option) {
		case FROM:
			options.filter.has_from = true;
			result = command_parse_time(&options.filter.from_ms, "from", optarg, &why);
			break;
		case TO:
			options.filter.has_to = true;
			result = command_parse_time(&options.filter.to_ms, "to", optarg, &why);
			break;
		case AGENCY:
			options.filter.agency = optarg;
			break;
		case OUT:
			options.directory = optarg;
			break;
		case KEY:
			options.key_file = optarg;
			break;
		case REASON:
			options.reason = optarg;
			break;
		case DATABASE:
			conninfo = optarg;
			break;
		case SOCKET:
			socket = optarg;
			break;
		case 'c':
			result = command_config_database(&configured, optarg, &why);
			break;
		case JSON:
			json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			free(configured);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	}
	if (result == -1) {
		result = command_fail(&why);
	} else if (argc - optind != 1 || strcmp(argv[optind], "export") != 0 || options.directory == NULL ||
	           !options.filter.has_from || !options.filter.has_to) {
		usage(stderr);
		result = EXIT_USAGE;
	} else if (command_export(&options, conninfo != NULL ? conninfo : configured, socket, json, &why) ==
	           -1) {
		result = command_fail(&why);
	}
	free(configured);
	return result;
}
