/* partition - decides which partition of the queue a lane belongs to.   [pure]
 *
 * Configuration computes the partition of each destination with it, the queue that of an event without destinations.
 */
#ifndef COMMON_CONFIG_PARTITION_H
#define COMMON_CONFIG_PARTITION_H

#include "common/base/slice.h"

#include <stdint.h>

/* CRC16/XMODEM of S. Redis Cluster computes its slots with the same function. */
uint16_t crc16(struct slice s);
/* The partition of LANE, 0 to PARTITIONS - 1. PARTITIONS is at least 1. */
unsigned partition_of(struct slice lane, unsigned partitions);

#endif
