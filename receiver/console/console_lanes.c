/* Lanes: the work on them, and the acts of operators on them. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/partition.h"
#include "common/queue/holds.h"
#include "common/queue/queue_admin.h"
#include "common/queue/shard.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

/* --- looking --- */

enum { P_LIMIT, P_CURSOR, P_STATE, P_NAME, PARAMS };

static void write_circuits(struct json_write *w, const struct lane_view *l)
{
    jw_open(w, "circuits", '[');
    for (size_t i = 0; i < l->circuit_count; i++) {
        jw_open(w, NULL, '{');
        jw_text(w, "origin", l->circuits[i].origin);
        jw_str(w, "state", l->circuits[i].state);
        console_write_moment(w, "until", l->circuits[i].until);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

static void write_results(struct json_write *w, const struct lane_view *l)
{
    jw_open(w, "last_hour", '{');
    jw_int(w, "done", l->done_1h);
    jw_int(w, "retry", l->retry_1h);
    jw_int(w, "dead", l->dead_1h);
    jw_close(w, '}');
}

static void write_lane(struct json_write *w, const struct lane_view *l)
{
    wall_ms now = clock_wall_ms();
    jw_open(w, NULL, '{');
    jw_text(w, "id", l->name);
    jw_bool(w, "configured", l->is_configured);
    jw_int(w, "depth", l->depth);
    jw_int(w, "inflight", l->inflight);
    jw_int(w, "retry", l->retry);
    jw_int(w, "dead", l->dead);
    if (l->delay_ms < 0)
        jw_null(w, "delay_ms");
    else
        jw_int(w, "delay_ms", l->delay_ms);
    jw_str(w, "order", l->is_fifo ? "fifo" : "requeue");
    jw_int(w, "oldest_s", l->oldest_at > 0 && now > l->oldest_at ? (now - l->oldest_at) / 1000 : 0);
    jw_bool(w, "paused", l->paused_since > 0);
    console_write_moment(w, "paused_since", l->paused_since);
    jw_int(w, "sent_1m", l->sent_1m);
    if (l->has_results)
        write_results(w, l);
    else
        jw_null(w, "last_hour");
    write_circuits(w, l);
    jw_close(w, '}');
}

static void lanes_on_page(void *ctx, enum err rc, const struct lane_view *list, size_t count,
                          struct slice next, const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    struct buf out;
    struct json_write w;
    if (console_open_list(c, rc, &out, &w) == ENDED)
        return;
    for (size_t i = 0; i < count; i++)
        write_lane(&w, &list[i]);
    console_end_items(&w, next);
    console_end_answer(c, &out, &w, missing);
}

MUST_CHECK static enum flow read_state(struct ops_call *c, const struct console_param *p,
                                       enum lane_state *state)
{
    static const char *const words[LANE_STATES] = {[LANE_QUEUED] = "queued",
                                                   [LANE_RETRY] = "retry",
                                                   [LANE_DEAD] = "dead",
                                                   [LANE_PAUSED] = "paused",
                                                   [LANE_CIRCUIT] = "circuit"};
    if (!p->value.len)
        return GO_ON;
    for (enum lane_state s = LANE_ANY + 1; s < LANE_STATES; s++) {
        if (!slice_eq(p->value, slice_str(words[s])))
            continue;
        *state = s;
        return GO_ON;
    }
    console_error(c, 400, "bad_request",
                  "the parameter 'state' must be queued, retry, dead, paused or circuit");
    return ENDED;
}

MUST_CHECK static enum flow check_cursor(struct ops_call *c, struct slice after)
{
    if (!after.len || console_is_name(after))
        return GO_ON;
    console_error(c, 400, "bad_cursor",
                  "the parameter 'cursor' must be the `next` of the page before");
    return ENDED;
}

void console_lanes(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct console_param params[PARAMS] = {[P_LIMIT] = {.name = "limit"},
                                           [P_CURSOR] = {.name = "cursor"},
                                           [P_STATE] = {.name = "state"},
                                           [P_NAME] = {.name = "name"}};
    struct lanes_filter filter = {.state = LANE_ANY};
    struct buf text;
    size_t limit;
    if (console_read_query(c, params, PARAMS, &text) == ENDED)
        return;
    filter.part = params[P_NAME].value;
    if (console_read_limit(c, &params[P_LIMIT], &limit) == GO_ON &&
        read_state(c, &params[P_STATE], &filter.state) == GO_ON &&
        check_cursor(c, params[P_CURSOR].value) == GO_ON)
        queue_admin_lanes(k->admin, &filter, params[P_CURSOR].value, limit, lanes_on_page, c);
    buf_clear(&text);
}

static void console_no_lane(struct ops_call *c)
{
    console_error(c, 404, "not_found", "there is no such lane");
}

/* What was asked of the lane's partition has no answer. */
static bool is_away(const struct ops_call *c, const struct partition_set *missing)
{
    const struct console *k = c->ctx;
    return partition_set_has(missing, partition_of(c->match.params[0], shards_count(k->shards)));
}

static void lane_on_looked(void *ctx, enum err rc, const struct lane_view *list, size_t count,
                           struct slice next, const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    (void)next;
    if (rc != OK || (count == 0 && is_away(c, missing))) {
        console_unavailable(c);
    } else if (count == 0) {
        console_no_lane(c);
    } else {
        struct buf out;
        buf_init(&out, CONSOLE_ANSWER_MAX);
        struct json_write w = json_write_to(&out);
        write_lane(&w, list);
        console_answer(c, 200, &out);
    }
}

void console_lane(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == GO_ON)
        queue_admin_lane(k->admin, c->match.params[0], lane_on_looked, c);
}

/* --- acting --- */

struct lane_act { /* an act on a lane, until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    bool is_paused;
};

/* A lane is known if a configured destination is on it. */
static bool is_configured(const struct config *conf, struct slice name)
{
    struct config_walk walk = {0};
    struct destination *d;
    while (config_next_destination((struct config *)conf, &walk, &d))
        if (slice_eq(slice_str(d->lane), name))
            return true;
    return false;
}

struct lane_wait { /* an act that waits until it is known whether its lane is there */
    struct ops_call *ops;
    void (*run)(void *ctx);
    void (*drop)(void *ctx);
    void *ctx;
};

static void lane_on_found(void *ctx, enum err rc, const struct lane_view *list, size_t count,
                          struct slice next, const struct partition_set *missing)
{
    struct lane_wait w = *(struct lane_wait *)ctx;
    bool is_unsure = rc != OK || is_away(w.ops, missing);
    (void)list;
    (void)next;
    free(ctx);
    if (rc == OK && count > 0) {
        w.run(w.ctx);
        return;
    }
    w.drop(w.ctx);
    if (is_unsure)
        console_unavailable(w.ops);
    else
        console_no_lane(w.ops);
}

void console_with_lane(struct ops_call *c, void (*run)(void *ctx), void (*drop)(void *ctx),
                       void *ctx)
{
    struct console *k = c->ctx;
    if (is_configured(k->conf, c->match.params[0])) {
        run(ctx);
        return;
    }
    struct lane_wait *w = NEW(struct lane_wait);
    *w = (struct lane_wait){c, run, drop, ctx};
    queue_admin_lane(k->admin, c->match.params[0], lane_on_found, w);
}

static void lane_on_done(void *ctx, enum err rc, int64_t changed)
{
    struct lane_act *act = ctx;
    struct ops_call *c = act->ops;
    bool is_paused = act->is_paused;
    struct slice lane = c->match.params[0];
    if (rc == OK && changed)
        console_log_act(&act->actor, is_paused ? "lane.paused" : "lane.resumed", "lane", lane);
    free(act);
    const struct console *k = c->ctx;
    if (rc != OK) {
        console_unavailable(c);
        return;
    }
    if (!is_paused && !changed && !is_configured(k->conf, lane)) {
        console_no_lane(c);
        return;
    }
    struct buf out;
    buf_init(&out, 4096);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_text(&w, "lane", lane);
    jw_bool(&w, "paused", is_paused);
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}

static void lane_act_run(void *ctx)
{
    struct lane_act *act = ctx;
    struct console *k = act->ops->ctx;
    queue_admin_pause(k->admin, act->ops->match.params[0], act->is_paused, lane_on_done, act);
}

static void lane_act_drop(void *ctx)
{
    free(ctx);
}

static void set_paused(struct ops_call *c, bool is_paused)
{
    if (console_takes_no_query(c) == ENDED || console_read_body(c, NULL, 0) == ENDED)
        return;
    struct lane_act *act = NEW(struct lane_act);
    *act = (struct lane_act){c, console_actor(c), is_paused};
    if (is_paused)
        console_with_lane(c, lane_act_run, lane_act_drop, act);
    else
        lane_act_run(act); /* a stopped lane may have lost its destinations and its work */
}

void console_pause(struct ops_call *c)
{
    set_paused(c, true);
}

void console_resume(struct ops_call *c)
{
    set_paused(c, false);
}

/* --- partitions --- */

struct hold { /* until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    unsigned partition;
    bool is_held;
};

static void hold_on_done(void *ctx, enum err rc)
{
    struct hold h = *(struct hold *)ctx;
    free(ctx);
    if (rc != OK) {
        console_unavailable(h.ops);
        return;
    }
    console_log_act(&h.actor, h.is_held ? "partition.hold" : "partition.release", "partition",
                    h.ops->match.params[0]);
    struct buf out;
    buf_init(&out, CONSOLE_BODY_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "partition", h.partition);
    jw_bool(&w, "held", h.is_held);
    jw_close(&w, '}');
    console_answer(h.ops, 200, &out);
}

static void set_held(struct ops_call *c, bool is_held)
{
    struct console *k = c->ctx;
    uint64_t partition = 0;
    if (console_takes_no_query(c) == ENDED || console_read_body(c, NULL, 0) == ENDED)
        return;
    if (text_u64(c->match.params[0], shards_count(k->shards) - 1, &partition) != OK) {
        console_error(c, 404, "not_found", "there is no such partition; see redis.partitions");
        return;
    }
    struct hold *h = NEW(struct hold);
    *h = (struct hold){c, console_actor(c), (unsigned)partition, is_held};
    holds_set(shards_holds(k->shards), h->partition, is_held, hold_on_done, h);
}

void console_hold(struct ops_call *c)
{
    set_held(c, true);
}

void console_release(struct ops_call *c)
{
    set_held(c, false);
}
