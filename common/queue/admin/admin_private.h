/* admin_private - what the files of queue_admin share.   [wiring] */
#ifndef COMMON_QUEUE_ADMIN_PRIVATE_H
#define COMMON_QUEUE_ADMIN_PRIVATE_H

#include "common/queue/queue_admin.h"
#include "common/queue/shards_call.h"

#define ADMIN_ARGS_MAX ((size_t)16 << 20)

struct queue_admin {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    struct redis_script look, search, pause;
};

/* The partition of the delivery ID, by the lane of its destination; -1 if the destination is not configured, so that every
 * partition must be asked. */
int admin_partition_of(const struct queue_admin *q, struct slice id);

#endif
