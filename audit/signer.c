#define _GNU_SOURCE /* close_range */

#include "audit/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/checkpoint.h"
#include "audit/lasthead.h"
#include "audit/keys.h"
#include "audit/segment.h"
#include "schema/base/clock.h"
#include "schema/base/log.h"

#define ANSWER_WAIT_MS 10000
#define START_WAIT_MS  20000
#define LOCK_WAIT_MS   1500
#define PUBLIC_LIMIT   4096u

/* Between two processes of one program: plain structs. */
struct request {
	uint64_t first;
	uint32_t count; /* hashes that follow */
	uint32_t unused;
};

struct answer {
	uint32_t failed; /* then `size` is sizeof(struct fault) */
	uint32_t size;   /* bytes that follow: a note; at start a frontier and the vkeys */
	uint64_t durable;
};

static bool
send_whole(int socket, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size != 0) {
		ssize_t put = send(socket, at, size, MSG_NOSIGNAL);

		if (put == -1 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		at += put;
		size -= (size_t)put;
	}
	return true;
}

/* Both in one piece when they are small: one call, and the other end wakes once. */
static bool
send_both(int socket, const void *head, size_t head_size, const void *body, size_t body_size)
{
	uint8_t piece[4096];

	if (head_size + body_size > sizeof piece)
		return send_whole(socket, head, head_size) && send_whole(socket, body, body_size);
	memcpy(piece, head, head_size);
	if (body_size != 0)
		memcpy(piece + head_size, body, body_size);
	return send_whole(socket, piece, head_size + body_size);
}

/*
 * Until *got reaches `least`, taking what is there up to `most`: question and answer alternate, so nothing behind a message is
 * ever taken with it. `deadline` in CLOCK_MONOTONIC nanoseconds; 0: wait for ever.
 */
static bool
receive_least(int socket, void *data, size_t *got, size_t least, size_t most, int64_t deadline)
{
	uint8_t *bytes = data;

	while (*got < least) {
		ssize_t taken;

		if (deadline != 0) {
			struct pollfd poll_for = {.fd = socket, .events = POLLIN};
			int64_t left = (deadline - clock_monotonic_ns()) / 1000000;
			int ready = left <= 0 ? 0 : poll(&poll_for, 1, (int)left);

			if (ready == -1 && errno == EINTR)
				continue;
			if (ready <= 0)
				return false;
		}
		taken = recv(socket, bytes + *got, most - *got, 0);
		if (taken == -1 && errno == EINTR)
			continue;
		if (taken <= 0)
			return false;
		*got += (size_t)taken;
	}
	return true;
}

/* ==== the child ========================================================================================= */

struct child {
	int socket, head_file;
	struct keys keys;
	char origin[NOTE_NAME_SIZE];
	struct tree_frontier head; /* last signed */
	struct buffer block, text, note;
	struct {
		struct request request;
		struct tree_hash leaves[SEGMENT_COUNT_LIMIT];
	} asked;
	/* shared with the thread that forces the memory to the disk */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned current;          /* block that is written */
	uint64_t written, durable; /* sizes of the heads: in the current block; in a block that rests */
	bool dirty, failed;
};

