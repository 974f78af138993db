/* The servers that have shards: what their user may do there, and what is subscribed there. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/holds.h"
#include "common/queue/keys.h"
#include "common/queue/shard_private.h"
#include "common/redis/cluster/redis_cluster.h"

#include <stdio.h>
#include <stdlib.h>

/* Before shards are ready, and every RIGHTS_US from then on, Redis says what its user may not do (rights.lua). With an ACL
 * a command in the middle of a script can be refused, and Redis undoes nothing. */
#define RIGHTS_US 5000000
#define CHANNELS_US                                                                                \
    500000 /* in a cluster: subscriptions are tried again that a server has refused */

/* ---- calls to the owners ---- */

bool server_is_up(const struct server *server)
{
    return server->is_fit && redis_is_ready(server->redis);
}

unsigned server_shards(const struct server *server)
{
    unsigned n = 0;
    for (unsigned i = 0; i < server->all->count; i++)
        n += server->all->list[i].server == server;
    return n;
}

const char *server_trouble(const struct server *server)
{
    if (server->trouble[0] && !server->is_fit)
        return server->trouble;
    return redis_is_ready(server->redis) ? NULL : redis_trouble(server->redis);
}

static void shard_tell(struct shard *s, bool is_ready)
{
    const struct shard_events *events = &s->all->events;
    if (s->is_told == is_ready)
        return;
    s->is_told = is_ready;
    void (*fn)(void *ctx, struct shard *s) = is_ready ? events->on_ready : events->on_lost;
    if (fn)
        fn(events->ctx, s);
}

void shards_tell_change(struct shards *all)
{
    all->has_served = all->has_served || shards_serve(all);
    if (all->events.on_change)
        all->events.on_change(all->events.ctx);
}

void shard_judge(struct shard *s)
{
    shard_tell(s, shard_is_ready(s));
}

static void server_tell(struct server *server)
{
    struct shards *all = server->all;
    for (unsigned i = 0; i < all->count; i++)
        if (all->list[i].server == server)
            shard_judge(&all->list[i]);
    shards_tell_change(all);
}

/* ---- rights ---- */

static void server_judge_rights(struct server *server)
{
    struct slice rules = buf_slice(&server->missing);
    const char *user = server->all->conf.user;
    server->trouble[0] = 0;
    if (rules.len) {
        snprintf(server->trouble, sizeof server->trouble,
                 "the user of Redis lacks rights. Allow them with: ACL SETUSER %s%.*s",
                 user && user[0] ? user : "default", SLICE_FMT(rules));
        LOG_RARELY(LL_ERROR, "redis.rights_missing", LS("reason", server->trouble));
    }
    server->is_fit = !rules.len;
    server_tell(server);
}

/* Adds RULE unless it is there already. */
static void add_missing(struct server *server, struct slice rule)
{
    struct slice rest = buf_slice(&server->missing);
    while (rest.len)
        if (slice_eq(slice_cut(&rest, ' '), rule))
            return;
    buf_add_char(&server->missing, ' ');
    buf_add_slice(&server->missing, rule);
}

/* Redis refused to run the script. NOPERM names no rule, but says whether it is a key. */
static void add_refusal(struct server *server, struct slice reply)
{
    char pattern[KEY_BYTES];
    bool is_key = false;
    snprintf(pattern, sizeof pattern, "~%s:*", server->all->conf.prefix);
    while (reply.len)
        is_key = slice_starts(slice_cut(&reply, ' '), SLICE_LIT("key")) || is_key;
    add_missing(server, is_key ? slice_str(pattern) : SLICE_LIT("+@scripting"));
}

static void server_free(struct server *server)
{
    list_remove(&server->link);
    buf_clear(&server->missing);
    free(server);
}

static void server_on_rights(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct server *server = ctx;
    if (rc == OK && redis_kind(r) == REDIS_FAILED)
        add_refusal(server, redis_text(r));
    for (size_t i = 0; rc == OK && i < redis_count(r); i++)
        add_missing(server, redis_text(redis_at(r, i)));
    if (--server->asked)
        return;
    if (server->is_gone)
        server_free(server);
    /* A connection that was dropped meanwhile asks again when it is back. */
    else if (rc == OK && !server->all->is_freed && redis_is_ready(server->redis))
        server_judge_rights(server);
}

