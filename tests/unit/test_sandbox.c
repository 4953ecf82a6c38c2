/*
 * The sandbox from inside: a child enters it, tries what is forbidden and what must still work, and reports by its
 * exit status. Where the kernel has no Landlock the parts that need it are skipped, by name.
 */
#define _GNU_SOURCE /* MSG_FASTOPEN, clone */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/attempts.h"
#include "gateway/sandbox.h"

static char folder[] = "/tmp/haechi-test-sandbox-XXXXXX";
static char inside[64], outside[64];
static struct sandbox_state state_of; /* of the first child: what this kernel has */

/* Numbered so that a failure names its line. */
#define EXPECT(what)                                                                                         \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "line %d: %s (errno %d %s)\n", __LINE__, #what, errno,               \
			        strerror(errno));                                                            \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void
run(void (*child)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		child();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
enter(struct sandbox_plan *plan, struct sandbox_state *state)
{
	struct fault why;

	plan->write[plan->write_count++] = inside;
	if (sandbox_begin(plan, state, &why) == -1 || sandbox_seal(plan, state, &why) == -1) {
		fault_print(stderr, "test_sandbox", &why);
		_exit(1);
	}
	sandbox_try(state);
}

static bool
denied(long result)
{
	return result == -1 && (errno == EPERM || errno == EACCES);
}

static int
connect_to(uint16_t port, int type, int protocol)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, protocol), result;

	if (fd == -1)
		return -1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&address, sizeof address);
	close(fd);
	return result;
}

static void
child_report(void)
{
	struct sandbox_plan plan = {0};
	struct sandbox_state state;
	struct buffer text;
	struct fault why;

	enter(&plan, &state);
	buffer_init(&text, 1024);
	sandbox_text(&state, &text);
	printf("%s\n", buffer_text(&text));
	fflush(stdout);
	EXPECT(state.no_new_privileges && state.no_dumps && state.calls);
	EXPECT(state.tried_internet && state.tried_execute && state.tried_port);
	EXPECT((sandbox_complete(&plan, &state, &why) == 0) == (state.landlock_abi > 0));
	_exit(state.landlock_abi >= 4 ? 0 : state.landlock_abi > 0 ? 3 : 4);
}

static void
test_report(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		child_report();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	state_of.files = WEXITSTATUS(status) != 4;
	state_of.ports = WEXITSTATUS(status) == 0;
	if (!state_of.ports)
		print_message("Landlock here: files %s, ports no\n", state_of.files ? "yes" : "no");
}

static void
child_files(void)
{
	struct sandbox_plan plan = {0};
	struct sandbox_state state;
	char path[256];
	int fd;

	enter(&plan, &state);
	snprintf(path, sizeof path, "%s/new", inside);
	EXPECT((fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600)) != -1);
	EXPECT(write(fd, "x", 1) == 1 && fdatasync(fd) == 0);
	close(fd);
	snprintf(path, sizeof path, "%s/secret", outside);
	EXPECT(denied(open(path, O_RDONLY)));
	EXPECT(denied(open(path, O_WRONLY)));
	EXPECT(denied(truncate(path, 0)));
	snprintf(path, sizeof path, "%s/new", outside);
	EXPECT(denied(open(path, O_CREAT | O_WRONLY, 0600)));
	EXPECT(denied(mkdir(path, 0700)));
	EXPECT(denied(open("/etc/shadow", O_RDONLY)) || errno == ENOENT);
	EXPECT(denied(open("/root", O_RDONLY | O_DIRECTORY)) || errno == ENOENT);
	EXPECT((fd = open("/dev/urandom", O_RDONLY)) != -1);
}

static void
test_files(void **state)
{
	(void)state;
	if (!state_of.files)
		skip();
	run(child_files);
}

