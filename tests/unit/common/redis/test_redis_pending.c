#include "common/redis/redis_pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void push(struct pendings *p, uint64_t n)
{
    struct pending item = {.end = n, .deadline = (mono_us)n * 10};
    redis_pending_push(p, &item);
}

static void pop(struct pendings *p, uint64_t n)
{
    assert_int_equal(redis_pending_head(p)->end, n);
    struct pending item = redis_pending_pop(p);
    assert_int_equal(item.end, n);
    assert_int_equal(item.deadline, n * 10);
}

static void empty_at_first_and_after(void **state)
{
    (void)state;
    struct pendings p = {0};
    assert_null(redis_pending_head(&p));
    push(&p, 1);
    pop(&p, 1);
    assert_null(redis_pending_head(&p));
    assert_int_equal(p.count, 0);
    redis_pending_clear(&p);
    assert_null(redis_pending_head(&p));
    push(&p, 2); /* usable again */
    pop(&p, 2);
    redis_pending_clear(&p);
    redis_pending_clear(&p);
}

/* Wherever the ring begins when it has to grow, the order stays. */
static void order_survives_growing(void **state)
{
    (void)state;
    for (uint64_t lead = 0; lead < 130; lead++) {
        struct pendings p = {0};
        uint64_t in = 0, out = 0;
        while (in < lead)
            push(&p, in++);
        while (out < lead)
            pop(&p, out++);
        while (in < lead + 500)
            push(&p, in++);
        assert_int_equal(p.count, 500);
        while (out < in)
            pop(&p, out++);
        redis_pending_clear(&p);
    }
}

static void order_survives_a_random_walk(void **state)
{
    (void)state;
    struct pendings p = {0};
    uint64_t in = 0, out = 0;
    uint32_t random = 1;
    for (int step = 0; step < 200000; step++) {
        random = random * 1664525 + 1013904223;
        bool grows = (step / 5000) % 2 == 0; /* tides of a thousand or so */
        if (out == in || (random >> 16) % 10 < (grows ? 6U : 4U))
            push(&p, in++);
        else
            pop(&p, out++);
        assert_int_equal(p.count, in - out);
    }
    assert_true(p.cap >= 1024 && (p.cap & (p.cap - 1)) == 0);
    redis_pending_clear(&p);
}

static void the_head_can_be_changed_in_place(void **state)
{
    (void)state;
    struct pendings p = {0};
    push(&p, 1);
    push(&p, 2);
    redis_pending_head(&p)->tries = 7;
    assert_int_equal(redis_pending_pop(&p).tries, 7);
    assert_int_equal(redis_pending_pop(&p).tries, 0);
    redis_pending_clear(&p);
}

static void note(void *ctx, enum err rc, const struct redis_reply *r)
{
    enum err **next = ctx;
    assert_null(r);
    *(*next)++ = rc;
}

static void what_was_not_written_has_not_run(void **state)
{
    (void)state;
    struct pendings p = {0};
    enum err said[3] = {OK, OK, OK}, *next = said;
    for (uint64_t end = 10; end <= 40; end += 10) {
        struct pending item = {.fn = end == 20 ? NULL : note, .ctx = &next, .end = end};
        redis_pending_push(&p, &item);
    }
    redis_pending_fail(&p, 30);
    assert_ptr_equal(next, said + 3);
    assert_int_equal(said[0], ERR_TIMEOUT);
    assert_int_equal(said[1], ERR_TIMEOUT);
    assert_int_equal(said[2], ERR_UNAVAIL);
    assert_null(redis_pending_head(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_at_first_and_after),
        cmocka_unit_test(order_survives_growing),
        cmocka_unit_test(order_survives_a_random_walk),
        cmocka_unit_test(the_head_can_be_changed_in_place),
        cmocka_unit_test(what_was_not_written_has_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
