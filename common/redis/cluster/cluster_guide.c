#include "common/redis/cluster/cluster_guide.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>

#define TROUBLE_MAX 512
#define TURN_US 5000000     /* the server in use is asked again after so long */
#define HURRY_US 500000     /* while a server is away */
#define DOUBT_US 100000     /* doubts of so long lead to one question */
#define PATIENCE_US 1000000 /* then the next server is asked */
#define PAUSE_US 300000     /* after all of them were asked in vain */

struct cluster_guide { /* owned by the caller of cluster_guide_new */
    struct loop *loop;
    struct config_redis conf; /* an own copy */
    char *name;
    void (*on_map)(void *ctx);
    void *ctx;
    struct cluster_map map;
    struct redis_node asked_node; /* an own copy */
    struct redis *asked;
    struct loop_timer *timer;
    size_t at; /* the turn: first the servers of the map, then those of the configuration */
    bool is_asking;
    bool is_moving;    /* the connection is being closed: what fails now says nothing */
    bool is_doubted;   /* the next question goes to another server */
    bool has_answer;   /* the server in use has been of use */
    bool knows_shards; /* it knows CLUSTER SHARDS */
    bool wants_slots;  /* its answer to that lacks slots: this time CLUSTER SLOTS has the map */
    bool has_map;
    int64_t epoch, epoch_said;
    size_t vain, behind; /* turns without an answer that could be used; of them, stale ones */
    char trouble[TROUBLE_MAX];
};

static void ask(void *ctx);

static size_t server_count(const struct cluster_guide *g)
{
    return g->map.server_count + g->conf.node_count;
}

static const struct redis_node *server_at(const struct cluster_guide *g, size_t i)
{
    i %= server_count(g);
    return i < g->map.server_count ? &g->map.servers[i] : &g->conf.nodes[i - g->map.server_count];
}

/* ---- turns ---- */

static void hang_up(struct cluster_guide *g)
{
    g->is_moving = true;
    redis_free(g->asked);
    g->asked = NULL;
    g->is_moving = false;
    free(g->asked_node.host);
    g->asked_node.host = NULL;
}

