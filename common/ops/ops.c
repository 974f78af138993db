#include "common/ops/ops.h"

#include "common/base/alloc.h"
#include "common/base/log.h"

#include <assert.h>
#include <stdlib.h>

#define TABLES_MAX 8

struct table {
    const struct route *rows;
    size_t count;
    void *ctx;
};

struct ops { /* Owned by the program. */
    struct http_server *http;
    struct login_guard *guard; /* borrowed, as all of the setup */
    struct login_book login;
    struct table tables[TABLES_MAX];
    size_t table_count;
    struct host_names hosts;
};

/* --- a call's life --- */

static struct ops_call *call_new(struct ops *o, struct http_request *http)
{
    struct ops_call *c = NEW(struct ops_call);
    c->ops = o;
    c->http = http;
    http_set_ctx(http, c);
    return c;
}

static void call_free(struct ops_call *c)
{
    buf_clear(&c->body);
    free(c);
}

/* Returns the request to answer, or NULL. */
static struct http_request *call_end(struct ops_call *c)
{
    struct http_request *http = c->http;
    if (http)
        http_set_ctx(http, NULL);
    return http;
}

void ops_answer(struct ops_call *c, int status, struct slice content_type, struct slice headers,
                struct slice body)
{
    struct http_request *http = call_end(c);
    if (http)
        http_answer(http, status, content_type, headers, body, false);
    call_free(c);
}

void ops_json(struct ops_call *c, int status, struct slice body)
{
    ops_answer(c, status, SLICE_LIT("application/json"), SLICE_LIT(""), body);
}

void ops_error(struct ops_call *c, int status, struct slice headers, const char *code,
               const char *message)
{
    struct http_request *http = call_end(c);
    if (http)
        http_answer_error(http, status, headers, code, message);
    call_free(c);
}

bool ops_stream_begin(struct ops_call *c, struct slice content_type, struct slice headers,
                      void (*gone)(struct ops_call *c))
{
    struct http_request *http = c->http;
    bool goes_on = false;
    if (http) {
        http_set_ctx(http, NULL); /* it may end within the call */
        goes_on = http_stream_begin(http, content_type, headers);
    }
    if (goes_on) {
        http_set_ctx(http, c);
        c->gone = gone;
    } else {
        call_free(c);
    }
    return goes_on;
}

bool ops_stream_piece(struct ops_call *c, struct slice piece)
{
    return http_stream_piece(c->http, piece);
}

void ops_stream_end(struct ops_call *c)
{
    struct http_request *http = call_end(c);
    call_free(c);
    http_stream_end(http);
}

static void call_run(struct ops_call *c)
{
    c->is_running = true;
    c->match.route->handler->run(c);
}

/* --- route and login --- */

static enum route_verdict find_route(struct ops_call *c)
{
    struct ops *o = c->ops;
    for (size_t i = 0; i < o->table_count; i++) {
        const struct table *t = &o->tables[i];
        enum route_verdict v =
            route_find(t->rows, t->count, http_method(c->http), http_path(c->http), &c->match);
        c->ctx = t->ctx;
        if (v != ROUTE_NONE)
            return v;
    }
    return ROUTE_NONE;
}

static void answer_unrouted(struct ops_call *c, enum route_verdict v)
{
    if (v == ROUTE_NONE) {
        ops_error(c, 404, SLICE_LIT(""), "not_found", "there is nothing at this path");
        return;
    }
    if (v == ROUTE_MALFORMED) {
        ops_error(c, 400, SLICE_LIT(""), "bad_request", "the path has a malformed percent-escape");
        return;
    }
    char text[128];
    struct buf allow = buf_over(text);
    route_add_allow(c->match.methods, &allow);
    ops_error(c, 405, buf_slice(&allow), "method_not_allowed",
              "this path does not take the method; the header Allow lists those it takes");
}

void ops_add_challenge(const struct ops_call *c, enum ops_refusal why, struct buf *out)
{
    if (why == OPS_UNKNOWN || why == OPS_LIMITED)
        buf_add_str(out, "WWW-Authenticate: Basic realm=\"Hookpace\", charset=\"UTF-8\"\r\n");
    if (why == OPS_LIMITED)
        buf_addf(out, "Retry-After: %u\r\n", c->retry_s);
}

static void refuse_call(struct ops_call *c, enum ops_refusal why)
{
    const struct ops_handler *h = c->match.route->handler;
    char text[128];
    struct buf headers = buf_over(text);
    ops_add_challenge(c, why, &headers);
    if (h->refused)
        h->refused(c, why);
    else if (why == OPS_NOT_ALLOWED)
        ops_error(c, 403, SLICE_LIT(""), "forbidden", "the account's role may not do this");
    else if (why == OPS_TOO_LARGE)
        ops_error(c, 413, SLICE_LIT(""), "body_too_large", "the body is larger than allowed here");
    else if (why == OPS_LIMITED)
        ops_error(
            c, 401, buf_slice(&headers), "unauthorized",
            "too many wrong logins with this name from this address; wait as Retry-After says");
    else
        ops_error(c, 401, buf_slice(&headers), "unauthorized",
                  "log in with the name and password of an account");
}

/* The handler frees what it holds, as if the client had left. */
static void refuse_large(struct ops_call *c)
{
    struct http_request *http = c->http;
    c->http = NULL;
    if (c->match.route->handler->left)
        c->match.route->handler->left(c);
    c->http = http;
    refuse_call(c, OPS_TOO_LARGE);
}

