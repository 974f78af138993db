#include "common/queue/put/put_route.h"

#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/record.h"

bool put_is_first_of_partition(const struct put_request *req, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (req->to[j]->partition == req->to[i]->partition)
            return false;
    return true;
}

size_t put_last_partition(const struct put_request *req)
{
    size_t last = 0;
    for (size_t i = 0; i < req->to_count; i++)
        if (put_is_first_of_partition(req, i))
            last = i;
    return last;
}

/* Where an event without deliveries is kept. All tasks of an account are in one partition, that of its lane, so
 * that an id is free for all of them or for none. The lane has the account's name. */
static unsigned keeping_partition(const struct config *conf, const struct event *e)
{
    return partition_of(e->kind == EVENT_TASK ? e->account : e->id, conf->redis.partitions);
}

unsigned put_home_partition(const struct config *conf, const struct put_request *req)
{
    if (req->event->kind == EVENT_ANNOUNCEMENT)
        return req->source->fetch->partition;
    if (req->event->kind == EVENT_TASK)
        return keeping_partition(conf, req->event);
    for (size_t i = 0; i < req->to_count; i++)
        if (req->to[i]->kind == DELIVERY_POSTBACK)
            return req->to[i]->partition;
    return req->to_count ? req->to[0]->partition : keeping_partition(conf, req->event);
}
