#include "dispatcher/engine/request.h"

#include "common/base/json_write.h"
#include "common/gzip/gzip.h"
#include "common/net/http_line.h"
#include "common/program/program.h"
#include "common/webhook/envelope.h"

#include <stdint.h>

#define PATH_MAX_SEGMENTS 64
#define URL_MAX (16 * 1024)
#define HEADERS_MAX (64 * 1024)
#define COMPRESSED_MAX ((size_t)1 << 31)
/* A separate thread makes bodies over these sizes. To sign or to compress more bytes takes over 3 ms. A kilobyte of
 * gzip may inflate to a megabyte. */
#define LONG_BYTES ((size_t)256 * 1024)
#define LONG_GZIP ((size_t)2 * 1024)
#define KEPT_BYTES_MAX (64 * 1024) /* memory for a body kept from attempt to attempt */

void request_init(struct request *r)
{
    buf_init(&r->url, URL_MAX);
    buf_init(&r->headers, HEADERS_MAX);
    buf_init(&r->made, 0);
    r->body = slice_make(NULL, 0);
}

void request_clear(struct request *r)
{
    buf_clear(&r->url);
    buf_clear(&r->headers);
    buf_clear(&r->made);
    r->body = slice_make(NULL, 0);
}

void request_reset(struct request *r)
{
    buf_reset(&r->url);
    buf_reset(&r->headers);
    if (r->made.cap > KEPT_BYTES_MAX)
        buf_clear(&r->made);
    buf_reset(&r->made);
    r->body = slice_make(NULL, 0);
}

/* Cuts the next "Name: value\r\n" off *REST. False if REST is empty. LINE keeps its line end. */
static bool lines_next(struct slice *rest, struct slice *line, struct slice *name)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) + 1 : rest->len;
    *line = slice_make(rest->ptr, len);
    *rest = slice_skip(*rest, len);
    struct slice value = *line;
    *name = slice_trim(slice_cut(&value, ':'));
    return true;
}

static bool lines_have(struct slice lines, struct slice wanted)
{
    struct slice line, name;
    while (lines_next(&lines, &line, &name))
        if (slice_eq_nocase(name, wanted))
            return true;
    return false;
}

/* A pingback has no body. A scheme that signs only the body would sign nothing, and the receivers that providers publish
 * fail on such a signature. */
static bool request_is_signed(const struct request_rules *rules)
{
    return rules->sign &&
           !(rules->kind == DELIVERY_PINGBACK && scheme_signs_only_body(rules->sign));
}

/* A signature of the event's sender never passes for ours. */
static bool request_signs_header(const struct request_rules *rules, struct slice name)
{
    return rules->sign && (scheme_owns_header(rules->sign, name) ||
                           (request_is_signed(rules) && scheme_sends_header(rules->sign, name)));
}

/* Adds LINES without those that the signature sets and those whose names BETTER has too. BETTER may be empty. */
static void request_add_lines(struct buf *b, struct slice lines, struct slice better,
                              const struct request_rules *rules)
{
    struct slice line, name;
    while (lines_next(&lines, &line, &name))
        if (!request_signs_header(rules, name) && !lines_have(better, name))
            buf_add_slice(b, line);
}

/* Makes the body of a postback whose event is a pingback and has none: {"id","tag","source","received_at"}. */
static void request_make_notice(const struct event *e, struct request *r)
{
    char at[CLOCK_ISO_LEN + 1];
    clock_iso(e->received_at, at);
    r->made.max = HEADERS_MAX;
    struct json_write w = json_write_to(&r->made);
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", e->id);
    jw_text(&w, "tag", e->tag);
    jw_text(&w, "source", event_owner(e));
    jw_plain(&w, "received_at", slice_make(at, CLOCK_ISO_LEN));
    jw_close(&w, '}');
    r->body = buf_slice(&r->made);
}

/* Sets r->body to the answer of task_get for E, whose body is the result as it was posted. */
static void request_make_envelope(const struct event *e, struct request *r)
{
    struct slice path[PATH_MAX_SEGMENTS], rest = e->path;
    size_t n = 0;
    struct envelope_task task = {
        .id = e->id, .status_code = STATUS_OK, .status_message = "Ok.", .data = e->data};
    char message[EVENT_ERROR_MAX + 1];
    bool is_failed = event_error(e, &task.status_code, message);
    if (is_failed) {
        task.status_message = message;
    } else if (envelope_is(e->body)) {
        r->body = e->body;
        return;
    }
    path[n++] = SLICE_LIT("v3");
    while (rest.len && n < PATH_MAX_SEGMENTS - 3)
        path[n++] = slice_cut(&rest, '/');
    path[n++] = SLICE_LIT("task_get");
    if (e->postback_data.len)
        path[n++] = e->postback_data;
    path[n++] = e->id;
    task.path = path;
    task.path_count = n;
    r->made.max = COMPRESSED_MAX;
    envelope_of_result(HOOKPACE_VERSION, &task, is_failed ? SLICE_LIT("null") : e->body, &r->made);
    r->body = buf_slice(&r->made);
}

bool request_inflates(const struct request_rules *rules, const struct event *e)
{
    return rules->kind == DELIVERY_POSTBACK && rules->gzip == GZIP_NEVER && e->has_body &&
           gzip_is(e->body);
}

