#include "common/queue/queue_take.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/scripts.h"
#include "common/queue/take/take_private.h"

#include <stdlib.h>

/*
 * When the queue is asked
 *
 * The calls of one turn of the loop leave at its end, by `turn`: first the reports of sends, then results, then a
 * claim. In this order the claim finds the lanes' clocks right and the places free that the results gave back. Each
 * partition has at most one claim on its way. When the reply comes, the places of attempts that ended meanwhile are
 * claimed anew, so claims are large under load and quick without it:
 *
 *   idle    result ─▶ settle + claim ─▶ reply with 1                 each result costs two calls
 *   loaded  result, result, result ─▶ settle + claim of 3 ─▶ reply   the calls are shared
 *
 * While a call with results is on its way, further ones wait for its reply, or until they are many (take_results_wait). Else a
 * dispatcher that is faster than its destinations would make a call of each answer, just when Redis has the most to do.
 *
 * Four flags of a partition decide whether `turn` asks, and when:
 *
 *   crowded   Redis said that work only waits for a place at its destination, or for room in this dispatcher. So the next results bring a claim with them,
 *             in the same write, whatever `next_at` says
 *   again     something happened after the last claim left: a wake-up, or results while it was crowded. So ask, although
 *             the last reply said that nothing is due before `next_at`
 *   paced     all claims of the last reply had a delay. They come up to 8 ms early, so the work of 2 ms
 *   (PACED_BATCH_US) may be collected: with 500 lanes one call for each send would cost Redis several times more urgent
 *   a result of this turn had no delay: its successor waits for no clock, so nothing is collected
 *
 * If a reply brings many claims (CLAIM_MANY), the next are asked for before these are handed over. Otherwise Redis would
 * stand still while their requests are made.
 *
 * Each claim says how much room this dispatcher has for whom (collect_rooms; dispatcher/engine/shares.c has the rule). If work
 * waited for room, the end of any delivery brings a claim for its partition too (roomless).
 *
 * Prefetching: the engine says for which destinations more may be claimed than their concurrency
 * (queue_take_set_ahead, dispatcher/engine/deliver.c has the reasons). The numbers travel with each claim and Redis stores
 * none of them. So a new configuration, which begins without any, or the death of the dispatcher ends prefetching at
 * once. A prefetched delivery goes back when it has waited too long, or when its lease ends.
 */

#define CLAIM_MOST 64
#define CLAIM_MANY 32
#define CLAIM_BYTES (4 * 1024 * 1024)
#define POLL_US 1000000     /* looked at at least this often */
#define LATE_US 50000       /* a claim that waits for longer takes no room from others */
#define PACED_BATCH_US 2000 /* paced lanes: their work is collected for so long */
#define WAITS_FOR_ROOM 2    /* claim.lua's second answer */
#define CHECK_US 3000000
#define CLAIM_LEAD 5           /* values before the claims in a reply of claim.lua */
#define TWO_MASTERS_US 2000000 /* sentinels tell each other of a new master within this time */
#define ARGS_MAX ((size_t)64 * 1024 * 1024)

static void turn(void *ctx);
static void claim_on(struct part *p, size_t coming);

static void part_init(struct queue_take *q, unsigned number)
{
    struct part *p = &q->parts[number];
    p->q = q;
    p->shard = shards_at(q->shards, number);
    list_init(&p->results);
    args_init(&p->sent, ARGS_MAX);
    args_init(&p->alive, ARGS_MAX);
}

struct queue_take *queue_take_new(struct loop *l, struct shards *shards, struct config *conf,
                                  struct metrics *metrics, const struct take_handler *handler)
{
    struct queue_take *q = NEW(struct queue_take);
    q->loop = l;
    q->shards = shards;
    q->conf = config_ref(conf);
    q->metrics = metrics;
    q->handler = *handler;
    q->timer = loop_timer_new(l, turn, q);
    q->partitions = shards_count(shards);
    q->check_us = CHECK_US;
    q->parts = xcalloc(q->partitions, sizeof *q->parts);
    args_init(&q->args, ARGS_MAX);
    args_init(&q->rooms.list, ARGS_MAX);
    claim_pool_init(&q->pool);
    for (unsigned i = 0; i < q->partitions; i++)
        part_init(q, i);
    redis_script_init(&q->claim, "claim", lua_claim, lua_claim_len);
    redis_script_init(&q->sent, "sent", lua_sent, lua_sent_len);
    redis_script_init(&q->settle, "settle", lua_settle, lua_settle_len);
    redis_script_init(&q->presence, "presence", lua_presence, lua_presence_len);
    take_presence_begin(q, shards_instance(shards));
    redis_script_init(&q->limits, "limits", lua_limits, lua_limits_len);
    return q;
}

