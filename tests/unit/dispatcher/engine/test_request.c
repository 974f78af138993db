#include "dispatcher/engine/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/gzip/gzip.h"
#include "common/program/program.h"
#include "tests/unit/dispatcher/engine/request_fixture.h"

static void relays_the_bytes_as_they_came(void **state)
{
    struct fixture *f = *state;
    f->event.content_type = SLICE_LIT("application/json; charset=utf-8");
    build(f);
    assert_string_equal(f->request.url.ptr,
                        "http://app.example/hook?id=id-1&tag=a%20b%26c&s=inbox");
    assert_ptr_equal(f->request.body.ptr, f->event.body.ptr);
    assert_body(f, "{\"a\": 1.0}\r\n");
    assert_header(f, "Content-Type", "application/json; charset=utf-8");
    assert_header(f, "User-Agent", "Hookpace/" HOOKPACE_VERSION);
    assert_header(f, "Hookpace-Delivery", "id-1:orders");
    assert_header(f, "Hookpace-Attempt", "3");
    assert_null(header(f, "Content-Encoding"));
}

static void the_default_type_is_json(void **state)
{
    struct fixture *f = *state;
    build(f);
    assert_header(f, "Content-Type", "application/json");
}

static void a_pingback_is_a_get_without_a_body(void **state)
{
    struct fixture *f = *state;
    f->rules.kind = DELIVERY_PINGBACK;
    f->event.content_type = SLICE_LIT("text/plain");
    build(f);
    assert_int_equal(f->request.body.len, 0);
    assert_null(header(f, "Content-Type"));
    assert_header(f, "Hookpace-Attempt", "3");
}

static void a_pingback_is_signed_by_a_scheme_that_signs_the_time(void **state)
{
    struct fixture *f = *state;
    f->rules.kind = DELIVERY_PINGBACK;
    set_sign(f, "stripe");
    build(f);
    assert_non_null(header(f, "Stripe-Signature"));
}

static void a_pingback_has_nothing_for_a_scheme_that_signs_only_the_body(void **state)
{
    struct fixture *f = *state;
    f->rules.kind = DELIVERY_PINGBACK;
    set_sign(f, "semscraper");
    build(f);
    assert_null(header(f, "X-Signature"));
}

/* The event's own id describes it. The signature of its sender does not. */
static void a_pingback_keeps_the_events_id_and_no_foreign_signature(void **state)
{
    struct fixture *f = *state;
    f->event.headers = SLICE_LIT("X-Shopify-Webhook-Id: 7\r\nX-Shopify-Hmac-Sha256: theirs\r\n");
    set_sign(f, "shopify");
    build(f);
    assert_header(f, "X-Shopify-Webhook-Id", "id-1");
    f->rules.kind = DELIVERY_PINGBACK;
    build(f);
    assert_header(f, "X-Shopify-Webhook-Id", "7");
    assert_null(header(f, "X-Shopify-Hmac-Sha256"));
}

static void an_empty_gzip_body_is_sent_empty(void **state)
{
    struct fixture *f = *state;
    struct buf packed;
    buf_init(&packed, 4096);
    assert_int_equal(gzip_deflate_all(slice_make("", 0), &packed), OK);
    f->event.body = buf_slice(&packed);
    f->rules.gzip = GZIP_NEVER;
    set_sign(f, "serphouse");
    build(f);
    assert_int_equal(f->request.body.len, 0);
    assert_null(header(f, "Content-Encoding"));
    /* printf '' | openssl dgst -sha256 -hmac 0123456789abcdef */
    assert_header(f, "x-serphouse-signature",
                  "496dc93fa2d26eae500ec0bc37a122706b88f8963cebf0899d0245fae313e241");
    buf_clear(&packed);
}

