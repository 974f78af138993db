/* The lists, page by page.
 *
 * A list is merged from streams. Each partition has one or two of them: posted[@a]; ready[@a] and failed[@a];
 * errors[@a]:postback and errors[@a]:pingback. A script takes one step through one stream: it looks at a bounded number of
 * entries and replies with the entries it found and a cursor. Redis serves others before the next step.
 *
 * Each stream here holds the entries of at most one step. list_advance asks a stream that has no entries left for its next step.
 * When every stream has an entry, it skips (the page's offset) or takes the first of them, until the page is full.
 * At the end the tasks of the page are read by their ids, the failed attempts by their places in the stream.
 */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/json/json.h"
#include "common/queue/keys.h"
#include "common/queue/tasks/tasks_private.h"

#include <assert.h>
#include <stdlib.h>

#define KEY_BYTES 1024
#define FAILURES_MS (7 * INT64_C(86400000))
#define STEP_MOST 500  /* entries of a step, where several streams are merged */
#define STEPS_MAX 1000 /* of one stream for one page; the tasks found by then are the page */
#define STREAMS_EACH 2 /* most streams of a partition */

struct listed { /* owns its text */
    char *text; /* a task's key, or the id of a stream's entry */
    wall_ms at;
    size_t stream;
};

struct stream {
    unsigned partition;
    const char *kind; /* "ready", "failed", "postback", "pingback"; of posted "" */
    int64_t keep_ms;  /* of ready */
    char *cursor;     /* NULL: not asked yet */
    size_t steps;
    bool is_asked, is_over;
    struct listed *list; /* of the last step; those before NEXT were taken or skipped */
    size_t count, next;
};

struct list_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    const struct redis_script *script;
    /* Adds the arguments of a script between the cursor and `skip`. */
    void (*add_range)(struct args *a, const struct list_call *c, const struct stream *s);
    /* Answers the caller with the entries in FOUND; frees nothing of C. */
    void (*tell)(struct list_call *c);
    struct stream *streams;
    size_t stream_count;
    struct tasks_page page; /* OFFSET: number of tasks still to be skipped */
    struct listed *found;
    size_t found_count;
    char *account, *login, *path;
    tasks_fn fn;
    failures_fn failures_fn;
    void *ctx;
};

static void listed_free(struct listed *list, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        free(list[i].text);
    free(list);
}

static void list_call_free(struct list_call *c)
{
    for (size_t i = 0; i < c->stream_count; i++) {
        struct stream *s = &c->streams[i];
        listed_free(s->list, s->next, s->count);
        free(s->cursor);
    }
    free(c->streams);
    listed_free(c->found, 0, c->found_count);
    free(c->account);
    free(c->login);
    free(c->path);
    free(c);
}

/* --- steps --- */

static size_t step_most(const struct list_call *c)
{
    size_t most = c->page.limit - c->found_count;
    if (c->stream_count == 1)
        return most;
    most += c->page.offset;
    return most < STEP_MOST ? most : STEP_MOST;
}

/* The script itself skips in a single stream. With several streams, each stream's skip depends on the others. */
static size_t step_skip(const struct list_call *c)
{
    return c->stream_count == 1 ? c->page.offset : 0;
}

static void ask_step(struct list_call *c, size_t index)
{
    struct stream *s = &c->streams[index];
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_add(&a, slice_str(c->account));
    if (s->kind[0])
        args_add(&a, slice_str(s->kind));
    args_add(&a, slice_str(s->cursor ? s->cursor : ""));
    c->add_range(&a, c, s);
    args_add_int(&a, (int64_t)step_skip(c));
    args_add_int(&a, (int64_t)step_most(c));
    args_add_int(&a, c->page.newest_first);
    s->is_asked = true;
    shards_call_script(&c->call, index, s->partition, c->script, &a);
    args_clear(&a);
}

/* Asks each stream that has nothing left for its next step. True if every stream has told what comes first. */
static bool streams_are_known(struct list_call *c)
{
    bool known = true;
    for (size_t i = 0; i < c->stream_count; i++) {
        struct stream *s = &c->streams[i];
        if (s->next < s->count || s->is_over)
            continue;
        known = false;
        if (!s->is_asked)
            ask_step(c, i);
    }
    return known;
}

