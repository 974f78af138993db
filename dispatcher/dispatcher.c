/* A turn of the loop
 *
 * A dispatcher is one thread with one event loop. Nothing in it waits.
 *
 *   1. Sockets, timers and signals that are ready, in any order
 *        Redis answers     claims become flights, and requests start (deliver_claimed); results are recorded
 *        libcurl's sockets the last check before a request leaves (may_send), and the ends of attempts. Each end
 *                          is a result for Redis, and may turn prefetching on or off
 *        timers            a lane's next moment, a hold that is over, the timeouts of requests, prefetched
 *                          deliveries that waited too long
 *        signals           stop, reload
 *   2. Deferred calls, in the order in which they were asked for
 *        queue_take        send reports (sent.lua), then results (settle.lua), then a claim (claim.lua). In this
 *                          order the claim finds the places free and the lanes' clocks right that this turn changed
 *        deliver           prefetched deliveries start in the places that attempts of this turn left
 *   3. One write to Redis with all of it
 *
 * So the cost of a round trip is shared by everything that happened in the same turn, and a busy dispatcher makes
 * larger batches by itself.
 *
 * How it stops
 *
 *   signal     the readiness probe fails, reconcile stops, no more claims, unsent deliveries go back to the queue
 *   drained    nothing is in flight, Redis has every result and no claim is under way: exit 0
 *   drain_ms   after that time, deliveries that were sent and not answered go back too
 *   timeout    redis.timeout_ms + 1 s later: exit 1. The leases of what Redis does not know run out by themselves
 *   2nd signal exits at once
 */
#include "dispatcher/dispatcher.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/crypto/crypto.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/ops/ops.h"
#include "common/ops/probes.h"
#include "common/program/notify.h"
#include "common/program/program.h"
#include "common/queue/beat.h"
#include "common/queue/queue_stats.h"
#include "common/queue/queue_take.h"
#include "common/queue/shard.h"
#include "common/queue/tail.h"
#include "dispatcher/engine/deliver.h"
#include "dispatcher/pull/reconcile.h"
#include "dispatcher/pull/result_connection.h"
#include "dispatcher/transport/http_transport.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_BYTES 96
#define INSTANCE_BYTES (NAME_BYTES + 9)
#define STOP_SPARE_MS 3000 /* 1 s for Redis to record the results, and 2 s to end */
#define SETTLE_CHECK_US 5000
#define SECONDS(n) ((int64_t)(n)*1000000)
#define SPARE_CONNECTIONS 64 /* kept open in addition to one for each delivery in flight */
#define RECONCILE_CONNECTIONS 8

struct dispatcher { /* Owns all of these; made and freed in this order and its reverse. */
    struct config *conf;
    const char *path;
    char name[NAME_BYTES];         /* host:pid, seen in CLIENT LIST */
    char instance[INSTANCE_BYTES]; /* name:random, which no other process has */
    struct loop *loop;
    struct log_watch *log;
    struct watchdog *watchdog; /* NULL: systemd did not ask for one */
    struct metrics *metrics;
    struct deliver *engine;
    struct shards *shards;
    struct queue_take *queue;
    struct beat *beat;
    struct tail *tail;
    struct result_connection *results;
    struct reconcile *reconcile;
    struct ops *ops;
    struct probes *probes;
    struct queue_stats *stats;
    struct loop_timer *drain_end, *settle_check;
    bool was_ready, stopping, released;
    int exit_code;
};

/* ---- Redis ---- */

static void dispatcher_on_ready(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_on_ready(d->queue, s);
}

static void dispatcher_on_change(void *ctx)
{
    struct dispatcher *d = ctx;
    if (d->was_ready || !shards_serve(d->shards))
        return;
    d->was_ready = true;
    if (!d->stopping)
        notify_status("Sends");
    LOG(LL_INFO, "ready", LS("version", HOOKPACE_VERSION), LS("config", d->conf->digest));
}

static void dispatcher_on_lost(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_on_lost(d->queue, s);
}

static void dispatcher_on_wake(void *ctx, struct shard *s)
{
    struct dispatcher *d = ctx;
    queue_take_wake(d->queue, s);
}

static void dispatcher_on_lifeline(void *ctx, struct shard *s, bool is_up)
{
    struct dispatcher *d = ctx;
    queue_take_on_lifeline(d->queue, s, is_up);
}

/* ---- stop ---- */

/* Nothing in flight, every result recorded, and no claim on its way from Redis. */
static void dispatcher_finish_if_settled(void *ctx)
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

/* Called twice: first when requests have had drain_ms to finish, then when Redis has had time to record the results. */
static void dispatcher_on_drain_end(void *ctx)
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

