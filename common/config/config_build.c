/* Builds the configuration in this order: the top level, accounts, destinations, sources, then the rules that tie several
 * of them together. Each problem has the path of its key. Building goes on after a problem, so one run finds all
 * problems.
 */
#include "common/config/config_build.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_notes.h"
#include "common/config/config_picks.h"
#include "common/config/config_problems.h"
#include "common/config/config_redis.h"
#include "common/config/config_url.h"
#include "common/config/partition.h"
#include "common/crypto/crypto.h"
#include "common/net/http_line.h"
#include "common/net/http_rules.h"
#include "common/net/tls.h"
#include "common/webhook/companion.h"
#include "common/webhook/ids.h"
#include "common/webhook/special_headers.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_LINES_MAX 16384
#define LEASE_SPARE_MS 3000
#define NAME_BYTES 256
#define URL_BYTES ((size_t)2 * URL_TEMPLATE_MAX)

struct building {
    struct raw_config *d; /* as read; its values move to c */
    struct config *c;
    struct config_problems *problems;
};

/* --- paths and problems --- */

struct key_path { /* of the value being built; the reader has refused longer names */
    char text[256];
};

static struct key_path PRINTF_LIKE(1, 2) key_path(const char *fmt, ...)
{
    struct key_path p;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p.text, sizeof p.text, fmt, ap);
    va_end(ap);
    return p;
}

/* Adds the problem FAULT, or nothing if FAULT is NULL. */
static void report_fault(struct building *b, struct key_path path, const char *fault)
{
    if (fault)
        config_problems_add(b->problems, slice_str(path.text), "%s", fault);
}

/* True if a line of the problems begins with PATH and one of ENDS. */
static bool has_problem(const struct building *b, struct key_path path, struct slice ends)
{
    size_t len = strlen(path.text);
    struct slice rest = buf_slice(&b->problems->text);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.len > len && memchr(ends.ptr, line.ptr[len], ends.len) &&
            slice_starts(line, slice_str(path.text)))
            return true;
    }
    return false;
}

/* True if a problem at or below PATH was reported already: then its consequences are not reported. */
static bool was_reported(const struct building *b, struct key_path path)
{
    return has_problem(b, path, SLICE_LIT(":.[ "));
}

/* The same, for PATH itself only. */
static bool was_reported_itself(const struct building *b, struct key_path path)
{
    return has_problem(b, path, SLICE_LIT(":"));
}

/* --- rules for single values: each function returns the fault, or NULL --- */

/* A brace would move keys to another hash slot, a space breaks every shell loop over redis-cli. */
static const char *prefix_fault(struct slice redis_prefix)
{
    for (size_t i = 0; i < redis_prefix.len; i++) {
        unsigned char c = (unsigned char)redis_prefix.ptr[i];
        if (c >= 0x80 || !(isalnum(c) || (c && strchr("_.:-", c))))
            return "has a character that is not allowed; use letters, digits, '_', '.', ':' and "
                   "'-'";
    }
    return NULL;
}

static const char *pattern_fault(const struct source *s, struct slice header_pattern)
{
    const struct companion_rules rules = {.scheme = s->verify, .keep_signature = s->keep_signature};
    if (!http_is_token(header_pattern) || header_pattern.len > 64)
        return "is not a header name or a pattern like x-* of at most 64 characters";
    return companion_pattern_fault(header_pattern, &rules);
}

static const char *header_fault(struct slice name, struct slice value)
{
    if (!http_is_token(name) || name.len > 128)
        return "is not a header name; use at most 128 letters, digits and '-'";
    if (special_header(name) & HEADERS_OF_A_REQUEST)
        return "is set by the dispatcher itself; remove it here";
    if (text_has_control(value))
        return "has a control character in its value; remove it";
    return NULL;
}

/* --- values that several places have --- */

