#include "gateway/remote.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REMOTE_WINDOW                                                                                        \
	((size_t)128 << 10) /* bytes held for a loop before curl is paused; above CURL_MAX_WRITE_SIZE */
#define REMOTE_KEPT 32L     /* connections kept over all */

/*
 * Two sides hold a call: the loop, until `end` or cancel, and the thread, until curl has let go. What both touch is
 * behind the lock. The second to let go frees it.
 */
struct remote_call {
	struct loop_note note; /* first: the note is the call */
	pthread_mutex_t lock;
	struct loop *loop; /* NULL: cancelled, nothing is told any more */
	struct engine_callbacks callbacks;
	void *owner;
	struct remote_call *next; /* of the commands */
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	/* behind the lock */
	struct buffer data;
	size_t limit, received;
	int status;
	char content_type[128];
	bool noted, have_head, ended, ok, curl_paused, too_large;
	enum fault_kind kind;
	bool thread_holds, loop_holds;
	/* the loop's own */
	bool head_told, paused;
	/* the thread's own */
	bool added;
	/* behind the thread's lock */
	bool queued, gone; /* among the commands; the thread has let go and takes no more of them */
};

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	CURLM *multi;
	struct remote_call *commands; /* to be begun, removed, or unpaused: the thread looks what it is */
	bool running, stopping;
} remote = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
call_free(struct remote_call *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buffer_free(&call->data);
	pthread_mutex_destroy(&call->lock);
	free(call);
}

/* One side lets go. */
static void
call_release(struct remote_call *call, bool thread)
{
	bool last;

	pthread_mutex_lock(&call->lock);
	if (thread)
		call->thread_holds = false;
	else
		call->loop_holds = false;
	last = !call->thread_holds && !call->loop_holds && !call->noted;
	pthread_mutex_unlock(&call->lock);
	if (last)
		call_free(call);
}

/* With the lock held. */
static void
call_tell(struct remote_call *call)
{
	if (call->loop == NULL || call->noted)
		return;
	call->noted = true;
	loop_post(call->loop, &call->note);
}

static void
call_command(struct remote_call *call)
{
	pthread_mutex_lock(&remote.lock);
	if (!call->queued && !call->gone) {
		call->queued = true;
		call->next = remote.commands;
		remote.commands = call;
		curl_multi_wakeup(remote.multi);
	}
	pthread_mutex_unlock(&remote.lock);
}

/* ---- the thread's side -------------------------------------------------------------------------------------------- */

/* With the lock held: status and type, once they are known. */
static void
call_head(struct remote_call *call)
{
	const char *type = NULL;
	long status = 0;
	size_t size;

	if (call->have_head)
		return;
	call->have_head = true;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
	call->status = (int)status;
	size = type == NULL ? 0 : strcspn(type, "; \t");
	if (size >= sizeof call->content_type)
		size = 0;
	for (size_t i = 0; i < size; i++)
		call->content_type[i] = (char)(type[i] >= 'A' && type[i] <= 'Z' ? type[i] | 0x20 : type[i]);
	call->content_type[size] = '\0';
}

static size_t
curl_data(char *bytes, size_t one, size_t size, void *owner)
{
	struct remote_call *call = owner;
	size_t result = size * one;

	pthread_mutex_lock(&call->lock);
	call_head(call);
	if (call->loop == NULL)
		result = CURL_WRITEFUNC_ERROR;
	else if (call->received + size * one > call->limit) {
		call->too_large = true;
		result = CURL_WRITEFUNC_ERROR;
	} else if (call->data.size > 0 && call->data.size + size * one > REMOTE_WINDOW) {
		call->curl_paused = true;
		result = CURL_WRITEFUNC_PAUSE;
	} else {
		call->received += size * one;
		buffer_append(&call->data, bytes, size * one);
		if (!buffer_ok(&call->data))
			result = CURL_WRITEFUNC_ERROR;
		call_tell(call);
	}
	pthread_mutex_unlock(&call->lock);
	return result;
}

static enum fault_kind
fault_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return FAULT_TIMEOUT;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return FAULT_INVALID;
	default:
		return FAULT_UNAVAILABLE;
	}
}

