/* http_private - what http_conn.c (a connection), http_input.c (its input), http_request.c (its requests) and http_server.c
 * (all connections) share.
 */
#ifndef COMMON_NET_HTTP_PRIVATE_H
#define COMMON_NET_HTTP_PRIVATE_H

#include <sys/types.h>

#include "common/base/list.h"
#include "common/base/pool.h"
#include "common/net/http_chunks.h"
#include "common/net/http_deadlines.h"
#include "common/net/http_parse.h"
#include "common/net/http_peers.h"
#include "common/net/http_reply.h"
#include "common/net/http_rules.h"
#include "common/net/http_server.h"
#include "common/net/http_turns.h"

struct bufferevent;
struct event;
struct event_base;
struct evconnlistener;
struct loop_timer;

enum conn_state { /* the essay in http_conn.c says what each reads and which deadline it has */
                  CONN_FRESH, /* accepted, and no byte of a request came yet */
                  CONN_IDLE, /* kept open after an answer, and no byte of the next request came yet */
                  CONN_HEAD,   /* part of a request's head came */
                  CONN_BODY,   /* the handler saw the head; the body is coming */
                  CONN_WAIT,   /* the handler has to answer */
                  CONN_STREAM, /* an answer without an end was begun (http_stream.c) */
                  CONN_WRITE,  /* the answer is being written */
                  CONN_LINGER, /* answered and half-closed */
                  CONN_DEAD,   /* freed as soon as no function uses it */
};

enum conn_after {               /* what follows the answer */
                  AFTER_NEXT,   /* the next request */
                  AFTER_CLOSE,  /* the end */
                  AFTER_LINGER, /* the end, but the client may still be sending: see CONN_LINGER */
};

struct input { /* bytes that were read and not taken; with TLS they are in the bufferevent */
    struct event *readable;
    bool is_on;          /* the socket may be read; only without TLS */
    struct slice unread; /* in `kept`, or in the server's block until the end of a turn */
    struct buf kept;
    bool is_kept;
};

struct
    conn { /* Owned by its server. Only http_conn.c changes it, but for `link`, `peer_slot` and `refused`. */
    struct http_server *server;
    struct list_link link; /* in the server's connections */
    struct list_link turn; /* in the line of its address, while it waits for its turn */
    bool is_secure;
    struct bufferevent *bev; /* writes what the socket does not take at once; with TLS, all */
    struct input input;
    struct http_request *request; /* from the end of its head until it is answered or gone */
    struct http_request *spent;   /* answered while busy: released when that is over */
    struct deadline deadline;
    struct http_scan scan;
    struct addr peer;
    unsigned peer_slot;
    size_t held_in;  /* bytes of input that are charged to the budget */
    size_t held_out; /* bytes of output that are charged to OUT_SLOT of the budget */
    unsigned out_slot;
    size_t out_seen;   /* bytes of output when somebody looked last, */
    mono_us out_since; /* and since when it is as many */
    mono_us began;     /* when the first byte of the head being read came */
    size_t dropped;    /* bytes that were read while lingering */
    size_t linger_max; /* how many of them are read at most */
    int fd;
    enum conn_state state; /* changed by conn_move only */
    enum conn_after after;
    bool eof;     /* the client sends no more */
    bool busy;    /* a function further up uses the connection: it is not freed under it */
    bool refused; /* over connections_max: only there to be told so. It counts in `refusing` */
};

struct http_request {      /* Owned by its connection, or by the server's pool. */
    struct list_link link; /* in the pool */
    struct conn *conn;     /* NULL in the pool */
    struct http_parser *parser;
    char *bytes; /* the head as received */
    size_t cap;
    struct http_head head;
    struct http_framing framing;
    struct http_chunks chunks;
    struct slice path, query;
    struct addr client; /* behind trusted proxies; family 0: it is the connection's peer */
    mono_us started;
    size_t body_max;
    unsigned slot; /* of its client, in the budget */
    int64_t charged;
    int64_t received; /* bytes of the body, with their framing */
    int64_t checked;  /* of these, at the last look at its rate */
    mono_us body_ends;
    mono_us paused_at;
    void *ctx;
    bool wants_body;
    bool complete; /* the whole body was read */
    bool paused;
};

#define REQUESTS_KEPT 256 /* in the pool */
#define READ_BYTES 4096   /* at once: a step of http_turns */

struct http_server { /* Owned by the program. */
    struct loop *loop;
    struct event_base *base;
    struct evconnlistener *listener;
    struct loop_timer *timer;   /* the earliest deadline, or later */
    struct loop_timer *retry;   /* accepts again after running out of descriptors */
    struct loop_timer *drained; /* calls on_drained */
    mono_us timer_at;           /* 0: not armed */
    struct deadlines deadlines;
    struct http_limits limits;
    struct http_budget *budget;
    struct tls_server *tls; /* NULL: plain HTTP. The same for all connections */
    struct http_handler handler;
    struct list conns; /* all connections, in no order that matters */
    unsigned connections, refusing;
    struct list greetings; /* connections that have not sent their PROXY header yet */
    unsigned greeting_count;
    struct peers peers; /* of the connections that count in `connections` */
    struct turns turns;
    struct pool requests;   /* kept with their memory for the next request */
    struct buf out;         /* the head of the answer being written */
    char block[READ_BYTES]; /* what a connection has just read */
    char date[HTTP_DATE_LEN + 1];
    wall_ms date_second;
    char address[ADDR_TEXT + 16];
    bool retired; /* each answer closes its connection */
    struct http_error_form error_form;
    bool draining;
    void (*on_drained)(void *ctx);
    void *drained_ctx;
};

