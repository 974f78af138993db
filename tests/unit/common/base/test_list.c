#include "common/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct item {
    int n; /* so that the link is not the first member */
    struct list_link link;
    struct list_link other;
};

/* The numbers in L as decimal digits, read forwards; fails unless the ring reads the same backwards. */
static int digits_of(const struct list *l)
{
    int forwards = 0, backwards = 0, place = 1;
    LIST_EACH (at, l)
        forwards = forwards * 10 + LIST_ITEM(at, struct item, link)->n;
    for (struct list_link *at = l->ends.prev; at != &l->ends; at = at->prev) {
        backwards += LIST_ITEM(at, struct item, link)->n * place;
        place *= 10;
    }
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void fill(struct list *l, struct item *items, int count)
{
    list_init(l);
    for (int i = 0; i < count; i++) {
        items[i] = (struct item){.n = i + 1};
        list_add_last(l, &items[i].link);
    }
}

static void test_an_empty_list(void **state)
{
    (void)state;
    struct list l;
    list_init(&l);
    assert_true(list_is_empty(&l));
    assert_null(list_first(&l));
    assert_null(list_take_first(&l));
    assert_null(LIST_FIRST(&l, struct item, link));
    assert_null(LIST_TAKE_FIRST(&l, struct item, link));
    LIST_EACH (at, &l)
        fail_msg("nothing to visit, but %p", (void *)at);
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct item items[3];
    struct list l;
    fill(&l, items, 3);
    assert_int_equal(digits_of(&l), 123);
    assert_ptr_equal(LIST_FIRST(&l, struct item, link), &items[0]);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(LIST_TAKE_FIRST(&l, struct item, link), &items[i]);
    assert_true(list_is_empty(&l));
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    struct item items[3] = {{.n = 1}, {.n = 2}, {.n = 3}};
    struct list l;
    list_init(&l);
    for (int i = 0; i < 3; i++)
        list_add_first(&l, &items[i].link);
    assert_int_equal(digits_of(&l), 321);
}

static void test_an_item_goes_behind_a_place(void **state)
{
    (void)state;
    struct item items[3], more[3] = {{.n = 7}, {.n = 8}, {.n = 9}};
    struct list l;
    fill(&l, items, 3);
    list_add_behind(&items[0].link, &more[0].link);
    list_add_behind(&items[2].link, &more[1].link);
    list_add_behind(&l.ends, &more[2].link);
    assert_int_equal(digits_of(&l), 917238);
}

static void test_an_item_leaves_from_any_place(void **state)
{
    (void)state;
    static const int left[] = {2345, 1345, 1245, 1235, 1234};
    for (int i = 0; i < 5; i++) {
        struct item items[5];
        struct list l;
        fill(&l, items, 5);
        assert_true(list_is_linked(&items[i].link));
        list_remove(&items[i].link);
        assert_false(list_is_linked(&items[i].link));
        assert_int_equal(digits_of(&l), left[i]);
        list_remove(&items[i].link); /* again: nothing happens */
        assert_int_equal(digits_of(&l), left[i]);
    }
}

static void test_a_link_of_zeros_is_in_no_list(void **state)
{
    (void)state;
    struct item item = {0};
    assert_false(list_is_linked(&item.link));
    list_remove(&item.link);
    assert_false(list_is_linked(&item.link));
}

static void test_an_item_moves_between_lists(void **state)
{
    (void)state;
    struct item items[3];
    struct list l, other;
    fill(&l, items, 3);
    list_init(&other);
    list_remove(&items[1].link);
    list_add_last(&other, &items[1].link);
    assert_int_equal(digits_of(&l), 13);
    assert_int_equal(digits_of(&other), 2);
}

static void test_an_item_with_two_links_is_in_two_lists(void **state)
{
    (void)state;
    struct item items[2];
    struct list l, other;
    fill(&l, items, 2);
    list_init(&other);
    list_add_last(&other, &items[1].other);
    list_add_last(&other, &items[0].other);
    assert_ptr_equal(LIST_FIRST(&other, struct item, other), &items[1]);
    list_remove(&items[1].link);
    assert_int_equal(digits_of(&l), 1);
    assert_ptr_equal(LIST_TAKE_FIRST(&other, struct item, other), &items[1]);
    assert_ptr_equal(LIST_TAKE_FIRST(&other, struct item, other), &items[0]);
}

static void test_a_walk_may_free_what_it_visits(void **state)
{
    (void)state;
    struct list l;
    list_init(&l);
    for (int i = 1; i <= 9; i++) {
        struct item *item = calloc(1, sizeof *item);
        assert_non_null(item);
        item->n = i;
        list_add_last(&l, &item->link);
    }
    LIST_EACH (at, &l) {
        struct item *item = LIST_ITEM(at, struct item, link);
        if (item->n % 2 == 0) {
            list_remove(at);
            free(item);
        }
    }
    assert_int_equal(digits_of(&l), 13579);
    for (struct item *item; (item = LIST_TAKE_FIRST(&l, struct item, link));)
        free(item);
    assert_true(list_is_empty(&l));
}

static void test_a_list_is_rotated(void **state)
{
    (void)state;
    static const int want[] = {12345, 23451, 34512, 45123, 51234};
    for (int i = 0; i < 5; i++) {
        struct item items[5];
        struct list l;
        fill(&l, items, 5);
        list_rotate_to(&l, &items[i].link);
        assert_int_equal(digits_of(&l), want[i]);
    }
}

static void test_a_list_of_one_is_rotated(void **state)
{
    (void)state;
    struct item item;
    struct list l;
    fill(&l, &item, 1);
    list_rotate_to(&l, &item.link);
    assert_int_equal(digits_of(&l), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_list),
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_an_item_goes_behind_a_place),
        cmocka_unit_test(test_an_item_leaves_from_any_place),
        cmocka_unit_test(test_a_link_of_zeros_is_in_no_list),
        cmocka_unit_test(test_an_item_moves_between_lists),
        cmocka_unit_test(test_an_item_with_two_links_is_in_two_lists),
        cmocka_unit_test(test_a_walk_may_free_what_it_visits),
        cmocka_unit_test(test_a_list_is_rotated),
        cmocka_unit_test(test_a_list_of_one_is_rotated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
