#include "common/queue/shard.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/holds.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "common/queue/shard_private.h"
#include "common/redis/cluster/redis_cluster.h"
#include "common/redis/cluster/slots.h"
#include "common/redis/redis_sentinel.h"
#include "common/redis/wire/redis_facts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- begin and end ---- */

static struct slice taken(struct buf *text)
{
    struct slice s;
    s.ptr = buf_take(text, &s.len);
    return s;
}

static void shard_init(struct shards *all, unsigned number, unsigned tag)
{
    struct shard *s = &all->list[number];
    struct buf text;
    s->all = all;
    s->number = number;
    s->slot = slot_of_tag(tag);
    buf_init(&text, KEY_BYTES);
    keys_base(&text, all->conf.prefix, tag);
    struct slice base = taken(&text);
    buf_init(&text, KEY_BYTES);
    keys_lanes(&text, base);
    s->lead[LEAD_LANES] = taken(&text);
    buf_init(&text, KEY_BYTES);
    keys_confirm(&text, base);
    s->confirm_key = taken(&text);
    if (all->key_count > 1) {
        buf_init(&text, KEY_BYTES);
        keys_never(&text, base);
        s->lead[LEAD_NEVER] = taken(&text);
    }
    s->lead[all->key_count] = base;
}

/* ---- the channel of what happens ---- */

static void listen(struct shards *all)
{
    struct shard *s = &all->list[0];
    struct buf text;
    if (all->cluster && !s->redis)
        return; /* when somebody has the shard */
    buf_init(&text, KEY_BYTES);
    keys_tail(&text, shard_base(s));
    struct slice name = buf_slice(&text);
    struct redis_channels channels = {
        .names = &name, .count = 1, .is_sharded = all->cluster != NULL, .events = all->tail_events};
    struct redis_target to = {.conf = &all->conf,
                              .node = all->cluster ? redis_server_node(s->redis) : NULL,
                              .sentinels = all->sentinels};
    all->tail = redis_sub_new(all->loop, &to, "hookpace-tail", &channels);
    buf_clear(&text);
}

void shards_listen(struct shards *all, const struct redis_events *events)
{
    all->is_listening = true;
    all->tail_events = *events;
    listen(all);
}

void shards_hush(struct shards *all)
{
    all->is_listening = false;
    redis_sub_free(all->tail);
    all->tail = NULL;
}

void shards_listen_again(struct shards *all)
{
    struct buf name;
    if (!all->is_listening)
        return;
    if (!all->tail) {
        listen(all);
        return;
    }
    buf_init(&name, KEY_BYTES);
    keys_tail(&name, shard_base(&all->list[0]));
    redis_sub_add(all->tail, buf_slice(&name));
    buf_clear(&name);
}

/* Another server has the shard of the channel. */
static void listen_anew(struct shards *all)
{
    redis_sub_free(all->tail);
    all->tail = NULL;
    if (all->tail_events.on_lost)
        all->tail_events.on_lost(all->tail_events.ctx);
    listen(all);
}

/* ---- a cluster ---- */

static void cluster_on_ready(void *ctx, struct redis *r)
{
    struct server *server = server_find(ctx, r);
    if (server)
        server_on_ready(server);
}

static void cluster_on_lost(void *ctx, struct redis *r)
{
    struct server *server = server_find(ctx, r);
    if (server)
        server_on_lost(server);
}

/* Slots that move one after the other lead to uneven distributions on their way. */
#define SETTLED_US 30000000

static unsigned most_of_a_server(const struct shards *all, size_t *servers, unsigned *served)
{
    unsigned most = 0;
    LIST_EACH (link, &all->servers) {
        unsigned n = server_shards(LIST_ITEM(link, struct server, link));
        *servers += n > 0;
        *served += n;
        most = n > most ? n : most;
    }
    return most;
}

