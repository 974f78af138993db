/* queue_admin - the queue as operators see it and change it: deliveries by id and by filter, and lanes.   [on common/queue/shard]
 *
 * A delivery goes by its id, "<event id>:<destination>". The event id in it is the event's key (docs/internals/queue.md).
 * Looking changes nothing. One script call holds Redis for about a millisecond; where that is not enough, the call is
 * repeated. Only queue_admin_check scans the keyspace. One per thread that serves operators.
 */
#ifndef COMMON_QUEUE_QUEUE_ADMIN_H
#define COMMON_QUEUE_QUEUE_ADMIN_H

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/metrics.h"
#include "common/base/slice.h"
#include "common/queue/partition_set.h"
#include "common/queue/record.h"

struct config;
struct loop;
struct queue_admin;
struct shards;

#define ADMIN_LOOK_MAX 1000
#define ADMIN_ATTEMPTS_MAX 100

/* SHARDS is borrowed. Free it before the queue_admin, so that what is pending ends. CONF is referenced. */
struct queue_admin *queue_admin_new(struct loop *l, struct shards *shards, struct config *conf);
void queue_admin_free(struct queue_admin *q); /* NULL is fine */
void queue_admin_set_config(struct queue_admin *q, struct config *conf);

struct delivery_view { /* all slices borrowed for the callback; empty if not known */
    struct slice id;
    bool is_found;                   /* the rest is set only then */
    struct slice event, destination; /* the parts of the id */
    struct slice lane, kind, state, account, origin;
    int64_t delay_ms, attempts, requeues;
    wall_ms accepted_at, due_at, ended_at; /* 0: not known */
    struct slice last_status, last_error, response;
    int64_t duration_ms;              /* of the last attempt; -1 if there was none */
    bool has_event;                   /* its event is still there: `record` is set */
    struct event record;              /* without its body */
    const struct slice *attempt_list; /* JSON objects, newest first */
    size_t attempt_count;
};

/* FN exactly once per call, never before the call returns; RC != OK (LIST NULL): Redis did not answer, or not in time, in any
 * partition that was asked. MISSING: these partitions did not answer, so their deliveries are not in LIST or not found.
 * It is borrowed for the callback. */
typedef void (*deliveries_fn)(void *ctx, enum err rc, const struct delivery_view *list,
                              size_t count, const struct partition_set *missing);

/* COUNT (at most ADMIN_LOOK_MAX) deliveries, in the order of IDS, each with at most ATTEMPTS (at most ADMIN_ATTEMPTS_MAX) of
 * its last attempts. IDS may be any texts. */
void queue_admin_look(struct queue_admin *q, const struct slice *ids, size_t count,
                      unsigned attempts, deliveries_fn fn, void *ctx);

/* The properties of the deliveries to find. An empty text: anything. */
struct delivery_filter {
    struct slice state, destination, source, lane, tag;
    wall_ms since, until; /* when its event was accepted, inclusive */
};
/* As deliveries_fn. NEXT is the cursor of the next page; empty behind the last one. A page may have fewer than the wanted
 * deliveries, even none, though others follow: then the call has looked at as many as it may. A partition that is missing on a
 * page is missing on the pages that follow. */
typedef void (*search_fn)(void *ctx, enum err rc, const struct delivery_view *list, size_t count,
                          struct slice next, const struct partition_set *missing);
/* A page of at most LIMIT (at most ADMIN_LOOK_MAX) deliveries that fit FILTER, newest first. The order is by
 * acceptance. Exceptions: by death for the state `dead`; by the next attempt for `retry`; by the end of the lease for
 * `inflight`; by the place in the queue for `queued` with a lane or a destination. Without one of these states it
 * reaches back for retention.done_s. CURSOR is empty, or NEXT of the page before, with the same filter. ERR_INVALID,
 * without a callback: CURSOR is none. */
enum err queue_admin_search(struct queue_admin *q, const struct delivery_filter *filter,
                            size_t limit, struct slice cursor, search_fn fn, void *ctx) MUST_CHECK;

struct dead_group { /* slices borrowed for the callback */
    struct slice destination, reason;
    int64_t count;
    struct slice newest; /* the last delivery of the group that died */
    wall_ms newest_at;   /* when it died */
};
/* FN exactly once, never before the call returns. SEEN: how many dead letters this call has seen. NEXT: cursor of the next call;
 * empty: all were seen. RC != OK (LIST NULL): Redis did not answer, or not in time. */
