/* The calls on tasks that are set: resend, ready, get. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/gzip/gzip.h"
#include "common/json/json_scan.h"
#include "common/program/program.h"
#include "receiver/api/api_private.h"

#include <stdlib.h>

#define DATA_MAX (64 * 1024)

/* --- webhook_resend --- */

struct resend { /* state of the request */
    struct api_field *ids;
    struct slice *asked; /* the ids that are texts, in their order */
    size_t count, asked_count;
};

static bool is_id(const struct api_field *f)
{
    return f->value && !f->is_wrong;
}

/* Adds an element that names no task. Its data is the element as it was posted. */
static void add_not_resent(struct api_request *r, struct slice id, enum api_code c,
                           struct slice element)
{
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(r, element, NULL, &data);
    api_add_task(r, id, c, NULL, buf_slice(&data));
    buf_clear(&data);
}

static void add_resent(struct api_request *r, const struct task *t, struct slice id,
                       struct slice element)
{
    if (t->state == TASK_UNKNOWN || t->state == TASK_EXPIRED) {
        add_not_resent(r, id, CODE_TASK_NOT_FOUND, element);
        return;
    }
    struct buf data;
    buf_init(&data, DATA_MAX);
    struct json_write w = json_write_to(&data);
    api_write_origin(&w, NULL, t);
    bool is_open = t->state == TASK_PENDING || t->state == TASK_PROCESSING;
    enum api_code c = is_open ? CODE_IN_QUEUE : t->has_hooks ? CODE_CREATED : CODE_NO_WEBHOOK;
    api_add_task(r, id, c, NULL, buf_slice(&data));
    buf_clear(&data);
}

static void resend_on_reply(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    struct resend *s = r->state;
    size_t at = 0;
    for (size_t i = 0; rc == OK && i < s->count; i++) {
        char fresh[UUID_LEN + 1];
        api_new_id(fresh);
        if (is_id(&s->ids[i]) && at < count)
            add_resent(r, &tasks[at++], api_field_text(&s->ids[i]), r->elements[i]);
        else
            add_not_resent(r, slice_str(fresh), CODE_INVALID_DATA, r->elements[i]);
    }
    for (size_t i = 0; i < s->count; i++)
        api_field_clear(&s->ids[i]);
    free(s->ids);
    free(s->asked);
    free(s);
    if (rc == OK)
        api_answer(r);
    else
        api_unavailable(r);
}

void api_webhook_resend(struct api_request *r)
{
    if (r->count > TASKS_RESEND_MAX) {
        api_fail(r, CODE_TOO_MANY);
        return;
    }
    struct resend *s = NEW(struct resend);
    r->state = s;
    s->count = r->count;
    s->ids = xcalloc(s->count, sizeof *s->ids);
    s->asked = xcalloc(s->count, sizeof *s->asked);
    for (size_t i = 0; i < s->count; i++) {
        struct api_field *f = &s->ids[i];
        if (r->elements[i].len <= API_OBJECT_MAX)
            *f = api_field_read(r->elements[i], "id", TYPE_TEXT);
        if (is_id(f))
            s->asked[s->asked_count++] = api_field_text(f);
    }
    if (s->asked_count)
        queue_tasks_resend(r->api->tasks, r->scope, s->asked, s->asked_count, resend_on_reply, r);
    else
        resend_on_reply(r, OK, NULL, 0);
}

/* --- tasks_ready --- */

static void write_endpoint(struct json_write *w, const struct api_request *r, const struct task *t,
                           const char *kind)
{
    struct buf path;
    buf_init(&path, 4096);
    buf_add_str(&path, "/v3/");
    if (t->event.path.len)
        buf_add_slice(&path, t->event.path);
    else
        api_path_add(&r->path, &path);
    buf_addf(&path, "/task_get/%s/", kind);
    text_add_percent(&path, t->id);
    char name[32];
    struct buf label = buf_over(name);
    buf_addf(&label, "endpoint_%s", kind);
    jw_text(w, name, buf_slice(&path));
    buf_clear(&path);
}

/* A task of the API has its engine in its path, "serp/google/organic", a source's result in its envelope. */
static void write_engine(struct json_write *w, const struct task *t)
{
    bool has_path = t->event.path.len > 0;
    char between = has_path ? '/' : ' ';
    struct slice rest = has_path ? t->event.path : t->event.engine;
    if (has_path)
        (void)slice_cut(&rest, between);
    jw_text_or_null(w, "se", slice_cut(&rest, between));
    jw_text_or_null(w, "se_type", slice_cut(&rest, between));
}

