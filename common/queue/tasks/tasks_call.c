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

struct asked { /* one script or command, until it is answered */
    struct tasks_call *call;
    size_t which;
};

static void tasks_call_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct asked *a = ctx;
    struct tasks_call *c = a->call;
    size_t which = a->which;
    free(a);
    if (rc == OK && redis_kind(r) == REDIS_FAILED)
        rc = ERR_UNAVAIL;
    if (rc == OK && c->rc == OK && !c->on_reply(c, which, r))
        rc = ERR_UNAVAIL;
    if (rc != OK)
        c->rc = rc;
    call_end(c);
}

static struct asked *ask(struct tasks_call *c, size_t which)
{
    struct asked *a = NEW(struct asked);
    *a = (struct asked){c, which};
    c->waiting++;
    return a;
}

/* RC: of sending A. */
static void note_sent(struct asked *a, enum err rc)
{
    if (rc == OK)
        return;
    a->call->rc = ERR_UNAVAIL;
    a->call->waiting--;
    free(a);
}

void tasks_call_script(struct tasks_call *c, size_t which, unsigned partition,
                       const struct redis_script *script, struct args *args)
{
    struct asked *a = ask(c, which);
    struct shard *shard = shards_at(c->q->shards, partition);
    note_sent(a, shard_run(shard, script, args, tasks_call_on_reply, a));
}

void tasks_call_everywhere(struct tasks_call *c, const struct redis_script *script,
                           struct args *args)
{
    for (unsigned i = 0; i < c->q->partitions; i++)
        tasks_call_script(c, i, i, script, args);
}

void tasks_call_command(struct tasks_call *c, size_t which, struct shard *shard, const char *verb,
                        struct slice key, struct args *args)
{
    struct slice *argv = xcalloc(args->count + 2, sizeof *argv);
    argv[0] = slice_str(verb);
    argv[1] = key;
    memcpy(argv + 2, args_slices(args), args->count * sizeof *argv);
    struct asked *a = ask(c, which);
    note_sent(a, shard_command(shard, argv, args->count + 2, tasks_call_on_reply, a));
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
