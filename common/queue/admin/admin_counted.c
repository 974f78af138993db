/* The counts of programs for the last hour, and the programs that run.   (counted.lua) */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000
#define NAMES_STEP 300 /* results of one script call */

struct counted_call {
    struct shards_call call; /* first */
    bool is_told;
    programs_fn programs; /* one of these is set */
    counts_of_fn counts;
    history_fn history;
    trends_fn trends;
    void *ctx;
    struct queue_admin *q;    /* borrowed */
    bool is_answers;          /* `counts` gets answers, else results */
    struct named_count *list; /* of `counts`; the names are owned */
    size_t count;
    struct map places; /* of answers: name -> its struct named_count's number in `list` and 1 */
    int64_t *added; /* of answers: the span whose count was added last to the element of `list` */
    size_t cap;
};

static void tell_programs(struct counted_call *c, const struct redis_reply *r)
{
    size_t n = redis_count(r);
    struct slice *list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = redis_text(redis_at(r, i));
    c->programs(c->ctx, OK, list, n);
    free(list);
}

static struct named_count owned_count(struct slice name, int64_t n)
{
    return (struct named_count){slice_make(xslicedup(name), name.len), n};
}

/* R has the results behind the first FROM. */
static bool take_results(struct counted_call *c, size_t from, const struct redis_reply *r)
{
    size_t n = redis_count(r) / 2;
    if (from + n > c->cap)
        return false;
    for (size_t i = 0; i < n; i++)
        c->list[from + i] =
            owned_count(redis_text(redis_at(r, 2 * i)), redis_int(redis_at(r, 2 * i + 1)));
    c->count += n;
    return true;
}

/* The answer NAME was given N times in SPAN. While Redis enlarges a span it may tell a field twice. */
static void add_answer(struct counted_call *c, int64_t span, struct slice name, int64_t n)
{
    uintptr_t place = (uintptr_t)map_get(&c->places, name);
    if (place) {
        if (c->added[place - 1] != span)
            c->list[place - 1].n += n;
        c->added[place - 1] = span;
        return;
    }
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->list = xrealloc(c->list, c->cap, sizeof *c->list);
        c->added = xrealloc(c->added, c->cap, sizeof *c->added);
    }
    c->added[c->count] = span;
    c->list[c->count++] = owned_count(name, n);
    map_set(&c->places, name, (void *)(uintptr_t)c->count);
}

static void ask_answers(struct counted_call *c, struct slice cursor)
{
    struct args a;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, SLICE_LIT("answers"));
    args_add(&a, cursor);
    shards_call_script(&c->call, 0, 0, &c->q->counted, &a);
    args_clear(&a);
}

/* R has some spans of the last hour, or a part of one. The next step reads the others. */
static bool take_answers(struct counted_call *c, const struct redis_reply *r)
{
    size_t n = redis_count(r);
    if (n % 2 != 1)
        return false;
    for (size_t i = 1; i < n; i += 2) {
        int64_t span = redis_int(redis_at(r, i));
        const struct redis_reply *fields = redis_at(r, i + 1);
        for (size_t f = 0; f + 1 < redis_count(fields); f += 2)
            add_answer(c, span, redis_text(redis_at(fields, f)),
                       redis_int(redis_at(fields, f + 1)));
    }
    struct slice cursor = redis_text(redis_at(r, 0));
    if (cursor.len)
        ask_answers(c, cursor);
    return true;
}

/* NAME is "<word>:<bucket>". */
static void take_bucket(struct history_minute *m, struct slice name, int64_t n)
{
    struct slice rest = name, word = slice_cut(&rest, ':');
    uint64_t bucket;
    if (text_u64(rest, METRIC_BUCKETS - 1, &bucket) != OK || n < 0)
        return;
    if (slice_eq(word, SLICE_LIT("attempt")))
        m->attempts[bucket] = (uint64_t)n;
    else if (slice_eq(word, SLICE_LIT("delivery")))
        m->deliveries[bucket] = (uint64_t)n;
}

static void take_field(struct history_minute *m, struct slice name, int64_t n)
{
    static const char *const words[HISTORY_COUNTS] = {"accepted", "duplicate", "refused",
                                                      "sent",     "failed",    "dead"};
    for (size_t i = 0; i < HISTORY_COUNTS; i++) {
        if (slice_eq(name, slice_str(words[i]))) {
            m->counts[i] = n;
            return;
        }
    }
    take_bucket(m, name, n);
}

static void tell_history(struct counted_call *c, const struct redis_reply *r)
{
    size_t n = redis_count(r) ? redis_count(r) - 1 : 0;
    int64_t minute = redis_int(redis_at(r, 0));
    struct history_minute *list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const struct redis_reply *fields = redis_at(r, 1 + i);
        list[i].at = (minute - (int64_t)i) * MINUTE_MS;
        for (size_t f = 0; f + 1 < redis_count(fields); f += 2)
            take_field(&list[i], redis_text(redis_at(fields, f)),
                       redis_int(redis_at(fields, f + 1)));
    }
    c->history(c->ctx, OK, list, n);
    free(list);
}

/* The trend of LANE; a new one, at the end of the list, if it has none yet. */
static struct lane_trend *trend_of(struct lane_trend *list, size_t *count, struct map *places,
                                   struct slice lane)
{
    struct lane_trend *t = map_get(places, lane);
    if (!t) {
        t = &list[(*count)++];
        t->lane = lane;
        map_set(places, lane, t);
    }
    return t;
}

