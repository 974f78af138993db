#include "receiver/ingest/chores.h"

#include "common/net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = CHORES_ASIDE_MAX + 2 };

struct work {
    struct chore chore; /* first, so that a chore is its work */
    char name;
    int left;
    bool goes_aside;
};

static struct loop *loop;
static struct chores *chores;
static char done[256];
static int expected;

static void note(char c)
{
    size_t n = strlen(done);
    assert_true(n + 1 < sizeof done);
    done[n] = c;
}

static void step(void *ctx, struct chore *chore)
{
    struct work *w = (struct work *)(void *)chore;
    assert_ptr_equal(ctx, &expected);
    note(w->name);
    if (w->goes_aside)
        assert_true(chores_put_aside(chores, chore));
    if (--w->left > 0)
        return;
    chores_remove(chores, chore);
    if (--expected == 0)
        loop_stop(loop);
}

static void run(struct work *list, int n)
{
    memset(done, 0, sizeof done);
    expected = n;
    loop = loop_new();
    chores = chores_new(loop, step, &expected);
    for (int i = 0; i < n; i++)
        chores_add(chores, &list[i].chore);
    loop_run(loop);
    chores_free(chores);
    loop_free(loop);
}

static void chores_take_turns(void **state)
{
    (void)state;
    struct work list[] = {
        {.name = 'a', .left = 3}, {.name = 'b', .left = 1}, {.name = 'c', .left = 2}};
    run(list, 3);
    assert_string_equal(done, "abcaca");
}

static void what_was_put_aside_gets_one_turn_in_four(void **state)
{
    (void)state;
    struct work list[] = {{.name = 'X', .left = 6, .goes_aside = true}, {.name = 'b', .left = 10}};
    run(list, 2);
    assert_string_equal(done, "XbbbXbbbXbbbXbXX");
}

static void few_are_put_aside(void **state)
{
    (void)state;
    struct work list[MANY] = {0};
    loop = loop_new();
    chores = chores_new(loop, step, NULL);
    for (int i = 0; i < MANY; i++) {
        chores_add(chores, &list[i].chore);
        assert_int_equal(chores_put_aside(chores, &list[i].chore), i < CHORES_ASIDE_MAX);
    }
    assert_true(chores_put_aside(chores, &list[0].chore)); /* it is */
    chores_remove(chores, &list[0].chore);
    chores_remove(chores, &list[0].chore); /* it is not there */
    assert_true(chores_put_aside(chores, &list[MANY - 1].chore));
    for (int i = 1; i < MANY; i++)
        chores_remove(chores, &list[i].chore);
    chores_free(chores);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chores_take_turns),
        cmocka_unit_test(what_was_put_aside_gets_one_turn_in_four),
        cmocka_unit_test(few_are_put_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
