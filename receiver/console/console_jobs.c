/* Jobs, which resend or drop everything that fits a filter, and the purge of a lane, which is one. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "common/queue/queue_jobs.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

#define JOBS_MOST 100

/* --- answers --- */

static void open_job(struct json_write *w, const struct job_view *j)
{
    jw_open(w, NULL, '{');
    jw_text(w, "id", j->id);
    jw_text(w, "verb", j->verb);
    jw_open(w, "filter", '{');
    jw_text_or_null(w, "state", j->state);
    jw_text_or_null(w, "destination", j->destination);
    jw_text_or_null(w, "source", j->source);
    jw_text_or_null(w, "lane", j->lane);
    console_write_moment(w, "since", j->since);
    console_write_moment(w, "until", j->until >= CONSOLE_LAST_MOMENT ? 0 : j->until);
    jw_close(w, '}');
    jw_str(w, "state", j->progress);
    jw_int(w, "done", j->done);
    jw_int(w, "failed", j->failed);
    jw_int(w, "total", j->total);
    console_write_moment(w, "started_at", j->started_at);
    console_write_moment(w, "ended_at", j->ended_at);
    jw_text(w, "account", j->account);
}

static void job_on_view(void *ctx, enum err rc, const struct job_view *list, size_t count,
                        const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    struct buf out;
    if (rc != OK || (count != 1 && !partition_set_is_empty(missing))) {
        console_unavailable(c);
        return;
    }
    if (count != 1) {
        console_error(c, 404, "not_found",
                      "there is no such job; it may have ended more than a day ago");
        return;
    }
    buf_init(&out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&out);
    open_job(&w, list);
    console_end_answer(c, &out, &w, missing);
}

static void jobs_on_views(void *ctx, enum err rc, const struct job_view *list, size_t count,
                          const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    struct buf out;
    if (rc != OK) {
        console_unavailable(c);
        return;
    }
    struct json_write w;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < count; i++) {
        open_job(&w, &list[i]);
        jw_close(&w, '}');
    }
    console_end_items(&w, SLICE_LIT(""));
    console_end_answer(c, &out, &w, missing);
}

/* 404 and ENDED if the path names what can be no job. */
MUST_CHECK static enum flow read_id(struct ops_call *c)
{
    if (c->match.params[0].len == UUID_LEN)
        return GO_ON;
    console_error(c, 404, "not_found", "there is no such job");
    return ENDED;
}

void console_job(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON && read_id(c) == GO_ON)
        queue_jobs_list(k->jobs, c->match.params[0], 1, job_on_view, c);
}

void console_jobs(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON)
        queue_jobs_list(k->jobs, SLICE_LIT(""), JOBS_MOST, jobs_on_views, c);
}

/* --- cancel --- */

struct job_act { /* an act, until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    char id[UUID_LEN + 1];
    struct buf text; /* of the filter */
    struct job_order order;
};

static struct job_act *job_act_new(struct ops_call *c)
{
    struct job_act *a = NEW(struct job_act);
    a->ops = c;
    a->actor = console_actor(c);
    buf_init(&a->text, CONSOLE_BODY_MAX);
    buf_reserve(&a->text, CONSOLE_BODY_MAX); /* slices of it must stay */
    return a;
}

static void job_act_free(struct job_act *a)
{
    buf_clear(&a->text);
    free(a);
}

static void cancel_on_done(void *ctx, enum err rc, int64_t result)
{
    struct job_act *a = ctx;
    struct ops_call *c = a->ops;
    struct console *k = c->ctx;
    if (rc == OK && result == 1)
        console_log_act(&a->actor, "job.cancelled", "job", c->match.params[0]);
    job_act_free(a);
    if (rc != OK)
        console_unavailable(c);
    else if (result == 1)
        queue_jobs_list(k->jobs, c->match.params[0], 1, job_on_view, c);
    else if (result == 0)
        console_error(c, 409, "conflict", "the job is over");
    else
        console_error(c, 404, "not_found", "there is no such job");
}

void console_job_cancel(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON && read_id(c) == GO_ON &&
        console_read_body(c, NULL, 0) == GO_ON)
        queue_jobs_cancel(k->jobs, c->match.params[0], cancel_on_done, job_act_new(c));
}

/* --- begin --- */

static void job_log(const struct job_act *a)
{
    const struct job_order *o = &a->order;
    LOG(LL_INFO, "job.begun", LS("account", a->actor.account), LS("peer", a->actor.peer),
        LS("job", a->id), LS("verb", job_verb_word(o->verb)), LSO("state", o->state),
        LSO("destination", o->destination), LSO("source", o->source), LSO("lane", o->lane));
}

static void begin_on_done(void *ctx, enum err rc, int64_t result)
{
    struct job_act *a = ctx;
    struct ops_call *c = a->ops;
    struct buf out;
    if (rc == OK && result == 1)
        job_log(a);
    if (rc != OK) {
        console_unavailable(c);
    } else if (result != 1) {
        console_error(
            c, 409, "too_many_jobs",
            "there are 100 jobs that run, or 1,000 of the last day; wait for some to end");
    } else {
        buf_init(&out, CONSOLE_BODY_MAX);
        struct json_write w = json_write_to(&out);
        jw_open(&w, NULL, '{');
        jw_str(&w, "job", a->id);
        jw_close(&w, '}');
        console_answer(c, 202, &out);
    }
    job_act_free(a);
}

static void begin(struct job_act *a)
{
    struct console *k = a->ops->ctx;
    a->order.account = slice_str(a->actor.account);
    a->order.peer = slice_str(a->actor.peer);
    queue_jobs_begin(k->jobs, &a->order, a->id, begin_on_done, a);
}

