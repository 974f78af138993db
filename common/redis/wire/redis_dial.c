#include "common/redis/wire/redis_dial.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/crypto/tls_client.h"
#include "common/net/loop.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MIN_MS 5000

struct lookup { /* frees itself after evdns has answered, also when cancelled */
    struct loop *loop;
    struct dial *owner; /* NULL: cancelled */
    struct evdns_base *dns;
    struct evdns_getaddrinfo_request *request;
};

static void step(void *ctx);
static void look_up(struct dial *d, const char *host, const char *port);
static void try_next(struct dial *d, const char *reason);

void redis_dial_init(struct dial *d, struct loop *l, const struct config_redis *conf,
                     const struct redis_node *node, dial_fn fn, void *ctx)
{
    *d = (struct dial){
        .loop = l, .conf = conf, .node = node, .fn = fn, .ctx = ctx, .io = REDIS_IO_CLOSED};
}

void redis_dial_start(struct dial *d)
{
    assert(!d->active);
    d->active = true;
    d->count = d->tried = 0;
    loop_defer(d->loop, step, d); /* so that FN never runs before this returns */
}

static void stop_waiting(struct dial *d)
{
    if (d->waiting)
        event_free(d->waiting);
    d->waiting = NULL;
}

void redis_dial_stop(struct dial *d)
{
    d->active = false;
    if (d->lookup) {
        d->lookup->owner = NULL;
        evdns_getaddrinfo_cancel(d->lookup->request);
        d->lookup = NULL;
    }
    stop_waiting(d);
    redis_io_close(&d->io);
}

bool redis_dial_is_in_handshake(const struct dial *d)
{
    return d->io.tls != NULL;
}

static void end(struct dial *d, const char *reason)
{
    struct redis_io io = reason ? REDIS_IO_CLOSED : d->io;
    if (!reason)
        d->io = REDIS_IO_CLOSED;
    redis_dial_stop(d);
    d->fn(d->ctx, io, reason);
}

static void add_address(struct dial *d, const struct sockaddr *sa, size_t len)
{
    if (d->count == DIAL_ADDRESSES_MAX || len > sizeof d->addresses[0])
        return;
    memcpy(&d->addresses[d->count], sa, len);
    d->lengths[d->count++] = (socklen_t)len;
}

static void add_results(struct dial *d, const struct evutil_addrinfo *list)
{
    for (; list; list = list->ai_next)
        add_address(d, list->ai_addr, list->ai_addrlen);
}

static void step(void *ctx)
{
    struct dial *d = ctx;
    if (!d->active || d->io.fd >= 0 || d->lookup || d->count)
        return; /* stopped since, or started again and under way */
    if (d->conf->unix_path) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        size_t len = strlen(d->conf->unix_path);
        if (len >= sizeof un.sun_path) {
            end(d, "the path of the socket is too long");
            return;
        }
        memcpy(un.sun_path, d->conf->unix_path, len);
        add_address(d, (struct sockaddr *)&un, sizeof un);
        try_next(d, NULL);
        return;
    }
    char port[16];
    snprintf(port, sizeof port, "%u", d->node->port);
    struct evutil_addrinfo hints = {.ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM};
    struct evutil_addrinfo *found = NULL;
    if (evutil_getaddrinfo(d->node->host, port, &hints, &found) == 0) {
        add_results(d, found);
        evutil_freeaddrinfo(found);
        try_next(d, NULL);
        return;
    }
    look_up(d, d->node->host, port);
}

static struct evdns_base *resolver_new(struct loop *l)
{
    struct event_base *base = loop_base(l);
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!dns) { /* no resolv.conf: /etc/hosts may still know the name */
        dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (!dns)
            return NULL;
        evdns_base_load_hosts(dns, "/etc/hosts");
    }
    /* All of it has to fit into the connect deadline. A server that drops AAAA queries must not
     * make the A answer wait (3 s by default), and some servers do not take the 0x20 trick. */
    evdns_base_set_option(dns, "timeout:", "0.6");
    evdns_base_set_option(dns, "attempts:", "2");
    evdns_base_set_option(dns, "getaddrinfo-allow-skew:", "0.3");
    evdns_base_set_option(dns, "randomize-case:", "0");
    return dns;
}

static void lookup_free(void *ctx)
{
    struct lookup *k = ctx;
    evdns_base_free(k->dns, 0);
    free(k);
}

