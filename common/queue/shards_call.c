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
    c->may_miss = c->is_hurried = false;
    list_init(&c->asking);
    c->timer = NULL;
    c->asked = c->missing = (struct partition_set){0};
    c->on_missing = NULL;
}

void shards_call_hurry(struct shards_call *c)
{
    c->is_hurried = shards_mode(c->shards) == REDIS_CLUSTER;
}

/* One answer less is waited for. True: it was the last one, and the call has ended. */
static bool call_end(struct shards_call *c)
{
    if (--c->waiting)
        return false;
    if (c->rc == OK && !partition_set_is_empty(&c->missing) &&
        partition_set_is_in(&c->asked, &c->missing))
        c->rc = ERR_UNAVAIL;
    loop_timer_free(c->timer);
    c->timer = NULL;
    c->on_end(c);
    return true;
}

struct asked {                /* one script or command, until it is answered */
    struct list_link link;    /* of the call */
    struct shards_call *call; /* NULL: it waits no more */
    struct shard *shard;
    size_t which;
    mono_us at; /* when it was asked */
};

static void note_failure(struct shards_call *c, size_t which, const struct shard *shard,
                         enum err rc)
{
    if (!c->may_miss) {
        c->rc = rc;
        return;
    }
    partition_set_add(&c->missing, shard_number(shard));
    if (c->on_missing)
        c->on_missing(c, which);
}

static void shards_call_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct asked *a = ctx;
    struct shards_call *c = a->call;
    struct asked done = *a;
    if (c)
        list_remove(&a->link);
    free(a);
    if (!c) {
        shard_note_late(done.shard, false);
        return;
    }
    if (rc == OK && redis_kind(r) == REDIS_FAILED)
        rc = ERR_UNAVAIL;
    if (rc != OK) {
        note_failure(c, done.which, done.shard, rc);
    } else if (c->rc == OK && !c->on_reply(c, done.which, r)) {
        c->rc = ERR_UNAVAIL;
    }
    (void)call_end(c);
}

/* ---- what is late ---- */

/* C waits no more for A, which is one of its own. */
static void give_up(struct shards_call *c, struct asked *a)
{
    list_remove(&a->link);
    a->call = NULL;
    shard_note_late(a->shard, true);
    note_failure(c, a->which, a->shard, ERR_TIMEOUT);
}

static void call_on_timer(void *ctx)
{
    struct shards_call *c = ctx;
    mono_us due = clock_mono_us() - SHARD_PATIENCE_US;
    struct asked *a;
    while ((a = LIST_FIRST(&c->asking, struct asked, link)) != NULL && a->at <= due) {
        give_up(c, a);
        if (call_end(c))
            return;
    }
    loop_timer_arm(c->timer, a ? a->at - due : SHARD_PATIENCE_US);
}

/* ---- questions ---- */

static struct asked *ask(struct shards_call *c, size_t which, struct shard *shard)
{
    struct asked *a = NEW(struct asked);
    *a = (struct asked){.call = c, .shard = shard, .which = which, .at = clock_mono_us()};
    partition_set_add(&c->asked, shard_number(shard));
    list_add_last(&c->asking, &a->link);
    c->waiting++;
    if (c->is_hurried && !c->timer) {
        c->timer = loop_timer_new(c->loop, call_on_timer, c);
        loop_timer_arm(c->timer, SHARD_PATIENCE_US);
    }
    return a;
}

/* A call in a hurry does not wait again for the shard that let another one wait. */
static bool is_too_late(const struct shards_call *c, const struct shard *shard)
{
    return c->is_hurried && shard_is_late(shard);
}

/* RC: of sending A. */
static void note_sent(struct asked *a, enum err rc)
{
    struct asked failed = *a;
    if (rc == OK)
        return;
    list_remove(&a->link);
    free(a);
    failed.call->waiting--;
    note_failure(failed.call, failed.which, failed.shard, ERR_UNAVAIL);
}

void shards_call_script(struct shards_call *c, size_t which, unsigned partition,
                        const struct redis_script *script, struct args *args)
{
    struct shard *shard = shards_at(c->shards, partition);
    struct asked *a = ask(c, which, shard);
    note_sent(a, is_too_late(c, shard) ? ERR_UNAVAIL
                                       : shard_run(shard, script, args, shards_call_on_reply, a));
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
    struct asked *a = ask(c, which, shard);
    note_sent(a, is_too_late(c, shard)
                     ? ERR_UNAVAIL
                     : shard_command(shard, argv, args->count + 2, shards_call_on_reply, a));
    free(argv);
}

static void end_later(void *ctx)
{
    (void)call_end(ctx);
}

void shards_call_sent(struct shards_call *c)
{
    if (c->waiting == 1) /* nothing could be sent: not before the caller returns */
        loop_defer(c->loop, end_later, c);
    else
        c->waiting--;
}
