#include "dispatcher/engine/deliver.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/outcome.h"
#include "dispatcher/engine/pace_guard.h"
#include "dispatcher/engine/report.h"
#include "dispatcher/engine/target_sets.h"
#include "dispatcher/pull/fetch.h"

#include <stdlib.h>

/* Claims bring their bodies along: with so many bytes in flight no more are taken. */
#define BYTES_IN_FLIGHT_MAX ((size_t)256 * 1024 * 1024)
#define WAITING_LOOK_US 250000

struct deliver { /* Owned by the dispatcher. */
    struct loop *loop;
    struct queue_take *queue;
    struct pull *pull;
    struct target_sets targets;
    struct loop_timer *waiting; /* looks at what waits for its turn */
    struct pace_guard pace;
    struct metric_series *overshoot;
    struct flights flights;
    bool draining;
    void (*on_idle)(void *ctx);
    void *on_idle_ctx;
};

static bool may_connect(void *ctx, const struct addr *a);
static enum attempt_end may_send(void *ctx);
static void on_done(void *ctx, const struct http_result *r);

static const struct http_hooks hooks = {may_connect, may_send, on_done};

/* ---- flights ---- */

static void ask_for_more(struct deliver *e)
{
    size_t most = e->targets.now->conf->dispatcher.concurrency;
    bool full = e->draining || e->flights.count >= most || e->flights.bytes >= BYTES_IN_FLIGHT_MAX;
    queue_take_set_capacity(e->queue, full ? 0 : most - e->flights.count);
}

static void call_idle(void *ctx)
{
    struct deliver *e = ctx;
    if (e->flights.count == 0)
        e->on_idle(e->on_idle_ctx);
}

/* ---- turns: what was claimed ahead waits until an attempt of its destination ends ---- */

static void start(struct flight *f);
static void settle(struct flight *f, enum attempt_end end, const struct http_result *r);

/* Behind a loop_defer, which holds a use of the target's set. */
static void start_next(void *ctx)
{
    struct target *t = ctx;
    struct deliver *e = t->engine;
    t->start_due = false;
    while (t->turns.first && t->running < t->concurrency)
        start(turns_take(&t->turns, NULL));
    target_sets_release(&e->targets, t);
}

static void start_next_soon(struct target *t, struct deliver *e)
{
    if (t->start_due || !t->turns.first || e->draining)
        return;
    t->start_due = true;
    t->engine = e;
    target_hold(t);
    loop_defer(e->loop, start_next, t);
}

static void end_turn(struct deliver *e, struct target *t, const struct delivery *d, bool ok,
                     int64_t duration_ms)
{
    t->running--;
    if (d->delay_ms == 0 && quickness_note(&t->quickness, duration_ms, ok))
        queue_take_set_ahead(e->queue, t->name, t->quickness.is_quick ? t->concurrency : 0);
    start_next_soon(t, e);
}

/* What has waited for half of its window goes back to the queue: its destination became slow. */
static void send_back(void *ctx)
{
    struct deliver *e = ctx;
    mono_us now = clock_mono_us();
    bool more = false;
    for (struct flight *f = e->flights.first, *next; f; f = next) {
        next = f->next;
        if (!f->is_waiting)
            continue;
        if (now - f->delivery->claimed_at > f->delivery->send_until - now)
            settle(f, END_WINDOW_OVER, NULL);
        else
            more = true;
    }
    if (more)
        loop_timer_arm(e->waiting, WAITING_LOOK_US);
}

static void take_turn(struct flight *f)
{
    struct target *t = f->target;
    if (t->running < t->concurrency && !t->turns.first) {
        start(f);
        return;
    }
    turns_add(&t->turns, f);
    if (!loop_timer_armed(f->engine->waiting))
        loop_timer_arm(f->engine->waiting, WAITING_LOOK_US);
}

/* ---- settling: the only way out ---- */

/* Ends F with END and what outcome_judge asks for (STATUS); R is what the HTTP client reported, NULL if it was not
 * asked or gave no answer. */
