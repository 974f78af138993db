#include "common/queue/put/put_args.h"

#include "common/config/config.h"
#include "common/queue/record.h"

/* "100" the destination's own, "=100" the top level's, "!100" captured before (put.lua). */
static void add_delay(struct buf *b, const struct destination *d,
                      const struct put_captured *captured)
{
    if (captured)
        buf_add_char(b, '!');
    else if (!d->has_own_delay)
        buf_add_char(b, '=');
    buf_add_i64(b, captured ? captured->delay_ms : d->delay_ms);
}

static void add_given(struct buf *b, struct slice s)
{
    buf_add_slice(b, s.len ? s : SLICE_LIT("-"));
}

/* CAPTURED is NULL where delay and secret are those of now. */
static void add_delivery(struct buf *b, const struct destination *d,
                         const struct put_captured *captured)
{
    char secret[SCHEME_SECRET_ID_LEN + 1] = "";
    if (!captured && d->sign)
        scheme_secret_id(d->sign, 0, secret);
    buf_add_str(b, d->name);
    buf_add_char(b, ' ');
    buf_add_str(b, d->lane);
    buf_add_char(b, ' ');
    add_delay(b, d, captured);
    buf_add_str(b, d->order == ORDER_FIFO ? " fifo " : " - ");
    add_given(b, captured ? captured->secret_id : slice_str(secret));
    buf_add_char(b, '\n');
}

static const char *kind_word(const struct put_request *req, bool is_home)
{
    static const char *const words[] = {[PUT_EVENT] = "event",
                                        [PUT_TASK] = "task",
                                        [PUT_ANNOUNCED] = "announced",
                                        [PUT_FETCHED] = "fetched"};
    return is_home ? words[req->kind] : "guest";
}

static void add_first_line(struct buf *b, const struct put_request *req, bool is_home,
                           bool has_rest)
{
    buf_add_str(b, has_rest ? req->dedup.len ? "rd " : "r " : req->dedup.len ? "d " : "- ");
    buf_add_str(b, kind_word(req, is_home));
    buf_add_char(b, ' ');
    bool has_account = is_home && req->kind == PUT_TASK;
    add_given(b, has_account ? slice_skip(req->event->source, 1) : SLICE_LIT("")); /* @<account> */
    buf_add_char(b, '\n');
}

void put_args_plan(struct args *a, const struct put_request *req, unsigned partition, bool is_home,
                   bool has_rest)
{
    size_t mark = args_mark(a);
    bool is_announced = req->kind == PUT_ANNOUNCED;
    add_first_line(&a->text, req, is_home, has_rest);
    if (is_announced)
        add_delivery(&a->text, req->source->fetch, NULL);
    for (size_t i = 0; i < req->to_count; i++)
        if (is_announced || req->to[i]->partition == partition)
            add_delivery(&a->text, req->to[i], req->captured ? &req->captured[i] : NULL);
    args_add_since(a, mark);
}

void put_args_dedup(struct args *a, const struct put_request *req)
{
    if (!req->dedup.len)
        return;
    size_t mark = args_mark(a);
    buf_add_slice(&a->text, req->event->source);
    buf_add_char(&a->text, ':');
    buf_add_slice(&a->text, req->dedup);
    args_add_since(a, mark);
}
