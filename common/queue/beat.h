/* beat - says every two seconds which program runs, and what it has counted since.   (tally.lua)
 *
 * The counts come from the program's metrics, so that an event costs nothing more. They are added up in Redis for the pages of
 * operators (lib_spans.lua has the spans of time). Each partition has the counts of its own lanes, and partition 0 all others.
 * While a partition is away its counts wait in the program. They are then added to the minute in which it is back. Counts are lost
 * if the program ends meanwhile, or if the answer to a call is lost that Redis has not run: those of two seconds.
 */
#ifndef COMMON_QUEUE_BEAT_H
#define COMMON_QUEUE_BEAT_H

#include "common/base/clock.h"

#include <stddef.h>

struct beat;
struct config;
struct loop;
struct metrics;
struct shards;

struct beat_setup { /* texts and pointers are borrowed and must outlive the beat */
    const char *program, *version;
    struct metrics *metrics;
    /* Returns the number of webhooks or deliveries that the program has in hand. */
    size_t (*count_inflight)(void *ctx);
    void *ctx;
};

/* SHARDS is borrowed; free it before the beat. CONF is referenced. */
struct beat *beat_new(struct loop *l, struct shards *shards, struct config *conf,
                      const struct beat_setup *setup);
void beat_free(struct beat *b); /* NULL is fine */
void beat_set_config(struct beat *b, struct config *conf);

#endif
