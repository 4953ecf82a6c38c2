/*
 * bytes -- slices of memory, growing buffers with a limit, a reader with a sticky error; hex, base64, UTF-8.
 *
 * A slice borrows. A buffer owns and never grows past the limit it was made with: a full buffer is a sticky error,
 * checked once at the end (buffer_ok). Parsers of foreign bytes use the reader, never raw pointer arithmetic.
 */
#ifndef HAECHI_SCHEMA_BASE_BYTES_H
#define HAECHI_SCHEMA_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/base/fault.h"

/* Borrowed bytes. Not terminated. {NULL, 0} is the empty slice. */
struct slice {
	const uint8_t *data;
	size_t size;
};

#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
/* printf("%.*s", SLICE_PRINT(s)) */
#define SLICE_PRINT(s) (int)(s).size, (const char *)(s).data

struct slice slice_of(const void *data, size_t size);
struct slice slice_string(const char *text); /* NULL gives the empty slice */
/* Without the mark (U+FEFF) that some editors put in front of UTF-8 text. */
struct slice slice_unmarked(struct slice text);
bool slice_equal(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *text);
int slice_compare(struct slice a, struct slice b); /* bytewise, then by length */

/* A growing byte string. Zeroed memory is a buffer of limit 0: it refuses everything. */
struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t limit;
	bool failed; /* limit reached or memory gone; sticky */
};

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_free(struct buffer *buffer);  /* memory back, ready for buffer_init(); NULL is fine */
void buffer_wipe(struct buffer *buffer);  /* as buffer_free(), the bytes zeroed first */
void buffer_reset(struct buffer *buffer); /* size 0, not failed; keeps its memory */
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_byte(struct buffer *buffer, uint8_t byte);
void buffer_string(struct buffer *buffer, const char *text);
void buffer_slice(struct buffer *buffer, struct slice slice);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_u16be(struct buffer *buffer, uint16_t value);
void buffer_u32be(struct buffer *buffer, uint32_t value);
void buffer_u64be(struct buffer *buffer, uint64_t value);
void buffer_consume(struct buffer *buffer, size_t size); /* drop from the front */
struct slice buffer_view(const struct buffer *buffer);
bool buffer_ok(const struct buffer *buffer);
/* A terminating zero behind the bytes, not counted in size. NULL when failed. Valid until the next change. */
char *buffer_text(struct buffer *buffer);

/* Reading foreign bytes: after the first short read everything gives zero and reader_ok() is false. */
struct reader {
	struct slice rest;
	bool failed;
};

struct reader reader_of(struct slice slice);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16be(struct reader *reader);
uint32_t reader_u32be(struct reader *reader);
uint64_t reader_u64be(struct reader *reader);
uint16_t reader_u16le(struct reader *reader);
uint32_t reader_u32le(struct reader *reader);
uint64_t reader_u64le(struct reader *reader);
struct slice reader_take(struct reader *reader, size_t size);
/* Bytes up to the next '\n', which is dropped; fails when there is none. */
struct slice reader_line(struct reader *reader);
bool reader_ok(const struct reader *reader);
bool reader_done(const struct reader *reader); /* ok and nothing left */

/* Lower-case hex with a terminating zero: `out` holds 2 * size + 1. */
void hex_encode(char *out, const void *data, size_t size);
/* Exactly size bytes from 2 * size hex digits of either case; false for anything else. */
bool hex_decode(void *out, size_t size, struct slice text);

#define BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
/* RFC 4648 section 4, padded, terminated; `out` holds BASE64_SIZE(size). Returns the length without the zero. */
size_t base64_encode(char *out, const void *data, size_t size);
/*
 * Padded base64, no white space. Spare bits need not be zero (signed notes: specs of C2SP, as Go does it).
 * `out` holds at least text.size / 4 * 3 bytes. false: not base64.
 */
bool base64_decode(uint8_t *out, size_t *size, struct slice text);

/* Whole and well-formed UTF-8 (no surrogates, nothing overlong, at most U+10FFFF). */
bool utf8_valid(struct slice text);
/* The longest prefix of at most `size` bytes that does not split a character of valid UTF-8. */
size_t utf8_cut(struct slice text, size_t size);
/*
 * Decode one character at the front: its length 1-4 and *code, or 0 when the front is malformed or cut short.
 */
size_t utf8_next(struct slice text, uint32_t *code);
/* 1-4 bytes written to out[4]; 0 when code is no Unicode scalar value. */
size_t utf8_put(uint8_t out[4], uint32_t code);

/* A whole file, at most `limit` bytes; into *out, which the caller buffer_free()s. "-" reads standard input. */
MUST_CHECK int file_read(struct buffer *out, const char *path, size_t limit, struct fault *why);
/* Replace `path` whole: temporary file beside it, fdatasync, rename, fsync of the directory. */
MUST_CHECK int file_replace(const char *path, struct slice content, unsigned mode, struct fault *why);

#endif
