#include "dispatcher/engine/pace_guard.h"

#include "common/base/alloc.h"

#include <stdlib.h>

#define LANES_BEFORE_SWEEP 4096
#define FORGET_AFTER_US 5000000 /* well over the longest delay, 1 s */

struct lane_mark {
    mono_us sent_at;
};

void pace_guard_init(struct pace_guard *g)
{
    map_init(&g->lanes);
}

/* Forgets lanes last sent on before BEFORE. */
static void forget(struct pace_guard *g, mono_us before)
{
    size_t at = 0;
    struct slice lane;
    void *value;
    while (map_next(&g->lanes, &at, &lane, &value)) {
        struct lane_mark *mark = value;
        if (mark->sent_at >= before)
            continue;
        map_remove(&g->lanes, lane);
        free(mark);
    }
}

void pace_guard_clear(struct pace_guard *g)
{
    forget(g, INT64_MAX);
    map_clear(&g->lanes);
}

int64_t pace_guard_wait_us(const struct pace_guard *g, struct slice lane, int64_t delay_ms,
                           mono_us now)
{
    if (delay_ms <= 0)
        return 0;
    const struct lane_mark *mark = map_get(&g->lanes, lane);
    if (!mark)
        return 0;
    int64_t wait = mark->sent_at + delay_ms * 1000 - now;
    return wait > 0 ? wait : 0;
}

mono_us pace_guard_sent(struct pace_guard *g, struct slice lane, mono_us now)
{
    struct lane_mark *mark = map_get(&g->lanes, lane);
    if (mark) {
        mono_us before = mark->sent_at;
        mark->sent_at = now;
        return before;
    }
    if (map_count(&g->lanes) >= LANES_BEFORE_SWEEP)
        forget(g, now - FORGET_AFTER_US);
    mark = NEW(struct lane_mark);
    mark->sent_at = now;
    map_set(&g->lanes, lane, mark);
    return -1;
}

size_t pace_guard_count(const struct pace_guard *g)
{
    return map_count(&g->lanes);
}
