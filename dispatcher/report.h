/* report - what an attempt that ended is told as: in the log, the metrics, and to the queue.   [wiring]
 */
#ifndef DISPATCHER_REPORT_H
#define DISPATCHER_REPORT_H

#include "dispatcher/flight.h"
#include "dispatcher/http_client.h"
#include "dispatcher/outcome.h"

/* In the log. STATUS is that of HTTP, 0 if none was seen. */
void report_tell(const struct delivery *d, const struct outcome *o, enum attempt_end end,
                 int status);
/* In the metrics. */
void report_count(const struct flight *f, const struct outcome *o);
/* To the queue; borrows from F, O and R. R is what the HTTP client reported, or NULL. */
struct settlement report_settlement(const struct flight *f, const struct outcome *o,
                                    const struct http_result *r);

#endif
