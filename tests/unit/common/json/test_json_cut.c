#include "common/json/json_cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_text(struct slice s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void test_elements(void **state)
{
    (void)state;
    struct json_cut c;
    struct slice key, v;
    assert_true(json_cut_open(SLICE_LIT(" [ 1 , \"a,]\\\"b\" ,{\"x\":[1,2]}, [] ,null ] "), &c));
    static const char *const expected[] = {"1", "\"a,]\\\"b\"", "{\"x\":[1,2]}", "[]", "null"};
    for (size_t i = 0; i < 5; i++) {
        assert_true(json_cut_next(&c, &key, &v));
        assert_text(v, expected[i]);
    }
    assert_false(json_cut_next(&c, &key, &v));
    assert_int_equal(json_cut_count(SLICE_LIT("[]")), 0);
    assert_int_equal(json_cut_count(SLICE_LIT("[[],[1,2]]")), 2);
    assert_int_equal(json_cut_count(SLICE_LIT("3")), 0);
}

static void test_members(void **state)
{
    (void)state;
    struct json_cut c;
    struct slice key, v;
    assert_true(json_cut_open(SLICE_LIT("{ \"a:\\\"\" : {\"b\":\"}\"} ,\n\"c\":-1.5e3 }"), &c));
    assert_true(json_cut_next(&c, &key, &v));
    assert_text(key, "a:\\\"");
    assert_text(v, "{\"b\":\"}\"}");
    assert_true(json_cut_next(&c, &key, &v));
    assert_text(key, "c");
    assert_text(v, "-1.5e3");
    assert_false(json_cut_next(&c, &key, &v));
}

static void test_member_by_name(void **state)
{
    (void)state;
    assert_text(json_cut_member(SLICE_LIT("{\"a\":1,\"b\":{\"a\":2},\"a\":3}"), "a"), "3");
    assert_text(json_cut_member(SLICE_LIT("{\"b\":1}"), "a"), "");
    assert_text(json_cut_member(SLICE_LIT("[{\"a\":1}]"), "a"), "");
}

static void test_several_members(void **state)
{
    (void)state;
    struct json_member m[] = {{.name = "a"}, {.name = "none"}, {.name = "b", .times = 7}};
    json_cut_members(SLICE_LIT("{\"a\":1,\"b\" : [ {\"a\":2} ] ,\"a\":3}"), m, 3);
    assert_text(m[0].value, "3");
    assert_int_equal(m[0].times, 2);
    assert_text(m[1].value, "");
    assert_int_equal(m[1].times, 0);
    assert_text(m[2].value, "[ {\"a\":2} ]");
    assert_int_equal(m[2].times, 1);
    json_cut_members(SLICE_LIT("\"a\""), m, 3);
    assert_int_equal(m[0].times + m[2].times, 0);
    assert_text(m[2].value, "");
}

static void test_compact(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    json_cut_compact(&b, SLICE_LIT("{ \"a b\" :\r\n\t[ 1, \" \\\" x \" ] } "));
    assert_text(buf_slice(&b), "{\"a b\":[1,\" \\\" x \"]}");
    buf_clear(&b);
}

static void test_lists(void **state)
{
    (void)state;
    const char *const lists[] = {"[]",
                                 " [1]",
                                 "[{}]",
                                 "{\"0\":{}}",
                                 "{\"0\":1, \"1\":2}",
                                 "{\"0\":0,\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,"
                                 "\"7\":7,\"8\":8,\"9\":9,\"10\":10}"};
    const char *const others[] = {"{}",
                                  "",
                                  "1",
                                  "\"0\"",
                                  "null",
                                  "{\"id\":\"a\"}",
                                  "{\"1\":1}",
                                  "{\"0\":1,\"0\":2}",
                                  "{\"0\":1,\"2\":2}",
                                  "{\"0\":1,\"01\":2}",
                                  "{\"00\":1}",
                                  "{\"\":1}",
                                  "{\"0\":1,\"id\":2}"};
    static const size_t counts[] = {0, 1, 1, 1, 2, 11};
    size_t n;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_true(json_cut_is_list(slice_str(lists[i]), &n));
        assert_int_equal(n, counts[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(json_cut_is_list(slice_str(others[i]), &n));
}

/* A walk over a text that is not JSON ends. */
static void test_broken_texts_end(void **state)
{
    (void)state;
    static const char *const texts[] = {"[",      "{",       "[\"",       "[\"\\", "{\"a",
                                        "{\"a\"", "{\"a\":", "[1 2]",     "[,]",   "{:}",
                                        "]",      "[}",      "{\"a\":1]", "",      " "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_cut c;
        struct slice key, v;
        unsigned n = 0;
        if (json_cut_open(slice_str(texts[i]), &c))
            while (json_cut_next(&c, &key, &v))
                assert_true(++n < 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),         cmocka_unit_test(test_members),
        cmocka_unit_test(test_member_by_name),   cmocka_unit_test(test_several_members),
        cmocka_unit_test(test_compact),          cmocka_unit_test(test_lists),
        cmocka_unit_test(test_broken_texts_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
