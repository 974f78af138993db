#include "common/net/http_deadlines.h"

#define OF(at) LIST_ITEM(at, struct deadline, link)

void deadlines_init(struct deadlines *l)
{
    for (size_t i = 0; i < DEADLINE_KINDS; i++)
        list_init(&l->kinds[i]);
}

void deadline_drop(struct deadline *d)
{
    list_remove(&d->link);
}

void deadline_set(struct deadlines *l, struct deadline *d, enum deadline_kind kind, mono_us at)
{
    struct list_link *ends = &l->kinds[kind].ends;
    deadline_drop(d);
    struct list_link *place = ends->prev;
    while (place != ends && OF(place)->at > at)
        place = place->prev;
    d->at = at;
    d->kind = kind;
    list_add_behind(place, &d->link);
}

struct deadline *deadlines_first(struct deadlines *l)
{
    struct deadline *first = NULL;
    for (size_t i = 0; i < DEADLINE_KINDS; i++) {
        struct deadline *d = LIST_FIRST(&l->kinds[i], struct deadline, link);
        if (d && (!first || d->at < first->at))
            first = d;
    }
    return first;
}
