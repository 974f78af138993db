#include "common/queue/take/settle_args.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/queue/keys.h"
#include "common/webhook/ids.h"

#include <string.h>

#define ATTEMPT_MAX (16 * 1024)
#define RESPONSE_KEPT 1024
#define TASK_RESPONSE                                                                              \
    256 /* of a failed attempt of a task: an account chooses what fails, and how often */
#define FAILURE_RESPONSE 512 /* the list of failures keeps 20,000 of them, for 7 days */
#define FAILURE_URL 2048

/* The numbers of a claim that follow its origin, in claim.lua's order. */
enum claim_number {
    CLAIM_DELAY_MS,
    CLAIM_WINDOW_MS,
    CLAIM_REPORT,
    CLAIM_WAIT_US,
    CLAIM_PROBE,
    CLAIM_RESENT,
    CLAIM_NUMBERS
};

static bool read_numbers(struct slice *words, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_u64(slice_cut(words, ' '), INT64_MAX, &out[i]) != OK)
            return false;
    return true;
}

/* Reads "id attempt fence requeues lane origin delay_ms window_ms report wait_us probe resent[ size]". */
static bool read_words(struct slice words, struct delivery *d)
{
    struct slice id = slice_cut(&words, ' ');
    uint64_t attempt, requeues, size = 0, numbers[CLAIM_NUMBERS];
    if (text_u64(slice_cut(&words, ' '), UINT32_MAX, &attempt) != OK ||
        text_u64(slice_cut(&words, ' '), UINT64_MAX, &d->fence) != OK ||
        text_u64(slice_cut(&words, ' '), UINT32_MAX, &requeues) != OK)
        return false;
    struct slice lane = slice_cut(&words, ' ');
    struct slice origin = slice_cut(&words, ' ');
    if (!read_numbers(&words, numbers, CLAIM_NUMBERS) ||
        (words.len && text_u64(words, SIZE_MAX / 2, &size) != OK))
        return false;
    d->unread = size;
    d->id = xslicedup(id);
    d->lane = xslicedup(lane);
    d->origin = slice_eq(origin, SLICE_LIT("*")) ? NULL : xslicedup(origin);
    d->is_resent = numbers[CLAIM_RESENT] != 0;
    d->is_probe = numbers[CLAIM_PROBE] == 1;
    d->attempt = (unsigned)attempt;
    d->requeues = (unsigned)requeues;
    d->delay_ms = (int64_t)numbers[CLAIM_DELAY_MS];
    d->send_until = d->claimed_at + (int64_t)numbers[CLAIM_WINDOW_MS] * 1000;
    d->send_from += (int64_t)numbers[CLAIM_WAIT_US];
    d->report_sent = numbers[CLAIM_REPORT] != 0;
    return keys_split_delivery(slice_make(d->id, id.len), &d->event_id, &d->destination);
}

bool claim_read(struct slice words, struct slice record, const struct config *conf,
                struct delivery *d)
{
    if (!read_words(words, d))
        return false;
    const struct destination *to = config_destination(conf, d->destination);
    d->is_configured = to != NULL;
    d->kind = to ? to->kind : DELIVERY_POSTBACK;
    buf_add_slice(&d->record, record);
    d->readable = (d->unread ? record_read_head : record_read)(d->event_id, buf_slice(&d->record),
                                                               &d->scratch, &d->event) == OK;
    d->secret_id = d->readable ? event_secret(&d->event, d->destination) : slice_make("", 0);
    d->accepted_at = d->event.completed_at ? d->event.completed_at : d->event.received_at;
    return true;
}

/* Writes the first MOST bytes of an answer. A byte that is no text becomes one character, because JSON spends six on it. */
static void write_answer(struct json_write *w, struct slice answer, size_t most)
{
    char text[RESPONSE_KEPT];
    struct slice head = slice_head(answer, most);
    while (head.len && head.len < answer.len && (answer.ptr[head.len] & 0xc0) == 0x80)
        head.len--; /* no half character */
    bool is_utf8 = text_is_utf8(head);
    for (size_t i = 0; i < head.len; i++) {
        unsigned char c = (unsigned char)head.ptr[i];
        bool is_space = c == '\n' || c == '\r' || c == '\t';
        bool is_text = is_space || (c >= 0x20 && c < 0x7f) || (c >= 0x80 && is_utf8);
        text[i] = is_text ? head.ptr[i] : '?';
    }
    jw_text(w, "response", slice_make(text, head.len));
}

