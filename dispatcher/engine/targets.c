#include "dispatcher/engine/targets.h"

#include "common/base/alloc.h"
#include "common/crypto/crypto.h"
#include "common/net/http_line.h"
#include "common/ops/families.h"
#include "common/queue/queue_take.h"
#include "dispatcher/engine/outcome.h"

#include <assert.h>
#include <stdlib.h>

#define FETCH_HEADERS_MAX 16384

struct targets *targets_new(struct config *conf, struct transport *transport,
                            struct metrics *metrics, const struct transport_hooks *hooks)
{
    struct targets *s = NEW(struct targets);
    s->conf = config_ref(conf);
    s->transport = transport;
    s->hooks = hooks;
    s->metrics = metrics;
    s->egress = egress_of(&conf->dispatcher);
    own_addrs_init(&s->own);
    map_init(&s->by_name);
    return s;
}

bool target_may_connect(struct target *t, const struct addr *a)
{
    struct targets *s = t->targets;
    if (!t->rules.is_account || s->conf->dispatcher.proxy) /* the proxy is the operator's choice */
        return egress_allows(&s->egress, a, false);
    own_addrs_refresh(&s->own, clock_mono_us());
    s->egress.own = s->own.list;
    s->egress.own_count = s->own.count;
    return egress_allows(&s->egress, a, true);
}

static void target_free(struct target *t)
{
    if (t->headers)
        crypto_wipe(t->headers, strlen(t->headers));
    free(t->headers);
    free(t);
}

void targets_free(struct targets *s)
{
    if (!s)
        return;
    size_t at = 0;
    struct slice name;
    void *value;
    assert(s->in_use == 0);
    while (map_next(&s->by_name, &at, &name, &value))
        target_free(value);
    map_clear(&s->by_name);
    own_addrs_clear(&s->own);
    transport_close(s->transport);
    config_unref(s->conf);
    free(s);
}

/* T fetches results from SOURCE's provider. */
static void target_add_fetch(struct target *t, const struct source *source)
{
    struct buf lines;
    buf_init(&lines, FETCH_HEADERS_MAX);
    http_line_add(&lines, SLICE_LIT("Accept-Encoding"), SLICE_LIT("gzip"));
    if (source->fetch_authorization)
        http_line_add(&lines, SLICE_LIT("Authorization"), slice_str(source->fetch_authorization));
    t->source = source;
    t->headers = buf_take(&lines, NULL);
    t->rules.headers = slice_str(t->headers);
}

static struct endpoint *target_open_endpoint(struct target *t, bool verify_tls)
{
    const struct destination *dest = t->dest;
    const struct config_receiver *r = &t->targets->conf->receiver;
    struct endpoint_options options = {.sends_body = dest->kind == DELIVERY_POSTBACK,
                                       .many_hosts = dest->account != NULL,
                                       .timeout_ms = dest->settings->timeout_ms,
                                       .connect_timeout_ms = dest->settings->connect_timeout_ms,
                                       .verify_tls = verify_tls,
                                       .ca_file = dest->settings->ca_file,
                                       .crl_file = verify_tls ? dest->settings->crl_file : NULL,
                                       .client_cert = dest->settings->identity.cert,
                                       .client_key = dest->settings->identity.key,
                                       .body_max = t->source ? r->max_body_bytes : 0,
                                       .hooks = t->targets->hooks};
    /* cppcheck-suppress returnDanglingLifetime ; the endpoint does not keep the options */
    return transport_open(t->targets->transport, &options);
}

struct endpoint *target_endpoint(struct target *t, bool verify_tls)
{
    if (verify_tls == t->dest->settings->verify_tls)
        return t->endpoint;
    if (!t->other_tls)
        t->other_tls = target_open_endpoint(t, verify_tls);
    return t->other_tls;
}

static void target_open_metrics(struct target *t)
{
    struct metrics *m = t->targets->metrics;
    for (int v = 0; v < VERDICTS; v++)
        t->results[v] = metrics_series(m, METRIC_ATTEMPTS, t->name,
                                       slice_str(outcome_verdict_word((enum settle_verdict)v)));
    t->attempt_seconds = metrics_series(m, METRIC_ATTEMPT_SECONDS, t->name, slice_make(NULL, 0));
    t->latency = metrics_series(m, METRIC_DELIVERY_SECONDS, t->name, slice_make(NULL, 0));
}

static struct target *target_new(struct targets *s, const struct destination *dest)
{
    struct target *t = NEW(struct target);
    t->targets = s;
    t->dest = dest;
    t->name = slice_str(dest->name);
    t->concurrency = dest->settings->concurrency;
    list_init(&t->turns);
    t->rules = (struct request_rules){.url = dest->url,
                                      .kind = dest->kind,
                                      .gzip = dest->settings->gzip,
                                      .headers = slice_str(dest->settings->headers),
                                      .sign = dest->settings->sign,
                                      .inflated_max = s->conf->receiver.max_inflated_bytes};
    t->rules.is_account = dest->account != NULL;
    if (dest->account)
        t->rules.payload = dest->account->payload;
    if (dest->source)
        target_add_fetch(t, dest->source);
    t->schedule = (struct retry_schedule){.waits_ms = dest->settings->schedule_ms,
                                          .count = dest->settings->schedule_count,
                                          .jitter = dest->settings->jitter};
    t->give_up_on = &dest->settings->give_up_on;
    t->endpoint = target_open_endpoint(t, dest->settings->verify_tls);
    target_open_metrics(t);
    return t;
}

struct target *targets_find(struct targets *s, struct slice destination)
{
    struct target *t = map_get(&s->by_name, destination);
    if (t)
        return t;
    const struct destination *dest = config_destination(s->conf, destination);
    if (!dest)
        return NULL;
    t = target_new(s, dest);
    map_set(&s->by_name, destination, t);
    return t;
}
