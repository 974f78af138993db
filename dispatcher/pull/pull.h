/* pull - the dispatcher's second way to Redis, for results that are fetched from providers.   [wiring]
 *
 * Results can be large, so they have connections of their own. Otherwise claims and send reports would wait behind
 * them, and lanes would be paced late. The connections exist once a source has a `fetch`.
 */
#ifndef DISPATCHER_PULL_H
#define DISPATCHER_PULL_H

#include "common/config/config.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/shard.h"

struct loop;

struct pull { /* Owned by the dispatcher; pull_free. */
    struct loop *loop;
    char *name; /* of its connections */
    struct config *conf;
    struct shards *shards; /* NULL until they are needed */
    struct queue_put *put;
    struct queue_tasks *tasks;
    struct json_picks *picks; /* of fetch_judge */
};

/* NAME is copied, CONF referenced. */
struct pull *pull_new(struct loop *l, struct config *conf, const char *name);
/* Connects if CONF has a source that fetches. */
void pull_set_config(struct pull *p, struct config *conf);
/* Ends pending calls with ERR_UNAVAIL and PUT_UNAVAILABLE. Their callers must still live. */
void pull_close(struct pull *p);
void pull_free(struct pull *p);
/* The shard of PARTITION, or NULL if it cannot be reached now. */
struct shard *pull_shard(const struct pull *p, unsigned partition);

#endif
