/* The life of a webhook. The functions are in the order in which a webhook meets them: head, body, end, queue, answer.
 *
 * A webhook ends by exactly one of ingest_refuse, answer_probe, answer_challenge, ingest_on_put and ingest_on_gone. While it waits in the line
 * for Redis, queue_put owns it: if its client leaves then, it is freed in ingest_on_put. */
#include "receiver/ingest/ingest.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/config/config.h"
#include "common/json/json_scan.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"
#include "common/queue/record.h"
#include "common/queue/route_event.h"
#include "common/queue/shard.h"
#include "common/queue/tail.h"
#include "common/webhook/envelope.h"
#include "common/webhook/scheme.h"
#include "receiver/ingest/admission.h"
#include "receiver/ingest/answer_counts.h"
#include "receiver/ingest/body_reader.h"
#include "receiver/ingest/judge.h"
#include "receiver/ingest/keep_headers.h"
#include "receiver/ingest/repeats.h"
#include "receiver/ingest/respond.h"
#include "receiver/ingest/slow_work.h"
#include "receiver/ingest/trail.h"

#include <stdatomic.h>
#include <stdlib.h>

#define ANSWER_BODY_OK SLICE_LIT("{\"status\":\"ok\"}")
#define KEEP_BODY_BYTES (16 * 1024) /* larger body buffers are not kept for the next webhook */
#define POOL_MAX 256                /* webhooks kept for reuse */

struct
    webhook { /* Owned by its ingest, from the head until it is answered or its client is gone, and not queued. */
    struct ingest *in;
    struct list_link link;     /* in the line or in the pool */
    struct http_request *http; /* NULL: the client is gone */
    struct config *conf;
    struct source *source;
    struct source_counts *counts;
    struct body_reader body;
    mono_us
        started; /* when its request began; the request may be gone before its event is stored */
    bool is_pingback;      /* a GET, or the HEAD of one */
    bool is_probe;         /* a HEAD: judged like a GET, and not queued */
    bool is_inflating;     /* the memory that inflating takes is charged */
    struct slow_item slow; /* queued: no more of the body is read until it is inflated */
    struct identity identity;
    struct trail trail; /* for the log, from when it is submitted */
};

struct ingest {
    struct shards *shards;
    struct queue_put *put;
    struct config *conf;
    struct body_pool *bodies;
    struct slow_work *slow;
    struct pool pool;
    struct list line;       /* of webhooks that wait for Redis, oldest first */
    _Atomic size_t waiting; /* events that Redis has not answered; written by this thread only */
    struct answer_counts *counts;
    struct buf scratch, headers;
    struct peer_text peer;         /* of the last event, */
    struct clock_text received_at; /* and its time */
    struct tail *tail;             /* borrowed */
};

/* --- a webhook's beginning and end --- */

static struct webhook *webhook_new(struct ingest *in, struct http_request *http, struct source *s)
{
    struct webhook *w = POOL_TAKE(&in->pool, struct webhook, link);
    if (!w)
        w = NEW(struct webhook);
    w->in = in;
    w->http = http;
    w->started = http_started(http);
    w->conf = config_ref(in->conf);
    w->source = s;
    w->counts = answer_counts_of(in->counts, slice_str(s->name));
    w->is_probe = slice_eq(http_method(http), SLICE_LIT("HEAD"));
    w->is_pingback = w->is_probe || slice_eq(http_method(http), SLICE_LIT("GET"));
    w->is_inflating = false;
    http_set_ctx(http, w);
    return w;
}

static void webhook_discard(struct webhook *w)
{
    buf_clear(&w->body.wire);
    free(w);
}

size_t ingest_waiting(const struct ingest *in)
{
    return atomic_load_explicit(&in->waiting, memory_order_relaxed);
}

static void add_waiting(struct ingest *in, int n)
{
    size_t was = ingest_waiting(in);
    atomic_store_explicit(&in->waiting, was + (size_t)n, memory_order_relaxed);
}

static bool is_waiting(const struct webhook *w)
{
    return list_is_linked(&w->link);
}

