#include "common/crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "common/base/text.h"

/* RFC 2202 and RFC 4231, and keys around the block length made with Python's hmac. */
static const struct {
    enum digest digest;
    const char *key_hex;
    size_t key_repeat; /* the key is key_hex this often */
    const char *data;
    const char *mac;
} hmac_vectors[] = {
    {DIGEST_SHA1, "0b", 20, "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
    {DIGEST_SHA1, "4a656665", 1, "what do ya want for nothing?",
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {DIGEST_SHA256, "0b", 20, "Hi There",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {DIGEST_SHA256, "4a656665", 1, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {DIGEST_SHA256, "aa", 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {DIGEST_SHA512, "0b", 20, "Hi There",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {DIGEST_SHA512, "aa", 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
     "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
    {DIGEST_SHA256, "61", 64, "x",
     "b65ca3a3235f948bc0e6bd747532c54a983b54ddad1a4d1bd8b958e065b1cab4"},
    {DIGEST_SHA256, "61", 65, "x",
     "5c8ad20f6d25c86ccfc9774f1c0ca49d3675f3a112d9905cce286e2636681b75"},
    {DIGEST_SHA512, "61", 128, "x",
     "b2fd3490e6072206d5543e474fddcdacda9259edebf698ffac1f3a03720e2dcc"
     "c637abea568e2617df5ffae62ac2313da4031174d135345607e02ef0b05e17e8"},
    {DIGEST_SHA512, "61", 129, "x",
     "0433e12ae78ba15593470cad13567e91810dfbfae5e007f9870bd13d782626cc"
     "9f56d2b02f71c6cf4484bec0d859053aa00e3c465d7153765cfbf5882be701f2"},
};

static struct hmac_key *key_of(size_t i)
{
    char key[256];
    size_t n = strlen(hmac_vectors[i].key_hex) / 2, len = 0;
    for (size_t r = 0; r < hmac_vectors[i].key_repeat; r++, len += n)
        assert_int_equal(text_unhex(slice_str(hmac_vectors[i].key_hex), key + len, n), OK);
    struct hmac_key *k = hmac_key_new(hmac_vectors[i].digest, slice_make(key, len));
    assert_non_null(k);
    return k;
}

static void mac_hex(const struct hmac_key *k, enum digest d, struct slice data, size_t piece,
                    char *hex)
{
    unsigned char out[DIGEST_MAX];
    struct hmac *h = hmac_start(k);
    while (data.len) {
        size_t n = data.len < piece ? data.len : piece;
        hmac_add(h, slice_make(data.ptr, n));
        data = slice_skip(data, n);
    }
    hmac_end(h, out);
    text_hex(out, digest_len(d), hex);
    hex[2 * digest_len(d)] = '\0';
}

static void hmac_matches_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(hmac_vectors) / sizeof(*hmac_vectors); i++) {
        struct hmac_key *k = key_of(i);
        char hex[2 * DIGEST_MAX + 1];
        for (size_t piece = 1; piece < 60; piece += 7) {
            mac_hex(k, hmac_vectors[i].digest, slice_str(hmac_vectors[i].data), piece, hex);
            assert_string_equal(hex, hmac_vectors[i].mac);
        }
        hmac_key_free(k);
    }
}

static void one_key_serves_computations_that_overlap(void **state)
{
    (void)state;
    struct hmac_key *k = key_of(3);
    unsigned char a[DIGEST_MAX], b[DIGEST_MAX];
    struct hmac *first = hmac_start(k), *second = hmac_start(k);
    hmac_add(first, SLICE_LIT("what do ya "));
    hmac_add(second, SLICE_LIT("what do ya want for nothing?"));
    hmac_add(first, SLICE_LIT("want for nothing?"));
    hmac_end(second, b);
    hmac_end(first, a);
    assert_memory_equal(a, b, 32);
    hmac_end(hmac_start(k), NULL); /* given up */
    hmac_key_free(k);
}

static void an_empty_message_has_a_mac(void **state)
{
    (void)state;
    struct hmac_key *k = hmac_key_new(DIGEST_SHA256, SLICE_LIT("k"));
    char hex[2 * DIGEST_MAX + 1];
    mac_hex(k, DIGEST_SHA256, slice_str(""), 1, hex);
    assert_string_equal(hex, "8bb990c40a7d61cb97597a942125025be50ac8beb74436e3735b98893a7f6620");
    hmac_key_free(k);
}

static void sha256_matches_fips_180(void **state)
{
    (void)state;
    unsigned char out[32];
    char hex[65] = {0};
    struct sha256 *s = sha256_start();
    sha256_add(s, SLICE_LIT("a"));
    sha256_add(s, SLICE_LIT(""));
    sha256_add(s, SLICE_LIT("bc"));
    sha256_end(s, out);
    text_hex(out, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_end(sha256_start(), NULL);
}

static void equality_looks_at_lengths_and_every_byte(void **state)
{
    (void)state;
    assert_true(crypto_equal(SLICE_LIT("abc"), SLICE_LIT("abc")));
    assert_false(crypto_equal(SLICE_LIT("abc"), SLICE_LIT("abd")));
    assert_false(crypto_equal(SLICE_LIT("xbc"), SLICE_LIT("abc")));
    assert_false(crypto_equal(SLICE_LIT("ab"), SLICE_LIT("abc")));
    assert_true(crypto_equal(slice_str(NULL), slice_str("")));
}

static void random_bytes_differ_and_fill_the_buffer(void **state)
{
    (void)state;
    unsigned char a[600] = {0}, b[600] = {0};
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 568, (unsigned char[32]){0}, 32);
    crypto_wipe(a, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++)
        assert_int_equal(a[i], 0);
}

static void what_is_sealed_opens_only_whole_with_its_key_and_context(void **state)
{
    (void)state;
    unsigned char key[SEAL_KEY_LEN], other[SEAL_KEY_LEN];
    struct slice plain = SLICE_LIT("a signing secret"), context = SLICE_LIT("acme 01234567");
    struct buf sealed, again, out;
    crypto_random(key, sizeof key);
    crypto_random(other, sizeof other);
    buf_init(&sealed, 1000);
    buf_init(&again, 1000);
    buf_init(&out, 1000);
    assert_int_equal(crypto_seal(key, context, plain, &sealed), OK);
    assert_int_equal(crypto_seal(key, context, plain, &again), OK);
    assert_int_equal(sealed.len, plain.len + SEAL_EXTRA);
    assert_memory_not_equal(sealed.ptr, again.ptr, sealed.len); /* another nonce */
    assert_null(memmem(sealed.ptr, sealed.len, plain.ptr, plain.len));
    assert_int_equal(crypto_unseal(key, context, buf_slice(&sealed), &out), OK);
    assert_true(slice_eq(buf_slice(&out), plain));
    buf_reset(&out);
    assert_int_equal(crypto_unseal(other, context, buf_slice(&sealed), &out), ERR_INVALID);
    assert_int_equal(crypto_unseal(key, SLICE_LIT("beta 01234567"), buf_slice(&sealed), &out),
                     ERR_CRYPTO);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.ptr[i] ^= 1;
        assert_int_not_equal(crypto_unseal(key, context, buf_slice(&sealed), &out), OK);
        sealed.ptr[i] ^= 1;
        assert_int_not_equal(crypto_unseal(key, context, slice_head(buf_slice(&sealed), i), &out),
                             OK);
    }
    assert_int_equal(out.len, 0);
    buf_clear(&sealed);
    buf_clear(&again);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_matches_the_published_vectors),
        cmocka_unit_test(one_key_serves_computations_that_overlap),
        cmocka_unit_test(an_empty_message_has_a_mac),
        cmocka_unit_test(sha256_matches_fips_180),
        cmocka_unit_test(equality_looks_at_lengths_and_every_byte),
        cmocka_unit_test(what_is_sealed_opens_only_whole_with_its_key_and_context),
        cmocka_unit_test(random_bytes_differ_and_fill_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
