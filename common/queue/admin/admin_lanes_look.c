/* Lanes as operators see them: the survey says which there are and what waits on them, lanes.lua says the rest. */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/admin/admin_private.h"
#include "common/webhook/url_template.h"

#include <stdlib.h>
#include <string.h>

#define LANES_STEP 100        /* lanes of one script call */
#define DESTINATIONS_MAX 1000 /* of one lane that are looked at */
enum { FIELD_DEPTH, FIELD_OLDEST, FIELD_PAUSED, FIELD_ORDER, FIELD_SENT, FIELD_TO, FIELD_CIRCUITS };

struct looked_lane { /* one of the page; owns its texts */
    char *name;
    struct lane_view view;
    const struct destination **to; /* of the configuration of the call */
    size_t to_count;
    unsigned partition;
};

struct
    lanes_step { /* what one script call asks for: lanes of one partition, by their place on the page */
    size_t places[LANES_STEP], count, answered;
};

struct lanes_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    struct config *conf; /* referenced */
    char *after, *only;  /* one of them is set */
    enum lane_state state;
    char *part; /* of the name, or NULL: any name */
    size_t limit;
    struct looked_lane *page;
    size_t count;
    struct lanes_step *steps;
    size_t step_count;
    bool has_more, has_results;
    struct partition_set missing;    /* partitions that did not answer */
    size_t counted_lane, counted_to; /* the first destination of the page without its results */
    lanes_fn fn;
    void *ctx;
};

static void lanes_free(struct lanes_call *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct looked_lane *l = &c->page[i];
        for (size_t n = 0; n < l->view.circuit_count; n++)
            free((char *)(uintptr_t)l->view.circuits[n].origin.ptr);
        free((struct circuit_view *)(uintptr_t)l->view.circuits);
        free(l->to);
        free(l->name);
    }
    free(c->page);
    free(c->steps);
    free(c->after);
    free(c->only);
    free(c->part);
    config_unref(c->conf);
    free(c);
}

/* --- the page --- */

static void page_add(struct lanes_call *c, const struct survey *s, const char *name)
{
    const struct survey_row *row = map_get(&s->rows, slice_str(name));
    struct looked_lane *l = &c->page[c->count++];
    l->name = xstrdup(name);
    l->partition = partition_of(slice_str(name), shards_count(c->q->shards));
    l->view = (struct lane_view){.name = slice_str(l->name),
                                 .is_configured = row->is_configured,
                                 .delay_ms = -1,
                                 .retry = (int64_t)(row->retry + 0.5),
                                 .inflight = (int64_t)(row->other_inflight + 0.5),
                                 .dead = row->other_dead};
}

/* The first of the names that comes behind AFTER. */
static size_t first_behind(const struct survey *s, const char *after)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->names[middle], after) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_wanted(const struct lanes_call *c, const struct survey *s, const char *name)
{
    const struct survey_row *row = map_get(&s->rows, slice_str(name));
    unsigned partition = partition_of(slice_str(name), shards_count(c->q->shards));
    return !partition_set_has(&s->missing, partition) &&
           (c->state == LANE_ANY || row->is_in[c->state]) &&
           (!c->part || strstr(name, c->part) != NULL);
}

static void page_fill(struct lanes_call *c, const struct survey *s)
{
    size_t most = c->only ? 1 : c->limit;
    c->page = xcalloc(most, sizeof *c->page);
    if (c->only) {
        if (map_get(&s->rows, slice_str(c->only)))
            page_add(c, s, c->only);
        return;
    }
    for (size_t i = first_behind(s, c->after); i < s->count && !c->has_more; i++) {
        if (!is_wanted(c, s, s->names[i]))
            continue;
        c->has_more = c->count == most;
        if (!c->has_more)
            page_add(c, s, s->names[i]);
    }
}

static void add_destination(struct looked_lane *l, const struct destination *d)
{
    if (l->to_count == DESTINATIONS_MAX)
        return;
    if ((l->to_count & (l->to_count - 1)) == 0)
        l->to = xrealloc(l->to, l->to_count ? 2 * l->to_count : 1, sizeof *l->to);
    l->to[l->to_count++] = d;
}

