#include "common/queue/queue_tasks.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"
#include "common/queue/tasks/tasks_private.h"
#include "common/webhook/ids.h"

#include <assert.h>
#include <stdlib.h>

#define KEY_BYTES 1024
#define NAMES_MOST 500 /* destinations by which something expired is looked for */

struct queue_tasks *queue_tasks_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct queue_tasks *q = NEW(struct queue_tasks);
    q->loop = l;
    q->shards = shards;
    q->conf = config_ref(conf);
    q->partitions = shards_count(shards);
    redis_script_init(&q->task, "task", lua_task, lua_task_len);
    redis_script_init(&q->resend, "resend", lua_resend, lua_resend_len);
    redis_script_init(&q->ready, "ready", lua_ready, lua_ready_len);
    redis_script_init(&q->posted, "posted", lua_posted, lua_posted_len);
    redis_script_init(&q->counts, "counts", lua_counts, lua_counts_len);
    redis_script_init(&q->failures, "failures", lua_failures, lua_failures_len);
    redis_script_init(&q->take, "take", lua_take, lua_take_len);
    redis_script_init(&q->setting, "setting", lua_setting, lua_setting_len);
    q->resend.is_acknowledged = q->take.is_acknowledged = q->setting.is_acknowledged = true;
    return q;
}

void queue_tasks_free(struct queue_tasks *q)
{
    if (!q)
        return;
    config_unref(q->conf);
    free(q);
}

void queue_tasks_set_config(struct queue_tasks *q, struct config *conf)
{
    config_ref(conf);
    config_unref(q->conf);
    q->conf = conf;
}

struct partition_range tasks_partitions(const struct queue_tasks *q, struct task_scope scope)
{
    unsigned home = scope.account.len ? partition_of(scope.account, q->partitions) : 0;
    return (struct partition_range){home, scope.account.len ? home + 1 : q->partitions};
}

/* A call that asks one partition has nobody else to answer. */
static void hurry_for(struct shards_call *call, struct partition_range range)
{
    if (range.end - range.first > 1)
        shards_call_hurry(call);
}

void tasks_begin_reading(struct queue_tasks *q, struct task_scope scope, struct shards_call *call)
{
    shards_call_begin(call, q->loop, q->shards);
    hurry_for(call, tasks_partitions(q, scope));
}

/* --- calls that name their tasks --- */

/* The scripts answer for as many ids as they reach in a moment; each partition is then asked for the others. */
struct named_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    const struct redis_script *script;
    struct args head; /* the arguments in front of the ids */
    struct args ids;  /* keys of events, maybe with a NUL */
    char *whose;      /* account as which the tasks are shown */
    struct task_entry *entries;
    size_t count;
    size_t *answered; /* of each partition: how many entries */
    size_t *
        resent; /* of each partition: how many webhooks of the next entry; NULL: the script takes no such number */
    size_t home; /* of a single task: the partition whose view has its head */
    struct partition_range asked;
    struct partition_set missing;
    bool whole;
    tasks_fn fn;
    void *ctx;
};

static void ask_named(struct named_call *c, unsigned partition)
{
    const struct slice *head = args_slices(&c->head), *ids = args_slices(&c->ids);
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    for (size_t i = 0; i < c->head.count; i++)
        args_borrow(&a, head[i]);
    if (c->resent)
        args_add_int(&a, (int64_t)c->resent[partition]);
    for (size_t i = c->answered[partition]; i < c->count; i++)
        args_borrow(&a, ids[i]);
    shards_call_script(&c->call, partition, partition, c->script, &a);
    args_clear(&a);
}

/* The number of webhooks looked at, for a resent task that is not finished (resend.lua). Else 0. */
static size_t resent_so_far(const struct redis_reply *view)
{
    const struct redis_reply *n = redis_at(view, redis_count(view) - 1);
    return redis_kind(n) == REDIS_INT && redis_count(view) > VIEW_FIELDS ? (size_t)redis_int(n) : 0;
}

/* The last of VIEWS may be of a task that is not finished: it is asked for again. False if that would never end. */
static bool note_resent(struct named_call *c, size_t partition, const struct redis_reply *views)
{
    size_t n = redis_count(views), before = c->resent[partition];
    size_t so_far = resent_so_far(redis_at(views, n - 1));
    c->resent[partition] = so_far;
    if (so_far == 0)
        return true;
    c->answered[partition]--;
    return n > 1 || so_far > before;
}

