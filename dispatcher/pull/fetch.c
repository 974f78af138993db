#include "dispatcher/pull/fetch.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/gzip/gzip.h"
#include "common/net/loop.h"
#include "common/queue/keys.h"
#include "common/queue/route_event.h"
#include "common/webhook/ids.h"
#include "dispatcher/pull/fetch_judge.h"

#include <stdlib.h>

#define SLICE_BYTES ((size_t)256 * 1024) /* judged in one turn of the loop */
#define KEY_BYTES 1024
#define THEN_BYTES ((size_t)64 * 1024)

/* Owned by its flight. After fetch_free, the call to Redis that is still to come back owns it. */
struct fetch {
    struct result_connection *results;
    const struct delivery *d;
    const struct source *source;
    const struct config *conf;
    struct fetch_handler handler;
    bool asks_redis, is_freed;
    bool brought;
    struct put_captured *captured; /* of each destination */
    struct destination **to;
    size_t to_count;
    char *task;                 /* id of the announced task */
    struct buf then;            /* what `to` and `captured` were read from */
    struct attempt_copy answer; /* the provider's, without its body */
    char *body;                 /* from malloc */
    size_t body_len;
    struct fetch_judge *judge;
    struct loop_timer *timer; /* the next slice */
};

/* Frees F if it is freed and Redis owes it no answer. */
static void fetch_release(struct fetch *f)
{
    if (!f->is_freed || f->asks_redis)
        return;
    fetch_judge_free(f->judge);
    loop_timer_free(f->timer);
    buf_clear(&f->then);
    free(f->task);
    free(f->captured);
    free(f->to);
    free(f->body);
    free(f);
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    f->is_freed = true;
    if (f->timer)
        loop_timer_cancel(f->timer);
    fetch_release(f);
}

/* Redis has answered. False if nobody waits for the answer any more. */
static bool fetch_is_awaited(struct fetch *f)
{
    f->asks_redis = false;
    if (!f->is_freed)
        return true;
    fetch_release(f);
    return false;
}

/* ---- where does it go? ---- */

/* Reads a LINE of `then`: "<destination> <delay> <secret's id>". The secret's id may be missing. */
static enum attempt_end fetch_read_line(struct fetch *f, struct slice line)
{
    struct slice name = slice_cut(&line, ' '), delay = slice_cut(&line, ' ');
    struct put_captured *c = &f->captured[f->to_count];
    uint64_t ms;
    struct destination *d = config_destination(f->conf, name);
    if (text_u64(delay, INT64_MAX, &ms) != OK)
        return END_UNREADABLE;
    if (!d)
        return END_NEXT_UNCONFIGURED;
    *c = (struct put_captured){.delay_ms = (int64_t)ms, .secret_id = line};
    f->to[f->to_count++] = d;
    return END_NONE;
}

static enum attempt_end fetch_read_then(struct fetch *f)
{
    struct slice rest = buf_slice(&f->then);
    size_t lines = 1;
    for (size_t i = 0; i < rest.len; i++)
        lines += rest.ptr[i] == '\n';
    f->captured = xcalloc(lines, sizeof *f->captured);
    f->to = xcalloc(lines, sizeof *f->to);
    enum attempt_end end = f->then.failed ? END_UNREADABLE : END_NONE;
    while (end == END_NONE && rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.len)
            end = fetch_read_line(f, line);
    }
    return end;
}

static void fetch_on_then(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct fetch *f = ctx;
    if (!fetch_is_awaited(f))
        return;
    enum attempt_end end = END_QUEUE;
    if (rc == OK && redis_kind(r) == REDIS_LIST && redis_count(r) == 2) {
        f->task = xslicedup(redis_text(redis_at(r, 0)));
        buf_add_slice(&f->then, redis_text(redis_at(r, 1)));
        end = f->task[0] ? fetch_read_then(f) : END_UNREADABLE;
    }
    f->handler.on_known(f->handler.ctx, end);
}

static void fetch_on_not_ready(void *ctx)
{
    struct fetch *f = ctx;
    f->handler.on_known(f->handler.ctx, END_QUEUE);
}

static void fetch_ask_then(struct fetch *f)
{
    struct shard *shard = result_connection_shard(f->results, f->d->partition);
    if (!shard)
        return;
    struct buf key;
    buf_init(&key, KEY_BYTES);
    keys_delivery(&key, shard_base(shard), slice_str(f->d->id));
    struct slice argv[] = {SLICE_LIT("HMGET"), buf_slice(&key), SLICE_LIT("task"),
                           SLICE_LIT("then")};
    f->asks_redis = shard_command(shard, argv, 4, fetch_on_then, f) == OK;
    buf_clear(&key);
}

struct fetch *fetch_new(struct result_connection *results, const struct delivery *d,
                        const struct source *source, const struct config *conf,
                        const struct fetch_handler *handler)
{
    struct fetch *f = NEW(struct fetch);
    f->results = results;
    f->d = d;
    f->source = source;
    f->conf = conf;
    f->handler = *handler;
    buf_init(&f->then, THEN_BYTES);
    fetch_ask_then(f);
    if (!f->asks_redis) {
        f->timer = loop_timer_new(results->loop, fetch_on_not_ready, f);
        loop_timer_arm(f->timer, 0);
    }
    return f;
}

/* ---- is it a result? ---- */

static void fetch_over(struct fetch *f, enum attempt_end end, int status)
{
    f->handler.on_over(f->handler.ctx, end, status, &f->answer.result);
}

