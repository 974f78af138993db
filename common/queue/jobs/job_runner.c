/* Works on the jobs of one partition: asks for the next job, does steps of it, and asks again. */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/queue/jobs/jobs_private.h"

#include <stdlib.h>

#define IDLE_US 1000000
#define LEASE_MS 3000 /* then others go on with a job whose program is gone */
#define REST 3        /* how many times as long as a step the pause behind it is */
#define REST_MIN_US 2000
#define REST_MAX_US 100000

struct job_runner {
    struct queue_jobs *q;
    unsigned partition;
    struct loop_timer *timer;
    char id[UUID_LEN + 1]; /* the job that it works on; empty: none */
    enum job_verb verb;
    mono_us asked;
    bool is_asking, is_woken;
};

static void runner_on_step(void *ctx, enum err rc, const struct redis_reply *reply);
static void runner_on_next(void *ctx, enum err rc, const struct redis_reply *reply);

static void ask(struct job_runner *r, const struct redis_script *script, struct args *a,
                redis_fn fn)
{
    r->asked = clock_mono_us();
    r->is_asking = shard_run(shards_at(r->q->shards, r->partition), script, a, fn, r) == OK;
    if (!r->is_asking) {
        r->id[0] = '\0';
        loop_timer_arm(r->timer, IDLE_US);
    }
    args_clear(a);
}

static void ask_next(struct job_runner *r)
{
    struct args a;
    args_init(&a, 4096);
    args_add(&a, SLICE_LIT("next"));
    args_add(&a, slice_str(r->q->name));
    ask(r, &r->q->jobs, &a, runner_on_next);
}

static void ask_step(struct job_runner *r)
{
    const struct config_retention *keep = &r->q->conf->retention;
    struct args a;
    args_init(&a, 4096);
    args_add(&a, slice_str(r->id));
    args_add(&a, slice_str(r->q->name));
    args_add_int(&a, LEASE_MS);
    args_add_int(&a, keep->dead_s * 1000);
    args_add_int(&a, keep->dedup_s * 1000);
    ask(r, r->verb == JOB_RESEND ? &r->q->sweep_resend : &r->q->sweep_drop, &a, runner_on_step);
}

static void runner_on_timer(void *ctx)
{
    struct job_runner *r = ctx;
    if (r->id[0])
        ask_step(r);
    else
        ask_next(r);
}

static void runner_rest(struct job_runner *r, int64_t us)
{
    r->is_asking = false;
    loop_timer_arm(r->timer, r->is_woken && !r->id[0] ? 0 : us);
    r->is_woken = false;
}

static void runner_on_next(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct job_runner *r = ctx;
    struct slice id = rc == OK ? redis_text(redis_at(reply, 0)) : SLICE_LIT("");
    if (id.len == UUID_LEN) {
        memcpy(r->id, id.ptr, id.len);
        r->verb =
            slice_eq(redis_text(redis_at(reply, 1)), SLICE_LIT("drop")) ? JOB_DROP : JOB_RESEND;
    }
    runner_rest(r, r->id[0] ? 0 : IDLE_US);
}

static void runner_on_step(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct job_runner *r = ctx;
    int64_t took = clock_mono_us() - r->asked;
    int64_t rest = took * REST < REST_MIN_US ? REST_MIN_US : took * REST;
    bool is_failed = rc != OK || redis_kind(reply) != REDIS_INT;
    if (is_failed || redis_int(reply) == 0)
        r->id[0] = '\0';
    if (rest > REST_MAX_US)
        rest = REST_MAX_US;
    runner_rest(r, is_failed ? IDLE_US : rest);
}

void job_runner_wake(struct job_runner *r)
{
    r->is_woken = true;
    if (!r->is_asking && !r->id[0])
        loop_timer_arm(r->timer, 0);
}

struct job_runner *job_runner_new(struct queue_jobs *q, unsigned partition)
{
    struct job_runner *r = NEW(struct job_runner);
    r->q = q;
    r->partition = partition;
    r->timer = loop_timer_new(q->loop, runner_on_timer, r);
    loop_timer_arm(r->timer, IDLE_US);
    return r;
}

void job_runner_free(struct job_runner *r)
{
    loop_timer_free(r->timer);
    free(r);
}
