/* shard_private - the shards from inside: partitions, and the servers that have them.
 */
#ifndef COMMON_QUEUE_SHARD_PRIVATE_H
#define COMMON_QUEUE_SHARD_PRIVATE_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/config/config.h"
#include "common/queue/shard.h"

#define KEY_BYTES 1024
#define TROUBLE_MAX 1024
#define WARNING_BYTES 512

/* The arguments at the begin of each script call. While a slot is half moved, Redis Cluster runs a script that declares
 * two keys as a whole or not at all, even if the second key never exists. docs/internals/queue.md has the reasons. */
enum { LEAD_LANES, LEAD_NEVER, LEAD_MOST = 3 };

struct server { /* a connection to a server, and what depends on it; owned by its shards */
    struct list_link link;
    struct shards *all;
    struct redis *redis;        /* owned by the cluster, if there is one */
    struct redis_sub *wakes;    /* or NULL */
    struct redis_sub *lifeline; /* or NULL */
    bool is_fit;                /* the user has all rights: its shards are ready */
    bool is_gone;               /* it has no shards any more, and is freed when ASKED is 0 */
    unsigned asked;             /* shards that have not said yet what is missing */
    struct buf missing;         /* as rules of ACL SETUSER */
    char trouble[TROUBLE_MAX];
};

struct shard { /* owned by its shards */
    struct shards *all;
    struct server *server; /* NULL: nobody has it */
    struct redis *redis;   /* of the server, or NULL */
    unsigned number, slot;
    unsigned late;                /* answers that a call has given up, and that have not come yet */
    bool is_held;                 /* by an operator: holds.h */
    bool is_told;                 /* the owner knows that it is ready */
    struct slice lead[LEAD_MOST]; /* own copies: the keys, and behind them the base */
    struct slice confirm_key;     /* an own copy */
};

struct shards { /* owned by the caller of shards_new; freed by shards_free */
    struct loop *loop;
    struct config_redis conf; /* an own copy */
    char *name;
    struct shard_events events;
    struct redis_cluster *cluster;     /* or NULL */
    struct redis_sentinels *sentinels; /* or NULL */
    struct list servers;               /* struct server */
    struct map by_wake, by_lifeline;   /* channel -> its shard */
    struct holds *holds;
    struct redis_script rights;
    struct loop_timer *timer; /* when the rights are asked for again */
    unsigned looks;
    bool is_listening; /* to the channel of what happens (shards_listen) */
    struct redis_sub *tail;
    struct redis_events tail_events;
    unsigned
        most; /* how the partitions are spread: what the server with most of them has, and how many masters there are */
    size_t masters;
    mono_us spread_at; /* since when, until it was judged; 0: it was */
    size_t lead_count, key_count;
    char warning[WARNING_BYTES];  /* shards_warning */
    char unserved[WARNING_BYTES]; /* partitions whose slots nobody had when that was last told */
    bool has_served;              /* shards_serve was true once */
    bool is_freed;
    size_t late; /* the sum of all shards */
    unsigned count;
    struct shard list[];
};

/* shard_servers.c. The server of the connection REDIS, or NULL. */
struct server *server_find(struct shards *all, const struct redis *redis);
/* The server of the connection REDIS. It is made if there is none. */
struct server *server_of(struct shards *all, struct redis *redis);
/* A shard is at SERVER from now on, or (NULL) at none. */
void shard_go_to(struct shard *s, struct server *server);
/* Events of the connection. */
void server_on_ready(void *ctx);
void server_on_lost(void *ctx);
void shards_tell_change(struct shards *all);
/* In a cluster. Asks again for the channel `tail`, if it was refused. */
void shards_listen_again(struct shards *all);
/* In a cluster. Warns if the partitions have been spread unevenly for a while. */
void shards_look_at_shares(struct shards *all);
/* Tells the owner of S if it is ready now, or not any more. */
void shard_judge(struct shard *s);
/* As shard_run_staged. */
enum err shard_run_held_or_not(struct shard *s, const struct redis_script *script,
                               struct args *args, const struct redis_stage *stage, redis_fn fn,
                               void *ctx) MUST_CHECK;
/* Asks each server what its user may not do, and tries to subscribe what was refused. */
void servers_look(void *ctx);
void servers_look_later(struct shards *all);
/* Frees servers without shards. */
void servers_sweep(struct shards *all);
void servers_free(struct shards *all);
bool server_is_up(const struct server *server);
/* How many shards it has. */
unsigned server_shards(const struct server *server);
/* Why its shards are not ready, or NULL. */
const char *server_trouble(const struct server *server);

#endif
