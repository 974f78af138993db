/* retry - when is the next attempt?   [pure]
 */
#ifndef DISPATCHER_RETRY_H
#define DISPATCHER_RETRY_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#define RETRY_AFTER_MAX_MS (INT64_C(86400) * 1000)

struct retry_schedule {      /* borrowed from a destination */
    const int64_t *waits_ms; /* before attempt 2, 3, ... */
    size_t count;
    double jitter; /* 0..1 */
};

/* Attempts go on after number ATTEMPT (from 1) failed. */
bool retry_is_left(const struct retry_schedule *s, unsigned attempt);

/* Milliseconds from the end of attempt number ATTEMPT to the next one: its row of the schedule,
 * made longer by up to the jitter's share (RANDOM in 0..1 says how much), or AFTER_MS if that is
 * later
 * (-1: the server did not ask). Never shorter than the schedule, so that an operator can rely on
 * it. */
int64_t retry_wait_ms(const struct retry_schedule *s, unsigned attempt, double random,
                      int64_t after_ms);

/* Reads a Retry-After value (RFC 9110 10.2.3): seconds or an HTTP-date in any of the three formats
 * of 5.6.7. Milliseconds from NOW, 0 for a date that has passed, at most RETRY_AFTER_MAX_MS; -1 if
 * the value is empty or not understood. */
int64_t retry_after_ms(struct slice value, wall_ms now);

#endif
