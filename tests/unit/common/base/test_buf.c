#include "common/base/buf.h"
#include "common/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf b;

static int begin(void **state)
{
    (void)state;
    buf_init(&b, 1000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_clear(&b);
    return 0;
}

static void expect(const char *text)
{
    assert_false(b.failed);
    assert_string_equal(buf_slice(&b).ptr, text);
    assert_int_equal(b.len, strlen(text));
    buf_reset(&b);
}

static void test_an_empty_buffer(void **state)
{
    (void)state;
    assert_null(b.ptr); /* nothing is allocated yet */
    assert_string_equal(buf_slice(&b).ptr, "");
    assert_int_equal(buf_slice(&b).len, 0);
    buf_add(&b, NULL, 0);
    buf_add_slice(&b, (struct slice){NULL, 0});
    buf_add_str(&b, "");
    text_add_json(&b, (struct slice){NULL, 0});
    expect("");
}

static void test_appends(void **state)
{
    (void)state;
    buf_add(&b, "ab", 2);
    buf_add_char(&b, 'c');
    buf_add_str(&b, "de");
    buf_add_slice(&b, SLICE_LIT("f"));
    buf_addf(&b, "%d%s", 7, "g");
    expect("abcdef7g");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } rows[] = {{0, "0"},
                {9, "9"},
                {10, "10"},
                {-1, "-1"},
                {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_add_i64(&b, rows[i].value);
        expect(rows[i].text);
    }
    buf_add_u64(&b, 0);
    expect("0");
    buf_add_u64(&b, UINT64_MAX);
    expect("18446744073709551615");
}

static void test_the_ceiling_may_be_reached(void **state)
{
    (void)state;
    buf_init(&b, 5);
    buf_add_str(&b, "abcde");
    assert_false(b.failed);
    assert_int_equal(b.ptr[5], 0); /* the NUL does not count */
    buf_add(&b, NULL, 0);
    assert_false(b.failed);
    buf_add_char(&b, 'f');
    assert_true(b.failed);
    assert_string_equal(b.ptr, "abcde");
}

static void test_after_a_failure_nothing_is_appended(void **state)
{
    (void)state;
    buf_init(&b, 5);
    buf_add_str(&b, "abc");
    buf_add_str(&b, "def"); /* all or nothing */
    assert_true(b.failed);
    buf_add_char(&b, 'd'); /* would fit */
    assert_null(buf_reserve(&b, 1));
    assert_null(buf_reserve(&b, 0));
    assert_string_equal(b.ptr, "abc");
    assert_int_equal(b.len, 3);
    buf_reset(&b);
    assert_false(b.failed);
    buf_add_str(&b, "fghij");
    expect("fghij");
}

static void test_a_ceiling_of_nothing(void **state)
{
    (void)state;
    buf_init(&b, 0);
    buf_add(&b, "", 0);
    assert_false(b.failed);
    buf_add_char(&b, 'a');
    assert_true(b.failed);
    assert_string_equal(buf_slice(&b).ptr, "");
}

static void test_a_formatted_text_fits_whole_or_not_at_all(void **state)
{
    (void)state;
    buf_init(&b, 5);
    buf_addf(&b, "%s", "abcde");
    expect("abcde");
    buf_addf(&b, "%s", "abcdef");
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
}

static void test_a_length_that_would_overflow(void **state)
{
    (void)state;
    buf_add_str(&b, "abc");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    assert_int_equal(b.len, 3);
}

static void test_what_was_reserved_is_written_in_part(void **state)
{
    (void)state;
    char *to = buf_reserve(&b, 100);
    assert_non_null(to);
    memcpy(to, "xyz", 3);
    buf_wrote(&b, 3);
    expect("xyz");
}

static void test_growth_keeps_the_bytes(void **state)
{
    (void)state;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&b, (char)('a' + i % 26));
    assert_false(b.failed);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    assert_true(b.cap <= 100001);
    buf_clear(&b);
    assert_null(b.ptr);
    assert_int_equal(b.max, 100000); /* and it may be used again */
    buf_add_char(&b, 'a');
    expect("a");
}

