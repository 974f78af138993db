#include "receiver/ingest/slow_work.h"

#include "common/net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = SLOW_ASIDE_MAX + 2 };

struct work {
    struct slow_item item;
    char name;
    int left;
    bool goes_aside;
};

static struct loop *loop;
static struct slow_work *slow;
static char done[256];
static int expected;

static void note(char c)
{
    size_t n = strlen(done);
    assert_true(n + 1 < sizeof done);
    done[n] = c;
}

static void step(void *ctx, struct slow_item *item)
{
    struct work *w = LIST_ITEM(&item->link, struct work, item.link);
    assert_ptr_equal(ctx, &expected);
    note(w->name);
    if (w->goes_aside)
        assert_true(slow_work_set_aside(slow, item));
    if (--w->left > 0)
        return;
    slow_work_remove(slow, item);
    if (--expected == 0)
        loop_stop(loop);
}

static void run(struct work *list, int n)
{
    memset(done, 0, sizeof done);
    expected = n;
    loop = loop_new();
    slow = slow_work_new(loop, step, &expected);
    for (int i = 0; i < n; i++)
        slow_work_add(slow, &list[i].item);
    loop_run(loop);
    slow_work_free(slow);
    loop_free(loop);
}

static void slow_items_take_turns(void **state)
{
    (void)state;
    struct work list[] = {
        {.name = 'a', .left = 3}, {.name = 'b', .left = 1}, {.name = 'c', .left = 2}};
    run(list, 3);
    assert_string_equal(done, "abcaca");
}

static void an_item_set_aside_gets_one_turn_in_four(void **state)
{
    (void)state;
    struct work list[] = {{.name = 'X', .left = 6, .goes_aside = true}, {.name = 'b', .left = 10}};
    run(list, 2);
    assert_string_equal(done, "XbbbXbbbXbbbXbXX");
}

static void few_are_set_aside(void **state)
{
    (void)state;
    struct work list[MANY] = {0};
    loop = loop_new();
    slow = slow_work_new(loop, step, NULL);
    for (int i = 0; i < MANY; i++) {
        slow_work_add(slow, &list[i].item);
        assert_int_equal(slow_work_set_aside(slow, &list[i].item), i < SLOW_ASIDE_MAX);
    }
    assert_true(slow_work_set_aside(slow, &list[0].item)); /* it is */
    slow_work_remove(slow, &list[0].item);
    slow_work_remove(slow, &list[0].item); /* it is not there */
    assert_true(slow_work_set_aside(slow, &list[MANY - 1].item));
    for (int i = 1; i < MANY; i++)
        slow_work_remove(slow, &list[i].item);
    slow_work_free(slow);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_items_take_turns),
        cmocka_unit_test(an_item_set_aside_gets_one_turn_in_four),
        cmocka_unit_test(few_are_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