static bool on_views(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct named_call *c = (struct named_call *)call;
    size_t first = c->answered[partition], n = redis_count(r);
    if (n == 0 || n > c->count - first)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct task_entry *e = &c->entries[first + i];
        bool has_head;
        if (!task_entry_merge(e, redis_at(r, i), &has_head))
            return false;
        if (has_head)
            c->home = partition;
    }
    c->answered[partition] = first + n;
    if (c->resent && !note_resent(c, partition, r))
        return false;
    if (c->answered[partition] < c->count)
        ask_named(c, (unsigned)partition);
    return true;
}

static bool is_done(enum task_state state)
{
    return state == TASK_DONE || state == TASK_FAILED;
}

static void named_call_end(struct shards_call *call)
{
    struct named_call *c = (struct named_call *)call;
    if (call->rc == OK)
        task_entries_tell(c->entries, c->count, slice_str(c->whose), c->whole, &c->missing, c->fn,
                          c->ctx);
    else
        c->fn(c->ctx, call->rc, NULL, 0);
    task_entries_free(c->entries, c->count);
    args_clear(&c->head);
    args_clear(&c->ids);
    free(c->answered);
    free(c->resent);
    free(c->whose);
    free(c);
}

/* The reply is empty if there is only an announcement, which has no body. It is empty too if the event has just expired: the task
 * is then told as unknown, because its head alone is no whole record. */
static bool on_record(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    (void)partition;
    struct named_call *c = (struct named_call *)call;
    struct slice record = redis_text(r);
    if (!record.len)
        return true;
    free(c->entries[0].record);
    c->entries[0].record = xslicedup(record);
    c->entries[0].record_len = record.len;
    return true;
}

/* Reads the whole record of the only task. Not in the script: Lua would copy a body of 10 MiB for 40 ms. */
static void read_record(struct named_call *c)
{
    shards_call_begin(&c->call, c->q->loop, c->q->shards);
    c->call.on_reply = on_record;
    c->call.on_end = named_call_end;
    struct shard *shard = shards_at(c->q->shards, (unsigned)c->home);
    struct buf key;
    buf_init(&key, KEY_BYTES);
    keys_event(&key, shard_base(shard), slice_str(c->entries[0].key));
    struct args range;
    args_init(&range, TASKS_ARGS_MAX);
    args_add_int(&range, 0);
    args_add_int(&range, -1);
    shards_call_command(&c->call, c->home, shard, "GETRANGE", buf_slice(&key), &range);
    args_clear(&range);
    buf_clear(&key);
    shards_call_sent(&c->call);
}

static void on_views_end(struct shards_call *call)
{
    struct named_call *c = (struct named_call *)call;
    c->missing = call->missing;
    if (call->rc == OK && c->whole && is_done(c->entries[0].state)) {
        read_record(c);
        return;
    }
    c->whole = false;
    named_call_end(call);
}

/* An account's ids are its own. An admin asks for events by their keys, and for its own tasks by either. */
static void add_key(struct args *a, struct task_scope scope, struct slice id)
{
    size_t mark = args_mark(a);
    if (scope.account.len)
        keys_task(&a->text, scope.account, id);
    else
        keys_named_event(&a->text, id);
    args_add_since(a, mark);
}

/* Whose tasks, for the scripts: the account, and what an admin's own keys begin with. */
static void add_scope(struct args *a, struct task_scope scope)
{
    args_add(a, scope.account);
    size_t mark = args_mark(a);
    if (!scope.account.len && scope.login.len)
        keys_task(&a->text, scope.login, slice_make("", 0));
    args_add_since(a, mark);
}

/* The partitions that may know one of the COUNT tasks KEYS: one if all of them are of one account. */
static struct partition_range partitions_of(const struct queue_tasks *q, struct task_scope scope,
                                            const struct slice *keys, size_t count)
{
    struct slice account = count ? keys_task_account(keys[0]) : scope.account;
    for (size_t i = 1; i < count; i++)
        if (!slice_eq(keys_task_account(keys[i]), account))
            return tasks_partitions(q, scope);
    return tasks_partitions(q, (struct task_scope){account, scope.login});
}

