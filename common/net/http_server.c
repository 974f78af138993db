#include "common/net/http_server.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/net/http_private.h"
#include "common/net/loop.h"
#include "common/net/tls.h"

enum {
    BACKLOG = 4096,
    REFUSALS = 64,            /* connections over connections_max that get a refusal at a time */
    ROOM_STEPS = 256,         /* connections looked at to make room for one */
    HOLDERS = 32,             /* connections ended to make room for the bytes of one */
    ACCEPT_RETRY_US = 100000, /* after running out of descriptors */
    TIMER_GRAIN_US = 10000,
    DRAIN_FRESH_US = 1000000, /* for the first request of a connection made just before a drain */
    ANSWER_HEAD_MAX = 64 * 1024,
};

static_assert(BUDGET_SLOTS == PEERS_SLOTS, "both are indexed by peers_slot");

#define CONN_AT(at) LIST_ITEM(at, struct conn, link)
#define CONN_OF(d) LIST_ITEM(&(d)->link, struct conn, deadline.link)

/* --- deadlines --- */

void server_watch(struct http_server *s, mono_us at)
{
    if (s->timer_at && s->timer_at <= at)
        return;
    s->timer_at = at;
    int64_t us = at - clock_mono_us();
    loop_timer_arm(s->timer, us > TIMER_GRAIN_US ? us : TIMER_GRAIN_US);
}

static void on_timer(void *ctx)
{
    struct http_server *s = ctx;
    mono_us now = clock_mono_us();
    struct deadline *d;
    s->timer_at = 0;
    while ((d = deadlines_first(&s->deadlines)) && d->at <= now) {
        deadline_drop(d);
        conn_expired(CONN_OF(d));
    }
    if (d)
        server_watch(s, d->at);
}

/* --- accepting --- */

static bool has_no_request(const struct conn *c)
{
    return c->state == CONN_FRESH || c->state == CONN_IDLE;
}

static bool may_refuse(const struct http_server *s)
{
    return s->refusing < (s->limits.refusals_max ? s->limits.refusals_max : REFUSALS);
}

/* C no longer counts: it is only there to be told. */
static void set_refused(struct http_server *s, struct conn *c)
{
    c->refused = true;
    s->connections--;
    s->refusing++;
    peers_drop(&s->peers, c->peer_slot);
}

/* How much is lost if C makes room for another connection: the less the better. */
enum loss { LOSS_NOTHING, LOSS_BODY, LOSS_ANSWER, LOSS_EVENT, LOSS_NO_CHOICE };

static enum loss loss_of(struct conn *c)
{
    switch (c->state) {
    case CONN_FRESH:
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_LINGER:
        return LOSS_NOTHING;
    case CONN_BODY:
        return LOSS_BODY;
    case CONN_STREAM:
        return LOSS_ANSWER;
    case CONN_WRITE:
        return conn_stands(c) ? LOSS_NOTHING : LOSS_ANSWER;
    case CONN_WAIT:
        return LOSS_EVENT; /* its sender does not learn whether it is queued, and repeats it */
    case CONN_DEAD:
        break;
    }
    return LOSS_NO_CHOICE;
}

/* The connection of SLOT's whose end costs least, among the next few connections. NULL if there is none: the next call goes on
 * behind them. */
static struct conn *find_displaced(struct http_server *s, unsigned slot)
{
    struct conn *best = NULL;
    enum loss least = LOSS_NO_CHOICE;
    struct list_link *at = s->conns.ends.next;
    for (int i = 0; i < ROOM_STEPS && at != &s->conns.ends && least != LOSS_NOTHING;
         i++, at = at->next) {
        struct conn *c = CONN_AT(at);
        enum loss loss =
            c->refused || c->busy || c->peer_slot != slot ? LOSS_NO_CHOICE : loss_of(c);
        if (loss < least) {
            least = loss;
            best = c;
        }
    }
    if (!best && at != &s->conns.ends)
        list_rotate_to(&s->conns, at);
    return best;
}

/* All connections are taken. An address that holds few gets one from the address that holds by far the most. So no
 * address can keep all others out. */
static bool make_room(struct http_server *s, unsigned slot)
{
    unsigned hog = peers_hog(&s->peers, slot);
    struct conn *c = hog < PEERS_SLOTS ? find_displaced(s, hog) : NULL;
    if (!c)
        return false;
    char peer[ADDR_TEXT];
    addr_text(&c->peer, peer);
    LOG_RARELY(LL_WARN, "connection.displaced", LS("peer", peer), LI("connections", s->connections),
               LI("of_this_peer", s->peers.counts[hog]));
    bool may_be_told = c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_WAIT;
    if (!may_be_told || !may_refuse(s)) {
        conn_kill(c);
        return true;
    }
    set_refused(s, c);
    conn_refuse(c, FAULT_OVERLOADED);
    return true;
}

