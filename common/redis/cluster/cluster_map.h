/* cluster_map - which server of a cluster has which slots, as one of its servers says.   [pure]
 */
#ifndef COMMON_REDIS_CLUSTER_CLUSTER_MAP_H
#define COMMON_REDIS_CLUSTER_CLUSTER_MAP_H

#include "common/base/err.h"
#include "common/config/config.h"

struct redis_reply;

struct cluster_range { /* of slots */
    unsigned first, last;
    size_t owner; /* into servers */
};

struct cluster_map {            /* cluster_map_clear frees; all zeros is a map of nothing */
    struct redis_node *servers; /* masters and replicas */
    size_t server_count;
    struct cluster_range *ranges; /* in no order; of two with the same slot the first one holds */
    size_t range_count;
    /* A master that has failed is listed without slots, and may still have some. */
    bool lacks_slots;
};

/* Read the answer R to CLUSTER SHARDS, or to CLUSTER SLOTS, into OUT, which is a map of nothing. A slot whose master has
 * failed belongs to that master until it has a successor. CLUSTER SHARDS of Redis 8.0 leaves such a slot out, CLUSTER
 * SLOTS does not. ASKED is the server that answered: a host that is missing is its own. ERR_INVALID: R has another shape. */
enum err cluster_map_read_shards(const struct redis_reply *r, const struct redis_node *asked,
                                 bool is_tls, struct cluster_map *out) MUST_CHECK;
enum err cluster_map_read_slots(const struct redis_reply *r, const struct redis_node *asked,
                                struct cluster_map *out) MUST_CHECK;
void cluster_map_clear(struct cluster_map *m);

/* The master that has SLOT, or NULL. Valid until M changes. */
const struct redis_node *cluster_map_owner(const struct cluster_map *m, unsigned slot);
/* The number of servers that have slots. */
size_t cluster_map_owners(const struct cluster_map *m);
/* SERVER has SLOT from now on. */
void cluster_map_move(struct cluster_map *m, unsigned slot, const struct redis_node *server);

#endif
