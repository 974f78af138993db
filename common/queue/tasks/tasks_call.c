#include "common/base/alloc.h"
#include "common/net/loop.h"
#include "common/queue/tasks/tasks_private.h"

#include <stdlib.h>

void tasks_call_begin(struct tasks_call *c, struct queue_tasks *q)
{
    c->q = q;
    c->waiting = 1;
    c->rc = OK;
}

static void call_end(struct tasks_call *c)
{
    if (--c->waiting == 0)
        c->on_end(c);
}

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct tasks_call *c = ctx;
    if (rc == OK && (redis_kind(r) == REDIS_FAILED || !c->on_reply(c, r)))
        rc = ERR_UNAVAIL;
    if (rc != OK)
        c->rc = rc;
    call_end(c);
}

/* Counts what was sent; RC says whether it was. */
static void sent(struct tasks_call *c, enum err rc)
{
    if (rc == OK)
        c->waiting++;
    else
        c->rc = ERR_UNAVAIL;
}

void tasks_call_script(struct tasks_call *c, const struct redis_script *script, struct args *args)
{
    for (unsigned i = 0; i < c->q->partitions; i++)
        sent(c, shard_run(shards_at(c->q->shards, i), script, args, on_reply, c));
}

void tasks_call_command(struct tasks_call *c, struct shard *shard, const char *verb,
                        struct slice key, struct args *args)
{
    const struct slice *rest = args_slices(args);
    struct slice *argv = xcalloc(args->count + 2, sizeof *argv);
    memcpy(argv + 2, rest, args->count * sizeof *argv);
    argv[0] = slice_str(verb);
    argv[1] = key;
    sent(c, shard_command(shard, argv, args->count + 2, on_reply, c));
    free(argv);
}

static void end_later(void *ctx)
{
    call_end(ctx);
}

void tasks_call_sent(struct tasks_call *c)
{
    if (c->waiting == 1) /* nothing could be sent: not before the caller returns */
        loop_defer(c->q->loop, end_later, c);
    else
        c->waiting--;
}
