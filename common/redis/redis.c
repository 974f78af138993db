#include "common/redis/redis.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/crypto/crypto.h"
#include "common/net/loop.h"
#include "common/redis/redis_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The life of a connection:
 *
 *   WAITING --backoff over--> DIALING --connected--> CHECKING --server is fit--> READY
 *      ^                         |                      |                          |
 *      +------- redis_drop ------+----------------------+--------------------------+
 *
 * One timer serves all of it: the end of the backoff, the connect deadline, the oldest command's
 * deadline, or the watchdog. It is not moved for each command, only when it would fire too late. */

#define PENDING_MAX 100000
#define PENDING_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define COMMAND_BYTES_MAX ((size_t)256 * 1024 * 1024) /* Redis takes arguments of up to 512 MiB */
#define CONNECT_MS_MAX 2000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define STEADY_US 100000   /* ready for this long: the next failure starts the backoff anew */
#define SILENCE_US 2000000 /* nothing heard for this long: PING, so that a dead peer is noticed */
#define TELL_AGAIN_US 30000000

static void on_dialed(void *ctx, int fd, const char *reason);
static void on_timer(void *ctx);

static char *copy(const char *z)
{
    return z ? xstrdup(z) : NULL;
}

struct redis *redis_new(struct loop *l, const struct config_redis *conf, const char *name,
                        const struct redis_events *events)
{
    struct redis *r = NEW(struct redis);
    r->loop = l;
    r->conf = (struct config_redis){.host = copy(conf->host),
                                    .port = conf->port,
                                    .unix_path = copy(conf->unix_path),
                                    .user = copy(conf->user),
                                    .password = copy(conf->password),
                                    .db = conf->db,
                                    .shown = copy(conf->shown),
                                    .timeout_ms = conf->timeout_ms};
    r->name = xstrdup(name);
    if (events)
        r->events = *events;
    r->fd = -1;
    r->timer = loop_timer_new(l, on_timer, r);
    redis_out_init(&r->out);
    redis_dial_init(&r->dial, l, &r->conf, on_dialed, r);
    r->state = STATE_WAITING;
    r->backoff_ms = BACKOFF_MIN_MS;
    loop_timer_arm(r->timer, 0);
    return r;
}

bool redis_is_ready(const struct redis *r)
{
    return r->state == STATE_READY && !r->drop_deferred;
}

size_t redis_pending(const struct redis *r)
{
    return r->pendings.count;
}

size_t redis_pending_bytes(const struct redis *r)
{
    return (size_t)(r->out.end - r->out.answered);
}

/* ---- commands ---- */

size_t redis_sizes(const struct slice *list, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += redis_out_size(list[i]);
    return size;
}

enum err redis_admit(const struct redis *r, size_t size)
{
    if (size > COMMAND_BYTES_MAX)
        return ERR_TOO_BIG;
    if (!redis_is_ready(r) || r->pendings.count >= PENDING_MAX ||
        redis_pending_bytes(r) >= PENDING_BYTES_MAX)
        return ERR_UNAVAIL;
    return OK;
}

static void arm(struct redis *r, mono_us at, mono_us now)
{
    r->timer_at = at;
    loop_timer_arm(r->timer, at - now);
}

void redis_book(struct redis *r, redis_fn fn, void *ctx, const struct redis_script *script,
                unsigned tries)
{
    mono_us now = clock_mono_us();
    struct pending item = {.fn = fn,
                           .ctx = ctx,
                           .script = script,
                           .deadline = now + r->conf.timeout_ms * 1000,
                           .end = r->out.end,
                           .tries = tries};
    redis_pending_push(&r->pendings, &item);
    if (r->timer_at == 0 || item.deadline < r->timer_at)
        arm(r, item.deadline, now);
    redis_io_flush_soon(r);
}

void redis_send(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn, void *ctx)
{
    redis_out_open(&r->out, argc, redis_sizes(argv, argc));
    for (size_t i = 0; i < argc; i++)
        redis_out_arg(&r->out, argv[i]);
    redis_book(r, fn, ctx, NULL, 0);
}

enum err redis_command(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx)
{
    assert(argc > 0);
    enum err rc = redis_admit(r, redis_sizes(argv, argc));
    if (rc == OK)
        redis_send(r, argv, argc, fn, ctx);
    return rc;
}

/* ---- going up ---- */

static void dial(struct redis *r, mono_us now)
{
    int64_t ms = r->conf.timeout_ms < CONNECT_MS_MAX ? r->conf.timeout_ms : CONNECT_MS_MAX;
    r->state = STATE_DIALING;
    arm(r, now + ms * 1000, now);
    redis_dial_start(&r->dial);
}

static void on_dialed(void *ctx, int fd, const char *reason)
{
    struct redis *r = ctx;
    if (fd < 0) {
        redis_drop(r, reason);
        return;
    }
    if (!redis_io_open(r, fd)) {
        redis_drop(r, "out of memory");
        return;
    }
    r->state = STATE_CHECKING;
    r->connection++;
    r->loaded_count = 0;
    r->heard_at = clock_mono_us();
    redis_check_start(r);
}

void redis_become_ready(struct redis *r)
{
    assert(r->state == STATE_CHECKING);
    r->state = STATE_READY;
    r->ready_at = clock_mono_us();
    r->told_reason[0] = 0;
    if (r->events.on_ready)
        r->events.on_ready(r->events.ctx);
}

/* ---- going down ---- */

