#include "dispatcher/targets.h"

#include "common/base/alloc.h"
#include "common/base/metrics.h"
#include "common/queue/queue_take.h"
#include "dispatcher/outcome.h"

#include <assert.h>
#include <stdlib.h>

#define SPARE_CONNECTIONS 64

struct target_set *target_set_new(struct loop *l, struct config *conf, struct metrics *metrics,
                                  const struct http_hooks *hooks)
{
    const struct config_dispatcher *d = &conf->dispatcher;
    struct http_client_options options = {.connections_max = d->concurrency + SPARE_CONNECTIONS,
                                          .proxy = d->proxy};
    struct http_client *client = http_client_new(l, &options, hooks);
    if (!client)
        return NULL;
    struct target_set *s = NEW(struct target_set);
    s->conf = config_ref(conf);
    s->client = client;
    s->metrics = metrics;
    s->egress = (struct egress){.allow = d->allow,
                                .allow_count = d->allow_count,
                                .deny = d->deny,
                                .deny_count = d->deny_count};
    own_addrs_init(&s->own);
    map_init(&s->targets);
    return s;
}

bool target_may_connect(struct target *t, const struct addr *a)
{
    struct target_set *s = t->set;
    if (!t->from_api || s->conf->dispatcher.proxy) /* the proxy is the operator's choice */
        return egress_allows(&s->egress, a, false);
    own_addrs_refresh(&s->own, clock_mono_us());
    s->egress.own = s->own.list;
    s->egress.own_count = s->own.count;
    return egress_allows(&s->egress, a, true);
}

void target_set_free(struct target_set *s)
{
    if (!s)
        return;
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&s->targets, &at, &name, &value)) {
        struct target *t = value;
        s->in_use -= t->start_due; /* the loop stopped before it */
        free(t);
    }
    assert(s->in_use == 0);
    map_clear(&s->targets);
    own_addrs_clear(&s->own);
    http_client_free(s->client);
    config_unref(s->conf);
    free(s);
}

static struct target *make_target(struct target_set *s, const struct destination *dest)
{
    struct target *t = NEW(struct target);
    t->set = s;
    t->name = slice_str(dest->name);
    t->concurrency = dest->concurrency;
    turns_init(&t->turns);
    t->rules = (struct request_rules){.url = dest->url,
                                      .is_pingback = dest->is_pingback,
                                      .gzip = dest->gzip,
                                      .headers = slice_str(dest->headers),
                                      .sign = dest->sign,
                                      .inflated_max = s->conf->receiver.max_inflated_bytes};
    t->schedule = (struct retry_schedule){
        .waits_ms = dest->schedule_ms, .count = dest->schedule_count, .jitter = dest->jitter};
    struct http_profile_options options = {.is_post = !dest->is_pingback,
                                           .timeout_ms = dest->timeout_ms,
                                           .connect_timeout_ms = dest->connect_timeout_ms,
                                           .verify_tls = dest->verify_tls,
                                           .ca_file = dest->ca_file};
    t->profile = http_profile_new(s->client, &options);
    for (int v = 0; v <= SETTLE_DEFER; v++)
        t->results[v] = metrics_series(s->metrics, METRIC_ATTEMPTS, t->name,
                                       slice_str(outcome_verdict_word((enum settle_verdict)v)));
    t->latency = metrics_series(s->metrics, METRIC_DELIVERY_SECONDS, t->name, slice_make(NULL, 0));
    return t;
}

struct target *target_set_find(struct target_set *s, struct slice destination)
{
    struct target *t = map_get(&s->targets, destination);
    if (t)
        return t;
    const struct destination *dest = config_destination(s->conf, destination);
    if (!dest)
        return NULL;
    t = make_target(s, dest);
    map_set(&s->targets, destination, t);
    return t;
}
