/* claims - a claimed delivery from its claim to its result, and a pool that keeps its buffers.   [pure]
 */
#ifndef COMMON_QUEUE_CLAIMS_H
#define COMMON_QUEUE_CLAIMS_H

#include "common/base/pool.h"
#include "common/queue/queue_take.h"
#include "common/queue/take/settle_args.h"

struct claim { /* a delivery and, once settled, its result */
    struct delivery d;
    struct result result;
    unsigned tries;        /* times that recording the result was refused */
    struct list_link link; /* in the list of results to be recorded, or in the pool */
};

/* The claim that D, which the engine has, is part of. */
static inline struct claim *claim_of(struct delivery *d)
{
    return (struct claim *)((char *)d - offsetof(struct claim, d));
}

void claim_pool_init(struct pool *pool);
/* Frees what is in POOL. */
void claim_pool_clear(struct pool *pool);
/* An empty claim, with the buffers of an earlier one if POOL has any. The caller owns it. */
struct claim *claim_new(struct pool *pool);
/* Takes C back. Its buffers serve the next claim if they are small. */
void claim_recycle(struct pool *pool, struct claim *c);
void claim_free(struct claim *c);
/* Removes the first claim of LIST and returns it, or NULL. */
struct claim *claims_take(struct list *list);

#endif
