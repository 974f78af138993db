#include "receiver/ingest/chores.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"

#include <assert.h>
#include <stdlib.h>

#define ASIDE_TURN 4

struct chores { /* Owned by its ingest. */
    struct loop_timer *timer;
    chore_step step;
    void *ctx;
    struct chore ready, aside; /* rings; their links only */
    unsigned aside_count, turn;
};

static void push(struct chore *ring, struct chore *w)
{
    w->next = ring;
    w->prev = ring->prev;
    w->prev->next = ring->prev = w;
}

static void unlink_chore(struct chore *w)
{
    w->prev->next = w->next;
    w->next->prev = w->prev;
    w->prev = w->next = NULL;
}

static bool is_empty(const struct chore *ring)
{
    return ring->next == ring;
}

static struct chore *next_chore(struct chores *c)
{
    bool aside_is_due = is_empty(&c->ready) || c->turn % ASIDE_TURN == 0;
    struct chore *ring = aside_is_due && !is_empty(&c->aside) ? &c->aside : &c->ready;
    return is_empty(ring) ? NULL : ring->next;
}

static void on_turn(void *ctx)
{
    struct chores *c = ctx;
    struct chore *w = next_chore(c);
    c->turn++;
    if (!w)
        return;
    unlink_chore(w);
    push(w->is_aside ? &c->aside : &c->ready, w);
    c->step(c->ctx, w);
    if (!is_empty(&c->ready) || !is_empty(&c->aside))
        loop_timer_arm(c->timer, 0);
}

struct chores *chores_new(struct loop *l, chore_step step, void *ctx)
{
    struct chores *c = NEW(struct chores);
    c->timer = loop_timer_new(l, on_turn, c);
    c->step = step;
    c->ctx = ctx;
    c->ready.prev = c->ready.next = &c->ready;
    c->aside.prev = c->aside.next = &c->aside;
    return c;
}

void chores_free(struct chores *c)
{
    if (!c)
        return;
    assert(is_empty(&c->ready) && is_empty(&c->aside));
    loop_timer_free(c->timer);
    free(c);
}

void chores_add(struct chores *c, struct chore *chore)
{
    assert(!chore->is_queued);
    *chore = (struct chore){.is_queued = true};
    push(&c->ready, chore);
    if (!loop_timer_armed(c->timer))
        loop_timer_arm(c->timer, 0);
}

bool chores_put_aside(struct chores *c, struct chore *chore)
{
    assert(chore->is_queued);
    if (chore->is_aside)
        return true;
    if (c->aside_count == CHORES_ASIDE_MAX)
        return false;
    c->aside_count++;
    chore->is_aside = true;
    unlink_chore(chore);
    push(&c->aside, chore);
    return true;
}

void chores_remove(struct chores *c, struct chore *chore)
{
    if (!chore->is_queued)
        return;
    unlink_chore(chore);
    c->aside_count -= chore->is_aside;
    *chore = (struct chore){0};
}
