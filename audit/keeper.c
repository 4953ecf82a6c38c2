#define _GNU_SOURCE /* close_range */

#include "audit/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/signer.h"
#include "schema/base/log.h"

#define ANSWER_SECONDS 20 /* a token in a network may think; longer is away */

enum question { WRAP = 1, UNWRAP, DESTROY };

struct message {
	enum question question;
	int result;
	char label[CUSTODIAN_LABEL];
	size_t size;      /* of bytes */
	size_t secret;    /* UNWRAP: size wanted */
	uint8_t bytes[KEEPER_SEALED];
	struct fault why;
};

struct keeper {
	pid_t pid;
	int socket;
	bool lost; /* an answer may be under way that belongs to nobody: never read on */
	pthread_mutex_t lock;
};

/* ---- the child ----------------------------------------------------------------------------------------- */

static int
answer(struct custodian *custodian, struct message *message)
{
	struct buffer sealed;
	struct fault *const why = &message->why;
	int result = -1;

	message->label[sizeof message->label - 1] = '\0';
	if (message->size > sizeof message->bytes || message->secret > KEEPER_SECRET)
		return fault_set(why, FAULT_INTERNAL, "잘못된 물음", "a wrong question");
	switch (message->question) {
	case WRAP:
		buffer_init(&sealed, KEEPER_SEALED);
		if (custodian_make_wrapping(custodian, message->label, why) == 0 &&
		    custodian_wrap(custodian, message->label, slice_of(message->bytes, message->size),
		                   &sealed, why) == 0) {
			memcpy(message->bytes, sealed.data, sealed.size);
			message->size = sealed.size;
			result = 0;
		}
		buffer_free(&sealed);
		return result;
	case UNWRAP: {
		uint8_t secret[KEEPER_SECRET];

		result = custodian_unwrap(custodian, message->label, slice_of(message->bytes, message->size),
		                          secret, message->secret, why);
		if (result == 0)
			memcpy(message->bytes, secret, message->secret);
		message->size = message->secret;
		sodium_memzero(secret, sizeof secret);
		return result;
	}
	case DESTROY:
		message->size = 0;
		return custodian_destroy_wrapping(custodian, message->label, why);
	default:
		return fault_set(why, FAULT_INTERNAL, "잘못된 물음", "a wrong question");
	}
}

