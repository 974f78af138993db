/* queue_stats - reads what lanes and destinations hold, for /metrics.   (stats.lua, retrying.lua) */
#ifndef COMMON_QUEUE_QUEUE_STATS_H
#define COMMON_QUEUE_QUEUE_STATS_H

#include "common/base/err.h"

struct config;
struct loop;
struct metrics;
struct queue_stats;
struct shards;

/* SHARDS and METRICS are borrowed. Free it after them: an answer may come late. */
struct queue_stats *queue_stats_new(struct loop *l, struct shards *shards, struct metrics *metrics);
void queue_stats_free(struct queue_stats *q); /* NULL is fine */

/* Reads the gauges of every lane and destination of CONF and sets them in the metrics. FN is called exactly once, after
 * this returns. All gauges that come from Redis are taken out first. If RC is not OK, a shard did not answer in
 * SHARD_PATIENCE_US. In a cluster its gauges are absent then. Otherwise all these gauges are, but hookpace_redis_up.
 *
 * One script call reads at most 50 destinations or 1,000 deliveries that wait for a retry; the next one of the same server
 * follows when it has answered. With more than 20,000 deliveries in `retry` of a shard, 20,000 of them are looked at, and
 * the rest is taken to be alike. */
typedef void (*stats_fn)(void *ctx, enum err rc);
void queue_stats_read(struct queue_stats *q, struct config *conf, stats_fn fn, void *ctx);

#endif