void queue_take_free(struct queue_take *q)
{
    if (!q)
        return;
    for (unsigned i = 0; i < q->partitions; i++) {
        struct part *p = &q->parts[i];
        struct claim *c;
        while ((c = claims_take(&p->results)))
            claim_free(c);
        args_clear(&p->sent);
        args_clear(&p->alive);
        map_clear(&p->ahead);
    }
    claim_pool_clear(&q->pool);
    loop_timer_free(q->timer);
    take_presence_end(q);
    args_clear(&q->args);
    args_clear(&q->rooms.list);
    config_unref(q->conf);
    free(q->parts);
    free(q);
}

/* --- turns --- */

void take_turn_soon(struct queue_take *q)
{
    if (q->turn_due)
        return;
    q->turn_due = true;
    loop_defer(q->loop, turn, q);
}

void take_note_wait(struct part *p, int64_t wait_us)
{
    mono_us now = clock_mono_us();
    p->next_at = wait_us < 0 || wait_us > POLL_US ? now + POLL_US : now + wait_us;
}

/* --- room --- */

static bool takes_room(const struct part *p, mono_us now)
{
    return p->claiming && now - p->claim_at < LATE_US;
}

/* How many deliveries a claim may ask for. COMING: claims that are not handed over yet. A claim on its way takes room from others,
 * but not until redis.timeout_ms: the claims of a silent server would stop the work of all other servers. */
static size_t wanted_now(const struct queue_take *q, size_t coming, mono_us now)
{
    size_t under_way = coming;
    for (unsigned i = 0; i < q->partitions; i++)
        if (takes_room(&q->parts[i], now))
            under_way += q->parts[i].wanted;
    size_t left = q->capacity > under_way ? q->capacity - under_way : 0;
    return left < CLAIM_MOST ? left : CLAIM_MOST;
}

/* When a claim may ask for something. Replies come before, and bring a turn. */
static mono_us room_at(const struct queue_take *q, mono_us now)
{
    mono_us first = now + LATE_US;
    if (wanted_now(q, 0, now) > 0)
        return now;
    for (unsigned i = 0; i < q->partitions; i++)
        if (takes_room(&q->parts[i], now) && q->parts[i].claim_at + LATE_US < first)
            first = q->parts[i].claim_at + LATE_US;
    return first;
}

static mono_us later(mono_us a, mono_us b)
{
    return a > b ? a : b;
}

/* When P wants its next turn, or 0. MAY_CLAIM: when there is room for its claim. */
static mono_us due_at(const struct part *p, mono_us may_claim)
{
    mono_us at = 0;
    if (!p->ready)
        return 0;
    if (!p->claiming && p->q->capacity > 0)
        at = later(later(p->again ? 0 : p->next_at, p->slot_by), may_claim);
    if (!list_is_empty(&p->results) && !take_results_wait(p) && (!at || p->settle_after < at))
        at = p->settle_after ? p->settle_after : 1;
    if (p->sent.count)
        at = p->flushed_at;
    if (!at || p->check_at < at)
        at = p->check_at;
    if (at && p->paced && at < p->flushed_at + PACED_BATCH_US)
        at = p->flushed_at + PACED_BATCH_US;
    return at;
}

static void arm_timer(struct queue_take *q)
{
    mono_us first = 0, now = clock_mono_us(), may_claim = room_at(q, now);
    for (unsigned i = 0; i < q->partitions; i++) {
        mono_us at = due_at(&q->parts[i], may_claim);
        if (at && (!first || at < first))
            first = at;
    }
    if (!first) {
        loop_timer_cancel(q->timer);
        return;
    }
    loop_timer_arm(q->timer, first > now ? first - now : 0);
}

/* --- claims --- */

static void count_requeues(struct queue_take *q, const struct redis_reply *moved)
{
    for (size_t i = 0; i + 1 < redis_count(moved); i += 2)
        metric_add(metrics_series(q->metrics, METRIC_REQUEUES, redis_text(redis_at(moved, i)),
                                  slice_make("", 0)),
                   (uint64_t)redis_int(redis_at(moved, i + 1)));
}

/* The Redis that has P now may lack the last send on D's lane. With sentinels, another dispatcher may even send by claims of
 * the old master until it hears of the new one. */
static void hold_after_change(const struct part *p, struct delivery *d)
{
    if (d->delay_ms == 0 || !p->run_since)
        return;
    bool is_sentinel = shards_mode(p->q->shards) == REDIS_SENTINEL;
    mono_us from = p->run_since + (is_sentinel ? TWO_MASTERS_US : 0) + d->delay_ms * 1000;
    if (d->send_from < from)
        d->send_from = from;
}

struct claim_times { /* of one call of claim.lua, by this process' clock */
    mono_us asked;   /* windows count from here */
    mono_us granted; /* the waits of early claims count from here */
};

