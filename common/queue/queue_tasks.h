/* queue_tasks - the queue as the API sees it: tasks by id, lists, counts, errors, resends, delays.
 *
 * A task is an event with its deliveries (docs/internals/queue.md). A call for one account asks the partition of the account's
 * lane, which has all its tasks. So does a call about tasks of one account. Other calls ask all partitions and merge what
 * they say. One script call holds Redis for about a millisecond, however much is stored or asked for; where that is not
 * enough, the call is repeated. Nothing scans the keyspace. One per thread that serves the API.
 */
#ifndef COMMON_QUEUE_QUEUE_TASKS_H
#define COMMON_QUEUE_QUEUE_TASKS_H

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/queue/partition_set.h"
#include "common/queue/record.h"
#include "common/queue/stamp.h"

struct config;
struct loop;
struct queue_tasks;
struct shards;

#define TASKS_LIST_MAX 1000     /* most that a list returns in one call */
#define TASKS_OFFSET_MAX 100000 /* deepest page */
#define TASKS_RESEND_MAX 100

enum task_state {
    TASK_UNKNOWN,    /* no such task, or another account's */
    TASK_EXPIRED,    /* it was there; its retention is over */
    TASK_PENDING,    /* set without its result, and no worker has it */
    TASK_PROCESSING, /* set without its result; a worker took it, and its lease runs */
    TASK_QUEUED,     /* announced: the fetch of its result waits */
    TASK_HANDED,     /* announced: the fetch of its result is in flight */
    TASK_LOST,       /* announced: the fetch of its result is dead */
    TASK_DONE,       /* complete: its result is here, whatever its webhooks do */
    TASK_FAILED      /* complete, and a webhook of it is dead */
};

struct task { /* all slices borrowed for the callback */
    /* For an own task of the account that asks: its id. Else the event's key: "<id>" or, for a second event of one id,
     * "<id>~2"; for a task "@<account>/<id>". */
    struct slice id;
    struct slice key; /* the event's key in Redis */
    enum task_state state;
    bool is_fetched;              /* the result was got by task_get or delivered by a postback */
    bool has_hooks;               /* it was accepted with at least one delivery */
    wall_ms accepted_at, done_at; /* done_at is -1 until it is complete */
    /* Valid unless TASK_UNKNOWN or TASK_EXPIRED; the body only in queue_tasks_peek. */
    struct event event;
    /* The partitions that did not answer, and may know more of it; NULL if all have answered. */
    const struct partition_set *missing;
};

/* Whose tasks. LOGIN: the account that asks; its own tasks go by their ids, all other events by their keys. ACCOUNT: LOGIN
 * again if the account is a user's, because it may see no other tasks; empty for an admin. If both are empty, a call by id
 * goes on without partitions that do not answer. */
struct task_scope {
    struct slice account, login;
};

/* FN exactly once per call, never before the call returns; RC != OK (TASKS NULL): Redis did not answer, or not
 * in time, in a partition that is needed. Q may not be freed from within. */
typedef void (*tasks_fn)(void *ctx, enum err rc, const struct task *tasks, size_t count);

/* SHARDS is borrowed. Free it before the queue_tasks, so that what is pending ends. CONF is referenced. */
struct queue_tasks *queue_tasks_new(struct loop *l, struct shards *shards, struct config *conf);
void queue_tasks_free(struct queue_tasks *q);
void queue_tasks_set_config(struct queue_tasks *q, struct config *conf);

/* One task (one entry, maybe TASK_UNKNOWN), with its body where it is complete. Looking changes nothing. */
void queue_tasks_peek(struct queue_tasks *q, struct task_scope scope, struct slice id, tasks_fn fn,
                      void *ctx);
/* The same without the body; a complete task counts as fetched from then on. */
void queue_tasks_mark(struct queue_tasks *q, struct task_scope scope, struct slice id, tasks_fn fn,
                      void *ctx);
/* COUNT (at most TASKS_LIST_MAX) tasks without their bodies, in the order of IDS. */
void queue_tasks_look(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                      size_t count, tasks_fn fn, void *ctx);
/* Queues every webhook of COUNT (at most TASKS_RESEND_MAX) tasks again: at the tail of its lane, with the delay and signing
 * secret captured at acceptance. A delivery that waits for a retry goes now. Queued deliveries and deliveries in flight
 * stay as they are. Attempts go on
 * counting. The tasks as they are then, in the order of IDS. An unknown task or one without webhooks does not keep
 * the others back. After an error some tasks may be queued; the same call again queues the others. ERR_UNAVAIL also if Redis has
 * no memory for more. */
void queue_tasks_resend(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                        size_t count, tasks_fn fn, void *ctx);

