#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/keys.h"
#include "common/queue/tasks/tasks_private.h"

#include <stdlib.h>

#define KEY_BYTES 1024
#define FETCHES_MOST 500 /* sources with `fetch` whose fetches in flight are counted */

/* --- counts --- */

/* The numbers of counts.lua's reply, behind the cursor. */
enum {
    COUNT_ANNOUNCED,
    COUNT_FETCHING,
    COUNT_FETCHED,
    COUNT_SENDING,
    COUNT_READY,
    COUNT_FAILED,
    COUNT_OPEN,
    COUNT_TAKEN,
    COUNTS
};

struct count_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    char *account;
    int64_t sums[COUNTS];
    counts_fn fn;
    void *ctx;
};

/* An announced task has no account. */
static void add_fetches(struct args *a, const struct count_call *c)
{
    size_t at = 0, n = 0;
    struct slice name;
    void *value;
    if (c->account[0])
        return;
    while (n < FETCHES_MOST && map_next(&c->q->conf->sources, &at, &name, &value)) {
        const struct source *s = value;
        if (!s->fetch)
            continue;
        args_add(a, slice_str(s->fetch->name));
        n++;
    }
}

static void ask_counts(struct count_call *c, unsigned partition, struct slice cursor)
{
    const struct config_retention *keep = &c->q->conf->retention;
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, slice_str(c->account));
    args_add_int(&a, keep->done_s * 1000);
    args_add_int(&a, keep->dead_s * 1000);
    args_add_int(&a, keep->pending_s * 1000);
    args_add(&a, cursor);
    if (!cursor.len)
        add_fetches(&a, c);
    shards_call_script(&c->call, partition, partition, &c->q->counts, &a);
    args_clear(&a);
}

static bool on_counts(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct count_call *c = (struct count_call *)call;
    if (redis_count(r) != COUNTS + 1)
        return false;
    for (size_t i = 0; i < COUNTS; i++)
        c->sums[i] += redis_int(redis_at(r, i + 1));
    struct slice cursor = redis_text(redis_at(r, 0));
    if (cursor.len)
        ask_counts(c, (unsigned)partition, cursor);
    return true;
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

static void on_counts_end(struct shards_call *call)
{
    struct count_call *c = (struct count_call *)call;
    int64_t announced = at_least_0(c->sums[COUNT_ANNOUNCED]);
    int64_t fetching = at_least_0(c->sums[COUNT_FETCHING]);
    struct task_counts counts = {.done_fetched = at_least_0(c->sums[COUNT_FETCHED]),
                                 .done_not_fetched =
                                     c->sums[COUNT_READY] + at_least_0(c->sums[COUNT_SENDING]),
                                 .failed = at_least_0(c->sums[COUNT_FAILED])};
    int64_t fetched_now = fetching < announced ? fetching : announced;
    counts.processing = fetched_now + c->sums[COUNT_TAKEN];
    counts.pending = announced - fetched_now + c->sums[COUNT_OPEN];
    c->fn(c->ctx, call->rc, call->rc == OK ? &counts : NULL);
    free(c->account);
    free(c);
}

void queue_tasks_count(struct queue_tasks *q, struct task_scope scope, counts_fn fn, void *ctx)
{
    struct count_call *c = NEW(struct count_call);
    tasks_begin_reading(q, scope, &c->call);
    c->q = q;
    c->call.on_reply = on_counts;
    c->call.on_end = on_counts_end;
    c->fn = fn;
    c->ctx = ctx;
    c->account = xslicedup(scope.account);
    struct partition_range range = tasks_partitions(q, scope);
    for (unsigned i = range.first; i < range.end; i++)
        ask_counts(c, i, slice_make("", 0));
    shards_call_sent(&c->call);
}

/* --- delays that were set while running --- */

struct delay_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    enum delay_of of;
    char *name;
    int64_t delay_ms;
    delay_fn fn;
    void *ctx;
};

