/* claims - the memory of claimed deliveries: lists of them, and a pool that keeps their buffers.   [pure]
 */
#ifndef COMMON_QUEUE_CLAIMS_H
#define COMMON_QUEUE_CLAIMS_H

#include "common/queue/queue_take.h"
#include "common/queue/take/settle_args.h"

struct claim {         /* a delivery and, once settled, its result */
    struct delivery d; /* first: the engine's pointer is ours */
    struct result result;
    unsigned tries; /* times that recording the result was refused */
    struct claim *next;
};

struct claim_list { /* owns what is in it; must not be moved */
    struct claim *first, **last;
};

void claims_init(struct claim_list *l);
void claims_add(struct claim_list *l, struct claim *c);
struct claim *claims_take(struct claim_list *l); /* the first, or NULL */

struct claim_pool { /* zero to start with; claim_pool_clear frees */
    struct claim *free;
    size_t count;
};

struct claim *claim_new(struct claim_pool *pool);
/* Gives C back: its buffers serve the next claim if they are small. */
void claim_recycle(struct claim_pool *pool, struct claim *c);
void claim_free(struct claim *c);
void claim_pool_clear(struct claim_pool *pool);

#endif