/* IDS are keys of events if ARE_KEYS. HEAD gets the arguments in front of the ids before named_call_send. */
static struct named_call *named_call_new(struct queue_tasks *q, struct task_scope scope,
                                         const struct slice *ids, size_t count, bool are_keys,
                                         tasks_fn fn, void *ctx)
{
    struct named_call *c = NEW(struct named_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->q = q;
    args_init(&c->head, TASKS_ARGS_MAX);
    args_init(&c->ids, TASKS_ARGS_MAX);
    c->answered = xcalloc(q->partitions, sizeof *c->answered);
    c->call.on_reply = on_views;
    c->call.on_end = on_views_end;
    c->call.may_miss = !scope.account.len && !scope.login.len;
    c->entries = xcalloc(count ? count : 1, sizeof *c->entries);
    c->count = count;
    c->whose = xslicedup(scope.login);
    for (size_t i = 0; i < count; i++) {
        if (are_keys)
            args_add(&c->ids, ids[i]);
        else
            add_key(&c->ids, scope, ids[i]);
    }
    const struct slice *keys = args_slices(&c->ids);
    c->asked = partitions_of(q, scope, keys, count);
    for (size_t i = 0; i < count; i++) {
        c->entries[i].key = xslicedup(keys[i]);
        c->entries[i].fetched = -1;
    }
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

static void named_call_send(struct named_call *c, const struct redis_script *script)
{
    c->script = script;
    for (unsigned i = c->asked.first; c->count && i < c->asked.end; i++)
        ask_named(c, i);
    shards_call_sent(&c->call);
}

static void add_account_names(struct args *a, const struct config_account *account)
{
    args_add(a, slice_str(account->postback->name));
    args_add(a, slice_str(account->pingback->name));
}

/* The destinations by whose deliveries an expired task is known, and in front of them how many these are. */
static void add_names(struct queue_tasks *q, struct task_scope scope, struct args *a)
{
    struct args names;
    args_init(&names, TASKS_ARGS_MAX);
    size_t at = 0;
    struct slice name;
    void *value;
    if (scope.account.len) {
        const struct config_account *own = map_get(&q->conf->accounts, scope.account);
        if (own)
            add_account_names(&names, own);
    } else {
        while (names.count < NAMES_MOST && map_next(&q->conf->destinations, &at, &name, &value))
            args_add(&names, name);
        at = 0;
        while (names.count < NAMES_MOST && map_next(&q->conf->accounts, &at, &name, &value))
            add_account_names(&names, value);
    }
    args_add_int(a, (int64_t)names.count);
    const struct slice *list = args_slices(&names);
    for (size_t i = 0; i < names.count; i++)
        args_add(a, list[i]);
    args_clear(&names);
}

enum ask {
    ASK_LOOK, /* without the body */
    ASK_READ, /* with the body */
    ASK_MARK, /* without the body, and the task counts as fetched */
};

static void ask(struct named_call *c, struct task_scope scope, enum ask how)
{
    struct queue_tasks *q = c->q;
    hurry_for(&c->call, c->asked);
    c->whole = how == ASK_READ;
    add_scope(&c->head, scope);
    args_add_int(&c->head, how == ASK_MARK);
    args_add_int(&c->head, q->conf->retention.done_s * 1000);
    add_names(q, scope, &c->head);
    named_call_send(c, &q->task);
}

void queue_tasks_peek(struct queue_tasks *q, struct task_scope scope, struct slice id, tasks_fn fn,
                      void *ctx)
{
    ask(named_call_new(q, scope, &id, 1, false, fn, ctx), scope, ASK_READ);
}

void queue_tasks_mark(struct queue_tasks *q, struct task_scope scope, struct slice id, tasks_fn fn,
                      void *ctx)
{
    ask(named_call_new(q, scope, &id, 1, false, fn, ctx), scope, ASK_MARK);
}

void queue_tasks_look(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                      size_t count, tasks_fn fn, void *ctx)
{
    assert(count <= TASKS_LIST_MAX);
    ask(named_call_new(q, scope, ids, count, false, fn, ctx), scope, ASK_LOOK);
}

void tasks_look_keys(struct queue_tasks *q, struct task_scope scope, const struct slice *keys,
                     size_t count, tasks_fn fn, void *ctx)
{
    assert(count <= TASKS_LIST_MAX);
    ask(named_call_new(q, scope, keys, count, true, fn, ctx), scope, ASK_LOOK);
}

void queue_tasks_resend(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                        size_t count, tasks_fn fn, void *ctx)
{
    assert(count <= TASKS_RESEND_MAX);
    struct named_call *c = named_call_new(q, scope, ids, count, false, fn, ctx);
    add_scope(&c->head, scope);
    args_add_int(&c->head, q->conf->retention.dead_s * 1000);
    c->resent = xcalloc(q->partitions, sizeof *c->resent);
    named_call_send(c, &q->resend);
}
