/* partition_set - some partitions of the queue, such as those that do not answer.   [pure] */
#ifndef COMMON_QUEUE_PARTITION_SET_H
#define COMMON_QUEUE_PARTITION_SET_H

#include <stdbool.h>
#include <stdint.h>

#define PARTITIONS_MAX 1024 /* the largest redis.partitions */

struct partition_set { /* empty if it is all zero */
    uint64_t words[PARTITIONS_MAX / 64];
};

static inline bool partition_set_has(const struct partition_set *s, unsigned partition)
{
    return s->words[partition / 64] >> partition % 64 & 1;
}

static inline void partition_set_add(struct partition_set *s, unsigned partition)
{
    s->words[partition / 64] |= UINT64_C(1) << partition % 64;
}

static inline void partition_set_join(struct partition_set *s, const struct partition_set *other)
{
    for (unsigned i = 0; i < PARTITIONS_MAX / 64; i++)
        s->words[i] |= other->words[i];
}

/* Does OTHER have all of S? */
static inline bool partition_set_is_in(const struct partition_set *s,
                                       const struct partition_set *other)
{
    for (unsigned i = 0; i < PARTITIONS_MAX / 64; i++)
        if (s->words[i] & ~other->words[i])
            return false;
    return true;
}

static inline bool partition_set_is_empty(const struct partition_set *s)
{
    for (unsigned i = 0; i < PARTITIONS_MAX / 64; i++)
        if (s->words[i])
            return false;
    return true;
}

#endif
