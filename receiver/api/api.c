#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/program.h"
#include "common/gzip/gzip.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "common/net/http_server.h"
#include "receiver/api/api_private.h"
#include "receiver/respond.h"

#include <stdlib.h>

#define AUTHENTICATE "WWW-Authenticate: Basic realm=\"Hookpace\", charset=\"UTF-8\"\r\n"
#define FIELD_MESSAGE_MAX 200
#define RETRY_LATER "Retry-After: 1\r\n"

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
    a->auth = api_auth_new();
    return a;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    queue_tasks_free(a->tasks);
    queue_put_free(a->put);
    api_auth_free(a->auth);
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

bool api_owns(struct slice raw_path)
{
    return api_path_is(raw_path);
}

/* --- a request's life --- */

static struct api_request *request_new(struct api *a, struct http_request *http)
{
    struct api_request *r = NEW(struct api_request);
    r->ctx.is_api = true;
    r->api = a;
    r->http = http;
    r->conf = config_ref(a->conf);
    r->started = clock_mono_us();
    buf_init(&r->body, a->conf->receiver.max_body_bytes);
    buf_init(&r->plain, a->conf->receiver.max_inflated_bytes);
    envelope_init(&r->envelope, API_ANSWER_MAX);
    http_set_ctx(http, r);
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

/* Ends R with BODY, if its client is still there. */
static void end(struct api_request *r, int status, const char *headers, struct slice body)
{
    if (r->http) {
        http_set_ctx(r->http, NULL);
        http_answer(r->http, status, CONTENT_JSON, slice_str(headers), body, false);
    }
    request_free(r);
}

static void end_error(struct api_request *r, int status, const char *headers, int code,
                      const char *message)
{
    struct buf out;
    buf_init(&out, 4096);
    envelope_write_error(HOOKPACE_VERSION, code, message, &out);
    end(r, status, headers, buf_slice(&out));
    buf_clear(&out);
}

void api_fail_saying(struct api_request *r, enum api_code c, const char *message)
{
    end_error(r, 200, "", api_code_row(c)->code, message);
}

void api_fail(struct api_request *r, enum api_code c)
{
    api_fail_saying(r, c, api_code_row(c)->message);
}

void api_fail_field(struct api_request *r, const char *field, const char *why)
{
    char text[FIELD_MESSAGE_MAX];
    struct buf message = {.ptr = text, .cap = sizeof text, .max = sizeof text - 1};
    buf_addf(&message, "Invalid Field: '%s'. %s", field, why);
    api_fail_saying(r, CODE_INVALID_FIELD, text);
}

void api_unavailable(struct api_request *r)
{
    LOG_RARELY(LL_WARN, "api.unavailable", LS("reason", "Redis does not answer"));
    const struct api_code_row *row = api_code_row(CODE_INTERNAL);
    end_error(r, 500, RETRY_LATER, row->code, row->message);
}

void api_answer_raw(struct api_request *r, struct slice body)
{
    end(r, 200, "", body);
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
        end(r, 200, "", buf_slice(&out));
    buf_clear(&out);
}

struct slice api_query(const struct api_request *r)
{
    return r->http ? http_query(r->http) : slice_make("", 0);
}

/* --- from request to call --- */

static bool is_foreign(const struct http_request *http)
{
    return api_auth_is_foreign(http_header(http, "sec-fetch-site", NULL),
                               http_header(http, "origin", NULL), http_header(http, "host", NULL));
}

/* False: R was ended. */
static bool log_in(struct api_request *r)
{
    unsigned n;
    if (is_foreign(r->http)) {
        end_error(r, 401, "", api_code_row(CODE_UNAUTHORIZED)->code,
                  api_code_row(CODE_UNAUTHORIZED)->message);
        return false;
    }
    struct slice header = http_header(r->http, "authorization", &n);
    if (n != 1)
        header.len = 0;
    enum auth_verdict v = api_auth_check(r->api->auth, r->conf, http_peer(r->http), header,
                                         clock_mono_us(), &r->account);
    if (v == AUTH_OK) {
        if (!r->account->is_admin)
            r->scope.account = slice_str(r->account->name);
        return true;
    }
    enum api_code c = v == AUTH_LIMITED ? CODE_RATE : CODE_UNAUTHORIZED;
    const char *headers = v == AUTH_LIMITED ? AUTHENTICATE RETRY_LATER : AUTHENTICATE;
    char peer[ADDR_TEXT];
    addr_text(http_peer(r->http), peer);
    LOG_RARELY(LL_WARN, "api.refused", LS("peer", peer), LI("code", api_code_row(c)->code));
    end_error(r, 401, headers, api_code_row(c)->code, api_code_row(c)->message);
    return false;
}

static void too_large(struct api_request *r)
{
    char text[100];
    struct buf message = {.ptr = text, .cap = sizeof text, .max = sizeof text - 1};
    buf_addf(&message, "POST Data Is Invalid. It Has More Than %zu Bytes.", r->body.max);
    api_fail_saying(r, CODE_INVALID_DATA, text);
}

void api_on_request(struct api *a, struct http_request *http)
{
    struct api_request *r = request_new(a, http);
    if (!log_in(r))
        return;
    if (!api_path_read(http_path(http), &r->path)) {
        end_error(r, 404, "", api_code_row(CODE_INVALID_PATH)->code,
                  api_code_row(CODE_INVALID_PATH)->message);
        return;
    }
    r->call = api_path_route(&r->path, http_method(http));
    if (r->call == API_NOTHING) {
        end_error(r, 404, "", api_code_row(CODE_NOT_FOUND)->code,
                  api_code_row(CODE_NOT_FOUND)->message);
        return;
    }
    if (http_content_length(http) > (int64_t)r->body.max)
        too_large(r);
    else
        http_read_body(http, 0);
}

void api_on_body(struct http_request *http, struct slice piece)
{
    struct api_request *r = http_ctx(http);
    if (piece.len > r->body.max - r->body.len) {
        too_large(r);
        return;
    }
    if (!http_charge(http, (int64_t)piece.len)) {
        api_unavailable(r);
        return;
    }
    buf_add_slice(&r->body, piece);
}

/* The body is what its bytes are: gzip only if it looks so, whatever Content-Encoding says. */
static bool inflate(struct api_request *r)
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

void api_on_complete(struct http_request *http)
{
    struct api_request *r = http_ctx(http);
    r->is_running = true;
    if (!takes_body(r->call)) {
        calls[r->call](r);
        return;
    }
    if (!inflate(r)) {
        api_fail(r, CODE_INVALID_DATA);
        return;
    }
    if (r->plain.len && !http_charge(http, (int64_t)r->plain.len)) {
        api_unavailable(r);
        return;
    }
    r->json = json_cut_trim(r->json);
    if (!r->json.len)
        api_fail(r, CODE_EMPTY);
    else if (!json_scan_accepts(r->json) || !json_cut_is_list(r->json))
        api_fail(r, CODE_INVALID_DATA);
    else if (json_cut_count(r->json) == 0)
        api_fail(r, CODE_EMPTY);
    else
        calls[r->call](r);
}

void api_on_gone(struct http_request *http)
{
    struct api_request *r = http_ctx(http);
    r->http = NULL;
    if (!r->is_running)
        request_free(r);
}
