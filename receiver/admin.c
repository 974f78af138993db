#include "receiver/admin.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/ops/ops.h"
#include "common/ops/probes.h"
#include "common/program/program.h"
#include "common/queue/beat.h"
#include "common/queue/queue_stats.h"
#include "common/queue/shard.h"
#include "receiver/accounts.h"
#include "receiver/api/api.h"
#include "receiver/console/console.h"
#include "receiver/limits.h"

#include <stdlib.h>

struct admin {
    struct admin_setup setup;
    struct config *conf;
    struct shards *shards;
    struct ops *ops;
    struct ops *api_ops; /* NULL without api.listen */
    /* Their own: webhooks do not wait for what operators ask, nor operators for what accounts ask. */
    struct http_budget budget, api_budget;
    struct login_guard *guard;
    struct probes *probes;
    struct queue_stats *stats;
    struct api *api;
    struct console *console;
    struct beat *beat;
    bool is_stopping;
};

/* --- callbacks of the probes --- */

static void ready_on_pong(void *ctx, enum err rc)
{
    struct ops_call *c = ctx;
    struct admin *a = c->state;
    if (rc == OK && a->setup.workers_are_ready(a->setup.ctx))
        probes_ready(c, shards_warning(a->shards) ? shards_warning(a->shards)
                                                  : shards_shortage(a->shards));
    else
        probes_unready(c, "queue_unavailable",
                       shards_trouble(a->shards) ? shards_trouble(a->shards)
                                                 : "Redis does not answer");
}

/* The receiver is ready if Redis answers, here and to every worker. */
static void admin_check_ready(void *ctx, struct ops_call *c)
{
    struct admin *a = ctx;
    c->state = a;
    if (a->is_stopping) {
        probes_unready(c, "draining", "the receiver is stopping");
        return;
    }
    shards_ping(a->shards, ready_on_pong, c);
}

static void admin_refresh(void *ctx, probes_done done, void *done_ctx)
{
    struct admin *a = ctx;
    queue_stats_read(a->stats, a->conf, done, done_ctx);
}

/* --- callbacks of Redis and of the listener --- */

static void admin_on_change(void *ctx)
{
    struct admin *a = ctx;
    if (shards_serve(a->shards))
        a->setup.on_ready(a->setup.ctx);
}

static bool admin_find_account(void *ctx, struct slice credentials, struct caller *who)
{
    struct admin *a = ctx;
    return accounts_find(a->conf, credentials, who);
}

/* --- the two listeners --- */

static struct host_names hosts_of(const struct config *conf)
{
    return (struct host_names){conf->admin_hosts, conf->admin_host_count};
}

static enum err listen_for_operators(struct admin *a, struct loop *l, struct error *e)
{
    a->budget.max = (int64_t)a->conf->receiver.max_inflight_bytes;
    struct ops_setup setup = {.listen = a->conf->admin.listen,
                              .limits = limits_of_operators(a->conf),
                              .budget = &a->budget,
                              .tls = a->setup.tls,
                              .guard = a->guard,
                              .login = {.find = admin_find_account, .ctx = a}};
    enum err rc = ops_open(l, &setup, &a->ops, e);
    if (rc != OK)
        return rc;
    ops_set_hosts(a->ops, hosts_of(a->conf));
    probes_add(a->probes, a->ops);
    api_add_routes(a->api, a->ops);
    console_add_routes(a->console, a->ops);
    return OK;
}

static enum err listen_for_accounts(struct admin *a, struct loop *l, struct error *e)
{
    a->api_budget.max = (int64_t)a->conf->receiver.max_inflight_bytes;
    struct ops_setup setup = {.listen = a->conf->api.listen,
                              .limits = limits_of_operators(a->conf),
                              .budget = &a->api_budget,
                              .tls = a->setup.api_tls,
                              .guard = a->guard,
                              .login = {.find = admin_find_account, .ctx = a}};
    enum err rc = ops_open(l, &setup, &a->api_ops, e);
    if (rc == OK)
        api_add_routes(a->api, a->api_ops);
    return rc;
}

enum err admin_open(struct loop *l, const struct admin_setup *setup, struct admin **out,
                    struct error *e)
{
    struct admin *a = NEW(struct admin);
    a->setup = *setup;
    a->conf = config_ref(setup->conf);
    struct shard_events events = {.on_change = admin_on_change, .ctx = a};
    a->shards = shards_new(l, &a->conf->redis, "hookpace-admin", &events);
    a->api = api_new(l, a->shards, a->conf);
    a->console = console_new(l, a->shards, a->conf);
    console_set_ingest(a->console, setup->ingest, setup->ctx);
    struct beat_setup beat = {.program = "receiver",
                              .version = HOOKPACE_VERSION,
                              .metrics = setup->metrics,
                              .count_inflight = setup->count_waiting,
                              .ctx = setup->ctx};
    a->beat = beat_new(l, a->shards, a->conf, &beat);
    a->stats = queue_stats_new(l, a->shards, setup->metrics);
    struct probes_setup probes = {.metrics = setup->metrics,
                                  .check_ready = admin_check_ready,
                                  .refresh = admin_refresh,
                                  .ctx = a};
    a->probes = probes_new(&probes);
    a->guard = login_guard_new();
    enum err rc = listen_for_operators(a, l, e);
    if (rc == OK && a->conf->api.listen)
        rc = listen_for_accounts(a, l, e);
    if (rc == OK)
        *out = a;
    else
        admin_close(a);
    return rc;
}

const char *admin_addr(const struct admin *a)
{
    return ops_addr(a->ops);
}

const char *admin_api_addr(const struct admin *a)
{
    return a->api_ops ? ops_addr(a->api_ops) : NULL;
}

struct http_server *admin_http(struct admin *a)
{
    return ops_http(a->ops);
}

bool admin_is_ready(const struct admin *a)
{
    return shards_serve(a->shards);
}

void admin_set_ingest_addr(struct admin *a, const char *addr)
{
    console_set_ingest_addr(a->console, addr);
}

void admin_set_config(struct admin *a, struct config *conf)
{
    ops_set_hosts(a->ops, hosts_of(conf));
    config_unref(a->conf);
    a->conf = config_ref(conf);
    api_set_config(a->api, conf);
    console_set_config(a->console, conf);
    beat_set_config(a->beat, conf);
    struct http_limits limits = limits_of_operators(conf);
    http_server_set_limits(ops_http(a->ops), &limits);
    if (a->api_ops)
        http_server_set_limits(ops_http(a->api_ops), &limits);
}

void admin_retire(struct admin *a)
{
    a->is_stopping = true;
    http_server_retire(ops_http(a->ops));
    if (a->api_ops)
        http_server_retire(ops_http(a->api_ops));
}

void admin_drain_api(struct admin *a, void (*on_empty)(void *ctx), void *ctx)
{
    if (a->api_ops)
        ops_drain(a->api_ops, on_empty, ctx);
    else
        on_empty(ctx);
}

void admin_drain(struct admin *a, void (*on_empty)(void *ctx), void *ctx)
{
    ops_drain(a->ops, on_empty, ctx);
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    ops_close(a->ops);
    ops_close(a->api_ops);
    shards_free(a->shards); /* ends the calls that wait for Redis */
    beat_free(a->beat);
    api_free(a->api);
    console_free(a->console);
    probes_free(a->probes);
    queue_stats_free(a->stats);
    login_guard_free(a->guard);
    config_unref(a->conf);
    free(a);
}
