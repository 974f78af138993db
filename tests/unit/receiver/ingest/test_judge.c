#include "receiver/ingest/judge.h"

#include "common/config/config.h"
#include "common/json/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

static void the_table(void **state)
{
    (void)state;
    for (enum answer a = 0; a < ANSWER_COUNT; a++) {
        const struct answer_row *row = answer_row(a);
        assert_true(row->status == 200 || (row->status >= 400 && row->status < 600));
        assert_int_not_equal(row->status, 410); /* senders disable the URL */
        assert_int_equal(row->status == 503, strcmp(row->headers, HEADER_RETRY) == 0);
        assert_int_equal(row->status == 405, strcmp(row->headers, HEADER_ALLOW) == 0);
        assert_int_equal(row->status == 415, strcmp(row->headers, HEADER_ACCEPT) == 0);
        for (enum answer b = 0; b < a; b++)
            assert_string_not_equal(row->code, answer_row(b)->code);
    }
}

static void encodings(void **state)
{
    (void)state;
    const struct {
        const char *value;
        unsigned count;
        enum body_encoding want;
    } rows[] = {
        {"", 0, BODY_PLAIN},           {"identity", 1, BODY_PLAIN},
        {"gzip", 1, BODY_GZIP},        {"GZip", 1, BODY_GZIP},
        {"x-gzip", 1, BODY_GZIP},      {"deflate", 1, BODY_UNSUPPORTED},
        {"br", 1, BODY_UNSUPPORTED},   {"gzip, gzip", 1, BODY_UNSUPPORTED},
        {"gzip", 2, BODY_UNSUPPORTED}, {"", 2, BODY_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(judge_encoding(slice_str(rows[i].value), rows[i].count), rows[i].want);
}

static void the_signature_comes_first(void **state)
{
    (void)state;
    struct findings f = {.signature = SCHEME_OK, .defect = ANSWER_OK};
    assert_int_equal(judge_body(&f), ANSWER_OK);
    f.defect = ANSWER_INVALID_JSON;
    assert_int_equal(judge_body(&f), ANSWER_INVALID_JSON);
    f.signature = SCHEME_INVALID;
    assert_int_equal(judge_body(&f), ANSWER_INVALID_SIGNATURE);
    f.signature = SCHEME_STALE;
    assert_int_equal(judge_body(&f), ANSWER_STALE_TIMESTAMP);
    f.signature = SCHEME_MISSING;
    assert_int_equal(judge_body(&f), ANSWER_MISSING_SIGNATURE);
    f.defect = ANSWER_INVALID_GZIP;
    f.is_unsigned_text = true; /* it may be signed or not */
    assert_int_equal(judge_body(&f), ANSWER_INVALID_GZIP);
}

static void challenges(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    assert_true(judge_challenge(
        SLICE_LIT("{\"token\":\"t\",\"challenge\":\"a\\\"b\",\"type\":\"url_verification\"}"),
        &out));
    assert_string_equal(out.ptr, "{\"challenge\":\"a\\\"b\"}");
    buf_reset(&out);
    const char *others[] = {
        "",
        "url_verification",
        "{\"type\":\"event_callback\",\"challenge\":\"url_verification\"}",
        "{\"type\":\"url_verification\"}",
        "{\"type\":\"url_verification\",\"challenge\":1}",
        "[\"url_verification\"]",
        "{\"event\":{\"type\":\"url_verification\",\"challenge\":\"x\"}}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(judge_challenge(slice_str(others[i]), &out));
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

/* --- id and tag --- */

struct outcome {
    enum answer answer;
    char id[ID_MAX + 1], tag[TAG_BYTES + 1];
};

/* Ids at /id and /task/id, tags at /tag. BODY NULL: none is looked at. */
static struct outcome identity_of(const char *body, const char *query, const char *message_id,
                                  bool may_generate)
{
    const char *pointers[] = {"/id", "/task/id", "/tag"};
    struct json_picks *picks;
    assert_int_equal(json_picks_new(pointers, 3, &picks, NULL), OK);
    struct json_scan *scan = json_scan_new(picks);
    if (body) {
        assert_int_equal(json_scan_feed(scan, slice_str(body), NULL), OK);
        assert_int_equal(json_scan_end(scan, NULL), OK);
    }
    const struct source_pick where[] = {
        {PICK_JSON, 0, NULL}, {PICK_JSON, 1, NULL}, {PICK_JSON, 2, NULL}};
    const struct scheme_request request = {.query = slice_str(query), .now = 1763691349123};
    struct identity_sources from = {
        .picks = where,
        .scan = body ? scan : NULL,
        .id_picks = 2,
        .tag_picks = 1,
        .request = &request,
        .message_id = slice_str(message_id),
        .may_generate = may_generate,
    };
    struct identity got = {0};
    const char *why = NULL;
    struct outcome o = {.answer = judge_identity(&from, &got, &why)};
    assert_int_equal(o.answer != ANSWER_OK, why != NULL);
    memcpy(o.id, got.id, sizeof o.id);
    memcpy(o.tag, got.tag, sizeof o.tag);
    json_scan_free(scan);
    json_picks_free(picks);
    return o;
}

static void expect(struct outcome o, const char *id, const char *tag)
{
    assert_int_equal(o.answer, ANSWER_OK);
    assert_string_equal(o.id, id);
    assert_string_equal(o.tag, tag);
}

static void refused(struct outcome o)
{
    assert_int_equal(o.answer, ANSWER_INVALID_ID);
}

static void ids_in_order(void **state)
{
    (void)state;
    expect(identity_of("{\"id\":\"a\",\"task\":{\"id\":\"b\"}}", "id=c", "d", true), "a", "");
    expect(identity_of("{\"id\":null,\"task\":{\"id\":7}}", "id=c", "d", true), "7", "");
    expect(identity_of("{}", "x=1&id=c", "d", true), "c", "");
    expect(identity_of("{}", "", "d", true), "d", "");
    expect(identity_of(NULL, "id=c&tag=t", "", false), "c", "t");
    expect(identity_of("{}", "id=a%2Fb+c", "", true), "a/b c", "");
    expect(identity_of("{}", "", "msg/1", true), "msg/1", "");
    struct outcome o = identity_of("{}", "", "", true);
    assert_int_equal(o.answer, ANSWER_OK);
    assert_int_equal(strlen(o.id), UUID_LEN);
    refused(identity_of(NULL, "tag=t", "", false)); /* a pingback that announces nothing */
}

static void bad_ids(void **state)
{
    (void)state;
    refused(identity_of("{\"id\":\"a\\tb\"}", "id=c", "", true)); /* found, so not passed over */
    refused(identity_of("{\"id\":\"\"}", "id=c", "", true));
    refused(identity_of("{\"id\":{}}", "id=c", "", true));
    refused(identity_of("{\"id\":1,\"id\":2}", "id=c", "", true));
    refused(identity_of("{\"id\":\"a\\u0000b\"}", "", "", true));
    refused(identity_of("{}", "id=", "", true));
    refused(identity_of("{}", "id", "", true));
    refused(identity_of("{}", "id=a&id=a", "", true));
    refused(identity_of("{}", "id=%", "", true));
    refused(identity_of("{}", "id=%00", "", true));
    char query[2100];
    memset(query, 'a', sizeof query);
    memcpy(query, "id=", 3);
    query[3 + 255] = 0;
    assert_int_equal(identity_of("{}", query, "", true).answer, ANSWER_OK);
    query[3 + 255] = 'a';
    query[3 + 256] = 0;
    refused(identity_of("{}", query, "", true));
    query[3 + 256] = 'a';
    query[sizeof query - 1] = 0;
    refused(identity_of("{}", query, "", true));
}

static void tags(void **state)
{
    (void)state;
    expect(identity_of("{\"id\":1,\"tag\":\"caf\\u00e9 / a\"}", "tag=q", "", true), "1",
           "caf\xc3\xa9 / a");
    expect(identity_of("{\"id\":1}", "tag=a+b%26c", "", true), "1", "a b&c");
    expect(identity_of("{\"id\":1,\"tag\":12.50}", "", "", true), "1", "12.50");
    expect(identity_of("{\"id\":1,\"tag\":null}", "tag=", "", true), "1", "");
    expect(identity_of("{\"id\":1,\"tag\":\"a\\nb\"}", "tag=q", "", true), "1", ""); /* dropped */
    expect(identity_of("{\"id\":1,\"tag\":[]}", "tag=q", "", true), "1", "");
    expect(identity_of("{\"id\":1,\"tag\":1,\"tag\":1}", "tag=q", "", true), "1", "");
    expect(identity_of("{\"id\":1}", "tag=%ff", "", true), "1", "");
    expect(identity_of("{\"id\":1}", "tag=a&tag=b", "", true), "1", "");
}

/* --- ids that headers carry --- */

struct sent_header {
    const char *name, *value;
    unsigned count;
};

static struct slice sent_header(void *ctx, const char *name, unsigned *count)
{
    for (const struct sent_header *h = ctx; h->name; h++)
        if (strcasecmp(h->name, name) == 0) {
            *count = h->count;
            return slice_str(h->value);
        }
    *count = 0;
    return SLICE_LIT("");
}

static struct identity of_headers(const struct sent_header *headers, const char *message_id,
                                  enum answer want)
{
    struct source_pick where[] = {{PICK_HEADER, 0, (char[]){"X-Event"}},
                                  {PICK_HEADER, 0, (char[]){"x-other"}},
                                  {PICK_HEADER, 0, (char[]){"x-tag"}}};
    const struct scheme_request request = {.header = sent_header,
                                           .ctx = (void *)(uintptr_t)headers};
    struct identity_sources from = {.picks = where,
                                    .id_picks = 2,
                                    .tag_picks = 1,
                                    .request = &request,
                                    .message_id = slice_str(message_id),
                                    .may_generate = true};
    struct identity got = {0};
    const char *why = NULL;
    assert_int_equal(judge_identity(&from, &got, &why), want);
    return got;
}

static void ids_of_headers(void **state)
{
    (void)state;
    struct sent_header both[] = {
        {"x-event", "e1", 1}, {"X-Other", "o1", 1}, {"X-Tag", "t", 1}, {0}};
    struct identity got = of_headers(both, "m1", ANSWER_OK);
    assert_string_equal(got.id, "e1");
    assert_string_equal(got.tag, "t");
    assert_int_equal(got.origin, ID_OF_HEADER);
    struct sent_header empty[] = {{"x-event", "", 1}, {"x-other", "o1", 1}, {0}};
    assert_string_equal(of_headers(empty, "", ANSWER_OK).id, "o1");
    struct sent_header none[] = {{0}};
    got = of_headers(none, "m1", ANSWER_OK);
    assert_string_equal(got.id, "m1");
    assert_int_equal(got.origin, ID_OF_MESSAGE);
    assert_int_equal(of_headers(none, "", ANSWER_OK).origin, ID_GENERATED);
    struct sent_header twice[] = {{"x-event", "e1", 2}, {0}};
    of_headers(twice, "m1", ANSWER_INVALID_ID);
    struct sent_header latin[] = {{"x-event", "caf\xe9", 1}, {0}};
    of_headers(latin, "m1", ANSWER_INVALID_ID);
    struct sent_header bad_tag[] = {{"x-event", "e1", 1}, {"x-tag", "caf\xe9", 1}, {0}};
    assert_true(of_headers(bad_tag, "", ANSWER_OK).tag_was_bad);
    struct sent_header two_tags[] = {{"x-event", "e1", 1}, {"x-tag", "t", 2}, {0}};
    assert_true(of_headers(two_tags, "", ANSWER_OK).tag_was_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_headers), cmocka_unit_test(the_table),
        cmocka_unit_test(encodings),      cmocka_unit_test(the_signature_comes_first),
        cmocka_unit_test(challenges),     cmocka_unit_test(ids_in_order),
        cmocka_unit_test(bad_ids),        cmocka_unit_test(tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
