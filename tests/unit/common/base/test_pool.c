#include "common/base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct item {
    int n;
    struct list_link link;
};

static void test_an_empty_pool_has_nothing(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 2);
    assert_null(POOL_TAKE(&p, struct item, link));
    assert_int_equal(p.count, 0);
}

static void test_the_last_in_comes_out_first(void **state)
{
    (void)state;
    struct item a = {.n = 1}, b = {.n = 2};
    struct pool p;
    pool_init(&p, 2);
    assert_true(pool_put(&p, &a.link));
    assert_true(pool_put(&p, &b.link));
    assert_int_equal(p.count, 2);
    assert_ptr_equal(POOL_TAKE(&p, struct item, link), &b);
    assert_ptr_equal(POOL_TAKE(&p, struct item, link), &a);
    assert_null(POOL_TAKE(&p, struct item, link));
    assert_int_equal(p.count, 0);
    assert_int_equal(b.n, 2); /* it is as it was put in */
}

static void test_a_full_pool_takes_no_more(void **state)
{
    (void)state;
    struct item a = {.n = 1}, b = {.n = 2};
    struct pool p;
    pool_init(&p, 1);
    assert_true(pool_put(&p, &a.link));
    assert_false(pool_put(&p, &b.link));
    assert_false(list_is_linked(&b.link)); /* still the caller's */
    assert_ptr_equal(POOL_TAKE(&p, struct item, link), &a);
    assert_true(pool_put(&p, &b.link));
    assert_ptr_equal(POOL_TAKE(&p, struct item, link), &b);
}

static void test_a_pool_for_none(void **state)
{
    (void)state;
    struct item a = {0};
    struct pool p;
    pool_init(&p, 0);
    assert_false(pool_put(&p, &a.link));
    assert_null(POOL_TAKE(&p, struct item, link));
}

static void test_the_link_of_an_item_serves_a_list_afterwards(void **state)
{
    (void)state;
    struct item a = {0};
    struct pool p;
    struct list l;
    pool_init(&p, 1);
    list_init(&l);
    assert_true(pool_put(&p, &a.link));
    struct item *again = POOL_TAKE(&p, struct item, link);
    assert_false(list_is_linked(&again->link));
    list_add_last(&l, &again->link);
    assert_ptr_equal(LIST_FIRST(&l, struct item, link), &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_pool_has_nothing),
        cmocka_unit_test(test_the_last_in_comes_out_first),
        cmocka_unit_test(test_a_full_pool_takes_no_more),
        cmocka_unit_test(test_a_pool_for_none),
        cmocka_unit_test(test_the_link_of_an_item_serves_a_list_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
