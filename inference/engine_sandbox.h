/*
 * engine_sandbox -- what the engine takes from itself: it parses hostile files and texts, and needs very little.
 *
 * Two stages. Before any thread and any file: no new privileges, no core, no network but what listens (an empty network
 * namespace for a Unix socket; without privileges it comes with a user namespace, where the kernel lets us), and by Landlock only the model's folder, the cache of hashes
 * and the socket's folder. After loading: a seccomp filter for all threads that leaves memory, waiting, and talking
 * to who has connected; no file can be opened, no program run, no socket made, no memory made executable.
 */
#ifndef HAECHI_INFERENCE_ENGINE_SANDBOX_H
#define HAECHI_INFERENCE_ENGINE_SANDBOX_H

#include <stdbool.h>

#include "schema/base/fault.h"

struct engine_sandbox {
	int landlock;    /* version of the kernel's Landlock; 0: not there */
	bool no_network; /* there is nothing but a loopback */
	bool seccomp;
	bool gpu;
};

/*
 * First stage. `listen` as for engine_http_open(). What the kernel lacks is left out and shows in *out; -1 only when
 * something that is there fails. With a `gpu` its devices, libraries and caches stay within reach, and the second stage
 * is left out: what a driver asks of the kernel is its own affair and changes with its version. Network and the rest of
 * the files are closed all the same.
 */
MUST_CHECK int engine_sandbox_files(struct engine_sandbox *out, const char *model, const char *listen,
                                    bool gpu, struct fault *why);
/* Second stage, once everything is open and every thread runs. */
MUST_CHECK int engine_sandbox_calls(struct engine_sandbox *sandbox, struct fault *why);

#endif