static int64_t build_delay(struct building *b, struct key_path path, int64_t given,
                           int64_t fallback)
{
    int64_t step = b->d->out.delay_step_ms;
    if (given == RAW_NO_DELAY)
        return fallback;
    if (delay_is_allowed(given, step))
        return given;
    config_problems_add(b->problems, slice_str(path.text),
                        "%" PRId64 " is not allowed; use 0, 50, or a multiple of %" PRId64
                        " up to 1000 (delay_step_ms)",
                        given, step);
    return 0;
}

static void check_readable(struct building *b, struct key_path path, const char *file)
{
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0)
        close(fd);
    else if (file)
        config_problems_add(b->problems, slice_str(path.text), "cannot open the file %s: %s", file,
                            strerror(errno));
}

static void build_cidrs(struct building *b, struct key_path path, const struct raw_texts *texts,
                        struct cidr **out, size_t *count)
{
    *out = xcalloc(texts->count, sizeof **out);
    for (size_t i = 0; i < texts->count; i++) {
        struct error e;
        if (cidr_parse(slice_str(texts->items[i]), &(*out)[*count], &e) == OK)
            ++*count;
        else
            report_fault(b, key_path("%s[%zu]", path.text, i), e.text);
    }
}

/* scheme_new says "prefix: what" or "secrets/0: what": the first word is a key of ours. */
static void report_scheme(struct building *b, struct key_path path, const char *text)
{
    char key[64];
    unsigned number;
    int n = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the number is our own, below SCHEME_SECRETS_MAX */
    if (sscanf(text, "secrets/%u: %n", &number, &n) == 1 && n)
        report_fault(b, key_path("%s.secrets[%u]", path.text, number), text + n);
    else if (sscanf(text, "%63[a-z_]: %n", key, &n) == 1 && n)
        report_fault(b, key_path("%s.%s", path.text, key), text + n);
    else
        report_fault(b, key_path("%s.scheme", path.text), text);
}

static struct scheme *build_scheme(struct building *b, struct key_path path,
                                   const struct raw_scheme *from)
{
    struct scheme *scheme = NULL;
    struct error e;
    if (from->given != CONFIG_GIVEN)
        return NULL;
    struct scheme_spec spec = {
        .name = from->scheme,
        .header = from->header,
        .prefix = from->prefix,
        .encoding = from->encoding,
        .digest = from->digest,
        .signed_text = from->signed_text,
        .id_header = from->id_header,
        .timestamp_header = from->timestamp_header,
        .tolerance_s = from->tolerance_s,
        .secret_count = from->secrets.count,
    };
    for (size_t i = 0; i < from->secrets.count; i++)
        spec.secrets[i] = from->secrets.items[i];
    if (scheme_new(&spec, &scheme, &e) != OK)
        report_scheme(b, path, e.text);
    return scheme;
}

/* A scheme by which we sign. */
static struct scheme *build_sign(struct building *b, struct key_path path,
                                 const struct raw_scheme *from)
{
    struct scheme *scheme = build_scheme(b, path, from);
    if (scheme && !scheme_can_sign(scheme))
        config_problems_add(b->problems, slice_str(key_path("%s.scheme", path.text).text),
                            "%s cannot sign what is sent; use a scheme that signs the body",
                            scheme_name(scheme));
    if (from->allow.count)
        report_fault(b, key_path("%s.allow", path.text), "is not used for signing; remove it");
    return scheme;
}

/* --- top level --- */

/* Loads the pair of LISTENER once, so that a wrong file is found now and not at a start or reload. */
static void check_tls(struct building *b, const char *listener, const struct config_tls *from)
{
    struct key_path cert = key_path("%s.tls.cert", listener);
    struct key_path key = key_path("%s.tls.key", listener);
    struct tls_server *tls = NULL;
    struct error e;
    check_readable(b, cert, from->cert);
    check_readable(b, key, from->key);
    if (from->given == CONFIG_GIVEN && !was_reported(b, cert) && !was_reported(b, key) &&
        tls_server_new(from->cert, from->key, &tls, &e) != OK)
        report_fault(b, key_path("%s.tls", listener), e.text);
    tls_server_free(tls);
}

