/* deliver: a flight's way from its claim to its result, with a transport that the test plays. Redis is never there, so
 * results stay with queue_take, which counts them. */
#include "dispatcher/engine/deliver.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/queue/shard.h"
#include "common/queue/take/claims.h"
#include "dispatcher/transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ATTEMPTS_MAX 16
#define DELAY_MS 500
#define CONF                                                                                       \
    "{\"redis\":{\"url\":\"redis://127.0.0.1:1/0\"},\"sources\":{},\"destinations\":"              \
    "{\"orders\":{\"postback_url\":\"http://127.0.0.1:1/hook\",\"concurrency\":1},"                \
    "\"other\":{\"postback_url\":\"http://127.0.0.1:1/other\",\"concurrency\":1}}}"

/* ---- a transport of pointers: the test says what happens to each attempt ---- */

struct fake_endpoint {
    struct endpoint endpoint; /* must be first */
    const struct transport_hooks *hooks;
};

struct fake_transport {
    struct transport transport; /* must be first */
    struct attempt attempts[ATTEMPTS_MAX];
    struct fake_endpoint endpoints[ATTEMPTS_MAX];
    size_t sent, cancelled, opened;
    bool is_closed;
};

static struct endpoint *fake_open(struct transport *t, const struct endpoint_options *o)
{
    struct fake_transport *fake = (struct fake_transport *)t;
    assert_true(fake->opened < ATTEMPTS_MAX);
    struct fake_endpoint *e = &fake->endpoints[fake->opened++];
    *e = (struct fake_endpoint){.endpoint = {t}, .hooks = o->hooks};
    return &e->endpoint;
}

static struct attempt *fake_send(struct endpoint *e, const struct attempt_request *q, void *ctx)
{
    struct fake_transport *fake = (struct fake_transport *)e->transport;
    assert_true(q->body.len > 0);
    assert_true(fake->sent < ATTEMPTS_MAX);
    struct attempt *a = &fake->attempts[fake->sent++];
    *a = (struct attempt){e, ctx};
    return a;
}

static void fake_cancel(struct attempt *a)
{
    ((struct fake_transport *)a->endpoint->transport)->cancelled++;
}

static void fake_close(struct transport *t)
{
    ((struct fake_transport *)t)->is_closed = true;
}

static void fake_init(struct fake_transport *t)
{
    *t = (struct fake_transport){.transport = {fake_open, fake_send, fake_cancel, fake_close}};
}

static const struct transport_hooks *fake_hooks(const struct attempt *a)
{
    return ((struct fake_endpoint *)a->endpoint)->hooks;
}

static enum attempt_end fake_ask(struct fake_transport *t, size_t i)
{
    return fake_hooks(&t->attempts[i])->may_send(t->attempts[i].ctx);
}

static void fake_left(struct fake_transport *t, size_t i)
{
    fake_hooks(&t->attempts[i])->on_left(t->attempts[i].ctx);
}

/* Attempt number I leaves, if the engine agrees. */
static enum attempt_end fake_leave(struct fake_transport *t, size_t i)
{
    enum attempt_end end = fake_ask(t, i);
    if (end == END_NONE)
        fake_left(t, i);
    return end;
}

static void fake_answer(struct fake_transport *t, size_t i, int status)
{
    struct attempt_result r = {.end = END_ANSWERED, .status = status, .retry_after_ms = -1};
    fake_hooks(&t->attempts[i])->on_done(t->attempts[i].ctx, &r);
}

/* ---- the engine with everything around it ---- */

struct world {
    struct loop *loop;
    struct loop_timer *turn_end;
    struct config *conf;
    struct metrics *metrics;
    struct shards *shards;
    struct queue_take *queue;
    struct deliver *engine;
    struct pool claims;
    struct fake_transport first, second;
    unsigned idle;
};

static void end_turn(void *ctx)
{
    loop_stop(((struct world *)ctx)->loop);
}

/* Runs what is deferred, and the timers that are due. */
static void turn(struct world *w)
{
    loop_timer_arm(w->turn_end, 1000);
    loop_run(w->loop);
}

static int setup(void **state)
{
    static struct world w;
    static const struct shard_events no_events = {0};
    struct config_problems problems;
    w = (struct world){.loop = loop_new(), .metrics = families_metrics("test", "0")};
    w.turn_end = loop_timer_new(w.loop, end_turn, &w);
    config_problems_init(&problems);
    if (config_parse(slice_str(CONF), "x.json", &w.conf, &problems) != OK)
        fail_msg("%s", problems.text.ptr);
    config_problems_clear(&problems);
    w.shards = shards_new(w.loop, &w.conf->redis, "test", &no_events);
    fake_init(&w.first);
    fake_init(&w.second);
    claim_pool_init(&w.claims);
    w.engine = deliver_new(w.loop, w.conf, &w.first.transport, w.metrics);
    struct take_handler handler = {.on_claimed = deliver_claimed, .ctx = w.engine};
    w.queue = queue_take_new(w.loop, w.shards, w.conf, w.metrics, &handler);
    deliver_set_queue(w.engine, w.queue);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    deliver_free(w->engine);
    queue_take_stop(w->queue);
    shards_free(w->shards);
    turn(w);
    queue_take_free(w->queue);
    claim_pool_clear(&w->claims);
    loop_timer_free(w->turn_end);
    loop_free(w->loop);
    metrics_free(w->metrics);
    config_unref(w->conf);
    return 0;
}

