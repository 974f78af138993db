/* shard - a partition of the queue, and the connection to the Redis that has it.
 *
 * `struct shards` holds every partition of one program, or of one thread, with the connections behind them. Other code
 * holds no connection: it asks for the shard of a partition and runs scripts there. Without a cluster all shards have one
 * server. In a cluster each shard is on the server that has the slot of its keys. A server that is away takes its own
 * shards along.
 */
#ifndef COMMON_QUEUE_SHARD_H
#define COMMON_QUEUE_SHARD_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/config/kinds.h"
#include "common/redis/redis.h"

struct args;
struct holds;
struct shard;
struct shards;

/* Tell the owner of the shards what happens to one of them. Functions may be NULL; none may free the shards. */
struct shard_events {
    /* The shard can be used, for the first time or again. */
    void (*on_ready)(void *ctx, struct shard *s);
    /* Comes once after each on_ready. The shard has lost its connection, and all its pending calls have failed; or
     * another server has the shard now, where the pending calls go on; or an operator holds it. */
    void (*on_lost)(void *ctx, struct shard *s);
    /* shards_serve may say something else. */
    void (*on_change)(void *ctx);
    /* There may be work in the shard: Redis said so on the channel `wake`, or messages may have been missed. If this
     * is NULL, nothing is subscribed. */
    void (*on_wake)(void *ctx, struct shard *s);
    /* The lifeline (presence.lua) of this program was connected in the shard, or lost. */
    void (*on_lifeline)(void *ctx, struct shard *s, bool is_up);
    void *ctx;
    /* The name under which this process is seen, one word that no other process has. NULL: it has no lifeline. Borrowed
     * for the life of the shards. */
    const char *instance;
};

/* Starts connecting. CONF is copied, its partitions are fixed from here on. NAME is shown by CLIENT LIST. */
struct shards *shards_new(struct loop *l, const struct config_redis *conf, const char *name,
                          const struct shard_events *events);
/* Fails what is pending (callbacks run now, on_lost does not), disconnects and frees. NULL is fine. */
void shards_free(struct shards *all);
unsigned shards_count(const struct shards *all);
/* The shard of PARTITION (below shards_count). It lives as long as ALL. */
struct shard *shards_at(struct shards *all, unsigned partition);
/* Can the shards be used, except for those that are held? False if all are held. */
bool shards_ready(const struct shards *all);
/* The partitions that an operator holds. They are not ready. */
struct holds *shards_holds(struct shards *all);
/* True if a shard is ready. Before the first time, each other shard must be ready too, or have a known reason: its server
 * is away, nobody has it, or an operator holds it. */
bool shards_serve(const struct shards *all);
/* Why a shard is not ready: what the user of Redis may not do and the command that allows it, or why the last try to connect
 * failed. NULL if nothing is known to be wrong. Valid until the loop's next turn. */
const char *shards_trouble(const struct shards *all);
/* What a program that serves should tell: a sentence with the partitions that are held, and those whose Redis is away. Or NULL.
 * As shards_trouble. */
const char *shards_warning(struct shards *all);
/* What is short though the shards are ready: fewer replicas than redis.wait_replicas. Or NULL. As shards_trouble. */
const char *shards_shortage(const struct shards *all);
#define SHARD_ADDRESS_BYTES 512
struct shard_server { /* a server that has shards; texts are valid until the loop's next turn */
    char address[SHARD_ADDRESS_BYTES]; /* "host:port", "[::1]:port", or the path of a socket */
    bool is_up;
    unsigned partitions;             /* how many it has */
    const char *trouble;             /* why they are not ready, or NULL */
    const struct redis_facts *facts; /* as it was when it was last checked */
};
enum redis_mode shards_mode(const struct shards *all);
/* The sentinels that say which server it is, or NULL. */
const struct redis_sentinels *shards_sentinels(const struct shards *all);
size_t shards_server_count(const struct shards *all);
struct shard_server shards_server(const struct shards *all, size_t i);
/* The server of PARTITION: a number for shards_server, or SIZE_MAX if none has it. */
size_t shards_server_of(const struct shards *all, unsigned partition);
/* Calls that were sent to shards that are ready, and are not answered. */
size_t shards_pending(const struct shards *all);
/* The largest argument that every Redis takes. */
size_t shards_argument_max(const struct shards *all);
/* Asks every Redis for a sign of life. FN is called once, perhaps before this returns: OK when the first of them serves a shard. */
typedef void (*shards_fn)(void *ctx, enum err rc);
void shards_ping(struct shards *all, shards_fn fn, void *ctx);

/* Subscribes the channel `tail` on a connection of its own: one for all partitions. EVENTS as of redis_channels. */
void shards_listen(struct shards *all, const struct redis_events *events);
void shards_hush(struct shards *all); /* fine if nobody listens */

unsigned shard_number(const struct shard *s);
/* The base of the shard's keys (keys.h). It lives as long as S. */
struct slice shard_base(const struct shard *s);
bool shard_is_ready(const struct shard *s);
/* The run id of the Redis that the shard is on, or "" while it is not known. It is another one after each start of
 * Redis. */
const char *shard_run_of_redis(const struct shard *s);
/* The name under which this process is seen, or NULL. */
const char *shards_instance(const struct shards *all);
/* Connects the lifeline again: the shard's Redis says that it is not there. */
void shard_renew_lifeline(struct shard *s);
/* How long a call that only reads waits for a shard, if other shards can answer. */
#define SHARD_PATIENCE_US 800000
/* True: such a call has given up an answer of S. False: the answer has come after all, or will never come. */
void shard_note_late(struct shard *s, bool is_late);
/* Is an answer late that S or its server owes? Such a shard need not be asked by calls that only read. */
bool shard_is_late(const struct shard *s);
/* The bytes of commands that the shard's Redis has not answered yet: for load decisions. */
size_t shard_pending_bytes(const struct shard *s);

/* Runs SCRIPT in the shard. KEYS is {<base>lanes}, in a cluster {<base>lanes, <base>never}. ARGV is the base, then ARGS,
 * which is only read during the call. FN gets the reply as said of redis_fn. Errors as of redis_command. */
enum err shard_run(struct shard *s, const struct redis_script *script, struct args *args,
                   redis_fn fn, void *ctx) MUST_CHECK;
/* Does the same, with a text that the script finds under a key of the shard (redis.h has what a stage is). STAGE may be NULL. The
 * shard owns its memory even if the call fails. */
enum err shard_run_staged(struct shard *s, const struct redis_script *script, struct args *args,
                          const struct redis_stage *stage, redis_fn fn, void *ctx) MUST_CHECK;
/* Sends one command that is no script. Its keys must be keys of the shard. As redis_command. */
enum err shard_command(struct shard *s, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx) MUST_CHECK;
/* Publishes MESSAGE on CHANNEL, whose name begins with the shard's base. */
enum err shard_publish(struct shard *s, struct slice channel, struct slice message, redis_fn fn,
                       void *ctx) MUST_CHECK;
/* Sends what is queued for the shard's Redis now, not at the end of the turn. Redis works on it meanwhile. */
void shard_flush(struct shard *s);

#endif