/* The bytes that SLOT loses if C ends: of an incomplete body or of an answer that waits. */
static int64_t bytes_of(const struct conn *c, unsigned slot)
{
    if (c->busy)
        return 0;
    if (c->state == CONN_BODY && c->request->slot == slot)
        return c->request->charged;
    bool is_writing = c->state == CONN_WRITE || c->state == CONN_STREAM;
    return is_writing && c->out_slot == slot ? (int64_t)c->held_out : 0;
}

/* The connection that holds most of SLOT's bytes, among the next few connections. */
static struct conn *find_holder(struct http_server *s, unsigned slot)
{
    struct conn *best = NULL;
    struct list_link *at = s->conns.ends.next;
    for (int i = 0; i < ROOM_STEPS && at != &s->conns.ends; i++, at = at->next) {
        struct conn *c = CONN_AT(at);
        if (bytes_of(c, slot) > (best ? bytes_of(best, slot) : 0))
            best = c;
    }
    if (!best && at != &s->conns.ends)
        list_rotate_to(&s->conns, at);
    return best;
}

bool server_make_bytes(struct http_server *s, const struct http_request *r)
{
    for (int i = 0; i < HOLDERS; i++) {
        unsigned hog = budget_hog(s->budget, r->slot);
        struct conn *c = hog < BUDGET_SLOTS ? find_holder(s, hog) : NULL;
        if (!c)
            return false;
        char peer[ADDR_TEXT];
        addr_text(c->request ? http_peer(c->request) : &c->peer, peer);
        LOG_RARELY(LL_WARN, "bytes.displaced", LS("peer", peer), LI("bytes", bytes_of(c, hog)),
                   LI("of_this_peer", s->budget->of_slot[hog]));
        if (c->state == CONN_BODY)
            conn_refuse(c, FAULT_NO_ROOM);
        else
            conn_kill(c);
        if (request_is_in_budget(r))
            return true;
    }
    return false;
}

void server_take(struct http_server *s, int fd, const struct addr *peer, struct tls_server *tls)
{
    unsigned slot = peers_slot(&s->peers, peer);
    bool over = s->connections >= s->limits.connections_max && !make_room(s, slot);
    if (over && !may_refuse(s)) {
        close(fd);
        LOG_RARELY(LL_WARN, "connection.dropped", LI("connections", s->connections));
        if (s->handler.on_refused)
            s->handler.on_refused("overloaded", s->handler.ctx);
        return;
    }
    struct conn *c = conn_new(s, fd, peer, tls);
    if (!c)
        return;
    c->peer_slot = slot;
    s->connections++;
    LOG_EVENT(LL_DEBUG, "connection.opened", LI("port", peer->port),
              LI("connections", s->connections));
    peers_add(&s->peers, slot);
    if (over) {
        set_refused(s, c);
        conn_refuse(c, FAULT_OVERLOADED);
    }
}

/* Only the proxies that are trusted may name other addresses. A client that comes past the proxies has its own
 * address. */
static bool must_greet(const struct http_server *s, const struct addr *peer)
{
    const struct http_limits *l = &s->limits;
    return l->proxy_protocol &&
           (!l->trusted.count || cidr_any(l->trusted.list, l->trusted.count, peer));
}

void http_server_take(struct http_server *s, int fd, const struct addr *peer)
{
    if (must_greet(s, peer))
        greeting_begin(s, fd, peer);
    else
        server_take(s, fd, peer, s->tls);
}

void http_server_take_inside(struct http_server *s, int fd, const struct addr *peer)
{
    server_take(s, fd, peer, NULL);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *ctx)
{
    struct addr peer;
    (void)l, (void)len;
    addr_from_sockaddr(sa, &peer);
    http_server_take(ctx, (int)fd, &peer);
}

/* Out of descriptors or memory. The listener stays readable, so trying again at once would spin. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
    struct http_server *s = ctx;
    int err = EVUTIL_SOCKET_ERROR();
    LOG_RARELY(LL_ERROR, "accept.failed", LS("error", strerror(err)),
               LI("connections", s->connections));
    evconnlistener_disable(l);
    loop_timer_arm(s->retry, ACCEPT_RETRY_US);
}

static void on_retry(void *ctx)
{
    struct http_server *s = ctx;
    if (s->listener)
        evconnlistener_enable(s->listener);
}

/* --- opening --- */

static enum err resolve(const char *text, struct addrinfo **out, struct error *e)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return fail(e, ERR_INVALID, "listen address %s has no port", text);
    struct slice host = slice_make(text, (size_t)(colon - text));
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = slice_make(host.ptr + 1, host.len - 2);
    char *name = xslicedup(host);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int rc = getaddrinfo(host.len ? name : NULL, colon + 1, &hints, out);
    free(name);
    return rc == 0 ? OK : fail(e, ERR_INVALID, "listen address %s: %s", text, gai_strerror(rc));
}

static void note_address(struct http_server *s)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct addr a = {0};
    if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sa, &len) == 0)
        addr_from_sockaddr((struct sockaddr *)&sa, &a);
    char ip[ADDR_TEXT];
    addr_text(&a, ip);
    snprintf(s->address, sizeof s->address, a.family == 6 ? "[%s]:%u" : "%s:%u", ip,
             (unsigned)a.port);
}

