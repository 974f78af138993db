#include "common/json/json_scan.h"

#include "common/json/json_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct json_scan *scan;

static int make_scan(void **state)
{
    (void)state;
    scan = json_scan_new(NULL);
    return 0;
}

static int free_scan(void **state)
{
    (void)state;
    json_scan_free(scan);
    return 0;
}

/* Scans TEXT in pieces of STEP bytes. */
static enum err scanned(const struct json_picks *picks, struct slice text, size_t step)
{
    json_scan_reset(scan, picks);
    struct error e = {""};
    while (text.len) {
        size_t n = text.len < step ? text.len : step;
        enum err rc = json_scan_feed(scan, slice_make(text.ptr, n), &e);
        if (rc != OK) {
            assert_true(e.text[0]);
            return rc;
        }
        text = slice_skip(text, n);
    }
    enum err rc = json_scan_end(scan, &e);
    assert_true(rc == OK || e.text[0]);
    return rc;
}

static void expect(struct slice text, enum err want)
{
    for (size_t step = 1; step <= text.len + 1; step += 1 + step / 3) {
        enum err got = scanned(NULL, text, step);
        if (got != want)
            fail_msg("\"%.*s\" in steps of %zu: %s", SLICE_FMT(text), step, err_word(got));
    }
}

#define BAD(s) expect(SLICE_LIT(s), ERR_INVALID)
#define GOOD(s) expect(SLICE_LIT(s), OK)

static void documents(void **state)
{
    (void)state;
    GOOD("{}");
    GOOD(" [1, 2.5, -0, 0, 1e5, -1.0E-7, true, false, null, \"\"] \r\n\t");
    GOOD("42");
    GOOD("\"text\"");
    GOOD("{\"a\":1,\"a\":2}"); /* a key that nobody routes on */
    GOOD("123456789012345678901234567890");
    GOOD("[1e999,-1e-999]");
    BAD("");
    BAD("  \n ");
    BAD("\f{}");
    BAD("{\v\"a\":1}");
    BAD("{\"a\":1}\f");
    BAD("{} \"");
    BAD("{\"a\":1} \"never closed");
    BAD("1 \"\\");
    BAD("{");
    BAD("[1");
    BAD("[1,]");
    BAD("{\"a\":1,}");
    BAD("{\"a\"}");
    BAD("{a:1}");
    BAD("{'a':1}");
    BAD("{1:1}");
    BAD("[1 2]");
    BAD("]");
    BAD("[}");
    BAD("{} {}");
    BAD("{}x");
    BAD("{}\0");
    BAD("\0{}");
    BAD("[1]\0[2]");
    BAD("1 2");
    BAD("{},");
}

static void literals_and_numbers(void **state)
{
    (void)state;
    BAD("NaN");
    BAD("[Infinity]");
    BAD("[-Infinity]");
    BAD("TRUE");
    BAD("tru");
    BAD("nul");
    BAD("[1.]");
    BAD("[.5]");
    BAD("[01]");
    BAD("[-01]");
    BAD("[00]");
    BAD("[+1]");
    BAD("[-]");
    BAD("[1e]");
    BAD("[1e+]");
    BAD("[0x10]");
    BAD("[1]// comment");
    BAD("/* comment */[1]");
    BAD("[1,/**/2]");
}

/* However they come: at 1024 bytes, and not at one more. */
static void long_numbers(void **state)
{
    (void)state;
    char text[1200];
    for (size_t len = 1000; len < 1100; len++) {
        memset(text, '7', sizeof text);
        text[0] = '[';
        text[len + 1] = ']';
        for (size_t step = 1; step < 1300; step += 1 + step / 3)
            assert_int_equal(scanned(NULL, slice_make(text, len + 2), step),
                             len <= 1024 ? OK : ERR_INVALID);
    }
}

static void strings(void **state)
{
    (void)state;
    GOOD("\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u00e9 \\uABCD\"");
    GOOD("\"\\ud83d\\ude00 \\uD83D\\uDE00\"");
    GOOD("\"\\u0000\"");
    GOOD("\"\x7f\"");
    BAD("\"open");
    BAD("\"a\nb\"");
    BAD("\"a\tb\"");
    BAD("\"a\0b\"");
    BAD("\"\\x41\"");
    BAD("\"\\'\"");
    BAD("\"\\\0\"");
    BAD("\"\\u12\"");
    BAD("\"\\u12g4\"");
    GOOD("\"\\ud83d\"");
    GOOD("\"\\ud83d rest\"");
    GOOD("\"\\ud83d\\n\"");
    GOOD("\"\\ud83d\\u0041\"");
    GOOD("\"\\ud83d\\ud83d\"");
    GOOD("\"\\ude00\"");
    GOOD("{\"\\ud800\":1}");
}

