/* retry_after - how long does a Retry-After header ask to wait?   [pure]
 */
#ifndef DISPATCHER_RETRY_AFTER_H
#define DISPATCHER_RETRY_AFTER_H

#include "common/base/clock.h"
#include "common/base/slice.h"

/* Reads a Retry-After value (RFC 9110 10.2.3): seconds, or a date in one of the three formats of 5.6.7. Returns the
 * milliseconds from NOW, 0 for a date in the past, at most RETRY_AFTER_MAX_MS; -1 if VALUE is empty or anything else. */
int64_t retry_after_ms(struct slice value, wall_ms now);

#endif
