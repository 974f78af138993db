/* redis_sentinel - finds the master by sentinels, and has all connections follow it.
 *
 * One sentinel at a time is asked. The next one has its turn when one does not answer, names nobody, or names a server that
 * cannot be used; and every 10 s, so that a sentinel that was cut off is noticed. A sentinel that publishes something of a
 * failover (redis_failovers) is asked at once. Of two answers the one with the higher config-epoch holds: a stale sentinel moves nobody back, unless
 * most sentinels are as far behind, because they were set up anew. Further sentinels are learned from those that answer.
 */
#ifndef COMMON_REDIS_REDIS_SENTINEL_H
#define COMMON_REDIS_REDIS_SENTINEL_H

#include <stddef.h>

struct config_redis;
struct loop;
struct redis_node;
struct redis_sentinels;

/* Starts asking. CONF is copied. NAME is shown by CLIENT LIST. Freed when no connection follows it any more. */
struct redis_sentinels *redis_sentinels_new(struct loop *l, const struct config_redis *conf,
                                            const char *name);
void redis_sentinels_free(struct redis_sentinels *s); /* NULL is fine */

/* The master, as far as it is known, or NULL. Valid until the loop's next turn. */
const struct redis_node *redis_sentinels_master(const struct redis_sentinels *s);
/* "host:port" of the master; before it is known, the name by which sentinels know it. */
const char *redis_sentinels_address(const struct redis_sentinels *s);
/* Why nobody says who the master is, or NULL. */
const char *redis_sentinels_trouble(const struct redis_sentinels *s);
/* The sentinels that are known. */
size_t redis_sentinels_count(const struct redis_sentinels *s);
const struct redis_node *redis_sentinels_at(const struct redis_sentinels *s, size_t i);

#endif
