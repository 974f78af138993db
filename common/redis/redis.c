#include "common/redis/redis.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/config_redis.h"
#include "common/crypto/crypto.h"
#include "common/crypto/tls_client.h"
#include "common/net/loop.h"
#include "common/redis/redis_private.h"
#include "common/redis/redis_refusal.h"
#include "common/redis/redis_sentinel_private.h"
#include "common/redis/wire/redis_reader.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

/* The life of a script call
 *
 * redis_eval formats the call once, into the output (redis_out). The bytes stay there until Redis has answered, so a
 * call can be sent again without a second copy. A connection sends SCRIPT LOAD before its first EVALSHA of a script,
 * in the same write. All commands of one turn of the loop leave in one sendmsg at the end of the turn.
 *
 *   redis_eval ---- queued ----> last byte written ---- sent ----> reply
 *
 * A connection is lost when the peer closes it, a write fails, the oldest command's deadline passes, or an answer says
 * that the server must not be used. Then all pending callbacks run, in order, and the backoff begins.
 *
 *   what happens                             what the caller gets          did the script run?
 *   ---------------------------------------  ----------------------------  ---------------------------------
 *   not ready, or too much is pending        redis_eval: ERR_UNAVAIL       no
 *   the call is larger than 256 MiB          redis_eval: ERR_TOO_BIG       no
 *   lost before the last byte was written    ERR_UNAVAIL                   no: Redis runs whole commands only
 *   lost afterwards                          ERR_TIMEOUT                   nobody knows
 *   too few replicas have it in time         ERR_TIMEOUT                   yes, but a failover may lose it
 *   a sentinel moves the master meanwhile    ERR_TIMEOUT                   yes, but the new master may lack it
 *   NOSCRIPT                                 nothing yet                   no: the call is sent again
 *   LOADING, READONLY, MASTERDOWN, NOAUTH    OK, REDIS_FAILED; then lost   no
 *   OOM, MISCONF, NOREPLICAS, BUSY           OK, REDIS_FAILED              no
 *   any other error                          OK, REDIS_FAILED              perhaps in part: Redis undoes nothing
 *
 * After NOSCRIPT the call goes behind everything that was sent meanwhile, with a new deadline, up to 5 times. Nothing
 * else is repeated here. The callers know whether a repeat is safe: queue_take repeats a `settle`, because its fence
 * makes a second run harmless. queue_put repeats nothing. The provider sends the webhook again, and `put` finds the
 * duplicate. A lost `claim` ends with its leases, a lost `sent` with its window.
 *
 * hiredis only parses the replies (redisReader). Its asynchronous client (versions 0.14 and 1.x) does not fit:
 *   - Its output is one buffer without a limit. Arguments are formatted in memory of their own and then copied into the
 *     buffer, and the rest of it is moved after each partial write. Here a large body is sent from where it lies.
 *   - A lost connection gives every callback a NULL reply, whether the command was written or not. "It did not run" and
 *     "nobody knows" are the same, and no bytes are kept for a repeat.
 *   - 0.14 has no timeouts. The timeout of 1.x starts anew with each command, so none is overdue while others are sent.
 *   - It resolves names with getaddrinfo, which blocks the loop.
 *   - It writes when the loop next finds the socket writable: one more turn and two more epoll_ctl for each batch. */

/* The states of a connection:
 *
 *   WAITING --backoff over--> DIALING --connected--> CHECKING --server is fit--> READY
 *      ^                         |                      |                          |
 *      +------- redis_drop ------+----------------------+--------------------------+
 *
 * One timer serves all of it: the end of the backoff, the connect deadline, the oldest command's deadline, or the
 * watchdog. A command moves the timer only if the timer would fire too late. */

#define PENDING_MAX 100000
#define PENDING_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define CONNECT_MS_MAX 2000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define STEADY_US 100000   /* ready for this long: the next failure starts the backoff anew */
#define SILENCE_US 2000000 /* nothing heard for this long: PING, so that a dead peer is noticed */
#define TELL_AGAIN_US 30000000
#define WORD_MAX 32 /* of an error reply, in the log */
#define URL_MAX 512

/* Of a server that only says where others are. A cluster of 1,000 servers, whose slots all lie apart, says less than 1 MB. */
#define GUIDE_REPLY_MAX ((size_t)4 * 1024 * 1024)

#define FEED_BYTES (16 * 1024) /* the reader moves what is left after each reply: keep it short */
#define READS_PER_TURN 16
#define PIECES 16

/* Ends the connection now. Only where no reply of this connection is being handled; otherwise redis_drop_soon. */
static void redis_drop(struct redis *r, const char *reason);