/* Without engines on the Internet's protocols: no such socket, of any kind. */
static void
child_no_internet(void)
{
	struct sandbox_plan plan = {0};
	struct sandbox_state state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int pair[2], fd;

	enter(&plan, &state);
	for (int type = SOCK_STREAM; type <= SOCK_PACKET; type++) {
		EXPECT(denied(socket(AF_INET, type, 0)));
		EXPECT(denied(socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
	}
	EXPECT(denied(socket(AF_NETLINK, SOCK_RAW, 0)));
	EXPECT(denied(socket(AF_PACKET, SOCK_RAW, 0)));
	EXPECT(denied(socket(40 /* VSOCK */, SOCK_STREAM, 0)));
	EXPECT(denied(socket(AF_INET, SOCK_STREAM, 262 /* MPTCP */)));
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	EXPECT((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", inside);
	EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0); /* the test listens there */
}

static void
test_no_internet(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", inside);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 4), 0);
	run(child_no_internet);
	close(fd);
	unlink(address.sun_path);
}

static uint16_t allowed_port;

/* With one engine's port: that one and no other, and none of the ways around connect(). */
static void
child_one_port(void)
{
	struct sandbox_plan plan = {.connect = {{.port = allowed_port}}, .connect_count = 1};
	struct sandbox_state state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address};
	int fd, one = 1;

	enter(&plan, &state);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(connect_to(allowed_port, SOCK_STREAM, 0) == 0);
	EXPECT(denied(connect_to(9, SOCK_STREAM, 0)));
	EXPECT(denied(connect_to((uint16_t)(allowed_port + 1), SOCK_STREAM, 0)));
	EXPECT(denied(connect_to(allowed_port, SOCK_STREAM, 262)));
	EXPECT(denied(socket(AF_INET, SOCK_DGRAM, 0)));
	EXPECT(denied(socket(AF_INET, SOCK_RAW, IPPROTO_RAW)));
	EXPECT((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	EXPECT(denied(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof address)));
	EXPECT(denied(sendmsg(fd, &message, MSG_FASTOPEN)));
	EXPECT(denied(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one)));
	EXPECT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
	EXPECT(denied(bind(fd, (struct sockaddr *)&address, sizeof address)));
	EXPECT(denied(listen(fd, 1)));
}

/* The same, watched: what attempts.h says of it, also of hosts. */
static void
child_watched(void)
{
	struct sockaddr_in listening = {.sin_family = AF_INET, .sin_port = htons(allowed_port)},
	                   other = listening;
	struct sockaddr_storage host = {0};
	struct sandbox_plan plan = {.connect = {{allowed_port, &host}}, .connect_count = 1, .watched = true};
	struct sandbox_state state;
	struct attempts *attempts = NULL;
	struct fault why;
	int fd;

	listening.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	memcpy(&host, &listening, sizeof listening);
	EXPECT(attempts_open(&attempts, &why) == 0);
	EXPECT(sandbox_begin(&plan, &state, &why) == 0 && sandbox_seal(&plan, &state, &why) == 0);
	EXPECT(state.listener != -1 && attempts_watch(attempts, state.listener, &plan, &why) == 0);
	sandbox_try(&state);
	EXPECT(state.tried_internet && state.tried_execute && state.tried_port);
	for (int i = 0; i < 100; i++) {
		EXPECT(i > 1 || connect_to(allowed_port, SOCK_STREAM, 0) == 0); /* nobody accepts */
		EXPECT(connect_to(9, SOCK_STREAM, 0) == -1 && errno == EACCES);
		EXPECT((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
		EXPECT(connect(fd, (struct sockaddr *)&other, sizeof other) == -1 && errno == EACCES);
		EXPECT(connect(fd, (struct sockaddr *)8, sizeof other) == -1 && errno == EFAULT);
		EXPECT(connect(fd, (struct sockaddr *)&other, 4096) == -1 && errno == EINVAL);
		close(fd);
		EXPECT(socket(AF_INET, SOCK_RAW, IPPROTO_RAW) == -1 && errno == EPERM);
		EXPECT(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EPERM);
		EXPECT(denied(fork()));
	}
	attempts_close(attempts);
	EXPECT(connect_to(allowed_port, SOCK_STREAM, 0) == -1 && errno == ENOSYS);
	EXPECT(socket(AF_INET, SOCK_RAW, IPPROTO_RAW) == -1 && errno == EPERM);
}

static void
test_one_port(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	if (!state_of.ports) {
		close(fd);
		skip();
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	allowed_port = ntohs(address.sin_port);
	run(child_one_port);
	run(child_watched);
	close(fd);
}

static void *
thread_tries(void *result)
{
	*(bool *)result =
	    denied(socket(AF_INET, SOCK_RAW, 0)) && denied(execl("/bin/true", "true", (char *)NULL));
	return NULL;
}

static pthread_barrier_t barrier;

static void *
thread_waits(void *result)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return thread_tries(result);
}

/* Nothing can be run, no process made, nothing traced; threads of before and after are held, and can be made. */
static void
child_calls(void)
{
	struct sandbox_plan plan = {0};
	struct sandbox_state state;
	struct fault why;
	pthread_t thread;
	bool early = false, late = false;
	char *const arguments[] = {NULL};

	if (sandbox_begin(&plan, &state, &why) == -1)
		_exit(1);
	pthread_barrier_init(&barrier, NULL, 2);
	EXPECT(pthread_create(&thread, NULL, thread_waits, &early) == 0);
	pthread_barrier_wait(&barrier);
	EXPECT(sandbox_seal(&plan, &state, &why) == 0);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	EXPECT(early);
	EXPECT(pthread_create(&thread, NULL, thread_tries, &late) == 0);
	pthread_join(thread, NULL);
	EXPECT(late);
	EXPECT(denied(execve("/bin/true", arguments, arguments)));
	EXPECT(denied(fork()));
	EXPECT(denied(ptrace(PTRACE_TRACEME, 0, 0, 0)));
	EXPECT(denied(unshare(CLONE_NEWUSER)));
	EXPECT(denied(setuid(0)));
	EXPECT(getpid() > 0 && malloc(1 << 24) != NULL);
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void
test_calls(void **state)
{
	(void)state;
	run(child_calls);
}

static int
before(void **state)
{
	char path[160];
	int fd;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(inside, sizeof inside, "%s/inside", folder);
	snprintf(outside, sizeof outside, "%s/outside", folder);
	snprintf(path, sizeof path, "%s/secret", outside);
	if (mkdir(inside, 0700) == -1 || mkdir(outside, 0700) == -1 ||
	    (fd = open(path, O_CREAT | O_WRONLY, 0600)) == -1)
		return -1;
	close(fd);
	return 0;
}

static int
after(void **state)
{
	char path[160];

	(void)state;
	snprintf(path, sizeof path, "%s/secret", outside);
	unlink(path);
	snprintf(path, sizeof path, "%s/new", inside);
	unlink(path);
	rmdir(inside);
	rmdir(outside);
	rmdir(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_report),   cmocka_unit_test(test_files), cmocka_unit_test(test_no_internet),
	    cmocka_unit_test(test_one_port), cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, before, after);
}