static void write_ready(struct json_write *w, const struct api_request *r, const struct task *t)
{
    jw_open(w, NULL, '{');
    jw_text(w, "id", t->id);
    write_engine(w, t);
    api_write_moment(w, "date_posted", t->accepted_at);
    jw_text_or_null(w, "tag", t->event.tag);
    write_endpoint(w, r, t, "regular");
    write_endpoint(w, r, t, "advanced");
    write_endpoint(w, r, t, "html");
    jw_close(w, '}');
}

/* Ends R with RESULT, a list of COUNT that is closed and freed here. */
static void ready_answer(struct api_request *r, struct json_write *w, size_t count)
{
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(r, slice_make("", 0), NULL, &data);
    jw_close(w, ']');
    api_add_call(r, buf_slice(&data), buf_slice(w->out), count);
    buf_clear(w->out);
    buf_clear(&data);
    api_answer(r);
}

static void ready_on_reply(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    if (rc != OK) {
        api_unavailable(r);
        return;
    }
    struct buf result;
    buf_init(&result, API_ANSWER_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].state != TASK_DONE && tasks[i].state != TASK_FAILED)
            continue;
        write_ready(&w, r, &tasks[i]);
        n++;
    }
    ready_answer(r, &w, n);
}

void api_tasks_ready(struct api_request *r)
{
    struct buf path;
    buf_init(&path, 4096);
    api_path_add(&r->path, &path);
    queue_tasks_ready(r->api->tasks, r->scope, buf_slice(&path), TASKS_LIST_MAX, ready_on_reply, r);
    buf_clear(&path);
}

/* Nothing is ever fixed behind a client's back: the list is empty. */
void api_tasks_fixed(struct api_request *r)
{
    struct buf result;
    buf_init(&result, 16);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    ready_answer(r, &w, 0);
}

/* --- task_get --- */

struct get { /* state of the request while its answer is made */
    struct buf id, data, body, out;
    int error_code; /* of a task that failed, or 0 */
    char error[EVENT_ERROR_MAX + 1];
};

static void get_drop(struct api_request *r)
{
    struct get *g = r->state;
    buf_clear(&g->id);
    buf_clear(&g->data);
    buf_clear(&g->body);
    buf_clear(&g->out);
    free(g);
}

static void get_write(struct api_request *r, struct slice body)
{
    struct get *g = r->state;
    struct buf quoted;
    buf_init(&quoted, API_ANSWER_MAX);
    struct json_write quote = json_write_to(&quoted);
    if (!json_scan_accepts(body)) { /* a source may take any body: this one becomes a string */
        jw_text(&quote, NULL, body);
        body = buf_slice(&quoted);
    }
    struct envelope_task around = {.id = buf_slice(&g->id),
                                   .status_code = STATUS_OK,
                                   .status_message = "Ok.",
                                   .took_us = clock_mono_us() - r->started,
                                   .path = r->path.segments,
                                   .path_count = r->path.count,
                                   .data = buf_slice(&g->data)};
    if (g->error_code) {
        around.status_code = g->error_code;
        around.status_message = g->error;
        body = SLICE_LIT("null");
    }
    envelope_of_result(HOOKPACE_VERSION, &around, body, &g->out);
    buf_clear(&quoted);
}

/* May run in the thread. */
static void get_work(void *ctx)
{
    struct api_request *r = ctx;
    struct get *g = r->state;
    struct buf plain;
    struct slice body = buf_slice(&g->body);
    buf_init(&plain, r->conf->receiver.max_inflated_bytes);
    if (gzip_is(body) && gzip_inflate_all(body, &plain, NULL) == OK)
        body = buf_slice(&plain);
    get_write(r, body);
    buf_clear(&plain);
}

static void get_on_marked(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    (void)tasks;
    (void)count;
    struct api_request *r = ctx;
    struct get *g = r->state;
    struct buf out = g->out;
    g->out = (struct buf){0};
    if (rc == OK)
        api_answer_raw(r, buf_slice(&out));
    else
        api_unavailable(r);
    buf_clear(&out);
}

static void add_asked_id(const struct api_request *r, struct buf *out);

