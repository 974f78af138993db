#include "common/net/http_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static struct buf b;

static int begin(void **state)
{
    (void)state;
    buf_init(&b, 4096);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_clear(&b);
    return 0;
}

static void expect(struct http_reply r, const char *head)
{
    buf_reset(&b);
    http_reply_head(&b, &r, DATE);
    assert_string_equal(buf_slice(&b).ptr, head);
}

static void test_the_date_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        wall_ms second;
        const char *text;
    } rows[] = {
        {784111777, DATE},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951827696, "Tue, 29 Feb 2000 12:34:56 GMT"},
        {1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[HTTP_DATE_LEN + 1];
        http_reply_date(rows[i].second, out);
        assert_string_equal(out, rows[i].text);
    }
}

static void test_a_head(void **state)
{
    (void)state;
    expect((struct http_reply){.status = 200,
                               .content_type = SLICE_LIT("text/plain"),
                               .headers = SLICE_LIT("X-A: 1\r\nX-B: 2\r\n"),
                               .body = SLICE_LIT("hello")},
           "HTTP/1.1 200 OK\r\nDate: " DATE "\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
           "X-A: 1\r\nX-B: 2\r\n\r\n");
    expect((struct http_reply){.status = 404, .close = true, .http_1_0 = true},
           "HTTP/1.1 404 Not Found\r\nDate: " DATE "\r\nContent-Length: 0\r\n"
           "Connection: close\r\n\r\n");
    expect((struct http_reply){.status = 202, .http_1_0 = true},
           "HTTP/1.1 202 Accepted\r\nDate: " DATE "\r\nContent-Length: 0\r\n"
           "Connection: keep-alive\r\n\r\n");
}

static void test_answers_that_have_no_body_have_no_length(void **state)
{
    (void)state;
    expect((struct http_reply){.status = 204}, "HTTP/1.1 204 No Content\r\nDate: " DATE "\r\n\r\n");
    expect((struct http_reply){.status = 304},
           "HTTP/1.1 304 Not Modified\r\nDate: " DATE "\r\n\r\n");
}

static void test_an_answer_to_head_says_the_length_of_the_body(void **state)
{
    (void)state;
    expect((struct http_reply){.status = 200, .body = SLICE_LIT("hello"), .head_only = true},
           "HTTP/1.1 200 OK\r\nDate: " DATE "\r\nContent-Length: 5\r\n\r\n");
}

static void test_a_status_without_a_phrase(void **state)
{
    (void)state;
    expect((struct http_reply){.status = 299},
           "HTTP/1.1 299 Unknown\r\nDate: " DATE "\r\nContent-Length: 0\r\n\r\n");
}

static void test_an_error_is_json(void **state)
{
    (void)state;
    struct http_error_form none = {0};
    http_reply_error(&none, SLICE_LIT("/api"), &b, "bad_request", "a \"quoted\" word");
    assert_string_equal(buf_slice(&b).ptr, "{\"status\":\"error\",\"code\":\"bad_request\","
                                           "\"message\":\"a \\\"quoted\\\" word\"}");
}

static void write_code(const char *code, const char *message, struct buf *out)
{
    (void)message;
    buf_add_str(out, code);
}

static void test_an_error_below_a_path_has_its_form(void **state)
{
    static const struct {
        const char *target;
        bool is_below;
    } cases[] = {{"/api", true},   {"/api/x", true},  {"/api?x", true}, {"/apis", false},
                 {"/ap", false},   {"", false},       {"/", false},     {"/v3/api/x", false},
                 {"/API/", false}, {"//api/x", false}};
    struct http_error_form form = {.path = "/api", .write = write_code};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&b);
        http_reply_error(&form, slice_str(cases[i].target), &b, "c", "m");
        assert_int_equal(slice_eq(buf_slice(&b), SLICE_LIT("c")), cases[i].is_below);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_the_date_of_the_rfc),
        WITH(test_a_head),
        WITH(test_answers_that_have_no_body_have_no_length),
        WITH(test_an_answer_to_head_says_the_length_of_the_body),
        WITH(test_a_status_without_a_phrase),
        WITH(test_an_error_is_json),
        WITH(test_an_error_below_a_path_has_its_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
