#include "common/queue/put/put_args.h"

#include "common/config/config.h"
#include "common/queue/record.h"

/* Whose delay it is (put.lua): one that was set while running may win over it. */
static const char *whose_delay(const struct destination *d, const struct put_captured *captured)
{
    return captured ? " kept " : d->settings->has_own_delay ? " own " : " top ";
}

static void add_given(struct buf *b, struct slice s)
{
    buf_add_slice(b, s.len ? s : SLICE_LIT("*"));
}

/* CAPTURED is NULL where delay and secret are those of now. */
static void add_delivery(struct buf *b, const struct destination *d,
                         const struct put_captured *captured)
{
    char secret[SCHEME_SECRET_ID_LEN + 1] = "";
    if (!captured && d->settings->sign)
        scheme_secret_id(d->settings->sign, 0, secret);
    buf_add_str(b, d->name);
    buf_add_char(b, ' ');
    buf_add_str(b, delivery_kind_word(d->kind));
    buf_add_char(b, ' ');
    buf_add_str(b, d->lane);
    buf_add_char(b, ' ');
    buf_add_i64(b, captured ? captured->delay_ms : d->settings->delay_ms);
    buf_add_str(b, whose_delay(d, captured));
    buf_add_str(b, d->settings->order == ORDER_FIFO ? "fifo " : "requeue ");
    add_given(b, captured ? captured->secret_id : slice_str(secret));
    buf_add_char(b, '\n');
}

static void add_flag(struct buf *b, bool flag)
{
    buf_add_str(b, flag ? " 1" : " 0");
}

static void add_first_line(struct buf *b, const struct put_request *req, struct put_flags flags)
{
    const struct event *e = req->event;
    buf_add_str(b, event_kind_word(e->kind));
    buf_add_char(b, ' ');
    buf_add_slice(b, event_owner(e));
    buf_add_char(b, ' ');
    buf_add_str(b, req->announced.len ? req->source->fetch->name : "*");
    add_flag(b, flags.is_home);
    add_flag(b, flags.is_named);
    add_flag(b, flags.has_rest);
    add_flag(b, req->message_id.len > 0);
    buf_add_char(b, '\n');
}

void put_args_plan(struct args *a, const struct put_request *req, unsigned partition,
                   struct put_flags flags)
{
    size_t mark = args_mark(a);
    bool is_announcement = req->event->kind == EVENT_ANNOUNCEMENT;
    add_first_line(&a->text, req, flags);
    if (is_announcement)
        add_delivery(&a->text, req->source->fetch, NULL);
    for (size_t i = 0; i < req->to_count; i++)
        if (is_announcement || req->to[i]->partition == partition)
            add_delivery(&a->text, req->to[i], req->captured ? &req->captured[i] : NULL);
    args_add_since(a, mark);
}
