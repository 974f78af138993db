#include "dispatcher/engine/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DAY INT64_C(86400000)

static const int64_t waits[] = {5000, 300000, 1800000};
static const struct retry_schedule schedule = {.waits_ms = waits, .count = 3, .jitter = 0.2};

static void attempts_end_with_the_schedule(void **state)
{
    (void)state;
    assert_true(retry_is_left(&schedule, 1));
    assert_true(retry_is_left(&schedule, 3));
    assert_false(retry_is_left(&schedule, 4));
    assert_true(retry_is_left(&schedule,
                              5)); /* sent again when it was dead: the whole schedule once more */
    assert_true(retry_is_left(&schedule, 7));
    assert_false(retry_is_left(&schedule, 8));
    struct retry_schedule none = {0};
    assert_false(retry_is_left(&none, 1));
}

static void jitter_only_adds(void **state)
{
    (void)state;
    assert_int_equal(retry_wait_ms(&schedule, 1, 0, -1), 5000);
    assert_int_equal(retry_wait_ms(&schedule, 1, 0.5, -1), 5500);
    assert_int_equal(retry_wait_ms(&schedule, 1, 1, -1), 6000);
    assert_int_equal(retry_wait_ms(&schedule, 2, 0, -1), 300000);
    assert_int_equal(retry_wait_ms(&schedule, 3, 1, -1), 2160000);
    assert_int_equal(retry_wait_ms(&schedule, 9, 0, -1), 5000); /* of a resend */
    assert_int_equal(retry_wait_ms(&schedule, 11, 0, -1), 1800000);
    struct retry_schedule none = {0};
    assert_int_equal(retry_wait_ms(&none, 1, 1, -1), 0);
}

static void the_later_of_schedule_and_retry_after(void **state)
{
    (void)state;
    assert_int_equal(retry_wait_ms(&schedule, 1, 1, 0), 6000);
    assert_int_equal(retry_wait_ms(&schedule, 1, 1, 5999), 6000);
    assert_int_equal(retry_wait_ms(&schedule, 1, 1, 7000), 7000);
    assert_int_equal(retry_wait_ms(&schedule, 1, 0, DAY), DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_end_with_the_schedule),
        cmocka_unit_test(jitter_only_adds),
        cmocka_unit_test(the_later_of_schedule_and_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
