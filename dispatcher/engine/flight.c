#include "dispatcher/engine/flight.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"
#include "common/queue/queue_take.h"
#include "dispatcher/engine/stamped.h"

#include <assert.h>
#include <stdlib.h>

#define SPARE_MAX 512

void flights_init(struct flights *l)
{
    *l = (struct flights){0};
    list_init(&l->list);
    pool_init(&l->spare, SPARE_MAX);
}

static void flight_free(struct flight *f)
{
    loop_timer_free(f->hold);
    request_clear(&f->request);
    free(f);
}

void flights_clear(struct flights *l)
{
    assert(list_is_empty(&l->list));
    for (struct flight *f; (f = POOL_TAKE(&l->spare, struct flight, link));)
        flight_free(f);
}

struct flight *flight_begin(struct flights *l, struct delivery *d)
{
    struct flight *f = POOL_TAKE(&l->spare, struct flight, link);
    if (!f) {
        f = NEW(struct flight);
        request_init(&f->request);
    }
    f->delivery = d;
    f->target = NULL;
    f->holder = NULL;
    f->attempt = NULL;
    f->fetch = NULL;
    f->stamped = NULL;
    f->state = FLIGHT_CLAIMED;
    f->wait_ms = 0;
    f->held = f->made = 0;
    f->is_large = false;
    list_add_first(&l->list, &f->link);
    l->count++;
    return f;
}

struct delivery *flight_leave(struct flights *l, struct flight *f)
{
    struct delivery *d = f->delivery;
    list_remove(&f->link);
    l->count--;
    f->delivery = NULL;
    return d;
}

void flight_end(struct flights *l, struct flight *f)
{
    request_reset(&f->request);
    stamped_free(f->stamped);
    f->stamped = NULL;
    if (!pool_put(&l->spare, &f->link))
        flight_free(f);
}
