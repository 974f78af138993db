#include "receiver/limits.h"

#include "common/base/process.h"
#include "common/config/config.h"

#define URI_MAX 8192
#define HEADERS_MAX (16 * 1024)
#define HEADER_COUNT_MAX 100
#define IDLE_US                                                                                    \
    (75 * INT64_C(1000000)) /* longer than clients keep a connection: they close first */

#define OPERATORS_MAX 256 /* connections of the operators' listener, and as many of the API's */
#define OPERATORS_BODY_MAX ((size_t)1 << 40)
#define KEPT_ALWAYS 24 /* files that every process has open */
#define KEPT_THREAD 8  /* files that every thread has open */
#define REFUSALS 64
#define OPERATORS_MIN 4

/* With few files half of them are kept. A quarter of what is left of that is for refusals, the rest for operators. */
static void share_few(struct receiver_files *f, unsigned threads, unsigned listeners)
{
    unsigned kept = f->open / 2, fixed = KEPT_ALWAYS + KEPT_THREAD * threads;
    unsigned rest = kept > KEPT_ALWAYS ? kept - KEPT_ALWAYS : 0;
    f->refusals = rest / 4 / (threads + listeners) + 1;
    fixed += f->refusals * (threads + listeners);
    f->operators = kept > fixed ? (kept - fixed) / listeners : 0;
    if (f->operators < OPERATORS_MIN)
        f->operators = OPERATORS_MIN;
}

struct receiver_files limits_share_files(const struct config *conf)
{
    unsigned threads = conf->receiver.threads;
    unsigned listeners = conf->api.listen ? 2 : 1;
    struct receiver_files f = {
        .open = process_files_max(), .refusals = REFUSALS, .operators = OPERATORS_MAX};
    unsigned fixed = KEPT_ALWAYS + KEPT_THREAD * threads;
    unsigned others = f.operators * listeners + f.refusals * (threads + listeners);
    if (fixed + others > f.open / 2) {
        share_few(&f, threads, listeners);
        others = f.operators * listeners + f.refusals * (threads + listeners);
    }
    f.clients = f.open > fixed + others ? f.open - fixed - others : 1;
    return f;
}

struct http_limits limits_of_worker(const struct config *conf)
{
    const struct config_receiver *r = &conf->receiver;
    struct receiver_files files = limits_share_files(conf);
    unsigned connections = r->max_connections < files.clients ? r->max_connections : files.clients;
    return (struct http_limits){
        .uri_max = URI_MAX,
        .headers_max = HEADERS_MAX,
        .header_count_max = HEADER_COUNT_MAX,
        .body_max = r->max_body_bytes,
        .header_timeout_us = r->header_timeout_ms * 1000,
        .body_timeout_us = r->body_timeout_ms * 1000,
        .idle_timeout_us = IDLE_US,
        .connections_max = (connections + r->threads - 1) / r->threads,
        .refusals_max = files.refusals,
        .trusted = {r->trusted_proxies, r->trusted_count},
        .proxy_protocol = r->proxy_protocol,
    };
}

struct http_limits limits_of_operators(const struct config *conf)
{
    struct http_limits l = limits_of_worker(conf);
    l.connections_max = limits_share_files(conf).operators;
    l.body_max = OPERATORS_BODY_MAX;
    l.proxy_protocol = false;
    return l;
}
