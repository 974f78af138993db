#include "common/queue/take/claims.h"

#include "common/base/alloc.h"

#include <stdlib.h>

#define POOL_MOST 512
#define SMALL_BYTES (64 * 1024)
#define RECORD_MAX ((size_t)1 << 30)

void claims_init(struct claim_list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

void claims_add(struct claim_list *l, struct claim *c)
{
    c->next = NULL;
    *l->last = c;
    l->last = &c->next;
}

struct claim *claims_take(struct claim_list *l)
{
    struct claim *c = l->first;
    if (c) {
        l->first = c->next;
        if (!l->first)
            l->last = &l->first;
    }
    return c;
}

void claim_free(struct claim *c)
{
    free(c->d.id);
    free(c->d.lane);
    buf_clear(&c->d.record);
    buf_clear(&c->d.scratch);
    buf_clear(&c->result.attempt);
    buf_clear(&c->result.failure);
    free(c);
}

void claim_recycle(struct claim_pool *pool, struct claim *c)
{
    if (pool->count >= POOL_MOST || c->d.record.cap + c->d.scratch.cap > SMALL_BYTES) {
        claim_free(c);
        return;
    }
    free(c->d.id);
    free(c->d.lane);
    struct buf record = c->d.record, scratch = c->d.scratch;
    struct buf attempt = c->result.attempt, failure = c->result.failure;
    *c = (struct claim){.d = {.record = record, .scratch = scratch},
                        .result = {.attempt = attempt, .failure = failure}};
    buf_reset(&c->d.record);
    buf_reset(&c->d.scratch);
    c->next = pool->free;
    pool->free = c;
    pool->count++;
}

struct claim *claim_new(struct claim_pool *pool)
{
    struct claim *c = pool->free;
    if (c) {
        pool->free = c->next;
        pool->count--;
        c->next = NULL;
        return c;
    }
    c = NEW(struct claim);
    buf_init(&c->d.record, RECORD_MAX);
    buf_init(&c->d.scratch, RECORD_MAX);
    return c;
}

void claim_pool_clear(struct claim_pool *pool)
{
    while (pool->free) {
        struct claim *c = pool->free;
        pool->free = c->next;
        claim_free(c);
    }
    pool->count = 0;
}
