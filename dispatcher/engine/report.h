/* report - tells people about an attempt that ended: in the log and in the metrics.   [wiring]
 */
#ifndef DISPATCHER_REPORT_H
#define DISPATCHER_REPORT_H

#include "common/config/config.h"
#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/outcome.h"

struct metric_series;
struct metrics;
struct settlement;
struct tail;

/* Logs what people should know about. R is what the transport reported. */
void report_log(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                const struct attempt_result *r);
/* Logs how F's attempt ended, for people who look for one event, if WHICH lines are wanted has it. S is the settlement
 * that the queue gets. */
void report_attempt(const struct flight *f, const struct settlement *s, enum log_events which);
/* Counts the attempt and how long it took. A success's time since its event was accepted counts too, unless somebody had the
 * delivery sent again. A destination that is not configured has its counts in METRICS. */
void report_metrics(const struct flight *f, const struct outcome *o, int64_t duration_ms,
                    struct metrics *metrics);
/* Logs that the request of D leaves NOW (debug): tests measure gaps at the sender by it. */
void report_left(const struct delivery *d, mono_us now);
/* D leaves NOW. Counts in OVERSHOOT how much later than its delay that is. The lane's previous request left at BEFORE;
 * negative: there was none. */
void report_gap(struct metric_series *overshoot, const struct delivery *d, mono_us before,
                mono_us now);

/* The same as report_attempt for those who listen. */
void report_tell(struct tail *tail, const struct flight *f, const struct settlement *s);

#endif
