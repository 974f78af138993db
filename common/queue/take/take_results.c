#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/take/take_private.h"
#include "common/webhook/url_template.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What it costs Redis to record a result, at most, and how much one call may cost: 64 successes on one lane. */
enum {
    EFFORT_PLAIN = 2,
    EFFORT_ACCOUNT = 3,
    EFFORT_LANE = 4,
    EFFORT_RETRY = 4,
    EFFORT_DEAD = 5,
    EFFORT_PROBE = 64,
    EFFORT_MOST = 128
};
#define SETTLE_MANY 16  /* results that are worth a further call while one is on its way */
#define SETTLE_TRIES 40 /* refusals (not lost connections) before a result is given up */

/* settle.lua's answer for a result. */
enum {
    SETTLED_CIRCUIT_OPENED = 4,
    SETTLED_CIRCUIT_CLOSED = 8,
    SETTLED_COUNTED = 16,
    SETTLED_PAUSE = 32
};

struct settle_call { /* one settle script under way */
    struct part *part;
    struct list claims; /* owned */
    size_t count;
};

/* --- send reports --- */

static void on_sent_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct part *p = ctx;
    if (rc != OK || redis_kind(r) != REDIS_INT)
        return; /* the window closes by itself, and settling the delivery tells it too */
    take_note_wait(p, redis_int(r));
    take_turn_soon(p->q);
}

void take_flush_sent(struct part *p)
{
    if (p->sent.count == 0)
        return;
    struct args *a = &p->q->args;
    FAULT_POINT("after_write"); /* reports are flushed behind the turn in which requests leave */
    args_reset(a);
    args_add_int(a, clock_mono_us());
    const struct slice *reports = args_slices(&p->sent);
    for (size_t i = 0; i < p->sent.count; i++)
        args_borrow(a, reports[i]);
    if (shard_run(p->shard, &p->q->sent, a, on_sent_reply, p) != OK)
        LOG_RARELY(LL_WARN, "sent.not_reported", LI("sends", p->sent.count / 4));
    args_reset(&p->sent);
    FAULT_POINT_AFTER(shard_flush(p->shard), "sent");
}

void queue_take_sent(struct queue_take *q, const struct delivery *d)
{
    struct part *p = &q->parts[d->partition];
    args_add(&p->sent, slice_str(d->id));
    args_add(&p->sent, slice_str(d->lane));
    args_add_int(&p->sent, (int64_t)d->fence);
    args_add_int(&p->sent, clock_mono_us());
    take_turn_soon(q);
}

/* --- results --- */

static void settled(struct queue_take *q, struct claim *c)
{
    claim_recycle(&q->pool, c);
    assert(q->unsettled > 0);
    if (--q->unsettled == 0 && q->on_settled)
        loop_defer(q->loop, q->on_settled, q->on_settled_ctx);
}

/* The script did not run, or nobody knows: the results wait for another try. Repeating is safe, a
 * result that was recorded is answered 0. */
static void settle_again(struct settle_call *call, bool refused)
{
    struct part *p = call->part;
    struct claim *c;
    while ((c = claims_take(&call->claims))) {
        if (refused && ++c->tries >= SETTLE_TRIES) {
            LOG_RARELY(LL_ERROR, "result.given_up", LS("delivery", c->d.id));
            settled(p->q, c); /* its lease will run out */
            continue;
        }
        list_add_last(&p->results, &c->link);
    }
    if (refused)
        p->settle_after = clock_mono_us() + REFUSED_WAIT_US;
}

/* A configured destination has one origin, which a claim does not name. */
static struct slice origin_of(const struct config *conf, const struct delivery *d)
{
    const struct destination *to = config_destination(conf, d->destination);
    if (d->origin)
        return slice_str(d->origin);
    return to && to->url ? url_template_origin(to->url) : SLICE_LIT("");
}

void take_log_circuit(const struct queue_take *q, const char *what, const struct delivery *d,
                      int64_t pause_ms)
{
    char until[CLOCK_ISO_LEN + 1] = "";
    if (pause_ms > 0)
        clock_iso(clock_wall_ms() + pause_ms, until);
    LOG_RARELY(LL_WARN, what, LSL("destination", d->destination), LS("lane", d->lane),
               LSL("origin", origin_of(q->conf, d)), LSO("until", slice_str(until)),
               LS("delivery", d->id));
}

/* C's origin has asked to wait for a day, so this counts as a failed attempt after all. */
static void report_counted(struct queue_take *q, const struct claim *c)
{
    bool is_dead = c->result.counted == SETTLE_DEAD;
    LOG_RARELY(is_dead ? LL_WARN : LL_INFO, is_dead ? "delivery.dead" : "attempt.failed",
               LS("delivery", c->d.id), LSL("destination", c->d.destination),
               LI("attempt", c->d.attempt), LI("status", c->result.status),
               LS("error", c->result.error));
    metric_add(metrics_series(q->metrics, METRIC_ATTEMPTS, c->d.destination,
                              is_dead ? SLICE_LIT("dead") : SLICE_LIT("retry")),
               1);
}