static void check_listen(struct building *b, const char *listener, const char *listen)
{
    if (listen)
        report_fault(b, key_path("%s.listen", listener), config_listen_fault(slice_str(listen)));
}

/* 32 bytes: 64 hex digits, or base64. */
static void build_secrets_key(struct building *b)
{
    struct slice text = slice_str(b->d->secrets_key);
    unsigned char bytes[3 * ((2 * SEAL_KEY_LEN + 3) / 4)];
    size_t len = 0;
    if (!text.len)
        return;
    bool is_hex = text_unhex(text, b->c->secrets_key, SEAL_KEY_LEN) == OK;
    bool is_base64 = !is_hex && text.len <= (size_t)2 * SEAL_KEY_LEN &&
                     text_unbase64(text, true, bytes, &len) == OK && len == SEAL_KEY_LEN;
    if (is_base64)
        memcpy(b->c->secrets_key, bytes, SEAL_KEY_LEN);
    crypto_wipe(bytes, sizeof bytes);
    b->c->has_secrets_key = is_hex || is_base64;
    if (!b->c->has_secrets_key)
        report_fault(b, key_path("secrets_key"),
                     "is not a key of 32 bytes; write it as base64 or as 64 hex digits (`openssl "
                     "rand -base64 32` makes one)");
}

/* The names are compared with the Host header without its port. */
static void build_admin_hosts(struct building *b)
{
    struct raw_texts *hosts = &b->d->admin_hosts;
    for (size_t i = 0; i < hosts->count; i++)
        if (!hosts->items[i][0] || strpbrk(hosts->items[i], ":/@ []*"))
            report_fault(b, key_path("admin.hosts[%zu]", i),
                         "must be a host name without a port, such as \"hookpace.example\"; "
                         "addresses need not be listed");
    b->c->admin_hosts = hosts->items;
    b->c->admin_host_count = hosts->count;
    *hosts = (struct raw_texts){0};
}

static void build_top(struct building *b)
{
    struct raw_config *d = b->d;
    struct config *c = b->c;
    *c = d->out;
    d->out = (struct config){.delay_step_ms = c->delay_step_ms};
    atomic_init(&c->refs, 1);
    c->log_events = (enum log_events)d->log_events;
    build_secrets_key(b);
    c->delay_ms = build_delay(b, key_path("delay_ms"), c->delay_ms, 0);
    if (!was_reported(b, key_path("redis")))
        config_redis_build(&c->redis, b->problems);
    report_fault(b, key_path("redis.prefix"), prefix_fault(slice_str(c->redis.prefix)));
    check_listen(b, "receiver", c->receiver.listen);
    check_listen(b, "admin", c->admin.listen);
    check_listen(b, "api", c->api.listen);
    check_listen(b, "dispatcher", c->dispatcher.listen);
    if (c->dispatcher.proxy)
        report_fault(b, key_path("dispatcher.egress.proxy"),
                     config_proxy_fault(slice_str(c->dispatcher.proxy)));
    build_cidrs(b, key_path("receiver.trusted_proxies"), &d->trusted_proxies,
                &c->receiver.trusted_proxies, &c->receiver.trusted_count);
    build_cidrs(b, key_path("dispatcher.egress.allow"), &d->egress_allow, &c->dispatcher.allow,
                &c->dispatcher.allow_count);
    build_cidrs(b, key_path("dispatcher.egress.allow_accounts"), &d->egress_allow_accounts,
                &c->dispatcher.allow_accounts, &c->dispatcher.allow_accounts_count);
    build_cidrs(b, key_path("dispatcher.egress.deny"), &d->egress_deny, &c->dispatcher.deny,
                &c->dispatcher.deny_count);
    build_admin_hosts(b);
    check_tls(b, "receiver", &c->receiver.tls);
    check_tls(b, "admin", &c->admin.tls);
    check_tls(b, "api", &c->api.tls);
}

