#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/gzip/gzip.h"
#include "common/ops/ops.h"
#include "common/program/program.h"
#include "common/queue/shard.h"
#include "receiver/api/api_private.h"

#include <stdlib.h>

#define FIELD_MESSAGE_MAX 200
#define TOLD_MAX 8192 /* the numbers of all partitions fit */
#define ASKING_MAX 16 /* calls that read much from Redis, of all accounts */
/* No gzip has more plain bytes for one of its own; and what a small one may have on top. */
#define GZIP_RATIO_MAX 1032
#define GZIP_LEAST 4096

typedef void (*call_step)(struct api_request *r);

static const struct {
    call_step run;
    bool takes_body;
    bool asks_much;  /* of Redis: an account has one of these calls under way */
    size_t body_max; /* inflated */
    call_step read;  /* optional: follows when the body is checked; it may run in the thread */
    bool needs_none; /* an empty body is a list with one empty object */
} calls[] = {
    [API_WEBHOOK_RESEND] = {api_webhook_resend, true, true, API_SMALL_BODY_MAX, NULL, false},
    [API_WEBHOOK_DELAY] = {.run = api_webhook_delay},
    [API_WEBHOOK_DELAY_SET] = {api_webhook_delay_set, true, false, API_SMALL_BODY_MAX, NULL, false},
    [API_WEBHOOK_SETTINGS] = {.run = api_webhook_settings},
    [API_WEBHOOK_SETTINGS_SET] = {api_webhook_settings_set, true, false, API_SMALL_BODY_MAX, NULL,
                                  false},
    [API_WEBHOOK_SECRET] = {api_webhook_secret, true, false, API_SMALL_BODY_MAX, NULL, true},
    [API_APPENDIX_ERRORS] = {.run = api_appendix_errors},
    [API_APPENDIX_STATUS] = {.run = api_appendix_status, .asks_much = true},
    [API_USER_DATA] = {.run = api_user_data},
    [API_TASKS_COUNT] = {.run = api_tasks_count, .asks_much = true},
    [API_TASKS_TAKE] = {api_tasks_take, true, true, API_SMALL_BODY_MAX, NULL, false},
    [API_TASKS_COMPLETE] = {api_tasks_complete, true, true, API_BODY_MAX, api_tasks_complete_read,
                            false},
    [API_TASK_POST] = {api_task_post, true, false, API_BODY_MAX, api_task_post_read, false},
    [API_TASKS_READY] = {.run = api_tasks_ready, .asks_much = true},
    [API_TASKS_FIXED] = {.run = api_tasks_fixed},
    [API_TASK_GET] = {.run = api_task_get, .asks_much = true},
    [API_ERRORS] = {api_errors, true, true, API_SMALL_BODY_MAX, NULL, false},
    [API_ID_LIST] = {api_id_list, true, true, API_SMALL_BODY_MAX, NULL, false},
};

struct api *api_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct api *a = NEW(struct api);
    a->shards = shards;
    a->conf = config_ref(conf);
    a->tasks = queue_tasks_new(l, shards, conf);
    a->put = queue_put_new(l, shards, conf);
    a->thread = work_thread_new(l);
    a->readings = api_turns_new(l, 1);
    a->asking = api_turns_new(l, ASKING_MAX);
    return a;
}

/* Ends the requests that wait for a turn. The turn is at OFFSET in each request. */
static void end_waiting(struct api_turns *t, size_t offset)
{
    for (struct api_turn *turn; (turn = api_turns_waiting(t));) {
        struct api_request *r = (struct api_request *)((char *)turn - offset);
        api_turns_end(t, turn);
        api_unavailable(r);
    }
}

void api_free(struct api *a)
{
    if (!a)
        return;
    a->is_closing = true;
    work_thread_free(a->thread);
    end_waiting(a->readings, offsetof(struct api_request, reading));
    end_waiting(a->asking, offsetof(struct api_request, asking));
    api_turns_free(a->readings);
    api_turns_free(a->asking);
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
    r->asking.account = r->reading.account = r->account->name;
    envelope_init(&r->envelope, API_ANSWER_MAX);
    c->state = r;
    return r;
}

static void request_free(struct api_request *r)
{
    api_turns_end(r->api->readings, &r->reading);
    api_turns_end(r->api->asking, &r->asking);
    if (r->drop)
        r->drop(r);
    free(r->elements);
    api_path_clear(&r->path);
    buf_clear(&r->body);
    buf_clear(&r->plain);
    envelope_clear(&r->envelope);
    config_unref(r->conf);
    free(r);
}

static void give_back(struct api_request *r)
{
    if (r->ops->http)
        (void)http_charge(r->ops->http, -r->reserved);
    r->reserved = 0;
}

static void request_end(struct api_request *r, int status, const char *headers, struct slice body)
{
    give_back(r);
    if (r->ops->http && !r->is_head && !http_has_room(r->ops->http, body.len)) {
        api_no_room(r); /* a short answer */
        return;
    }
    ops_answer(r->ops, status, SLICE_LIT("application/json"), slice_str(headers), body);
    request_free(r);
}

