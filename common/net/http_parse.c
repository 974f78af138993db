#include "common/net/http_parse.h"

#include <llhttp.h>
#include <stdlib.h>

#include "common/base/alloc.h"

struct http_parser { /* Owned by a request; kept and reused with it. */
    llhttp_t llhttp;
    struct http_field *fields;
    size_t count, cap;
    bool in_value; /* the last span was a value: the next name starts a field */
    bool headers_done, complete, keep_alive;
    http_piece_fn on_piece;
    void *ctx;
};

static struct http_field *new_field(struct http_parser *p)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->fields = xrealloc(p->fields, p->cap, sizeof *p->fields);
    }
    struct http_field *f = &p->fields[p->count++];
    *f = (struct http_field){{NULL, 0}, {NULL, 0}};
    return f;
}

/* Spans of one name or value follow each other directly, the head being in one piece. */
static void extend(struct slice *s, const char *at, size_t n)
{
    if (!s->ptr)
        s->ptr = at;
    s->len = (size_t)(at + n - s->ptr);
}

static int on_field(llhttp_t *l, const char *at, size_t n)
{
    struct http_parser *p = l->data;
    if (p->headers_done) /* trailers: ignored, or a sender could forge what was signed */
        return 0;
    struct http_field *f = p->count && !p->in_value ? &p->fields[p->count - 1] : new_field(p);
    p->in_value = false;
    extend(&f->name, at, n);
    return 0;
}

static int on_value(llhttp_t *l, const char *at, size_t n)
{
    struct http_parser *p = l->data;
    if (p->headers_done || p->count == 0)
        return 0;
    p->in_value = true;
    extend(&p->fields[p->count - 1].value, at, n);
    return 0;
}

static int on_value_complete(llhttp_t *l)
{
    struct http_parser *p = l->data;
    p->in_value = true; /* also where an empty value gave no span */
    return 0;
}

static int on_headers_complete(llhttp_t *l)
{
    struct http_parser *p = l->data;
    p->headers_done = true;
    p->keep_alive = llhttp_should_keep_alive(l);
    l->upgrade = 0; /* `Upgrade: h2c` is an offer that may be ignored (RFC 9110 7.8) */
    return 0;
}

static int on_body(llhttp_t *l, const char *at, size_t n)
{
    struct http_parser *p = l->data;
    return p->on_piece(p->ctx, slice_make(at, n)) ? 0 : HPE_USER;
}

static int on_complete(llhttp_t *l)
{
    struct http_parser *p = l->data;
    p->complete = true;
    return HPE_PAUSED; /* what follows is the next request, which is not ours */
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

struct http_parser *http_parser_new(void)
{
    return NEW(struct http_parser);
}

void http_parser_free(struct http_parser *p)
{
    if (!p)
        return;
    free(p->fields);
    free(p);
}

static enum http_fault head_fault(const struct http_parser *p, llhttp_errno_t e)
{
    if (e == HPE_OK || (e == HPE_PAUSED && p->complete))
        return p->headers_done ? FAULT_NONE : FAULT_PARSER;
    /* A method that llhttp does not know, or knows from other protocols only. */
    if (e == HPE_INVALID_METHOD || (e == HPE_INVALID_CONSTANT && p->count == 0))
        return FAULT_METHOD_UNKNOWN;
    int64_t n;
    if (e == HPE_INVALID_CONTENT_LENGTH && p->count &&
        http_rules_length(&p->fields[p->count - 1], &n) == FAULT_BODY_TOO_LARGE)
        return FAULT_BODY_TOO_LARGE; /* past 64 bits: malformed to llhttp */
    return FAULT_PARSER;
}

enum http_fault http_parser_head(struct http_parser *p, struct slice head,
                                 const struct http_scan *s, struct http_head *out, bool *complete)
{
    p->count = 0;
    p->in_value = p->headers_done = p->complete = p->keep_alive = false;
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    p->llhttp.data = p;
    struct slice line = slice_skip(head, s->start);
    struct slice rest = line;
    *out = (struct http_head){0};
    out->method = slice_cut(&rest, ' ');
    out->target = slice_cut(&rest, ' ');
    out->minor = (unsigned)(head.ptr[s->headers_at - 3] - '0');
    enum http_fault f = head_fault(p, llhttp_execute(&p->llhttp, line.ptr, line.len));
    if (f == FAULT_NONE && p->count != s->headers)
        f = FAULT_PARSER; /* llhttp saw other lines than we did */
    out->fields = p->fields;
    out->count = p->count;
    out->keep_alive = p->keep_alive;
    *complete = p->complete;
    for (size_t i = 0; i < p->count; i++)
        if (!p->fields[i].value.ptr)
            p->fields[i].value = slice_make(p->fields[i].name.ptr + p->fields[i].name.len + 1, 0);
    return f;
}

enum http_fault http_parser_body(struct http_parser *p, struct slice piece, http_piece_fn fn,
                                 void *ctx, size_t *used, bool *complete)
{
    p->on_piece = fn;
    p->ctx = ctx;
    llhttp_errno_t e = llhttp_execute(&p->llhttp, piece.ptr, piece.len);
    *complete = p->complete;
    *used = piece.len;
    if (e == HPE_PAUSED && p->complete) {
        *used = (size_t)(llhttp_get_error_pos(&p->llhttp) - piece.ptr);
        return FAULT_NONE;
    }
    return e == HPE_OK || e == HPE_USER ? FAULT_NONE : FAULT_CHUNK;
}
