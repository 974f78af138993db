#include "receiver/admin.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/ops/ops.h"
#include "common/ops/probes.h"
#include "common/queue/queue_stats.h"
#include "common/queue/shard.h"
#include "receiver/accounts.h"
#include "receiver/api/api.h"
#include "receiver/limits.h"

#include <stdlib.h>

struct admin {
    struct admin_setup setup;
    struct config *conf;
    struct shards *shards;
    struct ops *ops;
    struct http_budget budget; /* its own: webhooks do not wait for what operators ask */
    struct probes *probes;
    struct api *api;
};

/* --- callbacks of the probes --- */

static void ready_on_pong(void *ctx, enum err rc)
{
    struct ops_call *c = ctx;
    struct admin *a = c->state;
    if (rc == OK && a->setup.workers_are_ready(a->setup.ctx))
        probes_ready(c);
    else
        probes_unready(c, "queue_unavailable", "Redis does not answer");
}

/* The receiver is ready if Redis answers, here and to every worker. */
static void admin_check_ready(void *ctx, struct ops_call *c)
{
    struct admin *a = ctx;
    c->state = a;
    shards_ping(a->shards, ready_on_pong, c);
}

static void admin_refresh(void *ctx, probes_done done, void *done_ctx)
{
    struct admin *a = ctx;
    if (shards_ready(a->shards))
        queue_stats_read(a->shards, a->conf, a->setup.metrics, done, done_ctx);
    else
        done(done_ctx, ERR_UNAVAIL);
}

/* --- callbacks of Redis and of the listener --- */

static void admin_on_shard_ready(void *ctx, struct shard *s)
{
    struct admin *a = ctx;
    (void)s;
    a->setup.on_ready(a->setup.ctx);
}

static bool admin_find_account(void *ctx, struct slice credentials, struct caller *who)
{
    struct admin *a = ctx;
    return accounts_find(a->conf, credentials, who);
}

enum err admin_open(struct loop *l, const struct admin_setup *setup, struct admin **out,
                    struct error *e)
{
    struct admin *a = NEW(struct admin);
    a->setup = *setup;
    a->conf = config_ref(setup->conf);
    struct shard_events events = {.on_ready = admin_on_shard_ready, .ctx = a};
    a->shards = shards_new(l, &a->conf->redis, "hookpace-admin", &events);
    a->api = api_new(l, a->shards, a->conf);
    struct probes_setup probes = {.metrics = setup->metrics,
                                  .check_ready = admin_check_ready,
                                  .refresh = admin_refresh,
                                  .ctx = a};
    a->probes = probes_new(&probes);
    a->budget.max = (int64_t)a->conf->receiver.max_inflight_bytes;
    struct ops_setup ops = {.listen = a->conf->admin_listen,
                            .limits = limits_of_operators(a->conf),
                            .budget = &a->budget,
                            .login = {.find = admin_find_account, .ctx = a}};
    enum err rc = ops_open(l, &ops, &a->ops, e);
    if (rc != OK) {
        admin_close(a);
        return rc;
    }
    probes_add(a->probes, a->ops);
    api_add_routes(a->api, a->ops);
    *out = a;
    return OK;
}

const char *admin_addr(const struct admin *a)
{
    return ops_addr(a->ops);
}

struct http_server *admin_http(struct admin *a)
{
    return ops_http(a->ops);
}

bool admin_is_ready(const struct admin *a)
{
    return shards_ready(a->shards);
}

void admin_set_config(struct admin *a, struct config *conf)
{
    config_unref(a->conf);
    a->conf = config_ref(conf);
    api_set_config(a->api, conf);
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    ops_close(a->ops);
    shards_free(a->shards); /* ends the calls that wait for Redis */
    api_free(a->api);
    probes_free(a->probes);
    config_unref(a->conf);
    free(a);
}
