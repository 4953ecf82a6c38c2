#define _GNU_SOURCE /* pipe2, REG_RAX */
#include "gateway/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/listen.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define KINDS     16 /* different attempts told apart within a minute; the rest are one */
#define EVERY_MS  60000
#define NAME_SIZE 24

/* What goes through the pipe: smaller than PIPE_BUF, so whole. */
struct attempt {
	int call;                        /* -1: no more will come */
	uint64_t first, second;          /* arguments */
	struct sockaddr_storage address; /* of connect(); family AF_UNSPEC: none */
};

struct seen {
	char call[NAME_SIZE], to[ADDRESS_TEXT];
	uint32_t untold;
	int64_t told_ms; /* monotonic */
};

struct attempts {
	struct gateway *gateway;
	const struct sandbox_plan *plan;
	pthread_t watcher, recorder;
	bool watching, recording;
	int listener, leave;         /* of the watcher */
	struct seccomp_notif *asked; /* as large as this kernel's is */
	size_t asked_size;
	struct seccomp_notif_resp *answer;
	int pipe[2];  /* of attempts */
	int glass[2]; /* a pipe, to look at memory that may not be there */
	struct seen seen[KINDS];
	size_t seen_count;
};

/* A signal handler knows no owner: one in a process. */
static atomic_int pipe_in = -1;
static atomic_uint lost;

static void
tell(const struct attempt *attempt)
{
	if (write(atomic_load(&pipe_in), attempt, sizeof *attempt) != sizeof *attempt)
		atomic_fetch_add(&lost, 1);
}

static void
on_refused(int signal, siginfo_t *info, void *context)
{
	ucontext_t *const at = context;
	struct attempt attempt = {.call = info->si_syscall};
	const int error = errno;

	(void)signal;
#if defined(__x86_64__)
	attempt.first = (uint64_t)at->uc_mcontext.gregs[REG_RDI];
	attempt.second = (uint64_t)at->uc_mcontext.gregs[REG_RSI];
	at->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	attempt.first = at->uc_mcontext.regs[0];
	attempt.second = at->uc_mcontext.regs[1];
	at->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
#error "which registers hold the arguments and the result of a system call here?"
#endif
	tell(&attempt);
	errno = error;
}

/* The caller's memory is ours, but its pointer may be anything: the kernel looks, by way of a pipe. */
static bool
look(struct attempts *attempts, uint64_t pointer, uint64_t size, struct sockaddr_storage *out)
{
	ssize_t length;

	*out = (struct sockaddr_storage){0};
	if (size > sizeof *out)
		return false;
	length = syscall(SYS_write, attempts->glass[1], pointer, size);
	return length > 0 && read(attempts->glass[0], out, sizeof *out) == length;
}

static bool
same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
	              &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
	              sizeof(struct in6_addr)) == 0;
}

bool
attempts_declared(const struct sandbox_plan *plan, const struct sockaddr_storage *address)
{
	const uint16_t port = address_port(address);

	if (address->ss_family != AF_INET && address->ss_family != AF_INET6)
		return true; /* Unix sockets are files; nothing else can be made */
	/* Port 0 is the resolver asking which of our addresses would be used: nothing is sent. */
	if (plan->resolve && (port == 53 || port == 0))
		return true;
	for (size_t i = 0; i < plan->connect_count; i++)
		if (plan->connect[i].port == port &&
		    (plan->connect[i].host == NULL || same_host(plan->connect[i].host, address)))
			return true;
	return false;
}

