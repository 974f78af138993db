#include "common/queue/queue_stats.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/args.h"
#include "common/queue/scripts.h"
#include "common/queue/shard.h"

#include <stdlib.h>

#define NAMES_MOST 100 /* lanes or destinations of one script call */

struct stats_call { /* all calls of one reading */
    struct metrics *metrics;
    stats_fn fn;
    void *ctx;
    unsigned waiting;
    enum err rc;
    struct redis_script script;
};

struct stats_part { /* one script call */
    struct stats_call *call;
    char *lanes[NAMES_MOST], *destinations[NAMES_MOST];
    size_t lane_count, destination_count;
};

static void part_free(struct stats_part *p)
{
    for (size_t i = 0; i < p->lane_count; i++)
        free(p->lanes[i]);
    for (size_t i = 0; i < p->destination_count; i++)
        free(p->destinations[i]);
    free(p);
}

static void set(struct stats_call *c, enum metric family, const char *label, double value)
{
    metric_set(metrics_series(c->metrics, family, slice_str(label), slice_make("", 0)), value);
}

static void set_gauges(struct stats_part *p, const struct redis_reply *r)
{
    wall_ms now = clock_wall_ms();
    for (size_t i = 0; i < p->lane_count; i++) {
        int64_t oldest = redis_int(redis_at(r, 2 * i + 1));
        set(p->call, METRIC_QUEUE_DEPTH, p->lanes[i], (double)redis_int(redis_at(r, 2 * i)));
        set(p->call, METRIC_OLDEST, p->lanes[i],
            oldest > 0 && now > oldest ? (double)(now - oldest) / 1000 : 0);
    }
    for (size_t i = 0; i < p->destination_count; i++)
        set(p->call, METRIC_DEAD, p->destinations[i],
            (double)redis_int(redis_at(r, 2 * p->lane_count + i)));
}

static void call_end(struct stats_call *c)
{
    if (--c->waiting > 0)
        return;
    c->fn(c->ctx, c->rc);
    free(c);
}

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct stats_part *p = ctx;
    struct stats_call *c = p->call;
    if (rc == OK && redis_kind(r) == REDIS_LIST &&
        redis_count(r) == 2 * p->lane_count + p->destination_count)
        set_gauges(p, r);
    else
        c->rc = rc == OK ? ERR_UNAVAIL : rc;
    part_free(p);
    call_end(c);
}

/* Sends P; takes it. */
static void part_send(struct shard *shard, struct stats_part *p)
{
    struct stats_call *c = p->call;
    struct args a;
    args_init(&a, 1 << 20);
    args_add_int(&a, (int64_t)p->lane_count);
    for (size_t i = 0; i < p->lane_count; i++)
        args_add(&a, slice_str(p->lanes[i]));
    for (size_t i = 0; i < p->destination_count; i++)
        args_add(&a, slice_str(p->destinations[i]));
    c->waiting++;
    if (shard_run(shard, &c->script, &a, on_reply, p) != OK) {
        c->rc = ERR_UNAVAIL;
        c->waiting--;
        part_free(p);
    }
    args_clear(&a);
}

static bool has_lane(const struct stats_part *p, const char *lane)
{
    for (size_t i = 0; i < p->lane_count; i++)
        if (strcmp(p->lanes[i], lane) == 0)
            return true;
    return false;
}

static void read_shard(struct stats_call *c, struct shard *shard, struct config *conf)
{
    struct stats_part *p = NULL;
    struct config_walk walk = {0};
    struct destination *d;
    while (config_next_destination(conf, &walk, &d)) {
        if (d->partition != shard_number(shard))
            continue;
        if (!p) {
            p = NEW(struct stats_part);
            p->call = c;
        }
        if (!has_lane(p, d->lane))
            p->lanes[p->lane_count++] = xstrdup(d->lane);
        p->destinations[p->destination_count++] = xstrdup(d->name);
        if (p->destination_count == NAMES_MOST) {
            part_send(shard, p);
            p = NULL;
        }
    }
    if (p)
        part_send(shard, p);
}

void queue_stats_read(struct shards *shards, struct config *conf, struct metrics *metrics,
                      stats_fn fn, void *ctx)
{
    struct stats_call *c = NEW(struct stats_call);
    *c = (struct stats_call){.metrics = metrics, .fn = fn, .ctx = ctx, .waiting = 1};
    redis_script_init(&c->script, "stats", lua_stats, lua_stats_len);
    for (unsigned i = 0; i < shards_count(shards); i++)
        read_shard(c, shards_at(shards, i), conf);
    call_end(c);
}
