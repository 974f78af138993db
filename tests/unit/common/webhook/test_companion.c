#include "common/webhook/companion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

static struct scheme *make(const char *name)
{
    const struct scheme_spec spec = {
        .name = name, .tolerance_s = -1, .secrets = {"a:secret-of-some-length"}, .secret_count = 1};
    struct scheme *s = NULL;
    struct error e = {0};
    if (scheme_new(&spec, &s, &e) != OK)
        fail_msg("%s", e.text);
    return s;
}

static void by_default_extensions_and_cloud_events_travel(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool kept;
    } rows[] = {
        {"X-GitHub-Event", true},
        {"x-github-delivery", true},
        {"X-GitHub-Hook-ID", true},
        {"CE-Type", true},
        {"ce-id", true},
        {"x-", true},
        {"X-Hub-Signature-256", false},
        {"x-hub-signature", false},
        {"X-Forwarded-For", false},
        {"x-forwarded-proto", false},
        {"X-Real-IP", false},
        {"x-real-ips", true},
        {"Link", false},
        {"Content-Type", false},
        {"Host", false},
        {"Cookie", false},
        {"Authorization", false},
        {"Hookpace-Delivery", false},
        {"", false},
        {"ax-b", false},
    };
    struct scheme *s = make("github");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (companion_keeps(slice_str(rows[i].name), NULL, 0, s) != rows[i].kept)
            fail_msg("%s", rows[i].name);
    scheme_free(s);
    assert_true(companion_keeps(SLICE_LIT("x-hub-signature-256"), NULL, 0, NULL));
}

static void a_list_replaces_the_default(void **state)
{
    (void)state;
    static const char *const keep[] = {"LINK", "x-shop*-topic"};
    struct scheme *s = make("shopify");
    assert_true(companion_keeps(SLICE_LIT("Link"), keep, 2, s));
    assert_true(companion_keeps(SLICE_LIT("X-Shopify-Topic"), keep, 2, s));
    assert_false(companion_keeps(SLICE_LIT("X-Other"), keep, 2, s));
    assert_false(companion_keeps(SLICE_LIT("ce-type"), keep, 2, s));
    assert_false(companion_keeps(SLICE_LIT("X-Other"), keep, 0, s)); /* [] keeps none */
    scheme_free(s);
}

static void no_list_can_keep_what_is_not_the_senders_to_say(void **state)
{
    (void)state;
    static const char *const all[] = {"*"};
    static const char *const never[] = {
        "Host",
        "Content-Type",
        "Content-Encoding",
        "Content-Length",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Transfer-Encoding",
        "Expect",
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Connection",
        "User-Agent",
        "Hookpace-Attempt",
        "Hookpace-Anything",
        "Accept-Encoding",
        "Range",
        "If-None-Match",
        "X-Signature",
    };
    struct scheme *s = make("semscraper");
    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        if (companion_keeps(slice_str(never[i]), all, 1, s))
            fail_msg("%s", never[i]);
    assert_true(companion_keeps(SLICE_LIT("Link"), all, 1, s));
    scheme_free(s);
}

static void forwarding_headers_must_be_named(void **state)
{
    (void)state;
    static const char *const wide[] = {"x-*", "*"}, *const named[] = {"X-Forwarded-*", "x-real-ip"};
    assert_false(companion_keeps(SLICE_LIT("X-Forwarded-For"), wide, 2, NULL));
    assert_false(companion_keeps(SLICE_LIT("X-Real-IP"), wide, 2, NULL));
    assert_true(companion_keeps(SLICE_LIT("X-Forwarded-For"), named, 2, NULL));
    assert_true(companion_keeps(SLICE_LIT("X-Real-IP"), named, 2, NULL));
    assert_false(companion_keeps(SLICE_LIT("X-Real-IP"), named, 1, NULL));
}

static void credentials_are_never_kept(void **state)
{
    (void)state;
    static const char *const keep[] = {"authorization"};
    struct scheme *basic = make("basic"), *token = make("token");
    assert_false(companion_keeps(SLICE_LIT("Authorization"), keep, 1, basic));
    assert_false(companion_keeps(SLICE_LIT("Authorization"), keep, 1, token));
    scheme_free(basic);
    scheme_free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_extensions_and_cloud_events_travel),
        cmocka_unit_test(a_list_replaces_the_default),
        cmocka_unit_test(no_list_can_keep_what_is_not_the_senders_to_say),
        cmocka_unit_test(forwarding_headers_must_be_named),
        cmocka_unit_test(credentials_are_never_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
