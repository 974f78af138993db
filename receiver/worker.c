#include "receiver/worker.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/queue/queue_put.h"
#include "common/queue/shard.h"
#include "common/queue/tail.h"
#include "receiver/ingest/ingest.h"
#include "receiver/limits.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct worker {
    struct worker_setup setup;
    struct loop *loop;
    struct shards *shards;
    struct queue_put *put;
    struct tail *tail;
    struct ingest *ingest;
    struct http_server *http;
    _Atomic bool is_ready;
    pthread_t thread;
    bool is_started;
};

static void worker_on_change(void *ctx)
{
    struct worker *w = ctx;
    bool is_ready = shards_serve(w->shards);
    if (atomic_exchange(&w->is_ready, is_ready) != is_ready && is_ready)
        w->setup.on_ready(w->setup.ctx);
}

enum err worker_new(const struct worker_setup *setup, struct worker **out, struct error *e)
{
    struct worker *w = NEW(struct worker);
    struct config *conf = setup->conf;
    w->setup = *setup;
    w->loop = loop_new();
    struct shard_events events = {.on_change = worker_on_change, .ctx = w};
    w->shards = shards_new(w->loop, &conf->redis, "hookpace-receiver", &events);
    w->put = queue_put_new(w->loop, w->shards, conf);
    w->tail = tail_new(w->loop, w->shards);
    w->ingest = ingest_new(w->loop, w->shards, w->put, w->tail, setup->metrics, conf);
    struct http_limits limits = limits_of_worker(conf);
    struct http_handler handler = ingest_handler(w->ingest);
    enum err rc = http_server_open(w->loop, setup->listen, &limits, setup->budget, setup->tls,
                                   &handler, &w->http, e);
    if (rc != OK) {
        worker_free(w);
        return rc;
    }
    *out = w;
    return OK;
}

const char *worker_addr(const struct worker *w)
{
    return http_server_addr(w->http);
}

static void *worker_run(void *ctx)
{
    struct worker *w = ctx;
    loop_run(w->loop);
    return NULL;
}

enum err worker_start(struct worker *w, struct error *e)
{
    sigset_t all, before;
    sigfillset(&all); /* the main thread takes the signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, worker_run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return fail(e, ERR_IO, "cannot start a thread: %s", strerror(rc));
    w->is_started = true;
    return OK;
}

bool worker_is_ready(const struct worker *w)
{
    return atomic_load(&w->is_ready);
}

size_t worker_waiting(const struct worker *w)
{
    return ingest_waiting(w->ingest);
}

struct new_config {
    struct worker *worker;
    struct config *conf;
};

static void worker_take_config(void *ctx)
{
    struct new_config *n = ctx;
    struct http_limits limits = limits_of_worker(n->conf);
    http_server_set_limits(n->worker->http, &limits);
    queue_put_set_config(n->worker->put, n->conf);
    ingest_set_config(n->worker->ingest, n->conf);
    config_unref(n->conf);
    free(n);
}

void worker_set_config(struct worker *w, struct config *conf)
{
    struct new_config *n = NEW(struct new_config);
    n->worker = w;
    n->conf = config_ref(conf);
    loop_post(w->loop, worker_take_config, n);
}

void worker_call(struct worker *w, void (*fn)(void *ctx), void *ctx)
{
    loop_post(w->loop, fn, ctx);
}

struct taken {
    struct worker *worker;
    int fd;
    struct addr peer;
};

static void worker_take_here(void *ctx)
{
    struct taken *t = ctx;
    http_server_take_inside(t->worker->http, t->fd, &t->peer);
    free(t);
}

void worker_take(struct worker *w, int fd, const struct addr *peer)
{
    struct taken *t = NEW(struct taken);
    *t = (struct taken){w, fd, *peer};
    loop_post(w->loop, worker_take_here, t);
}

static void worker_retire_here(void *ctx)
{
    struct worker *w = ctx;
    http_server_retire(w->http);
}

void worker_retire(struct worker *w)
{
    loop_post(w->loop, worker_retire_here, w);
}

static void worker_drained(void *ctx)
{
    struct worker *w = ctx;
    w->setup.on_drained(w->setup.ctx);
}

static void worker_drain_here(void *ctx)
{
    struct worker *w = ctx;
    http_server_drain(w->http, worker_drained, w);
}

void worker_drain(struct worker *w)
{
    loop_post(w->loop, worker_drain_here, w);
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->is_started) {
        loop_stop(w->loop);
        pthread_join(w->thread, NULL);
    }
    if (w->http)
        http_server_close(w->http);
    shards_free(w->shards); /* ends the webhooks that wait for Redis */
    queue_put_free(w->put);
    ingest_free(w->ingest);
    tail_free(w->tail);
    loop_free(w->loop);
    free(w);
}
