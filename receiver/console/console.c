#include "receiver/console/console.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/ops/pace.h"
#include "common/queue/queue_admin.h"
#include "common/queue/queue_jobs.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/shard.h"
#include "receiver/console/console_files.h"
#include "receiver/console/console_private.h"
#include "receiver/tail/listeners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct console *console_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct console *k = NEW(struct console);
    k->loop = l;
    k->shards = shards;
    k->conf = config_ref(conf);
    k->admin = queue_admin_new(l, shards, conf);
    k->listeners = listeners_new(l, shards, conf);
    k->tasks = queue_tasks_new(l, shards, conf);
    k->files = console_files_new();
    k->jobs = queue_jobs_new(l, shards, conf);
    k->pace = pace_new();
    k->started = clock_wall_ms();
    return k;
}

void console_set_ingest(struct console *k,
                        void (*ingest)(void *ctx, int fd, const struct addr *peer), void *ctx)
{
    k->ingest = ingest;
    k->ingest_ctx = ctx;
}

void console_set_ingest_addr(struct console *k, const char *addr)
{
    k->ingest_addr = addr;
}

void console_free(struct console *k)
{
    if (!k)
        return;
    listeners_free(k->listeners);
    queue_admin_free(k->admin);
    queue_tasks_free(k->tasks);
    console_files_free(k->files);
    queue_jobs_free(k->jobs);
    pace_free(k->pace);
    config_unref(k->conf);
    free(k);
}

void console_set_config(struct console *k, struct config *conf)
{
    config_ref(conf);
    config_unref(k->conf);
    k->conf = conf;
    listeners_set_config(k->listeners, conf);
    queue_admin_set_config(k->admin, conf);
    queue_tasks_set_config(k->tasks, conf);
    queue_jobs_set_config(k->jobs, conf);
}

/* --- ways to end a call --- */

static void write_error(const char *code, const char *message, struct buf *out)
{
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_open(&w, "error", '{');
    jw_str(&w, "code", code);
    jw_str(&w, "message", message);
    jw_close(&w, '}');
    jw_close(&w, '}');
}

static void console_end_error(struct ops_call *c, int status, struct slice headers,
                              const char *code, const char *message)
{
    struct buf out;
    buf_init(&out, 4096);
    write_error(code, message, &out);
    ops_answer(c, status, SLICE_LIT("application/json"), headers, buf_slice(&out));
    buf_clear(&out);
}

void console_error(struct ops_call *c, int status, const char *code, const char *message)
{
    console_end_error(c, status, SLICE_LIT(""), code, message);
}

void console_unavailable(struct ops_call *c)
{
    const struct console *k = c->ctx;
    /* While some partitions serve, the warning names the others. */
    const char *warning = shards_serve(k->shards) ? shards_warning(k->shards) : NULL;
    const char *why = warning ? warning : shards_trouble(k->shards);
    console_end_error(c, 503, SLICE_LIT(OPS_RETRY), "queue_unavailable",
                      why ? why : "Redis does not answer");
}

void console_answer(struct ops_call *c, int status, struct buf *out)
{
    if (out->failed)
        console_error(c, 500, "answer_too_large", "the answer is too large; ask for fewer items");
    else
        ops_json(c, status, buf_slice(out));
    buf_clear(out);
}

void console_begin_list(struct buf *out, struct json_write *w)
{
    buf_init(out, CONSOLE_ANSWER_MAX);
    *w = json_write_to(out);
    jw_open(w, NULL, '{');
    jw_open(w, "items", '[');
}

enum flow console_open_list(struct ops_call *c, enum err rc, struct buf *out, struct json_write *w)
{
    if (rc != OK) {
        console_unavailable(c);
        return ENDED;
    }
    console_begin_list(out, w);
    return GO_ON;
}

void console_end_items(struct json_write *w, struct slice next)
{
    jw_close(w, ']');
    jw_text_or_null(w, "next", next);
}

void console_write_missing(struct json_write *w, const struct partition_set *missing)
{
    if (!missing || partition_set_is_empty(missing))
        return;
    jw_open(w, "missing", '[');
    for (unsigned i = 0; i < PARTITIONS_MAX; i++)
        if (partition_set_has(missing, i))
            jw_int(w, NULL, i);
    jw_close(w, ']');
}

void console_end_answer(struct ops_call *c, struct buf *out, struct json_write *w,
                        const struct partition_set *missing)
{
    console_write_missing(w, missing);
    jw_close(w, '}');
    console_answer(c, 200, out);
}

void console_end_list(struct ops_call *c, struct buf *out, struct json_write *w, struct slice next)
{
    console_end_items(w, next);
    console_end_answer(c, out, w, NULL);
}