static void webhook_free(struct webhook *w)
{
    struct ingest *in = w->in;
    assert(!is_waiting(w));
    slow_work_remove(in->slow, &w->slow);
    body_clear(&w->body, KEEP_BODY_BYTES);
    config_unref(w->conf);
    if (!pool_put(&in->pool, &w->link))
        webhook_discard(w);
}

/* Ends W with answer A. DETAIL (may be NULL) says more than A's own message. */
static void ingest_refuse(struct webhook *w, enum answer a, const char *detail)
{
    struct http_request *http = w->http;
    answer_counts_add(w->in->counts, w->counts, a, w->started);
    trail_refused(http, w->source, a);
    w->http = NULL;
    http_set_ctx(http, NULL);
    const char *headers = answer_row(a)->headers;
    if (answer_row(a)->status == 401)
        headers = scheme_authenticate(w->source->verify);
    respond_error(http, a, headers, detail);
    webhook_free(w);
}

/* --- the line for Redis --- */

static void line_enter(struct webhook *w)
{
    list_add_last(&w->in->line, &w->link);
    add_waiting(w->in, 1);
}

static void line_leave(struct webhook *w)
{
    list_remove(&w->link);
    add_waiting(w->in, -1);
}

static void ingest_on_put(void *ctx, const struct put_answer *put)
{
    struct webhook *w = ctx;
    struct ingest *in = w->in;
    line_leave(w);
    enum answer a = put->result == PUT_QUEUED      ? ANSWER_OK
                    : put->result == PUT_DUPLICATE ? ANSWER_DUPLICATE
                                                   : ANSWER_QUEUE_UNAVAILABLE;
    if (w->http && a == ANSWER_QUEUE_UNAVAILABLE) {
        ingest_refuse(w, a, NULL);
        return;
    }
    if (w->conf->log_events == LOG_EVENTS_ALL)
        trail_accepted(&w->trail, w->source, &w->identity, put, &in->peer);
    if (tail_is_wanted(in->tail))
        trail_tell(in->tail, &w->trail, w->source, &w->identity, put);
    /* Also if the client did not wait for the answer. */
    answer_counts_add(in->counts, w->counts, a, w->started);
    if (w->http) {
        http_set_ctx(w->http, NULL);
        respond_accepted(w->http, slice_make(w->identity.id, w->identity.id_len), put,
                         &in->received_at, &in->scratch);
        FAULT_POINT("reply_written");
    }
    webhook_free(w);
}

/* --- the headers --- */

static void load_add_shard(struct load *l, const struct ingest *in, unsigned partition,
                           mono_us *oldest)
{
    const struct shard *s = shards_at(in->shards, partition);
    size_t bytes = shard_pending_bytes(s);
    mono_us sent_at = queue_put_oldest(in->put, partition);
    l->redis_is_ready = l->redis_is_ready && shard_is_ready(s);
    if (bytes > l->waiting_bytes)
        l->waiting_bytes = bytes;
    if (sent_at && (!*oldest || sent_at < *oldest))
        *oldest = sent_at;
}

/* An event without destinations is kept in the partition of its id, which is not known yet: the one that answers best counts. */
static void load_add_any(struct load *l, const struct ingest *in, mono_us *oldest)
{
    l->redis_is_ready = false;
    for (unsigned i = 0; i < shards_count(in->shards); i++) {
        mono_us sent_at = queue_put_oldest(in->put, i);
        if (!shard_is_ready(shards_at(in->shards, i)))
            continue;
        if (!l->redis_is_ready || !sent_at || (*oldest && sent_at > *oldest))
            *oldest = sent_at;
        l->redis_is_ready = true;
    }
}

/* The load that an event of SOURCE meets, in the shards that it goes to. Others may be slow, or move. */
static struct load load_now(const struct ingest *in, const struct source *source)
{
    struct load l = {.redis_is_ready = true, .waiting = ingest_waiting(in)};
    mono_us oldest = 0;
    if (source->fetch)
        load_add_shard(&l, in, source->fetch->partition, &oldest);
    for (size_t i = 0; i < source->to_count; i++)
        load_add_shard(&l, in, source->to[i]->partition, &oldest);
    if (!source->to_count && !source->fetch)
        load_add_any(&l, in, &oldest);
    l.oldest_us = oldest ? clock_mono_us() - oldest : 0;
    return l;
}