static void page_find_destinations(struct lanes_call *c)
{
    struct map by_name;
    struct config_walk walk = {0};
    struct destination *d;
    map_init(&by_name);
    for (size_t i = 0; i < c->count; i++)
        map_set(&by_name, slice_str(c->page[i].name), &c->page[i]);
    while (config_next_destination(c->conf, &walk, &d)) {
        struct looked_lane *l = map_get(&by_name, slice_str(d->lane));
        if (l)
            add_destination(l, d);
    }
    map_clear(&by_name);
}

/* --- asking --- */

static void add_lane_args(struct args *a, const struct looked_lane *l)
{
    args_add_int(a, (int64_t)l->to_count);
    for (size_t i = 0; i < l->to_count; i++) {
        const struct destination *d = l->to[i];
        args_borrow(a, slice_str(d->name));
        size_t mark = args_mark(a);
        buf_add_str(&a->text, d->account ? "delay:account:" : "delay:destination:");
        buf_add_str(&a->text, d->account ? d->account->name : d->name);
        args_add_since(a, mark);
    }
}

static void ask_lanes(struct lanes_call *c, size_t step)
{
    struct lanes_step *s = &c->steps[step];
    struct args a;
    unsigned partition = c->page[s->places[0]].partition;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add_int(&a, (int64_t)(s->count - s->answered));
    for (size_t i = s->answered; i < s->count; i++)
        args_borrow(&a, c->page[s->places[i]].view.name);
    for (size_t i = s->answered; i < s->count; i++)
        add_lane_args(&a, &c->page[s->places[i]]);
    shards_call_script(&c->call, step, partition, &c->q->lanes, &a);
    args_clear(&a);
}

/* Sorts the page's lanes into steps. */
static void make_steps(struct lanes_call *c)
{
    unsigned partitions = shards_count(c->q->shards);
    size_t *open = xcalloc(partitions, sizeof *open); /* 1 + the step that still has room */
    c->steps = xcalloc(c->count / LANES_STEP + partitions + 1, sizeof *c->steps);
    for (size_t i = 0; i < c->count; i++) {
        size_t *mine = &open[c->page[i].partition];
        if (!*mine || c->steps[*mine - 1].count == LANES_STEP)
            *mine = ++c->step_count;
        struct lanes_step *s = &c->steps[*mine - 1];
        s->places[s->count++] = i;
    }
    free(open);
}

/* --- the answers --- */

/* The delay in force of D. OWN and TOP are the delays that were set through the API, or empty. */
static int64_t delay_in_force(const struct destination *d, const struct redis_reply *own,
                              const struct redis_reply *top)
{
    if (redis_text(own).len)
        return redis_int(own);
    if (!d->settings->has_own_delay && redis_text(top).len)
        return redis_int(top);
    return d->settings->delay_ms;
}

static void take_destinations(struct looked_lane *l, const struct redis_reply *r,
                              const struct redis_reply *top)
{
    for (size_t i = 0; i < l->to_count && 3 * i + 2 < redis_count(r); i++) {
        int64_t delay = delay_in_force(l->to[i], redis_at(r, 3 * i + 2), top);
        l->view.dead += redis_int(redis_at(r, 3 * i));
        l->view.inflight += redis_int(redis_at(r, 3 * i + 1));
        if (delay > l->view.delay_ms)
            l->view.delay_ms = delay;
        l->view.is_fifo = l->to[i]->settings->order == ORDER_FIFO;
    }
}

/* NAME is an origin's in Redis: "<destination>", or "<destination>/<scheme>://<host>:<port>". */
static struct slice origin_of(const struct lanes_call *c, struct slice name)
{
    struct slice url = name, word = slice_cut(&url, '/');
    const struct destination *d = config_destination(c->conf, word);
    struct slice origin = url.len ? url : name;
    if (!url.len && d && d->url)
        origin = url_template_origin(d->url);
    return slice_make(xslicedup(origin), origin.len);
}

