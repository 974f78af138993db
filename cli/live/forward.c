#include "cli/live/forward.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/gzip/gzip.h"
#include "common/net/http_line.h"
#include "common/program/program.h"
#include "common/queue/keys.h"
#include "common/webhook/url_template.h"

#include <stdlib.h>

#define PATH_BYTES ((size_t)1 << 16)
#define HEADERS_BYTES ((size_t)1 << 17)
#define URL_BYTES ((size_t)1 << 14)
#define NOTICE_BYTES ((size_t)1 << 16)
#define PAGE_MAX ((size_t)16 << 20)
#define BODY_MAX ((size_t)256 << 20) /* a receiver accepts no more */
#define CALL_MS 60000
#define TRIES 5 /* to get one step from the receiver; the pauses between them are 15 s together */
#define AGAIN_MS 1000
#define IDLE_MS 60000

struct forward {
    struct client *client;
    const struct forward_rules *rules;
    void (*done)(void *ctx, const struct forward_outcome *o);
    void *ctx;
    /* The event at hand: */
    char *event; /* NULL: there is none */
    int64_t attempt;
    struct json *page;
    struct buf id, path, url, headers, body; /* the id is the delivery's */
    struct slice sent;
    bool is_post;
    unsigned tries;
    mono_us again_at; /* 0: nothing is tried again */
    struct client_transfer *transfer;
};

struct forward *forward_new(struct client *c, const struct forward_rules *rules,
                            void (*done)(void *ctx, const struct forward_outcome *o), void *ctx)
{
    struct forward *f = NEW(struct forward);
    f->client = c;
    f->rules = rules;
    f->done = done;
    f->ctx = ctx;
    buf_init(&f->id, PATH_BYTES);
    buf_init(&f->path, PATH_BYTES);
    buf_init(&f->url, URL_BYTES);
    buf_init(&f->headers, HEADERS_BYTES);
    return f;
}

static void forget(struct forward *f)
{
    client_cancel(f->transfer);
    f->transfer = NULL;
    json_free(f->page);
    f->page = NULL;
    free(f->event);
    f->event = NULL;
    buf_clear(&f->body);
    f->sent = SLICE_LIT("");
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    forget(f);
    buf_clear(&f->id);
    buf_clear(&f->path);
    buf_clear(&f->url);
    buf_clear(&f->headers);
    free(f);
}

bool forward_is_busy(const struct forward *f)
{
    return f->event;
}

/* --- the end --- */

static struct slice text_of(const struct forward *f, const char *name)
{
    const struct json *value = json_get(f->page, name);
    return json_kind(value) == JSON_STRING ? json_string(value) : SLICE_LIT("");
}

/* The source, or the account of a task. */
static struct slice owner_of(const struct forward *f)
{
    struct slice source = text_of(f, "source");
    return source.len ? source : text_of(f, "account");
}

static void end(struct forward *f, struct forward_outcome *o)
{
    /* DONE may begin the next event, and the outcome borrows from this one. So F gives up this event first. */
    struct forward was = *f;
    o->id = buf_slice(&was.id);
    o->event = slice_str(was.event);
    if (was.page) {
        o->source = owner_of(&was);
        o->tag = text_of(&was, "tag");
    }
    o->method = was.is_post ? "POST" : "GET";
    o->bytes = was.sent.len;
    f->transfer = NULL;
    f->page = NULL;
    f->event = NULL;
    f->sent = SLICE_LIT("");
    buf_init(&f->body, 0);
    buf_init(&f->id, PATH_BYTES);
    f->done(f->ctx, o);
    json_free(was.page);
    free(was.event);
    buf_clear(&was.body);
    buf_clear(&was.id);
}

static void end_failed(struct forward *f, const char *error, const char *why)
{
    struct forward_outcome o = {.error = error, .why = why};
    end(f, &o);
}

/* --- the request --- */

/* A value with a line end would be another header. No event has one. */
static void add_headers_of_event(struct forward *f)
{
    const struct json *list = json_get(f->page, "headers");
    for (size_t i = 0; i < json_length(list); i++) {
        struct slice name = json_string(json_at(json_at(list, i), 0));
        struct slice value = json_string(json_at(json_at(list, i), 1));
        if (name.len && !text_has_control(name) && !text_has_control(value))
            http_line_add(&f->headers, name, value);
    }
}

