/* shards_call - one question to several shards, and its one end.   [on common/queue/shard]
 *
 * The caller puts a struct shards_call at the beginning of a struct of its own:
 *
 *     begin ─▶ script, everywhere or command, as often as needed ─▶ sent ─▶ on_reply for each answer ─▶ on_end
 *
 * on_reply may ask for more. on_end comes once, never before shards_call_sent has returned, and frees the struct.
 */
#ifndef COMMON_QUEUE_SHARDS_CALL_H
#define COMMON_QUEUE_SHARDS_CALL_H

#include "common/queue/args.h"
#include "common/queue/shard.h"

struct loop;

struct shards_call {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    size_t waiting;        /* answers, and 1 while it is being sent */
    enum err rc;           /* OK, or how the last failure ended */
    /* Takes over the reply R (never of kind REDIS_FAILED) to what was asked as WHICH. Not called after a failure. False: R
     * has not the shape that it should have. */
    bool (*on_reply)(struct shards_call *c, size_t which, const struct redis_reply *r);
    /* Tells the caller and frees C. */
    void (*on_end)(struct shards_call *c);
};

/* Sets everything but the two functions. */
void shards_call_begin(struct shards_call *c, struct loop *l, struct shards *shards);
/* Runs SCRIPT with ARGS in PARTITION. */
void shards_call_script(struct shards_call *c, size_t which, unsigned partition,
                        const struct redis_script *script, struct args *args);
/* Runs SCRIPT in every partition, whose number is WHICH. */
void shards_call_everywhere(struct shards_call *c, const struct redis_script *script,
                            struct args *args);
/* Sends the command VERB KEY ARGS... to SHARD. */
void shards_call_command(struct shards_call *c, size_t which, struct shard *shard, const char *verb,
                         struct slice key, struct args *args);
/* Everything was sent: from here on the call may end. */
void shards_call_sent(struct shards_call *c);

#endif
