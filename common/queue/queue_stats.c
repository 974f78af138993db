#include "common/queue/queue_stats.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/args.h"
#include "common/queue/holds.h"
#include "common/queue/scripts.h"
#include "common/queue/shard.h"

#include <stdlib.h>

#define NAMES_MOST 50 /* destinations of one script call */
#define RETRY_STEP 1000
#define RETRY_STEPS 20

struct lane_sums { /* of one lane, over its destinations */
    const char *lane;
    double retrying, inflight;
};

/* One reading: shard after shard, and in each one script call after the other. */
struct stats_call {
    struct shards *shards;
    struct config *conf; /* referenced */
    struct metrics *metrics;
    stats_fn fn;
    void *ctx;
    enum err rc;
    bool *failed; /* the shards that do not answer */
    struct redis_script stats, retrying;
    unsigned shard;
    struct config_walk walk; /* over the destinations of the shard */
    struct map lanes;        /* name -> struct lane_sums, of the shard */
    size_t step, steps;      /* of the deliveries in retry */
    double scale;            /* each that is looked at counts as so many */
    /* of the call that is under way */
    const struct destination *destinations[NAMES_MOST];
    struct lane_sums *first_of[NAMES_MOST]; /* lanes that this call asks for */
    size_t destination_count, lane_count;
};

static const enum metric from_redis[] = {METRIC_QUEUE_DEPTH, METRIC_OLDEST,   METRIC_DEAD,
                                         METRIC_RETRYING,    METRIC_INFLIGHT, METRIC_PAUSED,
                                         METRIC_CIRCUITS,    METRIC_REDIS_UP};

static void stats_next(struct stats_call *c);

static void set(const struct stats_call *c, enum metric family, const char *label, double value)
{
    metric_set(metrics_series(c->metrics, family, slice_str(label), slice_make("", 0)), value);
}

static void clear_lanes(struct stats_call *c)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&c->lanes, &at, &name, &value))
        free(value);
    map_clear(&c->lanes);
}

static void unset_all(const struct stats_call *c)
{
    for (size_t i = 0; i < sizeof from_redis / sizeof *from_redis; i++)
        metrics_unset(c->metrics, from_redis[i]);
}

/* Do all shards of server I answer? */
static bool answers(const struct stats_call *c, size_t i)
{
    for (unsigned k = 0; k < shards_count(c->shards); k++)
        if (c->failed[k] && shards_is_at(c->shards, k, i))
            return false;
    return true;
}

static void set_up(const struct stats_call *c)
{
    metrics_unset(c->metrics, METRIC_REDIS_UP); /* a server that was left has no value */
    for (size_t i = 0; i < shards_server_count(c->shards); i++) {
        struct shard_server server = shards_server(c->shards, i);
        set(c, METRIC_REDIS_UP, server.address, server.is_up && answers(c, i));
    }
}

static void stats_end(struct stats_call *c)
{
    clear_lanes(c);
    if (c->rc != OK && shards_mode(c->shards) != REDIS_CLUSTER)
        unset_all(c); /* of a cluster the other shards' gauges are right */
    set_up(c);
    c->fn(c->ctx, c->rc);
    config_unref(c->conf);
    free(c->failed);
    free(c);
}

/* --- the answers --- */

static void set_lane(struct stats_call *c, const struct lane_sums *sums,
                     const struct redis_reply *r)
{
    wall_ms now = clock_wall_ms();
    int64_t oldest = redis_int(redis_at(r, 1));
    const struct redis_reply *open = redis_at(r, 3);
    set(c, METRIC_QUEUE_DEPTH, sums->lane, (double)redis_int(redis_at(r, 0)));
    set(c, METRIC_OLDEST, sums->lane,
        oldest > 0 && now > oldest ? (double)(now - oldest) / 1000 : 0);
    set(c, METRIC_PAUSED, sums->lane, (double)redis_int(redis_at(r, 2)));
    for (size_t i = 0; i + 1 < redis_count(open); i += 2) {
        struct slice name = redis_text(redis_at(open, i));
        if (config_destination(c->conf, name))
            metric_set(metrics_series(c->metrics, METRIC_CIRCUITS, name, slice_make("", 0)),
                       (double)redis_int(redis_at(open, i + 1)));
    }
}

static struct lane_sums *sums_of(struct stats_call *c, const char *lane)
{
    return map_get(&c->lanes, slice_str(lane));
}

static void set_destinations(struct stats_call *c, const struct redis_reply *r)
{
    for (size_t i = 0; i < c->destination_count; i++) /* what a lane says of circuits comes later */
        set(c, METRIC_CIRCUITS, c->destinations[i]->name, 0);
    for (size_t i = 0; i < c->destination_count; i++) {
        const struct redis_reply *one = redis_at(r, c->lane_count + i);
        set(c, METRIC_DEAD, c->destinations[i]->name, (double)redis_int(redis_at(one, 0)));
        sums_of(c, c->destinations[i]->lane)->inflight += (double)redis_int(redis_at(one, 1));
    }
    for (size_t i = 0; i < c->lane_count; i++)
        set_lane(c, c->first_of[i], redis_at(r, i));
}

