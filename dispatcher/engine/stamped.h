/* stamped - how the webhooks of one task are sent whose account had settings of its own when it set the task.
 *
 * The record of the task has them (common/queue/stamp.h). The signing secret is sealed there; it is in the clear only here, as long as an
 * attempt runs.
 */
#ifndef DISPATCHER_STAMPED_H
#define DISPATCHER_STAMPED_H

#include "dispatcher/engine/request.h"

struct stamped { /* Owned by its flight. */
    struct request_rules rules;
    struct scheme *sign; /* which `rules` borrows, or NULL */
    bool verify_tls;
};

/* The rules for E by its stamp, and by BASE for what that does not say. NULL, after a log line, if its secret cannot be read. */
struct stamped *stamped_new(const struct request_rules *base, const struct config *conf,
                            const struct destination *dest, const struct event *e);
void stamped_free(struct stamped *s); /* NULL is fine */

#endif
