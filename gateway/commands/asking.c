#include "gateway/commands/asking.h"

#include <stdlib.h>
#include <unistd.h>

#include "gateway/commands/commands.h"
#include "gateway/control.h"

const char *
asking_socket(const char *option)
{
	const char *const named = getenv("HAECHI_CONTROL");

	if (option != NULL)
		return option;
	if (named != NULL && named[0] != '\0')
		return named;
	return access("var/control.sock", F_OK) == 0 ? "var/control.sock" : "/run/haechi/control.sock";
}

int
asking_ask(const char *socket, json_t *request, json_t **result, struct fault *why)
{
	int status;

	*result = NULL;
	if (request == NULL)
		return fault_memory(why);
	status = control_ask(asking_socket(socket), request, result, why);
	json_decref(request);
	return status;
}

int
asking_print(const json_t *value)
{
	struct buffer text;
	int status = EXIT_USAGE;

	buffer_init(&text, (size_t)64 << 20);
	json_write(&text, value);
	buffer_byte(&text, '\n');
	if (buffer_ok(&text) && fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0)
		status = EXIT_GOOD;
	buffer_wipe(&text);
	return status;
}

int
asking_print_lines(const json_t *list)
{
	int status = EXIT_GOOD;

	for (size_t i = 0; i < json_array_size(list) && status == EXIT_GOOD; i++)
		status = asking_print(json_array_get(list, i));
	return status;
}
