#include "common/redis/redis_confirm.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/redis/redis_private.h"
#include "common/redis/redis_refusal.h"
#include "common/redis/redis_sentinel_private.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

/* Answers that wait for replicas (`redis.wait_replicas`)
 *
 * A master that dies takes with it what its replicas have not got yet. The command WAIT says how many replicas have what
 * its own connection wrote before. So the answer of a call is held back until a WAIT behind the call was answered:
 *
 *   turn 1   put put SET WAIT ─▶ Redis: put, put, SET, then the connection stands still until the replicas have it
 *   turn 2   put              ─▶ waits in Redis' input
 *   replies  put put SET                                            the two answers are held
 *            WAIT: 1          ─▶ the two answers go to the callers
 *            put              held; now SET WAIT is sent for it
 *
 * - One WAIT is on its way at a time, for all calls before it. So a slow replica costs throughput nothing, and a missing
 *   one holds the connection up for WAIT_PART of timeout_ms, then for as long again, and not for longer.
 * - SET writes a key of no use. A call that finds a repeat writes nothing, and for a connection that wrote nothing WAIT
 *   returns at once, although the first event may be on no replica. The replicas get one stream of writes, so whoever
 *   has the SET has everything before it.
 * - Answers come in the order of the commands. So the calls whose answers are held when WAIT is answered ran before its
 *   SET. A call that is sent again (NOSCRIPT) comes behind the WAIT, and gets another WAIT.
 * - In a cluster the slot of the key may move to another server, and SET is refused. The answers stay held, and the next
 *   SET writes the key of a held call of another slot. Any key of this server will do, because its replicas get one stream.
 * - Too few replicas in time: the callers get ERR_TIMEOUT, as if the connection had been lost. The calls took effect here.
 * - From then on calls are refused (ERR_UNAVAIL), but for one at a time, whose WAIT asks whether the replicas are back.
 *   So there are few writes that nobody acknowledges, and other commands of the connection are not held up.
 * - A sentinel moves the master to another server: the held calls get ERR_TIMEOUT, and all calls are refused. A replica that
 *   the move has not reached yet would confirm them, but the new master lacks them (redis_failovers.c has the timeline). */

#define WAIT_PART 2
#define KEY_BYTES 1024
#define KEY_LIFE "60" /* s */
#define MOVES_MAX 3   /* keys that are tried, if their slots move */

struct held { /* an answer; owned by its connection */
    struct list_link link;
    redis_fn fn;
    void *ctx;
    struct slice key; /* redis_call.confirm_key */
    struct redis_reply *reply;
};

void redis_confirm_init(struct redis_confirm *c)
{
    *c = (struct redis_confirm){0};
    list_init(&c->held);
    buf_init(&c->key, KEY_BYTES);
    buf_init(&c->refused, KEY_BYTES);
}

void redis_confirm_clear(struct redis_confirm *c)
{
    buf_clear(&c->key);
    buf_clear(&c->refused);
}

bool redis_is_leaving(const struct redis *r)
{
    return r->sentinels && redis_sentinels_are_moving(r->sentinels);
}

bool redis_confirm_admits(const struct redis *r)
{
    const struct redis_confirm *c = &r->confirm;
    return !redis_is_leaving(r) && (!c->is_behind || (!c->is_due && !c->is_asking));
}

void redis_confirm_note(struct redis *r, struct slice key)
{
    struct redis_confirm *c = &r->confirm;
    bool is_worse = c->is_due && slice_eq(key, buf_slice(&c->refused));
    if (!is_worse) {
        buf_reset(&c->key);
        buf_add_slice(&c->key, key);
    }
    c->is_due = true;
    redis_write_soon(r);
}

/* Ends what is held. A callback may free R: its memory stays until the loop's next turn. */
static void answer_all(struct redis *r, enum err rc)
{
    struct held *h;
    while ((h = LIST_TAKE_FIRST(&r->confirm.held, struct held, link))) {
        if (h->fn)
            h->fn(h->ctx, rc, rc == OK ? h->reply : NULL);
        freeReplyObject(h->reply);
        free(h);
    }
}

static void tell(struct redis *r, bool is_enough, const struct redis_reply *reply)
{
    struct redis_confirm *c = &r->confirm;
    if (!is_enough)
        LOG_RARELY(LL_WARN, "redis.unconfirmed", LS("url", r->conf.shown),
                   LI("wanted", r->conf.wait_replicas), LI("replicas", redis_int(reply)),
                   LSL("reply", redis_text(reply)));
    else if (c->is_behind)
        LOG_RARELY(LL_INFO, "redis.confirmed_again", LS("url", r->conf.shown),
                   LI("replicas", redis_int(reply)));
    c->is_behind = !is_enough;
}