static void hand_over(struct part *p, struct slice words, struct slice record,
                      const struct claim_times *at, bool has_slot)
{
    struct queue_take *q = p->q;
    struct claim *c = claim_new(&q->pool);
    c->d.partition = shard_number(p->shard);
    c->d.claimed_at = at->asked;
    c->d.send_from = at->granted;
    c->d.has_slot = has_slot;
    if (!claim_read(words, record, q->conf, &c->d)) {
        LOG_RARELY(LL_ERROR, "claim.unreadable", LSL("claim", words));
        claim_recycle(&q->pool, c); /* its lease will run out */
        return;
    }
    if (c->d.delay_ms == 0)
        p->paced = false;
    hold_after_change(p, &c->d);
    if (c->d.is_probe)
        take_log_circuit(q, "circuit.probing", &c->d, 0);
    q->handler.on_claimed(q->handler.ctx, &c->d);
}

/* When claim.lua began, as far as the times in its reply R say. Its waits count from then. */
static mono_us granted_at(struct part *p, const struct redis_reply *r, mono_us asked,
                          mono_us replied)
{
    struct slice times = redis_text(redis_at(r, 4));
    uint64_t began, took;
    if (text_u64(slice_cut(&times, ' '), INT64_MAX / 2, &began) != OK ||
        text_u64(times, (uint64_t)(replied - asked), &took) != OK)
        return replied;
    mono_us ended = server_clock_note(&p->clock, asked, (int64_t)(began + took), replied);
    return later(ended - (int64_t)took, asked);
}

static void on_claim_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct part *p = ctx;
    struct queue_take *q = p->q;
    struct claim_times at = {.asked = p->claim_at};
    mono_us replied = clock_mono_us();
    bool has_slot = p->claim_slot != 0;
    p->claiming = false;
    p->wanted = 0;
    if (rc != OK || redis_kind(r) != REDIS_LIST || redis_count(r) < CLAIM_LEAD) {
        LOG_RARELY(LL_WARN, "claim.failed", LS("reason", err_word(rc)),
                   LSL("reply", redis_text(r)));
        p->next_at = replied + REFUSED_WAIT_US;
        take_turn_soon(q);
        return;
    }
    at.granted = granted_at(p, r, at.asked, replied);
    take_note_wait(p, redis_int(redis_at(r, 0)));
    p->crowded = redis_int(redis_at(r, 1)) != 0;
    p->roomless = redis_int(redis_at(r, 1)) == WAITS_FOR_ROOM;
    count_requeues(q, redis_at(r, 2));
    take_log_notes(p, redis_at(r, 3), 0);
    if (redis_count(r) > CLAIM_LEAD) {
        p->paced = true;
        FAULT_POINT("claim_reply");
    }
    size_t count = (redis_count(r) - CLAIM_LEAD) / 2;
    LOG_EVENT(LL_DEBUG, "claim.done", LI("partition", shard_number(p->shard)),
              LI("deliveries", count), LI("us", replied - at.asked));
    for (size_t i = 0; i < count; i++) {
        hand_over(p, redis_text(redis_at(r, CLAIM_LEAD + 2 * i)),
                  redis_text(redis_at(r, CLAIM_LEAD + 1 + 2 * i)), &at, has_slot);
        if (i == 0 && count >= CLAIM_MANY)
            claim_on(p, count - 1);
    }
    take_turn_soon(q);
}

static void add_ahead(const struct part *p, struct args *a)
{
    size_t at = 0;
    struct slice name;
    void *value;
    args_add_int(a, (int64_t)map_count(&p->ahead));
    while (map_next(&p->ahead, &at, &name, &value)) {
        args_add(a, name);
        args_add_int(a, (int64_t)(uintptr_t)value);
    }
}

/* Asks the engine what the holders of P may take. */
static void collect_rooms(struct part *p, size_t want)
{
    struct queue_take *q = p->q;
    struct claim_rooms *rooms = &q->rooms;
    rooms->unlisted = rooms->common = want;
    args_reset(&rooms->list);
    if (q->handler.on_rooms)
        q->handler.on_rooms(q->handler.ctx, shard_number(p->shard), want, rooms);
}

static void add_rooms(struct args *a, struct args *list)
{
    const struct slice *words = args_slices(list);
    for (size_t i = 0; i < list->count; i++)
        args_borrow(a, words[i]);
}

