/* The acts of operators on lanes. */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>

struct lane_call {
    struct shards_call call; /* first */
    int64_t reply;
    admin_done_fn fn;
    void *ctx;
};

static bool lane_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    (void)partition;
    ((struct lane_call *)call)->reply = redis_int(r);
    return redis_kind(r) == REDIS_INT;
}

static void lane_on_end(struct shards_call *call)
{
    struct lane_call *c = (struct lane_call *)call;
    c->fn(c->ctx, call->rc, c->reply);
    free(c);
}

void queue_admin_pause(struct queue_admin *q, struct slice lane, bool is_paused, admin_done_fn fn,
                       void *ctx)
{
    struct lane_call *c = NEW(struct lane_call);
    admin_survey_forget(q);
    unsigned partition = partition_of(lane, shards_count(q->shards));
    struct args a;
    c->fn = fn;
    c->ctx = ctx;
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = lane_on_reply;
    c->call.on_end = lane_on_end;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, lane);
    args_add_int(&a, is_paused);
    shards_call_script(&c->call, partition, partition, &q->pause, &a);
    args_clear(&a);
    shards_call_sent(&c->call);
}
