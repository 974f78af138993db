/* ops - the listener for operators: it finds a request's route, checks the login, and calls the route's handler.
 * [edge: HTTP]
 *
 * Both programs open one and add tables of routes to it (router.h). The listener knows nothing of what the routes do.
 *
 * Life of a call, all on the loop's thread:
 *
 *     route found ─▶ login ─▶ head ─▶ (body) ─▶ run ─▶ ops_answer or ops_error
 *          │           │        │        │
 *          └──────────▶└───────▶└───────▶└─▶ answered early, or the client left
 *
 * A handler ends each call exactly once, with ops_answer or ops_error, at once or later. From `run` on it does so even if the
 * client has left meanwhile. Before `run` the call ends by itself when its client leaves, after `left`.
 */
#ifndef COMMON_OPS_OPS_H
#define COMMON_OPS_OPS_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/net/http_server.h"
#include "common/ops/hosts.h"
#include "common/ops/login.h"
#include "common/ops/router.h"

struct loop;
struct ops;

#define OPS_RETRY "Retry-After: 1\r\n" /* header line of a 503 */

struct ops_call {              /* one request; freed by the call that ends it */
    struct http_request *http; /* NULL: the client has left */
    void *ctx;                 /* of the table that has the route */
    void *state;               /* the handler's own */
    unsigned retry_s;          /* of OPS_LIMITED */
    struct caller who; /* where the route needs a login; `who.account` is good for this turn only */
    struct route_match match;
    struct buf body;
    struct ops *ops; /* not after `run`: the listener may be closed */
    void (*gone)(
        struct ops_call *c); /* of a stream, also before it begins, if the handler sets it: its
                                       * client left; frees c->state. The call ends */
    bool is_running;
};

enum ops_refusal {
    OPS_FOREIGN,     /* a page of another site asks, through a browser that knows the login */
    OPS_UNKNOWN,     /* the login is wrong or missing */
    OPS_LIMITED,     /* too many wrong logins of this name from this address */
    OPS_NOT_ALLOWED, /* the account's role may not call this route */
    OPS_TOO_LARGE,   /* the body has more than the handler's body_max bytes */
};

struct ops_handler {
    /* The whole request is here. */
    void (*run)(struct ops_call *c);
    /* The handler keeps so many bytes of a body in c->body; longer ones are refused with 413. 0: `run` is called with the
     * head, and the body is dropped. */
    size_t body_max;

    /* The rest is optional. */
    enum flow (*head)(struct ops_call *c); /* looks at the head, before the body is read */
    /* Takes the body piece by piece, as large as the server's limit allows, instead of c->body. May end the call. */
    void (*piece)(struct ops_call *c, struct slice piece);
    void (*left)(
        struct ops_call
            *c); /* the client left before `run`, or its body is too large: frees c->state */
    void (*refused)(struct ops_call *c,
                    enum ops_refusal why); /* ends the call in the handler's own form */
};

struct
    ops_setup { /* all borrowed; all but `limits` and `login` may be NULL and must outlive the listener */
    const char *listen; /* "host:port" */
    struct http_limits limits;
    struct http_budget *budget;
    struct tls_server *tls;
    /* Both may be empty if no route needs a login. Listeners that share GUARD share the limit on wrong logins. */
    struct login_guard *guard;
    struct login_book login;
};

/* Listens. There are no routes yet. */
enum err ops_open(struct loop *l, const struct ops_setup *setup, struct ops **out,
                  struct error *e) MUST_CHECK;
/* Adds COUNT routes, behind those added before. ROWS must outlive the listener. CTX goes to their handlers. */
void ops_add(struct ops *o, const struct route *rows, size_t count, void *ctx);
/* "127.0.0.1:8081", with the real port. Borrowed. */
const char *ops_addr(const struct ops *o);
struct http_server *ops_http(struct ops *o);
/* Refuses from now on each request with a Host that does not fit NAMES. NAMES is borrowed until the next call. */
void ops_set_hosts(struct ops *o, struct host_names names);
/* Stops accepting connections. Calls that have begun are answered; ON_EMPTY is called (deferred) when no connection is left. */
void ops_drain(struct ops *o, void (*on_empty)(void *ctx), void *ctx);
/* Closes all connections now. Calls that are running lose their client, and end when their handlers end them. NULL is fine. */
void ops_close(struct ops *o);

/* True if C may come from a link on another site's page. A handler whose GET changes something asks, and refuses with
 * OPS_FOREIGN. */
bool ops_may_be_link(const struct ops_call *c);
/* Each ends C. HEADERS is a run of "Name: value\r\n" lines, or empty. BODY is copied. */
void ops_answer(struct ops_call *c, int status, struct slice content_type, struct slice headers,
                struct slice body);
void ops_json(struct ops_call *c, int status, struct slice body);
/* Begins an answer whose body follows in pieces, as http_stream_begin. False: the call has ended. GONE is called if it ends by itself. */
bool ops_stream_begin(struct ops_call *c, struct slice content_type, struct slice headers,
                      void (*gone)(struct ops_call *c)) MUST_CHECK;
/* As http_stream_piece. */
bool ops_stream_piece(struct ops_call *c, struct slice piece) MUST_CHECK;
void ops_stream_end(struct ops_call *c);
/* Appends the header lines that an answer of 401 needs: WWW-Authenticate where a login can help, and Retry-After. */
void ops_add_challenge(const struct ops_call *c, enum ops_refusal why, struct buf *out);
/* With `{"status":"error","code":CODE,"message":MESSAGE}`, or in the form that the path has. */
void ops_error(struct ops_call *c, int status, struct slice headers, const char *code,
               const char *message);

#endif