/* Partitions lie on too few servers, or one has much more of the work than it should. */
static void warn_of_shares(struct shards *all)
{
    size_t servers = 0, masters = all->masters;
    unsigned served = 0, most = most_of_a_server(all, &servers, &served);
    bool is_uneven = served == all->count && masters > 1 &&
                     (servers < masters || (size_t)most * masters * 5 > (size_t)all->count * 6);
    all->spread_at = 0;
    if (is_uneven)
        LOG_RARELY(LL_WARN, "redis.shards_uneven", LI("partitions", all->count),
                   LI("shards", masters), LI("without", masters - servers), LI("most", most),
                   LS("client", all->name),
                   LS("reason", "the partitions do not spread evenly over the shards: use a "
                                "multiple of the number of shards, at least four times as many"));
}

/* The first distribution is judged at once, each other one when it has lasted. */
static void note_shares(struct shards *all)
{
    size_t servers = 0, masters = redis_cluster_masters(all->cluster);
    unsigned served = 0, most = most_of_a_server(all, &servers, &served);
    bool is_first = all->masters == 0;
    if (most == all->most && masters == all->masters)
        return;
    all->most = most;
    all->masters = masters;
    all->spread_at = clock_mono_us();
    if (is_first)
        warn_of_shares(all);
}

void shards_look_at_shares(struct shards *all)
{
    if (all->spread_at && clock_mono_us() - all->spread_at >= SETTLED_US)
        warn_of_shares(all);
}

/* Logs which partitions no server has, if these are others than before. */
static void tell_unserved(struct shards *all)
{
    char text[sizeof all->unserved];
    struct buf list = buf_over(text);
    for (unsigned i = 0; i < all->count; i++)
        if (!all->list[i].server)
            buf_addf(&list, "%s%u", list.len ? ", " : "", i);
    if (strcmp(text, all->unserved) == 0)
        return;
    snprintf(all->unserved, sizeof all->unserved, "%s", text);
    if (list.len)
        LOG_RARELY(LL_WARN, "redis.slots_missing", LS("partitions", text), LS("client", all->name),
                   LS("reason", "no server of the cluster has the slots of these partitions; look "
                                "with redis-cli --cluster check"));
}

static void cluster_on_failed(void *ctx, struct redis *r)
{
    (void)r;
    shards_tell_change(ctx);
}

static void cluster_on_moved(void *ctx)
{
    struct shards *all = ctx;
    struct redis *before = all->list[0].redis;
    for (unsigned i = 0; i < all->count; i++) {
        struct redis *r = redis_cluster_owner(all->cluster, all->list[i].slot);
        shard_go_to(&all->list[i], r ? server_of(all, r) : NULL);
    }
    if (all->is_listening && all->list[0].redis != before)
        listen_anew(all);
    servers_sweep(all);
    note_shares(all);
    tell_unserved(all);
    shards_tell_change(all);
}

static void begin_cluster(struct shards *all)
{
    struct redis_cluster_events events = {.on_ready = cluster_on_ready,
                                          .on_lost = cluster_on_lost,
                                          .on_failed = cluster_on_failed,
                                          .on_moved = cluster_on_moved,
                                          .ctx = all};
    unsigned *slots = xcalloc(all->count, sizeof *slots);
    for (unsigned i = 0; i < all->count; i++)
        slots[i] = all->list[i].slot;
    all->cluster = redis_cluster_new(all->loop, &all->conf, all->name, slots, all->count, &events);
    free(slots);
}

/* ---- one server ---- */

static void begin_one(struct shards *all)
{
    struct server *server = server_of(all, NULL);
    struct redis_events events = {
        .on_ready = server_on_ready, .on_lost = server_on_lost, .ctx = server};
    if (all->conf.mode == REDIS_SENTINEL)
        all->sentinels = redis_sentinels_new(all->loop, &all->conf, all->name);
    struct redis_target to = {.conf = &all->conf, .sentinels = all->sentinels};
    server->redis = redis_new(all->loop, &to, all->name, &events);
    for (unsigned i = 0; i < all->count; i++)
        shard_go_to(&all->list[i], server);
}