static void attempt_json(struct buf *out, const struct delivery *d, const struct settlement *s,
                         wall_ms at)
{
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "attempt", d->attempt);
    jw_int(&w, "at", at);
    jw_int(&w, "duration_ms", s->duration_ms);
    jw_int(&w, "status", s->status);
    jw_text(&w, "error", s->error);
    if (s->detail.len)
        jw_text(&w, "detail", s->detail);
    bool is_tasks = d->event.account.len && s->verdict != SETTLE_DONE;
    write_answer(&w, s->response, is_tasks ? TASK_RESPONSE : RESPONSE_KEPT);
    jw_close(&w, '}');
}

/* One of the API's list of failed attempts (queue_tasks_failures reads it). */
static void failure_json(struct buf *out, const struct delivery *d, const struct settlement *s,
                         wall_ms at)
{
    char text[ID_KEY_MAX];
    struct buf shown = buf_over(text);
    id_add_shown(&shown, d->event_id);
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "at", at);
    jw_str(&w, "kind", delivery_kind_word(d->kind));
    jw_int(&w, "status", s->status);
    jw_int(&w, "duration_ms", s->duration_ms);
    /* The key of an announcement is no task's id. */
    jw_text(&w, "id", d->kind == DELIVERY_FETCH ? d->event.id : buf_slice(&shown));
    jw_text(&w, "destination", d->destination);
    jw_text(&w, "error", s->error);
    if (s->detail.len)
        jw_text(&w, "detail", s->detail);
    if (s->account_error.len)
        jw_text(&w, "account_error", s->account_error);
    jw_text(&w, "url", slice_head(s->url, FAILURE_URL));
    write_answer(&w, s->response, FAILURE_RESPONSE);
    jw_close(&w, '}');
}

/* Short and without anything that a hash field could not show. */
static bool is_short(struct slice response)
{
    return response.len <= RESPONSE_SHORT && text_is_utf8(response) && !text_has_control(response);
}

static void copy_text(char *to, size_t size, struct slice text)
{
    struct slice head = slice_head(text, size - 1);
    if (head.len)
        memcpy(to, head.ptr, head.len);
    to[head.len] = '\0';
}

void result_make(struct result *r, const struct delivery *d, const struct settlement *s, wall_ms at)
{
    struct buf attempt = r->attempt, failure = r->failure;
    *r = (struct result){.verdict = s->verdict,
                         .counted = s->counted,
                         .wait_ms = s->wait_ms > 0 ? s->wait_ms : 0,
                         .told_ms = s->told_ms,
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
    copy_text(r->error, sizeof r->error, s->error);
    bool fits = is_short(s->response);
    if (fits)
        copy_text(r->response, sizeof r->response, s->response);
    /* A first attempt that succeeded needs no list: the delivery's own fields have it all. */
    if (s->verdict != SETTLE_DONE || d->attempt > 1 || !fits)
        attempt_json(&r->attempt, d, s, at);
    if (s->verdict == SETTLE_RETRY || s->verdict == SETTLE_DEAD || s->verdict == SETTLE_WAIT)
        failure_json(&r->failure, d, s, at);
}

static const char *verdict_word(enum settle_verdict verdict)
{
    switch (verdict) {
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
    case SETTLE_WAIT:
        return "wait";
    case SETTLE_FETCHED:
        return "fetched";
    case SETTLE_UNKNOWN:
        return "unknown";
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

/* Appends the outcome, as settle.lua defines it. */
static void add_outcome(const struct result *r, const struct delivery *d, struct args *a)
{
    struct buf *b = &a->text;
    size_t mark = args_mark(a);
    buf_add_u64(b, is_there(&r->attempt));
    add_number(b, is_there(&r->failure));
    add_number(b, d->report_sent);
    add_word(b, d->destination);
    add_word(b, slice_str(d->is_configured ? delivery_kind_word(d->kind) : ""));
    add_word(b, d->event.account);
    add_word(b, slice_str(d->lane));
    add_word(b, slice_str(d->origin ? d->origin : ""));
    add_number(b, d->delay_ms);
    add_number(b, d->attempt);
    add_word(b, slice_str(verdict_word(r->verdict)));
    add_number(b, r->wait_ms);
    add_number(b, r->status);
    add_word(b, slice_str(r->error));
    add_number(b, r->was_sent);
    add_number(b, r->unreachable);
    if (r->verdict == SETTLE_WAIT) {
        add_number(b, r->told_ms);
        add_word(b, slice_str(verdict_word(r->counted)));
    }
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
