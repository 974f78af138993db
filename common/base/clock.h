/* clock - the only place that reads a clock.   [edge]
 *
 * mono_us never jumps and is for timers, deadlines and durations; wall_ms is for stamps that people
 * and providers read. The two types keep them from being mixed by accident.
 */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t mono_us; /* microseconds of CLOCK_MONOTONIC */
typedef int64_t wall_ms; /* milliseconds since 1970 */

mono_us clock_mono_us(void);
wall_ms clock_wall_ms(void);

#define CLOCK_ISO_LEN 24 /* "2026-11-21T02:15:49.123Z" */

/* Writes CLOCK_ISO_LEN characters and a NUL. A moment before 1970 or after the year 9999 is written as the first or last
 * moment of that range. */
void clock_iso(wall_ms at, char out[CLOCK_ISO_LEN + 1]);

struct clock_text { /* the last moment that was written; zero at first */
    wall_ms second;
    char text[CLOCK_ISO_LEN + 1];
};

/* Returns the text of clock_iso, which LAST holds. If AT is in the same second as the moment before, only the milliseconds are
 * written anew. */
const char *clock_iso_again(struct clock_text *last, wall_ms at);
/* Reads a moment of RFC 3339 ("2026-11-21T02:15:49.123Z", "..+01:00"), LEN bytes at TEXT. Digits behind the milliseconds are
 * dropped. False if it is none; a leap second is none either. */
bool clock_read_iso(const char *text, size_t len, wall_ms *at);

#endif
