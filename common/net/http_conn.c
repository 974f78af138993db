#include "common/net/http_conn.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/net/tls.h"

enum {
    INPUT_MAX = 64 * 1024, /* bytes read ahead of what a handler takes */
    HEAD_EXTRA = 1024,     /* of a request line besides its target */
    STEPS_MAX = 64, /* in a turn: a connection with a thousand requests in its input is not alone */
    LINGER_BYTES = 256 * 1024,
    LINGER_BODY_MAX = 16 * 1024 * 1024, /* announced bodies up to this are read to their end */
    LINGER_US = 1000 * 1000,
    REFUSAL_US =
        2000 * 1000, /* for who is only there to be told; with TLS the handshake included */
    WRITE_BYTES_PER_S = 64 * 1024, /* at least, for a client to take a long answer */
};

static void on_read(struct bufferevent *bev, void *ctx);
static void on_write(struct bufferevent *bev, void *ctx);
static void on_event(struct bufferevent *bev, short what, void *ctx);

size_t conn_input_len(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
}

void conn_input_drop(struct conn *c, size_t n)
{
    evbuffer_drain(bufferevent_get_input(c->bev), n);
}

static size_t output_len(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* --- from accept to free --- */

struct conn *conn_new(struct http_server *s, int fd, const struct addr *peer)
{
    struct bufferevent *bev = s->tls ? tls_bufferevent(s->tls, s->base, fd)
                                     : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        close(fd);
        return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = NEW(struct conn);
    c->server = s;
    c->bev = bev;
    c->fd = fd;
    c->peer = *peer;
    c->secure = s->tls != NULL;
    c->next = &s->ring;
    c->prev = s->ring.prev;
    c->prev->next = c->next->prev = c;
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    c->reading = true;
    bufferevent_enable(bev, EV_READ);
    conn_set_deadline(c, DEADLINE_HEAD, s->limits.header_timeout_us);
    return c;
}

/* Reads on while there is room for the largest head, or some of a body. Not libevent's watermark:
 * its bufferevent_readcb (2.1.12) leaks a reference where the input is at the mark already. */
static void adjust_reading(struct conn *c)
{
    const struct http_limits *l = &c->server->limits;
    size_t room = l->uri_max + l->headers_max + HEAD_EXTRA;
    bool want = !c->held && !c->eof && conn_input_len(c) < (room > INPUT_MAX ? room : INPUT_MAX);
    if (want == c->reading)
        return;
    c->reading = want;
    if (want)
        bufferevent_enable(c->bev, EV_READ);
    else
        bufferevent_disable(c->bev, EV_READ);
}

static void release_spent(struct conn *c)
{
    if (c->spent)
        request_release(c->server, c->spent);
    c->spent = NULL;
}

static void conn_free(struct conn *c)
{
    struct http_server *s = c->server;
    struct http_request *r = c->request;
    c->busy = true; /* whatever on_gone calls must not come back here */
    c->request = NULL;
    if (r) {
        s->handler.on_gone(r, s->handler.ctx);
        request_release(s, r);
    }
    release_spent(c);
    deadline_drop(&c->deadline);
    c->prev->next = c->next;
    c->next->prev = c->prev;
    bufferevent_free(c->bev);
    server_released(s, c);
    free(c);
}

void conn_kill(struct conn *c)
{
    if (c->busy)
        c->dead = true;
    else
        conn_free(c);
}

void conn_set_deadline(struct conn *c, enum deadline_kind kind, int64_t us)
{
    mono_us at = clock_mono_us() + us;
    deadline_set(&c->server->deadlines, &c->deadline, kind, at);
    server_watch(c->server, at);
}

bool conn_is_idle(const struct conn *c)
{
    char byte;
    return c->state == CONN_IDLE && conn_input_len(c) == 0 &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

static void come_back(struct conn *c)
{
    bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* What waits in the input is looked at in a turn of its own, not from within a handler's call. */
static void look_again(struct conn *c)
{
    if (conn_input_len(c))
        come_back(c);
}

void conn_pause(struct conn *c, bool paused)
{
    c->held = paused;
    adjust_reading(c);
    if (!paused)
        look_again(c);
}

/* --- the end of a request --- */

static void start_linger(struct conn *c)
{
    c->state = CONN_LINGER;
    if (c->secure)
        tls_bufferevent_bye(c->bev);
    shutdown(c->fd, SHUT_WR);
    conn_set_deadline(c, DEADLINE_LINGER, LINGER_US);
}

/* The answer has left. Whoever calls has C busy, and frees it if it is dead. */
static void finish_write(struct conn *c)
{
    assert(c->busy);
    bool unread = c->cut_off || conn_input_len(c) > 0;
    if (c->close_after && unread && !c->eof) {
        start_linger(c); /* closing now would reset the connection, and the answer be lost */
        return;
    }
    if (c->close_after || (c->eof && !unread)) {
        if (c->secure)
            tls_bufferevent_bye(c->bev);
        c->dead = true;
        return;
    }
    c->state = CONN_IDLE;
    conn_set_deadline(c, DEADLINE_IDLE, c->server->limits.idle_timeout_us);
}

/* A short answer gets the time of a body, a long one a second more for each 64 KiB. */
static int64_t write_us(const struct conn *c)
{
    if (c->refused)
        return REFUSAL_US;
    return c->server->limits.body_timeout_us +
           (int64_t)(output_len(c) / WRITE_BYTES_PER_S) * 1000000;
}

/* How much of what still comes is read and dropped. Many clients write all of a body before they look for an answer, and one that
 * is refused for a few bytes too many is the answer they need most: so to its end, if that is not far. */
static size_t linger_bytes(const struct http_request *r)
{
    /* No conditional operator: gcc 14 multiplies by the condition instead, and reads of NULL where there is no request. */
    if (!r || !r->framing.has_length || r->framing.length > LINGER_BODY_MAX)
        return LINGER_BYTES;
    return LINGER_BYTES + (size_t)r->framing.length;
}

void conn_answered(struct conn *c, bool keep)
{
    struct http_request *r = c->request;
    bool nested = c->busy;
    c->busy = true;
    c->request = NULL;
    c->close_after = c->close_after || !keep;
    c->linger_max = linger_bytes(r);
    if (r && r->paused)
        conn_pause(c, false);
    if (r)
        c->spent = r;
    c->state = CONN_WRITE;
    if (output_len(c))
        conn_set_deadline(c, DEADLINE_WRITE, write_us(c));
    else
        finish_write(c);
    c->busy = nested;
    if (nested)
        return;
    release_spent(c);
    if (c->dead)
        conn_free(c);
    else if (c->state != CONN_WRITE)
        look_again(c);
}

void conn_refuse(struct conn *c, enum http_fault f)
{
    struct http_server *s = c->server;
    const struct http_fault_answer *a = http_fault_answer(f);
    struct http_request *r = c->request;
    const struct http_request *judged = r ? r : c->spent; /* spent: no handler ever saw it */
    bool head_only = judged && slice_eq(judged->head.method, SLICE_LIT("HEAD"));
    char peer[ADDR_TEXT];
    bool nested = c->busy;
    c->busy = true;
    if (r)
        s->handler.on_gone(r, s->handler.ctx);
    if (s->handler.on_refused)
        s->handler.on_refused(a->code, s->handler.ctx);
    addr_text(&c->peer, peer);
    LOG_RARELY(LL_INFO, "request.refused", LI("status", a->status), LS("why", a->message),
               LS("peer", peer));
    c->cut_off = true;
    if (!answer_write_fault(c, f, head_only))
        c->dead = true;
    c->busy = nested;
    conn_answered(c, false);
}

void conn_expired(struct conn *c)
{
    bool told = !c->secure || c->ready;
    if (c->state == CONN_HEAD && told)
        conn_refuse(c, FAULT_HEAD_LATE);
    else if (c->state == CONN_BODY)
        conn_refuse(c, FAULT_BODY_LATE);
    else
        conn_kill(c);
}

/* --- events --- */

static void drop_input(struct conn *c)
{
    c->dropped += conn_input_len(c);
    conn_input_drop(c, conn_input_len(c));
    c->held = c->dropped > c->linger_max; /* no more of it; the client may still read for a while */
}

/* One step; true if another may follow at once. */
static bool step(struct conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        return conn_read_head(c);
    case CONN_BODY:
        return conn_read_body(c);
    case CONN_WRITE:
        if (output_len(c))
            return false;
        finish_write(c);
        return true;
    case CONN_LINGER:
        drop_input(c);
        return false;
    case CONN_WAIT:
        return false;
    }
    return false;
}

static void process(struct conn *c)
{
    assert(!c->busy);
    c->busy = true;
    bool more = true;
    for (int i = 0; i < STEPS_MAX && more && !c->dead; i++) {
        more = step(c);
        release_spent(c);
    }
    c->busy = false;
    if (c->dead) {
        conn_free(c);
        return;
    }
    adjust_reading(c);
    if (more)
        come_back(c);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    process(ctx);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
    struct conn *c = ctx;
    (void)bev;
    if (c->state == CONN_WRITE)
        process(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct conn *c = ctx;
    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        c->ready = true;
        return;
    }
    c->eof = true;
    c->reading = false; /* libevent stopped */
    /* A client may half-close behind its request and still read the answer. Not over TLS: libevent
     * stops writing too, and calls it the end of the stream where a write failed. */
    bool owed = c->state == CONN_WAIT || c->state == CONN_WRITE;
    if (!owed || c->secure || !(what & BEV_EVENT_EOF))
        conn_kill(c);
}
