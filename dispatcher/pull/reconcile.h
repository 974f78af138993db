/* reconcile - asks providers what is done, and announces what never arrived.   [wiring]
 *
 *   every reconcile_s, whichever dispatcher gets the lock: tasks_ready ──▶ which of them are unknown ──▶ announced
 *
 * What is announced is then fetched like what a pingback told of (fetch.h). The lock is a key in Redis that lives as long
 * as the interval; it is not given back, so it also says when the next round may be. A round that fails costs a line in
 * the log and waits for the next.
 */
#ifndef DISPATCHER_RECONCILE_H
#define DISPATCHER_RECONCILE_H

#include "common/config/config.h"
#include "dispatcher/pull/pull.h"

struct reconcile;

/* PULL is borrowed, CONF referenced. ERR_UNAVAIL if the HTTP library cannot start. */
enum err reconcile_new(struct loop *l, struct config *conf, struct pull *pull,
                       struct reconcile **out) MUST_CHECK;
/* Begins anew under CONF; a round under way is given up. On error nothing changes. */
enum err reconcile_set_config(struct reconcile *r, struct config *conf) MUST_CHECK;
/* No further round; one under way is given up. */
void reconcile_stop(struct reconcile *r);
/* NULL is fine. What it asked PULL's connection is ended with that. */
void reconcile_free(struct reconcile *r);

#endif
