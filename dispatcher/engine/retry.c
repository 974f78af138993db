#include "dispatcher/engine/retry.h"

bool retry_is_left(const struct retry_schedule *s, unsigned attempt)
{
    return attempt % (s->count + 1) != 0;
}

int64_t retry_wait_ms(const struct retry_schedule *s, unsigned attempt, double random,
                      int64_t after_ms)
{
    size_t row = attempt ? (attempt - 1) % (s->count + 1) : 0;
    int64_t wait = 0;
    if (s->count)
        wait = s->waits_ms[row < s->count ? row : s->count - 1];
    wait += (int64_t)((double)wait * s->jitter * random);
    return after_ms > wait ? after_ms : wait;
}
