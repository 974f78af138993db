#include "common/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct slice none = {NULL, 0};

/* --- numbers --- */

static void test_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } rows[] = {{"0", 0}, {"007", 7}, {"42", 42}, {"9999999999999999999", 9999999999999999999u}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t v = 1;
        assert_int_equal(text_u64(slice_str(rows[i].text), UINT64_MAX, &v), OK);
        assert_int_equal(v, rows[i].value);
    }
}

static void test_what_is_no_whole_number(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       " 1",
                                       "1 ",
                                       "+1",
                                       "-1",
                                       "1.0",
                                       "1e3",
                                       "0x1",
                                       "a",
                                       "18446744073709551615",
                                       "00000000000000000001"};
    uint64_t v = 77;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(text_u64(slice_str(rows[i]), UINT64_MAX, &v), ERR_INVALID);
    assert_int_equal(text_u64(none, UINT64_MAX, &v), ERR_INVALID);
    assert_int_equal(text_u64(slice_make("1\0", 2), UINT64_MAX, &v), ERR_INVALID);
    assert_int_equal(v, 77); /* untouched */
}

static void test_a_number_has_a_limit(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_int_equal(text_u64(SLICE_LIT("100"), 100, &v), OK);
    assert_int_equal(text_u64(SLICE_LIT("101"), 100, &v), ERR_INVALID);
    assert_int_equal(text_u64(SLICE_LIT("0"), 0, &v), OK);
    assert_int_equal(text_u64(SLICE_LIT("1"), 0, &v), ERR_INVALID);
}

static void test_signed_numbers(void **state)
{
    (void)state;
    int64_t v = 7;
    assert_int_equal(text_i64(SLICE_LIT("-12"), &v), OK);
    assert_int_equal(v, -12);
    assert_int_equal(text_i64(SLICE_LIT("-0"), &v), OK);
    assert_int_equal(v, 0);
    assert_int_equal(text_i64(SLICE_LIT("9223372036854775807"), &v), OK);
    assert_int_equal(v, INT64_MAX);
    assert_int_equal(text_i64(SLICE_LIT("-9223372036854775807"), &v), OK);
    assert_int_equal(v, -INT64_MAX);
    static const char *const bad[] = {
        "9223372036854775808", "-9223372036854775808", "-", "--1", "+1", "- 1", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(text_i64(slice_str(bad[i]), &v), ERR_INVALID);
    assert_int_equal(text_i64(none, &v), ERR_INVALID);
}

/* --- hex --- */

static void test_hex(void **state)
{
    (void)state;
    unsigned char all[256], back[256];
    char text[513] = {0};
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    text_hex(all, 256, text);
    assert_memory_equal(text, "000102", 6);
    assert_string_equal(text + 506, "fdfeff");
    assert_int_equal(text_unhex(slice_str(text), back, 256), OK);
    assert_memory_equal(back, all, 256);
    assert_int_equal(text_unhex(SLICE_LIT("AbCdEf"), back, 3), OK);
    assert_memory_equal(back, "\xab\xcd\xef", 3);
    assert_int_equal(text_unhex(none, back, 0), OK);
}

static void test_what_is_no_hex(void **state)
{
    (void)state;
    unsigned char out[2];
    static const char *const rows[] = {"",       "ab",   "abc",  "abcde",
                                       "abcdef", "ab g", "0xab", "ab\xff\x80"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(text_unhex(slice_str(rows[i]), out, 2), ERR_INVALID);
    for (int c = 0; c < 256; c++) {
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(text_hex_value((char)c) >= 0, is_digit);
    }
    assert_int_equal(text_hex_value('F'), 15);
}

/* --- base64 --- */

static void test_base64_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[16] = {0}, back[16] = {0};
        size_t len = 99;
        assert_int_equal(text_base64(rows[i][0], strlen(rows[i][0]), out), strlen(rows[i][1]));
        assert_string_equal(out, rows[i][1]);
        assert_int_equal(text_unbase64(slice_str(out), false, back, &len), OK);
        assert_int_equal(len, strlen(rows[i][0]));
        assert_string_equal(back, rows[i][0]);
    }
}

