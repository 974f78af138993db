/* tasks_private - what the files of queue_tasks share.   [wiring] */
#ifndef COMMON_QUEUE_TASKS_PRIVATE_H
#define COMMON_QUEUE_TASKS_PRIVATE_H

#include "common/queue/queue_tasks.h"
#include "common/queue/shards_call.h"

#define TASKS_ARGS_MAX ((size_t)16 << 20)

struct queue_tasks {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    unsigned partitions;
    struct redis_script task, resend, ready, posted, counts, failures, setting, take;
};

struct partition_range {
    unsigned first, end;
};
/* The partitions that have the tasks of SCOPE: one if it is an account's. */
struct partition_range tasks_partitions(const struct queue_tasks *q, struct task_scope scope);
/* Begins CALL, which only reads. It is in a hurry if it asks several partitions. */
void tasks_begin_reading(struct queue_tasks *q, struct task_scope scope, struct shards_call *call);

/* A task as one partition, or all so far, know it. Owns its texts. */
struct task_entry {
    char *key,
        *record; /* the event's key, as asked until a head tells it; RECORD is NULL if there is none */
    struct buf shown; /* the key as the API shows it */
    size_t record_len;
    enum task_state state;
    int fetched; /* 1, 0, or -1: not known */
    bool has_hooks;
    wall_ms accepted_at, done_at;
    struct buf scratch;
};

#define VIEW_FIELDS 7 /* of a reply for a task (lib_view.lua); resend.lua may add one */
/* Takes VIEW (lib_view.lua) into E, which may hold what other partitions said. Sets *HAS_HEAD if E's head is now that of VIEW.
 * False if VIEW has not that shape. */
bool task_entry_merge(struct task_entry *e, const struct redis_reply *view, bool *has_head);
/* The id under which account WHOSE sees the event KEY: its own tasks go by their ids. */
struct slice task_shown_id(struct slice key, struct slice whose);
/* Does queue_tasks_look for events by their keys. */
void tasks_look_keys(struct queue_tasks *q, struct task_scope scope, const struct slice *keys,
                     size_t count, tasks_fn fn, void *ctx);
/* Tells COUNT entries to FN, as account WHOSE sees them; WHOLE: their records have bodies. Unreadable entries count as
 * unknown. MISSING: the partitions that did not answer. */
void task_entries_tell(struct task_entry *entries, size_t count, struct slice whose, bool whole,
                       const struct partition_set *missing, tasks_fn fn, void *ctx);
void task_entries_free(struct task_entry *entries, size_t count);

#endif
