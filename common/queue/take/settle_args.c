#include "common/queue/take/settle_args.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/queue/keys.h"
#include "common/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>

#define ATTEMPT_MAX (16 * 1024)
#define RESPONSE_KEPT 1024
#define FAILURE_URL 4096

/* What claim.lua answers per claim, in order. */
enum claim_field {
    CLAIM_ID,
    CLAIM_LANE,
    CLAIM_KIND,
    CLAIM_ACCOUNT,
    CLAIM_DELAY_MS,
    CLAIM_ATTEMPT,
    CLAIM_REQUEUES,
    CLAIM_SECRET,
    CLAIM_FENCE,
    CLAIM_WINDOW_MS,
    CLAIM_REPORT,
    CLAIM_WAIT_US,
    CLAIM_RECORD,
    CLAIM_FIELDS
};

bool claim_read(const struct redis_reply *claim, struct delivery *d)
{
    struct slice id = redis_text(redis_at(claim, CLAIM_ID));
    if (redis_count(claim) != CLAIM_FIELDS || id.len == 0)
        return false;
    d->id = xslicedup(id);
    if (!keys_split_delivery(slice_make(d->id, id.len), &d->event_id, &d->destination))
        return false;
    d->lane = xslicedup(redis_text(redis_at(claim, CLAIM_LANE)));
    d->account = xslicedup(redis_text(redis_at(claim, CLAIM_ACCOUNT)));
    d->delay_ms = redis_int(redis_at(claim, CLAIM_DELAY_MS));
    d->attempt = (unsigned)redis_int(redis_at(claim, CLAIM_ATTEMPT));
    d->requeues = (unsigned)redis_int(redis_at(claim, CLAIM_REQUEUES));
    struct slice secret = redis_text(redis_at(claim, CLAIM_SECRET));
    snprintf(d->secret_id, sizeof d->secret_id, "%.*s", SLICE_FMT(secret));
    d->fence = (uint64_t)redis_int(redis_at(claim, CLAIM_FENCE));
    d->send_until = d->claimed_at + redis_int(redis_at(claim, CLAIM_WINDOW_MS)) * 1000;
    d->send_from = clock_mono_us() + redis_int(redis_at(claim, CLAIM_WAIT_US));
    d->report_sent = redis_int(redis_at(claim, CLAIM_REPORT)) != 0;
    buf_add_slice(&d->record, redis_text(redis_at(claim, CLAIM_RECORD)));
    d->readable = delivery_kind_read(redis_text(redis_at(claim, CLAIM_KIND)), &d->kind) &&
                  record_read(d->event_id, buf_slice(&d->record), &d->scratch, &d->event) == OK;
    d->accepted_at = d->event.received_at;
    return true;
}

static void attempt_json(struct buf *out, const struct delivery *d, const struct settlement *s,
                         wall_ms at)
{
    struct slice response = slice_head(s->response, RESPONSE_KEPT);
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "attempt", d->attempt);
    jw_int(&w, "at", at);
    jw_int(&w, "duration_ms", s->duration_ms);
    jw_int(&w, "status", s->status);
    jw_text(&w, "error", s->error);
    jw_text(&w, "response", response);
    jw_close(&w, '}');
}

/* One of the API's list of failed attempts (queue_tasks_failures reads it). */
static void failure_json(struct buf *out, const struct delivery *d, const struct settlement *s,
                         wall_ms at)
{
    struct slice response = slice_head(s->response, RESPONSE_KEPT);
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "at", at);
    jw_str(&w, "kind", delivery_kind_word(d->kind));
    jw_int(&w, "status", s->status);
    jw_int(&w, "duration_ms", s->duration_ms);
    /* The key of an announcement is no task's id. */
    jw_text(&w, "id", d->kind == DELIVERY_FETCH ? d->event.id : d->event_id);
    jw_text(&w, "destination", d->destination);
    jw_text(&w, "error", s->error);
    jw_text(&w, "url", slice_head(s->url, FAILURE_URL));
    jw_text(&w, "response", response);
    jw_close(&w, '}');
}