static void add_identity(struct forward *f)
{
    struct buf *out = &f->headers;
    http_line_add(out, SLICE_LIT("User-Agent"), SLICE_LIT("Hookpace/" HOOKPACE_VERSION));
    buf_add_str(out, "Hookpace-Delivery: ");
    keys_named_event(out, slice_str(f->event));
    if (f->rules->destination)
        buf_addf(out, ":%s", f->rules->destination);
    buf_addf(out, "\r\nHookpace-Attempt: %lld\r\n", (long long)f->attempt);
}

/* The body of a postback whose event has none, as the dispatcher makes it. */
static void make_notice(struct forward *f)
{
    buf_init(&f->body, NOTICE_BYTES);
    struct json_write w = json_write_to(&f->body);
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", text_of(f, "task_id"));
    jw_text(&w, "tag", text_of(f, "tag"));
    jw_text(&w, "source", owner_of(f));
    jw_text(&w, "received_at", text_of(f, "accepted_at"));
    jw_close(&w, '}');
}

static void add_body(struct forward *f, bool has_body)
{
    struct slice type = has_body ? text_of(f, "content_type") : SLICE_LIT("");
    if (!has_body)
        make_notice(f);
    f->sent = buf_slice(&f->body);
    http_line_add(&f->headers, SLICE_LIT("Content-Type"),
                  type.len ? type : SLICE_LIT("application/json"));
    if (has_body && gzip_is(f->sent))
        http_line_add(&f->headers, SLICE_LIT("Content-Encoding"), SLICE_LIT("gzip"));
}

/* The query by which a source takes an event without a body. */
static void add_query(struct forward *f)
{
    bool has_query = memchr(f->url.ptr, '?', f->url.len);
    buf_add_str(&f->url, has_query ? "&id=" : "?id=");
    text_add_percent(&f->url, text_of(f, "task_id"));
    if (!text_of(f, "tag").len)
        return;
    buf_add_str(&f->url, "&tag=");
    text_add_percent(&f->url, text_of(f, "tag"));
}

static enum err make_url(struct forward *f)
{
    struct url_vars vars = {
        .id = text_of(f, "task_id"), .tag = text_of(f, "tag"), .source = owner_of(f)};
    buf_reset(&f->url);
    enum err rc = url_template_expand(f->rules->to, &vars, &f->url);
    if (rc == OK && !f->is_post && f->rules->adds_query)
        add_query(f);
    return rc == OK && f->url.failed ? ERR_TOO_BIG : rc;
}

static void request_on_done(void *ctx, const struct client_end *end_of)
{
    struct forward *f = ctx;
    struct forward_outcome o = {.ms = end_of->ms};
    f->transfer = NULL;
    if (end_of->rc != OK) { /* also if the status came, and the body did not end */
        o.error = end_of->word;
        o.why = end_of->why;
    } else if (!end_of->answer->status) {
        o.error = "bad_response";
        o.why = "the answer has no status";
    } else {
        o.status = end_of->answer->status;
    }
    end(f, &o);
}

static void begin_request(struct forward *f)
{
    bool has_body = json_bool(json_get(f->page, "has_body"));
    buf_reset(&f->headers);
    if (make_url(f) != OK) {
        end_failed(f, "bad_url", "the id or the tag makes a bad URL");
        return;
    }
    add_identity(f);
    add_headers_of_event(f);
    if (f->is_post)
        add_body(f, has_body);
    struct client_request r = {.url = f->url.ptr,
                               .headers = buf_slice(&f->headers),
                               .body = f->is_post ? &f->sent : NULL,
                               .is_direct = true,
                               .timeout_ms = f->rules->timeout_ms,
                               .done = request_on_done,
                               .ctx = f};
    f->transfer = client_begin(f->client, &r);
}

/* --- what the receiver has --- */

static void begin_body(struct forward *f);
static void begin_page(struct forward *f);

