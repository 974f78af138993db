#include "receiver/receiver.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "common/ops/families.h"
#include "common/program/notify.h"
#include "common/program/program.h"
#include "receiver/admin.h"
#include "receiver/limits.h"
#include "receiver/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define STOP_SPARE_MS 2000

enum listener { LISTENER_INGEST, LISTENER_ADMIN, LISTENER_API, LISTENERS };

static const char *const listener_names[] = {
    [LISTENER_INGEST] = "ingest", [LISTENER_ADMIN] = "admin", [LISTENER_API] = "api"};

struct receiver { /* Owns everything. Members start in this order and stop in the reverse. */
    const char *path;
    struct config *conf;
    struct log_watch *log;
    struct watchdog *watchdog; /* NULL: systemd did not ask for one */
    struct loop *loop;         /* of the main thread: signals, the admin and the API listener */
    struct metrics *metrics;
    struct http_budget budget;
    struct tls_server *tls[LISTENERS]; /* NULL: the listener speaks plain HTTP */
    struct admin *admin;
    struct worker **workers;
    unsigned worker_count;
    unsigned draining; /* workers and the API's listener, while they have connections */
    unsigned silent;   /* workers that have not answered since the last sign of life */
    struct loop_timer *grace;
    bool is_stopping, was_ready;
};

/* --- on the main thread --- */

static bool workers_are_ready(void *ctx)
{
    struct receiver *r = ctx;
    for (unsigned i = 0; i < r->worker_count; i++)
        if (!worker_is_ready(r->workers[i]))
            return false;
    return true;
}

static size_t receiver_count_waiting(void *ctx)
{
    struct receiver *r = ctx;
    size_t n = 0;
    for (unsigned i = 0; i < r->worker_count; i++)
        n += worker_waiting(r->workers[i]);
    return n;
}

static void check_ready(void *ctx)
{
    struct receiver *r = ctx;
    if (r->was_ready || !admin_is_ready(r->admin) || !workers_are_ready(r))
        return;
    r->was_ready = true;
    if (!r->is_stopping)
        notify_status("Serves");
    LOG(LL_INFO, "ready", LS("version", HOOKPACE_VERSION), LS("config", r->conf->digest),
        LI("threads", r->worker_count), LS("redis", r->conf->redis.shown));
}

static void end_loop(void *ctx)
{
    struct receiver *r = ctx;
    loop_stop(r->loop);
}

/* The operators' listener is the last to close, so that probes see the drain. */
static void count_drained(void *ctx)
{
    struct receiver *r = ctx;
    if (--r->draining == 0)
        admin_drain(r->admin, end_loop, r);
}

/* --- posted by the workers --- */

static void on_worker_ready(void *ctx)
{
    struct receiver *r = ctx;
    loop_post(r->loop, check_ready, r);
}

static void on_worker_drained(void *ctx)
{
    struct receiver *r = ctx;
    loop_post(r->loop, count_drained, r);
}

static void count_alive(void *ctx)
{
    struct receiver *r = ctx;
    r->silent--;
}

static void on_worker_alive(void *ctx)
{
    struct receiver *r = ctx;
    loop_post(r->loop, count_alive, r);
}

/* True if all workers have answered since the last call. Asks them again. */
static bool receiver_is_alive(void *ctx)
{
    struct receiver *r = ctx;
    if (r->silent)
        return false;
    r->silent = r->worker_count;
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_call(r->workers[i], on_worker_alive, r);
    return true;
}

/* --- signals --- */

/* A request that has just begun may take all of this. */
static int64_t time_to_stop_us(const struct config *c)
{
    return (c->receiver.grace_ms + c->receiver.header_timeout_ms + c->receiver.body_timeout_ms +
            c->redis.timeout_ms + STOP_SPARE_MS) *
           1000;
}