static bool
block_write(const struct child *child)
{
	const off_t begin = (off_t)(child->current * LASTHEAD_BLOCK);
	size_t done = 0;

	while (done < LASTHEAD_BLOCK) {
		ssize_t put = pwrite(child->head_file, child->block.data + done, LASTHEAD_BLOCK - done,
		                     begin + (off_t)done);

		if (put == -1 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

/*
 * Write the head into the current block. The lock is held for the write: the block must not change meanwhile.
 */
static int
remember(struct child *child, const struct tree_frontier *head, struct fault *why)
{
	int result = 0;

	buffer_reset(&child->block);
	lasthead_write(&child->block, head);
	if (!buffer_ok(&child->block))
		return fault_memory(why);
	pthread_mutex_lock(&child->lock);
	if (child->failed) {
		result = fault_set(why, FAULT_UNAVAILABLE, "서명자의 기억을 디스크에 쓸 수 없습니다",
		                   "the signer's memory cannot be kept on disk");
	} else if (!block_write(child)) {
		child->failed = true;
		result = fault_errno(why, "서명자의 기억(last-head) 쓰기",
		                     "writing the signer's memory (last-head)");
	} else {
		child->dirty = true;
		child->written = head->size;
		pthread_cond_signal(&child->changed);
	}
	pthread_mutex_unlock(&child->lock);
	return result;
}

static void *
force_to_disk(void *argument)
{
	struct child *child = argument;
	const struct timespec pause = {.tv_sec = 1};

	for (;;) {
		uint64_t size;

		pthread_mutex_lock(&child->lock);
		while (!child->dirty)
			pthread_cond_wait(&child->changed, &child->lock);
		child->dirty = false;
		size = child->written;
		/*
		 * From here on the block just written rests; the one written next is neither it nor the last
		 * that rested.
		 */
		child->current = (child->current + 1) % LASTHEAD_BLOCKS;
		pthread_mutex_unlock(&child->lock);
		if (fdatasync(child->head_file) == -1) {
			pthread_mutex_lock(&child->lock);
			child->failed = true;
			pthread_mutex_unlock(&child->lock);
			return NULL;
		}
		pthread_mutex_lock(&child->lock);
		child->durable = size;
		pthread_mutex_unlock(&child->lock);
		(void)nanosleep(&pause, NULL);
	}
}

static int
sign(struct child *child, const struct request *request, struct fault *why)
{
	struct tree_frontier next = child->head;
	struct checkpoint checkpoint = {.origin = slice_string(child->origin)};

	if (request->first != child->head.size)
		return fault_set(
		    why, FAULT_CONFLICT,
		    "서명 거부: 마지막으로 서명한 크기는 %" PRIu64 "인데 %" PRIu64 "에서 이어 달라고 합니다",
		    "refusing to sign: the last signed size is %" PRIu64 ", asked to go on from %" PRIu64,
		    child->head.size, request->first);
	for (uint32_t i = 0; i < request->count; i++)
		tree_frontier_add(&next, &child->asked.leaves[i], NULL, NULL);
	checkpoint.size = next.size;
	tree_frontier_root(&checkpoint.root, &next);
	buffer_reset(&child->text);
	checkpoint_write(&child->text, &checkpoint);
	buffer_reset(&child->note);
	buffer_slice(&child->note, buffer_view(&child->text));
	buffer_byte(&child->note, '\n');
	if (!buffer_ok(&child->text) || !buffer_ok(&child->note))
		return fault_memory(why);
	if (request->count != 0 && remember(child, &next, why) == -1)
		return -1;
	child->head = next;
	return keys_sign(&child->keys, buffer_view(&child->text), &child->note, why);
}

static bool
answer_send(struct child *child, bool failed, struct slice body)
{
	struct answer answer = {.failed = failed, .size = (uint32_t)body.size};

	pthread_mutex_lock(&child->lock);
	answer.durable = child->durable;
	pthread_mutex_unlock(&child->lock);

	return send_both(child->socket, &answer, sizeof answer, body.data, body.size);
}

/* A filter under sanitizers would have to know theirs: those builds test everything else. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTERED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTERED 0
#endif
#endif
#ifndef FILTERED
#define FILTERED 1
#endif

/* These calls get `listed`, all others `others`; for every thread, for good. */
static int
filter_calls(uint32_t others, uint32_t listed, const int *calls, size_t count, struct fault *why)
{
	scmp_filter_ctx filter;
	int result = -1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return fault_errno(why, "no_new_privs", "no_new_privs");
	if (!FILTERED)
		return 0;
	filter = seccomp_init(others);
	if (filter == NULL || seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (seccomp_rule_add(filter, listed, calls[i], 0) != 0)
			goto out;
	if (seccomp_load(filter) == 0)
		result = 0;
out:
	seccomp_release(filter);
	if (result == -1)
		return fault_set(why, FAULT_SYSTEM, "서명자를 가둘 수 없습니다 (seccomp)",
		                 "the signer cannot be confined (seccomp)");
	return 0;
}

/*
 * With keys in a token its module must open files and sockets of its own: what is left to forbid is to become another program, to
 * look into others, or to listen.
 */
int
confine_loosely(struct fault *why)
{
	static const int forbidden[] = {
	    SCMP_SYS(execve),
	    SCMP_SYS(execveat),
	    SCMP_SYS(fork),
	    SCMP_SYS(vfork),
	    SCMP_SYS(ptrace),
	    SCMP_SYS(process_vm_readv),
	    SCMP_SYS(process_vm_writev),
	    SCMP_SYS(listen),
	    SCMP_SYS(mount),
	    SCMP_SYS(unshare),
	    SCMP_SYS(setns),
	    SCMP_SYS(bpf),
	    SCMP_SYS(init_module),
	    SCMP_SYS(finit_module),
	    SCMP_SYS(kexec_load),
	    SCMP_SYS(keyctl),
	};

	return filter_calls(SCMP_ACT_ALLOW, SCMP_ACT_KILL_PROCESS, forbidden,
	                    sizeof forbidden / sizeof forbidden[0], why);
}

static int
confine(struct fault *why)
{
	/*
	 * Read and write its socket and its file, wait, allocate memory, draw random bytes, end. Nothing can
	 * be opened.
	 */
	static const int allowed[] = {
	    SCMP_SYS(read),
	    SCMP_SYS(write),
	    SCMP_SYS(pwrite64),
	    SCMP_SYS(sendto),
	    SCMP_SYS(recvfrom),
	    SCMP_SYS(poll),
	    SCMP_SYS(ppoll),
	    SCMP_SYS(fdatasync),
	    SCMP_SYS(futex),
	    SCMP_SYS(getrandom),
	    SCMP_SYS(clock_gettime),
	    SCMP_SYS(clock_nanosleep),
	    SCMP_SYS(nanosleep),
	    SCMP_SYS(rseq),
	    SCMP_SYS(set_robust_list),
	    SCMP_SYS(sched_yield),
	    SCMP_SYS(munlock),
	    SCMP_SYS(brk),
	    SCMP_SYS(mmap),
	    SCMP_SYS(munmap),
	    SCMP_SYS(mremap),
	    SCMP_SYS(madvise),
	    SCMP_SYS(mprotect),
	    SCMP_SYS(rt_sigreturn),
	    SCMP_SYS(rt_sigprocmask),
	    SCMP_SYS(restart_syscall),
	    SCMP_SYS(getpid),
	    SCMP_SYS(gettid),
	    SCMP_SYS(close),
	    SCMP_SYS(exit),
	    SCMP_SYS(exit_group),
	};

	return filter_calls(SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW, allowed,
	                    sizeof allowed / sizeof allowed[0], why);
}

static int
head_open(struct child *child, const char *directory, struct fault *why)
{
	uint8_t bytes[LASTHEAD_FILE_SIZE];
	const struct timespec moment = {.tv_nsec = 10000000};
	char path[PATH_MAX];
	unsigned block, waited = 0;
	size_t size = 0;
	ssize_t got;

	if ((size_t)snprintf(path, sizeof path, "%s/" KEYS_HEAD_FILE, directory) >= sizeof path)
		return fault_set(why, FAULT_INVALID, "키 폴더 경로가 너무 깁니다",
		                 "the key directory's path is too long");
	child->head_file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (child->head_file == -1)
		return fault_errno(why, "서명자의 기억 %s", "the signer's memory %s", path);
	/* The signer of a daemon that was just killed may need a moment to die. */
	while (flock(child->head_file, LOCK_EX | LOCK_NB) == -1 && waited < LOCK_WAIT_MS) {
		(void)nanosleep(&moment, NULL);
		waited += 10;
	}
	if (waited >= LOCK_WAIT_MS)
		return fault_set(why, FAULT_CONFLICT, "다른 haechid가 이 키(%s)로 서명하고 있습니다",
		                 "another haechid signs with these keys (%s)", path);
	/* A read that ends early says nothing of the file. */
	while ((got = pread(child->head_file, bytes + size, sizeof bytes - size, (off_t)size)) != 0) {
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return fault_errno(why, "서명자의 기억 %s", "the signer's memory %s", path);
		size += (size_t)got;
	}
	if (lasthead_file_read(&child->head, &block, slice_of(bytes, size), why) == -1)
		return fault_prefix(why, "%s", "%s", path);
	/*
	 * What was read may rest in the cache only; it becomes the block that rests, the next one is written.
	 */
	if (fdatasync(child->head_file) == -1)
		return fault_errno(why, "서명자의 기억 %s 동기화", "syncing the signer's memory %s", path);
	child->current = (block + 1) % LASTHEAD_BLOCKS;
	child->durable = child->head.size;
	return 0;
}

static int
child_prepare(struct child *child, const char *directory, const char *origin, struct fault *why)
{
	static const struct rlimit no_core;
	pthread_t thread;

	if (sodium_init() == -1 || CRYPTO_secure_malloc_init(65536, 32) == 0)
		return fault_set(why, FAULT_SYSTEM, "서명자가 잠긴 메모리를 얻지 못했습니다",
		                 "the signer cannot get locked memory");
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return fault_errno(why, "PR_SET_DUMPABLE", "PR_SET_DUMPABLE");
	snprintf(child->origin, sizeof child->origin, "%s", origin);
	buffer_init(&child->block, LASTHEAD_BLOCK);
	buffer_init(&child->text, SIGNER_NOTE_LIMIT);
	buffer_init(&child->note, SIGNER_NOTE_LIMIT);
	if (keys_load(&child->keys, directory, origin, why) == -1 || head_open(child, directory, why) == -1)
		return -1;
	/*
	 * Sign once before the filter closes: libcrypto reads its configuration and its random seed on first
	 * use.
	 */
	if (keys_sign(&child->keys, SLICE_LITERAL("haechi\n"), &child->note, why) == -1)
		return -1;
	if (pthread_create(&thread, NULL, force_to_disk, child) != 0)
		return fault_set(why, FAULT_SYSTEM, "서명자의 스레드를 만들 수 없습니다",
		                 "the signer's thread cannot be made");
	pthread_detach(thread);
	return child->keys.custodian != NULL ? confine_loosely(why) : confine(why);
}

static _Noreturn void
child_run(int socket, const char *directory, const char *origin, pid_t parent)
{
	struct child *child = calloc(1, sizeof *child);
	struct buffer hello;
	struct fault why = {0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || child == NULL)
		_exit(1);
	(void)prctl(PR_SET_NAME, "haechi-signer", 0, 0, 0);
	/* Ctrl-C reaches the whole group: the parent stops first and needs signatures until then. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	pthread_mutex_init(&child->lock, NULL);
	pthread_cond_init(&child->changed, NULL);
	if (dup2(socket, 3) == -1)
		_exit(1);
	(void)close_range(4, ~0u, 0);
	child->socket = 3;
	buffer_init(&hello, PUBLIC_LIMIT + LASTHEAD_BLOCK);
	if (child_prepare(child, directory, origin, &why) == -1) {
		(void)answer_send(child, true, slice_of(&why, sizeof why));
		_exit(1);
	}
	buffer_append(&hello, &child->head, sizeof child->head);
	for (size_t i = 0; i < child->keys.count; i++) {
		note_key_write(&hello, &child->keys.key[i].public_key);
		buffer_byte(&hello, '\n');
	}
	if (!buffer_ok(&hello) || !answer_send(child, false, buffer_view(&hello)))
		_exit(1);
	for (;;) {
		const struct request *request = &child->asked.request;
		size_t got = 0;
		bool sent;

		if (!receive_least(child->socket, &child->asked, &got, sizeof *request, sizeof child->asked,
		                   0) ||
		    request->count > SEGMENT_COUNT_LIMIT ||
		    !receive_least(child->socket, &child->asked, &got,
		                   sizeof *request + request->count * sizeof child->asked.leaves[0],
		                   sizeof child->asked, 0))
			break;
		if (sign(child, request, &why) == -1)
			sent = answer_send(child, true, slice_of(&why, sizeof why));
		else
			sent = answer_send(child, false, buffer_view(&child->note));
		if (!sent)
			break;
	}
	(void)fdatasync(child->head_file);
	keys_release(&child->keys);
	_exit(0);
}

/* ==== the parent ======================================================================================== */

struct signer {
	pid_t pid;
	int socket;
	struct tree_frontier head;
	uint64_t durable; /* the signer's, as last told */
	struct buffer public_keys;
	bool failed;
};

static int
signer_gone(struct signer *signer, struct fault *why)
{
	signer->failed = true;
	return fault_set(why, FAULT_UNAVAILABLE,
	                 "서명자 프로세스(pid %ld)가 답하지 않습니다. haechid를 다시 시작하십시오",
	                 "the signer process (pid %ld) does not answer: restart haechid", (long)signer->pid);
}

static int
answer_receive(struct signer *signer, struct buffer *body, int wait_ms, struct fault *why)
{
	int64_t deadline = clock_monotonic_ns() + (int64_t)wait_ms * 1000000;
	uint8_t bytes[sizeof(struct answer) + SIGNER_NOTE_LIMIT + PUBLIC_LIMIT];
	struct answer answer;
	struct fault told;
	size_t got = 0;

	if (!receive_least(signer->socket, bytes, &got, sizeof answer, sizeof bytes, deadline))
		return signer_gone(signer, why);
	memcpy(&answer, bytes, sizeof answer);
	if (answer.size > sizeof bytes - sizeof answer ||
	    !receive_least(signer->socket, bytes, &got, sizeof answer + answer.size, sizeof bytes, deadline))
		return signer_gone(signer, why);
	signer->durable = answer.durable;
	if (answer.failed != 0) {
		signer->failed = true;
		if (answer.size != sizeof told)
			return signer_gone(signer, why);
		memcpy(&told, bytes + sizeof answer, sizeof told);
		if (why != NULL)
			*why = told;
		return -1;
	}
	buffer_append(body, bytes + sizeof answer, answer.size);
	return buffer_ok(body) ? 0 : fault_memory(why);
}

int
signer_start(struct signer **out, const char *directory, const char *origin, struct fault *why)
{
	struct signer *signer = calloc(1, sizeof *signer);
	struct buffer hello;
	pid_t parent = getpid();
	const struct timeval send_limit = {.tv_sec = ANSWER_WAIT_MS / 1000};
	int pair[2] = {-1, -1};
	int result = -1;

	*out = NULL;
	buffer_init(&hello, LASTHEAD_BLOCK + PUBLIC_LIMIT);
	if (signer == NULL)
		return fault_memory(why);
	signer->socket = -1;
	buffer_init(&signer->public_keys, PUBLIC_LIMIT);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		fault_errno(why, "서명자의 소켓", "the signer's socket");
		goto out;
	}
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &send_limit, sizeof send_limit);
	signer->pid = fork();
	if (signer->pid == -1) {
		fault_errno(why, "서명자 프로세스 시작", "starting the signer process");
		goto out;
	}
	if (signer->pid == 0)
		child_run(pair[1], directory, origin, parent);
	signer->socket = pair[0];
	pair[0] = -1;
	close(pair[1]); /* at once: the child's death must be seen as the end of the stream */
	pair[1] = -1;
	if (answer_receive(signer, &hello, START_WAIT_MS, why) == -1)
		goto out;
	if (hello.size <= sizeof signer->head) {
		signer_gone(signer, why);
		goto out;
	}
	memcpy(&signer->head, hello.data, sizeof signer->head);
	buffer_append(&signer->public_keys, hello.data + sizeof signer->head,
	              hello.size - sizeof signer->head);
	log_info("signer", "event=started pid=%ld size=%" PRIu64, (long)signer->pid, signer->head.size);
	*out = signer;
	signer = NULL;
	result = 0;
out:
	for (int i = 0; i < 2; i++)
		if (pair[i] != -1)
			close(pair[i]);
	buffer_free(&hello);
	signer_stop(signer);
	return result;
}

void
signer_stop(struct signer *signer)
{
	int64_t deadline;

	if (signer == NULL)
		return;
	/* The child reads the end of the stream, forces its memory to the disk and exits. */
	if (signer->socket != -1)
		close(signer->socket);
	deadline = clock_monotonic_ns() + INT64_C(5000000000);
	while (signer->pid > 0) {
		const struct timespec pause = {.tv_nsec = 1000000};
		pid_t ended = waitpid(signer->pid, NULL, WNOHANG);

		if (ended == signer->pid || (ended == -1 && errno != EINTR))
			break;
		if (clock_monotonic_ns() > deadline) {
			kill(signer->pid, SIGKILL);
			(void)waitpid(signer->pid, NULL, 0);
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	buffer_free(&signer->public_keys);
	free(signer);
}

int
signer_pid(const struct signer *signer)
{
	return (int)signer->pid;
}

const struct tree_frontier *
signer_head(const struct signer *signer)
{
	return &signer->head;
}

uint64_t
signer_durable(const struct signer *signer)
{
	return signer->durable;
}

struct slice
signer_public(const struct signer *signer)
{
	return buffer_view(&signer->public_keys);
}

int
signer_sign(struct signer *signer, uint64_t first, const struct tree_hash *leaves, uint32_t count,
            struct buffer *note, struct fault *why)
{
	struct request request = {.first = first, .count = count};
	size_t begin = note->size;

	if (signer->failed)
		return signer_gone(signer, why);
	if (!send_both(signer->socket, &request, sizeof request, leaves, count * sizeof *leaves))
		return signer_gone(signer, why);
	if (answer_receive(signer, note, ANSWER_WAIT_MS, why) == -1)
		return -1;
	for (uint32_t i = 0; i < count; i++)
		tree_frontier_add(&signer->head, &leaves[i], NULL, NULL);
	if (note->size == begin)
		return signer_gone(signer, why);
	return 0;
}
