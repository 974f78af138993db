#include "common/config/config_build.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_builder.h"
#include "common/config/config_check.h"
#include "common/config/config_fetch.h"
#include "common/config/config_implied.h"
#include "common/config/config_problems.h"
#include "common/config/config_url.h"
#include "common/config/partition.h"
#include "common/json/json_scan.h"
#include "common/net/http_line.h"
#include "common/net/tls.h"
#include "common/webhook/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HEADER_LINES_MAX 16384

static int64_t build_delay(struct builder *b, struct builder_path path, int64_t given,
                           int64_t fallback)
{
    int64_t step = b->d->out.delay_step_ms;
    if (given == DRAFT_NO_DELAY)
        return fallback;
    if (delay_is_allowed(given, step))
        return given;
    config_problems_add(b->problems, slice_str(path.text),
                        "%" PRId64 " is not allowed: 0, 50, or a multiple of %" PRId64
                        " up to 1000 (delay_step_ms)",
                        given, step);
    return 0;
}

static void check_readable(struct builder *b, struct builder_path path, const char *file)
{
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0)
        close(fd);
    else if (file)
        config_problems_add(b->problems, slice_str(path.text), "cannot open the file %s: %s", file,
                            strerror(errno));
}

static void build_cidrs(struct builder *b, struct builder_path path,
                        const struct draft_texts *texts, struct cidr **out, size_t *count)
{
    *out = xcalloc(texts->count, sizeof **out);
    for (size_t i = 0; i < texts->count; i++) {
        struct error e;
        if (cidr_parse(slice_str(texts->items[i]), &(*out)[*count], &e) == OK)
            ++*count;
        else
            builder_fault(b, builder_path("%s[%zu]", path.text, i), e.text);
    }
}

/* scheme_new says "prefix: what" or "secrets/0: what": the first word is a key of ours. */
static void report_scheme(struct builder *b, struct builder_path path, const char *text)
{
    char key[64];
    unsigned number;
    int n = 0;
    /* NOLINTNEXTLINE(cert-err34-c): the number is our own, below SCHEME_SECRETS_MAX */
    if (sscanf(text, "secrets/%u: %n", &number, &n) == 1 && n)
        builder_fault(b, builder_path("%s.secrets[%u]", path.text, number), text + n);
    else if (sscanf(text, "%63[a-z_]: %n", key, &n) == 1 && n)
        builder_fault(b, builder_path("%s.%s", path.text, key), text + n);
    else
        builder_fault(b, builder_path("%s.scheme", path.text), text);
}

