#include "receiver/ingest/ingest.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"
#include "common/queue/record.h"
#include "common/queue/shard.h"
#include "receiver/ingest/admission.h"
#include "receiver/ingest/chores.h"
#include "receiver/ingest/ingest_private.h"
#include "receiver/ingest/intake.h"
#include "receiver/ingest/judge.h"
#include "receiver/ingest/keep_headers.h"
#include "receiver/ingest/respond.h"
#include "receiver/ingest/tally.h"

#include <assert.h>
#include <stdlib.h>

#define PATH_PREFIX SLICE_LIT("/in/")

static void catch_up(void *ctx, struct chore *chore);

struct ingest *ingest_new(struct loop *l, struct shards *shards, struct queue_put *put,
                          struct metrics *metrics, struct config *conf)
{
    struct ingest *in = NEW(struct ingest);
    in->shards = shards;
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

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    while (in->first) { /* the queue is gone: nobody will call back for them */
        struct request *r = in->first;
        ingest_leave_line(r);
        assert(in->first != r);
        ingest_request_free(r);
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

/* --- the headers --- */

static void add_shard(struct load *l, const struct shard *s)
{
    size_t bytes = shard_pending_bytes(s);
    l->redis_is_ready = l->redis_is_ready && shard_is_ready(s);
    if (bytes > l->waiting_bytes)
        l->waiting_bytes = bytes;
}

/* An event without destinations is kept in the partition of its id, which is not known yet. */
static bool any_is_ready(const struct ingest *in)
{
    for (unsigned i = 0; i < shards_count(in->shards); i++)
        if (shard_is_ready(shards_at(in->shards, i)))
            return true;
    return false;
}

/* The load that an event of SOURCE meets, in the shards that it goes to. */
static struct load load_now(const struct ingest *in, const struct source *source)
{
    struct load l = {
        .redis_is_ready = true,
        .waiting = in->waiting,
        .oldest_us = in->first ? clock_mono_us() - in->first->submitted : 0,
    };
    if (source->fetch)
        add_shard(&l, shards_at(in->shards, source->fetch->partition));
    for (size_t i = 0; i < source->to_count; i++)
        add_shard(&l, shards_at(in->shards, source->to[i]->partition));
    if (!source->to_count && !source->fetch)
        l.redis_is_ready = any_is_ready(in);
    return l;
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
    struct load load = load_now(r->in, r->source);
    enum answer a = admission_judge(&load);
    if (a != ANSWER_OK)
        return a;
    if (!http_charge(r->http, INTAKE_BYTES))
        return ANSWER_OVERLOADED;
    struct scheme_request view = ingest_scheme_request(r);
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
    struct request *r = ingest_request_new(in, http, source);
    http_set_ctx(http, r);
    r->is_pingback = slice_eq(http_method(http), SLICE_LIT("GET"));
    enum answer a = check_request(r);
    if (a == ANSWER_OK)
        a = begin(r);
    if (a != ANSWER_OK)
        ingest_finish(r, a, NULL);
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
        ingest_finish(r, a, NULL);
    else
        leaves_chore(r);
}

static void on_complete(struct http_request *http, void *ctx)
{
    struct request *r = http_ctx(http);
    (void)ctx;
    enum answer a = intake_whole(&r->intake);
    if (a != ANSWER_OK)
        ingest_finish(r, a, NULL);
    else if (!leaves_chore(r))
        ingest_complete(r);
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
        ingest_finish(r, a, NULL);
    else if (r->intake.is_whole)
        ingest_complete(r);
}

static void on_gone(struct http_request *http, void *ctx)
{
    struct request *r = http_ctx(http);
    (void)ctx;
    if (!r)
        return;
    r->http = NULL;
    if (!r->is_waiting)
        ingest_request_free(r);
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