/* The largest body that the configuration allows and Redis takes. */
static size_t body_max(const struct webhook *w)
{
    size_t configured = w->conf->receiver.max_body_bytes;
    size_t queue = queue_put_body_max(w->in->put);
    return queue < configured ? queue : configured;
}

/* Refuses what can be refused without asking the scheme. */
static enum answer check_head(const struct webhook *w)
{
    const struct source *s = w->source;
    if (!w->is_pingback && !slice_eq(http_method(w->http), SLICE_LIT("POST")))
        return ANSWER_METHOD_NOT_ALLOWED;
    if (s->allow_count && !cidr_any(s->allow, s->allow_count, http_peer(w->http)))
        return ANSWER_ADDRESS_NOT_ALLOWED;
    if (w->is_pingback)
        return http_content_length(w->http) == 0 ? ANSWER_OK : ANSWER_BAD_REQUEST;
    if (http_has_no_length(w->http))
        return ANSWER_LENGTH_REQUIRED;
    int64_t length = http_content_length(w->http);
    return length > (int64_t)body_max(w) ? ANSWER_BODY_TOO_LARGE : ANSWER_OK;
}

static struct slice read_header(void *ctx, const char *name, unsigned *n)
{
    return http_header(ctx, name, n);
}

/* The parts of W that a scheme may read; borrowed from W. */
static struct scheme_request scheme_view(struct webhook *w)
{
    return (struct scheme_request){.header = read_header,
                                   .ctx = w->http,
                                   .query = http_query(w->http),
                                   .now = clock_wall_ms()};
}

/* Starts the verification and the reading of the body. */
static enum answer begin_body(struct webhook *w)
{
    struct load load = load_now(w->in, w->source);
    enum answer a = admission_judge(&load);
    if (a != ANSWER_OK)
        return a;
    if (!http_charge(w->http, BODY_BYTES))
        return ANSWER_OVERLOADED;
    struct scheme_request view = scheme_view(w);
    struct body_setup setup = {.source = w->source,
                               .wire_max = body_max(w),
                               .inflated_max = w->conf->receiver.max_inflated_bytes,
                               .payload = PAYLOAD_ANY};
    a = judge_signature(verify_start(w->source->verify, &view, &setup.verify));
    if (a != ANSWER_OK)
        return a;
    if (!w->is_pingback) {
        unsigned n;
        struct slice encoding = http_header(w->http, "content-encoding", &n);
        setup.encoding = judge_encoding(encoding, n);
        setup.payload = w->source->payload;
    }
    body_begin(&w->body, w->in->bodies, &setup);
    return setup.encoding == BODY_UNSUPPORTED ? ANSWER_UNSUPPORTED_ENCODING : ANSWER_OK;
}

static void answer_unknown(struct ingest *in, struct http_request *http)
{
    enum answer a = ANSWER_UNKNOWN_SOURCE;
    trail_refused(http, NULL, a);
    answer_counts_add(in->counts, answer_counts_of(in->counts, SLICE_LIT("unknown")), a,
                      http_started(http));
    respond_error(http, a, answer_row(a)->headers, NULL);
}

/* For load balancers, which see this listener only. */
static void answer_health(struct http_request *http)
{
    struct slice method = http_method(http);
    if (slice_eq(method, SLICE_LIT("GET")) || slice_eq(method, SLICE_LIT("HEAD")))
        respond_json(http, 200, ANSWER_BODY_OK);
    else
        http_answer_error(http, 405, SLICE_LIT("Allow: GET, HEAD\r\n"), "method_not_allowed",
                          "use GET");
}

/* Takes the next segment off PATH. An empty one does not count: a trailing slash and doubled slashes mean the same path. */
static struct slice take_segment(struct slice *path)
{
    while (path->len && path->ptr[0] == '/')
        *path = slice_skip(*path, 1);
    return slice_cut(path, '/');
}

