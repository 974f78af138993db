#include "receiver/ingest.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"
#include "common/queue/record.h"
#include "common/redis/redis.h"
#include "receiver/admission.h"
#include "receiver/chores.h"
#include "receiver/intake.h"
#include "receiver/judge.h"
#include "receiver/keep_headers.h"
#include "receiver/respond.h"
#include "receiver/tally.h"

#include <assert.h>
#include <stdlib.h>

#define POOL_MAX 256           /* requests kept for reuse */
#define KEEP_BYTES (16 * 1024) /* larger body buffers are not kept with them */
#define MESSAGE_ID_MAX 256
#define PATH_PREFIX SLICE_LIT("/in/")

struct request { /* Owned by its ingest; from on_request until it is answered or gone, and not
                    queued */
    struct ingest *in;
    struct request *prev,
        *next;                 /* in the line of those that wait for Redis; next also in the pool */
    struct http_request *http; /* NULL: the client is gone */
    struct config *conf;
    struct source *source;
    struct tally_row *tally;
    struct intake intake;
    mono_us submitted;
    bool is_waiting; /* in the line: queue_put will call back */
    bool is_pingback;
    bool is_inflating;  /* what that takes is charged */
    struct chore chore; /* queued: the body is not read on until it caught up */
    struct identity identity;
};

struct ingest {
    struct redis *redis;
    struct queue_put *put;
    struct config *conf;
    struct intake_pool *intakes;
    struct chores *chores;
    struct request *pool;
    size_t pooled;
    struct request *first, *last; /* wait for Redis, oldest first */
    size_t waiting;
    struct tally *tally;
    struct buf scratch, headers;
};

static void catch_up(void *ctx, struct chore *chore);

struct ingest *ingest_new(struct loop *l, struct redis *redis, struct queue_put *put,
                          struct metrics *metrics, struct config *conf)
{
    struct ingest *in = NEW(struct ingest);
    in->redis = redis;
    in->put = put;
    in->conf = config_ref(conf);
    in->intakes = intake_pool_new();
    in->chores = chores_new(l, catch_up, in);
    in->tally = tally_new(metrics);
    buf_init(&in->scratch, 64 * 1024);
    buf_init(&in->headers, KEEP_HEADERS_BYTES);
    return in;
}

void ingest_set_config(struct ingest *in, struct config *conf)
{
    config_unref(in->conf);
    in->conf = config_ref(conf);
}

/* --- the life of a request --- */

static struct request *request_new(struct ingest *in, struct http_request *http, struct source *s)
{
    struct request *r = in->pool;
    if (r) {
        in->pool = r->next;
        in->pooled--;
    } else {
        r = NEW(struct request);
    }
    r->in = in;
    r->prev = r->next = NULL;
    r->http = http;
    r->conf = config_ref(in->conf);
    r->source = s;
    r->tally = tally_row(in->tally, slice_str(s->name));
    r->is_waiting = r->is_inflating = false;
    return r;
}

static void request_free(struct request *r)
{
    struct ingest *in = r->in;
    assert(!r->is_waiting);
    chores_remove(in->chores, &r->chore);
    intake_clear(&r->intake, KEEP_BYTES);
    config_unref(r->conf);
    if (in->pooled == POOL_MAX) {
        buf_clear(&r->intake.wire);
        free(r);
        return;
    }
    r->next = in->pool;
    in->pool = r;
    in->pooled++;
}

static void log_refused(const struct request *r, enum answer a)
{
    char peer[ADDR_TEXT];
    addr_text(http_peer(r->http), peer);
    LOG_RARELY(LL_INFO, "event.refused", LS("source", r->source->name),
               LS("code", answer_row(a)->code), LS("peer", peer));
}

static void finish(struct request *r, enum answer a, const char *detail)
{
    struct ingest *in = r->in;
    struct http_request *http = r->http;
    tally_count(in->tally, r->tally, a, http_started(http));
    log_refused(r, a);
    r->http = NULL;
    http_set_ctx(http, NULL);
    const char *headers = answer_row(a)->headers;
    if (answer_row(a)->status == 401)
        headers = judge_authenticate(scheme_name(r->source->verify));
    respond_error(http, a, headers, detail);
    request_free(r);
}

