/* The lists: failed attempts, ids, counts. */
#include "common/base/alloc.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"
#include "receiver/api/api_time.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_MAX (64 * 1024)
#define LAST_MS 999 /* a moment in seconds includes the whole second */

struct list_state { /* state of the request */
    struct slice object;
    struct tasks_page page;
    bool with_metadata;
};

/* --- parameters --- */

/* Ends R, because FIELD is wrong. */
MUST_CHECK static enum flow list_refuse(struct api_request *r, const char *field, const char *why)
{
    free(r->state);
    api_fail_field(r, field, why);
    return ENDED;
}

MUST_CHECK static enum flow read_number(struct api_request *r, const char *name, size_t max,
                                        size_t *out)
{
    struct list_state *l = r->state;
    struct api_field f = api_field_read(l->object, name, TYPE_INT);
    int64_t n = f.value && !f.is_wrong ? json_int(f.value) : (int64_t)*out;
    bool ok = !f.is_wrong && n >= 0 && (uint64_t)n <= max;
    api_field_clear(&f);
    if (!ok) {
        char why[64];
        snprintf(why, sizeof why, "It is a whole number from 0 to %zu.", max);
        return list_refuse(r, name, why);
    }
    *out = (size_t)n;
    return GO_ON;
}

MUST_CHECK static enum flow read_moment(struct api_request *r, const char *name, int64_t add_ms,
                                        wall_ms *out)
{
    struct list_state *l = r->state;
    struct api_field f = api_field_read(l->object, name, TYPE_TEXT);
    bool ok = !f.is_wrong;
    if (ok && f.value) {
        ok = api_time_read(api_field_text(&f), out);
        *out += ok ? add_ms : 0;
    }
    api_field_clear(&f);
    return ok ? GO_ON : list_refuse(r, name, "It is like '2026-11-21 02:15:49 +00:00'.");
}

/* CHOICES are the texts that field NAME may have, NULL-ended. *OUT becomes the number of the one it has. A missing field
 * leaves *OUT alone. */
MUST_CHECK static enum flow read_choice(struct api_request *r, const char *name,
                                        const char *const *choices, const char *why, size_t *out)
{
    struct list_state *l = r->state;
    struct api_field f = api_field_read(l->object, name, TYPE_TEXT);
    bool ok = !f.is_wrong && !f.value;
    for (size_t i = 0; !ok && !f.is_wrong && choices[i]; i++)
        if (slice_eq(api_field_text(&f), slice_str(choices[i]))) {
            *out = i;
            ok = true;
        }
    api_field_clear(&f);
    return ok ? GO_ON : list_refuse(r, name, why);
}

MUST_CHECK static enum flow read_flag(struct api_request *r, const char *name, bool *out)
{
    struct list_state *l = r->state;
    struct api_field f = api_field_read(l->object, name, TYPE_BOOL);
    bool ok = !f.is_wrong;
    *out = ok && f.value && json_bool(f.value);
    api_field_clear(&f);
    return ok ? GO_ON : list_refuse(r, name, "It is true or false.");
}

/* Begins a list: its state, and the parameters that all lists have. */
MUST_CHECK static enum flow read_page(struct api_request *r)
{
    struct slice object;
    if (api_read_one(r, &object) == ENDED)
        return ENDED;
    struct list_state *l = NEW(struct list_state);
    r->state = l;
    l->object = object;
    l->page = (struct tasks_page){.to = clock_wall_ms() + 86400000, .limit = TASKS_LIST_MAX};
    if (read_number(r, "limit", TASKS_LIST_MAX, &l->page.limit) == ENDED ||
        read_number(r, "offset", TASKS_OFFSET_MAX, &l->page.offset) == ENDED ||
        read_moment(r, "datetime_from", 0, &l->page.from) == ENDED)
        return ENDED;
    return read_moment(r, "datetime_to", LAST_MS, &l->page.to);
}

/* Ends R with RESULT, a list of COUNT that is closed and freed here. */
static void list_answer(struct api_request *r, struct json_write *w, size_t count)
{
    struct list_state *l = r->state;
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(r, l->object, NULL, &data);
    jw_close(w, ']');
    api_add_call(r, buf_slice(&data), buf_slice(w->out), count);
    buf_clear(&data);
    buf_clear(w->out);
    free(l);
    api_answer(r);
}

static void list_unavailable(struct api_request *r)
{
    free(r->state);
    api_unavailable(r);
}

/* --- errors --- */

static int error_code(const struct task_failure *f)
{
    if (f->status > 0)
        return f->status;
    bool late = slice_eq(f->error, SLICE_LIT("timeout")) ||
                slice_eq(f->error, SLICE_LIT("connect_timeout"));
    return api_code_row(late ? CODE_TIMEOUT : CODE_INTERNAL)->code;
}

static void write_failure(struct json_write *w, const struct task_failure *f)
{
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(f->duration_ms / 1000),
             (long long)(f->duration_ms % 1000));
    jw_open(w, NULL, '{');
    jw_text(w, "id", f->task_id);
    api_write_moment(w, "datetime", f->at);
    jw_str(w, "function", f->kind == DELIVERY_PINGBACK ? "pingback_url" : "postback_url");
    jw_int(w, "error_code", error_code(f));
    jw_text(w, "error_message", f->error);
    if (f->detail.len)
        jw_text(w, "error_detail", f->detail);
    jw_text(w, "http_url", f->url);
    jw_str(w, "http_method", f->kind == DELIVERY_POSTBACK ? "POST" : "GET");
    jw_int(w, "http_code", f->status);
    jw_raw(w, "http_time", slice_str(seconds));
    jw_text(w, "http_response", f->response);
    jw_close(w, '}');
}