static void on_resolved(int rc, struct evutil_addrinfo *found, void *ctx)
{
    struct lookup *k = ctx;
    struct dial *d = k->owner;
    if (d) {
        d->lookup = NULL;
        add_results(d, found);
    }
    if (found)
        evutil_freeaddrinfo(found);
    loop_defer(k->loop, lookup_free, k); /* evdns is still on the stack */
    if (d && rc)
        end(d, "the host name cannot be resolved");
    else if (d)
        try_next(d, NULL);
}

static void look_up(struct dial *d, const char *host, const char *port)
{
    struct evdns_base *dns = resolver_new(d->loop);
    if (!dns) {
        end(d, "no resolver");
        return;
    }
    struct lookup *k = NEW(struct lookup);
    *k = (struct lookup){.loop = d->loop, .owner = d, .dns = dns};
    d->lookup = k;
    struct evutil_addrinfo hints = {.ai_socktype = SOCK_STREAM};
    /* May answer before it returns, from /etc/hosts; K is freed later in any case. */
    k->request = evdns_getaddrinfo(dns, host, port, &hints, on_resolved, k);
}

static void set_options(const struct dial *d, int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;
    unsigned wait_ms = USER_TIMEOUT_MIN_MS;
    if (d->conf->timeout_ms > USER_TIMEOUT_MIN_MS)
        wait_ms = (unsigned)d->conf->timeout_ms;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms, sizeof wait_ms);
}

/* Waits for WHAT; FN then goes on. */
static void wait_for(struct dial *d, short what, event_callback_fn fn)
{
    stop_waiting(d);
    d->waiting = event_new(loop_base(d->loop), d->io.fd, what, fn, d);
    if (!d->waiting || event_add(d->waiting, NULL) != 0)
        end(d, "no event");
}

static void on_step(evutil_socket_t fd, short what, void *ctx);

static void shake_hands(struct dial *d)
{
    switch (tls_stream_connect(d->io.tls)) {
    case TLS_DONE:
        end(d, NULL);
        return;
    case TLS_WANTS_READ:
        wait_for(d, EV_READ, on_step);
        return;
    case TLS_WANTS_WRITE:
        wait_for(d, EV_WRITE, on_step);
        return;
    case TLS_FAILED:
        break;
    }
    const char *fault = tls_stream_fault(d->io.tls);
    snprintf(d->fault, sizeof d->fault, "%s", fault ? fault : "tls: unknown");
    stop_waiting(d);
    redis_io_close(&d->io);
    try_next(d, d->fault);
}

static void on_step(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    shake_hands(ctx);
}

/* The socket is connected. */
static void begin(struct dial *d)
{
    stop_waiting(d);
    if (!d->conf->is_tls) {
        end(d, NULL);
        return;
    }
    d->io.tls = tls_stream_new(d->conf->tls.client, d->io.fd, d->node->host);
    if (d->io.tls)
        shake_hands(d);
    else
        end(d, "tls: a connection cannot be set up");
}

/* A reason for the errno ERROR, valid until the next one. */
static const char *cannot_connect(struct dial *d, int error)
{
    snprintf(d->fault, sizeof d->fault, "cannot connect: %s", strerror(error));
    return d->fault;
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct dial *d = ctx;
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (!error) {
        begin(d);
        return;
    }
    stop_waiting(d);
    redis_io_close(&d->io);
    try_next(d, cannot_connect(d, error));
}

/* Connects to one address: 0 and D->io is on its way or there; else errno. */
static int connect_to(struct dial *d, unsigned i)
{
    const struct sockaddr *sa = (const struct sockaddr *)&d->addresses[i];
    d->io.fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->io.fd < 0)
        return errno;
    if (sa->sa_family != AF_UNIX)
        set_options(d, d->io.fd);
    if (connect(d->io.fd, sa, d->lengths[i]) == 0 || errno == EINPROGRESS)
        return 0;
    int error = errno; /* a unix socket with a full backlog says EAGAIN: a failure like others */
    redis_io_close(&d->io);
    return error;
}

/* REASON is why the last address failed, NULL before the first. */
static void try_next(struct dial *d, const char *reason)
{
    while (d->tried < d->count) {
        unsigned i = (d->first + d->tried++) % d->count;
        int error = connect_to(d, i);
        if (error) {
            reason = cannot_connect(d, error);
            continue;
        }
        d->first = i + (d->count > 1); /* the next dial starts behind this one */
        wait_for(d, EV_WRITE, on_writable);
        return;
    }
    end(d, reason ? reason : "the host name has no address");
}