static void ingest_on_request(struct http_request *http, void *ctx)
{
    struct ingest *in = ctx;
    struct slice path = http_path(http);
    bool is_path = slice_starts(path, SLICE_LIT("/"));
    struct slice first = take_segment(&path), second = take_segment(&path);
    is_path = is_path && take_segment(&path).len == 0;
    if (is_path && second.len == 0 && slice_eq(first, SLICE_LIT("healthz"))) {
        answer_health(http);
        return;
    }
    bool is_ours = is_path && slice_eq(first, SLICE_LIT("in"));
    struct source *source = is_ours ? config_source(in->conf, second) : NULL;
    if (!source) {
        answer_unknown(in, http);
        return;
    }
    struct webhook *w = webhook_new(in, http, source);
    enum answer a = check_head(w);
    if (a == ANSWER_OK)
        a = begin_body(w);
    if (a != ANSWER_OK)
        ingest_refuse(w, a, NULL);
    else if (!w->is_pingback)
        http_read_body(http, 0);
}

/* --- the body --- */

/* True if later turns have more to inflate for W. Until then its body is not read on. */
static bool is_slow(struct webhook *w)
{
    if (body_is_behind(&w->body) && !slow_work_has(&w->slow)) {
        slow_work_add(w->in->slow, &w->slow);
        http_pause(w->http, true);
    }
    return slow_work_has(&w->slow);
}

static enum answer take_piece(struct webhook *w, struct slice piece)
{
    if (!http_charge(w->http, (int64_t)piece.len))
        return ANSWER_OVERLOADED;
    enum answer a = body_feed(&w->body, piece);
    if (a != ANSWER_OK || !w->body.inflate || w->is_inflating)
        return a;
    w->is_inflating = true;
    return http_charge(w->http, BODY_GZIP_BYTES) ? ANSWER_OK : ANSWER_OVERLOADED;
}

static void ingest_on_body(struct http_request *http, struct slice piece, void *ctx)
{
    struct webhook *w = http_ctx(http);
    (void)ctx;
    enum answer a = take_piece(w, piece);
    if (a != ANSWER_OK)
        ingest_refuse(w, a, NULL);
    else
        is_slow(w);
}

/* --- the end: the signature and the form are judged, then the queue gets the event --- */

/* Answers what a provider sends to find out whether the URL is a source's. */
MUST_CHECK static enum flow answer_challenge(struct webhook *w)
{
    struct ingest *in = w->in;
    buf_reset(&in->scratch);
    if (!judge_challenge(buf_slice(&w->body.wire), &in->scratch))
        return GO_ON;
    answer_counts_add(in->counts, w->counts, ANSWER_CHALLENGE, w->started);
    http_set_ctx(w->http, NULL);
    respond_json(w->http, 200, buf_slice(&in->scratch));
    webhook_free(w);
    return ENDED;
}

/* The client of a HEAD cannot read whether its event was queued, so none is: it only learns whether a GET would be let in. */
static void answer_probe(struct webhook *w)
{
    answer_counts_add(w->in->counts, w->counts, ANSWER_PROBE, w->started);
    http_set_ctx(w->http, NULL);
    respond_json(w->http, 200, ANSWER_BODY_OK);
    webhook_free(w);
}

static struct slice text_picked(const struct json_scan *scan, size_t pick)
{
    struct slice text;
    return json_scan_pick(scan, pick, &text) == JSON_PICK_TEXT ? text : slice_make("", 0);
}

/* The engine that W's envelope names, for the lists of the API. */
static struct slice engine_of(const struct webhook *w, char out[ENVELOPE_ENGINE_MAX])
{
    const struct json_scan *scan = w->body.scan;
    size_t at = w->source->engine_pick;
    if (!scan || !w->source->picks_engine)
        return slice_make("", 0);
    return envelope_engine(text_picked(scan, at), text_picked(scan, at + 1), out);
}

