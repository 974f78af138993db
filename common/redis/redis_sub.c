#include "common/base/alloc.h"
#include "common/redis/redis.h"

#include <stdlib.h>

struct redis_sub { /* owned by the caller of redis_sub_new */
    struct redis *redis;
    struct redis_events events;
    char **channels;
    size_t count;
    size_t confirmed; /* on this connection */
};

static void sub_on_subscribed(void *ctx, enum err rc, const struct redis_reply *reply)
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

static void sub_on_ready(void *ctx)
{
    struct redis_sub *s = ctx;
    enum err rc = OK;
    s->confirmed = 0;
    for (size_t i = 0; rc == OK && i < s->count; i++) {
        struct slice argv[] = {SLICE_LIT("SUBSCRIBE"), slice_str(s->channels[i])};
        rc = redis_command(s->redis, argv, 2, sub_on_subscribed, s); /* one answer per channel */
    }
    if (rc != OK)
        redis_drop_soon(s->redis, "SUBSCRIBE could not be sent");
}

static void sub_on_lost(void *ctx)
{
    struct redis_sub *s = ctx;
    if (s->confirmed == s->count && s->events.on_lost)
        s->events.on_lost(s->events.ctx);
}

static void sub_on_message(void *ctx, struct slice channel, struct slice payload)
{
    struct redis_sub *s = ctx;
    s->events.on_message(s->events.ctx, channel, payload);
}

struct redis_sub *redis_sub_new(struct loop *l, const struct redis_target *to, const char *name,
                                const struct redis_channels *channels)
{
    struct redis_sub *s = NEW(struct redis_sub);
    s->events = channels->events;
    s->count = channels->count;
    s->channels = xcalloc(s->count, sizeof *s->channels);
    for (size_t i = 0; i < s->count; i++)
        s->channels[i] = xslicedup(channels->names[i]);
    struct redis_events inner = {.on_ready = sub_on_ready,
                                 .on_lost = sub_on_lost,
                                 .on_message = sub_on_message,
                                 .ctx = s,
                                 .is_patient = channels->events.is_patient};
    s->redis = redis_new(l, to, name, &inner);
    return s;
}

void redis_sub_renew(struct redis_sub *s)
{
    if (s->confirmed == s->count)
        redis_drop_soon(s->redis, "the server does not know this subscription");
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
