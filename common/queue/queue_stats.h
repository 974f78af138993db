/* queue_stats - reads what lanes and destinations hold, for /metrics.   (stats.lua, retrying.lua) */
#ifndef COMMON_QUEUE_QUEUE_STATS_H
#define COMMON_QUEUE_QUEUE_STATS_H

#include "common/base/err.h"

struct config;
struct metrics;
struct shards;

/* Reads the gauges of every lane and destination of CONF and sets them in METRICS. FN is called exactly once, perhaps
 * before this returns. All gauges that come from Redis are taken out first. If RC is not OK, a shard did not answer, and
 * all these gauges are absent but hookpace_redis_up.
 *
 * One script call reads at most 50 destinations or 1,000 deliveries that wait for a retry; the next one follows when it
 * has answered. With more than 20,000 deliveries in `retry` of a shard, 20,000 of them are looked at, and the rest is
 * taken to be alike. */
typedef void (*stats_fn)(void *ctx, enum err rc);
void queue_stats_read(struct shards *shards, struct config *conf, struct metrics *metrics,
                      stats_fn fn, void *ctx);

#endif