static enum repeat_key find_repeat_key(const struct webhook *w, const struct scheme_request *view,
                                       struct slice digest, char name[REPEAT_NAME_LEN])
{
    const struct scheme *verify = w->source->verify;
    bool is_signed = scheme_covers_body(verify);
    bool is_of_header = w->identity.origin == ID_OF_HEADER;
    struct repeat_facts facts = {
        .rule = w->source->repeats,
        .signed_timestamp = scheme_signed_timestamp(verify, view),
        .is_signed = is_signed,
        .names_id = w->identity.origin == ID_NAMED || (is_of_header && !is_signed),
        .digest = digest,
    };
    facts.message_id = scheme_message_id(verify, view, &facts.message_origin);
    if (is_of_header && !facts.message_id.len)
        facts.message_id = slice_make(w->identity.id, w->identity.id_len);
    return repeat_key(&facts, name);
}

/* The event that W brings. It borrows from W, VIEW, DIGEST and ENGINE, whose text it writes. */
static struct event event_of(struct webhook *w, const struct scheme_request *view,
                             struct slice digest, char engine[ENVELOPE_ENGINE_MAX])
{
    bool is_announcement = w->is_pingback && w->source->fetch;
    return (struct event){
        .kind = is_announcement ? EVENT_ANNOUNCEMENT : EVENT_WEBHOOK,
        .id = slice_make(w->identity.id, w->identity.id_len),
        .tag = slice_make(w->identity.tag, w->identity.tag_len),
        .source = slice_str(w->source->name),
        .engine = engine_of(w, engine),
        .content_type = http_header(w->http, "content-type", NULL),
        .content_encoding = w->body.says_gzip ? SLICE_LIT("gzip") : SLICE_LIT(""),
        .headers = keep_headers(w->http, w->source, &w->in->headers),
        .received_at = view->now,
        .digest = digest,
        .has_body = !w->is_pingback,
        .body = buf_slice(&w->body.wire),
    };
}

static void submit(struct webhook *w, const struct scheme_request *view, struct slice digest)
{
    char name[REPEAT_NAME_LEN];
    struct body_reader *body = &w->body;
    char engine[ENVELOPE_ENGINE_MAX];
    struct event event = event_of(w, view, digest, engine);
    struct route route = route_event(w->source, &event, NULL);
    /* Announcements of one source with one id are repeats, because one fetch brings the result. */
    enum repeat_key key =
        event.kind == EVENT_ANNOUNCEMENT ? REPEAT_BY_EVENT : find_repeat_key(w, view, digest, name);
    struct put_request put = {.event = &event,
                              .source = w->source,
                              .repeat_name =
                                  slice_make(name, key == REPEAT_BY_NAME ? sizeof name : 0),
                              .never_repeats = key == REPEAT_NEVER,
                              .to = route.to,
                              .to_count = route.count};
    if (event.body.len >= PUT_LARGE)
        put.taken = body->wire.ptr; /* a large body is held once, and never copied */
    enum err rc = queue_put_submit(w->in->put, &put, ingest_on_put, w);
    if (rc != OK) {
        ingest_refuse(w, rc == ERR_TOO_BIG ? ANSWER_HEADERS_TOO_LARGE : ANSWER_QUEUE_UNAVAILABLE,
                      NULL);
        return;
    }
    if (w->conf->log_events == LOG_EVENTS_ALL)
        trail_begin(&w->trail, w->http, event.body.len);
    if (put.taken)
        body->wire = (struct buf){0};
    line_enter(w);
    body_clear(body, KEEP_BODY_BYTES);
}

static enum answer identify(struct webhook *w, const struct scheme_request *view, const char **why)
{
    const struct source *s = w->source;
    struct slice origin;
    struct identity_sources from = {
        .picks = s->picks,
        .id_picks = s->id_picks,
        .tag_picks = s->tag_picks,
        .scan = w->body.scan,
        .form = w->body.form,
        .request = view,
        .message_id = scheme_message_id(s->verify, view, &origin),
        .may_generate = !w->is_pingback,
    };
    enum answer a = judge_identity(&from, &w->identity, why);
    if (a == ANSWER_OK && w->identity.tag_was_bad)
        LOG_RARELY(LL_WARN, "tag.dropped", LS("source", s->name),
                   LSL("event", slice_make(w->identity.id, w->identity.id_len)));
    return a;
}

