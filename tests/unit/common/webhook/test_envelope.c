#include "common/webhook/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BUF_MAX 4096

static void assert_buf(struct buf *b, const char *expected)
{
    assert_int_equal(b->len, strlen(expected));
    assert_memory_equal(b->ptr, expected, b->len);
    buf_clear(b);
}

static void test_tasks(void **state)
{
    (void)state;
    struct slice path[] = {SLICE_LIT("v3"), SLICE_LIT("a\"b")};
    struct envelope e;
    struct buf out;
    envelope_init(&e, BUF_MAX);
    buf_init(&out, BUF_MAX);
    envelope_add(&e, &(struct envelope_task){.id = SLICE_LIT("x"),
                                             .status_code = 20100,
                                             .status_message = "Task Created.",
                                             .took_us = 133700,
                                             .path = path,
                                             .path_count = 2});
    envelope_add(&e, &(struct envelope_task){.id = SLICE_LIT("y"),
                                             .status_code = 40401,
                                             .status_message = "Task Not Found.",
                                             .path = path,
                                             .path_count = 1,
                                             .data = SLICE_LIT("{\"api\":\"serp\"}"),
                                             .result = SLICE_LIT("[1,2]"),
                                             .result_count = 2});
    envelope_add(&e, &(struct envelope_task){.id = SLICE_LIT("z"),
                                             .status_code = 40503,
                                             .status_message = "No.",
                                             .is_no_error = true});
    envelope_write(&e, "0.1", 20000, "Ok.", 20000000, &out);
    assert_buf(
        &out,
        "{\"version\":\"0.1\",\"status_code\":20000,\"status_message\":\"Ok.\",\"time\":\"20.0000 "
        "sec.\","
        "\"cost\":0,\"tasks_count\":3,\"tasks_error\":1,\"tasks\":["
        "{\"id\":\"x\",\"status_code\":20100,\"status_message\":\"Task "
        "Created.\",\"time\":\"0.1337 sec.\","
        "\"cost\":0,\"result_count\":0,\"path\":[\"v3\",\"a\\\"b\"],\"data\":{},\"result\":null},"
        "{\"id\":\"y\",\"status_code\":40401,\"status_message\":\"Task Not "
        "Found.\",\"time\":\"0.0000 sec.\","
        "\"cost\":0,\"result_count\":2,\"path\":[\"v3\"],\"data\":{\"api\":\"serp\"},\"result\":[1,"
        "2]},"
        "{\"id\":\"z\",\"status_code\":40503,\"status_message\":\"No.\",\"time\":\"0.0000 sec.\","
        "\"cost\":0,\"result_count\":0,\"path\":[],\"data\":{},\"result\":null}]}");
    envelope_clear(&e);
}

static void test_error(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, BUF_MAX);
    envelope_write_error("0.1", 40100, "No.", &out);
    assert_buf(&out, "{\"version\":\"0.1\",\"status_code\":40100,\"status_message\":\"No.\","
                     "\"time\":\"0 sec.\",\"cost\":0,"
                     "\"tasks_count\":0,\"tasks_error\":0,\"tasks\":null}");
}

static void test_what_is_an_envelope(void **state)
{
    (void)state;
    assert_true(envelope_is(SLICE_LIT("{\"tasks\":[]}")));
    assert_false(envelope_is(SLICE_LIT("{\"tasks\":null}")));
    assert_false(envelope_is(SLICE_LIT("{\"a\":{\"tasks\":[]}}")));
    assert_false(envelope_is(SLICE_LIT("[{\"tasks\":[]}]")));
    assert_false(envelope_is(SLICE_LIT("7")));
}

static void assert_result(const char *body, const char *count, const char *result)
{
    struct buf out;
    buf_init(&out, BUF_MAX);
    struct envelope_task t = {.id = SLICE_LIT("x"), .status_code = 20000, .status_message = "Ok."};
    envelope_of_result("0.1", &t, slice_str(body), &out);
    assert_false(out.failed);
    assert_non_null(strstr(out.ptr, count));
    assert_non_null(strstr(out.ptr, result));
    buf_clear(&out);
}

static void test_result(void **state)
{
    (void)state;
    assert_result(" {\"a\": 1} ", "\"result_count\":1", "\"result\":[{\"a\": 1}]}]}");
    assert_result("[1,2]", "\"result_count\":1", "\"result\":[[1,2]]}]}");
    assert_result("null", "\"result_count\":0", "\"result\":null}]}");
    assert_result("\"text\"", "\"result_count\":1", "\"result\":[\"text\"]}]}");
    struct buf out;
    buf_init(&out, BUF_MAX);
    struct envelope_task t = {.id = SLICE_LIT("x")};
    envelope_of_result("0.1", &t, SLICE_LIT("{\"tasks\": [ ] }"), &out);
    assert_buf(&out, "{\"tasks\": [ ] }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_what_is_an_envelope),
        cmocka_unit_test(test_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