static _Noreturn void
child_run(int socket, const char *directory, pid_t parent)
{
	static const struct rlimit no_core;
	struct custodian *custodian = NULL;
	struct message message = {0};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)prctl(PR_SET_NAME, "haechi-keeper", 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (dup2(socket, 3) == -1)
		_exit(1);
	(void)close_range(4, ~0u, 0);
	message.result = custodian_open(&custodian, directory, &message.why);
	if (message.result == 0)
		message.result = confine_loosely(&message.why);
	while (send(3, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message &&
	       recv(3, &message, sizeof message, 0) == (ssize_t)sizeof message)
		message.result = answer(custodian, &message);
	sodium_memzero(&message, sizeof message);
	custodian_close(custodian);
	_exit(0);
}

/* ---- the parent ---------------------------------------------------------------------------------------- */

static int
gone(struct keeper *keeper, struct fault *why)
{
	keeper->lost = true;
	return fault_set(why, FAULT_UNAVAILABLE,
	                 "키 보관 프로세스(pid %ld)가 답하지 않습니다. haechid를 다시 시작하십시오",
	                 "the process that holds the key token (pid %ld) does not answer: restart haechid",
	                 (long)keeper->pid);
}

static int
receive(struct keeper *keeper, struct message *message, struct fault *why)
{
	ssize_t got;

	do
		got = recv(keeper->socket, message, sizeof *message, 0);
	while (got == -1 && errno == EINTR);
	if (got != (ssize_t)sizeof *message)
		return gone(keeper, why);
	if (message->result == -1 && why != NULL)
		*why = message->why;
	return message->result;
}

static int
ask(struct keeper *keeper, struct message *message, struct fault *why)
{
	int result;

	pthread_mutex_lock(&keeper->lock);
	if (keeper->lost ||
	    send(keeper->socket, message, sizeof *message, MSG_NOSIGNAL) != (ssize_t)sizeof *message)
		result = gone(keeper, why);
	else
		result = receive(keeper, message, why);
	pthread_mutex_unlock(&keeper->lock);
	return result;
}

int
keeper_start(struct keeper **out, const char *directory, struct fault *why)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	const pid_t parent = getpid();
	struct keeper *keeper = NULL;
	struct message hello;
	int pair[2] = {-1, -1}, result = -1;

	*out = NULL;
	switch (custodian_named(directory, why)) {
	case 0:
		return 0;
	case 1:
		break;
	default:
		return -1;
	}
	if ((keeper = calloc(1, sizeof *keeper)) == NULL)
		return fault_memory(why);
	keeper->socket = -1;
	pthread_mutex_init(&keeper->lock, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		fault_errno(why, "키 보관 프로세스의 소켓", "the key token's socket");
		goto out;
	}
	(void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	keeper->pid = fork();
	if (keeper->pid == -1) {
		fault_errno(why, "키 보관 프로세스 시작", "starting the process that holds the key token");
		goto out;
	}
	if (keeper->pid == 0)
		child_run(pair[1], directory, parent);
	keeper->socket = pair[0];
	pair[0] = -1;
	close(pair[1]);
	pair[1] = -1;
	if (receive(keeper, &hello, why) == -1)
		goto out;
	log_info("keeper", "event=started pid=%ld", (long)keeper->pid);
	*out = keeper;
	keeper = NULL;
	result = 0;
out:
	for (int i = 0; i < 2; i++)
		if (pair[i] != -1)
			close(pair[i]);
	keeper_stop(keeper);
	return result;
}

void
keeper_stop(struct keeper *keeper)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	if (keeper == NULL)
		return;
	if (keeper->socket != -1)
		close(keeper->socket); /* the child reads the end and leaves */
	for (int i = 0; keeper->pid > 0; i++) {
		const pid_t ended = waitpid(keeper->pid, NULL, WNOHANG);

		if (ended == keeper->pid || (ended == -1 && errno != EINTR))
			break;
		if (i == 2000)
			kill(keeper->pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}

int
keeper_wrap(struct keeper *keeper, const char *about, struct slice secret, char label[CUSTODIAN_LABEL],
            struct buffer *sealed, struct fault *why)
{
	struct message message = {.question = WRAP, .size = secret.size};
	uint8_t random[8];
	char hex[17];
	int result = -1;

	if (secret.size > KEEPER_SECRET)
		return fault_set(why, FAULT_INTERNAL, "비밀이 너무 깁니다", "the secret is too long");
	randombytes_buf(random, sizeof random);
	hex_encode(hex, random, sizeof random);
	snprintf(message.label, sizeof message.label, "haechi %.200s %s", about, hex);
	memcpy(label, message.label, CUSTODIAN_LABEL);
	memcpy(message.bytes, secret.data, secret.size);
	if (ask(keeper, &message, why) == 0) {
		buffer_append(sealed, message.bytes,
		              message.size <= sizeof message.bytes ? message.size : 0);
		result = buffer_ok(sealed) ? 0 : fault_memory(why);
	}
	sodium_memzero(&message, sizeof message);
	return result;
}

int
keeper_unwrap(struct keeper *keeper, const char *label, struct slice sealed, uint8_t *secret, size_t size,
              struct fault *why)
{
	struct message message = {.question = UNWRAP, .size = sealed.size, .secret = size};
	int result;

	if (sealed.size > sizeof message.bytes || size > KEEPER_SECRET)
		return fault_set(why, FAULT_TAMPERED, "봉인된 키의 크기가 맞지 않습니다",
		                 "the sealed key has the wrong size");
	snprintf(message.label, sizeof message.label, "%s", label);
	memcpy(message.bytes, sealed.data, sealed.size);
	if ((result = ask(keeper, &message, why)) == 0)
		memcpy(secret, message.bytes, size);
	sodium_memzero(&message, sizeof message);
	return result;
}

int
keeper_destroy(struct keeper *keeper, const char *label, struct fault *why)
{
	struct message message = {.question = DESTROY};
	struct fault told = {0};

	snprintf(message.label, sizeof message.label, "%s", label);
	if (ask(keeper, &message, &told) == 0 || told.kind == FAULT_NOT_FOUND)
		return 0;
	if (why != NULL)
		*why = told;
	return -1;
}

void
keeper_drop(struct keeper *keeper, const char *label)
{
	struct fault why;

	if (keeper_destroy(keeper, label, &why) == -1)
		log_fault(LOG_LEVEL_WARN, "keeper", "unused-key-left", &why);
}

int
keeper_pid(const struct keeper *keeper)
{
	return (int)keeper->pid;
}
