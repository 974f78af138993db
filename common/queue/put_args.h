/* put_args - an event's arguments for put.lua.   [pure]
 */
#ifndef COMMON_QUEUE_PUT_ARGS_H
#define COMMON_QUEUE_PUT_ARGS_H

#include "common/queue/args.h"
#include "common/queue/queue_put.h"

/* The name by which a repeat is known, or empty. */
void put_args_dedup(struct args *a, const struct put_request *req);
/* What put.lua calls the kind; only the HOME partition lists and counts the event. */
void put_args_kind(struct args *a, const struct put_request *req, bool is_home);
/* The deliveries of PARTITION and, in front of them, their number. */
void put_args_deliveries(struct args *a, const struct put_request *req, unsigned partition);
/* The one delivery that fetches, and those that will follow. */
void put_args_announced(struct args *a, const struct put_request *req);

#endif
