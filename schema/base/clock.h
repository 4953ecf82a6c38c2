/*
 * clock -- the two clocks, and how times are written: RFC 3339 in UTC with milliseconds.
 */
#ifndef HAECHI_SCHEMA_BASE_CLOCK_H
#define HAECHI_SCHEMA_BASE_CLOCK_H

#include <stdint.h>

#include "schema/base/bytes.h"

#define CLOCK_TEXT_SIZE 25 /* "2026-03-02T09:00:00.123Z" and a zero */

int64_t clock_wall_ms(void);      /* milliseconds since 1970, UTC */
int64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC */
void clock_text(char out[CLOCK_TEXT_SIZE], int64_t wall_ms);
/*
 * "2026-03-02", "2026-03-02T09:00:00Z", with ".123", or with an offset "+09:00". A date alone is 00:00 in Korea
 * (UTC+9) when `korean_day`, else UTC. false: not such a time.
 */
bool clock_parse(int64_t *wall_ms, struct slice text, bool korean_day);

#endif
