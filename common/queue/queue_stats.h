/* queue_stats - depth, age and dead letters, read for metrics.   (stats.lua)
 */
#ifndef COMMON_QUEUE_QUEUE_STATS_H
#define COMMON_QUEUE_QUEUE_STATS_H

#include "common/base/err.h"

struct config;
struct metrics;
struct shards;

/* Reads the gauges of every lane and destination of CONF and sets them in METRICS, then calls FN
 * exactly once (RC != OK: Redis did not answer; the gauges keep their old values). Bounded work per
 * call: 100 lanes a script. FN may run before this returns if there is nothing to ask or nobody to
 * ask. */
typedef void (*stats_fn)(void *ctx, enum err rc);
void queue_stats_read(struct shards *shards, struct config *conf, struct metrics *metrics,
                      stats_fn fn, void *ctx);

#endif
