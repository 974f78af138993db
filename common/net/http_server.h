/* http_server - a strict HTTP/1.1 server on one loop.   [edge: libevent bufferevents, llhttp]
 *
 * Serves ingest, the admin listener and the dispatcher's listener. It refuses whatever two parsers
 * could read differently (docs/reference/http.md has the list), before a handler sees the request, and
 * answers with `{"status":"error","code":..,"message":..}` and `Connection: close`.
 *
 * Life of a request, all on the loop's thread:
 *   on_request   headers are complete and legal. The handler may answer at once (http_answer), or
 *                call http_read_body; with neither by its return, the body is discarded and
 *                on_complete follows. `Expect: 100-continue` is answered with 100 only when
 *                http_read_body is called and the request was not answered.
 *   on_body      each piece of the body (chunked encoding removed), borrowed for the call.
 *   on_complete  the whole body was read. The handler answers now or later (http_answer).
 *   on_gone      the last call for every request that was not finished by its answer being written:
 *                the client left, a deadline passed, the server stopped. The handler drops its
 *                reference. After it, or after http_answer, the request must not be touched.
 * Exactly one of http_answer (by the handler) and on_gone ends a request.
 */
#ifndef COMMON_NET_HTTP_SERVER_H
#define COMMON_NET_HTTP_SERVER_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/net/addr.h"
#include "common/net/forwarded.h"
#include "common/net/http_budget.h"
#include "common/net/http_reply.h"

#include <stdint.h>

struct loop;
struct tls_server; /* common/net/tls.h */
struct http_server;
struct http_request;

/* Says whether a handler's step ended the request. Functions that return it are MUST_CHECK. */
enum flow {
    ENDED, /* answered: the request must not be touched any more */
    GO_ON,
};

struct http_limits {
    size_t uri_max;            /* bytes of the request target; 414 */
    size_t headers_max;        /* bytes of the header block; 431 */
    unsigned header_count_max; /* 431 */
    size_t body_max;           /* default ceiling of a body as sent; 413. A handler may lower it */
    int64_t header_timeout_us; /* from the first byte (or connection) to the end of headers; 408 */
    int64_t body_timeout_us;   /* from the end of headers to the end of the body; 408. Also what a
                                * client has to take a long answer (and 1 s more for each 64 KiB) */
    int64_t idle_timeout_us;   /* keep-alive between requests; closed silently */
    unsigned connections_max;  /* of this server; further ones are answered 503 overloaded */
    unsigned refusals_max;     /* so many at a time, the others are just closed; 0: 64 */
    struct trusted_proxies
        trusted; /* whose X-Forwarded-For and Forwarded are believed. The list must
                                     * outlive these limits */
    bool
        proxy_protocol; /* connections begin with a PROXY header: those of TRUSTED, or all if that is empty */
};

struct http_handler {
    void (*on_request)(struct http_request *r, void *ctx);
    void (*on_body)(struct http_request *r, struct slice piece, void *ctx);
    void (*on_complete)(struct http_request *r, void *ctx);
    void (*on_gone)(struct http_request *r, void *ctx);
    /* The server itself refused a request (r may have no method or path yet) with CODE. Optional:
     * for counting. */
    void (*on_refused)(const char *code, void *ctx);
    void *ctx;
};

/* Listens on ADDR ("host:port", "[v6]:port"; port 0 takes a free one) with SO_REUSEPORT, so that
 * several servers (threads) may share it. TLS and BUDGET may be NULL and are borrowed. */
enum err http_server_open(struct loop *l, const char *addr, const struct http_limits *limits,
                          struct http_budget *budget, struct tls_server *tls,
                          const struct http_handler *handler, struct http_server **out,
                          struct error *e) MUST_CHECK;
/* "127.0.0.1:8080": the address that S is bound to, with the real port. Borrowed. */
const char *http_server_addr(const struct http_server *s);
/* Takes FD, a connected stream socket that does not block, as if PEER had connected. */
void http_server_take(struct http_server *s, int fd, const struct addr *peer);
/* The same for a connection from inside this process: it speaks neither TLS nor the PROXY protocol, whatever S does. */
void http_server_take_inside(struct http_server *s, int fd, const struct addr *peer);
/* New limits for requests that begin from now on. */
void http_server_set_limits(struct http_server *s, const struct http_limits *limits);
/* Errors of requests below form->path look as FORM writes them, also those that the server itself finds. */
void http_server_set_error_form(struct http_server *s, struct http_error_form form);
/* From now on every answer says `Connection: close`. Connections and requests are still taken. */
void http_server_retire(struct http_server *s);
/* Stops accepting; requests in flight are answered with `Connection: close`, idle connections are
 * closed; ON_DRAINED is called (deferred) when no connection is left. */