static void test_take_moves_the_bytes_out(void **state)
{
    (void)state;
    size_t len = 7;
    buf_add(&b, "a\0b", 3);
    char *taken = buf_take(&b, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(taken, "a\0b", 4); /* ends in a NUL */
    assert_null(b.ptr);
    assert_int_equal(b.max, 1000);
    free(taken);
    taken = buf_take(&b, NULL); /* of an empty buffer: an empty text */
    assert_string_equal(taken, "");
    free(taken);
    buf_init(&b, 0);
    buf_add_char(&b, 'a');
    taken = buf_take(&b, &len); /* of one that failed: an empty text too */
    assert_string_equal(taken, "");
    assert_int_equal(len, 0);
    assert_false(b.failed);
    free(taken);
}

static void test_a_buffer_over_an_array(void **state)
{
    (void)state;
    char text[6] = "?????";
    struct buf over = buf_over(text);
    assert_string_equal(text, ""); /* from the start */
    buf_add_str(&over, "abc");
    assert_string_equal(text, "abc");
    buf_addf(&over, "%d", 45);
    assert_string_equal(text, "abc45");
    assert_false(over.failed);
    buf_add_char(&over, '6');
    assert_true(over.failed);
    assert_string_equal(text, "abc45");
    assert_ptr_equal(over.ptr, text);
}

/* --- inside of JSON strings --- */

static void json(const char *bytes, size_t len, const char *text)
{
    text_add_json(&b, slice_make(bytes, len));
    expect(text);
}

#define JSON(bytes, text) json(bytes, sizeof(bytes) - 1, text)

static void test_json_escapes(void **state)
{
    (void)state;
    JSON("plain text", "plain text");
    JSON("a\"b\\c", "a\\\"b\\\\c");
    JSON("/", "/");
    JSON("\0", "\\u0000");
    JSON("\x1f\x7f", "\\u001f\\u007f");
    JSON("\n\t", "\\u000a\\u0009");
    JSON("\"", "\\\"");
}

static void test_json_keeps_valid_characters(void **state)
{
    (void)state;
    JSON("\xc2\x80 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc2\x80 \xe2\x82\xac \xf0\x9f\x98\x80");
    JSON("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void test_json_replaces_what_is_no_character(void **state)
{
    (void)state;
    JSON("a\x80z", "a\\ufffdz");
    JSON("\xc3", "\\ufffd");            /* cut off */
    JSON("\xe2\x82", "\\ufffd\\ufffd"); /* cut off */
    JSON("\xe2\x82z", "\\ufffd\\ufffdz");
    JSON("\xc0\xaf", "\\ufffd\\ufffd");                       /* a long form of '/' */
    JSON("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd");            /* a surrogate */
    JSON("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"); /* above U+10FFFF */
    JSON("\xff\xfe", "\\ufffd\\ufffd");
}

static void test_json_may_fail_in_the_middle(void **state)
{
    (void)state;
    buf_init(&b, 4);
    text_add_json(&b, SLICE_LIT("ab\ncd"));
    assert_true(b.failed);
    assert_true(b.len <= 4);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_an_empty_buffer),
        WITH(test_appends),
        WITH(test_numbers),
        WITH(test_the_ceiling_may_be_reached),
        WITH(test_after_a_failure_nothing_is_appended),
        WITH(test_a_ceiling_of_nothing),
        WITH(test_a_formatted_text_fits_whole_or_not_at_all),
        WITH(test_a_length_that_would_overflow),
        WITH(test_what_was_reserved_is_written_in_part),
        WITH(test_growth_keeps_the_bytes),
        WITH(test_take_moves_the_bytes_out),
        WITH(test_a_buffer_over_an_array),
        WITH(test_json_escapes),
        WITH(test_json_keeps_valid_characters),
        WITH(test_json_replaces_what_is_no_character),
        WITH(test_json_may_fail_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
