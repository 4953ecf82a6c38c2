#define _GNU_SOURCE /* unshare, O_PATH */
#include "inference/engine_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inference/weights.h"

#define READ_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILES                                                                                          \
	(READ_FILES | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                          \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR)
#define SOCKET_FILES (LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE)
/* Everything that the first version knows; later ones are added where the kernel has them. */
#define ALL_FILES ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* Let `access` to what lies at or under `path`. A path that is not there, or not for us, needs no rule. */
static int
allow(int rules, const char *path, uint64_t access, struct fault *why)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	int result;

	if ((rule.parent_fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR
		           ? 0
		           : fault_errno(why, "격리: %s", "confinement: %s", path);
	result = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	if (result == -1)
		fault_errno(why, "격리: %s", "confinement: %s", path);
	close(rule.parent_fd);
	return result;
}

/* The folder that holds `path`, into out of 4096 bytes. */
static void
folder_of(const char *path, char *out)
{
	char *slash;

	snprintf(out, 4096, "%s", path);
	if ((slash = strrchr(out, '/')) == NULL)
		snprintf(out, 4096, ".");
	else
		slash[slash == out ? 1 : 0] = '\0';
}

/* What a driver opens: devices, itself and what it needs, facts about the machine. */
static const struct {
	const char *path;
	uint64_t access;
} of_gpu[] = {
    {"/dev",   READ_FILES | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/sys",   READ_FILES                                },
    {"/etc",   READ_FILES                                },
    {"/run",   READ_FILES                                },
    {"/usr",   READ_FILES | LANDLOCK_ACCESS_FS_EXECUTE   },
    {"/opt",   READ_FILES | LANDLOCK_ACCESS_FS_EXECUTE   },
    {"/lib",   READ_FILES | LANDLOCK_ACCESS_FS_EXECUTE   },
    {"/lib64", READ_FILES | LANDLOCK_ACCESS_FS_EXECUTE   },
};

static int
restrict_files(int version, const char *model, const char *listen, bool gpu, struct fault *why)
{
	struct landlock_ruleset_attr attributes = {.handled_access_fs = ALL_FILES};
	char folder[4096], cache[1024], real[4096];
	int rules, result = -1;

#ifdef LANDLOCK_ACCESS_FS_REFER
	if (version >= 2)
		attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
#endif
#ifdef LANDLOCK_ACCESS_FS_TRUNCATE
	if (version >= 3)
		attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
#endif
	(void)version;
	if ((rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)) == -1)
		return fault_errno(why, "격리: Landlock", "confinement: Landlock");
	/* A model may be a link into another folder: its parts lie where the first one does. */
	folder_of(model, folder);
	if (allow(rules, folder, READ_FILES, why) == -1)
		goto out;
	if (realpath(model, real) != NULL) {
		folder_of(real, folder);
		if (allow(rules, folder, READ_FILES, why) == -1)
			goto out;
	}
	if (weights_cache_directory(cache, sizeof cache, true) && allow(rules, cache, WRITE_FILES, why) == -1)
		goto out;
	if (strncmp(listen, "unix:", 5) == 0) {
		folder_of(listen + 5, folder);
		if (allow(rules, folder, SOCKET_FILES, why) == -1)
			goto out;
	}
	/* What the crew asks the kernel about the machine. */
	if (allow(rules, "/sys/devices/system/cpu", READ_FILES, why) == -1 ||
	    allow(rules, "/proc", READ_FILES, why) == -1)
		goto out;
	for (size_t i = 0; gpu && i < sizeof of_gpu / sizeof *of_gpu; i++)
		if (allow(rules, of_gpu[i].path, of_gpu[i].access, why) == -1)
			goto out;
	if (syscall(SYS_landlock_restrict_self, rules, 0) == -1) {
		fault_errno(why, "격리: Landlock", "confinement: Landlock");
		goto out;
	}
	result = 0;
out:
	close(rules);
	return result;
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static bool
write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool good = file != -1 && write(file, text, strlen(text)) == (ssize_t)strlen(text);

	if (file != -1)
		close(file);
	return good;
}

/* Without privileges a network of one's own comes with users of one's own; what rights that gives are dropped. */
static bool
leave_as_user(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	const unsigned user = geteuid(), group = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1)
		return false;
	snprintf(map, sizeof map, "%u %u 1", user, user);
	write_text("/proc/self/uid_map", map);
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u %u 1", group, group);
	write_text("/proc/self/gid_map", map);
	syscall(SYS_capset, &header, none);
	return true;
}

