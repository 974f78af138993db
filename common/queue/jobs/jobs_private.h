/* jobs_private - what the files of queue_jobs share.   [wiring] */
#ifndef COMMON_QUEUE_JOBS_PRIVATE_H
#define COMMON_QUEUE_JOBS_PRIVATE_H

#include "common/queue/queue_jobs.h"
#include "common/queue/shards_call.h"

struct job_runner; /* works on the jobs of one partition */

struct queue_jobs {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    struct redis_script job, jobs, sweep_resend, sweep_drop;
    char name[UUID_LEN + 1];     /* by which others see who has a job */
    struct job_runner **runners; /* one a partition */
    unsigned partitions;
};

/* The lane on which all deliveries are that fit LANE and DESTINATION; empty if they may be on several. */
struct slice jobs_lane(const struct queue_jobs *q, struct slice lane, struct slice destination);
struct job_runner *job_runner_new(struct queue_jobs *q, unsigned partition);
void job_runner_free(struct job_runner *r);
/* There may be a new job. */
void job_runner_wake(struct job_runner *r);

#endif