static void ingest_complete(struct webhook *w)
{
    char digest[RECORD_DIGEST_LEN];
    FAULT_POINT("parsed");
    enum answer a = body_end(&w->body, digest);
    if (a != ANSWER_OK) {
        bool has_detail = a == ANSWER_INVALID_JSON || a == ANSWER_INVALID_GZIP;
        ingest_refuse(w, a, has_detail ? w->body.detail.text : NULL);
        return;
    }
    if (w->is_probe) {
        answer_probe(w);
        return;
    }
    if (scheme_challenge(w->source->verify) == CHALLENGE_URL_VERIFICATION &&
        answer_challenge(w) == ENDED)
        return;
    struct scheme_request view = scheme_view(w);
    const char *why = NULL;
    a = identify(w, &view, &why);
    if (a != ANSWER_OK)
        ingest_refuse(w, a, why);
    else
        submit(w, &view, slice_make(digest, sizeof digest));
}

static void ingest_on_complete(struct http_request *http, void *ctx)
{
    struct webhook *w = http_ctx(http);
    (void)ctx;
    enum answer a = body_whole(&w->body);
    if (a != ANSWER_OK)
        ingest_refuse(w, a, NULL);
    else if (!is_slow(w))
        ingest_complete(w);
}

/* Inflates one slice of a body that came faster than it can be checked. */
static void ingest_catch_up(void *ctx, struct slow_item *item)
{
    struct webhook *w = LIST_ITEM(&item->link, struct webhook, slow.link);
    struct ingest *in = ctx;
    enum answer a = body_catch_up(&w->body);
    if (a == ANSWER_OK && body_is_behind(&w->body)) {
        if (!body_is_bomb(&w->body) || slow_work_set_aside(in->slow, item))
            return;
        a = ANSWER_OVERLOADED;
    }
    slow_work_remove(in->slow, item);
    http_pause(w->http, false);
    if (a != ANSWER_OK)
        ingest_refuse(w, a, NULL);
    else if (w->body.is_whole)
        ingest_complete(w);
}

/* --- what the HTTP server says besides --- */

static void ingest_on_gone(struct http_request *http, void *ctx)
{
    struct webhook *w = http_ctx(http);
    (void)ctx;
    if (!w)
        return;
    w->http = NULL;
    if (!is_waiting(w))
        webhook_free(w);
}

static void ingest_on_refused(const char *code, void *ctx)
{
    struct ingest *in = ctx;
    answer_counts_add_code(in->counts, code);
}

/* --- the ingest --- */

struct ingest *ingest_new(struct loop *l, struct shards *shards, struct queue_put *put,
                          struct tail *tail, struct metrics *metrics, struct config *conf)
{
    struct ingest *in = NEW(struct ingest);
    in->shards = shards;
    in->put = put;
    in->tail = tail;
    in->conf = config_ref(conf);
    in->bodies = body_pool_new();
    in->slow = slow_work_new(l, ingest_catch_up, in);
    in->counts = answer_counts_new(metrics);
    list_init(&in->line);
    pool_init(&in->pool, POOL_MAX);
    buf_init(&in->scratch, 64 * 1024);
    buf_init(&in->headers, KEEP_HEADERS_BYTES);
    return in;
}

void ingest_set_config(struct ingest *in, struct config *conf)
{
    config_unref(in->conf);
    in->conf = config_ref(conf);
}

void ingest_free(struct ingest *in)
{
    struct webhook *w;
    if (!in)
        return;
    while ((w = LIST_TAKE_FIRST(&in->line, struct webhook, link)))
        webhook_free(w); /* the queue is gone: it does not call back */
    while ((w = POOL_TAKE(&in->pool, struct webhook, link)))
        webhook_discard(w);
    answer_counts_free(in->counts);
    body_pool_free(in->bodies);
    slow_work_free(in->slow);
    buf_clear(&in->scratch);
    buf_clear(&in->headers);
    config_unref(in->conf);
    free(in);
}

struct http_handler ingest_handler(struct ingest *in)
{
    return (struct http_handler){.on_request = ingest_on_request,
                                 .on_body = ingest_on_body,
                                 .on_complete = ingest_on_complete,
                                 .on_gone = ingest_on_gone,
                                 .on_refused = ingest_on_refused,
                                 .ctx = in};
}