static void errors_on_reply(void *ctx, enum err rc, const struct task_failure *list, size_t count)
{
    struct api_request *r = ctx;
    if (rc != OK) {
        list_unavailable(r);
        return;
    }
    struct buf result;
    buf_init(&result, API_ANSWER_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    for (size_t i = 0; i < count; i++)
        write_failure(&w, &list[i]);
    list_answer(r, &w, count);
}

void api_errors(struct api_request *r)
{
    static const char *const names[] = {"postback_url", "pingback_url", NULL};
    static const enum task_function functions[] = {FUNCTION_POSTBACK, FUNCTION_PINGBACK,
                                                   FUNCTION_ANY};
    size_t choice = 2;
    if (read_page(r) == ENDED ||
        read_choice(r, "filtered_function", names, "It is 'pingback_url' or 'postback_url'.",
                    &choice) == ENDED)
        return;
    struct list_state *l = r->state;
    queue_tasks_failures(r->api->tasks, r->scope, functions[choice], &l->page, errors_on_reply, r);
}

/* --- id_list --- */

static const char *status_of(const struct task *t)
{
    switch (t->state) {
    case TASK_PENDING:
    case TASK_QUEUED:
        return api_code_row(CODE_IN_QUEUE)->message;
    case TASK_PROCESSING:
    case TASK_HANDED:
        return api_code_row(CODE_HANDED)->message;
    case TASK_LOST:
    case TASK_FAILED:
        return "Webhook Failed.";
    default:
        return api_code_row(CODE_OK)->message;
    }
}

static void write_url(struct json_write *w, const struct task *t)
{
    struct buf url;
    buf_init(&url, 4096);
    if (t->event.path.len)
        buf_addf(&url, "/v3/%.*s/task_post", SLICE_FMT(t->event.path));
    else
        buf_addf(&url, "/in/%.*s", SLICE_FMT(t->event.source));
    jw_text(w, "url", buf_slice(&url));
    buf_clear(&url);
}

static void write_listed(struct json_write *w, const struct task *t, bool with_metadata)
{
    jw_open(w, NULL, '{');
    jw_text(w, "id", t->id);
    write_url(w, t);
    api_write_moment(w, "datetime_posted", t->accepted_at);
    if (t->done_at >= 0)
        api_write_moment(w, "datetime_done", t->done_at);
    else
        jw_null(w, "datetime_done");
    jw_str(w, "status", status_of(t));
    jw_int(w, "cost", 0);
    if (with_metadata)
        api_write_origin(w, "metadata", t);
    jw_close(w, '}');
}

static void id_list_on_reply(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    struct list_state *l = r->state;
    if (rc != OK) {
        list_unavailable(r);
        return;
    }
    struct buf result;
    size_t n = 0;
    buf_init(&result, API_ANSWER_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].state == TASK_UNKNOWN || tasks[i].state == TASK_EXPIRED)
            continue;
        write_listed(&w, &tasks[i], l->with_metadata);
        n++;
    }
    list_answer(r, &w, n);
}

void api_id_list(struct api_request *r)
{
    static const char *const orders[] = {"asc", "desc", NULL};
    size_t order = 0;
    if (read_page(r) == ENDED ||
        read_choice(r, "sort", orders, "It is 'asc' or 'desc'.", &order) == ENDED)
        return;
    struct list_state *l = r->state;
    l->page.newest_first = order == 1;
    if (read_flag(r, "include_metadata", &l->with_metadata) == GO_ON)
        queue_tasks_posted(r->api->tasks, r->scope, &l->page, id_list_on_reply, r);
}

/* --- tasks/count --- */

static void count_on_reply(void *ctx, enum err rc, const struct task_counts *counts)
{
    struct api_request *r = ctx;
    if (rc != OK) {
        api_unavailable(r);
        return;
    }
    struct buf data, result;
    buf_init(&data, DATA_MAX);
    buf_init(&result, DATA_MAX);
    api_add_data(r, slice_make("", 0), NULL, &data);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    jw_open(&w, NULL, '{');
    jw_int(&w, "done_fetched", counts->done_fetched);
    jw_int(&w, "done_not_fetched", counts->done_not_fetched);
    jw_int(&w, "processing", counts->processing);
    jw_int(&w, "pending", counts->pending);
    jw_int(&w, "failed", counts->failed);
    jw_int(&w, "total",
           counts->done_fetched + counts->done_not_fetched + counts->processing + counts->pending +
               counts->failed);
    jw_close(&w, '}');
    jw_close(&w, ']');
    api_add_call(r, buf_slice(&data), buf_slice(&result), 1);
    buf_clear(&data);
    buf_clear(&result);
    api_answer(r);
}

void api_tasks_count(struct api_request *r)
{
    queue_tasks_count(r->api->tasks, r->scope, count_on_reply, r);
}
