/* queue_take - claiming deliveries and reporting what became of them: the dispatcher's side.
 *
 * Claims as long as there is capacity and work may be due: woken by the `wake` channel, by the
 * moment Redis named at the last claim, and at least once a second. Claims, send reports and
 * results of one loop turn share a write. Results that could not be recorded are kept and repeated
 * after a reconnect; the fence of each claim makes that safe. One per dispatcher; serves all
 * partitions.
 */
#ifndef COMMON_QUEUE_QUEUE_TAKE_H
#define COMMON_QUEUE_QUEUE_TAKE_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/queue/args.h"
#include "common/queue/record.h"

struct config;
struct load;
struct loop;
struct metrics;
struct queue_take;
struct shard;
struct shards;

struct delivery { /* one claim; owned by whoever got it, until queue_take_settle takes it back */
    char *id;     /* "<event id>:<destination>" */
    struct slice event_id;    /* key of the event; into id */
    struct slice destination; /* into id */
    bool is_configured;       /* the destination is in the configuration, which says its KIND */
    enum delivery_kind kind;
    char *lane;
    char *origin;  /* of an account's webhook, as claim.lua calls it; else NULL */
    bool has_slot; /* others may take the claim back if this process is gone (presence.lua) */
    bool is_probe; /* the origin's circuit is open; this delivery tries it */
    unsigned partition;
    int64_t delay_ms; /* captured at acceptance */
    unsigned attempt; /* this one's number, from 1 */
    unsigned requeues;
    bool is_resent;         /* it had ended, and somebody had it sent again */
    struct slice secret_id; /* captured at acceptance; empty without one */
    wall_ms accepted_at;    /* when the event was accepted, receiver's clock */
    uint64_t fence;         /* identifies this claim */
    mono_us claimed_at;     /* before the claim was sent: windows count from here */
    mono_us send_from;      /* nor before this one: claims come a little early */
    mono_us send_until;     /* the request must have left before this moment */
    bool report_sent;       /* call queue_take_sent when the request has left */
    size_t unread;          /* bytes of a large record of which only the head is here; else 0 */
    bool readable;          /* false: the event's record is gone or of an unknown version */
    struct event event;     /* valid while the delivery lives, if readable */
    struct buf record, scratch;
    struct load *load; /* reads the record, or NULL */
};

enum settle_verdict {
    SETTLE_DONE,    /* 2xx: over */
    SETTLE_RETRY,   /* failed; again after wait_ms */
    SETTLE_DEAD,    /* attempts spent, 410 or refused by policy */
    SETTLE_RELEASE, /* not attempted: back to the head of its list, the attempt is given back */
    SETTLE_DEFER,   /* not attempted: again after wait_ms, the attempt is given back */
    SETTLE_WAIT, /* the origin asked to wait: again when the wait is over, the attempt is given back */
    SETTLE_FETCHED, /* of a fetch: its result was put; the delivery has ended */
    SETTLE_UNKNOWN, /* not attempted, destination unknown here: a dispatcher that knows it gets it */
};

struct settlement { /* slices borrowed for the call */
    enum settle_verdict verdict;
    int64_t wait_ms; /* RETRY, DEFER: until the next attempt; RELEASE: how long the lane holds */
    int64_t told_ms; /* WAIT: how long the origin asked to wait; 0: it did not say */
    enum settle_verdict
        counted; /* WAIT: RETRY or DEAD, if a day of waiting is over. wait_ms is of the RETRY */
    int status;  /* HTTP status, 0 if none was seen */
    struct slice
        error; /* short word: "timeout", "connect_refused", "http_500", "blocked_address", ... */
    struct slice detail; /* what the library said about it; up to 255 bytes, may be empty */
    /* The word that an account sees in its list of failures, if it may not see ERROR. Else empty. */
    struct slice account_error;
    struct slice response; /* up to 1 KiB of the response's body */
    int64_t duration_ms;   /* of the attempt */
    bool was_sent;         /* the request left (PREREQ passed) */
    bool unreachable;      /* the host could not be reached: counts towards the origin's circuit */
    struct slice
        url; /* of the request; of a configured one without its query. Empty if there was none */
};