/* The stream whose next entry comes first, or NULL when all are over. */
static struct stream *first_stream(struct list_call *c)
{
    struct stream *first = NULL;
    for (size_t i = 0; i < c->stream_count; i++) {
        struct stream *s = &c->streams[i];
        if (s->next == s->count)
            continue;
        wall_ms at = s->list[s->next].at;
        if (!first || (c->page.newest_first ? at > first->list[first->next].at
                                            : at < first->list[first->next].at))
            first = s;
    }
    return first;
}

/* Goes on as far as what the streams have told allows. */
static void list_advance(struct list_call *c)
{
    while (c->found_count < c->page.limit && streams_are_known(c)) {
        struct stream *s = first_stream(c);
        if (!s)
            return;
        struct listed *entry = &s->list[s->next++];
        if (c->page.offset) {
            c->page.offset--;
            free(entry->text);
        } else {
            c->found[c->found_count++] = *entry;
        }
    }
}

/* {cursor, skipped, text, ms, ...}. */
static bool list_on_step(struct shards_call *call, size_t index, const struct redis_reply *r)
{
    struct list_call *c = (struct list_call *)call;
    struct stream *s = &c->streams[index];
    size_t n = redis_count(r);
    int64_t skipped = redis_int(redis_at(r, 1));
    if (n < 2 || n % 2 || skipped < 0 || (uint64_t)skipped > c->page.offset)
        return false;
    s->is_asked = false;
    c->page.offset -= (size_t)skipped;
    free(s->cursor);
    s->cursor = xslicedup(redis_text(redis_at(r, 0)));
    s->is_over = s->cursor[0] == '\0' || ++s->steps == STEPS_MAX;
    free(s->list); /* all of it was taken or skipped */
    s->count = n / 2 - 1;
    s->next = 0;
    s->list = xcalloc(s->count + 1, sizeof *s->list);
    for (size_t i = 0; i < s->count; i++)
        s->list[i] = (struct listed){xslicedup(redis_text(redis_at(r, 2 * i + 2))),
                                     redis_int(redis_at(r, 2 * i + 3)), index};
    list_advance(c);
    return true;
}

static void list_on_end(struct shards_call *call)
{
    struct list_call *c = (struct list_call *)call;
    if (call->rc == OK)
        c->tell(c);
    else if (c->fn)
        c->fn(c->ctx, call->rc, NULL, 0);
    else
        c->failures_fn(c->ctx, call->rc, NULL, 0);
    list_call_free(c);
}

static struct list_call *list_call_new(struct queue_tasks *q, struct task_scope scope,
                                       const struct tasks_page *page, void *ctx)
{
    assert(page->offset <= TASKS_OFFSET_MAX && page->limit <= TASKS_LIST_MAX);
    struct list_call *c = NEW(struct list_call);
    tasks_begin_reading(q, scope, &c->call);
    c->q = q;
    c->call.on_reply = list_on_step;
    c->call.on_end = list_on_end;
    c->page = *page;
    c->streams = xcalloc((size_t)q->partitions * STREAMS_EACH, sizeof *c->streams);
    c->found = xcalloc(page->limit + 1, sizeof *c->found);
    c->account = xslicedup(scope.account);
    c->login = xslicedup(scope.login);
    c->ctx = ctx;
    return c;
}

static struct task_scope list_scope(const struct list_call *c)
{
    return (struct task_scope){slice_str(c->account), slice_str(c->login)};
}

/* Adds a stream of every partition that has tasks of the caller. */
static void add_streams(struct list_call *c, const char *kind, int64_t keep_ms)
{
    struct partition_range range = tasks_partitions(c->q, list_scope(c));
    for (unsigned i = range.first; i < range.end; i++)
        c->streams[c->stream_count++] =
            (struct stream){.partition = i, .kind = kind, .keep_ms = keep_ms};
}

static void list_call_send(struct list_call *c)
{
    list_advance(c);
    shards_call_sent(&c->call);
}

static void add_times(struct args *a, const struct list_call *c, const struct stream *s)
{
    (void)s;
    args_add_int(a, c->page.from > 0 ? c->page.from : 0);
    args_add_int(a, c->page.to > 0 ? c->page.to : 0);
}

