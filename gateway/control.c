#include "gateway/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/control_ops.h"
#include "gateway/gateway.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define LISTEN_QUEUE   16
#define READ_DEADLINE  (10 * 1000) /* ms for a whole line */
#define WRITE_DEADLINE (10 * 1000)

/* The kernel's struct ucred, which libc only shows to those who ask for all of GNU. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* What waits for another machine is answered on a thread of its own: nobody waits behind it. One at a time. */
struct aside {
	pthread_t thread;
	bool started; /* to be joined */
	atomic_bool busy;
	int fd;
	uid_t uid;
	json_t *request;
};

struct control {
	struct gateway *gateway;
	pthread_t thread;
	bool started;
	int listener, stop;
	char path[108];
	struct aside aside;
};

/* ---- who may what ---------------------------------------------------------------------------------------------------------- */

/* What the account behind the socket may do. */
static void
caller_of(struct control_caller *caller, struct snapshots *snapshots, uid_t uid)
{
	const struct config_review *review = &snapshots->config->review;
	struct passwd entry, *found = NULL;
	char names[4096];

	*caller = (struct control_caller){.owner = uid == 0 || uid == geteuid(), .snapshots = snapshots};
	if (getpwuid_r(uid, &entry, names, sizeof names, &found) != 0 || found == NULL)
		snprintf(caller->user, sizeof caller->user, "uid:%lu", (unsigned long)uid);
	else
		snprintf(caller->user, sizeof caller->user, "%s", found->pw_name);
	caller->reviewer.user = caller->reviewer.name = caller->user;
	for (uint32_t i = 0; i < review->reviewers_count; i++) {
		const struct config_reviewer *reviewer = &review->reviewers[i];

		if (strcmp(reviewer->user, caller->user) != 0 &&
		    !(strcmp(reviewer->user, "@self") == 0 && uid == geteuid()))
			continue;
		caller->is_reviewer = true;
		caller->reviewer.name = reviewer->name;
		caller->reviewer.roles = reviewer->roles;
		caller->reviewer.role_count = reviewer->roles_count;
		return;
	}
}

static bool
known(struct gateway *gateway, uid_t uid)
{
	struct snapshots *snapshots = gateway_hold(gateway);
	struct control_caller caller = {0};

	if (snapshots == NULL)
		return false;
	caller_of(&caller, snapshots, uid);
	snapshots_release(snapshots);
	return caller.owner || caller.is_reviewer;
}

int
control_handle(struct gateway *gateway, uid_t uid, const json_t *request, json_t **result, struct fault *why)
{
	const char *const op = json_get_string(request, "op");
	struct snapshots *snapshots = gateway_hold(gateway);
	struct control_caller caller;
	int status = -1;

	*result = NULL;
	if (snapshots == NULL || op == NULL) {
		fault_set(why, FAULT_INVALID, "op가 없습니다", "there is no op");
		goto out;
	}
	caller_of(&caller, snapshots, uid);
	status = control_run(gateway, &caller, op, request, result, why);
	if (status == -1)
		log_warn("control", "event=refused user=%s kind=%s", caller.user, fault_kind_name(why->kind));
out:
	snapshots_release(snapshots);
	return status;
}

/* ---- one connection -------------------------------------------------------------------------------------------------- */

static int
wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd poll_one = {.fd = fd, .events = events};
	int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / 1000000;

	return left_ms > 0 && poll(&poll_one, 1, (int)left_ms) == 1 ? 0 : -1;
}

/* Up to the line's end, which is dropped. -1: too long, too slow or gone. */
static int
read_line(int fd, struct buffer *line, int deadline_ms)
{
	const int64_t deadline = clock_monotonic_ns() + (int64_t)deadline_ms * 1000000;
	char piece[4096];

	for (;;) {
		ssize_t got;

		if (wait_for(fd, POLLIN, deadline) == -1)
			return -1;
		got = recv(fd, piece, sizeof piece, 0);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		buffer_append(line, piece, (size_t)got);
		if (!buffer_ok(line))
			return -1;
		if (line->data[line->size - 1] == '\n') {
			line->size--;
			return memchr(line->data, '\n', line->size) == NULL ? 0 : -1;
		}
	}
}