static int by_lane(const void *a, const void *b)
{
    const struct lane_trend *x = a, *y = b;
    size_t both = x->lane.len < y->lane.len ? x->lane.len : y->lane.len;
    int order = memcmp(x->lane.ptr, y->lane.ptr, both);
    return order ? order : x->lane.len < y->lane.len ? -1 : 1;
}

static void tell_trends(struct counted_call *c, const struct redis_reply *r)
{
    size_t spans = redis_count(r) ? redis_count(r) - 1 : 0, most = 0, count = 0;
    struct map places;
    map_init(&places);
    if (spans > TREND_SPANS)
        spans = TREND_SPANS;
    for (size_t s = 0; s < spans; s++)
        most += redis_count(redis_at(r, 1 + s)) / 2;
    struct lane_trend *list = xcalloc(most + 1, sizeof *list);
    for (size_t s = 0; s < spans; s++) {
        const struct redis_reply *fields = redis_at(r, 1 + s);
        for (size_t f = 0; f + 1 < redis_count(fields); f += 2) {
            struct slice word = redis_text(redis_at(fields, f)), lane = slice_cut(&word, ' ');
            struct lane_trend *t = trend_of(list, &count, &places, lane);
            bool is_failure = slice_eq(word, SLICE_LIT("failed"));
            (is_failure ? t->failed : t->done)[s] = redis_int(redis_at(fields, f + 1));
        }
    }
    map_clear(&places);
    qsort(list, count, sizeof *list, by_lane);
    c->trends(c->ctx, OK, list, count);
    free(list);
}

static bool counted_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct counted_call *c = (struct counted_call *)call;
    if (redis_kind(r) != REDIS_LIST)
        return false;
    c->is_told = true;
    if (c->counts)
        return c->is_answers ? take_answers(c, r) : take_results(c, which * NAMES_STEP, r);
    if (c->programs)
        tell_programs(c, r);
    else if (c->trends)
        tell_trends(c, r);
    else
        tell_history(c, r);
    return true;
}

static void counted_on_end(struct shards_call *call)
{
    struct counted_call *c = (struct counted_call *)call;
    enum err rc = call->rc == OK ? ERR_UNAVAIL : call->rc;
    if (!c->is_told && c->programs)
        c->programs(c->ctx, rc, NULL, 0);
    else if (c->counts && c->is_told && call->rc == OK)
        c->counts(c->ctx, OK, c->list, c->count);
    else if (c->counts)
        c->counts(c->ctx, rc, NULL, 0);
    else if (!c->is_told && c->trends)
        c->trends(c->ctx, rc, NULL, 0);
    else if (!c->is_told)
        c->history(c->ctx, rc, NULL, 0);
    size_t names = c->is_answers ? c->count : c->cap; /* results may lack some in the middle */
    for (size_t i = 0; i < names; i++)
        free((char *)(uintptr_t)c->list[i].name.ptr);
    free(c->list);
    map_clear(&c->places);
    free(c->added);
    free(c);
}

static void begin(struct queue_admin *q, struct counted_call *c)
{
    c->q = q;
    map_init(&c->places);
    shards_call_begin(&c->call, q->loop, q->shards);
    shards_call_hurry(&c->call);
    c->call.on_reply = counted_on_reply;
    c->call.on_end = counted_on_end;
}

/* Asks the first partition, which has the counts, for those of the NAMES in WHAT. */
static void ask_for(struct counted_call *c, size_t which, const char *what,
                    const struct slice *names, size_t count)
{
    struct args a;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, slice_str(what));
    for (size_t i = 0; i < count; i++)
        args_borrow(&a, names[i]);
    shards_call_script(&c->call, which, 0, &c->q->counted, &a);
    args_clear(&a);
}

/* Takes C. */
static void ask(struct queue_admin *q, struct counted_call *c, const char *what)
{
    begin(q, c);
    ask_for(c, 0, what, NULL, 0);
    shards_call_sent(&c->call);
}

void queue_admin_programs(struct queue_admin *q, programs_fn fn, void *ctx)
{
    struct counted_call *c = NEW(struct counted_call);
    c->programs = fn;
    c->ctx = ctx;
    ask(q, c, "programs");
}

void queue_admin_answers(struct queue_admin *q, counts_of_fn fn, void *ctx)
{
    struct counted_call *c = NEW(struct counted_call);
    c->counts = fn;
    c->ctx = ctx;
    c->is_answers = true;
    begin(q, c);
    ask_answers(c, SLICE_LIT(""));
    shards_call_sent(&c->call);
}

void queue_admin_results(struct queue_admin *q, const struct slice *names, size_t count,
                         counts_of_fn fn, void *ctx)
{
    struct counted_call *c = NEW(struct counted_call);
    c->counts = fn;
    c->ctx = ctx;
    begin(q, c);
    c->list = xcalloc(count + 1, sizeof *c->list);
    c->cap = count;
    for (size_t from = 0, step = 0; from < count; from += NAMES_STEP, step++)
        ask_for(c, step, "results", names + from,
                count - from < NAMES_STEP ? count - from : NAMES_STEP);
    shards_call_sent(&c->call);
}

void queue_admin_history(struct queue_admin *q, history_fn fn, void *ctx)
{
    struct counted_call *c = NEW(struct counted_call);
    c->history = fn;
    c->ctx = ctx;
    ask(q, c, "history");
}

void queue_admin_trends(struct queue_admin *q, trends_fn fn, void *ctx)
{
    struct counted_call *c = NEW(struct counted_call);
    c->trends = fn;
    c->ctx = ctx;
    ask(q, c, "trends");
}
