/* fetch - collects a result that a provider has announced: everything but the request itself.   [wiring]
 *
 *   look up where it goes ──▶ (the engine sends the GET) ──▶ judge it, in slices ──▶ put it into the queue ──▶ over
 *
 * A task's fetched result is put once. If a dispatcher dies before it settles the fetch, the next dispatcher's put
 * is answered as a repeat and makes no second event.
 */
#ifndef DISPATCHER_FETCH_H
#define DISPATCHER_FETCH_H

#include "common/config/config.h"
#include "common/queue/queue_take.h"
#include "dispatcher/pull/result_connection.h"
#include "dispatcher/transport/transport.h"

struct fetch;

/* The functions get CTX. Each is called at most once, never before fetch_new or fetch_take returns. */
struct fetch_handler {
    /* END_NONE: pull knows where the result goes, so the GET may be sent. Otherwise the result cannot be fetched now. */
    void (*on_known)(void *ctx, enum attempt_end end);
    /* After fetch_take. END_ANSWERED: the event is in the queue; any other END says why not. STATUS is the HTTP status, or
     * the task's code with END_NO_RESULT. R is the answer without its body; borrowed. */
    void (*on_over)(void *ctx, enum attempt_end end, int status, const struct attempt_result *r);
    void *ctx;
};

/* Begins to look up where the result of D goes. Finds the destinations in CONF. All arguments but HANDLER must outlive the fetch. */
struct fetch *fetch_new(struct result_connection *results, const struct delivery *d,
                        const struct source *source, const struct config *conf,
                        const struct fetch_handler *handler);
/* R is the provider's 2xx. Takes the body out of it. */
void fetch_take(struct fetch *f, const struct attempt_result *r);
/* Call it in on_over with END_ANSWERED. True if this fetch or an earlier one of the announcement brought the event; false
 * if it came as a webhook. */
bool fetch_brought(const struct fetch *f);
/* Ends it without further calls. NULL is fine. */
void fetch_free(struct fetch *f);

#endif
