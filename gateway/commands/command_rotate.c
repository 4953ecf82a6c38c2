/*
 * haechi key rotate: the keys that sign the log. Works on the key files, as the account that runs haechid; takes effect at its next
 * start.
 */
#include <getopt.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "gateway/config.h"

static void
usage(FILE *to)
{
	fputs("사용법 / usage: haechi key rotate -c haechi.yaml [--state DIR] [--finish] [--json]\n\n"
	      "  새 서명 키를 만듭니다. haechid를 다시 시작하면 옛 키와 새 키가 함께 서명합니다. 그동안 새 "
	      "검증 키(/log/vkey)를\n"
	      "  증인과 검증하는 사람들에게 건네고, --finish 하고 다시 시작하면 새 키만 서명합니다. 옛 "
	      "영수증은 계속 검증됩니다.\n"
	      "  Makes new signing keys. From haechid's next start old and new ones sign together; meanwhile "
	      "give the new verifier\n"
	      "  keys (/log/vkey) to witnesses and to all who verify. After --finish and another start the "
	      "new ones sign alone, the\n"
	      "  old private keys are gone, and old receipts still verify.\n",
	      to);
}

static int
rotate(const char *path, const char *state, bool finish, bool json, struct fault *why)
{
	struct config *config;
	int result;

	if (config_load(&config, path, state, why) == -1)
		return -1;
	result = finish ? signer_keys_retire(config->ledger.keys, config->origin, why)
	                : signer_keys_rotate(config->ledger.keys, config->origin, why);
	if (result == 0 && json)
		printf("{\"log\":\"%s\",\"state\":\"%s\",\"restart\":true}\n", config->origin,
		       finish ? "retired" : "added");
	else if (result == 0)
		printf(
		    finish
		        ? "%s: 옛 서명 키를 지웠습니다. haechid를 다시 시작하면 새 키만 서명합니다.\n"
		          "  the old signing keys are gone; from haechid's next start the new ones sign "
		          "alone.\n"
		        : "%s: 새 서명 키를 만들었습니다. haechid를 다시 시작하면 두 키가 함께 서명합니다.\n"
		          "  new signing keys are made; from haechid's next start both sign.\n",
		    config->origin);
	config_release(config);
	return result;
}

int
command_rotate(int argc, char **argv)
{
	static const struct option known[] = {
	    {"state",  required_argument, NULL, 's'},
	    {"finish", no_argument,       NULL, 'f'},
	    {"json",   no_argument,       NULL, 'j'},
	    {"help",   no_argument,       NULL, 'h'},
	    {NULL,     0,                 NULL, 0  },
	};
	const char *path = NULL, *state = NULL;
	bool finish = false, json = false;
	struct fault why;
	int option;

	while ((option = command_option(argc, argv, "c:h", known)) != -1)
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 's':
			state = optarg;
			break;
		case 'f':
			finish = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	if (path == NULL || optind != argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return rotate(path, state, finish, json, &why) == -1 ? command_fail(&why) : EXIT_GOOD;
}
