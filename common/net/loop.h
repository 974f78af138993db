/* loop - one event loop: timers, signals, deferred calls, calls from other threads, stopping.
 * [edge: libevent]
 *
 * Only common/net and the adapters in common/redis and dispatcher/transport/http_sockets.c see libevent itself
 * (through loop_base). Callbacks of one loop never run at the same time.
 */
#ifndef COMMON_NET_LOOP_H
#define COMMON_NET_LOOP_H

#include "common/base/clock.h"
#include "common/base/err.h"

struct event_base;
struct loop;
struct loop_timer;

typedef void (*loop_fn)(void *ctx);
typedef void (*loop_signal_fn)(void *ctx, int signo);

/* Timers are precise (timerfd where there is one) and never early: pacing depends on it. The first
 * loop makes the process ignore SIGPIPE. Owned by the caller. */
struct loop *loop_new(void);
/* Runs what is still deferred or posted, then frees; NULL is fine. */
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);
/* Runs until loop_stop. Functions that are deferred or posted by then still run before it returns. */
void loop_run(struct loop *l);
/* Ends the turn that is running, or the first one to come. From any thread and from callbacks. */
void loop_stop(struct loop *l);

/* A timer that is not armed. Free it before its loop; freeing it in its own callback is fine. */
struct loop_timer *loop_timer_new(struct loop *l, loop_fn fn, void *ctx);
void loop_timer_free(struct loop_timer *t); /* NULL is fine; never fires afterwards */
/* Fires once after US microseconds (0: in the next turn); re-arming replaces. */
void loop_timer_arm(struct loop_timer *t, int64_t us);
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);

/* Runs FN once, after what is already due in this turn (from a deferred call: in the next turn),
 * never before this call returns; calls keep their order. It cannot be taken back: CTX must live
 * until then. */
void loop_defer(struct loop *l, loop_fn fn, void *ctx);
/* The same from any thread. */
void loop_post(struct loop *l, loop_fn fn, void *ctx);

/* Calls FN in the loop for each of SIGNO. One handler per signal and process. */
void loop_on_signal(struct loop *l, int signo, loop_signal_fn fn, void *ctx);

#endif