static void read_some(struct redis *r);

/* ---- writing ---- */

/* Writes some of what is queued. Returns how many bytes: 0 if nothing is queued, -1 on an error (errno). */
static ssize_t write_some(struct redis *r)
{
    struct iovec iov[PIECES];
    if (r->drop_deferred)
        return 0; /* it would not be answered, and perhaps it is no longer for this server */
    int n = redis_out_pieces(&r->out, iov, PIECES);
    if (n == 0)
        return 0;
    ssize_t sent = redis_io_write(&r->io, iov, n);
    if (sent > 0)
        redis_out_wrote(&r->out, (size_t)sent);
    return sent;
}

static void write_all(struct redis *r)
{
    ssize_t sent;
    while ((sent = write_some(r)) != 0) {
        if (sent < 0 && errno == EAGAIN) {
            event_add(r->writable, NULL);
            return;
        }
        if (sent < 0 && errno != EINTR) {
            redis_drop(r, redis_io_fault(&r->io, errno));
            return;
        }
    }
}

void redis_flush(struct redis *r)
{
    if (r->io.fd >= 0)
        (void)write_some(r); /* write_deferred handles what is left, and errors */
}

static void write_deferred(void *ctx)
{
    struct redis *r = ctx;
    redis_confirm_ask(r);
    r->flush_deferred = false;
    if (r->io.fd >= 0)
        write_all(r);
}

void redis_write_soon(struct redis *r)
{
    if (r->flush_deferred)
        return;
    r->flush_deferred = true;
    loop_defer(r->loop, write_deferred, r);
}

static void redis_on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct redis *r = ctx;
    unsigned connection = r->connection;
    if (redis_io_read_wants_write(&r->io))
        read_some(r);
    if (r->connection == connection)
        write_all(r);
}

/* ---- commands ---- */

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

mono_us redis_waited(const struct redis *r)
{
    const struct pendings *p = &r->pendings;
    return p->count ? clock_mono_us() - (p->at[p->first].deadline - r->conf.timeout_ms * 1000) : 0;
}

size_t redis_argument_max(const struct redis *r)
{
    return redis_limit_argument(&r->limit);
}

