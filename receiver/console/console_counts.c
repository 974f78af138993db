/* Sources and destinations with their results of the last hour, and the rates of each minute. */
#include "common/base/alloc.h"
#include "common/base/metrics.h"
#include "common/queue/queue_admin.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/shard.h"
#include "common/webhook/scheme.h"
#include "common/webhook/url_template.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>
#include <string.h>

enum { P_LIMIT, P_CURSOR, PARAMS };
enum { RESULT_DONE, RESULT_RETRY, RESULT_DEAD, RESULTS };
static const char *const result_words[RESULTS] = {"done", "retry", "dead"};

struct page { /* a page of configured things, by name */
    struct ops_call *ops;
    struct config *conf; /* referenced */
    const void **items;
    size_t count;
    bool has_more;
    struct args names; /* of counts that were asked for */
};

static void page_free(struct page *p)
{
    args_clear(&p->names);
    config_unref(p->conf);
    free(p->items);
    free(p);
}

/* --- pages --- */

struct named {
    const char *name;
    const void *item;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Takes at most LIMIT of the COUNT things ALL behind the name AFTER. */
static void page_fill(struct page *p, struct named *all, size_t count, struct slice after,
                      size_t limit)
{
    char *behind = xslicedup(after);
    qsort(all, count, sizeof *all, by_name);
    p->items = xcalloc(limit + 1, sizeof *p->items);
    for (size_t i = 0; i < count && !p->has_more; i++) {
        if (strcmp(all[i].name, behind) <= 0)
            continue;
        p->has_more = p->count == limit;
        if (!p->has_more)
            p->items[p->count++] = all[i].item;
    }
    free(behind);
    free(all);
}

struct asked {
    size_t limit;
    struct slice after;
    struct buf text;
};

MUST_CHECK static enum flow read_page(struct ops_call *c, struct asked *out)
{
    struct console_param params[PARAMS] = {
        [P_LIMIT] = {.name = "limit"}, [P_CURSOR] = {.name = "cursor"}};
    if (console_read_query(c, params, PARAMS, &out->text) == ENDED)
        return ENDED;
    out->after = params[P_CURSOR].value;
    enum flow flow = console_read_limit(c, &params[P_LIMIT], &out->limit);
    if (flow == GO_ON && out->after.len && !console_is_name(out->after)) {
        console_error(c, 400, "bad_cursor",
                      "the parameter 'cursor' must be the `next` of the page before");
        flow = ENDED;
    }
    if (flow == ENDED)
        buf_clear(&out->text);
    return flow;
}

static struct page *page_new(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct page *p = NEW(struct page);
    p->ops = c;
    p->conf = config_ref(k->conf);
    args_init(&p->names, 1 << 20);
    return p;
}

/* The counts are in the first partition. RC: of asking for them. If other partitions serve, the page goes on without the
 * counts. Else it ends with 503, and this returns true. */
static bool is_refused(struct page *p, enum err rc)
{
    const struct console *k = p->ops->ctx;
    if (rc == OK || shards_serve(k->shards))
        return false;
    console_unavailable(p->ops);
    page_free(p);
    return true;
}

/* Ends the list of the page, whose last item is named LAST, and frees P. */
static void page_end(struct page *p, struct buf *out, struct json_write *w, const char *last,
                     enum err rc)
{
    struct partition_set missing = {0};
    if (rc != OK)
        partition_set_add(&missing, 0);
    console_end_items(w, slice_str(p->has_more ? last : ""));
    console_end_answer(p->ops, out, w, &missing);
    page_free(p);
}

/* --- sources --- */

/* The counts of the source NAME. The code of an answer is what the sender saw; "ok" is called accepted here. */
static void write_answers(struct json_write *w, const char *name, const struct named_count *list,
                          size_t count)
{
    int64_t accepted = 0, duplicate = 0;
    jw_open(w, "last_hour", '{');
    jw_open(w, "refused", '{');
    for (size_t i = 0; i < count; i++) {
        struct slice code = list[i].name, source = slice_cut(&code, ' ');
        if (!slice_eq(source, slice_str(name)))
            continue;
        if (slice_eq(code, SLICE_LIT("ok")))
            accepted = list[i].n;
        else if (slice_eq(code, SLICE_LIT("duplicate")))
            duplicate = list[i].n;
        else if (!slice_eq(code, SLICE_LIT("challenge")) && !slice_eq(code, SLICE_LIT("probe"))) {
            json_write_key(w, code.ptr, code.len);
            buf_add_i64(w->out, list[i].n);
            w->has_value = true;
        }
    }
    jw_close(w, '}');
    jw_int(w, "accepted", accepted);
    jw_int(w, "duplicate", duplicate);
    jw_close(w, '}');
}

/* LIST is NULL if the counts are not known. */
static void write_source(struct json_write *w, const struct source *s,
                         const struct named_count *list, size_t count)
{
    struct buf path;
    buf_init(&path, 1024);
    buf_addf(&path, "/in/%s", s->name);
    jw_open(w, NULL, '{');
    jw_str(w, "id", s->name);
    jw_text(w, "path", buf_slice(&path));
    jw_str(w, "scheme", scheme_name(s->verify));
    jw_open(w, "to", '[');
    for (size_t i = 0; i < s->to_count; i++)
        jw_str(w, NULL, s->to[i]->name);
    jw_close(w, ']');
    jw_bool(w, "fetches", s->fetch != NULL);
    if (list)
        write_answers(w, s->name, list, count);
    else
        jw_null(w, "last_hour");
    jw_close(w, '}');
    buf_clear(&path);
}

static void sources_on_counts(void *ctx, enum err rc, const struct named_count *list, size_t count)
{
    struct page *p = ctx;
    struct buf out;
    struct json_write w;
    const struct source *last = p->count ? p->items[p->count - 1] : NULL;
    if (is_refused(p, rc))
        return;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < p->count; i++)
        write_source(&w, p->items[i], rc == OK ? list : NULL, count);
    page_end(p, &out, &w, last ? last->name : "", rc);
}

