/* redis - one asynchronous connection to Redis that keeps itself up.   [edge: hiredis]
 *
 * Connects, authenticates, selects the database and checks the server (role, loading, version;
 * warns of what could lose acknowledged events: appendonly, appendfsync, maxmemory-policy) before
 * it is ready. Reconnects with backoff (50 ms to 2 s, jittered). Every command has a deadline,
 * timeout_ms; when one passes, the connection is dropped and all commands on it fail. A READONLY,
 * LOADING, MASTERDOWN or NOAUTH answer also drops it, after it was handed over, so that the server
 * is looked at anew. When idle it PINGs every 2 s. Commands of one loop turn leave in one write.
 */
#ifndef COMMON_REDIS_REDIS_H
#define COMMON_REDIS_REDIS_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

struct loop;
struct config_redis;
struct redis;

/* A reply, read through the accessors below; borrowed for the callback. */
struct redis_reply;
enum redis_kind { REDIS_NIL, REDIS_TEXT, REDIS_INT, REDIS_LIST, REDIS_FAILED };

/* Exactly once per accepted command, never before redis_command returns. RC is OK (the server
 * answered; R may still be of kind REDIS_FAILED), ERR_UNAVAIL (it did not run: the connection was
 * lost before it was written) or ERR_TIMEOUT (it was written: whether it took effect is unknown). R
 * is NULL unless OK. Any function of this module may be called from it, redis_free too. */
typedef void (*redis_fn)(void *ctx, enum err rc, const struct redis_reply *r);

struct redis_events { /* functions may be NULL */
    /* After each successful (re)connect and check. */
    void (*on_ready)(void *ctx);
    /* Once after each on_ready, when the pending commands have failed. */
    void (*on_lost)(void *ctx);
    void *ctx;
};

/* Starts connecting. CONF is copied. NAME goes to CLIENT SETNAME. */
struct redis *redis_new(struct loop *l, const struct config_redis *conf, const char *name,
                        const struct redis_events *events);
/* Fails what is pending as when the connection is lost (callbacks run now; on_lost does not),
 * closes and frees. NULL is fine. */
void redis_free(struct redis *r);
bool redis_is_ready(const struct redis *r);
/* Commands sent and not yet answered, and their bytes: for load decisions. */
size_t redis_pending(const struct redis *r);
size_t redis_pending_bytes(const struct redis *r);

/* Queues a command; ARGV is only read during the call. ERR_UNAVAIL (and no callback) if the
 * connection is not ready or holds 64 MiB or 100,000 commands; ERR_TOO_BIG above 256 MiB. FN may be
 * NULL. */
enum err redis_command(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx) MUST_CHECK;

/* Sends what is queued now, not at the end of the turn: Redis works on it while this turn goes on. */
void redis_flush(struct redis *r);

/* A Lua script embedded at build time. */
struct redis_script {
    const char *name; /* for logs */
    const unsigned char *text;
    size_t len;
    char sha[41]; /* filled by redis_script_init */
};
void redis_script_init(struct redis_script *s, const char *name, const unsigned char *text,
                       size_t len);
/* One call of a script. Everything but TAKEN is only read during redis_eval. */
struct redis_call {
    const struct redis_script *script; /* must live as long as the connection */
    const struct slice *lead;          /* KEYS, and behind them the first elements of ARGV */
    size_t lead_count, key_count;
    const struct slice *argv; /* the other elements of ARGV */
    size_t argc;
    /* Memory from malloc, or NULL. An element of ARGV that begins there is sent from there, without a copy.
     * redis_eval owns the memory and frees it: when the call was answered, or at once if redis_eval fails. */
    char *taken;
    redis_fn fn;
    void *ctx;
};
/* Runs a script (EVALSHA). The script is loaded on its first use on a connection. If the server has forgotten
 * it (NOSCRIPT), the script is loaded and the call is sent again: it then runs once, but behind what was sent
 * meanwhile, and with a deadline of its own. Errors as of redis_command. */
enum err redis_eval(struct redis *r, const struct redis_call *call) MUST_CHECK;

/* A connection for messages only. It subscribes its channels again after every reconnect. Messages that are
 * published while the connection is down are lost. */
struct redis_sub;
typedef void (*redis_message_fn)(void *ctx, struct slice channel, struct slice payload);
struct redis_channels { /* read during redis_sub_new */
    const struct slice *names;
    size_t count;
    redis_message_fn on_message;
    struct redis_events
        events; /* on_ready: all subscriptions are in place. CTX is on_message's too */
};
struct redis_sub *redis_sub_new(struct loop *l, const struct config_redis *conf, const char *name,
                                const struct redis_channels *channels);
void redis_sub_free(struct redis_sub *s);

enum redis_kind redis_kind(const struct redis_reply *r); /* REDIS_NIL for NULL */
int64_t redis_int(const struct redis_reply *r);       /* an integer, or a text of digits; else 0 */
struct slice redis_text(const struct redis_reply *r); /* text, status or error; else empty */
size_t redis_count(const struct redis_reply *r);
const struct redis_reply *redis_at(const struct redis_reply *r, size_t i); /* NULL past the end */
/* An error reply that says the server is in no state to take work (OOM, MISCONF, NOREPLICAS, BUSY,
 * ...). */
bool redis_is_refusal(const struct redis_reply *r);

#endif
