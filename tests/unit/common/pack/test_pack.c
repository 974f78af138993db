/* pack: packed bytes come back; damaged bytes are refused. */
#include "common/pack/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char text[PACK_MAX + 1];

static void fill(size_t n, unsigned kinds)
{
    unsigned seed = 1;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        text[i] = (char)((seed >> 16) % kinds);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct packer *p = packer_new();
    struct buf out, back;
    buf_init(&out, 1 << 20);
    buf_init(&back, 1 << 20);
    for (size_t n = PACK_MIN; n <= PACK_MAX; n *= 2) {
        fill(n, 2);
        buf_reset(&out);
        buf_reset(&back);
        buf_add_str(&out, "head");
        assert_true(packer_pack(p, slice_make(text, n), &out));
        assert_true(out.len - 4 <= n - n / 8);
        assert_int_equal(packer_unpack(slice_skip(buf_slice(&out), 4), n, &back), OK);
        assert_true(slice_eq(buf_slice(&back), slice_make(text, n)));
    }
    buf_clear(&out);
    buf_clear(&back);
    packer_free(p);
}

static void test_left_alone(void **state)
{
    (void)state;
    struct packer *p = packer_new();
    struct buf out;
    buf_init(&out, 1 << 20);
    fill(PACK_MAX + 1, 256);
    assert_false(packer_pack(p, slice_make(text, 1000), &out)); /* nothing to save */
    fill(PACK_MAX + 1, 2);
    assert_false(packer_pack(p, slice_make(text, PACK_MIN - 1), &out));
    assert_false(packer_pack(p, slice_make(text, PACK_MAX + 1), &out));
    assert_int_equal(out.len, 0);
    assert_false(out.failed);
    buf_clear(&out);
    packer_free(p);
}

static void test_damage_is_refused(void **state)
{
    (void)state;
    struct packer *p = packer_new();
    struct buf out, back;
    buf_init(&out, 1 << 20);
    buf_init(&back, 1 << 20);
    fill(1000, 2);
    assert_true(packer_pack(p, slice_make(text, 1000), &out));
    assert_int_equal(packer_unpack(buf_slice(&out), 999, &back), ERR_INVALID);
    assert_int_equal(packer_unpack(buf_slice(&out), 1001, &back), ERR_INVALID);
    assert_int_equal(packer_unpack(slice_make(out.ptr, out.len / 2), 1000, &back), ERR_INVALID);
    assert_int_equal(packer_unpack(buf_slice(&out), (size_t)PACK_MAX + 1, &back), ERR_INVALID);
    assert_int_equal(back.len, 0);
    buf_clear(&out);
    buf_clear(&back);
    packer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
