#include "common/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#undef fail /* cmocka has one too */

static void test_a_failure_has_a_code_and_a_reason(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(fail(&e, ERR_IO, "cannot open %s: %d", "x", 7), ERR_IO);
    assert_string_equal(e.text, "cannot open x: 7");
}

static void test_nobody_needs_to_read_the_reason(void **state)
{
    (void)state;
    assert_int_equal(fail(NULL, ERR_TOO_BIG, "%s", "unread"), ERR_TOO_BIG);
}

static void test_a_long_reason_is_cut(void **state)
{
    (void)state;
    struct error e;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    (void)fail(&e, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_memory_equal(e.text, text, sizeof e.text - 1);
}

static void test_each_code_has_a_word_of_its_own(void **state)
{
    (void)state;
    for (int i = OK; i <= ERR_CRYPTO; i++) {
        assert_string_not_equal(err_word((enum err)i), "unknown");
        for (int j = OK; j < i; j++)
            assert_string_not_equal(err_word((enum err)i), err_word((enum err)j));
    }
    assert_string_equal(err_word(OK), "ok");
    assert_string_equal(err_word((enum err)(ERR_CRYPTO + 1)), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_has_a_code_and_a_reason),
        cmocka_unit_test(test_nobody_needs_to_read_the_reason),
        cmocka_unit_test(test_a_long_reason_is_cut),
        cmocka_unit_test(test_each_code_has_a_word_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
