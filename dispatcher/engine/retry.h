/* retry - when is the next attempt?   [pure]
 */
#ifndef DISPATCHER_RETRY_H
#define DISPATCHER_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retry_schedule {      /* borrowed from a destination */
    const int64_t *waits_ms; /* before attempt 2, 3, ... */
    size_t count;
    double jitter; /* 0..1 */
};

/* True if another attempt follows when attempt number ATTEMPT (from 1) fails. A dead delivery that is sent again goes on
 * counting, and has the whole schedule once more. */
bool retry_is_left(const struct retry_schedule *s, unsigned attempt);

/* Milliseconds from the end of attempt number ATTEMPT to the next one: the attempt's row of the schedule, made longer
 * by up to the jitter's share (RANDOM in 0..1 says how much). If the server asked for a longer wait, AFTER_MS (-1: it
 * did not ask) counts. Never shorter than the schedule: operators rely on it. */
int64_t retry_wait_ms(const struct retry_schedule *s, unsigned attempt, double random,
                      int64_t after_ms);

#endif
