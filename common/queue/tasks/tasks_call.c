#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/queue/keys.h"
#include "common/queue/tasks/tasks_private.h"

#include <stdlib.h>

#define KEY_MAX 1024

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
                       const struct redis_script *script, struct args *tail)
{
    struct queue_tasks *q = c->q;
    struct buf base, lanes;
    buf_init(&base, KEY_MAX);
    buf_init(&lanes, KEY_MAX);
    keys_base(&base, q->conf->redis.prefix, partition);
    buf_add_slice(&lanes, buf_slice(&base));
    buf_add_str(&lanes, "lanes");
    struct slice *argv = xcalloc(tail->count + 1, sizeof *argv);
    argv[0] = buf_slice(&base);
    memcpy(argv + 1, args_slices(tail), tail->count * sizeof *argv);
    struct slice keys[1] = {buf_slice(&lanes)};
    struct asked *a = ask(c, which);
    note_sent(a,
              redis_eval(q->redis, script, keys, 1, argv, tail->count + 1, tasks_call_on_reply, a));
    buf_clear(&base);
    buf_clear(&lanes);
    free(argv);
}

void tasks_call_everywhere(struct tasks_call *c, const struct redis_script *script,
                           struct args *tail)
{
    for (unsigned i = 0; i < c->q->partitions; i++)
        tasks_call_script(c, i, i, script, tail);
}

void tasks_call_command(struct tasks_call *c, size_t which, unsigned partition, const char *verb,
                        const char *key, struct args *tail)
{
    struct buf name;
    buf_init(&name, KEY_MAX);
    keys_base(&name, c->q->conf->redis.prefix, partition);
    buf_add_str(&name, key);
    struct slice *argv = xcalloc(tail->count + 2, sizeof *argv);
    argv[0] = slice_str(verb);
    argv[1] = buf_slice(&name);
    memcpy(argv + 2, args_slices(tail), tail->count * sizeof *argv);
    struct asked *a = ask(c, which);
    note_sent(a, redis_command(c->q->redis, argv, tail->count + 2, tasks_call_on_reply, a));
    buf_clear(&name);
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
