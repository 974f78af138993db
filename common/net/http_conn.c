/*
 * One connection of an http_server: it reads requests, one after the other, and shows each to the handler.
 *
 *     state    bytes that come                     deadline                       next states
 *     FRESH    begin the first head                HEAD, set at accept            HEAD, WRITE, DEAD
 *     HEAD     are judged until the head is whole  HEAD, once a read was short    WAIT, WRITE, DEAD
 *     WAIT     stay where they are                 none: the handler's time       BODY, STREAM, WRITE, DEAD
 *     BODY     go to the handler                   BODY, which looks at the rate  WAIT, WRITE, DEAD
 *                                                  now and then; none if paused
 *     STREAM   stay where they are                 WRITE, if the socket is full   WRITE, DEAD
 *     WRITE    stay where they are                 WRITE, if the socket is full   IDLE, LINGER, DEAD
 *     IDLE     begin the next head                 IDLE                           HEAD, DEAD
 *     LINGER   are dropped                         LINGER                         DEAD
 *
 * Only conn_move changes the state. WRITE comes from HEAD or BODY if the request is refused or answered early.
 *
 * Back-pressure. A client sends as fast as it likes, and the handler, Redis or the client's own receiving side may be
 * slower. So each of the three buffers on the way has a bound, and a full one stops the one before it:
 *
 *     client ──▶ the kernel's socket buffer ──▶ the connection's input ──▶ the handler
 *                 full: TCP stops the client     full: adjust_reading       http_pause: no more on_body
 *
 *   1. The handler says http_pause while it cannot take more of a body (its budget is spent, its inflater is behind).
 *      Nothing is taken from the input any more, and the body's deadline stands still: the client cannot help it.
 *   2. The input may grow to INPUT_MAX, or to the largest legal head. Then adjust_reading stops reading from the socket,
 *      until process() has taken something.
 *   3. While a handler owes an answer (WAIT) or the client does not take one (WRITE), further requests stay in the input,
 *      and nothing more is read behind the first bytes of them. So a client with a thousand requests in one packet has
 *      one of them under way at a time. STEPS_MAX lets other connections have their turn meanwhile. The bytes in the
 *      input count against the budget of bytes.
 *   4. Answers are written straight to the socket. Only what it does not take is copied to the bufferevent's output.
 *      At most one answer can be there, because the next request is read when the output is empty. It counts against
 *      the budget until it is written.
 *
 * Turns. An address may take so many steps in a turn of the loop (http_turns.h). A connection that may not go on stays in its
 * state, with its bytes in the input. Nothing more is read until its turn comes: thousands may wait.
 *
 * Lingering. If a connection is closed while bytes of the client are unread, the kernel resets it, and the client may
 * never see the answer that says why. So a half-close follows an answer that comes before the end of a body. The client
 * may read while the server drops its bytes, up to linger_max of them and for LINGER_US.
 *
 * A handler may answer, pause or (by making the server close) end a connection from within its own callback. `busy`
 * says that a function further up still uses it: then it only becomes DEAD, and that function frees it.
 */
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/net/http_private.h"
#include "common/net/tls.h"

enum {
    INPUT_MAX = 64 * 1024, /* bytes read ahead of what a handler takes */
    HEAD_EXTRA = 1024,     /* of a request line besides its target */
    STEPS_MAX = 64,        /* of one connection in a turn */
    LINGER_BYTES = 256 * 1024,
    LINGER_BODY_MAX = 16 * 1024 * 1024, /* announced bodies up to this are read to their end */
    LINGER_US = 1000 * 1000,
    REFUSAL_US = 2000 * 1000,      /* to refuse a connection; with TLS, its handshake included */
    WRITE_BYTES_PER_S = 64 * 1024, /* at least, for a client to take a long answer */
    WRITE_SHORT = 16 * 1024,
    WRITE_SHORT_US = 5 * 1000 * 1000, /* to take a shorter answer than that */
    WRITE_STANDS_US = 1000 * 1000,    /* nothing of an answer was taken for so long */
    BODY_LOOK_US = 5 * 1000 * 1000,   /* in so much time */
    BODY_LEAST = 500,                 /* so many bytes of a body must come */
};

