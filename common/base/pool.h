/* pool - up to a fixed number of unused items, kept so that the next one needs no allocation.   [pure]
 *
 *     struct job *job = POOL_TAKE(&pool, struct job, link);
 *     if (!job)
 *         job = NEW(struct job);
 *     ...
 *     if (!pool_put(&pool, &job->link))
 *         free(job);
 *
 * The item put in last comes out first, because its memory is still in the processor's cache. The pool neither makes
 * nor frees items: whoever puts one in owns it again if the pool is full, and its owner empties the pool with
 * POOL_TAKE before it goes. An item is in a list or in a pool, never in both, so one link serves for both.
 */
#ifndef COMMON_BASE_POOL_H
#define COMMON_BASE_POOL_H

#include "common/base/err.h"
#include "common/base/list.h"

struct pool { /* must not be moved or copied */
    struct list free;
    size_t count, max;
};

/* An unused item of type TYPE whose link is MEMBER, or NULL. It is the caller's now, and is as it was put in. */
#define POOL_TAKE(pool, type, member) LIST_ITEM_OR_NULL(pool_take(pool), type, member)

/* An empty pool for up to MAX items. */
static inline void pool_init(struct pool *p, size_t max)
{
    list_init(&p->free);
    p->count = 0;
    p->max = max;
}

/* Keeps the item of LINK, which is in no list. False if the pool is full: the item is still the caller's. */
MUST_CHECK static inline bool pool_put(struct pool *p, struct list_link *link)
{
    if (p->count >= p->max)
        return false;
    list_add_first(&p->free, link);
    p->count++;
    return true;
}

static inline struct list_link *pool_take(struct pool *p)
{
    struct list_link *link = list_take_first(&p->free);
    if (link)
        p->count--;
    return link;
}

#endif