static struct delay_call *delay_call_new(struct queue_tasks *q, enum delay_of of, struct slice name,
                                         delay_fn fn, void *ctx)
{
    struct delay_call *c = NEW(struct delay_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->q = q;
    c->of = of;
    c->name = xslicedup(name);
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

static void delay_call_free(struct delay_call *c)
{
    free(c->name);
    free(c);
}

/* put.lua reads these fields. */
static void add_field(struct args *a, enum delay_of of, const char *name)
{
    size_t mark = args_mark(a);
    buf_add_str(&a->text, "delay");
    if (of == DELAY_ACCOUNT)
        buf_add_str(&a->text, ":account:");
    if (of == DELAY_DESTINATION)
        buf_add_str(&a->text, ":destination:");
    if (of != DELAY_TOP)
        buf_add_str(&a->text, name);
    args_add_since(a, mark);
}

/* The destination's own delay in the configuration, or -1. */
static int64_t own_delay(const struct config *conf, enum delay_of of, const char *name)
{
    if (of == DELAY_ACCOUNT) {
        const struct config_account *a = map_get(&conf->accounts, slice_str(name));
        return a && a->settings->has_own_delay ? a->settings->delay_ms : -1;
    }
    const struct destination *d =
        of == DELAY_DESTINATION ? config_destination(conf, slice_str(name)) : NULL;
    return d && d->settings->has_own_delay ? d->settings->delay_ms : -1;
}

static int64_t set_delay(const struct redis_reply *r)
{
    return redis_kind(r) == REDIS_NIL ? -1 : redis_int(r);
}

/* {own, top}, as set. The same rule as put.lua's. */
static bool on_delay(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    (void)which;
    struct delay_call *c = (struct delay_call *)call;
    if (redis_count(r) != 2)
        return false;
    const struct config *conf = c->q->conf;
    c->delay_ms = set_delay(redis_at(r, 0));
    if (c->delay_ms < 0)
        c->delay_ms = own_delay(conf, c->of, c->name);
    if (c->delay_ms < 0)
        c->delay_ms = set_delay(redis_at(r, 1));
    if (c->delay_ms < 0)
        c->delay_ms = conf->delay_ms;
    return true;
}

static void on_delay_end(struct shards_call *call)
{
    struct delay_call *c = (struct delay_call *)call;
    c->fn(c->ctx, call->rc, c->delay_ms);
    delay_call_free(c);
}

/* The shard that is asked for the delay of NAME. All have the same settings. One that is away stops only its own lanes. */
static struct shard *delay_shard(const struct queue_tasks *q, enum delay_of of, struct slice name)
{
    const struct destination *d =
        of == DELAY_DESTINATION ? config_destination(q->conf, name) : NULL;
    unsigned partition = d ? d->partition : 0;
    if (of == DELAY_ACCOUNT)
        partition = partition_of(name, shards_count(q->shards));
    return shards_at(q->shards, partition);
}

void queue_tasks_delay(struct queue_tasks *q, enum delay_of of, struct slice name, delay_fn fn,
                       void *ctx)
{
    struct delay_call *c = delay_call_new(q, of, name, fn, ctx);
    c->call.on_reply = on_delay;
    c->call.on_end = on_delay_end;
    shards_call_hurry(&c->call);
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    add_field(&a, of, c->name);
    add_field(&a, DELAY_TOP, "");
    struct shard *shard = delay_shard(q, of, name);
    struct buf key;
    buf_init(&key, KEY_BYTES);
    keys_settings(&key, shard_base(shard));
    shards_call_command(&c->call, 0, shard, "HMGET", buf_slice(&key), &a);
    shards_call_sent(&c->call);
    buf_clear(&key);
    args_clear(&a);
}

static bool on_set(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    (void)call;
    (void)which;
    return redis_kind(r) == REDIS_INT;
}

static void on_set_end(struct shards_call *call)
{
    struct delay_call *c = (struct delay_call *)call;
    if (call->rc == OK)
        queue_tasks_delay(c->q, c->of, slice_str(c->name), c->fn, c->ctx);
    else
        c->fn(c->ctx, call->rc, -1);
    delay_call_free(c);
}

void queue_tasks_set_delay(struct queue_tasks *q, enum delay_of of, struct slice name,
                           int64_t delay_ms, delay_fn fn, void *ctx)
{
    struct delay_call *c = delay_call_new(q, of, name, fn, ctx);
    c->call.on_reply = on_set;
    c->call.on_end = on_set_end;
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, SLICE_LIT("settings"));
    add_field(&a, of, c->name);
    if (delay_ms < 0)
        args_add(&a, slice_make("", 0));
    else
        args_add_int(&a, delay_ms);
    shards_call_all_or_none(&c->call, &q->setting, &a);
    shards_call_sent(&c->call);
    args_clear(&a);
}
