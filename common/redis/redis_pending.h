/* redis_pending - a queue of the commands that Redis has not answered yet, oldest first.   [pure]
 */
#ifndef COMMON_REDIS_REDIS_PENDING_H
#define COMMON_REDIS_REDIS_PENDING_H

#include "common/base/clock.h"
#include "common/redis/redis.h"

struct pending {
    redis_fn fn; /* NULL: the answer does not matter */
    void *ctx;
    const struct redis_script *script; /* not NULL: EVALSHA of it, repeated on NOSCRIPT */
    mono_us deadline;
    uint64_t end; /* position of its end in `struct out`; it starts where the one before ends */
    unsigned tries;
    bool may_move; /* another server of a cluster may get it, if this one turns it away */
    struct slice confirm_key; /* of redis_call */
    bool waits;               /* its answer waits for replicas (redis_confirm.h) */
};

struct pendings { /* redis_pending_clear frees */
    struct pending *at;
    size_t first, count, cap; /* cap is 0 or a power of two */
};

void redis_pending_clear(struct pendings *p);
void redis_pending_push(struct pendings *p, const struct pending *item);
/* The oldest, or NULL. Valid until the next push. */
struct pending *redis_pending_head(struct pendings *p);
struct pending redis_pending_pop(struct pendings *p);
/* Runs all callbacks, oldest first, and clears P. WRITTEN is the position up to which bytes were written: a command that
 * ends behind it cannot have run and gets ERR_UNAVAIL, the others get ERR_TIMEOUT. */
void redis_pending_fail(struct pendings *p, uint64_t written);

#endif
