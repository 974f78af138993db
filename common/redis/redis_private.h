/* redis_private - a connection from inside: its state, and what its parts call of each other.
 */
#ifndef COMMON_REDIS_REDIS_PRIVATE_H
#define COMMON_REDIS_REDIS_PRIVATE_H

#include "common/base/list.h"
#include "common/config/config.h"
#include "common/redis/redis.h"
#include "common/redis/redis_confirm.h"
#include "common/redis/redis_pending.h"
#include "common/redis/redis_scripts.h"
#include "common/redis/wire/redis_dial.h"
#include "common/redis/wire/redis_facts.h"
#include "common/redis/wire/redis_limit.h"
#include "common/redis/wire/redis_out.h"

struct event;
struct loop_timer;
struct redisReader;

#define IN_BYTES (64 * 1024)
#define REASON_BYTES 256

enum redis_state { STATE_WAITING, STATE_DIALING, STATE_CHECKING, STATE_READY, STATE_CLOSED };

struct redis { /* owned by the caller of redis_new; freed by redis_free */
    struct loop *loop;
    struct config_redis conf; /* an own copy; `shown` is the URL of this server */
    struct redis_node node; /* the server; no host: it has a unix socket, or nobody knows it yet */
    struct redis_sentinels *sentinels; /* or NULL */
    struct list_link link;             /* in their list */
    const struct redis_router *router; /* or NULL */
    bool is_guide;
    bool is_moving; /* it is dropped because there is another master */
    char *name;
    struct redis_events events;
    enum redis_state state;

    struct dial dial;
    struct redis_io io;
    unsigned tls_version; /* tls_client_version at the connection */
    struct redis *next;   /* the connection that comes in the place of this one, or NULL */
    bool renew_deferred;
    unsigned connection; /* its number, to notice that a callback ended it */
    struct event *readable, *writable;
    struct redisReader *reader;
    size_t unread; /* bytes of a reply that is not complete */
    struct out out;
    struct pendings pendings;
    struct redis_facts facts;
    struct redis_limit limit;
    struct loaded_scripts loaded;
    struct redis_confirm confirm;
    bool flush_deferred;

    struct loop_timer *timer; /* the one for whatever the state waits for */
    mono_us timer_at;         /* when it fires; 0: not armed */
    mono_us heard_at;         /* bytes last came */
    mono_us ready_at;
    int64_t backoff_ms;
    bool drop_deferred;
    char drop_reason[REASON_BYTES];
    char reason[REASON_BYTES];      /* of the last failure; empty while the connection is ready */
    char told_reason[REASON_BYTES]; /* the last failure that was logged, and when */
    mono_us told_at;

    char in[IN_BYTES];
};

/* Appends a command, also during the handshake; FN may be NULL. */
void redis_send(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn, void *ctx);
/* Drops because of an error REPLY. Only its first word is logged: a proxy may repeat arguments. */
void redis_drop_soon_for(struct redis *r, const char *what, const struct redis_reply *reply);

/* REPLY ends the subscription of a channel whose slot moves away. This program never ends one. */
bool redis_is_end_of_channel(const struct redis *r, const struct redis_reply *reply);
/* OK if a command of SIZE bytes may be queued now. */
enum err redis_admit(const struct redis *r, size_t size) MUST_CHECK;
/* ITEM is the command that was just written into R->out. */
void redis_enter(struct redis *r, const struct pending *item, mono_us now);
/* Does the same with a new command, and sets the deadline and the end of ITEM. */
void redis_book(struct redis *r, struct pending item);
void redis_load_script(struct redis *r, struct loaded *l);
/* True if ITEM was sent again because the server did not know its script. START is where its bytes begin. */
bool redis_script_again(struct redis *r, const struct pending *item, uint64_t start,
                        const struct redis_reply *reply);
/* True if the router has taken ITEM over, because REPLY says that it did not run. START is where its bytes begin. */
bool redis_route_again(struct redis *r, const struct pending *item, uint64_t start,
                       const struct redis_reply *reply);

/* Writes what is queued, at the end of the turn. */
void redis_write_soon(struct redis *r);
/* Takes IO, and READER (NULL without memory). False if there is no memory for it. */
bool redis_io_open(struct redis *r, struct redis_io io, struct redisReader *reader);
/* Ends R's socket and what belongs to it. */
void redis_io_shut(struct redis *r);

/* The sentinels name NODE. R leaves another server at once. */
void redis_follow(struct redis *r, const struct redis_node *node);

/* Puts a new connection to the same server in the place of R's, whose files of TLS are old. A connection for commands
 * keeps what is queued and fails nothing. One for messages is lost and comes back. */
void redis_renew(struct redis *r);
/* Something was answered: the new connection may be taken when that was all. */
void redis_renew_go_on(struct redis *r);
/* Gives the new connection up. */
void redis_renew_stop(struct redis *r);

/* Logs in, selects the database and looks at the server. Ends in redis_become_ready or redis_drop_soon. */
void redis_check_start(struct redis *r);
/* The handshake is over and the server may be used. */
void redis_become_ready(struct redis *r);

#endif