enum err redis_admit(const struct redis *r, size_t size)
{
    if (size > REDIS_COMMAND_MAX)
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

void redis_enter(struct redis *r, const struct pending *item, mono_us now)
{
    redis_pending_push(&r->pendings, item);
    if (r->timer_at == 0 || item->deadline < r->timer_at)
        arm(r, item->deadline, now);
    redis_write_soon(r);
}

void redis_book(struct redis *r, struct pending item)
{
    mono_us now = clock_mono_us();
    item.deadline = now + r->conf.timeout_ms * 1000;
    item.end = r->out.end;
    redis_enter(r, &item, now);
}

static void write_command(struct redis *r, const struct slice *argv, size_t argc)
{
    redis_out_open(&r->out, argc, redis_out_sizes(argv, argc));
    for (size_t i = 0; i < argc; i++)
        redis_out_arg(&r->out, argv[i]);
}

void redis_send(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn, void *ctx)
{
    write_command(r, argv, argc);
    redis_book(r, (struct pending){.fn = fn, .ctx = ctx});
}

enum err redis_command(struct redis *r, const struct slice *argv, size_t argc, redis_fn fn,
                       void *ctx)
{
    assert(argc > 0);
    enum err rc = redis_admit(r, redis_out_sizes(argv, argc));
    if (rc == OK) {
        write_command(r, argv, argc);
        redis_book(r, (struct pending){.fn = fn, .ctx = ctx, .may_move = true});
    }
    return rc;
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

/* The time until the next dial: between half of the backoff and all of it, at random, so that many clients do not
 * come back at once. */
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

void redis_io_shut(struct redis *r)
{
    if (r->readable)
        event_free(r->readable);
    if (r->writable)
        event_free(r->writable);
    redis_reader_free(r->reader);
    redis_io_close(&r->io);
    r->readable = r->writable = NULL;
    r->reader = NULL;
    r->unread = 0;
}

static struct pendings disconnect(struct redis *r)
{
    struct pendings rest = r->pendings;
    r->pendings = (struct pendings){0};
    redis_renew_stop(r);
    redis_dial_stop(&r->dial);
    redis_io_shut(r);
    redis_out_clear(&r->out);
    r->drop_deferred = false;
    r->connection++;
    return rest;
}

static void redis_drop(struct redis *r, const char *reason)
{
    mono_us now = clock_mono_us();
    bool was_ready = r->state == STATE_READY;
    int64_t wait_ms = r->is_moving ? 0 : next_wait_ms(r, was_ready, now);
    if (r->sentinels && !r->is_moving && r->node.host)
        redis_sentinels_doubt(r->sentinels, &r->node);
    r->is_moving = false;
    if (r->drop_deferred)
        reason = r->drop_reason;
    tell(r, reason, was_ready, wait_ms, now);
    if (reason != r->reason)
        snprintf(r->reason, sizeof r->reason, "%s", reason);
    uint64_t written = r->out.written;
    struct pendings rest = disconnect(r);
    r->state = STATE_WAITING;
    arm(r, now + wait_ms * 1000, now);
    redis_confirm_fail(r);
    redis_pending_fail(&rest, written);
    bool is_freed = r->state == STATE_CLOSED; /* by a callback */
    void (*fn)(void *ctx) = was_ready ? r->events.on_lost : r->events.on_failed;
    if (!is_freed && fn)
        fn(r->events.ctx);
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

void redis_drop_soon_for(struct redis *r, const char *what, const struct redis_reply *reply)
{
    struct slice rest = redis_text(reply);
    struct slice word = slice_cut(&rest, ' ');
    char reason[96];
    snprintf(reason, sizeof reason, "%s (%.*s)", what,
             (int)(word.len < WORD_MAX ? word.len : WORD_MAX), word.ptr ? word.ptr : "");
    redis_drop_soon(r, reason);
}

/* ---- reading ---- */

static bool is_message(const struct redis *r, const struct redis_reply *reply)
{
    return r->events.on_message && redis_count(reply) == 3 &&
           (slice_eq(redis_text(redis_at(reply, 0)), SLICE_LIT("message")) ||
            slice_eq(redis_text(redis_at(reply, 0)), SLICE_LIT("smessage")));
}

/* REPLY is to a command of SIZE bytes. */
static void note_refusal(struct redis *r, size_t size, const struct redis_reply *reply)
{
    if (redis_kind(reply) == REDIS_FAILED && redis_limit_note(&r->limit, size, redis_text(reply)))
        LOG_RARELY(LL_WARN, "redis.argument_refused", LS("url", r->conf.shown), LI("bytes", size));
}

/* True if REPLY is kept. */
static bool redis_on_reply(struct redis *r, struct redis_reply *reply)
{
    if (is_message(r, reply)) {
        r->events.on_message(r->events.ctx, redis_text(redis_at(reply, 1)),
                             redis_text(redis_at(reply, 2)));
        return false;
    }
    if (redis_is_end_of_channel(r, reply)) {
        r->events.on_ended(r->events.ctx, redis_text(redis_at(reply, 1)));
        return false;
    }
    const struct pending *head = redis_pending_head(&r->pendings);
    if (head)
        note_refusal(r, (size_t)(head->end - r->out.answered), reply);
    if (!head || head->end > r->out.written) { /* such as: ERR max number of clients reached */
        redis_drop_soon_for(r, "the server said unasked", reply);
        return false;
    }
    struct pending item = redis_pending_pop(&r->pendings);
    bool again = item.script && redis_script_again(r, &item, r->out.answered, reply);
    if (!again && r->router && item.may_move)
        again = redis_route_again(r, &item, r->out.answered, reply);
    redis_out_answered(&r->out, item.end);
    if (r->next)
        redis_renew_go_on(r);
    const char *refusal = redis_refusal_of_server(reply);
    if (refusal && !r->is_guide) /* a guide's refusal is judged by who asked it */
        redis_drop_soon_for(r, refusal, reply);
    if (item.script && redis_refusal_is_right(reply))
        redis_drop_soon(r, "the user lost a right that a script needs");
    if (again)
        return false;
    if (item.waits && redis_kind(reply) != REDIS_FAILED) {
        redis_confirm_hold(r, &item, reply);
        return true;
    }
    bool is_void = item.script && item.script->is_acknowledged && redis_is_leaving(r);
    if (item.fn)
        item.fn(item.ctx, is_void ? ERR_TIMEOUT : OK, is_void ? NULL : reply);
    return false;
}

/* Handles the replies in LEN bytes; false if the connection is gone. */
static bool feed(struct redis *r, const char *bytes, size_t len)
{
    unsigned connection = r->connection;
    if (redisReaderFeed(r->reader, bytes, len) != REDIS_OK) {
        redis_drop(r, "out of memory");
        return false;
    }
    r->unread += len;
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
            redis_drop(r, "the answer is not Redis' protocol");
            return false;
        }
        if (!reply)
            break;
        r->unread = 0;
        if (!redis_on_reply(r, reply))
            freeReplyObject(reply);
        if (r->connection != connection)
            return false;
    }
    if (r->is_guide && r->unread > GUIDE_REPLY_MAX) {
        redis_drop(r, "the answer is too long");
        return false;
    }
    return true;
}

static bool feed_all(struct redis *r, size_t len)
{
    for (size_t at = 0; at < len; at += FEED_BYTES)
        if (!feed(r, r->in + at, len - at < FEED_BYTES ? len - at : FEED_BYTES))
            return false;
    return true;
}

/* GOT is what a read returned that brought nothing. */
static void end_of_reading(struct redis *r, ssize_t got)
{
    if (got < 0 && errno == EAGAIN) {
        if (redis_io_read_wants_write(&r->io))
            event_add(r->writable, NULL);
        return;
    }
    int error = got ? errno : 0;
    bool is_mute = r->state == STATE_CHECKING && r->out.answered == 0 && !r->io.tls;
    if (is_mute && (!got || error == ECONNRESET))
        redis_drop(r, "the server closed the connection before it said anything: does it want TLS "
                      "(rediss://)?");
    else
        redis_drop(r, redis_io_fault(&r->io, error));
}

/* Reads and handles what has come. Callbacks run; the connection may be gone afterwards. */
static void read_some(struct redis *r)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = redis_io_read(&r->io, r->in, sizeof r->in);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            end_of_reading(r, got);
            return;
        }
        r->heard_at = clock_mono_us();
        if (!feed_all(r, (size_t)got))
            return;
        if ((size_t)got < sizeof r->in && !redis_io_has_more(&r->io))
            return;
    }
    if (redis_io_has_more(&r->io)) /* the socket does not report it */
        event_active(r->readable, EV_READ, 0);
}