static void wait_in_line(struct request *r)
{
    struct ingest *in = r->in;
    r->is_waiting = true;
    r->submitted = clock_mono_us();
    r->prev = in->last;
    r->next = NULL;
    *(in->last ? &in->last->next : &in->first) = r;
    in->last = r;
    in->waiting++;
}

static void leave_line(struct request *r)
{
    struct ingest *in = r->in;
    *(r->prev ? &r->prev->next : &in->first) = r->next;
    *(r->next ? &r->next->prev : &in->last) = r->prev;
    r->is_waiting = false;
    in->waiting--;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    while (in->first) { /* the queue is gone: nobody will call back for them */
        struct request *r = in->first;
        leave_line(r);
        assert(in->first != r);
        request_free(r);
    }
    while (in->pool) {
        struct request *r = in->pool;
        in->pool = r->next;
        buf_clear(&r->intake.wire);
        free(r);
    }
    tally_free(in->tally);
    intake_pool_free(in->intakes);
    chores_free(in->chores);
    buf_clear(&in->scratch);
    buf_clear(&in->headers);
    config_unref(in->conf);
    free(in);
}

static void on_put(void *ctx, enum put_result result, wall_ms received_at)
{
    struct request *r = ctx;
    struct ingest *in = r->in;
    leave_line(r);
    enum answer a = result == PUT_QUEUED      ? ANSWER_OK
                    : result == PUT_DUPLICATE ? ANSWER_DUPLICATE
                                              : ANSWER_QUEUE_UNAVAILABLE;
    if (r->http && a == ANSWER_QUEUE_UNAVAILABLE) {
        finish(r, a, NULL);
        return;
    }
    /* Also if the client did not wait for the answer. */
    tally_count(in->tally, r->tally, a, r->http ? http_started(r->http) : r->submitted);
    if (r->http) {
        http_set_ctx(r->http, NULL);
        respond_accepted(r->http, received_at, slice_make(r->identity.id, r->identity.id_len),
                         a == ANSWER_DUPLICATE, &in->scratch);
        FAULT_POINT("reply_written");
    }
    request_free(r);
}

/* --- the end of the body: what is it, and where does it go --- */

static struct slice read_header(void *ctx, const char *name, unsigned *n)
{
    return http_header(ctx, name, n);
}

static struct scheme_request scheme_request(struct request *r)
{
    return (struct scheme_request){.header = read_header,
                                   .ctx = r->http,
                                   .query = http_query(r->http),
                                   .now = clock_wall_ms()};
}

static void submit(struct request *r, struct slice digest, struct slice signed_id, wall_ms now)
{
    struct event event = {
        .id = slice_make(r->identity.id, r->identity.id_len),
        .tag = slice_make(r->identity.tag, r->identity.tag_len),
        .source = slice_str(r->source->name),
        .content_type = http_header(r->http, "content-type", NULL),
        .content_encoding = r->intake.says_gzip ? SLICE_LIT("gzip") : SLICE_LIT(""),
        .headers = keep_headers(r->http, r->source, &r->in->headers),
        .received_at = now,
        .digest = digest,
        .has_body = !r->is_pingback,
        .body = buf_slice(&r->intake.wire),
    };
    struct put_request put = {.kind =
                                  r->is_pingback && r->source->fetch ? PUT_ANNOUNCED : PUT_EVENT,
                              .event = &event,
                              .source = r->source,
                              .dedup = signed_id,
                              .to = r->source->to,
                              .to_count = r->source->to_count};
    if (event.body.len >= PUT_LARGE)
        put.taken = r->intake.wire.ptr; /* a large body is held once, and never copied */
    enum err rc = queue_put_submit(r->in->put, &put, on_put, r);
    if (rc == OK && put.taken)
        r->intake.wire = (struct buf){0};
    if (rc != OK) {
        finish(r, rc == ERR_TOO_BIG ? ANSWER_HEADERS_TOO_LARGE : ANSWER_QUEUE_UNAVAILABLE, NULL);
        return;
    }
    wait_in_line(r);
    intake_clear(&r->intake, KEEP_BYTES);
}

static bool answer_challenge(struct request *r)
{
    struct ingest *in = r->in;
    buf_reset(&in->scratch);
    if (strcmp(scheme_name(r->source->verify), "slack") != 0 ||
        !judge_challenge(buf_slice(&r->intake.wire), &in->scratch))
        return false;
    tally_count(in->tally, r->tally, ANSWER_CHALLENGE, http_started(r->http));
    http_set_ctx(r->http, NULL);
    respond_json(r->http, 200, buf_slice(&in->scratch));
    request_free(r);
    return true;
}