/* ---- into the queue ---- */

static void fetch_on_put(void *ctx, const struct put_answer *answer)
{
    struct fetch *f = ctx;
    enum put_result result = answer->result;
    if (!fetch_is_awaited(f))
        return;
    /* PUT_TAKEN: the event itself has arrived as a webhook meanwhile. */
    f->brought = result == PUT_QUEUED || result == PUT_DUPLICATE;
    FAULT_POINT("fetch_put");
    fetch_over(f, f->brought || result == PUT_TAKEN ? END_ANSWERED : END_QUEUE,
               f->answer.result.status);
}

bool fetch_brought(const struct fetch *f)
{
    return f->brought;
}

static void body_digest(struct slice body, char out[RECORD_DIGEST_LEN])
{
    unsigned char whole[32];
    struct sha256 *s = sha256_start();
    sha256_add(s, body);
    sha256_end(s, whole);
    text_hex(whole, RECORD_DIGEST_LEN / 2, out);
}

/* The announcement's tag is the sender's own choice. Only without one does the result's tag count. */
static struct slice fetch_tag(const struct fetch *f)
{
    struct slice tag = f->d->event.tag;
    if (!tag.len)
        tag = fetch_judge_tag(f->judge);
    return tag_is_valid(tag) ? tag : SLICE_LIT("");
}

/* Drops the destinations that are not in ROUTE, with what was captured for them. */
static void fetch_keep_route(struct fetch *f, struct route route)
{
    size_t kept = 0;
    for (size_t i = 0; kept < route.count && i < f->to_count; i++) {
        if (f->to[i] != route.to[kept])
            continue;
        f->to[kept] = f->to[i];
        f->captured[kept++] = f->captured[i];
    }
    f->to_count = kept;
}

static void fetch_put(struct fetch *f)
{
    char engine[ENVELOPE_ENGINE_MAX];
    const struct event *announced = &f->d->event;
    struct slice body = slice_make(f->body, f->body_len);
    char digest[RECORD_DIGEST_LEN];
    body_digest(body, digest);
    struct event event = {
        .kind = EVENT_WEBHOOK,
        .id = announced->id,
        .tag = fetch_tag(f),
        .engine = fetch_judge_engine(f->judge, engine),
        .source = announced->source,
        .content_type = f->answer.result.content_type,
        .content_encoding = gzip_is(body) ? SLICE_LIT("gzip") : SLICE_LIT(""),
        .headers = announced->headers,
        .received_at = announced->received_at,
        .digest = slice_make(digest, sizeof digest),
        .has_body = true,
        .body = body,
    };
    struct route among = {f->to, f->to_count};
    fetch_keep_route(f, route_event(f->source, &event, &among));
    struct put_request req = {.event = &event,
                              .source = f->source,
                              .announced = slice_str(f->task),
                              .captured = f->captured,
                              .to = f->to,
                              .to_count = f->to_count,
                              .taken = f->body_len >= PUT_LARGE ? f->body : NULL};
    enum err rc = queue_put_submit(f->results->put, &req, fetch_on_put, f);
    if (rc != OK) {
        fetch_over(f, rc == ERR_TOO_BIG ? END_TOO_LARGE : END_QUEUE, f->answer.result.status);
        return;
    }
    f->asks_redis = true;
    if (req.taken)
        f->body = NULL;
}

static void fetch_on_slice(void *ctx)
{
    struct fetch *f = ctx;
    if (!fetch_judge_some(f->judge, SLICE_BYTES)) {
        loop_timer_arm(f->timer, 0);
        return;
    }
    struct fetch_verdict v = fetch_judge_end(f->judge);
    FAULT_POINT("fetch_judged");
    if (v.end == END_ANSWERED)
        fetch_put(f);
    else
        fetch_over(f, v.end, v.end == END_NO_RESULT ? v.code : f->answer.result.status);
}

static bool encoding_is_known(struct slice encoding)
{
    return !encoding.len || slice_eq_nocase(encoding, SLICE_LIT("gzip")) ||
           slice_eq_nocase(encoding, SLICE_LIT("x-gzip")) ||
           slice_eq_nocase(encoding, SLICE_LIT("identity"));
}

static void fetch_on_no_body(void *ctx)
{
    struct fetch *f = ctx;
    const struct attempt_result *r = &f->answer.result;
    enum attempt_end end = END_BAD_RESPONSE;
    if (r->too_large)
        end = END_TOO_LARGE;
    else if (r->is_whole)
        end = END_BAD_RESULT;
    fetch_over(f, end, r->status);
}

void fetch_take(struct fetch *f, const struct attempt_result *r)
{
    attempt_copy(&f->answer, r);
    bool is_good = r->is_whole && !r->too_large && encoding_is_known(r->content_encoding);
    loop_timer_free(f->timer);
    f->timer = loop_timer_new(f->results->loop, is_good ? fetch_on_slice : fetch_on_no_body, f);
    loop_timer_arm(f->timer, 0);
    if (!is_good)
        return;
    f->body = buf_take(r->body, &f->body_len);
    struct fetch_judge_rules rules = {.must_be_json = f->source->payload == PAYLOAD_JSON,
                                      .inflated_max = f->conf->receiver.max_inflated_bytes};
    f->judge = fetch_judge_new(f->results->picks, slice_make(f->body, f->body_len), &rules);
}
