#include "dispatcher/engine/report.h"

#include "common/base/log.h"
#include "common/base/metrics.h"
#include "dispatcher/engine/targets.h"

void report_log(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                const struct attempt_result *r)
{
    if (o->verdict == SETTLE_DEAD)
        LOG_RARELY(LL_WARN, "delivery.dead", LS("delivery", d->id),
                   LSL("destination", d->destination), LI("attempt", d->attempt),
                   LI("status", r->status), LS("error", o->error), LSL("detail", r->detail));
    else if (o->verdict == SETTLE_RETRY)
        LOG_RARELY(LL_INFO, "attempt.failed", LS("delivery", d->id),
                   LSL("destination", d->destination), LI("attempt", d->attempt),
                   LI("status", r->status), LS("error", o->error), LSL("detail", r->detail));
    else if (o->verdict == SETTLE_WAIT)
        LOG_RARELY(LL_INFO, "attempt.told_to_wait", LS("delivery", d->id),
                   LSL("destination", d->destination), LS("origin", d->origin ? d->origin : ""),
                   LI("attempt", d->attempt), LI("status", r->status), LI("wait_ms", o->told_ms));
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

void report_metrics(const struct flight *f, const struct outcome *o)
{
    if (!f->target)
        return;
    metric_add(f->target->results[o->verdict], 1);
    if (o->verdict != SETTLE_DONE)
        return;
    wall_ms took = clock_wall_ms() - f->delivery->accepted_at;
    metric_observe(f->target->latency, took > 0 ? (double)took / 1000 : 0);
}

/* The gap says how precise the pacing is only if work was waiting when the lane's slot came. A first attempt waited if
 * its event was accepted before that moment; of a retry that is not known. A gap of twice the delay or more says
 * nothing: another dispatcher may have sent in between. */
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
