/* target_sets - the targets of the configuration in force, and of those it replaced.   [wiring]
 *
 * What a reload replaced stays until the last attempt under it is over.
 */
#ifndef DISPATCHER_TARGET_SETS_H
#define DISPATCHER_TARGET_SETS_H

#include "dispatcher/engine/targets.h"

struct target_sets { /* target_sets_init, target_sets_clear. */
    struct loop *loop;
    struct metrics *metrics;
    const struct http_hooks *hooks;
    struct target_set *now;
    struct target_set *retired;
    struct loop_timer *sweeper; /* frees retired sets outside of their callbacks */
};

/* METRICS and HOOKS are borrowed, CONF is referenced. ERR_UNAVAIL if the HTTP library cannot start. */
enum err target_sets_init(struct target_sets *s, struct loop *l, struct config *conf,
                          struct metrics *metrics, const struct http_hooks *hooks) MUST_CHECK;
/* Targets that are held from now on follow CONF. On error (as above) the old ones stay in force. */
enum err target_sets_replace(struct target_sets *s, struct config *conf) MUST_CHECK;
/* The target of a destination now, which stays until it is released; NULL if it is not configured. */
struct target *target_sets_hold(struct target_sets *s, struct slice destination);
/* Holds T once more. */
void target_hold(struct target *t);
void target_sets_release(struct target_sets *s, struct target *t);
/* Nothing may be held. */
void target_sets_clear(struct target_sets *s);

#endif