static void an_event_without_a_body_is_announced(void **state)
{
    struct fixture *f = *state;
    f->event.has_body = false;
    f->event.body = slice_make(NULL, 0);
    f->event.tag = SLICE_LIT("q\"\\");
    f->event.content_type = SLICE_LIT("text/plain");
    build(f);
    assert_body(f, "{\"id\":\"id-1\",\"tag\":\"q\\\"\\\\\",\"source\":\"inbox\","
                   "\"received_at\":\"2025-11-21T02:15:49.123Z\"}");
    assert_header(f, "Content-Type", "application/json");
}

static void an_empty_body_is_a_body(void **state)
{
    struct fixture *f = *state;
    f->event.body = slice_make(NULL, 0);
    f->event.content_type = SLICE_LIT("text/plain");
    build(f);
    assert_int_equal(f->request.body.len, 0);
    assert_header(f, "Content-Type", "text/plain");
}

/* The event's body compressed; OUT keeps the bytes. */
static void compress(struct fixture *f, struct buf *out)
{
    buf_init(out, 4096);
    assert_int_equal(gzip_deflate_all(f->event.body, out), OK);
    f->event.body = buf_slice(out);
}

static void keep_relays_gzip_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct buf packed;
    compress(f, &packed);
    for (int labelled = 0; labelled < 2; labelled++) {
        f->event.content_encoding = labelled ? SLICE_LIT("gzip") : slice_make(NULL, 0);
        build(f);
        assert_ptr_equal(f->request.body.ptr, packed.ptr);
        assert_header(f, "Content-Encoding", "gzip");
    }
    buf_clear(&packed);
}

static void never_inflates(void **state)
{
    struct fixture *f = *state;
    struct buf packed;
    compress(f, &packed);
    f->event.content_encoding = SLICE_LIT("gzip");
    f->rules.gzip = GZIP_NEVER;
    build(f);
    assert_body(f, "{\"a\": 1.0}\r\n");
    assert_null(header(f, "Content-Encoding"));
    f->rules.inflated_max = 11; /* one byte too few */
    assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_BAD_BODY);
    f->rules.inflated_max = 12;
    build(f);
    f->event.body.len--;
    assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_BAD_BODY);
    buf_clear(&packed);
}

static void only_never_inflates(void **state)
{
    struct fixture *f = *state;
    struct buf packed;
    f->rules.gzip = GZIP_NEVER;
    assert_false(request_inflates(&f->rules, &f->event));
    compress(f, &packed);
    assert_true(request_inflates(&f->rules, &f->event));
    f->rules.kind = DELIVERY_PINGBACK;
    assert_false(request_inflates(&f->rules, &f->event));
    f->rules.kind = DELIVERY_POSTBACK;
    f->rules.gzip = GZIP_KEEP;
    assert_false(request_inflates(&f->rules, &f->event));
    f->rules.gzip = GZIP_ALWAYS;
    assert_false(request_inflates(&f->rules, &f->event));
    buf_clear(&packed);
}

static void always_compresses_once(void **state)
{
    struct fixture *f = *state;
    f->rules.gzip = GZIP_ALWAYS;
    build(f);
    assert_header(f, "Content-Encoding", "gzip");
    assert_true(gzip_is(f->request.body));
    struct buf plain;
    buf_init(&plain, 4096);
    assert_int_equal(gzip_inflate_all(f->request.body, &plain, NULL), OK);
    assert_true(slice_eq(buf_slice(&plain), f->event.body));
    buf_clear(&plain);

    struct buf packed;
    compress(f, &packed);
    build(f);
    assert_ptr_equal(f->request.body.ptr, packed.ptr);
    buf_clear(&packed);

    f->event.has_body = false;
    build(f);
    buf_init(&plain, 4096);
    assert_int_equal(gzip_inflate_all(f->request.body, &plain, NULL), OK);
    assert_true(slice_starts(buf_slice(&plain), SLICE_LIT("{\"id\":\"id-1\"")));
    buf_clear(&plain);
}