/* --- delivery settings, of a destination or an account --- */

static char *build_headers(struct building *b, struct key_path path, const struct scheme *sign,
                           const struct raw_headers *headers)
{
    struct buf lines;
    buf_init(&lines, HEADER_LINES_MAX);
    for (size_t i = 0; i < headers->names.count; i++) {
        struct slice name = slice_str(headers->names.items[i]);
        struct slice value = slice_trim(slice_str(headers->values.items[i]));
        struct key_path item = key_path("%s.%s", path.text, name.ptr);
        report_fault(b, item, header_fault(name, value));
        if (sign && (scheme_owns_header(sign, name) || scheme_sends_header(sign, name)))
            report_fault(b, item, "is set by the signature; remove it here, or remove sign");
        for (size_t j = 0; j < i; j++)
            if (slice_eq_nocase(name, slice_str(headers->names.items[j])))
                report_fault(b, item,
                             "is given twice (upper and lower case are the same); remove one");
        http_line_add(&lines, name, value);
    }
    if (lines.failed)
        report_fault(b, path, "has over 16 KiB together; remove some");
    return buf_take(&lines, NULL);
}

/* Receivers verify plain bytes, so what is signed is plain unless the key `gzip` says otherwise. GIVEN is -1 if it says
 * nothing. */
static enum gzip_mode build_gzip(int given, const struct scheme *sign, enum gzip_mode if_unsigned)
{
    if (given >= 0)
        return (enum gzip_mode)given;
    return sign ? GZIP_NEVER : if_unsigned;
}

/* Reads the certificate and key that FROM names into ID. A reload reads them again. */
static void build_identity(struct building *b, struct key_path path,
                           const struct raw_delivery *from, struct client_identity *id)
{
    struct key_path cert = key_path("%s.client_cert", path.text);
    struct key_path key = key_path("%s.client_key", path.text);
    enum identity_part where;
    struct error e;
    if (was_reported(b, cert) || was_reported(b, key) || (!from->client_cert && !from->client_key))
        return;
    if (!from->client_key)
        report_fault(b, cert, "needs client_key, the file of its private key");
    else if (!from->client_cert)
        report_fault(b, key, "needs client_cert, the file of its certificate");
    else if (client_identity_read(from->client_cert, from->client_key, id, &where, &e) != OK)
        report_fault(b, where == IDENTITY_CERT ? cert : key, e.text);
}

static void check_crl(struct building *b, struct key_path path, const struct delivery_settings *s)
{
    bool is_over;
    struct error e;
    if (!s->crl_file)
        return;
    if (!s->verify_tls)
        report_fault(b, path, "has no effect with \"verify_tls\": false; remove one of them");
    else if (revocation_lists_check(s->crl_file, &is_over, &e) != OK)
        report_fault(b, path, e.text);
    else if (is_over)
        config_problems_warn(b->problems, slice_str(path.text),
                             "has a list past its next update, so no certificate of that authority "
                             "is accepted; get a new list");
}

