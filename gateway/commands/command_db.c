/*
 * haechi db -- tables and logins of the database: migrate, login.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/migrate.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"
#include "schema/base/json.h"

#define AGENCIES_LIMIT 32

struct options {
	const char *database, *sql, *role;
	const char *agencies[AGENCIES_LIMIT];
	size_t agency_count;
	bool json;
};

static void
usage(FILE *to)
{
	fputs("사용법: haechi db migrate [--database CONNINFO] [--sql 폴더] [--json]\n"
	      "        haechi db login 이름 --role writer|agency|auditor|regulator [--agency 기관|'*']… "
	      "[--json]\n"
	      "usage:  haechi db migrate [--database CONNINFO] [--sql DIR] [--json]\n"
	      "        haechi db login NAME --role writer|agency|auditor|regulator [--agency NAME|'*']... "
	      "[--json]\n\n"
	      "  migrate  테이블을 최신으로 (몇 번이고 안전)\n"
	      "           bring the tables to the newest version (safe to repeat)\n"
	      "  login    로그인을 만들고 역할과 볼 수 있는 기관을 정함\n"
	      "           make a login, give it its role and the agencies it may see\n\n"
	      "  데이터베이스는 --database 또는 HAECHI_DATABASE\n"
	      "  the database is --database or HAECHI_DATABASE\n",
	      to);
}

/* ---- migrate --------------------------------------------------------------------------------------------------- */

static void
print_step(void *context, const struct migrate_step *step)
{
	const struct options *options = context;

	if (options->json)
		printf("{\"number\":%d,\"name\":\"%s\",\"sha256\":\"%s\",\"applied\":%s}\n", step->number,
		       step->name, step->digest, step->applied ? "true" : "false");
	else
		printf("%-8s  %-32s  sha256 %.16s…\n", step->applied ? "적용함" : "있음", step->name,
		       step->digest);
}

static int
run_migrate(const struct options *options, struct fault *why)
{
	struct database *database = NULL;
	char found[4096];
	const char *directory = options->sql;
	struct options shown = *options;
	int result = -1;

	if (directory == NULL && migrate_directory(found, sizeof found, why) == -1)
		return -1;
	if (command_open_database(&database, options->database, why) == -1)
		return -1;
	result = migrate(database, directory != NULL ? directory : found, print_step, &shown, why);
	database_close(database);
	return result;
}

/* ---- login ----------------------------------------------------------------------------------------------------- */

static int
write_login(struct buffer *sql, struct database *database, const char *name, const struct options *options,
            struct fault *why)
{
	static const char *const roles[] = {"writer", "agency", "auditor", "regulator"};
	bool known = false;

	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		known = known || strcmp(options->role, roles[i]) == 0;
	if (!known)
		return fault_set(why, FAULT_USAGE, "모르는 역할: %s", "unknown role: %s", options->role);
	buffer_string(sql, "BEGIN; DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ");
	database_quote(sql, database, name);
	buffer_string(sql, ") THEN CREATE ROLE ");
	database_quote_name(sql, database, name);
	buffer_string(sql, " LOGIN; END IF; END $do$; ");
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
		const bool wanted = strcmp(options->role, roles[i]) == 0;

		/* exactly one role: a login that was something else before is that no longer */
		buffer_printf(sql, "%s haechi_%s %s ", wanted ? "GRANT" : "REVOKE", roles[i],
		              wanted ? "TO" : "FROM");
		database_quote_name(sql, database, name);
		buffer_string(sql, "; ");
	}
	buffer_string(sql, "ALTER ROLE ");
	database_quote_name(sql, database, name);
	buffer_string(sql, strcmp(options->role, "writer") == 0 ? " SET role TO haechi_writer; "
	                                                        : " RESET role; ");
	buffer_string(sql, "SET LOCAL ROLE haechi_owner; DELETE FROM haechi.login_scope WHERE login = ");
	database_quote(sql, database, name);
	buffer_string(sql, "; ");
	for (size_t i = 0; i < options->agency_count; i++) {
		buffer_string(sql, "INSERT INTO haechi.login_scope VALUES (");
		database_quote(sql, database, name);
		buffer_string(sql, ", ");
		database_quote(sql, database, options->agencies[i]);
		buffer_string(sql, ") ON CONFLICT DO NOTHING; ");
	}
	buffer_string(sql, "COMMIT");
	return buffer_text(sql) == NULL ? fault_set(why, FAULT_INVALID, "이름이 UTF-8이 아니거나 너무 깁니다",
	                                            "a name is not UTF-8 or too long")
	                                : 0;
}

