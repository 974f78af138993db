#include "common/webhook/companion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
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

static bool keeps(struct slice name, const char *const *keep, size_t count,
                  const struct scheme *scheme)
{
    const struct companion_rules rules = {.keep = keep, .keep_count = count, .scheme = scheme};
    return companion_keeps(name, &rules);
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
        {"shopify-topic", true},
        {"Linear-Event", true},
        {"webflow-signature", true},
        {"traceparent", true},
        {"tracestate", true},
        {"baggage", true},
        {"X-Hub_Signature_256", false}, /* CGI reads it as the signature */
        {"X-Forwarded_For", false},
        {"X-Real_IP", false},
        {"X-Forwarded", false},
        {"X-HTTP-Method-Override", false},
        {"X-Original-URL", false},
        {"X-Rewrite-URL", false},
        {"X-Client-IP", false},
        {"X-Remote-User", false},
        {"X-Gitlab-Token", false},
        {"X-Telegram-Bot-Api-Secret-Token", false},
        {"X-Hook-Secret", false},
        {"X-Github-Encoded-Secret", false},
        {"X-Api-Key", false},
        {"X_Api_Key", false},
        {"X-Auth-Token", false},
        {"X-Db-Password", false},
        {"X-Token-Count", true},
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
        if (keeps(slice_str(rows[i].name), NULL, 0, s) != rows[i].kept)
            fail_msg("%s", rows[i].name);
    scheme_free(s);
    assert_true(keeps(SLICE_LIT("x-hub-signature-256"), NULL, 0, NULL));
}

static void a_list_replaces_the_default(void **state)
{
    (void)state;
    static const char *const keep[] = {"LINK", "x-shop*-topic"};
    struct scheme *s = make("shopify");
    assert_true(keeps(SLICE_LIT("Link"), keep, 2, s));
    assert_true(keeps(SLICE_LIT("X-Shopify-Topic"), keep, 2, s));
    assert_false(keeps(SLICE_LIT("X-Other"), keep, 2, s));
    assert_false(keeps(SLICE_LIT("ce-type"), keep, 2, s));
    assert_false(keeps(SLICE_LIT("X-Other"), keep, 0, s)); /* [] keeps none */
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
        "X-Api-Key",
        "X-Gitlab-Token",
        "Proxy_Authorization",
    };
    struct scheme *s = make("semscraper");
    for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
        if (keeps(slice_str(never[i]), all, 1, s))
            fail_msg("%s", never[i]);
    assert_true(keeps(SLICE_LIT("Link"), all, 1, s));
    scheme_free(s);
}

static void forwarding_headers_must_be_named(void **state)
{
    (void)state;
    static const char *const wide[] = {"x-*", "*"}, *const named[] = {"X-Forwarded-*", "x-real-ip"};
    assert_false(keeps(SLICE_LIT("X-Forwarded-For"), wide, 2, NULL));
    assert_false(keeps(SLICE_LIT("X-Real-IP"), wide, 2, NULL));
    assert_true(keeps(SLICE_LIT("X-Forwarded-For"), named, 2, NULL));
    assert_true(keeps(SLICE_LIT("X-Real-IP"), named, 2, NULL));
    assert_false(keeps(SLICE_LIT("X-Real-IP"), named, 1, NULL));
}

static void credentials_are_never_kept(void **state)
{
    (void)state;
    static const char *const keep[] = {"authorization"};
    struct scheme *basic = make("basic"), *token = make("token");
    assert_false(keeps(SLICE_LIT("Authorization"), keep, 1, basic));
    assert_false(keeps(SLICE_LIT("Authorization"), keep, 1, token));
    scheme_free(basic);
    scheme_free(token);
}

static void headers_that_change_the_request_must_be_named(void **state)
{
    (void)state;
    static const char *const wide[] = {"x-http-*", "x-original-*"};
    static const char *const named[] = {"X-HTTP-Method-Override", "X-Original-URL"};
    for (size_t i = 0; i < 2; i++) {
        assert_false(keeps(slice_str(named[i]), wide, 2, NULL));
        assert_true(keeps(slice_str(named[i]), named, 2, NULL));
    }
}

static void a_signature_is_kept_on_request(void **state)
{
    (void)state;
    struct scheme *stripe = make("stripe"), *token = make("token");
    const struct companion_rules rules = {.scheme = stripe, .keep_signature = true};
    assert_true(companion_keeps(SLICE_LIT("Stripe-Signature"), &rules));
    assert_true(companion_keeps(SLICE_LIT("x-a"), &rules));
    assert_false(companion_keeps(SLICE_LIT("Link"), &rules));
    const struct companion_rules credential = {.scheme = token, .keep_signature = true};
    assert_false(companion_keeps(SLICE_LIT("Authorization"), &credential));
    scheme_free(stripe);
    scheme_free(token);
}

static void the_header_of_a_token_is_never_kept(void **state)
{
    (void)state;
    const struct scheme_spec spec = {.name = "token",
                                     .header = "X-Okta-Verify",
                                     .tolerance_s = -1,
                                     .secrets = {"a-token-of-some-length"},
                                     .secret_count = 1};
    struct scheme *s = NULL;
    struct error e = {0};
    if (scheme_new(&spec, &s, &e) != OK)
        fail_msg("%s", e.text);
    for (int keep_signature = 0; keep_signature < 2; keep_signature++) {
        const struct companion_rules rules = {.scheme = s, .keep_signature = keep_signature};
        assert_false(companion_keeps(SLICE_LIT("x-okta-verify"), &rules));
        assert_false(companion_keeps(SLICE_LIT("X_Okta_Verify"), &rules));
        assert_true(companion_keeps(SLICE_LIT("x-okta-event"), &rules));
        const char *fault = companion_pattern_fault(SLICE_LIT("X-Okta-Verify"), &rules);
        assert_non_null(fault);
        assert_non_null(strstr(fault, "token, which is never kept"));
    }
    scheme_free(s);
}

static void patterns_that_keep_nothing_are_faults(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "authorization", "Cookie",       "proxy-*",   "X-Api-Key", "*-token",
        "x-*-secret",    "x_auth_token", "content-*", "host",      "X-Hub-Signature-256"};
    static const char *const good[] = {"*",         "x-*",           "x-forwarded-*",
                                       "x-real-ip", "X-Rewrite-URL", "link"};
    struct scheme *s = make("github");
    struct companion_rules rules = {.scheme = s};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!companion_pattern_fault(slice_str(bad[i]), &rules))
            fail_msg("%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (companion_pattern_fault(slice_str(good[i]), &rules))
            fail_msg("%s", good[i]);
    rules.keep_signature = true;
    assert_null(companion_pattern_fault(SLICE_LIT("X-Hub-Signature-256"), &rules));
    scheme_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_extensions_and_cloud_events_travel),
        cmocka_unit_test(a_list_replaces_the_default),
        cmocka_unit_test(no_list_can_keep_what_is_not_the_senders_to_say),
        cmocka_unit_test(forwarding_headers_must_be_named),
        cmocka_unit_test(credentials_are_never_kept),
        cmocka_unit_test(headers_that_change_the_request_must_be_named),
        cmocka_unit_test(a_signature_is_kept_on_request),
        cmocka_unit_test(the_header_of_a_token_is_never_kept),
        cmocka_unit_test(patterns_that_keep_nothing_are_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
