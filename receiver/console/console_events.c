/* One delivery, one event, and an event's body. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/gzip/gzip.h"
#include "common/queue/keys.h"
#include "common/queue/queue_admin.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/record.h"
#include "common/webhook/ids.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

#define NAME_BYTES (4 * ID_KEY_MAX)

/* --- ids --- */

void console_add_id(struct buf *out, struct slice event, struct slice destination)
{
    id_add_shown(out, event);
    if (destination.len) {
        buf_add_char(out, ':');
        buf_add_slice(out, destination);
    }
}

bool console_add_delivery_key(struct buf *out, struct slice id)
{
    struct slice event, destination;
    if (!keys_split_delivery(id, &event, &destination) || !event.len || !destination.len)
        return false;
    keys_named_event(out, event);
    buf_add_char(out, ':');
    buf_add_slice(out, destination);
    return true;
}

void console_add_delivery_ids(struct args *out, struct slice event, struct slice destinations)
{
    while (destinations.len) {
        struct slice name = slice_cut(&destinations, ' ');
        size_t mark = args_mark(out);
        buf_add_slice(&out->text, event);
        buf_add_char(&out->text, ':');
        buf_add_slice(&out->text, name);
        args_add_since(out, mark);
    }
}

static void write_id(struct json_write *w, const char *name, struct slice event,
                     struct slice destination)
{
    struct buf id;
    buf_init(&id, NAME_BYTES);
    console_add_id(&id, event, destination);
    jw_text(w, name, buf_slice(&id));
    buf_clear(&id);
}

/* --- a delivery --- */

/* The status and the error of the last attempt, which were kept as texts. */
static void write_last(struct json_write *w, const struct delivery_view *d)
{
    jw_key(w, "last_status");
    buf_add_slice(w->out, d->last_status.len ? d->last_status : SLICE_LIT("null"));
    w->has_value = true;
    jw_text_or_null(w, "last_error", d->last_error);
    if (d->duration_ms < 0)
        jw_null(w, "duration_ms");
    else
        jw_int(w, "duration_ms", d->duration_ms);
}

void console_open_delivery(struct json_write *w, const struct delivery_view *d)
{
    const struct event *e = &d->record;
    jw_open(w, NULL, '{');
    write_id(w, "id", d->event, d->destination);
    write_id(w, "event", d->event, SLICE_LIT(""));
    jw_text_or_null(w, "source", d->has_event ? e->source : SLICE_LIT(""));
    jw_text_or_null(w, "account", d->has_event ? e->account : d->account);
    jw_text(w, "destination", d->destination);
    jw_text(w, "lane", d->lane);
    jw_text(w, "kind", d->kind);
    jw_text(w, "state", d->state);
    jw_text_or_null(w, "tag", d->has_event ? e->tag : SLICE_LIT(""));
    console_write_moment(w, "accepted_at", d->accepted_at);
    console_write_moment(w, "next_attempt_at",
                         slice_eq(d->state, SLICE_LIT("retry")) ? d->due_at : 0);
    console_write_moment(w, "ended_at", d->ended_at);
    jw_int(w, "delay_ms", d->delay_ms);
    jw_int(w, "attempt_count", d->attempts);
    jw_int(w, "requeues", d->requeues);
    write_last(w, d);
}

/* Companion headers as [["Name","value"],..], because a name may be there twice. */
static void write_headers(struct json_write *w, struct slice headers)
{
    jw_open(w, "headers", '[');
    while (headers.len) {
        struct slice line = slice_cut(&headers, '\r'); /* "Name: value\r\n" */
        headers = slice_skip(headers, 1);
        struct slice name = slice_cut(&line, ':');
        jw_open(w, NULL, '[');
        jw_text(w, NULL, name);
        jw_text(w, NULL, slice_trim(line));
        jw_close(w, ']');
    }
    jw_close(w, ']');
}

/* An attempt as its RECORD has it (settle_args.c writes it), but with its moment as RFC 3339. */
static void write_attempt(struct json_write *w, struct slice record)
{
    struct json_cut cut;
    struct slice key, value;
    int64_t at;
    jw_open(w, NULL, '{');
    bool is_object = json_cut_open(record, &cut) && cut.is_object;
    while (is_object && json_cut_next(&cut, &key, &value)) {
        if (slice_eq(key, SLICE_LIT("at")) && text_i64(value, &at) == OK) {
            console_write_moment(w, "at", at);
        } else {
            json_write_key(w, key.ptr, key.len);
            buf_add_slice(w->out, value);
        }
    }
    jw_close(w, '}');
}