static void settle_as(struct flight *f, enum attempt_end end, int status,
                      const struct http_result *r)
{
    struct deliver *e = f->engine;
    struct target *t = f->target;
    bool left = t && retry_is_left(&t->schedule, f->delivery->attempt);
    struct outcome o = outcome_judge(end, status, left);
    report_tell(f->delivery, &o, end, r ? r->status : 0);
    report_count(f, &o);
    struct settlement s = report_settlement(f, &o, r);
    struct fetch *fetch = f->fetch;
    if (t && f->is_waiting)
        turns_take(&t->turns, f);
    if (t && f->is_running)
        end_turn(e, t, f->delivery, o.verdict == SETTLE_DONE, r ? r->duration_ms : 0);
    if (t)
        target_sets_release(&e->targets, t);
    queue_take_settle(e->queue, flight_leave(&e->flights, f), &s);
    fetch_free(fetch); /* R may be its */
    flight_end(&e->flights, f);
    ask_for_more(e);
    if (e->draining && e->flights.count == 0)
        loop_defer(e->loop, call_idle, e);
}

static void settle(struct flight *f, enum attempt_end end, const struct http_result *r)
{
    settle_as(f, end, r ? r->status : 0, r);
}

/* ---- from claim to request ---- */

static enum attempt_end end_of_building(enum request_verdict v)
{
    switch (v) {
    case REQUEST_BAD_URL:
        return END_BAD_URL;
    case REQUEST_BAD_BODY:
        return END_BAD_BODY;
    default:
        return END_LOCAL;
    }
}

static void send_request(struct flight *f)
{
    struct delivery *d = f->delivery;
    struct request *q = &f->request;
    struct request_input in = {.event = &d->event,
                               .delivery_id = slice_str(d->id),
                               .message_id = d->event_id,
                               .secret_id = slice_str(d->secret_id),
                               .attempt = d->attempt,
                               .now = clock_wall_ms()};
    enum request_verdict v = request_build(&f->target->rules, &in, q);
    if (v != REQUEST_OK) {
        settle(f, end_of_building(v), NULL);
        return;
    }
    struct http_request_parts parts = {.url = q->url.ptr,
                                       .headers = q->headers.ptr,
                                       .headers_len = q->headers.len,
                                       .body = q->body};
    f->call = http_send(f->target->profile, &parts, f);
    if (!f->call)
        settle(f, END_LOCAL, NULL);
}

static void on_fetch_known(void *ctx, enum attempt_end end)
{
    struct flight *f = ctx;
    if (end == END_ANSWERED)
        send_request(f);
    else
        settle(f, end, NULL);
}

static void on_fetch_over(void *ctx, enum attempt_end end, int status, const struct http_result *r)
{
    settle_as(ctx, end, status, r);
}

static void start(struct flight *f)
{
    struct target *t = f->target;
    f->is_running = true;
    t->running++;
    if (!t->source) {
        send_request(f);
        return;
    }
    struct fetch_handler handler = {.on_known = on_fetch_known, .on_over = on_fetch_over, .ctx = f};
    f->fetch = fetch_new(f->engine->pull, f->delivery, t->source, t->set->conf, &handler);
}

static void on_hold_over(void *ctx)
{
    start(ctx);
}

/* The lane was sent on less than the delay ago by this process, although Redis granted the slot. */
static void hold(struct flight *f, int64_t wait_us)
{
    if (clock_mono_us() + wait_us >= f->delivery->send_until) {
        f->wait_ms = wait_us / 1000 + 1;
        settle(f, END_TOO_EARLY, NULL);
        return;
    }
    if (!f->hold)
        f->hold = loop_timer_new(f->engine->loop, on_hold_over, f);
    loop_timer_arm(f->hold, wait_us);
}

void deliver_claimed(void *ctx, struct delivery *d)
{
    struct deliver *e = ctx;
    struct flight *f = flight_begin(&e->flights, d);
    f->engine = e;
    ask_for_more(e);
    if (e->draining) {
        settle(f, END_DRAINING, NULL);
        return;
    }
    if (!d->readable) {
        settle(f, END_UNREADABLE, NULL);
        return;
    }
    f->target = target_sets_hold(&e->targets, d->destination);
    if (!f->target) {
        settle(f, END_UNCONFIGURED, NULL);
        return;
    }
    mono_us now = clock_mono_us();
    int64_t wait_us = pace_guard_wait_us(&e->pace, slice_str(d->lane), d->delay_ms, now);
    if (d->send_from - now > wait_us)
        wait_us = d->send_from - now;
    if (wait_us > 0)
        hold(f, wait_us);
    else
        take_turn(f);
}

