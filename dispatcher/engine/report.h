/* report - what an attempt that ended is told as: in the log, the metrics, and to the queue.   [wiring]
 */
#ifndef DISPATCHER_REPORT_H
#define DISPATCHER_REPORT_H

#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/outcome.h"
#include "dispatcher/transport/http_client.h"

struct metric_series;

/* In the log. STATUS is that of HTTP, 0 if none was seen. */
void report_tell(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                 int status);
/* In the metrics. */
void report_count(const struct flight *f, const struct outcome *o);
/* How much later than its delay D follows what its lane was sent on BEFORE (negative: nothing was). */
void report_gap(struct metric_series *overshoot, const struct delivery *d, mono_us before,
                mono_us now);
/* To the queue; borrows from F, O and R. R is what the HTTP client reported, or NULL. */
struct settlement report_settlement(const struct flight *f, const struct outcome *o,
                                    const struct http_result *r);

#endif