/* Moves FROM, whose keys are below PATH. GZIP is what `gzip` means without a signature if the key is null. */
static struct delivery_settings *build_delivery(struct building *b, struct key_path path,
                                                struct raw_delivery *from, enum gzip_mode gzip)
{
    struct delivery_settings *s = NEW(struct delivery_settings);
    *s = (struct delivery_settings){
        .has_own_delay = from->delay_ms != RAW_NO_DELAY,
        .delay_ms =
            build_delay(b, key_path("%s.delay_ms", path.text), from->delay_ms, b->c->delay_ms),
        .order = (enum delivery_order)from->order,
        .concurrency = from->concurrency,
        .timeout_ms = from->timeout_ms,
        .connect_timeout_ms = from->connect_timeout_ms,
        .lease_ms = from->connect_timeout_ms + from->timeout_ms + LEASE_SPARE_MS,
        .verify_tls = from->verify_tls,
        .ca_file = from->ca_file,
        .crl_file = from->crl_file,
        .schedule_ms = from->waits.ms,
        .schedule_count = from->waits.count,
        .jitter = from->jitter,
        .give_up_on = from->give_up_on,
    };
    from->ca_file = from->crl_file = NULL;
    from->waits = (struct raw_waits){0};
    check_readable(b, key_path("%s.ca_file", path.text), s->ca_file);
    check_crl(b, key_path("%s.crl_file", path.text), s);
    build_identity(b, path, from, &s->identity);
    s->sign = build_sign(b, key_path("%s.sign", path.text), &from->sign);
    s->gzip = build_gzip(from->gzip, s->sign, gzip);
    s->has_own_gzip = from->gzip >= 0;
    s->headers = build_headers(b, key_path("%s.headers", path.text), s->sign, &from->headers);
    return s;
}

static struct delivery_settings *default_settings(struct building *b)
{
    struct raw_delivery plain;
    raw_delivery_init(&plain);
    struct delivery_settings *s = build_delivery(b, key_path("delivery"), &plain, GZIP_KEEP);
    raw_delivery_clear(&plain);
    return s;
}

/* --- destinations that the file does not name: of accounts and of fetches --- */

/* Adds OWNER's destination of KIND on LANE (NULL: on a lane of its own name). C owns it. */
static struct destination *imply_destination(struct config *c, enum delivery_kind kind,
                                             const char *owner, const char *lane)
{
    struct destination *d = NEW(struct destination);
    struct buf name;
    buf_init(&name, NAME_BYTES);
    buf_addf(&name, "%s@%s", delivery_kind_word(kind), owner);
    d->name = buf_take(&name, NULL);
    d->kind = kind;
    d->lane = xstrdup(lane ? lane : d->name);
    d->partition = partition_of(slice_str(d->lane), c->redis.partitions);
    map_set(&c->implied, slice_str(d->name), d);
    return d;
}

static struct destination *imply_hook(struct config *c, const struct config_account *a,
                                      enum delivery_kind kind)
{
    struct destination *d = imply_destination(c, kind, a->name, a->name);
    d->account = a;
    d->settings = a->settings;
    return d;
}

/* --- accounts --- */

/* The largest amount that an account may keep in a Redis of 1 GB beside all else: docs/reference/configuration.md#quotas. */
#define ACCOUNT_TASKS 50000
#define ACCOUNT_BYTES (128 << 20)

static void build_account(struct building *b, struct raw_account *from)
{
    struct config_account *a = NEW(struct config_account);
    *a = from->out;
    from->out = (struct config_account){0};
    map_set(&b->c->accounts, slice_str(a->name), a);
    a->role = (enum account_role)from->role;
    a->payload = (enum account_payload)from->payload;
    bool is_limited = a->role != ACCOUNT_ADMIN;
    if (a->max_tasks < 0)
        a->max_tasks = is_limited ? ACCOUNT_TASKS : 0;
    if (a->max_bytes < 0)
        a->max_bytes = is_limited ? ACCOUNT_BYTES : 0;
    struct key_path path = key_path("accounts.%s", a->name);
    a->settings = build_delivery(b, path, &from->delivery, GZIP_ALWAYS);
    a->postback = imply_hook(b->c, a, DELIVERY_POSTBACK);
    a->pingback = imply_hook(b->c, a, DELIVERY_PINGBACK);
}

/* --- destinations --- */

