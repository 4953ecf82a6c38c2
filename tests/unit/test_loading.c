/* Goal of this test: while the model is loaded everything is answered with 503 and how far it is; then the engine answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "inference/engine_api.h"
#include "inference/model.h"
#include "tests/gguf_maker.h"

static char folder[] = "/tmp/haechi-loading-XXXXXX";
static char text[65536];

/* One request on a connection of its own; the answer in `text`. */
static const char *
get(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char request[256];
	size_t size = 0;
	ssize_t got;

	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while ((got = read(fd, text + size, sizeof text - 1 - size)) > 0)
		size += (size_t)got;
	text[size] = '\0';
	close(fd);
	return text;
}

static void *
run(void *api)
{
	engine_api_run(api);
	return NULL;
}

/* From any thread: never less than before. */
static _Atomic unsigned told, calls;

static void
on_progress(void *context, unsigned percent)
{
	(void)context;
	calls++;
	if (percent > 99)
		abort();
	if (percent > told)
		told = percent;
}

static void
a_socket_is_there_before_the_model(void **state)
{
	struct engine_options options = {.parallel = 1, .context = 64, .progress = on_progress};
	struct buffer file = maker_model(QUANT_Q8_0, 5);
	char listen[64], model[64];
	struct engine_api *api = NULL;
	struct engine *engine = NULL;
	struct chat_template *chat_template = NULL;
	struct fault why = {0};
	pthread_t thread;
	FILE *out;

	(void)state;
	setenv("HAECHI_CACHE_DIR", "/nonexistent/haechi", 1);
	assert_non_null(mkdtemp(folder));
	snprintf(listen, sizeof listen, "unix:%s/socket", folder);
	snprintf(model, sizeof model, "%s/m.gguf", folder);
	out = fopen(model, "wb");
	assert_int_equal(fwrite(file.data, 1, file.size, out), file.size);
	fclose(out);
	buffer_free(&file);
	assert_int_equal(engine_api_open(&api, listen, &why), 0);
	assert_string_equal(engine_api_address(api), listen);
	assert_int_equal(pthread_create(&thread, NULL, run, api), 0);
	assert_non_null(strstr(get("/healthz"), "HTTP/1.1 503 "));
	assert_non_null(strstr(text, "{\"status\":\"loading\",\"percent\":0}"));
	engine_api_loading(api, 42);
	assert_non_null(strstr(get("/healthz"), "\"percent\":42"));
	assert_non_null(strstr(get("/v1/models"), "HTTP/1.1 503 "));
	assert_non_null(strstr(text, "Retry-After: 1\r\n"));
	assert_non_null(strstr(text, "(42%) | the model is being loaded (42%)"));
	assert_non_null(strstr(get("/metrics"), "HTTP/1.1 503 "));
	options.model = model;
	if (engine_open(&engine, &options, &why) == -1 ||
	    template_open(&chat_template, NULL, slice_of(NULL, 0), engine_model(engine)->tokenizer, &why) ==
	        -1)
		fail_msg("%s", why.en);
	assert_true(calls > 0 &&
	            told >= 49); /* all is hashed at least; repacking is as the machine's kernels are */
	engine_api_begin(api, engine, chat_template);
	assert_non_null(strstr(get("/healthz"), "HTTP/1.1 200 "));
	assert_non_null(strstr(get("/v1/models"), "\"test-llama\""));
	engine_api_stop(api);
	pthread_join(thread, NULL);
	engine_api_close(api);
	template_close(chat_template);
	engine_close(engine);
	unlink(model);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_socket_is_there_before_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
