#include "common/queue/put/put_args.h"

#include "common/config/config.h"
#include "common/queue/record.h"

/* Whose delay it is (put.lua): one that was set while running may win over it. */
static const char *whose_delay(const struct destination *d, const struct put_captured *captured)
{
    return captured ? " kept " : d->settings->has_own_delay ? " own " : " top ";
}

/* The id of the secret that the delivery will be signed with: the current one, unless CAPTURED says another. */
static void add_secret(struct buf *b, const struct destination *d,
                       const struct put_captured *captured, const char *none)
{
    char secret[SCHEME_SECRET_ID_LEN + 1] = "";
    struct slice id = slice_make("", 0);
    if (captured) {
        id = captured->secret_id;
    } else if (d->settings->sign) {
        scheme_secret_id(d->settings->sign, 0, secret);
        id = slice_str(secret);
    }
    buf_add_slice(b, id.len ? id : slice_str(none));
}

/* CAPTURED is NULL where the delay is that of now. */
static void add_delivery(struct buf *b, const struct destination *d,
                         const struct put_captured *captured, bool is_announcement)
{
    buf_add_str(b, d->name);
    buf_add_char(b, ' ');
    buf_add_str(b, delivery_kind_word(d->kind));
    buf_add_char(b, ' ');
    buf_add_str(b, d->lane);
    buf_add_char(b, ' ');
    buf_add_i64(b, captured ? captured->delay_ms : d->settings->delay_ms);
    buf_add_str(b, whose_delay(d, captured));
    buf_add_str(b, d->settings->order == ORDER_FIFO ? "fifo " : "requeue ");
    if (is_announcement)
        add_secret(b, d, captured, "*");
    else
        buf_add_char(b, '*');
    buf_add_char(b, '\n');
}

static void add_flag(struct buf *b, bool flag)
{
    buf_add_str(b, flag ? " 1" : " 0");
}

static void add_number(struct buf *b, int64_t n)
{
    buf_add_char(b, ' ');
    buf_add_i64(b, n);
}

static void add_stage(struct buf *b, enum put_stage stage, const struct put_flags *flags)
{
    static const char *const words[] = {
        [PUT_WHOLE] = " whole", [PUT_PENDING] = " pending", [PUT_RESULT] = " result"};
    buf_add_str(b, words[stage]);
    add_number(b, flags->pending_ms);
    add_number(b, flags->max_tasks);
    add_number(b, flags->max_bytes);
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
    add_flag(b, flags.is_staged);
    buf_add_str(b, req->never_repeats ? " 2" : req->repeat_name.len ? " 1" : " 0");
    if (e->kind == EVENT_TASK)
        add_stage(b, req->stage, &flags);
    buf_add_char(b, '\n');
}

void put_plan(struct buf *out, const struct put_request *req, unsigned partition,
              struct put_flags flags)
{
    bool is_announcement = req->event->kind == EVENT_ANNOUNCEMENT;
    add_first_line(out, req, flags);
    if (is_announcement)
        add_delivery(out, req->source->fetch, NULL, true);
    for (size_t i = 0; i < req->to_count; i++)
        if (is_announcement || req->to[i]->partition == partition)
            add_delivery(out, req->to[i], req->captured ? &req->captured[i] : NULL,
                         is_announcement);
}

static bool has_secret(const struct put_request *req)
{
    for (size_t i = 0; i < req->to_count; i++)
        if (req->captured ? req->captured[i].secret_id.len > 0 : req->to[i]->settings->sign != NULL)
            return true;
    return false;
}

void put_secrets(struct buf *out, const struct put_request *req)
{
    if (req->event->kind == EVENT_ANNOUNCEMENT || !has_secret(req))
        return; /* a fetch is not signed */
    for (size_t i = 0; i < req->to_count; i++) {
        if (i > 0)
            buf_add_char(out, ' ');
        add_secret(out, req->to[i], req->captured ? &req->captured[i] : NULL, "-");
    }
}
