/* entry: any bytes at all are read as an entry or refused, by the scan and by the tree alike; what is accepted was canonical. */
#include "schema/entry_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same(const struct entry_columns *a, const struct entry_columns *b)
{
	return a->kind == b->kind && a->wall_ms == b->wall_ms && slice_equal(a->id, b->id) &&
	       slice_equal(a->log, b->log) && slice_equal(a->agency, b->agency) &&
	       slice_equal(a->service, b->service) && slice_equal(a->subject, b->subject) &&
	       slice_equal(a->key, b->key) && slice_equal(a->request_id, b->request_id) &&
	       slice_equal(a->of, b->of) && slice_equal(a->usecase, b->usecase) &&
	       slice_equal(a->verdict, b->verdict) && slice_equal(a->access, b->access) &&
	       slice_equal(a->domain, b->domain) && slice_equal(a->also, b->also) && slice_equal(a->action, b->action) &&
	       slice_equal(a->model, b->model) && slice_equal(a->zone, b->zone);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry_columns columns, scanned;
	struct arena *arena = arena_new(1 << 20);
	struct fault why;
	bool read;

	if (arena == NULL)
		return 0;
	read = entry_read_tree(&columns, slice_of(data, size), arena, &why) == 0;
	if (read && columns.id.size == 0)
		__builtin_trap();
	if (entry_scan(&scanned, slice_of(data, size), arena) && (!read || !same(&columns, &scanned)))
		__builtin_trap();
	arena_free(arena);
	return 0;
}
