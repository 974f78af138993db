/* stamped - how the webhooks of one task are sent, by the settings that its account had made when it set the task.
 *
 * The record of the task has these settings (common/queue/stamp.h). The signing secret is sealed in the record. It is in
 * the clear only here, while an attempt runs.
 */
#ifndef DISPATCHER_STAMPED_H
#define DISPATCHER_STAMPED_H

#include "dispatcher/engine/request.h"

struct stamped { /* Owned by its flight. */
    struct request_rules rules;
    struct scheme *sign; /* which `rules` borrows, or NULL */
    bool verify_tls;
};

/* The rules for E. Its stamp wins over BASE. NULL, after a log line, if the secret of the stamp cannot be read. */
struct stamped *stamped_new(const struct request_rules *base, const struct config *conf,
                            const struct destination *dest, const struct event *e);
void stamped_free(struct stamped *s); /* NULL is fine */

#endif
