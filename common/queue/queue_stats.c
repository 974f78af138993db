#include "common/queue/queue_stats.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/args.h"
#include "common/queue/holds.h"
#include "common/queue/scripts.h"
#include "common/queue/shards_call.h"

#include <stdlib.h>

#define NAMES_MOST 50 /* destinations of one script call */
#define RETRY_STEP 1000
#define RETRY_STEPS 20

struct lane_sums { /* of one lane, over its destinations */
    const char *lane;
    double retrying, inflight;
};

/* The shards of one server. They are read one after the other, so that Redis has one script call at a time. */
struct chain {
    size_t server; /* shards_server_of */
    unsigned shard;
    bool is_asking, is_missing; /* the shard */
    struct config_walk walk;    /* over the destinations of the shard */
    struct map lanes;           /* name -> struct lane_sums, of the shard */
    bool is_retrying;           /* what was asked last: deliveries in retry, else destinations */
    size_t step, steps;         /* of the deliveries in retry */
    double scale;               /* each that is looked at counts as so many */
    /* of the call that is under way */
    const struct destination *destinations[NAMES_MOST];
    struct lane_sums *first_of[NAMES_MOST]; /* lanes that this call asks for */
    size_t destination_count, lane_count;
    size_t lanes_told; /* by the answers so far */
    bool is_part;      /* they tell of some lanes, and not of destinations */
};

struct queue_stats { /* owned by the caller of queue_stats_new */
    struct loop *loop;
    struct shards *shards;
    struct metrics *metrics;
    struct redis_script stats, retrying;
};

struct stats_call {          /* one reading, of all servers at once */
    struct shards_call call; /* first */
    const struct queue_stats *q;
    struct config *conf; /* referenced */
    stats_fn fn;
    void *ctx;
    size_t *servers; /* of each shard when the reading began */
    struct chain *chains;
};

static const enum metric from_redis[] = {METRIC_QUEUE_DEPTH, METRIC_OLDEST,   METRIC_DEAD,
                                         METRIC_RETRYING,    METRIC_INFLIGHT, METRIC_PAUSED,
                                         METRIC_CIRCUITS,    METRIC_REDIS_UP};

static void chain_go_on(struct stats_call *c, struct chain *ch);

static void set(const struct stats_call *c, enum metric family, const char *label, double value)
{
    metric_set(metrics_series(c->q->metrics, family, slice_str(label), slice_make("", 0)), value);
}

static void clear_lanes(struct chain *ch)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&ch->lanes, &at, &name, &value))
        free(value);
    map_clear(&ch->lanes);
}

static void unset_all(const struct stats_call *c)
{
    for (size_t i = 0; i < sizeof from_redis / sizeof *from_redis; i++)
        metrics_unset(c->q->metrics, from_redis[i]);
}

/* Do all shards of server I answer? */
static bool answers(const struct stats_call *c, size_t i)
{
    for (unsigned k = 0; k < shards_count(c->q->shards); k++)
        if (partition_set_has(&c->call.missing, k) && shards_server_of(c->q->shards, k) == i)
            return false;
    return true;
}

static void set_up(const struct stats_call *c)
{
    metrics_unset(c->q->metrics, METRIC_REDIS_UP); /* a server that was left has no value */
    for (size_t i = 0; i < shards_server_count(c->q->shards); i++) {
        struct shard_server server = shards_server(c->q->shards, i);
        set(c, METRIC_REDIS_UP, server.address, server.is_up && answers(c, i));
    }
}

static void stats_on_end(struct shards_call *call)
{
    struct stats_call *c = (struct stats_call *)call;
    enum err rc = partition_set_is_empty(&call->missing) ? call->rc : ERR_UNAVAIL;
    if (rc != OK && shards_mode(c->q->shards) != REDIS_CLUSTER)
        unset_all(c); /* of a cluster the other shards' gauges are right */
    set_up(c);
    c->fn(c->ctx, rc);
    config_unref(c->conf);
    free(c->servers);
    free(c->chains);
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
            metric_set(metrics_series(c->q->metrics, METRIC_CIRCUITS, name, slice_make("", 0)),
                       (double)redis_int(redis_at(open, i + 1)));
    }
}

static struct lane_sums *sums_of(struct chain *ch, const char *lane)
{
    return map_get(&ch->lanes, slice_str(lane));
}

