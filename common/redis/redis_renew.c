/* The place of a connection is taken by another one, which is a `struct redis` of its own until it is ready. From then on
 * nothing new is written. When all that was written is answered, the socket changes its owner. */
#include "common/base/log.h"
#include "common/net/loop.h"
#include "common/redis/redis_private.h"

#include <assert.h>
#include <string.h>

#define REASON "the files of redis.tls are new"

/* Everything that was written is answered. */
static bool is_calm(const struct redis *r)
{
    return r->out.answered == r->out.written && r->out.written >= r->out.hold;
}

static void take(struct redis *r)
{
    struct redis *next = r->next;
    if (strcmp(r->facts.run, next->facts.run) != 0) { /* what it answered is not there */
        redis_drop_soon(r, "another server has its address");
        return;
    }
    struct redis_io io = next->io;
    struct redisReader *reader = next->reader;
    next->io = REDIS_IO_CLOSED;
    next->reader = NULL;
    redis_io_shut(r);
    r->connection++;
    r->tls_version = next->tls_version;
    r->facts = next->facts;
    r->limit = next->limit;
    r->heard_at = next->heard_at;
    redis_renew_stop(r);
    if (redis_io_open(r, io, reader)) {
        LOG_RARELY(LL_INFO, "redis.renewed", LS("url", r->conf.shown), LS("client", r->name),
                   LS("reason", REASON));
        redis_write_soon(r);
    } else {
        redis_drop_soon(r, "out of memory");
    }
}

static void take_deferred(void *ctx)
{
    struct redis *r = ctx;
    r->renew_deferred = false;
    if (r->next && r->state == STATE_READY && !r->drop_deferred && redis_is_ready(r->next) &&
        is_calm(r))
        take(r);
}

void redis_renew_go_on(struct redis *r)
{
    if (r->renew_deferred || !is_calm(r))
        return;
    r->renew_deferred = true;
    loop_defer(r->loop, take_deferred, r); /* not while an answer is read */
}

static void renew_on_ready(void *ctx)
{
    struct redis *r = ctx;
    r->out.hold = r->out.end;
    redis_renew_go_on(r);
}

static void renew_on_lost(void *ctx)
{
    struct redis *r = ctx;
    r->out.hold = UINT64_MAX;
    redis_write_soon(r);
}

void redis_renew(struct redis *r)
{
    if (r->next)
        return;
    if (r->events.on_message) {
        redis_drop_soon(r, REASON);
        return;
    }
    struct redis_events events = {
        .on_ready = renew_on_ready, .on_lost = renew_on_lost, .ctx = r, .is_patient = true};
    struct redis_target to = {
        .conf = &r->conf, .node = r->conf.unix_path ? NULL : &r->node, .is_guide = r->is_guide};
    r->next = redis_new(r->loop, &to, r->name, &events);
}

void redis_renew_stop(struct redis *r)
{
    struct redis *next = r->next;
    r->next = NULL;
    r->out.hold = UINT64_MAX;
    redis_free(next);
}