static void test_base64_may_come_without_padding(void **state)
{
    (void)state;
    char out[16];
    size_t len = 0;
    assert_int_equal(text_unbase64(SLICE_LIT("Zm8"), true, out, &len), OK);
    assert_memory_equal(out, "fo", len);
    assert_int_equal(len, 2);
    assert_int_equal(text_unbase64(SLICE_LIT("Zg"), true, out, &len), OK);
    assert_int_equal(len, 1);
    assert_int_equal(text_unbase64(SLICE_LIT("Zm8="), true, out, &len), OK);
    assert_int_equal(text_unbase64(SLICE_LIT("Zm8"), false, out, &len), ERR_INVALID);
}

static void test_what_is_no_base64(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "Z",     "Zm9vY", /* one digit is too few */
        "=",     "==",       "===",   "====",   "Zg=",  "Zg===",
        "Zm9v=", "Zm9v====", /* padding that nothing needs */
        "Zh==",  "Zm9=",     /* unused bits that are not zero */
        "Zm-v",  "Zm_v",     "Zm 9v", "Zm9v\n", "Z=9v", "Zm9\xc3",
    };
    char out[16];
    size_t len = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(text_unbase64(slice_str(rows[i]), false, out, &len), ERR_INVALID);
        assert_int_equal(text_unbase64(slice_str(rows[i]), true, out, &len), ERR_INVALID);
    }
}

static void test_base64_of_all_bytes(void **state)
{
    (void)state;
    unsigned char bytes[256], back[256];
    char text[344];
    size_t len = 0;
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)(255 - i);
    for (size_t n = 0; n <= 256; n++) {
        size_t digits = text_base64(bytes, n, text);
        assert_int_equal(digits, 4 * ((n + 2) / 3));
        assert_int_equal(text_unbase64(slice_make(text, digits), false, back, &len), OK);
        assert_int_equal(len, n);
        assert_memory_equal(back, bytes, n);
    }
}

/* --- percent-encoding --- */

static void test_percent(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    text_add_percent(&b, slice_make("aZ09-._~ /%+\0\xff", 14));
    assert_string_equal(buf_slice(&b).ptr, "aZ09-._~%20%2F%25%2B%00%FF");
    text_add_percent(&b, none);
    assert_int_equal(b.len, 26);
    buf_clear(&b);
}

static void test_unpercent(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(text_unpercent(&b, SLICE_LIT("a%2fb%2F+%FF"), false), OK);
    assert_string_equal(buf_slice(&b).ptr, "a/b/+\xff");
    buf_reset(&b);
    assert_int_equal(text_unpercent(&b, SLICE_LIT("a+b"), true), OK);
    assert_string_equal(buf_slice(&b).ptr, "a b");
    buf_reset(&b);
    assert_int_equal(text_unpercent(&b, none, true), OK);
    assert_int_equal(text_unpercent(&b, SLICE_LIT("12345678901"), false), ERR_TOO_BIG);
    buf_clear(&b);
}

static void test_broken_escapes(void **state)
{
    (void)state;
    static const char *const rows[] = {"%", "a%", "%2", "%g0", "%0g", "%%41", "%00", "% 1", "%-1"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_int_equal(text_unpercent(&b, slice_str(rows[i]), true), ERR_INVALID);
        buf_clear(&b);
    }
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(text_unpercent(&b, slice_make("%41", 2), true),
                     ERR_INVALID); /* cut before the end */
    buf_clear(&b);
}

/* --- characters --- */

static void test_the_width_of_a_character(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } rows[] = {
        {"a", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        /* cut off */
        {"\xc2", 0},
        {"\xe2\x82", 0},
        {"\xf0\x9f\x98", 0},
        /* long forms, surrogates, above U+10FFFF */
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        /* no lead byte, no trail byte */
        {"\x80", 0},
        {"\xbf", 0},
        {"\xff", 0},
        {"\xc2z", 0},
        {"\xe2\x82\xc0", 0},
        {"\xf0\x9f\x98z", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(text_utf8_width(slice_str(rows[i].text)), rows[i].width);
    assert_int_equal(text_utf8_width(slice_make("\0", 1)), 1);
    assert_int_equal(text_utf8_width(none), 0);
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(text_is_utf8(none));
    assert_true(text_is_utf8(slice_make("a\0\xe2\x82\xac", 5)));
    assert_false(text_is_utf8(slice_make("a\0\xe2\x82\xac", 4)));
    assert_false(text_is_utf8(SLICE_LIT("abc\x80")));
}

static void test_control_characters(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c};
        assert_int_equal(text_has_control(slice_make(text, 2)), c < 0x20 || c == 0x7f);
    }
    assert_false(text_has_control(none));
}