static void shard_ask_rights(struct shard *s)
{
    struct server *server = s->server;
    struct args args;
    args_init(&args, KEY_BYTES);
    args_add(&args, slice_str(s->all->conf.prefix));
    if (!server->asked)
        buf_reset(&server->missing);
    if (shard_run_held_or_not(s, &s->all->rights, &args, NULL, server_on_rights, server) == OK)
        server->asked++;
    args_clear(&args);
}

static void server_ask_rights(struct server *server)
{
    struct shards *all = server->all;
    redis_ask_replicas(server->redis);
    if (all->list[0].server == server)
        holds_ask(all->holds); /* first: it is answered before the shards are ready */
    if (!redis_is_ready(server->redis) || server->asked)
        return;
    for (unsigned i = 0; i < all->count; i++)
        if (all->list[i].server == server)
            shard_ask_rights(&all->list[i]);
}

/* S has come to its server, which has other shards. */
static void ask_rights_of_new(struct shard *s)
{
    struct server *server = s->server;
    if (!server->is_fit && !server->asked) {
        server_ask_rights(server);
        return;
    }
    if (s->number == 0)
        holds_ask(s->all->holds);
    if (redis_is_ready(server->redis))
        shard_ask_rights(s);
}

/* ---- events of the connections ---- */

void server_on_ready(void *ctx)
{
    server_ask_rights(ctx);
}

void server_on_lost(void *ctx)
{
    struct server *server = ctx;
    server->is_fit = false;
    server_tell(server);
}

static void shards_on_message(void *ctx, struct slice channel, struct slice payload)
{
    struct shards *all = ctx;
    struct shard *s = map_get(&all->by_wake, channel);
    (void)payload;
    if (s)
        all->events.on_wake(all->events.ctx, s);
}

/* Messages may have been missed while the channel was not subscribed. */
static void shards_on_wake_channel(void *ctx, struct slice channel, bool is_up)
{
    if (is_up)
        shards_on_message(ctx, channel, SLICE_LIT(""));
}

static void shards_on_lifeline_channel(void *ctx, struct slice channel, bool is_up)
{
    struct shards *all = ctx;
    struct shard *s = map_get(&all->by_lifeline, channel);
    if (s)
        all->events.on_lifeline(all->events.ctx, s, is_up);
}

static void shards_on_nothing(void *ctx, struct slice channel, struct slice payload)
{
    (void)ctx, (void)channel, (void)payload;
}

/* ---- subscriptions ---- */

static struct redis_sub *subscribe(struct server *server, struct slice channel,
                                   const struct redis_channels *like)
{
    struct shards *all = server->all;
    struct redis_channels channels = *like;
    channels.names = &channel;
    channels.count = 1;
    channels.is_sharded = all->cluster != NULL;
    struct redis_target to = {.conf = &all->conf,
                              .node = all->cluster ? redis_server_node(server->redis) : NULL,
                              .sentinels = all->sentinels};
    return redis_sub_new(all->loop, &to, all->name, &channels);
}

/* Adds CHANNEL of the shard S to SUB, a connection that is made if there is none. */
static void add_channel(struct shard *s, struct redis_sub **sub, struct map *by_channel,
                        const struct buf *channel, const struct redis_channels *like)
{
    struct slice name = buf_slice(channel);
    if (!map_get(by_channel, name))
        map_set(by_channel, name, s);
    if (*sub)
        redis_sub_add(*sub, name);
    else
        *sub = subscribe(s->server, name, like);
}

static void wake_channel(const struct shard *s, struct buf *out)
{
    buf_init(out, KEY_BYTES);
    keys_wake(out, shard_base(s));
}

/* The connection by which Redis sees this process: presence.lua has the reasons. */
static void lifeline_channel(const struct shard *s, struct buf *out)
{
    buf_init(out, KEY_BYTES);
    keys_present(out, shard_base(s), s->all->events.instance);
}

