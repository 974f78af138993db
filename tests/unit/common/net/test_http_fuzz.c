/* Mutated requests: however they are cut into pieces the judgement is the same, and what our rules
 * accept llhttp reads the same way. A fixed seed, so that a failure can be seen again. */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/net/http_chunks.h"
#include "common/net/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 30000, INPUT_MAX = 1024 };

static const struct http_scan_limits limits = {200, 600, 20};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Overwrites, removes, doubles or inserts a few bytes; those that matter to HTTP come up often. */
static size_t mutate(char *bytes, size_t len, uint32_t *seed)
{
    static const char telling[] = "\r\n\r\n :;,\t\0\x0b\x7f\xff+-0x59chunked/1.0";
    for (uint32_t n = next_random(seed) % 4; n > 0 && len > 1 && len < INPUT_MAX - 1; n--) {
        size_t at = next_random(seed) % len;
        char c = next_random(seed) % 4 ? telling[next_random(seed) % (sizeof telling - 1)]
                                       : (char)next_random(seed);
        switch (next_random(seed) % 3) {
        case 0:
            bytes[at] = c;
            break;
        case 1:
            memmove(bytes + at, bytes + at + 1, len - at - 1);
            len--;
            break;
        default:
            memmove(bytes + at + 1, bytes + at, len - at);
            bytes[at] = c;
            len++;
            break;
        }
    }
    return len;
}

static enum http_scan_verdict scan_in_steps(struct slice all, size_t step, struct http_scan *s,
                                            enum http_fault *f)
{
    enum http_scan_verdict v = SCAN_MORE;
    *s = (struct http_scan){0};
    for (size_t n = 0; v == SCAN_MORE && n < all.len;) {
        n = n + step < all.len ? n + step : all.len;
        v = http_scan(s, slice_make(all.ptr, n), &limits, f);
    }
    return v;
}

static void check_fields(const struct http_head *h)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct http_field *f = &h->fields[i];
        assert_true(f->name.len > 0);
        assert_null(memchr(f->name.ptr, ' ', f->name.len));
        assert_null(memchr(f->name.ptr, ':', f->name.len));
        for (size_t k = 0; k < f->value.len; k++)
            assert_true(f->value.ptr[k] != '\r' && f->value.ptr[k] != '\n' && f->value.ptr[k]);
    }
}

/* True if HEAD is a legal head. */
static bool check_head(struct http_parser *p, struct slice input)
{
    struct http_scan whole, cut;
    enum http_fault f_whole, f_cut;
    enum http_scan_verdict v = scan_in_steps(input, input.len, &whole, &f_whole);
    for (size_t step = 1; step < 4; step++) {
        assert_int_equal(scan_in_steps(input, step, &cut, &f_cut), v);
        assert_int_equal(f_cut, f_whole);
        if (v == SCAN_DONE)
            assert_memory_equal(&cut, &whole, sizeof cut);
    }
    if (v != SCAN_DONE)
        return false;
    char *copy = xslicedup(slice_make(input.ptr, whole.pos)); /* so that ASan sees its end */
    struct http_head h;
    struct http_framing framing;
    bool complete;
    enum http_fault f = http_parser_head(p, slice_make(copy, whole.pos), &whole, &h, &complete);
    if (f == FAULT_NONE)
        f = http_rules_head(&h, &framing);
    if (f == FAULT_NONE) {
        assert_int_equal(h.count, whole.headers);
        assert_int_equal(complete, framing.length == 0);
        check_fields(&h);
    }
    free(copy);
    return f == FAULT_NONE;
}

static void heads(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "GET /in/a?id=1&tag=x HTTP/1.1\r\nHost: x.example:80\r\nX-Sig: abc=\r\nEmpty:\r\n\r\n",
        "POST /in/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        "POST /in/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "POST / HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 99999999999999999999\r\n\r\n",
    };
    struct http_parser *p = http_parser_new();
    uint32_t seed = 20261121;
    unsigned accepted = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char bytes[INPUT_MAX];
        const char *from = seeds[i % 5];
        size_t len = strlen(from);
        memcpy(bytes, from, len);
        len = mutate(bytes, len, &seed);
        accepted += check_head(p, slice_make(bytes, len));
    }
    assert_true(accepted > ROUNDS / 20 && accepted < ROUNDS); /* both ways were taken */
    http_parser_free(p);
}

static bool take(void *ctx, struct slice piece)
{
    buf_add_slice(ctx, piece);
    return true;
}

/* Parses BODY with llhttp, and compares where the body ends. */
static void compare_body(struct http_parser *p, struct slice body, size_t step)
{
    static const char text[] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct slice head = SLICE_LIT(text);
    struct http_scan s = {0};
    struct http_head h;
    struct http_chunks c = {0};
    enum http_fault f = FAULT_NONE;
    bool complete = false;
    struct buf got;
    buf_init(&got, INPUT_MAX);
    assert_int_equal(http_scan(&s, head, &limits, &f), SCAN_DONE);
    assert_int_equal(http_parser_head(p, head, &s, &h, &complete), FAULT_NONE);
    while (body.len && f == FAULT_NONE && !complete) {
        struct slice piece = slice_make(body.ptr, step < body.len ? step : body.len);
        size_t judged, used;
        f = http_chunks_judge(&c, piece, 500, &judged);
        if (f != FAULT_NONE)
            break;
        piece.len = judged;
        f = http_parser_body(p, piece, take, &got, &used, &complete);
        if (f != FAULT_NONE)
            break; /* llhttp may be stricter (extensions) */
        assert_int_equal(used, judged);
        assert_int_equal(complete, c.done);
        body = slice_skip(body, used);
    }
    if (complete)
        assert_int_equal(got.len, c.total);
    buf_clear(&got);
}

static void chunked_bodies(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
        "5;a=b\r\nhello\r\nA\r\n0123456789\r\n000\r\nX: y\r\nZ:\r\n\r\n",
        "1\r\na\r\n1\r\nb\r\n01\r\nc\r\n0;x\r\n\r\n0\r\n\r\n",
    };
    struct http_parser *p = http_parser_new();
    uint32_t seed = 11202621;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char bytes[INPUT_MAX];
        const char *from = seeds[i % 3];
        size_t len = strlen(from);
        memcpy(bytes, from, len);
        len = mutate(bytes, len, &seed);
        compare_body(p, slice_make(bytes, len), i % 7 ? i % 7 : len);
    }
    http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(chunked_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
