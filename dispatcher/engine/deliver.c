/* The states of a flight, and the one function that puts a flight into each:
 *
 *   state     set by           waits for                                       next
 *   CLAIMED   deliver_claimed  nothing                                         HELD, WAITING or RUNNING
 *   HELD      flight_hold      the time at which its lane may be sent on       RUNNING
 *   WAITING   flight_queue_up  an attempt of its destination to end            RUNNING, or back after half its window
 *   RUNNING   flight_start     where its result goes (a fetch), a connection   SENT
 *   MAKING    flight_make      the thread that makes long requests                    RUNNING, or back after half its window
 *   SENT      flight_may_send  the answer                                      settled: flight_settle_as
 *
 * Prefetching, and turns
 *
 * Redis grants a destination at most `concurrency` places over all dispatchers. A place is free again when the result
 * of the attempt has reached Redis, and the next delivery for it arrives with the next claim. If the destination
 * answers in 2 ms and a round trip to Redis takes 1 ms, every place is empty for a third of the time:
 *
 *   without   |== attempt ==|· settle + claim ·|== attempt ==|· settle + claim ·|
 *   with      |== attempt ==|== attempt ==|== attempt ==|== attempt ==|
 *
 * So the engine claims ahead for destinations that answer fast: up to `concurrency` deliveries more than may run. They
 * wait here, in the target's `turns`, and one of them starts when an attempt of the target ends. The engine counts
 * `running` itself and never starts more than `concurrency`, so the limit that Redis keeps for all dispatchers holds
 * for this one even while it has twice as many claims.
 *
 *   attempt ends   prefetch_rule_note: 32 successes in a row under 20 ms on average turn prefetching on for this
 *                  destination; a failure or an average over 50 ms turns it off
 *   it changed     queue_take_set_ahead: the number that is passed with this dispatcher's own claims. Redis stores
 *                  nothing of it, so a reload or the death of a dispatcher ends it
 *   next turn      of the loop: deliver_run_deferred starts the flights whose turns are up. It is deferred, because
 *                  several attempts may end in one turn, and because flights must not start inside of one that ends
 *   every 250 ms   deliver_send_back hands back what has waited for half of its window: the destination became slow,
 *                  and another dispatcher may have a place free
 *
 * Large bodies
 *
 * A claim brings only the head of a record over 128 KiB. flight_load reads the rest in pieces, and only if the bytes fit into the
 * share of the flight's holder (shares.c). flight_make sets bytes aside before it makes a body. Inflating gets 16 times the gzip
 * first. A body that needs more gets receiver.max_inflated_bytes, if they fit. Requests that take long to make are made by a
 * thread, one at a time, so that the loop serves everybody else.
 *
 * Only deliveries without a delay are prefetched. On a lane with a delay, Redis decides when the next request may
 * leave, so claiming earlier would gain nothing.
 */
#include "dispatcher/engine/deliver.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/program/work_thread.h"
#include "common/queue/tail.h"
#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/outcome.h"
#include "dispatcher/engine/pace_guard.h"
#include "dispatcher/engine/report.h"
#include "dispatcher/engine/settlement.h"
#include "dispatcher/engine/shares.h"
#include "dispatcher/engine/stamped.h"
#include "dispatcher/engine/targets.h"
#include "dispatcher/pull/fetch.h"

#include <assert.h>
#include <stdlib.h>

/* Text inflates to about ten times its gzip. Only a body that passes this is given room for receiver.max_inflated_bytes. */
#define USUAL_RATIO 16
#define SEND_BACK_US 250000
#define JUDGE_US 100000
#define LONG_US 1000000 /* an attempt that runs for so long says something about its holder */

struct deliver { /* Owned by the dispatcher. */
    struct loop *loop;
    struct metrics *metrics;
    struct queue_take *queue;
    struct tail *tail;
    struct result_connection *results;
    struct targets *targets;      /* of the configuration in force */
    struct list retired;          /* targets of replaced configurations, while in use */
    struct loop_timer *sweeper;   /* frees them outside of their hooks */
    struct list starts;           /* targets with a free place and a flight that waits for it */
    struct loop_timer *send_back; /* armed while flights wait for their turn */
    struct pace_guard pace;
    struct metric_series *overshoot;
    struct flights flights;
    struct shares shares;
    struct list making;         /* flights whose requests the thread makes next */
    struct flight *built;       /* whose request it makes now, or NULL */
    struct work_thread *thread; /* NULL before the first long request */
    mono_us judged_at;          /* when the running attempts were last looked at */
    bool is_deferred;           /* deliver_run_deferred is on its way */
    bool is_freed;              /* by it */
    bool draining;
    void (*on_idle)(void *ctx);
    void *on_idle_ctx;
};

