/* The calls of those who work on tasks that were set without their result: take, complete. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_MAX (64 * 1024)
#define MESSAGE_MAX 200
#define ID_LONGEST 1024 /* bytes of an id as it is echoed: "@<account>/<id>" */

/* The first member of OBJECT that is none of KNOWN (NULL-ended). Empty if there is none. */
static struct slice unknown_member(struct slice object, const char *const *known)
{
    struct json_cut c;
    struct slice key, value;
    bool ok = json_cut_open(object, &c);
    while (ok && json_cut_next(&c, &key, &value)) {
        bool is_known = false;
        for (size_t i = 0; known[i]; i++)
            is_known |= slice_eq(key, slice_str(known[i]));
        if (!is_known)
            return key.len ? key : SLICE_LIT(" ");
    }
    return slice_make("", 0);
}

/* --- take --- */

static const char *const take_members[] = {"limit", "lease_s", NULL};

/* Sets *OUT to member NAME, a number from 1 to MAX. A missing member leaves *OUT alone. */
MUST_CHECK static enum flow take_read(struct api_request *r, struct slice object, const char *name,
                                      int64_t max, int64_t *out)
{
    struct api_field f = api_field_read(object, name, TYPE_INT);
    int64_t n = f.value && !f.is_wrong ? json_int(f.value) : *out;
    bool ok = !f.is_wrong && n >= 1 && n <= max;
    api_field_clear(&f);
    if (!ok) {
        char why[64];
        snprintf(why, sizeof why, "It is a whole number from 1 to %lld.", (long long)max);
        api_fail_field(r, name, why);
        return ENDED;
    }
    *out = n;
    return GO_ON;
}

/* The path of the call that set T: ["v3","serp","google","organic","task_post"]. */
static void write_path(struct json_write *w, const struct task *t)
{
    struct slice rest = t->event.path;
    jw_open(w, "path", '[');
    jw_str(w, NULL, "v3");
    while (rest.len)
        jw_text(w, NULL, slice_cut(&rest, '/'));
    jw_str(w, NULL, "task_post");
    jw_close(w, ']');
}

static void write_taken(struct json_write *w, const struct task *t)
{
    struct slice path = t->event.path;
    jw_open(w, NULL, '{');
    jw_text(w, "id", t->id);
    jw_text_or_null(w, "tag", t->event.tag);
    jw_text(w, "api", slice_cut(&path, '/'));
    write_path(w, t);
    api_write_origin(w, "data", t);
    jw_close(w, '}');
}

static void take_on_reply(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    if (rc != OK) {
        api_unavailable(r);
        return;
    }
    struct buf result, data;
    size_t n = 0;
    buf_init(&result, API_ANSWER_MAX);
    buf_init(&data, DATA_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].state != TASK_PROCESSING)
            continue;
        write_taken(&w, &tasks[i]);
        n++;
    }
    jw_close(&w, ']');
    api_add_data(r, r->elements[0], NULL, &data);
    api_add_call(r, buf_slice(&data), buf_slice(&result), n);
    buf_clear(&data);
    buf_clear(&result);
    api_answer(r);
}

void api_tasks_take(struct api_request *r)
{
    struct slice object;
    int64_t limit = 10, lease_s = 600;
    if (api_read_one(r, &object) == ENDED)
        return;
    struct slice unknown = unknown_member(object, take_members);
    if (unknown.len) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", SLICE_FMT(slice_head(unknown, 40)));
        api_fail_field(r, name, "There are 'limit' and 'lease_s'.");
        return;
    }
    if (take_read(r, object, "limit", TASKS_TAKE_MAX, &limit) == ENDED ||
        take_read(r, object, "lease_s", TASKS_LEASE_MAX_S, &lease_s) == ENDED)
        return;
    queue_tasks_take(r->api->tasks, r->scope, (size_t)limit, lease_s, take_on_reply, r);
}

/* --- complete: is it well-formed? --- */

#define ERROR_FIRST 40000
#define ERROR_LAST 59999

