#define _GNU_SOURCE /* O_PATH, syscall() */
#include "gateway/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12; numbers are the kernel's ABI (include/uapi/linux/landlock.h). */
#define RIGHT_REFER      (UINT64_C(1) << 13) /* ABI 2 */
#define RIGHT_TRUNCATE   (UINT64_C(1) << 14) /* ABI 3 */
#define RIGHT_IOCTL      (UINT64_C(1) << 15) /* ABI 5 */
#define RIGHTS_FIRST     ((UINT64_C(1) << 13) - 1)
#define RIGHT_BIND       (UINT64_C(1) << 0) /* ABI 4 */
#define RIGHT_CONNECT    (UINT64_C(1) << 1)
#define RULE_PORT        2
#define SCOPE_ABSTRACT   (UINT64_C(1) << 0) /* ABI 6 */
#define PROTOCOL_MPTCP   262
#define FASTOPEN_CONNECT 30
#define FASTOPEN_SEND    0x20000000

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_OF_FILES                                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |         \
	 RIGHT_TRUNCATE | RIGHT_IOCTL)

struct ruleset {
	uint64_t files, ports, scopes;
};

struct port_rule {
	uint64_t rights, port;
};

/* What libraries open while they run: each other, zones, certificates, names. */
static const char *const system_read[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ssl",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/ld.so.cache",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/passwd",
    "/proc/self",
    "/dev/urandom",
    "/sys/devices/system/cpu",
};

static int
allow_path(int ruleset, uint64_t handled, uint64_t rights, const char *path, struct fault *why)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights & handled};
	struct stat about;
	int result = 0;

	if ((rule.parent_fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
		           ? 0
		           : fault_errno(why, "%s 을(를) 열 수 없습니다", "cannot open %s", path);
	if (fstat(rule.parent_fd, &about) == 0 && !S_ISDIR(about.st_mode))
		rule.allowed_access &= RIGHTS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == -1)
		result = fault_errno(why, "Landlock 규칙을 넣을 수 없습니다: %s",
		                     "cannot add a Landlock rule: %s", path);
	close(rule.parent_fd);
	return result;
}

static int
allow_port(int ruleset, uint64_t right, uint16_t port, struct fault *why)
{
	struct port_rule rule = {right, port};

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) == -1)
		return fault_errno(why, "Landlock 포트 규칙을 넣을 수 없습니다: %u",
		                   "cannot add a Landlock rule for port %u", (unsigned)port);
	return 0;
}

static int
allow_ports(int ruleset, const struct sandbox_plan *plan, struct fault *why)
{
	for (size_t i = 0; i < plan->listen_count; i++)
		if (allow_port(ruleset, RIGHT_BIND, plan->listen[i], why) == -1)
			return -1;
	for (size_t i = 0; i < plan->connect_count; i++)
		if (allow_port(ruleset, RIGHT_CONNECT, plan->connect[i].port, why) == -1)
			return -1;
	return plan->resolve ? allow_port(ruleset, RIGHT_CONNECT, 53, why) : 0;
}

static int
landlock_on(const struct sandbox_plan *plan, struct sandbox_state *state, struct fault *why)
{
	struct ruleset attributes = {.files = RIGHTS_FIRST};
	size_t size;
	int ruleset, result = -1;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1)
		return 0; /* none in this kernel, or switched off: sandbox_complete() says so */
	state->landlock_abi = (int)abi;
	attributes.files |=
	    (abi >= 2 ? RIGHT_REFER : 0) | (abi >= 3 ? RIGHT_TRUNCATE : 0) | (abi >= 5 ? RIGHT_IOCTL : 0);
	attributes.ports = abi >= 4 ? RIGHT_BIND | RIGHT_CONNECT : 0;
	attributes.scopes = abi >= 6 ? SCOPE_ABSTRACT : 0;
	size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	if ((ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0)) == -1)
		return fault_errno(why, "Landlock 규칙을 만들 수 없습니다", "cannot make a Landlock ruleset");
	for (size_t i = 0; i < sizeof system_read / sizeof system_read[0]; i++)
		if (allow_path(ruleset, attributes.files, RIGHTS_READ, system_read[i], why) == -1)
			goto out;
	if (allow_path(ruleset, attributes.files, RIGHTS_OF_FILES & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
	               "/dev/null", why) == -1)
		goto out;
	for (size_t i = 0; i < plan->read_count; i++)
		if (allow_path(ruleset, attributes.files, RIGHTS_READ & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE,
		               plan->read[i], why) == -1)
			goto out;
	for (size_t i = 0; i < plan->write_count; i++)
		if (allow_path(ruleset, attributes.files,
		               ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
		                           LANDLOCK_ACCESS_FS_MAKE_BLOCK),
		               plan->write[i], why) == -1)
			goto out;
	if (abi >= 4 && allow_ports(ruleset, plan, why) == -1)
		goto out;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1) {
		fault_errno(why, "Landlock을 켤 수 없습니다", "cannot put Landlock on");
		goto out;
	}
	state->files = true;
	state->ports = abi >= 4;
	state->abstract = abi >= 6;
	result = 0;
