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

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct tasks_call *c = ctx;
    if (rc == OK && (redis_kind(r) == REDIS_FAILED || !c->on_reply(c, r)))
        rc = ERR_UNAVAIL;
    if (rc != OK)
        c->rc = rc;
    call_end(c);
}

static void send(struct tasks_call *c, const struct slice *argv, size_t argc)
{
    c->waiting++;
    if (redis_command(c->q->redis, argv, argc, on_reply, c) != OK) {
        c->rc = ERR_UNAVAIL;
        c->waiting--;
    }
}

void tasks_call_script(struct tasks_call *c, const struct redis_script *script, struct args *tail)
{
    struct queue_tasks *q = c->q;
    const struct slice *rest = args_slices(tail);
    struct slice *argv = xcalloc(tail->count + 1, sizeof *argv);
    memcpy(argv + 1, rest, tail->count * sizeof *argv);
    for (unsigned i = 0; i < q->partitions; i++) {
        struct buf base, lanes;
        buf_init(&base, KEY_MAX);
        buf_init(&lanes, KEY_MAX);
        keys_base(&base, q->conf->redis.prefix, i);
        buf_add_slice(&lanes, buf_slice(&base));
        buf_add_str(&lanes, "lanes");
        argv[0] = buf_slice(&base);
        struct slice keys[1] = {buf_slice(&lanes)};
        c->waiting++;
        if (redis_eval(q->redis, script, keys, 1, argv, tail->count + 1, on_reply, c) != OK) {
            c->rc = ERR_UNAVAIL;
            c->waiting--;
        }
        buf_clear(&base);
        buf_clear(&lanes);
    }
    free(argv);
}

void tasks_call_command(struct tasks_call *c, unsigned partition, const char *verb, const char *key,
                        struct args *tail)
{
    const struct slice *rest = args_slices(tail);
    struct slice *argv = xcalloc(tail->count + 2, sizeof *argv);
    memcpy(argv + 2, rest, tail->count * sizeof *argv);
    struct buf name;
    buf_init(&name, KEY_MAX);
    keys_base(&name, c->q->conf->redis.prefix, partition);
    buf_add_str(&name, key);
    argv[0] = slice_str(verb);
    argv[1] = buf_slice(&name);
    send(c, argv, tail->count + 2);
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
