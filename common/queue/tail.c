#include "common/queue/tail.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/net/loop.h"
#include "common/queue/keys.h"
#include "common/queue/shard.h"
#include "common/webhook/ids.h"

#include <stdlib.h>

#define FLUSH_US 100000
#define LOOK_US (1000000 / TAIL_LOOKS_PER_S)
#define BATCH_MAX (256 * 1024) /* bytes of a message */
#define BYTES_PER_S (1024 * 1024)
#define KEY_MAX 1024

struct tail {
    struct shards *shards;
    struct loop_timer *looker, *flusher;
    struct buf channel, key;
    struct buf batch;
    size_t told, bytes; /* in this second */
    unsigned looks;
    int64_t dropped; /* not told yet */
    bool is_wanted, is_looking;
};

/* --- does somebody listen? --- */

static void on_look_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct tail *t = ctx;
    t->is_looking = false;
    t->is_wanted = rc == OK && redis_int(r) == 1;
}

static void look(void *ctx)
{
    struct tail *t = ctx;
    struct slice argv[] = {SLICE_LIT("EXISTS"), buf_slice(&t->key)};
    loop_timer_arm(t->looker, LOOK_US);
    if (++t->looks % TAIL_LOOKS_PER_S == 0)
        t->told = t->bytes = 0;
    if (t->is_looking || !shard_is_ready(shards_at(t->shards, 0)))
        return;
    t->is_looking = shard_command(shards_at(t->shards, 0), argv, 2, on_look_reply, t) == OK;
}

bool tail_is_wanted(const struct tail *t)
{
    return t && t->is_wanted;
}

/* --- telling --- */

static void write_moment(struct json_write *w)
{
    char at[CLOCK_ISO_LEN + 1];
    clock_iso(clock_wall_ms(), at);
    jw_plain(w, "at", slice_str(at));
}

static void write_dropped(struct tail *t)
{
    struct json_write w = json_write_to(&t->batch);
    jw_open(&w, NULL, '{');
    jw_str(&w, "type", "dropped");
    jw_int(&w, "dropped", t->dropped);
    write_moment(&w);
    jw_close(&w, '}');
    buf_add_char(&t->batch, '\n');
    t->dropped = 0;
}

static void on_published(void *ctx, enum err rc, const struct redis_reply *r)
{
    (void)ctx, (void)rc, (void)r;
}

static void flush(void *ctx)
{
    struct tail *t = ctx;
    if (t->dropped)
        write_dropped(t);
    if (t->batch.failed || shard_publish(shards_at(t->shards, 0), buf_slice(&t->channel),
                                         buf_slice(&t->batch), on_published, NULL) != OK)
        t->is_wanted = false; /* Redis is away: the next look says when it is back */
    buf_reset(&t->batch);
}

static void write_id(struct json_write *w, const char *name, struct slice event,
                     struct slice destination)
{
    struct buf id;
    buf_init(&id, 1 << 16);
    id_add_shown(&id, event);
    if (destination.len) {
        buf_add_char(&id, ':');
        buf_add_slice(&id, destination);
    }
    jw_text(w, name, buf_slice(&id));
    buf_clear(&id);
}

static void write_attempt(struct json_write *w, const struct tail_fact *f)
{
    jw_int(w, "attempt", f->attempt);
    jw_int(w, "status", f->status);
    jw_text_or_null(w, "error", f->error);
    jw_int(w, "ms", f->ms);
    jw_text_or_null(w, "kind", f->kind);
    jw_text_or_null(w, "state", f->state);
    jw_text_or_null(w, "next_attempt", f->next_attempt);
}

static void write_acceptance(struct json_write *w, const struct tail_fact *f)
{
    jw_open(w, "destinations", '[');
    for (size_t i = 0; i < f->destination_count; i++)
        jw_text(w, NULL, f->destinations[i]);
    jw_close(w, ']');
    jw_null(w, "status");
    jw_null(w, "error");
    jw_int(w, "bytes", f->bytes);
    jw_bool(w, "duplicate", f->is_duplicate);
}

static void write_fact(struct buf *out, const char *type, const struct tail_fact *f)
{
    struct json_write w = json_write_to(out);
    struct slice one = f->destination_count == 1 ? f->destinations[0] : SLICE_LIT("");
    jw_open(&w, NULL, '{');
    jw_str(&w, "type", type);
    write_id(&w, "id", f->event, f->is_attempt ? one : SLICE_LIT(""));
    write_id(&w, "event", f->event, SLICE_LIT(""));
    jw_text_or_null(&w, "source", f->source);
    jw_text_or_null(&w, "destination", one);
    jw_text(&w, "tag", f->tag);
    if (f->is_attempt)
        write_attempt(&w, f);
    else
        write_acceptance(&w, f);
    write_moment(&w);
    jw_close(&w, '}');
    buf_add_char(out, '\n');
}

static void tell_as(struct tail *t, const char *type, const struct tail_fact *f)
{
    size_t before = t->batch.len;
    if (!loop_timer_armed(t->flusher))
        loop_timer_arm(t->flusher, FLUSH_US);
    if (t->told >= TAIL_FACTS_PER_S || t->bytes >= BYTES_PER_S || before >= BATCH_MAX / 2) {
        t->dropped++;
        return;
    }
    write_fact(&t->batch, type, f);
    t->told++;
    t->bytes += t->batch.len - before;
}

void tail_tell(struct tail *t, const struct tail_fact *f)
{
    if (!tail_is_wanted(t))
        return;
    tell_as(t, f->is_attempt ? "attempt" : "accepted", f);
    if (f->is_attempt && slice_eq(f->state, SLICE_LIT("dead")))
        tell_as(t, "dead", f);
}

/* --- begin and end --- */

struct tail *tail_new(struct loop *l, struct shards *shards)
{
    struct tail *t = NEW(struct tail);
    struct slice base = shard_base(shards_at(shards, 0));
    t->shards = shards;
    buf_init(&t->channel, KEY_MAX);
    buf_init(&t->key, KEY_MAX);
    buf_init(&t->batch, BATCH_MAX);
    keys_tail(&t->channel, base);
    keys_tailing(&t->key, base);
    t->looker = loop_timer_new(l, look, t);
    t->flusher = loop_timer_new(l, flush, t);
    loop_timer_arm(t->looker, LOOK_US);
    return t;
}

void tail_free(struct tail *t)
{
    if (!t)
        return;
    loop_timer_free(t->looker);
    loop_timer_free(t->flusher);
    buf_clear(&t->channel);
    buf_clear(&t->key);
    buf_clear(&t->batch);
    free(t);
}
