/* redis_failovers - hears from each sentinel that it moves the master to another server.   [on common/redis]
 *
 * One sentinel leads a failover, and only the leader publishes its steps. So this module has a connection to each known
 * sentinel. redis_failovers.c has the timeline.
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
    /* The sentinel I has published a step of a failover: ask it for the master. */
    void (*on_news)(void *ctx, size_t i);
    void *ctx;
};
struct redis_failovers *redis_failovers_new(struct loop *l, const struct redis_failovers_to *to);
void redis_failovers_free(struct redis_failovers *f); /* NULL is fine */

/* Hears the COUNT sentinels NODES from here on, at most REDIS_NODES_MAX. A sentinel keeps its place in NODES from call to
 * call. */
void redis_failovers_hear(struct redis_failovers *f, const struct redis_node *nodes, size_t count);
/* Reads the messages that the sentinels have sent by now. */
void redis_failovers_read(struct redis_failovers *f);

/* The sentinel I was asked at ASKED_AT, and has answered. IS_MOVING: it moves the master. */
void redis_failovers_note(struct redis_failovers *f, size_t i, bool is_moving, mono_us asked_at);
/* There is another master, and no failover of the new master is known. */
void redis_failovers_forget(struct redis_failovers *f);
/* Does a sentinel move the master? Sets *I to the one that said so last. */
bool redis_failovers_are_on(const struct redis_failovers *f, size_t *i);

#endif
