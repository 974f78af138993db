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
#include "dispatcher/pull/pull.h"
#include "dispatcher/transport/transport.h"

struct fetch;

struct
    fetch_handler { /* functions get CTX; each is called at most once, never before the call that leads to it returns */
    /* END_NONE: pull knows where the result goes, so the GET may be sent. Otherwise the result cannot be fetched now. */
    void (*on_known)(void *ctx, enum attempt_end end);
    /* After fetch_take: END_ANSWERED, and the event is in the queue; or why not. STATUS is the HTTP status, or
     * with END_NO_RESULT the task's code. R is the answer, but for its body; borrowed. */
    void (*on_over)(void *ctx, enum attempt_end end, int status, const struct attempt_result *r);
    void *ctx;
};

/* D and SOURCE must outlive the fetch, whose captured destinations are looked for in CONF. */
struct fetch *fetch_new(struct pull *p, const struct delivery *d, const struct source *source,
                        const struct config *conf, const struct fetch_handler *handler);
/* The provider's 2xx: takes the body out of R. */
void fetch_take(struct fetch *f, const struct attempt_result *r);
/* In on_over with END_ANSWERED: the event came by F or by an earlier fetch of this announcement, not otherwise. */
bool fetch_brought(const struct fetch *f);
/* Ends it without further calls. NULL is fine. */
void fetch_free(struct fetch *f);

#endif
