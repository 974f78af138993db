#include "common/queue/beat.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/map.h"
#include "common/base/metrics.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/queue/args.h"
#include "common/queue/scripts.h"
#include "common/queue/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEAT_US 2000000
#define COUNTS_MOST 300 /* of one script call */
#define ARGS_MAX ((size_t)1 << 20)
#define NAME_BYTES 96
#define TRENDS_MOST 64 /* lanes whose attempts one beat reports */
#define LEAD 2         /* arguments before the counts: the program and its facts */

struct told { /* the count of a series that Redis has */
    uint64_t count;
};

struct ended { /* attempts on a lane since the last beat; the lane's name is the configuration's */
    const char *lane;
    uint64_t done, failed;
};

struct beat {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    struct beat_setup setup;
    char name[NAME_BYTES]; /* host:pid */
    wall_ms started;
    struct loop_timer *timer;
    struct redis_script tally;
    struct map told; /* family and labels -> struct told */
    struct args
        *parts; /* one a partition: the call that is being made; text NULL until it has a count */
    struct map ended; /* lane -> struct ended; empty between beats */
    uint64_t attempts[METRIC_BUCKETS], deliveries[METRIC_BUCKETS]; /* sums of all series */
    uint64_t attempts_told[METRIC_BUCKETS], deliveries_told[METRIC_BUCKETS];
};

/* --- calls of the script --- */

static void beat_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    (void)ctx;
    (void)rc;
    (void)r;
}

static void part_begin(struct args *a, struct slice program, struct slice facts)
{
    args_init(a, ARGS_MAX);
    args_add(a, program);
    args_add(a, facts);
}

static void part_send(struct beat *b, unsigned partition)
{
    struct args *a = &b->parts[partition];
    /* If it cannot be sent, Redis is away: that was asked before, and the next beat asks again. */
    enum err rc = shard_run(shards_at(b->shards, partition), &b->tally, a, beat_on_reply, NULL);
    (void)rc;
    args_clear(a);
    *a = (struct args){0};
}

static void add_count(struct beat *b, unsigned partition, const char *what, struct slice name,
                      struct slice word, uint64_t n)
{
    struct args *a = &b->parts[partition];
    if (n == 0)
        return;
    if (a->count == 0)
        part_begin(a, SLICE_LIT(""), SLICE_LIT(""));
    args_add(a, slice_str(what));
    size_t mark = args_mark(a);
    buf_add_slice(&a->text, name);
    if (word.len) {
        buf_add_char(&a->text, ' ');
        buf_add_slice(&a->text, word);
    }
    args_add_since(a, mark);
    args_add_int(a, (int64_t)n);
    if (a->count >= LEAD + 3 * COUNTS_MOST)
        part_send(b, partition);
}

static void add_history(struct beat *b, const char *field, uint64_t n)
{
    add_count(b, 0, "history", slice_str(field), SLICE_LIT(""), n);
}

/* --- what was counted --- */

/* Returns the counts of the series since the last beat. */
static uint64_t news_of(struct beat *b, char family, const struct metric_reading *v)
{
    struct buf key;
    buf_init(&key, v->labels.len + 1);
    buf_add_char(&key, family);
    buf_add_slice(&key, v->labels);
    struct told *t = map_get(&b->told, buf_slice(&key));
    if (!t) {
        t = NEW(struct told);
        map_set(&b->told, buf_slice(&key), t);
    }
    buf_clear(&key);
    uint64_t n = v->count - t->count;
    t->count = v->count;
    return n;
}

static void beat_on_event(void *ctx, const struct metric_reading *v)
{
    struct beat *b = ctx;
    struct slice source = metric_label(v->labels, 0), answer = metric_label(v->labels, 1);
    uint64_t n = news_of(b, 'e', v);
    bool is_asked =
        slice_eq(answer, SLICE_LIT("challenge")) || slice_eq(answer, SLICE_LIT("probe"));
    add_count(b, 0, "answers", source, answer, n);
    if (slice_eq(answer, SLICE_LIT("ok")))
        add_history(b, "accepted", n);
    else if (slice_eq(answer, SLICE_LIT("duplicate")))
        add_history(b, "duplicate", n);
    else if (!is_asked)
        add_history(b, "refused", n);
}

static void count_ended(struct beat *b, struct slice destination, bool is_failure, uint64_t n)
{
    const struct destination *d = config_destination(b->conf, destination);
    if (!d || n == 0)
        return;
    struct ended *e = map_get(&b->ended, slice_str(d->lane));
    if (!e) {
        e = NEW(struct ended);
        e->lane = d->lane;
        map_set(&b->ended, slice_str(d->lane), e);
    }
    *(is_failure ? &e->failed : &e->done) += n;
}

static void beat_on_result(void *ctx, const struct metric_reading *v)
{
    struct beat *b = ctx;
    struct slice destination = metric_label(v->labels, 0), result = metric_label(v->labels, 1);
    uint64_t n = news_of(b, 'r', v);
    bool is_dead = slice_eq(result, SLICE_LIT("dead"));
    bool is_failure = is_dead || slice_eq(result, SLICE_LIT("retry"));
    if (is_failure || slice_eq(result, SLICE_LIT("done"))) {
        add_count(b, 0, "results", destination, result, n);
        count_ended(b, destination, is_failure, n);
    }
    if (is_failure)
        add_history(b, "failed", n);
    if (is_dead)
        add_history(b, "dead", n);
}