/* The time for new requests is over: the receiver answers what it has. */
static void receiver_drain(void *ctx)
{
    struct receiver *r = ctx;
    LOG(LL_INFO, "drain.begun", LI("threads", r->worker_count));
    r->draining = r->worker_count + 1;
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_drain(r->workers[i]);
    admin_drain_api(r->admin, count_drained, r);
}

static void receiver_on_stop(void *ctx, int signo)
{
    struct receiver *r = ctx;
    int64_t grace_ms = r->conf->receiver.grace_ms;
    if (r->is_stopping) {
        LOG(LL_WARN, "stop.forced", LI("signal", signo));
        _exit(EXIT_STOPPED);
    }
    r->is_stopping = true;
    notify_stopping(time_to_stop_us(r->conf));
    LOG(LL_INFO, "stop.begun", LI("signal", signo), LI("grace_ms", grace_ms));
    admin_retire(r->admin);
    for (unsigned i = 0; grace_ms && i < r->worker_count; i++)
        worker_retire(r->workers[i]);
    if (grace_ms)
        loop_timer_arm(r->grace, grace_ms * 1000);
    else
        receiver_drain(r);
}

static const struct config_tls *tls_of(const struct config *conf, enum listener l)
{
    const struct config_tls *of[] = {[LISTENER_INGEST] = &conf->receiver.tls,
                                     [LISTENER_ADMIN] = &conf->admin.tls,
                                     [LISTENER_API] = &conf->api.tls};
    return of[l];
}

static enum err open_tls(struct receiver *r, struct error *e)
{
    enum err rc = OK;
    for (enum listener l = 0; rc == OK && l < LISTENERS; l++) {
        const struct config_tls *files = tls_of(r->conf, l);
        if (files->cert)
            rc = tls_server_new(files->cert, files->key, &r->tls[l], e);
    }
    return rc;
}

static void reload_tls(struct receiver *r, const struct config *conf)
{
    struct error e;
    for (enum listener l = 0; l < LISTENERS; l++) {
        const struct config_tls *files = tls_of(conf, l);
        if (r->tls[l] && files->cert &&
            tls_server_reload(r->tls[l], files->cert, files->key, &e) != OK)
            LOG(LL_ERROR, "tls.reload_failed", LS("for", listener_names[l]), LS("error", e.text));
    }
}

static bool receiver_reload(struct receiver *r)
{
    static const char *const sections[] = {"redis", "receiver", "admin", "api", NULL};
    struct config *conf = program_reload(r->path, r->conf, sections);
    families_reloaded(r->metrics, conf != NULL);
    if (!conf)
        return false; /* logged; the old one stays in force */
    reload_tls(r, conf);
    for (unsigned i = 0; i < r->worker_count; i++)
        worker_set_config(r->workers[i], conf);
    admin_set_config(r->admin, conf);
    bool is_same = config_is_same(r->conf, conf);
    config_unref(r->conf);
    r->conf = conf;
    LOG(LL_INFO, "config.reloaded", LS("file", r->path), LS("digest", conf->digest),
        LT("unchanged", is_same));
    return true;
}

static void receiver_on_reload(void *ctx, int signo)
{
    struct receiver *r = ctx;
    (void)signo;
    if (!r->is_stopping)
        notify_reloading();
    bool is_done = receiver_reload(r);
    if (!r->is_stopping)
        notify_ready(is_done ? "Serves" : NOTIFY_REFUSED);
}

/* --- start and stop --- */

/* Warns if the limit of open files allows fewer connections than the configuration. */
static void log_file_limit(const struct config *conf)
{
    struct receiver_files files = limits_share_files(conf);
    if (conf->receiver.max_connections > files.clients)
        LOG(LL_WARN, "connections.limited", LI("max_connections", conf->receiver.max_connections),
            LI("open_files", files.open), LI("in_force", files.clients));
}

static void log_listening(const char *addr, enum listener l)
{
    if (addr)
        LOG(LL_INFO, "listening", LS("address", addr), LS("for", listener_names[l]));
}

