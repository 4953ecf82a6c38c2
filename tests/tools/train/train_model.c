/*
 * train_model -- trains policy/detect/model.weights out of policy/detect/corpus.
 *
 *	train_model [-s SEED] [-l WRITER] [-c CHECK.jsonl]... CORPUS [WEIGHTS]
 *
 * -l leaves one writer's requests out and tells how they fare; -c does so with requests of another file. The same seed gives
 * the same weights on the same machine. Nothing but text written by the project goes in.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/train/train.h"

static void
check(const struct requests *requests)
{
	struct score score = {.tp = 0};

	for (size_t i = 0; i < requests->count; i++)
		score_request(&score, &requests->list[i]);
	score_print(&score, requests->name);
}

static void
weights_write(const char *path)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL || fwrite(&trained, sizeof trained, 1, file) != 1 || fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

static void
usage(void)
{
	fprintf(stderr, "usage: train_model [-s SEED] [-l WRITER] [-c CHECK.jsonl]... CORPUS [WEIGHTS]\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	struct requests left_out = {.count = 0}, checks[8] = {{.count = 0}};
	size_t check_count = 0, left = WRITERS_LIMIT;
	int option;

	chance_state = 20260122;
	while ((option = getopt(argc, argv, "s:l:c:")) != -1) {
		if (option == 's')
			chance_state = (uint64_t)atoll(optarg);
		else if (option == 'l')
			left = (size_t)atoi(optarg) - 1;
		else if (option == 'c' && check_count < 8)
			requests_read(&checks[check_count++], optarg);
		else
			usage();
	}
	if (optind >= argc)
		usage();
	corpus_read(argv[optind]);
	if (left < writer_count) {
		left_out = writers[left];
		writers[left] = writers[--writer_count];
	}
	texts_add();
	weights_train();
	for (size_t i = 0; i < check_count; i++)
		check(&checks[i]);
	if (left_out.count > 0)
		check(&left_out);
	if (optind + 1 < argc)
		weights_write(argv[optind + 1]);
	return 0;
}
