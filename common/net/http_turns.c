#include "common/net/http_turns.h"

#include "common/net/loop.h"

#define LINE_AT(at) LIST_ITEM(at, struct turn_line, link)

/* The first of LINE go on, as many as a turn allows. */
static void go_on(struct turns *t, struct turn_line *line)
{
    struct list_link *first;
    line->used = 0;
    line->turn = t->turn;
    while (line->used < LINE_STEPS && (first = list_take_first(&line->waiting)))
        t->go_on(first);
}

static void on_turn(void *ctx)
{
    struct turns *t = ctx;
    t->turn++;
    t->is_going_on = true;
    for (size_t left = t->active_count; left > 0; left--) {
        struct turn_line *line = LINE_AT(list_take_first(&t->active));
        t->active_count--;
        go_on(t, line);
        if (!list_is_empty(&line->waiting) && !list_is_linked(&line->link)) {
            list_add_last(&t->active, &line->link);
            t->active_count++;
        }
    }
    t->is_going_on = false;
    if (t->active_count > 0)
        loop_timer_arm(t->timer, 0);
}

void turns_init(struct turns *t, struct loop *l, void (*go_on_fn)(struct list_link *waiting))
{
    for (size_t i = 0; i < PEERS_SLOTS; i++)
        list_init(&t->lines[i].waiting);
    list_init(&t->active);
    t->timer = loop_timer_new(l, on_turn, t);
    t->go_on = go_on_fn;
}

void turns_clear(struct turns *t)
{
    loop_timer_free(t->timer);
}

bool turns_take(struct turns *t, unsigned slot)
{
    struct turn_line *line = &t->lines[slot];
    if (line->turn != t->turn) {
        line->turn = t->turn;
        line->used = 0;
    }
    if (line->used >= (t->is_going_on ? LINE_STEPS : TURN_STEPS) ||
        (!t->is_going_on && !list_is_empty(&line->waiting)))
        return false;
    line->used++;
    return true;
}

void turns_wait(struct turns *t, unsigned slot, struct list_link *waiting)
{
    struct turn_line *line = &t->lines[slot];
    list_add_last(&line->waiting, waiting);
    if (!list_is_linked(&line->link)) {
        list_add_last(&t->active, &line->link);
        t->active_count++;
    }
    if (!loop_timer_armed(t->timer))
        loop_timer_arm(t->timer, 0);
}

bool turns_are_waited_for(const struct turns *t, unsigned slot)
{
    return !list_is_empty(&t->lines[slot].waiting);
}
