#include "common/ops/probes.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/ops/families.h"
#include "common/ops/ops.h"

#include <stdlib.h>

#define WARNING_BYTES 768
#define METRICS_TEXT_MAX ((size_t)64 << 20)

struct scrape { /* a request for /metrics that waits for the gauges */
    struct list_link link;
    struct ops_call *call;
};

struct probes { /* Owned by the program. */
    struct probes_setup setup;
    struct list scrapes;
    bool is_refreshing;
};

static void health_run(struct ops_call *c)
{
    ops_json(c, 200, SLICE_LIT("{\"status\":\"ok\"}"));
}

void probes_ready(struct ops_call *c, const char *warning)
{
    char text[WARNING_BYTES];
    struct buf b = buf_over(text);
    struct json_write w = json_write_to(&b);
    jw_open(&w, NULL, '{');
    jw_str(&w, "status", "ok");
    if (warning)
        jw_str(&w, "warning", warning);
    jw_close(&w, '}');
    ops_json(c, 200, buf_slice(&b));
}

void probes_unready(struct ops_call *c, const char *code, const char *why)
{
    ops_error(c, 503, SLICE_LIT(OPS_RETRY), code, why);
}

static void ready_run(struct ops_call *c)
{
    struct probes *p = c->ctx;
    p->setup.check_ready(p->setup.ctx, c);
}

static void answer_scrapes(void *ctx, enum err rc)
{
    struct probes *p = ctx;
    struct buf text;
    if (rc != OK)
        LOG_RARELY(LL_WARN, "stats.unavailable", LS("reason", err_word(rc)));
    p->is_refreshing = false;
    families_read_process(p->setup.metrics);
    buf_init(&text, METRICS_TEXT_MAX);
    metrics_write(p->setup.metrics, &text);
    struct scrape *s;
    while ((s = LIST_TAKE_FIRST(&p->scrapes, struct scrape, link))) {
        ops_answer(s->call, 200, SLICE_LIT("text/plain; version=0.0.4; charset=utf-8"),
                   SLICE_LIT(""), buf_slice(&text));
        free(s);
    }
    buf_clear(&text);
}

/* Requests that come while a refresh is under way share its answer. */
static void metrics_run(struct ops_call *c)
{
    struct probes *p = c->ctx;
    struct scrape *s = NEW(struct scrape);
    s->call = c;
    list_add_last(&p->scrapes, &s->link);
    if (p->is_refreshing)
        return;
    p->is_refreshing = true;
    p->setup.refresh(p->setup.ctx, answer_scrapes, p);
}

static const struct ops_handler health_handler = {.run = health_run};
static const struct ops_handler ready_handler = {.run = ready_run};
static const struct ops_handler metrics_handler = {.run = metrics_run};

static const struct route routes[] = {
    {METHOD_GET, "/healthz", 0, &health_handler},
    {METHOD_GET, "/readyz", 0, &ready_handler},
    {METHOD_GET, "/metrics", 0, &metrics_handler},
};

struct probes *probes_new(const struct probes_setup *setup)
{
    struct probes *p = NEW(struct probes);
    p->setup = *setup;
    list_init(&p->scrapes);
    return p;
}

void probes_add(struct probes *p, struct ops *o)
{
    ops_add(o, routes, sizeof routes / sizeof *routes, p);
}

void probes_free(struct probes *p)
{
    free(p);
}
