/*
 * door_inside -- what door.c, door_read.c and door_accept.c share; nobody else includes it.
 */
#ifndef HAECHI_GATEWAY_DOOR_INSIDE_H
#define HAECHI_GATEWAY_DOOR_INSIDE_H

#include "gateway/chunk.h"
#include "gateway/door.h"
#include "gateway/head.h"
#include "gateway/listen.h"
#include "gateway/refusal.h"

#define DOOR_LISTENERS SERVER_ADDRESSES

enum door_state {
	DOOR_HANDSHAKE,
	DOOR_HEAD,   /* idle, or part of a head is there */
	DOOR_BODY,   /* the head was good */
	DOOR_WORK,   /* a request was handed on, its answer is made or sent */
	DOOR_LINGER, /* everything was said: send the rest, then read until the client has closed too */
	DOOR_DEAD,
};

struct door_connection {
	struct loop_watch watch; /* first: the watch is the connection */
	struct loop_timer timer; /* of the state */
	struct loop_note again;  /* go on with what was read already */
	struct door *door;
	struct door_connection *next, *previous;           /* all of the door */
	struct door_connection *next_head, *previous_head; /* those whose turn it is to speak; oldest first */
	enum door_state state;
	bool in_heads, noted, half, shut, closing, finishing;
	unsigned requests;
	size_t lingered;
	struct tls_session *tls;
	struct buffer in;  /* read, not yet understood */
	struct buffer out; /* to be sent */
	struct head_scan scan;
	struct arrival *arrival; /* while its body is read */
	enum head_body body;
	size_t body_left;
	struct chunk chunk;
	void *context; /* of the handler, while DOOR_WORK */
	struct sockaddr_storage address;
	char peer[ADDRESS_TEXT];
};

struct door_listener {
	struct loop_watch watch;
	struct loop_timer retry;
	struct door *door;
	struct tls *tls;
	uint32_t events;
};

struct door {
	struct door_options options;
	struct loop *loop;
	const struct limits *limits;
	struct door_listener listeners[DOOR_LISTENERS];
	size_t listener_count;
	struct door_connection *connections, *dead;
	struct door_connection *heads, *heads_end;
	size_t count;
	bool draining, full;
	struct head head; /* the one being read */
	_Atomic(uint64_t) accepted, open, requests, refused, left;
};

/* door.c: life, sending, events */
void connection_begin(struct door_connection *c); /* callbacks of watch, timer and note */
void connection_ready(struct loop_watch *watch, uint32_t events);
void connection_timer(struct door_connection *c, unsigned after_ms);
void connection_end(struct door_connection *c); /* the memory goes at the end of the round */
void connection_heads_enter(struct door_connection *c);
void connection_heads_leave(struct door_connection *c);
bool connection_flush(struct door_connection *c); /* false: the connection has ended */
void connection_refuse(struct door_connection *c, enum refusal refusal);
bool connection_would_block(void); /* errno after a read or write that did not */

/* door_read.c: from bytes to a request */
void connection_input(struct door_connection *c);   /* read as long as a request may come */
void connection_process(struct door_connection *c); /* what was read already */

/* door_accept.c */
void listener_pause(struct door_listener *listener);
void listener_resume(struct door *door);

#endif