void redis_read(struct redis *r)
{
    if (redis_is_ready(r))
        read_some(r);
}

static void redis_on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    read_some(ctx);
}

/* ---- going up ---- */

void redis_become_ready(struct redis *r)
{
    assert(r->state == STATE_CHECKING);
    r->state = STATE_READY;
    r->ready_at = clock_mono_us();
    r->told_reason[0] = r->reason[0] = 0;
    if (r->events.on_ready)
        r->events.on_ready(r->events.ctx);
}

static void set_node(struct redis *r, const struct redis_node *node)
{
    free(r->node.host);
    r->node = (struct redis_node){xstrdup(node->host), node->port};
    if (r->conf.mode == REDIS_SINGLE)
        return;
    struct buf url;
    buf_init(&url, URL_MAX);
    buf_add_str(&url, r->conf.is_tls ? "rediss://" : "redis://");
    redis_node_write(&r->node, &url);
    free(r->conf.shown);
    r->conf.shown = buf_take(&url, NULL);
}

/* Finds out who the master is. False if nobody says so yet; R then waits. */
static bool find_master(struct redis *r, mono_us now)
{
    const struct redis_node *master = redis_sentinels_master(r->sentinels);
    const char *trouble = redis_sentinels_trouble(r->sentinels);
    if (master)
        set_node(r, master);
    else if (trouble)
        redis_drop(r, trouble);
    else
        arm(r, now + BACKOFF_MAX_MS * INT64_C(1000), now); /* they are being asked */
    return master != NULL;
}

void redis_follow(struct redis *r, const struct redis_node *node)
{
    mono_us now = clock_mono_us();
    if (r->node.host && redis_node_is(&r->node, node) && r->state != STATE_WAITING)
        return;
    switch (r->state) {
    case STATE_DIALING:
        redis_dial_stop(&r->dial);
        r->state = STATE_WAITING;
        arm(r, now, now);
        break;
    case STATE_WAITING:
        arm(r, now, now);
        break;
    case STATE_CHECKING:
    case STATE_READY:
        r->is_moving = true;
        redis_drop_soon(r, "the sentinels name another master");
        break;
    case STATE_CLOSED:
        break;
    }
}

static void dial(struct redis *r, mono_us now)
{
    int64_t ms = r->conf.timeout_ms < CONNECT_MS_MAX ? r->conf.timeout_ms : CONNECT_MS_MAX;
    if (r->sentinels && !find_master(r, now))
        return;
    r->state = STATE_DIALING;
    arm(r, now + ms * 1000, now);
    redis_dial_start(&r->dial);
}