/* True: F goes on. Else the step is tried again, or the event has ended. */
static bool has_answer(struct forward *f, const struct client_end *end_of)
{
    long status = end_of->answer->status;
    f->transfer = NULL;
    if (end_of->rc == OK && status == 200) {
        f->tries = 0;
        return true;
    }
    if (end_of->rc == OK && status == CLIENT_TOO_MANY_CALLS) {
        f->again_at = clock_mono_us() + (int64_t)end_of->answer->wait_s * 1000000;
    } else if (end_of->rc == OK && status < 500) {
        end_failed(f, status == 404 ? "event_lost" : "refused",
                   status == 404 ? "the receiver does not have the event any more"
                                 : "the receiver refuses to show the event");
    } else if (f->tries < TRIES - 1) {
        f->again_at = clock_mono_us() + ((int64_t)AGAIN_MS << f->tries) * 1000;
        f->tries++;
    } else {
        end_failed(f, "not_read", "the receiver does not answer");
    }
    return false;
}

/* The kind of the destination's delivery. Empty if there is no delivery. */
static struct slice kind_of_delivery(const struct forward *f)
{
    const struct json *list = json_get(f->page, "deliveries");
    for (size_t i = 0; i < json_length(list); i++) {
        const struct json *d = json_at(list, i);
        if (slice_eq(json_string(json_get(d, "destination")), slice_str(f->rules->destination)))
            return json_string(json_get(d, "kind"));
    }
    return SLICE_LIT("");
}

static void page_on_done(void *ctx, const struct client_end *end_of)
{
    struct forward *f = ctx;
    struct forward_outcome nothing = {.is_nothing = true};
    if (!has_answer(f, end_of))
        return;
    if (json_parse(buf_slice(&end_of->answer->body), &f->page, NULL) != OK ||
        json_kind(f->page) != JSON_OBJECT) {
        end_failed(f, "not_read", "the receiver's answer is no JSON");
        return;
    }
    struct slice kind = f->rules->destination ? kind_of_delivery(f) : SLICE_LIT("");
    bool has_body = json_bool(json_get(f->page, "has_body"));
    f->is_post = f->rules->destination ? !slice_eq(kind, SLICE_LIT("pingback")) : has_body;
    if (f->rules->destination && !kind.len)
        end(f, &nothing);
    else if (has_body && f->is_post)
        begin_body(f);
    else
        begin_request(f);
}

static void begin_call(struct forward *f, const char *verb, const char *query, size_t max,
                       void (*done)(void *ctx, const struct client_end *e))
{
    buf_reset(&f->path);
    cli_add_path(&f->path, "events", f->event, verb);
    buf_add_str(&f->path, query);
    struct client_request r = {
        .url = f->path.ptr, .timeout_ms = CALL_MS, .answer_max = max, .done = done, .ctx = f};
    f->transfer = client_begin_call(f->client, &r);
}

static void begin_page(struct forward *f)
{
    begin_call(f, NULL, "", PAGE_MAX, page_on_done);
}

static void body_on_done(void *ctx, const struct client_end *end_of)
{
    struct forward *f = ctx;
    if (!has_answer(f, end_of))
        return;
    f->body = end_of->answer->body;
    buf_init(&end_of->answer->body, 0);
    begin_request(f);
}

static void begin_body(struct forward *f)
{
    begin_call(f, "body", "?encoded=true", BODY_MAX, body_on_done);
}

void forward_begin(struct forward *f, struct slice event, int64_t attempt)
{
    f->event = xslicedup(event);
    f->attempt = attempt;
    f->tries = 0;
    f->is_post = false;
    buf_reset(&f->id);
    buf_add_slice(&f->id, event);
    if (f->rules->destination)
        buf_addf(&f->id, ":%s", f->rules->destination);
    begin_page(f);
}

int64_t forward_turn(struct forward *f)
{
    int64_t now = clock_mono_us();
    if (!f->again_at)
        return IDLE_MS;
    if (now < f->again_at)
        return (f->again_at - now) / 1000 + 1;
    f->again_at = 0;
    if (f->page)
        begin_body(f);
    else
        begin_page(f);
    return IDLE_MS;
}