/* ---- begin and end ---- */

static void shards_on_hold(void *ctx, unsigned partition, bool is_held)
{
    struct shards *all = ctx;
    all->list[partition].is_held = is_held;
    shard_judge(&all->list[partition]);
    shards_tell_change(all);
}

struct shards *shards_new(struct loop *l, const struct config_redis *conf, const char *name,
                          const struct shard_events *events)
{
    size_t bytes = sizeof(struct shards) + conf->partitions * sizeof(struct shard);
    struct shards *all = xcalloc(1, bytes);
    bool is_cluster = conf->mode == REDIS_CLUSTER;
    all->loop = l;
    all->count = conf->partitions;
    config_redis_copy(conf, &all->conf);
    all->name = xstrdup(name);
    if (events)
        all->events = *events;
    all->key_count = is_cluster ? 2 : 1;
    all->lead_count = all->key_count + 1;
    redis_script_init(&all->rights, "rights", lua_rights, lua_rights_len);
    list_init(&all->servers);
    map_init(&all->by_wake);
    map_init(&all->by_lifeline);
    all->timer = loop_timer_new(l, servers_look, all);
    unsigned *tags = xcalloc(all->count, sizeof *tags);
    slots_spread(all->count, tags);
    for (unsigned i = 0; i < all->count; i++)
        shard_init(all, i, tags[i]);
    free(tags);
    all->holds = holds_new(l, &all->list[0], all->count, shards_on_hold, all);
    if (is_cluster)
        begin_cluster(all);
    else
        begin_one(all);
    servers_look_later(all);
    return all;
}

static void shards_free_now(void *ctx)
{
    struct shards *all = ctx;
    for (unsigned i = 0; i < all->count; i++) {
        for (unsigned k = 0; k < LEAD_MOST; k++)
            free((char *)(uintptr_t)all->list[i].lead[k].ptr);
        free((char *)(uintptr_t)all->list[i].confirm_key.ptr);
    }
    holds_free(all->holds);
    map_clear(&all->by_wake);
    map_clear(&all->by_lifeline);
    config_redis_clear(&all->conf);
    free(all->name);
    free(all);
}

void shards_free(struct shards *all)
{
    if (!all)
        return;
    all->is_freed = true;
    loop_timer_free(all->timer);
    shards_hush(all);
    for (unsigned i = 0; i < all->count; i++) {
        all->list[i].server = NULL;
        all->list[i].redis = NULL;
    }
    servers_free(all);
    redis_cluster_free(all->cluster);
    holds_stop(all->holds);
    redis_sentinels_free(all->sentinels);
    loop_defer(all->loop, shards_free_now,
               all); /* calls that were deferred before may still ask a shard */
}

/* ---- all of them ---- */

static const struct server *nth_server(const struct shards *all, size_t i)
{
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone && i-- == 0)
            return server;
    }
    return NULL;
}

size_t shards_server_count(const struct shards *all)
{
    size_t n = 0;
    while (nth_server(all, n))
        n++;
    return n;
}

static bool server_is_late(const struct server *server)
{
    return server->all->late && redis_waited(server->redis) >= SHARD_PATIENCE_US;
}

static void write_address(const struct server *server, struct buf *out)
{
    const struct shards *all = server->all;
    if (all->sentinels)
        buf_add_str(out, redis_sentinels_address(all->sentinels));
    else if (all->conf.unix_path)
        buf_add_str(out, all->conf.unix_path);
    else
        redis_node_write(redis_server_node(server->redis), out);
}

struct shard_server shards_server(const struct shards *all, size_t i)
{
    const struct server *server = nth_server(all, i);
    if (!server)
        return (struct shard_server){0};
    struct shard_server out = {.is_up = redis_is_ready(server->redis) && !server_is_late(server),
                               .partitions = server_shards(server),
                               .trouble = server_trouble(server),
                               .facts = redis_server_facts(server->redis)};
    struct buf text = buf_over(out.address);
    write_address(server, &text);
    return out;
}

