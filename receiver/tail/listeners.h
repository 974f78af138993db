/* listeners - who listens to what happens, over GET /api/tail: server-sent events.   [on common/ops, common/queue/tail]
 *
 * While somebody listens, the key `tailing` is renewed and the channel `tail` is subscribed. Each listener has a
 * filter. A listener that reads more slowly than things happen loses events, and gets the number of lost events.
 *
 * The answer begins when every program knows that somebody listens, about half a second after the first call. So a client that has
 * the head of the answer misses nothing. If Redis is away, the answer begins after two seconds.
 */
#ifndef RECEIVER_LISTENERS_H
#define RECEIVER_LISTENERS_H

#include "common/base/slice.h"

#include <stdbool.h>

struct config;
struct config_account;
struct listeners;
struct loop;
struct ops_call;
struct shards;

/* SHARDS is borrowed. CONF is referenced, for the connection to Redis. Close the listener of operators before it is freed. */
struct listeners *listeners_new(struct loop *l, struct shards *shards, struct config *conf);
void listeners_free(struct listeners *all); /* NULL is fine */
/* Ends the streams of accounts that may not look any more, or that have another password now. */
void listeners_set_config(struct listeners *all, const struct config *conf);

struct listen_filter { /* empty: anything */
    struct slice source, destination, tag;
};
/* The call C, of the account WHO, listens from now on; it ends by itself. False if there are too many listeners: C goes on. */
bool listeners_add(struct listeners *all, struct ops_call *c, const struct config_account *who,
                   const struct listen_filter *filter);

#endif
