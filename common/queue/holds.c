#include "common/queue/holds.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/net/loop.h"
#include "common/queue/keys.h"
#include "common/queue/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_US 500000
#define KEY_BYTES 1024
#define TOLD_BYTES 256
#define TOLD_ROOM 24 /* for the last number and the end of the sentence */

struct holds { /* owned by the caller of holds_new */
    struct loop *loop;
    struct shard *home; /* borrowed */
    holds_fn fn;
    void *ctx;
    struct loop_timer *timer;
    struct buf key;
    bool is_asking;
    char told[TOLD_BYTES]; /* or empty */
    unsigned count, held;  /* HELD of COUNT */
    bool *is_held;         /* by partition */
    bool *is_said;         /* the same, as Redis says it now */
};

/* ---- what is held ---- */

static void tell(struct holds *h)
{
    size_t len = 0;
    h->told[0] = 0;
    for (unsigned i = 0; h->held && i < h->count && len < TOLD_BYTES - TOLD_ROOM; i++)
        if (h->is_held[i])
            len += (size_t)snprintf(h->told + len, TOLD_BYTES - len, "%s%u",
                                    len ? ", " : "held by an operator: partition ", i);
}

static void change(struct holds *h, unsigned partition, bool is_held)
{
    h->is_held[partition] = is_held;
    h->held = is_held ? h->held + 1 : h->held - 1;
    LOG(LL_WARN, is_held ? "partition.held" : "partition.released", LI("partition", partition));
    tell(h);
    h->fn(h->ctx, partition, is_held);
}

/* {partition, when, partition, when, ...} */
static void holds_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct holds *h = ctx;
    h->is_asking = false;
    if (rc != OK || redis_kind(r) != REDIS_LIST)
        return;
    memset(h->is_said, 0, h->count * sizeof *h->is_said);
    for (size_t i = 0; i + 1 < redis_count(r); i += 2) {
        uint64_t partition = 0;
        if (text_u64(redis_text(redis_at(r, i)), h->count - 1, &partition) == OK)
            h->is_said[partition] = true;
    }
    for (unsigned i = 0; i < h->count; i++)
        if (h->is_said[i] != h->is_held[i])
            change(h, i, h->is_said[i]);
}

static void ask_now(struct holds *h)
{
    const struct slice argv[] = {SLICE_LIT("HGETALL"), buf_slice(&h->key)};
    h->is_asking = shard_command(h->home, argv, 2, holds_on_reply, h) == OK;
}

void holds_ask(struct holds *h)
{
    loop_timer_arm(h->timer, ASK_US);
    if (!h->is_asking)
        ask_now(h);
}

static void holds_on_timer(void *ctx)
{
    holds_ask(ctx);
}

bool holds_has(const struct holds *h, unsigned partition)
{
    return h->is_held[partition];
}

bool holds_all(const struct holds *h)
{
    return h->held == h->count;
}

const char *holds_told(const struct holds *h)
{
    return h->told[0] ? h->told : NULL;
}

/* ---- to change it ---- */

struct setting { /* frees itself when it was answered */
    hold_fn fn;
    void *ctx;
};

static void setting_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct setting s = *(struct setting *)ctx;
    free(ctx);
    s.fn(s.ctx, rc == OK && redis_kind(r) == REDIS_FAILED ? ERR_UNAVAIL : rc);
}

void holds_set(struct holds *h, unsigned partition, bool is_held, hold_fn fn, void *ctx)
{
    char number[16], now[24];
    snprintf(number, sizeof number, "%u", partition);
    snprintf(now, sizeof now, "%lld", (long long)clock_wall_ms());
    const struct slice set[] = {SLICE_LIT("HSETNX"), buf_slice(&h->key), slice_str(number),
                                slice_str(now)};
    const struct slice unset[] = {SLICE_LIT("HDEL"), buf_slice(&h->key), slice_str(number)};
    struct setting *s = NEW(struct setting);
    *s = (struct setting){fn, ctx};
    enum err rc =
        shard_command(h->home, is_held ? set : unset, is_held ? 4 : 3, setting_on_reply, s);
    if (rc != OK)
        setting_on_reply(s, rc, NULL);
    else
        ask_now(h); /* behind the change */
}

/* ---- begin and end ---- */

struct holds *holds_new(struct loop *l, struct shard *home, unsigned count, holds_fn fn, void *ctx)
{
    struct holds *h = NEW(struct holds);
    h->loop = l;
    h->home = home;
    h->count = count;
    h->fn = fn;
    h->ctx = ctx;
    h->is_held = xcalloc(count, sizeof *h->is_held);
    h->is_said = xcalloc(count, sizeof *h->is_said);
    h->timer = loop_timer_new(l, holds_on_timer, h);
    buf_init(&h->key, KEY_BYTES);
    keys_held(&h->key, shard_base(home));
    return h;
}

void holds_stop(struct holds *h)
{
    loop_timer_cancel(h->timer);
}

void holds_free(struct holds *h)
{
    if (!h)
        return;
    loop_timer_free(h->timer);
    buf_clear(&h->key);
    free(h->is_held);
    free(h->is_said);
    free(h);
}