/* --- http_conn.c --- */

/* A connection over FD, which it owns. NULL (and FD is closed) if it cannot be served. */
/* TLS: NULL for a connection in the clear. */
struct conn *conn_new(struct http_server *s, int fd, const struct addr *peer,
                      struct tls_server *tls);
/* Ends the connection now: calls on_gone for its request and frees everything, or does so as soon as no function uses
 * it. */
void conn_kill(struct conn *c);
/* Answers with what F says and closes. Calls on_gone for the connection's request. */
void conn_refuse(struct conn *c, enum http_fault f);
/* WAITING is the link of a connection that has waited for its turn. */
void conn_go_on(struct list_link *waiting);
/* Its deadline passed. */
void conn_expired(struct conn *c);
/* True if its client has taken nothing of an answer for a while. */
bool conn_stands(struct conn *c);
/* Sets its one deadline, US microseconds from now. */
void conn_set_deadline(struct conn *c, enum deadline_kind kind, int64_t us);
/* True if it was kept open and there is not a byte of a request, in our buffers or in the kernel's. */
bool conn_is_idle(const struct conn *c);

/* Writes HEAD and BODY. False if the connection is broken. */
bool conn_write(struct conn *c, struct slice head, struct slice body);
/* Writes the head of REPLY, and its body. As conn_write. */
bool conn_write_reply(struct conn *c, const struct http_reply *reply);
/* The request of C, if there is one, was answered. WROTE is false if the connection broke. */
void conn_answered(struct conn *c, bool wrote, enum conn_after after);
/* C's answer goes on: from WAIT to STREAM. */
void conn_begin_stream(struct conn *c);
/* Bytes of output that the client has not taken. */
size_t conn_output(const struct conn *c);

/* The socket of the connection CTX can be read. Only without TLS. */
void conn_on_readable(int fd, short what, void *ctx);

/* --- http_input.c --- */

/* False without memory. */
bool input_open(struct conn *c);
void input_close(struct conn *c);
/* The number of bytes that were read and not taken. */
size_t input_len(const struct conn *c);
/* Takes the first N bytes of the input. */
void input_drop(struct conn *c, size_t n);
/* The first piece of the input, or all of it in one piece if ALL. Valid until the input changes. */
struct slice input_piece(struct conn *c, bool all);
/* The socket of C has bytes, or its end. False if they must stay there for now. Only without TLS. */
bool input_may_read(struct conn *c);
/* Reads once, and returns what recv does. Only without TLS. */
ssize_t input_read(struct conn *c);
/* Keeps the bytes that this turn did not take: the server's block is for the next connection. */
void input_keep(struct conn *c);
/* Starts to read from the socket, or stops it. Without TLS one more event may come: see input_may_read. */
void input_set_reading(struct conn *c, bool on);

/* --- http_stream.c --- */

/* Everything that was written to the stream C was taken. */
void stream_drained(struct conn *c);
/* C's client has taken nothing for a while, or too little. True if it may go on. */
bool stream_goes_on(struct conn *c);

/* --- http_request.c --- */

/* A request of S, with the memory of an earlier one. The caller gives it back with request_release. */
struct http_request *request_take(struct http_server *s);
/* Also gives back what R has charged to the budget. */
void request_release(struct http_server *s, struct http_request *r);
/* True if what R has charged is within the budget, which the server must have. */
bool request_is_in_budget(const struct http_request *r);
/* Charges N bytes, and no longer those before, for input that no handler has taken. */
void conn_hold_input(struct conn *c, size_t n);
/* The same for output, which is charged to C's OUT_SLOT. */
void conn_hold_output(struct conn *c, size_t n);
/* True if C has to end because its input holds more than the budget allows. The server must have a budget. */
bool conn_is_over_budget(const struct conn *c);
/* Frees the requests in S's pool. */
void request_free_all(struct http_server *s);
/* Copies HEAD into R, so that it outlives the connection's input. */
struct slice request_keep_head(struct http_request *r, struct slice head);

/* --- http_greeting.c --- */

/* Reads the PROXY header of the connection FD, which it owns, and gives the rest to server_take. */
void greeting_begin(struct http_server *s, int fd, const struct addr *peer);
/* Ends all greetings that are not whole in US microseconds. */
void greetings_hurry(struct http_server *s, int64_t us);
/* Ends all greetings now. */
void greetings_end(struct http_server *s);

/* --- http_server.c --- */

/* Makes a connection of FD, which it owns, with a client at PEER. Refuses it if there are too many. */
void server_take(struct http_server *s, int fd, const struct addr *peer, struct tls_server *tls);
/* Tells the owner once a drain has ended everything. */
void server_check_drained(struct http_server *s);

/* A deadline was set to AT. */
void server_watch(struct http_server *s, mono_us at);
/* R holds more than the budget allows. Ends incomplete bodies, and answers that wait, of the address that holds far more than
 * R's. False if that does not make enough room. */
bool server_make_bytes(struct http_server *s, const struct http_request *r);
/* C is about to be freed. */
void server_released(struct http_server *s, const struct conn *c);

#endif