static void job_act_begin(void *ctx)
{
    begin(ctx);
}

static void job_act_drop(void *ctx)
{
    job_act_free(ctx);
}

/* --- the filter --- */

enum { M_STATE, M_DESTINATION, M_SOURCE, M_SINCE, M_UNTIL, MEMBERS };

MUST_CHECK static enum flow refuse(struct ops_call *c, const char *why)
{
    console_error(c, 400, "bad_request", why);
    return ENDED;
}

/* Reads a member that is a text, or a number of milliseconds if it is a moment. Null is as if it were not there. */
MUST_CHECK static enum flow read_text(struct job_act *a, const struct json_member *m,
                                      bool is_moment, struct slice *out)
{
    struct json *value = NULL;
    struct error e;
    size_t mark = a->text.len;
    *out = SLICE_LIT("");
    if (!m->times)
        return GO_ON;
    bool ok = json_parse(m->value, &value, &e) == OK;
    enum json_kind kind = json_kind(value);
    if (ok && kind == JSON_STRING)
        buf_add_slice(&a->text, json_string(value));
    else if (ok && kind == JSON_INT && is_moment)
        buf_addf(&a->text, "%lld", (long long)json_int(value));
    else if (kind != JSON_NULL)
        ok = false;
    json_free(value);
    *out = slice_skip(buf_slice(&a->text), mark);
    if (ok && !a->text.failed)
        return GO_ON;
    return refuse(a->ops,
                  "'state', 'destination', 'source' and 'confirm' must be texts, 'since' and "
                  "'until' moments");
}

MUST_CHECK static enum flow read_moment(struct job_act *a, const struct json_member *m, wall_ms *at)
{
    struct console_param p = {.name = m->name};
    if (read_text(a, m, true, &p.value) == ENDED)
        return ENDED;
    p.is_given = p.value.len > 0;
    return console_read_moment(a->ops, &p, at);
}

/* Only what may be resent or dropped can be asked for. */
MUST_CHECK static enum flow check_state(struct job_act *a)
{
    static const char *const words[][5] = {[JOB_RESEND] = {"dead", "retry", "done", "dropped"},
                                           [JOB_DROP] = {"queued", "retry", "dead"}};
    struct job_order *o = &a->order;
    if (!o->state.len && o->verb == JOB_RESEND)
        o->state = SLICE_LIT("dead");
    for (const char *const *w = words[o->verb]; *w; w++)
        if (!o->state.len || slice_eq(o->state, slice_str(*w)))
            return GO_ON;
    return refuse(a->ops,
                  o->verb == JOB_RESEND
                      ? "'state' must be dead, retry, done or dropped: what is queued or in "
                        "flight is on its way"
                      : "'state' must be queued, retry or dead: what is in flight or over "
                        "cannot be dropped");
}

MUST_CHECK static enum flow check_names(struct job_act *a)
{
    const struct slice names[] = {a->order.destination, a->order.source};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].len && !console_is_name(names[i]))
            return refuse(a->ops, "'destination' and 'source' must be names");
    return GO_ON;
}

MUST_CHECK static enum flow read_order(struct job_act *a)
{
    struct json_member m[MEMBERS] = {[M_STATE] = {.name = "state"},
                                     [M_DESTINATION] = {.name = "destination"},
                                     [M_SOURCE] = {.name = "source"},
                                     [M_SINCE] = {.name = "since"},
                                     [M_UNTIL] = {.name = "until"}};
    struct job_order *o = &a->order;
    o->until = CONSOLE_LAST_MOMENT;
    if (console_takes_no_query(a->ops) == ENDED || console_read_body(a->ops, m, MEMBERS) == ENDED ||
        read_text(a, &m[M_STATE], false, &o->state) == ENDED ||
        read_text(a, &m[M_DESTINATION], false, &o->destination) == ENDED ||
        read_text(a, &m[M_SOURCE], false, &o->source) == ENDED ||
        read_moment(a, &m[M_SINCE], &o->since) == ENDED ||
        read_moment(a, &m[M_UNTIL], &o->until) == ENDED)
        return ENDED;
    if (!o->state.len && !o->destination.len && !o->source.len)
        return refuse(a->ops, "give at least one of 'state', 'destination' and 'source'");
    if (check_state(a) == ENDED)
        return ENDED;
    return check_names(a);
}

static void begin_job(struct ops_call *c, enum job_verb verb)
{
    struct job_act *a = job_act_new(c);
    a->order.verb = verb;
    if (read_order(a) == GO_ON)
        begin(a);
    else
        job_act_free(a);
}

void console_resend_all(struct ops_call *c)
{
    begin_job(c, JOB_RESEND);
}

void console_drop_all(struct ops_call *c)
{
    begin_job(c, JOB_DROP);
}

/* --- purge --- */

void console_purge(struct ops_call *c)
{
    struct slice lane = c->match.params[0], confirm;
    struct json_member m = {.name = "confirm"};
    if (console_takes_no_query(c) == ENDED || console_read_body(c, &m, 1) == ENDED)
        return;
    struct job_act *a = job_act_new(c);
    if (read_text(a, &m, false, &confirm) == ENDED) {
        job_act_free(a);
        return;
    }
    if (!slice_eq(confirm, lane)) {
        console_error(c, 400, "not_confirmed",
                      "a purge drops everything that waits on the lane; the body must be "
                      "{\"confirm\":\"<the lane's name>\"}");
        job_act_free(a);
        return;
    }
    a->order = (struct job_order){.verb = JOB_DROP, .lane = lane, .until = CONSOLE_LAST_MOMENT};
    console_with_lane(c, job_act_begin, job_act_drop, a);
}
