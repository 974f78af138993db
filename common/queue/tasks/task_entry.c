#include "common/base/alloc.h"
#include "common/queue/keys.h"
#include "common/queue/tasks/tasks_private.h"
#include "common/webhook/ids.h"

#include <stdlib.h>

#define SCRATCH_MAX ((size_t)2 << 30)

/* The fields of lib_view.lua's reply for a task, in order. */
enum view_field {
    VIEW_STATE,
    VIEW_FETCHED,
    VIEW_HOOKS,
    VIEW_RECEIVED_AT,
    VIEW_DONE_AT,
    VIEW_KEY,
    VIEW_RECORD
};

/* If several partitions reply a view, the one with the highest rank counts. */
#define RANK_COMPLETE 5
static const struct {
    const char *word;
    enum task_state state;
    int rank;
} states[] = {
    {"unknown", TASK_UNKNOWN, 0}, {"expired", TASK_EXPIRED, 1},       {"queued", TASK_QUEUED, 2},
    {"pending", TASK_PENDING, 2}, {"processing", TASK_PROCESSING, 3}, {"handed", TASK_HANDED, 3},
    {"lost", TASK_LOST, 4},       {"done", TASK_DONE, RANK_COMPLETE}, {"failed", TASK_FAILED, 6},
};
#define STATES (sizeof states / sizeof *states)

static int rank_of(enum task_state state)
{
    for (size_t i = 0; i < STATES; i++)
        if (states[i].state == state)
            return states[i].rank;
    return 0;
}

static bool read_state(struct slice word, enum task_state *out)
{
    for (size_t i = 0; i < STATES; i++) {
        if (!slice_eq(word, slice_str(states[i].word)))
            continue;
        *out = states[i].state;
        return true;
    }
    return false;
}

/* The result is here, so its announcement counts no more. */
static void forget_announcement(struct task_entry *e)
{
    free(e->record);
    e->record = NULL;
    e->record_len = 0;
    e->fetched = -1;
    e->has_hooks = false;
}

bool task_entry_merge(struct task_entry *e, const struct redis_reply *view, bool *has_head)
{
    *has_head = false;
    enum task_state state;
    if (redis_count(view) < VIEW_FIELDS || redis_count(view) > VIEW_FIELDS + 1 ||
        !read_state(redis_text(redis_at(view, VIEW_STATE)), &state))
        return false;
    bool was_complete = rank_of(e->state) >= RANK_COMPLETE;
    if (was_complete && rank_of(state) < RANK_COMPLETE)
        return true;
    if (!was_complete && rank_of(state) >= RANK_COMPLETE)
        forget_announcement(e);
    if (rank_of(state) > rank_of(e->state))
        e->state = state;
    int fetched = (int)redis_int(redis_at(view, VIEW_FETCHED));
    if (fetched > e->fetched)
        e->fetched = fetched;
    e->has_hooks |= redis_int(redis_at(view, VIEW_HOOKS)) == 1;
    wall_ms done_at = redis_int(redis_at(view, VIEW_DONE_AT));
    if (done_at > e->done_at)
        e->done_at = done_at;
    struct slice record = redis_text(redis_at(view, VIEW_RECORD));
    if (!e->record && record.len) {
        e->accepted_at = redis_int(redis_at(view, VIEW_RECEIVED_AT));
        e->record = xslicedup(record);
        e->record_len = record.len;
        free(e->key);
        e->key = xslicedup(redis_text(redis_at(view, VIEW_KEY)));
        *has_head = true;
    }
    return true;
}

struct slice task_shown_id(struct slice key, struct slice whose)
{
    return keys_is_task_of(key, whose) ? keys_task_id(key) : key;
}

static bool is_there(enum task_state state)
{
    return state != TASK_UNKNOWN && state != TASK_EXPIRED;
}

#define SHOWN_MORE 8 /* bytes that the shown id may be longer than the key */

static struct task tell_one(struct task_entry *e, struct slice whose, bool whole)
{
    struct slice key = slice_str(e->key);
    /* An account's own id is shown as it is, so the account's name is cut off afterwards. */
    buf_init(&e->shown, key.len + SHOWN_MORE);
    id_add_shown(&e->shown, key);
    struct slice shown = buf_slice(&e->shown);
    struct task t = {.id = keys_is_task_of(key, whose) ? keys_task_id(shown) : shown,
                     .key = key,
                     .state = e->state,
                     .is_fetched = e->fetched == 1,
                     .has_hooks = e->has_hooks,
                     .accepted_at = e->accepted_at,
                     .done_at = -1};
    if (e->state == TASK_DONE || e->state == TASK_FAILED)
        t.done_at = e->done_at;
    if (!is_there(e->state))
        return t;
    struct slice record = slice_make(e->record ? e->record : "", e->record_len);
    buf_init(&e->scratch, SCRATCH_MAX);
    enum err rc = whole ? record_read(key, record, &e->scratch, &t.event)
                        : record_read_head(key, record, &e->scratch, &t.event);
    if (rc != OK)
        t.state = TASK_UNKNOWN;
    return t;
}

void task_entries_tell(struct task_entry *entries, size_t count, struct slice whose, bool whole,
                       const struct partition_set *missing, tasks_fn fn, void *ctx)
{
    bool is_whole = partition_set_is_empty(missing);
    struct task *tasks = xcalloc(count ? count : 1, sizeof *tasks);
    for (size_t i = 0; i < count; i++) {
        tasks[i] = tell_one(&entries[i], whose, whole);
        tasks[i].missing = is_whole ? NULL : missing;
    }
    fn(ctx, OK, tasks, count);
    free(tasks);
}

void task_entries_free(struct task_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(entries[i].key);
        buf_clear(&entries[i].shown);
        free(entries[i].record);
        buf_clear(&entries[i].scratch);
    }
    free(entries);
}