static void utf8(void **state)
{
    (void)state;
    GOOD("\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xee\x80\x80 \xf4\x8f\xbf\xbf\"");
    BAD("\"\xff\"");
    BAD("\"\x80\"");
    BAD("\"\xc3\"");
    BAD("\"\xe2\x82\"");
    BAD("\"\xc0\xaf\""); /* overlong */
    BAD("\"\xc1\xbf\"");
    BAD("\"\xe0\x80\xaf\"");
    BAD("\"\xf0\x80\x80\xaf\"");
    BAD("\"\xed\xa0\x80\"");     /* a surrogate */
    BAD("\"\xf4\x90\x80\x80\""); /* past U+10FFFF */
    BAD("\"\xf5\x80\x80\x80\"");
    BAD("\"\xe9\"");        /* Latin-1 */
    GOOD("\xef\xbb\xbf{}"); /* a byte order mark */
    BAD("\xef\xbb{}");
    BAD(" \xef\xbb\xbf{}");
    BAD("\xef\xbb\xbf");
    BAD("[\xc3\xa9]");
    BAD("[1]\xc2\xa0");
}

static void depth(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    expect(slice_make(text, 2 * JSON_DEPTH_MAX), OK);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    expect(slice_make(text, 2 * JSON_DEPTH_MAX + 2), ERR_INVALID);
}

static void long_tokens(void **state)
{
    (void)state;
    size_t n = 300000;
    char *text = malloc(n);
    const char *tails[] = {"\"]", "\x01\"]", "\xff\"]", "\\ud800\"]", "]"};
    enum err wants[] = {OK, ERR_INVALID, ERR_INVALID, OK, ERR_INVALID};
    for (size_t i = 0; i < 5; i++) {
        memset(text, 'a', n);
        memcpy(text, "[\"", 2);
        size_t tail = strlen(tails[i]);
        memcpy(text + n - tail, tails[i], tail);
        for (size_t step = 1000; step <= n; step *= 3)
            assert_int_equal(scanned(NULL, slice_make(text, n), step), wants[i]);
        assert_int_equal(scanned(NULL, slice_make(text, n), n), wants[i]);
    }
    memset(text, '1', n);
    assert_int_equal(scanned(NULL, slice_make(text, n), 1000), ERR_INVALID);
    assert_int_equal(scanned(NULL, slice_make(text, 900), 100), OK);
    free(text);
}

/* --- picks --- */

static void expect_pick(const char *pointer, const char *text, enum json_pick_state want,
                        const char *want_text)
{
    struct json_picks *picks;
    struct error e;
    assert_int_equal(json_picks_new(&pointer, 1, &picks, &e), OK);
    for (size_t step = 1; step <= strlen(text); step++) {
        struct slice got = {0};
        assert_int_equal(scanned(picks, slice_str(text), step), OK);
        enum json_pick_state state = json_scan_pick(scan, 0, &got);
        if (state != want)
            fail_msg("%s in %s: state %d", pointer, text, (int)state);
        if (want == JSON_PICK_TEXT && !slice_eq(got, slice_str(want_text)))
            fail_msg("%s in %s: \"%.*s\"", pointer, text, SLICE_FMT(got));
    }
    json_picks_free(picks);
}

static void picks_by_pointer(void **state)
{
    (void)state;
    expect_pick("/id", "{\"id\":\"abc\"}", JSON_PICK_TEXT, "abc");
    expect_pick("/id", "{\"x\":{\"id\":1},\"id\":\"abc\"}", JSON_PICK_TEXT, "abc");
    expect_pick("/id", "[{\"id\":\"abc\"}]", JSON_PICK_MISSING, NULL);
    expect_pick("/tasks/0/id", "{\"tasks\":[{\"id\":\"t0\"},{\"id\":\"t1\"}]}", JSON_PICK_TEXT,
                "t0");
    expect_pick("/tasks/1/id", "{\"tasks\":[{\"id\":\"t0\"},{\"id\":\"t1\"}]}", JSON_PICK_TEXT,
                "t1");
    expect_pick("/tasks/2/id", "{\"tasks\":[{\"id\":\"t0\"},{\"id\":\"t1\"}]}", JSON_PICK_MISSING,
                NULL);
    expect_pick("/tasks/01/id", "{\"tasks\":[{\"id\":\"t0\"},{\"id\":\"t1\"}]}", JSON_PICK_MISSING,
                NULL);
    expect_pick("/0", "{\"0\":\"key\"}", JSON_PICK_TEXT, "key");
    expect_pick("/1/0/0", "[[5],[[6]],[[7]]]", JSON_PICK_TEXT, "6");
    expect_pick("/a~1b/~0", "{\"a/b\":{\"~\":true}}", JSON_PICK_TEXT, "true");
    expect_pick("/", "{\"\":\"empty key\"}", JSON_PICK_TEXT, "empty key");
    expect_pick("", "\"all\"", JSON_PICK_TEXT, "all");
    expect_pick("", "{}", JSON_PICK_OTHER, NULL);
    expect_pick("/i\xc3\xa9", "{\"i\\u00e9\":\"e\"}", JSON_PICK_TEXT, "e");
    expect_pick("/id", "{\"\\u0069d\":\"abc\"}", JSON_PICK_TEXT, "abc");
}

