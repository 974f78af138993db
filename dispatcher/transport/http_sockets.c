#include "dispatcher/transport/http_sockets.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One of KEPT_SHARE files that the process may open, but at least KEPT_MIN and at most KEPT_MAX files, stay free for what
 * is no downstream. An idle dispatcher has 17 open: the standard ones, the loop's and libcurl's own, its listener, the
 * socket that tells others that it lives, and three connections to Redis. An operator's connection, a name lookup and
 * a file need one more each for a moment. */
#define KEPT_SHARE 8
#define KEPT_MIN 20
#define KEPT_MAX 320

struct socket_watch { /* Of one descriptor number. It lives as long as the table. */
    struct http_sockets *table;
    struct event *event; /* made when first needed */
    short watched;       /* EV_READ, EV_WRITE: in the event base */
    short wanted;        /* a part of it */
    bool is_ours;        /* made here, so http_sockets_close is called before it is closed */
};

struct http_sockets { /* Owned by its transport. */
    struct loop *loop;
    http_socket_fn fn;
    void *ctx;
    struct socket_watch **watches; /* by descriptor */
    size_t cap;
    unsigned open; /* made here and not closed yet */
};

struct http_sockets *http_sockets_new(struct loop *l, http_socket_fn fn, void *ctx)
{
    struct http_sockets *s = NEW(struct http_sockets);
    s->loop = l;
    s->fn = fn;
    s->ctx = ctx;
    return s;
}

void http_sockets_free(struct http_sockets *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->cap; i++) {
        if (s->watches[i] && s->watches[i]->event)
            event_free(s->watches[i]->event);
        free(s->watches[i]);
    }
    free(s->watches);
    free(s);
}

static struct socket_watch *socket_watch_of(struct http_sockets *s, int fd)
{
    size_t i = (size_t)fd;
    if (i >= s->cap) {
        size_t cap = i < 64 ? 64 : i * 2;
        s->watches = xrealloc(s->watches, cap, sizeof(struct socket_watch *));
        memset(s->watches + s->cap, 0, (cap - s->cap) * sizeof(struct socket_watch *));
        s->cap = cap;
    }
    if (!s->watches[i]) {
        s->watches[i] = NEW(struct socket_watch);
        s->watches[i]->table = s;
    }
    return s->watches[i];
}

static void socket_watch_stop(struct socket_watch *w)
{
    if (w->event && w->watched)
        event_del(w->event);
    w->watched = 0;
}

static void socket_watch_on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct socket_watch *w = ctx;
    short happened = what & w->wanted;
    if (happened)
        w->table->fn(w->table->ctx, fd, happened & EV_READ, happened & EV_WRITE);
    else
        socket_watch_stop(
            w); /* the server closed an idle connection: libcurl notices when it wants to use it */
}

static unsigned sockets_max(void)
{
    unsigned all = process_files_max(), kept = all / KEPT_SHARE;
    if (kept < KEPT_MIN)
        kept = KEPT_MIN;
    if (kept > KEPT_MAX)
        kept = KEPT_MAX;
    return all > kept ? all - kept : 1;
}

int http_sockets_open(struct http_sockets *s, int family, int type, int protocol)
{
    if (s->open >= sockets_max()) {
        errno = EMFILE;
        return -1;
    }
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0)
        return -1;
    s->open++;
    struct socket_watch *w = socket_watch_of(s, fd);
    socket_watch_stop(w);
    w->wanted = 0;
    w->is_ours = true;
    return fd;
}

int http_sockets_close(struct http_sockets *s, int fd)
{
    struct socket_watch *w = socket_watch_of(s, fd);
    socket_watch_stop(w);
    w->wanted = 0;
    s->open -= w->is_ours;
    w->is_ours = false;
    return close(fd);
}

static void socket_watch_start(struct http_sockets *s, struct socket_watch *w, int fd)
{
    socket_watch_stop(w);
    short what = (short)(w->wanted | EV_PERSIST);
    if (!w->event)
        w->event = event_new(loop_base(s->loop), fd, what, socket_watch_on_event, w);
    else
        event_assign(w->event, loop_base(s->loop), fd, what, socket_watch_on_event, w);
    if (w->event && event_add(w->event, NULL) == 0)
        w->watched = w->wanted;
    else
        LOG_RARELY(LL_ERROR, "socket.unwatched", LI("fd", fd)); /* its request will time out */
}

void http_sockets_want(struct http_sockets *s, int fd, bool readable, bool writable)
{
    struct socket_watch *w = socket_watch_of(s, fd);
    w->wanted = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    if (w->wanted == w->watched)
        return;
    if (w->wanted)
        socket_watch_start(s, w, fd);
    else if (!w->is_ours || w->watched != EV_READ)
        socket_watch_stop(w);
}