static void tell(struct redis *r, const char *reason, bool was_ready, int64_t wait_ms, mono_us now)
{
    if (was_ready) {
        LOG_RARELY(LL_WARN, "redis.lost", LS("url", r->conf.shown), LS("client", r->name),
                   LS("reason", reason), LI("pending", r->pendings.count));
    } else if (strcmp(reason, r->told_reason) != 0 || now - r->told_at >= TELL_AGAIN_US) {
        LOG_RARELY(LL_WARN, "redis.unavailable", LS("url", r->conf.shown), LS("client", r->name),
                   LS("reason", reason), LI("retry_ms", wait_ms));
        snprintf(r->told_reason, sizeof r->told_reason, "%s", reason);
        r->told_at = now;
    }
}

/* The time until the next dial: half of the backoff and up to as much again, at random, so that
 * many clients do not come back at once. */
static int64_t next_wait_ms(struct redis *r, bool was_ready, mono_us now)
{
    if (was_ready && now - r->ready_at >= STEADY_US)
        r->backoff_ms = BACKOFF_MIN_MS;
    uint32_t random = 0;
    crypto_random(&random, sizeof random);
    int64_t half = r->backoff_ms / 2;
    int64_t wait_ms = half + (int64_t)(random % (uint32_t)(half + 1));
    r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS;
    return wait_ms;
}

/* A command of which the last byte was not written cannot have run; of the others nobody knows. */
static void fail_all(struct pendings *p, uint64_t written)
{
    while (p->count) {
        struct pending item = redis_pending_pop(p);
        if (item.fn)
            item.fn(item.ctx, item.end <= written ? ERR_TIMEOUT : ERR_UNAVAIL, NULL);
    }
    redis_pending_clear(p);
}

static struct pendings disconnect(struct redis *r)
{
    struct pendings rest = r->pendings;
    r->pendings = (struct pendings){0};
    redis_dial_stop(&r->dial);
    redis_io_close(r);
    redis_out_clear(&r->out);
    r->drop_deferred = false;
    r->connection++;
    return rest;
}

void redis_drop(struct redis *r, const char *reason)
{
    mono_us now = clock_mono_us();
    bool was_ready = r->state == STATE_READY;
    int64_t wait_ms = next_wait_ms(r, was_ready, now);
    tell(r, r->drop_deferred ? r->drop_reason : reason, was_ready, wait_ms, now);
    uint64_t written = r->out.written;
    struct pendings rest = disconnect(r);
    r->state = STATE_WAITING;
    arm(r, now + wait_ms * 1000, now);
    fail_all(&rest, written);
    if (was_ready && r->state != STATE_CLOSED &&
        r->events.on_lost) /* a callback may have freed R */
        r->events.on_lost(r->events.ctx);
}

static void drop_now(void *ctx)
{
    struct redis *r = ctx;
    if (r->drop_deferred)
        redis_drop(r, r->drop_reason);
}

void redis_drop_soon(struct redis *r, const char *reason)
{
    if (r->drop_deferred || (r->state != STATE_CHECKING && r->state != STATE_READY))
        return;
    r->drop_deferred = true;
    snprintf(r->drop_reason, sizeof r->drop_reason, "%s", reason);
    loop_defer(r->loop, drop_now, r);
}

static void free_now(void *ctx)
{
    struct redis *r = ctx;
    free(r->loaded);
    free(r->conf.host);
    free(r->conf.unix_path);
    free(r->conf.user);
    if (r->conf.password)
        crypto_wipe(r->conf.password, strlen(r->conf.password));
    free(r->conf.password);
    free(r->conf.shown);
    free(r->name);
    free(r);
}

void redis_free(struct redis *r)
{
    if (!r)
        return;
    assert(r->state != STATE_CLOSED);
    uint64_t written = r->out.written;
    struct pendings rest = disconnect(r);
    r->state = STATE_CLOSED;
    loop_timer_free(r->timer);
    r->timer = NULL;
    fail_all(&rest, written);
    loop_defer(r->loop, free_now,
               r); /* behind what it has deferred itself, or this is a callback */
}

/* ---- time ---- */

/* The oldest command's deadline has passed. If it was this process that slept, the answer may be
 * here. */
static void overdue(struct redis *r)
{
    unsigned connection = r->connection;
    redis_io_read(r);
    const struct pending *head = redis_pending_head(&r->pendings);
    if (r->connection == connection && head && head->deadline <= clock_mono_us())
        redis_drop(r, "no answer in time");
}

static void watch(struct redis *r, mono_us now)
{
    const struct pending *head = redis_pending_head(&r->pendings);
    if (head && head->deadline <= now) {
        unsigned connection = r->connection;
        overdue(r);
        if (r->connection != connection)
            return;
        head = redis_pending_head(&r->pendings);
    }
    if (!head && now - r->heard_at >= SILENCE_US) {
        redis_send(r, (struct slice[]){SLICE_LIT("PING")}, 1, NULL, NULL);
        head = redis_pending_head(&r->pendings);
    }
    now = clock_mono_us();
    arm(r, head ? head->deadline : r->heard_at + SILENCE_US, now);
}

static void on_timer(void *ctx)
{
    struct redis *r = ctx;
    r->timer_at = 0;
    switch (r->state) {
    case STATE_WAITING:
        dial(r, clock_mono_us());
        break;
    case STATE_DIALING:
        redis_drop(r, "no connection in time");
        break;
    case STATE_CHECKING:
    case STATE_READY:
        watch(r, clock_mono_us());
        break;
    case STATE_CLOSED:
        break;
    }
}
