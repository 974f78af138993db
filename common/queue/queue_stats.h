/* queue_stats - reads the depth and age of queues and the number of dead letters for /metrics.   (stats.lua)
 */
#ifndef COMMON_QUEUE_QUEUE_STATS_H
#define COMMON_QUEUE_QUEUE_STATS_H

#include "common/base/err.h"

struct config;
struct metrics;
struct shards;

/* Reads the gauges of every lane and destination of CONF and sets them in METRICS. FN is called exactly once, perhaps
 * before this returns. If RC is not OK, a shard did not answer, and its gauges keep their old values. One script call
 * reads at most 100 destinations. */
typedef void (*stats_fn)(void *ctx, enum err rc);
void queue_stats_read(struct shards *shards, struct config *conf, struct metrics *metrics,
                      stats_fn fn, void *ctx);

#endif
