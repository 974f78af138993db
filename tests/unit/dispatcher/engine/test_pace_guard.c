#include "dispatcher/engine/pace_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define A SLICE_LIT("a")
#define B SLICE_LIT("b")

static void a_fresh_lane_may_send(void **state)
{
    (void)state;
    struct pace_guard g;
    pace_guard_init(&g);
    assert_int_equal(pace_guard_wait_us(&g, A, 100, 5000), 0);
    assert_int_equal(pace_guard_sent(&g, A, 5000), -1);
    pace_guard_clear(&g);
}

static void the_later_delay_counts(void **state)
{
    (void)state;
    struct pace_guard g;
    pace_guard_init(&g);
    pace_guard_sent(&g, A, 1000000);
    assert_int_equal(pace_guard_wait_us(&g, A, 0, 1000000), 0);
    assert_int_equal(pace_guard_wait_us(&g, A, 50, 1000000), 50000);
    assert_int_equal(pace_guard_wait_us(&g, A, 50, 1049999), 1);
    assert_int_equal(pace_guard_wait_us(&g, A, 50, 1050000), 0);
    assert_int_equal(pace_guard_wait_us(&g, A, 1000, 1050000), 950000);
    assert_int_equal(pace_guard_wait_us(&g, A, 50, 9000000), 0);
    pace_guard_clear(&g);
}

static void lanes_are_apart(void **state)
{
    (void)state;
    struct pace_guard g;
    pace_guard_init(&g);
    pace_guard_sent(&g, A, 1000000);
    assert_int_equal(pace_guard_wait_us(&g, B, 50, 1000000), 0);
    assert_int_equal(pace_guard_sent(&g, B, 1000010), -1);
    assert_int_equal(pace_guard_sent(&g, A, 1000020), 1000000);
    assert_int_equal(pace_guard_sent(&g, A, 1000030), 1000020);
    pace_guard_clear(&g);
}

static void many_lanes_are_forgotten_but_not_too_soon(void **state)
{
    (void)state;
    struct pace_guard g;
    pace_guard_init(&g);
    char name[16];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "l%d", i);
        mono_us now = 1000000 + (mono_us)i * 10000;
        pace_guard_sent(&g, slice_str(name), now);
        if (i >= 90) { /* the longest delay is one second, 100 sends ago */
            snprintf(name, sizeof name, "l%d", i - 90);
            assert_int_equal(pace_guard_wait_us(&g, slice_str(name), 1000, now), 100000);
        }
    }
    assert_true(pace_guard_count(&g) <= 4096);
    pace_guard_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_lane_may_send),
        cmocka_unit_test(the_later_delay_counts),
        cmocka_unit_test(lanes_are_apart),
        cmocka_unit_test(many_lanes_are_forgotten_but_not_too_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
