#include "common/net/http_budget.h"

static int64_t load(const _Atomic int64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

bool budget_is_kept(const struct http_budget *b, unsigned slot, bool is_large)
{
    int64_t left = b->max - load(&b->used);
    if (b->max < BUDGET_SHARED)
        return left >= 0;
    if (left < (is_large ? b->max / 8 : 0))
        return false;
    return load(&b->of_slot[slot]) <= BUDGET_SHARE * left;
}

unsigned budget_hog(const struct http_budget *b, unsigned slot)
{
    unsigned hog = 0;
    for (unsigned i = 1; i < BUDGET_SLOTS; i++)
        if (load(&b->of_slot[i]) > load(&b->of_slot[hog]))
            hog = i;
    int64_t held = load(&b->of_slot[hog]);
    return held >= b->max / 8 && held > 2 * load(&b->of_slot[slot]) ? hog : BUDGET_SLOTS;
}
