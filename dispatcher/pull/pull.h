/* pull - what a dispatcher needs beside its claims where results are pulled from providers.   [wiring]
 *
 * Results can be large, so they go to Redis on a connection of their own: claims and send reports, by which
 * lanes are paced, do not queue behind them. It exists once a source has a `fetch`.
 */
#ifndef DISPATCHER_PULL_H
#define DISPATCHER_PULL_H

#include "common/config/config.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_tasks.h"
#include "common/redis/redis.h"

struct loop;

struct pull { /* Owned by the dispatcher; pull_free. */
    struct loop *loop;
    char *name; /* of its connection */
    struct config *conf;
    struct redis *redis; /* NULL until it is needed */
    struct queue_put *put;
    struct queue_tasks *tasks;
    struct json_picks *picks; /* of fetch_judge */
};

/* NAME is copied, CONF referenced. */
struct pull *pull_new(struct loop *l, struct config *conf, const char *name);
/* Connects if CONF has a source that fetches. */
void pull_set_config(struct pull *p, struct config *conf);
/* Ends what is pending with ERR_UNAVAIL and PUT_UNAVAILABLE; what waits for it must still live. */
void pull_close(struct pull *p);
void pull_free(struct pull *p);
bool pull_is_ready(const struct pull *p);

#endif
