/*
 * haechi classify [--stream] [FILE] -- the text-only signal: JSON lines in, JSON lines out, one for one.
 *
 * It says what a text gives away: signs of a domain of the Act and identifiers of people. It is no verdict: the Act
 * judges registered uses (haechi usecase assess). A line that cannot be read gets an error line of its own.
 */
#include <string.h>

#include "gateway/commands/classify_lines.h"
#include "gateway/commands/commands.h"
#include "gateway/commands/common.h"

/* Every line answered; *bad: some by an error. -1: standard output is gone. */
static int
classify_file(struct classifier *classifier, FILE *from, bool stream, bool *bad)
{
	struct slice line, answer;
	size_t number = 0;
	bool too_long;

	while (classifier_read(classifier, from, &line, &too_long)) {
		struct fault why = {0};

		if (++number == 1)
			line = slice_unmarked(line);
		while (line.size > 0 && (line.data[line.size - 1] == '\r' || line.data[line.size - 1] == ' '))
			line.size--;
		if (line.size == 0 && !too_long)
			continue;
		if (classifier_answer(classifier, line, too_long, number, &answer, &why) == -1) {
			fault_print(stderr, "haechi classify", &why);
			*bad = true;
		}
		if (fwrite(answer.data, 1, answer.size, stdout) != answer.size ||
		    (stream && fflush(stdout) != 0))
			return -1;
	}
	return 0;
}

static void
usage(FILE *to)
{
	fputs("사용법: haechi classify [--stream] [파일]   표준 입력이나 파일의 JSON 줄을 읽습니다\n"
	      "usage:  haechi classify [--stream] [FILE]  reads JSON lines from FILE or standard input\n\n"
	      "  {\"id\":\"1\",\"text\":\"...\"}  또는/or  "
	      "{\"id\":\"1\",\"messages\":[{\"role\":\"user\",\"content\":\"...\"}]}\n\n"
	      "  --stream  줄마다 바로 내보냅니다 / write each answer at once\n",
	      to);
}

int
command_classify(int argc, char **argv)
{
	struct classifier *classifier = NULL;
	struct fault why = {0};
	const char *path = NULL;
	FILE *from = NULL;
	bool stream = false, bad = false;
	int status = EXIT_USAGE;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--stream") == 0) {
			stream = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			continue; /* it never prints anything else */
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(stdout);
			return EXIT_GOOD;
		} else if (path != NULL || (argv[i][0] == '-' && argv[i][1] != '\0')) {
			return command_unknown(argv[i]);
		} else {
			path = argv[i];
		}
	}
	if (classifier_open(&classifier, &why) == -1)
		goto failed;
	if (path == NULL || strcmp(path, "-") == 0)
		from = stdin;
	else if ((from = fopen(path, "r")) == NULL) {
		fault_errno(&why, "파일을 열 수 없습니다: %s", "cannot open %s", path);
		goto failed;
	}
	if (classify_file(classifier, from, stream, &bad) == -1 || fflush(stdout) != 0) {
		fault_errno(&why, "표준 출력", "standard output");
		goto failed;
	}
	if (ferror(from)) {
		fault_errno(&why, "파일을 읽을 수 없습니다: %s", "cannot read %s", path == NULL ? "-" : path);
		goto failed;
	}
	status = bad ? EXIT_USAGE : EXIT_GOOD;
	goto out;
failed:
	fault_print(stderr, "haechi classify", &why);
out:
	if (from != NULL && from != stdin)
		fclose(from);
	classifier_close(classifier);
	return status;
}
