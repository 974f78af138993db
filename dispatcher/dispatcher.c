#include "dispatcher/dispatcher.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/config/program.h"
#include "common/net/loop.h"
#include "common/queue/queue_take.h"
#include "common/queue/shard.h"
#include "dispatcher/engine/deliver.h"
#include "dispatcher/listener.h"
#include "dispatcher/pull/pull.h"
#include "dispatcher/pull/reconcile.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_BYTES 96
#define SETTLE_CHECK_US 5000

struct dispatcher { /* Owns all of these; made and freed in this order and its reverse. */
    struct config *conf;
    const char *path;
    char name[NAME_BYTES]; /* host:pid, seen in CLIENT LIST */
    struct loop *loop;
    struct metrics *metrics;
    struct deliver *engine;
    struct shards *shards;
    struct queue_take *queue;
    struct pull *pull;
    struct reconcile *reconcile;
    struct listener *listener;
    struct loop_timer *drain_end, *settle_check;
    bool was_ready, stopping, released;
    int exit_code;
};

/* ---- Redis ---- */

static void on_ready(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_on_ready(d->queue, s);
    if (d->was_ready || !shards_ready(d->shards))
        return;
    d->was_ready = true;
    LOG(LL_INFO, "ready", LS("version", HOOKPACE_VERSION));
}

static void on_lost(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_on_lost(d->queue, s);
}

static void on_wake(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_wake(d->queue, s);
}

/* ---- stop ---- */

/* Nothing in flight, every result recorded, and no claim on its way from Redis. */
static void finish_if_settled(void *ctx)
{
    struct dispatcher *d = ctx;
    if (!d->stopping || deliver_in_flight(d->engine) || queue_take_unsettled(d->queue))
        return;
    if (shards_pending(d->shards)) {
        loop_timer_arm(d->settle_check, SETTLE_CHECK_US);
        return;
    }
    LOG(LL_INFO, "stopped", LI("exit", d->exit_code));
    loop_stop(d->loop);
}

/* First the time for requests on their way is over, then the time to tell Redis what became of
 * them. */
static void on_drain_end(void *ctx)
{
    struct dispatcher *d = ctx;
    if (!d->released) {
        d->released = true;
        LOG(LL_WARN, "drain.over", LI("handed_back", deliver_in_flight(d->engine)));
        loop_timer_arm(d->drain_end, (d->conf->redis.timeout_ms + 1000) * 1000);
        deliver_release_all(d->engine);
        return;
    }
    LOG(LL_ERROR, "drain.unrecorded", LI("results", queue_take_unsettled(d->queue)),
        LS("reason", "Redis did not take them; their leases will end"));
    d->exit_code = EXIT_RUNTIME;
    loop_stop(d->loop);
}

static void on_stop_signal(void *ctx, int signo)
{
    struct dispatcher *d = ctx;
    if (d->stopping) {
        LOG(LL_WARN, "stop.forced", LI("signal", signo),
            LI("in_flight", deliver_in_flight(d->engine)));
        _exit(EXIT_STOPPED); /* leases end by themselves */
    }
    d->stopping = true;
    LOG(LL_INFO, "stop.begun", LI("signal", signo), LI("in_flight", deliver_in_flight(d->engine)));
    listener_set_draining(d->listener);
    reconcile_stop(d->reconcile);
    queue_take_on_settled(d->queue, finish_if_settled, d);
    loop_timer_arm(d->drain_end, d->conf->dispatcher.drain_ms * 1000);
    deliver_drain(d->engine, finish_if_settled, d);
}

/* ---- reload ---- */

static void on_reload_signal(void *ctx, int signo)
{
    struct dispatcher *d = ctx;
    (void)signo;
    struct config *conf = program_reload(d->path, d->conf);
    if (!conf)
        return;
    pull_set_config(d->pull, conf);
    if (deliver_set_config(d->engine, conf) != OK ||
        reconcile_set_config(d->reconcile, conf) != OK) {
        LOG(LL_ERROR, "config.not_applied", LS("reason", "the HTTP client does not start"));
        config_unref(conf);
        return;
    }
    program_tell_restart("dispatcher.listen", d->conf->dispatcher.listen, conf->dispatcher.listen);
    queue_take_set_config(d->queue, conf);
    listener_set_config(d->listener, conf);
    config_unref(d->conf);
    d->conf = conf;
    LOG(LL_INFO, "config.reloaded", LS("file", d->path));
}

/* ---- start ---- */

static void make_name(struct dispatcher *d)
{
    char host[64] = "localhost";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    struct buf name;
    buf_init(&name, NAME_BYTES - 1);
    buf_addf(&name, "%s:%d", host, (int)getpid());
    memcpy(d->name, name.ptr, name.len + 1);
    buf_clear(&name);
}

static enum err begin(struct dispatcher *d, struct error *e)
{
    make_name(d);
    d->loop = loop_new();
    d->metrics = metrics_new();
    enum err rc = deliver_new(d->loop, d->conf, d->metrics, &d->engine);
    if (rc != OK)
        return fail(e, rc, "the HTTP client does not start");
    struct shard_events events = {
        .on_ready = on_ready, .on_lost = on_lost, .on_wake = on_wake, .ctx = d};
    d->shards = shards_new(d->loop, &d->conf->redis, d->name, &events);
    struct take_handler handler = {.on_claimed = deliver_claimed, .ctx = d->engine};
    d->queue = queue_take_new(d->loop, d->shards, d->conf, d->metrics, &handler);
    deliver_set_queue(d->engine, d->queue);
    d->pull = pull_new(d->loop, d->conf, d->name);
    deliver_set_pull(d->engine, d->pull);
    rc = reconcile_new(d->loop, d->conf, d->pull, &d->reconcile);
    if (rc != OK)
        return fail(e, rc, "the HTTP client does not start");
    d->drain_end = loop_timer_new(d->loop, on_drain_end, d);
    d->settle_check = loop_timer_new(d->loop, finish_if_settled, d);
    rc = listener_open(d->loop, d->conf, d->shards, d->metrics, &d->listener, e);
    if (rc != OK)
        return rc;
    loop_on_signal(d->loop, SIGTERM, on_stop_signal, d);
    loop_on_signal(d->loop, SIGINT, on_stop_signal, d);
    loop_on_signal(d->loop, SIGHUP, on_reload_signal, d);
    return OK;
}

/* What was deferred to the next turn of a loop that has ended. */
static void run_deferred(struct dispatcher *d)
{
    loop_stop(d->loop);
    loop_run(d->loop);
}

static void end(struct dispatcher *d)
{
    listener_close(d->listener);
    reconcile_free(d->reconcile);
    deliver_free(d->engine);
    if (d->pull) {
        run_deferred(d); /* what is to be put is given to the connection, which ends it */
        pull_close(d->pull);
    }
    if (d->queue)
        queue_take_stop(d->queue);
    shards_free(d->shards);
    run_deferred(d);
    queue_take_free(d->queue);
    pull_free(d->pull);
    loop_timer_free(d->drain_end);
    loop_timer_free(d->settle_check);
    metrics_free(d->metrics);
    loop_free(d->loop);
    config_unref(d->conf);
}

int dispatcher_run(struct config *conf, const char *path)
{
    struct dispatcher d = {.conf = conf, .path = path, .exit_code = EXIT_STOPPED};
    struct error e = {{0}};
    if (begin(&d, &e) == OK) {
        loop_run(d.loop);
    } else {
        LOG(LL_ERROR, "start.failed", LS("reason", e.text));
        d.exit_code = EXIT_RUNTIME;
    }
    end(&d);
    return d.exit_code;
}
