/*
 * bay -- what a loop has of the server: its door, its libmicrohttpd, its answers under way. Inside of server.c, where
 * the answers are, and bay.c, where the loops begin and end; nobody else includes it.
 */
#ifndef HAECHI_GATEWAY_BAY_H
#define HAECHI_GATEWAY_BAY_H

#include <pthread.h>

#include "gateway/door.h"
#include "gateway/listen.h"
#include "gateway/server.h"

#define SERVER_LOOPS 256

struct MHD_Daemon;
struct lane; /* server.c */

struct bay {
	struct server *server;
	struct loop *loop;
	struct door *door;
	struct MHD_Daemon *daemon;
	struct lane *busy, *idle, *starting;
	size_t idle_count, arrivals;
	struct server_call *over;
	bool dirty; /* libmicrohttpd has something to do */
	bool begun, failed;
	pthread_t thread;
	bool threaded;
	struct loop_note drain;
	struct loop_timer deadline;
	bool draining, cut;
	unsigned deadline_ms;
	struct fault why;
};

struct server {
	struct server_options options;
	struct limits limits;
	struct address_count *addresses;
	struct tls *tls;
	struct listeners listeners;
	struct bay bays[SERVER_LOOPS];
	unsigned loops;
	pthread_mutex_t lock;
	pthread_cond_t begun;
	unsigned begun_count;
};

/* server.c: what the door calls, and the HTTP library's life on the loop's thread */
void server_request(struct door_connection *connection, struct arrival *arrival, void *bay);
void server_left(struct door_connection *connection, void *bay);
void server_room(struct door_connection *connection, void *bay);
int  server_http_start(struct bay *bay, struct fault *why);
void server_http_settle(struct bay *bay); /* every answer ends; the door is cut already */
void server_http_stop(struct bay *bay);

#endif
