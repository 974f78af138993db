#include "common/config/config_table.h"

#include "common/config/config_private.h"
#include "common/webhook/scheme.h"

#include <ctype.h>
#include <stdio.h>

/* clang-format off */
#define ROOT(field) .offset = offsetof(struct raw_config, field)
#define ACCOUNT(field) .offset = offsetof(struct raw_account, field)
#define SOURCE(field) .offset = offsetof(struct raw_source, field)
#define DESTINATION(field) .offset = offsetof(struct raw_destination, field)
#define DELIVERY(field) .offset = offsetof(struct raw_delivery, field)
#define SCHEME(field) .offset = offsetof(struct raw_scheme, field)
#define FETCH(field) .offset = offsetof(struct raw_fetch, field)
#define LISTENER_TLS(field) .offset = offsetof(struct config_tls, field)
#define RANGE(a, b) .min = (a), .max = (b)
#define TEXT_MAX 4096
#define MS_MAX 600000       /* ten minutes */
#define SECONDS_MAX 315360000 /* ten years */

/* `scheme.*` are the keys of the places that name a signature scheme, `delivery.*` those that destinations and accounts
 * share, `tls.*` those of the listeners that speak TLS. */
const struct config_key config_keys[] = {
    {"include", KEY_TEXTS, ROOT(include), RANGE(0, 100), .fallback = "[]"}, /* first: its files add keys that the main file may lack */

    {"redis", KEY_OBJECT, ROOT(out), .children = "redis", .fallback = "{}"},
    {"redis.url", KEY_TEXT, ROOT(out.redis.url), RANGE(1, TEXT_MAX), .fallback = "\"redis://127.0.0.1:6379/0\"", .override = "HOOKPACE_REDIS_URL", .restart = true},
    {"redis.prefix", KEY_TEXT, ROOT(out.redis.prefix), RANGE(1, 64), .fallback = "\"hookpace\"", .restart = true, .fixed = true},
    {"redis.partitions", KEY_UINT, ROOT(out.redis.partitions), RANGE(1, 1024), .fallback = "1", .restart = true, .fixed = true},
    {"redis.timeout_ms", KEY_INT, ROOT(out.redis.timeout_ms), RANGE(10, 60000), .fallback = "2000", .restart = true},
    {"redis.wait_replicas", KEY_UINT, ROOT(out.redis.wait_replicas), RANGE(0, 8), .fallback = "0", .restart = true},
    {"redis.sentinel_user", KEY_TEXT, ROOT(out.redis.sentinel_user), RANGE(1, TEXT_MAX), .fallback = "null", .restart = true},
    {"redis.sentinel_password", KEY_SECRET, ROOT(out.redis.sentinel_password), RANGE(1, TEXT_MAX), .fallback = "null", .restart = true},
    {"redis.tls", KEY_OBJECT, ROOT(out), .children = "redis.tls", .fallback = "{}"},
    {"redis.tls.ca_file", KEY_PATH, ROOT(out.redis.tls.ca_file), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"redis.tls.cert", KEY_PATH, ROOT(out.redis.tls.cert), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"redis.tls.key", KEY_PATH, ROOT(out.redis.tls.key), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"redis.tls.verify", KEY_BOOL, ROOT(out.redis.tls.verify), .fallback = "true"},

    {"receiver", KEY_OBJECT, ROOT(out), .children = "receiver", .fallback = "{}"},
    {"receiver.listen", KEY_TEXT, ROOT(out.receiver.listen), RANGE(1, 256), .fallback = "\"0.0.0.0:8080\"", .override = "HOOKPACE_LISTEN", .restart = true},
    {"receiver.threads", KEY_UINT, ROOT(out.receiver.threads), RANGE(1, 64), .fallback = "1", .restart = true},
    {"receiver.max_body_bytes", KEY_SIZE, ROOT(out.receiver.max_body_bytes), RANGE(1, 268435456), .fallback = "10485760"},
    {"receiver.max_inflated_bytes", KEY_SIZE, ROOT(out.receiver.max_inflated_bytes), RANGE(1, 17179869184), .fallback = "104857600"},
    {"receiver.max_inflight_bytes", KEY_SIZE, ROOT(out.receiver.max_inflight_bytes), RANGE(1, 1099511627776), .fallback = "268435456", .restart = true},
    {"receiver.header_timeout_ms", KEY_INT, ROOT(out.receiver.header_timeout_ms), RANGE(1, MS_MAX), .fallback = "10000"},
    {"receiver.body_timeout_ms", KEY_INT, ROOT(out.receiver.body_timeout_ms), RANGE(1, MS_MAX), .fallback = "30000"},
    {"receiver.max_connections", KEY_UINT, ROOT(out.receiver.max_connections), RANGE(1, 1000000), .fallback = "10000"},
    {"receiver.trusted_proxies", KEY_TEXTS, ROOT(trusted_proxies), RANGE(0, 1000), .fallback = "[]"},
    {"receiver.proxy_protocol", KEY_BOOL, ROOT(out.receiver.proxy_protocol), .fallback = "false"},
    {"receiver.grace_ms", KEY_INT, ROOT(out.receiver.grace_ms), RANGE(0, MS_MAX), .fallback = "0"},
    {"receiver.tls", KEY_OPTIONAL, ROOT(out.receiver.tls), .children = "tls", .fallback = "null", .restart = true},

    {"admin", KEY_OBJECT, ROOT(out), .children = "admin", .fallback = "{}"},
    {"admin.listen", KEY_TEXT, ROOT(out.admin.listen), RANGE(1, 256), .fallback = "\"127.0.0.1:8081\"", .override = "HOOKPACE_ADMIN_LISTEN", .restart = true},
    {"admin.hosts", KEY_TEXTS, ROOT(admin_hosts), RANGE(0, 100), .fallback = "[]"},
    {"admin.tls", KEY_OPTIONAL, ROOT(out.admin.tls), .children = "tls", .fallback = "null", .restart = true},

    {"api", KEY_OBJECT, ROOT(out), .children = "api", .fallback = "{}"},
    {"api.listen", KEY_TEXT, ROOT(out.api.listen), RANGE(1, 256), .fallback = "null", .override = "HOOKPACE_API_LISTEN", .restart = true},
    {"api.tls", KEY_OPTIONAL, ROOT(out.api.tls), .children = "tls", .fallback = "null", .restart = true},

    {"accounts", KEY_MAP, ROOT(accounts), .children = "accounts.*", .item_size = sizeof(struct raw_account), .fallback = "{}"},
    {"accounts.*.password", KEY_SECRET, ACCOUNT(out.password), RANGE(SECRET_MIN, TEXT_MAX)},
    {"accounts.*.role", KEY_CHOICE, ACCOUNT(role), .choices = "admin|user|viewer", .fallback = "\"user\""},
    {"accounts.*.payload", KEY_CHOICE, ACCOUNT(payload), .choices = "envelope|result", .fallback = "\"envelope\""},
    {"accounts.*.max_tasks", KEY_INT, ACCOUNT(out.max_tasks), RANGE(0, 1000000000), .fallback = "null"},
    {"accounts.*.max_bytes", KEY_INT, ACCOUNT(out.max_bytes), RANGE(0, INT64_C(1) << 50), .fallback = "null"},
    {"accounts.*.", KEY_SHARED, ACCOUNT(delivery), .children = "delivery"},

    {"dispatcher", KEY_OBJECT, ROOT(out), .children = "dispatcher", .fallback = "{}"},
    {"dispatcher.listen", KEY_TEXT, ROOT(out.dispatcher.listen), RANGE(1, 256), .fallback = "\"127.0.0.1:8082\"", .override = "HOOKPACE_DISPATCHER_LISTEN", .restart = true},
    {"dispatcher.concurrency", KEY_UINT, ROOT(out.dispatcher.concurrency), RANGE(1, 65536), .fallback = "256"},
    {"dispatcher.max_inflight_bytes", KEY_SIZE, ROOT(out.dispatcher.max_inflight_bytes), RANGE(1048576, 1099511627776), .fallback = "268435456"},
    {"dispatcher.drain_ms", KEY_INT, ROOT(out.dispatcher.drain_ms), RANGE(0, MS_MAX), .fallback = "15000"},
    {"dispatcher.egress", KEY_OBJECT, ROOT(out), .children = "dispatcher.egress", .fallback = "{}"},
    {"dispatcher.egress.allow", KEY_TEXTS, ROOT(egress_allow), RANGE(0, 1000), .fallback = "[]"},
    {"dispatcher.egress.allow_accounts", KEY_TEXTS, ROOT(egress_allow_accounts), RANGE(0, 1000), .fallback = "[]"},
    {"dispatcher.egress.deny", KEY_TEXTS, ROOT(egress_deny), RANGE(0, 1000), .fallback = "[]"},
    {"dispatcher.egress.proxy", KEY_TEXT, ROOT(out.dispatcher.proxy), RANGE(1, TEXT_MAX), .fallback = "null"},

    {"log", KEY_OBJECT, ROOT(out), .children = "log", .fallback = "{}"},
    {"log.events", KEY_CHOICE, ROOT(log_events), .choices = "all|failures|none", .fallback = "\"all\""},

    {"secrets_key", KEY_SECRET, ROOT(secrets_key), RANGE(SECRET_MIN, TEXT_MAX), .fallback = "null"},

    {"delay_ms", KEY_DELAY, ROOT(out.delay_ms), .fallback = "0"},
    {"delay_step_ms", KEY_INT, ROOT(out.delay_step_ms), RANGE(1, 1000), .fallback = "100"},

    {"retention", KEY_OBJECT, ROOT(out), .children = "retention", .fallback = "{}"},
    {"retention.done_s", KEY_INT, ROOT(out.retention.done_s), RANGE(1, SECONDS_MAX), .fallback = "86400"},
    {"retention.dead_s", KEY_INT, ROOT(out.retention.dead_s), RANGE(1, SECONDS_MAX), .fallback = "604800"},
    {"retention.dedup_s", KEY_INT, ROOT(out.retention.dedup_s), RANGE(1, SECONDS_MAX), .fallback = "86400"},
    {"retention.pending_s", KEY_INT, ROOT(out.retention.pending_s), RANGE(1, SECONDS_MAX), .fallback = "2592000"},

    {"sources", KEY_MAP, ROOT(sources), .children = "sources.*", .item_size = sizeof(struct raw_source)},
    {"sources.*.verify", KEY_OPTIONAL, SOURCE(verify), .children = "scheme"},
    {"sources.*.id", KEY_TEXTS, SOURCE(id), RANGE(0, 8), .fallback = "null"},
    {"sources.*.tag", KEY_TEXTS, SOURCE(tag), RANGE(0, 8), .fallback = "null"},
    {"sources.*.to", KEY_TEXTS, SOURCE(to), RANGE(0, 64)},
    {"sources.*.payload", KEY_CHOICE, SOURCE(payload), .choices = "json|form|any", .fallback = "\"json\""},
    {"sources.*.signed_over", KEY_CHOICE, SOURCE(signed_over), .choices = "plain|wire", .fallback = "\"plain\""},
    {"sources.*.repeats", KEY_CHOICE, SOURCE(repeats), .choices = "message|body|none", .fallback = "\"message\""},
    {"sources.*.keep_headers", KEY_TEXTS, SOURCE(keep_headers), RANGE(0, 64), .fallback = "null"},
    {"sources.*.keep_signature", KEY_BOOL, SOURCE(out.keep_signature), .fallback = "false"},
    {"sources.*.fetch", KEY_OPTIONAL, SOURCE(fetch), .children = "sources.*.fetch", .fallback = "null"},
    {"sources.*.fetch.url", KEY_TEXT, FETCH(url), RANGE(1, TEXT_MAX)},
    {"sources.*.fetch.basic", KEY_SECRET, FETCH(basic), RANGE(SECRET_MIN, TEXT_MAX), .fallback = "null"},
    {"sources.*.reconcile_s", KEY_INT, SOURCE(reconcile_s), RANGE(60, 86400), .fallback = "null"},
    {"sources.*.tasks_ready_url", KEY_TEXT, SOURCE(tasks_ready_url), RANGE(1, TEXT_MAX), .fallback = "null"},

    {"destinations", KEY_MAP, ROOT(destinations), .children = "destinations.*", .item_size = sizeof(struct raw_destination)},
    {"destinations.*.postback_url", KEY_TEXT, DESTINATION(postback_url), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"destinations.*.pingback_url", KEY_TEXT, DESTINATION(pingback_url), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"destinations.*.lane", KEY_TEXT, DESTINATION(out.lane), RANGE(1, 64), .fallback = "null"},
    {"destinations.*.", KEY_SHARED, DESTINATION(delivery), .children = "delivery"},

    {"delivery.delay_ms", KEY_DELAY, DELIVERY(delay_ms), .fallback = "null"},
    {"delivery.order", KEY_CHOICE, DELIVERY(order), .choices = "requeue|fifo", .fallback = "\"requeue\""},
    {"delivery.concurrency", KEY_UINT, DELIVERY(concurrency), RANGE(1, 65536), .fallback = "16"},
    {"delivery.timeout_ms", KEY_INT, DELIVERY(timeout_ms), RANGE(1, MS_MAX), .fallback = "10000"},
    {"delivery.connect_timeout_ms", KEY_INT, DELIVERY(connect_timeout_ms), RANGE(1, MS_MAX), .fallback = "3000"},
    {"delivery.verify_tls", KEY_BOOL, DELIVERY(verify_tls), .fallback = "true"},
    {"delivery.ca_file", KEY_PATH, DELIVERY(ca_file), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"delivery.crl_file", KEY_PATH, DELIVERY(crl_file), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"delivery.client_cert", KEY_PATH, DELIVERY(client_cert), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"delivery.client_key", KEY_PATH, DELIVERY(client_key), RANGE(1, TEXT_MAX), .fallback = "null"},
    {"delivery.gzip", KEY_CHOICE, DELIVERY(gzip), .choices = "keep|always|never", .fallback = "null"},
    {"delivery.headers", KEY_HEADERS, DELIVERY(headers), RANGE(0, 64), .fallback = "{}"},
    {"delivery.sign", KEY_OPTIONAL, DELIVERY(sign), .children = "scheme", .fallback = "null"},
    {"delivery.retry", KEY_OBJECT, .offset = 0, .children = "delivery.retry", .fallback = "{}"},
    {"delivery.retry.schedule_s", KEY_WAITS, DELIVERY(waits), RANGE(0, 604800), .fallback = "[5, 300, 1800, 7200, 18000, 36000, 36000]"},
    {"delivery.retry.give_up_on", KEY_STATUSES, DELIVERY(give_up_on), RANGE(STATUS_SET_MIN, STATUS_SET_MAX), .fallback = "[410]"},
    {"delivery.retry.jitter", KEY_SHARE, DELIVERY(jitter), RANGE(0, 1), .fallback = "0.2"},

    {"scheme.scheme", KEY_TEXT, SCHEME(scheme), RANGE(1, 64), .words = scheme_word},
    {"scheme.secrets", KEY_SECRETS, SCHEME(secrets), RANGE(0, SCHEME_SECRETS_MAX), .fallback = "[]"},
    {"scheme.allow", KEY_TEXTS, SCHEME(allow), RANGE(0, 1000), .fallback = "[]"},
    {"scheme.header", KEY_TEXT, SCHEME(header), RANGE(1, 128), .fallback = "null"},
    {"scheme.prefix", KEY_TEXT, SCHEME(prefix), RANGE(0, 128), .fallback = "null"},
    {"scheme.encoding", KEY_TEXT, SCHEME(encoding), RANGE(1, 16), .fallback = "null"},
    {"scheme.digest", KEY_TEXT, SCHEME(digest), RANGE(1, 16), .fallback = "null"},
    {"scheme.signed", KEY_TEXT, SCHEME(signed_text), RANGE(1, 1024), .fallback = "null"},
    {"scheme.id_header", KEY_TEXT, SCHEME(id_header), RANGE(1, 128), .fallback = "null"},
    {"scheme.timestamp_header", KEY_TEXT, SCHEME(timestamp_header), RANGE(1, 128), .fallback = "null"},
    {"scheme.tolerance_s", KEY_INT, SCHEME(tolerance_s), RANGE(0, 86400), .fallback = "null"},

    {"tls.cert", KEY_PATH, LISTENER_TLS(cert), RANGE(1, TEXT_MAX)},
    {"tls.key", KEY_PATH, LISTENER_TLS(key), RANGE(1, TEXT_MAX)},
};
/* clang-format on */
const size_t config_key_count = sizeof config_keys / sizeof *config_keys;

