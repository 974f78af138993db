#include "dispatcher/engine/report.h"

#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/ops/families.h"
#include "common/queue/tail.h"
#include "common/webhook/companion.h"
#include "dispatcher/engine/targets.h"

#define ORIGIN_SHOWN_MAX 300

void report_log(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                const struct attempt_result *r)
{
    if (o->verdict == SETTLE_DEAD)
        LOG_RARELY(LL_WARN, "delivery.dead", LS("delivery", d->id),
                   LSL("destination", d->destination), LI("attempt", d->attempt),
                   LI("status", r->status), LS("error", o->error), LSO("detail", r->detail));
    else if (o->verdict == SETTLE_WAIT)
        LOG_RARELY(LL_INFO, "attempt.told_to_wait", LS("delivery", d->id),
                   LSL("destination", d->destination), LS("origin", d->origin ? d->origin : ""),
                   LI("attempt", d->attempt), LI("status", r->status), LI("wait_ms", o->told_ms));
    else if (end == END_UNREADABLE)
        LOG_RARELY(LL_ERROR, "delivery.unreadable", LS("delivery", d->id),
                   LS("reason", "its event is gone or in a format of another version"));
    else if (end == END_UNCONFIGURED || end == END_NEXT_UNCONFIGURED)
        LOG_RARELY(LL_WARN, "delivery.unconfigured", LS("delivery", d->id),
                   LSL("destination", d->destination));
    else if (end == END_LOCAL)
        LOG_RARELY(LL_ERROR, "attempt.local_error", LS("delivery", d->id),
                   LS("reason", "out of descriptors or memory"));
}

/* The state of the delivery after the attempt, as the API calls it. */
static const char *state_after(enum settle_verdict v)
{
    static const char *const words[] = {
        [SETTLE_DONE] = "done",    [SETTLE_WAIT] = "retry",     [SETTLE_RETRY] = "retry",
        [SETTLE_DEAD] = "dead",    [SETTLE_RELEASE] = "queued", [SETTLE_DEFER] = "deferred",
        [SETTLE_FETCHED] = "done", [SETTLE_UNKNOWN] = "queued"};
    return words[v];
}

/* Scheme, host and port of URL. */
static struct slice origin_of(struct slice url)
{
    size_t i = 0, slashes = 0;
    while (i < url.len && url.ptr[i] != '?' && !(url.ptr[i] == '/' && ++slashes == 3))
        i++;
    return slice_head(url, i < ORIGIN_SHOWN_MAX ? i : ORIGIN_SHOWN_MAX);
}

/* The moment of the next attempt; empty if there will be none. */
static struct slice next_attempt(const struct settlement *s, char at[CLOCK_ISO_LEN + 1])
{
    if (s->verdict != SETTLE_RETRY && s->verdict != SETTLE_DEFER && s->verdict != SETTLE_WAIT)
        return slice_make("", 0);
    clock_iso(clock_wall_ms() + s->wait_ms, at);
    return slice_make(at, CLOCK_ISO_LEN);
}

void report_attempt(const struct flight *f, const struct settlement *s, enum log_events which)
{
    const struct delivery *d = f->delivery;
    static const struct event unreadable;
    const struct event *event = d->readable ? &d->event : &unreadable;
    bool is_attempt =
        s->verdict != SETTLE_RELEASE && s->verdict != SETTLE_DEFER && s->verdict != SETTLE_UNKNOWN;
    enum log_level level = is_attempt ? LL_INFO : LL_DEBUG; /* else nothing has left */
    char at[CLOCK_ISO_LEN + 1];
    bool is_success = s->verdict == SETTLE_DONE || s->verdict == SETTLE_FETCHED;
    if (!log_enabled(level) || which == LOG_EVENTS_NONE ||
        (which == LOG_EVENTS_FAILURES && is_success))
        return;
    LOG_EVENT(level, is_attempt ? "attempt.ended" : "attempt.put_back",
              LSL("source", event_owner(event)), LSL("id", d->readable ? event->id : d->event_id),
              LSL("tag", event->tag), LS("delivery", d->id), LSL("destination", d->destination),
              LSL("origin", origin_of(buf_slice(&f->request.url))),
              LS("kind", d->is_configured ? delivery_kind_word(d->kind) : ""),
              LI("attempt", d->attempt), LI("status", s->status), LSO("error", s->error),
              LSO("detail", s->detail), LI("ms", s->duration_ms),
              LSO("next_attempt", next_attempt(s, at)), LS("state", state_after(s->verdict)),
              LSO("trace_id", trace_id_in(event->headers)));
}

void report_tell(struct tail *tail, const struct flight *f, const struct settlement *s)
{
    const struct delivery *d = f->delivery;
    char at[CLOCK_ISO_LEN + 1];
    if (s->verdict == SETTLE_RELEASE || s->verdict == SETTLE_DEFER || s->verdict == SETTLE_UNKNOWN)
        return; /* nothing has left */
    struct tail_fact fact = {.is_attempt = true,
                             .event = d->event_id,
                             .destinations = &d->destination,
                             .destination_count = 1,
                             .attempt = d->attempt,
                             .status = s->status,
                             .ms = s->duration_ms,
                             .error = s->error,
                             .kind = slice_str(d->is_configured ? delivery_kind_word(d->kind) : ""),
                             .state = slice_str(state_after(s->verdict)),
                             .next_attempt = next_attempt(s, at)};
    if (d->readable) {
        fact.source = event_owner(&d->event);
        fact.tag = d->event.tag;
    }
    tail_tell(tail, &fact);
}

void report_metrics(const struct flight *f, const struct outcome *o, int64_t duration_ms,
                    struct metrics *metrics)
{
    const struct delivery *d = f->delivery;
    if (!f->target) { /* it could not be read, or its destination is not configured */
        metric_add(metrics_series(metrics, METRIC_ATTEMPTS, d->destination,
                                  slice_str(outcome_verdict_word(o->verdict))),
                   1);
        return;
    }
    metric_add(f->target->results[o->verdict], 1);
    if (f->state == FLIGHT_SENT)
        metric_observe(f->target->attempt_seconds, (double)duration_ms / 1000);
    if (o->verdict != SETTLE_DONE || d->is_resent)
        return;
    wall_ms took = clock_wall_ms() - d->accepted_at;
    metric_observe(f->target->latency, took > 0 ? (double)took / 1000 : 0);
}

void report_left(const struct delivery *d, mono_us now)
{
    LOG_EVENT(LL_DEBUG, "request.left", LS("lane", d->lane), LS("delivery", d->id),
              LI("delay_ms", d->delay_ms), LI("us", now));
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