/* curl has let go of it, one way or another. */
static void
thread_over(struct remote_call *call, CURLcode code)
{
	if (call->added)
		curl_multi_remove_handle(remote.multi, call->easy);
	call->added = false;
	pthread_mutex_lock(&remote.lock);
	call->gone = true;
	for (struct remote_call **at = &remote.commands; call->queued && *at != NULL; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			call->queued = false;
			break;
		}
	pthread_mutex_unlock(&remote.lock);
	pthread_mutex_lock(&call->lock);
	if (code == CURLE_OK)
		call_head(call);
	call->ended = true;
	call->ok = code == CURLE_OK;
	call->kind = call->too_large ? FAULT_TOO_LARGE : fault_of(code);
	if (call->error[0] == '\0')
		snprintf(call->error, sizeof call->error, "%s", curl_easy_strerror(code));
	call_tell(call);
	pthread_mutex_unlock(&call->lock);
	call_release(call, true);
}

static void
thread_command(struct remote_call *call)
{
	bool gone, unpause;

	pthread_mutex_lock(&call->lock);
	gone = call->loop == NULL;
	unpause = call->curl_paused && call->data.size == 0;
	if (unpause)
		call->curl_paused = false;
	pthread_mutex_unlock(&call->lock);
	if (gone)
		thread_over(call, CURLE_ABORTED_BY_CALLBACK);
	else if (!call->added) {
		call->added = curl_multi_add_handle(remote.multi, call->easy) == CURLM_OK;
		if (!call->added)
			thread_over(call, CURLE_OUT_OF_MEMORY);
	} else if (unpause)
		curl_easy_pause(call->easy, CURLPAUSE_CONT);
}

static void *
remote_thread(void *unused)
{
	bool stopping = false;

	(void)unused;
	while (!stopping) {
		struct remote_call *commands, *next;
		CURLMsg *message;
		int running, left;

		pthread_mutex_lock(&remote.lock);
		commands = remote.commands;
		remote.commands = NULL;
		for (struct remote_call *call = commands; call != NULL; call = call->next)
			call->queued = false;
		stopping = remote.stopping;
		pthread_mutex_unlock(&remote.lock);
		for (struct remote_call *call = commands; call != NULL; call = next) {
			next = call->next;
			thread_command(call);
		}
		curl_multi_perform(remote.multi, &running);
		while ((message = curl_multi_info_read(remote.multi, &left)) != NULL) {
			struct remote_call *call;

			if (message->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
			thread_over(call, message->data.result);
		}
		if (!stopping)
			curl_multi_poll(remote.multi, NULL, 0, 1000, NULL);
	}
	return NULL;
}

static int
remote_start(struct fault *why)
{
	int error = 0;

	pthread_mutex_lock(&remote.lock);
	if (!remote.running) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		remote.multi = curl_multi_init();
		remote.stopping = false;
		if (remote.multi == NULL)
			error = fault_memory(why);
		else {
			curl_multi_setopt(remote.multi, CURLMOPT_MAXCONNECTS, REMOTE_KEPT);
			if (pthread_create(&remote.thread, NULL, remote_thread, NULL) != 0)
				error = fault_set(why, FAULT_SYSTEM, "스레드를 만들 수 없습니다",
				                  "cannot make a thread");
			else
				remote.running = true;
		}
	}
	pthread_mutex_unlock(&remote.lock);
	return error;
}

void
remote_stop(void)
{
	pthread_mutex_lock(&remote.lock);
	remote.stopping = true;
	pthread_mutex_unlock(&remote.lock);
	if (!remote.running)
		return;
	curl_multi_wakeup(remote.multi);
	pthread_join(remote.thread, NULL);
	curl_multi_cleanup(remote.multi);
	remote.multi = NULL;
	remote.running = false;
}

/* ---- the loop's side ---------------------------------------------------------------------------------------------- */

