#include "common/queue/shard.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/config/config.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/holds.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "common/redis/redis_facts.h"
#include "common/redis/redis_sentinel.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES 1024
#define ADDRESS_BYTES 512

enum { LEAD_LANES, LEAD_BASE, LEAD_COUNT }; /* what each script call begins with */

struct shard { /* owned by its shards */
    struct redis *redis;
    const bool *is_fit; /* of its shards */
    bool is_held;       /* by an operator: holds.h */
    unsigned number;
    struct slice lead[LEAD_COUNT]; /* own copies */
    struct slice confirm_key;      /* an own copy */
};

/* Before shards are ready, and every RIGHTS_US from then on, Redis says what its user may not do (rights.lua). With an ACL
 * a command in the middle of a script can be refused, and Redis undoes nothing. */
#define RIGHTS_US 5000000
#define TROUBLE_MAX 1024

struct shards { /* owned by the caller of shards_new; freed by shards_free */
    struct loop *loop;
    struct shard_events events;
    struct redis *redis;
    struct redis_sub *wakes;    /* or NULL */
    struct redis_sub *lifeline; /* or NULL */
    struct map by_channel;      /* the shard of each `wake` channel */
    struct holds *holds;
    struct redis_script rights;
    struct loop_timer *timer; /* when the rights are asked for again */
    char *user, *prefix;
    bool is_fit; /* the user has all rights: owners have been told that the shards are ready */
    bool is_freed;
    unsigned asked;     /* shards that have not said yet what is missing */
    struct buf missing; /* as rules of ACL SETUSER */
    char trouble[TROUBLE_MAX];
    char address[ADDRESS_BYTES]; /* of the one server, unless sentinels name it */
    enum redis_mode mode;
    struct redis_sentinels *sentinels; /* or NULL */
    unsigned count;
    struct shard list[];
};

/* ---- calls to the owners ---- */

static void shards_tell_ready(struct shards *all)
{
    all->is_fit = true;
    for (unsigned i = 0; all->events.on_ready && i < all->count; i++)
        if (!all->list[i].is_held)
            all->events.on_ready(all->events.ctx, &all->list[i]);
}

static void shards_tell_lost(struct shards *all)
{
    all->is_fit = false;
    for (unsigned i = 0; all->events.on_lost && i < all->count; i++)
        if (!all->list[i].is_held)
            all->events.on_lost(all->events.ctx, &all->list[i]);
}

static void shards_on_hold(void *ctx, unsigned partition, bool is_held)
{
    struct shards *all = ctx;
    void (*fn)(void *ctx, struct shard *s) = is_held ? all->events.on_lost : all->events.on_ready;
    all->list[partition].is_held = is_held;
    if (all->is_fit && fn)
        fn(all->events.ctx, &all->list[partition]);
}

static enum err run_held_or_not(struct shard *s, const struct redis_script *script,
                                struct args *args, char *taken, redis_fn fn, void *ctx);

/* ---- rights ---- */

static void shards_judge_rights(struct shards *all)
{
    struct slice rules = buf_slice(&all->missing);
    all->trouble[0] = 0;
    if (rules.len) {
        snprintf(all->trouble, sizeof all->trouble,
                 "the user of Redis lacks rights. Allow them with: ACL SETUSER %s%.*s",
                 all->user ? all->user : "default", SLICE_FMT(rules));
        LOG_RARELY(LL_ERROR, "redis.rights_missing", LS("reason", all->trouble));
    }
    if (rules.len && all->is_fit)
        shards_tell_lost(all);
    else if (!rules.len && !all->is_fit)
        shards_tell_ready(all);
}

/* Adds RULE unless it is there already. */
static void add_missing(struct shards *all, struct slice rule)
{
    struct slice rest = buf_slice(&all->missing);
    while (rest.len)
        if (slice_eq(slice_cut(&rest, ' '), rule))
            return;
    buf_add_char(&all->missing, ' ');
    buf_add_slice(&all->missing, rule);
}

/* Redis refused to run the script. NOPERM names no rule, but says whether it is a key. */
static void add_refusal(struct shards *all, struct slice reply)
{
    char pattern[KEY_BYTES];
    bool is_key = false;
    snprintf(pattern, sizeof pattern, "~%s:*", all->prefix);
    while (reply.len)
        is_key = slice_starts(slice_cut(&reply, ' '), SLICE_LIT("key")) || is_key;
    add_missing(all, is_key ? slice_str(pattern) : SLICE_LIT("+@scripting"));
}