/* The server in use was no help. redis_cluster_trouble gives the reason WHY while no other server helps. */
static void turn_away(struct cluster_guide *g, const char *why)
{
    struct buf text;
    buf_init(&text, TROUBLE_MAX - 1);
    buf_add_str(&text, "the server ");
    redis_node_write(&g->asked_node, &text);
    buf_addf(&text, " %s", why);
    snprintf(g->trouble, sizeof g->trouble, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_clear(&text);
    LOG_RARELY(LL_WARN, "redis.guide_unfit", LS("reason", g->trouble));
    g->has_answer = g->is_doubted = true;
    if (++g->vain % server_count(g) == 0) { /* all of them had a turn */
        if (g->behind * 2 > server_count(g))
            g->epoch = 0; /* most of them were set up anew: epochs begin again */
        g->behind = 0;
    }
    loop_timer_arm(g->timer, g->vain >= server_count(g) ? PAUSE_US : 0);
}

static void guide_on_failed(void *ctx)
{
    struct cluster_guide *g = ctx;
    const char *why = redis_trouble(g->asked);
    char reason[TROUBLE_MAX];
    if (g->is_moving || g->is_doubted)
        return;
    snprintf(reason, sizeof reason, "cannot be asked: %.400s", why ? why : "it does not answer");
    turn_away(g, reason);
}

static void use(struct cluster_guide *g, size_t i)
{
    hang_up(g);
    g->at = i;
    g->is_asking = g->has_answer = g->is_doubted = false;
    g->knows_shards = true;
    g->wants_slots = false;
    const struct redis_node *n = server_at(g, i);
    g->asked_node = (struct redis_node){xstrdup(n->host), n->port};
    struct redis_target to = {.conf = &g->conf, .node = &g->asked_node, .is_guide = true};
    struct redis_events events = {.on_ready = ask, .on_failed = guide_on_failed, .ctx = g};
    g->asked = redis_new(g->loop, &to, g->name, &events);
    loop_timer_arm(g->timer, PATIENCE_US);
}

static void guide_on_timer(void *ctx)
{
    struct cluster_guide *g = ctx;
    if (!g->has_answer) {
        turn_away(g, redis_silence(g->asked));
        return;
    }
    if (g->is_doubted || !redis_is_ready(g->asked))
        use(g, g->at + 1);
    else
        ask(g);
}

/* ---- answers ---- */

static void guide_on_info(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct cluster_guide *g = ctx;
    struct slice rest = rc == OK ? redis_text(r) : SLICE_LIT("");
    g->epoch_said = g->epoch; /* one that does not say may be used */
    while (rest.len) {
        struct slice value = slice_cut(&rest, '\n');
        struct slice name = slice_cut(&value, ':');
        if (value.len && value.ptr[value.len - 1] == '\r')
            value.len--;
        if (slice_eq(name, SLICE_LIT("cluster_current_epoch")) &&
            text_i64(value, &g->epoch_said) != OK)
            g->epoch_said = g->epoch;
    }
}

static void adopt(struct cluster_guide *g, struct cluster_map *map)
{
    cluster_map_clear(&g->map);
    g->map = *map;
    g->has_map = g->has_answer = true;
    g->wants_slots = false;
    g->epoch = g->epoch_said;
    g->vain = g->behind = 0;
    g->trouble[0] = 0;
    loop_timer_arm(g->timer, TURN_US);
    g->on_map(g->ctx);
}

/* The server does not say which slots are whose. */
static void refuse_answer(struct cluster_guide *g, const struct redis_reply *r)
{
    char why[192];
    struct slice text = redis_text(r);
    if (slice_eq(text, SLICE_LIT("ERR This instance has cluster support disabled")))
        snprintf(why, sizeof why,
                 "is no part of a cluster (cluster-enabled is no); without one, begin "
                 "redis.url with redis:// or rediss://");
    else if (redis_kind(r) == REDIS_FAILED)
        snprintf(why, sizeof why, "does not say who has which slots: %.*s",
                 SLICE_FMT(slice_head(slice_cut(&text, '\''), 128)));
    else
        snprintf(why, sizeof why, "does not say who has which slots");
    turn_away(g, why);
}

static bool asks_shards(const struct cluster_guide *g)
{
    return g->knows_shards && !g->wants_slots;
}

static bool read_map(struct cluster_guide *g, const struct redis_reply *r, struct cluster_map *out)
{
    enum err rc = asks_shards(g) ? cluster_map_read_shards(r, &g->asked_node, g->conf.is_tls, out)
                                 : cluster_map_read_slots(r, &g->asked_node, out);
    return rc == OK;
}

static void guide_on_map(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct cluster_guide *g = ctx;
    struct cluster_map map = {0};
    if (g->is_moving)
        return;
    g->is_asking = false;
    if (rc != OK) {
        turn_away(g, "does not answer");
    } else if (redis_kind(r) == REDIS_FAILED && g->knows_shards &&
               slice_starts(redis_text(r), SLICE_LIT("ERR unknown subcommand"))) {
        g->knows_shards = false; /* it is older than Redis 7.0, or imitates one that is */
        ask(g);
    } else if (!read_map(g, r, &map)) {
        cluster_map_clear(&map);
        refuse_answer(g, r);
    } else if (map.lacks_slots) {
        cluster_map_clear(&map);
        g->wants_slots = true;
        ask(g);
    } else if (map.range_count == 0) { /* one that left a cluster says so for ever */
        cluster_map_clear(&map);
        turn_away(g, "knows nobody who has slots: it has left its cluster, or none was made");
    } else if (g->epoch_said < g->epoch) {
        cluster_map_clear(&map);
        g->behind++;
        turn_away(g, "is stale: it has missed a failover");
    } else {
        adopt(g, &map);
    }
}

static void ask(void *ctx)
{
    struct cluster_guide *g = ctx;
    struct slice info[] = {SLICE_LIT("CLUSTER"), SLICE_LIT("INFO")};
    struct slice map[] = {SLICE_LIT("CLUSTER"),
                          asks_shards(g) ? SLICE_LIT("SHARDS") : SLICE_LIT("SLOTS")};
    /* After a doubt the timer goes on to the next server, also if this one has come back meanwhile. */
    if (g->is_asking || g->is_doubted || !g->asked || !redis_is_ready(g->asked))
        return;
    g->has_answer = false;
    loop_timer_arm(g->timer, PATIENCE_US);
    g->is_asking = redis_command(g->asked, info, 2, guide_on_info, g) == OK &&
                   redis_command(g->asked, map, 2, guide_on_map, g) == OK;
}

/* ---- for the cluster ---- */

struct cluster_map *cluster_guide_map(struct cluster_guide *g)
{
    return &g->map;
}

bool cluster_guide_knows(const struct cluster_guide *g)
{
    return g->has_map;
}

const char *cluster_guide_trouble(const struct cluster_guide *g)
{
    return g->trouble[0] ? g->trouble : NULL;
}

void cluster_guide_doubt(struct cluster_guide *g)
{
    if (g->is_doubted || !g->has_answer)
        return; /* somebody is being asked */
    g->is_doubted = true;
    loop_timer_arm(g->timer, DOUBT_US);
}

void cluster_guide_hurry(struct cluster_guide *g)
{
    if (!g->is_doubted && g->has_answer)
        loop_timer_arm(g->timer, HURRY_US);
}

/* ---- begin and end ---- */

struct cluster_guide *cluster_guide_new(struct loop *l, const struct config_redis *conf,
                                        const char *name, void (*on_map)(void *ctx), void *ctx)
{
    struct cluster_guide *g = NEW(struct cluster_guide);
    g->loop = l;
    config_redis_copy(conf, &g->conf);
    g->name = xstrdup(name);
    g->on_map = on_map;
    g->ctx = ctx;
    g->timer = loop_timer_new(l, guide_on_timer, g);
    use(g, 0);
    return g;
}

void cluster_guide_free(struct cluster_guide *g)
{
    if (!g)
        return;
    hang_up(g);
    loop_timer_free(g->timer);
    cluster_map_clear(&g->map);
    config_redis_clear(&g->conf);
    free(g->name);
    free(g);
}
