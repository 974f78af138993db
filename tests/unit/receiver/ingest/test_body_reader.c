#include "receiver/ingest/body_reader.h"

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/gzip/gzip.h"
#include "common/json/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "a-secret-of-the-test"
#define MIB ((size_t)1 << 20)

static struct source source;
static struct body_pool *pool;
static struct body_reader reader;
static char signature[65];

static int set_up(void **state)
{
    (void)state;
    struct scheme_spec spec = {
        .name = "serphouse", .tolerance_s = -1, .secrets = {SECRET}, .secret_count = 1};
    const char *pointers[] = {"/id"};
    assert_int_equal(scheme_new(&spec, &source.verify, NULL), OK);
    assert_int_equal(json_picks_new(pointers, 1, &source.json_picks, NULL), OK);
    pool = body_pool_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    body_clear(&reader, 0);
    body_pool_free(pool);
    json_picks_free(source.json_picks);
    scheme_free(source.verify);
    return 0;
}

static void sign(struct slice bytes)
{
    unsigned char mac[DIGEST_MAX];
    struct hmac_key *key = hmac_key_new(DIGEST_SHA256, SLICE_LIT(SECRET));
    struct hmac *h = hmac_start(key);
    hmac_add(h, bytes);
    hmac_end(h, mac);
    hmac_key_free(key);
    text_hex(mac, 32, signature);
    signature[64] = 0;
}

static struct slice header(void *ctx, const char *name, unsigned *count)
{
    (void)ctx;
    bool is_ours = strcasecmp(name, "x-serphouse-signature") == 0;
    if (count)
        *count = is_ours;
    return is_ours ? slice_str(signature) : SLICE_LIT("");
}

struct how {
    bool says_gzip, any, over_wire;
    size_t wire_max, inflated_max;
};

/* Returns the answer to WIRE, signed over SIGNED_BYTES, when it comes in pieces of STEP bytes. */
static enum answer taken(struct slice wire, struct slice signed_bytes, size_t step, struct how how)
{
    char digest[RECORD_DIGEST_LEN];
    struct scheme_request request = {.header = header};
    struct body_setup setup = {
        .source = &source,
        .encoding = how.says_gzip ? BODY_GZIP : BODY_PLAIN,
        .payload = how.any ? PAYLOAD_ANY : PAYLOAD_JSON,
        .wire_max = how.wire_max ? how.wire_max : MIB,
        .inflated_max = how.inflated_max ? how.inflated_max : MIB,
    };
    source.signed_over_wire = how.over_wire;
    sign(signed_bytes);
    body_clear(&reader, step % 2 ? 0 : MIB); /* with and without a buffer to use again */
    assert_int_equal(verify_start(source.verify, &request, &setup.verify), SCHEME_OK);
    body_begin(&reader, pool, &setup);
    while (wire.len) {
        size_t n = wire.len < step ? wire.len : step;
        enum answer a = body_feed(&reader, slice_make(wire.ptr, n));
        if (a != ANSWER_OK)
            return a;
        wire = slice_skip(wire, n);
    }
    enum answer a = body_whole(&reader);
    while (a == ANSWER_OK && body_is_behind(&reader))
        a = body_catch_up(&reader);
    return a != ANSWER_OK ? a : body_end(&reader, digest);
}

static void expect(struct slice wire, struct slice signed_bytes, struct how how, enum answer want)
{
    for (size_t step = 1; step <= wire.len + 1; step += 1 + step / 2)
        assert_int_equal(taken(wire, signed_bytes, step, how), want);
}

static const struct how plainly = {0}, gzipped = {.says_gzip = true},
                        over_wire = {.over_wire = true};

static void plain_bodies(void **state)
{
    (void)state;
    struct slice body = SLICE_LIT("{\"id\":\"a\"}"), id;
    expect(body, body, plainly, ANSWER_OK);
    assert_int_equal(json_scan_pick(reader.scan, 0, &id), JSON_PICK_TEXT);
    assert_true(slice_eq(id, SLICE_LIT("a")));
    assert_true(slice_eq(buf_slice(&reader.wire), body));
    expect(body, SLICE_LIT("other"), plainly, ANSWER_INVALID_SIGNATURE);
    expect(SLICE_LIT("{"), SLICE_LIT("{"), plainly, ANSWER_INVALID_JSON);
    expect(SLICE_LIT("{"), SLICE_LIT("other"), plainly, ANSWER_INVALID_SIGNATURE);
    expect(SLICE_LIT(""), SLICE_LIT(""), plainly, ANSWER_INVALID_JSON);
    expect(SLICE_LIT("x"), SLICE_LIT("x"), (struct how){.any = true}, ANSWER_OK);
    expect(SLICE_LIT(""), SLICE_LIT(""), (struct how){.any = true}, ANSWER_OK);
}

static void gzip_bodies(void **state)
{
    (void)state;
    struct slice body = SLICE_LIT("{\"id\":\"a\"}"), id;
    struct buf wire;
    buf_init(&wire, MIB);
    assert_int_equal(gzip_deflate_all(body, &wire), OK);
    struct slice whole = buf_slice(&wire), cut = slice_make(wire.ptr, wire.len - 1);
    expect(whole, body, gzipped, ANSWER_OK);
    expect(whole, body, plainly, ANSWER_OK); /* known by its first bytes */
    assert_int_equal(json_scan_pick(reader.scan, 0, &id), JSON_PICK_TEXT);
    assert_true(slice_eq(buf_slice(&reader.wire), whole));
    expect(whole, whole, plainly, ANSWER_INVALID_SIGNATURE);
    expect(whole, whole, over_wire, ANSWER_OK);
    expect(whole, body, over_wire, ANSWER_INVALID_SIGNATURE);
    expect(cut, body, plainly, ANSWER_INVALID_GZIP);
    expect(cut, cut, over_wire, ANSWER_INVALID_GZIP);
    expect(cut, body, over_wire, ANSWER_INVALID_SIGNATURE);
    expect(body, body, gzipped, ANSWER_INVALID_GZIP); /* it says so and is not */
    expect(body, whole, gzipped, ANSWER_INVALID_SIGNATURE);
    buf_clear(&wire);
}

static void ceilings(void **state)
{
    (void)state;
    struct slice body = SLICE_LIT("{\"id\":\"0123456789012345678901234567890123456789\"}");
    struct buf wire;
    buf_init(&wire, MIB);
    assert_int_equal(gzip_deflate_all(body, &wire), OK);
    expect(body, body, (struct how){.wire_max = body.len}, ANSWER_OK);
    expect(body, body, (struct how){.wire_max = body.len - 1}, ANSWER_BODY_TOO_LARGE);
    expect(buf_slice(&wire), body, (struct how){.inflated_max = body.len}, ANSWER_OK);
    expect(buf_slice(&wire), body, (struct how){.inflated_max = body.len - 1},
           ANSWER_INFLATED_TOO_LARGE);
    buf_clear(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bodies),
        cmocka_unit_test(gzip_bodies),
        cmocka_unit_test(ceilings),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
