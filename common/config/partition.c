#include "common/config/partition.h"

uint16_t crc16(struct slice s)
{
    unsigned crc = 0;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= (unsigned)(unsigned char)s.ptr[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
    }
    return (uint16_t)crc;
}

unsigned partition_of(struct slice lane, unsigned partitions)
{
    return crc16(lane) % partitions;
}
