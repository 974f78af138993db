#include "common/net/http_deadlines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_first_of_all_kinds_comes_first(void **state)
{
    (void)state;
    struct deadlines l;
    struct deadline a = {0}, b = {0}, c = {0};
    deadlines_init(&l);
    assert_null(deadlines_first(&l));
    deadline_set(&l, &a, DEADLINE_IDLE, 300);
    deadline_set(&l, &b, DEADLINE_HEAD, 200);
    deadline_set(&l, &c, DEADLINE_HEAD, 100); /* out of order, as after a reload */
    assert_ptr_equal(deadlines_first(&l), &c);
    deadline_set(&l, &c, DEADLINE_BODY, 250); /* moves */
    assert_ptr_equal(deadlines_first(&l), &b);
    deadline_drop(&b);
    assert_false(deadline_is_set(&b));
    assert_ptr_equal(deadlines_first(&l), &c);
    deadline_drop(&c);
    deadline_drop(&c); /* twice is fine */
    assert_ptr_equal(deadlines_first(&l), &a);
    deadline_drop(&a);
    assert_null(deadlines_first(&l));
}

static void each_kind_stays_in_order(void **state)
{
    (void)state;
    enum { N = 200 };
    struct deadlines l;
    struct deadline d[N] = {{.at = 0}};
    deadlines_init(&l);
    unsigned seed = 7;
    for (size_t i = 0; i < N; i++) {
        seed = seed * 1103515245u + 12345u;
        deadline_set(&l, &d[i], (enum deadline_kind)(seed % DEADLINE_KINDS), seed >> 8 & 0xff);
    }
    mono_us last = 0;
    for (size_t i = 0; i < N; i++) {
        struct deadline *first = deadlines_first(&l);
        assert_non_null(first);
        assert_true(first->at >= last);
        last = first->at;
        deadline_drop(first);
    }
    assert_null(deadlines_first(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_all_kinds_comes_first),
        cmocka_unit_test(each_kind_stays_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
