/* prefetch_rule: only a run of fast successes turns prefetching on, and one failure turns it off. */
#include "dispatcher/engine/prefetch_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int changes(struct prefetch_rule *q, int n, int64_t ms, bool ok)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += prefetch_rule_note(q, ms, ok);
    return count;
}

static void test_is_on_after_a_while(void **state)
{
    (void)state;
    struct prefetch_rule q = {0};
    assert_int_equal(changes(&q, 31, 1, true), 0);
    assert_false(q.is_on);
    assert_int_equal(changes(&q, 1, 1, true), 1);
    assert_true(q.is_on);
    assert_int_equal(changes(&q, 100, 1, true), 0);
}

static void test_slow_answers_end_it(void **state)
{
    (void)state;
    struct prefetch_rule q = {0};
    changes(&q, 40, 1, true);
    assert_int_equal(changes(&q, 20, 200, true), 1);
    assert_false(q.is_on);
    assert_int_equal(changes(&q, 20, 30, true), 0); /* between the two bounds nothing changes */
    assert_false(q.is_on);
    assert_int_equal(changes(&q, 30, 1, true), 1);
}

static void test_a_failure_ends_it_at_once(void **state)
{
    (void)state;
    struct prefetch_rule q = {0};
    changes(&q, 40, 1, true);
    assert_int_equal(changes(&q, 1, 1, false), 1);
    assert_false(q.is_on);
    assert_int_equal(changes(&q, 31, 1, true), 0);
    assert_int_equal(changes(&q, 1, 1, true), 1);
}

static void test_a_slow_destination_never_is(void **state)
{
    (void)state;
    struct prefetch_rule q = {0};
    assert_int_equal(changes(&q, 500, 100, true), 0);
    assert_false(q.is_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_on_after_a_while),
        cmocka_unit_test(test_slow_answers_end_it),
        cmocka_unit_test(test_a_failure_ends_it_at_once),
        cmocka_unit_test(test_a_slow_destination_never_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
