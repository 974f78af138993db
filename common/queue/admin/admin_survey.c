/* The contents of the queue as a whole, and its lanes by name.
 *
 * Redis has no index of what waits by lane: `retry` and `inflight` are one set for all lanes. A survey goes through them, and
 * through the lists of lanes and of dead letters, in steps of about a millisecond. It is kept for KEEP_US, so that a
 * dashboard that asks for several pages, or several operators, cost Redis one survey. A call that finds an older one gets it,
 * and begins a new one for those who come later. Only if it is older than STALE_US the call waits, so that nobody who looks
 * again and again waits for a survey of 10,000 lanes.
 *
 * A partition that does not answer is missing in the survey. Such a survey is only served for KEEP_US, because the partition may
 * be back. A call about one lane gets the survey that is kept, or else one of the lane's partition alone.
 *
 * Of more than SET_MAX deliveries that wait for a retry, SET_MAX are looked at, evenly spread, and the rest is taken to be alike.
 */
#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/net/loop.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>

#define KEEP_US 2000000
#define STALE_US 10000000
#define SET_MAX 20000
#define NAMES_STEP 500

enum part { PART_LANES, PART_DEADS, PART_RETRY, PART_INFLIGHT, PART_PAUSED, PART_ORIGINS, PARTS };
static const char *const part_words[] = {"lanes",    "deads",  "retry",
                                         "inflight", "paused", "origins"};
/* Members of one step. A step reads the newest dead letter of each destination. */
static const size_t part_steps[] = {[PART_LANES] = 500,
                                    [PART_DEADS] = 200,
                                    [PART_RETRY] = 500,
                                    [PART_INFLIGHT] = 500,
                                    [PART_PAUSED] = 500};

struct waiter { /* somebody who wants the survey */
    struct waiter *next;
    survey_fn fn;
    void *ctx;
};

struct survey_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    struct survey *made;
    struct waiter *alone; /* for whom it is made, of one partition; NULL: for all that wait */
    size_t *seen;         /* members that were looked at or passed, by partition and part */
    double *scale;
};

/* --- the survey --- */

void admin_survey_free(struct survey *s)
{
    size_t at = 0;
    struct slice name;
    void *value;
    if (!s)
        return;
    while (map_next(&s->rows, &at, &name, &value)) {
        free(((struct survey_row *)value)->name);
        free(value);
    }
    map_clear(&s->rows);
    free(s->names);
    free(s);
}