#define TASKS_TAKE_MAX 100
#define TASKS_LEASE_MAX_S 86400
/* Hands out up to LIMIT (at most TASKS_TAKE_MAX) of the oldest pending tasks, without bodies, oldest first. They are
 * processing for LEASE_S seconds. Fewer may come although there are more. After an error some may be processing. */
void queue_tasks_take(struct queue_tasks *q, struct task_scope scope, size_t limit, int64_t lease_s,
                      tasks_fn fn, void *ctx);

/* Complete and not fetched, and no postback on its way, oldest first, at most LIMIT. PATH: only tasks set under it ("serp", "serp/google/organic": whole
 * segments), and what came in through sources, which has no path; empty: all. */
void queue_tasks_ready(struct queue_tasks *q, struct task_scope scope, struct slice path,
                       size_t limit, tasks_fn fn, void *ctx);

struct tasks_page { /* times are inclusive; OFFSET <= TASKS_OFFSET_MAX, LIMIT <= TASKS_LIST_MAX */
    wall_ms from, to;
    size_t offset, limit;
    bool newest_first;
};
/* Tasks by the time they were accepted; reaches back for retention.done_s. */
void queue_tasks_posted(struct queue_tasks *q, struct task_scope scope,
                        const struct tasks_page *page, tasks_fn fn, void *ctx);

struct task_failure { /* a failed attempt; slices borrowed for the callback */
    wall_ms at;
    struct slice task_id;     /* as struct task has it */
    struct slice destination; /* its name in the configuration */
    enum delivery_kind kind;
    struct slice url;    /* the request's; empty if it was never made */
    struct slice error;  /* short word: "timeout", "http_500", ... */
    struct slice detail; /* the library's words about it; empty without any, and for an account */
    int status;          /* HTTP status, 0 if none was seen */
    int64_t duration_ms;
    struct slice response; /* the beginning of the answer's body */
};
enum task_function { FUNCTION_ANY, FUNCTION_POSTBACK, FUNCTION_PINGBACK };
typedef void (*failures_fn)(void *ctx, enum err rc, const struct task_failure *list, size_t count);
/* Failed attempts of the last 7 days, newest first. */
void queue_tasks_failures(struct queue_tasks *q, struct task_scope scope,
                          enum task_function function, const struct tasks_page *page,
                          failures_fn fn, void *ctx);

struct task_counts { /* every task held is in exactly one of them */
    int64_t done_fetched,
        done_not_fetched; /* complete; a postback on its way has fetched nothing */
    /* The result is not here. Processing: a worker has the task, or the result is being fetched. Pending: it waits for that. */
    int64_t processing, pending;
    int64_t
        failed; /* complete, not fetched, and a webhook is dead; or its result could not be had */
};
typedef void (*counts_fn)(void *ctx, enum err rc, const struct task_counts *counts);
void queue_tasks_count(struct queue_tasks *q, struct task_scope scope, counts_fn fn, void *ctx);

/* Delays that were set while running. They win over the configuration, for what is accepted from then on. */
enum delay_of { DELAY_TOP, DELAY_ACCOUNT, DELAY_DESTINATION };
typedef void (*delay_fn)(void *ctx, enum err rc, int64_t delay_ms);
/* The delay in force (set, else configured) of the top level, of account NAME or of destination NAME. */
void queue_tasks_delay(struct queue_tasks *q, enum delay_of of, struct slice name, delay_fn fn,
                       void *ctx);
/* Sets it (DELAY_MS -1: back to the configuration); answers with what is then in force. The rule of section delay_is_allowed
 * is the caller's to check. */
void queue_tasks_set_delay(struct queue_tasks *q, enum delay_of of, struct slice name,
                           int64_t delay_ms, delay_fn fn, void *ctx);

struct account_settings { /* stamp's slices borrowed for the callback */
    int64_t delay_ms;     /* in force */
    bool has_own_delay;   /* the account has set it */
    struct stamp stamp;
    wall_ms made_at; /* of the secret; 0: none was made */
};
/* SETTINGS is NULL unless RC is OK. */
typedef void (*settings_fn)(void *ctx, enum err rc, const struct account_settings *settings);
/* The settings of ACCOUNT, and its delay in force. */
void queue_tasks_settings(struct queue_tasks *q, struct slice account, settings_fn fn, void *ctx);

#define SETTING_DELAY "delay"
struct setting_change {
    const char *field;  /* SETTING_DELAY, a word of a stamp, or "made" */
    struct slice value; /* empty: back to the configuration */
};
/* Sets all COUNT changes in every partition. Answers with the settings that are then in force. The caller checks the
 * values. The queue checks one rule: a scheme needs a secret. Without one the call fails with ERR_INVALID and changes
 * nothing. After any other error partitions may differ, until the call is repeated. */
void queue_tasks_change(struct queue_tasks *q, struct slice account,
                        const struct setting_change *changes, size_t count, settings_fn fn,
                        void *ctx);

#endif