/* --- tasks by the time they were accepted --- */

static struct slice *found_keys(const struct list_call *c)
{
    struct slice *keys = xcalloc(c->found_count + 1, sizeof *keys);
    for (size_t i = 0; i < c->found_count; i++)
        keys[i] = slice_str(c->found[i].text);
    return keys;
}

static void tell_posted(struct list_call *c)
{
    struct slice *keys = found_keys(c);
    tasks_look_keys(c->q, list_scope(c), keys, c->found_count, c->fn, c->ctx);
    free(keys);
}

void queue_tasks_posted(struct queue_tasks *q, struct task_scope scope,
                        const struct tasks_page *page, tasks_fn fn, void *ctx)
{
    struct list_call *c = list_call_new(q, scope, page, ctx);
    c->script = &q->posted;
    c->add_range = add_times;
    c->tell = tell_posted;
    c->fn = fn;
    add_streams(c, "", 0);
    list_call_send(c);
}

/* --- done and not fetched --- */

struct ready_look {
    tasks_fn fn;
    void *ctx;
};

/* A partition lists what is done there; a webhook may still be pending in another. */
static void on_ready_seen(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct ready_look *l = ctx;
    struct task *done = xcalloc(count ? count : 1, sizeof *done);
    size_t n = 0;
    for (size_t i = 0; rc == OK && i < count; i++)
        if (tasks[i].state == TASK_DONE || tasks[i].state == TASK_FAILED)
            done[n++] = tasks[i];
    l->fn(l->ctx, rc, rc == OK ? done : NULL, n);
    free(done);
    free(l);
}

static void tell_ready(struct list_call *c)
{
    struct slice *keys = found_keys(c);
    struct ready_look *l = NEW(struct ready_look);
    *l = (struct ready_look){c->fn, c->ctx};
    tasks_look_keys(c->q, list_scope(c), keys, c->found_count, on_ready_seen, l);
    free(keys);
}

static void add_path(struct args *a, const struct list_call *c, const struct stream *s)
{
    args_add(a, slice_str(c->path));
    args_add_int(a, s->keep_ms);
}

void queue_tasks_ready(struct queue_tasks *q, struct task_scope scope, struct slice path,
                       size_t limit, tasks_fn fn, void *ctx)
{
    struct list_call *c = list_call_new(q, scope, &(struct tasks_page){.limit = limit}, ctx);
    c->script = &q->ready;
    c->add_range = add_path;
    c->tell = tell_ready;
    c->path = xslicedup(path);
    c->fn = fn;
    add_streams(c, "ready", q->conf->retention.done_s * 1000);
    add_streams(c, "failed", q->conf->retention.dead_s * 1000);
    list_call_send(c);
}

/* --- failed attempts --- */

struct body_place { /* the streams that have an entry of a page, but for their account */
    unsigned partition;
    const char *kind;
};

struct bodies_call {         /* what the entries of a page say */
    struct shards_call call; /* first */
    struct queue_tasks *q;
    struct body_place *places;
    struct json **docs; /* NULL where an entry has left meanwhile */
    char *whose;        /* account as which the tasks are shown */
    bool is_account;    /* an account looks at its own tasks, not an admin at all */
    size_t count;
    failures_fn fn;
    void *ctx;
};

/* Reads the entry ID of ACCOUNT's stream of the kind that entry INDEX of the page has. */
static void ask_entry(struct bodies_call *b, size_t index, struct slice account, struct slice id)
{
    const struct body_place *place = &b->places[index];
    struct shard *shard = shards_at(b->q->shards, place->partition);
    struct buf key;
    buf_init(&key, KEY_BYTES);
    keys_errors(&key, shard_base(shard), account, place->kind);
    struct args a;
    args_init(&a, TASKS_ARGS_MAX);
    args_borrow(&a, id);
    args_borrow(&a, id);
    shards_call_command(&b->call, index, shard, "XRANGE", buf_slice(&key), &a);
    args_clear(&a);
    buf_clear(&key);
}