static bool flight_may_connect(void *ctx, const struct addr *a);
static enum attempt_end flight_may_send(void *ctx);
static void flight_on_left(void *ctx);
static void flight_on_done(void *ctx, const struct attempt_result *r);

static const struct transport_hooks flight_hooks = {flight_may_connect, flight_may_send,
                                                    flight_on_left, flight_on_done};

/* ---- the targets in force, and those that a reload replaced ---- */

static void target_hold(struct target *t)
{
    t->targets->in_use++;
}

static void deliver_release_target(struct deliver *e, struct target *t)
{
    struct targets *s = t->targets;
    if (--s->in_use == 0 && s != e->targets)
        loop_timer_arm(e->sweeper, 0);
}

static void deliver_sweep(void *ctx)
{
    struct deliver *e = ctx;
    LIST_EACH (at, &e->retired) {
        struct targets *s = LIST_ITEM(at, struct targets, link);
        if (s->in_use)
            continue;
        list_remove(at);
        targets_free(s);
    }
    shares_forget(&e->shares, e->targets->conf);
}

static void deliver_ask_for_more(struct deliver *e)
{
    size_t most = e->targets->conf->dispatcher.concurrency;
    bool full = e->draining || e->flights.count >= most;
    queue_take_set_capacity(e->queue, full ? 0 : most - e->flights.count);
}

/* An attempt that runs for long says already now that its holder is not quick. */
static void deliver_judge_running(struct deliver *e)
{
    mono_us now = clock_mono_us();
    if (now - e->judged_at < JUDGE_US)
        return;
    e->judged_at = now;
    LIST_EACH (at, &e->flights.list) {
        struct flight *f = LIST_ITEM(at, struct flight, link);
        if (f->state >= FLIGHT_RUNNING && now - f->started >= LONG_US)
            shares_note(&e->shares, f->holder, (now - f->started) / 1000);
    }
}

void deliver_list_rooms(void *ctx, unsigned partition, size_t want, struct claim_rooms *out)
{
    struct deliver *e = ctx;
    if (shares_are_tight(&e->shares, want))
        deliver_judge_running(e);
    shares_list(&e->shares, partition, want, out);
}

static void deliver_set_limits(struct deliver *e)
{
    const struct config_dispatcher *conf = &e->targets->conf->dispatcher;
    shares_set_limits(&e->shares, conf->concurrency, conf->max_inflight_bytes);
}

void deliver_set_config(struct deliver *e, struct config *conf, struct transport *transport)
{
    list_add_last(&e->retired, &e->targets->link);
    e->targets = targets_new(conf, transport, e->metrics, &flight_hooks);
    deliver_set_limits(e);
    loop_timer_arm(e->sweeper, 0);
    deliver_ask_for_more(e);
}

/* ---- what is deferred ---- */

static void flight_start(struct flight *f);

static void deliver_run_deferred(void *ctx)
{
    struct deliver *e = ctx;
    e->is_deferred = false;
    if (e->is_freed) {
        free(e);
        return;
    }
    for (struct target *t; (t = LIST_TAKE_FIRST(&e->starts, struct target, start));) {
        while (t->running < t->concurrency && !list_is_empty(&t->turns))
            flight_start(LIST_TAKE_FIRST(&t->turns, struct flight, turn));
        deliver_release_target(e, t);
    }
    if (e->on_idle && e->flights.count == 0)
        e->on_idle(e->on_idle_ctx);
}

static void deliver_defer(struct deliver *e)
{
    if (e->is_deferred)
        return;
    e->is_deferred = true;
    loop_defer(e->loop, deliver_run_deferred, e);
}

/* ---- what a flight takes of its holder's share ---- */

static void flight_take_share(struct flight *f)
{
    struct shares *s = &f->engine->shares;
    f->holder = shares_holder(s, f->target->dest);
    f->held = f->delivery->record.len + f->delivery->scratch.len;
    shares_take(s, f->holder);
    shares_hold(s, f->holder, f->held);
}

/* F holds so many bytes more: of a result that it fetched, or of a body that is made for it. */
static void flight_hold_made(struct flight *f, size_t bytes)
{
    f->held += bytes;
    f->made += bytes;
    shares_hold(&f->engine->shares, f->holder, bytes);
}