/* Only a task whose answer has room counts as fetched: without room the client asks again. */
static void get_on_written(void *ctx)
{
    struct api_request *r = ctx;
    struct get *g = r->state;
    if (r->is_head) {
        get_on_marked(r, g->out.failed ? ERR_TOO_BIG : OK, NULL, 0);
        return;
    }
    if (g->out.failed || !api_keep_room(r, g->out.len)) {
        api_no_room(r);
        return;
    }
    struct buf id;
    buf_init(&id, DATA_MAX);
    add_asked_id(r, &id);
    queue_tasks_mark(r->api->tasks, r->scope, buf_slice(&id), get_on_marked, r);
    buf_clear(&id);
}

static void get_answer_result(struct api_request *r, const struct task *t)
{
    struct get *g = NEW(struct get);
    struct slice body = t->event.body;
    r->state = g;
    r->drop = get_drop;
    buf_init(&g->id, t->id.len + 1);
    buf_init(&g->data, DATA_MAX);
    buf_init(&g->body, body.len + 1);
    buf_init(&g->out, API_ANSWER_MAX);
    buf_add_slice(&g->id, t->id);
    buf_add_slice(&g->body, body);
    (void)event_error(&t->event, &g->error_code, g->error);
    struct json_write origin = json_write_to(&g->data);
    api_write_origin(&origin, NULL, t);
    size_t most = body.len;
    if (gzip_is(body))
        most = api_inflated_most(body, r->conf->receiver.max_inflated_bytes);
    if (most > API_AT_ONCE_MAX) {
        /* the body and what it inflates to, twice while the answer is put together */
        api_work_aside(r, (int64_t)(body.len + 2 * most), get_work, get_on_written);
        return;
    }
    get_work(r);
    get_on_written(r);
}

static enum api_code get_code(const struct task *t)
{
    switch (t->state) {
    case TASK_UNKNOWN:
        return CODE_TASK_NOT_FOUND;
    case TASK_EXPIRED:
        return CODE_EXPIRED;
    case TASK_PENDING:
    case TASK_PROCESSING:
    case TASK_HANDED: /* all tasks that are not complete have one code */
    case TASK_QUEUED:
    case TASK_LOST:
        return CODE_IN_QUEUE;
    case TASK_DONE:
    case TASK_FAILED:
        break;
    }
    return CODE_OK;
}

static void get_answer_none(struct api_request *r, struct slice id, enum api_code c)
{
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(r, slice_make("", 0), NULL, &data);
    api_add_task(r, id, c, NULL, buf_slice(&data));
    buf_clear(&data);
    api_answer(r);
}

static void get_on_reply(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    if (rc != OK || count != 1)
        api_unavailable(r);
    else if (get_code(&tasks[0]) == CODE_OK && tasks[0].event.has_body)
        get_answer_result(r, &tasks[0]);
    else
        get_answer_none(r, tasks[0].id, get_code(&tasks[0]));
}

bool api_id_is_key(const struct api_request *r, struct slice s)
{
    struct slice rest = s;
    if (r->account->role == ACCOUNT_ADMIN && s.len && s.ptr[0] == '@') {
        struct slice account = slice_skip(slice_cut(&rest, '/'), 1);
        return id_is_valid(account) && id_is_valid(rest);
    }
    const char *mark = s.len ? memrchr(s.ptr, '~', s.len) : NULL;
    return id_is_valid(s) || (mark && id_is_valid(slice_make(s.ptr, (size_t)(mark - s.ptr))));
}

/* Appends the id at the end of the path. "@<account>/<id>" may be two segments or one. */
static void add_asked_id(const struct api_request *r, struct buf *out)
{
    const struct slice *last = &r->path.segments[r->path.count - 1];
    if (r->account->role == ACCOUNT_ADMIN && r->path.count - 1 > r->path.function + 1 &&
        last[-1].len && last[-1].ptr[0] == '@') {
        buf_add_slice(out, last[-1]);
        buf_add_char(out, '/');
    }
    buf_add_slice(out, *last);
}

void api_task_get(struct api_request *r)
{
    struct buf asked;
    buf_init(&asked, DATA_MAX);
    add_asked_id(r, &asked);
    struct slice id = buf_slice(&asked);
    if (api_id_is_key(r, id))
        queue_tasks_peek(r->api->tasks, r->scope, id, get_on_reply, r);
    else
        get_answer_none(r, id, CODE_TASK_NOT_FOUND);
    buf_clear(&asked);
}