size_t shards_server_of(const struct shards *all, unsigned partition)
{
    size_t i = 0;
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        if (server == all->list[partition].server)
            return i;
        i += !server->is_gone;
    }
    return SIZE_MAX;
}

enum redis_mode shards_mode(const struct shards *all)
{
    return all->conf.mode;
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
    for (unsigned i = 0; i < all->count; i++)
        if (!shard_is_ready(&all->list[i]) && !all->list[i].is_held)
            return false;
    return !holds_all(all->holds);
}

struct holds *shards_holds(struct shards *all)
{
    return all->holds;
}

/* Is it known why S is not ready? */
static bool is_away(const struct shard *s)
{
    if (s->is_held)
        return true;
    return s->server ? server_trouble(s->server) != NULL : redis_cluster_is_known(s->all->cluster);
}

bool shards_serve(const struct shards *all)
{
    bool is_any = false;
    for (unsigned i = 0; i < all->count; i++) {
        const struct shard *s = &all->list[i];
        if (shard_is_ready(s))
            is_any = true;
        else if (!is_away(s) && !all->has_served)
            return false; /* later, a shard that is on its way back takes no other along */
    }
    return is_any;
}

const char *shards_trouble(const struct shards *all)
{
    const char *trouble = NULL;
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone && !trouble)
            trouble = server_trouble(server);
    }
    if (!trouble && all->cluster)
        trouble = redis_cluster_trouble(all->cluster);
    return trouble ? trouble : holds_told(all->holds);
}

const char *shards_warning(struct shards *all)
{
    struct buf text = buf_over(all->warning);
    const char *comma = ": partition ";
    if (holds_told(all->holds))
        buf_add_str(&text, holds_told(all->holds));
    for (unsigned i = 0; i < all->count; i++) {
        const struct shard *s = &all->list[i];
        if ((shard_is_ready(s) && !shard_is_late(s)) || s->is_held)
            continue;
        if (comma[0] == ':')
            buf_addf(&text, "%sRedis is away", text.len ? "; " : "");
        buf_addf(&text, "%s%u", comma, i);
        comma = ", ";
    }
    return text.len ? all->warning : NULL;
}

const char *shards_shortage(const struct shards *all)
{
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        const char *shortage = server->is_gone ? NULL : redis_shortage(server->redis);
        if (shortage)
            return shortage;
    }
    return NULL;
}

size_t shards_pending(const struct shards *all)
{
    size_t n = all->cluster ? redis_cluster_waiting(all->cluster) : 0;
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone && redis_is_ready(server->redis))
            n += redis_pending(server->redis);
    }
    return n;
}

size_t shards_argument_max(const struct shards *all)
{
    size_t least = SIZE_MAX;
    LIST_EACH (link, &all->servers) {
        const struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone && redis_argument_max(server->redis) < least)
            least = redis_argument_max(server->redis);
    }
    return least;
}

const char *shards_instance(const struct shards *all)
{
    return all->events.instance;
}

struct ping {     /* frees itself when everything was answered */
    shards_fn fn; /* NULL: it was called */
    void *ctx;
    size_t waiting;
    bool is_served; /* a shard has answered */
    enum err rc;
};

/* One that serves is enough: another may be silent for long. */
static void ping_end(struct ping *p)
{
    struct ping now = *p;
    if (p->is_served)
        p->fn = NULL;
    if (--p->waiting == 0)
        free(p);
    if (now.fn && (now.is_served || now.waiting == 1))
        now.fn(now.ctx, now.is_served ? OK : now.rc);
}

static void ping_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct ping *p = ctx;
    if (rc == OK && redis_kind(r) != REDIS_FAILED)
        p->is_served = true;
    else
        p->rc = rc == OK ? ERR_UNAVAIL : rc;
    ping_end(p);
}

