#include "common/queue/take/claims.h"

#include "common/base/alloc.h"

#include <stdlib.h>

#define POOL_MOST 512
#define SMALL_BYTES (64 * 1024)
#define RECORD_MAX ((size_t)1 << 30)

struct claim *claims_take(struct list *list)
{
    return LIST_TAKE_FIRST(list, struct claim, link);
}

void claim_free(struct claim *c)
{
    free(c->d.id);
    free(c->d.lane);
    free(c->d.origin);
    buf_clear(&c->d.record);
    buf_clear(&c->d.scratch);
    buf_clear(&c->result.attempt);
    buf_clear(&c->result.failure);
    free(c);
}

void claim_recycle(struct pool *pool, struct claim *c)
{
    if (c->d.record.cap + c->d.scratch.cap > SMALL_BYTES) {
        claim_free(c);
        return;
    }
    free(c->d.id);
    free(c->d.lane);
    free(c->d.origin);
    struct buf record = c->d.record, scratch = c->d.scratch;
    struct buf attempt = c->result.attempt, failure = c->result.failure;
    *c = (struct claim){.d = {.record = record, .scratch = scratch},
                        .result = {.attempt = attempt, .failure = failure}};
    buf_reset(&c->d.record);
    buf_reset(&c->d.scratch);
    if (!pool_put(pool, &c->link))
        claim_free(c);
}

struct claim *claim_new(struct pool *pool)
{
    struct claim *c = POOL_TAKE(pool, struct claim, link);
    if (c)
        return c;
    c = NEW(struct claim);
    buf_init(&c->d.record, RECORD_MAX);
    buf_init(&c->d.scratch, RECORD_MAX);
    return c;
}

void claim_pool_init(struct pool *pool)
{
    pool_init(pool, POOL_MOST);
}

void claim_pool_clear(struct pool *pool)
{
    for (struct claim *c; (c = POOL_TAKE(pool, struct claim, link));)
        claim_free(c);
}
