#include "common/webhook/scheme_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs some of the above */
#include <cmocka.h>

#include "common/base/alloc.h"
#include "tests/unit/common/webhook/headers.h"

static const struct scheme_spec plain = {.name = "serphouse",
                                         .tolerance_s = -1,
                                         .secrets = {"a-secret-of-some-length"},
                                         .secret_count = 1};

static struct scheme *make(struct scheme_spec spec)
{
    struct scheme *s = NULL;
    struct error e = {0};
    if (scheme_new(&spec, &s, &e) != OK)
        fail_msg("%s", e.text);
    return s;
}

static struct scheme *make_named(const char *name)
{
    struct scheme_spec spec = plain;
    spec.name = name;
    spec.secrets[0] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8:";
    if (strcmp(name, "standard-webhooks") == 0)
        spec.secrets[0] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    if (strcmp(name, "none") == 0)
        spec.secret_count = 0;
    return make(spec);
}

/* WANT must be in the message, and the secret must not. */
static void refuse(struct scheme_spec spec, const char *want)
{
    struct scheme *s = NULL;
    struct error e = {0};
    assert_int_equal(scheme_new(&spec, &s, &e), ERR_INVALID);
    assert_null(s);
    if (!strstr(e.text, want))
        fail_msg("\"%s\" does not say \"%s\"", e.text, want);
    if (spec.secret_count && spec.secrets[0] && *spec.secrets[0])
        assert_null(strstr(e.text, spec.secrets[0]));
}

#define SPEC(...) ((struct scheme_spec){__VA_ARGS__})
#define ONE .secrets = {"a-secret-of-some-length"}, .secret_count = 1
#define CUSTOM(want, ...) refuse(SPEC(.name = "hmac", ONE, __VA_ARGS__), want)
#define SECRET(scheme, text, want)                                                                 \
    refuse(SPEC(.name = scheme, .secrets = {text}, .secret_count = 1), want)

static void a_bad_configuration_is_refused_with_its_reason(void **state)
{
    (void)state;
    refuse(SPEC(.name = "githb", ONE), "did you mean \"github\"");
    refuse(SPEC(.name = "frobnicate", ONE), "unknown scheme \"frobnicate\"");
    refuse(SPEC(.name = NULL, ONE), "unknown scheme");
    refuse(SPEC(.name = "github"), "at least one");
    SECRET("github", "", "secrets/0");
    SECRET("github", "7 bytes", "secrets/0");
    SECRET("token", "7 bytes", "secrets/0");
    SECRET("basic", "no-colon-in-here", "user:password");
    SECRET("none", "a-secret-of-some-length", "none");
    SECRET("standard-webhooks", "whsec_", "secrets/0");
    SECRET("standard-webhooks", "whsec_not-base-64-not-base-64", "not base64");
    SECRET("standard-webhooks", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
           "not base64");
    SECRET("standard-webhooks", "whsec_AAECAwQFBg", "less than 8 bytes");
    refuse(SPEC(.name = "github", ONE, .header = "X-Sig"), "header: is for the hmac and token");
    refuse(SPEC(.name = "basic", ONE, .header = "X-Sig"), "header: is for the hmac and token");
    refuse(SPEC(.name = "github", ONE, .prefix = "v1="), "hmac scheme only");
    refuse(SPEC(.name = "token", ONE, .prefix = "v1="), "hmac scheme only");
    refuse(SPEC(.name = "token", ONE, .header = "Content-Length"), "header:");
    refuse(SPEC(.name = "github", ONE, .tolerance_s = 300), "tolerance_s");
    refuse(SPEC(.name = "stripe", ONE, .tolerance_s = -2), "negative");
    refuse((struct scheme_spec){.name = "github", .secret_count = SCHEME_SECRETS_MAX + 1},
           "at most 8");
}

