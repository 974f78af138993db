#include "dispatcher/engine/prefetch_rule.h"

/* Prefetching begins after SEEN_LEAST successes in a row that took less than FAST_MS on average. It ends at the first
 * failure, or when the average passes SLOW_MS: another dispatcher may have a place free for what would wait here. */
#define SEEN_LEAST 32
#define FAST_MS 20
#define SLOW_MS 50

bool prefetch_rule_note(struct prefetch_rule *p, int64_t duration_ms, bool ok)
{
    bool before = p->is_on;
    if (!ok) {
        *p = (struct prefetch_rule){0};
        return before;
    }
    p->mean_ms += ((double)duration_ms - p->mean_ms) / (p->seen < 8 ? p->seen + 1 : 8);
    if (p->seen < SEEN_LEAST)
        p->seen++;
    if (p->mean_ms > SLOW_MS)
        p->is_on = false;
    else if (p->seen >= SEEN_LEAST && p->mean_ms < FAST_MS)
        p->is_on = true;
    return p->is_on != before;
}
