/* The account's calls: its data, its delay, and the small ones of the appendix. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_MAX (64 * 1024)

/* Ends R with the call's one task; RESULT is an array of COUNT. */
static void answer_account(struct api_request *r, struct slice echo, struct slice result,
                           size_t count)
{
    struct buf data;
    buf_init(&data, DATA_MAX);
    api_add_data(r, echo, NULL, &data);
    api_add_call(r, buf_slice(&data), result, count);
    buf_clear(&data);
    api_answer(r);
}

/* --- appendix/errors, appendix/status --- */

void api_appendix_errors(struct api_request *r)
{
    struct buf result;
    size_t count = 0;
    buf_init(&result, DATA_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    for (enum api_code c = 0; c < CODE_COUNT; c++) {
        if (c == CODE_NO_WEBHOOK) /* a second message of one code */
            continue;
        count++;
        jw_open(&w, NULL, '{');
        jw_int(&w, "code", api_code_row(c)->code);
        jw_str(&w, "message", api_code_row(c)->message);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    answer_account(r, slice_make("", 0), buf_slice(&result), count);
    buf_clear(&result);
}

/* If Redis answered, it is ready to take tasks. */
static void status_on_reply(void *ctx, enum err rc, const struct task_counts *counts)
{
    struct api_request *r = ctx;
    (void)counts;
    if (rc != OK) {
        api_unavailable(r);
        return;
    }
    static const char *const endpoints[] = {"task_post", "task_get", "postback/pingback"};
    struct buf result;
    buf_init(&result, DATA_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    jw_open(&w, NULL, '{');
    jw_str(&w, "api", "hookpace");
    jw_str(&w, "status", "ok");
    jw_open(&w, "endpoints", '[');
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        jw_open(&w, NULL, '{');
        jw_str(&w, "endpoint", endpoints[i]);
        jw_str(&w, "status", "ok");
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    jw_close(&w, ']');
    answer_account(r, slice_make("", 0), buf_slice(&result), 1);
    buf_clear(&result);
}

void api_appendix_status(struct api_request *r)
{
    queue_tasks_count(r->api->tasks, r->scope, status_on_reply, r);
}

/* --- whose delay --- */

struct whose { /* state of the request */
    enum delay_of of;
    struct slice object; /* what was posted */
    char *name;          /* NULL: the caller's own */
    bool is_for_user_data;
};

static struct whose *whose_new(struct api_request *r)
{
    struct whose *w = NEW(struct whose);
    w->of = r->account->role == ACCOUNT_ADMIN ? DELAY_TOP : DELAY_ACCOUNT;
    r->state = w;
    return w;
}

static void whose_free(struct whose *w)
{
    free(w->name);
    free(w);
}

static struct slice whose_name(const struct api_request *r)
{
    const struct whose *w = r->state;
    return slice_str(w->name ? w->name : r->account->name);
}

/* Ends R, because FIELD names no delay that the caller may see or set. */
MUST_CHECK static enum flow whose_refuse(struct api_request *r, const char *field, const char *why)
{
    whose_free(r->state);
    api_fail_field(r, field, why);
    return ENDED;
}

/* Chooses the delay of the destination or account NAME, which only admins may see and set. */
MUST_CHECK static enum flow whose_choose(struct api_request *r, const char *field, enum delay_of of,
                                         struct slice name)
{
    struct whose *w = r->state;
    const struct map *named = of == DELAY_ACCOUNT ? &r->conf->accounts : &r->conf->destinations;
    if (r->account->role != ACCOUNT_ADMIN)
        return whose_refuse(r, field, "Only admins set the delay of others.");
    if (!map_get(named, name))
        return whose_refuse(r, field, "There is none of that name.");
    if (w->name)
        return whose_refuse(r, field, "Name a destination or an account, not both.");
    w->of = of;
    w->name = xslicedup(name);
    return GO_ON;
}

static void write_whose(struct json_write *out, const struct api_request *r)
{
    const struct whose *w = r->state;
    if (w->of == DELAY_DESTINATION)
        jw_text(out, "destination", whose_name(r));
    if (w->of == DELAY_ACCOUNT)
        jw_text(out, "account", whose_name(r));
}

static void answer_delay(struct api_request *r, int64_t delay_ms)
{
    struct whose *w = r->state;
    struct buf result;
    buf_init(&result, DATA_MAX);
    struct json_write out = json_write_to(&result);
    jw_open(&out, NULL, '[');
    jw_open(&out, NULL, '{');
    jw_int(&out, "webhook_delay", delay_ms);
    write_whose(&out, r);
    jw_close(&out, '}');
    jw_close(&out, ']');
    struct slice echo = w->object;
    whose_free(w);
    answer_account(r, echo, buf_slice(&result), 1);
    buf_clear(&result);
}

/* --- user_data --- */

/* Objects, not nulls: the public clients' models have objects there, and programs look into them. */
static void write_no_limits(struct json_write *w)
{
    static const char *const names[] = {"limits", "statistics"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        jw_open(w, names[i], '{');
        jw_raw(w, "day", SLICE_LIT("{}"));
        jw_raw(w, "minute", SLICE_LIT("{}"));
        jw_close(w, '}');
    }
    jw_close(w, '}');
}

/* Members in which DataForSEO says what its plans cost and allow: here there are none. */
static void write_no_money(struct json_write *w)
{
    jw_open(w, "rates", '{');
    write_no_limits(w);
    jw_open(w, "money", '{');
    jw_int(w, "total", 0);
    jw_int(w, "balance", 0);
    write_no_limits(w);
    jw_raw(w, "price", SLICE_LIT("{}"));
    jw_null(w, "backlinks_subscription_expiry_date");
    jw_null(w, "llm_mentions_subscription_expiry_date");
}

static void answer_user(struct api_request *r, int64_t delay_ms)
{
    struct buf result;
    buf_init(&result, DATA_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    jw_open(&w, NULL, '{');
    jw_str(&w, "login", r->account->name);
    jw_str(&w, "timezone", "UTC");
    write_no_money(&w);
    jw_str(&w, "role", r->account->role == ACCOUNT_ADMIN ? "admin" : "user");
    jw_int(&w, "webhook_delay", delay_ms);
    jw_close(&w, '}');
    jw_close(&w, ']');
    whose_free(r->state);
    answer_account(r, slice_make("", 0), buf_slice(&result), 1);
    buf_clear(&result);
}

static void delay_on_reply(void *ctx, enum err rc, int64_t delay_ms)
{
    struct api_request *r = ctx;
    struct whose *w = r->state;
    if (rc != OK) {
        whose_free(w);
        api_unavailable(r);
    } else if (w->is_for_user_data) {
        answer_user(r, delay_ms);
    } else {
        answer_delay(r, delay_ms);
    }
}

void api_user_data(struct api_request *r)
{
    struct whose *w = whose_new(r);
    w->of = DELAY_ACCOUNT;
    w->is_for_user_data = true;
    queue_tasks_delay(r->api->tasks, w->of, whose_name(r), delay_on_reply, r);
}

/* --- webhook_delay --- */

void api_webhook_delay(struct api_request *r)
{
    struct whose *w = whose_new(r);
    struct slice query = api_query(r);
    enum flow flow = GO_ON;
    while (query.len && flow == GO_ON) {
        struct slice value = slice_cut(&query, '&');
        struct slice name = slice_cut(&value, '=');
        if (slice_eq(name, SLICE_LIT("destination")))
            flow = whose_choose(r, "destination", DELAY_DESTINATION, value);
        else if (slice_eq(name, SLICE_LIT("account")))
            flow = whose_choose(r, "account", DELAY_ACCOUNT, value);
    }
    if (flow == GO_ON)
        queue_tasks_delay(r->api->tasks, w->of, whose_name(r), delay_on_reply, r);
}

MUST_CHECK static enum flow whose_choose_posted(struct api_request *r, const char *name,
                                                enum delay_of of)
{
    const struct whose *w = r->state;
    struct api_field f = api_field_read(w->object, name, TYPE_TEXT);
    enum flow flow = GO_ON;
    if (f.is_wrong)
        flow = whose_refuse(r, name, "It is a name.");
    else if (f.value)
        flow = whose_choose(r, name, of, api_field_text(&f));
    api_field_clear(&f);
    return flow;
}

/* Sets *DELAY_MS to the posted delay: -1 for null, which takes the delay set through the API away. */
MUST_CHECK static enum flow read_delay(struct api_request *r, struct slice object,
                                       int64_t *delay_ms)
{
    struct api_field f = api_field_read(object, "webhook_delay", TYPE_INT);
    *delay_ms = f.value && !f.is_wrong ? json_int(f.value) : -1;
    bool ok = (f.is_null && !f.is_wrong) ||
              (*delay_ms >= 0 && delay_is_allowed(*delay_ms, r->conf->delay_step_ms));
    api_field_clear(&f);
    if (ok)
        return GO_ON;
    char why[120];
    snprintf(why, sizeof why,
             "It is 0, 50, or a multiple of %lld up to 1000; null for the configured one.",
             (long long)r->conf->delay_step_ms);
    return whose_refuse(r, "webhook_delay", why);
}

void api_webhook_delay_set(struct api_request *r)
{
    struct slice object;
    int64_t delay_ms;
    if (api_takes_no_query(r) == ENDED || api_read_one(r, &object) == ENDED)
        return;
    struct whose *w = whose_new(r);
    w->object = object;
    if (whose_choose_posted(r, "destination", DELAY_DESTINATION) == ENDED ||
        whose_choose_posted(r, "account", DELAY_ACCOUNT) == ENDED ||
        read_delay(r, object, &delay_ms) == ENDED)
        return;
    queue_tasks_set_delay(r->api->tasks, w->of, whose_name(r), delay_ms, delay_on_reply, r);
}
