/* api_thread - a thread beside the loop for work that takes long: it inflates, checks and cuts large bodies.   [edge: pthread]
 *
 * It does one piece of work at a time. The work may use nothing that the loop uses meanwhile.
 */
#ifndef RECEIVER_API_THREAD_H
#define RECEIVER_API_THREAD_H

struct loop;
struct api_thread;

typedef void (*api_work)(void *ctx);

/* The process ends if the system has no thread for it. */
struct api_thread *api_thread_new(struct loop *l);
/* Waits for the work that is under way, whose DONE is called then. NULL is fine. */
void api_thread_free(struct api_thread *t);
/* Calls WORK in the thread, and then DONE in the loop, never before this call returns. No other work may be under way. */
void api_thread_run(struct api_thread *t, api_work work, api_work done, void *ctx);

#endif
