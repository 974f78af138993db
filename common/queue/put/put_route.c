#include "common/queue/put/put_route.h"

#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/record.h"
#include "common/webhook/ids.h"

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

/* Where an event without deliveries is kept. A task is where those of its account with deliveries are, so
 * that its id is free for both or for none. */
static unsigned keeping_partition(const struct config *conf, const struct event *e)
{
    char name[2 * NAME_MAX_LEN];
    struct buf postback = {.ptr = name, .cap = sizeof name, .max = sizeof name - 1};
    struct destination *d = NULL;
    if (e->source.len && e->source.ptr[0] == '@') {
        buf_add_str(&postback, CONFIG_POSTBACK);
        buf_add_slice(&postback, e->source);
        d = config_destination(conf, buf_slice(&postback));
    }
    return d ? d->partition : partition_of(e->id, conf->redis.partitions);
}

unsigned put_home_partition(const struct config *conf, const struct put_request *req)
{
    if (req->kind == PUT_ANNOUNCED)
        return req->source->fetch->partition;
    for (size_t i = 0; i < req->to_count; i++)
        if (!req->to[i]->is_pingback)
            return req->to[i]->partition;
    return req->to_count ? req->to[0]->partition : keeping_partition(conf, req->event);
}
