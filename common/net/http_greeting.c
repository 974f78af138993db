/* A connection before its first byte of HTTP or TLS: it has to begin with a PROXY header.
 *
 * The bytes are peeked at, and only those of the header are taken off the socket. So what follows is the connection's,
 * whether it speaks TLS or not. A greeting does not count in the server's connections. Exception: of more than GREETINGS_MAX
 * greetings the oldest one ends, because an honest proxy sends its header at once. */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/net/http_private.h"
#include "common/net/proxy_header.h"

enum { GREETINGS_MAX = 1024, FIRST_BYTES = 256 };

struct greeting { /* Owned by its server. */
    struct list_link link;
    struct http_server *server;
    struct event *event;
    struct addr peer;
    mono_us until;
    int fd; /* -1: passed on */
    char *bytes;
    size_t len, cap;
};

static void greeting_free(struct greeting *g)
{
    list_remove(&g->link);
    g->server->greeting_count--;
    event_free(g->event);
    if (g->fd >= 0)
        close(g->fd);
    free(g->bytes);
    free(g);
}

static void greeting_refuse(struct greeting *g, const char *why)
{
    char peer[ADDR_TEXT];
    addr_text(&g->peer, peer);
    LOG_RARELY(LL_WARN, "proxy.refused", LS("why", why), LS("peer", peer));
    if (g->server->handler.on_refused)
        g->server->handler.on_refused("bad_request", g->server->handler.ctx);
    greeting_free(g);
}

static void greeting_wait(struct greeting *g)
{
    int64_t us = g->until - clock_mono_us();
    if (us < 0)
        us = 0;
    struct timeval left = {us / 1000000, us % 1000000};
    if (event_add(g->event, &left) != 0)
        greeting_refuse(g, "the event loop takes no more");
}

/* Takes N bytes off the socket, which were peeked at before. */
static bool take_off(struct greeting *g, size_t n)
{
    char dropped[PROXY_V2_MAX];
    return n == 0 || recv(g->fd, dropped, n, MSG_DONTWAIT) == (ssize_t)n;
}

static void pass_on(struct greeting *g, const struct proxy_header *header)
{
    struct http_server *s = g->server;
    struct addr client = header->client.family ? header->client : g->peer;
    int fd = g->fd;
    g->fd = -1;
    greeting_free(g);
    server_take(s, fd, &client, s->tls);
}

static void greeting_read(struct greeting *g)
{
    struct proxy_header header;
    const char *why = NULL;
    size_t before = g->len;
    ssize_t n = recv(g->fd, g->bytes + g->len, g->cap - g->len, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        greeting_wait(g);
        return;
    }
    if (n <= 0) {
        if (g->len)
            greeting_refuse(g, "the connection ended within its PROXY header");
        else
            greeting_free(g); /* a probe of the port */
        return;
    }
    g->len += (size_t)n;
    enum proxy_verdict v = proxy_header_read(slice_make(g->bytes, g->len), &header, &why);
    if (v == PROXY_MORE && g->len == g->cap && g->cap < PROXY_V2_MAX) {
        g->cap = PROXY_V2_MAX;
        g->bytes = xrealloc(g->bytes, g->cap, 1);
    }
    if (v == PROXY_BAD)
        greeting_refuse(g, why);
    else if (!take_off(g, (v == PROXY_DONE ? header.len : g->len) - before))
        greeting_refuse(g, "the connection broke within its PROXY header");
    else if (v == PROXY_DONE)
        pass_on(g, &header);
    else
        greeting_wait(g);
}

static void greeting_on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct greeting *g = ctx;
    struct http_server *s = g->server;
    (void)fd;
    if (what & EV_READ)
        greeting_read(g);
    else if (s->draining)
        greeting_free(g);
    else
        greeting_refuse(g, "the PROXY header did not arrive in time");
    server_check_drained(s);
}

void greeting_begin(struct http_server *s, int fd, const struct addr *peer)
{
    struct greeting *oldest = LIST_FIRST(&s->greetings, struct greeting, link);
    if (oldest && s->greeting_count >= GREETINGS_MAX)
        greeting_refuse(oldest, "too many connections wait to send a PROXY header");
    struct greeting *g = NEW(struct greeting);
    g->server = s;
    g->fd = fd;
    g->peer = *peer;
    g->until = clock_mono_us() + s->limits.header_timeout_us;
    g->cap = FIRST_BYTES;
    g->bytes = xcalloc(g->cap, 1);
    g->event = event_new(s->base, fd, EV_READ, greeting_on_event, g);
    assert(g->event);
    list_add_last(&s->greetings, &g->link);
    s->greeting_count++;
    greeting_wait(g);
}

void greetings_hurry(struct http_server *s, int64_t us)
{
    LIST_EACH (at, &s->greetings) {
        struct greeting *g = LIST_ITEM(at, struct greeting, link);
        g->until = clock_mono_us() + us;
        struct timeval left = {us / 1000000, us % 1000000};
        event_add(g->event, &left);
    }
}

void greetings_end(struct http_server *s)
{
    for (struct greeting *g; (g = LIST_TAKE_FIRST(&s->greetings, struct greeting, link));)
        greeting_free(g);
}