static void claim_now(struct part *p, size_t want)
{
    struct queue_take *q = p->q;
    collect_rooms(p, want);
    args_reset(&q->args);
    args_add_int(&q->args, (int64_t)want);
    args_add_int(&q->args, CLAIM_BYTES);
    args_add_int(&q->args, q->conf->retention.dead_s * 1000);
    args_add_int(&q->args, q->conf->retention.dedup_s * 1000);
    args_add_int(&q->args, p->slot);
    args_add_int(&q->args, (int64_t)q->rooms.unlisted);
    args_add_int(&q->args, (int64_t)q->rooms.common);
    add_ahead(p, &q->args);
    add_rooms(&q->args, &q->rooms.list);
    p->claim_at = clock_mono_us();
    p->again = false;
    if (shard_run(p->shard, &q->claim, &q->args, on_claim_reply, p) != OK) {
        p->next_at = p->claim_at + REFUSED_WAIT_US;
        return;
    }
    p->claiming = true;
    p->wanted = want;
    p->claim_slot = p->slot;
}

/* In this order: what follows finds the lanes' clocks right and the places free. */
static void flush_part(struct part *p, mono_us now)
{
    p->urgent = false;
    p->flushed_at = now;
    take_flush_sent(p);
    take_flush_results(p, now);
}

/* Of lanes with a delay there is no more for now. */
static void claim_on(struct part *p, size_t coming)
{
    mono_us now = clock_mono_us();
    if (!p->ready || p->paced || p->limits_due)
        return;
    flush_part(p, now);
    size_t want = p->again || now >= p->next_at ? wanted_now(p->q, coming, now) : 0;
    if (want > 0)
        claim_now(p, want);
    shard_flush(p->shard);
}

/* Many paced lanes: one call for the work of two milliseconds costs Redis far less than one for each. */
static bool may_collect(const struct part *p, mono_us now)
{
    return p->paced && !p->urgent && !p->again && now < p->flushed_at + PACED_BATCH_US;
}

static void turn(void *ctx)
{
    struct queue_take *q = ctx;
    q->turn_due = false;
    mono_us now = clock_mono_us();
    for (unsigned i = 0; i < q->partitions; i++) {
        struct part *p = &q->parts[i];
        if (!p->ready || may_collect(p, now))
            continue;
        flush_part(p, now);
        size_t want = p->claiming || !(p->again || now >= p->next_at) ? 0 : wanted_now(q, 0, now);
        if (now < p->slot_by)
            want = 0;
        if (now >= p->check_at)
            take_write_limits(p, p->limits_due ? LIMITS_ALL : LIMITS_MISSING);
        else if (want > 0 && p->limits_due)
            take_write_limits(p, LIMITS_ALL);
        if (want > 0)
            claim_now(p, want);
    }
    arm_timer(q);
}

void queue_take_set_capacity(struct queue_take *q, size_t n)
{
    bool more = n > q->capacity;
    q->capacity = n;
    if (!more)
        return;
    for (unsigned i = 0; i < q->partitions; i++)
        q->parts[i].again |= q->parts[i].roomless; /* there is more room now, whose lane it was */
    take_turn_soon(q);
}

void queue_take_wake(struct queue_take *q, const struct shard *shard)
{
    q->parts[shard_number(shard)].again = true;
    take_turn_soon(q);
}

/* --- connection and configuration --- */

void queue_take_on_ready(struct queue_take *q, const struct shard *shard)
{
    struct part *p = &q->parts[shard_number(shard)];
    p->ready = true;
    p->clock = (struct server_clock){0}; /* another server may have the partition now */
    take_write_limits(p, LIMITS_ALL);
    p->settle_after = 0;
    take_presence_ready(p);
    queue_take_wake(q, shard);
}

void queue_take_on_lost(struct queue_take *q, const struct shard *shard)
{
    struct part *p = &q->parts[shard_number(shard)];
    p->ready = false;
    p->lost_at = clock_mono_us();
    take_presence_lost(p);
    args_reset(&p->sent);
    take_turn_soon(q);
}

void queue_take_stop(struct queue_take *q)
{
    for (unsigned i = 0; i < q->partitions; i++) {
        q->parts[i].ready = false;
        args_reset(&q->parts[i].sent);
    }
    loop_timer_cancel(q->timer);
    loop_timer_cancel(q->looker);
}

void queue_take_check_every(struct queue_take *q, int64_t us)
{
    q->check_us = us;
}

void queue_take_set_ahead(struct queue_take *q, struct slice destination, unsigned n)
{
    const struct destination *d = config_destination(q->conf, destination);
    if (!d)
        return;
    struct part *p = &q->parts[d->partition];
    if (n)
        map_set(&p->ahead, destination, (void *)(uintptr_t)n);
    else
        map_remove(&p->ahead, destination);
}

void queue_take_set_config(struct queue_take *q, struct config *conf)
{
    config_ref(conf);
    config_unref(q->conf);
    q->conf = conf;
    for (unsigned i = 0; i < q->partitions; i++) {
        map_clear(&q->parts[i].ahead);
        if (q->parts[i].ready)
            take_write_limits(&q->parts[i], LIMITS_ALL);
    }
}
