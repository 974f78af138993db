#include "dispatcher/engine/flight.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"
#include "common/queue/queue_take.h"

#include <assert.h>
#include <stdlib.h>

#define SPARE_MAX 512

static size_t bytes_of(const struct delivery *d)
{
    return d->record.len + d->scratch.len;
}

static struct flight *take_spare(struct flights *l)
{
    struct flight *f = l->spare;
    if (f) {
        l->spare = f->next;
        l->spare_count--;
        return f;
    }
    f = NEW(struct flight);
    request_init(&f->request);
    return f;
}

struct flight *flight_begin(struct flights *l, struct delivery *d)
{
    struct flight *f = take_spare(l);
    f->delivery = d;
    f->target = NULL;
    f->call = NULL;
    f->fetch = NULL;
    f->was_sent = f->is_running = f->is_waiting = false;
    f->wait_ms = 0;
    f->fetched = 0;
    f->prev = NULL;
    f->next = l->first;
    if (f->next)
        f->next->prev = f;
    l->first = f;
    l->count++;
    l->bytes += bytes_of(d);
    d->ctx = f;
    return f;
}

static void destroy(struct flight *f)
{
    loop_timer_free(f->hold);
    request_clear(&f->request);
    free(f);
}

void flight_fetched(struct flights *l, struct flight *f, size_t bytes)
{
    f->fetched += bytes;
    l->bytes += bytes;
}

struct delivery *flight_leave(struct flights *l, struct flight *f)
{
    struct delivery *d = f->delivery;
    if (f->prev)
        f->prev->next = f->next;
    else
        l->first = f->next;
    if (f->next)
        f->next->prev = f->prev;
    l->count--;
    l->bytes -= bytes_of(d) + f->fetched;
    d->ctx = NULL;
    f->delivery = NULL;
    return d;
}

void flight_end(struct flights *l, struct flight *f)
{
    if (l->spare_count >= SPARE_MAX) {
        destroy(f);
        return;
    }
    request_reset(&f->request);
    f->next = l->spare;
    l->spare = f;
    l->spare_count++;
}

void flights_clear(struct flights *l)
{
    assert(!l->first);
    while (l->spare) {
        struct flight *f = l->spare;
        l->spare = f->next;
        destroy(f);
    }
    l->spare_count = 0;
}

void turns_init(struct turns *t)
{
    t->first = NULL;
    t->last = &t->first;
}

void turns_add(struct turns *t, struct flight *f)
{
    f->behind = NULL;
    f->is_waiting = true;
    *t->last = f;
    t->last = &f->behind;
}

struct flight *turns_take(struct turns *t, struct flight *f)
{
    struct flight **at = &t->first;
    while (f && *at && *at != f)
        at = &(*at)->behind;
    f = *at;
    if (!f)
        return NULL;
    *at = f->behind;
    if (!*at)
        t->last = at;
    f->is_waiting = false;
    return f;
}