/* The URL, and the kind that follows from its key. */
static void build_url(struct building *b, struct destination *d, struct raw_destination *from)
{
    struct key_path post = key_path("destinations.%s.postback_url", d->name);
    struct key_path ping = key_path("destinations.%s.pingback_url", d->name);
    const char *text = from->pingback_url ? from->pingback_url : from->postback_url;
    struct error e;
    d->kind = from->pingback_url ? DELIVERY_PINGBACK : DELIVERY_POSTBACK;
    /* A timeout of 0 means that the destination was not an object and nothing of it was read. */
    if (from->delivery.timeout_ms == 0 || was_reported(b, post) || was_reported(b, ping))
        return;
    if (!text)
        report_fault(b, key_path("destinations.%s", d->name),
                     "has no URL; give postback_url or pingback_url");
    else if (from->postback_url && from->pingback_url)
        report_fault(
            b, key_path("destinations.%s", d->name),
            "has both postback_url and pingback_url: make two destinations of it, and name "
            "both in `to`");
    else if (url_template_new(slice_str(text), &d->url, &e) != OK)
        report_fault(b, d->kind == DELIVERY_PINGBACK ? ping : post, e.text);
}

static void build_destination(struct building *b, struct raw_destination *from)
{
    struct destination *d = NEW(struct destination);
    *d = from->out;
    from->out = (struct destination){0};
    struct key_path path = key_path("destinations.%s", d->name);
    map_set(&b->c->destinations, slice_str(d->name), d);
    if (!d->lane && map_get(&b->c->accounts, slice_str(d->name)))
        report_fault(b, key_path("destinations.%s", d->name),
                     "has the name of an account and would share its lane; give `lane` (the same "
                     "name if that is meant)");
    if (!d->lane)
        d->lane = xstrdup(d->name);
    else if (!name_is_valid(slice_str(d->lane)))
        report_fault(b, key_path("destinations.%s.lane", d->name),
                     "is not allowed as a name: use 1 to 64 letters, digits, '_' and '-'");
    d->partition = partition_of(slice_str(d->lane), b->c->redis.partitions);
    build_url(b, d, from);
    d->settings = build_delivery(b, path, &from->delivery, GZIP_KEEP);
}

/* --- fetches --- */

/* The tasks_ready beside FETCH_URL: what precedes "/task_get/", and "/tasks_ready". NULL if there is no "/task_get/".
 * The caller frees it. */
static char *ready_url_of(struct slice fetch_url)
{
    struct slice rest = fetch_url, path = slice_cut(&rest, '?');
    size_t at = 0;
    while (at < path.len && !slice_starts(slice_skip(path, at), SLICE_LIT("/task_get/")))
        at++;
    if (at == path.len)
        return NULL;
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_add(&url, path.ptr, at);
    buf_add_str(&url, "/tasks_ready");
    return buf_take(&url, NULL);
}

/* URL is a valid template: each `$` before a letter begins a variable. */
static bool has_variable(const char *url)
{
    return strstr(url, "$id") || strstr(url, "$tag") || strstr(url, "$source");
}

static void build_fetch_url(struct building *b, struct key_path path, const char *text,
                            struct destination *d)
{
    struct error e;
    if (url_template_new(slice_str(text), &d->url, &e) != OK)
        report_fault(b, path, e.text);
    else if (!strstr(text, "$id"))
        report_fault(b, path, "has no $id; put it where the id of the task belongs");
}

/* RFC 7617, section 2. BASIC has no control characters. */
static char *basic_header(struct slice basic)
{
    struct buf line;
    buf_init(&line, 2 * basic.len + 16);
    buf_add_str(&line, "Basic ");
    char *to = buf_reserve(&line, 4 * ((basic.len + 2) / 3));
    buf_wrote(&line, text_base64(basic.ptr, basic.len, to));
    return buf_take(&line, NULL);
}

static void build_basic(struct building *b, struct key_path path, const char *text,
                        struct source *s)
{
    struct slice basic = slice_str(text);
    if (!text)
        return;
    if (!memchr(basic.ptr, ':', basic.len) || basic.ptr[0] == ':')
        report_fault(b, path, "must be login:password");
    else
        s->fetch_authorization = basic_header(basic);
}

