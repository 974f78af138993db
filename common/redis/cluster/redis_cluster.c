#include "common/redis/cluster/redis_cluster.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/redis/cluster/cluster_guide.h"
#include "common/redis/cluster/redis_cluster_private.h"

#include <stdlib.h>

#define SWEEP_US 200000
#define ASKED_US 1000000 /* a server that calls were sent to by ASK is kept for so long */

/* ---- members ---- */

static void member_on_ready(void *ctx)
{
    struct cluster_member *m = ctx;
    m->cluster->events.on_ready(m->cluster->events.ctx, m->redis);
    redis_turned_go_on(m->cluster);
}

static void member_on_lost(void *ctx)
{
    struct cluster_member *m = ctx;
    cluster_guide_doubt(m->cluster->guide);
    m->cluster->events.on_lost(m->cluster->events.ctx, m->redis);
}

static void member_on_failed(void *ctx)
{
    struct cluster_member *m = ctx;
    cluster_guide_doubt(m->cluster->guide);
    m->cluster->events.on_failed(m->cluster->events.ctx, m->redis);
}

struct cluster_member *redis_cluster_member(struct redis_cluster *c, const struct redis_node *node)
{
    LIST_EACH (link, &c->members) {
        struct cluster_member *m = LIST_ITEM(link, struct cluster_member, link);
        if (redis_node_is(&m->node, node))
            return m;
    }
    struct cluster_member *m = NEW(struct cluster_member);
    m->cluster = c;
    m->node = (struct redis_node){xstrdup(node->host), node->port};
    struct redis_target to = {.conf = &c->conf, .node = &m->node, .router = &c->router};
    struct redis_events events = {.on_ready = member_on_ready,
                                  .on_lost = member_on_lost,
                                  .on_failed = member_on_failed,
                                  .ctx = m};
    m->redis = redis_new(c->loop, &to, c->name, &events);
    list_add_last(&c->members, &m->link);
    return m;
}

static void member_free(struct cluster_member *m)
{
    list_remove(&m->link);
    redis_free(m->redis);
    free(m->node.host);
    free(m);
}

/* Frees members without a slot of interest, when what they were sent is answered. */
static void sweep(void *ctx)
{
    struct redis_cluster *c = ctx;
    mono_us now = clock_mono_us();
    struct list_link *at = c->members.ends.next;
    while (at != &c->members.ends) {
        struct cluster_member *m = LIST_ITEM(at, struct cluster_member, link);
        at = at->next;
        if (m->is_needed || now - m->asked_at < ASKED_US)
            continue;
        if (redis_is_ready(m->redis) && redis_pending(m->redis))
            loop_timer_arm(c->sweep, SWEEP_US);
        else
            member_free(m);
    }
}

/* ---- the map ---- */

/* Is a server with slots of interest away? */
static bool misses_one(const struct redis_cluster *c)
{
    LIST_EACH (link, &c->members) {
        const struct cluster_member *m = LIST_ITEM(link, struct cluster_member, link);
        if (m->is_needed && !redis_is_ready(m->redis))
            return true;
    }
    return false;
}

/* The map is another one. */
static void cluster_on_map(void *ctx)
{
    struct redis_cluster *c = ctx;
    LIST_EACH (link, &c->members)
        LIST_ITEM(link, struct cluster_member, link)->is_needed = false;
    for (size_t i = 0; i < c->slot_count; i++) {
        const struct redis_node *node = redis_cluster_server(c, c->slots[i]);
        if (node)
            redis_cluster_member(c, node)->is_needed = true;
    }
    if (misses_one(c))
        cluster_guide_hurry(c->guide);
    c->events.on_moved(c->events.ctx);
    redis_turned_go_on(c);
    loop_timer_arm(c->sweep, SWEEP_US);
}

const struct redis_node *redis_cluster_server(const struct redis_cluster *c, unsigned slot)
{
    return cluster_map_owner(cluster_guide_map(c->guide), slot);
}

struct redis *redis_cluster_owner(struct redis_cluster *c, unsigned slot)
{
    const struct redis_node *node = redis_cluster_server(c, slot);
    return node ? redis_cluster_member(c, node)->redis : NULL;
}

void redis_cluster_moved(struct redis_cluster *c, unsigned slot, const struct redis_node *node)
{
    const struct redis_node *before = redis_cluster_server(c, slot);
    if (!before || !redis_node_is(before, node)) {
        struct buf address;
        buf_init(&address, 512);
        redis_node_write(node, &address);
        LOG_RARELY(LL_INFO, "redis.slot_moved", LI("slot", slot), LSL("to", buf_slice(&address)),
                   LS("client", c->name));
        buf_clear(&address);
        cluster_map_move(cluster_guide_map(c->guide), slot, node);
        cluster_on_map(c);
    }
    cluster_guide_doubt(c->guide); /* other slots may have moved too */
}

size_t redis_cluster_masters(const struct redis_cluster *c)
{
    return cluster_map_owners(cluster_guide_map(c->guide));
}

bool redis_cluster_is_known(const struct redis_cluster *c)
{
    return cluster_guide_knows(c->guide);
}

const char *redis_cluster_trouble(const struct redis_cluster *c)
{
    return cluster_guide_trouble(c->guide);
}

void redis_cluster_doubt(struct redis_cluster *c)
{
    cluster_guide_doubt(c->guide);
}

/* ---- begin and end ---- */

struct redis_cluster *redis_cluster_new(struct loop *l, const struct config_redis *conf,
                                        const char *name, const unsigned *slots, size_t count,
                                        const struct redis_cluster_events *events)
{
    struct redis_cluster *c = NEW(struct redis_cluster);
    c->loop = l;
    config_redis_copy(conf, &c->conf);
    c->name = xstrdup(name);
    c->events = *events;
    list_init(&c->members);
    c->slots = xcalloc(count, sizeof *c->slots);
    memcpy(c->slots, slots, count * sizeof *slots);
    c->turned_bytes_of = xcalloc(count, sizeof *c->turned_bytes_of);
    c->slot_count = count;
    c->sweep = loop_timer_new(l, sweep, c);
    redis_turned_init(c);
    c->guide = cluster_guide_new(l, conf, name, cluster_on_map, c);
    return c;
}

void redis_cluster_free(struct redis_cluster *c)
{
    if (!c)
        return;
    c->is_ending = true;
    cluster_guide_free(c->guide);
    loop_timer_free(c->sweep);
    struct cluster_member *m;
    while ((m = LIST_TAKE_FIRST(&c->members, struct cluster_member, link)))
        member_free(m);
    redis_turned_end(c);
    free(c->slots);
    free(c->turned_bytes_of);
    free(c->name);
    config_redis_clear(&c->conf);
    free(c);
}