/* ---- what the HTTP client asks and reports ---- */

static bool may_connect(void *ctx, const struct addr *a)
{
    return target_may_connect(((struct flight *)ctx)->target, a);
}

static enum attempt_end may_send(void *ctx)
{
    struct flight *f = ctx;
    struct deliver *e = f->engine;
    struct delivery *d = f->delivery;
    struct slice lane = slice_str(d->lane);
    FAULT_POINT("prereq");
    mono_us now = clock_mono_us();
    if (e->draining)
        return END_DRAINING;
    if (now >= d->send_until)
        return END_WINDOW_OVER;
    int64_t wait_us = pace_guard_wait_us(&e->pace, lane, d->delay_ms, now);
    if (wait_us > 0) {
        f->wait_ms = wait_us / 1000 + 1;
        return END_TOO_EARLY;
    }
    f->was_sent = true;
    report_gap(e->overshoot, d, pace_guard_sent(&e->pace, lane, now), now);
    if (d->report_sent)
        queue_take_sent(e->queue, d);
    return END_ANSWERED;
}

static void on_done(void *ctx, const struct http_result *r)
{
    struct flight *f = ctx;
    f->call = NULL;
    if (r->end == END_ANSWERED && r->status / 100 == 2)
        FAULT_POINT("resp_2xx");
    if (!f->fetch || !r->body) {
        settle(f, r->end, r);
        return;
    }
    flight_fetched(&f->engine->flights, f, r->body->len);
    ask_for_more(f->engine);
    fetch_take(f->fetch, r);
}

/* ---- reload, drain, end ---- */

enum err deliver_set_config(struct deliver *e, struct config *conf)
{
    enum err err = target_sets_replace(&e->targets, conf);
    if (err == OK)
        ask_for_more(e);
    return err;
}

static void hand_back(struct flight *f)
{
    if (f->call)
        http_cancel(f->call);
    if (f->hold)
        loop_timer_cancel(f->hold);
    f->call = NULL;
    settle(f, END_DRAINING, NULL);
}

void deliver_drain(struct deliver *e, void (*on_idle)(void *ctx), void *ctx)
{
    e->draining = true;
    e->on_idle = on_idle;
    e->on_idle_ctx = ctx;
    ask_for_more(e);
    for (struct flight *f = e->flights.first, *next; f; f = next) {
        next = f->next;
        if (!f->was_sent)
            hand_back(f);
    }
    if (e->flights.count == 0)
        loop_defer(e->loop, call_idle, e);
}

void deliver_release_all(struct deliver *e)
{
    e->draining = true;
    while (e->flights.first)
        hand_back(e->flights.first);
}

size_t deliver_in_flight(const struct deliver *e)
{
    return e->flights.count;
}

enum err deliver_new(struct loop *l, struct config *conf, struct metrics *metrics,
                     struct deliver **out)
{
    struct deliver *e = NEW(struct deliver);
    enum err err = target_sets_init(&e->targets, l, conf, metrics, &hooks);
    if (err != OK) {
        free(e);
        return err;
    }
    e->loop = l;
    e->waiting = loop_timer_new(l, send_back, e);
    e->overshoot =
        metrics_series(metrics, METRIC_GAP_OVERSHOOT, slice_make(NULL, 0), slice_make(NULL, 0));
    pace_guard_init(&e->pace);
    *out = e;
    return OK;
}

void deliver_set_queue(struct deliver *e, struct queue_take *queue)
{
    e->queue = queue;
    ask_for_more(e);
}

void deliver_set_pull(struct deliver *e, struct pull *pull)
{
    e->pull = pull;
}

void deliver_free(struct deliver *e)
{
    if (!e)
        return;
    deliver_release_all(e);
    flights_clear(&e->flights);
    target_sets_clear(&e->targets);
    loop_timer_free(e->waiting);
    pace_guard_clear(&e->pace);
    free(e);
}