/* The queue claims a delivery for DESTINATION. The lane is the same for all. */
static void claim_after(struct world *w, const char *destination, int64_t delay_ms)
{
    struct claim *c = claim_new(&w->claims);
    struct delivery *d = &c->d;
    struct buf id;
    buf_init(&id, 100);
    buf_addf(&id, "e:%s", destination);
    d->id = buf_take(&id, NULL);
    d->event_id = slice_make(d->id, 1);
    d->destination = slice_str(d->id + 2);
    d->lane = xstrdup("inbox");
    d->delay_ms = delay_ms;
    d->report_sent = delay_ms > 0;
    d->attempt = 1;
    d->claimed_at = clock_mono_us();
    d->send_until = d->claimed_at + 60000000;
    d->readable = true;
    d->event = (struct event){
        .id = d->event_id, .source = SLICE_LIT("inbox"), .has_body = true, .body = SLICE_LIT("{}")};
    deliver_claimed(w->engine, d);
}

static void claim(struct world *w, const char *destination)
{
    claim_after(w, destination, 0);
}

static void count_idle(void *ctx)
{
    ((struct world *)ctx)->idle++;
}

/* ---- tests ---- */

static void test_an_answer_becomes_a_result(void **state)
{
    struct world *w = *state;
    claim(w, "orders");
    assert_int_equal(w->first.sent, 1);
    assert_int_equal(deliver_in_flight(w->engine), 1);
    assert_int_equal(fake_leave(&w->first, 0), END_NONE);
    fake_answer(&w->first, 0, 200);
    assert_int_equal(deliver_in_flight(w->engine), 0);
    assert_int_equal(queue_take_unsettled(w->queue), 1);
}

static void test_an_unknown_destination_is_not_sent_to(void **state)
{
    struct world *w = *state;
    claim(w, "nobody");
    assert_int_equal(w->first.sent, 0);
    assert_int_equal(queue_take_unsettled(w->queue), 1);
}

static void test_what_was_claimed_ahead_waits_for_its_turn(void **state)
{
    struct world *w = *state;
    claim(w, "orders");
    claim(w, "orders");
    claim(w, "orders");
    claim(w, "other");
    assert_int_equal(w->first.sent, 2); /* one for each destination */
    fake_leave(&w->first, 0);
    fake_answer(&w->first, 0, 200);
    assert_int_equal(w->first.sent, 2); /* not inside of the one that ends */
    turn(w);
    assert_int_equal(w->first.sent, 3);
    fake_leave(&w->first, 2);
    fake_answer(&w->first, 2, 500);
    turn(w);
    assert_int_equal(w->first.sent, 4);
    assert_int_equal(deliver_in_flight(w->engine), 2);
}

static void test_the_delay_counts_from_when_the_request_has_left(void **state)
{
    struct world *w = *state;
    claim_after(w, "orders", DELAY_MS);
    claim_after(w, "other", DELAY_MS);
    assert_int_equal(fake_ask(&w->first, 0), END_NONE);
    mono_us asked = clock_mono_us();
    while (clock_mono_us() - asked <= DELAY_MS * 1000) /* as if the process was stopped here */
        usleep(1000);
    fake_left(&w->first, 0);
    assert_int_equal(fake_ask(&w->first, 1), END_TOO_EARLY);
}

static void test_an_old_transport_closes_after_its_last_attempt(void **state)
{
    struct world *w = *state;
    claim(w, "orders");
    fake_leave(&w->first, 0);
    deliver_set_config(w->engine, w->conf, &w->second.transport);
    claim(w, "orders");
    assert_int_equal(w->first.sent, 1);
    assert_int_equal(w->second.sent, 1);
    turn(w);
    assert_false(w->first.is_closed);
    fake_answer(&w->first, 0, 200);
    assert_false(w->first.is_closed); /* its hook is still running */
    turn(w);
    assert_true(w->first.is_closed);
    assert_false(w->second.is_closed);
}

static void test_a_drain_hands_back_what_has_not_left(void **state)
{
    struct world *w = *state;
    claim(w, "orders");
    claim(w, "orders");
    claim(w, "other");
    fake_leave(&w->first, 0);
    deliver_drain(w->engine, count_idle, w);
    assert_int_equal(w->first.cancelled,
                     1); /* of "other"; the second one of "orders" was not sent */
    assert_int_equal(deliver_in_flight(w->engine), 1);
    assert_int_equal(queue_take_unsettled(w->queue), 2);
    claim(w, "other");
    assert_int_equal(queue_take_unsettled(w->queue), 3);
    turn(w);
    assert_int_equal(w->idle, 0);
    fake_answer(&w->first, 0, 200);
    turn(w);
    assert_int_equal(w->idle, 1);
    assert_int_equal(w->first.sent, 2);
}

static void test_nothing_deferred_outlives_the_engine(void **state)
{
    struct world *w = *state;
    claim(w, "orders");
    claim(w, "orders");
    fake_leave(&w->first, 0);
    fake_answer(&w->first, 0, 200); /* the next one's start is deferred */
    deliver_free(w->engine);
    w->engine = NULL;
    assert_true(w->first.is_closed);
    turn(w);
    assert_int_equal(w->first.sent, 1);
    assert_int_equal(queue_take_unsettled(w->queue), 2);
}

static void test_nobody_is_told_of_an_idle_engine_that_is_gone(void **state)
{
    struct world *w = *state;
    deliver_drain(w->engine, count_idle, w);
    deliver_free(w->engine);
    w->engine = NULL;
    turn(w);
    assert_int_equal(w->idle, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_answer_becomes_a_result),
        TEST(test_an_unknown_destination_is_not_sent_to),
        TEST(test_what_was_claimed_ahead_waits_for_its_turn),
        TEST(test_the_delay_counts_from_when_the_request_has_left),
        TEST(test_an_old_transport_closes_after_its_last_attempt),
        TEST(test_a_drain_hands_back_what_has_not_left),
        TEST(test_nothing_deferred_outlives_the_engine),
        TEST(test_nobody_is_told_of_an_idle_engine_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
