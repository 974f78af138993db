/* What operators do to single deliveries: resend and drop. */
#include "common/base/alloc.h"
#include "common/queue/queue_admin.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

#define KEY_BYTES ((size_t)4 * ID_KEY_MAX)

enum verb { VERB_RESEND, VERB_DROP };

struct act { /* an act on a delivery, until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    enum verb verb;
};

static void answer_act(struct ops_call *c, struct slice state)
{
    struct buf out;
    buf_init(&out, CONSOLE_BODY_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", c->match.params[0]);
    jw_text(&w, "state", state);
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}

/* Says why STATE forbids the act. */
static void answer_refused(struct ops_call *c, enum verb verb, struct slice state)
{
    const char *why = "the delivery is over; only what waits, and dead letters, can be dropped";
    if (slice_eq(state, SLICE_LIT("inflight")))
        why = verb == VERB_RESEND ? "the delivery is in flight, so it is on its way already"
                                  : "the delivery is in flight; it ends as its answer says";
    else if (slice_eq(state, SLICE_LIT("queued")))
        why = "the delivery is queued, so it is on its way already";
    else if (verb == VERB_RESEND)
        why = "the result was fetched, and a fetch that is done is not made again";
    console_error(c, 409, "conflict", why);
}

static void act_on_done(void *ctx, enum err rc, enum act_result result, struct slice state)
{
    struct act *a = ctx;
    struct ops_call *c = a->ops;
    enum verb verb = a->verb;
    if (rc == OK && result == ACT_DONE)
        console_log_act(&a->actor, verb == VERB_RESEND ? "delivery.resent" : "delivery.dropped",
                        "delivery", c->match.params[0]);
    free(a);
    if (rc != OK)
        console_unavailable(c);
    else if (result == ACT_DONE)
        answer_act(c, state);
    else if (result == ACT_REFUSED)
        answer_refused(c, verb, state);
    else if (result == ACT_NO_EVENT)
        console_error(c, 409, "no_event",
                      "the record of the event is gone, so there is nothing to send");
    else
        console_error(c, 404, "not_found", "there is no such delivery; it may have expired");
}

static void act_on_one(struct ops_call *c, enum verb verb)
{
    struct console *k = c->ctx;
    struct buf key;
    if (console_takes_no_query(c) == ENDED || console_read_body(c, NULL, 0) == ENDED)
        return;
    buf_init(&key, KEY_BYTES);
    if (!console_add_delivery_key(&key, c->match.params[0])) {
        buf_clear(&key);
        console_error(
            c, 404, "not_found",
            "the id of a delivery is the event's id, a colon, and the destination's name");
        return;
    }
    struct act *a = NEW(struct act);
    *a = (struct act){c, console_actor(c), verb};
    if (verb == VERB_RESEND)
        queue_admin_resend(k->admin, buf_slice(&key), act_on_done, a);
    else
        queue_admin_drop(k->admin, buf_slice(&key), act_on_done, a);
    buf_clear(&key);
}

void console_resend(struct ops_call *c)
{
    act_on_one(c, VERB_RESEND);
}

void console_drop(struct ops_call *c)
{
    act_on_one(c, VERB_DROP);
}
