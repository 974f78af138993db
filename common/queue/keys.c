#include "common/queue/keys.h"

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

unsigned keys_partition(struct slice lane, unsigned partitions)
{
    return crc16(lane) % partitions;
}

void keys_base(struct buf *out, const char *prefix, unsigned partition)
{
    buf_addf(out, "%s:{%u}:", prefix, partition);
}

bool keys_split_delivery(struct slice delivery, struct slice *event, struct slice *destination)
{
    const char *colon = delivery.len ? memrchr(delivery.ptr, ':', delivery.len) : NULL;
    if (!colon)
        return false;
    size_t at = (size_t)(colon - delivery.ptr);
    *event = slice_make(delivery.ptr, at);
    *destination = slice_skip(delivery, at + 1);
    return true;
}
