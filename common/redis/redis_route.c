/* Slots that move: calls that a server of a cluster did not run leave this connection, and come from others. */
#include "common/redis/redis_private.h"
#include "common/redis/redis_refusal.h"

#include <stdlib.h>

const struct redis_node *redis_server_node(const struct redis *r)
{
    return r->node.host ? &r->node : NULL;
}

bool redis_is_end_of_channel(const struct redis *r, const struct redis_reply *reply)
{
    return r->events.on_ended && redis_count(reply) == 3 &&
           slice_eq(redis_text(redis_at(reply, 0)), SLICE_LIT("sunsubscribe"));
}

bool redis_may_send_again(const struct redis *r, size_t len)
{
    return redis_admit(r, len) == OK;
}

void redis_send_again(struct redis *r, const struct redis_again *call)
{
    if (call->script) {
        struct loaded *l = redis_scripts_find(&r->loaded, call->script);
        if (l->at == UINT64_MAX)
            redis_load_script(r, l);
    }
    if (call->is_asking)
        redis_send(r, (struct slice[]){SLICE_LIT("ASKING")}, 1, NULL, NULL);
    redis_out_whole(&r->out, call->bytes, call->len);
    struct pending item = {.fn = call->fn,
                           .ctx = call->ctx,
                           .script = call->script,
                           .deadline = call->deadline,
                           .end = r->out.end,
                           .tries = call->tries,
                           .may_move = true,
                           .waits = call->waits,
                           .confirm_key = call->confirm_key};
    if (call->waits)
        redis_confirm_note(r, call->confirm_key);
    redis_enter(r, &item, clock_mono_us());
}

bool redis_route_again(struct redis *r, const struct pending *item, uint64_t start,
                       const struct redis_reply *reply)
{
    if (!redis_refusal_is_redirect(reply)) {
        if (item->tries > (item->script ? 1 : 0))
            r->router->on_answered(r->router->ctx);
        return false;
    }
    struct redis_again call = {.fn = item->fn,
                               .ctx = item->ctx,
                               .script = item->script,
                               .deadline = item->deadline,
                               .tries = item->tries + 1,
                               .waits = item->waits,
                               .confirm_key = item->confirm_key,
                               .bytes = redis_out_copy(&r->out, start, item->end),
                               .len = (size_t)(item->end - start)};
    bool is_taken = r->router->on_refused(r->router->ctx, r, &call, reply);
    if (!is_taken)
        free(call.bytes);
    return is_taken;
}
