/* Configurations: accepted or refused with words in both languages, and nothing leaks either way. */
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config = NULL;
	struct fault why = {0};

	if (size > 16 * 1024)
		return 0;
	if (config_parse(&config, slice_of(data, size), "fuzz.yaml", "/nonexistent", &why) == -1) {
		if (config != NULL || why.ko[0] == '\0' || why.en[0] == '\0')
			abort();
		return 0;
	}
	if (config->route_count == 0 || config_route(config, config->routes[0].model) == NULL)
		abort();
	config_release(config);
	return 0;
}
