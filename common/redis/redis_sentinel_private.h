/* redis_sentinel_private - what connections and their sentinels call of each other.
 */
#ifndef COMMON_REDIS_REDIS_SENTINEL_PRIVATE_H
#define COMMON_REDIS_REDIS_SENTINEL_PRIVATE_H

#include "common/redis/redis_sentinel.h"

#include <stdbool.h>

struct redis;

/* R follows from here on, until it is freed. */
void redis_sentinels_join(struct redis_sentinels *s, struct redis *r);
/* A connection to NODE was lost, or could not be made: is it still the master? */
void redis_sentinels_doubt(struct redis_sentinels *s, const struct redis_node *node);
/* Has a sentinel begun to move the master? The master may lose writes that it takes from then on. */
bool redis_sentinels_are_moving(const struct redis_sentinels *s);
/* Reads the messages that the sentinels have published by now. */
void redis_sentinels_read(struct redis_sentinels *s);

#endif
