/*
 * classify_lines -- `haechi classify` without its files: one JSON line in, one JSON line out.
 *
 * Lines are foreign bytes: their length, depth and count of messages are bounded, and a line that cannot be read is
 * answered by an error line of its own. Memory is bounded too and kept from line to line.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_CLASSIFY_LINES_H
#define HAECHI_GATEWAY_COMMANDS_CLASSIFY_LINES_H

#include <stdio.h>

#include "schema/base/bytes.h"

#define CLASSIFY_LINE_LIMIT ((size_t)8 << 20) /* one megabyte of text, every character escaped */

struct classifier; /* one thread's */

/* *out is the caller's, to classifier_close(). */
MUST_CHECK int classifier_open(struct classifier **out, struct fault *why);
void classifier_close(struct classifier *classifier); /* NULL is fine */
/*
 * Bytes up to the next line feed, without it. A line over the limit is read to its end and comes out empty with
 * *too_long set. false: nothing left.
 */
bool classifier_read(struct classifier *classifier, FILE *from, struct slice *line, bool *too_long);
/*
 * The answer to line `number`, with its line feed; the classifier's own until the next call. -1: the answer is an error
 * line and *why says why, too. The id is given back as it came, whatever JSON it is.
 */
MUST_CHECK int classifier_answer(struct classifier *classifier, struct slice line, bool too_long,
                                 size_t number, struct slice *answer, struct fault *why);

#endif
