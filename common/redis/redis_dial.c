#include "common/redis/redis_dial.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
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
    *d = (struct dial){.loop = l, .conf = conf, .node = node, .fn = fn, .ctx = ctx, .fd = -1};
}

void redis_dial_start(struct dial *d)
{
    assert(!d->active);
    d->active = true;
    d->count = d->tried = 0;
    loop_defer(d->loop, step, d); /* so that FN never runs before this returns */
}

void redis_dial_stop(struct dial *d)
{
    d->active = false;
    if (d->lookup) {
        d->lookup->owner = NULL;
        evdns_getaddrinfo_cancel(d->lookup->request);
        d->lookup = NULL;
    }
    if (d->writable)
        event_free(d->writable);
    d->writable = NULL;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static void end(struct dial *d, const char *reason)
{
    int fd = reason ? -1 : d->fd;
    if (!reason)
        d->fd = -1;
    redis_dial_stop(d);
    d->fn(d->ctx, fd, reason);
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
    if (!d->active || d->fd >= 0 || d->lookup || d->count)
        return; /* stopped since, or started again and under way */
    if (d->conf->is_tls) {
        end(d, "this program has no TLS to Redis yet");
        return;
    }
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

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct dial *d = ctx;
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    event_free(d->writable);
    d->writable = NULL;
    if (!error) {
        end(d, NULL);
        return;
    }
    close(d->fd);
    d->fd = -1;
    try_next(d, strerror(error));
}

/* Connects to one address: 0 and D->fd is on its way or there; else errno. */
static int connect_to(struct dial *d, unsigned i)
{
    const struct sockaddr *sa = (const struct sockaddr *)&d->addresses[i];
    d->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0)
        return errno;
    if (sa->sa_family != AF_UNIX)
        set_options(d, d->fd);
    if (connect(d->fd, sa, d->lengths[i]) == 0 || errno == EINPROGRESS)
        return 0;
    int error = errno; /* a unix socket with a full backlog says EAGAIN: a failure like others */
    close(d->fd);
    d->fd = -1;
    return error;
}

/* REASON is why the last address failed, NULL before the first. */
static void try_next(struct dial *d, const char *reason)
{
    while (d->tried < d->count) {
        unsigned i = (d->first + d->tried++) % d->count;
        int error = connect_to(d, i);
        if (error) {
            reason = strerror(error);
            continue;
        }
        d->first = i + (d->count > 1); /* the next dial starts behind this one */
        d->writable = event_new(loop_base(d->loop), d->fd, EV_WRITE, on_writable, d);
        if (d->writable && event_add(d->writable, NULL) == 0)
            return;
        reason = "no event";
        break;
    }
    end(d, reason ? reason : "the host name has no address");
}
