#include "common/gzip/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static struct slice text(const char *z)
{
    return slice_str(z);
}

static void deflated(struct slice plain, struct buf *out)
{
    assert_int_equal(gzip_deflate_all(plain, out), OK);
}

/* The result for a whole body: OK or the error, with the plain bytes in OUT. */
static enum err inflated(struct slice wire, struct buf *out)
{
    struct error e;
    return gzip_inflate_all(wire, out, &e);
}

static enum err count_bytes(void *ctx, struct slice plain)
{
    assert_true(plain.len > 0 && plain.len <= 16 * 1024);
    *(size_t *)ctx += plain.len;
    return OK;
}

static enum err feed(struct gzip_inflate *g, struct slice wire, gzip_sink sink, void *ctx)
{
    enum err rc = gzip_inflate_some(g, &wire, SIZE_MAX, sink, ctx, NULL);
    assert_true(rc != OK || wire.len == 0);
    return rc;
}

static void a_body_comes_back(void **state)
{
    (void)state;
    struct buf wire, plain;
    buf_init(&wire, MIB);
    buf_init(&plain, MIB);
    deflated(text("{\"id\":\"1\"}"), &wire);
    assert_true(gzip_is(buf_slice(&wire)));
    assert_int_equal(inflated(buf_slice(&wire), &plain), OK);
    assert_string_equal(plain.ptr, "{\"id\":\"1\"}");
    buf_clear(&wire);
    buf_clear(&plain);
}

static void every_split_gives_the_same(void **state)
{
    (void)state;
    struct buf wire;
    buf_init(&wire, MIB);
    deflated(text("some text, some text, and some more text"), &wire);
    deflated(text("a second member"), &wire);
    for (size_t cut = 0; cut <= wire.len; cut++) {
        struct gzip_inflate *g = gzip_inflate_new(1000);
        size_t n = 0;
        assert_int_equal(feed(g, slice_make(wire.ptr, cut), count_bytes, &n), OK);
        assert_int_equal(feed(g, slice_skip(buf_slice(&wire), cut), count_bytes, &n), OK);
        assert_int_equal(gzip_inflate_end(g, NULL), OK);
        assert_int_equal(n, 40 + 15);
        gzip_inflate_free(g);
    }
    buf_clear(&wire);
}

static void bad_data_is_invalid(void **state)
{
    (void)state;
    struct buf wire, plain;
    buf_init(&wire, MIB);
    buf_init(&plain, MIB);
    assert_int_equal(inflated(text(""), &plain), ERR_INVALID);
    assert_int_equal(inflated(text("{\"id\":1}"), &plain), ERR_INVALID);
    assert_int_equal(inflated(text("\x78\x9c\x03"), &plain), ERR_INVALID); /* zlib's wrapper */
    deflated(text("hello hello hello"), &wire);
    for (size_t len = 1; len < wire.len; len++) { /* truncated anywhere */
        buf_reset(&plain);
        assert_int_equal(inflated(slice_make(wire.ptr, len), &plain), ERR_INVALID);
    }
    for (size_t back = 1; back <= 8; back++) { /* checksum and length */
        wire.ptr[wire.len - back] ^= 1;
        assert_int_equal(inflated(buf_slice(&wire), &plain), ERR_INVALID);
        wire.ptr[wire.len - back] ^= 1;
    }
    size_t len = wire.len;
    const char *tails[] = {"\0", "x", "\0\0\0\0", "\x1f", "\x1f\x8b"};
    size_t lens[] = {1, 1, 4, 1, 2};
    for (size_t i = 0; i < 5; i++) {
        wire.len = len;
        buf_add(&wire, tails[i], lens[i]);
        assert_int_equal(inflated(buf_slice(&wire), &plain), ERR_INVALID);
    }
    buf_clear(&wire);
    buf_clear(&plain);
}

static void members_are_counted(void **state)
{
    (void)state;
    struct buf wire, plain;
    buf_init(&wire, MIB);
    buf_init(&plain, MIB);
    for (int i = 0; i < GZIP_MEMBERS_MAX; i++)
        deflated(text("ab"), &wire);
    assert_int_equal(inflated(buf_slice(&wire), &plain), OK);
    assert_int_equal(plain.len, 2 * GZIP_MEMBERS_MAX);
    deflated(text(""), &wire);
    assert_int_equal(inflated(buf_slice(&wire), &plain), ERR_INVALID);
    buf_clear(&wire);
    buf_clear(&plain);
}

static void a_bomb_stops_at_the_ceiling(void **state)
{
    (void)state;
    struct buf zeros, wire;
    buf_init(&zeros, 8 * MIB);
    buf_init(&wire, MIB);
    memset(buf_reserve(&zeros, 8 * MIB), 0, 8 * MIB);
    buf_wrote(&zeros, 8 * MIB);
    deflated(buf_slice(&zeros), &wire);
    size_t n = 0;
    struct gzip_inflate *g = gzip_inflate_new(MIB);
    assert_int_equal(feed(g, buf_slice(&wire), count_bytes, &n), ERR_TOO_BIG);
    assert_true(n <= MIB);
    gzip_inflate_free(g);
    n = 0;
    g = gzip_inflate_new(8 * MIB); /* exactly the ceiling is fine */
    assert_int_equal(feed(g, buf_slice(&wire), count_bytes, &n), OK);
    assert_int_equal(gzip_inflate_end(g, NULL), OK);
    assert_int_equal(n, 8 * MIB);
    gzip_inflate_free(g);
    buf_clear(&zeros);
    buf_clear(&wire);
}

static enum err refuse(void *ctx, struct slice plain)
{
    (void)ctx;
    (void)plain;
    return ERR_IO;
}

static void the_sink_can_stop_it(void **state)
{
    (void)state;
    struct buf wire;
    buf_init(&wire, MIB);
    deflated(text("x"), &wire);
    struct gzip_inflate *g = gzip_inflate_new(MIB);
    assert_int_equal(feed(g, buf_slice(&wire), refuse, NULL), ERR_IO);
    gzip_inflate_free(g);
    buf_clear(&wire);
}

static void deflate_respects_the_ceiling(void **state)
{
    (void)state;
    struct buf wire;
    buf_init(&wire, 10);
    assert_int_equal(gzip_deflate_all(text("a text"), &wire), ERR_TOO_BIG);
    buf_clear(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_back),
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(bad_data_is_invalid),
        cmocka_unit_test(members_are_counted),
        cmocka_unit_test(a_bomb_stops_at_the_ceiling),
        cmocka_unit_test(the_sink_can_stop_it),
        cmocka_unit_test(deflate_respects_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