static int
write_all(int fd, struct slice bytes, int deadline_ms)
{
	const int64_t deadline = clock_monotonic_ns() + (int64_t)deadline_ms * 1000000;

	while (bytes.size > 0) {
		ssize_t sent;

		if (wait_for(fd, POLLOUT, deadline) == -1)
			return -1;
		sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
		if (sent == -1 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		bytes = slice_of(bytes.data + sent, bytes.size - (size_t)sent);
	}
	return 0;
}

/* `request` NULL: `why` says what was wrong with it. Takes it over, and closes the connection. */
static void
reply_to(struct control *control, int fd, uid_t uid, json_t *request, struct fault *why)
{
	json_t *result = NULL, *reply = NULL;
	struct buffer out;

	buffer_init(&out, 4 * CONTROL_LINE_LIMIT);
	if (request != NULL && control_handle(control->gateway, uid, request, &result, why) == 0)
		reply = json_pack("{s:b, s:O}", "ok", 1, "result", result);
	else
		reply = json_pack("{s:b, s:{s:i, s:s, s:s, s:s}}", "ok", 0, "error", "number", (int)why->kind,
		                  "kind", fault_kind_name(why->kind), "ko", why->ko, "en", why->en);
	json_write(&out, reply == NULL ? json_false() : reply);
	buffer_byte(&out, '\n');
	if (buffer_ok(&out))
		(void)write_all(fd, buffer_view(&out), WRITE_DEADLINE);
	close(fd);
	json_decref(request);
	json_decref(result);
	json_decref(reply);
	buffer_wipe(&out); /* a new key passes here once */
}

static void *
run_aside(void *argument)
{
	struct control *const control = argument;
	struct aside *const aside = &control->aside;
	struct fault why;

	reply_to(control, aside->fd, aside->uid, aside->request, &why);
	atomic_store(&aside->busy, false);
	return NULL;
}

/* false: answer it here. */
static bool
put_aside(struct control *control, int fd, uid_t uid, json_t *request)
{
	struct aside *const aside = &control->aside;
	const char *const op = json_get_string(request, "op");

	if (op == NULL || strcmp(op, "policy.pull") != 0)
		return false;
	if (atomic_load(&aside->busy)) {
		struct fault why;

		fault_set(&why, FAULT_BUSY, "이미 가져오는 중입니다",
		          "a look for a bundle is under way already");
		json_decref(request);
		reply_to(control, fd, uid, NULL, &why);
		return true;
	}
	if (aside->started)
		pthread_join(aside->thread, NULL);
	aside->fd = fd;
	aside->uid = uid;
	aside->request = request;
	atomic_store(&aside->busy, true);
	aside->started = pthread_create(&aside->thread, NULL, run_aside, control) == 0;
	if (!aside->started)
		atomic_store(&aside->busy, false);
	return aside->started;
}

/* Takes the connection over. */
static void
answer(struct control *control, int fd, uid_t uid)
{
	struct buffer line;
	json_t *request;
	struct fault why;

	buffer_init(&line, CONTROL_LINE_LIMIT);
	if (read_line(fd, &line, READ_DEADLINE) == -1) {
		close(fd);
	} else {
		request = json_read(buffer_view(&line), CONTROL_LINE_LIMIT, JSON_DEPTH_LIMIT, &why);
		if (request == NULL || !put_aside(control, fd, uid, request))
			reply_to(control, fd, uid, request, &why);
	}
	buffer_wipe(&line);
}

static void *
run(void *argument)
{
	struct control *control = argument;

	for (;;) {
		struct pollfd waiting[2] = {
		    {.fd = control->listener, .events = POLLIN},
                    {.fd = control->stop,     .events = POLLIN}
                };
		struct peer peer;
		socklen_t size = sizeof peer;
		int fd;

		if (poll(waiting, 2, -1) == -1 && errno != EINTR)
			break;
		if (waiting[1].revents != 0)
			break;
		if (waiting[0].revents == 0 || (fd = accept(control->listener, NULL, NULL)) == -1)
			continue;
		/* Strangers are cut off before a byte of theirs is read: connections are served one after the other. */
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		    known(control->gateway, peer.uid))
			answer(control, fd, peer.uid);
		else
			close(fd);
	}
	return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------------- */

static int
address_of(struct sockaddr_un *address, const char *path, struct fault *why)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address->sun_path)
		return fault_set(why, FAULT_INVALID, "소켓 경로가 너무 깁니다 (107자까지): %s",
		                 "socket path too long (107 at most): %s", path);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