static void build_ready_url(struct building *b, struct source *s, const struct raw_source *from)
{
    struct key_path path = key_path("sources.%s.tasks_ready_url", s->name);
    struct url_template *url = NULL;
    struct error e;
    if (was_reported(b, path) || was_reported(b, key_path("sources.%s.fetch", s->name)))
        return;
    s->ready_url = from->tasks_ready_url ? xstrdup(from->tasks_ready_url)
                                         : ready_url_of(slice_str(from->fetch.url));
    if (!s->ready_url)
        report_fault(
            b, path,
            "is missing, and fetch.url has no /task_get/ from which it would follow; give it");
    else if (url_template_new(slice_str(s->ready_url), &url, &e) != OK)
        report_fault(b, path, e.text);
    else if (has_variable(s->ready_url))
        report_fault(b, path, "has a variable; $id, $tag and $source are not allowed here");
    url_template_free(url);
}

/* The part of a source that fetches results: `fetch`, `reconcile_s`, `tasks_ready_url`. */
static void build_fetch(struct building *b, struct source *s, const struct raw_source *from)
{
    const struct raw_fetch *fetch = &from->fetch;
    struct key_path reconcile = key_path("sources.%s.reconcile_s", s->name);
    struct key_path path = key_path("sources.%s.fetch", s->name);
    if (fetch->given == CONFIG_NOT_GIVEN && from->reconcile_s > 0)
        report_fault(b, reconcile, "needs `fetch`: it says how to get the results that are found");
    if (from->tasks_ready_url && from->reconcile_s < 0 && !was_reported(b, reconcile))
        report_fault(b, key_path("sources.%s.tasks_ready_url", s->name),
                     "has no effect without reconcile_s; give reconcile_s, or remove it");
    if (fetch->given != CONFIG_GIVEN)
        return;
    s->fetch = imply_destination(b->c, DELIVERY_FETCH, s->name, NULL);
    s->fetch->source = s;
    s->fetch->settings = default_settings(b);
    build_fetch_url(b, key_path("%s.url", path.text), fetch->url, s->fetch);
    build_basic(b, key_path("%s.basic", path.text), fetch->basic, s);
    s->reconcile_ms = from->reconcile_s > 0 ? from->reconcile_s * 1000 : 0;
    if (s->reconcile_ms)
        build_ready_url(b, s, from);
}

/* --- sources --- */

static void no_such_destination(struct building *b, struct key_path path, struct slice name)
{
    char guessed[TEXT_GUESS_MAX];
    struct text_guess guess = text_guess(name);
    size_t at = 0;
    struct slice candidate;
    void *value;
    while (map_next(&b->c->destinations, &at, &candidate, &value))
        text_guess_try(&guess, candidate);
    config_problems_add(b->problems, slice_str(path.text), "no such destination%s",
                        text_guess_write(&guess, "", guessed));
}

static void build_to(struct building *b, struct source *s, const struct raw_texts *to)
{
    s->to = xcalloc(to->count, sizeof(struct destination *));
    for (size_t i = 0; i < to->count; i++) {
        struct key_path path = key_path("sources.%s.to[%zu]", s->name, i);
        struct destination *d = map_get(&b->c->destinations, slice_str(to->items[i]));
        if (!d && !was_reported_itself(b, key_path("destinations")))
            no_such_destination(b, path, slice_str(to->items[i]));
        for (size_t j = 0; j < s->to_count && d; j++)
            if (s->to[j] == d)
                report_fault(b, path, "names this destination a second time; remove it");
        if (d)
            s->to[s->to_count++] = d;
    }
}

