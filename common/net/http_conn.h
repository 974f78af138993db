/* http_conn - one connection of an http_server: reads requests, one after the other.
 * [edge: libevent bufferevents]   Private to common/net/http_*.c.
 *
 *              head complete            body complete            http_answer
 *   IDLE ─▶ HEAD ─────────────▶ BODY ─────────────────▶ WAIT ──────────────▶ WRITE ─▶ IDLE
 *                                │  answered early, or refused                 │
 *                                └──────────────────▶ WRITE ─▶ LINGER ─▶ gone ◀┘ (close)
 */
#ifndef COMMON_NET_HTTP_CONN_H
#define COMMON_NET_HTTP_CONN_H

#include "common/net/http_chunks.h"
#include "common/net/http_deadlines.h"
#include "common/net/http_parse.h"
#include "common/net/http_peers.h"
#include "common/net/http_rules.h"
#include "common/net/http_server.h"

struct bufferevent;
struct evbuffer;
struct event_base;
struct evconnlistener;
struct loop_timer;

enum conn_state {
    CONN_IDLE,   /* no byte of the next request */
    CONN_HEAD,   /* part of a head */
    CONN_BODY,   /* the handler has seen the head; the body is coming */
    CONN_WAIT,   /* the handler owes the answer */
    CONN_WRITE,  /* the answer is being written */
    CONN_LINGER, /* answered and half-closed: the client may read it, what it sends is dropped */
};

struct conn { /* Owned by its server. */
    struct http_server *server;
    struct conn *prev, *next; /* ring of the server's connections */
    struct bufferevent *bev;
    struct http_request *request; /* from the end of its head until it is answered or gone */
    struct http_request *spent;   /* answered while busy: released when that is over */
    struct deadline deadline;
    struct http_scan scan;
    struct addr peer;
    unsigned peer_slot;
    mono_us began;     /* when the first byte of the head being read came */
    size_t dropped;    /* bytes read while lingering */
    size_t linger_max; /* of them, at most */
    int fd;
    enum conn_state state;
    bool secure;      /* TLS */
    bool ready;       /* TLS: the handshake is over */
    bool served;      /* had a request before */
    bool close_after; /* no further request on this connection */
    bool cut_off;     /* close_after while the client may still be sending: linger */
    bool eof;         /* the client sends no more */
    bool reading;     /* EV_READ is enabled */
    bool held;        /* no more is to be read: paused, or enough was dropped */
    bool busy;        /* conn_process runs: nothing is freed under it */
    bool dead;        /* to be freed when it ends */
    bool refused;     /* over connections_max: only there to be told */
};

struct http_request {  /* Owned by its connection; reused through the server's pool. */
    struct conn *conn; /* NULL in the pool */
    struct http_request *next_free;
    struct http_parser *parser;
    char *bytes; /* the head as received */
    size_t cap;
    struct http_head head;
    struct http_framing framing;
    struct http_chunks chunks;
    struct slice path, query;
    mono_us started;
    size_t body_max;
    int64_t charged;
    int64_t paused_left; /* of the body's deadline, while paused; us */
    void *ctx;
    bool wants_body;
    bool complete; /* the whole body was read */
    bool paused;
};

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
    struct tls_server *tls;
    struct http_handler handler;
    struct conn ring; /* its links only */
    unsigned connections, refusing;
    struct peers peers; /* of connections */
    struct http_request *pool;
    unsigned pooled;
    struct buf out; /* the head of the answer being written */
    char date[32];
    wall_ms date_second;
    char address[ADDR_TEXT + 16];
    bool draining;
    void (*on_drained)(void *ctx);
    void *drained_ctx;
};

/* --- http_conn.c --- */
/* Takes FD. NULL if it cannot be served. */
struct conn *conn_new(struct http_server *s, int fd, const struct addr *peer);
/* Ends the connection now: on_gone for its request, everything freed (at once or, while it is being
 * processed, right after). */
void conn_kill(struct conn *c);
/* Answers with what F says and closes, after on_gone for its request. */
void conn_refuse(struct conn *c, enum http_fault f);
/* The request of C, if any, was answered; KEEP says whether another may follow. */
void conn_answered(struct conn *c, bool keep);
/* Its deadline passed. */
void conn_expired(struct conn *c);
void conn_set_deadline(struct conn *c, enum deadline_kind kind, int64_t us);
/* Stops and goes on reading. */
void conn_pause(struct conn *c, bool paused);
/* True if there is not a byte of a request, in our buffers or the kernel's. */
bool conn_is_idle(const struct conn *c);

/* Bytes read and not yet taken. */
size_t conn_input_len(const struct conn *c);
void conn_input_drop(struct conn *c, size_t n);

/* --- http_read.c --- */
/* One step in CONN_IDLE or CONN_HEAD, and in CONN_BODY; true if another may follow at once. */
bool conn_read_head(struct conn *c);
bool conn_read_body(struct conn *c);

/* --- http_server.c --- */
/* A deadline was set to AT. */
void server_watch(struct http_server *s, mono_us at);
/* A connection was freed. */
void server_released(struct http_server *s, const struct conn *c);

/* --- http_request.c --- */
struct http_request *request_take(struct http_server *s);
void request_release(struct http_server *s, struct http_request *r);
void request_free(struct http_request *r);
/* Copies HEAD into R, so that it outlives the connection's input buffer. */
struct slice request_keep_head(struct http_request *r, struct slice head);

/* --- http_answer.c --- */
struct answer {
    int status;
    struct slice content_type, headers, body;
    bool close, head_only;
    bool http_1_0;
};
/* Writes A, at once as far as the socket takes it. False if the connection is broken. */
bool answer_write(struct conn *c, const struct answer *a);
/* {"status":"error",...} of F; says Allow or Retry-After where they belong. */
bool answer_write_fault(struct conn *c, enum http_fault f, bool head_only);
bool answer_write_continue(struct conn *c);

#endif
