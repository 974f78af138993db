#include "common/queue/queue_tasks.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/queue/scripts.h"
#include "common/queue/tasks/tasks_private.h"

#include <assert.h>
#include <stdlib.h>

#define NAMES_MOST 500 /* destinations by which something expired is looked for */

struct queue_tasks *queue_tasks_new(struct loop *l, struct redis *redis, struct config *conf)
{
    struct queue_tasks *q = NEW(struct queue_tasks);
    q->loop = l;
    q->redis = redis;
    q->conf = config_ref(conf);
    q->partitions = conf->redis.partitions;
    redis_script_init(&q->task, "task", lua_task, lua_task_len);
    redis_script_init(&q->resend, "resend", lua_resend, lua_resend_len);
    redis_script_init(&q->ready, "ready", lua_ready, lua_ready_len);
    redis_script_init(&q->posted, "posted", lua_posted, lua_posted_len);
    redis_script_init(&q->counts, "counts", lua_counts, lua_counts_len);
    redis_script_init(&q->setting, "setting", lua_setting, lua_setting_len);
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

/* --- calls that name their tasks --- */

struct named_call {
    struct tasks_call call; /* first */
    struct task_entry *entries;
    size_t count;
    bool whole;
    tasks_fn fn;
    void *ctx;
};

static bool on_views(struct tasks_call *call, const struct redis_reply *r)
{
    struct named_call *c = (struct named_call *)call;
    if (redis_count(r) != c->count)
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (!task_entry_merge(&c->entries[i], redis_at(r, i)))
            return false;
    return true;
}

static void on_views_end(struct tasks_call *call)
{
    struct named_call *c = (struct named_call *)call;
    if (call->rc == OK)
        task_entries_tell(c->entries, c->count, c->whole, c->fn, c->ctx);
    else
        c->fn(c->ctx, call->rc, NULL, 0);
    task_entries_free(c->entries, c->count);
    free(c);
}

static struct named_call *named_call_new(struct queue_tasks *q, const struct slice *ids,
                                         size_t count, tasks_fn fn, void *ctx)
{
    struct named_call *c = NEW(struct named_call);
    tasks_call_begin(&c->call, q);
    c->call.on_reply = on_views;
    c->call.on_end = on_views_end;
    c->entries = xcalloc(count ? count : 1, sizeof *c->entries);
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        c->entries[i].id = xslicedup(ids[i]);
        c->entries[i].fetched = -1;
    }
    c->fn = fn;
    c->ctx = ctx;
    return c;
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

static void ask(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                size_t count, bool get, tasks_fn fn, void *ctx)
{
    assert(count <= TASKS_LIST_MAX);
    struct named_call *c = named_call_new(q, ids, count, fn, ctx);
    c->whole = get;
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, scope.account);
    args_add_int(&a, get);
    args_add_int(&a, q->conf->retention.done_s * 1000);
    add_names(q, scope, &a);
    for (size_t i = 0; i < count; i++)
        args_add(&a, ids[i]);
    tasks_call_script(&c->call, &q->task, &a);
    tasks_call_sent(&c->call);
    args_clear(&a);
}

static bool is_done(const struct task *t)
{
    return t->state == TASK_DONE || t->state == TASK_FAILED;
}

struct careful_get {
    struct queue_tasks *q;
    char *account, *id;
    tasks_fn fn;
    void *ctx;
};

static void on_seen(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct careful_get *g = ctx;
    if (rc == OK && is_done(tasks))
        ask(g->q, (struct task_scope){slice_str(g->account)}, &(struct slice){g->id, strlen(g->id)},
            1, true, g->fn, g->ctx);
    else
        g->fn(g->ctx, rc, tasks, count);
    free(g->account);
    free(g->id);
    free(g);
}

/* Of several partitions none knows whether the others are done with a task: a look first, or it would count as fetched
 * although nobody is answered with it. */
void queue_tasks_get(struct queue_tasks *q, struct task_scope scope, struct slice id, tasks_fn fn,
                     void *ctx)
{
    if (q->partitions == 1) {
        ask(q, scope, &id, 1, true, fn, ctx);
        return;
    }
    struct careful_get *g = NEW(struct careful_get);
    *g = (struct careful_get){q, xslicedup(scope.account), xslicedup(id), fn, ctx};
    ask(q, scope, &id, 1, false, on_seen, g);
}

void queue_tasks_look(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                      size_t count, tasks_fn fn, void *ctx)
{
    ask(q, scope, ids, count, false, fn, ctx);
}

