#include "receiver/ingest/slow_work.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"

#include <assert.h>
#include <stdlib.h>

#define ASIDE_TURN 4

struct slow_work { /* Owned by its ingest. */
    struct loop_timer *timer;
    slow_step step;
    void *ctx;
    struct list ready, aside;
    unsigned aside_count, turn;
};

static struct list_link *next_item(struct slow_work *s)
{
    bool aside_is_due = list_is_empty(&s->ready) || s->turn % ASIDE_TURN == 0;
    return list_first(aside_is_due && !list_is_empty(&s->aside) ? &s->aside : &s->ready);
}

static void slow_work_turn(void *ctx)
{
    struct slow_work *s = ctx;
    struct slow_item *item = LIST_ITEM_OR_NULL(next_item(s), struct slow_item, link);
    s->turn++;
    if (!item)
        return;
    list_remove(&item->link);
    list_add_last(item->is_aside ? &s->aside : &s->ready, &item->link);
    s->step(s->ctx, item);
    if (!list_is_empty(&s->ready) || !list_is_empty(&s->aside))
        loop_timer_arm(s->timer, 0);
}

struct slow_work *slow_work_new(struct loop *l, slow_step step, void *ctx)
{
    struct slow_work *s = NEW(struct slow_work);
    s->timer = loop_timer_new(l, slow_work_turn, s);
    s->step = step;
    s->ctx = ctx;
    list_init(&s->ready);
    list_init(&s->aside);
    return s;
}

void slow_work_free(struct slow_work *s)
{
    if (!s)
        return;
    assert(list_is_empty(&s->ready) && list_is_empty(&s->aside));
    loop_timer_free(s->timer);
    free(s);
}

void slow_work_add(struct slow_work *s, struct slow_item *item)
{
    item->is_aside = false;
    list_add_last(&s->ready, &item->link);
    if (!loop_timer_armed(s->timer))
        loop_timer_arm(s->timer, 0);
}

bool slow_work_set_aside(struct slow_work *s, struct slow_item *item)
{
    assert(slow_work_has(item));
    if (item->is_aside)
        return true;
    if (s->aside_count == SLOW_ASIDE_MAX)
        return false;
    s->aside_count++;
    item->is_aside = true;
    list_remove(&item->link);
    list_add_last(&s->aside, &item->link);
    return true;
}

void slow_work_remove(struct slow_work *s, struct slow_item *item)
{
    if (!slow_work_has(item))
        return;
    list_remove(&item->link);
    s->aside_count -= item->is_aside;
    item->is_aside = false;
}
