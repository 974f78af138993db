#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/net/http_chunks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Feeds BODY in pieces of STEP bytes; *DONE says whether its end was seen, *USED where. */
static enum http_fault feed(struct slice body, size_t step, uint64_t max, bool *done, size_t *used)
{
    struct http_chunks c = {0};
    enum http_fault f = FAULT_NONE;
    *used = 0;
    while (*used < body.len && f == FAULT_NONE && !c.done) {
        size_t n = body.len - *used < step ? body.len - *used : step, taken;
        f = http_chunks_judge(&c, slice_make(body.ptr + *used, n), max, &taken);
        *used += taken;
    }
    *done = c.done;
    return f;
}

static void expect(struct slice body, enum http_fault want, bool want_done, size_t want_used)
{
    for (size_t step = 1; step <= body.len; step++) {
        bool done;
        size_t used;
        enum http_fault f = feed(body, step, 100, &done, &used);
        if (f != want || done != want_done || (f == FAULT_NONE && used != want_used))
            fail_msg("%.*s in steps of %zu: fault %d, done %d, used %zu", SLICE_FMT(body), step,
                     (int)f, done, used);
    }
}

#define GOOD(body, rest)                                                                           \
    expect(SLICE_LIT(body rest), FAULT_NONE, true, sizeof(body) - 1) /* rest: the next request */
#define BAD(body) expect(SLICE_LIT(body), FAULT_CHUNK, false, 0)
#define MORE(body) expect(SLICE_LIT(body), FAULT_NONE, false, sizeof(body) - 1)

static void good_bodies(void **state)
{
    (void)state;
    GOOD("0\r\n\r\n", "GET /");
    GOOD("5\r\nhello\r\n0\r\n\r\n", "");
    GOOD("5\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", "POST");
    GOOD("5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", "");
    GOOD("1\r\nx\r\n0\r\nX-Sig: forged\r\nEmpty:\r\n\r\n", "GET");
    MORE("5\r\nhel");
    MORE("5\r\nhello\r\n0\r\n");
}

static void malformed_bodies(void **state)
{
    (void)state;
    BAD("0x5\r\nhello");
    BAD("+5\r\nhello");
    BAD("-0\r\n\r\n");
    BAD("5 ;ext\r\nhello");
    BAD("5 \r\nhello");
    BAD(" 5\r\nhello");
    BAD("\r\n5\r\nhello");
    BAD(";a\r\n");
    BAD("5\nhello");
    BAD("5\r\rhello");
    BAD("5\r\nhelloX0\r\n\r\n");
    BAD("5\r\nhello\n0\r\n\r\n");
    BAD("0\r\n\n");
    BAD("0\r\nX: a\n\r\n");
    BAD("0\r\nX : a\r\n\r\n");
    BAD("0\r\n X: a\r\n\r\n");
    BAD("0\r\n: a\r\n\r\n");
    BAD("0\r\nnocolon\r\n\r\n");
    BAD("5;a\x01\r\nhello");
    BAD("5;a\x00\r\nhello");
    BAD("0000000000000000\r\n\r\n"); /* 16 digits */
}

static void too_large_is_known_before_the_data(void **state)
{
    (void)state;
    expect(SLICE_LIT("65\r\n"), FAULT_BODY_TOO_LARGE, false, 0);
    expect(SLICE_LIT("fffffffffffffff\r\n"), FAULT_BODY_TOO_LARGE, false, 0);
    MORE("64\r\n");
    struct buf b; /* 50 + 51 bytes */
    buf_init(&b, 1000);
    buf_addf(&b, "32\r\n%050d\r\n33\r\n", 0);
    expect(buf_slice(&b), FAULT_BODY_TOO_LARGE, false, 0);
    buf_clear(&b);
}

static void what_is_ignored_is_bounded(void **state)
{
    (void)state;
    char *zeros = xcalloc(5001, 1);
    memset(zeros, 'a', 5000);
    static const char *const before[] = {"5;", "0\r\nX: ", "0\r\nX", "1;x\r\na\r\n1;"};
    for (size_t i = 0; i < 4; i++) {
        struct buf b;
        bool done;
        size_t used;
        buf_init(&b, 10000);
        buf_add_str(&b, before[i]);
        buf_add(&b, zeros, 5000);
        assert_int_equal(feed(buf_slice(&b), 100, 100, &done, &used), FAULT_CHUNK);
        assert_true(used < 4300);
        buf_clear(&b);
    }
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies),
        cmocka_unit_test(malformed_bodies),
        cmocka_unit_test(too_large_is_known_before_the_data),
        cmocka_unit_test(what_is_ignored_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
