#include "dispatcher/engine/quickness.h"

/* Quick only after some successes in a row, and no longer at the first failure or when answers take
 * a while: a slow destination's deliveries are better left to whoever has a place free. */
#define SEEN_LEAST 32
#define QUICK_MS 20
#define SLOW_MS 50

bool quickness_note(struct quickness *q, int64_t duration_ms, bool ok)
{
    bool before = q->is_quick;
    if (!ok) {
        *q = (struct quickness){0};
        return before;
    }
    q->mean_ms += ((double)duration_ms - q->mean_ms) / (q->seen < 8 ? q->seen + 1 : 8);
    if (q->seen < SEEN_LEAST)
        q->seen++;
    if (q->mean_ms > SLOW_MS)
        q->is_quick = false;
    else if (q->seen >= SEEN_LEAST && q->mean_ms < QUICK_MS)
        q->is_quick = true;
    return q->is_quick != before;
}