enum { MEMBER_ID, MEMBER_RESULT, MEMBER_ERROR, MEMBERS };
static const char *const complete_members[MEMBERS + 1] = {"id", "result", "error", NULL};
static const char *const error_members[] = {"status_code", "status_message", NULL};

struct completion { /* one task of the call */
    struct api_request *r;
    struct slice element; /* as posted */
    struct api_field id;
    struct slice result;              /* of a task that failed: points into `body` */
    struct buf body;                  /* what a task that failed has as its result */
    char error[EVENT_ERROR_MAX + 16]; /* "<code> <message>"; empty: the task has a result */
    char fresh_id[UUID_LEN + 1];
    const struct config_account *owner; /* of the task; NULL if it is not configured */
    bool is_asked;                      /* it is well-formed */
    bool is_late;                       /* the task is complete, or is gone */
    enum api_code code;
    char message[MESSAGE_MAX]; /* empty: the code's own */
};

struct complete { /* state of the request */
    struct completion *list;
    size_t count, waiting;
    size_t compared;  /* those in front of it need no comparison any more */
    bool unavailable; /* Redis did not answer for one of them */
};

static void completion_refuse(struct completion *c, const char *field, const char *why)
{
    struct buf text = buf_over(c->message);
    c->code = CODE_INVALID_FIELD;
    buf_addf(&text, "Invalid Field: '%s'. %s", field, why);
}

static struct slice completion_id(const struct completion *c)
{
    return c->id.value && !c->id.is_wrong ? api_field_text(&c->id) : slice_str(c->fresh_id);
}

/* Refuses C if OBJECT, which is called WHAT, has a member that is none of KNOWN. */
static bool check_known(struct completion *c, struct slice object, const char *const *known,
                        const char *why)
{
    char name[64];
    struct slice unknown = unknown_member(object, known);
    if (!unknown.len)
        return true;
    snprintf(name, sizeof name, "%.*s", SLICE_FMT(slice_head(unknown, 40)));
    completion_refuse(c, name, why);
    return false;
}

static bool is_message(const struct api_field *f)
{
    struct slice text = api_field_text(f);
    return text.len && text.len <= EVENT_ERROR_MAX && text_is_utf8(text) && !text_has_control(text);
}

/* Writes the result of task T, which failed: {"id","status_code","status_message"}. */
static void completion_write_error(struct completion *c, const struct task *t)
{
    struct slice message = slice_str(c->error), code = slice_cut(&message, ' ');
    buf_reset(&c->body);
    struct json_write w = json_write_to(&c->body);
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", t->event.id);
    jw_raw(&w, "status_code", code);
    jw_text(&w, "status_message", message);
    jw_close(&w, '}');
    c->result = buf_slice(&c->body);
}

static bool read_error(struct completion *c, struct slice object)
{
    if (json_cut_kind(object) != '{') {
        completion_refuse(c, "error", "It is an object with 'status_code' and 'status_message'.");
        return false;
    }
    if (!check_known(c, object, error_members, "An error has 'status_code' and 'status_message'."))
        return false;
    struct api_field code = api_field_read(object, "status_code", TYPE_INT);
    struct api_field message = api_field_read(object, "status_message", TYPE_TEXT);
    int64_t n = code.value && !code.is_wrong ? json_int(code.value) : 0;
    bool ok = false;
    if (n < ERROR_FIRST || n > ERROR_LAST) {
        completion_refuse(c, "error.status_code", "It is a whole number from 40000 to 59999.");
    } else if (!is_message(&message)) {
        completion_refuse(c, "error.status_message",
                          "It is a string of 1 to 1024 bytes without control characters.");
    } else {
        snprintf(c->error, sizeof c->error, "%lld %.*s", (long long)n,
                 SLICE_FMT(api_field_text(&message)));
        ok = true;
    }
    api_field_clear(&code);
    api_field_clear(&message);
    return ok;
}