void console_sources(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct asked asked;
    if (read_page(c, &asked) == ENDED)
        return;
    struct page *p = page_new(c);
    struct named *all = xcalloc(map_count(&p->conf->sources) + 1, sizeof *all);
    size_t n = 0, at = 0;
    struct slice name;
    void *value;
    while (map_next(&p->conf->sources, &at, &name, &value))
        all[n++] = (struct named){((struct source *)value)->name, value};
    page_fill(p, all, n, asked.after, asked.limit);
    buf_clear(&asked.text);
    queue_admin_answers(k->admin, sources_on_counts, p);
}

/* --- destinations --- */

static void write_settings(struct json_write *w, const struct destination *d)
{
    const struct delivery_settings *s = d->settings;
    jw_int(w, "delay_ms", s->delay_ms);
    jw_str(w, "order", s->order == ORDER_FIFO ? "fifo" : "requeue");
    jw_int(w, "concurrency", s->concurrency);
    jw_int(w, "timeout_ms", s->timeout_ms);
    jw_int(w, "attempts", (int64_t)s->schedule_count + 1);
    jw_bool(w, "verify_tls", s->verify_tls);
    jw_text_or_null(w, "sign", slice_str(s->sign ? scheme_name(s->sign) : ""));
}

/* RESULTS is NULL if they are not known. */
static void write_destination(struct json_write *w, const struct destination *d,
                              const struct named_count *results)
{
    jw_open(w, NULL, '{');
    jw_str(w, "id", d->name);
    jw_str(w, "kind", delivery_kind_word(d->kind));
    jw_text_or_null(w, "origin", d->url ? url_template_origin(d->url) : SLICE_LIT(""));
    jw_str(w, "lane", d->lane);
    jw_text_or_null(w, "account", slice_str(d->account ? d->account->name : ""));
    write_settings(w, d);
    if (results) {
        jw_open(w, "last_hour", '{');
        for (size_t r = 0; r < RESULTS; r++)
            jw_int(w, result_words[r], results[r].n);
        jw_close(w, '}');
    } else {
        jw_null(w, "last_hour");
    }
    jw_close(w, '}');
}

static void destinations_on_counts(void *ctx, enum err rc, const struct named_count *list,
                                   size_t count)
{
    struct page *p = ctx;
    struct buf out;
    struct json_write w;
    const struct destination *last = p->count ? p->items[p->count - 1] : NULL;
    if (rc == OK && count != RESULTS * p->count)
        rc = ERR_UNAVAIL;
    if (is_refused(p, rc))
        return;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < p->count; i++)
        write_destination(&w, p->items[i], rc == OK ? list + RESULTS * i : NULL);
    page_end(p, &out, &w, last ? last->name : "", rc);
}

/* The counts that are wanted: the results of each destination, in the order of result_words. */
static void add_result_names(struct page *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct destination *d = p->items[i];
        for (size_t r = 0; r < RESULTS; r++) {
            size_t mark = args_mark(&p->names);
            buf_addf(&p->names.text, "%s %s", d->name, result_words[r]);
            args_add_since(&p->names, mark);
        }
    }
}