static struct survey_row *row_of(struct survey *s, struct slice lane)
{
    struct survey_row *row = map_get(&s->rows, lane);
    if (!row) {
        row = NEW(struct survey_row);
        row->name = xslicedup(lane);
        map_set(&s->rows, slice_str(row->name), row);
    }
    return row;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each lane of CONF has a row, and so has each other lane that the survey met. */
static void survey_sort(struct survey *s)
{
    size_t at = 0;
    struct slice name;
    void *value;
    s->names = xcalloc(map_count(&s->rows) + 1, sizeof *s->names);
    while (map_next(&s->rows, &at, &name, &value))
        s->names[s->count++] = ((struct survey_row *)value)->name;
    qsort(s->names, s->count, sizeof *s->names, by_name);
}

static struct survey *survey_begin(struct config *conf)
{
    struct survey *s = NEW(struct survey);
    struct config_walk walk = {0};
    struct destination *d;
    map_init(&s->rows);
    while (config_next_destination(conf, &walk, &d))
        row_of(s, slice_str(d->lane))->is_configured = true;
    return s;
}

/* --- asking --- */

static size_t *seen_of(struct survey_call *c, unsigned partition, enum part part)
{
    return &c->seen[partition * PARTS + part];
}

static void ask_part(struct survey_call *c, unsigned partition, enum part part)
{
    struct args a;
    double scale = c->scale[partition * PARTS + part];
    args_init(&a, 256);
    args_add(&a, slice_str(part_words[part]));
    args_add_int(&a, (int64_t)((double)*seen_of(c, partition, part) * scale));
    args_add_int(&a, (int64_t)part_steps[part]);
    shards_call_script(&c->call, (size_t)partition * PARTS + part, partition, &c->q->survey, &a);
    args_clear(&a);
}

static void ask_origins(struct survey_call *c, unsigned partition)
{
    size_t at = 0;
    struct slice name;
    void *value;
    struct args a;
    size_t which = (size_t)partition * PARTS + PART_ORIGINS;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add(&a, slice_str(part_words[PART_ORIGINS]));
    while (map_next(&c->made->rows, &at, &name, &value)) {
        const struct survey_row *row = value;
        if (partition_of(name, shards_count(c->call.shards)) != partition)
            continue;
        args_borrow(&a, slice_str(row->name));
        if (a.count <= NAMES_STEP)
            continue;
        shards_call_script(&c->call, which, partition, &c->q->survey, &a);
        args_reset(&a);
        args_add(&a, slice_str(part_words[PART_ORIGINS]));
    }
    shards_call_script(&c->call, which, partition, &c->q->survey, &a);
    args_clear(&a);
}

/* --- the answers --- */

static void take_lane(struct survey *s, struct slice lane, int64_t depth)
{
    row_of(s, lane)->is_in[LANE_QUEUED] = depth > 0;
    s->totals.queued += depth;
}

/* Marks the lanes of R, from its element FIRST on, as lanes in STATE. */
static void take_names(struct survey *s, enum lane_state state, const struct redis_reply *r,
                       size_t first)
{
    for (size_t i = first; i < redis_count(r); i++)
        row_of(s, redis_text(redis_at(r, i)))->is_in[state] = true;
}

/* One destination of a part: its lane, and how many deliveries. Other calls read exactly what a configured destination has. */
static void take_destination(struct survey_call *c, enum part part, double scale,
                             const struct redis_reply *r, size_t i)
{
    struct slice name = redis_text(redis_at(r, i)), lane = redis_text(redis_at(r, i + 1));
    double n = (double)redis_int(redis_at(r, i + 2)) * scale;
    if (part == PART_DEADS)
        c->made->totals.dead += (int64_t)n;
    if (!lane.len)
        return;
    bool is_configured = config_destination(c->q->conf, name) != NULL;
    struct survey_row *row = row_of(c->made, lane);
    row->is_in[LANE_RETRY] = row->is_in[LANE_RETRY] || (part == PART_RETRY && n > 0);
    row->is_in[LANE_DEAD] = row->is_in[LANE_DEAD] || (part == PART_DEADS && n > 0);
    if (part == PART_RETRY)
        row->retry += n;
    else if (part == PART_INFLIGHT && !is_configured)
        row->other_inflight += n;
    else if (part == PART_DEADS && !is_configured)
        row->other_dead += (int64_t)n;
}

/* The first answer of a part has the number of its members. */
static void take_size(struct survey_call *c, enum part part, size_t all, double *scale)
{
    struct queue_totals *sums = &c->made->totals;
    bool is_set = part == PART_RETRY || part == PART_INFLIGHT;
    int64_t *const of[PARTS] = {[PART_RETRY] = &sums->retry,
                                [PART_INFLIGHT] = &sums->inflight,
                                [PART_PAUSED] = &sums->lanes_paused};
    *scale = is_set && all > SET_MAX ? (double)all / SET_MAX : 1;
    if (of[part])
        *of[part] += (int64_t)all;
}

static void take_part(struct survey_call *c, unsigned partition, enum part part,
                      const struct redis_reply *r)
{
    size_t all = (size_t)redis_int(redis_at(r, 0)), *seen = seen_of(c, partition, part);
    double *scale = &c->scale[partition * PARTS + part];
    if (*seen == 0)
        take_size(c, part, all, scale);
    if (part == PART_LANES)
        for (size_t i = 1; i + 1 < redis_count(r); i += 2)
            take_lane(c->made, redis_text(redis_at(r, i)), redis_int(redis_at(r, i + 1)));
    else
        for (size_t i = 1; i + 2 < redis_count(r); i += 3)
            take_destination(c, part, *scale, r, i);
    *seen += part_steps[part];
    if (redis_count(r) > 1 && (double)*seen * *scale < (double)all)
        ask_part(c, partition, part);
}

/* Here the rank of a part is the cursor that Redis answered. */
static void take_paused(struct survey_call *c, unsigned partition, const struct redis_reply *r)
{
    size_t *cursor = seen_of(c, partition, PART_PAUSED);
    double *scale = &c->scale[partition * PARTS + PART_PAUSED];
    if (*cursor == 0)
        take_size(c, PART_PAUSED, (size_t)redis_int(redis_at(r, 0)), scale);
    *cursor = (size_t)redis_int(redis_at(r, 1));
    take_names(c->made, LANE_PAUSED, r, 2);
    if (*cursor)
        ask_part(c, partition, PART_PAUSED);
}

static void take_origins(struct survey_call *c, const struct redis_reply *r)
{
    c->made->totals.circuits_open += redis_int(redis_at(r, 0));
    take_names(c->made, LANE_CIRCUIT, r, 1);
}

static bool survey_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct survey_call *c = (struct survey_call *)call;
    unsigned partition = (unsigned)(which / PARTS);
    enum part part = which % PARTS;
    if (redis_count(r) == 0)
        return false;
    if (part == PART_ORIGINS)
        take_origins(c, r);
    else if (part == PART_PAUSED)
        take_paused(c, partition, r);
    else
        take_part(c, partition, part, r);
    return true;
}