static void flight_drop_made(struct flight *f)
{
    shares_drop(&f->engine->shares, f->holder, f->made);
    f->held -= f->made;
    f->made = 0;
}

static void flight_give_share_back(struct flight *f)
{
    struct shares *s = &f->engine->shares;
    if (f->state >= FLIGHT_RUNNING)
        shares_note(s, f->holder, (clock_mono_us() - f->started) / 1000);
    shares_give_back(s, f->holder, f->held);
}

/* ---- the way out: a flight ends here and nowhere else ---- */

static void flight_leave_target(struct flight *f, bool ok, int64_t duration_ms)
{
    struct deliver *e = f->engine;
    struct target *t = f->target;
    list_remove(&f->turn);
    if (f->state >= FLIGHT_RUNNING) {
        t->running--;
        if (f->delivery->delay_ms == 0 && t->targets == e->targets &&
            prefetch_rule_note(&t->prefetch, duration_ms, ok))
            queue_take_set_ahead(e->queue, t->name, t->prefetch.is_on ? t->concurrency : 0);
        if (!list_is_empty(&t->turns) && !list_is_linked(&t->start) && !e->draining) {
            target_hold(t);
            list_add_last(&e->starts, &t->start);
            deliver_defer(e);
        }
    }
    deliver_release_target(e, t);
}

static void flight_give_up(struct flight *f, enum attempt_end end);

/* The origin of T asked to wait. Deliveries that wait here for their turn go back: only Redis knows when they may
 * leave. */
static void deliver_hand_back_turns(struct target *t)
{
    if (t->rules.is_account) /* its origins are many, and nothing of it is claimed ahead */
        return;
    for (struct flight *f; (f = LIST_FIRST(&t->turns, struct flight, turn));)
        flight_give_up(f, END_ORIGIN_WAITS);
}

/* Ends F with END and STATUS, as outcome_judge takes them. R is what the transport reported. */
static void flight_settle_as(struct flight *f, enum attempt_end end, int status,
                             const struct attempt_result *r)
{
    struct deliver *e = f->engine;
    struct target *t = f->target;
    struct attempt_facts facts = {.end = end,
                                  .status = status,
                                  .retry_after_ms = r->retry_after_ms,
                                  .attempt_left =
                                      t && retry_is_left(&t->schedule, f->delivery->attempt),
                                  .give_up_on = t ? t->give_up_on : NULL};
    struct outcome o = outcome_judge(&facts);
    report_log(f->delivery, &o, end, r);
    report_metrics(f, &o, r->duration_ms, e->metrics);
    struct settlement s = settlement_of(f, end, &o, r);
    report_attempt(f, &s, e->targets->conf->log_events);
    if (tail_is_wanted(e->tail))
        report_tell(e->tail, f, &s);
    if (t) {
        flight_leave_target(f, o.verdict == SETTLE_DONE, r->duration_ms);
        flight_give_share_back(f);
    }
    queue_take_settle(e->queue, flight_leave(&e->flights, f), &s);
    if (t && o.verdict == SETTLE_WAIT)
        deliver_hand_back_turns(t);
    fetch_free(f->fetch); /* R may be its */
    flight_end(&e->flights, f);
    deliver_ask_for_more(e);
    if (e->draining && e->flights.count == 0)
        deliver_defer(e);
}

/* Ends F with END although the transport reported nothing. */
static void flight_give_up(struct flight *f, enum attempt_end end)
{
    static const struct attempt_result nothing = {.retry_after_ms = -1};
    flight_settle_as(f, end, 0, &nothing);
}

/* ---- from claim to request ---- */

/* Some flight waits for its turn, but not for longer than half of its window. */
static void deliver_watch_waiting(struct deliver *e)
{
    if (!loop_timer_armed(e->send_back))
        loop_timer_arm(e->send_back, SEND_BACK_US);
}

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

static void flight_send(struct flight *f)
{
    struct request *q = &f->request;
    struct attempt_request wire = {.url = q->url.ptr,
                                   .headers = q->headers.ptr,
                                   .headers_len = q->headers.len,
                                   .body = q->body};
    struct target *t = f->target;
    struct endpoint *to = f->stamped ? target_endpoint(t, f->stamped->verify_tls) : t->endpoint;
    f->attempt = transport_send(to, &wire, f);
    if (!f->attempt)
        flight_give_up(f, END_LOCAL);
}

static const struct request_rules *flight_rules(const struct flight *f)
{
    return f->stamped ? &f->stamped->rules : &f->target->rules;
}

