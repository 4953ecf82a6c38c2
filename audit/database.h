/*
 * database -- the reading door to PostgreSQL: connect, ask, stream out by COPY. The shipper's writing is elsewhere.
 *
 * Results come in PostgreSQL's binary form, so that times and bytes are exact. Every fault carries the server's own words;
 * those of a lost connection are FAULT_UNAVAILABLE. A database belongs to one thread.
 */
#ifndef HAECHI_AUDIT_DATABASE_H
#define HAECHI_AUDIT_DATABASE_H

#include "schema/base/bytes.h"

struct database;

/* `conninfo` as libpq has it: "host=/run/postgresql dbname=haechi", or a postgresql:// URL. */
MUST_CHECK int database_open(struct database **out, const char *conninfo, struct fault *why);
void database_close(struct database *database); /* NULL is fine */
/*
 * From now on an answer takes at most so long, else the connection is given up: FAULT_UNAVAILABLE. Without this call a
 * server that is silent is waited for; commands may, the daemon may not. Not for database_copy().
 */
void database_patience(struct database *database, int milliseconds);

/* One or several statements without parameters, results dropped. */
MUST_CHECK int database_run(struct database *database, const char *sql, struct fault *why);
/* A literal with its quotes, into a buffer that holds an SQL text. */
void database_quote(struct buffer *sql, struct database *database, const char *text);
void database_quote_name(struct buffer *sql, struct database *database, const char *name);

/* ---- asking -------------------------------------------------------------------------------------------------------- */

struct database_rows;

/* Text parameters ($1, ...; NULL elements are NULL), binary results. *out is the caller's, to database_rows_free(). */
MUST_CHECK int database_ask(struct database_rows **out, struct database *database, const char *sql,
                            size_t count, const char *const *parameters, struct fault *why);
void database_rows_free(struct database_rows *rows); /* NULL is fine */
size_t database_count(const struct database_rows *rows);
/* A field's bytes; borrowed from the rows. NULL gives the empty slice with data == NULL. */
struct slice database_field(const struct database_rows *rows, size_t row, size_t column);
/* The field as a terminated string; "" for NULL. */
const char *database_text(const struct database_rows *rows, size_t row, size_t column);
int64_t database_integer(const struct database_rows *rows, size_t row,
                         size_t column); /* smallint, int, bigint */
bool database_bool(const struct database_rows *rows, size_t row, size_t column);

/* Fields in binary form, wherever they came from. */
int64_t field_integer(struct slice field); /* 2, 4 or 8 bytes; else 0 */
/* text[] in binary form of a list "a,b", with its length in front; NULL for the empty list. */
void field_list_write(struct buffer *out, struct slice list);
/* timestamptz to milliseconds since 1970; false when it is not 8 bytes or has parts of a millisecond. */
bool field_wall(struct slice field, int64_t *wall_ms);

/* ---- streaming ----------------------------------------------------------------------------------------------------- */

/* `query` is wrapped into COPY (...) TO STDOUT (FORMAT binary). Nothing else may be asked until it has ended. */
MUST_CHECK int database_copy(struct database *database, const char *query, struct fault *why);
/* 1: a row of exactly `count` fields, valid until the next call; 0: the end; -1: a fault. */
MUST_CHECK int database_copy_next(struct database *database, size_t count, struct slice *fields,
                                  struct fault *why);

#endif