static void the_destinations_headers_win(void **state)
{
    struct fixture *f = *state;
    f->event.headers = SLICE_LIT("X-Team: theirs\r\nX-GitHub-Event: push\r\nX-Empty: \r\n");
    f->rules.headers = SLICE_LIT("x-team: ours\r\nContent-Type: text/x\r\nUser-Agent: me\r\n");
    build(f);
    assert_header(f, "X-Team", "ours");
    assert_header(f, "X-GitHub-Event", "push");
    assert_header(f, "X-Empty", "");
    assert_header(f, "Content-Type", "text/x");
    assert_header(f, "User-Agent", "me");
}

static void signs_what_is_sent(void **state)
{
    struct fixture *f = *state;
    set_sign(f, "serphouse");
    f->event.headers = SLICE_LIT("X-SERPHouse-Signature: of the sender\r\nX-A: b\r\n");
    f->event.body = SLICE_LIT("hello");
    build(f);
    /* printf hello | openssl dgst -sha256 -hmac 0123456789abcdef */
    assert_header(f, "x-serphouse-signature",
                  "713ba20d2e5fdfbc44724244bf2305ed0714f16ecad75df06e9547b5ae43d83a");
    assert_header(f, "X-A", "b");
}

static void each_attempt_is_signed_afresh(void **state)
{
    struct fixture *f = *state;
    set_sign(f, "stripe");
    build(f);
    char first[256];
    assert_non_null(header(f, "Stripe-Signature"));
    strncpy(first, header(f, "Stripe-Signature"), sizeof first - 1);
    first[sizeof first - 1] = '\0';
    build(f);
    assert_string_equal(header(f, "Stripe-Signature"), first);
    f->in.now += 1000;
    build(f);
    assert_string_not_equal(header(f, "Stripe-Signature"), first);
}

static void refuses_a_dot_segment(void **state)
{
    struct fixture *f = *state;
    set_url(f, "http://app.example/hooks/$tag/x");
    f->event.tag = SLICE_LIT("..");
    assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_BAD_URL);
    f->event.tag = SLICE_LIT("ok");
    build(f);
    assert_string_equal(f->request.url.ptr, "http://app.example/hooks/ok/x");
}

static void too_many_headers_are_refused(void **state)
{
    struct fixture *f = *state;
    static char lines[70 * 1024];
    size_t n = 0;
    while (n + 16 < sizeof lines) {
        memcpy(lines + n, "X-A: 01234567\r\n", 15);
        n += 15;
    }
    f->event.headers = slice_make(lines, n);
    assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_BAD_BODY);
    f->event.headers = slice_make(NULL, 0);
    build(f);
}

static void nothing_of_the_event_goes_to_who_is_asked_for_its_result(void **state)
{
    struct fixture *f = *state;
    f->rules.kind = DELIVERY_FETCH;
    f->rules.headers = SLICE_LIT("Authorization: Basic x\r\n");
    f->event.headers = SLICE_LIT("X-GitHub-Event: push\r\n");
    build(f);
    assert_null(header(f, "X-GitHub-Event"));
    assert_header(f, "Authorization", "Basic x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(relays_the_bytes_as_they_came),
        TEST(the_default_type_is_json),
        TEST(a_pingback_is_a_get_without_a_body),
        TEST(a_pingback_is_signed_by_a_scheme_that_signs_the_time),
        TEST(a_pingback_has_nothing_for_a_scheme_that_signs_only_the_body),
        TEST(a_pingback_keeps_the_events_id_and_no_foreign_signature),
        TEST(an_empty_gzip_body_is_sent_empty),
        TEST(an_event_without_a_body_is_announced),
        TEST(an_empty_body_is_a_body),
        TEST(keep_relays_gzip_and_says_so),
        TEST(never_inflates),
        TEST(only_never_inflates),
        TEST(always_compresses_once),
        TEST(the_destinations_headers_win),
        TEST(signs_what_is_sent),
        TEST(each_attempt_is_signed_afresh),
        TEST(refuses_a_dot_segment),
        TEST(too_many_headers_are_refused),
        TEST(nothing_of_the_event_goes_to_who_is_asked_for_its_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
