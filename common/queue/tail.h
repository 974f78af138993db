/* tail - what happens, as it happens: programs publish it while somebody listens.   [on common/queue/shard]
 *
 * The receiver that serves a listener keeps the key `tailing`, which expires by itself. Programs look five times a second whether it is there.
 * While it is not, an event costs nothing. While it is, each program collects facts and publishes them ten times a second, at most
 * TAIL_FACTS_PER_S of them; it says how many it left out. One per loop.
 *
 * A message has a line for each fact: a JSON object whose member `type` is accepted, attempt, dead or dropped.
 */
#ifndef COMMON_QUEUE_TAIL_H
#define COMMON_QUEUE_TAIL_H

#include "common/base/clock.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define TAIL_FACTS_PER_S 1000
#define TAILING_MS 5000 /* so long the key lives */
#define TAIL_LOOKS_PER_S 5

struct loop;
struct shards;
struct tail;

/* SHARDS is borrowed; free it before the tail. */
struct tail *tail_new(struct loop *l, struct shards *shards);
void tail_free(struct tail *t); /* NULL is fine */
/* Does somebody listen? T may be NULL. */
bool tail_is_wanted(const struct tail *t);

struct tail_fact {      /* all borrowed; empty texts are not known */
    bool is_attempt;    /* how an attempt ended; else that an event was accepted */
    struct slice event; /* key of the event */
    struct slice source, tag, error, kind, state, next_attempt;
    const struct slice *destinations;
    size_t destination_count;
    int64_t attempt, status, ms; /* of an attempt */
    int64_t bytes;               /* of an event */
    bool is_duplicate;
};
/* Publishes F soon. A dead letter is published twice: as an attempt, and as dead. */
void tail_tell(struct tail *t, const struct tail_fact *f);

#endif
