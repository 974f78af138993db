#include "dispatcher/transport/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool feed(struct response *r, const char *line)
{
    return response_add_line(r, slice_str(line));
}

static void the_status_stands_when_the_headers_end(void **state)
{
    (void)state;
    struct response r;
    response_reset(&r);
    assert_true(feed(&r, "HTTP/1.1 204 No Content\r\n"));
    assert_true(feed(&r, "Server: x\r\n"));
    assert_false(r.headers_done);
    assert_int_equal(r.status, 0);
    assert_true(feed(&r, "\r\n"));
    assert_true(r.headers_done);
    assert_int_equal(r.status, 204);
}

static void interim_responses_are_passed_over(void **state)
{
    (void)state;
    struct response r;
    response_reset(&r);
    feed(&r, "HTTP/1.1 103 Early Hints\r\n");
    feed(&r, "Retry-After: 7\r\n");
    assert_true(feed(&r, "\r\n"));
    assert_false(r.headers_done);
    feed(&r, "HTTP/1.1 503\r\n");
    assert_true(feed(&r, "\n"));
    assert_int_equal(r.status, 503);
    assert_int_equal(response_retry_after(&r).len, 0);
}

static void endless_interim_responses_end(void **state)
{
    (void)state;
    struct response r;
    response_reset(&r);
    for (int i = 0; i < RESPONSE_INTERIM_MAX; i++) {
        assert_true(feed(&r, "HTTP/1.1 100 Continue\r\n"));
        assert_true(feed(&r, "\r\n"));
    }
    feed(&r, "HTTP/1.1 100 Continue\r\n");
    assert_false(feed(&r, "\r\n"));
    assert_false(r.headers_done);
}

static void endless_headers_end(void **state)
{
    (void)state;
    static char line[4096];
    memset(line, 'x', sizeof line);
    struct response r;
    response_reset(&r);
    size_t fed = 0;
    feed(&r, "HTTP/1.1 200 OK\r\n");
    while (response_add_line(&r, slice_make(line, sizeof line)))
        assert_true((fed += sizeof line) <= RESPONSE_HEADERS_MAX);
    assert_false(r.headers_done);
}

static void keeps_retry_after(void **state)
{
    (void)state;
    struct response r;
    response_reset(&r);
    feed(&r, "HTTP/1.1 429 Too Many\r\n");
    feed(&r, "rEtRy-AfTeR:  120 \r\n");
    feed(&r, "\r\n");
    assert_true(slice_eq(response_retry_after(&r), SLICE_LIT("120")));
    feed(&r, "Retry-After: 9\r\n"); /* a trailer */
    assert_true(slice_eq(response_retry_after(&r), SLICE_LIT("120")));
    response_reset(&r);
    assert_int_equal(response_retry_after(&r).len, 0);
}

static void an_overlong_retry_after_is_not_kept(void **state)
{
    (void)state;
    char line[128] = "Retry-After: ";
    memset(line + 13, '1', sizeof line - 13);
    struct response r;
    response_reset(&r);
    assert_true(response_add_line(&r, slice_make(line, sizeof line)));
    assert_int_equal(response_retry_after(&r).len, 0);
}

static void keeps_the_beginning_of_the_body(void **state)
{
    (void)state;
    static char piece[1000];
    memset(piece, 'a', sizeof piece);
    struct response r;
    response_reset(&r);
    assert_true(response_add_body(&r, slice_make(piece, sizeof piece)));
    memset(piece, 'b', sizeof piece);
    assert_true(response_add_body(&r, slice_make(piece, sizeof piece)));
    struct slice kept = response_kept(&r);
    assert_int_equal(kept.len, ATTEMPT_RESPONSE_MAX);
    assert_int_equal(kept.ptr[999], 'a');
    assert_int_equal(kept.ptr[1000], 'b');
    for (int i = 2; i < 65; i++)
        assert_true(response_add_body(&r, slice_make(piece, sizeof piece)));
    assert_false(response_add_body(&r, slice_make(piece, sizeof piece)));
}

static void garbage_has_no_status(void **state)
{
    (void)state;
    static const char *const lines[] = {"HTTP/1.1\r\n", "HTTP/1.1 \r\n", "HTTP/1.1 20\r\n",
                                        "HTTP/1.1 2x0 OK\r\n", "HTTP/\r\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct response r;
        response_reset(&r);
        feed(&r, lines[i]);
        feed(&r, "\r\n");
        assert_false(r.headers_done);
        assert_int_equal(r.status, 0);
    }
}

static void assert_type(const struct response *r, const char *wanted)
{
    assert_true(slice_eq(response_content_type(r), slice_str(wanted)));
}

static void keeps_what_says_what_the_body_is(void **state)
{
    (void)state;
    struct response r;
    response_reset(&r);
    feed(&r, "HTTP/1.1 103 Early Hints\r\n");
    feed(&r, "Content-Type: text/early\r\n");
    feed(&r, "\r\n");
    feed(&r, "HTTP/1.1 200 OK\r\n");
    feed(&r, "content-TYPE:  application/json; charset=utf-8 \r\n");
    feed(&r, "Content-Encoding: gzip\r\n");
    feed(&r, "\r\n");
    feed(&r, "Content-Type: text/trailer\r\n");
    assert_type(&r, "application/json; charset=utf-8");
    assert_true(slice_eq(response_content_encoding(&r), SLICE_LIT("gzip")));
    response_reset(&r);
    assert_type(&r, "");
}

static void does_not_keep_a_doubtful_content_type(void **state)
{
    (void)state;
    struct response r;
    char line[400] = "Content-Type: ";
    size_t len = strlen(line);
    memset(line + len, 'x', ATTEMPT_FIELD_MAX);
    response_reset(&r);
    feed(&r, line);
    assert_int_equal(response_content_type(&r).len, ATTEMPT_FIELD_MAX);
    response_reset(&r);
    line[len + ATTEMPT_FIELD_MAX] = 'x';
    feed(&r, line);
    assert_type(&r, "");
    response_reset(&r);
    feed(&r, "Content-Type: a\x01z\r\n");
    assert_type(&r, "");
    response_reset(&r);
    feed(&r, "Content-Type: a/b\r\n");
    feed(&r, "Content-Type: a/b\r\n");
    assert_type(&r, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_stands_when_the_headers_end),
        cmocka_unit_test(interim_responses_are_passed_over),
        cmocka_unit_test(endless_interim_responses_end),
        cmocka_unit_test(endless_headers_end),
        cmocka_unit_test(keeps_retry_after),
        cmocka_unit_test(an_overlong_retry_after_is_not_kept),
        cmocka_unit_test(keeps_the_beginning_of_the_body),
        cmocka_unit_test(garbage_has_no_status),
        cmocka_unit_test(keeps_what_says_what_the_body_is),
        cmocka_unit_test(does_not_keep_a_doubtful_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
