/* Reads large records in pieces. A record of 100 MB in one reply would hold Redis for 50 ms and the loop for longer. One piece
 * takes Redis about 0.1 ms, and everybody else's calls go between two pieces. */
#include "common/base/alloc.h"
#include "common/queue/keys.h"
#include "common/queue/take/take_private.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)512 * 1024)
#define KEY_BYTES 4096

struct load { /* Owned by the call that is under way. */
    struct queue_take *q;
    struct delivery *d; /* NULL: nobody waits any more */
    struct buf record;
    void (*fn)(void *ctx, enum err rc);
    void *ctx;
};

void take_load_forget(struct delivery *d)
{
    if (d->load)
        d->load->d = NULL;
    d->load = NULL;
}

/* Ends L, which somebody waits for. The record moves into the delivery if RC is OK. */
static void load_end(struct load *l, enum err rc)
{
    struct delivery *d = l->d;
    d->load = NULL;
    if (rc == OK) {
        buf_clear(&d->record);
        d->record = l->record;
        buf_init(&l->record, 0);
        d->unread = 0;
        rc = record_read(d->event_id, buf_slice(&d->record), &d->scratch, &d->event);
        if (rc == OK) /* the names moved with the record */
            d->secret_id = event_secret(&d->event, d->destination);
    }
    void (*fn)(void *ctx, enum err rc) = l->fn;
    void *ctx = l->ctx;
    buf_clear(&l->record);
    free(l);
    fn(ctx, rc);
}

static void load_next(struct load *l);

static void on_piece(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct load *l = ctx;
    if (!l->d) {
        buf_clear(&l->record);
        free(l);
        return;
    }
    if (rc != OK || redis_kind(r) != REDIS_TEXT) {
        load_end(l, rc != OK ? rc : ERR_INVALID);
        return;
    }
    struct slice piece = redis_text(r);
    if (piece.len == 0) { /* the record is gone or shorter: the next claim sees what is there */
        load_end(l, ERR_UNAVAIL);
        return;
    }
    if (piece.len > l->d->unread - l->record.len) {
        load_end(l, ERR_INVALID);
        return;
    }
    buf_add_slice(&l->record, piece);
    if (l->record.len == l->d->unread)
        load_end(l, OK);
    else
        load_next(l);
}

static void load_next(struct load *l)
{
    struct shard *shard = l->q->parts[l->d->partition].shard;
    char from[24], to[24];
    size_t left = l->d->unread - l->record.len, most = left < PIECE ? left : PIECE;
    snprintf(from, sizeof from, "%zu", l->record.len);
    snprintf(to, sizeof to, "%zu", l->record.len + most - 1);
    struct buf key;
    buf_init(&key, KEY_BYTES);
    keys_event(&key, shard_base(shard), l->d->event_id);
    struct slice argv[] = {SLICE_LIT("GETRANGE"), buf_slice(&key), slice_str(from), slice_str(to)};
    enum err rc = shard_command(shard, argv, 4, on_piece, l);
    buf_clear(&key);
    if (rc != OK)
        load_end(l, rc);
}

void queue_take_load(struct queue_take *q, struct delivery *d, void (*fn)(void *ctx, enum err rc),
                     void *ctx)
{
    struct load *l = NEW(struct load);
    *l = (struct load){.q = q, .d = d, .fn = fn, .ctx = ctx};
    d->load = l;
    if (buf_try_init(&l->record, d->unread))
        load_next(l);
    else
        load_end(l, ERR_TOO_BIG);
}
