/*
 * main -- replays a corpus through one fuzz target with any compiler: `replay_X FILE|FOLDER...`.
 * A crash or a sanitizer's complaint is the failure; there is nothing else to compare.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replayed;

static int
replay_file(const char *path)
{
	uint8_t *data = NULL;
	FILE *file = fopen(path, "rb");
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
	    fseek(file, 0, SEEK_SET) != 0 || (data = malloc((size_t)size + 1)) == NULL ||
	    fread(data, 1, (size_t)size, file) != (size_t)size) {
		perror(path);
		return -1;
	}
	fclose(file);
	/* Exactly as long as the input, so that a sanitizer sees the first byte read beyond it. */
	{
		uint8_t *exact = malloc((size_t)size == 0 ? 1 : (size_t)size);

		if (exact == NULL)
			return -1;
		memcpy(exact, data, (size_t)size);
		LLVMFuzzerTestOneInput(exact, (size_t)size);
		free(exact);
	}
	free(data);
	replayed++;
	return 0;
}

static int
replay(const char *path)
{
	struct stat state;
	struct dirent *each;
	DIR *folder;
	int result = 0;

	if (stat(path, &state) != 0) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(state.st_mode))
		return replay_file(path);
	if ((folder = opendir(path)) == NULL) {
		perror(path);
		return -1;
	}
	while (result == 0 && (each = readdir(folder)) != NULL) {
		char inner[PATH_MAX];

		if (each->d_name[0] == '.' ||
		    (size_t)snprintf(inner, sizeof inner, "%s/%s", path, each->d_name) >= sizeof inner)
			continue;
		result = replay(inner);
	}
	closedir(folder);
	return result;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) != 0)
			return 2;
	printf("%zu inputs\n", replayed);
	return replayed == 0;
}