out:
	close(ruleset);
	return result;
}

/* true: connecting to a port that nobody named fails in the kernel. Nothing is sent: the address is our own. */
static bool
port_held(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool held;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1)
		return errno == EPERM || errno == EACCES || errno == EAFNOSUPPORT;
	held = connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == EACCES;
	close(fd);
	return held;
}

static bool
file_held(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* nobody's plan names it */

	if (fd != -1)
		close(fd);
	return fd == -1 && errno == EACCES;
}

int
sandbox_begin(const struct sandbox_plan *plan, struct sandbox_state *state, struct fault *why)
{
	*state = (struct sandbox_state){.listener = -1};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return fault_errno(why, "no_new_privs를 켤 수 없습니다", "cannot set no_new_privs");
	state->no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return fault_errno(why, "코어 덤프를 끌 수 없습니다", "cannot switch core dumps off");
	state->no_dumps = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
	if (landlock_on(plan, state, why) == -1)
		return -1;
	state->tried_file = file_held();
	state->tried_port = port_held();
	return 0;
}

/* Never needed by a gateway that runs, and the ways out of a sandbox. */
static const int never[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(quotactl),
    SCMP_SYS(syslog),
    SCMP_SYS(personality),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(listen),
    SCMP_SYS(vhangup),
};

/* Refused; and refused with a signal to whoever tried, who tells of it: EPERM both times. */
static const uint32_t no = SCMP_ACT_ERRNO(EPERM);

static uint32_t
no_and_tell(const struct sandbox_plan *plan)
{
	return plan->watched ? SCMP_ACT_TRAP : no;
}

static struct scmp_arg_cmp
argument(unsigned number, enum scmp_compare compare, uint64_t one, uint64_t two)
{
	return (struct scmp_arg_cmp){.arg = number, .op = compare, .datum_a = one, .datum_b = two};
}

/* Which sockets can be made: Unix ones; Internet ones only as the plan says. true: all rules went in. */
static bool
socket_rules(scmp_filter_ctx filter, const struct sandbox_plan *plan)
{
	const bool out = plan->connect_count > 0;
	const uint64_t kind = 0xf; /* of the type, without SOCK_CLOEXEC and SOCK_NONBLOCK */
	const uint32_t told = no_and_tell(plan);
	bool good = true;

	/*
	 * AF_UNIX is 1, AF_INET 2, AF_INET6 10: everything else is closed in ranges around them. Quietly refused is what
	 * libraries do by themselves: glibc asks AF_NETLINK for the machine's addresses.
	 */
	good = good && seccomp_rule_add(filter, told, SCMP_SYS(socket), 1,
	                                argument(0, SCMP_CMP_GT, AF_NETLINK, 0)) == 0;
	for (unsigned domain = 0; good && domain <= AF_NETLINK; domain++) {
		if (domain == AF_UNIX)
			continue;
		if ((domain != AF_INET && domain != AF_INET6) || !out) {
			good = seccomp_rule_add(filter, domain == AF_NETLINK ? no : told, SCMP_SYS(socket), 1,
			                        argument(0, SCMP_CMP_EQ, domain, 0)) == 0;
			continue;
		}
		for (unsigned type = 0; good && type <= kind; type++) {
			if (type == SOCK_STREAM || (type == SOCK_DGRAM && plan->resolve))
				continue;
			/* libcurl looks whether there is IPv6 by such a socket. */
			good = seccomp_rule_add(filter, domain == AF_INET6 && type == SOCK_DGRAM ? no : told,
			                        SCMP_SYS(socket), 2, argument(0, SCMP_CMP_EQ, domain, 0),
			                        argument(1, SCMP_CMP_MASKED_EQ, kind, type)) == 0;
		}
		good = good && seccomp_rule_add(filter, told, SCMP_SYS(socket), 3,
		                                argument(0, SCMP_CMP_EQ, domain, 0),
		                                argument(1, SCMP_CMP_MASKED_EQ, kind, SOCK_STREAM),
		                                argument(2, SCMP_CMP_EQ, PROTOCOL_MPTCP, 0)) == 0;
	}
	/* Connecting by sending: the way around Landlock's look at connect(). */
	good = good && seccomp_rule_add(filter, told, SCMP_SYS(sendto), 1,
	                                argument(3, SCMP_CMP_MASKED_EQ, FASTOPEN_SEND, FASTOPEN_SEND)) == 0;
	good = good && seccomp_rule_add(filter, told, SCMP_SYS(sendmsg), 1,
	                                argument(2, SCMP_CMP_MASKED_EQ, FASTOPEN_SEND, FASTOPEN_SEND)) == 0;
	good = good && seccomp_rule_add(filter, told, SCMP_SYS(sendmmsg), 1,
	                                argument(3, SCMP_CMP_MASKED_EQ, FASTOPEN_SEND, FASTOPEN_SEND)) == 0;
	good = good && seccomp_rule_add(filter, told, SCMP_SYS(setsockopt), 2,
	                                argument(1, SCMP_CMP_EQ, IPPROTO_TCP, 0),
	                                argument(2, SCMP_CMP_EQ, FASTOPEN_CONNECT, 0)) == 0;
	/* Landlock refuses by itself; asked first is who tells. Without Internet sockets there is nothing to ask. */
	return good && (!out || !plan->watched ||
	                seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(connect), 0) == 0);
}

