/*
 * queue -- bounded: give and take between threads. The giver may not touch what it gave.
 */
#ifndef HAECHI_SCHEMA_BASE_QUEUE_H
#define HAECHI_SCHEMA_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

struct queue *queue_new(size_t capacity); /* NULL: no memory */
void queue_free(struct queue *queue);     /* must be empty or its items owned elsewhere; NULL is fine */
bool queue_give(struct queue *queue, void *item); /* false: full or closed, the item stays the caller's */
void *queue_take(struct queue *queue);            /* waits; NULL once closed and empty */
size_t queue_take_all(struct queue *queue, void **items, size_t most); /* waits for one; 0 once closed */
void queue_close(struct queue *queue);
size_t queue_length(struct queue *queue);

#endif
