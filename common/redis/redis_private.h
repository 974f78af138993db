/* redis_private - what the files of common/redis share; nobody else includes it.   [edge: hiredis]
 */
#ifndef COMMON_REDIS_REDIS_PRIVATE_H
#define COMMON_REDIS_REDIS_PRIVATE_H

#include "common/config/config.h"
#include "common/redis/redis.h"
#include "common/redis/redis_dial.h"
#include "common/redis/redis_facts.h"
#include "common/redis/redis_out.h"
#include "common/redis/redis_pending.h"

struct loaded { /* a script this connection has been given */
    const struct redis_script *script;
    uint64_t at; /* position of its SCRIPT LOAD; UINT64_MAX: not given */
};

enum redis_state { STATE_WAITING, STATE_DIALING, STATE_CHECKING, STATE_READY, STATE_CLOSED };

#define IN_BYTES (64 * 1024)

struct redis { /* owned by the caller of redis_new; freed by redis_free */
    struct loop *loop;
    struct config_redis conf; /* own copies of the strings */
    char *name;
    struct redis_events events;
    enum redis_state state;
    redis_message_fn on_message; /* not NULL: for messages only (redis_sub) */
    void *message_ctx;

    struct dial dial;
    int fd;              /* -1: not connected */
    unsigned connection; /* its number, to notice that a callback ended it */
    struct event *readable, *writable;
    struct redisReader *reader;
    struct out out;
    struct pendings pendings;
    struct redis_facts facts;
    struct loaded *loaded;
    size_t loaded_count, loaded_cap;
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

/* ---- redis.c: the states ---- */

/* Appends a command, also during the handshake; FN may be NULL. */
void redis_send(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn, void *ctx);
/* Books what was just formatted into R->out as one command. */
void redis_book(struct redis *r, redis_fn fn, void *ctx, const struct redis_script *script,
                unsigned tries);
/* OK if a command of SIZE bytes may be queued now. */
enum err redis_admit(const struct redis *r, size_t size) MUST_CHECK;
/* The redis_out_size of all of LIST. */
size_t redis_sizes(const struct slice *list, size_t n);
/* Ends the connection now: everything pending fails, the backoff starts. Only where no reply of
 * this connection is being handled; otherwise redis_drop_soon. */
void redis_drop(struct redis *r, const char *reason);
/* Ends it later in this turn. The first reason is the one that is logged. */
void redis_drop_soon(struct redis *r, const char *reason);
/* The handshake is over and the server may be used. */
void redis_become_ready(struct redis *r);

/* ---- redis_reader.c: the parser of replies ---- */

/* hiredis' own, but one that refuses what cannot be a reply's size. NULL without memory. */
struct redisReader *redis_reader_new(void);
void redis_reader_free(struct redisReader *reader);

/* ---- redis_io.c: the socket ---- */

/* Takes FD. False if there is no memory for it. */
bool redis_io_open(struct redis *r, int fd) MUST_CHECK;
void redis_io_close(struct redis *r);
/* Reads and handles what has come. Callbacks run; the connection may be gone afterwards. */
void redis_io_read(struct redis *r);
/* Writes what has been queued, at the end of the turn. */
void redis_io_flush_soon(struct redis *r);

/* ---- the others ---- */

/* redis_check.c: sends the handshake; ends in redis_become_ready or redis_drop_soon. */
void redis_check_start(struct redis *r);
/* redis_script.c: true if ITEM was sent again because the server did not know its script. START is
 * where its bytes begin. */
bool redis_script_again(struct redis *r, const struct pending *item, uint64_t start,
                        const struct redis_reply *reply);
/* redis_reply.c: an error that says that this is not (any more) a server to talk to. */
bool redis_is_wrong_server(const struct redis_reply *r);

#endif