/* The slot of the key that was written moves. */
static void write_another(struct redis *r)
{
    struct redis_confirm *c = &r->confirm;
    struct slice refused = buf_slice(&c->refused), key = SLICE_LIT("");
    c->has_moved = false;
    bool has_other = c->is_due && !slice_eq(buf_slice(&c->key), refused);
    LIST_EACH (link, &c->held) {
        const struct held *h = LIST_ITEM(link, struct held, link);
        if (!slice_eq(h->key, refused))
            key = h->key;
    }
    if ((has_other || key.len) && c->moves++ < MOVES_MAX) {
        redis_confirm_note(r, has_other ? refused : key); /* REFUSED changes nothing then */
        return;
    }
    c->moves = 0;
    if (c->is_due)
        redis_write_soon(r);
    answer_all(r, ERR_TIMEOUT);
}

/* As redis_is_leaving, with what the sentinels have published by now: this program may have slept since. */
static bool leaves_by_now(struct redis *r)
{
    if (r->sentinels)
        redis_sentinels_read(r->sentinels);
    return redis_is_leaving(r);
}

static void confirm_on_wait(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    struct redis_confirm *c = &r->confirm;
    c->is_asking = false;
    if (rc != OK)
        return; /* redis_confirm_fail has told those who wait */
    if (c->has_moved) {
        write_another(r);
        return;
    }
    c->moves = 0;
    bool is_enough = c->has_written && redis_kind(reply) == REDIS_INT &&
                     redis_int(reply) >= (int64_t)r->conf.wait_replicas;
    tell(r, is_enough, reply);
    if (c->is_due)
        redis_write_soon(r);
    answer_all(r, is_enough && !leaves_by_now(r) ? OK : ERR_TIMEOUT);
}

static void confirm_on_set(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    struct redis_confirm *c = &r->confirm;
    c->has_written = rc == OK && redis_kind(reply) == REDIS_TEXT;
    c->has_moved = rc == OK && redis_refusal_is_redirect(reply);
    if (c->has_written)
        buf_reset(&c->refused);
    else if (rc == OK && !c->has_moved)
        LOG_RARELY(LL_WARN, "redis.confirm_refused", LS("url", r->conf.shown),
                   LSL("reply", redis_text(reply)));
}

void redis_confirm_ask(struct redis *r)
{
    struct redis_confirm *c = &r->confirm;
    char replicas[16], ms[24];
    if (!c->is_due || c->is_asking || !redis_is_ready(r))
        return;
    c->is_due = false;
    c->is_asking = true;
    c->has_written = false;
    buf_reset(&c->refused);
    buf_add_slice(&c->refused, buf_slice(&c->key)); /* until it was written */
    snprintf(replicas, sizeof replicas, "%u", r->conf.wait_replicas);
    snprintf(ms, sizeof ms, "%lld", (long long)(r->conf.timeout_ms / WAIT_PART));
    const struct slice set[] = {SLICE_LIT("SET"), buf_slice(&c->key), SLICE_LIT("1"),
                                SLICE_LIT("EX"), SLICE_LIT(KEY_LIFE)};
    const struct slice wait[] = {SLICE_LIT("WAIT"), slice_str(replicas), slice_str(ms)};
    redis_send(r, set, 5, confirm_on_set, r);
    redis_send(r, wait, 3, confirm_on_wait, r);
}

/* ---- how many there are ---- */

void redis_confirm_judge(struct redis *r)
{
    struct redis_confirm *c = &r->confirm;
    bool was_short = c->shortage[0] != 0;
    int replicas = r->facts.replicas;
    c->shortage[0] = 0;
    if (replicas < 0 || (unsigned)replicas >= r->conf.wait_replicas)
        return;
    snprintf(c->shortage, sizeof c->shortage,
             "redis.wait_replicas is %u and %d replicas are online: events are refused with 503",
             r->conf.wait_replicas, replicas);
    if (!was_short && !r->events.on_message)
        LOG_RARELY(LL_WARN, "redis.replicas_missing", LS("url", r->conf.shown),
                   LI("wanted", r->conf.wait_replicas), LI("replicas", replicas));
}

static void confirm_on_info(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    if (rc != OK || redis_kind(reply) != REDIS_TEXT)
        return;
    redis_facts_read(&r->facts, redis_text(reply));
    redis_confirm_judge(r);
}

void redis_ask_replicas(struct redis *r)
{
    if (r->conf.wait_replicas && redis_is_ready(r))
        redis_send(r, (struct slice[]){SLICE_LIT("INFO"), SLICE_LIT("replication")}, 2,
                   confirm_on_info, r);
}

const char *redis_shortage(const struct redis *r)
{
    if (!redis_is_ready(r))
        return NULL;
    if (redis_is_leaving(r))
        return "a sentinel moves the master of Redis: events are refused with 503";
    return r->confirm.shortage[0] ? r->confirm.shortage : NULL;
}

/* ---- answers ---- */

void redis_confirm_hold(struct redis *r, const struct pending *item, struct redis_reply *reply)
{
    struct held *h = NEW(struct held);
    *h = (struct held){.fn = item->fn, .ctx = item->ctx, .key = item->confirm_key, .reply = reply};
    list_add_last(&r->confirm.held, &h->link);
}

void redis_confirm_fail(struct redis *r)
{
    r->confirm.is_due = r->confirm.has_moved = false;
    r->confirm.moves = 0;
    answer_all(r, ERR_TIMEOUT);
}