static void picks_by_kind(void **state)
{
    (void)state;
    expect_pick("/id", "{\"id\":12345678901234567890123}", JSON_PICK_TEXT,
                "12345678901234567890123");
    expect_pick("/id", "{\"id\":1.50}", JSON_PICK_TEXT, "1.50");
    expect_pick("/id", "{\"id\":-1E5}", JSON_PICK_TEXT, "-1E5");
    expect_pick("/id", "{\"id\":false}", JSON_PICK_TEXT, "false");
    expect_pick("/id", "{\"id\":null}", JSON_PICK_MISSING, NULL);
    expect_pick("/id", "{\"id\":\"\"}", JSON_PICK_TEXT, "");
    expect_pick("/id", "{\"id\":{\"id\":1}}", JSON_PICK_OTHER, NULL);
    expect_pick("/id", "{\"id\":[]}", JSON_PICK_OTHER, NULL);
    expect_pick("/id", "{\"id\":\"\\ud83d\\ude00\"}", JSON_PICK_TEXT, "\xf0\x9f\x98\x80");
}

static void keys_that_stand_twice(void **state)
{
    (void)state;
    expect_pick("/id", "{\"id\":1,\"id\":2}", JSON_PICK_TWICE, NULL);
    expect_pick("/id", "{\"id\":1,\"\\u0069\\u0064\":null}", JSON_PICK_TWICE, NULL);
    expect_pick("/a/id", "{\"a\":{\"id\":1},\"a\":{\"id\":2}}", JSON_PICK_TWICE, NULL);
    expect_pick("/a/id", "{\"a\":{\"id\":1},\"a\":2}", JSON_PICK_TWICE, NULL);
    expect_pick("/a/0/id", "{\"a\":[{\"id\":1},{\"id\":2,\"id\":3}]}", JSON_PICK_TEXT, "1");
    expect_pick("/id", "{\"x\":{\"id\":1,\"id\":2},\"id\":3}", JSON_PICK_TEXT, "3");
}

static void long_values(void **state)
{
    (void)state;
    char text[20000], want[JSON_SCAN_VALUE_MAX + 1];
    memset(want, 'v', sizeof want - 1);
    want[sizeof want - 1] = 0;
    snprintf(text, sizeof text, "{\"id\":\"%s\"}", want);
    expect_pick("/id", text, JSON_PICK_TEXT, want);
    snprintf(text, sizeof text, "{\"id\":\"%sv\"}", want);
    expect_pick("/id", text, JSON_PICK_TOO_LONG, NULL);
    size_t at = (size_t)snprintf(text, sizeof text, "{\"id\":\"");
    for (int i = 0; i < JSON_SCAN_VALUE_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "\\u0076");
    snprintf(text + at, sizeof text - at, "\"}");
    expect_pick("/id", text, JSON_PICK_TEXT, want); /* long only in its escapes */
}

static void several_picks(void **state)
{
    (void)state;
    const char *pointers[] = {"/id", "/data/tag", "/data", "/id", "/none"};
    struct json_picks *picks;
    assert_int_equal(json_picks_new(pointers, 5, &picks, NULL), OK);
    assert_int_equal(scanned(picks, SLICE_LIT("{\"data\":{\"tag\":\"t\"},\"id\":7}"), 100), OK);
    struct slice v;
    assert_int_equal(json_scan_pick(scan, 0, &v), JSON_PICK_TEXT);
    assert_true(slice_eq(v, SLICE_LIT("7")));
    assert_int_equal(json_scan_pick(scan, 1, &v), JSON_PICK_TEXT);
    assert_true(slice_eq(v, SLICE_LIT("t")));
    assert_int_equal(json_scan_pick(scan, 2, &v), JSON_PICK_OTHER);
    assert_int_equal(json_scan_pick(scan, 3, &v), JSON_PICK_TEXT);
    assert_true(slice_eq(v, SLICE_LIT("7")));
    assert_int_equal(json_scan_pick(scan, 4, &v), JSON_PICK_MISSING);
    json_picks_free(picks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),     cmocka_unit_test(literals_and_numbers),
        cmocka_unit_test(long_numbers),  cmocka_unit_test(strings),
        cmocka_unit_test(utf8),          cmocka_unit_test(depth),
        cmocka_unit_test(long_tokens),   cmocka_unit_test(picks_by_pointer),
        cmocka_unit_test(picks_by_kind), cmocka_unit_test(keys_that_stand_twice),
        cmocka_unit_test(long_values),   cmocka_unit_test(several_picks),
    };
    return cmocka_run_group_tests(tests, make_scan, free_scan);
}
