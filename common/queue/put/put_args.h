/* put_args - an event's arguments for put.lua.   [pure]
 */
#ifndef COMMON_QUEUE_PUT_ARGS_H
#define COMMON_QUEUE_PUT_ARGS_H

#include "common/queue/args.h"
#include "common/queue/queue_put.h"

struct put_flags {
    bool is_home;  /* this partition lists and counts the event */
    bool is_named; /* the record names the task's id */
    bool has_rest; /* the rest of the record follows as an argument */
};

/* What put.lua calls the plan: the deliveries of PARTITION (of an announcement all that will be). */
void put_args_plan(struct args *a, const struct put_request *req, unsigned partition,
                   struct put_flags flags);

#endif
