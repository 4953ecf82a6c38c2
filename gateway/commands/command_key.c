/* haechi key: API keys, through the running gateway. */
#include <getopt.h>
#include <string.h>

#include "gateway/commands/asking.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

static void
usage(FILE *to)
{
	fputs("사용법 / usage:\n"
	      "  haechi key create --agency A --service S --usecase ID [--usecase ID...] [--role R...] "
	      "[--expires WHEN]\n"
	      "                    [--certificate SHA256] [--socket PATH] [--json]\n"
	      "  haechi key list [--socket PATH] [--json]\n"
	      "  haechi key revoke KEY_ID [--socket PATH] [--json]\n"
	      "  haechi key rotate -c haechi.yaml [--finish] [--json]     기록의 서명 키 교체 / the log's "
	      "signing keys\n\n"
	      "비밀은 만들 때 한 번만 보입니다. / The secret is shown once, when it is made.\n",
	      to);
}

struct options {
	const char *socket, *agency, *service, *certificate, *expires;
	json_t *usecases, *roles;
	bool json;
};

static int
read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"socket",      required_argument, NULL, 'S'},
	    {"agency",      required_argument, NULL, 'a'},
	    {"service",     required_argument, NULL, 's'},
	    {"usecase",     required_argument, NULL, 'u'},
	    {"role",        required_argument, NULL, 'r'},
	    {"expires",     required_argument, NULL, 'e'},
	    {"certificate", required_argument, NULL, 'c'},
	    {"json",        no_argument,       NULL, 'j'},
	    {"help",        no_argument,       NULL, 'h'},
	    {NULL,          0,                 NULL, 0  }
        };
	int option;

	optind = 1;
	while ((option = command_option(argc, argv, "h", known)) != -1)
		switch (option) {
		case 'S':
			options->socket = optarg;
			break;
		case 'a':
			options->agency = optarg;
			break;
		case 's':
			options->service = optarg;
			break;
		case 'u':
			json_array_append_new(options->usecases, json_string(optarg));
			break;
		case 'r':
			json_array_append_new(options->roles, json_string(optarg));
			break;
		case 'e':
			options->expires = optarg;
			break;
		case 'c':
			options->certificate = optarg;
			break;
		case 'j':
			options->json = true;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_GOOD : EXIT_USAGE;
		}
	return -1;
}

static int
create(const struct options *options)
{
	json_t *request, *result = NULL;
	int64_t expires_ms = 0;
	struct fault why;
	int status;

	if (options->agency == NULL || options->service == NULL || json_array_size(options->usecases) == 0) {
		fault_set(&why, FAULT_USAGE, "있어야 합니다: --agency, --service, --usecase",
		          "needed: --agency, --service, --usecase");
		return command_fail(&why);
	}
	if (options->expires != NULL &&
	    command_parse_time(&expires_ms, "expires", options->expires, &why) == -1)
		return command_fail(&why);
	request = json_pack("{s:s, s:s, s:s, s:O, s:O, s:I}", "op", "key.create", "agency", options->agency,
	                    "service", options->service, "usecases", options->usecases, "roles",
	                    options->roles, "expires_ms", (json_int_t)expires_ms);
	if (request != NULL && options->certificate != NULL)
		json_object_set_new(request, "certificate", json_string(options->certificate));
	if (asking_ask(options->socket, request, &result, &why) == -1)
		return command_fail(&why);
	status = EXIT_GOOD;
	if (options->json) {
		status = asking_print(result);
	} else {
		const char *const key = json_get_string(result, "key");

		printf("식별자 / id      %s\n", json_get_string(result, "key_id"));
		if (key != NULL)
			printf("키 / key         %s\n                 지금만 보입니다 / shown only now\n",
			       key);
		printf("기록 / entry     %s\n", json_get_string(result, "entry"));
	}
	json_decref(result);
	return status;
}

static const char *
state_title(const char *state)
{
	return state == NULL                   ? state
	       : strcmp(state, "active") == 0  ? "사용 중"
	       : strcmp(state, "revoked") == 0 ? "폐지"
	       : strcmp(state, "expired") == 0 ? "만료"
	                                       : state;
}

static int
list(const struct options *options)
{
	static const char *const titles[] = {
	    "키 key",       "상태 state", "기관 agency",       "서비스 service",
	    "용도 usecase", "역할 role",  "만료(한국) expires"};
	static const char *const members[] = {"key_id",   "state", "agency",    "service",
	                                      "usecases", "roles", "expires_at"};
	json_t *result = NULL;
	struct table table;
	struct fault why;
	int status = EXIT_GOOD;

	if (asking_ask(options->socket, json_pack("{s:s}", "op", "key.list"), &result, &why) == -1)
		return command_fail(&why);
	if (options->json) {
		status = asking_print_lines(result);
		json_decref(result);
		return status;
	}
	table_init(&table, 7, titles);
	for (size_t i = 0; i < json_array_size(result); i++) {
		char expires[COMMAND_TIME_SIZE];
		const char *cells[7];

		for (size_t j = 0; j < 7; j++)
			cells[j] = json_get_string(json_array_get(result, i), members[j]);
		cells[1] = state_title(cells[1]);
		cells[6] = command_time_of(expires, cells[6]);
		table_row(&table, cells);
	}
	if (table_print(&table, stdout, &why) == -1)
		status = command_fail(&why);
	table_free(&table);
	json_decref(result);
	return status;
}

static int
revoke(const struct options *options, const char *id)
{
	json_t *result = NULL;
	struct fault why;
	int status = EXIT_GOOD;

	if (asking_ask(options->socket, json_pack("{s:s, s:s}", "op", "key.revoke", "key_id", id), &result,
	               &why) == -1)
		return command_fail(&why);
	if (options->json)
		status = asking_print(result);
	else
		printf("폐지했습니다 / revoked: %s (%s)\n", id, json_get_string(result, "entry"));
	json_decref(result);
	return status;
}

int
command_key(int argc, char **argv)
{
	struct options options = {.usecases = json_array(), .roles = json_array()};
	const char *const word = argc > 1 ? argv[1] : "";
	int status = EXIT_USAGE;

	if (strcmp(word, "rotate") == 0)
		status = command_rotate(argc - 1, argv + 1);
	else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(stdout);
		status = EXIT_GOOD;
	} else if (argc < 2) {
		usage(stderr);
	} else if ((status = read_options(&options, argc - 1, argv + 1)) == -1) {
		const int left = argc - 1 - optind;
		char *const first = left > 0 ? argv[1 + optind] : NULL;

		if (strcmp(word, "create") == 0 && left == 0) {
			status = create(&options);
		} else if (strcmp(word, "list") == 0 && left == 0) {
			status = list(&options);
		} else if (strcmp(word, "revoke") == 0 && left == 1) {
			status = revoke(&options, first);
		} else {
			usage(stderr);
			status = EXIT_USAGE;
		}
	}
	json_decref(options.usecases);
	json_decref(options.roles);
	return status;
}
