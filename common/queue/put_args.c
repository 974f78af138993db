#include "common/queue/put_args.h"

#include "common/config/config.h"
#include "common/queue/record.h"

/* "100" the destination's own, "=100" the top level's, "!100" captured before (put.lua). */
static void add_delay(struct args *a, const struct destination *d,
                      const struct put_captured *captured)
{
    size_t mark = args_mark(a);
    if (captured)
        buf_add_char(&a->text, '!');
    else if (!d->has_own_delay)
        buf_add_char(&a->text, '=');
    buf_add_i64(&a->text, captured ? captured->delay_ms : d->delay_ms);
    args_add_since(a, mark);
}

/* CAPTURED is NULL where delay and secret are those of now. */
static void add_delivery(struct args *a, const struct destination *d,
                         const struct put_captured *captured)
{
    char secret[SCHEME_SECRET_ID_LEN + 1] = "";
    if (!captured && d->sign)
        scheme_secret_id(d->sign, 0, secret);
    args_add(a, slice_str(d->name));
    args_add(a, slice_str(d->lane));
    add_delay(a, d, captured);
    args_add(a, slice_str(d->order == ORDER_FIFO ? "fifo" : ""));
    args_add(a, captured ? captured->secret_id : slice_str(secret));
}

void put_args_dedup(struct args *a, const struct put_request *req)
{
    size_t mark = args_mark(a);
    if (req->dedup.len) {
        buf_add_slice(&a->text, req->event->source);
        buf_add_char(&a->text, ':');
        buf_add_slice(&a->text, req->dedup);
    }
    args_add_since(a, mark);
}

void put_args_kind(struct args *a, const struct put_request *req, bool is_home)
{
    size_t mark = args_mark(a);
    if (!is_home) {
        args_add_since(a, mark);
        return;
    }
    switch (req->kind) {
    case PUT_EVENT:
        buf_add_str(&a->text, "event");
        break;
    case PUT_TASK:
        buf_add_str(&a->text, "task ");
        buf_add_slice(&a->text, slice_skip(req->event->source, 1)); /* @<account> */
        break;
    case PUT_ANNOUNCED:
        buf_add_str(&a->text, "announced");
        break;
    case PUT_FETCHED:
        buf_add_str(&a->text, "fetched");
        break;
    }
    args_add_since(a, mark);
}

void put_args_deliveries(struct args *a, const struct put_request *req, unsigned partition)
{
    size_t here = 0, fan = a->count;
    args_add_int(a, 0);
    for (size_t i = 0; i < req->to_count; i++) {
        if (req->to[i]->partition != partition)
            continue;
        add_delivery(a, req->to[i], req->captured ? &req->captured[i] : NULL);
        here++;
    }
    size_t mark = args_mark(a);
    buf_add_u64(&a->text, here);
    a->list[fan] = (struct arg){NULL, mark, a->text.len - mark};
}

void put_args_announced(struct args *a, const struct put_request *req)
{
    args_add_int(a, 1);
    add_delivery(a, req->source->fetch, NULL);
    args_add_int(a, (int64_t)req->to_count);
    for (size_t i = 0; i < req->to_count; i++)
        add_delivery(a, req->to[i], NULL);
}
