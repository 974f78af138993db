#include "common/net/loop.h"

#include "common/base/alloc.h"
#include "common/base/log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The base itself takes no locks (it would on every event_add): what other threads ask for goes
 * through `posted` and an eventfd. libevent's few globals are locked by evthread_use_pthreads. */

#define DRAIN_ROUNDS 1000 /* of calls that defer calls, when the loop ends */

struct call {
    loop_fn fn;
    void *ctx;
};

struct calls {
    struct call *at;
    size_t count, cap;
};

struct signal_handler {
    struct signal_handler *next;
    struct event *event;
    loop_signal_fn fn;
    void *ctx;
};

struct loop { /* owned by the caller of loop_new */
    struct event_base *base;
    struct event *turn;    /* runs what is deferred */
    struct calls deferred; /* waiting */
    struct calls running;  /* the batch being run; kept for its memory */
    bool in_batch;
    struct event *wake; /* the eventfd is readable */
    int wake_fd;
    pthread_mutex_t lock; /* guards posted */
    struct calls posted;
    _Atomic bool stop;
    struct signal_handler *signals;
};

struct loop_timer { /* owned by the caller of loop_timer_new */
    struct event *event;
    loop_fn fn;
    void *ctx;
};

static void on_turn(evutil_socket_t fd, short what, void *ctx);
static void on_wake(evutil_socket_t fd, short what, void *ctx);

static void log_libevent(int severity, const char *msg)
{
    if (severity >= EVENT_LOG_WARN)
        LOG_RARELY(LL_WARN, "libevent.warned", LS("text", msg));
}

static void prepare_process(void)
{
    int rc = evthread_use_pthreads();
    assert(rc == 0);
    (void)rc;
    event_set_log_callback(log_libevent);
    /* A peer that closes must be an error of write(2), not the end of the process. */
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

static void *must(void *p)
{
    if (p)
        return p;
    LOG(LL_ERROR, "loop.failed", LS("reason", strerror(errno)));
    abort();
}

struct loop *loop_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_process);
    struct loop *l = NEW(struct loop);
    struct event_config *conf = must(event_config_new());
    /* Without the cached time, because a timer that counts from the start of a long turn is early.
     */
    event_config_set_flag(conf, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NO_CACHE_TIME |
                                    EVENT_BASE_FLAG_NOLOCK);
    l->base = must(event_base_new_with_config(conf));
    event_config_free(conf);
    pthread_mutex_init(&l->lock, NULL);
    l->turn = must(event_new(l->base, -1, 0, on_turn, l));
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->wake = l->wake_fd < 0
                  ? must(NULL)
                  : must(event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l));
    event_add(l->wake, NULL);
    return l;
}

static void calls_add(struct calls *c, loop_fn fn, void *ctx)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->at = xrealloc(c->at, c->cap, sizeof *c->at);
    }
    c->at[c->count++] = (struct call){fn, ctx};
}

/* Runs what is deferred now; what these calls defer waits for the next batch, so that calls that
 * defer each other for ever do not keep the loop from its sockets. */
static void run_deferred(struct loop *l)
{
    struct calls batch = l->deferred;
    l->deferred = l->running;
    l->in_batch = true;
    for (size_t i = 0; i < batch.count; i++)
        batch.at[i].fn(batch.at[i].ctx);
    l->in_batch = false;
    batch.count = 0;
    l->running = batch;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct loop *l = ctx;
    run_deferred(l);
    if (l->deferred.count)
        event_add(l->turn, &(struct timeval){0, 0}); /* in the next turn, after its sockets */
}

static void run_posted(struct loop *l)
{
    pthread_mutex_lock(&l->lock);
    struct calls batch = l->posted;
    l->posted = (struct calls){0};
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < batch.count; i++)
        batch.at[i].fn(batch.at[i].ctx);
    free(batch.at);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct loop *l = ctx;
    eventfd_t count;
    eventfd_read(fd, &count);
    run_posted(l);
    if (atomic_load(&l->stop))
        event_base_loopbreak(l->base);
}

/* Every call that was promised runs, also at the end: these calls release things. */
static void drain(struct loop *l)
{
    run_posted(l);
    for (int round = 0; l->deferred.count && round < DRAIN_ROUNDS; round++)
        run_deferred(l);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stop)) {
        int rc = event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
        if (rc < 0)
            must(NULL);
        log_flush();
    }
    drain(l);
    log_flush();
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stop, true);
    eventfd_write(l->wake_fd, 1);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    drain(l);
    while (l->signals) {
        struct signal_handler *h = l->signals;
        l->signals = h->next;
        event_free(h->event);
        free(h);
    }
    event_free(l->turn);
    event_free(l->wake);
    close(l->wake_fd);
    event_base_free(l->base);
    pthread_mutex_destroy(&l->lock);
    free(l->deferred.at);
    free(l->running.at);
    free(l->posted.at);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct loop_timer *t = ctx;
    t->fn(t->ctx);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_fn fn, void *ctx)
{
    struct loop_timer *t = NEW(struct loop_timer);
    t->fn = fn;
    t->ctx = ctx;
    t->event = must(event_new(l->base, -1, 0, on_timer, t));
    return t;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->event);
    free(t);
}

void loop_timer_arm(struct loop_timer *t, int64_t us)
{
    if (us < 0)
        us = 0;
    event_add(t->event, &(struct timeval){us / 1000000, us % 1000000});
}

void loop_timer_cancel(struct loop_timer *t)
{
    event_del(t->event);
}

bool loop_timer_armed(const struct loop_timer *t)
{
    return event_pending(t->event, EV_TIMEOUT, NULL) != 0;
}

void loop_defer(struct loop *l, loop_fn fn, void *ctx)
{
    calls_add(&l->deferred, fn, ctx);
    if (l->deferred.count == 1 && !l->in_batch)
        event_active(l->turn, EV_TIMEOUT, 0);
}

void loop_post(struct loop *l, loop_fn fn, void *ctx)
{
    pthread_mutex_lock(&l->lock);
    calls_add(&l->posted, fn, ctx);
    bool first = l->posted.count == 1;
    pthread_mutex_unlock(&l->lock);
    if (first)
        eventfd_write(l->wake_fd, 1);
}

static void on_signal(evutil_socket_t signo, short what, void *ctx)
{
    (void)what;
    struct signal_handler *h = ctx;
    h->fn(h->ctx, (int)signo);
}

void loop_on_signal(struct loop *l, int signo, loop_signal_fn fn, void *ctx)
{
    struct signal_handler *h = NEW(struct signal_handler);
    *h = (struct signal_handler){.next = l->signals, .fn = fn, .ctx = ctx};
    h->event = must(evsignal_new(l->base, signo, on_signal, h));
    event_add(h->event, NULL);
    l->signals = h;
}
