#include "schema/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)16 * 1024)

struct block {
	struct block *before;
	size_t used, size;
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	struct block *newest; /* the first block is the one whose `before` is NULL */
	size_t used, limit;
	bool failed;
};

static struct block *
block_new(size_t size)
{
	struct block *block = malloc(sizeof *block + size);

	if (block != NULL)
		*block = (struct block){.size = size};
	return block;
}

struct arena *
arena_new(size_t limit)
{
	struct arena *arena = malloc(sizeof *arena);

	if (arena == NULL)
		return NULL;
	*arena = (struct arena){.limit = limit, .newest = block_new(BLOCK_SIZE)};
	if (arena->newest == NULL) {
		free(arena);
		return NULL;
	}
	return arena;
}

void
arena_reset(struct arena *arena)
{
	while (arena->newest->before != NULL) {
		struct block *gone = arena->newest;

		arena->newest = gone->before;
		free(gone);
	}
	arena->newest->used = 0;
	arena->used = 0;
	arena->failed = false;
}

void
arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena->newest);
	free(arena);
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	const size_t step = alignof(max_align_t);
	struct block *block = arena->newest;
	void *memory;

	if (arena->failed || size > arena->limit || (size = (size + step - 1) / step * step) > arena->limit ||
	    arena->used > arena->limit - size) {
		arena->failed = true;
		return NULL;
	}
	if (size == 0)
		size = step; /* a distinct place, as malloc gives */
	if (block->size - block->used < size) {
		/* The first block stays at the bottom of the chain, so that arena_reset() ends with it. */
		if ((block = block_new(size > BLOCK_SIZE ? size : BLOCK_SIZE)) == NULL) {
			arena->failed = true;
			return NULL;
		}
		block->before = arena->newest;
		arena->newest = block;
	}
	memory = block->data + block->used;
	block->used += size;
	arena->used += size;
	return memset(memory, 0, size);
}

void *
arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		arena->failed = true;
		return NULL;
	}
	return arena_alloc(arena, total);
}

void *
arena_copy(struct arena *arena, const void *data, size_t size)
{
	void *copy = arena_alloc(arena, size);

	if (copy != NULL && size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *
arena_text(struct arena *arena, struct slice slice)
{
	char *copy = arena_alloc(arena, slice.size + 1);

	if (copy != NULL && slice.size > 0)
		memcpy(copy, slice.data, slice.size);
	return copy;
}

char *
arena_string(struct arena *arena, const char *text)
{
	return arena_text(arena, slice_string(text));
}

struct slice
arena_slice(struct arena *arena, struct slice slice)
{
	const void *copy = arena_copy(arena, slice.data, slice.size);

	return slice_of(copy, copy == NULL ? 0 : slice.size);
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments, again;
	char *text = NULL;
	int size;

	va_start(arguments, format);
	va_copy(again, arguments);
	size = vsnprintf(NULL, 0, format, arguments);
	if (size < 0)
		arena->failed = true;
	else if ((text = arena_alloc(arena, (size_t)size + 1)) != NULL)
		vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	va_end(arguments);
	return text;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}

bool
arena_ok(const struct arena *arena)
{
	return !arena->failed;
}