static void shards_on_rights(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct shards *all = ctx;
    if (rc == OK && redis_kind(r) == REDIS_FAILED)
        add_refusal(all, redis_text(r));
    for (size_t i = 0; rc == OK && i < redis_count(r); i++)
        add_missing(all, redis_text(redis_at(r, i)));
    /* A connection that was dropped meanwhile asks again when it is back. */
    if (--all->asked == 0 && rc == OK && !all->is_freed && redis_is_ready(all->redis))
        shards_judge_rights(all);
}

static void shards_ask_rights(void *ctx)
{
    struct shards *all = ctx;
    struct args args;
    loop_timer_arm(all->timer, RIGHTS_US);
    redis_ask_replicas(all->redis);
    holds_ask(all->holds); /* first: it is answered before the shards are ready */
    if (!redis_is_ready(all->redis) || all->asked)
        return;
    args_init(&args, KEY_BYTES);
    args_add(&args, slice_str(all->prefix));
    buf_reset(&all->missing);
    for (unsigned i = 0; i < all->count; i++)
        if (run_held_or_not(&all->list[i], &all->rights, &args, NULL, shards_on_rights, all) == OK)
            all->asked++;
    args_clear(&args);
}

/* ---- events of the connections ---- */

static void shards_on_ready(void *ctx)
{
    shards_ask_rights(ctx);
}

static void shards_on_lost(void *ctx)
{
    struct shards *all = ctx;
    if (all->is_fit)
        shards_tell_lost(all);
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
    keys_confirm(&text, s->lead[LEAD_BASE]);
    s->confirm_key.ptr = buf_take(&text, &s->confirm_key.len);
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
    all->wakes = redis_sub_new(l, &(struct redis_target){.conf = conf, .sentinels = all->sentinels},
                               name, &channels);
    for (unsigned i = 0; i < all->count; i++)
        free((char *)(uintptr_t)names[i].ptr);
    free(names);
}

static void shards_on_lifeline_up(void *ctx)
{
    struct shards *all = ctx;
    all->events.on_lifeline(all->events.ctx, true);
}

static void shards_on_lifeline_lost(void *ctx)
{
    struct shards *all = ctx;
    all->events.on_lifeline(all->events.ctx, false);
}

static void shards_on_nothing(void *ctx, struct slice channel, struct slice payload)
{
    (void)ctx, (void)channel, (void)payload;
}

/* The connection by which Redis sees this process: presence.lua has the reasons. */
static void open_lifeline(struct shards *all, struct loop *l, const struct config_redis *conf,
                          const char *name)
{
    struct slice *names = xcalloc(all->count, sizeof *names);
    for (unsigned i = 0; i < all->count; i++) {
        struct buf text;
        buf_init(&text, KEY_BYTES);
        keys_present(&text, shard_base(&all->list[i]), all->events.instance);
        names[i].ptr = buf_take(&text, &names[i].len);
    }
    struct redis_channels channels = {.names = names,
                                      .count = all->count,
                                      .events = {.on_ready = shards_on_lifeline_up,
                                                 .on_lost = shards_on_lifeline_lost,
                                                 .on_message = shards_on_nothing,
                                                 .ctx = all,
                                                 .is_patient = true}};
    all->lifeline = redis_sub_new(
        l, &(struct redis_target){.conf = conf, .sentinels = all->sentinels}, name, &channels);
    for (unsigned i = 0; i < all->count; i++)
        free((char *)(uintptr_t)names[i].ptr);
    free(names);
}

struct redis_sub *shards_listen(struct shards *all, const struct config_redis *conf,
                                const struct redis_events *events)
{
    struct buf text;
    buf_init(&text, KEY_BYTES);
    keys_tail(&text, shard_base(&all->list[0]));
    struct slice name = buf_slice(&text);
    struct redis_channels channels = {.names = &name, .count = 1, .events = *events};
    struct redis_sub *sub =
        redis_sub_new(all->loop, &(struct redis_target){.conf = conf, .sentinels = all->sentinels},
                      "hookpace-tail", &channels);
    buf_clear(&text);
    return sub;
}

const char *shards_instance(const struct shards *all)
{
    return all->events.instance;
}

void shards_renew_lifeline(struct shards *all)
{
    if (all->lifeline)
        redis_sub_renew(all->lifeline);
}