size_t request_makes(const struct request_rules *rules, const struct event *e, size_t len)
{
    if (rules->kind != DELIVERY_POSTBACK || !e->has_body)
        return 0;
    size_t bytes = 0;
    if (rules->is_account && rules->payload == PAYLOAD_ENVELOPE)
        bytes = len + e->data.len;
    /* JSON of this size shrinks to a tenth. Only one body is compressed at a time. */
    if (rules->gzip == GZIP_ALWAYS)
        bytes += len / 4;
    return bytes;
}

bool request_is_long(const struct request_rules *rules, const struct event *e)
{
    if (rules->kind != DELIVERY_POSTBACK)
        return false;
    return e->body.len > LONG_BYTES || (e->body.len > LONG_GZIP && request_inflates(rules, e));
}

static enum err request_inflate(struct request *r, size_t max)
{
    r->made.max = max;
    enum err rc = gzip_inflate_all(r->body, &r->made, NULL);
    r->body = buf_slice(&r->made);
    return rc;
}

/* Compresses r->body, which may point into `made`. */
static enum err request_deflate(struct request *r)
{
    struct buf out;
    buf_init(&out, COMPRESSED_MAX);
    enum err rc = gzip_deflate_all(r->body, &out);
    buf_clear(&r->made);
    r->made = out;
    r->body = buf_slice(&r->made);
    return rc;
}

/* Sets body, Content-Type and Content-Encoding of a postback. */
static enum err request_add_body(const struct request_rules *rules, const struct event *e,
                                 size_t made_max, struct request *r)
{
    struct slice type = e->has_body ? e->content_type : SLICE_LIT("application/json");
    if (!type.len)
        type = SLICE_LIT("application/json");
    if (!e->has_body)
        request_make_notice(e, r);
    else if (rules->is_account && rules->payload == PAYLOAD_ENVELOPE)
        request_make_envelope(e, r);
    else
        r->body = e->body;

    bool is_gzip = e->has_body && gzip_is(r->body);
    enum err rc = OK;
    if (is_gzip && rules->gzip == GZIP_NEVER) {
        rc = request_inflate(r, made_max < rules->inflated_max ? made_max : rules->inflated_max);
        is_gzip = false;
    } else if (!is_gzip && rules->gzip == GZIP_ALWAYS) {
        rc = request_deflate(r);
        is_gzip = true;
    }
    if (!lines_have(rules->headers, SLICE_LIT("Content-Type")))
        http_line_add(&r->headers, SLICE_LIT("Content-Type"), type);
    /* Also if the provider sent gzip without saying so. The label is true, and a receiver that inflates anyway does not
     * mind. */
    if (is_gzip)
        http_line_add(&r->headers, SLICE_LIT("Content-Encoding"), SLICE_LIT("gzip"));
    return rc;
}

static void request_add_identity(const struct request_rules *rules, const struct request_input *in,
                                 struct request *r)
{
    if (!lines_have(rules->headers, SLICE_LIT("User-Agent")))
        http_line_add(&r->headers, SLICE_LIT("User-Agent"),
                      SLICE_LIT("Hookpace/" HOOKPACE_VERSION));
    http_line_add(&r->headers, SLICE_LIT("Hookpace-Delivery"), in->delivery_id);
    buf_add_str(&r->headers, "Hookpace-Attempt: ");
    buf_add_u64(&r->headers, in->attempt);
    buf_add(&r->headers, "\r\n", 2);
}

static enum err request_add_url(const struct request_rules *rules, const struct event *e,
                                struct buf *out)
{
    struct url_vars vars = {.id = e->id, .tag = e->tag, .source = event_owner(e)};
    if (!rules->is_account)
        return url_template_expand(rules->url, &vars, out);
    struct url_template *own = NULL;
    enum err rc = url_template_new(
        rules->kind == DELIVERY_PINGBACK ? e->pingback_url : e->postback_url, &own, NULL);
    if (rc == OK)
        rc = url_template_expand(own, &vars, out);
    url_template_free(own);
    return rc;
}

enum request_verdict request_build(const struct request_rules *rules,
                                   const struct request_input *in, struct request *r)
{
    const struct event *e = in->event;
    request_reset(r);
    if (request_add_url(rules, e, &r->url) != OK || r->url.failed)
        return REQUEST_BAD_URL;
    if (rules->kind == DELIVERY_POSTBACK) {
        enum err rc = request_add_body(rules, e, in->made_max, r);
        if (rc == ERR_TOO_BIG && request_inflates(rules, e) && in->made_max < rules->inflated_max)
            return REQUEST_OVER_MAX;
        if (rc != OK)
            return REQUEST_BAD_BODY;
    }
    request_add_identity(rules, in, r);
    if (rules->kind != DELIVERY_FETCH)
        request_add_lines(&r->headers, e->headers, rules->headers, rules);
    request_add_lines(&r->headers, rules->headers, slice_make(NULL, 0), rules);
    if (request_is_signed(rules)) {
        size_t secret = scheme_find_secret(rules->sign, in->secret_id);
        if (scheme_sign(rules->sign, secret, in->message_id, in->now, r->body, &r->headers) != OK)
            return REQUEST_LOCAL;
    }
    return r->headers.failed || r->made.failed ? REQUEST_BAD_BODY : REQUEST_OK;
}
