#include "schema/base/queue.h"

#include <pthread.h>
#include <stdlib.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	size_t head, length, capacity;
	bool closed;
	void *items[];
};

struct queue *
queue_new(size_t capacity)
{
	struct queue *queue = NULL;

	if (capacity > 0 && capacity < ((size_t)1 << 24))
		queue = calloc(1, sizeof *queue + capacity * sizeof queue->items[0]);
	if (queue == NULL)
		return NULL;
	queue->capacity = capacity;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->arrived, NULL);
	return queue;
}

void
queue_free(struct queue *queue)
{
	if (queue == NULL)
		return;
	pthread_mutex_destroy(&queue->lock);
	pthread_cond_destroy(&queue->arrived);
	free(queue);
}

bool
queue_give(struct queue *queue, void *item)
{
	bool given = false;

	pthread_mutex_lock(&queue->lock);
	if (!queue->closed && queue->length < queue->capacity) {
		queue->items[(queue->head + queue->length++) % queue->capacity] = item;
		given = true;
		pthread_cond_signal(&queue->arrived);
	}
	pthread_mutex_unlock(&queue->lock);
	return given;
}

size_t
queue_take_all(struct queue *queue, void **items, size_t most)
{
	size_t taken = 0;

	pthread_mutex_lock(&queue->lock);
	while (queue->length == 0 && !queue->closed)
		pthread_cond_wait(&queue->arrived, &queue->lock);
	while (queue->length > 0 && taken < most) {
		items[taken++] = queue->items[queue->head];
		queue->head = (queue->head + 1) % queue->capacity;
		queue->length--;
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void *
queue_take(struct queue *queue)
{
	void *item = NULL;

	return queue_take_all(queue, &item, 1) == 1 ? item : NULL;
}

void
queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->arrived);
	pthread_mutex_unlock(&queue->lock);
}

size_t
queue_length(struct queue *queue)
{
	size_t length;

	pthread_mutex_lock(&queue->lock);
	length = queue->length;
	pthread_mutex_unlock(&queue->lock);
	return length;
}