bool redis_io_open(struct redis *r, struct redis_io io, struct redisReader *reader)
{
    struct event_base *base = loop_base(r->loop);
    r->io = io;
    r->readable = event_new(base, io.fd, EV_READ | EV_PERSIST, redis_on_readable, r);
    r->writable = event_new(base, io.fd, EV_WRITE, redis_on_writable, r);
    r->reader = reader;
    return r->readable && r->writable && r->reader && event_add(r->readable, NULL) == 0;
}

static void redis_on_dialed(void *ctx, struct redis_io io, const char *reason)
{
    struct redis *r = ctx;
    if (io.fd < 0) {
        redis_drop(r, reason);
        return;
    }
    if (!redis_io_open(r, io, redis_reader_new())) {
        redis_drop(r, "out of memory");
        return;
    }
    r->state = STATE_CHECKING;
    r->connection++;
    r->tls_version = tls_client_version(r->conf.tls.client);
    redis_scripts_forget(&r->loaded);
    r->heard_at = clock_mono_us();
    redis_check_start(r);
}

/* ---- time ---- */

/* The timer of a connection that is up. */
static void watch(struct redis *r, mono_us now)
{
    unsigned connection = r->connection;
    const struct pending *head = redis_pending_head(&r->pendings);
    if (head && head->deadline <= now) {
        read_some(r); /* if this process slept, the answer may be here already */
        head = redis_pending_head(&r->pendings);
        if (r->connection == connection && head && head->deadline <= clock_mono_us())
            redis_drop(r, "no answer in time");
        if (r->connection != connection)
            return;
    }
    if (r->conf.is_tls && r->state == STATE_READY &&
        tls_client_version(r->conf.tls.client) != r->tls_version)
        redis_renew(r);
    if (!head && r->events.is_patient && !r->conf.is_tls)
        return;
    if (!head && !r->events.is_patient && now - r->heard_at >= SILENCE_US) {
        redis_send(r, (struct slice[]){SLICE_LIT("PING")}, 1, NULL, NULL);
        head = redis_pending_head(&r->pendings);
    }
    now = clock_mono_us();
    mono_us at = (r->events.is_patient ? now : r->heard_at) + SILENCE_US;
    if (head && (head->deadline < at || !r->conf.is_tls))
        at = head->deadline;
    arm(r, at, now);
}

static void redis_on_timer(void *ctx)
{
    struct redis *r = ctx;
    r->timer_at = 0;
    switch (r->state) {
    case STATE_WAITING:
        dial(r, clock_mono_us());
        break;
    case STATE_DIALING:
        redis_drop(r, redis_dial_is_in_handshake(&r->dial)
                          ? "tls: the server does not answer the handshake in time: is this its "
                            "port for TLS?"
                          : "no connection in time");
        break;
    case STATE_CHECKING:
    case STATE_READY:
        watch(r, clock_mono_us());
        break;
    case STATE_CLOSED:
        break;
    }
}

/* ---- begin and end ---- */

struct redis *redis_new(struct loop *l, const struct redis_target *to, const char *name,
                        const struct redis_events *events)
{
    struct redis *r = NEW(struct redis);
    r->limit = redis_limit_none();
    r->loop = l;
    config_redis_copy(to->conf, &r->conf);
    r->is_guide = to->is_guide;
    r->sentinels = to->sentinels;
    r->router = to->router;
    if (to->node)
        set_node(r, to->node);
    else if (!to->sentinels && r->conf.node_count)
        set_node(r, &r->conf.nodes[0]);
    if (r->sentinels)
        redis_sentinels_join(r->sentinels, r);
    r->name = xstrdup(name);
    if (events)
        r->events = *events;
    r->io = REDIS_IO_CLOSED;
    r->timer = loop_timer_new(l, redis_on_timer, r);
    redis_out_init(&r->out);
    redis_confirm_init(&r->confirm);
    redis_dial_init(&r->dial, l, &r->conf, &r->node, redis_on_dialed, r);
    r->state = STATE_WAITING;
    r->backoff_ms = BACKOFF_MIN_MS;
    loop_timer_arm(r->timer, 0);
    return r;
}

static void redis_free_now(void *ctx)
{
    struct redis *r = ctx;
    redis_scripts_clear(&r->loaded);
    redis_confirm_clear(&r->confirm);
    config_redis_clear(&r->conf);
    free(r->node.host);
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
    list_remove(&r->link);
    loop_timer_free(r->timer);
    r->timer = NULL;
    redis_confirm_fail(r);
    redis_pending_fail(&rest, written);
    loop_defer(r->loop, redis_free_now,
               r); /* this may be a callback; and calls of R are deferred already */
}
