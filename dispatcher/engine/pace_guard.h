/* pace_guard - when did this process last send on a lane?   [pure]
 *
 * Redis paces the lanes by its own wall clock. If somebody sets that clock forward, Redis grants a slot too early. The
 * dispatcher that sent last uses a clock that nobody can set, and waits. It also measures the real gap for the overshoot
 * histogram.
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
/* Microseconds until a delivery with a delay of DELAY_MS may leave on LANE; 0: now. */
int64_t pace_guard_wait_us(const struct pace_guard *g, struct slice lane, int64_t delay_ms,
                           mono_us now);
/* A request leaves on LANE NOW. Returns when the previous one left, or -1 if that is not remembered. */
mono_us pace_guard_sent(struct pace_guard *g, struct slice lane, mono_us now);
/* Lanes remembered. If there are many, a lane is forgotten some seconds after its last request. */
size_t pace_guard_count(const struct pace_guard *g);

#endif
