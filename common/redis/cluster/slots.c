#include "common/redis/cluster/slots.h"

#include "common/base/hash.h"

#include <stdio.h>

#define NEAR 16 /* a slot may miss its place by this part of the distance between two */

unsigned slot_of_key(struct slice key)
{
    struct slice rest = key;
    (void)slice_cut(&rest, '{');
    struct slice tag = rest.len && memchr(rest.ptr, '}', rest.len) ? slice_cut(&rest, '}') : key;
    return crc16(tag.len ? tag : key) % SLOTS;
}

unsigned slot_of_tag(unsigned tag)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%u", tag);
    return crc16(slice_make(text, (size_t)len)) % SLOTS;
}

/* The partition that TAG fits: its slot lies near that partition's place on the ring of slots. PARTITIONS: none. */
static unsigned partition_near(unsigned tag, unsigned partitions)
{
    unsigned way = (slot_of_tag(tag) + SLOTS - slot_of_tag(0)) % SLOTS * partitions;
    unsigned nearest = (way + SLOTS / 2) / SLOTS;
    unsigned miss = way > nearest * SLOTS ? way - nearest * SLOTS : nearest * SLOTS - way;
    return miss <= SLOTS / NEAR ? nearest % partitions : partitions;
}

void slots_spread(unsigned partitions, unsigned *tags)
{
    unsigned left = partitions ? partitions - 1 : 0;
    for (unsigned i = 0; i < partitions; i++)
        tags[i] = 0;
    for (unsigned tag = 1; left; tag++) {
        unsigned at = partition_near(tag, partitions);
        if (at == 0 || at == partitions || tags[at])
            continue;
        tags[at] = tag;
        left--;
    }
}
