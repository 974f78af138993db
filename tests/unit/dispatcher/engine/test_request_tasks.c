/* Requests of tasks that were set through the API. */
#include "dispatcher/engine/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/gzip/gzip.h"
#include "common/program/program.h"
#include "tests/unit/dispatcher/engine/request_fixture.h"

static void make_task(struct fixture *f)
{
    f->rules.is_account = true;
    f->rules.url = NULL;
    f->rules.gzip = GZIP_ALWAYS;
    f->event.kind = EVENT_TASK;
    f->event.source = slice_make(NULL, 0);
    f->event.account = SLICE_LIT("acme");
    f->event.path = SLICE_LIT("serp/google/organic");
    f->event.postback_url = SLICE_LIT("https://c.example/post?id=$id&tag=$tag&by=$source");
    f->event.pingback_url = SLICE_LIT("https://c.example/ping/$id");
    f->event.postback_data = SLICE_LIT("advanced");
    f->event.data = SLICE_LIT("{\"api\":\"serp\"}");
    f->event.body = SLICE_LIT("{\"n\": 1.0}");
}

static void assert_inflates_to(const struct fixture *f, const char *wanted)
{
    struct buf plain;
    buf_init(&plain, 1 << 20);
    assert_int_equal(gzip_inflate_all(f->request.body, &plain, NULL), OK);
    assert_string_equal(plain.ptr, wanted);
    buf_clear(&plain);
}

static void a_tasks_postback_is_the_envelope_of_its_result(void **state)
{
    struct fixture *f = *state;
    make_task(f);
    build(f);
    assert_string_equal(f->request.url.ptr, "https://c.example/post?id=id-1&tag=a%20b%26c&by=acme");
    assert_header(f, "Content-Type", "application/json");
    assert_header(f, "Content-Encoding", "gzip");
    assert_inflates_to(
        f,
        "{\"version\":\"" HOOKPACE_VERSION "\",\"status_code\":20000,\"status_message\":\"Ok.\","
        "\"time\":\"0.0000 sec.\",\"cost\":0,\"tasks_count\":1,\"tasks_error\":0,\"tasks\":[{"
        "\"id\":\"id-1\",\"status_code\":20000,\"status_message\":\"Ok.\",\"time\":\"0.0000 sec.\","
        "\"cost\":0,\"result_count\":1,\"path\":[\"v3\",\"serp\",\"google\",\"organic\",\"task_"
        "get\","
        "\"advanced\",\"id-1\"],\"data\":{\"api\":\"serp\"},\"result\":[{\"n\": 1.0}]}]}");
}

static void a_stored_envelope_goes_as_it_came(void **state)
{
    struct fixture *f = *state;
    make_task(f);
    f->event.body = SLICE_LIT("{ \"tasks\": [], \"n\": 1.0 }");
    build(f);
    assert_inflates_to(f, "{ \"tasks\": [], \"n\": 1.0 }");
}

static void a_payload_of_result_is_the_result_alone(void **state)
{
    struct fixture *f = *state;
    make_task(f);
    f->rules.payload = PAYLOAD_RESULT;
    f->rules.gzip = GZIP_NEVER;
    f->event.body = SLICE_LIT("{ \"n\":1.0,\"u\": \"\\u00e9\" }");
    build(f);
    assert_ptr_equal(f->request.body.ptr, f->event.body.ptr);
    assert_int_equal(f->request.body.len, f->event.body.len);
    assert_header(f, "Content-Type", "application/json");
    assert_null(header(f, "Content-Encoding"));
    f->rules.gzip = GZIP_ALWAYS;
    build(f);
    assert_header(f, "Content-Encoding", "gzip");
    assert_inflates_to(f, "{ \"n\":1.0,\"u\": \"\\u00e9\" }");
}

static void a_tasks_pingback_is_a_get(void **state)
{
    struct fixture *f = *state;
    make_task(f);
    f->rules.kind = DELIVERY_PINGBACK;
    build(f);
    assert_string_equal(f->request.url.ptr, "https://c.example/ping/id-1");
    assert_int_equal(f->request.body.len, 0);
    assert_null(header(f, "Content-Type"));
}

static void a_tasks_postback_is_signed_as_sent(void **state)
{
    struct fixture *f = *state;
    struct buf wanted;
    make_task(f);
    set_sign(f, "semscraper");
    build(f);
    buf_init(&wanted, 1024);
    assert_int_equal(scheme_sign(f->sign, 0, SLICE_LIT("id-1"), NOW, f->request.body, &wanted), OK);
    assert_non_null(strstr(f->request.headers.ptr, wanted.ptr));
    buf_clear(&wanted);
}

static void a_tasks_url_is_checked_again(void **state)
{
    struct fixture *f = *state;
    static const char *const urls[] = {"", "ftp://c.example/", "https://u:p@c.example/",
                                       "https://c.example/$nothing", "https://$id/"};
    make_task(f);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        f->event.postback_url = slice_str(urls[i]);
        assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_BAD_URL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tasks_postback_is_the_envelope_of_its_result),
        TEST(a_stored_envelope_goes_as_it_came),
        TEST(a_payload_of_result_is_the_result_alone),
        TEST(a_tasks_pingback_is_a_get),
        TEST(a_tasks_postback_is_signed_as_sent),
        TEST(a_tasks_url_is_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
