/* put_args - an event's arguments for put.lua.   [pure]
 */
#ifndef COMMON_QUEUE_PUT_ARGS_H
#define COMMON_QUEUE_PUT_ARGS_H

#include "common/queue/args.h"
#include "common/queue/queue_put.h"

/* What put.lua calls the plan: the kind, and the deliveries of PARTITION (all that will be, of what is announced).
 * Only the HOME partition lists and counts the event. HAS_REST: the rest of the record follows as an argument. */
void put_args_plan(struct args *a, const struct put_request *req, unsigned partition, bool is_home,
                   bool has_rest);
/* The name by which a repeat is known, if there is one. */
void put_args_dedup(struct args *a, const struct put_request *req);

#endif
