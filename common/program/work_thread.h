/* work_thread - a thread beside the loop for work that takes long: it inflates, checks and cuts large bodies.   [edge: pthread]
 *
 * It does one piece of work at a time. The work may use nothing that the loop uses meanwhile.
 */
#ifndef COMMON_WORK_THREAD_H
#define COMMON_WORK_THREAD_H

struct loop;
struct work_thread;

typedef void (*work_fn)(void *ctx);

/* The process ends if the system has no thread for it. */
struct work_thread *work_thread_new(struct loop *l);
/* Waits for the work that is under way, whose DONE is called then. NULL is fine. */
void work_thread_free(struct work_thread *t);
/* Calls WORK in the thread, and then DONE in the loop, never before this call returns. No other work may be under way. */
void work_thread_run(struct work_thread *t, work_fn work, work_fn done, void *ctx);

#endif
