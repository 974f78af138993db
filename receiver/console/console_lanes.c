/* What operators do to lanes. */
#include "common/base/alloc.h"
#include "common/queue/queue_admin.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

struct lane_act { /* an act on a lane, until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    bool is_paused;
};

/* A lane is known if a configured destination is on it. */
static bool is_lane(const struct config *conf, struct slice name)
{
    struct config_walk walk = {0};
    struct destination *d;
    while (config_next_destination((struct config *)conf, &walk, &d))
        if (slice_eq(slice_str(d->lane), name))
            return true;
    return false;
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
    if (rc != OK) {
        console_unavailable(c);
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

static void set_paused(struct ops_call *c, bool is_paused)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == ENDED || console_read_body(c, NULL, 0) == ENDED)
        return;
    if (!is_lane(k->conf, c->match.params[0])) {
        console_error(c, 404, "not_found", "no destination of the configuration is on this lane");
        return;
    }
    struct lane_act *act = NEW(struct lane_act);
    *act = (struct lane_act){c, console_actor(c), is_paused};
    queue_admin_pause(k->admin, c->match.params[0], is_paused, lane_on_done, act);
}

void console_pause(struct ops_call *c)
{
    set_paused(c, true);
}

void console_resume(struct ops_call *c)
{
    set_paused(c, false);
}