/* Short and without anything that a hash field could not show. */
static bool is_short(struct slice response)
{
    return response.len <= RESPONSE_SHORT && text_is_utf8(response) && !text_has_control(response);
}

void result_make(struct result *r, const struct delivery *d, const struct settlement *s, wall_ms at)
{
    struct buf attempt = r->attempt, failure = r->failure;
    *r = (struct result){.verdict = s->verdict,
                         .wait_ms = s->wait_ms > 0 ? s->wait_ms : 0,
                         .status = s->status,
                         .was_sent = s->was_sent,
                         .unreachable = s->unreachable,
                         .duration_ms = s->duration_ms,
                         .attempt = attempt,
                         .failure = failure};
    if (r->attempt.max == 0) {
        buf_init(&r->attempt, ATTEMPT_MAX);
        buf_init(&r->failure, ATTEMPT_MAX);
    }
    buf_reset(&r->attempt);
    buf_reset(&r->failure);
    snprintf(r->error, sizeof r->error, "%.*s", SLICE_FMT(s->error));
    bool fits = is_short(s->response);
    if (fits)
        snprintf(r->response, sizeof r->response, "%.*s", SLICE_FMT(s->response));
    /* A first attempt that succeeded is told by the delivery's own fields: no list for it. */
    if (s->verdict != SETTLE_DONE || d->attempt > 1 || !fits)
        attempt_json(&r->attempt, d, s, at);
    if (s->verdict == SETTLE_RETRY || s->verdict == SETTLE_DEAD)
        failure_json(&r->failure, d, s, at);
}

static const char *verdict_word(const struct result *r)
{
    switch (r->verdict) {
    case SETTLE_DONE:
        return "done";
    case SETTLE_RETRY:
        return "retry";
    case SETTLE_DEAD:
        return "dead";
    case SETTLE_RELEASE:
        return "release";
    case SETTLE_DEFER:
        return "defer";
    case SETTLE_FETCHED:
        return "fetched";
    }
    return "retry";
}

static bool is_there(const struct buf *b)
{
    return b->len && !b->failed;
}

static void add_number(struct buf *b, int64_t n)
{
    buf_add_char(b, ' ');
    buf_add_i64(b, n);
}

static void add_word(struct buf *b, struct slice word)
{
    buf_add_char(b, ' ');
    buf_add_slice(b, word.len ? word : SLICE_LIT("*"));
}

/* What settle.lua calls an outcome. */
static void add_outcome(const struct result *r, const struct delivery *d, struct args *a)
{
    struct buf *b = &a->text;
    size_t mark = args_mark(a);
    buf_add_u64(b, is_there(&r->attempt));
    add_number(b, is_there(&r->failure));
    add_word(b, d->destination);
    add_word(b, slice_str(delivery_kind_word(d->kind)));
    add_word(b, slice_str(d->account));
    add_word(b, slice_str(d->lane));
    add_number(b, d->delay_ms);
    add_number(b, d->attempt);
    add_word(b, slice_str(verdict_word(r)));
    add_number(b, r->wait_ms);
    add_number(b, r->status);
    add_word(b, slice_str(r->error));
    add_number(b, r->was_sent);
    add_number(b, r->unreachable);
    args_add_since(a, mark);
}

void result_add_args(const struct result *r, const struct delivery *d, struct args *a)
{
    args_add(a, slice_str(d->id));
    args_add_int(a, (int64_t)d->fence);
    add_outcome(r, d, a);
    args_add_int(a, r->duration_ms);
    args_add(a, slice_str(r->response));
    if (is_there(&r->attempt))
        args_add(a, buf_slice(&r->attempt));
    if (is_there(&r->failure))
        args_add(a, buf_slice(&r->failure));
}
