#include "common/base/json_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct buf out;
static struct json_write w;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 4096);
    w = json_write_to(&out);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_clear(&out);
    return 0;
}

static void assert_written(const char *want)
{
    assert_false(out.failed);
    assert_string_equal(out.ptr, want);
}

static void values_of_each_kind(void **state)
{
    (void)state;
    jw_open(&w, NULL, '{');
    jw_text(&w, "text", SLICE_LIT("a\"b\\c\n\x01\xff"));
    jw_str(&w, "str", "");
    jw_plain(&w, "plain", SLICE_LIT("t-1"));
    jw_int(&w, "most", INT64_MAX);
    jw_int(&w, "least", INT64_MIN);
    jw_bool(&w, "yes", true);
    jw_bool(&w, "no", false);
    jw_null(&w, "null");
    jw_raw(&w, "raw", SLICE_LIT("[1,{}]"));
    jw_text_or_null(&w, "some", SLICE_LIT("x"));
    jw_text_or_null(&w, "none", SLICE_LIT(""));
    jw_close(&w, '}');
    assert_written("{\"text\":\"a\\\"b\\\\c\\u000a\\u0001\\ufffd\",\"str\":\"\",\"plain\":\"t-1\","
                   "\"most\":9223372036854775807,\"least\":-9223372036854775808,"
                   "\"yes\":true,\"no\":false,\"null\":null,\"raw\":[1,{}],"
                   "\"some\":\"x\",\"none\":null}");
}

static void commas_stand_between_values_only(void **state)
{
    (void)state;
    jw_open(&w, NULL, '[');
    jw_open(&w, NULL, '{');
    jw_close(&w, '}');
    jw_open(&w, NULL, '[');
    jw_close(&w, ']');
    jw_open(&w, NULL, '{');
    jw_open(&w, "a", '[');
    jw_int(&w, NULL, 1);
    jw_int(&w, NULL, 2);
    jw_close(&w, ']');
    jw_open(&w, "b", '{');
    jw_close(&w, '}');
    jw_int(&w, "c", 3);
    jw_close(&w, '}');
    jw_int(&w, NULL, 4);
    jw_close(&w, ']');
    assert_written("[{},[],{\"a\":[1,2],\"b\":{},\"c\":3},4]");
}

static void what_stood_in_the_buffer_stays(void **state)
{
    (void)state;
    buf_add_str(&out, "before:");
    w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_plain(&w, "empty", SLICE_LIT(""));
    jw_close(&w, '}');
    buf_add_char(&out, ';');
    assert_written("before:{\"empty\":\"\"};");
}

static void a_full_buffer_has_failed(void **state)
{
    (void)state;
    buf_clear(&out);
    buf_init(&out, 12);
    w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "a", 1);
    assert_false(out.failed);
    jw_plain(&w, "b", SLICE_LIT("too long"));
    jw_close(&w, '}');
    assert_true(out.failed);
    assert_true(out.len <= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_of_each_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(commas_stand_between_values_only, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stood_in_the_buffer_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_has_failed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
