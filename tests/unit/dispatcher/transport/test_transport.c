/* transport: the word for each end of an attempt, and copies of what an attempt reported. */
#include "dispatcher/transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void each_end_has_a_word_of_its_own(void **state)
{
    (void)state;
    char words[ATTEMPT_END_COUNT][ATTEMPT_ERROR_BYTES];
    for (int i = END_NONE + 1; i < ATTEMPT_END_COUNT; i++) {
        attempt_error((enum attempt_end)i, 500, words[i]);
        assert_true(words[i][0] >= 'a' && words[i][0] <= 'z');
        for (int before = END_NONE + 1; before < i; before++)
            assert_string_not_equal(words[i], words[before]);
    }
    assert_string_equal(words[END_ANSWERED], "http_500");
    assert_string_equal(words[END_NO_RESULT], "task_500");
    assert_string_equal(words[END_CONNECT_TIMEOUT], "connect_timeout");
}

static void a_copy_outlives_the_result(void **state)
{
    (void)state;
    char body[ATTEMPT_RESPONSE_MAX], type[] = "a/b";
    struct buf whole;
    buf_init(&whole, 100);
    memset(body, 'b', sizeof body);
    struct attempt_result r = {.end = END_ANSWERED,
                               .status = 429,
                               .retry_after_ms = 7000,
                               .response = slice_make(body, sizeof body),
                               .content_type = slice_str(type),
                               .body = &whole};
    struct attempt_copy copy;
    attempt_copy(&copy, &r);
    memset(body, 'c', sizeof body);
    memset(type, 'c', sizeof type - 1);
    assert_int_equal(copy.result.status, 429);
    assert_int_equal(copy.result.retry_after_ms, 7000);
    assert_int_equal(copy.result.response.len, sizeof body);
    for (size_t i = 0; i < sizeof body; i++)
        assert_int_equal(copy.result.response.ptr[i], 'b');
    assert_true(slice_eq(copy.result.content_type, SLICE_LIT("a/b")));
    assert_int_equal(copy.result.content_encoding.len, 0);
    assert_null(copy.result.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_has_a_word_of_its_own),
        cmocka_unit_test(a_copy_outlives_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