struct console_actor console_actor(const struct ops_call *c)
{
    const struct config_account *who = c->who.account;
    struct console_actor a = {.peer = "gone"};
    snprintf(a.account, sizeof a.account, "%s", who->name);
    if (c->http)
        addr_text(http_peer(c->http), a.peer);
    return a;
}

void console_log_act(const struct console_actor *actor, const char *event, const char *name,
                     struct slice value)
{
    struct log_field what = {.key = name, .key_len = strlen(name), .kind = LOG_TEXT, .text = value};
    LOG(LL_INFO, event, LS("account", actor->account), LS("peer", actor->peer), what);
}

/* A request without a login is no attempt: a browser's first request has none. */
static void log_refusal(const struct ops_call *c, enum ops_refusal why)
{
    unsigned logins;
    char peer[ADDR_TEXT];
    (void)http_header(c->http, "authorization", &logins);
    if (logins == 0 || (why != OPS_UNKNOWN && why != OPS_LIMITED))
        return;
    addr_text(http_peer(c->http), peer);
    LOG_RARELY(LL_WARN, "api.refused", LS("peer", peer), LI("code", 401));
}

static void console_refused(struct ops_call *c, enum ops_refusal why)
{
    static const struct {
        int status;
        const char *code, *message;
    } answers[] = {
        [OPS_FOREIGN] = {401, "unauthorized", "the request comes from a page of another site"},
        [OPS_UNKNOWN] = {401, "unauthorized", "log in with the name and password of an account"},
        [OPS_LIMITED] = {401, "unauthorized",
                         "too many wrong logins with this name from this address; wait as "
                         "Retry-After says"},
        [OPS_NOT_ALLOWED] = {403, "forbidden", "the account's role may not do this"},
        [OPS_TOO_LARGE] = {413, "body_too_large", "the body is larger than this call allows"},
    };
    char text[128];
    struct buf headers = buf_over(text);
    ops_add_challenge(c, why, &headers);
    log_refusal(c, why);
    console_end_error(c, answers[why].status, buf_slice(&headers), answers[why].code,
                      answers[why].message);
}

/* Ends C with 429 if its account or its address calls too often. */
MUST_CHECK static enum flow console_keep_pace(struct ops_call *c)
{
    static const char *const messages[] = {
        [PACE_ACCOUNT] =
            "this account makes more than 200 calls a second; wait as Retry-After says",
        [PACE_ADDRESS] = "more than 400 calls a second come from this address; wait as Retry-After "
                         "says",
    };
    struct console *k = c->ctx;
    const struct config_account *who = c->who.account;
    struct pace_result r =
        pace_take(k->pace, slice_str(who->name), http_peer(c->http), clock_mono_us());
    if (r.verdict == PACE_OK)
        return GO_ON;
    char text[64];
    struct buf headers = buf_over(text);
    buf_addf(&headers, "Retry-After: %u\r\n", r.retry_s);
    console_end_error(c, 429, buf_slice(&headers), "too_many_calls", messages[r.verdict]);
    return ENDED;
}

/* --- the dashboard --- */

static const char *role_word(unsigned role)
{
    return role == ROLE_ADMIN ? "admin" : role == ROLE_VIEWER ? "viewer" : "user";
}

/* GET /api/me: who calls. The dashboard shows what the account's role may do. */
static void get_me(struct ops_call *c)
{
    const struct config_account *who = c->who.account;
    struct buf out;
    if (console_takes_no_query(c) == ENDED)
        return;
    buf_init(&out, CONSOLE_BODY_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "account", who->name);
    jw_str(&w, "role", role_word(c->who.role));
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}

static void get_page(struct ops_call *c)
{
    struct console *k = c->ctx;
    console_files_page(k->files, c);
}

static void get_asset(struct ops_call *c)
{
    struct console *k = c->ctx;
    console_files_asset(k->files, c);
}

/* --- the table of routes --- */

#define LOOK(run_fn)                                                                               \
    {                                                                                              \
        .run = (run_fn), .head = console_keep_pace, .refused = console_refused                     \
    }
#define ACT(run_fn)                                                                                \
    {                                                                                              \
        .run = (run_fn), .body_max = CONSOLE_BODY_MAX, .head = console_keep_pace,                  \
        .refused = console_refused                                                                 \
    }

#define READERS (ROLE_ADMIN | ROLE_VIEWER)
#define EVERYBODY (READERS | ROLE_USER)