static void beat_on_attempts(void *ctx, const struct metric_reading *v)
{
    struct beat *b = ctx;
    uint64_t n = news_of(b, 'a', v);
    const struct destination *d = config_destination(b->conf, metric_label(v->labels, 0));
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        b->attempts[i] += v->buckets[i];
    add_history(b, "sent", n);
    if (d)
        add_count(b, d->partition, "sends", slice_str(d->lane), SLICE_LIT(""), n);
}

static void beat_on_deliveries(void *ctx, const struct metric_reading *v)
{
    struct beat *b = ctx;
    for (size_t i = 0; i < METRIC_BUCKETS; i++)
        b->deliveries[i] += v->buckets[i];
}

static int busiest_first(const void *a, const void *b)
{
    const struct ended *x = *(struct ended *const *)a, *y = *(struct ended *const *)b;
    uint64_t nx = x->done + x->failed, ny = y->done + y->failed;
    return nx < ny ? 1 : nx > ny ? -1 : 0;
}

/* Reports the busiest lanes, and forgets the counts of attempts that ended. */
static void add_trends(struct beat *b)
{
    struct ended **all = xcalloc(map_count(&b->ended) + 1, sizeof *all);
    size_t count = 0, at = 0;
    struct slice key;
    void *value;
    while (map_next(&b->ended, &at, &key, &value))
        all[count++] = value;
    qsort(all, count, sizeof *all, busiest_first);
    for (size_t i = 0; i < count; i++) {
        if (i < TRENDS_MOST) {
            add_count(b, 0, "trends", slice_str(all[i]->lane), SLICE_LIT("done"), all[i]->done);
            add_count(b, 0, "trends", slice_str(all[i]->lane), SLICE_LIT("failed"), all[i]->failed);
        }
        free(all[i]);
    }
    free(all);
    map_clear(&b->ended);
}

static void add_buckets(struct beat *b, const char *what, const uint64_t *sums, uint64_t *told)
{
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        char field[32];
        snprintf(field, sizeof field, "%s:%zu", what, i);
        add_history(b, field, sums[i] - told[i]);
        told[i] = sums[i];
    }
}

static void add_counts(struct beat *b)
{
    struct metrics *m = b->setup.metrics;
    memset(b->attempts, 0, sizeof b->attempts);
    memset(b->deliveries, 0, sizeof b->deliveries);
    metrics_read(m, METRIC_EVENTS, beat_on_event, b);
    metrics_read(m, METRIC_ATTEMPTS, beat_on_result, b);
    add_trends(b);
    metrics_read(m, METRIC_ATTEMPT_SECONDS, beat_on_attempts, b);
    metrics_read(m, METRIC_DELIVERY_SECONDS, beat_on_deliveries, b);
    add_buckets(b, "attempt", b->attempts, b->attempts_told);
    add_buckets(b, "delivery", b->deliveries, b->deliveries_told);
}

/* --- what runs --- */

static void add_program(struct beat *b)
{
    char field[2 * NAME_BYTES], started[CLOCK_ISO_LEN + 1];
    struct buf facts;
    snprintf(field, sizeof field, "%s %s", b->setup.program, b->name);
    clock_iso(b->started, started);
    buf_init(&facts, 4096);
    struct json_write w = json_write_to(&facts);
    jw_open(&w, NULL, '{');
    jw_str(&w, "id", b->name);
    jw_str(&w, "program", b->setup.program);
    jw_str(&w, "name", b->name);
    jw_str(&w, "version", b->setup.version);
    jw_str(&w, "started_at", started);
    jw_int(&w, "inflight", (int64_t)b->setup.count_inflight(b->setup.ctx));
    jw_str(&w, "digest", b->conf->digest);
    jw_close(&w, '}');
    part_begin(&b->parts[0], slice_str(field), buf_slice(&facts));
    buf_clear(&facts);
}

static void beat_now(void *ctx)
{
    struct beat *b = ctx;
    loop_timer_arm(b->timer, BEAT_US);
    if (!shard_is_ready(shards_at(b->shards, 0)))
        return;
    add_program(b);
    add_counts(b);
    for (unsigned i = 0; i < shards_count(b->shards); i++)
        if (b->parts[i].count)
            part_send(b, i);
}

/* --- begin and end --- */

struct beat *beat_new(struct loop *l, struct shards *shards, struct config *conf,
                      const struct beat_setup *setup)
{
    char host[64] = "localhost";
    struct beat *b = NEW(struct beat);
    b->loop = l;
    b->shards = shards;
    b->conf = config_ref(conf);
    b->setup = *setup;
    b->started = clock_wall_ms();
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    snprintf(b->name, sizeof b->name, "%s:%d", host, (int)getpid());
    redis_script_init(&b->tally, "tally", lua_tally, lua_tally_len);
    map_init(&b->told);
    map_init(&b->ended);
    b->parts = xcalloc(shards_count(shards), sizeof *b->parts);
    b->timer = loop_timer_new(l, beat_now, b);
    loop_timer_arm(b->timer, BEAT_US / 10);
    return b;
}

void beat_free(struct beat *b)
{
    size_t at = 0;
    struct slice key;
    void *value;
    if (!b)
        return;
    while (map_next(&b->told, &at, &key, &value))
        free(value);
    map_clear(&b->told);
    loop_timer_free(b->timer);
    free(b->parts);
    config_unref(b->conf);
    free(b);
}

void beat_set_config(struct beat *b, struct config *conf)
{
    config_ref(conf);
    config_unref(b->conf);
    b->conf = conf;
}