static enum err open_workers(struct receiver *r, struct error *e)
{
    unsigned n = r->conf->receiver.threads;
    r->workers = xcalloc(n, sizeof(struct worker *));
    struct worker_setup setup = {
        .listen = r->conf->receiver.listen,
        .conf = r->conf,
        .metrics = r->metrics,
        .budget = &r->budget,
        .tls = r->tls[LISTENER_INGEST],
        .on_ready = on_worker_ready,
        .on_drained = on_worker_drained,
        .ctx = r,
    };
    for (; r->worker_count < n; r->worker_count++) {
        enum err rc = worker_new(&setup, &r->workers[r->worker_count], e);
        if (rc != OK)
            return rc;
        setup.listen = worker_addr(r->workers[0]); /* port 0 is one port for all */
    }
    return OK;
}

static void receiver_ingest(void *ctx, int fd, const struct addr *peer)
{
    struct receiver *r = ctx;
    worker_take(r->workers[0], fd, peer);
}

static enum err open_all(struct receiver *r, struct error *e)
{
    enum err rc = open_tls(r, e);
    if (rc != OK)
        return rc;
    struct admin_setup setup = {.conf = r->conf,
                                .metrics = r->metrics,
                                .tls = r->tls[LISTENER_ADMIN],
                                .api_tls = r->tls[LISTENER_API],
                                .workers_are_ready = workers_are_ready,
                                .count_waiting = receiver_count_waiting,
                                .ingest = receiver_ingest,
                                .on_ready = check_ready,
                                .ctx = r};
    rc = admin_open(r->loop, &setup, &r->admin, e);
    if (rc == OK)
        rc = open_workers(r, e);
    if (rc == OK)
        admin_set_ingest_addr(r->admin, worker_addr(r->workers[0]));
    for (unsigned i = 0; rc == OK && i < r->worker_count; i++)
        rc = worker_start(r->workers[i], e);
    return rc;
}

static void close_all(struct receiver *r)
{
    while (r->worker_count)
        worker_free(r->workers[--r->worker_count]);
    free(r->workers);
    admin_close(r->admin);
    for (enum listener l = 0; l < LISTENERS; l++)
        tls_server_free(r->tls[l]);
    loop_timer_free(r->grace);
    watchdog_free(r->watchdog);
    program_end_watch(r->log);
    loop_free(r->loop);
    metrics_free(r->metrics);
    config_unref(r->conf);
}

int receiver_run(struct config *conf, const char *path)
{
    struct receiver r = {.path = path, .conf = conf};
    struct error e;
    r.budget.max = (int64_t)conf->receiver.max_inflight_bytes;
    r.metrics = families_metrics("hookpace-receiver", HOOKPACE_VERSION);
    r.loop = loop_new();
    r.grace = loop_timer_new(r.loop, receiver_drain, &r);
    r.log = program_watch_log(r.loop);
    loop_on_signal(r.loop, SIGTERM, receiver_on_stop, &r);
    loop_on_signal(r.loop, SIGINT, receiver_on_stop, &r);
    loop_on_signal(r.loop, SIGHUP, receiver_on_reload, &r);
    int code = EXIT_STOPPED;
    if (open_all(&r, &e) == OK) {
        log_file_limit(conf);
        log_listening(worker_addr(r.workers[0]), LISTENER_INGEST);
        log_listening(admin_addr(r.admin), LISTENER_ADMIN);
        log_listening(admin_api_addr(r.admin), LISTENER_API);
        notify_ready("Listens, and waits for Redis");
        r.watchdog = watchdog_new(r.loop, receiver_is_alive, &r);
        loop_run(r.loop);
        LOG(LL_INFO, "stopped", LI("threads", r.worker_count));
    } else {
        LOG(LL_ERROR, "start.failed", LS("reason", e.text));
        code = EXIT_RUNTIME;
    }
    close_all(&r);
    return code;
}