MUST_CHECK static bool take_destinations(struct stats_call *c, struct chain *ch,
                                         const struct redis_reply *r)
{
    size_t lanes = ch->lane_count - ch->lanes_told, n = redis_count(r);
    ch->is_part = n > 0 && n <= lanes;
    if (redis_kind(r) != REDIS_LIST || (!ch->is_part && n != lanes + ch->destination_count))
        return false;
    for (size_t i = 0; ch->lanes_told == 0 && i < ch->destination_count; i++)
        set(c, METRIC_CIRCUITS, ch->destinations[i]->name, 0); /* before a lane says more */
    for (size_t i = 0; i < lanes && i < n; i++)
        set_lane(c, ch->first_of[ch->lanes_told++], redis_at(r, i));
    for (size_t i = 0; !ch->is_part && i < ch->destination_count; i++) {
        const struct redis_reply *one = redis_at(r, lanes + i);
        set(c, METRIC_DEAD, ch->destinations[i]->name, (double)redis_int(redis_at(one, 0)));
        sums_of(ch, ch->destinations[i]->lane)->inflight += (double)redis_int(redis_at(one, 1));
    }
    return true;
}

static void count_retrying(struct stats_call *c, struct chain *ch, const struct redis_reply *r)
{
    for (size_t i = 1; i + 1 < redis_count(r); i += 2) {
        const struct destination *d = config_destination(c->conf, redis_text(redis_at(r, i)));
        struct lane_sums *sums = d ? sums_of(ch, d->lane) : NULL;
        if (sums)
            sums->retrying += ch->scale * (double)redis_int(redis_at(r, i + 1));
    }
}

MUST_CHECK static bool take_retrying(struct stats_call *c, struct chain *ch,
                                     const struct redis_reply *r)
{
    if (redis_kind(r) != REDIS_LIST || redis_count(r) < 1)
        return false;
    size_t all = (size_t)redis_int(redis_at(r, 0));
    if (ch->step == 0) {
        ch->steps = all / RETRY_STEP + 1 < RETRY_STEPS ? all / RETRY_STEP + 1 : RETRY_STEPS;
        size_t seen = ch->steps * RETRY_STEP;
        ch->scale = all > seen ? (double)all / (double)seen : 1;
    }
    count_retrying(c, ch, r);
    ch->step++;
    return true;
}

static bool stats_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct stats_call *c = (struct stats_call *)call;
    struct chain *ch = &c->chains[which];
    bool is_taken = ch->is_retrying ? take_retrying(c, ch, r) : take_destinations(c, ch, r);
    if (!is_taken) {
        partition_set_add(&call->missing, ch->shard);
        ch->is_missing = true;
    }
    chain_go_on(c, ch);
    return true;
}

static void stats_on_missing(struct shards_call *call, size_t which)
{
    struct stats_call *c = (struct stats_call *)call;
    struct chain *ch = &c->chains[which];
    ch->is_missing = true;
    if (!ch->is_asking)
        chain_go_on(c, ch);
}

/* --- the questions --- */

static void fill(struct stats_call *c, struct chain *ch)
{
    struct destination *d;
    ch->destination_count = ch->lane_count = ch->lanes_told = 0;
    while (ch->destination_count < NAMES_MOST && config_next_destination(c->conf, &ch->walk, &d)) {
        if (d->partition != ch->shard)
            continue;
        ch->destinations[ch->destination_count++] = d;
        if (sums_of(ch, d->lane))
            continue;
        struct lane_sums *sums = NEW(struct lane_sums);
        sums->lane = d->lane;
        map_set(&ch->lanes, slice_str(d->lane), sums);
        ch->first_of[ch->lane_count++] = sums;
    }
}

static void run(struct stats_call *c, struct chain *ch, const struct redis_script *script,
                struct args *a)
{
    shards_call_script(&c->call, (size_t)(ch - c->chains), ch->shard, script, a);
    args_clear(a);
}

