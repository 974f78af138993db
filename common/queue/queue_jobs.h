/* queue_jobs - jobs, which resend or drop everything that fits a filter, in small steps.   [on common/queue/shard]
 *
 * A job is kept in Redis, in each partition with its own progress (common/queue/lua/lib_sweep.lua). Every program that has a
 * queue_jobs goes on with the jobs that nobody works on: so a job survives the program that began it. Between two steps it waits
 * three times as long as a step took, so that Redis has time for others.
 */
#ifndef COMMON_QUEUE_QUEUE_JOBS_H
#define COMMON_QUEUE_QUEUE_JOBS_H

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/queue/partition_set.h"
#include "common/webhook/ids.h"

struct config;
struct loop;
struct queue_jobs;
struct shards;

enum job_verb { JOB_RESEND, JOB_DROP };
const char *job_verb_word(enum job_verb verb);

struct job_order { /* what a job is to do; an empty text: any */
    enum job_verb verb;
    struct slice state, destination, source, lane;
    wall_ms since, until;       /* when the event was accepted, inclusive */
    struct slice account, peer; /* who asks */
};

struct job_view { /* slices borrowed for the callback */
    struct slice id, verb, state, destination, source, lane, account;
    wall_ms since, until, started_at, ended_at; /* ended_at 0: it runs */
    /* running, done or cancelled; or unknown: a partition that may have work of the job does not answer */
    const char *progress;
    int64_t done, failed, total; /* TOTAL is an estimate while the job runs */
};

/* SHARDS is borrowed. Free it before the queue_jobs. CONF is referenced. Goes on with jobs from now on. */
struct queue_jobs *queue_jobs_new(struct loop *l, struct shards *shards, struct config *conf);
void queue_jobs_free(struct queue_jobs *q); /* NULL is fine */
void queue_jobs_set_config(struct queue_jobs *q, struct config *conf);

/* FN exactly once, never before the call returns. RESULT: 1; 0 if it cannot be (begin: too many jobs; cancel: it is over); -1: there
 * is no such job. RC != OK: Redis did not answer; nobody knows whether it took effect. */
typedef void (*job_fn)(void *ctx, enum err rc, int64_t result);
/* Begins a job, whose id goes into ID. If a partition that may have work of it is not ready, it begins nowhere, and the call
 * fails. */
void queue_jobs_begin(struct queue_jobs *q, const struct job_order *order, char id[UUID_LEN + 1],
                      job_fn fn, void *ctx);
/* After an error the partitions that have answered have cancelled it. */
void queue_jobs_cancel(struct queue_jobs *q, struct slice id, job_fn fn, void *ctx);

/* FN exactly once, never before the call returns. MISSING: these partitions did not answer, and their part of each job is not
 * counted. */
typedef void (*jobs_fn)(void *ctx, enum err rc, const struct job_view *list, size_t count,
                        const struct partition_set *missing);
/* The job ID; or, if it is empty, the newest jobs, up to MOST (at most 100), newest first. */
void queue_jobs_list(struct queue_jobs *q, struct slice id, size_t most, jobs_fn fn, void *ctx);

#endif
