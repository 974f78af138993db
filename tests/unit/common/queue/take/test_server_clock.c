/* server_clock: what time it is here when a server's clock shows some time. */
#include "common/queue/take/server_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS INT64_C(1000)
#define HERE INT64_C(50000000)
#define AHEAD (-INT64_C(1795984455000000)) /* of this clock over the server's */

/* A question at ASKED that reaches the server after TO us, and whose reply comes after BACK us more. */
static mono_us ask(struct server_clock *c, mono_us asked, int64_t to, int64_t back)
{
    return server_clock_note(c, asked, asked + to - AHEAD, asked + to + back);
}

static void the_first_reply_says_only_that_it_has_come(void **state)
{
    (void)state;
    struct server_clock c = {0};
    assert_int_equal(ask(&c, HERE, 3 * MS, 2 * MS), HERE + 5 * MS);
}

static void a_slow_reply_counts_like_the_quickest(void **state)
{
    (void)state;
    struct server_clock c = {0};
    assert_int_equal(ask(&c, HERE, 200, 30), HERE + 230);
    assert_int_equal(ask(&c, HERE + 2 * MS, 0, 5 * MS),
                     HERE + 2 * MS + 30 + 7); /* 6.77 ms may add 7 us */
    assert_int_equal(ask(&c, HERE + 7 * MS, 4 * MS, 5 * MS), HERE + 11 * MS + 30 + 16);
    assert_int_equal(ask(&c, HERE + 20 * MS, 4 * MS, 10), HERE + 24 * MS + 10);
}

/* The server's clock loses 500 us a second, and this one gains as much. */
static void it_is_never_too_early_while_both_clocks_are_slewed(void **state)
{
    (void)state;
    struct server_clock c = {0};
    mono_us here = HERE;
    for (int i = 0; i < 1000; i++) {
        int64_t back = i % 7 == 0 ? 20 : 9 * MS, slewed = (here - HERE) / 1000;
        mono_us shown_at = here + 100;
        mono_us at = server_clock_note(&c, here, shown_at - AHEAD - slewed, shown_at + back);
        assert_in_range(at, shown_at, shown_at + back);
        here += 100 * MS;
    }
}

static void after_it_was_set_forward_the_next_reply_counts(void **state)
{
    (void)state;
    struct server_clock c = {0};
    ask(&c, HERE, 100, 10);
    mono_us asked = HERE + MS;
    assert_int_equal(
        server_clock_note(&c, asked, asked + 100 - AHEAD + 60 * 1000 * MS, asked + 900),
        asked + 900);
}

static void after_it_was_set_back_the_next_reply_counts(void **state)
{
    (void)state;
    struct server_clock c = {0};
    ask(&c, HERE, 100, 10);
    mono_us asked = HERE + MS;
    for (int i = 0; i < 3; i++, asked += MS) {
        mono_us at = server_clock_note(&c, asked, asked + 100 - AHEAD - 200 * MS, asked + 900);
        assert_int_equal(at, asked + 900);
    }
}

static void what_is_no_time_counts_for_nothing(void **state)
{
    (void)state;
    static const int64_t wrong[] = {INT64_MIN, -1, 0, (INT64_C(1) << 53) + 1, INT64_MAX};
    struct server_clock c = {0};
    ask(&c, HERE, 100, 10);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(server_clock_note(&c, HERE, wrong[i], HERE + MS), HERE + MS);
    assert_int_equal(ask(&c, HERE + MS, 0, 3 * MS), HERE + MS + 10 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reply_says_only_that_it_has_come),
        cmocka_unit_test(a_slow_reply_counts_like_the_quickest),
        cmocka_unit_test(it_is_never_too_early_while_both_clocks_are_slewed),
        cmocka_unit_test(after_it_was_set_forward_the_next_reply_counts),
        cmocka_unit_test(after_it_was_set_back_the_next_reply_counts),
        cmocka_unit_test(what_is_no_time_counts_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