static struct login_page page_of(const struct http_request *http)
{
    unsigned upgrades;
    struct login_page p = {
        .fetch_site = http_header(http, "sec-fetch-site", NULL),
        .origin = http_header(http, "origin", NULL),
        .referer = http_header(http, "referer", NULL),
        .host = http_header(http, "host", NULL),
        .accept = http_header(http, "accept", NULL),
    };
    (void)http_header(http, "upgrade-insecure-requests", &upgrades);
    p.upgrades = upgrades > 0;
    return p;
}

static bool is_foreign(const struct http_request *http)
{
    struct login_page p = page_of(http);
    return login_is_foreign(&p);
}

bool ops_may_be_link(const struct ops_call *c)
{
    struct login_page p = page_of(c->http);
    return login_may_be_link(&p);
}

MUST_CHECK static enum flow log_in(struct ops_call *c)
{
    unsigned n;
    if (is_foreign(c->http)) {
        refuse_call(c, OPS_FOREIGN);
        return ENDED;
    }
    struct slice header = http_header(c->http, "authorization", &n);
    if (n != 1)
        header.len = 0;
    struct login_result result = login_check(c->ops->guard, &c->ops->login, http_peer(c->http),
                                             header, clock_mono_us(), &c->who);
    enum login_verdict v = result.verdict;
    c->retry_s = result.retry_s;
    if (v == LOGIN_OK && (c->who.role & c->match.route->roles))
        return GO_ON;
    refuse_call(c, v == LOGIN_OK        ? OPS_NOT_ALLOWED
                   : v == LOGIN_LIMITED ? OPS_LIMITED
                                        : OPS_UNKNOWN);
    return ENDED;
}

/* --- what the HTTP server calls --- */

static void ops_on_request(struct http_request *http, void *ctx)
{
    struct ops_call *c = call_new(ctx, http);
    if (!hosts_fit(c->ops->hosts, http_header(http, "host", NULL))) {
        ops_error(c, 421, SLICE_LIT(""), "misdirected_request",
                  "this listener has another name; use one of admin.hosts, or an address");
        return;
    }
    enum route_verdict v = find_route(c);
    if (v != ROUTE_FOUND) {
        answer_unrouted(c, v);
        return;
    }
    const struct route *route = c->match.route;
    const struct ops_handler *h = route->handler;
    if (route->roles && log_in(c) == ENDED)
        return;
    if (h->head && h->head(c) == ENDED)
        return;
    buf_init(&c->body, h->body_max);
    if (!h->piece && h->body_max && http_content_length(http) > (int64_t)h->body_max)
        refuse_large(c);
    else if (h->piece || h->body_max)
        http_read_body(http, 0);
    else
        call_run(c);
}

static void ops_on_body(struct http_request *http, struct slice piece, void *ctx)
{
    struct ops_call *c = http_ctx(http);
    const struct ops_handler *h = c->match.route->handler;
    (void)ctx;
    if (h->piece)
        h->piece(c, piece);
    else if (piece.len > h->body_max - c->body.len)
        refuse_large(c);
    else if (!http_charge(http, (int64_t)piece.len))
        ops_error(c, 503, SLICE_LIT(OPS_RETRY), "overloaded", "too much is under way");
    else
        buf_add_slice(&c->body, piece);
}

static void ops_on_complete(struct http_request *http, void *ctx)
{
    struct ops_call *c = http_ctx(http);
    (void)ctx;
    if (!c->is_running)
        call_run(c);
}

static void ops_on_gone(struct http_request *http, void *ctx)
{
    struct ops_call *c = http_ctx(http);
    (void)ctx;
    if (!c)
        return;
    c->http = NULL;
    if (c->gone) {
        c->gone(c);
        call_free(c);
        return;
    }
    if (c->is_running)
        return;
    if (c->match.route->handler->left)
        c->match.route->handler->left(c);
    call_free(c);
}

/* --- the listener --- */

enum err ops_open(struct loop *l, const struct ops_setup *setup, struct ops **out, struct error *e)
{
    struct ops *o = NEW(struct ops);
    struct http_handler handler = {.on_request = ops_on_request,
                                   .on_body = ops_on_body,
                                   .on_complete = ops_on_complete,
                                   .on_gone = ops_on_gone,
                                   .ctx = o};
    o->guard = setup->guard;
    o->login = setup->login;
    enum err rc = http_server_open(l, setup->listen, &setup->limits, setup->budget, setup->tls,
                                   &handler, &o->http, e);
    if (rc != OK) {
        ops_close(o);
        return rc;
    }
    *out = o;
    return OK;
}

void ops_add(struct ops *o, const struct route *rows, size_t count, void *ctx)
{
    assert(o->table_count < TABLES_MAX);
    o->tables[o->table_count++] = (struct table){rows, count, ctx};
}

const char *ops_addr(const struct ops *o)
{
    return http_server_addr(o->http);
}

void ops_set_hosts(struct ops *o, struct host_names names)
{
    o->hosts = names;
}

struct http_server *ops_http(struct ops *o)
{
    return o->http;
}

void ops_drain(struct ops *o, void (*on_empty)(void *ctx), void *ctx)
{
    http_server_drain(o->http, on_empty, ctx);
}

void ops_close(struct ops *o)
{
    if (!o)
        return;
    http_server_close(o->http);
    free(o);
}
