/* settlement - tells the queue how an attempt ended.   [pure but for the clock and random numbers]
 */
#ifndef DISPATCHER_SETTLEMENT_H
#define DISPATCHER_SETTLEMENT_H

#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/outcome.h"

/* F ended with END and was judged as O. R is what the transport reported. Borrows from F, O and R. */
struct settlement settlement_of(const struct flight *f, enum attempt_end end,
                                const struct outcome *o, const struct attempt_result *r);

#endif
