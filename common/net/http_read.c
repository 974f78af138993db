/* Reading of requests: from the bytes of a connection to the calls of the handler. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "common/net/http_conn.h"

/* The input from its start, in one piece as far as it is; all of it if ALL. */
static struct slice input_piece(struct conn *c, bool all)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer_iovec v = {NULL, 0};
    if (all)
        return slice_make(evbuffer_pullup(in, -1), evbuffer_get_length(in));
    if (evbuffer_peek(in, -1, NULL, &v, 1) < 1)
        return slice_make(NULL, 0);
    return slice_make(v.iov_base, v.iov_len);
}

static bool body_ended(struct conn *c, struct http_request *r)
{
    const struct http_handler *h = &c->server->handler;
    r->complete = true;
    c->state = CONN_WAIT;
    deadline_drop(&c->deadline);
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
    if (r->framing.expect_continue && conn_input_len(c) == 0) {
        if (!r->wants_body) { /* unread, so that the answer closes */
            c->state = CONN_WAIT;
            h->on_complete(r, h->ctx);
            return true;
        }
        if (!answer_write_continue(c)) {
            conn_kill(c);
            return true;
        }
    }
    c->state = CONN_BODY;
    if (!r->paused)
        conn_set_deadline(c, DEADLINE_BODY, c->server->limits.body_timeout_us);
    else
        r->paused_left = c->server->limits.body_timeout_us;
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
    conn_input_drop(c, head.len);
    c->scan = (struct http_scan){0};
    c->served = true;
    enum http_fault f = http_parser_head(r->parser, head, &scan, &r->head, &r->complete);
    if (f == FAULT_NONE)
        f = http_rules_head(&r->head, &r->framing);
    if (f != FAULT_NONE) {
        c->spent = r;
        conn_refuse(c, f);
        return true;
    }
    r->query = r->head.target;
    r->path = slice_cut(&r->query, '?');
    c->request = r;
    c->state = CONN_WAIT;
    deadline_drop(&c->deadline);
    s->handler.on_request(r, s->handler.ctx);
    if (c->request != r || c->dead)
        return true; /* answered */
    return r->complete ? body_ended(c, r) : begin_body(c, r);
}

bool conn_read_head(struct conn *c)
{
    const struct http_limits *l = &c->server->limits;
    const struct http_scan_limits max = {l->uri_max, l->headers_max, l->header_count_max};
    enum http_fault f;
    if (conn_input_len(c) == 0) {
        if (c->eof)
            conn_kill(c);
        return false;
    }
    if (c->state == CONN_IDLE) {
        c->state = CONN_HEAD;
        c->began = clock_mono_us();
    }
    struct slice bytes = input_piece(c, false);
    enum http_scan_verdict v = http_scan(&c->scan, bytes, &max, &f);
    if (v == SCAN_MORE && bytes.len < conn_input_len(c)) {
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
    return c->request && !c->dead;
}

bool conn_read_body(struct conn *c)
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
    if (c->request != r || c->dead)
        return true; /* answered */
    /* llhttp and our own judgement must see the same end of a chunked body. */
    if (f == FAULT_NONE && r->framing.chunked && (used != piece.len || complete != r->chunks.done))
        f = FAULT_CHUNK;
    if (f != FAULT_NONE) {
        conn_refuse(c, f);
        return true;
    }
    conn_input_drop(c, used);
    return complete ? body_ended(c, r) : true;
}