static void write_address(const struct config_redis *conf, char out[ADDRESS_BYTES])
{
    struct buf text;
    buf_init(&text, ADDRESS_BYTES - 1);
    if (conf->unix_path)
        buf_add_str(&text, conf->unix_path);
    else
        redis_node_write(&conf->nodes[0], &text);
    snprintf(out, ADDRESS_BYTES, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_clear(&text);
}

struct shards *shards_new(struct loop *l, const struct config_redis *conf, const char *name,
                          const struct shard_events *events)
{
    size_t bytes = sizeof(struct shards) + conf->partitions * sizeof(struct shard);
    struct shards *all = xcalloc(1, bytes);
    all->loop = l;
    all->count = conf->partitions;
    write_address(conf, all->address);
    if (events)
        all->events = *events;
    struct redis_events inner = {
        .on_ready = shards_on_ready, .on_lost = shards_on_lost, .ctx = all};
    redis_script_init(&all->rights, "rights", lua_rights, lua_rights_len);
    buf_init(&all->missing, TROUBLE_MAX);
    all->user = conf->user && conf->user[0] ? xstrdup(conf->user) : NULL;
    all->prefix = xstrdup(conf->prefix);
    all->timer = loop_timer_new(l, shards_ask_rights, all);
    all->mode = conf->mode;
    if (conf->mode == REDIS_SENTINEL)
        all->sentinels = redis_sentinels_new(l, conf, name);
    all->redis = redis_new(l, &(struct redis_target){.conf = conf, .sentinels = all->sentinels},
                           name, &inner);
    for (unsigned i = 0; i < all->count; i++) {
        shard_init(&all->list[i], all->redis, conf->prefix, i);
        all->list[i].is_fit = &all->is_fit;
    }
    all->holds = holds_new(l, &all->list[0], all->count, shards_on_hold, all);
    map_init(&all->by_channel);
    if (all->events.on_wake)
        subscribe(all, l, conf, name);
    if (all->events.instance)
        open_lifeline(all, l, conf, name);
    return all;
}

static void shards_free_now(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; i < all->count; i++) {
        for (unsigned k = 0; k < LEAD_COUNT; k++)
            free((char *)(uintptr_t)all->list[i].lead[k].ptr);
        free((char *)(uintptr_t)all->list[i].confirm_key.ptr);
    }
    holds_free(all->holds);
    map_clear(&all->by_channel);
    buf_clear(&all->missing);
    free(all->user);
    free(all->prefix);
    free(all);
}

void shards_free(struct shards *all)
{
    if (!all)
        return;
    all->is_freed = true;
    loop_timer_free(all->timer);
    redis_sub_free(all->wakes);
    redis_sub_free(all->lifeline);
    redis_free(all->redis);
    holds_stop(all->holds);
    redis_sentinels_free(all->sentinels);
    loop_defer(all->loop, shards_free_now,
               all); /* calls that were deferred before may still ask a shard */
}

/* ---- all of them ---- */

size_t shards_server_count(const struct shards *all)
{
    (void)all;
    return 1;
}

struct shard_server shards_server(const struct shards *all, size_t i)
{
    (void)i;
    const char *address = all->sentinels ? redis_sentinels_address(all->sentinels) : all->address;
    return (struct shard_server){address, redis_is_ready(all->redis),
                                 redis_server_facts(all->redis)};
}

enum redis_mode shards_mode(const struct shards *all)
{
    return all->mode;
}

const struct redis_sentinels *shards_sentinels(const struct shards *all)
{
    return all->sentinels;
}

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
    return all->is_fit && redis_is_ready(all->redis) && !holds_all(all->holds);
}

struct holds *shards_holds(struct shards *all)
{
    return all->holds;
}

const char *shards_trouble(const struct shards *all)
{
    if (all->trouble[0] && !all->is_fit)
        return all->trouble;
    return redis_is_ready(all->redis) ? holds_told(all->holds) : redis_trouble(all->redis);
}

const char *shards_shortage(const struct shards *all)
{
    return redis_shortage(all->redis);
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
    return *s->is_fit && !s->is_held && redis_is_ready(s->redis);
}

const char *shard_run_of_redis(const struct shard *s)
{
    return redis_is_ready(s->redis) ? redis_server_facts(s->redis)->run : "";
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
    if (!s->is_held)
        return run_held_or_not(s, script, args, taken, fn, ctx);
    free(taken);
    return ERR_UNAVAIL;
}

static enum err run_held_or_not(struct shard *s, const struct redis_script *script,
                                struct args *args, char *taken, redis_fn fn, void *ctx)
{
    struct redis_call call = {
        .script = script,
        .lead = s->lead,
        .lead_count = LEAD_COUNT,
        .key_count = LEAD_BASE,
        .argv = args_slices(args),
        .argc = args->count,
        .taken = taken,
        .confirm_key = s->confirm_key,
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