void console_destinations(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct asked asked;
    struct config_walk walk = {0};
    struct destination *d;
    if (read_page(c, &asked) == ENDED)
        return;
    struct page *p = page_new(c);
    size_t n = 0, most = map_count(&p->conf->destinations) + map_count(&p->conf->implied);
    struct named *all = xcalloc(most + 1, sizeof *all);
    while (config_next_destination(p->conf, &walk, &d))
        all[n++] = (struct named){d->name, d};
    page_fill(p, all, n, asked.after, asked.limit);
    buf_clear(&asked.text);
    if (p->count == 0) {
        destinations_on_counts(p, OK, NULL, 0);
        return;
    }
    add_result_names(p);
    queue_admin_results(k->admin, args_slices(&p->names), p->names.count, destinations_on_counts,
                        p);
}

/* --- accounts --- */

struct account_facts { /* what Redis says of an account */
    bool is_known;     /* Redis has answered both */
    int64_t delay_ms;  /* in force */
    struct task_counts tasks;
};

/* The accounts of a page are asked for one after the other, so that a page is little work at a time. */
struct accounts_call {
    struct page *page;
    struct account_facts *facts; /* of each account of the page */
    size_t asked;                /* accounts that Redis has answered */
};

static void write_tasks(struct json_write *w, const struct task_counts *t)
{
    jw_open(w, "tasks", '{');
    jw_int(w, "pending", t->pending);
    jw_int(w, "processing", t->processing);
    jw_int(w, "done_not_fetched", t->done_not_fetched);
    jw_int(w, "done_fetched", t->done_fetched);
    jw_int(w, "failed", t->failed);
    jw_close(w, '}');
}

static void write_account(struct json_write *w, const struct config_account *a,
                          const struct account_facts *f)
{
    static const char *const roles[] = {"admin", "user", "viewer"};
    jw_open(w, NULL, '{');
    jw_str(w, "id", a->name);
    jw_str(w, "role", roles[a->role]);
    jw_str(w, "lane", a->name);
    jw_int(w, "delay_ms", a->settings->delay_ms);
    jw_str(w, "payload", a->payload == PAYLOAD_RESULT ? "result" : "envelope");
    jw_bool(w, "verify_tls", a->settings->verify_tls);
    if (f->is_known) {
        jw_int(w, "delay_in_force_ms", f->delay_ms);
        write_tasks(w, &f->tasks);
    } else {
        jw_null(w, "delay_in_force_ms");
        jw_null(w, "tasks");
    }
    jw_close(w, '}');
}

static void accounts_answer(struct accounts_call *a)
{
    struct page *p = a->page;
    const struct config_account *last = p->count ? p->items[p->count - 1] : NULL;
    struct buf out;
    struct json_write w;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < p->count; i++)
        write_account(&w, p->items[i], &a->facts[i]);
    console_end_list(p->ops, &out, &w, slice_str(last && p->has_more ? last->name : ""));
    page_free(p);
    free(a->facts);
    free(a);
}

static void accounts_ask(struct accounts_call *a);

static void accounts_go_on(struct accounts_call *a)
{
    a->asked++;
    accounts_ask(a);
}

static void accounts_on_tasks(void *ctx, enum err rc, const struct task_counts *tasks)
{
    struct accounts_call *a = ctx;
    struct account_facts *f = &a->facts[a->asked];
    if (rc != OK) {
        accounts_go_on(a); /* the next one may be in another partition */
        return;
    }
    f->tasks = *tasks;
    f->is_known = true;
    accounts_go_on(a);
}

static void accounts_on_delay(void *ctx, enum err rc, int64_t delay_ms)
{
    struct accounts_call *a = ctx;
    struct console *k = a->page->ops->ctx;
    const struct config_account *account = a->page->items[a->asked];
    struct slice name = slice_str(account->name);
    struct task_scope scope = {.account = name, .login = name};
    if (rc != OK) {
        accounts_go_on(a); /* the next one may be in another partition */
        return;
    }
    a->facts[a->asked].delay_ms = delay_ms;
    queue_tasks_count(k->tasks, scope, accounts_on_tasks, a);
}