/* The whole request was read and looked at. */
static void complete(struct request *r)
{
    char digest[RECORD_DIGEST_LEN];
    FAULT_POINT("parsed");
    enum answer a = intake_end(&r->intake, digest);
    if (a != ANSWER_OK) {
        finish(r, a,
               a == ANSWER_INVALID_JSON || a == ANSWER_INVALID_GZIP ? r->intake.detail.text : NULL);
        return;
    }
    if (answer_challenge(r))
        return;
    struct scheme_request view = scheme_request(r);
    struct slice message_id = scheme_message_id(r->source->verify, &view);
    struct identity_sources from = {
        .scan = r->intake.scan,
        .id_picks = r->source->id_picks,
        .tag_picks = r->source->tag_picks,
        .query = http_query(r->http),
        .message_id = message_id,
        .may_generate = !r->is_pingback,
        .now = view.now,
    };
    const char *why = NULL;
    a = judge_identity(&from, &r->identity, &why);
    if (!scheme_signs_id(r->source->verify)) {
        message_id = SLICE_LIT("");
    } else if (message_id.len > MESSAGE_ID_MAX) {
        a = ANSWER_INVALID_ID;
        why = "the message id is too long";
    }
    if (a != ANSWER_OK)
        finish(r, a, why);
    else
        submit(r, slice_make(digest, sizeof digest), message_id, view.now);
}

/* --- the headers --- */

static struct load load_now(const struct ingest *in)
{
    return (struct load){
        .redis_is_ready = redis_is_ready(in->redis),
        .waiting = in->waiting,
        .waiting_bytes = redis_pending_bytes(in->redis),
        .oldest_us = in->first ? clock_mono_us() - in->first->submitted : 0,
    };
}

/* What can be refused without asking the scheme. */
static enum answer check_request(const struct request *r)
{
    const struct source *s = r->source;
    struct slice method = http_method(r->http);
    bool is_get = slice_eq(method, SLICE_LIT("GET"));
    if (!is_get && !slice_eq(method, SLICE_LIT("POST")))
        return ANSWER_METHOD_NOT_ALLOWED;
    if (s->allow_count && !cidr_any(s->allow, s->allow_count, http_peer(r->http)))
        return ANSWER_ADDRESS_NOT_ALLOWED;
    if (is_get)
        return http_content_length(r->http) == 0 ? ANSWER_OK : ANSWER_BAD_REQUEST;
    if (http_has_no_length(r->http))
        return ANSWER_LENGTH_REQUIRED;
    int64_t length = http_content_length(r->http);
    return length > (int64_t)r->conf->receiver.max_body_bytes ? ANSWER_BODY_TOO_LARGE : ANSWER_OK;
}

/* Starts the verification and the reading of the body. */
static enum answer begin(struct request *r)
{
    struct load load = load_now(r->in);
    enum answer a = admission_judge(&load);
    if (a != ANSWER_OK)
        return a;
    if (!http_charge(r->http, INTAKE_BYTES))
        return ANSWER_OVERLOADED;
    struct scheme_request view = scheme_request(r);
    struct intake_setup setup = {.source = r->source,
                                 .wire_max = r->conf->receiver.max_body_bytes,
                                 .inflated_max = r->conf->receiver.max_inflated_bytes};
    a = judge_signature(verify_start(r->source->verify, &view, &setup.verify));
    if (a != ANSWER_OK)
        return a;
    if (!r->is_pingback) {
        unsigned n;
        struct slice encoding = http_header(r->http, "content-encoding", &n);
        setup.encoding = judge_encoding(encoding, n);
        setup.is_json = r->source->payload_is_json;
    }
    intake_begin(&r->intake, r->in->intakes, &setup);
    return setup.encoding == BODY_UNSUPPORTED ? ANSWER_UNSUPPORTED_ENCODING : ANSWER_OK;
}

static void answer_unknown(struct ingest *in, struct http_request *http, enum answer a)
{
    tally_count(in->tally, tally_row(in->tally, SLICE_LIT("unknown")), a, http_started(http));
    respond_error(http, a, answer_row(a)->headers, NULL);
}