static void dispatcher_on_stop(void *ctx, int signo)
{
    struct dispatcher *d = ctx;
    if (d->stopping) {
        LOG(LL_WARN, "stop.forced", LI("signal", signo),
            LI("in_flight", deliver_in_flight(d->engine)));
        _exit(EXIT_STOPPED); /* leases end by themselves */
    }
    d->stopping = true;
    notify_stopping((d->conf->dispatcher.drain_ms + d->conf->redis.timeout_ms + STOP_SPARE_MS) *
                    1000);
    LOG(LL_INFO, "stop.begun", LI("signal", signo), LI("in_flight", deliver_in_flight(d->engine)));
    reconcile_stop(d->reconcile);
    queue_take_on_settled(d->queue, dispatcher_finish_if_settled, d);
    loop_timer_arm(d->drain_end, d->conf->dispatcher.drain_ms * 1000);
    deliver_drain(d->engine, dispatcher_finish_if_settled, d);
}

/* ---- transports: the only place that chooses their implementation ---- */

struct transports {
    struct transport *deliveries, *reconcile;
};

static struct transport *transport_for(struct dispatcher *d, const struct config *conf,
                                       size_t connections)
{
    struct http_transport_options options = {.connections_max = connections,
                                             .proxy = conf->dispatcher.proxy};
    return http_transport_new(d->loop, &options);
}

/* Opens all transports for CONF, or none. */
static enum err transports_open(struct dispatcher *d, const struct config *conf,
                                struct transports *out)
{
    out->deliveries = transport_for(d, conf, conf->dispatcher.concurrency + SPARE_CONNECTIONS);
    out->reconcile = transport_for(d, conf, RECONCILE_CONNECTIONS);
    if (out->deliveries && out->reconcile)
        return OK;
    transport_close(out->deliveries);
    transport_close(out->reconcile);
    return ERR_UNAVAIL;
}

/* ---- reload ---- */

/* Everything that can fail comes first, so that a configuration is applied as a whole or not at all. */
static bool dispatcher_reload(struct dispatcher *d)
{
    struct transports transports;
    static const char *const sections[] = {"redis", "dispatcher", NULL};
    struct config *conf = program_reload(d->path, d->conf, sections);
    families_reloaded(d->metrics, conf != NULL);
    if (!conf)
        return false;
    if (transports_open(d, conf, &transports) != OK) {
        families_reloaded(d->metrics, false);
        LOG(LL_ERROR, "config.not_applied", LS("reason", "the HTTP client does not start"));
        config_unref(conf);
        return false;
    }
    result_connection_set_config(d->results, conf);
    deliver_set_config(d->engine, conf, transports.deliveries);
    reconcile_set_config(d->reconcile, conf, transports.reconcile);
    queue_take_set_config(d->queue, conf);
    beat_set_config(d->beat, conf);
    bool is_same = config_is_same(d->conf, conf);
    config_unref(d->conf);
    d->conf = conf;
    LOG(LL_INFO, "config.reloaded", LS("file", d->path), LS("digest", conf->digest),
        LT("unchanged", is_same));
    return true;
}

static void dispatcher_on_reload(void *ctx, int signo)
{
    struct dispatcher *d = ctx;
    (void)signo;
    if (!d->stopping)
        notify_reloading();
    bool is_done = dispatcher_reload(d);
    if (!d->stopping)
        notify_ready(is_done ? "Sends" : NOTIFY_REFUSED);
}

/* ---- operators ---- */

static void dispatcher_check_ready(void *ctx, struct ops_call *c)
{
    struct dispatcher *d = ctx;
    if (d->stopping)
        probes_unready(c, "draining", "the dispatcher is stopping");
    else if (!shards_serve(d->shards))
        probes_unready(c, "queue_unavailable",
                       shards_trouble(d->shards) ? shards_trouble(d->shards)
                                                 : "Redis does not answer");
    else
        probes_ready(c, shards_warning(d->shards));
}

static void dispatcher_refresh(void *ctx, probes_done done, void *done_ctx)
{
    struct dispatcher *d = ctx;
    queue_stats_read(d->stats, d->conf, done, done_ctx);
}

static enum err dispatcher_open_ops(struct dispatcher *d, struct error *e)
{
    struct probes_setup probes = {.metrics = d->metrics,
                                  .check_ready = dispatcher_check_ready,
                                  .refresh = dispatcher_refresh,
                                  .ctx = d};
    struct ops_setup setup = {.listen = d->conf->dispatcher.listen,
                              .limits = {.uri_max = 2048,
                                         .headers_max = 16 * 1024,
                                         .header_count_max = 100,
                                         .body_max = 1024,
                                         .header_timeout_us = SECONDS(10),
                                         .body_timeout_us = SECONDS(10),
                                         .idle_timeout_us = SECONDS(75),
                                         .connections_max = 64}};
    enum err rc = ops_open(d->loop, &setup, &d->ops, e);
    if (rc != OK)
        return rc;
    d->probes = probes_new(&probes);
    probes_add(d->probes, d->ops);
    LOG(LL_INFO, "listening", LS("address", ops_addr(d->ops)), LS("for", "dispatcher"));
    return OK;
}

/* ---- start ---- */

static size_t dispatcher_count_inflight(void *ctx)
{
    struct dispatcher *d = ctx;
    return deliver_in_flight(d->engine);
}