/* True if it can be looked for. */
static bool completion_read(struct completion *c, struct api_request *r, struct slice element)
{
    struct json_member members[MEMBERS];
    c->r = r;
    c->element = element;
    c->code = CODE_OK;
    api_new_id(c->fresh_id);
    buf_init(&c->body, DATA_MAX);
    if (json_cut_kind(element) != '{') {
        c->code = CODE_INVALID_DATA;
        return false;
    }
    for (int i = 0; i < MEMBERS; i++)
        members[i] = (struct json_member){.name = complete_members[i]};
    json_cut_members(element, members, MEMBERS);
    c->id = api_field_of(&members[MEMBER_ID], TYPE_TEXT);
    bool has_result = members[MEMBER_RESULT].times, has_error = members[MEMBER_ERROR].times;
    if (!c->id.value || c->id.is_wrong || !api_id_is_key(r, api_field_text(&c->id))) {
        completion_refuse(c, "id", "It is the id of a task, and stands once.");
        return false;
    }
    if (!check_known(c, element, complete_members, "There are 'id', 'result' and 'error'."))
        return false;
    if (members[MEMBER_RESULT].times + members[MEMBER_ERROR].times != 1) {
        completion_refuse(c, has_result || !has_error ? "result" : "error",
                          "Each task has either a 'result' or an 'error', once.");
        return false;
    }
    c->result = json_cut_trim(members[MEMBER_RESULT].value);
    return !has_error || read_error(c, members[MEMBER_ERROR].value);
}

/* --- complete: answer --- */

static void completion_answer(struct completion *c)
{
    static const char *const skip[] = {"result", NULL};
    bool is_long = c->id.value && !c->id.is_wrong && api_field_text(&c->id).len > ID_LONGEST;
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(c->r, is_long ? slice_make("", 0) : c->element, skip, &data);
    if (data.failed) {
        buf_clear(&data);
        buf_init(&data, DATA_MAX);
        api_add_data(c->r, slice_make("", 0), NULL, &data);
    }
    api_add_task(c->r, is_long ? slice_str(c->fresh_id) : completion_id(c), c->code,
                 c->message[0] ? c->message : NULL, buf_slice(&data));
    buf_clear(&data);
}

static void complete_free(struct complete *s)
{
    for (size_t i = 0; i < s->count; i++) {
        api_field_clear(&s->list[i].id);
        buf_clear(&s->list[i].body);
    }
    free(s->list);
    free(s);
}

static void complete_end(struct api_request *r)
{
    struct complete *s = r->state;
    size_t done = 0;
    for (size_t i = 0; i < s->count; i++) {
        done += s->list[i].code == CODE_OK;
        completion_answer(&s->list[i]);
    }
    bool nothing = s->unavailable && done == 0;
    complete_free(s);
    if (nothing)
        api_unavailable(r);
    else
        api_answer(r);
}

static void completion_fail(struct completion *c)
{
    struct complete *s = c->r->state;
    c->code = CODE_INTERNAL;
    s->unavailable = true;
}

/* --- complete: tasks that were complete already --- */

static void complete_compare(struct api_request *r);

/* T is complete. It may be so by this very result, if the answer to an earlier call was lost. */
static void completion_compare(struct completion *c, const struct task *t)
{
    if (c->error[0])
        completion_write_error(c, t);
    if (slice_eq(t->event.error, slice_str(c->error)) && slice_eq(t->event.body, c->result))
        return;
    completion_refuse(c, c->error[0] ? "error" : "result",
                      "The task is complete already, with another result.");
}

static void completion_on_task(void *ctx, enum err rc, const struct task *t, size_t count)
{
    struct completion *c = ctx;
    if (rc != OK || count != 1)
        completion_fail(c);
    else if (t->state == TASK_DONE || t->state == TASK_FAILED)
        completion_compare(c, t);
    else if (t->state == TASK_EXPIRED)
        c->code = CODE_EXPIRED;
    else if (t->state == TASK_UNKNOWN)
        c->code = CODE_TASK_NOT_FOUND;
    else
        completion_fail(c); /* it expired, and another task was set with its id */
    complete_compare(c->r);
}

