/* task_post: sets tasks, each with its webhooks, and with its result if it is complete already. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "common/net/http_line.h"
#include "common/webhook/companion.h"
#include "common/webhook/url_template.h"
#include "receiver/api/api_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_MAX (16 * 1024) /* of a task without its result */
#define MESSAGE_MAX 200

enum field {
    FIELD_ID,
    FIELD_TAG,
    FIELD_POSTBACK_URL,
    FIELD_PINGBACK_URL,
    FIELD_POSTBACK_DATA,
    FIELDS,
    FIELD_RESULT = FIELDS, /* is cut out, not read */
    MEMBERS
};
static const char *const names[MEMBERS] = {"id",           "tag",           "postback_url",
                                           "pingback_url", "postback_data", "result"};

struct draft { /* one task of the call */
    struct api_request *r;
    struct api_field fields[FIELDS];
    struct slice raw_id; /* as it was posted */
    struct slice result;
    bool is_pending; /* the result comes later */
    char fresh_id[UUID_LEN + 1], digest[RECORD_DIGEST_LEN];
    struct buf data;
    enum api_code code;
    char message[MESSAGE_MAX]; /* empty: the code's own */
};

struct post { /* state of the request */
    struct draft *drafts;
    size_t count, waiting;
    struct buf path;
    struct buf
        trace; /* the trace context of the call, as header lines: it goes on with each task */
    char peer[ADDR_TEXT];
    bool unavailable;      /* Redis did not take one of them */
    char stamp[STAMP_MAX]; /* what the account has set; empty: nothing */
};

static void draft_refuse(struct draft *d, const char *field, const char *why)
{
    struct buf text = buf_over(d->message);
    d->code = CODE_INVALID_FIELD;
    buf_addf(&text, "Invalid Field: '%s'.%s%s", field, why[0] ? " " : "", why);
}

/* --- is it well-formed? --- */

static struct slice draft_id(const struct draft *d)
{
    const struct api_field *f = &d->fields[FIELD_ID];
    return f->value && !f->is_wrong ? api_field_text(f) : slice_str(d->fresh_id);
}

static bool check_url(struct draft *d, enum field field)
{
    struct slice url = api_field_text(&d->fields[field]);
    struct url_template *template;
    struct error e;
    if (!d->fields[field].value)
        return true;
    if (url_template_new(url, &template, &e) != OK) {
        draft_refuse(d, names[field], e.text);
        return false;
    }
    url_template_free(template);
    return true;
}

static bool check_postback_data(struct draft *d)
{
    struct slice s = api_field_text(&d->fields[FIELD_POSTBACK_DATA]);
    if (!d->fields[FIELD_POSTBACK_DATA].value || slice_eq(s, SLICE_LIT("regular")) ||
        slice_eq(s, SLICE_LIT("advanced")) || slice_eq(s, SLICE_LIT("html")))
        return true;
    draft_refuse(d, "postback_data", "It is 'regular', 'advanced' or 'html'.");
    return false;
}

/* Half a surrogate pair is read as U+FFFD. Two ids must not become one by that. */
static bool has_half_a_pair(struct slice raw, struct slice text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    return memmem(text.ptr, text.len, replacement, 3) &&
           !memmem(raw.ptr, raw.len, replacement, 3) && !memmem(raw.ptr, raw.len, "\\ufffd", 6) &&
           !memmem(raw.ptr, raw.len, "\\uFFFD", 6);
}

static bool check_fields(struct draft *d)
{
    for (int i = 0; i < FIELDS; i++)
        if (d->fields[i].is_wrong) {
            draft_refuse(d, names[i], "It is a string and stands once.");
            return false;
        }
    if (d->fields[FIELD_ID].value &&
        (!id_is_valid(draft_id(d)) || has_half_a_pair(d->raw_id, draft_id(d)))) {
        draft_refuse(d, "id", "It has 1 to 255 bytes of UTF-8 and no control characters.");
        return false;
    }
    if (!tag_is_valid(api_field_text(&d->fields[FIELD_TAG]))) {
        draft_refuse(d, "tag", "It has at most 255 characters and no control characters.");
        return false;
    }
    return check_url(d, FIELD_POSTBACK_URL) && check_url(d, FIELD_PINGBACK_URL) &&
           check_postback_data(d);
}

static bool check_result(struct draft *d, unsigned times)
{
    d->is_pending = times == 0;
    if (times <= 1)
        return true;
    draft_refuse(d, "result", "It stands once.");
    return false;
}