static void a_bad_custom_scheme_is_refused_with_its_reason(void **state)
{
    (void)state;
    CUSTOM("header:", .header = "X Sig");
    CUSTOM("header:", .header = "");
    CUSTOM("header:", .header = "X-Sig\r\nX-Evil");
    CUSTOM("header:", .header = "Content-Length");
    CUSTOM("id_header:", .id_header = "x:y");
    CUSTOM("timestamp_header:", .timestamp_header = "\xc3\xa9");
    CUSTOM("must differ", .header = "X-A", .id_header = "x-a");
    CUSTOM("prefix:", .prefix = "a\nb");
    CUSTOM("prefix:", .prefix = " a");
    CUSTOM("encoding:", .encoding = "HEX");
    CUSTOM("encoding:", .encoding = "");
    CUSTOM("digest:", .digest = "md5");
    CUSTOM("{body} is missing", .signed_text = "");
    CUSTOM("{body} is missing", .signed_text = "{id}", .id_header = "X-Id");
    CUSTOM("twice", .signed_text = "{body}{body}");
    CUSTOM("id_header", .signed_text = "{id}.{body}");
    CUSTOM("timestamp_header", .signed_text = "{timestamp}.{body}");
    CUSTOM("known", .signed_text = "{bdy}");
    CUSTOM("control", .signed_text = "{body}\n");
    CUSTOM("between {id} and the other", .signed_text = "{id}{body}", .id_header = "X-Id");
    CUSTOM("does not contain {timestamp}", .timestamp_header = "X-Time");
    CUSTOM("tolerance_s", .tolerance_s = 5);
    CUSTOM("between {timestamp} and the other", .signed_text = "{timestamp}{body}",
           .timestamp_header = "X-Time", .tolerance_s = 0);
    CUSTOM("between {timestamp} and the other", .signed_text = "{body}{timestamp}",
           .timestamp_header = "X-Time", .tolerance_s = 0);
    CUSTOM("between {timestamp} and the other", .signed_text = "{timestamp}0.{body}",
           .timestamp_header = "X-Time", .tolerance_s = 0);
    CUSTOM("between {timestamp} and the other", .signed_text = "{body}.1{timestamp}",
           .timestamp_header = "X-Time", .tolerance_s = 0);
}

static void timestamp_and_body_may_touch(void **state)
{
    (void)state;
    struct scheme_spec spec = plain;
    spec.name = "hmac";
    spec.signed_text = "{timestamp}{body}";
    spec.timestamp_header = "X-Time";
    scheme_free(make(spec));
    spec.tolerance_s = 0;
    spec.signed_text = "v0:{timestamp}.{body}";
    scheme_free(make(spec));
    spec.signed_text = "{body}.{timestamp}1";
    scheme_free(make(spec));
}

static void names_cover_the_table(void **state)
{
    (void)state;
    assert_int_equal(scheme_row_count, 11);
    for (size_t i = 0; i < scheme_row_count; i++) {
        const char *name = scheme_rows[i].name;
        struct scheme *s = make_named(name);
        assert_string_equal(scheme_name(s), name);
        bool is_signed =
            strcmp(name, "token") != 0 && strcmp(name, "basic") != 0 && strcmp(name, "none") != 0;
        assert_int_equal(scheme_can_sign(s), is_signed);
        assert_int_equal(scheme_covers_body(s), is_signed);
        assert_int_equal(scheme_signs_id(s), strcmp(name, "standard-webhooks") == 0);
        scheme_free(s);
    }
    refuse(SPEC(.name = "GitHub", ONE), "did you mean \"github\"");
}

static void own_headers_are_known_in_any_case(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *header;
        bool owned, sent;
    } rows[] = {
        {"serphouse", "X-SERPHOUSE-SIGNATURE", true, true},
        {"serphouse", "x-other", false, false},
        {"semscraper", "x-signature", true, true},
        {"github", "x-hub-signature-256", true, true},
        {"github", "x-hub-signature", true, false},
        {"github", "x-github-delivery", false, false},
        {"github", "x-github-event", false, false},
        {"standard-webhooks", "SVIX-ID", true, true},
        {"standard-webhooks", "webhook-timestamp", true, true},
        {"stripe", "stripe-signature", true, true},
        {"slack", "x-slack-request-timestamp", true, true},
        {"shopify", "x-shopify-hmac-sha256", true, true},
        {"shopify", "shopify-hmac-sha256", true, true},
        {"shopify", "x-shopify-webhook-id", false, true},
        {"shopify", "x-shopify-topic", false, false},
        {"token", "Authorization", true, false},
        {"basic", "authorization", true, false},
        {"none", "x-anything", false, false},
        {"none", "", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct scheme *s = make_named(rows[i].scheme);
        assert_int_equal(scheme_owns_header(s, slice_str(rows[i].header)), rows[i].owned);
        assert_int_equal(scheme_sends_header(s, slice_str(rows[i].header)), rows[i].sent);
        scheme_free(s);
    }
}

