#include "receiver/ingest/ingest_private.h"

#include "common/base/fault.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"
#include "common/queue/record.h"
#include "receiver/ingest/keep_headers.h"
#include "receiver/ingest/respond.h"
#include "receiver/ingest/tally.h"

#define MESSAGE_ID_MAX 256

static void on_put(void *ctx, enum put_result result, wall_ms received_at)
{
    struct request *r = ctx;
    struct ingest *in = r->in;
    ingest_leave_line(r);
    enum answer a = result == PUT_QUEUED      ? ANSWER_OK
                    : result == PUT_DUPLICATE ? ANSWER_DUPLICATE
                                              : ANSWER_QUEUE_UNAVAILABLE;
    if (r->http && a == ANSWER_QUEUE_UNAVAILABLE) {
        ingest_finish(r, a, NULL);
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
    ingest_request_free(r);
}

static struct slice read_header(void *ctx, const char *name, unsigned *n)
{
    return http_header(ctx, name, n);
}

struct scheme_request ingest_scheme_request(struct request *r)
{
    return (struct scheme_request){.header = read_header,
                                   .ctx = r->http,
                                   .query = http_query(r->http),
                                   .now = clock_wall_ms()};
}

static void submit(struct request *r, struct slice digest, struct slice signed_id, wall_ms now)
{
    bool is_announcement = r->is_pingback && r->source->fetch;
    struct event event = {
        .kind = is_announcement ? EVENT_ANNOUNCEMENT : EVENT_WEBHOOK,
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
    struct put_request put = {.event = &event,
                              .source = r->source,
                              .message_id = signed_id,
                              .to = r->source->to,
                              .to_count = r->source->to_count};
    if (event.body.len >= PUT_LARGE)
        put.taken = r->intake.wire.ptr; /* a large body is held once, and never copied */
    enum err rc = queue_put_submit(r->in->put, &put, on_put, r);
    if (rc == OK && put.taken)
        r->intake.wire = (struct buf){0};
    if (rc != OK) {
        ingest_finish(r, rc == ERR_TOO_BIG ? ANSWER_HEADERS_TOO_LARGE : ANSWER_QUEUE_UNAVAILABLE,
                      NULL);
        return;
    }
    ingest_wait_in_line(r);
    intake_clear(&r->intake, INGEST_KEEP_BYTES);
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
    ingest_request_free(r);
    return true;
}

void ingest_complete(struct request *r)
{
    char digest[RECORD_DIGEST_LEN];
    FAULT_POINT("parsed");
    enum answer a = intake_end(&r->intake, digest);
    if (a != ANSWER_OK) {
        ingest_finish(r, a,
                      a == ANSWER_INVALID_JSON || a == ANSWER_INVALID_GZIP ? r->intake.detail.text
                                                                           : NULL);
        return;
    }
    if (answer_challenge(r))
        return;
    struct scheme_request view = ingest_scheme_request(r);
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
        ingest_finish(r, a, why);
    else
        submit(r, slice_make(digest, sizeof digest), message_id, view.now);
}