/* Writes 64 bits of a digest over the task as it was posted. The same task again is a repeat; another task with its id is not. */
static void draft_digest(struct slice element, char out[RECORD_DIGEST_LEN])
{
    unsigned char sha[DIGEST_MAX];
    digest_once(DIGEST_SHA256, element, sha);
    text_hex(sha, RECORD_DIGEST_LEN / 2, out);
}

static void draft_read(struct draft *d, struct api_request *r, struct slice element)
{
    static const char *const skip[] = {"result", NULL};
    struct json_member members[MEMBERS];
    d->r = r;
    d->code = CODE_CREATED;
    api_new_id(d->fresh_id);
    buf_init(&d->data, DATA_MAX);
    if (json_cut_kind(element) != '{') {
        d->code = CODE_INVALID_DATA;
        api_add_data(r, slice_make("", 0), NULL, &d->data);
        return;
    }
    for (int i = 0; i < MEMBERS; i++)
        members[i].name = names[i];
    json_cut_members(element, members, MEMBERS);
    for (int i = 0; i < FIELDS; i++)
        d->fields[i] = api_field_of(&members[i], TYPE_TEXT);
    d->raw_id = members[FIELD_ID].value;
    d->result = members[FIELD_RESULT].value;
    draft_digest(element, d->digest);
    api_add_data(r, element, skip, &d->data);
    if (d->data.failed) {
        buf_reset(&d->data);
        d->data.failed = false;
        api_add_data(r, slice_make("", 0), NULL, &d->data);
        draft_refuse(d, "data", "A task without its result has at most 16 KiB.");
    } else if (check_fields(d)) {
        (void)check_result(d, members[FIELD_RESULT].times);
    }
}

/* --- answer --- */

static void draft_clear(struct draft *d)
{
    for (int i = 0; i < FIELDS; i++)
        api_field_clear(&d->fields[i]);
    buf_clear(&d->data);
}

static void post_free(struct post *p)
{
    for (size_t i = 0; i < p->count; i++)
        draft_clear(&p->drafts[i]);
    buf_clear(&p->path);
    buf_clear(&p->trace);
    free(p->drafts);
    free(p);
}

static void post_end(struct api_request *r)
{
    struct post *p = r->state;
    size_t set = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct draft *d = &p->drafts[i];
        set += d->code == CODE_CREATED;
        api_add_task(r, draft_id(d), d->code, d->message[0] ? d->message : NULL,
                     buf_slice(&d->data));
    }
    bool nothing = p->unavailable && set == 0;
    post_free(p);
    if (nothing)
        api_unavailable(r);
    else
        api_answer(r);
}

static void post_release(struct api_request *r)
{
    struct post *p = r->state;
    if (--p->waiting == 0)
        post_end(r);
}

/* A task is accepted like an event. Its owner is the account. */
static void draft_log(const struct draft *d, const struct put_answer *answer)
{
    const struct api_field *f = d->fields;
    const struct post *p = d->r->state;
    bool is_queued = answer->result == PUT_QUEUED;
    if ((!is_queued && answer->result != PUT_DUPLICATE) || d->r->conf->log_events != LOG_EVENTS_ALL)
        return;
    int64_t destinations = (api_field_text(&f[FIELD_POSTBACK_URL]).len > 0) +
                           (api_field_text(&f[FIELD_PINGBACK_URL]).len > 0);
    LOG_EVENT(LL_INFO, "event.accepted", LS("source", d->r->account->name), LSL("id", draft_id(d)),
              LSL("tag", api_field_text(&f[FIELD_TAG])), LI("destinations", destinations),
              LI("bytes", d->result.len), LT("duplicate", !is_queued),
              LSO("trace_id", trace_id_in(buf_slice(&p->trace))), LS("peer", p->peer));
}

static void draft_on_put(void *ctx, const struct put_answer *answer)
{
    struct draft *d = ctx;
    struct post *p = d->r->state;
    draft_log(d, answer);
    if (answer->result == PUT_TAKEN) {
        draft_refuse(d, "id", "Another task has it.");
    } else if (answer->result == PUT_MANY_TASKS || answer->result == PUT_MANY_BYTES) {
        d->code = CODE_QUOTA;
        api_quota_message(d->r->account, answer->result, d->message, sizeof d->message);
    } else if (answer->result == PUT_UNAVAILABLE) {
        d->code = CODE_INTERNAL;
        p->unavailable = true;
    }
    post_release(d->r);
}

/* --- into the queue --- */

/* False if Redis would refuse the result. */
static bool fits_into_redis(struct draft *d)
{
    size_t most = queue_put_body_max(d->r->api->put);
    if (d->result.len <= most)
        return true;
    char why[80];
    snprintf(why, sizeof why, "Redis takes one of at most %zu bytes.", most);
    draft_refuse(d, "result", why);
    return false;
}