static void
remote_note(struct loop_note *note)
{
	struct remote_call *call = (struct remote_call *)(void *)note;
	struct buffer data = {0};
	bool ended, unpause, head, last;

	pthread_mutex_lock(&call->lock);
	/* `noted` stays set until the callbacks are through: they may cancel, and the note holds the call. */
	head = call->loop_holds && call->have_head && !call->head_told;
	if (call->loop_holds && !call->paused) {
		data = call->data;
		buffer_init(&call->data, call->limit);
	}
	ended = call->ended && !call->paused;
	unpause = call->curl_paused && !call->paused;
	pthread_mutex_unlock(&call->lock);
	if (head) {
		call->head_told = true;
		call->callbacks.head(call->owner, call->status, call->content_type);
	}
	if (call->loop_holds && data.size > 0)
		call->callbacks.data(call->owner, buffer_view(&data));
	buffer_free(&data);
	/* Paused inside the callback: the end waits too. */
	if (call->loop_holds && ended && !call->paused) {
		struct fault why;

		if (!call->ok)
			fault_set(&why, call->kind, "원격 엔진: %s", "remote engine: %s", call->error);
		pthread_mutex_lock(&call->lock);
		call->loop_holds = false;
		pthread_mutex_unlock(&call->lock);
		call->callbacks.end(call->owner, call->ok, call->ok ? NULL : &why);
	}
	if (call->loop_holds && unpause)
		call_command(call);
	pthread_mutex_lock(&call->lock);
	call->noted = false;
	if (call->loop_holds && !call->paused && (call->data.size > 0 || (call->ended && !ended)))
		call_tell(call);
	last = !call->loop_holds && !call->thread_holds;
	pthread_mutex_unlock(&call->lock);
	if (last)
		call_free(call);
}

