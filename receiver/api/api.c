#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/gzip/gzip.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "common/ops/ops.h"
#include "common/program/program.h"
#include "receiver/api/api_private.h"

#include <stdlib.h>

#define FIELD_MESSAGE_MAX 200

static void (*const calls[])(struct api_request *r) = {
    [API_WEBHOOK_RESEND] = api_webhook_resend,
    [API_WEBHOOK_DELAY] = api_webhook_delay,
    [API_WEBHOOK_DELAY_SET] = api_webhook_delay_set,
    [API_APPENDIX_ERRORS] = api_appendix_errors,
    [API_APPENDIX_STATUS] = api_appendix_status,
    [API_USER_DATA] = api_user_data,
    [API_TASKS_COUNT] = api_tasks_count,
    [API_TASK_POST] = api_task_post,
    [API_TASKS_READY] = api_tasks_ready,
    [API_TASKS_FIXED] = api_tasks_fixed,
    [API_TASK_GET] = api_task_get,
    [API_ERRORS] = api_errors,
    [API_ID_LIST] = api_id_list,
};

struct api *api_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct api *a = NEW(struct api);
    a->conf = config_ref(conf);
    a->tasks = queue_tasks_new(l, shards, conf);
    a->put = queue_put_new(l, shards, conf);
    return a;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    queue_tasks_free(a->tasks);
    queue_put_free(a->put);
    config_unref(a->conf);
    free(a);
}

void api_set_config(struct api *a, struct config *conf)
{
    config_ref(conf);
    config_unref(a->conf);
    a->conf = conf;
    queue_tasks_set_config(a->tasks, conf);
    queue_put_set_config(a->put, conf);
}

/* --- a request's life --- */

static struct api_request *request_new(struct ops_call *c)
{
    struct api_request *r = NEW(struct api_request);
    struct api *a = c->ctx;
    r->ops = c;
    r->api = a;
    r->conf = config_ref(a->conf);
    r->account = c->who.account;
    r->scope.login = slice_str(r->account->name);
    if (r->account->role != ACCOUNT_ADMIN)
        r->scope.account = r->scope.login;
    r->is_head = slice_eq(http_method(c->http), SLICE_LIT("HEAD"));
    r->started = clock_mono_us();
    buf_init(&r->body, a->conf->receiver.max_body_bytes);
    buf_init(&r->plain, a->conf->receiver.max_inflated_bytes);
    envelope_init(&r->envelope, API_ANSWER_MAX);
    c->state = r;
    return r;
}

static void request_free(struct api_request *r)
{
    api_path_clear(&r->path);
    buf_clear(&r->body);
    buf_clear(&r->plain);
    envelope_clear(&r->envelope);
    config_unref(r->conf);
    free(r);
}

static void request_end(struct api_request *r, int status, const char *headers, struct slice body)
{
    ops_answer(r->ops, status, SLICE_LIT("application/json"), slice_str(headers), body);
    request_free(r);
}

static void request_end_error(struct api_request *r, int status, const char *headers, int code,
                              const char *message)
{
    struct buf out;
    buf_init(&out, 4096);
    envelope_write_error(HOOKPACE_VERSION, code, message, &out);
    request_end(r, status, headers, buf_slice(&out));
    buf_clear(&out);
}

void api_fail_saying(struct api_request *r, enum api_code c, const char *message)
{
    request_end_error(r, 200, "", api_code_row(c)->code, message);
}

void api_fail(struct api_request *r, enum api_code c)
{
    api_fail_saying(r, c, api_code_row(c)->message);
}

void api_fail_field(struct api_request *r, const char *field, const char *why)
{
    char text[FIELD_MESSAGE_MAX];
    struct buf message = buf_over(text);
    buf_addf(&message, "Invalid Field: '%s'. %s", field, why);
    api_fail_saying(r, CODE_INVALID_FIELD, text);
}

void api_unavailable(struct api_request *r)
{
    LOG_RARELY(LL_WARN, "api.unavailable", LS("reason", "Redis does not answer"));
    const struct api_code_row *row = api_code_row(CODE_INTERNAL);
    request_end_error(r, 500, OPS_RETRY, row->code, row->message);
}

void api_answer_raw(struct api_request *r, struct slice body)
{
    request_end(r, 200, "", body);
}

void api_answer(struct api_request *r)
{
    struct buf out;
    buf_init(&out, API_ANSWER_MAX);
    envelope_write(&r->envelope, HOOKPACE_VERSION, STATUS_OK, "Ok.", clock_mono_us() - r->started,
                   &out);
    if (out.failed)
        api_unavailable(r);
    else
        request_end(r, 200, "", buf_slice(&out));
    buf_clear(&out);
}

