/* result_connection - the dispatcher's second way to Redis, for results that are fetched from providers.   [wiring]
 *
 * Results can be large, so they have connections of their own. Otherwise claims and send reports would wait behind
 * them, and lanes would be paced late. The connections exist once a source has a `fetch`.
 */
#ifndef DISPATCHER_RESULT_CONNECTION_H
#define DISPATCHER_RESULT_CONNECTION_H

#include "common/config/config.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/shard.h"

struct loop;

struct result_connection { /* Owned by the dispatcher; result_connection_free. */
    struct loop *loop;
    char *name; /* of its connections */
    struct config *conf;
    struct shards *shards; /* NULL until they are needed */
    struct queue_put *put;
    struct queue_tasks *tasks;
    struct json_picks *picks; /* of fetch_judge */
};

/* NAME is copied, CONF referenced. */
struct result_connection *result_connection_new(struct loop *l, struct config *conf,
                                                const char *name);
/* Connects if CONF has a source that fetches. */
void result_connection_set_config(struct result_connection *p, struct config *conf);
/* Ends pending calls with ERR_UNAVAIL and PUT_UNAVAILABLE. Their callers must still live. */
void result_connection_close(struct result_connection *p);
void result_connection_free(struct result_connection *p);
/* The shard of PARTITION, or NULL if it cannot be reached now. */
struct shard *result_connection_shard(const struct result_connection *p, unsigned partition);

#endif
