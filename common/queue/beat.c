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
#define KEY_MAX 1024   /* of a count: two names and a word */

struct number {
    uint64_t n;
};

/* The counts of one partition. They wait here while it is away, at most one number for each series of the metrics. One call is
 * under way at a time: if nobody knows what became of it, then no more than its counts are lost. */
struct part {
    struct beat *beat;
    unsigned partition;
    bool is_asking;
    struct map waiting;  /* "<what> <field>" -> struct number */
    struct map sent;     /* the same: what calls have, or will have before others begin */
    size_t at, asked_at; /* places in `sent`: where the call under way begins and where it ends */
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
    struct map taken;   /* family and labels -> struct number: the counts that the parts have got */
    struct part *parts; /* one a partition */
    unsigned part_count;
    struct map ended; /* lane -> struct ended; empty between beats */
    uint64_t attempts[METRIC_BUCKETS], deliveries[METRIC_BUCKETS]; /* sums of all series */
    uint64_t attempts_told[METRIC_BUCKETS], deliveries_told[METRIC_BUCKETS];
};

/* --- the counts of a partition --- */

static void number_add(struct map *m, struct slice key, uint64_t n)
{
    struct number *v = map_get(m, key);
    if (!v) {
        v = NEW(struct number);
        map_set(m, key, v);
    }
    v->n += n;
}

static void numbers_clear(struct map *m)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(m, &at, &key, &value))
        free(value);
    map_clear(m);
}

static void add_count(struct beat *b, unsigned partition, const char *what, struct slice name,
                      struct slice word, uint64_t n)
{
    struct buf key;
    if (n == 0)
        return;
    buf_init(&key, KEY_MAX);
    buf_addf(&key, "%s ", what);
    buf_add_slice(&key, name);
    if (word.len) {
        buf_add_char(&key, ' ');
        buf_add_slice(&key, word);
    }
    number_add(&b->parts[partition].waiting, buf_slice(&key), n);
    buf_clear(&key);
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
    const struct number *before = map_get(&b->taken, buf_slice(&key));
    uint64_t n = v->count - (before ? before->n : 0);
    number_add(&b->taken, buf_slice(&key), n);
    buf_clear(&key);
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

/* --- calls of the script --- */

static void part_on_reply(void *ctx, enum err rc, const struct redis_reply *r);

static void write_facts(const struct beat *b, struct buf *out)
{
    char started[CLOCK_ISO_LEN + 1];
    clock_iso(b->started, started);
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "id", b->name);
    jw_str(&w, "program", b->setup.program);
    jw_str(&w, "name", b->name);
    jw_str(&w, "version", b->setup.version);
    jw_str(&w, "started_at", started);
    jw_int(&w, "inflight", (int64_t)b->setup.count_inflight(b->setup.ctx));
    jw_str(&w, "digest", b->conf->digest);
    jw_close(&w, '}');
}

/* The program's field and its facts. */
static void add_program(const struct beat *b, struct args *a)
{
    struct buf facts;
    buf_init(&facts, 4096);
    write_facts(b, &facts);
    size_t mark = args_mark(a);
    buf_addf(&a->text, "%s %s", b->setup.program, b->name);
    args_add_since(a, mark);
    args_add(a, buf_slice(&facts));
    buf_clear(&facts);
}

/* Adds what a call takes of the counts from P->asked_at on. */
static void add_sent(struct part *p, struct args *a)
{
    struct slice field;
    void *value;
    for (unsigned n = 0; n < COUNTS_MOST && map_next(&p->sent, &p->asked_at, &field, &value); n++) {
        args_add(a, slice_cut(&field, ' '));
        args_add(a, field);
        args_add_int(a, (int64_t)((const struct number *)value)->n);
    }
}

/* The counts from P->at on wait for the next beat. */
static void part_put_back(struct part *p)
{
    struct slice key;
    void *value;
    while (map_next(&p->sent, &p->at, &key, &value))
        number_add(&p->waiting, key, ((const struct number *)value)->n);
    numbers_clear(&p->sent);
}

/* Sends the next counts of `sent`. IS_NOTED: the call also notes that the program runs. */
static void part_send(struct part *p, bool is_noted)
{
    struct args a;
    args_init(&a, ARGS_MAX);
    if (is_noted) {
        add_program(p->beat, &a);
    } else {
        args_add(&a, SLICE_LIT(""));
        args_add(&a, SLICE_LIT(""));
    }
    p->asked_at = p->at;
    add_sent(p, &a);
    p->is_asking = shard_run(shards_at(p->beat->shards, p->partition), &p->beat->tally, &a,
                             part_on_reply, p) == OK;
    if (!p->is_asking)
        part_put_back(p);
    args_clear(&a);
}

static bool has_more(const struct part *p)
{
    size_t at = p->at;
    struct slice key;
    void *value;
    return map_next(&p->sent, &at, &key, &value);
}

/* A call that was written, and whose answer was lost, has perhaps been counted: it is not repeated. */
static void part_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct part *p = ctx;
    bool has_run = rc == OK && redis_kind(r) != REDIS_FAILED;
    p->is_asking = false;
    if (has_run || rc == ERR_TIMEOUT)
        p->at = p->asked_at;
    if (has_run && has_more(p))
        part_send(p, false);
    else
        part_put_back(p);
}

/* The first partition has the programs. */
static void part_begin(struct part *p)
{
    bool is_home = p->partition == 0;
    if (p->is_asking || !shard_is_ready(shards_at(p->beat->shards, p->partition)) ||
        (!is_home && map_count(&p->waiting) == 0))
        return;
    struct map empty = p->sent;
    p->sent = p->waiting;
    p->waiting = empty;
    p->at = 0;
    part_send(p, is_home);
}

static void beat_now(void *ctx)
{
    struct beat *b = ctx;
    loop_timer_arm(b->timer, BEAT_US);
    add_counts(b);
    for (unsigned i = 0; i < b->part_count; i++)
        part_begin(&b->parts[i]);
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
    map_init(&b->taken);
    map_init(&b->ended);
    b->part_count = shards_count(shards);
    b->parts = xcalloc(b->part_count, sizeof *b->parts);
    for (unsigned i = 0; i < b->part_count; i++) {
        b->parts[i].beat = b;
        b->parts[i].partition = i;
        map_init(&b->parts[i].waiting);
        map_init(&b->parts[i].sent);
    }
    b->timer = loop_timer_new(l, beat_now, b);
    loop_timer_arm(b->timer, BEAT_US / 10);
    return b;
}

void beat_free(struct beat *b)
{
    if (!b)
        return;
    numbers_clear(&b->taken);
    for (unsigned i = 0; i < b->part_count; i++) {
        numbers_clear(&b->parts[i].waiting);
        numbers_clear(&b->parts[i].sent);
    }
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
