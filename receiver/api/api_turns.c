#include "receiver/api/api_turns.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct api_turns { /* owned by the API */
    struct loop_timer *timer;
    struct list waiting, running;
    unsigned most, count; /* COUNT run */
    char *last;           /* account of the last one that began */
};

static bool has_turn(const struct api_turns *t, const char *account)
{
    LIST_EACH (at, &t->running) {
        const struct api_turn *turn = LIST_ITEM(at, struct api_turn, link);
        if (strcmp(turn->account, account) == 0)
            return true;
    }
    return false;
}

static struct api_turn *next_turn(const struct api_turns *t)
{
    struct api_turn *first = NULL;
    if (t->count == t->most)
        return NULL;
    LIST_EACH (at, &t->waiting) {
        struct api_turn *turn = LIST_ITEM(at, struct api_turn, link);
        if (has_turn(t, turn->account))
            continue;
        if (!t->last || strcmp(turn->account, t->last) != 0)
            return turn;
        if (!first)
            first = turn;
    }
    return first;
}

static void begin(struct api_turns *t, struct api_turn *turn)
{
    list_remove(&turn->link);
    list_add_last(&t->running, &turn->link);
    turn->is_running = true;
    t->count++;
    free(t->last);
    t->last = xstrdup(turn->account);
    turn->go(turn);
}

static void begin_next(void *ctx)
{
    struct api_turns *t = ctx;
    struct api_turn *turn = next_turn(t);
    if (!turn)
        return;
    loop_timer_arm(t->timer, 0); /* for one more */
    begin(t, turn);
}

struct api_turns *api_turns_new(struct loop *l, unsigned most)
{
    struct api_turns *t = NEW(struct api_turns);
    t->timer = loop_timer_new(l, begin_next, t);
    t->most = most;
    list_init(&t->waiting);
    list_init(&t->running);
    return t;
}

void api_turns_free(struct api_turns *t)
{
    if (!t)
        return;
    assert(list_is_empty(&t->waiting) && list_is_empty(&t->running));
    loop_timer_free(t->timer);
    free(t->last);
    free(t);
}

void api_turns_ask(struct api_turns *t, struct api_turn *turn)
{
    list_add_last(&t->waiting, &turn->link);
    if (t->count < t->most && !has_turn(t, turn->account))
        begin(t, turn);
}

void api_turns_end(struct api_turns *t, struct api_turn *turn)
{
    if (!list_is_linked(&turn->link))
        return;
    list_remove(&turn->link);
    t->count -= turn->is_running;
    turn->is_running = false;
    if (!list_is_empty(&t->waiting))
        loop_timer_arm(t->timer, 0);
}

struct api_turn *api_turns_waiting(const struct api_turns *t)
{
    return LIST_ITEM_OR_NULL(list_first(&t->waiting), struct api_turn, link);
}