static int
call_options(struct remote_call *call, const struct engine_address *address,
             const struct engine_request *request)
{
	CURL *easy = call->easy;
	char url[ENGINE_TEXT + 512], line[2048];
	struct curl_slist *list = NULL;
	CURLcode code = CURLE_OK;
	const struct {
		const char *name, *value;
	} headers[] = {
	    {"Content-Type",  request->content_type },
	    {"Authorization", request->authorization},
	    {"X-Request-ID",  request->request_id   }
        };

	if ((size_t)snprintf(url, sizeof url, "https://%s%s%s", address->host, address->base,
	                     request->path) >= sizeof url)
		return -1;
	list = curl_slist_append(list, "Expect:");
	for (size_t i = 0; list != NULL && i < 3; i++) {
		struct curl_slist *more;

		if (headers[i].value == NULL)
			continue;
		if ((size_t)snprintf(line, sizeof line, "%s: %s", headers[i].name, headers[i].value) >=
		        sizeof line ||
		    (more = curl_slist_append(list, line)) == NULL)
			break;
		list = more;
	}
	call->headers = list;
#define OPTION(name, value)                                                                                  \
	do {                                                                                                 \
		if (code == CURLE_OK)                                                                        \
			code = curl_easy_setopt(easy, name, value);                                          \
	} while (0)
	OPTION(CURLOPT_URL, url);
	OPTION(CURLOPT_PROTOCOLS_STR, "https");
	OPTION(CURLOPT_FOLLOWLOCATION, 0L);
	OPTION(CURLOPT_PROXY, "");
	OPTION(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	OPTION(CURLOPT_NOSIGNAL, 1L);
	OPTION(CURLOPT_TCP_NODELAY, 1L);
	OPTION(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	OPTION(CURLOPT_SSL_VERIFYPEER, 1L);
	OPTION(CURLOPT_SSL_VERIFYHOST, 2L);
	OPTION(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	OPTION(CURLOPT_CONNECTTIMEOUT_MS, (long)address->connect_ms);
	OPTION(CURLOPT_TIMEOUT_MS, (long)address->total_ms);
	OPTION(CURLOPT_CUSTOMREQUEST, request->method);
	if (request->body.size > 0) {
		OPTION(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
		OPTION(CURLOPT_COPYPOSTFIELDS, (const char *)request->body.data);
	}
	OPTION(CURLOPT_HTTPHEADER, list);
	if (address->ca[0] != '\0')
		OPTION(CURLOPT_CAINFO, address->ca);
	if (address->pin[0] != '\0')
		OPTION(CURLOPT_PINNEDPUBLICKEY, address->pin);
	OPTION(CURLOPT_ERRORBUFFER, call->error);
	OPTION(CURLOPT_WRITEFUNCTION, curl_data);
	OPTION(CURLOPT_WRITEDATA, call);
	OPTION(CURLOPT_PRIVATE, call);
#undef OPTION
	return code == CURLE_OK && list != NULL ? 0 : -1;
}

struct remote_call *
remote_call(struct loop *loop, const struct engine_address *address, const struct engine_request *request,
            const struct engine_callbacks *callbacks, void *owner, struct fault *why)
{
	struct remote_call *call;

	if (remote_start(why) == -1)
		return NULL;
	if ((call = calloc(1, sizeof *call)) == NULL || (call->easy = curl_easy_init()) == NULL) {
		free(call);
		fault_memory(why);
		return NULL;
	}
	pthread_mutex_init(&call->lock, NULL);
	call->note.run = remote_note;
	call->loop = loop;
	call->callbacks = *callbacks;
	call->owner = owner;
	call->limit = address->answer_size;
	buffer_init(&call->data, call->limit);
	if (call_options(call, address, request) == -1) {
		call_free(call);
		fault_set(why, FAULT_INTERNAL, "원격 엔진 요청을 만들 수 없습니다: %s",
		          "cannot make the request for a remote engine: %s", address->text);
		return NULL;
	}
	call->loop_holds = call->thread_holds = true;
	call_command(call);
	return call;
}

void
remote_cancel(struct remote_call *call)
{
	pthread_mutex_lock(&call->lock);
	call->loop = NULL;
	pthread_mutex_unlock(&call->lock);
	call_command(call);
	call_release(call, false);
}

void
remote_pause(struct remote_call *call)
{
	call->paused = true;
}

void
remote_resume(struct remote_call *call)
{
	call->paused = false;
	pthread_mutex_lock(&call->lock);
	call_tell(call);
	pthread_mutex_unlock(&call->lock);
}

/* ---- asking others than engines ------------------------------------------------------------------------------------- */

int
remote_url_check(const char *url, uint16_t *port, bool *numeric, struct fault *why)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL, *number = NULL, *user = NULL, *query = NULL;
	struct in6_addr address6;
	struct in_addr address;
	int result = -1;

	if (parts == NULL)
		return fault_memory(why);
	if (curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
		fault_set(why, FAULT_INVALID, "쓸 수 없는 URL입니다 (http나 https, 계정과 물음표 없이): %s",
		          "not a URL that can be asked (http or https, no account, no query): %s", url);
		goto out;
	}
	if (host[0] == '[') {
		host[strcspn(host, "]")] = '\0';
		*numeric = inet_pton(AF_INET6, host + 1, &address6) == 1;
	} else {
		*numeric = inet_pton(AF_INET, host, &address) == 1;
	}
	if (strcmp(scheme, "http") == 0 && !*numeric) {
		fault_set(why, FAULT_INVALID, "http:// 는 숫자 주소만 됩니다 (이름은 https:// 로): %s",
		          "http:// takes numeric addresses alone (names go by https://): %s", url);
		goto out;
	}
	*port = (uint16_t)strtoul(number, NULL, 10);
	result = 0;
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(number);
	curl_free(user);
	curl_free(query);
	curl_url_cleanup(parts);
	return result;
}

static size_t
ask_data(char *bytes, size_t one, size_t size, void *owner)
{
	struct remote_question *question = owner;

	buffer_append(&question->answer, bytes, one * size);
	return buffer_ok(&question->answer) ? one * size : CURL_WRITEFUNC_ERROR;
}

struct asked {
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	bool added, over;
};

static int
ask_options(struct asked *asked, struct remote_question *question)
{
	CURL *easy = asked->easy;
	CURLcode code = CURLE_OK;
	char line[4096];
	const struct {
		const char *name, *value;
	} fields[] = {
	    {"Content-Type",  question->content_type },
	    {"Authorization", question->authorization},
	    {"If-None-Match", question->if_none_match}
        };

	asked->headers = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct curl_slist *more;

		if (fields[i].value == NULL)
			continue;
		if ((size_t)snprintf(line, sizeof line, "%s: %s", fields[i].name, fields[i].value) >=
		        sizeof line ||
		    (more = curl_slist_append(asked->headers, line)) == NULL)
			return -1;
		asked->headers = more;
	}
#define OPTION(name, value)                                                                                  \
	do {                                                                                                 \
		if (code == CURLE_OK)                                                                        \
			code = curl_easy_setopt(easy, name, value);                                          \
	} while (0)
	OPTION(CURLOPT_URL, question->url);
	OPTION(CURLOPT_PROTOCOLS_STR, "http,https");
	OPTION(CURLOPT_FOLLOWLOCATION, 0L);
	OPTION(CURLOPT_PROXY, "");
	OPTION(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	OPTION(CURLOPT_NOSIGNAL, 1L);
	OPTION(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	OPTION(CURLOPT_SSL_VERIFYPEER, 1L);
	OPTION(CURLOPT_SSL_VERIFYHOST, 2L);
	OPTION(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	OPTION(CURLOPT_USERAGENT, "haechi");
	OPTION(CURLOPT_CONNECTTIMEOUT_MS, (long)question->deadline_ms);
	OPTION(CURLOPT_TIMEOUT_MS, (long)question->deadline_ms);
	OPTION(CURLOPT_CUSTOMREQUEST, question->method);
	if (question->body.size > 0) {
		OPTION(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->body.size);
		OPTION(CURLOPT_POSTFIELDS, (const char *)question->body.data);
	}
	OPTION(CURLOPT_HTTPHEADER, asked->headers);
	if (question->ca != NULL)
		OPTION(CURLOPT_CAINFO, question->ca);
	if (question->pin != NULL)
		OPTION(CURLOPT_PINNEDPUBLICKEY, question->pin);
	if (question->unix_socket != NULL)
		OPTION(CURLOPT_UNIX_SOCKET_PATH, question->unix_socket);
	OPTION(CURLOPT_ERRORBUFFER, asked->error);
	OPTION(CURLOPT_WRITEFUNCTION, ask_data);
	OPTION(CURLOPT_WRITEDATA, question);
#undef OPTION
	return code == CURLE_OK && asked->headers != NULL ? 0 : -1;
}

static void
take_etag(struct remote_question *question, CURL *easy)
{
	struct curl_header *header;

	if (curl_easy_header(easy, "ETag", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
	    strlen(header->value) < sizeof question->etag)
		snprintf(question->etag, sizeof question->etag, "%s", header->value);
}

static void
ask_over(struct remote_question *question, struct asked *asked, CURLcode code)
{
	long status = 0;

	asked->over = true;
	question->answered = code == CURLE_OK;
	if (code == CURLE_OK) {
		curl_easy_getinfo(asked->easy, CURLINFO_RESPONSE_CODE, &status);
		question->status = (int)status;
		take_etag(question, asked->easy);
	} else if (!buffer_ok(&question->answer)) {
		fault_set(&question->why, FAULT_TOO_LARGE, "%s: 답이 %zu바이트를 넘습니다",
		          "%s: the answer is over %zu bytes", question->url, question->answer_limit);
	} else {
		const char *const words = asked->error[0] != '\0' ? asked->error : curl_easy_strerror(code);

		fault_set(&question->why, fault_of(code), "%s: %s", "%s: %s", question->url, words);
	}
}

void
remote_ask(struct remote_question *questions, size_t count, const atomic_bool *stop)
{
	struct asked *asked = calloc(count == 0 ? 1 : count, sizeof *asked);
	CURLM *multi = NULL;
	int running = 1, left;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (size_t i = 0; i < count; i++) {
		struct remote_question *question = &questions[i];

		question->answered = false;
		question->status = 0;
		question->etag[0] = '\0';
		buffer_init(&question->answer, question->answer_limit);
		fault_memory(&question->why);
	}
	if (asked == NULL || (multi = curl_multi_init()) == NULL)
		goto out;
	for (size_t i = 0; i < count; i++)
		if ((asked[i].easy = curl_easy_init()) != NULL && ask_options(&asked[i], &questions[i]) == 0)
			asked[i].added = curl_multi_add_handle(multi, asked[i].easy) == CURLM_OK;
	while (running > 0 && (stop == NULL || !atomic_load(stop))) {
		CURLMsg *message;

		if (curl_multi_perform(multi, &running) != CURLM_OK)
			break;
		while ((message = curl_multi_info_read(multi, &left)) != NULL)
			for (size_t i = 0; i < count && message->msg == CURLMSG_DONE; i++)
				if (asked[i].easy == message->easy_handle)
					ask_over(&questions[i], &asked[i], message->data.result);
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, 100, NULL);
	}
	for (size_t i = 0; i < count; i++)
		if (asked[i].added && !asked[i].over)
			ask_over(&questions[i], &asked[i], CURLE_OPERATION_TIMEDOUT);
out:
	for (size_t i = 0; asked != NULL && i < count; i++) {
		if (asked[i].added)
			curl_multi_remove_handle(multi, asked[i].easy);
		curl_easy_cleanup(asked[i].easy);
		curl_slist_free_all(asked[i].headers);
	}
	curl_multi_cleanup(multi);
	curl_global_cleanup();
	free(asked);
}
