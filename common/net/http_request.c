/* The memory of requests, and what a handler asks of one. */
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/net/http_private.h"

enum {
    HEAD_KEEP_MAX = 8192, /* larger head buffers are not kept */
    HEAD_FIRST = 1024,
    BUDGET_SMALL = 128 * 1024,        /* of one request */
    BUDGET_SHARED = 64 * 1024 * 1024, /* smaller budgets are one for all */
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
        atomic_fetch_sub_explicit(&s->budget->used, r->charged, memory_order_relaxed);
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

/* A few senders of large bodies that never end must not leave nothing to all others: of a budget that is not
 * small an eighth is kept for requests that need little. */
static int64_t budget_for(const struct http_request *r, const struct http_budget *b)
{
    bool is_small = r->charged <= BUDGET_SMALL || b->max < BUDGET_SHARED;
    return is_small ? b->max : b->max - b->max / 8;
}

bool http_charge(struct http_request *r, int64_t n)
{
    struct http_budget *b = r->conn->server->budget;
    r->charged += n;
    if (!b)
        return true;
    int64_t before = atomic_fetch_add_explicit(&b->used, n, memory_order_relaxed);
    return n <= 0 || before + n <= budget_for(r, b);
}

void http_set_ctx(struct http_request *r, void *ctx)
{
    r->ctx = ctx;
}

void *http_ctx(const struct http_request *r)
{
    return r->ctx;
}
