/* deliver - the engine: builds, checks, sends and settles each delivery that the dispatcher claimed.   [wiring]
 *
 *             ┌────────▶ held ─────────┐
 *   claimed ──┼────────────────────────┼──▶ running ──▶ sent ──▶ settled
 *             └────────▶ waiting ──────┘
 *
 * A claim becomes a flight (flight.h). Each flight ends in one function, flight_settle_as, whatever happened to it; it
 * may end there from every state. deliver.c says what each state waits for.
 *
 * A request may leave only if may_send agrees at that very moment, when the connection stands. It says no if the
 * claim's window is over, if the lane was sent on too recently, or if a drain began.
 *
 * A result that a provider only announced takes a longer way: pull looks up where the result goes before the request,
 * and puts the result into the queue after a 2xx (fetch.h).
 */
#ifndef DISPATCHER_DELIVER_H
#define DISPATCHER_DELIVER_H

#include "common/base/err.h"
#include "common/queue/queue_take.h"

struct config;
struct deliver;
struct loop;
struct metrics;
struct result_connection;
struct tail;
struct transport;

/* CONF is referenced, TRANSPORT is taken, METRICS is borrowed. */
struct deliver *deliver_new(struct loop *l, struct config *conf, struct transport *transport,
                            struct metrics *metrics);
/* Hands everything in flight back to the queue, then frees E. The loop must run what is deferred, or end, after that:
 * E's memory goes with its last deferred call. NULL is fine. */
void deliver_free(struct deliver *e);
/* QUEUE sends claims to deliver_claimed and takes their results. Set it before the first claim. Borrowed. */
void deliver_set_queue(struct deliver *e, struct queue_take *queue);
/* The engine reports the ends of attempts to TAIL. Borrowed; free E before it. */
void deliver_set_tail(struct deliver *e, struct tail *tail);
/* RESULTS fetches announced results. Set it before the first claim. Borrowed. */
void deliver_set_results(struct deliver *e, struct result_connection *results);
/* take_handler.on_claimed and on_rooms, with the engine as CTX. */
void deliver_claimed(void *ctx, struct delivery *d);
void deliver_list_rooms(void *ctx, unsigned partition, size_t want, struct claim_rooms *out);

/* Attempts from now on follow CONF, and use TRANSPORT, which is taken. */
void deliver_set_config(struct deliver *e, struct config *conf, struct transport *transport);

/* Takes no more claims and hands back the deliveries that have not left yet. The others may finish. Calls ON_IDLE
 * (deferred) when nothing is in flight. */
void deliver_drain(struct deliver *e, void (*on_idle)(void *ctx), void *ctx);
/* Hands back everything that is still in flight, now. */
void deliver_release_all(struct deliver *e);
size_t deliver_in_flight(const struct deliver *e);

#endif