/* {{id, {"attempt", JSON}}}; {{id, {"of", "<account> <id>"}}} if an account's stream has it; or {}. */
static bool on_body(struct shards_call *call, size_t index, const struct redis_reply *r)
{
    struct bodies_call *c = (struct bodies_call *)call;
    if (redis_count(r) == 0)
        return true;
    const struct redis_reply *fields = redis_at(redis_at(r, 0), 1);
    struct error e;
    if (redis_count(fields) != 2)
        return false;
    if (slice_eq(redis_text(redis_at(fields, 0)), SLICE_LIT("of"))) {
        struct slice id = redis_text(redis_at(fields, 1)), account = slice_cut(&id, ' ');
        ask_entry(c, index, account, id);
        return true;
    }
    if (json_parse_received(redis_text(redis_at(fields, 1)), &c->docs[index], &e) != OK)
        c->docs[index] = NULL;
    return true;
}

static struct slice text_of(const struct json *doc, const char *key)
{
    const struct json *j = json_get(doc, key);
    return json_kind(j) == JSON_STRING ? json_string(j) : slice_make("", 0);
}

static struct task_failure read_failure(const struct json *doc, struct slice whose, bool is_account)
{
    enum delivery_kind kind = DELIVERY_POSTBACK;
    (void)delivery_kind_read(text_of(doc, "kind"), &kind);
    struct task_failure f = {
        .at = json_int(json_get(doc, "at")),
        .task_id = task_shown_id(text_of(doc, "id"), whose),
        .destination = text_of(doc, "destination"),
        .kind = kind,
        .url = text_of(doc, "url"),
        .error = text_of(doc, "error"),
        .detail = text_of(doc, "detail"),
        .status = (int)json_int(json_get(doc, "status")),
        .duration_ms = json_int(json_get(doc, "duration_ms")),
        .response = text_of(doc, "response"),
    };
    struct slice word = text_of(doc, "account_error");
    if (is_account && word.len)
        f.error = word;
    if (is_account)
        f.detail = slice_make("", 0);
    return f;
}

static void on_bodies_end(struct shards_call *call)
{
    struct bodies_call *c = (struct bodies_call *)call;
    struct task_failure *list = xcalloc(c->count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->docs[i])
            list[n++] = read_failure(c->docs[i], slice_str(c->whose), c->is_account);
    c->fn(c->ctx, call->rc, call->rc == OK ? list : NULL, call->rc == OK ? n : 0);
    for (size_t i = 0; i < c->count; i++)
        json_free(c->docs[i]);
    free(c->docs);
    free(c->places);
    free(c->whose);
    free(list);
    free(c);
}

static void ask_body(struct bodies_call *b, const struct list_call *c, size_t index)
{
    const struct listed *entry = &c->found[index];
    const struct stream *s = &c->streams[entry->stream];
    b->places[index] = (struct body_place){s->partition, s->kind};
    ask_entry(b, index, slice_str(c->account), slice_str(entry->text));
}

static void tell_failures(struct list_call *c)
{
    struct bodies_call *b = NEW(struct bodies_call);
    tasks_begin_reading(c->q, list_scope(c), &b->call);
    b->q = c->q;
    b->call.on_reply = on_body;
    b->call.on_end = on_bodies_end;
    b->docs = xcalloc(c->found_count + 1, sizeof *b->docs);
    b->places = xcalloc(c->found_count + 1, sizeof *b->places);
    b->count = c->found_count;
    b->whose = xslicedup(slice_str(c->login));
    b->is_account = c->account[0] != '\0';
    b->fn = c->failures_fn;
    b->ctx = c->ctx;
    for (size_t i = 0; i < c->found_count; i++)
        ask_body(b, c, i);
    shards_call_sent(&b->call);
}

void queue_tasks_failures(struct queue_tasks *q, struct task_scope scope,
                          enum task_function function, const struct tasks_page *page,
                          failures_fn fn, void *ctx)
{
    struct list_call *c = list_call_new(q, scope, page, ctx);
    c->script = &q->failures;
    c->add_range = add_times;
    c->tell = tell_failures;
    c->failures_fn = fn;
    c->page.newest_first = true;
    wall_ms oldest = clock_wall_ms() - FAILURES_MS;
    if (c->page.from < oldest)
        c->page.from = oldest;
    if (function != FUNCTION_PINGBACK)
        add_streams(c, "postback", 0);
    if (function != FUNCTION_POSTBACK)
        add_streams(c, "pingback", 0);
    list_call_send(c);
}