/* Reads one task after another, because each may have a large body. */
static void complete_compare(struct api_request *r)
{
    struct complete *s = r->state;
    while (s->compared < s->count) {
        struct completion *c = &s->list[s->compared++];
        if (!c->is_late)
            continue;
        queue_tasks_peek(r->api->tasks, r->scope, api_field_text(&c->id), completion_on_task, c);
        return;
    }
    complete_end(r);
}

/* --- complete: into the queue --- */

static void complete_release(struct api_request *r)
{
    struct complete *s = r->state;
    if (--s->waiting == 0)
        complete_compare(r);
}

static void completion_over_quota(struct completion *c, enum put_result result)
{
    c->code = CODE_QUOTA;
    api_quota_message(c->owner, result, c->message, sizeof c->message);
}

static void completion_on_put(void *ctx, const struct put_answer *answer)
{
    struct completion *c = ctx;
    if (answer->result == PUT_NOT_OPEN)
        c->is_late = true; /* another has completed it meanwhile, or it has expired */
    else if (answer->result == PUT_MANY_BYTES && c->owner)
        completion_over_quota(c, answer->result);
    else if (answer->result != PUT_QUEUED)
        completion_fail(c);
    complete_release(c->r);
}

static void completion_put(struct completion *c, const struct task *t)
{
    struct api_request *r = c->r;
    struct complete *s = r->state;
    struct event event = t->event;
    const struct config_account *account = map_get(&r->conf->accounts, event.account);
    c->owner = account;
    struct destination *to[2];
    size_t count = 0;
    if (account && event.postback_url.len)
        to[count++] = account->postback;
    if (account && event.pingback_url.len)
        to[count++] = account->pingback;
    if (c->error[0])
        completion_write_error(c, t);
    event.has_body = true;
    event.is_open = false;
    event.body = c->result;
    event.completed_at = clock_wall_ms();
    event.error = slice_str(c->error);
    struct put_request request = {
        .event = &event, .stage = PUT_RESULT, .to = to, .to_count = count};
    s->waiting++;
    if (queue_put_submit(r->api->put, &request, completion_on_put, c) != OK) {
        completion_fail(c);
        s->waiting--;
    }
}

static void completion_judge(struct completion *c, const struct task *t)
{
    bool is_set = t->state != TASK_UNKNOWN && t->state != TASK_EXPIRED;
    if (t->state == TASK_EXPIRED)
        c->code = CODE_EXPIRED;
    else if (!is_set || t->event.kind != EVENT_TASK)
        c->code = CODE_TASK_NOT_FOUND;
    else if (t->state == TASK_PENDING || t->state == TASK_PROCESSING)
        completion_put(c, t);
    else
        c->is_late = true;
}

static void complete_on_looked(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct api_request *r = ctx;
    struct complete *s = r->state;
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct completion *c = &s->list[i];
        if (!c->is_asked)
            continue;
        if (rc == OK && at < count)
            completion_judge(c, &tasks[at++]);
        else
            completion_fail(c);
    }
    complete_release(r);
}

static void complete_drop(struct api_request *r)
{
    complete_free(r->state);
}

void api_tasks_complete_read(struct api_request *r)
{
    if (r->count > API_TASKS_MAX)
        return;
    struct complete *s = NEW(struct complete);
    r->state = s;
    r->drop = complete_drop;
    s->list = xcalloc(r->count, sizeof *s->list);
    s->count = r->count;
    s->waiting = 1;
    for (size_t i = 0; i < s->count; i++)
        s->list[i].is_asked = completion_read(&s->list[i], r, r->elements[i]);
}

void api_tasks_complete(struct api_request *r)
{
    struct complete *s = r->state;
    r->drop = NULL;
    if (!s) {
        api_fail(r, CODE_TOO_MANY);
        return;
    }
    struct slice ids[API_TASKS_MAX];
    size_t asked = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].is_asked)
            ids[asked++] = api_field_text(&s->list[i].id);
    if (asked)
        queue_tasks_look(r->api->tasks, r->scope, ids, asked, complete_on_looked, r);
    else
        complete_release(r);
}
