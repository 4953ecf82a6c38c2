/*
 * arena -- memory that ends at once.
 *
 * What is learnt about one request lives in its arena and ends with it. Not for threads: one owner at a time.
 * arena_alloc() gives zeroed memory aligned for any type, or NULL when the limit or the memory is used up; that
 * failure is sticky (arena_ok) so that a builder may check once at the end.
 */
#ifndef HAECHI_SCHEMA_BASE_ARENA_H
#define HAECHI_SCHEMA_BASE_ARENA_H

#include "schema/base/bytes.h"

struct arena;

/* A new arena that will hold at most `limit` bytes in all. NULL: no memory. */
struct arena *arena_new(size_t limit);
void arena_free(struct arena *arena);  /* NULL is fine */
void arena_reset(struct arena *arena); /* empties it, keeps its first block for the next use */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size with the overflow checked. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy; NULL on failure. Slices come back with the copy's data ({NULL, 0} when failed). */
void *arena_copy(struct arena *arena, const void *data, size_t size);
char *arena_string(struct arena *arena, const char *text);
char *arena_text(struct arena *arena, struct slice slice); /* terminated copy */
struct slice arena_slice(struct arena *arena, struct slice slice);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *arena);
bool arena_ok(const struct arena *arena);

#endif