static void build_keep(struct building *b, struct source *s, struct raw_texts *keep)
{
    if (!keep->given)
        return;
    for (size_t i = 0; i < keep->count; i++)
        report_fault(b, key_path("sources.%s.keep_headers[%zu]", s->name, i),
                     pattern_fault(s, slice_str(keep->items[i])));
    s->keep_headers = keep->items ? keep->items : xcalloc(1, sizeof(char *));
    s->keep_count = keep->count;
    *keep = (struct raw_texts){0};
}

static void build_source(struct building *b, struct raw_source *from)
{
    struct source *s = NEW(struct source);
    *s = from->out;
    from->out = (struct source){0};
    map_set(&b->c->sources, slice_str(s->name), s);
    s->payload = (enum payload_kind)from->payload;
    s->signed_over_wire = from->signed_over == SIGNED_OVER_WIRE;
    s->repeats = (enum source_repeats)from->repeats;
    struct key_path verify = key_path("sources.%s.verify", s->name);
    s->verify = build_scheme(b, verify, &from->verify);
    build_cidrs(b, key_path("%s.allow", verify.text), &from->verify.allow, &s->allow,
                &s->allow_count);
    config_picks_build(s, &from->id, &from->tag, b->problems);
    build_keep(b, s, &from->keep_headers);
    build_to(b, s, &from->to);
    build_fetch(b, s, from);
}

/* --- lanes --- */

static void report_order(struct config_problems *problems, const struct destination *d,
                         const struct destination *other)
{
    static const char *const words[] = {[ORDER_REQUEUE] = "requeue", [ORDER_FIFO] = "fifo"};
    char path[160];
    snprintf(path, sizeof path, "destinations.%s.order", d->name);
    config_problems_add(
        problems, slice_str(path),
        "is %s, but %s%s on the same lane has %s; give all destinations of a lane the same order",
        words[d->settings->order], other->account ? "account " : "destinations.",
        other->account ? other->account->name : other->name, words[other->settings->order]);
}

/* Destinations that share a lane must agree on `order`. */
static void check_lanes(const struct config *c, struct config_problems *problems)
{
    struct map firsts; /* lane -> its first destination */
    map_init(&firsts);
    struct config_walk walk = {0};
    struct destination *d;
    while (config_next_destination(c, &walk, &d)) {
        struct destination *first = map_get(&firsts, slice_str(d->lane));
        if (!first)
            map_set(&firsts, slice_str(d->lane), d);
        else if (d->settings->order == first->settings->order)
            continue;
        else if (!d->account)
            report_order(problems, d, first);
        else if (d->kind == DELIVERY_POSTBACK) /* an account has two destinations and one lane */
            report_order(problems, first, d);
    }
    map_clear(&firsts);
}

/* Accounts do not count: both destinations of an account are on its lane. */
static void mark_shared_lanes(const struct config *c)
{
    struct map
        seen; /* lane -> C if several destinations of the file are on it, else the only one */
    map_init(&seen);
    struct config_walk walk = {0}, again = {0};
    struct destination *d;
    while (config_next_destination(c, &walk, &d)) {
        struct slice lane = slice_str(d->lane);
        if (!d->account)
            map_set(&seen, lane, map_get(&seen, lane) ? (void *)c : d);
    }
    while (config_next_destination(c, &again, &d))
        d->lane_is_shared = map_get(&seen, slice_str(d->lane)) == c;
    map_clear(&seen);
}

struct config *config_build(struct raw_config *d, struct config_problems *problems)
{
    struct building b = {.d = d, .c = NEW(struct config), .problems = problems};
    build_top(&b);
    for (size_t i = 0; i < d->accounts.count; i++)
        build_account(&b, raw_account_at(d, i));
    for (size_t i = 0; i < d->destinations.count; i++)
        build_destination(&b, raw_destination_at(d, i));
    for (size_t i = 0; i < d->sources.count; i++)
        build_source(&b, raw_source_at(d, i));
    check_lanes(b.c, problems);
    mark_shared_lanes(b.c);
    config_notes(b.c, problems);
    return b.c;
}