static void the_message_id_comes_from_the_winning_header(void **state)
{
    (void)state;
    struct headers headers = {.all = {{(char[]){"webhook-id"}, (char[]){"w"}},
                                      {(char[]){"x-github-delivery"}, (char[]){"g"}},
                                      {(char[]){"svix-id"}, (char[]){"s"}}},
                              .count = 2};
    const struct scheme_request req = {headers_find, &headers, {0}, 0};
    struct slice origin;
    struct scheme *sw = make_named("standard-webhooks"), *gh = make_named("github");
    struct scheme *none = make_named("none"), *slack = make_named("slack");
    assert_true(slice_eq(scheme_message_id(sw, &req, &origin), SLICE_LIT("w")));
    headers.count = 3;
    assert_true(slice_eq(scheme_message_id(sw, &req, &origin), SLICE_LIT("s")));
    assert_true(slice_eq(scheme_message_id(gh, &req, &origin), SLICE_LIT("g")));
    assert_true(
        slice_eq(scheme_message_id(none, &req, &origin), SLICE_LIT("w"))); /* any sender's */
    assert_int_equal(scheme_message_id(slack, &req, &origin).len, 0);
    scheme_free(sw);
    scheme_free(gh);
    scheme_free(none);
    scheme_free(slack);
}

/* The id of a CloudEvent is unique in its source only. */
static void a_cloud_event_is_named_by_its_id_and_source(void **state)
{
    (void)state;
    struct headers headers = {
        .all = {{(char[]){"ce-id"}, (char[]){"1"}}, {(char[]){"ce-source"}, (char[]){"/door"}}},
        .count = 1};
    const struct scheme_request req = {headers_find, &headers, {0}, 0};
    struct scheme *token = make_named("token"), *stripe = make_named("stripe");
    struct slice origin;
    assert_int_equal(scheme_message_id(token, &req, &origin).len, 0);
    headers.count = 2;
    assert_true(slice_eq(scheme_message_id(token, &req, &origin), SLICE_LIT("1")));
    assert_true(slice_eq(origin, SLICE_LIT("/door")));
    /* Stripe sends no such header, so whoever captured a request could only make it new by one. */
    assert_int_equal(scheme_message_id(stripe, &req, &origin).len, 0);
    scheme_free(token);
    scheme_free(stripe);
}

static void the_signed_timestamp_is_its_text(void **state)
{
    (void)state;
    struct headers headers = {.all = {{(char[]){"stripe-signature"}, (char[]){"v0=x,t=0123,v1=00"}},
                                      {(char[]){"x-slack-request-timestamp"}, (char[]){"77"}}},
                              .count = 2};
    const struct scheme_request req = {headers_find, &headers, {0}, 0};
    struct scheme *stripe = make_named("stripe"), *slack = make_named("slack");
    struct scheme *github = make_named("github");
    assert_true(slice_eq(scheme_signed_timestamp(stripe, &req), SLICE_LIT("0123")));
    assert_true(slice_eq(scheme_signed_timestamp(slack, &req), SLICE_LIT("77")));
    assert_int_equal(scheme_signed_timestamp(github, &req).len, 0);
    scheme_free(stripe);
    scheme_free(slack);
    scheme_free(github);
}

static void a_verification_can_be_given_up(void **state)
{
    (void)state;
    static char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct headers headers = {.all = {{(char[]){"x-serphouse-signature"}, zeros}}, .count = 1};
    struct verify *verify = NULL;
    struct scheme *s = make(plain), *none = make_named("none");
    const struct scheme_request req = {headers_find, &headers, {0}, 0};
    assert_int_equal(verify_start(s, &req, &verify), SCHEME_OK);
    verify_body(verify, SLICE_LIT("half"));
    verify_free(verify);
    assert_int_equal(verify_start(none, &req, &verify), SCHEME_OK);
    verify_body(verify, SLICE_LIT("half"));
    verify_free(verify);
    scheme_free(s);
    scheme_free(none);
}

static void a_signature_outlives_the_request_it_came_with(void **state)
{
    (void)state;
    /* {id} behind the body: its text is needed after the headers may be gone */
    struct scheme_spec spec = plain;
    spec.name = "hmac";
    spec.signed_text = "{body}.{id}";
    spec.id_header = "X-Id";
    struct scheme *s = make(spec);
    struct buf lines;
    struct headers headers = {.count = 0};
    struct verify *verify = NULL;
    buf_init(&lines, 4096);
    assert_int_equal(scheme_sign(s, 0, SLICE_LIT("m1"), 0, SLICE_LIT("b"), &lines), OK);
    struct slice rest = buf_slice(&lines);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        struct header *h = &headers.all[headers.count++];
        h->name = xslicedup(slice_cut(&line, ':'));
        line.len--; /* the CR */
        h->value = xslicedup(slice_trim(line));
    }
    const struct scheme_request req = {headers_find, &headers, {0}, 0};
    assert_int_equal(verify_start(s, &req, &verify), SCHEME_OK);
    for (size_t i = 0; i < headers.count; i++)
        memset(headers.all[i].value, 'x', strlen(headers.all[i].value));
    verify_body(verify, SLICE_LIT("b"));
    assert_int_equal(verify_end(verify), SCHEME_OK);
    for (size_t i = 0; i < headers.count; i++) {
        free(headers.all[i].name);
        free(headers.all[i].value);
    }
    buf_clear(&lines);
    scheme_free(s);
}