/* --- the end --- */

static void tell(struct waiter *list, enum err rc, const struct survey *survey)
{
    while (list) {
        struct waiter *w = list;
        list = w->next;
        w->fn(w->ctx, rc, rc == OK ? survey : NULL);
        free(w);
    }
}

static void tell_all(struct queue_admin *q, enum err rc)
{
    struct waiter *list = q->waiters;
    q->waiters = NULL;
    tell(list, rc, q->last_survey);
}

static void survey_call_free(struct survey_call *c)
{
    free(c->seen);
    free(c->scale);
    free(c);
}

static void survey_on_end(struct shards_call *call)
{
    struct survey_call *c = (struct survey_call *)call;
    struct queue_admin *q = c->q;
    enum err rc = call->rc;
    c->made->missing = call->missing;
    if (c->alone) {
        survey_sort(c->made);
        tell(c->alone, rc, c->made);
        admin_survey_free(c->made);
        survey_call_free(c);
        return;
    }
    if (rc == OK) {
        survey_sort(c->made);
        admin_survey_free(q->last_survey);
        q->last_survey = c->made;
        q->survey_at = clock_mono_us();
    } else {
        admin_survey_free(c->made);
    }
    survey_call_free(c);
    q->is_surveying = false;
    tell_all(q, rc);
}

static struct survey_call *survey_call_new(struct queue_admin *q)
{
    struct survey_call *c = NEW(struct survey_call);
    size_t parts = (size_t)shards_count(q->shards) * PARTS;
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = survey_on_reply;
    c->call.on_end = survey_on_end;
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    c->q = q;
    c->made = survey_begin(q->conf);
    c->seen = xcalloc(parts, sizeof *c->seen);
    c->scale = xcalloc(parts, sizeof *c->scale);
    return c;
}

static void ask_parts(struct survey_call *c, unsigned partition)
{
    for (enum part part = PART_LANES; part < PART_ORIGINS; part++)
        ask_part(c, partition, part);
    ask_origins(c, partition);
}

static void survey_start(struct queue_admin *q)
{
    struct survey_call *c = survey_call_new(q);
    q->is_surveying = true;
    for (unsigned p = 0; p < shards_count(q->shards); p++)
        ask_parts(c, p);
    shards_call_sent(&c->call);
}

static void tell_last(void *ctx)
{
    struct queue_admin *q = ctx;
    struct waiter *list = q->served;
    q->served = NULL;
    tell(list, OK, q->last_survey);
}

static mono_us age_of_last(const struct queue_admin *q)
{
    return q->last_survey ? clock_mono_us() - q->survey_at : STALE_US;
}

static bool is_stale(const struct queue_admin *q)
{
    mono_us age = age_of_last(q);
    return age >= STALE_US || (age >= KEEP_US && !partition_set_is_empty(&q->last_survey->missing));
}

void admin_survey_of(struct queue_admin *q, unsigned partition, survey_fn fn, void *ctx)
{
    if (!is_stale(q) && !partition_set_has(&q->last_survey->missing, partition)) {
        admin_survey(q, fn, ctx);
        return;
    }
    struct survey_call *c = survey_call_new(q);
    c->alone = NEW(struct waiter);
    *c->alone = (struct waiter){NULL, fn, ctx};
    ask_parts(c, partition);
    shards_call_sent(&c->call);
}

void admin_survey(struct queue_admin *q, survey_fn fn, void *ctx)
{
    struct waiter *w = NEW(struct waiter);
    mono_us age = age_of_last(q);
    *w = (struct waiter){q->waiters, fn, ctx};
    if (is_stale(q)) {
        q->waiters = w;
        if (!q->is_surveying)
            survey_start(q);
        return;
    }
    w->next = q->served;
    q->served = w;
    loop_defer(q->loop, tell_last, q);
    if (age >= KEEP_US && !q->is_surveying)
        survey_start(q);
}

void admin_survey_forget(struct queue_admin *q)
{
    q->survey_at = clock_mono_us() - STALE_US;
}
