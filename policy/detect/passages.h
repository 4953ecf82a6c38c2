/*
 * passages -- what is written in base64 or percent signs inside a text, decoded, so that it is looked at too.
 */
#ifndef HAECHI_POLICY_DETECT_PASSAGES_H
#define HAECHI_POLICY_DETECT_PASSAGES_H

#include "schema/base/bytes.h"

#define PASSAGES_LIMIT     32                /* of one text; what lies behind them is not decoded */
#define PASSAGE_SIZE_LIMIT ((size_t)1 << 16) /* encoded bytes of one */

/* The next passage at or behind *at that decodes to readable UTF-8: its place in `text`, and `out` filled. false: none. */
bool passage_next(struct slice text, size_t *at, size_t *start, size_t *end, struct buffer *out);

#endif