static enum err listen_on(struct http_server *s, const char *text, struct error *e)
{
    struct addrinfo *ai = NULL;
    enum err rc = resolve(text, &ai, e);
    if (rc != OK)
        return rc;
    assert(ai);
    unsigned flags =
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE | LEV_OPT_REUSEABLE_PORT;
    s->listener = evconnlistener_new_bind(s->base, on_accept, s, flags, BACKLOG, ai->ai_addr,
                                          (int)ai->ai_addrlen);
    int err = errno;
    freeaddrinfo(ai);
    if (!s->listener)
        return fail(e, ERR_IO, "cannot listen on %s: %s", text, strerror(err));
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    note_address(s);
    return OK;
}

/* The stream of R is at its end for its handler too. */
static void end_stream(struct http_server *s, struct http_request *r)
{
    s->handler.on_gone(r, s->handler.ctx);
    http_stream_end(r);
}

static void on_drained_timer(void *ctx)
{
    struct http_server *s = ctx;
    if (s->on_drained)
        s->on_drained(s->drained_ctx);
}

enum err http_server_open(struct loop *l, const char *addr, const struct http_limits *limits,
                          struct http_budget *budget, struct tls_server *tls,
                          const struct http_handler *handler, struct http_server **out,
                          struct error *e)
{
    assert(handler->on_request && handler->on_body && handler->on_complete && handler->on_gone);
    struct http_server *s = NEW(struct http_server);
    s->loop = l;
    s->base = loop_base(l);
    s->limits = *limits;
    s->budget = budget;
    s->tls = tls;
    s->handler = *handler;
    list_init(&s->conns);
    list_init(&s->greetings);
    turns_init(&s->turns, l, conn_go_on);
    pool_init(&s->requests, REQUESTS_KEPT);
    deadlines_init(&s->deadlines);
    s->peers.key = *hash_process_key();
    buf_init(&s->out, ANSWER_HEAD_MAX);
    s->timer = loop_timer_new(l, on_timer, s);
    s->retry = loop_timer_new(l, on_retry, s);
    s->drained = loop_timer_new(l, on_drained_timer, s);
    enum err rc = listen_on(s, addr, e);
    if (rc != OK) {
        http_server_close(s);
        return rc;
    }
    *out = s;
    return OK;
}

const char *http_server_addr(const struct http_server *s)
{
    return s->address;
}

void http_server_set_limits(struct http_server *s, const struct http_limits *limits)
{
    s->limits = *limits;
}

/* --- closing --- */

void server_check_drained(struct http_server *s)
{
    if (s->draining && list_is_empty(&s->conns) && list_is_empty(&s->greetings))
        loop_timer_arm(s->drained, 0);
}

void server_released(struct http_server *s, const struct conn *c)
{
    if (c->refused) {
        s->refusing--;
    } else {
        s->connections--;
        peers_drop(&s->peers, c->peer_slot);
    }
    server_check_drained(s);
}

/* Connections that the kernel made for us already would be reset by closing the listener. */
static void accept_backlog(struct http_server *s)
{
    for (;;) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int fd = accept4(evconnlistener_get_fd(s->listener), (struct sockaddr *)&sa, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        on_accept(s->listener, fd, (struct sockaddr *)&sa, (int)len, s);
    }
}

void http_server_set_error_form(struct http_server *s, struct http_error_form form)
{
    s->error_form = form;
}

void http_server_retire(struct http_server *s)
{
    s->retired = true;
}

void http_server_drain(struct http_server *s, void (*on_drained)(void *ctx), void *ctx)
{
    if (s->listener) {
        accept_backlog(s);
        evconnlistener_free(s->listener);
        s->listener = NULL;
    }
    s->retired = true;
    s->draining = true;
    s->on_drained = on_drained;
    s->drained_ctx = ctx;
    greetings_hurry(s, DRAIN_FRESH_US);
    LIST_EACH (at, &s->conns) {
        struct conn *c = CONN_AT(at);
        if (conn_is_idle(c))
            conn_kill(c);
        else if (c->state == CONN_STREAM)
            end_stream(s, c->request);
        else if (has_no_request(c))
            conn_set_deadline(c, DEADLINE_HEAD, DRAIN_FRESH_US);
    }
    server_check_drained(s);
}

void http_server_close(struct http_server *s)
{
    if (!s)
        return;
    if (s->listener)
        evconnlistener_free(s->listener);
    s->on_drained = NULL;
    greetings_end(s);
    for (struct conn *c; (c = LIST_FIRST(&s->conns, struct conn, link));) {
        assert(!c->busy); /* not from a handler */
        conn_kill(c);
    }
    request_free_all(s);
    loop_timer_free(s->timer);
    loop_timer_free(s->retry);
    loop_timer_free(s->drained);
    turns_clear(&s->turns);
    buf_clear(&s->out);
    free(s);
}
