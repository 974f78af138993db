#include "dispatcher/engine/report.h"

#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/crypto/crypto.h"
#include "dispatcher/engine/targets.h"
#include "dispatcher/pull/fetch.h"

static double random_share(void)
{
    uint32_t r;
    crypto_random(&r, sizeof r);
    return (double)r / (double)UINT32_MAX;
}

void report_tell(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                 int status)
{
    if (o->verdict == SETTLE_DEAD)
        LOG_RARELY(LL_WARN, "delivery.dead", LS("delivery", d->id),
                   LSL("destination", d->destination), LI("attempt", d->attempt),
                   LI("status", status), LS("error", o->error));
    else if (o->verdict == SETTLE_RETRY)
        LOG_RARELY(LL_INFO, "attempt.failed", LS("delivery", d->id),
                   LSL("destination", d->destination), LI("attempt", d->attempt),
                   LI("status", status), LS("error", o->error));
    else if (end == END_UNREADABLE)
        LOG_RARELY(LL_ERROR, "delivery.unreadable", LS("delivery", d->id),
                   LS("reason", "its event is gone or in a format of another version"));
    else if (end == END_UNCONFIGURED)
        LOG_RARELY(LL_WARN, "delivery.unconfigured", LS("delivery", d->id),
                   LSL("destination", d->destination));
    else if (end == END_LOCAL)
        LOG_RARELY(LL_ERROR, "attempt.local_error", LS("delivery", d->id),
                   LS("reason", "out of descriptors or memory"));
}

void report_count(const struct flight *f, const struct outcome *o)
{
    if (!f->target)
        return;
    metric_add(f->target->results[o->verdict], 1);
    if (o->verdict != SETTLE_DONE)
        return;
    wall_ms took = clock_wall_ms() - f->delivery->accepted_at;
    metric_observe(f->target->latency, took > 0 ? (double)took / 1000 : 0);
}

static int64_t wait_after(const struct flight *f, const struct outcome *o,
                          const struct http_result *r)
{
    if (o->verdict == SETTLE_RETRY) {
        int64_t after = r ? retry_after_ms(r->retry_after, clock_wall_ms()) : -1;
        return retry_wait_ms(&f->target->schedule, f->delivery->attempt, random_share(), after);
    }
    return f->wait_ms > o->wait_ms ? f->wait_ms : o->wait_ms;
}

/* What the list of failed attempts shows: configured URLs without their query, where tokens stand. */
static struct slice shown_url(const struct flight *f)
{
    struct slice url = buf_slice(&f->request.url);
    return !f->target ? slice_make(NULL, 0) : f->target->from_api ? url : slice_cut(&url, '?');
}

struct settlement report_settlement(const struct flight *f, const struct outcome *o,
                                    const struct http_result *r)
{
    const struct target *t = f->target;
    bool is_fetched = f->fetch && o->verdict == SETTLE_DONE && fetch_brought(f->fetch);
    return (struct settlement){
        .verdict = is_fetched ? SETTLE_FETCHED : o->verdict,
        .wait_ms = wait_after(f, o, r),
        .status = r ? r->status : 0,
        .error = slice_str(o->error),
        .response = r && !(f->fetch && o->verdict == SETTLE_DONE)
                        ? r->response
                        : slice_make(NULL, 0), /* the event has it */
        .duration_ms = r ? r->duration_ms : 0,
        .was_sent = f->was_sent,
        .unreachable = o->unreachable,
        .is_pingback = t && t->rules.is_pingback && !t->source,
        .url = shown_url(f),
    };
}

/* Only where work was waiting when the lane's slot came up, so that the gap says how precise the pacing is: a
 * first attempt waited if its event was accepted before that moment; of retries it is not known. A gap of
 * twice the delay or more says nothing, another dispatcher may have sent in between. */
void report_gap(struct metric_series *overshoot, const struct delivery *d, mono_us before,
                mono_us now)
{
    if (d->delay_ms <= 0 || before < 0 || d->attempt != 1)
        return;
    int64_t late_us = now - before - d->delay_ms * 1000;
    if (late_us >= 0 && late_us < d->delay_ms * 1000 &&
        (clock_wall_ms() - d->accepted_at) * 1000 >= late_us)
        metric_observe(overshoot, (double)late_us / 1e6);
}
