#include "common/queue/shards_call.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"

#include <stdlib.h>

void shards_call_begin(struct shards_call *c, struct loop *l, struct shards *shards)
{
    c->loop = l;
    c->shards = shards;
    c->waiting = 1;
    c->rc = OK;
}

static void call_end(struct shards_call *c)
{
    if (--c->waiting == 0)
        c->on_end(c);
}

struct asked { /* one script or command, until it is answered */
    struct shards_call *call;
    size_t which;
};

static void shards_call_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct asked *a = ctx;
    struct shards_call *c = a->call;
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

static struct asked *ask(struct shards_call *c, size_t which)
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

void shards_call_script(struct shards_call *c, size_t which, unsigned partition,
                        const struct redis_script *script, struct args *args)
{
    struct asked *a = ask(c, which);
    struct shard *shard = shards_at(c->shards, partition);
    note_sent(a, shard_run(shard, script, args, shards_call_on_reply, a));
}

void shards_call_everywhere(struct shards_call *c, const struct redis_script *script,
                            struct args *args)
{
    for (unsigned i = 0; i < shards_count(c->shards); i++)
        shards_call_script(c, i, i, script, args);
}

void shards_call_command(struct shards_call *c, size_t which, struct shard *shard, const char *verb,
                         struct slice key, struct args *args)
{
    struct slice *argv = xcalloc(args->count + 2, sizeof *argv);
    argv[0] = slice_str(verb);
    argv[1] = key;
    memcpy(argv + 2, args_slices(args), args->count * sizeof *argv);
    struct asked *a = ask(c, which);
    note_sent(a, shard_command(shard, argv, args->count + 2, shards_call_on_reply, a));
    free(argv);
}

static void end_later(void *ctx)
{
    call_end(ctx);
}

void shards_call_sent(struct shards_call *c)
{
    if (c->waiting == 1) /* nothing could be sent: not before the caller returns */
        loop_defer(c->loop, end_later, c);
    else
        c->waiting--;
}