int
sandbox_seal(const struct sandbox_plan *plan, struct sandbox_state *state, struct fault *why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	const uint32_t told = no_and_tell(plan);
	int result = -1, error;
	bool good = filter != NULL;

	for (size_t i = 0; good && i < sizeof never / sizeof never[0]; i++)
		good = never[i] == __NR_SCMP_ERROR || seccomp_rule_add(filter, told, never[i], 0) == 0;
	/*
	 * Threads, but no processes; clone3() hides its flags from seccomp, so glibc is sent to clone(). Quietly: libraries block
	 * all signals around it, and a blocked SIGSYS ends the process.
	 */
	good = good && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
	good = good && seccomp_rule_add(filter, no, SCMP_SYS(clone), 1,
	                                argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
	good = good && socket_rules(filter, plan);
	good = good && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;
	if (!good) {
		fault_set(why, FAULT_SYSTEM, "seccomp 규칙을 만들 수 없습니다",
		          "cannot make the seccomp filter");
		goto out;
	}
	if ((error = seccomp_load(filter)) != 0) {
		errno = -error;
		fault_errno(why, "seccomp를 켤 수 없습니다", "cannot put seccomp on");
		goto out;
	}
	state->calls = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
	if (plan->watched && plan->connect_count > 0)
		state->listener = seccomp_notify_fd(filter);
	result = 0;
out:
	seccomp_release(filter);
	return result;
}

void
sandbox_try(struct sandbox_state *state)
{
	char *const nothing[] = {NULL};
	const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	state->tried_internet = fd == -1 && errno == EPERM;
	if (fd != -1)
		close(fd);
	state->tried_port = port_held();
	/* Nothing by that name: without the filter it would be ENOENT. */
	state->tried_execute = execve("/haechi-must-not-execute", nothing, nothing) == -1 && errno == EPERM;
}

int
sandbox_complete(const struct sandbox_plan *plan, const struct sandbox_state *state, struct fault *why)
{
	/* Without Internet sockets there is no port to hold: seccomp holds them all. */
	const bool ports = state->ports || (plan->connect_count == 0 && state->calls);
	const struct {
		bool on;
		const char *ko, *en;
	} rows[] = {
	    {state->no_new_privileges, "no_new_privs",                     "no_new_privs"                  },
	    {state->no_dumps,          "코어 덤프 금지",             "core dumps off"                },
	    {state->files,             "Landlock(파일)",                 "Landlock for files"            },
	    {ports,	            "Landlock(TCP 포트, 커널 6.7)", "Landlock for ports (Linux 6.7)"},
	    {state->calls,             "seccomp",                          "seccomp"                       },
	    {state->tried_file,        "파일 열기 시험",             "a forbidden file was opened"   },
	    {state->tried_port,        "포트 연결 시험",             "a forbidden port was tried"    },
	    {state->tried_internet,    "소켓 시험",                    "a forbidden socket was made"   },
	    {state->tried_execute,     "실행 시험",                    "a program could be executed"   },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!rows[i].on)
			return fault_set(why, FAULT_UNSUPPORTED, "격리가 완전하지 않습니다: %s%.0s",
			                 "the confinement is not complete: %.0s%s", rows[i].ko, rows[i].en);
	return 0;
}

void
sandbox_text(const struct sandbox_state *state, struct buffer *out)
{
	const struct {
		bool on;
		const char *name;
	} landlock[] =
	    {
	        {state->files,    "files"   },
                {state->ports,    "ports"   },
                {state->abstract, "abstract"}
        },
	  tried[] = {{state->tried_file, "file"},
	             {state->tried_port, "port"},
	             {state->tried_internet, "internet"},
	             {state->tried_execute, "execute"}};
	const char *comma = "";

	buffer_printf(out, "no_new_privileges=%s dumps=%s landlock=", state->no_new_privileges ? "on" : "off",
	              state->no_dumps ? "off" : "on");
	if (state->landlock_abi == 0)
		buffer_string(out, "absent");
	else {
		buffer_printf(out, "%d(", state->landlock_abi);
		for (size_t i = 0; i < 3; i++)
			if (landlock[i].on) {
				buffer_printf(out, "%s%s", comma, landlock[i].name);
				comma = ",";
			}
		buffer_string(out, ")");
	}
	buffer_printf(out, " seccomp=%s tried=", state->calls ? "on" : "off");
	comma = "";
	for (size_t i = 0; i < 4; i++)
		if (tried[i].on) {
			buffer_printf(out, "%s%s", comma, tried[i].name);
			comma = ",";
		}
}