/* A first attempt that succeeded has no record: the delivery's fields have all of it. */
static void write_attempts(struct json_write *w, const struct delivery_view *d)
{
    jw_open(w, "attempts", '[');
    for (size_t i = 0; i < d->attempt_count; i++)
        write_attempt(w, d->attempt_list[i]);
    if (!d->attempt_count && d->last_status.len) {
        jw_open(w, NULL, '{');
        jw_int(w, "attempt", d->attempts);
        console_write_moment(w, "at", d->ended_at);
        jw_int(w, "duration_ms", d->duration_ms);
        jw_raw(w, "status", d->last_status);
        jw_text(w, "error", d->last_error);
        jw_text(w, "response", d->response);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void delivery_on_view(void *ctx, enum err rc, const struct delivery_view *d, size_t count,
                             const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    bool is_found = rc == OK && count == 1 && d->is_found;
    if (rc != OK || (!is_found && !partition_set_is_empty(missing))) {
        console_unavailable(c);
        return;
    }
    if (!is_found) {
        console_error(c, 404, "not_found", "there is no such delivery; it may have expired");
        return;
    }
    struct buf out;
    buf_init(&out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&out);
    console_open_delivery(&w, d);
    jw_text_or_null(&w, "origin", d->origin);
    jw_bool(&w, "has_event", d->has_event);
    write_headers(&w, d->has_event ? d->record.headers : SLICE_LIT(""));
    write_attempts(&w, d);
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}

void console_delivery(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct buf key;
    if (console_takes_no_query(c) == ENDED)
        return;
    buf_init(&key, NAME_BYTES);
    if (console_add_delivery_key(&key, c->match.params[0])) {
        struct slice id = buf_slice(&key);
        queue_admin_look(k->admin, &id, 1, ADMIN_ATTEMPTS_MAX, delivery_on_view, c);
    } else {
        console_error(
            c, 404, "not_found",
            "the id of a delivery is the event's id, a colon, and the destination's name");
    }
    buf_clear(&key);
}

/* --- an event --- */

static void write_event(struct json_write *w, const struct task *t)
{
    const struct event *e = &t->event;
    jw_text(w, "id", t->id);
    jw_text(w, "task_id", e->id);
    jw_str(w, "kind", event_kind_word(e->kind));
    jw_text_or_null(w, "source", e->source);
    jw_text_or_null(w, "account", e->account);
    jw_text_or_null(w, "tag", e->tag);
    jw_text_or_null(w, "path", e->path);
    console_write_moment(w, "accepted_at", e->received_at);
    console_write_moment(w, "completed_at", t->done_at);
    jw_bool(w, "fetched", t->is_fetched);
    jw_bool(w, "has_body", e->has_body);
    jw_text_or_null(w, "content_type", e->content_type);
    jw_text_or_null(w, "content_encoding", e->content_encoding);
    jw_text(w, "digest", e->digest);
    write_headers(w, e->headers);
}

struct event_call { /* an event's page: its head is written, its deliveries are asked for */
    struct ops_call *ops;
    struct buf out;
    struct partition_set missing; /* partitions that did not answer what they know of the event */
};

static void event_on_views(void *ctx, enum err rc, const struct delivery_view *list, size_t count,
                           const struct partition_set *missing)
{
    struct event_call *e = ctx;
    struct ops_call *c = e->ops;
    if (rc != OK) {
        buf_clear(&e->out);
        free(e);
        console_unavailable(c);
        return;
    }
    struct json_write w = json_write_to(&e->out);
    w.has_value = true;
    jw_open(&w, "deliveries", '[');
    for (size_t i = 0; i < count; i++) {
        if (!list[i].is_found)
            continue;
        console_open_delivery(&w, &list[i]);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    partition_set_join(&e->missing, missing);
    console_end_answer(c, &e->out, &w, &e->missing);
    free(e);
}

static const char *why_no_event(enum task_state state)
{
    return state == TASK_EXPIRED ? "the event has expired"
                                 : "there is no such event; it may have expired";
}

static bool is_there(const struct task *t, size_t count)
{
    return count == 1 && t->state != TASK_UNKNOWN && t->state != TASK_EXPIRED;
}

/* May a partition that has not answered have the event? */
static bool may_be_away(const struct task *t, size_t count)
{
    return count == 1 && t->missing && !is_there(t, count);
}

static void event_on_task(void *ctx, enum err rc, const struct task *t, size_t count)
{
    struct ops_call *c = ctx;
    if (rc != OK || may_be_away(t, count)) {
        console_unavailable(c);
        return;
    }
    if (!is_there(t, count)) {
        console_error(c, 404, "not_found", why_no_event(count ? t->state : TASK_UNKNOWN));
        return;
    }
    struct event_call *e = NEW(struct event_call);
    e->ops = c;
    if (t->missing)
        e->missing = *t->missing;
    buf_init(&e->out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&e->out);
    jw_open(&w, NULL, '{');
    write_event(&w, t);
    struct console *k = c->ctx;
    struct args ids;
    args_init(&ids, 1 << 20);
    console_add_delivery_ids(&ids, t->key, t->event.destinations);
    queue_admin_look(k->admin, args_slices(&ids), ids.count, 0, event_on_views, e);
    args_clear(&ids);
}

void console_event(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == ENDED)
        return;
    struct slice id = c->match.params[0];
    queue_tasks_look(k->tasks, (struct task_scope){0}, &id, 1, event_on_task, c);
}

/* --- a body --- */

/* A browser must not run what a sender wrote. */
#define BODY_HEADERS                                                                               \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Content-Security-Policy: sandbox; default-src 'none'\r\n"                                     \
    "Content-Disposition: attachment\r\n"                                                          \
    "Cache-Control: no-store\r\n"

static struct slice body_type(const struct event *e)
{
    return e->content_type.len ? e->content_type : SLICE_LIT("application/octet-stream");
}

static void body_answer(struct ops_call *c, const struct event *e)
{
    struct console *k = c->ctx;
    struct buf plain;
    struct slice body = e->body;
    buf_init(&plain, k->conf->receiver.max_inflated_bytes);
    if (gzip_is(body) && gzip_inflate_all(body, &plain, NULL) == OK)
        body = buf_slice(&plain);
    ops_answer(c, 200, body_type(e), SLICE_LIT(BODY_HEADERS), body);
    buf_clear(&plain);
}

/* The bytes as they came: the label is true also where the sender has not said that they are gzip. */
static void body_answer_encoded(struct ops_call *c, const struct event *e)
{
    struct slice headers = gzip_is(e->body) ? SLICE_LIT(BODY_HEADERS "Content-Encoding: gzip\r\n")
                                            : SLICE_LIT(BODY_HEADERS);
    ops_answer(c, 200, body_type(e), headers, e->body);
}

static void body_end(struct ops_call *c, enum err rc, const struct task *t, size_t count,
                     void (*answer)(struct ops_call *c, const struct event *e))
{
    if (rc != OK || may_be_away(t, count) || (t->missing && !t->event.has_body))
        console_unavailable(c);
    else if (!is_there(t, count))
        console_error(c, 404, "not_found", why_no_event(count ? t->state : TASK_UNKNOWN));
    else if (!t->event.has_body)
        console_error(c, 404, "no_body", "the event has no body");
    else
        answer(c, &t->event);
}

static void body_on_task(void *ctx, enum err rc, const struct task *t, size_t count)
{
    body_end(ctx, rc, t, count, body_answer);
}

static void body_on_task_encoded(void *ctx, enum err rc, const struct task *t, size_t count)
{
    body_end(ctx, rc, t, count, body_answer_encoded);
}

void console_event_body(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct console_param p = {.name = "encoded"};
    struct buf text;
    if (console_read_query(c, &p, 1, &text) == ENDED)
        return;
    bool is_encoded = slice_eq(p.value, SLICE_LIT("true"));
    bool is_known = is_encoded || !p.is_given || slice_eq(p.value, SLICE_LIT("false"));
    buf_clear(&text);
    if (is_known)
        queue_tasks_peek(k->tasks, (struct task_scope){0}, c->match.params[0],
                         is_encoded ? body_on_task_encoded : body_on_task, c);
    else
        console_error(c, 400, "bad_request", "the parameter 'encoded' must be true or false");
}