/* How far the body of F may inflate now. */
static size_t flight_inflated_max(const struct flight *f)
{
    size_t max = f->target->rules.inflated_max, usual = USUAL_RATIO * f->delivery->event.body.len;
    return f->is_large || usual > max ? max : usual;
}

/* Changes nothing but F's request: the thread may run it. */
static enum request_verdict flight_build(struct flight *f)
{
    struct delivery *d = f->delivery;
    struct request_input in = {.event = &d->event,
                               .delivery_id = slice_str(d->id),
                               .message_id = d->event_id,
                               .secret_id = d->secret_id,
                               .attempt = d->attempt,
                               .now = clock_wall_ms(),
                               .made_max = flight_inflated_max(f)};
    return request_build(flight_rules(f), &in, &f->request);
}

static void flight_make(struct flight *f);

/* F's request is made, as V says. The bytes set aside for it are more than it needs. */
static void flight_on_made(struct flight *f, enum request_verdict v)
{
    struct deliver *e = f->engine;
    flight_drop_made(f);
    if (e->draining) {
        flight_give_up(f, END_DRAINING);
    } else if (v == REQUEST_OVER_MAX) {
        request_reset(&f->request);
        f->is_large = true;
        flight_make(f);
    } else if (v != REQUEST_OK) {
        flight_give_up(f, end_of_building(v));
    } else {
        flight_hold_made(f, f->request.made.len);
        flight_send(f);
    }
}

static void deliver_make_next(struct deliver *e);

static void deliver_build(void *ctx)
{
    struct flight *f = ((struct deliver *)ctx)->built;
    f->verdict = flight_build(f);
}

static void deliver_on_built(void *ctx)
{
    struct deliver *e = ctx;
    struct flight *f = e->built;
    e->built = NULL;
    f->state = FLIGHT_RUNNING;
    flight_on_made(f, f->verdict);
    deliver_make_next(e);
}

/* The thread makes one request at a time. */
static void deliver_make_next(struct deliver *e)
{
    if (e->built || e->draining)
        return;
    e->built = LIST_TAKE_FIRST(&e->making, struct flight, turn);
    if (!e->built)
        return;
    if (!e->thread)
        e->thread = work_thread_new(e->loop);
    work_thread_run(e->thread, deliver_build, deliver_on_built, e);
}

static void flight_make(struct flight *f)
{
    struct deliver *e = f->engine;
    const struct request_rules *rules = flight_rules(f);
    const struct event *event = &f->delivery->event;
    size_t bytes = request_inflates(rules, event) ? flight_inflated_max(f)
                                                  : request_makes(rules, event, event->body.len);
    if (!shares_fit(&e->shares, f->holder, f->held, bytes)) {
        flight_give_up(f, END_NO_ROOM);
        return;
    }
    flight_hold_made(f, bytes);
    if (!request_is_long(rules, event)) {
        flight_on_made(f, flight_build(f));
        return;
    }
    f->state = FLIGHT_MAKING;
    list_add_last(&e->making, &f->turn);
    deliver_watch_waiting(e);
    deliver_make_next(e);
}

static enum attempt_end end_of_loading(enum err rc)
{
    switch (rc) {
    case ERR_INVALID:
        return END_UNREADABLE;
    case ERR_TOO_BIG:
        return END_LOCAL;
    default:
        return END_QUEUE;
    }
}

static void flight_on_loaded(void *ctx, enum err rc)
{
    struct flight *f = ctx;
    if (rc == OK)
        flight_make(f);
    else
        flight_give_up(f, end_of_loading(rc));
}

/* Reads the record of F, if it is too large to come with the claim, and makes the request. */
static void flight_load(struct flight *f)
{
    struct deliver *e = f->engine;
    struct delivery *d = f->delivery;
    if (!d->unread) {
        flight_make(f);
        return;
    }
    size_t all = d->unread + request_makes(flight_rules(f), &d->event, d->unread);
    if (!shares_fit(&e->shares, f->holder, f->held, all)) {
        flight_give_up(f, END_NO_ROOM);
        return;
    }
    f->held += d->unread;
    shares_hold(&e->shares, f->holder, d->unread);
    queue_take_load(e->queue, d, flight_on_loaded, f);
}

static void flight_on_fetch_known(void *ctx, enum attempt_end end)
{
    struct flight *f = ctx;
    if (end == END_NONE)
        flight_load(f);
    else
        flight_give_up(f, end);
}

