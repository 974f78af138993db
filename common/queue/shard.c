#include "common/queue/shard.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/keys.h"

#include <assert.h>
#include <stdlib.h>

#define KEY_BYTES 1024

enum { LEAD_LANES, LEAD_BASE, LEAD_COUNT }; /* what each script call begins with */

struct shard { /* owned by its shards */
    struct redis *redis;
    unsigned number;
    struct slice lead[LEAD_COUNT]; /* own copies */
};

struct shards { /* owned by the caller of shards_new; freed by shards_free */
    struct loop *loop;
    struct shard_events events;
    struct redis *redis;
    struct redis_sub *wakes; /* or NULL */
    struct map by_channel;   /* the shard of each `wake` channel */
    unsigned count;
    struct shard list[];
};

/* ---- events of the connections ---- */

static void shards_on_ready(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; all->events.on_ready && i < all->count; i++)
        all->events.on_ready(all->events.ctx, &all->list[i]);
}

static void shards_on_lost(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; all->events.on_lost && i < all->count; i++)
        all->events.on_lost(all->events.ctx, &all->list[i]);
}

static void shards_on_message(void *ctx, struct slice channel, struct slice payload)
{
    struct shards *all = ctx;
    struct shard *s = map_get(&all->by_channel, channel);
    (void)payload;
    if (s)
        all->events.on_wake(all->events.ctx, s);
}

/* Messages may have been missed while nothing was subscribed. */
static void shards_on_subscribed(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; i < all->count; i++)
        all->events.on_wake(all->events.ctx, &all->list[i]);
}

/* ---- begin and end ---- */

static void shard_init(struct shard *s, struct redis *redis, const char *prefix, unsigned number)
{
    struct buf text;
    buf_init(&text, KEY_BYTES);
    s->redis = redis;
    s->number = number;
    keys_base(&text, prefix, number);
    struct slice base = buf_slice(&text);
    s->lead[LEAD_BASE] = slice_make(xslicedup(base), base.len);
    buf_reset(&text);
    keys_lanes(&text, s->lead[LEAD_BASE]);
    s->lead[LEAD_LANES].ptr = buf_take(&text, &s->lead[LEAD_LANES].len);
}

static void subscribe(struct shards *all, struct loop *l, const struct config_redis *conf,
                      const char *name)
{
    struct slice *names = xcalloc(all->count, sizeof *names);
    for (unsigned i = 0; i < all->count; i++) {
        struct buf text;
        buf_init(&text, KEY_BYTES);
        keys_wake(&text, shard_base(&all->list[i]));
        names[i].ptr = buf_take(&text, &names[i].len);
        map_set(&all->by_channel, names[i], &all->list[i]);
    }
    struct redis_channels channels = {
        .names = names,
        .count = all->count,
        .events = {.on_ready = shards_on_subscribed, .on_message = shards_on_message, .ctx = all},
    };
    all->wakes = redis_sub_new(l, conf, name, &channels);
    for (unsigned i = 0; i < all->count; i++)
        free((char *)(uintptr_t)names[i].ptr);
    free(names);
}

struct shards *shards_new(struct loop *l, const struct config_redis *conf, const char *name,
                          const struct shard_events *events)
{
    size_t bytes = sizeof(struct shards) + conf->partitions * sizeof(struct shard);
    struct shards *all = xcalloc(1, bytes);
    all->loop = l;
    all->count = conf->partitions;
    if (events)
        all->events = *events;
    struct redis_events inner = {
        .on_ready = shards_on_ready, .on_lost = shards_on_lost, .ctx = all};
    all->redis = redis_new(l, conf, name, &inner);
    for (unsigned i = 0; i < all->count; i++)
        shard_init(&all->list[i], all->redis, conf->prefix, i);
    map_init(&all->by_channel);
    if (all->events.on_wake)
        subscribe(all, l, conf, name);
    return all;
}

static void shards_free_now(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; i < all->count; i++)
        for (unsigned k = 0; k < LEAD_COUNT; k++)
            free((char *)(uintptr_t)all->list[i].lead[k].ptr);
    map_clear(&all->by_channel);
    free(all);
}

void shards_free(struct shards *all)
{
    if (!all)
        return;
    redis_sub_free(all->wakes);
    redis_free(all->redis);
    loop_defer(all->loop, shards_free_now,
               all); /* calls that were deferred before may still ask a shard */
}

/* ---- all of them ---- */

unsigned shards_count(const struct shards *all)
{
    return all->count;
}

struct shard *shards_at(struct shards *all, unsigned partition)
{
    assert(partition < all->count);
    return &all->list[partition];
}

bool shards_ready(const struct shards *all)
{
    return redis_is_ready(all->redis);
}

size_t shards_pending(const struct shards *all)
{
    return redis_is_ready(all->redis) ? redis_pending(all->redis) : 0;
}

size_t shards_argument_max(const struct shards *all)
{
    return redis_argument_max(all->redis);
}

struct ping { /* frees itself when it was answered */
    shards_fn fn;
    void *ctx;
};

static void ping_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct ping p = *(struct ping *)ctx;
    free(ctx);
    p.fn(p.ctx, rc == OK && redis_kind(r) == REDIS_FAILED ? ERR_UNAVAIL : rc);
}

void shards_ping(struct shards *all, shards_fn fn, void *ctx)
{
    struct slice verb = SLICE_LIT("PING");
    struct ping *p = NEW(struct ping);
    *p = (struct ping){fn, ctx};
    enum err rc = redis_command(all->redis, &verb, 1, ping_on_reply, p);
    if (rc != OK)
        ping_on_reply(p, rc, NULL);
}

/* ---- one of them ---- */

unsigned shard_number(const struct shard *s)
{
    return s->number;
}

struct slice shard_base(const struct shard *s)
{
    return s->lead[LEAD_BASE];
}

bool shard_is_ready(const struct shard *s)
{
    return redis_is_ready(s->redis);
}

size_t shard_pending_bytes(const struct shard *s)
{
    return redis_pending_bytes(s->redis);
}

enum err shard_run(struct shard *s, const struct redis_script *script, struct args *args,
                   redis_fn fn, void *ctx)
{
    return shard_run_taking(s, script, args, NULL, fn, ctx);
}

enum err shard_run_taking(struct shard *s, const struct redis_script *script, struct args *args,
                          char *taken, redis_fn fn, void *ctx)
{
    struct redis_call call = {
        .script = script,
        .lead = s->lead,
        .lead_count = LEAD_COUNT,
        .key_count = LEAD_BASE,
        .argv = args_slices(args),
        .argc = args->count,
        .taken = taken,
        .fn = fn,
        .ctx = ctx,
    };
    LOG_EVENT(LL_DEBUG, "redis.call", LS("script", script->name), LI("partition", s->number),
              LI("arguments", args->count));
    return redis_eval(s->redis, &call);
}

enum err shard_command(struct shard *s, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx)
{
    return redis_command(s->redis, argv, argc, fn, ctx);
}

void shard_flush(struct shard *s)
{
    redis_flush(s->redis);
}
