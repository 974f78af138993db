/* slots - which slot of a Redis Cluster a key has.   [pure]
 */
#ifndef COMMON_REDIS_CLUSTER_SLOTS_H
#define COMMON_REDIS_CLUSTER_SLOTS_H

#include "common/base/slice.h"

#define SLOTS 16384

/* The slot of KEY: that of its hash tag, if it has one. */
unsigned slot_of_key(struct slice key);
/* The slot of a key whose hash tag is TAG, a number in decimal. */
unsigned slot_of_tag(unsigned tag);
/* Fills TAGS with the hash tag of each of PARTITIONS partitions: numbers whose slots lie at equal distances, so that shards
 * with equal ranges of slots have equally many partitions. The first tag is 0. */
void slots_spread(unsigned partitions, unsigned *tags);

#endif