struct slice api_query(const struct api_request *r)
{
    return r->ops->http ? http_query(r->ops->http) : slice_make("", 0);
}

/* --- from request to call --- */

static void api_refused(struct ops_call *c, enum ops_refusal why)
{
    const struct api_code_row *row =
        api_code_row(why == OPS_LIMITED ? CODE_RATE : CODE_UNAUTHORIZED);
    char text[128];
    struct buf headers = buf_over(text);
    ops_add_challenge(c, why, &headers);
    if (why != OPS_FOREIGN) {
        char peer[ADDR_TEXT];
        addr_text(http_peer(c->http), peer);
        LOG_RARELY(LL_WARN, "api.refused", LS("peer", peer), LI("code", row->code));
    }
    struct buf out;
    buf_init(&out, 4096);
    envelope_write_error(HOOKPACE_VERSION, row->code, row->message, &out);
    ops_answer(c, 401, SLICE_LIT("application/json"), buf_slice(&headers), buf_slice(&out));
    buf_clear(&out);
}

static void api_too_large(struct api_request *r)
{
    char text[100];
    struct buf message = buf_over(text);
    buf_addf(&message, "POST Data Is Invalid. It Has More Than %zu Bytes.", r->body.max);
    api_fail_saying(r, CODE_INVALID_DATA, text);
}

MUST_CHECK static enum flow api_head(struct ops_call *c)
{
    struct api_request *r = request_new(c);
    enum api_code refusal = CODE_OK;
    if (!api_path_read(http_path(c->http), &r->path))
        refusal = CODE_INVALID_PATH;
    else if ((r->call = api_path_route(&r->path, http_method(c->http))) == API_NOTHING)
        refusal = CODE_NOT_FOUND;
    if (refusal != CODE_OK) {
        const struct api_code_row *row = api_code_row(refusal);
        request_end_error(r, 404, "", row->code, row->message);
        return ENDED;
    }
    if (http_content_length(c->http) > (int64_t)r->body.max) {
        api_too_large(r);
        return ENDED;
    }
    return GO_ON;
}

static void api_piece(struct ops_call *c, struct slice piece)
{
    struct api_request *r = c->state;
    if (piece.len > r->body.max - r->body.len)
        api_too_large(r);
    else if (!http_charge(c->http, (int64_t)piece.len))
        api_unavailable(r);
    else
        buf_add_slice(&r->body, piece);
}

/* Inflates a gzip body. Its first bytes say whether it is one; Content-Encoding does not count. */
static bool inflate_body(struct api_request *r)
{
    struct slice wire = buf_slice(&r->body);
    r->json = wire;
    if (!gzip_is(wire))
        return true;
    if (gzip_inflate_all(wire, &r->plain, NULL) != OK)
        return false;
    r->json = buf_slice(&r->plain);
    return true;
}

static bool takes_body(enum api_call call)
{
    return call == API_WEBHOOK_RESEND || call == API_WEBHOOK_DELAY_SET || call == API_TASK_POST ||
           call == API_ERRORS || call == API_ID_LIST;
}

static void api_run(struct ops_call *c)
{
    struct api_request *r = c->state;
    if (!takes_body(r->call)) {
        calls[r->call](r);
        return;
    }
    if (!inflate_body(r)) {
        api_fail(r, CODE_INVALID_DATA);
        return;
    }
    if (r->plain.len && !http_charge(c->http, (int64_t)r->plain.len)) {
        api_unavailable(r);
        return;
    }
    size_t count = 0;
    bool is_json = json_scan_accepts(r->json);
    r->json = json_cut_trim(r->json);
    if (!r->json.len)
        api_fail(r, CODE_EMPTY);
    else if (!is_json || !json_cut_is_list(r->json, &count))
        api_fail(r, CODE_INVALID_DATA);
    else if (count == 0)
        api_fail(r, CODE_EMPTY);
    else
        calls[r->call](r);
}

static void api_left(struct ops_call *c)
{
    request_free(c->state);
}

static const struct ops_handler api_handler = {
    .run = api_run, .head = api_head, .piece = api_piece, .left = api_left, .refused = api_refused};

static const struct route api_routes[] = {
    {METHOD_ANY, "/v3/...", ROLE_ADMIN | ROLE_USER, &api_handler},
};

void api_add_routes(struct api *a, struct ops *o)
{
    ops_add(o, api_routes, sizeof api_routes / sizeof *api_routes, a);
}
