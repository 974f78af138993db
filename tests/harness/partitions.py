"""The hash tags of a queue's partitions (common/redis/cluster/slots.c)."""

import functools

SLOTS = 16384  # of a Redis Cluster
NEAR = 16


def crc16(data: bytes) -> int:
    """CRC16/XMODEM, as Redis Cluster uses for its slots."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


@functools.cache
def tags(partitions: int) -> tuple:
    """Numbers whose slots lie at equal distances, the first one 0."""
    found, tag = {0: 0}, 0
    while len(found) < partitions:
        tag += 1
        way = (crc16(str(tag).encode()) - crc16(b"0")) % SLOTS * partitions
        nearest = (way + SLOTS // 2) // SLOTS
        if abs(way - nearest * SLOTS) <= SLOTS // NEAR:
            found.setdefault(nearest % partitions, tag)
    return tuple(found[n] for n in range(partitions))


def bases(partitions: int, prefix="hookpace") -> list:
    """What the keys of each partition begin with."""
    return [f"{prefix}:{{{tag}}}:" for tag in tags(partitions)]