static void request_end_error(struct api_request *r, int status, const char *headers, int code,
                              const char *message)
{
    struct buf out;
    buf_init(&out, 4096 + TOLD_MAX);
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

/* TOLD: a text for the account behind the message of the code, or NULL. */
static void fail_for_now(struct api_request *r, const char *reason, const char *told)
{
    LOG_RARELY(LL_WARN, "api.unavailable", LS("reason", reason));
    const struct api_code_row *row = api_code_row(CODE_INTERNAL);
    char text[TOLD_MAX];
    struct buf message = buf_over(text);
    buf_addf(&message, "%s%s%s", row->message, told ? " " : "", told ? told : "");
    request_end_error(r, 500, OPS_RETRY, row->code, text);
}

void api_unavailable(struct api_request *r)
{
    bool is_told = r->account->role == ACCOUNT_ADMIN && !r->api->is_closing;
    fail_for_now(r, "Redis does not answer", is_told ? shards_warning(r->api->shards) : NULL);
}

void api_no_room(struct api_request *r)
{
    fail_for_now(r, "too much is under way", NULL);
}

bool api_keep_room(struct api_request *r, size_t n)
{
    if (!r->ops->http || !http_has_room(r->ops->http, n))
        return false;
    r->reserved += (int64_t)n;
    (void)http_charge(r->ops->http, (int64_t)n);
    return true;
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

enum flow api_takes_no_query(struct api_request *r)
{
    if (!api_query(r).len)
        return GO_ON;
    api_fail_saying(r, CODE_INVALID_FIELD,
                    "Invalid Field: the URL has parameters. This call takes none there.");
    return ENDED;
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

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
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
    if (r->call == API_TASK_GET && !r->is_head && ops_may_be_link(c)) {
        request_free(r); /* the task would count as fetched */
        api_refused(c, OPS_FOREIGN);
        return ENDED;
    }
    r->plain_max = smaller(calls[r->call].body_max, r->conf->receiver.max_inflated_bytes);
    r->body.max = smaller(r->body.max, r->plain_max);
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
        api_no_room(r);
    else
        buf_add_slice(&r->body, piece);
}

/* --- work in the thread --- */

static struct api_request *reading_of(struct api_turn *turn)
{
    return (struct api_request *)((char *)turn - offsetof(struct api_request, reading));
}

static void on_worked(void *ctx)
{
    struct api_request *r = ctx;
    give_back(r);
    api_turns_end(r->api->readings, &r->reading);
    r->on_worked(r);
}

static void work_aside(struct api_turn *turn)
{
    struct api_request *r = reading_of(turn);
    if (r->ops->http && !http_charge(r->ops->http, r->reserved)) {
        api_no_room(r);
        return;
    }
    work_thread_run(r->api->thread, r->work, on_worked, r);
}

void api_work_aside(struct api_request *r, int64_t charge, work_fn work, work_fn done)
{
    r->reserved = charge;
    r->work = work;
    r->on_worked = done;
    r->reading.go = work_aside;
    api_turns_ask(r->api->readings, &r->reading);
}

size_t api_inflated_most(struct slice wire, size_t most)
{
    size_t n = wire.len < most ? wire.len * GZIP_RATIO_MAX + GZIP_LEAST : most;
    return smaller(n, most);
}
/* --- from body to call --- */

static void ask_in_turn(struct api_turn *turn)
{
    struct api_request *r =
        (struct api_request *)((char *)turn - offsetof(struct api_request, asking));
    calls[r->call].run(r);
}

static void run_call(struct api_request *r)
{
    r->asking.go = ask_in_turn;
    if (calls[r->call].asks_much)
        api_turns_ask(r->api->asking, &r->asking);
    else
        calls[r->call].run(r);
}

static void read_body(void *ctx)
{
    struct api_request *r = ctx;
    api_body_read(r);
    if (r->fault == CODE_EMPTY && calls[r->call].needs_none)
        api_body_default(r);
    if (r->fault == CODE_OK && calls[r->call].read)
        calls[r->call].read(r);
}

static void on_body_read(void *ctx)
{
    struct api_request *r = ctx;
    if (r->api->is_closing)
        api_unavailable(r);
    else if (r->fault != CODE_OK)
        api_fail(r, r->fault);
    else if (r->plain.len && r->ops->http && !http_charge(r->ops->http, (int64_t)r->plain.len))
        api_unavailable(r);
    else
        run_call(r);
}

static void api_run(struct ops_call *c)
{
    struct api_request *r = c->state;
    struct slice wire = buf_slice(&r->body);
    size_t most = api_inflated_most(wire, r->plain_max);
    if (!calls[r->call].takes_body) {
        run_call(r);
    } else if (gzip_is(wire)) {
        buf_init(&r->plain, r->plain_max);
        api_work_aside(r, (int64_t)most, read_body, on_body_read);
    } else if (wire.len > API_AT_ONCE_MAX) {
        api_work_aside(r, 0, read_body, on_body_read);
    } else {
        read_body(r);
        on_body_read(r);
    }
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