static void log_answer(struct queue_take *q, const struct claim *c, int64_t answer)
{
    if (answer & SETTLED_COUNTED)
        report_counted(q, c);
    if (answer == 0 && c->tries == 0)
        LOG_RARELY(LL_INFO, "result.fenced", LS("delivery", c->d.id));
    if (answer & SETTLED_CIRCUIT_OPENED)
        take_log_circuit(q, "circuit.opened", &c->d, answer / SETTLED_PAUSE);
    if (answer & SETTLED_CIRCUIT_CLOSED)
        take_log_circuit(q, "circuit.closed", &c->d, 0);
}

static void on_settle_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct settle_call *call = ctx;
    struct queue_take *q = call->part->q;
    bool answered = rc == OK && redis_kind(r) == REDIS_LIST && redis_count(r) == call->count + 1;
    FAULT_POINT("ack_reply");
    call->part->settling--;
    if (!answered) {
        LOG_RARELY(LL_WARN, "settle.failed", LS("reason", err_word(rc)),
                   LSL("reply", redis_text(r)), LI("results", call->count));
        settle_again(call, rc == OK);
    } else {
        struct claim *c;
        LOG_EVENT(LL_DEBUG, "settle.done", LI("results", call->count));
        for (size_t i = 1; (c = claims_take(&call->claims)); i++) {
            log_answer(q, c, redis_int(redis_at(r, i)));
            settled(q, c);
        }
        take_note_wait(call->part, redis_int(redis_at(r, 0)));
    }
    free(call);
    take_turn_soon(q);
}

/* The effort for the result of C behind that of BEFORE (or NULL): each lane has a clock to be read and written. */
static unsigned effort_of(const struct claim *c, const struct claim *before)
{
    enum settle_verdict verdict = c->result.verdict;
    if (c->d.is_probe) /* what waits for its answer comes back to the lane */
        return EFFORT_PROBE;
    if (verdict == SETTLE_DEAD)
        return EFFORT_DEAD;
    if (verdict != SETTLE_DONE && verdict != SETTLE_FETCHED)
        return EFFORT_RETRY;
    if (before && strcmp(c->d.lane, before->d.lane) != 0)
        return EFFORT_LANE;
    return c->d.origin ? EFFORT_ACCOUNT : EFFORT_PLAIN;
}

static void flush_some_results(struct part *p)
{
    struct queue_take *q = p->q;
    struct settle_call *call = NEW(struct settle_call);
    call->part = p;
    list_init(&call->claims);
    args_reset(&q->args);
    args_add_int(&q->args, q->conf->retention.done_s * 1000);
    args_add_int(&q->args, q->conf->retention.dead_s * 1000);
    args_add_int(&q->args, q->conf->retention.dedup_s * 1000);
    const struct claim *before = NULL;
    for (unsigned effort = 0; effort < EFFORT_MOST && !list_is_empty(&p->results);) {
        struct claim *c = claims_take(&p->results);
        effort += effort_of(c, before);
        result_add_args(&c->result, &c->d, &q->args);
        list_add_last(&call->claims, &c->link);
        call->count++;
        before = c;
    }
    if (shard_run(p->shard, &q->settle, &q->args, on_settle_reply, call) != OK) {
        settle_again(call, false);
        p->settle_after = clock_mono_us() + REFUSED_WAIT_US;
        free(call);
    } else {
        p->settling++;
    }
    FAULT_POINT_AFTER(shard_flush(p->shard), "ack_sent");
}

static bool has_many(const struct list *results)
{
    size_t count = 0;
    LIST_EACH (at, results)
        if (++count == SETTLE_MANY)
            return true;
    return false;
}

/* A call costs Redis as much as two results, and its claim as much as six. The reply of the call that is on its way brings
 * the next turn. */
bool take_results_wait(const struct part *p)
{
    return p->settling && !has_many(&p->results);
}

void take_flush_results(struct part *p, mono_us now)
{
    if (take_results_wait(p))
        return;
    /* The claim goes out behind the results, in the same write: it finds their places free. */
    if (!list_is_empty(&p->results) && p->crowded && now >= p->settle_after)
        p->again = true;
    while (!list_is_empty(&p->results) && now >= p->settle_after)
        flush_some_results(p);
}

void queue_take_settle(struct queue_take *q, struct delivery *d, const struct settlement *s)
{
    struct claim *c = claim_of(d);
    take_load_forget(d);
    result_make(&c->result, d, s, clock_wall_ms());
    list_add_last(&q->parts[d->partition].results, &c->link);
    if (d->delay_ms == 0)
        q->parts[d->partition].urgent = true;
    q->unsettled++;
    take_turn_soon(q);
}

size_t queue_take_unsettled(const struct queue_take *q)
{
    return q->unsettled;
}

void queue_take_on_settled(struct queue_take *q, void (*fn)(void *ctx), void *ctx)
{
    q->on_settled = fn;
    q->on_settled_ctx = ctx;
}
