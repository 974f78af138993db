#include "common/program/work_thread.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/net/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
    struct work_thread *thread; /* NULL: it was freed, and DONE was called */
    work_fn work, done;
    void *ctx;
};

struct work_thread { /* owned by whoever made it */
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `next` and `stop` */
    pthread_cond_t changed;
    struct job *next;    /* not begun */
    struct job *current; /* of the loop: DONE was not called yet */
    bool stop;
};

/* In the loop. */
static void job_on_done(void *ctx)
{
    struct job job = *(struct job *)ctx;
    free(ctx);
    if (!job.thread)
        return;
    job.thread->current = NULL;
    job.done(job.ctx);
}

static struct job *wait_job(struct work_thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->next && !t->stop)
        pthread_cond_wait(&t->changed, &t->lock);
    struct job *job = t->next;
    t->next = NULL;
    pthread_mutex_unlock(&t->lock);
    return job;
}

static void *thread_run(void *ctx)
{
    struct work_thread *t = ctx;
    for (struct job *job; (job = wait_job(t));) {
        job->work(job->ctx);
        loop_post(t->loop, job_on_done, job);
    }
    return NULL;
}

/* Signals are the main thread's. */
static int thread_start(struct work_thread *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&t->thread, NULL, thread_run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

struct work_thread *work_thread_new(struct loop *l)
{
    struct work_thread *t = NEW(struct work_thread);
    t->loop = l;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    if (thread_start(t) != 0) {
        LOG(LL_ERROR, "thread.failed", LS("reason", "the system has no thread for long work"));
        abort();
    }
    return t;
}

void work_thread_free(struct work_thread *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    if (t->current) { /* posted, but the loop has not come to it */
        struct job job = *t->current;
        t->current->thread = NULL;
        job.done(job.ctx);
    }
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
    free(t);
}

void work_thread_run(struct work_thread *t, work_fn work, work_fn done, void *ctx)
{
    assert(!t->current);
    struct job *job = NEW(struct job);
    *job = (struct job){t, work, done, ctx};
    t->current = job;
    pthread_mutex_lock(&t->lock);
    t->next = job;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}
