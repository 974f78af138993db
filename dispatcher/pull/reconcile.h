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
#include "dispatcher/transport/transport.h"

struct reconcile;

/* PULL is borrowed, CONF referenced, TRANSPORT taken. */
struct reconcile *reconcile_new(struct loop *l, struct config *conf, struct pull *pull,
                                struct transport *transport);
/* Begins anew under CONF, and uses TRANSPORT, which is taken. Gives up a round under way. */
void reconcile_set_config(struct reconcile *r, struct config *conf, struct transport *transport);
/* Begins no further round and gives up one under way. */
void reconcile_stop(struct reconcile *r);
/* NULL is fine. Calls to Redis that are still pending end with PULL's connection. */
void reconcile_free(struct reconcile *r);

#endif
