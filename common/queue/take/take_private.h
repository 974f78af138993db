/* take_private - what the files of queue_take share.   [wiring]
 */
#ifndef COMMON_QUEUE_TAKE_PRIVATE_H
#define COMMON_QUEUE_TAKE_PRIVATE_H

#include "common/base/map.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/queue_take.h"
#include "common/queue/shard.h"
#include "common/queue/take/claims.h"
#include "common/queue/take/server_clock.h"

#define REFUSED_WAIT_US 250000 /* after a script was refused */

struct part { /* one partition; owned by its queue_take */
    struct queue_take *q;
    struct shard *shard;
    bool ready;          /* the shard is */
    struct list results; /* claims whose result is to be recorded; owned */
    unsigned settling;   /* calls with results that are on their way */
    struct args sent;    /* send reports of this turn: id, lane, fence, when */
    bool claiming;       /* a claim is on its way */
    bool limits_due;     /* Redis does not know our limits yet: nothing of ours is claimed */
    bool crowded;        /* work waits for places that results will free */
    bool roomless;       /* work waits for room in this dispatcher */
    bool again;          /* look again although the last claim said it may wait */
    bool paced;          /* the last claims all had a delay: they come early, so work can wait */
    bool urgent;         /* a result of this turn had none */
    mono_us flushed_at;
    struct map ahead; /* destination -> how many may be claimed ahead, as a pointer's value */
    size_t wanted;    /* by the claim on its way */
    mono_us claim_at, next_at, settle_after;
    struct server_clock clock;
    mono_us check_at; /* when limits.lua is asked for what was lost */
    unsigned slot,
        claim_slot; /* this dispatcher's slot here (presence.lua), and of the claim on its way; 0: none */
    mono_us slot_by; /* nothing is claimed before, because the slot is not known yet */
    mono_us look_at;
    bool looking; /* a look is on its way */
    bool lifeline_up;
    mono_us lifeline_at;  /* when that changed; 0: never */
    mono_us taken_before; /* claims from before this moment may have been taken back */
    mono_us lost_at;      /* when the shard was lost last; 0: never */
    mono_us run_since;    /* when this run of Redis took over from another one; 0: none did */
    struct args alive;    /* absent dispatchers that are alive on this machine */
};

struct queue_take {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;
    struct metrics *metrics;
    struct take_handler handler;
    struct redis_script claim, sent, settle, limits, presence;
    struct loop_timer *timer, *looker;
    const char *instance; /* borrowed; NULL: nobody sees this process */
    struct map absent;    /* take_presence.c: who was absent -> when a partition said so */
    int beacon;
    struct part *parts;
    unsigned partitions;
    size_t capacity, unsettled;
    int64_t check_us; /* limits.lua is asked so often for what was lost */
    bool turn_due;
    struct args args;
    struct claim_rooms rooms;
    struct pool pool; /* of claims */
    loop_fn on_settled;
    void *on_settled_ctx;
};

/* A turn runs later in this turn of the loop. */
void take_turn_soon(struct queue_take *q);
/* Redis said when there may be more to claim. -1: nothing waits anywhere. */
void take_note_wait(struct part *p, int64_t wait_us);

/* take_limits.c: writes the limits of the destinations of P, which claim.lua needs: all of them, or those that are
 * missing. Either way the script mends what was lost in Redis. If it fails it is tried again before the next claim. */
enum limits_mode { LIMITS_ALL, LIMITS_MISSING };
void take_write_limits(struct part *p, enum limits_mode mode);
/* Logs the notes of a script ("<word> <what>"): the elements of LIST behind the first SKIP. */
void take_log_notes(struct part *p, const struct redis_reply *list, size_t skip);

/* Logs what happened to the circuit of D's origin. */
/* PAUSE_MS: the circuit is open for so long; 0: the line does not say. */
void take_log_circuit(const struct queue_take *q, const char *what, const struct delivery *d,
                      int64_t pause_ms);
/* take_load.c: D needs its record no longer. */
void take_load_forget(struct delivery *d);
/* take_presence.c. INSTANCE as in struct shard_events. */
void take_presence_begin(struct queue_take *q, const char *instance);
void take_presence_end(struct queue_take *q);
void take_presence_ready(struct part *p);
void take_presence_lost(struct part *p);
/* take_results.c: sends what was collected since the last turn. A few results wait while a call with others is on its
 * way. */
void take_flush_sent(struct part *p);
void take_flush_results(struct part *p, mono_us now);
bool take_results_wait(const struct part *p);

#endif