static void flight_on_fetch_over(void *ctx, enum attempt_end end, int status,
                                 const struct attempt_result *r)
{
    flight_settle_as(ctx, end, status, r);
}

/* False if the secret with which F must be signed cannot be read: F is never sent without its signature. */
static bool flight_read_stamp(struct flight *f)
{
    struct target *t = f->target;
    if (!f->delivery->event.stamp.len || !t->rules.is_account)
        return true;
    f->stamped = stamped_new(&t->rules, t->targets->conf, t->dest, &f->delivery->event);
    return f->stamped != NULL;
}

static void flight_start(struct flight *f)
{
    struct target *t = f->target;
    f->state = FLIGHT_RUNNING;
    f->started = clock_mono_us();
    t->running++;
    if (!t->source) {
        if (flight_read_stamp(f))
            flight_load(f);
        else
            flight_give_up(f, END_SECRET);
        return;
    }
    struct fetch_handler handler = {
        .on_known = flight_on_fetch_known, .on_over = flight_on_fetch_over, .ctx = f};
    f->fetch = fetch_new(f->engine->results, f->delivery, t->source, t->targets->conf, &handler);
}

static void flight_on_hold_over(void *ctx)
{
    flight_start(ctx);
}

/* Redis granted the slot, but this process sent on the lane less than the delay ago. */
static void flight_hold(struct flight *f, int64_t wait_us)
{
    if (clock_mono_us() + wait_us >= f->delivery->send_until) {
        f->wait_ms = wait_us / 1000 + 1;
        flight_give_up(f, END_TOO_EARLY);
        return;
    }
    f->state = FLIGHT_HELD;
    if (!f->hold)
        f->hold = loop_timer_new(f->engine->loop, flight_on_hold_over, f);
    loop_timer_arm(f->hold, wait_us);
}

/* F was claimed ahead: it starts when an attempt of its destination ends. */
static void flight_queue_up(struct flight *f)
{
    f->state = FLIGHT_WAITING;
    list_add_last(&f->target->turns, &f->turn);
    deliver_watch_waiting(f->engine);
}

static void deliver_send_back(void *ctx)
{
    struct deliver *e = ctx;
    mono_us now = clock_mono_us();
    bool more = false;
    LIST_EACH (at, &e->flights.list) {
        struct flight *f = LIST_ITEM(at, struct flight, link);
        if (f->state != FLIGHT_WAITING && (f->state != FLIGHT_MAKING || f == e->built))
            continue;
        if (now - f->delivery->claimed_at > f->delivery->send_until - now)
            flight_give_up(f, END_WINDOW_OVER);
        else
            more = true;
    }
    if (more)
        loop_timer_arm(e->send_back, SEND_BACK_US);
}

void deliver_claimed(void *ctx, struct delivery *d)
{
    struct deliver *e = ctx;
    struct flight *f = flight_begin(&e->flights, d);
    f->engine = e;
    deliver_ask_for_more(e);
    if (e->draining) {
        flight_give_up(f, END_DRAINING);
        return;
    }
    if (e->flights.count > e->targets->conf->dispatcher.concurrency) {
        flight_give_up(f, END_NO_ROOM); /* the claim came late, and others have taken the room */
        return;
    }
    if (!d->readable) {
        flight_give_up(f, END_UNREADABLE);
        return;
    }
    struct target *t = targets_find(e->targets, d->destination);
    if (!t) {
        flight_give_up(f, END_UNCONFIGURED);
        return;
    }
    target_hold(t);
    f->target = t;
    flight_take_share(f);
    mono_us now = clock_mono_us();
    int64_t wait_us = pace_guard_wait_us(&e->pace, slice_str(d->lane), d->delay_ms, now);
    if (d->send_from - now > wait_us)
        wait_us = d->send_from - now;
    if (wait_us > 0)
        flight_hold(f, wait_us);
    else if (t->running < t->concurrency && list_is_empty(&t->turns))
        flight_start(f);
    else
        flight_queue_up(f);
}

/* ---- what the transport asks and reports ---- */

static bool flight_may_connect(void *ctx, const struct addr *a)
{
    return target_may_connect(((struct flight *)ctx)->target, a);
}