/* The event of the task D. It borrows from D and its request. */
static struct event event_of_draft(const struct draft *d)
{
    const struct api_request *r = d->r;
    const struct post *p = r->state;
    return (struct event){.kind = EVENT_TASK,
                          .id = draft_id(d),
                          .tag = api_field_text(&d->fields[FIELD_TAG]),
                          .account = slice_str(r->account->name),
                          .content_type = SLICE_LIT("application/json"),
                          .received_at = clock_wall_ms(),
                          .digest = slice_make(d->digest, RECORD_DIGEST_LEN),
                          .has_body = !d->is_pending,
                          .is_open = d->is_pending,
                          .body = d->result,
                          .path = buf_slice(&p->path),
                          .headers = buf_slice(&p->trace),
                          .stamp = slice_str(p->stamp),
                          .postback_url = api_field_text(&d->fields[FIELD_POSTBACK_URL]),
                          .pingback_url = api_field_text(&d->fields[FIELD_PINGBACK_URL]),
                          .postback_data = api_field_text(&d->fields[FIELD_POSTBACK_DATA]),
                          .data = buf_slice(&d->data)};
}

static void draft_put(struct draft *d)
{
    struct api_request *r = d->r;
    struct post *p = r->state;
    if (!fits_into_redis(d))
        return;
    struct event event = event_of_draft(d);
    struct destination *to[2];
    size_t count = 0;
    if (event.postback_url.len)
        to[count++] = r->account->postback;
    if (event.pingback_url.len)
        to[count++] = r->account->pingback;
    struct put_request request = {.event = &event,
                                  .stage = d->is_pending ? PUT_PENDING : PUT_WHOLE,
                                  .to = to,
                                  .to_count = count};
    p->waiting++;
    if (queue_put_submit(r->api->put, &request, draft_on_put, d) != OK) {
        d->code = CODE_INTERNAL;
        p->unavailable = true;
        p->waiting--;
    }
}

static void post_drop(struct api_request *r)
{
    post_free(r->state);
}

/* A call that is repeated in a trace of its own is the same call: the trace is no part of the task. */
static void read_trace(const struct http_request *http, struct post *p)
{
    static const char *const names_of_trace[] = {"traceparent", "tracestate", "baggage"};
    buf_init(&p->trace, COMPANION_BYTES_MAX);
    snprintf(p->peer, sizeof p->peer, "gone");
    if (!http)
        return;
    addr_text(http_peer(http), p->peer);
    for (size_t i = 0; i < sizeof names_of_trace / sizeof *names_of_trace; i++) {
        struct slice name = slice_str(names_of_trace[i]);
        struct slice value = http_header(http, names_of_trace[i], NULL);
        if (value.len && p->trace.len + name.len + value.len + 4 <= COMPANION_BYTES_MAX)
            http_line_add(&p->trace, name, value);
    }
}

void api_task_post_read(struct api_request *r)
{
    if (r->count > API_TASKS_MAX || !api_path_is_plain(&r->path))
        return;
    struct post *p = NEW(struct post);
    r->state = p;
    r->drop = post_drop;
    p->drafts = xcalloc(r->count, sizeof *p->drafts);
    p->count = r->count;
    p->waiting = 1;
    buf_init(&p->path, 2048);
    api_path_add(&r->path, &p->path);
    for (size_t i = 0; i < p->count; i++)
        draft_read(&p->drafts[i], r, r->elements[i]);
}

/* The account's settings are stamped on the tasks now. */
static void post_on_settings(void *ctx, enum err rc, const struct account_settings *s)
{
    struct api_request *r = ctx;
    struct post *p = r->state;
    if (rc != OK) {
        post_free(p);
        api_unavailable(r);
        return;
    }
    struct buf stamp = buf_over(p->stamp);
    stamp_write(&s->stamp, &stamp);
    for (size_t i = 0; i < p->count; i++)
        if (p->drafts[i].code == CODE_CREATED)
            draft_put(&p->drafts[i]);
    post_release(r);
}

void api_task_post(struct api_request *r)
{
    struct post *p = r->state;
    r->drop = NULL;
    if (!p) {
        api_fail(r, r->count > API_TASKS_MAX ? CODE_TOO_MANY : CODE_INVALID_PATH);
        return;
    }
    read_trace(r->ops->http, p); /* not in the thread: the client may leave meanwhile */
    queue_tasks_settings(r->api->tasks, slice_str(r->account->name), post_on_settings, r);
}
