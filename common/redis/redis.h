/* redis - one asynchronous connection to a Redis server that stays up by itself.   [edge: hiredis]
 *
 * The connection logs in, selects the database and checks the server (role, loading, version) before it is ready. It
 * warns of settings that could lose acknowledged events: appendonly, appendfsync, maxmemory-policy. A lost connection
 * is opened again after a backoff of 50 ms to 2 s, at random. Every command has a deadline (timeout_ms). When one
 * passes, the connection is dropped and all pending commands fail. A READONLY, LOADING, MASTERDOWN or NOAUTH answer is
 * handed over and then drops the connection too, so that the server is checked again. An idle connection sends PING
 * every 2 s. Commands of one turn of the loop leave in one write. redis.c explains the life of a call.
 */
#ifndef COMMON_REDIS_REDIS_H
#define COMMON_REDIS_REDIS_H

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct config_redis;
struct redis_node;
struct redis_sentinels;
struct redis;

/* A reply. Borrowed for the callback; the functions below read it. */
struct redis_reply;
enum redis_kind { REDIS_NIL, REDIS_TEXT, REDIS_INT, REDIS_LIST, REDIS_FAILED };

/* Called exactly once for each accepted command, never before redis_command returns. RC is one of:
 *   OK           the server answered; R may still be an error (REDIS_FAILED)
 *   ERR_UNAVAIL  the command did not run: the connection was lost before it was written
 *   ERR_TIMEOUT  the command was written; nobody knows whether it took effect
 * R is NULL unless RC is OK. The callback may call any function of this module, redis_free too. */
typedef void (*redis_fn)(void *ctx, enum err rc, const struct redis_reply *r);

struct redis_events { /* functions may be NULL */
    /* After each successful (re)connect and check. */
    void (*on_ready)(void *ctx);
    /* Once after each on_ready, when the pending commands have failed. */
    void (*on_lost)(void *ctx);
    /* A try to connect has failed; redis_trouble says why. It goes on trying. */
    void (*on_failed)(void *ctx);
    /* A message was published. Not NULL: the connection is for messages only. */
    void (*on_message)(void *ctx, struct slice channel, struct slice payload);
    /* The server has ended the subscription of CHANNEL, because its slot has moved. */
    void (*on_ended)(void *ctx, struct slice channel);
    void *ctx;
    /* The silence of the server does not end this connection: it sends no PING. */
    bool is_patient;
};

struct redis_again { /* a call that a server of a cluster did not run; FN may be NULL */
    redis_fn fn;
    void *ctx;
    const struct redis_script *script; /* NULL: it is a command */
    mono_us deadline;
    unsigned tries;
    bool is_asking; /* ASKING goes before it */
    bool waits;     /* its answer waits for replicas */
    struct slice confirm_key;
    char *bytes; /* from malloc: as it was written */
    size_t len;
};

/* Sends the calls again that R did not run. Only where R is one of several servers. */
struct redis_router {
    /* REPLY says so of CALL. True: it owns the call and its bytes from here on. False: the caller of CALL gets REPLY. */
    bool (*on_refused)(void *ctx, struct redis *r, const struct redis_again *call,
                       const struct redis_reply *reply);
    /* A call that was sent again has been answered. */
    void (*on_answered)(void *ctx);
    void *ctx;
};

/* Where a connection goes. All but the sentinels and the router is copied. */
struct redis_target {
    const struct config_redis *conf;
    const struct redis_node *node; /* the server; NULL: the only one of CONF, or the master */
    struct redis_sentinels
        *sentinels; /* say which server is the master; they outlive it. Or NULL */
    const struct redis_router *router; /* outlives it. Or NULL */
    bool
        is_guide; /* the server only says where others are: its data, role and database do not matter */
};
/* Starts connecting. NAME is shown by CLIENT LIST. */
struct redis *redis_new(struct loop *l, const struct redis_target *to, const char *name,
                        const struct redis_events *events);
/* Fails what is pending as when the connection is lost (callbacks run now, on_lost does not), closes and frees. NULL is
 * fine. */
void redis_free(struct redis *r);
bool redis_is_ready(const struct redis *r);
/* Why the last try to connect failed, as far as the connection is not ready. NULL before the first one. */
const char *redis_trouble(const struct redis *r);
/* What a server does that has not answered in time: the end of a sentence. */
const char *redis_silence(const struct redis *r);
struct redis_facts;
/* The server, or NULL: it has a unix socket, or nobody knows it yet. */
const struct redis_node *redis_server_node(const struct redis *r);
/* The server's facts about itself at the last check; empty texts before the first check. */
const struct redis_facts *redis_server_facts(const struct redis *r);
/* Asks how many replicas there are, if redis.wait_replicas needs some. */
void redis_ask_replicas(struct redis *r);
/* Why R refuses acknowledged calls although it is ready, as a sentence: there were too few replicas when R asked last, or a
 * sentinel moves the master. NULL if R refuses none. */
