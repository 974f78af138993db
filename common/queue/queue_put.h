/* queue_put - accepting events: the receiver's side of the queue.
 *
 * Events of one loop turn are put by one script call per partition (put.lua), so that many requests
 * share a round trip and, with appendfsync always, one fsync. One queue_put per receiver thread.
 */
#ifndef COMMON_QUEUE_QUEUE_PUT_H
#define COMMON_QUEUE_QUEUE_PUT_H

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"

struct config;
struct destination;
struct event;
struct source;
struct loop;
struct queue_put;
struct shards;

enum put_result {
    PUT_QUEUED,
    PUT_DUPLICATE,   /* accepted before, inside dedup_s; nothing was queued */
    PUT_TAKEN,       /* a task only: another task has this id; nothing was queued */
    PUT_NOT_OPEN,    /* a result only: its task does not wait for it (any more) */
    PUT_MANY_TASKS,  /* a task only: its account has as many tasks as it may */
    PUT_MANY_BYTES,  /* the same for the bytes of its tasks */
    PUT_UNAVAILABLE, /* any doubt: refused, no answer in time, or one of several partitions failed
                      */
};

enum put_stage {
    PUT_WHOLE,   /* the event is complete */
    PUT_PENDING, /* a task without its result: it is kept, and its webhooks are captured */
    /* The result of a pending task. The event is the task as it was read, with the body. Its webhooks are queued as they were
     * captured; TO counts only if Redis has lost them. */
    PUT_RESULT
};

struct put_captured { /* of one delivery, at acceptance */
    int64_t delay_ms;
    struct slice secret_id;
};

/* The queue treats an event by its kind:
 * - EVENT_WEBHOOK gets a delivery to each of TO.
 * - EVENT_TASK too. Its id must be free, and it is listed for its account.
 * - EVENT_ANNOUNCEMENT gets one delivery, to source->fetch. TO and its delays are kept with it. It is a repeat also if the
 *   event itself is here already. */
struct put_request { /* all borrowed for the call, but for `taken` */
    const struct event *event;
    enum put_stage stage;        /* of a task */
    const struct source *source; /* of an announcement, and of what its fetch brought */
    /* The event is what the fetch of this announced task brought: CAPTURED has delay and secret of each of TO.
     * Empty for all other events. */
    struct slice announced;
    const struct put_captured *captured;
    /* By this name, within its source, a repeat of the event is known. Empty: a repeat has the same id and digest. */
    struct slice repeat_name;
    bool never_repeats; /* nothing repeats this event */
    struct destination *const *to;
    size_t to_count; /* 0: the event is only kept */
    /* The memory (from malloc) that the body begins, or NULL. Where the call succeeds the queue owns
     * it, and sends a body of PUT_LARGE and more from there. */
    char *taken;
};

struct put_answer {
    enum put_result result;
    wall_ms received_at; /* of a duplicate: when the first one was accepted */
    unsigned
        requeued; /* of a duplicate: how many dead deliveries of the first one were queued again */
    unsigned
        revision; /* n: the event is stored as "<id>~<n>", because another event has its id; 0: under its id */
};

/* Called exactly once per submitted request, never before queue_put_submit returns. */
typedef void (*put_fn)(void *ctx, const struct put_answer *answer);

/* SHARDS is borrowed. Free it before the queue_put, so that what is pending ends. CONF is referenced. */
struct queue_put *queue_put_new(struct loop *l, struct shards *shards, struct config *conf);
void queue_put_free(struct queue_put *q);
/* Takes over the retention times for what is submitted from now on. */
void queue_put_set_config(struct queue_put *q, struct config *conf);
/* Bodies of PUT_LARGE bytes and more are not copied here: they go into the connection's output at
 * once (without any copy where `taken` allows it). ERR_UNAVAIL (no callback) if a shard that
 * the event goes to is not ready or has too much pending; ERR_TOO_BIG if the head is over RECORD_HEAD_MAX, or the body over
 * queue_put_body_max. */
#define PUT_LARGE (64 * 1024)
/* When the call was sent that PARTITION has left unanswered for the longest time. 0: it has answered all. */
mono_us queue_put_oldest(const struct queue_put *q, unsigned partition);
/* Redis refuses larger bodies: a command with one would end the connection for all that waits there. */
size_t queue_put_body_max(const struct queue_put *q);
enum err queue_put_submit(struct queue_put *q, const struct put_request *req, put_fn fn,
                          void *ctx) MUST_CHECK;

#endif
