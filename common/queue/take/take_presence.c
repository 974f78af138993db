/* The dispatcher's part of presence.lua, which explains how to tell a dispatcher that is gone from a dispatcher that is
 * only silent.
 *
 * Once a second each partition is asked which dispatchers are absent, five times a second while one is. The answer has
 * this dispatcher's slot too, which its claims carry. Claims begin when the slot is known, or after SLOT_WAIT_US without:
 * a claim without a slot comes back only when its lease ends.
 *
 * If the own lifeline is lost for longer than LOST_US, others may soon take this dispatcher's claims back. A request
 * that has not left by then does not leave any more (take_was_taken). */
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/queue/take/beacon.h"
#include "common/queue/take/take_private.h"

#include <stdio.h>

#define LOOK_US 900000
#define LOOK_AGAIN_US 200000 /* while a dispatcher is absent */
#define SLOT_WAIT_US 500000
#define SLOT_AGAIN_US 50000 /* until the slot is known, while claims wait for it */
#define LOST_US 1000000     /* under GONE_MS of presence.lua */
#define ABSENCE_S 3    /* no partition has called a dispatcher absent for so long: it is back */
#define ABSENT_MAX 200 /* then those who are back are forgotten */
#define INSTANCE_MAX 200

static void look_by(struct part *p, mono_us at)
{
    struct queue_take *q = p->q;
    p->look_at = at;
    mono_us now = clock_mono_us();
    mono_us first = at;
    for (unsigned i = 0; i < q->partitions; i++)
        if (q->parts[i].ready && q->parts[i].look_at < first)
            first = q->parts[i].look_at;
    loop_timer_arm(q->looker, first > now ? first - now : 0);
}

static void forget_absences(struct queue_take *q, uintptr_t now_s)
{
    size_t at = 0;
    struct slice key;
    void *seen;
    if (map_count(&q->absent) <= ABSENT_MAX)
        return;
    while (map_next(&q->absent, &at, &key, &seen))
        if (now_s - (uintptr_t)seen > ABSENCE_S)
            map_remove(&q->absent, key);
}

/* Is this the first that the log hears of the absence? Each partition says so, several times a second. */
static bool is_news(struct queue_take *q, struct slice instance, bool is_alive)
{
    char key[INSTANCE_MAX];
    int n = snprintf(key, sizeof key, "%s %.*s", is_alive ? "alive" : "gone",
                     SLICE_FMT(slice_head(instance, INSTANCE_MAX - 8)));
    uintptr_t now_s = (uintptr_t)(clock_mono_us() / 1000000) + 1;
    forget_absences(q, now_s);
    uintptr_t seen = (uintptr_t)map_set(&q->absent, slice_make(key, (size_t)n), (void *)now_s);
    return seen == 0 || now_s - seen > ABSENCE_S;
}

/* Notes which of the absent dispatchers are alive on this machine, for the next look. */
static void note_alive(struct part *p, const struct redis_reply *r)
{
    args_reset(&p->alive);
    for (size_t i = 2; i < redis_count(r); i++) {
        struct slice instance = redis_text(redis_at(r, i));
        bool is_alive = beacon_answers(instance);
        if (is_alive)
            args_add(&p->alive, instance);
        if (is_news(p->q, instance, is_alive))
            LOG_RARELY(LL_WARN, "dispatcher.absent", LSL("dispatcher", instance),
                       LS("alive_here", is_alive ? "yes" : "no"));
    }
}

static void on_look_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct part *p = ctx;
    p->looking = false;
    if (!p->ready)
        return;
    mono_us now = clock_mono_us();
    if (rc != OK || redis_kind(r) != REDIS_LIST || redis_count(r) < 2) {
        LOG_RARELY(LL_WARN, "presence.failed", LS("reason", err_word(rc)),
                   LSL("reply", redis_text(r)));
        p->slot = 0;
        look_by(p, now + LOOK_US);
        return;
    }
    p->slot = p->lifeline_up ? (unsigned)redis_int(redis_at(r, 0)) : 0;
    note_alive(p, r);
    if (p->slot)
        p->slot_by = 0;
    else if (p->lifeline_up && now - p->lifeline_at > LOST_US)
        shard_renew_lifeline(p->shard);
    bool is_urgent = p->slot_by > now;
    look_by(p, now + (is_urgent ? SLOT_AGAIN_US : redis_count(r) > 2 ? LOOK_AGAIN_US : LOOK_US));
    take_turn_soon(p->q);
}

static void look(struct part *p)
{
    struct queue_take *q = p->q;
    struct args *a = &q->args;
    args_reset(a);
    args_add_int(a, q->conf->retention.dead_s * 1000);
    args_add_int(a, q->conf->retention.dedup_s * 1000);
    args_add(a, slice_str(shard_run_of_redis(p->shard)));
    args_add(a, slice_str(q->instance));
    const struct slice *alive = args_slices(&p->alive);
    for (size_t i = 0; i < p->alive.count; i++)
        args_borrow(a, alive[i]);
    p->looking = shard_run(p->shard, &q->presence, a, on_look_reply, p) == OK;
}

static void look_if_due(void *ctx)
{
    struct queue_take *q = ctx;
    mono_us now = clock_mono_us();
    for (unsigned i = 0; i < q->partitions; i++) {
        struct part *p = &q->parts[i];
        if (!p->ready || p->look_at > now || *shard_run_of_redis(p->shard) == '\0')
            continue;
        if (!p->looking)
            look(p);
        look_by(p, now + LOOK_US);
    }
}

void take_presence_begin(struct queue_take *q, const char *instance)
{
    q->instance = instance;
    map_init(&q->absent);
    q->beacon = instance ? beacon_open(slice_str(instance)) : -1;
    q->looker = loop_timer_new(q->loop, look_if_due, q);
}

void take_presence_end(struct queue_take *q)
{
    loop_timer_free(q->looker);
    map_clear(&q->absent);
    beacon_close(q->beacon);
}

void take_presence_ready(struct part *p)
{
    if (!p->q->instance || *shard_run_of_redis(p->shard) == '\0')
        return; /* Redis does not say which run it is: leases alone */
    mono_us now = clock_mono_us();
    p->slot_by = now + SLOT_WAIT_US;
    p->looking = false;
    look_by(p, now);
}

void take_presence_lost(struct part *p)
{
    p->slot = 0;
    p->slot_by = 0;
}

void queue_take_on_lifeline(struct queue_take *q, const struct shard *shard, bool is_up)
{
    struct part *p = &q->parts[shard_number(shard)];
    mono_us now = clock_mono_us();
    if (is_up == p->lifeline_up)
        return;
    if (is_up && p->lifeline_at && now - p->lifeline_at > LOST_US)
        p->taken_before = now;
    p->lifeline_up = is_up;
    p->lifeline_at = now;
    if (!is_up)
        p->slot = 0;
    else if (p->ready)
        look_by(p, now);
}

bool queue_take_was_taken(const struct queue_take *q, const struct delivery *d, mono_us now)
{
    const struct part *p = &q->parts[d->partition];
    /* Perhaps another Redis has the queue now, which knows nothing of the claim, and the lane is free there. */
    if (d->report_sent && d->claimed_at <= p->lost_at)
        return true;
    return d->has_slot &&
           (d->claimed_at < p->taken_before || (!p->lifeline_up && now - p->lifeline_at > LOST_US));
}
