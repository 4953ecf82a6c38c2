/* A model file, from the container to every tensor bound to its place: shapes, positions, experts, latents. */
#define _GNU_SOURCE /* memfd_create */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inference/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *model = NULL;
	char path[64];
	int file = memfd_create("model", MFD_CLOEXEC);

	if (file == -1)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	if (write(file, data, size) == (ssize_t)size && model_open(&model, path, NULL) == 0) {
		struct runner_options options = {.rows = 1, .pages = 1, .context = 64};

		runner_page_bytes(model, &options);
		model_close(model);
	}
	close(file);
	return 0;
}
