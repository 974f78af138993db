/* reconcile - asks providers what is done, and announces what never arrived.   [wiring]
 *
 *   every reconcile_s, in the dispatcher that gets the lock:
 *       ask the provider (tasks_ready) ──▶ look up which of the tasks are unknown here ──▶ announce these
 *
 * The result of an announced task is fetched as if a pingback had announced it (fetch.h). The lock is a key in Redis that
 * lives for one interval. Nobody gives it back, so it also says when the next round may begin. A round that fails writes
 * a line to the log and waits for the next round.
 */
#ifndef DISPATCHER_RECONCILE_H
#define DISPATCHER_RECONCILE_H

#include "common/config/config.h"
#include "dispatcher/pull/result_connection.h"
#include "dispatcher/transport/transport.h"

struct reconcile;

/* RESULTS is borrowed, CONF referenced, TRANSPORT taken. */
struct reconcile *reconcile_new(struct loop *l, struct config *conf,
                                struct result_connection *results, struct transport *transport);
/* Begins anew under CONF, and uses TRANSPORT, which is taken. Gives up a round under way. */
void reconcile_set_config(struct reconcile *r, struct config *conf, struct transport *transport);
/* Begins no further round and gives up one under way. */
void reconcile_stop(struct reconcile *r);
/* NULL is fine. Calls to Redis that are still pending end with RESULTS's connection. */
void reconcile_free(struct reconcile *r);

#endif