const char *redis_shortage(const struct redis *r);
/* Drops the connection later in this turn, and connects again. Logs the REASON of the first call. */
void redis_drop_soon(struct redis *r, const char *reason);
/* The commands that are not answered yet, and their bytes: for load decisions. */
size_t redis_pending(const struct redis *r);
size_t redis_pending_bytes(const struct redis *r);
/* How long the oldest of these commands has waited, in microseconds. 0 if there is none. */
mono_us redis_waited(const struct redis *r);
/* The largest argument that a command may have: what the server takes, as far as it says so or has shown it. */
size_t redis_argument_max(const struct redis *r);

/* Queues a command. ARGV is only read during the call. FN may be NULL. Errors, without a callback: ERR_UNAVAIL if the
 * connection is not ready, or holds 64 MiB or 100,000 commands; ERR_TOO_BIG if the command has over 256 MiB. */
enum err redis_command(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx) MUST_CHECK;

/* Handles the answers that have come by now. Not from a callback of R. */
void redis_read(struct redis *r);
/* Writes what is queued now, not at the end of the turn. Redis works on it while this turn goes on. */
void redis_flush(struct redis *r);

/* Can a call of LEN bytes be sent again now? */
bool redis_may_send_again(const struct redis *r, size_t len);
/* Sends CALL again. R owns its bytes from here on. */
void redis_send_again(struct redis *r, const struct redis_again *call);

/* A Lua script embedded at build time. */
struct redis_script {
    const char *name; /* for logs */
    const unsigned char *text;
    size_t len;
    char sha[41]; /* filled by redis_script_init */
    /* A sender or a user gets an acknowledgement of what the script did. With redis.wait_replicas the answer to a call waits until so many replicas have
     * what the script wrote, or found written. False after redis_script_init. */
    bool is_acknowledged;
};
void redis_script_init(struct redis_script *s, const char *name, const unsigned char *text,
                       size_t len);
/* One call of a script. Everything but TAKEN is only read during redis_eval. */
/* A large text for a script. It is stored under a key before the script runs, and in the same write, because Lua would copy an
 * argument several times. The script renames the key. A key that no script has renamed expires. */
struct redis_stage {
    struct slice key;
    struct slice head, tail; /* the text, in two pieces; neither is empty */
    /* Memory from malloc that TAIL begins, or NULL. TAIL is then sent from there, without a copy. redis_eval owns the memory and
     * frees it: when the command was answered, or at once if redis_eval fails. */
    char *taken;
};
struct redis_call {
    const struct redis_script *script; /* must live as long as the connection */
    const struct slice *lead;          /* KEYS, and behind them the first elements of ARGV */
    size_t lead_count, key_count;
    const struct slice *argv; /* the other elements of ARGV */
    size_t argc;
    const struct redis_stage *stage; /* or NULL */
    /* For a script that is acknowledged: a key of no use in the call's slot (redis_confirm.c says what for). It lives as long as
     * the connection. */
    struct slice confirm_key;
    redis_fn fn;
    void *ctx;
};
/* Runs a script (EVALSHA). The script is loaded on its first use on a connection. If the server has forgotten it
 * (NOSCRIPT), the script is loaded and the call is sent again. It then runs once, but behind what was sent meanwhile,
 * with a new deadline. Errors as of redis_command. A call that waits for replicas gets ERR_TIMEOUT if they do not answer in
 * half of timeout_ms, and ERR_UNAVAIL at once if they did not answer the last time and were not asked since. */
enum err redis_eval(struct redis *r, const struct redis_call *call) MUST_CHECK;

/* A connection for messages only. It subscribes its channels again after every reconnect. Messages that are
 * published while the connection is down are lost. */
struct redis_sub;
struct redis_channels { /* only read during redis_sub_new */
    const struct slice *names;
    size_t count;
    bool is_sharded; /* the channels belong to slots of a cluster (SSUBSCRIBE) */
    /* on_message is not NULL. on_ready comes when all channels are subscribed, on_lost when one of them is no longer. */
    struct redis_events events;
    /* CHANNEL is subscribed, or no longer. May be NULL. CTX is that of events. */
    void (*on_channel)(void *ctx, struct slice channel, bool is_up);
};
struct redis_sub *redis_sub_new(struct loop *l, const struct redis_target *to, const char *name,
                                const struct redis_channels *channels);
/* Connects and subscribes again, if everything was subscribed. */
void redis_sub_renew(struct redis_sub *s);
/* Handles the messages that have come by now. */
void redis_sub_read(struct redis_sub *s);
/* Subscribes CHANNEL too, or tries again if the server has refused it. */
void redis_sub_add(struct redis_sub *s, struct slice channel);
/* Does not subscribe CHANNEL again: the server has ended it, or will. */
void redis_sub_remove(struct redis_sub *s, struct slice channel);
void redis_sub_free(struct redis_sub *s);

enum redis_kind redis_kind(const struct redis_reply *r); /* REDIS_NIL for NULL */
/* An integer, or a text of digits as an integer. 0 for anything else. */
int64_t redis_int(const struct redis_reply *r);
/* A text, a status or an error. Empty for anything else. */
struct slice redis_text(const struct redis_reply *r);
/* The elements of a list. 0 and NULL for anything else; NULL past the end. */
size_t redis_count(const struct redis_reply *r);
const struct redis_reply *redis_at(const struct redis_reply *r, size_t i);

#endif