static void signing_refuses_an_id_that_could_leave_its_line(void **state)
{
    (void)state;
    struct scheme *s = make_named("standard-webhooks");
    char longest[1025];
    struct buf out;
    memset(longest, 'x', sizeof(longest));
    buf_init(&out, 4096);
    assert_int_equal(scheme_sign(s, 0, SLICE_LIT(""), 0, SLICE_LIT(""), &out), ERR_INVALID);
    assert_int_equal(scheme_sign(s, 0, SLICE_LIT("a\r\nb"), 0, SLICE_LIT(""), &out), ERR_INVALID);
    assert_int_equal(scheme_sign(s, 0, SLICE_LIT("a b"), 0, SLICE_LIT(""), &out), ERR_INVALID);
    assert_int_equal(
        scheme_sign(s, 0, slice_make(longest, sizeof(longest)), 0, SLICE_LIT(""), &out),
        ERR_INVALID);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
    buf_init(&out, 40);
    assert_int_equal(scheme_sign(s, 0, SLICE_LIT("a"), 0, SLICE_LIT(""), &out), ERR_TOO_BIG);
    buf_clear(&out);
    scheme_free(s);
}

static void secrets_are_remembered_by_a_short_digest(void **state)
{
    (void)state;
    struct scheme_spec spec = plain;
    spec.secrets[1] = "the-old-secret";
    spec.secret_count = 2;
    struct scheme *s = make(spec);
    char id[SCHEME_SECRET_ID_LEN + 1];
    /* printf 'hookpace-secret\0the-old-secret' | sha256sum */
    scheme_secret_id(s, 1, id);
    assert_string_equal(id, "43162c23");
    assert_int_equal(scheme_find_secret(s, slice_str(id)), 1);
    scheme_secret_id(s, 0, id);
    assert_int_equal(scheme_find_secret(s, slice_str(id)), 0);
    assert_int_equal(scheme_find_secret(s, SLICE_LIT("ffffffff")), 0);
    scheme_secret_id(s, 2, id);
    assert_string_equal(id, "");
    scheme_free(s);
}

static void deliveries_are_signed_with_the_secret_they_remember(void **state)
{
    (void)state;
    struct scheme_spec spec = plain, old = plain;
    spec.secrets[1] = old.secrets[0] = "the-old-secret";
    spec.secret_count = 2;
    struct scheme *both = make(spec), *one = make(old);
    struct buf a, b, c;
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    buf_init(&c, 4096);
    assert_int_equal(scheme_sign(both, 1, slice_str(""), 0, SLICE_LIT("x"), &a), OK);
    assert_int_equal(scheme_sign(one, 0, slice_str(""), 0, SLICE_LIT("x"), &b), OK);
    assert_int_equal(scheme_sign(both, 0, slice_str(""), 0, SLICE_LIT("x"), &c), OK);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    assert_false(slice_eq(buf_slice(&a), buf_slice(&c)));
    buf_clear(&a);
    buf_clear(&b);
    buf_clear(&c);
    scheme_free(both);
    scheme_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_configuration_is_refused_with_its_reason),
        cmocka_unit_test(a_bad_custom_scheme_is_refused_with_its_reason),
        cmocka_unit_test(timestamp_and_body_may_touch),
        cmocka_unit_test(names_cover_the_table),
        cmocka_unit_test(own_headers_are_known_in_any_case),
        cmocka_unit_test(the_message_id_comes_from_the_winning_header),
        cmocka_unit_test(a_cloud_event_is_named_by_its_id_and_source),
        cmocka_unit_test(the_signed_timestamp_is_its_text),
        cmocka_unit_test(a_verification_can_be_given_up),
        cmocka_unit_test(a_signature_outlives_the_request_it_came_with),
        cmocka_unit_test(signing_refuses_an_id_that_could_leave_its_line),
        cmocka_unit_test(secrets_are_remembered_by_a_short_digest),
        cmocka_unit_test(deliveries_are_signed_with_the_secret_they_remember),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
