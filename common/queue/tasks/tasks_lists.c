#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "common/queue/scripts.h"
#include "common/queue/tasks/tasks_private.h"

#include <assert.h>
#include <stdlib.h>

#define FAILURES_LOOK_MAX 20000 /* as many as a stream keeps (settle.lua) */
#define FAILURES_MS (7 * INT64_C(86400000))

struct listed { /* owns its text */
    char *text; /* an id, or an attempt as JSON */
    wall_ms at;
    uint64_t order; /* among those of the same moment */
};

struct list_call {
    struct tasks_call call; /* first */
    struct listed *list;
    size_t count;
    struct tasks_page page;
    char *account;
    tasks_fn fn;
    failures_fn failures_fn;
    void *ctx;
};

static int by_age(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_youth(const void *a, const void *b)
{
    return by_age(b, a);
}

static struct list_call *list_call_new(struct queue_tasks *q, struct task_scope scope,
                                       const struct tasks_page *page)
{
    assert(page->offset <= TASKS_OFFSET_MAX && page->limit <= TASKS_LIST_MAX);
    struct list_call *c = NEW(struct list_call);
    tasks_call_begin(&c->call, q);
    c->page = *page;
    c->account = xslicedup(scope.account);
    return c;
}

static void list_call_free(struct list_call *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->list[i].text);
    free(c->list);
    free(c->account);
    free(c);
}

static void add(struct list_call *c, struct slice text, wall_ms at, uint64_t order)
{
    c->list[c->count++] = (struct listed){xslicedup(text), at, order};
}

static void room_for(struct list_call *c, size_t more)
{
    c->list = xrealloc(c->list, c->count + more + 1, sizeof *c->list);
}

static void sort(struct list_call *c)
{
    if (c->count > 1)
        qsort(c->list, c->count, sizeof *c->list, c->page.newest_first ? by_youth : by_age);
}

/* The page's part of what was found: where it begins and ends. SKIPPED were left out by the script already. */
static void page_bounds(const struct list_call *c, size_t skipped, size_t *from, size_t *to)
{
    size_t offset = c->page.offset - skipped;
    *from = offset < c->count ? offset : c->count;
    *to = c->count - *from < c->page.limit ? c->count : *from + c->page.limit;
}

static void add_time(struct args *a, wall_ms at)
{
    args_add_int(a, at > 0 ? at : 0);
}

/* --- tasks by the time they were accepted --- */

static bool on_posted(struct tasks_call *call, const struct redis_reply *r)
{
    struct list_call *c = (struct list_call *)call;
    size_t n = redis_count(r) / 2;
    room_for(c, n);
    for (size_t i = 0; i < n;
         i++) /* of one moment: in the order in which the partition tells them */
        add(c, redis_text(redis_at(r, 2 * i)), redis_int(redis_at(r, 2 * i + 1)),
            c->page.newest_first ? n - i : i);
    return true;
}

/* One partition skips for itself; of several, each tells all up to the page's end. */
static size_t skipped_by_script(const struct list_call *c)
{
    return c->call.q->partitions == 1 ? c->page.offset : 0;
}

static void on_posted_end(struct tasks_call *call)
{
    struct list_call *c = (struct list_call *)call;
    if (call->rc != OK) {
        c->fn(c->ctx, call->rc, NULL, 0);
        list_call_free(c);
        return;
    }
    size_t from, to;
    sort(c);
    page_bounds(c, skipped_by_script(c), &from, &to);
    struct slice *ids = xcalloc(to - from + 1, sizeof *ids);
    for (size_t i = from; i < to; i++)
        ids[i - from] = slice_str(c->list[i].text);
    queue_tasks_look(call->q, (struct task_scope){slice_str(c->account)}, ids, to - from, c->fn,
                     c->ctx);
    free(ids);
    list_call_free(c);
}

void queue_tasks_posted(struct queue_tasks *q, struct task_scope scope,
                        const struct tasks_page *page, tasks_fn fn, void *ctx)
{
    struct list_call *c = list_call_new(q, scope, page);
    c->call.on_reply = on_posted;
    c->call.on_end = on_posted_end;
    c->fn = fn;
    c->ctx = ctx;
    size_t skip = skipped_by_script(c);
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, scope.account);
    add_time(&a, page->from);
    add_time(&a, page->to);
    args_add_int(&a, (int64_t)skip);
    args_add_int(&a, (int64_t)(page->offset - skip + page->limit));
    args_add_int(&a, page->newest_first);
    tasks_call_script(&c->call, &q->posted, &a);
    tasks_call_sent(&c->call);
    args_clear(&a);
}

/* --- failed attempts --- */