/* The number of deliveries that a claim may take, by holder (claim.lua). */
struct claim_rooms {
    size_t unlisted;  /* of a holder that is not listed */
    size_t common;    /* of all holders together that the reserve is closed to */
    struct args list; /* holder, how many, 1 if the reserve is open to it; and so on */
};

struct take_handler {
    /* New claims. The engine owns D from here on and ends it with queue_take_settle. */
    void (*on_claimed)(void *ctx, struct delivery *d);
    /* A claim of WANT deliveries of PARTITION follows. Fills OUT, whose list is empty. NULL: WANT of every holder. */
    void (*on_rooms)(void *ctx, unsigned partition, size_t want, struct claim_rooms *out);
    void *ctx;
};

/* SHARDS is borrowed. Free it before the queue_take. CONF is referenced. */
struct queue_take *queue_take_new(struct loop *l, struct shards *shards, struct config *conf,
                                  struct metrics *metrics, const struct take_handler *handler);
void queue_take_free(struct queue_take *q);
void queue_take_set_config(struct queue_take *q, struct config *conf);
/* Call these from the events of the shards. */
void queue_take_on_ready(struct queue_take *q, const struct shard *shard);
void queue_take_on_lost(struct queue_take *q, const struct shard *shard);
void queue_take_wake(struct queue_take *q, const struct shard *shard);
void queue_take_on_lifeline(struct queue_take *q, const struct shard *shard, bool is_up);
/* The claim of D may be void: this process was not seen for a while, or D's lane has delays and the Redis that gave the
 * claim was lost. Its request must not leave. */
bool queue_take_was_taken(const struct queue_take *q, const struct delivery *d, mono_us now);
/* From here on the queue asks nothing of Redis, so that the shards can be freed. */
void queue_take_stop(struct queue_take *q);
/* Says how many more deliveries the engine takes now. 0 stops claiming (drain). */
void queue_take_set_capacity(struct queue_take *q, size_t n);
/* Looks every US for keys that vanished from Redis and for lanes that stand still, and mends them (limits.lua). Without this call it is
 * every 3 s. The call counts from the next look on. */
void queue_take_check_every(struct queue_take *q, int64_t us);
/* Prefetching: this dispatcher's claims may take up to N deliveries of DESTINATION beyond its concurrency. The engine
 * starts them as attempts end. It is worth it for destinations that answer faster than Redis. queue_take_set_config puts
 * N back to 0 for all destinations; Redis stores nothing of it. */
void queue_take_set_ahead(struct queue_take *q, struct slice destination, unsigned n);
/* Reads the record of D, which has `unread` bytes, in pieces that hold neither Redis nor the loop for long. Calls FN
 * once, unless D is settled before. RC: OK; ERR_INVALID if it is no record; ERR_TOO_BIG if this process has no memory for it;
 * ERR_UNAVAIL if it is not the one that was claimed any more; or the reason why Redis did not answer. */
void queue_take_load(struct queue_take *q, struct delivery *d, void (*fn)(void *ctx, enum err rc),
                     void *ctx);
/* The request of D has left just now. Only where d->report_sent. */
void queue_take_sent(struct queue_take *q, const struct delivery *d);
/* Records the outcome and frees D. */
void queue_take_settle(struct queue_take *q, struct delivery *d, const struct settlement *s);
/* Results not yet confirmed by Redis. When it is 0 and nothing is in flight, a drain is over. */
size_t queue_take_unsettled(const struct queue_take *q);
/* Called (deferred) each time queue_take_unsettled falls to 0. */
void queue_take_on_settled(struct queue_take *q, void (*fn)(void *ctx), void *ctx);

#endif