static void *
watch(void *owner)
{
	struct attempts *const attempts = owner;
	struct seccomp_notif *const asked = attempts->asked;
	struct seccomp_notif_resp *const answer = attempts->answer;
	struct pollfd ready[] = {
	    {.fd = attempts->listener, .events = POLLIN},
            {.fd = attempts->leave,    .events = POLLIN}
        };

	for (;;) {
		struct attempt attempt = {0};

		if (poll(ready, 2, -1) == -1 && errno != EINTR)
			break;
		if (ready[1].revents != 0 || (ready[0].revents & (POLLHUP | POLLERR)) != 0)
			break;
		if ((ready[0].revents & POLLIN) == 0)
			continue;
		memset(asked, 0, attempts->asked_size); /* as the kernel wants it */
		if (seccomp_notify_receive(attempts->listener, asked) != 0)
			continue; /* its thread is gone */
		*answer =
		    (struct seccomp_notif_resp){.id = asked->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		/* What cannot be looked at the kernel refuses: EFAULT, EINVAL. */
		if (look(attempts, asked->data.args[1], asked->data.args[2], &attempt.address) &&
		    !attempts_declared(attempts->plan, &attempt.address)) {
			answer->flags = 0;
			answer->error = -EACCES;
			attempt.call = asked->data.nr;
			tell(&attempt);
		}
		if (seccomp_notify_respond(attempts->listener, answer) != 0)
			continue;
	}
	return NULL;
}

static void
name(const struct attempt *attempt, char call[NAME_SIZE], char to[ADDRESS_TEXT])
{
	static const char *const families[] = {
	    [AF_INET] = "AF_INET", [AF_INET6] = "AF_INET6", [AF_PACKET] = "AF_PACKET"};
	const struct sockaddr_storage *const address = &attempt->address;
	char *const found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, attempt->call);

	snprintf(call, NAME_SIZE, "%s", found == NULL ? "?" : found);
	free(found);
	to[0] = '\0';
	if (address->ss_family == AF_INET || address->ss_family == AF_INET6) {
		address_write(to, address);
	} else if (attempt->call == SCMP_SYS(socket)) {
		const uint64_t family = attempt->first;

		snprintf(to, ADDRESS_TEXT, "%s,%u",
		         family < sizeof families / sizeof *families && families[family] != NULL
		             ? families[family]
		             : "?",
		         (unsigned)(attempt->second & 0xf));
	}
}

static void
write_entry(struct attempts *attempts, struct seen *seen)
{
	struct snapshots *const snapshots = gateway_hold(attempts->gateway);
	struct entry_note note = {.action = seen->to[0] == '\0' ? "call-refused" : "egress-refused"};
	char id[ENTRY_ID_SIZE];
	struct fault why;

	if (seen->to[0] != '\0') {
		note.facts[note.fact_count].name = "address";
		note.facts[note.fact_count++].text = seen->to;
	}
	note.facts[note.fact_count].name = "call";
	note.facts[note.fact_count++].text = seen->call;
	note.facts[note.fact_count].name = "count";
	note.facts[note.fact_count++].number = seen->untold;
	log_warn("haechid", "event=%s call=%s address=%s count=%u", note.action, seen->call, seen->to,
	         seen->untold);
	if (gateway_note(attempts->gateway, ENTRY_LIFECYCLE, &note, snapshots->config->agency, "haechid", id,
	                 &why) == -1)
		log_fault(LOG_LEVEL_ERROR, "haechid", "attempt-not-recorded", &why);
	snapshots_release(snapshots);
	seen->told_ms = clock_monotonic_ns() / 1000000;
	seen->untold = 0;
}

static void
count(struct attempts *attempts, const char *call, const char *to, uint32_t more)
{
	struct seen *seen = attempts->seen;

	while (seen < attempts->seen + attempts->seen_count &&
	       (strcmp(seen->call, call) != 0 || strcmp(seen->to, to) != 0))
		seen++;
	if (seen == attempts->seen + attempts->seen_count) {
		if (attempts->seen_count == KINDS) {
			seen = &attempts->seen[KINDS - 1]; /* what is too many to name */
			snprintf(seen->call, sizeof seen->call, "*");
			snprintf(seen->to, sizeof seen->to, "*");
		} else {
			*seen = (struct seen){.told_ms = -EVERY_MS};
			snprintf(seen->call, sizeof seen->call, "%s", call);
			snprintf(seen->to, sizeof seen->to, "%s", to);
			attempts->seen_count++;
		}
	}
	seen->untold += more;
}

/* What is due, or (`all`) everything; kinds that were quiet for a minute are forgotten. */
static void
write_entries(struct attempts *attempts, bool all)
{
	const int64_t now = clock_monotonic_ns() / 1000000;
	const unsigned missed = atomic_exchange(&lost, 0);
	size_t kept = 0;

	if (missed > 0)
		count(attempts, "*", "*", missed);
	for (size_t i = 0; i < attempts->seen_count; i++) {
		struct seen *const seen = &attempts->seen[i];
		const bool due = all || now - seen->told_ms >= EVERY_MS;

		if (seen->untold > 0 && due)
			write_entry(attempts, seen);
		else if (due)
			continue;
		attempts->seen[kept++] = *seen;
	}
	attempts->seen_count = kept;
}

