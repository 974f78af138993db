#include "dispatcher/engine/targets.h"

#include "common/base/alloc.h"
#include "common/crypto/crypto.h"
#include "common/ops/families.h"
#include "common/queue/queue_take.h"
#include "dispatcher/engine/outcome.h"

#include <assert.h>
#include <stdlib.h>

#define SPARE_CONNECTIONS 64
#define FETCH_HEADERS_MAX 16384

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

static void free_headers(struct target *t)
{
    if (t->headers)
        crypto_wipe(t->headers, strlen(t->headers));
    free(t->headers);
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
        free_headers(t);
        free(t);
    }
    assert(s->in_use == 0);
    map_clear(&s->targets);
    own_addrs_clear(&s->own);
    http_client_free(s->client);
    config_unref(s->conf);
    free(s);
}

/* T's requests are those of SOURCE's fetch. */
static void make_fetch(struct target *t, const struct source *source)
{
    struct buf lines;
    buf_init(&lines, FETCH_HEADERS_MAX);
    buf_add_str(&lines, "Accept-Encoding: gzip\r\n");
    if (source->fetch_authorization)
        buf_addf(&lines, "Authorization: %s\r\n", source->fetch_authorization);
    t->source = source;
    t->headers = buf_take(&lines, NULL);
    t->rules.headers = slice_str(t->headers);
    t->rules.is_fetch = true;
}

/* The source that DEST fetches for, or NULL. */
static const struct source *source_of(const struct config *conf, const struct destination *dest)
{
    struct slice of = slice_str(dest->name), kind = slice_cut(&of, '@');
    return slice_eq(kind, SLICE_LIT(CONFIG_FETCH)) ? config_source(conf, of) : NULL;
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
    t->from_api = t->rules.from_api = dest->from_api;
    const struct source *source = source_of(s->conf, dest);
    if (source)
        make_fetch(t, source);
    t->schedule = (struct retry_schedule){
        .waits_ms = dest->schedule_ms, .count = dest->schedule_count, .jitter = dest->jitter};
    struct http_profile_options options = {.is_post = !dest->is_pingback,
                                           .timeout_ms = dest->timeout_ms,
                                           .connect_timeout_ms = dest->connect_timeout_ms,
                                           .verify_tls = dest->verify_tls,
                                           .ca_file = dest->ca_file,
                                           .many_hosts = dest->from_api,
                                           .body_max =
                                               source ? s->conf->receiver.max_body_bytes : 0};
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
