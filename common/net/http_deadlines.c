#include "common/net/http_deadlines.h"

void deadlines_init(struct deadlines *l)
{
    for (size_t i = 0; i < DEADLINE_KINDS; i++)
        l->ends[i].prev = l->ends[i].next = &l->ends[i];
}

void deadline_drop(struct deadline *d)
{
    if (!d->next)
        return;
    d->prev->next = d->next;
    d->next->prev = d->prev;
    d->prev = d->next = NULL;
}

void deadline_set(struct deadlines *l, struct deadline *d, enum deadline_kind kind, mono_us at)
{
    deadline_drop(d);
    struct deadline *end = &l->ends[kind];
    struct deadline *after = end->prev;
    while (after != end && after->at > at)
        after = after->prev;
    d->at = at;
    d->kind = kind;
    d->prev = after;
    d->next = after->next;
    after->next->prev = d;
    after->next = d;
}

struct deadline *deadlines_first(struct deadlines *l)
{
    struct deadline *first = NULL;
    for (size_t i = 0; i < DEADLINE_KINDS; i++) {
        struct deadline *d = l->ends[i].next;
        if (d != &l->ends[i] && (!first || d->at < first->at))
            first = d;
    }
    return first;
}
