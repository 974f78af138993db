/* partition - decides which partition of the queue a lane belongs to.   [pure]
 *
 * Configuration computes the partition of each destination with it, the queue that of an event without destinations.
 */
#ifndef COMMON_CONFIG_PARTITION_H
#define COMMON_CONFIG_PARTITION_H

#include "common/base/hash.h"

/* The partition of LANE, 0 to PARTITIONS - 1. PARTITIONS is at least 1. */
static inline unsigned partition_of(struct slice lane, unsigned partitions)
{
    return crc16(lane) % partitions;
}

#endif