int
control_start(struct control **out, struct gateway *gateway, const char *path, struct fault *why)
{
	struct control *control = calloc(1, sizeof *control);
	struct sockaddr_un address;
	int error;

	*out = NULL;
	if (control == NULL)
		return fault_memory(why);
	*control = (struct control){.gateway = gateway, .listener = -1, .stop = -1};
	atomic_init(&control->aside.busy, false);
	if (address_of(&address, path, why) == -1)
		goto fail;
	/* The ledger's lock says that no other haechid lives here: what is left is a corpse's. */
	unlink(path);
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	control->stop = eventfd(0, EFD_CLOEXEC);
	if (control->listener == -1 || control->stop == -1 ||
	    bind(control->listener, (struct sockaddr *)&address, sizeof address) == -1 ||
	    chmod(path, 0666) == -1 || listen(control->listener, LISTEN_QUEUE) == -1) {
		fault_errno(why, "운영자 소켓 %s", "operator's socket %s", path);
		goto fail;
	}
	snprintf(control->path, sizeof control->path, "%s", path);
	if ((error = pthread_create(&control->thread, NULL, run, control)) != 0) {
		errno = error;
		fault_errno(why, "운영자 소켓 스레드", "thread of the operator's socket");
		goto fail;
	}
	control->started = true;
	*out = control;
	return 0;
fail:
	control_stop(control);
	return -1;
}

void
control_stop(struct control *control)
{
	if (control == NULL)
		return;
	if (control->started) {
		eventfd_write(control->stop, 1);
		pthread_join(control->thread, NULL);
		if (control->aside.started)
			pthread_join(control->aside.thread, NULL);
		unlink(control->path);
	}
	if (control->listener != -1)
		close(control->listener);
	if (control->stop != -1)
		close(control->stop);
	free(control);
}

/* ---- the other end ------------------------------------------------------------------------------------------------------ */

int
control_ask(const char *path, const json_t *request, json_t **result, struct fault *why)
{
	struct sockaddr_un address;
	struct buffer line;
	json_t *reply = NULL;
	const json_t *error;
	int fd = -1, status = -1;

	*result = NULL;
	buffer_init(&line, 4 * CONTROL_LINE_LIMIT);
	json_write(&line, request);
	buffer_byte(&line, '\n');
	if (!buffer_ok(&line)) {
		fault_set(why, FAULT_TOO_LARGE, "요청이 너무 큽니다", "the request is too large");
		goto out;
	}
	if (address_of(&address, path, why) == -1)
		goto out;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    connect(fd, (struct sockaddr *)&address, sizeof address) == -1) {
		fault_errno(why, "haechid의 운영자 소켓 %s에 닿지 못했습니다",
		            "cannot reach haechid's socket %s", path);
		goto out;
	}
	if (write_all(fd, buffer_view(&line), WRITE_DEADLINE) == -1) {
		fault_set(why, FAULT_UNAVAILABLE, "haechid가 받지 않습니다",
		          "haechid does not take the request");
		goto out;
	}
	buffer_reset(&line);
	if (read_line(fd, &line, 60 * 1000) == -1) {
		fault_set(why, FAULT_UNAVAILABLE,
		          "haechid가 답하지 않았습니다 (권한이 없는 계정일 수 있습니다)",
		          "haechid did not answer (perhaps this account may not ask)");
		goto out;
	}
	if ((reply = json_read(buffer_view(&line), 4 * CONTROL_LINE_LIMIT, JSON_DEPTH_LIMIT, why)) == NULL)
		goto out;
	if (json_get_bool(reply, "ok", false)) {
		*result = json_incref(json_object_get(reply, "result"));
		status = 0;
		goto out;
	}
	error = json_object_get(reply, "error");
	fault_set(why, (enum fault_kind)json_get_integer(error, "number", FAULT_INTERNAL), "%s", "%s",
	          json_get_string(error, "ko") == NULL ? "?" : json_get_string(error, "ko"));
	if (json_get_string(error, "en") != NULL)
		snprintf(why->en, sizeof why->en, "%s", json_get_string(error, "en"));
out:
	if (fd != -1)
		close(fd);
	json_decref(reply);
	buffer_wipe(&line);
	return status;
}
