#include "common/base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct slice none = {NULL, 0};

static void expect(struct slice s, const char *text)
{
    assert_true(slice_eq(s, slice_str(text)));
}

static void test_no_bytes_are_equal_wherever_they_are(void **state)
{
    (void)state;
    assert_true(slice_eq(none, SLICE_LIT("")));
    assert_true(slice_eq(none, slice_str(NULL)));
    assert_true(slice_eq_nocase(SLICE_LIT(""), none));
    assert_false(slice_eq(none, SLICE_LIT("a")));
    assert_int_equal(slice_str(NULL).len, 0);
}

static void test_equality_is_of_bytes(void **state)
{
    (void)state;
    assert_true(slice_eq(slice_make("a\0b", 3), slice_make("a\0b", 3)));
    assert_false(slice_eq(slice_make("a\0b", 3), slice_make("a\0c", 3)));
    assert_false(slice_eq(SLICE_LIT("ab"), SLICE_LIT("abc")));
    assert_false(slice_eq(SLICE_LIT("ab"), SLICE_LIT("AB")));
    assert_true(slice_eq_nocase(SLICE_LIT("aB-9"), SLICE_LIT("Ab-9")));
    assert_false(slice_eq_nocase(SLICE_LIT("[b"), SLICE_LIT("{B"))); /* not by bit 5 alone */
}

static void test_starts(void **state)
{
    (void)state;
    assert_true(slice_starts(SLICE_LIT("abc"), SLICE_LIT("ab")));
    assert_true(slice_starts(SLICE_LIT("abc"), SLICE_LIT("abc")));
    assert_true(slice_starts(SLICE_LIT("abc"), none));
    assert_true(slice_starts(none, none));
    assert_false(slice_starts(none, SLICE_LIT("a")));
    assert_false(slice_starts(SLICE_LIT("ab"), SLICE_LIT("abc")));
    assert_false(slice_starts(SLICE_LIT("abc"), SLICE_LIT("AB")));
    assert_true(slice_starts_nocase(SLICE_LIT("abc"), SLICE_LIT("AB")));
    assert_false(slice_starts_nocase(SLICE_LIT("a"), SLICE_LIT("AB")));
    assert_true(slice_starts_nocase(none, none));
}

static void test_head_and_skip_stop_at_the_end(void **state)
{
    (void)state;
    expect(slice_head(SLICE_LIT("abc"), 2), "ab");
    expect(slice_head(SLICE_LIT("abc"), 3), "abc");
    expect(slice_head(SLICE_LIT("abc"), SIZE_MAX), "abc");
    expect(slice_head(none, 3), "");
    expect(slice_skip(SLICE_LIT("abc"), 0), "abc");
    expect(slice_skip(SLICE_LIT("abc"), 2), "c");
    expect(slice_skip(SLICE_LIT("abc"), 3), "");
    expect(slice_skip(SLICE_LIT("abc"), SIZE_MAX), "");
    assert_null(slice_skip(none, 5).ptr);
}

static void test_cut(void **state)
{
    (void)state;
    struct slice rest = SLICE_LIT("a,,b,");
    expect(slice_cut(&rest, ','), "a");
    expect(slice_cut(&rest, ','), "");
    expect(slice_cut(&rest, ','), "b");
    expect(rest, "");
    assert_non_null(rest.ptr); /* there was a comma: an empty last part */
    expect(slice_cut(&rest, ','), "");
    assert_null(rest.ptr); /* no part is left */
    expect(slice_cut(&rest, ','), "");
    assert_null(rest.ptr);
}

static void test_cut_takes_all_without_the_character(void **state)
{
    (void)state;
    struct slice rest = SLICE_LIT("abc");
    expect(slice_cut(&rest, ','), "abc");
    assert_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    rest = slice_make("a\0b", 3);
    expect(slice_cut(&rest, 0), "a");
    expect(rest, "b");
}

static void test_trim_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    expect(slice_trim(SLICE_LIT(" \t a b\t ")), "a b");
    expect(slice_trim(SLICE_LIT(" \t ")), "");
    expect(slice_trim(SLICE_LIT("\r\na\v")), "\r\na\v");
    expect(slice_trim(none), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_bytes_are_equal_wherever_they_are),
        cmocka_unit_test(test_equality_is_of_bytes),
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_head_and_skip_stop_at_the_end),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_takes_all_without_the_character),
        cmocka_unit_test(test_trim_takes_spaces_and_tabs_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