static const struct ops_handler page = {.run = get_page}, asset = {.run = get_asset};
static const struct ops_handler me = LOOK(get_me);
static const struct ops_handler get_status = LOOK(console_status),
                                get_deliveries = LOOK(console_deliveries),
                                get_delivery = LOOK(console_delivery),
                                get_event = LOOK(console_event),
                                get_event_body = LOOK(console_event_body),
                                get_dead = LOOK(console_dead), get_sources = LOOK(console_sources),
                                get_destinations = LOOK(console_destinations),
                                get_accounts = LOOK(console_accounts),
                                get_history = LOOK(console_history),
                                get_trends = LOOK(console_trends), get_lanes = LOOK(console_lanes),
                                get_lane = LOOK(console_lane), post_resend = ACT(console_resend),
                                post_drop = ACT(console_drop), post_pause = ACT(console_pause),
                                post_resume = ACT(console_resume), post_hold = ACT(console_hold),
                                post_release = ACT(console_release);

static const struct ops_handler get_delay = LOOK(console_delay),
                                post_delay = ACT(console_set_delay),
                                post_check = ACT(console_check), get_tail = LOOK(console_tail);
static const struct ops_handler get_jobs = LOOK(console_jobs), get_job = LOOK(console_job),
                                post_cancel = ACT(console_job_cancel),
                                post_resend_all = ACT(console_resend_all),
                                post_drop_all = ACT(console_drop_all),
                                post_purge = ACT(console_purge),
                                post_send_test = {.run = console_send_test,
                                                  .body_max = 1 << 20,
                                                  .head = console_keep_pace,
                                                  .refused = console_refused};

static const struct route console_routes[] = {
    {METHOD_GET, "/", 0, &page},
    {METHOD_GET, "/assets/{file}", 0, &asset},
    {METHOD_GET, "/api/me", EVERYBODY, &me},
    {METHOD_GET, "/api/status", READERS, &get_status},
    {METHOD_GET, "/api/deliveries", READERS, &get_deliveries},
    {METHOD_GET, "/api/deliveries/{id}", READERS, &get_delivery},
    {METHOD_GET, "/api/events/{id}", READERS, &get_event},
    {METHOD_GET, "/api/events/{id}/body", READERS, &get_event_body},
    {METHOD_GET, "/api/dead", READERS, &get_dead},
    {METHOD_GET, "/api/sources", READERS, &get_sources},
    {METHOD_GET, "/api/destinations", READERS, &get_destinations},
    {METHOD_GET, "/api/accounts", READERS, &get_accounts},
    {METHOD_GET, "/api/history", READERS, &get_history},
    {METHOD_GET, "/api/history/lanes", READERS, &get_trends},
    {METHOD_GET, "/api/lanes", READERS, &get_lanes},
    {METHOD_GET, "/api/lanes/{lane}", READERS, &get_lane},
    {METHOD_POST, "/api/deliveries/{id}/resend", ROLE_ADMIN, &post_resend},
    {METHOD_POST, "/api/deliveries/{id}/drop", ROLE_ADMIN, &post_drop},
    {METHOD_POST, "/api/resend", ROLE_ADMIN, &post_resend_all},
    {METHOD_POST, "/api/drop", ROLE_ADMIN, &post_drop_all},
    {METHOD_GET, "/api/jobs", READERS, &get_jobs},
    {METHOD_GET, "/api/jobs/{id}", READERS, &get_job},
    {METHOD_POST, "/api/jobs/{id}/cancel", ROLE_ADMIN, &post_cancel},
    {METHOD_POST, "/api/lanes/{lane}/purge", ROLE_ADMIN, &post_purge},
    {METHOD_POST, "/api/send-test", ROLE_ADMIN, &post_send_test},
    {METHOD_GET, "/api/delay", READERS, &get_delay},
    {METHOD_POST, "/api/delay", ROLE_ADMIN, &post_delay},
    {METHOD_POST, "/api/lanes/{lane}/pause", ROLE_ADMIN, &post_pause},
    {METHOD_POST, "/api/lanes/{lane}/resume", ROLE_ADMIN, &post_resume},
    {METHOD_POST, "/api/partitions/{partition}/hold", ROLE_ADMIN, &post_hold},
    {METHOD_POST, "/api/partitions/{partition}/release", ROLE_ADMIN, &post_release},
    {METHOD_GET, "/api/tail", READERS, &get_tail},
    {METHOD_POST, "/api/check", ROLE_ADMIN, &post_check},
};

void console_add_routes(struct console *k, struct ops *o)
{
    struct http_error_form errors = {.path = "/api", .write = write_error};
    ops_add(o, console_routes, sizeof console_routes / sizeof *console_routes, k);
    http_server_set_error_form(ops_http(o), errors);
}
