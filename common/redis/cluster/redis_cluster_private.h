/* redis_cluster_private - what connections and their cluster call of each other, and how calls are sent again.
 */
#ifndef COMMON_REDIS_CLUSTER_REDIS_CLUSTER_PRIVATE_H
#define COMMON_REDIS_CLUSTER_REDIS_CLUSTER_PRIVATE_H

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/config/config.h"
#include "common/redis/cluster/redis_cluster.h"
#include "common/redis/redis.h"

struct cluster_guide;

struct redis_cluster { /* owned by the caller of redis_cluster_new */
    struct loop *loop;
    struct config_redis conf; /* an own copy */
    char *name;
    struct redis_cluster_events events;
    struct redis_router router;
    struct cluster_guide *guide;
    struct list members; /* struct cluster_member */
    unsigned *slots;
    size_t *turned_bytes_of; /* of each of the slots */
    size_t slot_count;
    struct loop_timer *sweep; /* frees members that nobody needs */
    struct list turned;       /* calls to be sent again */
    size_t turned_count, turned_bytes;
    size_t turned_bound;      /* of them, those that wait for others of their slot */
    struct loop_timer *again; /* when the first of them is due */
    mono_us again_at;         /* 0: not armed */
    bool is_ending;
};

struct cluster_member { /* a server and the connection to it */
    struct list_link link;
    struct redis_cluster *cluster;
    struct redis_node node;
    struct redis *redis;
    bool is_needed;
    mono_us asked_at; /* a call was sent here because of ASK */
};

/* The member that is NODE, which is made if there is none. */
struct cluster_member *redis_cluster_member(struct redis_cluster *c, const struct redis_node *node);

void redis_turned_init(struct redis_cluster *c);
/* Fails all of them. */
void redis_turned_end(struct redis_cluster *c);
/* A server says that NODE has SLOT. */
void redis_cluster_moved(struct redis_cluster *c, unsigned slot, const struct redis_node *node);
/* Sends the calls that wait: a slot has moved, a server is ready, or a call ran that had waited. */
void redis_turned_go_on(struct redis_cluster *c);

#endif