const char *config_key_leaf(const struct config_key *row, const char *prefix)
{
    const char *leaf = row->path;
    size_t n = strlen(prefix);
    if (n) {
        if (strncmp(row->path, prefix, n) != 0 || row->path[n] != '.')
            return NULL;
        leaf += n + 1;
    }
    return strchr(leaf, '.') ? NULL : leaf;
}

const struct config_key *config_key_find(const char *prefix, struct slice leaf)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *row = &config_keys[i];
        const char *name = config_key_leaf(row, prefix);
        if (name && row->type == KEY_SHARED)
            row = config_key_find(row->children, leaf);
        else if (!name || !slice_eq(slice_str(name), leaf))
            continue;
        if (row)
            return row;
    }
    return NULL;
}

bool config_key_is_text(const struct config_key *key)
{
    return key->type == KEY_TEXT || key->type == KEY_SECRET || key->type == KEY_PATH ||
           key->type == KEY_CHOICE;
}

static bool is_one_value(const struct config_key *key)
{
    return config_key_is_text(key) || key->type == KEY_INT || key->type == KEY_UINT ||
           key->type == KEY_SIZE || key->type == KEY_DELAY || key->type == KEY_SHARE ||
           key->type == KEY_BOOL;
}

/* True if KEY's path is its path in the file. Rows such as `tls.cert` belong to several objects. */
static bool is_in_one_place(const struct config_key *key)
{
    struct slice rest = slice_str(key->path);
    return config_key_find("", slice_cut(&rest, '.')) && !strchr(key->path, '*');
}

bool config_key_variable(const struct config_key *key, char variable[CONFIG_VARIABLE_MAX])
{
    if (!is_one_value(key) || !is_in_one_place(key))
        return false;
    size_t n = (size_t)snprintf(variable, CONFIG_VARIABLE_MAX, "HOOKPACE_");
    for (const char *p = key->path; *p && n + 1 < CONFIG_VARIABLE_MAX; p++)
        variable[n++] = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
    variable[n] = 0;
    return true;
}
