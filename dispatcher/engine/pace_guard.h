/* pace_guard - when did this process last send on a lane?   [pure]
 *
 * Redis paces the lanes, by its own wall clock. Should that clock be set forward, it would grant a
 * slot too early; the dispatcher that sent last knows better, by a clock that cannot be set. It
 * also tells how long the gap really was, for the overshoot histogram.
 */
#ifndef DISPATCHER_PACE_GUARD_H
#define DISPATCHER_PACE_GUARD_H

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/slice.h"

struct pace_guard {   /* plain value of its owner; pace_guard_clear frees what it remembers */
    struct map lanes; /* lane -> struct lane_mark */
};

void pace_guard_init(struct pace_guard *g);
void pace_guard_clear(struct pace_guard *g);
/* Microseconds until LANE may be sent on, given the delay of the delivery at hand; 0: now. */
int64_t pace_guard_wait_us(const struct pace_guard *g, struct slice lane, int64_t delay_ms,
                           mono_us now);
/* A request leaves on LANE now. Returns the one before, or -1 if none is remembered. */
mono_us pace_guard_sent(struct pace_guard *g, struct slice lane, mono_us now);
/* Lanes remembered; a lane is forgotten some time after its last send when there are many. */
size_t pace_guard_count(const struct pace_guard *g);

#endif