static void shard_subscribe(struct shard *s)
{
    struct shards *all = s->all;
    struct buf channel;
    struct redis_channels wakes = {.on_channel = shards_on_wake_channel,
                                   .events = {.on_message = shards_on_message, .ctx = all}};
    struct redis_channels lifeline = {
        .on_channel = shards_on_lifeline_channel,
        .events = {.on_message = shards_on_nothing, .ctx = all, .is_patient = true}};
    if (all->events.on_wake) {
        wake_channel(s, &channel);
        add_channel(s, &s->server->wakes, &all->by_wake, &channel, &wakes);
        buf_clear(&channel);
    }
    if (all->events.instance) {
        lifeline_channel(s, &channel);
        add_channel(s, &s->server->lifeline, &all->by_lifeline, &channel, &lifeline);
        buf_clear(&channel);
    }
}

static void shard_unsubscribe(struct shard *s)
{
    struct buf channel;
    if (s->server->wakes) {
        wake_channel(s, &channel);
        redis_sub_remove(s->server->wakes, buf_slice(&channel));
        buf_clear(&channel);
    }
    if (s->server->lifeline) {
        lifeline_channel(s, &channel);
        redis_sub_remove(s->server->lifeline, buf_slice(&channel));
        buf_clear(&channel);
        s->all->events.on_lifeline(s->all->events.ctx, s, false);
    }
}

/* ---- servers ---- */

struct server *server_find(struct shards *all, const struct redis *redis)
{
    LIST_EACH (link, &all->servers) {
        struct server *server = LIST_ITEM(link, struct server, link);
        if (server->redis == redis && !server->is_gone)
            return server;
    }
    return NULL;
}

struct server *server_of(struct shards *all, struct redis *redis)
{
    struct server *server = server_find(all, redis);
    if (server)
        return server;
    server = NEW(struct server);
    server->all = all;
    server->redis = redis;
    buf_init(&server->missing, TROUBLE_MAX);
    list_add_last(&all->servers, &server->link);
    return server;
}

void shard_go_to(struct shard *s, struct server *server)
{
    if (s->server == server) {
        if (server)
            shard_subscribe(s); /* again, if it was refused */
        return;
    }
    shard_tell(s, false);
    if (s->server)
        shard_unsubscribe(s);
    s->server = server;
    s->redis = server ? server->redis : NULL;
    if (!server)
        return;
    shard_subscribe(s);
    shard_judge(s);
    ask_rights_of_new(s);
}

void servers_look_later(struct shards *all)
{
    loop_timer_arm(all->timer, all->cluster ? CHANNELS_US : RIGHTS_US);
}

void servers_look(void *ctx)
{
    struct shards *all = ctx;
    servers_look_later(all);
    if (!all->cluster || ++all->looks % (RIGHTS_US / CHANNELS_US) == 0)
        LIST_EACH (link, &all->servers) {
            struct server *server = LIST_ITEM(link, struct server, link);
            if (!server->is_gone) /* else the cluster may have freed its connection */
                server_ask_rights(server);
        }
    for (unsigned i = 0; all->cluster && i < all->count; i++)
        if (all->list[i].server)
            shard_subscribe(&all->list[i]);
    if (all->cluster) {
        shards_listen_again(all);
        shards_look_at_shares(all);
    }
}

/* The connection of SERVER ends, or belongs to others. */
static void server_end(struct server *server)
{
    redis_sub_free(server->wakes);
    redis_sub_free(server->lifeline);
    server->wakes = server->lifeline = NULL;
    if (!server->all->cluster)
        redis_free(server->redis);
    server->is_gone = true;
    if (!server->asked)
        server_free(server);
}

void servers_sweep(struct shards *all)
{
    LIST_EACH (link, &all->servers) {
        struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone && !server_shards(server))
            server_end(server);
    }
}

void servers_free(struct shards *all)
{
    LIST_EACH (link, &all->servers) {
        struct server *server = LIST_ITEM(link, struct server, link);
        if (!server->is_gone)
            server_end(server);
    }
}
