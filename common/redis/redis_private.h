/* redis_private - a connection from inside: its state, and what its parts call of each other.
 */
#ifndef COMMON_REDIS_REDIS_PRIVATE_H
#define COMMON_REDIS_REDIS_PRIVATE_H

#include "common/config/config.h"
#include "common/redis/redis.h"
#include "common/redis/redis_dial.h"
#include "common/redis/redis_facts.h"
#include "common/redis/redis_limit.h"
#include "common/redis/redis_out.h"
#include "common/redis/redis_pending.h"
#include "common/redis/redis_scripts.h"

struct event;
struct loop_timer;
struct redisReader;

#define IN_BYTES (64 * 1024)

enum redis_state { STATE_WAITING, STATE_DIALING, STATE_CHECKING, STATE_READY, STATE_CLOSED };

struct redis { /* owned by the caller of redis_new; freed by redis_free */
    struct loop *loop;
    struct config_redis conf; /* an own copy; `shown` is the URL of this server */
    struct redis_node node;   /* the server, unless it has a unix socket */
    char *name;
    struct redis_events events;
    enum redis_state state;

    struct dial dial;
    int fd;              /* -1: not connected */
    unsigned connection; /* its number, to notice that a callback ended it */
    struct event *readable, *writable;
    struct redisReader *reader;
    struct out out;
    struct pendings pendings;
    struct redis_facts facts;
    struct redis_limit limit;
    struct loaded_scripts loaded;
    bool flush_deferred;

    struct loop_timer *timer; /* the one for whatever the state waits for */
    mono_us timer_at;         /* when it fires; 0: not armed */
    mono_us heard_at;         /* bytes last came */
    mono_us ready_at;
    int64_t backoff_ms;
    bool drop_deferred;
    char drop_reason[128];
    char told_reason[128]; /* the last failure that was logged, and when */
    mono_us told_at;

    char in[IN_BYTES];
};

/* Appends a command, also during the handshake; FN may be NULL. */
void redis_send(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn, void *ctx);
/* Drops because of an error REPLY. Only its first word is logged: a proxy may repeat arguments. */
void redis_drop_soon_for(struct redis *r, const char *what, const struct redis_reply *reply);

/* Logs in, selects the database and looks at the server. Ends in redis_become_ready or redis_drop_soon. */
void redis_check_start(struct redis *r);
/* The handshake is over and the server may be used. */
void redis_become_ready(struct redis *r);

#endif
