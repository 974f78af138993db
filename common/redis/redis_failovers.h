/* redis_failovers - hears from each sentinel that it moves the master to another server.   [on common/redis]
 *
 * One sentinel leads a failover, and only that one publishes the steps of it. So each sentinel that is known has a
 * connection of its own here. redis_failovers.c has the timeline.
 */
#ifndef COMMON_REDIS_REDIS_FAILOVERS_H
#define COMMON_REDIS_REDIS_FAILOVERS_H

#include "common/base/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct config_redis;
struct redis_failovers;
struct loop;
struct redis_node;

struct redis_failovers_to { /* all but CTX is copied */
    const struct config_redis
        *conf;        /* with the login of the sentinels and the name of the master */
    const char *name; /* for CLIENT LIST */
    /* The sentinel I has published something of a failover: what it has to say of the master is new. */
    void (*on_news)(void *ctx, size_t i);
    void *ctx;
};
struct redis_failovers *redis_failovers_new(struct loop *l, const struct redis_failovers_to *to);
void redis_failovers_free(struct redis_failovers *f); /* NULL is fine */

/* Hears the sentinels from here on too, of which there are up to REDIS_NODES_MAX. A sentinel keeps its place in NODES. */
void redis_failovers_hear(struct redis_failovers *f, const struct redis_node *nodes, size_t count);
/* Reads what they have sent by now. */
void redis_failovers_read(struct redis_failovers *f);

/* The sentinel I was asked at ASKED_AT, and has answered whether it moves the master. */
void redis_failovers_note(struct redis_failovers *f, size_t i, bool is_moving, mono_us asked_at);
/* There is another master: no failover of that one is known. */
void redis_failovers_forget(struct redis_failovers *f);
/* Does a sentinel move the master? The last one that said so is *I. */
bool redis_failovers_are_on(const struct redis_failovers *f, size_t *i);

#endif