/* A server of a cluster may be there, and not serve its slots: so its shards are asked for a key. */
static void ping_shard(struct shard *s, struct ping *p)
{
    struct slice argv[] = {SLICE_LIT("EXISTS"), s->lead[LEAD_LANES]};
    if (shard_command(s, argv, 2, ping_on_reply, p) == OK)
        p->waiting++;
}

void shards_ping(struct shards *all, shards_fn fn, void *ctx)
{
    struct ping *p = NEW(struct ping);
    *p = (struct ping){fn, ctx, .waiting = 1, .rc = ERR_UNAVAIL};
    for (unsigned i = 0; i < (all->cluster ? all->count : 1); i++)
        ping_shard(&all->list[i], p);
    ping_end(p);
}

/* ---- one of them ---- */

void shard_renew_lifeline(struct shard *s)
{
    if (s->server && s->server->lifeline)
        redis_sub_renew(s->server->lifeline);
}

unsigned shard_number(const struct shard *s)
{
    return s->number;
}

struct slice shard_base(const struct shard *s)
{
    return s->lead[s->all->key_count];
}

bool shard_is_ready(const struct shard *s)
{
    return s->server && !s->is_held && server_is_up(s->server);
}

void shard_note_late(struct shard *s, bool is_late)
{
    if (is_late) {
        s->late++;
        s->all->late++;
    } else {
        s->late--;
        s->all->late--;
    }
}

bool shard_is_late(const struct shard *s)
{
    return s->late || (s->server && server_is_late(s->server));
}

const char *shard_run_of_redis(const struct shard *s)
{
    return s->redis && redis_is_ready(s->redis) ? redis_server_facts(s->redis)->run : "";
}

size_t shard_pending_bytes(const struct shard *s)
{
    size_t bytes = 0;
    if (s->redis)
        bytes = redis_pending_bytes(s->redis);
    if (s->all->cluster)
        bytes += redis_cluster_waiting_bytes(s->all->cluster, s->slot);
    return bytes;
}

enum err shard_run(struct shard *s, const struct redis_script *script, struct args *args,
                   redis_fn fn, void *ctx)
{
    return shard_run_staged(s, script, args, NULL, fn, ctx);
}

static enum err refuse(const struct redis_stage *stage)
{
    if (stage)
        free(stage->taken);
    return ERR_UNAVAIL;
}

enum err shard_run_staged(struct shard *s, const struct redis_script *script, struct args *args,
                          const struct redis_stage *stage, redis_fn fn, void *ctx)
{
    return s->is_held ? refuse(stage) : shard_run_held_or_not(s, script, args, stage, fn, ctx);
}

enum err shard_run_held_or_not(struct shard *s, const struct redis_script *script,
                               struct args *args, const struct redis_stage *stage, redis_fn fn,
                               void *ctx)
{
    struct redis_call call = {
        .script = script,
        .lead = s->lead,
        .lead_count = s->all->lead_count,
        .key_count = s->all->key_count,
        .argv = args_slices(args),
        .argc = args->count,
        .stage = stage,
        .confirm_key = s->confirm_key,
        .fn = fn,
        .ctx = ctx,
    };
    LOG_EVENT(LL_DEBUG, "redis.call", LS("script", script->name), LI("partition", s->number),
              LI("arguments", args->count));
    return s->redis ? redis_eval(s->redis, &call) : refuse(stage);
}

enum err shard_command(struct shard *s, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx)
{
    return s->redis ? redis_command(s->redis, argv, argc, fn, ctx) : ERR_UNAVAIL;
}

void shard_flush(struct shard *s)
{
    if (s->redis)
        redis_flush(s->redis);
}

enum err shard_publish(struct shard *s, struct slice channel, struct slice message, redis_fn fn,
                       void *ctx)
{
    struct slice verb = s->all->cluster ? SLICE_LIT("SPUBLISH") : SLICE_LIT("PUBLISH");
    struct slice argv[] = {verb, channel, message};
    return shard_command(s, argv, 3, fn, ctx);
}