static enum attempt_end flight_may_send(void *ctx)
{
    struct flight *f = ctx;
    struct deliver *e = f->engine;
    struct delivery *d = f->delivery;
    struct slice lane = slice_str(d->lane);
    FAULT_POINT("prereq");
    mono_us now = clock_mono_us();
    if (e->draining)
        return END_DRAINING;
    if (now >= d->send_until || queue_take_was_taken(e->queue, d, now))
        return END_WINDOW_OVER;
    int64_t wait_us = pace_guard_wait_us(&e->pace, lane, d->delay_ms, now);
    if (wait_us > 0) {
        f->wait_ms = wait_us / 1000 + 1;
        return END_TOO_EARLY;
    }
    f->state = FLIGHT_SENT;
    report_left(d, now);
    report_gap(e->overshoot, d, pace_guard_sent(&e->pace, lane, now), now);
    return END_NONE;
}

/* The lane's delay counts from here. The process may have been stopped between may_send and the write. */
static void flight_on_left(void *ctx)
{
    struct flight *f = ctx;
    struct delivery *d = f->delivery;
    if (!d->report_sent) /* nothing on its lane has a delay */
        return;
    pace_guard_sent(&f->engine->pace, slice_str(d->lane), clock_mono_us());
    queue_take_sent(f->engine->queue, d);
}

static void flight_on_done(void *ctx, const struct attempt_result *r)
{
    struct flight *f = ctx;
    f->attempt = NULL;
    if (r->end == END_ANSWERED && r->status / 100 == 2)
        FAULT_POINT("resp_2xx");
    if (!f->fetch || !r->body) {
        flight_settle_as(f, r->end, r->status, r);
        return;
    }
    flight_hold_made(f, r->body->len);
    fetch_take(f->fetch, r);
}

/* ---- drain ---- */

static void flight_hand_back(struct flight *f)
{
    if (f->attempt)
        transport_cancel(f->attempt);
    if (f->hold)
        loop_timer_cancel(f->hold);
    f->attempt = NULL;
    flight_give_up(f, END_DRAINING);
}

void deliver_drain(struct deliver *e, void (*on_idle)(void *ctx), void *ctx)
{
    e->draining = true;
    e->on_idle = on_idle;
    e->on_idle_ctx = ctx;
    deliver_ask_for_more(e);
    LIST_EACH (at, &e->flights.list) {
        struct flight *f = LIST_ITEM(at, struct flight, link);
        if (f->state != FLIGHT_SENT && f != e->built) /* the thread uses it */
            flight_hand_back(f);
    }
    if (e->flights.count == 0)
        deliver_defer(e);
}

void deliver_release_all(struct deliver *e)
{
    e->draining = true;
    work_thread_free(e->thread); /* hands back what it makes */
    e->thread = NULL;
    for (struct flight *f; (f = LIST_FIRST(&e->flights.list, struct flight, link));)
        flight_hand_back(f);
}

size_t deliver_in_flight(const struct deliver *e)
{
    return e->flights.count;
}

/* ---- begin and end ---- */

struct deliver *deliver_new(struct loop *l, struct config *conf, struct transport *transport,
                            struct metrics *metrics)
{
    struct deliver *e = NEW(struct deliver);
    e->loop = l;
    e->metrics = metrics;
    e->targets = targets_new(conf, transport, metrics, &flight_hooks);
    list_init(&e->retired);
    e->sweeper = loop_timer_new(l, deliver_sweep, e);
    list_init(&e->starts);
    list_init(&e->making);
    e->send_back = loop_timer_new(l, deliver_send_back, e);
    pace_guard_init(&e->pace);
    e->overshoot =
        metrics_series(metrics, METRIC_GAP_OVERSHOOT, slice_make(NULL, 0), slice_make(NULL, 0));
    flights_init(&e->flights);
    shares_init(&e->shares);
    deliver_set_limits(e);
    return e;
}

void deliver_set_queue(struct deliver *e, struct queue_take *queue)
{
    e->queue = queue;
    deliver_ask_for_more(e);
}

void deliver_set_tail(struct deliver *e, struct tail *tail)
{
    e->tail = tail;
}

void deliver_set_results(struct deliver *e, struct result_connection *results)
{
    e->results = results;
}

void deliver_free(struct deliver *e)
{
    if (!e)
        return;
    deliver_release_all(e);
    for (struct target *t; (t = LIST_TAKE_FIRST(&e->starts, struct target, start));)
        deliver_release_target(e, t);
    deliver_sweep(e);
    assert(list_is_empty(&e->retired));
    targets_free(e->targets);
    loop_timer_free(e->sweeper);
    loop_timer_free(e->send_back);
    flights_clear(&e->flights);
    shares_clear(&e->shares);
    pace_guard_clear(&e->pace);
    if (e->is_deferred)
        e->is_freed = true;
    else
        free(e);
}
