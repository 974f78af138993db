#include "common/base/alloc.h"
#include "common/redis/redis.h"

#include <stdlib.h>

struct channel { /* owned by its redis_sub */
    struct redis_sub *sub;
    char *name;
    bool is_asked, is_up; /* on this connection */
    bool is_gone;         /* it was removed */
};

struct redis_sub { /* owned by the caller of redis_sub_new */
    struct redis *redis;
    struct redis_events events;
    void (*on_channel)(void *ctx, struct slice channel, bool is_up);
    bool is_sharded;
    bool is_whole;             /* all channels are subscribed, and the owner knows */
    struct channel **channels; /* answers on their way point to them */
    size_t count;
};

static bool has_all(const struct redis_sub *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->channels[i]->is_up && !s->channels[i]->is_gone)
            return false;
    return true;
}

static void sub_set(struct redis_sub *s, struct channel *c, bool is_up)
{
    if (c->is_up == is_up)
        return;
    c->is_up = is_up;
    if (s->on_channel && !c->is_gone)
        s->on_channel(s->events.ctx, slice_str(c->name), is_up);
}

static void sub_judge(struct redis_sub *s)
{
    bool was_whole = s->is_whole;
    s->is_whole = has_all(s);
    if (s->is_whole && !was_whole && s->events.on_ready)
        s->events.on_ready(s->events.ctx);
    else if (!s->is_whole && was_whole && s->events.on_lost)
        s->events.on_lost(s->events.ctx);
}

static void sub_on_subscribed(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct channel *c = ctx;
    struct redis_sub *s = c->sub;
    if (rc != OK)
        return;
    c->is_asked = false;
    if (redis_kind(reply) == REDIS_FAILED && s->is_sharded)
        return; /* the slot is elsewhere: redis_sub_add tries again */
    if (redis_kind(reply) == REDIS_FAILED) {
        redis_drop_soon(s->redis, "SUBSCRIBE was refused");
        return;
    }
    sub_set(s, c, true);
    sub_judge(s);
}

/* Asks for C, which is not subscribed. False if that cannot be sent. */
static bool sub_ask(struct redis_sub *s, struct channel *c)
{
    struct slice verb = s->is_sharded ? SLICE_LIT("SSUBSCRIBE") : SLICE_LIT("SUBSCRIBE");
    struct slice argv[] = {verb, slice_str(c->name)};
    c->is_asked = redis_command(s->redis, argv, 2, sub_on_subscribed, c) == OK;
    return c->is_asked;
}

static void sub_on_ready(void *ctx)
{
    struct redis_sub *s = ctx;
    bool is_sent = true;
    for (size_t i = 0; is_sent && i < s->count; i++)
        if (!s->channels[i]->is_gone)
            is_sent = sub_ask(s, s->channels[i]); /* one answer per channel */
    if (!is_sent)
        redis_drop_soon(s->redis, "SUBSCRIBE could not be sent");
}

static void sub_on_lost(void *ctx)
{
    struct redis_sub *s = ctx;
    for (size_t i = 0; i < s->count; i++) {
        s->channels[i]->is_asked = false;
        sub_set(s, s->channels[i], false);
    }
    if (s->count)
        sub_judge(s);
}

static struct channel *sub_find(const struct redis_sub *s, struct slice name)
{
    for (size_t i = 0; i < s->count; i++)
        if (slice_eq(slice_str(s->channels[i]->name), name))
            return s->channels[i];
    return NULL;
}

static void sub_on_ended(void *ctx, struct slice name)
{
    struct redis_sub *s = ctx;
    struct channel *c = sub_find(s, name);
    if (!c)
        return;
    sub_set(s, c, false);
    sub_judge(s);
}

static void sub_on_message(void *ctx, struct slice channel, struct slice payload)
{
    struct redis_sub *s = ctx;
    s->events.on_message(s->events.ctx, channel, payload);
}

static struct channel *sub_append(struct redis_sub *s, struct slice name)
{
    struct channel *c = NEW(struct channel);
    c->sub = s;
    c->name = xslicedup(name);
    s->channels = xrealloc(s->channels, s->count + 1, sizeof(struct channel *));
    s->channels[s->count++] = c;
    return c;
}

struct redis_sub *redis_sub_new(struct loop *l, const struct redis_target *to, const char *name,
                                const struct redis_channels *channels)
{
    struct redis_sub *s = NEW(struct redis_sub);
    s->events = channels->events;
    s->on_channel = channels->on_channel;
    s->is_sharded = channels->is_sharded;
    for (size_t i = 0; i < channels->count; i++)
        sub_append(s, channels->names[i]);
    struct redis_events inner = {.on_ready = sub_on_ready,
                                 .on_lost = sub_on_lost,
                                 .on_message = sub_on_message,
                                 .on_ended = s->is_sharded ? sub_on_ended : NULL,
                                 .ctx = s,
                                 .is_patient = channels->events.is_patient};
    s->redis = redis_new(l, to, name, &inner);
    return s;
}

void redis_sub_read(struct redis_sub *s)
{
    redis_read(s->redis);
}

void redis_sub_renew(struct redis_sub *s)
{
    if (has_all(s))
        redis_drop_soon(s->redis, "the server does not know this subscription");
}

void redis_sub_add(struct redis_sub *s, struct slice name)
{
    struct channel *c = sub_find(s, name);
    if (!c)
        c = sub_append(s, name);
    bool was_gone = c->is_gone;
    c->is_gone = false;
    if (was_gone && c->is_up && s->on_channel)
        s->on_channel(s->events.ctx, name, true);
    if (!c->is_up && !c->is_asked && redis_is_ready(s->redis) && !sub_ask(s, c))
        redis_drop_soon(s->redis, "SUBSCRIBE could not be sent");
    s->is_whole = s->is_whole && c->is_up;
}

void redis_sub_remove(struct redis_sub *s, struct slice name)
{
    struct channel *c = sub_find(s, name);
    if (!c)
        return;
    c->is_gone = true;
    sub_judge(s);
}

void redis_sub_free(struct redis_sub *s)
{
    if (!s)
        return;
    redis_free(s->redis);
    for (size_t i = 0; i < s->count; i++) {
        free(s->channels[i]->name);
        free(s->channels[i]);
    }
    free(s->channels);
    free(s);
}
