/* redis_cluster - the servers of a Redis Cluster: one connection to each that has slots of interest.
 *
 * A call is sent to the server that has its slot by the map (cluster_guide). If the server did not run it, because the slot is
 * elsewhere, moves, or is not served, the call is sent again, within its deadline: redis_turned.c has the rules. A callback tells the
 * owner that a slot has moved to another server.
 */
#ifndef COMMON_REDIS_CLUSTER_REDIS_CLUSTER_H
#define COMMON_REDIS_CLUSTER_REDIS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

struct config_redis;
struct loop;
struct redis;
struct redis_cluster;
struct redis_node;

struct redis_cluster_events { /* none of them may free the cluster */
    /* As of struct redis_events, of the connection R. */
    void (*on_ready)(void *ctx, struct redis *r);
    void (*on_lost)(void *ctx, struct redis *r);
    void (*on_failed)(void *ctx, struct redis *r);
    /* redis_cluster_owner may say something else. A connection that it names no longer is freed after this, when what it was
     * sent is answered. */
    void (*on_moved)(void *ctx);
    void *ctx;
};

/* Starts asking who has the COUNT SLOTS. CONF and SLOTS are copied. NAME is shown by CLIENT LIST. */
struct redis_cluster *redis_cluster_new(struct loop *l, const struct config_redis *conf,
                                        const char *name, const unsigned *slots, size_t count,
                                        const struct redis_cluster_events *events);
/* Fails what is pending, closes and frees. NULL is fine. */
void redis_cluster_free(struct redis_cluster *c);

/* The connection to the server that has SLOT, one of those of interest, or NULL if nobody has it. */
struct redis *redis_cluster_owner(struct redis_cluster *c, unsigned slot);
/* The server that has SLOT, or NULL. Valid until the loop's next turn. */
const struct redis_node *redis_cluster_server(const struct redis_cluster *c, unsigned slot);
/* The number of servers that have slots. */
size_t redis_cluster_masters(const struct redis_cluster *c);
/* Has a server said who has what? */
bool redis_cluster_is_known(const struct redis_cluster *c);
/* Why nobody says it, or NULL. */
const char *redis_cluster_trouble(const struct redis_cluster *c);
/* Something contradicts the map: it is asked for anew. */
void redis_cluster_doubt(struct redis_cluster *c);
/* The calls that wait to be sent again, and the bytes of those that wait for SLOT, one of the slots of redis_cluster_new. */
size_t redis_cluster_waiting(const struct redis_cluster *c);
size_t redis_cluster_waiting_bytes(const struct redis_cluster *c, unsigned slot);

#endif
