/* route_event - decides which destinations an event goes to.   [pure]
 *
 * Every event that came through a source takes this step when it is put: webhooks, announcements, and fetched results. Today
 * the source's `to` decides alone. Conditions on the event belong here and nowhere else.
 */
#ifndef COMMON_QUEUE_ROUTE_EVENT_H
#define COMMON_QUEUE_ROUTE_EVENT_H

#include "common/config/config.h"
#include "common/queue/record.h"

struct route {
    struct destination *const *to; /* borrowed from the configuration, or from AMONG */
    size_t count;                  /* 0: the event is only kept */
};

/* The destinations of EVENT, which came through SOURCE. AMONG is NULL, or holds the destinations that the announcement of
 * EVENT was routed to: the fetched result goes to no others, because their delays were captured then. The order stays. */
struct route route_event(const struct source *source, const struct event *event,
                         const struct route *among);

#endif
