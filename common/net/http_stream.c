/* Answers without an end: their bodies come in pieces, as things happen.
 *
 * A client may take them more slowly than they come. Up to HTTP_STREAM_WAITS bytes wait for it, then pieces are refused, and the
 * handler decides what is left out. A client that takes nothing for STANDS_US is cut off. */
#include "common/net/http_private.h"

#define STANDS_US (INT64_C(10) * 1000000)

bool http_stream_begin(struct http_request *r, struct slice content_type, struct slice headers)
{
    struct conn *c = r->conn;
    struct http_reply reply = {.status = 200,
                               .content_type = content_type,
                               .headers = headers,
                               .is_stream = true,
                               .head_only = slice_eq(r->head.method, SLICE_LIT("HEAD")),
                               .close = true};
    bool wrote = conn_write_reply(c, &reply);
    if (reply.head_only || c->server->draining) {
        conn_answered(c, wrote, AFTER_CLOSE);
        return false;
    }
    conn_begin_stream(c);
    if (!wrote || c->eof) /* on_gone comes later, not within the handler's call */
        conn_set_deadline(c, DEADLINE_WRITE, 0);
    return true;
}

static void watch(struct conn *c, size_t left)
{
    c->out_seen = left;
    conn_set_deadline(c, DEADLINE_WRITE, STANDS_US);
}

bool http_stream_piece(struct http_request *r, struct slice piece)
{
    struct conn *c = r->conn;
    struct slice none = {NULL, 0};
    if (conn_output(c) + piece.len > HTTP_STREAM_WAITS || !http_has_room(r, piece.len))
        return false;
    bool wrote = conn_write(c, piece, none);
    size_t left = conn_output(c);
    conn_hold_output(c, left);
    if (!wrote)
        conn_set_deadline(c, DEADLINE_WRITE, 0);
    else if (left && !deadline_is_set(&c->deadline))
        watch(c, left);
    return true;
}

void stream_drained(struct conn *c)
{
    conn_hold_output(c, 0);
    deadline_drop(&c->deadline);
}

bool stream_goes_on(struct conn *c)
{
    size_t left = conn_output(c);
    if (c->eof || left >= c->out_seen)
        return false;
    watch(c, left);
    return true;
}

void http_stream_end(struct http_request *r)
{
    conn_answered(r->conn, true, AFTER_CLOSE);
}
