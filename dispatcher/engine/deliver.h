/* deliver - the engine: what is claimed is built, checked, sent and settled.   [wiring]
 *
 *   claimed ──▶ held (lane sent on too recently by this process) ──▶ under way ──▶ settled
 *        └──────────────────────────▲───────────────────────────────────▲
 *
 * A claim becomes a flight; a flight ends in exactly one place, settle(), whatever happened to it.
 * The moment at which a request leaves is the one that counts: may_send() is asked right before it,
 * when the connection stands, and says no if the claim's window is over, the lane was sent on too
 * recently, or a drain began.
 *
 * The delivery of an announcement goes a longer way: before the request it is looked up where its result goes, and
 * after a 2xx the result is looked at and put into the queue (fetch.h).
 */
#ifndef DISPATCHER_DELIVER_H
#define DISPATCHER_DELIVER_H

#include "common/base/err.h"
#include "common/queue/queue_take.h"

struct config;
struct deliver;
struct loop;
struct metrics;
struct pull;

/* METRICS borrowed, CONF referenced. ERR_UNAVAIL if the HTTP library cannot start. */
enum err deliver_new(struct loop *l, struct config *conf, struct metrics *metrics,
                     struct deliver **out) MUST_CHECK;
/* What is still in flight is given up without a report (its leases end by themselves). */
void deliver_free(struct deliver *e);
/* Where claims come from and results go; before the first claim. Borrowed. */
void deliver_set_queue(struct deliver *e, struct queue_take *queue);
/* By which results are fetched; before the first claim. Borrowed. */
void deliver_set_pull(struct deliver *e, struct pull *pull);
/* take_handler.on_claimed, with the engine as CTX. */
void deliver_claimed(void *ctx, struct delivery *d);

/* Attempts from now on follow CONF, over new connections. On error the old rules stay. */
enum err deliver_set_config(struct deliver *e, struct config *conf) MUST_CHECK;

/* Takes no more and hands back what has not left yet; what is on its way may finish. ON_IDLE is
 * called (deferred) when nothing is in flight. */
void deliver_drain(struct deliver *e, void (*on_idle)(void *ctx), void *ctx);
/* Hands back everything that is still in flight, now. */
void deliver_release_all(struct deliver *e);
size_t deliver_in_flight(const struct deliver *e);

#endif