void queue_tasks_resend(struct queue_tasks *q, struct task_scope scope, const struct slice *ids,
                        size_t count, tasks_fn fn, void *ctx)
{
    assert(count <= TASKS_RESEND_MAX);
    struct named_call *c = named_call_new(q, ids, count, fn, ctx);
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, scope.account);
    args_add_int(&a, q->conf->retention.dead_s * 1000);
    for (size_t i = 0; i < count; i++)
        args_add(&a, ids[i]);
    tasks_call_script(&c->call, &q->resend, &a);
    tasks_call_sent(&c->call);
    args_clear(&a);
}

/* --- done and not fetched --- */

struct ready_call {
    struct tasks_call call; /* first */
    struct task_entry *entries;
    size_t count, limit;
    char *account;
    tasks_fn fn;
    void *ctx;
};

static bool on_ready(struct tasks_call *call, const struct redis_reply *r)
{
    struct ready_call *c = (struct ready_call *)call;
    size_t n = redis_count(r);
    c->entries = xrealloc(c->entries, c->count + n + 1, sizeof *c->entries);
    for (size_t i = 0; i < n; i++) {
        const struct redis_reply *one = redis_at(r, i);
        struct task_entry *e = &c->entries[c->count++];
        *e = (struct task_entry){.id = xslicedup(redis_text(redis_at(one, 0))),
                                 .listed_at = redis_int(redis_at(one, 1)),
                                 .fetched = -1};
        if (redis_count(one) != 3 || !task_entry_merge(e, redis_at(one, 2)))
            return false;
    }
    return true;
}

static int by_listed_at(const void *a, const void *b)
{
    const struct task_entry *x = a, *y = b;
    if (x->listed_at != y->listed_at)
        return x->listed_at < y->listed_at ? -1 : 1;
    return strcmp(x->id, y->id);
}

struct ready_look {
    tasks_fn fn;
    void *ctx;
};

static void on_ready_seen(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct ready_look *l = ctx;
    struct task *done = xcalloc(count ? count : 1, sizeof *done);
    size_t n = 0;
    for (size_t i = 0; rc == OK && i < count; i++)
        if (is_done(&tasks[i]))
            done[n++] = tasks[i];
    l->fn(l->ctx, rc, rc == OK ? done : NULL, n);
    free(done);
    free(l);
}

/* Of several partitions one lists what is done there; a webhook may still be pending in another. */
static void look_at_ready(struct ready_call *c, size_t count)
{
    struct slice *ids = xcalloc(count ? count : 1, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = slice_str(c->entries[i].id);
    struct ready_look *l = NEW(struct ready_look);
    *l = (struct ready_look){c->fn, c->ctx};
    queue_tasks_look(c->call.q, (struct task_scope){slice_str(c->account)}, ids, count,
                     on_ready_seen, l);
    free(ids);
}

static void on_ready_end(struct tasks_call *call)
{
    struct ready_call *c = (struct ready_call *)call;
    size_t count = c->count < c->limit ? c->count : c->limit;
    if (call->rc == OK && c->count > 1)
        qsort(c->entries, c->count, sizeof *c->entries, by_listed_at);
    if (call->rc != OK)
        c->fn(c->ctx, call->rc, NULL, 0);
    else if (call->q->partitions == 1)
        task_entries_tell(c->entries, count, false, c->fn, c->ctx);
    else
        look_at_ready(c, count);
    task_entries_free(c->entries, c->count);
    free(c->account);
    free(c);
}

void queue_tasks_ready(struct queue_tasks *q, struct task_scope scope, struct slice path,
                       size_t limit, tasks_fn fn, void *ctx)
{
    assert(limit <= TASKS_LIST_MAX);
    struct ready_call *c = NEW(struct ready_call);
    tasks_call_begin(&c->call, q);
    c->call.on_reply = on_ready;
    c->call.on_end = on_ready_end;
    c->limit = limit;
    c->account = xslicedup(scope.account);
    c->fn = fn;
    c->ctx = ctx;
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, scope.account);
    args_add(&a, path);
    args_add_int(&a, (int64_t)limit);
    args_add_int(&a, q->conf->retention.done_s * 1000);
    args_add_int(&a, q->conf->retention.dead_s * 1000);
    tasks_call_script(&c->call, &q->ready, &a);
    tasks_call_sent(&c->call);
    args_clear(&a);
}