/* Somebody saw to it before: there is nothing but the loopback. */
static bool
only_loopback(void)
{
	FILE *devices = fopen("/proc/self/net/dev", "re");
	char line[512];
	unsigned count = 0, others = 0;

	while (devices != NULL && fgets(line, sizeof line, devices) != NULL) {
		const char *name = line + strspn(line, " ");

		if (strchr(name, ':') == NULL) /* the two lines of heads have none */
			continue;
		count++;
		others += strncmp(name, "lo:", 3) != 0;
	}
	if (devices != NULL)
		fclose(devices);
	return count > 0 && others == 0;
}

int
engine_sandbox_files(struct engine_sandbox *out, const char *model, const char *listen, bool gpu,
                     struct fault *why)
{
	int version;

	memset(out, 0, sizeof *out);
	out->gpu = gpu;
	/* A core would hold what people asked. */
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == -1)
		return fault_errno(why, "격리: RLIMIT_CORE", "confinement: RLIMIT_CORE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return fault_errno(why, "격리: no_new_privs", "confinement: no_new_privs");
	if (strncmp(listen, "unix:", 5) == 0)
		out->no_network = unshare(CLONE_NEWNET) == 0 || only_loopback() || (!gpu && leave_as_user());
	version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return 0;
	if (restrict_files(version, model, listen, gpu, why) == -1)
		return -1;
	out->landlock = version;
	return 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

int
engine_sandbox_calls(struct engine_sandbox *sandbox, struct fault *why)
{
#ifdef SANITIZED
	/* The sanitizers' own work at the end needs more than the engine does. */
	(void)why;
	sandbox->seccomp = false;
	return 0;
#else
	static const int calls[] = {SCMP_SYS(read),
	                            SCMP_SYS(write),
	                            SCMP_SYS(writev),
	                            SCMP_SYS(recvfrom),
	                            SCMP_SYS(sendto),
	                            SCMP_SYS(recvmsg),
	                            SCMP_SYS(sendmsg),
	                            SCMP_SYS(accept4),
	                            SCMP_SYS(setsockopt),
	                            SCMP_SYS(shutdown),
	                            SCMP_SYS(close),
	                            SCMP_SYS(epoll_wait),
	                            SCMP_SYS(epoll_pwait),
	                            SCMP_SYS(epoll_ctl),
	                            SCMP_SYS(futex),
	                            SCMP_SYS(munmap),
	                            SCMP_SYS(mremap),
	                            SCMP_SYS(madvise),
	                            SCMP_SYS(brk),
	                            SCMP_SYS(clock_gettime),
	                            SCMP_SYS(clock_nanosleep),
	                            SCMP_SYS(nanosleep),
	                            SCMP_SYS(gettimeofday),
	                            SCMP_SYS(getrandom),
	                            SCMP_SYS(exit),
	                            SCMP_SYS(exit_group),
	                            SCMP_SYS(rt_sigreturn),
	                            SCMP_SYS(rt_sigprocmask),
	                            SCMP_SYS(rt_sigaction),
	                            SCMP_SYS(sched_yield),
	                            SCMP_SYS(restart_syscall),
	                            SCMP_SYS(getpid),
	                            SCMP_SYS(gettid),
	                            SCMP_SYS(tgkill),
	                            SCMP_SYS(fstat),
	                            SCMP_SYS(newfstatat),
	                            SCMP_SYS(set_robust_list),
	                            SCMP_SYS(rseq),
	                            SCMP_SYS(unlink),
	                            SCMP_SYS(unlinkat)};
	scmp_filter_ctx filter;
	int failed;

	if (sandbox->gpu)
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	failed = filter == NULL ? -ENOMEM : 0;
	if (failed == 0)
		failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; failed == 0 && i < sizeof calls / sizeof *calls; i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	/* Memory, but never memory to run. */
	if (failed == 0)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (failed == 0)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (failed == 0)
		failed = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (failed != 0) {
		errno = -failed;
		return fault_errno(why, "격리: seccomp", "confinement: seccomp");
	}
	sandbox->seccomp = true;
	return 0;
#endif
}
