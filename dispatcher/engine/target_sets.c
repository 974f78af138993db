#include "dispatcher/engine/target_sets.h"

#include "common/net/loop.h"

#include <assert.h>

static void sweep(void *ctx)
{
    struct target_sets *s = ctx;
    for (struct target_set **at = &s->retired; *at;) {
        struct target_set *set = *at;
        if (set->in_use) {
            at = &set->next;
            continue;
        }
        *at = set->next;
        target_set_free(set);
    }
}

enum err target_sets_init(struct target_sets *s, struct loop *l, struct config *conf,
                          struct metrics *metrics, const struct http_hooks *hooks)
{
    struct target_set *now = target_set_new(l, conf, metrics, hooks);
    if (!now)
        return ERR_UNAVAIL;
    *s = (struct target_sets){.loop = l, .metrics = metrics, .hooks = hooks, .now = now};
    s->sweeper = loop_timer_new(l, sweep, s);
    return OK;
}

enum err target_sets_replace(struct target_sets *s, struct config *conf)
{
    struct target_set *now = target_set_new(s->loop, conf, s->metrics, s->hooks);
    if (!now)
        return ERR_UNAVAIL;
    s->now->next = s->retired;
    s->retired = s->now;
    s->now = now;
    loop_timer_arm(s->sweeper, 0);
    return OK;
}

struct target *target_sets_hold(struct target_sets *s, struct slice destination)
{
    struct target *t = target_set_find(s->now, destination);
    if (t)
        target_hold(t);
    return t;
}

void target_hold(struct target *t)
{
    t->set->in_use++;
}

void target_sets_release(struct target_sets *s, struct target *t)
{
    struct target_set *set = t->set;
    if (--set->in_use == 0 && set != s->now)
        loop_timer_arm(s->sweeper, 0);
}

void target_sets_clear(struct target_sets *s)
{
    target_set_free(s->now);
    s->now = NULL;
    sweep(s);
    assert(!s->retired);
    loop_timer_free(s->sweeper);
}