static void dispatcher_make_name(struct dispatcher *d)
{
    char host[64] = "localhost";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    struct buf name;
    buf_init(&name, NAME_BYTES - 1);
    buf_addf(&name, "%s:%d", host, (int)getpid());
    memcpy(d->name, name.ptr, name.len + 1);
    uint32_t random;
    crypto_random(&random, sizeof random);
    snprintf(d->instance, sizeof d->instance, "%s:%08x", d->name, random);
    buf_clear(&name);
}

/* The watchdog's timer runs in the loop, so the loop turns. */
static bool dispatcher_is_alive(void *ctx)
{
    (void)ctx;
    return true;
}

/* Signals, and what systemd hears. */
static void dispatcher_open_process(struct dispatcher *d)
{
    loop_on_signal(d->loop, SIGTERM, dispatcher_on_stop, d);
    loop_on_signal(d->loop, SIGINT, dispatcher_on_stop, d);
    loop_on_signal(d->loop, SIGHUP, dispatcher_on_reload, d);
    notify_ready("Started, and waits for Redis");
    d->watchdog = watchdog_new(d->loop, dispatcher_is_alive, d);
}

static enum err dispatcher_begin(struct dispatcher *d, struct error *e)
{
    dispatcher_make_name(d);
    d->loop = loop_new();
    d->log = program_watch_log(d->loop);
    d->metrics = families_metrics("hookpace-dispatcher", HOOKPACE_VERSION);
    struct transports transports;
    enum err rc = transports_open(d, d->conf, &transports);
    if (rc != OK)
        return fail(e, rc, "the HTTP client does not start");
    d->engine = deliver_new(d->loop, d->conf, transports.deliveries, d->metrics);
    struct shard_events events = {.on_ready = dispatcher_on_ready,
                                  .on_lost = dispatcher_on_lost,
                                  .on_change = dispatcher_on_change,
                                  .on_wake = dispatcher_on_wake,
                                  .on_lifeline = dispatcher_on_lifeline,
                                  .ctx = d,
                                  .instance = d->instance};
    d->shards = shards_new(d->loop, &d->conf->redis, d->name, &events);
    d->stats = queue_stats_new(d->loop, d->shards, d->metrics);
    struct take_handler handler = {
        .on_claimed = deliver_claimed, .on_rooms = deliver_list_rooms, .ctx = d->engine};
    d->queue = queue_take_new(d->loop, d->shards, d->conf, d->metrics, &handler);
    deliver_set_queue(d->engine, d->queue);
    struct beat_setup beat = {.program = "dispatcher",
                              .version = HOOKPACE_VERSION,
                              .metrics = d->metrics,
                              .count_inflight = dispatcher_count_inflight,
                              .ctx = d};
    d->beat = beat_new(d->loop, d->shards, d->conf, &beat);
    d->tail = tail_new(d->loop, d->shards);
    deliver_set_tail(d->engine, d->tail);
    d->results = result_connection_new(d->loop, d->conf, d->name);
    deliver_set_results(d->engine, d->results);
    d->reconcile = reconcile_new(d->loop, d->conf, d->results, transports.reconcile);
    d->drain_end = loop_timer_new(d->loop, dispatcher_on_drain_end, d);
    d->settle_check = loop_timer_new(d->loop, dispatcher_finish_if_settled, d);
    rc = dispatcher_open_ops(d, e);
    if (rc != OK)
        return rc;
    dispatcher_open_process(d);
    return OK;
}

/* Runs the calls that were deferred before the loop ended. */
static void dispatcher_run_deferred(struct dispatcher *d)
{
    loop_stop(d->loop);
    loop_run(d->loop);
}

static void dispatcher_end(struct dispatcher *d)
{
    ops_close(d->ops);
    reconcile_free(d->reconcile);
    deliver_free(d->engine);
    if (d->results) {
        dispatcher_run_deferred(
            d); /* pending puts reach the connection, and result_connection_close ends it */
        result_connection_close(d->results);
    }
    if (d->queue)
        queue_take_stop(d->queue);
    shards_free(d->shards);
    dispatcher_run_deferred(d);
    queue_stats_free(d->stats);
    probes_free(d->probes); /* Redis is gone: no refresh is under way */
    beat_free(d->beat);
    queue_take_free(d->queue);
    tail_free(d->tail);
    result_connection_free(d->results);
    loop_timer_free(d->drain_end);
    loop_timer_free(d->settle_check);
    metrics_free(d->metrics);
    watchdog_free(d->watchdog);
    program_end_watch(d->log);
    loop_free(d->loop);
    config_unref(d->conf);
}

int dispatcher_run(struct config *conf, const char *path)
{
    struct dispatcher d = {.conf = conf, .path = path, .exit_code = EXIT_STOPPED};
    struct error e = {{0}};
    if (dispatcher_begin(&d, &e) == OK) {
        loop_run(d.loop);
    } else {
        LOG(LL_ERROR, "start.failed", LS("reason", e.text));
        d.exit_code = EXIT_RUNTIME;
    }
    dispatcher_end(&d);
    return d.exit_code;
}
