#include "common/redis/cluster/cluster_map.h"

#include "common/base/alloc.h"
#include "common/config/config_redis.h"
#include "common/redis/cluster/slots.h"
#include "common/redis/redis.h"

#include <stdlib.h>

#define HOST_MAX 255
#define PORT_MAX 65535

/* ---- building ---- */

/* The index of the server with HOST and PORT, which is added if it is new. */
static size_t add_server(struct cluster_map *m, struct slice host, unsigned port)
{
    struct redis_node n = {.host = xslicedup(host), .port = port};
    for (size_t i = 0; i < m->server_count; i++)
        if (redis_node_is(&m->servers[i], &n)) {
            free(n.host);
            return i;
        }
    m->servers = xrealloc(m->servers, m->server_count + 1, sizeof *m->servers);
    m->servers[m->server_count] = n;
    return m->server_count++;
}

static void add_range(struct cluster_map *m, int64_t first, int64_t last, size_t owner)
{
    if (first < 0 || last >= SLOTS || first > last)
        return;
    m->ranges = xrealloc(m->ranges, m->range_count + 1, sizeof *m->ranges);
    m->ranges[m->range_count++] = (struct cluster_range){(unsigned)first, (unsigned)last, owner};
}

/* Servers say "" or "?" where they do not know their own name. */
static struct slice host_or(struct slice host, const struct redis_node *asked)
{
    bool is_unknown = !host.len || host.len > HOST_MAX || slice_eq(host, SLICE_LIT("?"));
    return is_unknown ? slice_str(asked->host) : host;
}

static bool is_port(int64_t port)
{
    return port > 0 && port <= PORT_MAX;
}

/* ---- CLUSTER SHARDS ---- */

static const struct redis_reply *value_of(const struct redis_reply *list, struct slice name)
{
    for (size_t i = 0; i + 1 < redis_count(list); i += 2)
        if (slice_eq(redis_text(redis_at(list, i)), name))
            return redis_at(list, i + 1);
    return NULL;
}

/* Adds the server that NODE is about. False if its address cannot be used. */
static bool add_node(struct cluster_map *m, const struct redis_reply *node,
                     const struct redis_node *asked, bool is_tls, size_t *out)
{
    const struct redis_reply *endpoint = value_of(node, SLICE_LIT("endpoint"));
    int64_t port = redis_int(value_of(node, is_tls ? SLICE_LIT("tls-port") : SLICE_LIT("port")));
    if (!is_port(port))
        return false;
    *out = add_server(m, host_or(redis_text(endpoint), asked), (unsigned)port);
    return true;
}

static bool is(const struct redis_reply *node, struct slice name, struct slice value)
{
    return slice_eq(redis_text(value_of(node, name)), value);
}

static void read_shard(struct cluster_map *m, const struct redis_reply *shard,
                       const struct redis_node *asked, bool is_tls)
{
    const struct redis_reply *slots = value_of(shard, SLICE_LIT("slots"));
    const struct redis_reply *nodes = value_of(shard, SLICE_LIT("nodes"));
    size_t owner = SIZE_MAX, failed = SIZE_MAX;
    for (size_t i = 0; i < redis_count(nodes); i++) {
        const struct redis_reply *node = redis_at(nodes, i);
        size_t server;
        if (!add_node(m, node, asked, is_tls, &server))
            continue;
        /* After a failover the master that failed may still be listed beside its successor. */
        if (!is(node, SLICE_LIT("role"), SLICE_LIT("master")))
            continue;
        if (is(node, SLICE_LIT("health"), SLICE_LIT("fail")))
            failed = server;
        else
            owner = server;
    }
    if (owner == SIZE_MAX) {
        owner = failed; /* until it is back, or has a successor */
        m->lacks_slots |= failed != SIZE_MAX && redis_count(slots) == 0;
    }
    for (size_t i = 0; owner != SIZE_MAX && i + 1 < redis_count(slots); i += 2)
        add_range(m, redis_int(redis_at(slots, i)), redis_int(redis_at(slots, i + 1)), owner);
}

enum err cluster_map_read_shards(const struct redis_reply *r, const struct redis_node *asked,
                                 bool is_tls, struct cluster_map *out)
{
    if (redis_kind(r) != REDIS_LIST)
        return ERR_INVALID;
    for (size_t i = 0; i < redis_count(r); i++) {
        const struct redis_reply *shard = redis_at(r, i);
        if (redis_kind(value_of(shard, SLICE_LIT("nodes"))) != REDIS_LIST)
            return ERR_INVALID;
        read_shard(out, shard, asked, is_tls);
    }
    return OK;
}

/* ---- CLUSTER SLOTS ---- */

enum err cluster_map_read_slots(const struct redis_reply *r, const struct redis_node *asked,
                                struct cluster_map *out)
{
    if (redis_kind(r) != REDIS_LIST)
        return ERR_INVALID;
    for (size_t i = 0; i < redis_count(r); i++) {
        const struct redis_reply *range = redis_at(r, i);
        if (redis_count(range) < 3) /* first, last, master, replicas ... */
            return ERR_INVALID;
        for (size_t k = 2; k < redis_count(range); k++) {
            const struct redis_reply *node = redis_at(range, k);
            int64_t port = redis_int(redis_at(node, 1));
            if (!is_port(port))
                continue;
            size_t server =
                add_server(out, host_or(redis_text(redis_at(node, 0)), asked), (unsigned)port);
            if (k == 2)
                add_range(out, redis_int(redis_at(range, 0)), redis_int(redis_at(range, 1)),
                          server);
        }
    }
    return OK;
}

/* ---- use ---- */

void cluster_map_clear(struct cluster_map *m)
{
    for (size_t i = 0; i < m->server_count; i++)
        free(m->servers[i].host);
    free(m->servers);
    free(m->ranges);
    *m = (struct cluster_map){0};
}

const struct redis_node *cluster_map_owner(const struct cluster_map *m, unsigned slot)
{
    for (size_t i = 0; i < m->range_count; i++)
        if (m->ranges[i].first <= slot && slot <= m->ranges[i].last)
            return &m->servers[m->ranges[i].owner];
    return NULL;
}

size_t cluster_map_owners(const struct cluster_map *m)
{
    size_t n = 0;
    for (size_t server = 0; server < m->server_count; server++) {
        size_t i = 0;
        while (i < m->range_count && m->ranges[i].owner != server)
            i++;
        n += i < m->range_count;
    }
    return n;
}

void cluster_map_move(struct cluster_map *m, unsigned slot, const struct redis_node *server)
{
    size_t owner = add_server(m, slice_str(server->host), server->port);
    for (size_t i = 0; i < m->range_count; i++)
        if (m->ranges[i].first == slot && m->ranges[i].last == slot) {
            m->ranges[i].owner = owner;
            return;
        }
    add_range(m, slot, slot, owner);
    struct cluster_range last = m->ranges[m->range_count - 1];
    memmove(m->ranges + 1, m->ranges, (m->range_count - 1) * sizeof last);
    m->ranges[0] = last;
}