/* An entry of a stream: {"<ms>-<n>", {"attempt", JSON}}. */
static bool on_failures(struct tasks_call *call, const struct redis_reply *r)
{
    struct list_call *c = (struct list_call *)call;
    size_t n = redis_count(r);
    room_for(c, n);
    for (size_t i = 0; i < n; i++) {
        const struct redis_reply *one = redis_at(r, i);
        struct slice id = redis_text(redis_at(one, 0));
        if (redis_count(one) != 2 || redis_count(redis_at(one, 1)) != 2)
            return false;
        struct slice ms = slice_cut(&id, '-');
        uint64_t at = 0, order = 0;
        if (text_u64(ms, INT64_MAX, &at) != OK || text_u64(id, UINT64_MAX, &order) != OK)
            return false;
        add(c, redis_text(redis_at(redis_at(one, 1), 1)), (wall_ms)at, order);
    }
    return true;
}

static struct slice text_of(const struct json *doc, const char *key)
{
    const struct json *j = json_get(doc, key);
    return json_kind(j) == JSON_STRING ? json_string(j) : slice_make("", 0);
}

static struct task_failure read_failure(const struct json *doc)
{
    struct slice id = text_of(doc, "id"), destination = text_of(doc, "destination");
    bool is_fetch = slice_starts(destination, SLICE_LIT("fetch@"));
    if (is_fetch) /* of "<task>~f", which stands for the task until its result is here */
        id = slice_cut(&id, '~');
    return (struct task_failure){
        .at = json_int(json_get(doc, "at")),
        .task_id = id,
        .destination = destination,
        .is_fetch = is_fetch,
        .is_pingback = json_bool(json_get(doc, "pingback")),
        .url = text_of(doc, "url"),
        .error = text_of(doc, "error"),
        .status = (int)json_int(json_get(doc, "status")),
        .duration_ms = json_int(json_get(doc, "duration_ms")),
        .response = text_of(doc, "response"),
    };
}

static void tell_failures(struct list_call *c)
{
    size_t from, to, count = 0;
    sort(c);
    page_bounds(c, 0, &from, &to);
    struct json **docs = xcalloc(to - from + 1, sizeof *docs);
    struct task_failure *list = xcalloc(to - from + 1, sizeof *list);
    for (size_t i = from; i < to; i++) {
        struct error e;
        if (json_parse(slice_str(c->list[i].text), &docs[count], &e) != OK)
            continue;
        list[count] = read_failure(docs[count]);
        count++;
    }
    c->failures_fn(c->ctx, OK, list, count);
    for (size_t i = 0; i < count; i++)
        json_free(docs[i]);
    free(docs);
    free(list);
}

static void on_failures_end(struct tasks_call *call)
{
    struct list_call *c = (struct list_call *)call;
    if (call->rc == OK)
        tell_failures(c);
    else
        c->failures_fn(c->ctx, call->rc, NULL, 0);
    list_call_free(c);
}

/* Asks PARTITION for the newest failures of one KIND ("postback", "pingback"), up to the page's end. */
static void ask_failures(struct list_call *c, unsigned partition, const char *kind)
{
    struct buf key;
    struct args a;
    buf_init(&key, 256);
    buf_addf(&key, "errors%s%s:%s", c->account[0] ? "@" : "", c->account, kind);
    args_init(&a, TASKS_ARGS_MAX);
    size_t most = c->page.offset + c->page.limit;
    args_add_int(&a, c->page.to > 0 ? c->page.to : 0);
    args_add_int(&a, c->page.from > 0 ? c->page.from : 0);
    args_add(&a, SLICE_LIT("COUNT"));
    args_add_int(&a, (int64_t)(most < FAILURES_LOOK_MAX ? most : FAILURES_LOOK_MAX));
    tasks_call_command(&c->call, partition, "XREVRANGE", key.ptr, &a);
    args_clear(&a);
    buf_clear(&key);
}

void queue_tasks_failures(struct queue_tasks *q, struct task_scope scope,
                          enum task_function function, const struct tasks_page *page,
                          failures_fn fn, void *ctx)
{
    struct list_call *c = list_call_new(q, scope, page);
    c->call.on_reply = on_failures;
    c->call.on_end = on_failures_end;
    c->failures_fn = fn;
    c->ctx = ctx;
    c->page.newest_first = true;
    wall_ms oldest = clock_wall_ms() - FAILURES_MS;
    if (c->page.from < oldest)
        c->page.from = oldest;
    if (c->page.limit == 0)
        c->page.limit = 1;
    for (unsigned i = 0; i < q->partitions; i++) {
        if (function != FUNCTION_PINGBACK)
            ask_failures(c, i, "postback");
        if (function != FUNCTION_POSTBACK)
            ask_failures(c, i, "pingback");
    }
    c->page.limit = page->limit;
    tasks_call_sent(&c->call);
}
