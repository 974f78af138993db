/* The memory of requests, and what a handler asks of one. */
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/net/http_private.h"

enum {
    HEAD_KEEP_MAX = 8192, /* larger head buffers are not kept */
    HEAD_FIRST = 1024,
    BUDGET_SMALL = 128 * 1024, /* of one request */
    INPUT_FREE = 4096,         /* input that ends no connection, whatever the budget says */
    OUTPUT_FREE = 16 * 1024,   /* an answer that is sent, whatever the budget says */
};

struct http_request *request_take(struct http_server *s)
{
    struct http_request *r = POOL_TAKE(&s->requests, struct http_request, link);
    if (r)
        return r;
    r = NEW(struct http_request);
    r->parser = http_parser_new();
    return r;
}

static void request_free(struct http_request *r)
{
    http_parser_free(r->parser);
    free(r->bytes);
    free(r);
}

void request_release(struct http_server *s, struct http_request *r)
{
    if (r->charged && s->budget)
        budget_add(s->budget, r->slot, -r->charged);
    *r = (struct http_request){.parser = r->parser, .bytes = r->bytes, .cap = r->cap};
    if (r->cap > HEAD_KEEP_MAX || !pool_put(&s->requests, &r->link))
        request_free(r);
}

void request_free_all(struct http_server *s)
{
    for (struct http_request *r; (r = POOL_TAKE(&s->requests, struct http_request, link));)
        request_free(r);
}

struct slice request_keep_head(struct http_request *r, struct slice head)
{
    if (r->cap < head.len) {
        r->cap = head.len > HEAD_FIRST ? head.len : HEAD_FIRST;
        r->bytes = xrealloc(r->bytes, r->cap, 1);
    }
    memcpy(r->bytes, head.ptr, head.len);
    return slice_make(r->bytes, head.len);
}

/* --- what a handler asks of a request --- */

struct slice http_method(const struct http_request *r)
{
    return r->head.method;
}

struct slice http_path(const struct http_request *r)
{
    return r->path;
}

struct slice http_query(const struct http_request *r)
{
    return r->query;
}

struct slice http_header(const struct http_request *r, const char *name, unsigned *count)
{
    struct slice want = slice_str(name), first = {NULL, 0};
    unsigned n = 0;
    for (size_t i = 0; i < r->head.count; i++) {
        const struct http_field *f = &r->head.fields[i];
        if (!slice_eq_nocase(f->name, want))
            continue;
        if (n++ == 0)
            first = slice_trim(f->value);
        if (!count)
            break;
    }
    if (count)
        *count = n;
    return first;
}

size_t http_header_count(const struct http_request *r)
{
    return r->head.count;
}

void http_header_at(const struct http_request *r, size_t i, struct slice *name, struct slice *value)
{
    *name = r->head.fields[i].name;
    *value = slice_trim(r->head.fields[i].value);
}

const struct addr *http_peer(const struct http_request *r)
{
    return r->client.family ? &r->client : &r->conn->peer;
}

mono_us http_started(const struct http_request *r)
{
    return r->started;
}

int64_t http_content_length(const struct http_request *r)
{
    return r->framing.length;
}

bool http_has_no_length(const struct http_request *r)
{
    return !r->framing.has_length && !r->framing.chunked;
}

void http_read_body(struct http_request *r, size_t max)
{
    r->wants_body = true;
    if (max && max < r->body_max)
        r->body_max = max;
}

bool request_is_in_budget(const struct http_request *r)
{
    return budget_is_kept(r->conn->server->budget, r->slot, r->charged > BUDGET_SMALL);
}

bool http_charge(struct http_request *r, int64_t n)
{
    struct http_server *s = r->conn->server;
    r->charged += n;
    if (!s->budget)
        return true;
    budget_add(s->budget, r->slot, n);
    return n <= 0 || request_is_in_budget(r) || server_make_bytes(s, r);
}

void conn_hold_input(struct conn *c, size_t n)
{
    struct http_budget *b = c->server->budget;
    if (n == c->held_in || !b)
        return;
    budget_add(b, c->peer_slot, (int64_t)n - (int64_t)c->held_in);
    c->held_in = n;
}

void conn_hold_output(struct conn *c, size_t n)
{
    struct http_budget *b = c->server->budget;
    if (n == c->held_out || !b)
        return;
    budget_add(b, c->out_slot, (int64_t)n - (int64_t)c->held_out);
    c->held_out = n;
}

bool http_has_room(struct http_request *r, size_t n)
{
    if (n < OUTPUT_FREE || !r->conn->server->budget)
        return true;
    bool has_room = http_charge(r, (int64_t)n);
    (void)http_charge(r, -(int64_t)n);
    return has_room;
}

bool conn_is_over_budget(const struct conn *c)
{
    bool may_end = c->state == CONN_HEAD || c->state == CONN_WRITE;
    return may_end && c->held_in > INPUT_FREE &&
           !budget_is_kept(c->server->budget, c->peer_slot, false);
}

void http_set_ctx(struct http_request *r, void *ctx)
{
    r->ctx = ctx;
}

void *http_ctx(const struct http_request *r)
{
    return r->ctx;
}

/* --- answers --- */

void http_answer(struct http_request *r, int status, struct slice content_type,
                 struct slice headers, struct slice body, bool close)
{
    struct conn *c = r->conn;
    struct http_reply reply = {.status = status,
                               .content_type = content_type,
                               .headers = headers,
                               .body = body,
                               .http_1_0 = r->head.minor == 0,
                               .head_only = slice_eq(r->head.method, SLICE_LIT("HEAD"))};
    if (!reply.head_only && !http_has_room(r, body.len)) {
        http_answer_error(r, 503, SLICE_LIT("Retry-After: 1\r\n"), "overloaded",
                          http_fault_answer(FAULT_NO_ROOM)->message);
        return;
    }
    reply.close = close || !r->complete || !r->head.keep_alive || c->server->retired;
    bool wrote = conn_write_reply(c, &reply);
    conn_answered(c, wrote, !r->complete ? AFTER_LINGER : reply.close ? AFTER_CLOSE : AFTER_NEXT);
}

static bool closes(int status)
{
    return status == 400 || status == 408 || status == 413 || status == 414 || status == 431;
}

void http_answer_error(struct http_request *r, int status, struct slice headers, const char *code,
                       const char *message)
{
    struct buf b;
    buf_init(&b, 4096);
    http_reply_error(&r->conn->server->error_form, r->head.target, &b, code, message);
    http_answer(r, status, SLICE_LIT("application/json"), headers, buf_slice(&b), closes(status));
    buf_clear(&b);
}
