/* The acts of operators on single deliveries. */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>

#define NEAR 50000 /* deliveries that a drop looks at, at each end of a queue: about 1 ms */
#define STATE_MAX 16

struct act_call {
    struct shards_call call; /* first */
    enum act_result result;
    char state[STATE_MAX];
    act_fn fn;
    void *ctx;
};

MUST_CHECK static bool read_result(struct slice word, enum act_result *result)
{
    static const char *const words[] = {[ACT_DONE] = "done",
                                        [ACT_UNKNOWN] = "unknown",
                                        [ACT_REFUSED] = "refused",
                                        [ACT_NO_EVENT] = "no_event"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!slice_eq(word, slice_str(words[i])))
            continue;
        *result = (enum act_result)i;
        return true;
    }
    return false;
}

/* {what became of it, its state}. Only one partition has the delivery. */
static bool act_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct act_call *c = (struct act_call *)call;
    enum act_result result;
    (void)partition;
    if (redis_count(r) != 2 || !read_result(redis_text(redis_at(r, 0)), &result))
        return false;
    if (result == ACT_UNKNOWN)
        return true;
    struct slice state = slice_head(redis_text(redis_at(r, 1)), STATE_MAX - 1);
    c->result = result;
    memcpy(c->state, state.ptr, state.len);
    c->state[state.len] = '\0';
    return true;
}

static void act_on_end(struct shards_call *call)
{
    struct act_call *c = (struct act_call *)call;
    bool is_unsure = c->result == ACT_UNKNOWN && !partition_set_is_empty(&call->missing);
    c->fn(c->ctx, is_unsure ? ERR_UNAVAIL : call->rc, c->result, slice_str(c->state));
    free(c);
}

static void act(struct queue_admin *q, const struct redis_script *script, struct slice id,
                struct args *a, act_fn fn, void *ctx)
{
    struct act_call *c = NEW(struct act_call);
    int partition = admin_partition_of(q, id);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = act_on_reply;
    c->call.on_end = act_on_end;
    c->call.may_miss = true; /* one of the others may have it */
    c->result = ACT_UNKNOWN;
    c->fn = fn;
    c->ctx = ctx;
    if (partition < 0)
        shards_call_everywhere(&c->call, script, a);
    else
        shards_call_script(&c->call, (size_t)partition, (unsigned)partition, script, a);
    shards_call_sent(&c->call);
    args_clear(a);
}

void queue_admin_resend(struct queue_admin *q, struct slice id, act_fn fn, void *ctx)
{
    struct args a;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, id);
    args_add_int(&a, q->conf->retention.dead_s * 1000);
    act(q, &q->redo, id, &a, fn, ctx);
}

void queue_admin_drop(struct queue_admin *q, struct slice id, act_fn fn, void *ctx)
{
    struct args a;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, id);
    args_add_int(&a, q->conf->retention.dead_s * 1000);
    args_add_int(&a, q->conf->retention.dedup_s * 1000);
    args_add_int(&a, NEAR);
    act(q, &q->drop, id, &a, fn, ctx);
}