/* For load balancers, which see this listener only. */
static void answer_health(struct http_request *http)
{
    if (slice_eq(http_method(http), SLICE_LIT("GET")))
        respond_json(http, 200, SLICE_LIT("{\"status\":\"ok\"}"));
    else
        http_answer_error(http, 405, SLICE_LIT("Allow: GET\r\n"), "method_not_allowed", "use GET");
}

static void on_request(struct http_request *http, void *ctx)
{
    struct ingest *in = ctx;
    struct slice path = http_path(http);
    if (!slice_starts(path, PATH_PREFIX)) {
        if (slice_eq(path, SLICE_LIT("/healthz")))
            answer_health(http);
        else
            answer_unknown(in, http, ANSWER_UNKNOWN_SOURCE);
        return;
    }
    struct source *source = config_source(in->conf, slice_skip(path, PATH_PREFIX.len));
    if (!source) {
        answer_unknown(in, http, ANSWER_UNKNOWN_SOURCE);
        return;
    }
    struct request *r = request_new(in, http, source);
    http_set_ctx(http, r);
    r->is_pingback = slice_eq(http_method(http), SLICE_LIT("GET"));
    enum answer a = check_request(r);
    if (a == ANSWER_OK)
        a = begin(r);
    if (a != ANSWER_OK)
        finish(r, a, NULL);
    else if (!r->is_pingback)
        http_read_body(http, 0);
}

/* True if there is more to do for R in later turns: until then it is not read on. */
static bool leaves_chore(struct request *r)
{
    if (intake_is_behind(&r->intake) && !r->chore.is_queued) {
        chores_add(r->in->chores, &r->chore);
        http_pause(r->http, true);
    }
    return r->chore.is_queued;
}

static enum answer take_piece(struct request *r, struct slice piece)
{
    if (!http_charge(r->http, (int64_t)piece.len))
        return ANSWER_OVERLOADED;
    enum answer a = intake_feed(&r->intake, piece);
    if (a != ANSWER_OK || !r->intake.inflate || r->is_inflating)
        return a;
    r->is_inflating = true;
    return http_charge(r->http, INTAKE_GZIP_BYTES) ? ANSWER_OK : ANSWER_OVERLOADED;
}

static void on_body(struct http_request *http, struct slice piece, void *ctx)
{
    struct request *r = http_ctx(http);
    (void)ctx;
    enum answer a = take_piece(r, piece);
    if (a != ANSWER_OK)
        finish(r, a, NULL);
    else
        leaves_chore(r);
}

static void on_complete(struct http_request *http, void *ctx)
{
    struct request *r = http_ctx(http);
    (void)ctx;
    enum answer a = intake_whole(&r->intake);
    if (a != ANSWER_OK)
        finish(r, a, NULL);
    else if (!leaves_chore(r))
        complete(r);
}

/* One slice of a body that came faster than it can be looked at. */
static void catch_up(void *ctx, struct chore *chore)
{
    struct request *r = (struct request *)(void *)((char *)chore - offsetof(struct request, chore));
    struct ingest *in = ctx;
    enum answer a = intake_catch_up(&r->intake);
    if (a == ANSWER_OK && intake_is_behind(&r->intake)) {
        if (!intake_is_bomb(&r->intake) || chores_put_aside(in->chores, chore))
            return;
        a = ANSWER_OVERLOADED;
    }
    chores_remove(in->chores, chore);
    http_pause(r->http, false);
    if (a != ANSWER_OK)
        finish(r, a, NULL);
    else if (r->intake.is_whole)
        complete(r);
}

static void on_gone(struct http_request *http, void *ctx)
{
    struct request *r = http_ctx(http);
    (void)ctx;
    if (!r)
        return;
    r->http = NULL;
    if (!r->is_waiting)
        request_free(r);
}

static void on_refused(const char *code, void *ctx)
{
    struct ingest *in = ctx;
    tally_count_code(in->tally, code);
}

struct http_handler ingest_handler(struct ingest *in)
{
    return (struct http_handler){.on_request = on_request,
                                 .on_body = on_body,
                                 .on_complete = on_complete,
                                 .on_gone = on_gone,
                                 .on_refused = on_refused,
                                 .ctx = in};
}
