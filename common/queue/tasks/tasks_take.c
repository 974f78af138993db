/* Hands out pending tasks (take.lua).
 *
 * All tasks of an account are in one partition. An admin takes from all partitions: each first says when its oldest pending tasks were
 * set, and then gives as many of them as are among the oldest of all. Each call of the script takes a part of them, so that Redis
 * serves others in between.
 */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/net/loop.h"
#include "common/queue/tasks/tasks_private.h"

#include <assert.h>
#include <stdlib.h>

#define PART_MAX 36 /* tasks of one call: 3 ms of Redis' time */

struct taken { /* a task that was handed out, or that may be */
    int64_t set_us;
    unsigned partition;
    size_t entry;
};

struct take_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    char *account, *login;
    size_t limit;
    int64_t lease_s;
    bool is_look; /* asks the partitions what they have */
    struct task_entry *entries;
    struct taken *list; /* of this round */
    size_t count;
    size_t *wanted; /* of each partition: how many it is still to give */
    tasks_fn fn;
    void *ctx;
};

static size_t part_of(size_t wanted)
{
    return wanted < PART_MAX ? wanted : PART_MAX;
}

static void ask(struct take_call *c, unsigned partition, size_t most)
{
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, slice_str(c->account));
    args_add_int(&a, (int64_t)most);
    args_add_int(&a, c->is_look ? 0 : c->lease_s * 1000);
    args_add_int(&a, c->q->conf->retention.pending_s * 1000);
    shards_call_script(&c->call, partition, partition, &c->q->take, &a);
    args_clear(&a);
}

static void ask_part(struct take_call *c, unsigned partition)
{
    ask(c, partition, part_of(c->wanted[partition]));
}

static void take_call_free(struct take_call *c)
{
    free(c->wanted);
    task_entries_free(c->entries, c->count);
    free(c->list);
    free(c->account);
    free(c->login);
    free(c);
}

static int compare_taken(const void *a, const void *b)
{
    const struct taken *x = a, *y = b;
    return x->set_us < y->set_us ? -1 : x->set_us > y->set_us;
}

/* {when it was set, view, ...} */
static bool on_taken(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct take_call *c = (struct take_call *)call;
    size_t n = redis_count(r), asked = part_of(c->wanted[partition]);
    if (n % 2 || n / 2 > asked || c->count + n / 2 > c->limit)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        bool has_head;
        struct task_entry *e = &c->entries[c->count];
        e->key = xslicedup(slice_make("", 0));
        e->fetched = -1;
        c->list[c->count] =
            (struct taken){redis_int(redis_at(r, i)), (unsigned)partition, c->count};
        c->count++;
        if (!task_entry_merge(e, redis_at(r, i + 1), &has_head))
            return false;
    }
    c->wanted[partition] -= asked;
    /* It gave fewer if it has no more, or if their heads are large. */
    if (n / 2 == asked && c->wanted[partition] > 0)
        ask_part(c, (unsigned)partition);
    return true;
}

static void on_taken_end(struct shards_call *call)
{
    struct take_call *c = (struct take_call *)call;
    if (call->rc != OK) {
        c->fn(c->ctx, call->rc, NULL, 0);
        take_call_free(c);
        return;
    }
    qsort(c->list, c->count, sizeof *c->list, compare_taken);
    struct task_entry *sorted = xcalloc(c->count + 1, sizeof *sorted);
    for (size_t i = 0; i < c->count; i++)
        sorted[i] = c->entries[c->list[i].entry];
    free(c->entries);
    c->entries = sorted;
    task_entries_tell(c->entries, c->count, slice_str(c->login), false, &call->missing, c->fn,
                      c->ctx);
    take_call_free(c);
}

/* {when it was set, ...}, from each partition */
static bool on_looked(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct take_call *c = (struct take_call *)call;
    size_t n = redis_count(r);
    if (n > c->limit)
        return false;
    for (size_t i = 0; i < n; i++, c->count++)
        c->list[c->count] =
            (struct taken){redis_int(redis_at(r, i)), (unsigned)partition, c->count};
    return true;
}

static void take_begin(struct take_call *c, struct queue_tasks *q)
{
    shards_call_begin(&c->call, q->loop, q->shards);
    c->q = q;
    c->is_look = false;
    c->count = 0;
    c->call.on_reply = on_taken;
    c->call.on_end = on_taken_end;
}

static void on_looked_end(struct shards_call *call)
{
    struct take_call *c = (struct take_call *)call;
    struct queue_tasks *q = c->q;
    size_t found = c->count;
    if (call->rc != OK) {
        c->count = 0;
        on_taken_end(call);
        return;
    }
    qsort(c->list, found, sizeof *c->list, compare_taken);
    for (size_t i = 0; i < found && i < c->limit; i++)
        c->wanted[c->list[i].partition]++;
    take_begin(c, q);
    for (unsigned i = 0; i < q->partitions; i++)
        if (c->wanted[i])
            ask_part(c, i);
    shards_call_sent(&c->call);
}

void queue_tasks_take(struct queue_tasks *q, struct task_scope scope, size_t limit, int64_t lease_s,
                      tasks_fn fn, void *ctx)
{
    assert(limit > 0 && limit <= TASKS_TAKE_MAX && lease_s > 0);
    struct take_call *c = NEW(struct take_call);
    take_begin(c, q);
    c->account = xslicedup(scope.account);
    c->login = xslicedup(scope.login);
    c->limit = limit;
    c->lease_s = lease_s;
    c->fn = fn;
    c->ctx = ctx;
    c->entries = xcalloc(limit + 1, sizeof *c->entries);
    bool is_one = scope.account.len || q->partitions == 1;
    c->list = xcalloc(limit * q->partitions + 1, sizeof *c->list);
    c->wanted = xcalloc(q->partitions, sizeof *c->wanted);
    if (is_one) {
        unsigned partition = scope.account.len ? partition_of(scope.account, q->partitions) : 0;
        c->wanted[partition] = limit;
        ask_part(c, partition);
    } else {
        c->is_look = true;
        c->call.on_reply = on_looked;
        c->call.on_end = on_looked_end;
        for (unsigned i = 0; i < q->partitions; i++)
            ask(c, i, limit);
    }
    shards_call_sent(&c->call);
}
