#include "common/queue/queue_jobs.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/jobs/jobs_private.h"
#include "common/queue/scripts.h"

#include <stdlib.h>

#define ARGS_MAX ((size_t)1 << 16)

const char *job_verb_word(enum job_verb verb)
{
    return verb == JOB_RESEND ? "resend" : "drop";
}

struct queue_jobs *queue_jobs_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct queue_jobs *q = NEW(struct queue_jobs);
    unsigned partitions = shards_count(shards);
    q->loop = l;
    q->shards = shards;
    q->conf = config_ref(conf);
    q->partitions = partitions;
    redis_script_init(&q->job, "job", lua_job, lua_job_len);
    redis_script_init(&q->jobs, "jobs", lua_jobs, lua_jobs_len);
    redis_script_init(&q->sweep_resend, "sweep_resend", lua_sweep_resend, lua_sweep_resend_len);
    redis_script_init(&q->sweep_drop, "sweep_drop", lua_sweep_drop, lua_sweep_drop_len);
    q->job.is_acknowledged = true;
    uuid7(clock_wall_ms(), q->name);
    q->runners = xcalloc(partitions, sizeof *q->runners);
    for (unsigned i = 0; i < partitions; i++)
        q->runners[i] = job_runner_new(q, i);
    return q;
}

void queue_jobs_free(struct queue_jobs *q)
{
    if (!q)
        return;
    for (unsigned i = 0; i < q->partitions; i++)
        job_runner_free(q->runners[i]);
    free(q->runners);
    config_unref(q->conf);
    free(q);
}

void queue_jobs_set_config(struct queue_jobs *q, struct config *conf)
{
    config_ref(conf);
    config_unref(q->conf);
    q->conf = conf;
}

/* --- begin and cancel --- */

struct job_call {
    struct shards_call call; /* first */
    struct queue_jobs *q;
    int home; /* the partition that must answer, whoever else does not; -1: all must */
    int64_t result;
    job_fn fn;
    void *ctx;
};

/* Of begin the worst answer counts, of cancel the best: a job may be over in some partitions. */
static bool begin_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct job_call *c = (struct job_call *)call;
    (void)partition;
    if (redis_int(r) < c->result)
        c->result = redis_int(r);
    return redis_kind(r) == REDIS_INT;
}

static bool cancel_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct job_call *c = (struct job_call *)call;
    (void)partition;
    if (redis_int(r) > c->result)
        c->result = redis_int(r);
    return redis_kind(r) == REDIS_INT;
}

static void job_on_end(struct shards_call *call)
{
    struct job_call *c = (struct job_call *)call;
    bool is_missed = c->home >= 0 && partition_set_has(&call->missing, (unsigned)c->home);
    for (unsigned i = 0; i < c->q->partitions; i++)
        job_runner_wake(c->q->runners[i]);
    c->fn(c->ctx, is_missed ? ERR_UNAVAIL : call->rc, c->result);
    free(c);
}

static struct job_call *job_call_new(struct queue_jobs *q, int64_t result, job_fn fn, void *ctx)
{
    struct job_call *c = NEW(struct job_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_end = job_on_end;
    c->q = q;
    c->home = -1;
    c->result = result;
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

struct slice jobs_lane(const struct queue_jobs *q, struct slice lane, struct slice destination)
{
    const struct destination *d =
        !lane.len && destination.len ? config_destination(q->conf, destination) : NULL;
    return d ? slice_str(d->lane) : lane;
}

/* A lane is in one partition. So are the deliveries of a configured destination, except for those that were accepted when it had
 * another lane. A job for all destinations is begun in all partitions or in none. */
static void send_begin(struct job_call *c, const struct job_order *order, struct args *a)
{
    struct slice lane = jobs_lane(c->q, order->lane, order->destination);
    if (!lane.len) {
        shards_call_all_or_none(&c->call, &c->q->job, a);
        return;
    }
    unsigned home = partition_of(lane, c->q->partitions);
    bool is_ready = shard_is_ready(shards_at(c->q->shards, home));
    c->home = (int)home;
    c->call.may_miss = !order->lane.len && is_ready;
    if (c->call.may_miss)
        shards_call_everywhere(&c->call, &c->q->job, a);
    else
        shards_call_script(&c->call, home, home, &c->q->job, a);
}

void queue_jobs_begin(struct queue_jobs *q, const struct job_order *order, char id[UUID_LEN + 1],
                      job_fn fn, void *ctx)
{
    struct job_call *c = job_call_new(q, 1, fn, ctx);
    struct args a;
    c->call.on_reply = begin_on_reply;
    uuid7(clock_wall_ms(), id);
    args_init(&a, ARGS_MAX);
    args_add(&a, SLICE_LIT("begin"));
    args_add(&a, slice_str(id));
    args_add(&a, slice_str(job_verb_word(order->verb)));
    args_add(&a, order->state);
    args_add(&a, order->destination);
    args_add(&a, order->source);
    args_add(&a, order->lane);
    args_add(&a, jobs_lane(q, SLICE_LIT(""), order->destination));
    args_add_int(&a, order->since);
    args_add_int(&a, order->until);
    args_add(&a, order->account);
    args_add(&a, order->peer);
    send_begin(c, order, &a);
    args_clear(&a);
    shards_call_sent(&c->call);
}

void queue_jobs_cancel(struct queue_jobs *q, struct slice id, job_fn fn, void *ctx)
{
    struct job_call *c = job_call_new(q, -1, fn, ctx);
    struct args a;
    c->call.on_reply = cancel_on_reply;
    args_init(&a, ARGS_MAX);
    args_add(&a, SLICE_LIT("cancel"));
    args_add(&a, id);
    shards_call_everywhere(&c->call, &q->job, &a);
    args_clear(&a);
    shards_call_sent(&c->call);
}
