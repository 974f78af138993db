#include "common/base/alloc.h"
#include "common/net/loop.h"
#include "common/redis/redis_private.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* hiredis serves as the parser of replies (redisReader). Its asynchronous client is not used: it
 * has no deadlines, resolves names by blocking, cannot tell a command that was written from one
 * that was not, moves the rest of its buffer after each partial write, and copies each command
 * twice on the way out (a 10 MB body once more than the memory figure allows). */

#define FEED_BYTES (16 * 1024) /* the reader moves what is left after each reply: keep it short */
#define READER_SPARE_BYTES                                                                         \
    (256 * 1024) /* what it may keep; 16 KB would be freed and made all the time */
#define READS_PER_TURN 16
#define PIECES 16

static void on_readable(evutil_socket_t fd, short what, void *ctx);
static void on_writable(evutil_socket_t fd, short what, void *ctx);

bool redis_io_open(struct redis *r, int fd)
{
    struct event_base *base = loop_base(r->loop);
    r->fd = fd;
    r->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, r);
    r->writable = event_new(base, fd, EV_WRITE, on_writable, r);
    r->reader = redis_reader_new();
    if (!r->readable || !r->writable || !r->reader || event_add(r->readable, NULL) < 0)
        return false;
    r->reader->maxbuf = READER_SPARE_BYTES;
    return true;
}

void redis_io_close(struct redis *r)
{
    if (r->readable)
        event_free(r->readable);
    if (r->writable)
        event_free(r->writable);
    redis_reader_free(r->reader);
    if (r->fd >= 0)
        close(r->fd);
    r->readable = r->writable = NULL;
    r->reader = NULL;
    r->fd = -1;
}

/* ---- writing ---- */

static void flush(struct redis *r)
{
    struct iovec iov[PIECES];
    int n = 0;
    while ((n = redis_out_pieces(&r->out, iov, PIECES)) > 0) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
        ssize_t sent = sendmsg(r->fd, &msg, MSG_NOSIGNAL);
        if (sent >= 0) {
            redis_out_wrote(&r->out, (size_t)sent);
        } else if (errno == EAGAIN) {
            event_add(r->writable, NULL);
            return;
        } else if (errno != EINTR) {
            redis_drop(r, strerror(errno));
            return;
        }
    }
}

void redis_flush(struct redis *r)
{
    struct iovec iov[PIECES];
    int n = r->fd >= 0 ? redis_out_pieces(&r->out, iov, PIECES) : 0;
    if (n <= 0)
        return;
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(r->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) /* what is left, and errors, are the deferred flush's */
        redis_out_wrote(&r->out, (size_t)sent);
}

static void flush_deferred(void *ctx)
{
    struct redis *r = ctx;
    r->flush_deferred = false;
    if (r->fd >= 0)
        flush(r);
}

void redis_io_flush_soon(struct redis *r)
{
    if (r->flush_deferred)
        return;
    r->flush_deferred = true;
    loop_defer(r->loop, flush_deferred, r);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    flush(ctx);
}

/* ---- reading ---- */

static bool is_message(const struct redis *r, const struct redis_reply *reply)
{
    return r->on_message && redis_count(reply) == 3 &&
           slice_eq(redis_text(redis_at(reply, 0)), SLICE_LIT("message"));
}

/* Drops because of REPLY, of which only the first word is told. */
static void drop_soon_for(struct redis *r, const char *what, const struct redis_reply *reply)
{
    struct slice rest = redis_text(reply);
    struct slice word = slice_cut(&rest, ' ');
    char reason[96];
    snprintf(reason, sizeof reason, "%s %.*s", what, (int)(word.len < 32 ? word.len : 32),
             word.ptr ? word.ptr : "");
    redis_drop_soon(r, reason);
}

static void on_reply(struct redis *r, const struct redis_reply *reply)
{
    if (is_message(r, reply)) {
        r->on_message(r->message_ctx, redis_text(redis_at(reply, 1)),
                      redis_text(redis_at(reply, 2)));
        return;
    }
    const struct pending *head = redis_pending_head(&r->pendings);
    if (!head || head->end > r->out.written) { /* such as: ERR max number of clients reached */
        drop_soon_for(r, "the server said unasked:", reply);
        return;
    }
    struct pending item = redis_pending_pop(&r->pendings);
    bool again = item.script && redis_script_again(r, &item, r->out.answered, reply);
    redis_out_answered(&r->out, item.end);
    if (redis_is_wrong_server(reply))
        drop_soon_for(r, "the server answered", reply);
    if (!again && item.fn)
        item.fn(item.ctx, OK, reply);
}

/* Handles the replies in LEN bytes; false if the connection is gone. */
static bool feed(struct redis *r, const char *bytes, size_t len)
{
    unsigned connection = r->connection;
    if (redisReaderFeed(r->reader, bytes, len) != REDIS_OK) {
        redis_drop(r, "out of memory");
        return false;
    }
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
            redis_drop(r, "the answer is not Redis' protocol");
            return false;
        }
        if (!reply)
            return true;
        on_reply(r, reply);
        freeReplyObject(reply);
        if (r->connection != connection)
            return false;
    }
}

static bool feed_all(struct redis *r, size_t len)
{
    for (size_t at = 0; at < len; at += FEED_BYTES)
        if (!feed(r, r->in + at, len - at < FEED_BYTES ? len - at : FEED_BYTES))
            return false;
    return true;
}

void redis_io_read(struct redis *r)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = recv(r->fd, r->in, sizeof r->in, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            redis_drop(r, got ? strerror(errno) : "the server closed the connection");
            return;
        }
        r->heard_at = clock_mono_us();
        if (!feed_all(r, (size_t)got) || (size_t)got < sizeof r->in)
            return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    redis_io_read(ctx);
}