size_t conn_output(const struct conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* --- states and deadlines --- */

void conn_set_deadline(struct conn *c, enum deadline_kind kind, int64_t us)
{
    mono_us at = clock_mono_us() + us;
    deadline_set(&c->server->deadlines, &c->deadline, kind, at);
    server_watch(c->server, at);
}

/* A long answer gets the time of a body, and a second more for each 64 KiB. */
static int64_t write_us(const struct conn *c)
{
    size_t left = conn_output(c);
    int64_t us = c->server->limits.body_timeout_us;
    if (c->refused)
        return REFUSAL_US;
    if (left < WRITE_SHORT)
        return us < WRITE_SHORT_US ? us : WRITE_SHORT_US;
    return us + (int64_t)(left / WRITE_BYTES_PER_S) * 1000000;
}

static void set_body_deadline(struct conn *c, mono_us now)
{
    mono_us look = now + BODY_LOOK_US, ends = c->request->body_ends;
    conn_set_deadline(c, DEADLINE_BODY, (look < ends ? look : ends) - now);
}

static void begin_body_deadline(struct conn *c)
{
    mono_us now = clock_mono_us();
    c->request->body_ends = now + c->server->limits.body_timeout_us;
    set_body_deadline(c, now);
    if (c->request->paused) {
        c->request->paused_at = now;
        deadline_drop(&c->deadline);
    }
}

/* A look at a body that is not whole yet. */
static void look_at_body(struct conn *c)
{
    struct http_request *r = c->request;
    mono_us now = clock_mono_us();
    if (now >= r->body_ends || r->received - r->checked < BODY_LEAST) {
        conn_refuse(c, FAULT_BODY_LATE);
        return;
    }
    r->checked = r->received;
    set_body_deadline(c, now);
}

/* --- answers that wait --- */

bool conn_stands(struct conn *c)
{
    size_t left = conn_output(c);
    mono_us now = clock_mono_us();
    if (left != c->out_seen) {
        c->out_seen = left;
        c->out_since = now;
    }
    return now - c->out_since >= WRITE_STANDS_US;
}

static void begin_write(struct conn *c)
{
    size_t left = conn_output(c);
    if (!left)
        return;
    conn_hold_output(c, left);
    c->out_seen = left;
    c->out_since = clock_mono_us();
    conn_set_deadline(c, DEADLINE_WRITE, write_us(c));
}

#define TO(state) (1u << CONN_##state)

/* The one place that changes a connection's state. It sets the state's deadline. HEAD has none of its own yet: most
 * heads come in one piece, and FRESH and IDLE limit the time until then. */
static void conn_move(struct conn *c, enum conn_state to)
{
    static const unsigned allowed[] = {
        [CONN_FRESH] = TO(HEAD) | TO(WRITE) | TO(DEAD),
        [CONN_IDLE] = TO(HEAD) | TO(DEAD),
        [CONN_HEAD] = TO(WAIT) | TO(WRITE) | TO(DEAD),
        [CONN_BODY] = TO(WAIT) | TO(WRITE) | TO(DEAD),
        [CONN_WAIT] = TO(BODY) | TO(STREAM) | TO(WRITE) | TO(DEAD),
        [CONN_STREAM] = TO(WRITE) | TO(DEAD),
        [CONN_WRITE] = TO(IDLE) | TO(LINGER) | TO(DEAD),
        [CONN_LINGER] = TO(DEAD),
        [CONN_DEAD] = TO(DEAD),
    };
    assert(allowed[c->state] & 1u << to);
    c->state = to;
    if (to == CONN_IDLE)
        conn_set_deadline(c, DEADLINE_IDLE, c->server->limits.idle_timeout_us);
    else if (to == CONN_BODY)
        begin_body_deadline(c);
    else if (to == CONN_WAIT)
        deadline_drop(&c->deadline);
    else if (to == CONN_WRITE)
        begin_write(c);
    else if (to == CONN_LINGER)
        conn_set_deadline(c, DEADLINE_LINGER, LINGER_US);
}

/* --- from accept to free --- */

static void on_read(struct bufferevent *bev, void *ctx);
static void on_write(struct bufferevent *bev, void *ctx);
static void on_event(struct bufferevent *bev, short what, void *ctx);

struct conn *conn_new(struct http_server *s, int fd, const struct addr *peer,
                      struct tls_server *tls)
{
    struct bufferevent *bev = tls ? tls_bufferevent(tls, s->base, fd)
                                  : bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        close(fd);
        return NULL;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = NEW(struct conn); /* CONN_FRESH */
    c->server = s;
    c->bev = bev;
    c->fd = fd;
    c->is_secure = tls != NULL;
    c->peer = *peer;
    if (!input_open(c)) {
        bufferevent_free(bev);
        free(c);
        return NULL;
    }
    list_add_last(&s->conns, &c->link);
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    input_set_reading(c, true);
    conn_set_deadline(c, DEADLINE_HEAD, s->limits.header_timeout_us);
    return c;
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
    conn_hold_input(c, 0);
    conn_hold_output(c, 0);
    deadline_drop(&c->deadline);
    list_remove(&c->link);
    list_remove(&c->turn);
    input_close(c);
    bufferevent_free(c->bev);
    server_released(s, c);
    free(c);
}

void conn_kill(struct conn *c)
{
    conn_move(c, CONN_DEAD);
    if (!c->busy)
        conn_free(c);
}

void conn_expired(struct conn *c)
{
    if (c->state == CONN_HEAD)
        conn_refuse(c, FAULT_HEAD_LATE);
    else if (c->state == CONN_BODY)
        look_at_body(c);
    else if (c->state != CONN_STREAM || !stream_goes_on(c))
        conn_kill(c);
}

bool conn_is_idle(const struct conn *c)
{
    char byte;
    return c->state == CONN_IDLE && input_len(c) == 0 &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* --- back-pressure --- */

/* The whole request is here, and its answer is not written. */
static bool owes_answer(const struct conn *c)
{
    return c->state == CONN_WRITE || c->state == CONN_STREAM ||
           (c->state == CONN_WAIT && c->request && c->request->complete);
}

/* INPUT: bytes that were read and not taken. */
static bool wants_more(const struct conn *c, size_t input)
{
    const struct http_limits *l = &c->server->limits;
    size_t head_max = l->uri_max + l->headers_max + HEAD_EXTRA;
    if (c->eof || (c->request && c->request->paused))
        return false;
    if (c->state == CONN_LINGER && c->dropped > c->linger_max)
        return false; /* the client may still read for a while */
    if (owes_answer(c) || list_is_linked(&c->turn))
        return input == 0; /* or we would not learn that the client left */
    return input < (head_max > INPUT_MAX ? head_max : INPUT_MAX);
}

/* Not libevent's watermark: its bufferevent_readcb (2.1.12) leaks a reference where the input is at the mark already. */
static void adjust_reading(struct conn *c)
{
    size_t input = input_len(c);
    conn_hold_input(c, input);
    input_set_reading(c, wants_more(c, input));
}

static void come_back(struct conn *c)
{
    bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

/* Bytes in the input get a turn of their own, not one within a handler's call. */
static void look_again(struct conn *c)
{
    adjust_reading(c);
    if (input_len(c))
        come_back(c);
}

void http_pause(struct http_request *r, bool paused)
{
    struct conn *c = r->conn;
    if (r->paused == paused)
        return;
    r->paused = paused;
    if (c->state == CONN_BODY && paused) {
        r->paused_at = clock_mono_us();
        deadline_drop(&c->deadline);
    } else if (c->state == CONN_BODY) {
        r->body_ends += clock_mono_us() - r->paused_at;
        conn_set_deadline(c, DEADLINE_BODY, c->deadline.at - r->paused_at);
    }
    if (paused)
        adjust_reading(c);
    else
        look_again(c);
}

/* --- answers --- */

/* Writes V now if nothing waits before it. The bytes that went out, or -1 on a broken connection. */
static ssize_t write_now(struct conn *c, struct iovec v[2])
{
    if (c->is_secure || conn_output(c))
        return 0;
    struct msghdr m = {.msg_iov = v, .msg_iovlen = v[1].iov_len ? 2 : 1};
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

/* Head and body leave in one system call. The bufferevent gets only what the socket does not take: through it an answer
 * would cost a turn of the loop and two epoll_ctl calls. False if the connection is broken. */
bool conn_write(struct conn *c, struct slice head, struct slice body)
{
    struct iovec v[2] = {{(void *)(uintptr_t)head.ptr, head.len},
                         {(void *)(uintptr_t)body.ptr, body.len}};
    ssize_t sent = write_now(c, v);
    if (sent < 0)
        return false;
    size_t n = (size_t)sent;
    if (n < head.len && bufferevent_write(c->bev, head.ptr + n, head.len - n) != 0)
        return false;
    n = n > head.len ? n - head.len : 0;
    return n == body.len || bufferevent_write(c->bev, body.ptr + n, body.len - n) == 0;
}

bool conn_write_reply(struct conn *c, const struct http_reply *reply)
{
    struct http_server *s = c->server;
    wall_ms second = clock_wall_ms() / 1000;
    if (second != s->date_second) {
        s->date_second = second;
        http_reply_date(second, s->date);
    }
    buf_reset(&s->out);
    http_reply_head(&s->out, reply, s->date);
    assert(!s->out.failed); /* a handler's headers are its own few lines */
    struct slice none = {NULL, 0};
    return conn_write(c, buf_slice(&s->out), reply->head_only ? none : reply->body);
}

/* The target of the request R. Without R, of the head that lies in the input; it may be cut off. */
static struct slice target_of(struct conn *c, const struct http_request *r)
{
    struct slice bytes = r ? r->head.target : input_piece(c, false);
    if (!r)
        (void)slice_cut(&bytes, ' ');
    return bytes;
}

static bool write_fault(struct conn *c, const struct http_fault_answer *fault,
                        const struct http_request *judged)
{
    struct buf b;
    bool head_only = judged && slice_eq(judged->head.method, SLICE_LIT("HEAD"));
    buf_init(&b, 1024);
    http_reply_error(&c->server->error_form, target_of(c, judged), &b, fault->code, fault->message);
    struct http_reply reply = {.status = fault->status,
                               .content_type = SLICE_LIT("application/json"),
                               .body = buf_slice(&b),
                               .head_only = head_only,
                               .close = true};
    if (fault->status == 405)
        reply.headers = SLICE_LIT("Allow: GET, HEAD, POST\r\n");
    if (fault->status == 503)
        reply.headers = SLICE_LIT("Retry-After: 1\r\n");
    bool ok = conn_write_reply(c, &reply);
    buf_clear(&b);
    return ok;
}

static bool write_continue(struct conn *c)
{
    return conn_write(c, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"), (struct slice){NULL, 0});
}

/* --- the end of a request --- */

/* The answer has left. The caller has C busy, and frees it if it is DEAD. */
static void finish_write(struct conn *c)
{
    assert(c->busy);
    conn_hold_output(c, 0);
    bool ends = c->after != AFTER_NEXT;
    bool unread = c->after == AFTER_LINGER || input_len(c) > 0;
    if (!ends && (unread || !c->eof)) {
        conn_move(c, CONN_IDLE);
        return;
    }
    if (c->is_secure)
        tls_bufferevent_bye(c->bev);
    if (ends && unread && !c->eof) {
        shutdown(c->fd, SHUT_WR);
        conn_move(c, CONN_LINGER);
    } else {
        conn_move(c, CONN_DEAD);
    }
}

/* Returns how many of the bytes that still come the server reads and drops. Many clients write a whole body before they
 * look for the answer. A client whose body is a few bytes too long needs the answer most. So the server reads the body
 * to its end if the end is not far. */
static size_t linger_bytes(const struct http_request *r)
{
    /* Not LINGER_BYTES + (is_near ? length : 0): see "A bug of gcc 14" in docs/internals/development.md. */
    if (!r || !r->framing.has_length || r->framing.length > LINGER_BODY_MAX)
        return LINGER_BYTES;
    return LINGER_BYTES + (size_t)r->framing.length;
}

void conn_answered(struct conn *c, bool wrote, enum conn_after after)
{
    struct http_request *r = c->request;
    bool nested = c->busy;
    c->busy = true;
    c->request = NULL;
    c->after = after;
    c->linger_max = linger_bytes(r);
    if (r)
        c->spent = r;
    c->out_slot = r ? r->slot : c->peer_slot;
    conn_move(c, wrote && c->state != CONN_DEAD ? CONN_WRITE : CONN_DEAD);
    if (r && r->paused)
        look_again(c);
    if (c->state == CONN_WRITE && conn_output(c) == 0)
        finish_write(c);
    c->busy = nested;
    if (nested)
        return;
    release_spent(c);
    if (c->state == CONN_DEAD)
        conn_free(c);
    else if (c->state != CONN_WRITE && input_len(c))
        come_back(c);
}

void conn_refuse(struct conn *c, enum http_fault f)
{
    struct http_server *s = c->server;
    const struct http_fault_answer *fault = http_fault_answer(f);
    struct http_request *r = c->request;
    const struct http_request *judged = r ? r : c->spent; /* spent: no handler ever saw it */
    char peer[ADDR_TEXT];
    bool nested = c->busy;
    c->busy = true;
    if (r)
        s->handler.on_gone(r, s->handler.ctx);
    if (s->handler.on_refused)
        s->handler.on_refused(fault->code, s->handler.ctx);
    addr_text(judged && judged->client.family ? &judged->client : &c->peer, peer);
    LOG_RARELY(LL_INFO, "request.refused", LI("status", fault->status), LS("why", fault->message),
               LS("peer", peer));
    bool wrote = write_fault(c, fault, judged);
    c->busy = nested;
    conn_answered(c, wrote, AFTER_LINGER);
}

void conn_begin_stream(struct conn *c)
{
    c->out_slot = c->request->slot;
    conn_move(c, CONN_STREAM);
}

/* --- reading. Each step returns true if another one may follow at once. --- */

static bool body_ended(struct conn *c, struct http_request *r)
{
    const struct http_handler *h = &c->server->handler;
    r->complete = true;
    if (c->state == CONN_BODY)
        conn_move(c, CONN_WAIT);
    h->on_complete(r, h->ctx);
    return true;
}

static bool begin_body(struct conn *c, struct http_request *r)
{
    const struct http_handler *h = &c->server->handler;
    if (r->framing.length > (int64_t)r->body_max) {
        conn_refuse(c, FAULT_BODY_TOO_LARGE);
        return true;
    }
    if (r->framing.expect_continue && input_len(c) == 0) {
        if (!r->wants_body) { /* unread, so that the answer closes */
            h->on_complete(r, h->ctx);
            return true;
        }
        if (!write_continue(c)) {
            conn_kill(c);
            return true;
        }
    }
    conn_move(c, CONN_BODY);
    return true;
}

/* Takes the complete head off the input and shows it to the handler. */
static bool begin_request(struct conn *c, struct slice bytes)
{
    struct http_server *s = c->server;
    struct http_request *r = request_take(s);
    struct http_scan scan = c->scan;
    r->conn = c;
    r->started = c->began;
    r->body_max = s->limits.body_max;
    struct slice head = request_keep_head(r, slice_make(bytes.ptr, scan.pos));
    input_drop(c, head.len);
    c->scan = (struct http_scan){0};
    enum http_fault f = http_parser_head(r->parser, head, &scan, &r->head, &r->complete);
    if (f == FAULT_NONE)
        f = http_rules_head(&r->head, &r->framing);
    if (f == FAULT_NONE && cidr_any(s->limits.trusted.list, s->limits.trusted.count, &c->peer))
        f = forwarded_client(&r->head, &c->peer, &s->limits.trusted, &r->client);
    r->slot = r->client.family ? peers_slot(&s->peers, &r->client) : c->peer_slot;
    if (f != FAULT_NONE) {
        c->spent = r;
        conn_refuse(c, f);
        return true;
    }
    r->query = r->head.target;
    r->path = slice_cut(&r->query, '?');
    c->request = r;
    conn_move(c, CONN_WAIT);
    s->handler.on_request(r, s->handler.ctx);
    if (c->request != r || c->state == CONN_DEAD)
        return true; /* answered */
    return r->complete ? body_ended(c, r) : begin_body(c, r);
}

static bool read_head(struct conn *c)
{
    const struct http_limits *l = &c->server->limits;
    const struct http_scan_limits max = {l->uri_max, l->headers_max, l->header_count_max};
    enum http_fault f;
    if (input_len(c) == 0) {
        if (c->eof)
            conn_kill(c);
        return false;
    }
    if (c->state != CONN_HEAD) {
        conn_move(c, CONN_HEAD);
        c->began = clock_mono_us();
    }
    struct slice bytes = input_piece(c, false);
    enum http_scan_verdict v = http_scan(&c->scan, bytes, &max, &f);
    if (v == SCAN_MORE && bytes.len < input_len(c)) {
        bytes = input_piece(c, true);
        v = http_scan(&c->scan, bytes, &max, &f);
    }
    if (v == SCAN_DONE)
        return begin_request(c, bytes);
    if (v == SCAN_FAULT)
        conn_refuse(c, f);
    else if (c->eof)
        conn_kill(c);
    else if (!deadline_is_set(&c->deadline) || c->deadline.kind != DEADLINE_HEAD)
        conn_set_deadline(c, DEADLINE_HEAD, l->header_timeout_us);
    return v == SCAN_FAULT;
}

static bool on_piece(void *ctx, struct slice piece)
{
    struct conn *c = ctx;
    const struct http_handler *h = &c->server->handler;
    if (c->request->wants_body)
        h->on_body(c->request, piece, h->ctx);
    return c->request && c->state != CONN_DEAD;
}

static bool read_body(struct conn *c)
{
    struct http_request *r = c->request;
    struct slice piece = input_piece(c, false);
    enum http_fault f = FAULT_NONE;
    bool complete = false;
    size_t used = piece.len;
    if (piece.len == 0 || r->paused)
        return false;
    if (r->framing.chunked)
        f = http_chunks_judge(&r->chunks, piece, r->body_max, &piece.len);
    if (f == FAULT_NONE)
        f = http_parser_body(r->parser, piece, on_piece, c, &used, &complete);
    if (c->request != r || c->state == CONN_DEAD)
        return true; /* answered */
    /* llhttp and our own judgement must see the same end of a chunked body. */
    if (f == FAULT_NONE && r->framing.chunked && (used != piece.len || complete != r->chunks.done))
        f = FAULT_CHUNK;
    if (f != FAULT_NONE) {
        conn_refuse(c, f);
        return true;
    }
    input_drop(c, used);
    r->received += (int64_t)used;
    return complete ? body_ended(c, r) : true;
}

static bool step(struct conn *c)
{
    switch (c->state) {
    case CONN_FRESH:
    case CONN_IDLE:
    case CONN_HEAD:
        return read_head(c);
    case CONN_BODY:
        return read_body(c);
    case CONN_WRITE:
        if (conn_output(c))
            return false;
        finish_write(c);
        return true;
    case CONN_LINGER:
        c->dropped += input_len(c);
        input_drop(c, input_len(c));
        return false;
    case CONN_WAIT:
    case CONN_STREAM:
    case CONN_DEAD:
        return false;
    }
    return false;
}

/* Are there bytes that the next step of C takes to a handler? */
static bool needs_turn(const struct conn *c)
{
    bool reads = c->state == CONN_FRESH || c->state == CONN_IDLE || c->state == CONN_HEAD ||
                 (c->state == CONN_BODY && !c->request->paused);
    return reads && input_len(c) > 0;
}

/* True if the address of C has had its turn. C then waits for the next one. */
static bool waits_for_turn(struct conn *c)
{
    struct turns *t = &c->server->turns;
    if (!needs_turn(c) || turns_take(t, c->peer_slot))
        return false;
    turns_wait(t, c->peer_slot, &c->turn);
    return true;
}

/* Takes up to STEPS_MAX steps. True if C should come back in the next turn, because there is more to do. */
static bool take_steps(struct conn *c)
{
    bool more = true;
    for (int i = 0; i < STEPS_MAX && more && c->state != CONN_DEAD; i++) {
        if (waits_for_turn(c))
            return false;
        more = step(c);
        release_spent(c);
        if (more && c->state == CONN_IDLE && turns_are_waited_for(&c->server->turns, c->peer_slot))
            return input_len(c) > 0;
    }
    return more;
}

static void process(struct conn *c)
{
    assert(!c->busy);
    if (list_is_linked(&c->turn)) {
        if (needs_turn(c)) {
            input_keep(c);
            adjust_reading(c);
            return;
        }
        list_remove(&c->turn); /* it was answered meanwhile */
    }
    c->busy = true;
    conn_hold_input(c, 0); /* a handler that takes bytes charges them: they would count twice */
    bool more = take_steps(c);
    c->busy = false;
    if (c->state == CONN_DEAD) {
        conn_free(c);
        return;
    }
    input_keep(c);
    adjust_reading(c);
    if (c->server->budget && conn_is_over_budget(c)) {
        if (c->state == CONN_HEAD)
            conn_refuse(c, FAULT_NO_ROOM);
        else
            conn_kill(c);
    } else if (more) {
        come_back(c);
    }
}

void conn_go_on(struct list_link *waiting)
{
    process(LIST_ITEM(waiting, struct conn, turn));
}

/* --- events --- */

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
    else if (c->state == CONN_STREAM)
        stream_drained(c);
}

static void ended(struct conn *c, short what)
{
    c->eof = true;
    /* A client may half-close behind its request and still read the answer. Not over TLS: libevent
     * stops writing too, and calls it the end of the stream where a write failed. */
    bool owed = c->state == CONN_WAIT || c->state == CONN_WRITE || list_is_linked(&c->turn);
    if (!owed || c->is_secure || !(what & BEV_EVENT_EOF))
        conn_kill(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        return; /* the TLS handshake is over */
    ended(ctx, what);
}

void conn_on_readable(int fd, short what, void *ctx)
{
    struct conn *c = ctx;
    (void)fd, (void)what;
    if (!input_may_read(c))
        return;
    ssize_t n = input_read(c);
    if (n > 0) {
        process(c);
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        input_set_reading(c, false);
        ended(c, n == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR);
    }
}
