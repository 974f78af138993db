#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/redis/redis_private.h"

#include <stdlib.h>

/* A connection like the others, with the same deadlines, watchdog and backoff; messages are told
 * from answers by their shape (RESP2). */

struct redis_sub { /* owned by the caller of redis_sub_new */
    struct redis *redis;
    struct redis_events events;
    char **channels;
    size_t count;
    size_t confirmed; /* on this connection */
};

static void on_subscribed(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis_sub *s = ctx;
    if (rc != OK)
        return;
    if (redis_kind(reply) == REDIS_FAILED) {
        redis_drop_soon(s->redis, "SUBSCRIBE was refused");
        return;
    }
    if (++s->confirmed == s->count && s->events.on_ready)
        s->events.on_ready(s->events.ctx);
}

static void on_ready(void *ctx)
{
    struct redis_sub *s = ctx;
    s->confirmed = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct slice argv[] = {SLICE_LIT("SUBSCRIBE"), slice_str(s->channels[i])};
        redis_send(s->redis, argv, 2, on_subscribed, s); /* one answer per channel */
    }
}

static void on_lost(void *ctx)
{
    struct redis_sub *s = ctx;
    if (s->confirmed == s->count && s->events.on_lost)
        s->events.on_lost(s->events.ctx);
}

struct redis_sub *redis_sub_new(struct loop *l, const struct config_redis *conf, const char *name,
                                const struct redis_channels *channels)
{
    struct redis_sub *s = NEW(struct redis_sub);
    s->events = channels->events;
    s->count = channels->count;
    s->channels = xcalloc(s->count, sizeof *s->channels);
    for (size_t i = 0; i < s->count; i++)
        s->channels[i] = xslicedup(channels->names[i]);
    struct redis_events inner = {.on_ready = on_ready, .on_lost = on_lost, .ctx = s};
    s->redis = redis_new(l, conf, name, &inner);
    s->redis->on_message = channels->on_message;
    s->redis->message_ctx = s->events.ctx;
    return s;
}

void redis_sub_free(struct redis_sub *s)
{
    if (!s)
        return;
    redis_free(s->redis);
    for (size_t i = 0; i < s->count; i++)
        free(s->channels[i]);
    free(s->channels);
    free(s);
}
