#include "receiver/ingest/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void takes_what_it_can_answer_in_time(void **state)
{
    (void)state;
    struct load l = {.redis_is_ready = true};
    assert_int_equal(admission_judge(&l), ANSWER_OK);
    l.waiting = ADMISSION_WAITING_MAX - 1;
    l.waiting_bytes = ADMISSION_WAITING_BYTES - 1;
    l.oldest_us = ADMISSION_OLDEST_US - 1;
    assert_int_equal(admission_judge(&l), ANSWER_OK);
}

static void without_redis_nothing_is_taken(void **state)
{
    (void)state;
    struct load l = {.redis_is_ready = false};
    assert_int_equal(admission_judge(&l), ANSWER_QUEUE_UNAVAILABLE);
}

static void a_long_line_is_overload(void **state)
{
    (void)state;
    struct load many = {.redis_is_ready = true, .waiting = ADMISSION_WAITING_MAX};
    assert_int_equal(admission_judge(&many), ANSWER_OVERLOADED);
    struct load large = {.redis_is_ready = true, .waiting_bytes = ADMISSION_WAITING_BYTES};
    assert_int_equal(admission_judge(&large), ANSWER_OVERLOADED);
    struct load slow = {.redis_is_ready = true, .waiting = 1, .oldest_us = ADMISSION_OLDEST_US};
    assert_int_equal(admission_judge(&slow), ANSWER_OVERLOADED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_it_can_answer_in_time),
        cmocka_unit_test(without_redis_nothing_is_taken),
        cmocka_unit_test(a_long_line_is_overload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