typedef void (*dead_fn)(void *ctx, enum err rc, const struct dead_group *list, size_t count,
                        int64_t seen, struct slice next, const struct partition_set *missing);
/* Counts dead letters by destination and reason, for about 25 ms from CURSOR on (empty: from the beginning). A group can be in the
 * answers of several calls: add its counts. ERR_INVALID, without a callback: CURSOR is none. */
enum err queue_admin_dead(struct queue_admin *q, struct slice cursor, dead_fn fn,
                          void *ctx) MUST_CHECK;

enum act_result {
    ACT_DONE,
    ACT_UNKNOWN,  /* there is no such delivery */
    ACT_REFUSED,  /* its state forbids it */
    ACT_NO_EVENT, /* its event's record is gone, so it cannot be sent */
};
/* FN exactly once, never before the call returns. STATE: the delivery's, after the act; borrowed for the callback. RC != OK: Redis
 * did not answer; nobody knows whether it took effect. */
typedef void (*act_fn)(void *ctx, enum err rc, enum act_result result, struct slice state);
/* Queues the delivery ID again, as it was accepted, and leaves its siblings alone. A delivery that waits for a retry
 * goes now. Refused while it is queued or in flight, and for a fetch that is done. */
void queue_admin_resend(struct queue_admin *q, struct slice id, act_fn fn, void *ctx);
/* Ends the delivery ID without sending it. Refused while it is in flight, and when it is done or dropped. */
void queue_admin_drop(struct queue_admin *q, struct slice id, act_fn fn, void *ctx);

/* FN exactly once, never before the call returns. CHANGED: 1 if the act changed something, else 0. RC != OK: Redis did not
 * answer; nobody knows whether it took effect. The same act again does no harm. */
typedef void (*admin_done_fn)(void *ctx, enum err rc, int64_t changed);
/* Stops LANE (IS_PAUSED), or lets it go on. It stays stopped until somebody lets it go on. Deliveries in flight end as always. */
void queue_admin_pause(struct queue_admin *q, struct slice lane, bool is_paused, admin_done_fn fn,
                       void *ctx);

/* --- lanes --- */

struct circuit_view {
    struct slice
        origin; /* scheme, host and port; the destination's name if that is not configured any more */
    const char *
        state; /* open: nothing is sent until `until`; probing: one request is on its way; waiting: the origin
                          * asked to wait */
    wall_ms until;
};

struct lane_view { /* all borrowed for the callback */
    struct slice name;
    bool is_configured; /* a destination of the configuration is on it */
    int64_t depth, inflight, retry, dead, sent_1m;
    int64_t
        delay_ms; /* the longest of its destinations, as it is in force now; -1 if it is not configured */
    bool is_fifo;
    wall_ms
        oldest_at; /* when the oldest delivery near the ends of its queue was accepted; 0: the queue is empty */
    wall_ms paused_since; /* 0: it is not paused */
    bool has_results;     /* the next three are known: partition 0 has answered */
    int64_t done_1h, retry_1h,
        dead_1h; /* attempts of its configured destinations in the last hour, by result */
    const struct circuit_view *circuits;
    size_t circuit_count;
};

/* States by which lanes are listed. A lane is in LANE_CIRCUIT while one of its origins gets nothing. */
enum lane_state {
    LANE_ANY,
    LANE_QUEUED,
    LANE_RETRY,
    LANE_DEAD,
    LANE_PAUSED,
    LANE_CIRCUIT,
    LANE_STATES
};
struct lanes_filter {
    enum lane_state state;
    struct slice part; /* of the name; empty: any name */
};

/* As deliveries_fn. NEXT is AFTER of the next page; empty behind the last one. */
typedef void (*lanes_fn)(void *ctx, enum err rc, const struct lane_view *list, size_t count,
                         struct slice next, const struct partition_set *missing);
/* A page of at most LIMIT (at most ADMIN_LOOK_MAX) lanes by name, behind the name AFTER. Lists the lanes of the configuration,
 * and lanes that have work or dead letters, or are paused, though they are not configured any more. FILTER may leave lanes out.
 * `retry` and what FILTER finds are up to ten seconds old. */
void queue_admin_lanes(struct queue_admin *q, const struct lanes_filter *filter, struct slice after,
                       size_t limit, lanes_fn fn, void *ctx);
