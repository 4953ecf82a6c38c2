/*
 * asking -- commands that ask the running haechid: --socket, HAECHI_CONTROL, or the usual places.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_ASKING_H
#define HAECHI_GATEWAY_COMMANDS_ASKING_H

#include "schema/base/json.h"

/* The socket: `option` when given, else $HAECHI_CONTROL, else var/control.sock, else /run/haechi/control.sock. */
const char *asking_socket(const char *option);
/* Ask; `request` is taken over. *result is the caller's. */
MUST_CHECK int asking_ask(const char *socket, json_t *request, json_t **result, struct fault *why);
/* A value on standard output, compact, with a line end; the exit status. */
int asking_print(const json_t *value);
/* Each element of an array on a line of its own, until one cannot be written; the exit status. */
int asking_print_lines(const json_t *list);

#endif
