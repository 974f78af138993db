/* partition - which share of the lanes a lane belongs to.   [pure]
 */
#ifndef COMMON_BASE_PARTITION_H
#define COMMON_BASE_PARTITION_H

#include "common/base/slice.h"

#include <stdint.h>

/* CRC16/XMODEM, as Redis Cluster uses for its slots. */
uint16_t crc16(struct slice s);
/* The partition of LANE among PARTITIONS (>= 1). */
unsigned partition_of(struct slice lane, unsigned partitions);

#endif
