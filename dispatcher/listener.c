#include "dispatcher/listener.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_stats.h"
#include "common/queue/shard.h"

#include <stdlib.h>

#define METRICS_TEXT_MAX ((size_t)64 * 1024 * 1024)
#define CONNECTIONS_MAX 64
#define SECONDS(n) ((int64_t)(n)*1000000)

struct scrape { /* a request for metrics that waits for Redis' numbers */
    struct scrape *next;
    struct http_request *request; /* NULL: gone */
};

struct listener { /* Owned by the dispatcher. */
    struct http_server *server;
    struct config *conf;
    struct shards *shards;
    struct metrics *metrics;
    struct scrape *scrapes;
    bool reading, draining, closed;
};

static const struct slice no_headers = {0};

static void answer_json(struct http_request *r, int status, struct slice body)
{
    http_answer(r, status, SLICE_LIT("application/json"), no_headers, body, false);
}

static void answer_ready(struct listener *s, struct http_request *r)
{
    if (s->draining)
        http_answer_error(r, 503, no_headers, "draining", "the dispatcher is stopping");
    else if (!shards_ready(s->shards))
        http_answer_error(r, 503, no_headers, "queue_unavailable", "Redis does not answer");
    else
        answer_json(r, 200, SLICE_LIT("{\"status\":\"ok\"}"));
}

static void answer_scrapes(struct listener *s)
{
    struct buf text;
    buf_init(&text, METRICS_TEXT_MAX);
    metrics_write(s->metrics, &text);
    while (s->scrapes) {
        struct scrape *w = s->scrapes;
        s->scrapes = w->next;
        if (w->request)
            http_answer(w->request, 200, SLICE_LIT("text/plain; version=0.0.4"), no_headers,
                        buf_slice(&text), false);
        free(w);
    }
    buf_clear(&text);
}

static void on_stats(void *ctx, enum err rc)
{
    struct listener *s = ctx;
    s->reading = false;
    if (s->closed) {
        config_unref(s->conf);
        free(s);
        return;
    }
    if (rc != OK)
        LOG_RARELY(LL_WARN, "stats.unavailable", LS("reason", err_word(rc)));
    answer_scrapes(s);
}

/* Scrapes that come while Redis is being read share its answer. */
static void start_scrape(struct listener *s, struct http_request *r)
{
    struct scrape *w = NEW(struct scrape);
    w->request = r;
    w->next = s->scrapes;
    s->scrapes = w;
    http_set_ctx(r, w);
    if (s->reading)
        return;
    s->reading = true;
    queue_stats_read(s->shards, s->conf, s->metrics, on_stats, s);
}

static void on_request(struct http_request *r, void *ctx)
{
    struct listener *s = ctx;
    struct slice path = http_path(r);
    bool is_health = slice_eq(path, SLICE_LIT("/healthz"));
    bool is_ready = slice_eq(path, SLICE_LIT("/readyz"));
    bool is_metrics = slice_eq(path, SLICE_LIT("/metrics"));
    if (!is_health && !is_ready && !is_metrics)
        http_answer_error(r, 404, no_headers, "not_found", "no such page");
    else if (!slice_eq(http_method(r), SLICE_LIT("GET")))
        http_answer_error(r, 405, SLICE_LIT("Allow: GET\r\n"), "method_not_allowed", "only GET");
    else if (is_health)
        answer_json(r, 200, SLICE_LIT("{\"status\":\"ok\"}"));
    else if (is_ready)
        answer_ready(s, r);
    else
        start_scrape(s, r);
}

static void on_body(struct http_request *r, struct slice piece, void *ctx)
{
    (void)r;
    (void)piece;
    (void)ctx;
}

static void on_complete(struct http_request *r, void *ctx)
{
    (void)r; /* a scrape, whose answer is on its way */
    (void)ctx;
}

static void on_gone(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct scrape *w = http_ctx(r);
    if (w)
        w->request = NULL;
}

enum err listener_open(struct loop *l, struct config *conf, struct shards *shards,
                       struct metrics *metrics, struct listener **out, struct error *e)
{
    static const struct http_limits limits = {.uri_max = 2048,
                                              .headers_max = 16 * 1024,
                                              .header_count_max = 100,
                                              .body_max = 1024,
                                              .header_timeout_us = SECONDS(10),
                                              .body_timeout_us = SECONDS(10),
                                              .idle_timeout_us = SECONDS(75),
                                              .connections_max = CONNECTIONS_MAX};
    struct listener *s = NEW(struct listener);
    struct http_handler handler = {.on_request = on_request,
                                   .on_body = on_body,
                                   .on_complete = on_complete,
                                   .on_gone = on_gone,
                                   .ctx = s};
    s->shards = shards;
    s->metrics = metrics;
    enum err rc =
        http_server_open(l, conf->dispatcher.listen, &limits, NULL, NULL, &handler, &s->server, e);
    if (rc != OK) {
        free(s);
        return rc;
    }
    s->conf = config_ref(conf);
    LOG(LL_INFO, "listening", LS("address", http_server_addr(s->server)), LS("for", "dispatcher"));
    *out = s;
    return OK;
}

void listener_close(struct listener *s)
{
    if (!s)
        return;
    http_server_close(s->server);
    while (s->scrapes) {
        struct scrape *w = s->scrapes;
        s->scrapes = w->next;
        free(w);
    }
    s->closed = true;
    if (!s->reading) {
        config_unref(s->conf);
        free(s);
    }
}

void listener_set_config(struct listener *s, struct config *conf)
{
    struct config *old = s->conf;
    s->conf = config_ref(conf);
    config_unref(old);
}

void listener_set_draining(struct listener *s)
{
    s->draining = true;
}