void http_server_drain(struct http_server *s, void (*on_drained)(void *ctx), void *ctx);
/* Closes everything now (on_gone for what is in flight) and frees. */
void http_server_close(struct http_server *s);

/* --- what a handler asks of a request --- */
struct slice http_method(const struct http_request *r); /* "GET", "POST", ... */
struct slice http_path(const struct http_request *r);   /* raw target before '?' */
struct slice http_query(const struct http_request *r);  /* raw, after '?', may be empty */
/* Value of the one header NAME (any case), white space trimmed; *COUNT (may be NULL) says how often the request has it.
 * Empty and 0 if it is missing; the first if there are several. */
struct slice http_header(const struct http_request *r, const char *name, unsigned *count);
size_t http_header_count(const struct http_request *r);
void http_header_at(const struct http_request *r, size_t i, struct slice *name,
                    struct slice *value);
/* The address of the client: the one that is connected, or the one that trusted proxies name. */
const struct addr *http_peer(const struct http_request *r);
/* When the first byte of the request was read. */
mono_us http_started(const struct http_request *r);
/* Content-Length, or -1 with chunked encoding. 0 without a body. */
int64_t http_content_length(const struct http_request *r);
/* True if the request has neither Content-Length nor Transfer-Encoding. */
bool http_has_no_length(const struct http_request *r);

/* The handler wants the body (on_body, on_complete). MAX lowers the ceiling; 0 keeps the server's.
 */
void http_read_body(struct http_request *r, size_t max);
/* The handler holds N more (or, negative, fewer) bytes for this request. False if the budget is
 * spent, also after requests of an address that holds far more were ended (on_gone) to make room:
 * answer 503 overloaded. The end of the request gives back the rest of the charge. */
bool http_charge(struct http_request *r, int64_t n);
/* True if the budget has room for an answer with a body of N bytes; requests of an address that holds far more may be ended for
 * it, as by http_charge. A short body always has room. */
bool http_has_room(struct http_request *r, size_t n);
/* While paused no more of the connection is read, and the body's deadline stands still. Up to 64 KiB that were already
 * read may still come through on_body. */
void http_pause(struct http_request *r, bool paused);

void http_set_ctx(struct http_request *r, void *ctx); /* the handler's own state */
void *http_ctx(const struct http_request *r);

/* Answers and ends R for the handler. HEADERS is a run of "Name: value\r\n" lines or empty (Date,
 * Content-Length and Connection are the server's). With CLOSE, or when the body was not read to its
 * end, the connection is closed after the answer (lingering until the client has it). BODY is
 * copied, and counts against the budget until it is written. A long BODY that the budget has no
 * room for is replaced by 503 overloaded. */
void http_answer(struct http_request *r, int status, struct slice content_type,
                 struct slice headers, struct slice body, bool close);
/* Begins an answer 200 whose body follows in pieces and ends with the connection. The answer to a HEAD ends here: false, and R must not
 * be touched any more. Else R lives until http_stream_end, or on_gone: its client left or takes nothing, or the server drains. */
bool http_stream_begin(struct http_request *r, struct slice content_type,
                       struct slice headers) MUST_CHECK;
/* Sends PIECE, which is copied. At most HTTP_STREAM_WAITS bytes wait for the client, and the budget counts them.
 * Returns false and sends nothing if PIECE has no room there. Never calls on_gone. */
#define HTTP_STREAM_WAITS ((size_t)256 * 1024)
bool http_stream_piece(struct http_request *r, struct slice piece) MUST_CHECK;
/* Ends R. The server still sends the pieces that wait. */
void http_stream_end(struct http_request *r);

/* http_answer with `{"status":"error","code":CODE,"message":MESSAGE}`. Closes for 400, 408, 413,
 * 414, 431 and where the body was not read. */
void http_answer_error(struct http_request *r, int status, struct slice headers, const char *code,
                       const char *message);

#endif