/* Asks for the next account. Ends the call behind the last one. */
static void accounts_ask(struct accounts_call *a)
{
    struct console *k = a->page->ops->ctx;
    if (a->asked == a->page->count) {
        accounts_answer(a);
        return;
    }
    const struct config_account *account = a->page->items[a->asked];
    queue_tasks_delay(k->tasks, DELAY_ACCOUNT, slice_str(account->name), accounts_on_delay, a);
}

void console_accounts(struct ops_call *c)
{
    struct asked asked;
    if (read_page(c, &asked) == ENDED)
        return;
    struct page *p = page_new(c);
    struct named *all = xcalloc(map_count(&p->conf->accounts) + 1, sizeof *all);
    size_t n = 0, at = 0;
    struct slice name;
    void *value;
    while (map_next(&p->conf->accounts, &at, &name, &value))
        all[n++] = (struct named){((struct config_account *)value)->name, value};
    page_fill(p, all, n, asked.after, asked.limit);
    buf_clear(&asked.text);
    struct accounts_call *a = NEW(struct accounts_call);
    a->page = p;
    a->facts = xcalloc(p->count + 1, sizeof *a->facts);
    accounts_ask(a);
}

/* --- history --- */

/* The time (ms) under which SHARE of what the histogram holds took; -1 if it holds nothing. Between the bounds of a bucket it is
 * interpolated; above the last bound it is that bound. */
static double quantile(const uint64_t *buckets, double share)
{
    double all = 0, sum = 0, low = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        all += (double)buckets[i];
    for (size_t i = 0; all > 0 && i < METRIC_BUCKETS; i++) {
        double high = metric_bound(i < METRIC_BUCKETS - 1 ? i : i - 1), n = (double)buckets[i];
        if (n > 0 && sum + n >= share * all)
            return 1000 * (low + (high - low) * (share * all - sum) / n);
        sum += n;
        low = high;
    }
    return -1;
}

static void write_quantile(struct json_write *w, const char *name, const uint64_t *buckets,
                           double share)
{
    double ms = quantile(buckets, share);
    if (ms < 0) {
        jw_null(w, name);
        return;
    }
    jw_key(w, name);
    buf_addf(w->out, "%.3f", ms);
    w->has_value = true;
}

static void write_minute(struct json_write *w, const struct history_minute *m)
{
    static const char *const words[HISTORY_COUNTS] = {"accepted", "duplicate", "refused",
                                                      "sent",     "failed",    "dead"};
    jw_open(w, NULL, '{');
    console_write_moment(w, "id", m->at);
    console_write_moment(w, "at", m->at);
    for (size_t i = 0; i < HISTORY_COUNTS; i++)
        jw_int(w, words[i], m->counts[i]);
    write_quantile(w, "delivery_p50_ms", m->deliveries, 0.5);
    write_quantile(w, "delivery_p99_ms", m->deliveries, 0.99);
    write_quantile(w, "attempt_p50_ms", m->attempts, 0.5);
    write_quantile(w, "attempt_p99_ms", m->attempts, 0.99);
    jw_close(w, '}');
}

static void history_on_minutes(void *ctx, enum err rc, const struct history_minute *list,
                               size_t count)
{
    struct ops_call *c = ctx;
    struct buf out;
    struct json_write w;
    if (console_open_list(c, rc, &out, &w) == ENDED)
        return;
    for (size_t i = 0; i < count; i++)
        write_minute(&w, &list[i]);
    console_end_list(c, &out, &w, SLICE_LIT(""));
}

void console_history(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON)
        queue_admin_history(k->admin, history_on_minutes, c);
}

static void write_trend(struct json_write *w, const struct lane_trend *t)
{
    const struct {
        const char *name;
        const int64_t *counts;
    } rows[] = {{"done", t->done}, {"failed", t->failed}};
    jw_open(w, NULL, '{');
    jw_text(w, "id", t->lane);
    jw_int(w, "step_s", TREND_STEP_S);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        jw_open(w, rows[r].name, '[');
        for (size_t i = 0; i < TREND_SPANS; i++)
            jw_int(w, NULL, rows[r].counts[i]);
        jw_close(w, ']');
    }
    jw_close(w, '}');
}

static void trends_on_list(void *ctx, enum err rc, const struct lane_trend *list, size_t count)
{
    struct ops_call *c = ctx;
    struct buf out;
    struct json_write w;
    if (console_open_list(c, rc, &out, &w) == ENDED)
        return;
    for (size_t i = 0; i < count; i++)
        write_trend(&w, &list[i]);
    console_end_list(c, &out, &w, SLICE_LIT(""));
}

void console_trends(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON)
        queue_admin_trends(k->admin, trends_on_list, c);
}