/* The shard does not answer: none of its gauges is right. One that an operator holds is not asked, and nothing has failed. */
static void skip_shard(struct stats_call *c, enum err rc)
{
    if (!holds_has(shards_holds(c->shards), c->shard)) {
        c->rc = rc == OK ? ERR_UNAVAIL : rc;
        c->failed[c->shard] = true;
    }
    clear_lanes(c);
    c->shard++;
    c->walk = (struct config_walk){0};
    c->step = 0;
    stats_next(c);
}

static void stats_on_destinations(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct stats_call *c = ctx;
    if (rc != OK || redis_kind(r) != REDIS_LIST ||
        redis_count(r) != c->lane_count + c->destination_count) {
        skip_shard(c, rc);
        return;
    }
    set_destinations(c, r);
    stats_next(c);
}

static void count_retrying(struct stats_call *c, const struct redis_reply *r)
{
    for (size_t i = 1; i + 1 < redis_count(r); i += 2) {
        const struct destination *d = config_destination(c->conf, redis_text(redis_at(r, i)));
        struct lane_sums *sums = d ? sums_of(c, d->lane) : NULL;
        if (sums)
            sums->retrying += c->scale * (double)redis_int(redis_at(r, i + 1));
    }
}

static void stats_on_retrying(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct stats_call *c = ctx;
    if (rc != OK || redis_kind(r) != REDIS_LIST || redis_count(r) < 1) {
        skip_shard(c, rc);
        return;
    }
    size_t all = (size_t)redis_int(redis_at(r, 0));
    if (c->step == 0) {
        c->steps = all / RETRY_STEP + 1 < RETRY_STEPS ? all / RETRY_STEP + 1 : RETRY_STEPS;
        size_t seen = c->steps * RETRY_STEP;
        c->scale = all > seen ? (double)all / (double)seen : 1;
    }
    count_retrying(c, r);
    c->step++;
    stats_next(c);
}

/* --- the questions --- */

static void fill(struct stats_call *c)
{
    struct destination *d;
    c->destination_count = c->lane_count = 0;
    while (c->destination_count < NAMES_MOST && config_next_destination(c->conf, &c->walk, &d)) {
        if (d->partition != c->shard)
            continue;
        c->destinations[c->destination_count++] = d;
        if (sums_of(c, d->lane))
            continue;
        struct lane_sums *sums = NEW(struct lane_sums);
        sums->lane = d->lane;
        map_set(&c->lanes, slice_str(d->lane), sums);
        c->first_of[c->lane_count++] = sums;
    }
}

/* Asks for the next destinations of the shard. False: there are none. */
static bool ask_destinations(struct stats_call *c)
{
    fill(c);
    if (c->destination_count == 0)
        return false;
    struct args a;
    args_init(&a, 1 << 20);
    args_add_int(&a, (int64_t)c->lane_count);
    for (size_t i = 0; i < c->lane_count; i++)
        args_add(&a, slice_str(c->first_of[i]->lane));
    for (size_t i = 0; i < c->destination_count; i++)
        args_add(&a, slice_str(c->destinations[i]->name));
    enum err rc =
        shard_run(shards_at(c->shards, c->shard), &c->stats, &a, stats_on_destinations, c);
    args_clear(&a);
    if (rc != OK)
        skip_shard(c, rc);
    return true;
}

/* Asks for the next deliveries in retry. Blocks are spread evenly if not all are looked at. False: all have been. */
static bool ask_retrying(struct stats_call *c)
{
    if (map_count(&c->lanes) == 0 || (c->step && c->step == c->steps))
        return false;
    struct args a;
    args_init(&a, 256);
    args_add_int(&a, (int64_t)((double)(c->step * RETRY_STEP) * (c->step ? c->scale : 1)));
    args_add_int(&a, RETRY_STEP);
    enum err rc = shard_run(shards_at(c->shards, c->shard), &c->retrying, &a, stats_on_retrying, c);
    args_clear(&a);
    if (rc != OK)
        skip_shard(c, rc);
    return true;
}

static void end_shard(struct stats_call *c)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&c->lanes, &at, &name, &value)) {
        const struct lane_sums *sums = value;
        set(c, METRIC_RETRYING, sums->lane, (double)(int64_t)(sums->retrying + 0.5));
        set(c, METRIC_INFLIGHT, sums->lane, sums->inflight);
    }
    clear_lanes(c);
    c->shard++;
    c->walk = (struct config_walk){0};
    c->step = 0;
}

static void stats_next(struct stats_call *c)
{
    while (c->shard < shards_count(c->shards)) {
        if (ask_destinations(c) || ask_retrying(c))
            return;
        end_shard(c);
    }
    stats_end(c);
}

void queue_stats_read(struct shards *shards, struct config *conf, struct metrics *metrics,
                      stats_fn fn, void *ctx)
{
    struct stats_call *c = NEW(struct stats_call);
    *c = (struct stats_call){
        .shards = shards, .conf = config_ref(conf), .metrics = metrics, .fn = fn, .ctx = ctx};
    c->failed = xcalloc(shards_count(shards), sizeof *c->failed);
    map_init(&c->lanes);
    redis_script_init(&c->stats, "stats", lua_stats, lua_stats_len);
    redis_script_init(&c->retrying, "retrying", lua_retrying, lua_retrying_len);
    unset_all(c);
    stats_next(c);
}
