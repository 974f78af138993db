#include "receiver/admin.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/metrics.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_stats.h"
#include "common/queue/shard.h"
#include "receiver/api/api.h"
#include "receiver/respond.h"
#include "receiver/worker.h"

#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 40) /* the API itself refuses, in its own form, what is too large */
#define METRICS_MAX (64u << 20)

struct admin {
    struct admin_setup setup;
    struct config *conf;
    struct shards *shards;
    struct http_server *http;
    struct http_budget budget; /* of its own: what comes in must not wait for what is asked */
    struct api *api;
};

/* An answer that waits for Redis. Freed in the callback, which comes exactly once. */
struct pending {
    struct admin_ctx ctx; /* first */
    struct admin *admin;
    struct http_request *http; /* NULL: the client is gone */
};

static struct pending *pending_new(struct admin *a, struct http_request *r)
{
    struct pending *p = NEW(struct pending);
    p->admin = a;
    p->http = r;
    http_set_ctx(r, p);
    return p;
}

/* The request to answer, or NULL. Frees P. */
static struct http_request *pending_end(struct pending *p)
{
    struct http_request *r = p->http;
    if (r)
        http_set_ctx(r, NULL);
    free(p);
    return r;
}

static void answer_health(struct admin *a, struct http_request *r)
{
    (void)a;
    respond_json(r, 200, SLICE_LIT("{\"status\":\"ok\"}"));
}

/* --- readiness: does Redis answer, here and to the workers? --- */

static void on_pong(void *ctx, enum err rc)
{
    struct pending *p = ctx;
    struct admin *a = p->admin;
    struct http_request *r = pending_end(p);
    if (!r)
        return;
    if (rc == OK && a->setup.workers_are_ready(a->setup.ctx))
        respond_json(r, 200, SLICE_LIT("{\"status\":\"ok\"}"));
    else
        respond_error(r, ANSWER_QUEUE_UNAVAILABLE, HEADER_RETRY, "Redis does not answer");
}

static void answer_ready(struct admin *a, struct http_request *r)
{
    shards_ping(a->shards, on_pong, pending_new(a, r));
}

/* --- metrics --- */

static void on_stats(void *ctx, enum err rc)
{
    (void)rc; /* without Redis the gauges keep their values, the counters are right */
    struct pending *p = ctx;
    struct admin *a = p->admin;
    struct http_request *r = pending_end(p);
    if (!r)
        return;
    struct buf out;
    buf_init(&out, METRICS_MAX);
    metrics_write(a->setup.metrics, &out);
    http_answer(r, 200, SLICE_LIT("text/plain; version=0.0.4; charset=utf-8"), SLICE_LIT(""),
                buf_slice(&out), false);
    buf_clear(&out);
}

static void answer_metrics(struct admin *a, struct http_request *r)
{
    struct pending *p = pending_new(a, r);
    if (shards_ready(a->shards))
        queue_stats_read(a->shards, a->conf, a->setup.metrics, on_stats, p);
    else
        on_stats(p, ERR_UNAVAIL);
}

/* --- the listener --- */

static const struct {
    const char *path;
    void (*answer)(struct admin *a, struct http_request *r);
} routes[] = {
    {"/healthz", answer_health},
    {"/readyz", answer_ready},
    {"/metrics", answer_metrics},
};

static void on_request(struct http_request *r, void *ctx)
{
    struct admin *a = ctx;
    if (api_owns(http_path(r))) {
        api_on_request(a->api, r);
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!slice_eq(http_path(r), slice_str(routes[i].path)))
            continue;
        if (slice_eq(http_method(r), SLICE_LIT("GET")))
            routes[i].answer(ctx, r);
        else
            http_answer_error(r, 405, SLICE_LIT("Allow: GET\r\n"), "method_not_allowed", "use GET");
        return;
    }
    http_answer_error(r, 404, SLICE_LIT(""), "not_found", "there is nothing at this path");
}

static bool is_of_api(struct http_request *r)
{
    const struct admin_ctx *ctx = http_ctx(r);
    return ctx && ctx->is_api;
}

static void on_body(struct http_request *r, struct slice piece, void *ctx)
{
    (void)ctx;
    if (is_of_api(r))
        api_on_body(r, piece);
}

/* The others are answered, or wait for Redis, since on_request. */
static void on_complete(struct http_request *r, void *ctx)
{
    (void)ctx;
    if (is_of_api(r))
        api_on_complete(r);
}

static void on_gone(struct http_request *r, void *ctx)
{
    (void)ctx;
    if (is_of_api(r)) {
        api_on_gone(r);
        return;
    }
    struct pending *p = http_ctx(r);
    if (p)
        p->http = NULL;
}

static void on_shard_ready(void *ctx, struct shard *s)
{
    struct admin *a = ctx;
    (void)s;
    a->setup.on_ready(a->setup.ctx);
}

enum err admin_open(struct loop *l, const struct admin_setup *setup, struct admin **out,
                    struct error *e)
{
    struct admin *a = NEW(struct admin);
    a->setup = *setup;
    a->conf = config_ref(setup->conf);
    struct shard_events events = {.on_ready = on_shard_ready, .ctx = a};
    a->shards = shards_new(l, &a->conf->redis, "hookpace-admin", &events);
    a->api = api_new(l, a->shards, a->conf);
    struct http_limits limits = worker_limits(a->conf);
    limits.connections_max = 256;
    limits.body_max = BODY_MAX;
    struct http_handler handler = {.on_request = on_request,
                                   .on_body = on_body,
                                   .on_complete = on_complete,
                                   .on_gone = on_gone,
                                   .ctx = a};
    a->budget.max = (int64_t)a->conf->receiver.max_inflight_bytes;
    enum err rc = http_server_open(l, a->conf->admin_listen, &limits, &a->budget, NULL, &handler,
                                   &a->http, e);
    if (rc != OK) {
        admin_close(a);
        return rc;
    }
    *out = a;
    return OK;
}

const char *admin_addr(const struct admin *a)
{
    return http_server_addr(a->http);
}

struct http_server *admin_http(struct admin *a)
{
    return a->http;
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
    if (a->http)
        http_server_close(a->http);
    shards_free(a->shards);
    api_free(a->api);
    config_unref(a->conf);
    free(a);
}
