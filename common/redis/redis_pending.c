#include "common/redis/redis_pending.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_CAP 64

void redis_pending_clear(struct pendings *p)
{
    free(p->at);
    *p = (struct pendings){0};
}

static void grow(struct pendings *p)
{
    size_t cap = p->cap ? p->cap * 2 : FIRST_CAP;
    p->at = xrealloc(p->at, cap, sizeof *p->at);
    /* The part that had wrapped round continues behind the old end. */
    if (p->first + p->count > p->cap)
        memcpy(p->at + p->cap, p->at, (p->first + p->count - p->cap) * sizeof *p->at);
    p->cap = cap;
}

void redis_pending_push(struct pendings *p, const struct pending *item)
{
    if (p->count == p->cap)
        grow(p);
    p->at[(p->first + p->count++) & (p->cap - 1)] = *item;
}

struct pending *redis_pending_head(struct pendings *p)
{
    return p->count ? &p->at[p->first] : NULL;
}

struct pending redis_pending_pop(struct pendings *p)
{
    assert(p->count);
    struct pending item = p->at[p->first];
    p->first = (p->first + 1) & (p->cap - 1);
    p->count--;
    return item;
}

void redis_pending_fail(struct pendings *p, uint64_t written)
{
    while (p->count) {
        struct pending item = redis_pending_pop(p);
        if (item.fn)
            item.fn(item.ctx, item.end <= written ? ERR_TIMEOUT : ERR_UNAVAIL, NULL);
    }
    redis_pending_clear(p);
}