static const char *circuit_word(struct slice state)
{
    static const char *const words[] = {"open", "probing", "waiting"};
    for (size_t i = 1; i < sizeof words / sizeof *words; i++)
        if (slice_eq(state, slice_str(words[i])))
            return words[i];
    return words[0];
}

static void take_circuits(const struct lanes_call *c, struct looked_lane *l,
                          const struct redis_reply *r)
{
    size_t n = redis_count(r) / 3;
    struct circuit_view *list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct circuit_view){origin_of(c, redis_text(redis_at(r, 3 * i))),
                                        circuit_word(redis_text(redis_at(r, 3 * i + 1))),
                                        redis_int(redis_at(r, 3 * i + 2))};
    l->view.circuits = list;
    l->view.circuit_count = n;
}

static void take_lane(const struct lanes_call *c, struct looked_lane *l,
                      const struct redis_reply *r, const struct redis_reply *top)
{
    l->view.depth = redis_int(redis_at(r, FIELD_DEPTH));
    l->view.oldest_at = redis_int(redis_at(r, FIELD_OLDEST));
    l->view.paused_since = redis_int(redis_at(r, FIELD_PAUSED));
    l->view.is_fifo = slice_eq(redis_text(redis_at(r, FIELD_ORDER)), SLICE_LIT("fifo"));
    l->view.sent_1m = redis_int(redis_at(r, FIELD_SENT));
    take_destinations(l, redis_at(r, FIELD_TO), top);
    take_circuits(c, l, redis_at(r, FIELD_CIRCUITS));
}

static bool lanes_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct lanes_call *c = (struct lanes_call *)call;
    struct lanes_step *s = &c->steps[which];
    size_t n = redis_count(r);
    if (n < 2 || n - 1 > s->count - s->answered)
        return false;
    for (size_t i = 1; i < n; i++)
        take_lane(c, &c->page[s->places[s->answered++]], redis_at(r, i), redis_at(r, 0));
    if (s->answered < s->count)
        ask_lanes(c, which);
    return true;
}

/* Is the lane still in the state that it had in the survey? */
static bool is_still(enum lane_state state, const struct lane_view *v)
{
    const bool now[LANE_STATES] = {[LANE_ANY] = true,
                                   [LANE_QUEUED] = v->depth > 0,
                                   [LANE_RETRY] = v->retry > 0,
                                   [LANE_DEAD] = v->dead > 0,
                                   [LANE_PAUSED] = v->paused_since > 0,
                                   [LANE_CIRCUIT] = v->circuit_count > 0};
    return now[state];
}

static void lanes_tell(struct lanes_call *c)
{
    struct lane_view *list = xcalloc(c->count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct lane_view *v = &c->page[i].view;
        v->has_results = c->has_results;
        if (!partition_set_has(&c->missing, c->page[i].partition) && is_still(c->state, v))
            list[n++] = *v;
    }
    bool has_next = c->has_more && c->count > 0;
    c->fn(c->ctx, OK, list, n, slice_str(has_next ? c->page[c->count - 1].name : ""), &c->missing);
    free(list);
}

static void lanes_fail(struct lanes_call *c, enum err rc)
{
    c->fn(c->ctx, rc, NULL, 0, SLICE_LIT(""), &c->missing);
    lanes_free(c);
}

/* --- the results of the last hour: they are kept by destination, in the first partition --- */

enum { RESULT_DONE, RESULT_RETRY, RESULT_DEAD, RESULTS };
static const char *const result_words[RESULTS] = {"done", "retry", "dead"};

/* Steps to the next destination of the page. NULL behind the last one. */
static const struct destination *next_destination(const struct lanes_call *c, size_t *lane,
                                                  size_t *to)
{
    while (*lane < c->count && *to >= c->page[*lane].to_count) {
        (*lane)++;
        *to = 0;
    }
    return *lane < c->count ? c->page[*lane].to[(*to)++] : NULL;
}

static void ask_results(struct lanes_call *c);

