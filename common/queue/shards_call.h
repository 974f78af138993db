/* shards_call - one question to several shards, and its one end.   [on common/queue/shard]
 *
 * The caller puts a struct shards_call at the beginning of a struct of its own:
 *
 *     begin ─▶ script, everywhere or command, as often as needed ─▶ sent ─▶ on_reply for each answer ─▶ on_end
 *
 * on_reply may ask for more. on_end comes once, never before shards_call_sent has returned, and frees the struct.
 *
 * A call that reads may be right without some of the partitions. It sets may_miss. A partition that is away, or that an
 * operator holds, is then in `missing`, and the call goes on with the others. It fails if all that it asked are.
 *
 * A call that only reads need not wait for a shard that takes commands and answers none. After shards_call_hurry such a
 * shard counts as one that is away, from SHARD_PATIENCE_US on. The scripts that it asks for must outlive the shards,
 * because their answers may come after the end of the call.
 */
#ifndef COMMON_QUEUE_SHARDS_CALL_H
#define COMMON_QUEUE_SHARDS_CALL_H

#include "common/base/list.h"
#include "common/queue/args.h"
#include "common/queue/partition_set.h"
#include "common/queue/shard.h"

struct loop;
struct loop_timer;

struct shards_call {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    size_t waiting;        /* answers, and 1 while it is being sent */
    enum err rc;           /* OK, or how the last failure ended */
    bool may_miss;
    bool is_hurried;
    struct list asking;                  /* questions without an answer, oldest first */
    struct loop_timer *timer;            /* of a call in a hurry: when the oldest one is late */
    struct partition_set asked, missing; /* MISSING, with may_miss: they did not answer all */
    /* Takes over the reply R (never of kind REDIS_FAILED) to what was asked as WHICH. Not called after a failure. False: R
     * has not the shape that it should have. */
    bool (*on_reply)(struct shards_call *c, size_t which, const struct redis_reply *r);
    /* With may_miss: question WHICH has no answer, because a partition is missing. It comes during shards_call_script
     * too, if nothing could be sent. May be NULL. */
    void (*on_missing)(struct shards_call *c, size_t which);
    /* Tells the caller and frees C. */
    void (*on_end)(struct shards_call *c);
};

/* Sets everything but the functions and may_miss. */
void shards_call_begin(struct shards_call *c, struct loop *l, struct shards *shards);
/* C only reads, and is in a hurry. Without a cluster it waits all the same: there is nobody else to answer. */
void shards_call_hurry(struct shards_call *c);
/* Runs SCRIPT with ARGS in PARTITION. */
void shards_call_script(struct shards_call *c, size_t which, unsigned partition,
                        const struct redis_script *script, struct args *args);
/* Runs SCRIPT in every partition, whose number is WHICH. */
void shards_call_everywhere(struct shards_call *c, const struct redis_script *script,
                            struct args *args);
/* As shards_call_everywhere, for a change that all partitions must have: if one of them is not ready, nothing is sent, and the
 * call fails. */
void shards_call_all_or_none(struct shards_call *c, const struct redis_script *script,
                             struct args *args);
/* Sends the command VERB KEY ARGS... to SHARD. */
void shards_call_command(struct shards_call *c, size_t which, struct shard *shard, const char *verb,
                         struct slice key, struct args *args);
/* Everything was sent: from here on the call may end. */
void shards_call_sent(struct shards_call *c);

#endif
