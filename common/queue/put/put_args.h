/* put_args - what put.lua and an event's record say of its deliveries.   [pure]
 */
#ifndef COMMON_QUEUE_PUT_ARGS_H
#define COMMON_QUEUE_PUT_ARGS_H

#include "common/queue/args.h"
#include "common/queue/queue_put.h"

struct put_flags {
    bool is_home;                 /* this partition lists and counts the event */
    bool is_named;                /* the record names the task's id */
    bool is_staged;               /* the record is under the key that follows */
    int64_t max_tasks, max_bytes; /* of the account, 0: no limit */
    int64_t pending_ms;           /* how long a task without its result is kept */
};

/* Appends what put.lua calls the plan: the deliveries of PARTITION (of an announcement all that will be). */
void put_plan(struct buf *out, const struct put_request *req, unsigned partition,
              struct put_flags flags);
/* Appends the ids of the signing secrets of REQ's deliveries, as a record has them. Nothing if none has a secret. */
void put_secrets(struct buf *out, const struct put_request *req);

#endif