static void *
record(void *owner)
{
	struct attempts *const attempts = owner;
	struct pollfd ready = {.fd = attempts->pipe[0], .events = POLLIN};
	struct attempt attempt;
	char call[NAME_SIZE], to[ADDRESS_TEXT];

	for (;;) {
		if (poll(&ready, 1, attempts->seen_count > 0 ? EVERY_MS : -1) == 1) {
			if (read(attempts->pipe[0], &attempt, sizeof attempt) != sizeof attempt)
				continue;
			if (attempt.call == -1)
				break;
			name(&attempt, call, to);
			count(attempts, call, to, 1);
		}
		write_entries(attempts, false);
	}
	write_entries(attempts, true);
	return NULL;
}

int
attempts_open(struct attempts **out, struct fault *why)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct attempts *attempts = calloc(1, sizeof *attempts);

	if (attempts == NULL)
		return fault_memory(why);
	attempts->listener = attempts->leave = attempts->pipe[0] = attempts->pipe[1] = attempts->glass[0] =
	    attempts->glass[1] = -1;
	if (pipe2(attempts->pipe, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    pipe2(attempts->glass, O_CLOEXEC | O_NONBLOCK) == -1 ||
	    (attempts->leave = eventfd(0, EFD_CLOEXEC)) == -1 || sigaction(SIGSYS, &action, NULL) == -1) {
		fault_errno(why, "거부된 시도를 지켜볼 수 없습니다", "cannot watch for refused attempts");
		attempts_close(attempts);
		return -1;
	}
	atomic_store(&pipe_in, attempts->pipe[1]);
	*out = attempts;
	return 0;
}

int
attempts_watch(struct attempts *attempts, int listener, const struct sandbox_plan *plan, struct fault *why)
{
	struct seccomp_notif_sizes sizes;

	if ((attempts->listener = listener) == -1)
		return 0;
	attempts->plan = plan;
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == -1)
		return fault_errno(why, "seccomp 알림의 크기를 알 수 없습니다",
		                   "cannot learn the size of seccomp's notes");
	attempts->asked_size =
	    sizes.seccomp_notif > sizeof *attempts->asked ? sizes.seccomp_notif : sizeof *attempts->asked;
	attempts->asked = calloc(1, attempts->asked_size);
	attempts->answer =
	    calloc(1, sizes.seccomp_notif_resp > sizeof *attempts->answer ? sizes.seccomp_notif_resp
	                                                                  : sizeof *attempts->answer);
	if (attempts->asked == NULL || attempts->answer == NULL)
		return fault_memory(why);
	if ((errno = pthread_create(&attempts->watcher, NULL, watch, attempts)) != 0)
		return fault_errno(why, "스레드를 만들 수 없습니다", "cannot start a thread");
	attempts->watching = true;
	return 0;
}

int
attempts_record(struct attempts *attempts, struct gateway *gateway, struct fault *why)
{
	struct attempt own;

	while (read(attempts->pipe[0], &own, sizeof own) == sizeof own)
		continue;
	atomic_store(&lost, 0);
	attempts->gateway = gateway;
	if ((errno = pthread_create(&attempts->recorder, NULL, record, attempts)) != 0)
		return fault_errno(why, "스레드를 만들 수 없습니다", "cannot start a thread");
	attempts->recording = true;
	return 0;
}

void
attempts_settle(struct attempts *attempts)
{
	const struct attempt last = {.call = -1};

	if (attempts == NULL || !attempts->recording)
		return;
	while (write(attempts->pipe[1], &last, sizeof last) == -1 && (errno == EAGAIN || errno == EINTR))
		sched_yield(); /* full: the recorder is reading */
	pthread_join(attempts->recorder, NULL);
	attempts->recording = false;
}

void
attempts_close(struct attempts *attempts)
{
	const uint64_t one = 1;

	if (attempts == NULL)
		return;
	attempts_settle(attempts);
	if (attempts->watching && write(attempts->leave, &one, sizeof one) == sizeof one)
		pthread_join(attempts->watcher, NULL);
	/* A later SIGSYS finds no pipe: its call is refused all the same. */
	atomic_store(&pipe_in, -1);
	for (size_t i = 0; i < 2; i++) {
		if (attempts->pipe[i] != -1)
			close(attempts->pipe[i]);
		if (attempts->glass[i] != -1)
			close(attempts->glass[i]);
	}
	if (attempts->leave != -1)
		close(attempts->leave);
	if (attempts->listener != -1)
		close(attempts->listener);
	free(attempts->asked);
	free(attempts->answer);
	free(attempts);
}