/* --- likeness --- */

static unsigned distance(const char *a, const char *b, unsigned max)
{
    unsigned d = text_distance(slice_str(a), slice_str(b), max);
    assert_int_equal(text_distance(slice_str(b), slice_str(a), max), d);
    return d;
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(distance("", "", 3), 0);
    assert_int_equal(distance("abc", "abc", 3), 0);
    assert_int_equal(distance("abc", "abcd", 3), 1);
    assert_int_equal(distance("abc", "xbc", 3), 1);
    assert_int_equal(distance("abc", "acb", 3), 1); /* neighbours are swapped */
    assert_int_equal(distance("retention", "retnetion", 3), 1);
    assert_int_equal(distance("kitten", "sitting", 5), 3);
    assert_int_equal(distance("", "abc", 5), 3);
    assert_int_equal(distance("abcdef", "uvwxyz", 2), 3); /* more than 2 */
}

static void test_distance_of_long_words(void **state)
{
    (void)state;
    char text[65];
    memset(text, 'x', sizeof text);
    struct slice most = slice_make(text, 64), more = slice_make(text, 65);
    assert_int_equal(text_distance(most, most, 2), 0);
    assert_int_equal(text_distance(more, more, 2), 3); /* too long to be compared */
    assert_int_equal(text_distance(SLICE_LIT("x"), more, 2), 3);
}

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "abc", true},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"*b", "abc", false},
        {"a*c", "ac", true},
        {"a*c", "abcbc", true},
        {"a*c", "abcb", false},
        {"A-*", "a-b", true},
        {"a-B", "A-b", true},
        {"a?c", "abc", false},
        {"a?c", "a?c", true},
        {"**", "a", true},
        {"*a*b*", "xxaxxbxx", true},
        {"*a*b*", "xxbxxaxx", false},
        {"abc", "ab", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(text_glob_nocase(rows[i].pattern, slice_str(rows[i].text)),
                         rows[i].matches);
    assert_true(text_glob_nocase("", none));
    assert_true(text_glob_begins("Ab", 'a') && text_glob_begins("*b", 'a'));
    assert_false(text_glob_begins("b*", 'a') || text_glob_begins("", 'a'));
}

/* Every byte at every place, alone and beside each of its kind. */
static void plain_bytes_of_json(void **state)
{
    (void)state;
    char text[24];
    for (size_t at = 0; at < sizeof text; at++)
        for (int c = 0; c < 256; c++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
            assert_int_equal(text_json_plain(slice_make(text, sizeof text)),
                             plain ? sizeof text : at);
            for (int d = 0; d < 256 && at + 1 < sizeof text; d += 3) {
                text[at + 1] = (char)d;
                bool both = plain && d >= 0x20 && d < 0x7f && d != '"' && d != '\\';
                assert_int_equal(text_json_plain(slice_make(text, sizeof text)), both ? sizeof text
                                                                                 : plain ? at + 1
                                                                                         : at);
            }
        }
    assert_int_equal(text_json_plain(slice_make(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_of_json),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_what_is_no_whole_number),
        cmocka_unit_test(test_a_number_has_a_limit),
        cmocka_unit_test(test_signed_numbers),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_what_is_no_hex),
        cmocka_unit_test(test_base64_of_rfc_4648),
        cmocka_unit_test(test_base64_may_come_without_padding),
        cmocka_unit_test(test_what_is_no_base64),
        cmocka_unit_test(test_base64_of_all_bytes),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_unpercent),
        cmocka_unit_test(test_broken_escapes),
        cmocka_unit_test(test_the_width_of_a_character),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_distance_of_long_words),
        cmocka_unit_test(test_glob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
