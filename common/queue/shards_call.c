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
    c->may_miss = false;
    c->asked = c->missing = (struct partition_set){0};
    c->on_missing = NULL;
}

static void call_end(struct shards_call *c)
{
    if (--c->waiting)
        return;
    if (c->rc == OK && !partition_set_is_empty(&c->missing) &&
        partition_set_is_in(&c->asked, &c->missing))
        c->rc = ERR_UNAVAIL;
    c->on_end(c);
}

struct asked { /* one script or command, until it is answered */
    struct shards_call *call;
    size_t which;
    unsigned partition;
};

static void note_failure(struct shards_call *c, size_t which, unsigned partition, enum err rc)
{
    if (!c->may_miss) {
        c->rc = rc;
        return;
    }
    partition_set_add(&c->missing, partition);
    if (c->on_missing)
        c->on_missing(c, which);
}

static void shards_call_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct asked *a = ctx;
    struct shards_call *c = a->call;
    struct asked done = *a;
    free(a);
    if (rc == OK && redis_kind(r) == REDIS_FAILED)
        rc = ERR_UNAVAIL;
    if (rc != OK) {
        note_failure(c, done.which, done.partition, rc);
    } else if (c->rc == OK && !c->on_reply(c, done.which, r)) {
        c->rc = ERR_UNAVAIL;
    }
    call_end(c);
}

static struct asked *ask(struct shards_call *c, size_t which, unsigned partition)
{
    struct asked *a = NEW(struct asked);
    *a = (struct asked){c, which, partition};
    partition_set_add(&c->asked, partition);
    c->waiting++;
    return a;
}

/* RC: of sending A. */
static void note_sent(struct asked *a, enum err rc)
{
    struct asked failed = *a;
    if (rc == OK)
        return;
    free(a);
    failed.call->waiting--;
    note_failure(failed.call, failed.which, failed.partition, ERR_UNAVAIL);
}

void shards_call_script(struct shards_call *c, size_t which, unsigned partition,
                        const struct redis_script *script, struct args *args)
{
    struct asked *a = ask(c, which, partition);
    struct shard *shard = shards_at(c->shards, partition);
    note_sent(a, shard_run(shard, script, args, shards_call_on_reply, a));
}

void shards_call_everywhere(struct shards_call *c, const struct redis_script *script,
                            struct args *args)
{
    for (unsigned i = 0; i < shards_count(c->shards); i++)
        shards_call_script(c, i, i, script, args);
}

void shards_call_all_or_none(struct shards_call *c, const struct redis_script *script,
                             struct args *args)
{
    for (unsigned i = 0; i < shards_count(c->shards); i++)
        if (!shard_is_ready(shards_at(c->shards, i)))
            c->rc = ERR_UNAVAIL;
    if (c->rc == OK)
        shards_call_everywhere(c, script, args);
}

void shards_call_command(struct shards_call *c, size_t which, struct shard *shard, const char *verb,
                         struct slice key, struct args *args)
{
    struct slice *argv = xcalloc(args->count + 2, sizeof *argv);
    argv[0] = slice_str(verb);
    argv[1] = key;
    memcpy(argv + 2, args_slices(args), args->count * sizeof *argv);
    struct asked *a = ask(c, which, shard_number(shard));
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