static void results_on_counts(void *ctx, enum err rc, const struct named_count *list, size_t count)
{
    struct lanes_call *c = ctx;
    if (rc != OK) {
        c->has_results = false;
        partition_set_add(&c->missing, 0);
        lanes_tell(c);
        lanes_free(c);
        return;
    }
    for (size_t i = 0; i + RESULTS <= count; i += RESULTS) {
        if (!next_destination(c, &c->counted_lane, &c->counted_to))
            break;
        struct lane_view *v = &c->page[c->counted_lane].view;
        v->done_1h += list[i + RESULT_DONE].n;
        v->retry_1h += list[i + RESULT_RETRY].n;
        v->dead_1h += list[i + RESULT_DEAD].n;
    }
    ask_results(c);
}

/* Asks for the results of further destinations, or hands over the page. */
static void ask_results(struct lanes_call *c)
{
    size_t lane = c->counted_lane, to = c->counted_to, asked = 0;
    const struct destination *d;
    struct args names;
    args_init(&names, ADMIN_ARGS_MAX);
    while (asked < ADMIN_LOOK_MAX && (d = next_destination(c, &lane, &to)) != NULL) {
        for (size_t r = 0; r < RESULTS; r++) {
            size_t mark = args_mark(&names);
            buf_addf(&names.text, "%s %s", d->name, result_words[r]);
            args_add_since(&names, mark);
        }
        asked++;
    }
    if (asked) {
        queue_admin_results(c->q, args_slices(&names), names.count, results_on_counts, c);
    } else {
        lanes_tell(c);
        lanes_free(c);
    }
    args_clear(&names);
}

static void lanes_on_end(struct shards_call *call)
{
    struct lanes_call *c = (struct lanes_call *)call;
    partition_set_join(&c->missing, &call->missing);
    if (call->rc == OK)
        ask_results(c);
    else
        lanes_fail(c, call->rc);
}

static void lanes_on_survey(void *ctx, enum err rc, const struct survey *s)
{
    struct lanes_call *c = ctx;
    if (rc != OK) {
        lanes_fail(c, rc);
        return;
    }
    if (!c->only)
        c->missing = s->missing;
    page_fill(c, s);
    page_find_destinations(c);
    make_steps(c);
    shards_call_begin(&c->call, c->q->loop, c->q->shards);
    c->call.on_reply = lanes_on_reply;
    c->call.on_end = lanes_on_end;
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    for (size_t i = 0; i < c->step_count; i++)
        ask_lanes(c, i);
    shards_call_sent(&c->call);
}

static struct lanes_call *lanes_new(struct queue_admin *q, lanes_fn fn, void *ctx)
{
    struct lanes_call *c = NEW(struct lanes_call);
    c->q = q;
    c->conf = config_ref(q->conf);
    c->has_results = true;
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

void queue_admin_lanes(struct queue_admin *q, const struct lanes_filter *filter, struct slice after,
                       size_t limit, lanes_fn fn, void *ctx)
{
    struct lanes_call *c = lanes_new(q, fn, ctx);
    c->state = filter->state;
    c->part = filter->part.len ? xslicedup(filter->part) : NULL;
    c->after = xslicedup(after);
    c->limit = limit;
    admin_survey(q, lanes_on_survey, c);
}

void queue_admin_lane(struct queue_admin *q, struct slice name, lanes_fn fn, void *ctx)
{
    struct lanes_call *c = lanes_new(q, fn, ctx);
    c->only = xslicedup(name);
    admin_survey_of(q, partition_of(name, shards_count(q->shards)), lanes_on_survey, c);
}

/* --- totals --- */

struct totals_call {
    totals_fn fn;
    void *ctx;
};

static void totals_on_survey(void *ctx, enum err rc, const struct survey *s)
{
    struct totals_call c = *(struct totals_call *)ctx;
    free(ctx);
    c.fn(c.ctx, rc, s ? &s->totals : NULL, s ? &s->missing : NULL);
}

void queue_admin_totals(struct queue_admin *q, totals_fn fn, void *ctx)
{
    struct totals_call *c = NEW(struct totals_call);
    *c = (struct totals_call){fn, ctx};
    admin_survey(q, totals_on_survey, c);
}