/* Asks for what the last answer did not reach, or for the next destinations of the shard. False: there are none. */
MUST_CHECK static bool ask_destinations(struct stats_call *c, struct chain *ch)
{
    if (!ch->is_part)
        fill(c, ch);
    if (ch->destination_count == 0)
        return false;
    struct args a;
    args_init(&a, 1 << 20);
    args_add_int(&a, (int64_t)(ch->lane_count - ch->lanes_told));
    for (size_t i = ch->lanes_told; i < ch->lane_count; i++)
        args_add(&a, slice_str(ch->first_of[i]->lane));
    for (size_t i = 0; i < ch->destination_count; i++)
        args_add(&a, slice_str(ch->destinations[i]->name));
    ch->is_retrying = false;
    run(c, ch, &c->q->stats, &a);
    return true;
}

/* Asks for the next deliveries in retry. Blocks are spread evenly if not all are looked at. False: all have been. */
MUST_CHECK static bool ask_retrying(struct stats_call *c, struct chain *ch)
{
    if (map_count(&ch->lanes) == 0 || (ch->step && ch->step == ch->steps))
        return false;
    struct args a;
    args_init(&a, 256);
    args_add_int(&a, (int64_t)((double)(ch->step * RETRY_STEP) * (ch->step ? ch->scale : 1)));
    args_add_int(&a, RETRY_STEP);
    ch->is_retrying = true;
    run(c, ch, &c->q->retrying, &a);
    return true;
}

/* The partition that an operator holds is not asked, and nothing has failed. */
static bool has_shard(const struct stats_call *c, const struct chain *ch)
{
    return c->servers[ch->shard] == ch->server && !holds_has(shards_holds(c->q->shards), ch->shard);
}

/* No gauge of a shard that is missing is right. */
static void end_shard(struct stats_call *c, struct chain *ch)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (!ch->is_missing && map_next(&ch->lanes, &at, &name, &value)) {
        const struct lane_sums *sums = value;
        set(c, METRIC_RETRYING, sums->lane, (double)(int64_t)(sums->retrying + 0.5));
        set(c, METRIC_INFLIGHT, sums->lane, sums->inflight);
    }
    clear_lanes(ch);
    ch->shard++;
    ch->is_missing = ch->is_part = false;
    ch->walk = (struct config_walk){0};
    ch->step = 0;
}

static void chain_go_on(struct stats_call *c, struct chain *ch)
{
    ch->is_asking = true;
    while (ch->shard < shards_count(c->q->shards)) {
        bool is_asked =
            !ch->is_missing && has_shard(c, ch) && (ask_destinations(c, ch) || ask_retrying(c, ch));
        if (is_asked && !ch->is_missing)
            break;
        end_shard(c, ch);
    }
    ch->is_asking = false;
}

/* A chain for each server, and one for the shards that no server has. */
static void begin_chains(struct stats_call *c)
{
    struct shards *shards = c->q->shards;
    size_t servers = shards_server_count(shards);
    c->servers = xcalloc(shards_count(shards), sizeof *c->servers);
    for (unsigned k = 0; k < shards_count(shards); k++)
        c->servers[k] = shards_server_of(shards, k);
    c->chains = xcalloc(servers + 1, sizeof *c->chains);
    for (size_t i = 0; i <= servers; i++) {
        c->chains[i].server = i < servers ? i : SIZE_MAX;
        map_init(&c->chains[i].lanes);
        chain_go_on(c, &c->chains[i]);
    }
}

/* --- begin and end --- */

struct queue_stats *queue_stats_new(struct loop *l, struct shards *shards, struct metrics *metrics)
{
    struct queue_stats *q = NEW(struct queue_stats);
    *q = (struct queue_stats){.loop = l, .shards = shards, .metrics = metrics};
    redis_script_init(&q->stats, "stats", lua_stats, lua_stats_len);
    redis_script_init(&q->retrying, "retrying", lua_retrying, lua_retrying_len);
    return q;
}

void queue_stats_free(struct queue_stats *q)
{
    free(q);
}

void queue_stats_read(struct queue_stats *q, struct config *conf, stats_fn fn, void *ctx)
{
    struct stats_call *c = NEW(struct stats_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = stats_on_reply;
    c->call.on_missing = stats_on_missing;
    c->call.on_end = stats_on_end;
    c->call.may_miss = true;
    c->call.is_hurried = true; /* without a cluster too: the counters are known */
    c->q = q;
    c->conf = config_ref(conf);
    c->fn = fn;
    c->ctx = ctx;
    unset_all(c);
    begin_chains(c);
    shards_call_sent(&c->call);
}