static struct scheme *build_scheme(struct builder *b, struct builder_path path,
                                   const struct draft_scheme *from)
{
    struct scheme *scheme = NULL;
    struct error e;
    if (from->state != DRAFT_GIVEN)
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

/* A scheme by which we sign, for an account or a destination. */
static struct scheme *build_sign(struct builder *b, struct builder_path path,
                                 const struct draft_scheme *from)
{
    struct scheme *scheme = build_scheme(b, path, from);
    if (scheme && !scheme_can_sign(scheme))
        config_problems_add(b->problems, slice_str(builder_path("%s.scheme", path.text).text),
                            "%s cannot sign what is sent", scheme_name(scheme));
    if (from->allow.count)
        builder_fault(b, builder_path("%s.allow", path.text), "belongs to a source's verify only");
    return scheme;
}

/* Loads the pair once, so that a start or a reload does not find out. */
static void build_tls(struct builder *b)
{
    struct config_receiver *r = &b->c->receiver;
    struct draft_tls *from = &b->d->tls;
    struct builder_path cert = builder_path("receiver.tls.cert"),
                        key = builder_path("receiver.tls.key");
    struct tls_server *tls = NULL;
    struct error e;
    check_readable(b, cert, from->cert);
    check_readable(b, key, from->key);
    if (from->state == DRAFT_GIVEN && !builder_was_told(b, cert) && !builder_was_told(b, key) &&
        tls_server_new(from->cert, from->key, &tls, &e) != OK)
        builder_fault(b, builder_path("receiver.tls"), e.text);
    tls_server_free(tls);
    r->tls_cert = from->cert;
    r->tls_key = from->key;
    from->cert = from->key = NULL;
}

static void build_top(struct builder *b)
{
    struct draft *d = b->d;
    struct config *c = b->c;
    struct error e;
    *c = d->out;
    d->out = (struct config){.delay_step_ms = c->delay_step_ms};
    atomic_init(&c->refs, 1);
    c->delay_ms = build_delay(b, builder_path("delay_ms"), c->delay_ms, 0);
    if (!builder_was_told(b, builder_path("redis.url")) &&
        config_url_parse(slice_str(d->redis_url), &c->redis, &e) != OK)
        builder_fault(b, builder_path("redis.url"), e.text);
    builder_fault(b, builder_path("redis.prefix"), config_prefix_fault(slice_str(c->redis.prefix)));
    builder_fault(b, builder_path("receiver.listen"),
                  config_listen_fault(slice_str(c->receiver.listen)));
    builder_fault(b, builder_path("admin.listen"), config_listen_fault(slice_str(c->admin_listen)));
    builder_fault(b, builder_path("dispatcher.listen"),
                  config_listen_fault(slice_str(c->dispatcher.listen)));
    if (c->dispatcher.proxy)
        builder_fault(b, builder_path("dispatcher.egress.proxy"),
                      config_proxy_fault(slice_str(c->dispatcher.proxy)));
    build_cidrs(b, builder_path("dispatcher.egress.allow"), &d->egress_allow, &c->dispatcher.allow,
                &c->dispatcher.allow_count);
    build_cidrs(b, builder_path("dispatcher.egress.deny"), &d->egress_deny, &c->dispatcher.deny,
                &c->dispatcher.deny_count);
    build_tls(b);
}

static void build_account(struct builder *b, struct draft_account *from)
{
    struct config_account *a = NEW(struct config_account);
    *a = from->out;
    from->out = (struct config_account){0};
    map_set(&b->c->accounts, slice_str(a->name), a);
    a->is_admin = from->role == ROLE_ADMIN;
    a->has_own_delay = a->delay_ms != DRAFT_NO_DELAY;
    a->delay_ms =
        build_delay(b, builder_path("accounts.%s.delay_ms", a->name), a->delay_ms, b->c->delay_ms);
    a->sign = build_sign(b, builder_path("accounts.%s.sign", a->name), &from->sign);
    config_imply_hooks(b->c, a);
}

/* The URL and whether it is a pingback's. */
static void build_url(struct builder *b, struct destination *d, struct draft_destination *from)
{
    struct builder_path post = builder_path("destinations.%s.postback_url", d->name);
    struct builder_path ping = builder_path("destinations.%s.pingback_url", d->name);
    const char *text = from->pingback_url ? from->pingback_url : from->postback_url;
    struct error e;
    d->kind = from->pingback_url ? DELIVERY_PINGBACK : DELIVERY_POSTBACK;
    /* A timeout is never 0: then it was no object, and nothing of it was read. */
    if (d->timeout_ms == 0 || builder_was_told(b, post) || builder_was_told(b, ping))
        return;
    if (!text)
        builder_fault(b, builder_path("destinations.%s", d->name),
                      "needs postback_url or pingback_url");
    else if (from->postback_url && from->pingback_url)
        builder_fault(
            b, builder_path("destinations.%s", d->name),
            "has both postback_url and pingback_url: make two destinations of it, and name "
            "both in `to`");
    else if (url_template_new(slice_str(text), &d->url, &e) != OK)
        builder_fault(b, d->kind == DELIVERY_PINGBACK ? ping : post, e.text);
}

static void build_headers(struct builder *b, struct destination *d,
                          const struct draft_headers *headers)
{
    struct buf lines;
    buf_init(&lines, HEADER_LINES_MAX);
    for (size_t i = 0; i < headers->names.count; i++) {
        struct slice name = slice_str(headers->names.items[i]);
        struct slice value = slice_trim(slice_str(headers->values.items[i]));
        struct builder_path path = builder_path("destinations.%s.headers.%s", d->name, name.ptr);
        builder_fault(b, path, config_header_fault(name, value));
        if (d->sign && (scheme_owns_header(d->sign, name) || scheme_sends_header(d->sign, name)))
            builder_fault(b, path, "is set by the signature (sign)");
        for (size_t j = 0; j < i; j++)
            if (slice_eq_nocase(name, slice_str(headers->names.items[j])))
                builder_fault(b, path, "stands twice, if case is ignored");
        http_line_add(&lines, name, value);
    }
    if (lines.failed)
        builder_fault(b, builder_path("destinations.%s.headers", d->name), "over 16 KiB together");
    d->headers = buf_take(&lines, NULL);
}

static void build_destination(struct builder *b, struct draft_destination *from)
{
    struct destination *d = NEW(struct destination);
    *d = from->out;
    from->out = (struct destination){0};
    map_set(&b->c->destinations, slice_str(d->name), d);
    if (!d->lane && map_get(&b->c->accounts, slice_str(d->name)))
        builder_fault(b, builder_path("destinations.%s", d->name),
                      "has the name of an account, on whose lane it would be paced: write `lane`, "
                      "the same name if that is meant");
    if (!d->lane)
        d->lane = xstrdup(d->name);
    else if (!name_is_valid(slice_str(d->lane)))
        builder_fault(b, builder_path("destinations.%s.lane", d->name),
                      "is not allowed as a name: use 1 to 64 letters, digits, '_' and '-'");
    d->partition = partition_of(slice_str(d->lane), b->c->redis.partitions);
    d->has_own_delay = d->delay_ms != DRAFT_NO_DELAY;
    d->delay_ms = build_delay(b, builder_path("destinations.%s.delay_ms", d->name), d->delay_ms,
                              b->c->delay_ms);
    d->order = (enum delivery_order)from->order;
    d->gzip = (enum gzip_mode)from->gzip;
    d->lease_ms = config_lease_ms(d);
    d->schedule_ms = from->waits.ms;
    d->schedule_count = from->waits.count;
    from->waits = (struct draft_waits){0};
    check_readable(b, builder_path("destinations.%s.ca_file", d->name), d->ca_file);
    build_url(b, d, from);
    d->sign = build_sign(b, builder_path("destinations.%s.sign", d->name), &from->sign);
    build_headers(b, d, &from->headers);
}

static void no_such_destination(struct builder *b, struct builder_path path, struct slice name)
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

static void build_to(struct builder *b, struct source *s, const struct draft_texts *to)
{
    s->to = xcalloc(to->count, sizeof(struct destination *));
    for (size_t i = 0; i < to->count; i++) {
        struct builder_path path = builder_path("sources.%s.to[%zu]", s->name, i);
        struct destination *d = map_get(&b->c->destinations, slice_str(to->items[i]));
        if (!d && !builder_was_told_itself(b, builder_path("destinations")))
            no_such_destination(b, path, slice_str(to->items[i]));
        for (size_t j = 0; j < s->to_count && d; j++)
            if (s->to[j] == d)
                builder_fault(b, path, "names this destination a second time");
        if (d)
            s->to[s->to_count++] = d;
    }
}

static bool pointers_are_valid(struct builder *b, const struct source *s, const char *key,
                               const struct draft_texts *pointers)
{
    bool valid = !pointers->broken;
    for (size_t i = 0; i < pointers->count; i++) {
        const char *fault = config_pointer_fault(slice_str(pointers->items[i]));
        builder_fault(b, builder_path("sources.%s.%s[%zu]", s->name, key, i), fault);
        valid = valid && !fault;
    }
    return valid;
}

static void build_picks(struct builder *b, struct source *s, const struct draft_texts *id,
                        const struct draft_texts *tag)
{
    const char *pointers[JSON_PICKS_MAX];
    size_t n = 0;
    struct error e;
    bool ids_are_valid = pointers_are_valid(b, s, "id", id);
    if (!pointers_are_valid(b, s, "tag", tag) || !ids_are_valid)
        return;
    for (size_t i = 0; i < id->count; i++)
        pointers[n++] = id->items[i];
    for (size_t i = 0; i < tag->count; i++)
        pointers[n++] = tag->items[i];
    s->id_picks = id->count;
    s->tag_picks = tag->count;
    if (json_picks_new(pointers, n, &s->picks, &e) != OK)
        builder_fault(b, builder_path("sources.%s.id", s->name), e.text);
}

static void build_keep(struct builder *b, struct source *s, struct draft_texts *keep)
{
    if (!keep->given)
        return;
    for (size_t i = 0; i < keep->count; i++)
        builder_fault(b, builder_path("sources.%s.keep_headers[%zu]", s->name, i),
                      config_pattern_fault(slice_str(keep->items[i])));
    s->keep_headers = keep->items ? keep->items : xcalloc(1, sizeof(char *));
    s->keep_count = keep->count;
    *keep = (struct draft_texts){0};
}

static void build_source(struct builder *b, struct draft_source *from)
{
    struct source *s = NEW(struct source);
    *s = from->out;
    from->out = (struct source){0};
    map_set(&b->c->sources, slice_str(s->name), s);
    s->payload_is_json = from->payload == PAYLOAD_JSON;
    s->signed_over_wire = from->signed_over == SIGNED_OVER_WIRE;
    struct builder_path verify = builder_path("sources.%s.verify", s->name);
    s->verify = build_scheme(b, verify, &from->verify);
    build_cidrs(b, builder_path("%s.allow", verify.text), &from->verify.allow, &s->allow,
                &s->allow_count);
    build_picks(b, s, &from->id, &from->tag);
    build_keep(b, s, &from->keep_headers);
    build_to(b, s, &from->to);
    config_build_fetch(b, s, from);
}

struct config *config_build(struct draft *d, struct config_problems *problems)
{
    struct builder b = {.d = d, .c = NEW(struct config), .problems = problems};
    build_top(&b);
    for (size_t i = 0; i < d->accounts.count; i++)
        build_account(&b, draft_account_at(d, i));
    for (size_t i = 0; i < d->destinations.count; i++)
        build_destination(&b, draft_destination_at(d, i));
    for (size_t i = 0; i < d->sources.count; i++)
        build_source(&b, draft_source_at(d, i));
    config_check_lanes(b.c, problems);
    return b.c;
}