static int
run_login(const char *name, const struct options *options, struct fault *why)
{
	struct database *database = NULL;
	struct buffer sql, line;
	int result = -1;

	buffer_init(&sql, 64 * 1024);
	buffer_init(&line, 64 * 1024);
	if (options->role == NULL) {
		fault_set(why, FAULT_USAGE, "--role 을 정해 주십시오", "--role is missing");
		goto out;
	}
	if ((strcmp(options->role, "agency") == 0 || strcmp(options->role, "auditor") == 0) &&
	    options->agency_count == 0) {
		fault_set(why, FAULT_USAGE, "%s에는 --agency 가 있어야 합니다 (모든 기관은 '*')",
		          "%s needs --agency ('*' is every agency)", options->role);
		goto out;
	}
	if (command_open_database(&database, options->database, why) == -1 ||
	    write_login(&sql, database, name, options, why) == -1 ||
	    database_run(database, buffer_text(&sql), why) == -1)
		goto out;
	if (options->json) {
		buffer_string(&line, "{\"login\":");
		json_quote(&line, slice_string(name));
		buffer_printf(&line, ",\"role\":\"%s\",\"agencies\":[", options->role);
		for (size_t i = 0; i < options->agency_count; i++) {
			buffer_string(&line, i > 0 ? "," : "");
			json_quote(&line, slice_string(options->agencies[i]));
		}
		buffer_string(&line, "]}");
		printf("%s\n", buffer_text(&line));
	} else {
		printf("%s: 역할 haechi_%s. 암호는 정하지 않았습니다 (peer 또는 인증서)\n"
		       "%s: role haechi_%s. No password was set (peer or certificate)\n",
		       name, options->role, name, options->role);
	}
	result = 0;
out:
	database_close(database);
	buffer_free(&sql);
	buffer_free(&line);
	return result;
}

int
command_db(int argc, char **argv)
{
	enum { DATABASE = 256, SQL, ROLE, AGENCY, JSON };
	static const struct option known[] = {
	    {"database", required_argument, NULL, DATABASE},
	    {"sql",      required_argument, NULL, SQL     },
	    {"role",     required_argument, NULL, ROLE    },
	    {"agency",   required_argument, NULL, AGENCY  },
	    {"json",     no_argument,       NULL, JSON    },
	    {"help",     no_argument,       NULL, 'h'     },
	    {NULL,       0,                 NULL, 0       },
	};
	struct options options = {0};
	struct fault why = {0};
	int option;

	while ((option = command_option(argc, argv, "h", known)) != -1) {
		switch (option) {
		case DATABASE:
			options.database = optarg;
			break;
		case SQL:
			options.sql = optarg;
			break;
		case ROLE:
			options.role = optarg;
			break;
		case AGENCY:
			if (options.agency_count < AGENCIES_LIMIT)
				options.agencies[options.agency_count++] = optarg;
			break;
		case JSON:
			options.json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_GOOD;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind == 1 && strcmp(argv[optind], "migrate") == 0)
		return run_migrate(&options, &why) == -1 ? command_fail(&why) : EXIT_GOOD;
	if (argc - optind == 2 && strcmp(argv[optind], "login") == 0)
		return run_login(argv[optind + 1], &options, &why) == -1 ? command_fail(&why) : EXIT_GOOD;
	usage(stderr);
	return EXIT_USAGE;
}