/* The lane NAME as a list of one; an empty list if there is no such lane. Asks the lane's partition, and partition 0 for the
 * results. */
void queue_admin_lane(struct queue_admin *q, struct slice name, lanes_fn fn, void *ctx);

/* --- what programs have counted (beat.h) --- */

/* FACTS: a JSON object of each program that runs: id, program, name, version, started_at, inflight, digest. */
typedef void (*programs_fn)(void *ctx, enum err rc, const struct slice *facts, size_t count);
void queue_admin_programs(struct queue_admin *q, programs_fn fn, void *ctx);

struct named_count {
    struct slice name;
    int64_t n;
};
typedef void (*counts_of_fn)(void *ctx, enum err rc, const struct named_count *list, size_t count);
/* Answers to webhooks in the last hour: "<source> <answer>" -> how many. */
void queue_admin_answers(struct queue_admin *q, counts_of_fn fn, void *ctx);
/* Like queue_admin_answers, for the COUNT (at most 3 * ADMIN_LOOK_MAX) names "<destination> <done, retry or dead>". */
void queue_admin_results(struct queue_admin *q, const struct slice *names, size_t count,
                         counts_of_fn fn, void *ctx);

enum history_count { /* of one minute */
                     HISTORY_ACCEPTED,
                     HISTORY_DUPLICATE,
                     HISTORY_REFUSED,
                     HISTORY_SENT,   /* requests that left */
                     HISTORY_FAILED, /* attempts that failed */
                     HISTORY_DEAD,   /* deliveries that died */
                     HISTORY_COUNTS
};
struct history_minute {
    wall_ms at; /* when it began */
    int64_t counts[HISTORY_COUNTS];
    uint64_t attempts[METRIC_BUCKETS],
        deliveries[METRIC_BUCKETS]; /* histograms of how long they took */
};
typedef void (*history_fn)(void *ctx, enum err rc, const struct history_minute *list, size_t count);
/* The last hour, newest first. The first minute is not over. */
void queue_admin_history(struct queue_admin *q, history_fn fn, void *ctx);

#define TREND_SPANS 30
#define TREND_STEP_S 120

struct
    lane_trend { /* attempts in spans of TREND_STEP_S, newest first. The first span is not over */
    struct slice lane; /* borrowed for the callback */
    int64_t done[TREND_SPANS], failed[TREND_SPANS];
};
/* LIST has the busiest lanes of the last hour, at most a few hundred, by name. */
typedef void (*trends_fn)(void *ctx, enum err rc, const struct lane_trend *list, size_t count);
void queue_admin_trends(struct queue_admin *q, trends_fn fn, void *ctx);

/* --- all of it --- */

struct queue_totals {
    int64_t queued, inflight, retry, dead, lanes_paused, circuits_open;
};
/* TOTALS is borrowed for the call, up to ten seconds old, and NULL if RC is not OK. It is of all partitions but those that are
 * MISSING. */
typedef void (*totals_fn)(void *ctx, enum err rc, const struct queue_totals *totals,
                          const struct partition_set *missing);
void queue_admin_totals(struct queue_admin *q, totals_fn fn, void *ctx);

/* --- check --- */

/* Something in the queue that contradicts itself. */
struct check_item { /* slices borrowed for the callback */
    struct slice problem,
        name; /* a word of check.lua; the key of a delivery or event, or the name of a lane or destination */
    unsigned partition;
    bool is_mended;
};

#define ADMIN_CURSOR_MAX 8192

struct check_result { /* borrowed for the callback */
    const struct check_item *items;
    size_t count;
    int64_t looked,
        unsure; /* deliveries and events that were looked at; those that could not be judged */
    struct slice next;                   /* cursor of the next step; empty: all was seen */
    const struct partition_set *missing; /* these were passed over, as they did not answer */
};
/* FN exactly once, never before the call returns. RC != OK (RESULT NULL): Redis did not answer, or not in time. */
typedef void (*check_fn)(void *ctx, enum err rc, const struct check_result *result);
/* Looks for about 25 ms at what follows CURSOR (empty: at the beginning). It walks the keyspace of one partition after the other.
 * IS_REPAIR: mends what it finds. ERR_INVALID, without a callback: CURSOR is none. */
enum err queue_admin_check(struct queue_admin *q, bool is_repair, struct slice cursor, check_fn fn,
                           void *ctx) MUST_CHECK;

#endif
