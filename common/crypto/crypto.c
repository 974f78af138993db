#include "common/crypto/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/base/alloc.h"

#define BLOCK_MAX 128 /* SHA-512's; SHA-1 and SHA-256 have 64 */

/* HMAC(K, m) = H(K^opad, H(K^ipad, m)) (RFC 2104). Both states after their first block are computed
 * once per key. Copying such a state costs 0.8 us for 1 KB here, where EVP_MAC_CTX_dup of a keyed
 * context takes 1.16 us and the one-shot HMAC() 1.85 us. */
struct hmac_key { /* Immutable after hmac_key_new; freed by hmac_key_free. */
    size_t len;   /* of the digest */
    EVP_MD_CTX *inner, *outer;
};

struct hmac { /* Freed by hmac_end. Borrows its key. */
    const struct hmac_key *key;
    EVP_MD_CTX *ctx;
};

struct sha256 { /* Freed by sha256_end. */
    EVP_MD_CTX *ctx;
};

/* Ends the process if OpenSSL refuses, which happens only for lack of memory. A crash is safe, a wrong digest is not. */
static void must(int ok)
{
    if (!ok)
        abort();
}

static EVP_MD_CTX *ctx_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx != NULL);
    return ctx;
}

static const EVP_MD *algorithm(enum digest d)
{
    return d == DIGEST_SHA1 ? EVP_sha1() : d == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256();
}

size_t digest_len(enum digest d)
{
    return d == DIGEST_SHA1 ? 20 : d == DIGEST_SHA512 ? 64 : 32;
}

void digest_once(enum digest d, struct slice data, unsigned char out[DIGEST_MAX])
{
    must(EVP_Digest(data.ptr, data.len, out, NULL, algorithm(d), NULL));
}

/* A state that has digested KEY, padded to one block and masked with MASK; NULL if refused. */
static EVP_MD_CTX *keyed_state(const EVP_MD *md, const unsigned char key[BLOCK_MAX],
                               unsigned char mask)
{
    unsigned char block[BLOCK_MAX];
    size_t len = (size_t)EVP_MD_get_block_size(md);
    for (size_t i = 0; i < len; i++)
        block[i] = key[i] ^ mask;
    EVP_MD_CTX *ctx = ctx_new();
    if (!EVP_DigestInit_ex(ctx, md, NULL) || !EVP_DigestUpdate(ctx, block, len)) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    OPENSSL_cleanse(block, sizeof(block));
    return ctx;
}

struct hmac_key *hmac_key_new(enum digest d, struct slice secret)
{
    const EVP_MD *md = algorithm(d);
    unsigned char key[BLOCK_MAX] = {0};
    struct hmac_key *k = NEW(struct hmac_key);
    k->len = digest_len(d);
    if (secret.len > (size_t)EVP_MD_get_block_size(md)) {
        if (!EVP_Digest(secret.ptr, secret.len, key, NULL, md, NULL)) {
            hmac_key_free(k);
            return NULL;
        }
    } else if (secret.len) {
        memcpy(key, secret.ptr, secret.len);
    }
    k->inner = keyed_state(md, key, 0x36);
    k->outer = keyed_state(md, key, 0x5c);
    OPENSSL_cleanse(key, sizeof(key));
    if (!k->inner || !k->outer) {
        hmac_key_free(k);
        return NULL;
    }
    return k;
}

void hmac_key_free(struct hmac_key *key)
{
    if (!key)
        return;
    EVP_MD_CTX_free(key->inner); /* OpenSSL wipes the states */
    EVP_MD_CTX_free(key->outer);
    free(key);
}

struct hmac *hmac_start(const struct hmac_key *key)
{
    struct hmac *h = NEW(struct hmac);
    h->key = key;
    h->ctx = ctx_new();
    must(EVP_MD_CTX_copy_ex(h->ctx, key->inner));
    return h;
}

void hmac_add(struct hmac *h, struct slice s)
{
    if (s.len)
        must(EVP_DigestUpdate(h->ctx, s.ptr, s.len));
}

void hmac_end(struct hmac *h, unsigned char out[DIGEST_MAX])
{
    if (!h)
        return;
    if (out) {
        must(EVP_DigestFinal_ex(h->ctx, out, NULL));
        must(EVP_MD_CTX_copy_ex(h->ctx, h->key->outer));
        must(EVP_DigestUpdate(h->ctx, out, h->key->len));
        must(EVP_DigestFinal_ex(h->ctx, out, NULL));
    }
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

/* Fetched once for the life of the process: EVP_sha256() would be looked up by name at every init.
 */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;

static void fetch_sha256(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(sha256_md != NULL);
}

struct sha256 *sha256_start(void)
{
    struct sha256 *s = NEW(struct sha256);
    pthread_once(&sha256_once, fetch_sha256);
    s->ctx = ctx_new();
    must(EVP_DigestInit_ex2(s->ctx, sha256_md, NULL));
    return s;
}

void sha256_add(struct sha256 *s, struct slice data)
{
    if (data.len)
        must(EVP_DigestUpdate(s->ctx, data.ptr, data.len));
}

void sha256_end(struct sha256 *s, unsigned char out[32])
{
    if (!s)
        return;
    if (out)
        must(EVP_DigestFinal_ex(s->ctx, out, NULL));
    EVP_MD_CTX_free(s->ctx);
    free(s);
}

#define SEAL_VERSION 1
#define SEAL_NAME_LEN 4
#define NONCE_LEN 12
#define TAG_LEN 16
#define SEAL_HEAD (1 + SEAL_NAME_LEN + NONCE_LEN)
_Static_assert(SEAL_EXTRA == SEAL_HEAD + TAG_LEN, "what sealing adds");

/* Names KEY. The name tells a text that another key has sealed from a text that was changed. KEY is random, so its digest reveals
 * nothing. */
static void seal_name(const unsigned char key[SEAL_KEY_LEN], unsigned char out[SEAL_NAME_LEN])
{
    unsigned char digest[32];
    struct sha256 *sha = sha256_start();
    sha256_add(sha, SLICE_LIT("hookpace-secrets-key"));
    sha256_add(sha, slice_make(key, SEAL_KEY_LEN));
    sha256_end(sha, digest);
    memcpy(out, digest, SEAL_NAME_LEN);
}

enum err crypto_seal(const unsigned char key[SEAL_KEY_LEN], struct slice context,
                     struct slice plain, struct buf *out)
{
    unsigned char *at = (unsigned char *)buf_reserve(out, plain.len + SEAL_EXTRA);
    int n = 0;
    if (!at)
        return ERR_TOO_BIG;
    at[0] = SEAL_VERSION;
    seal_name(key, at + 1);
    unsigned char *nonce = at + 1 + SEAL_NAME_LEN, *body = at + SEAL_HEAD;
    crypto_random(nonce, NONCE_LEN);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce));
    must(EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)context.ptr, (int)context.len));
    must(EVP_EncryptUpdate(ctx, body, &n, (const unsigned char *)plain.ptr, (int)plain.len));
    must(EVP_EncryptFinal_ex(ctx, body + n, &n));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, body + plain.len));
    EVP_CIPHER_CTX_free(ctx);
    buf_wrote(out, plain.len + SEAL_EXTRA);
    return OK;
}

enum err crypto_unseal(const unsigned char key[SEAL_KEY_LEN], struct slice context,
                       struct slice sealed, struct buf *out)
{
    unsigned char name[SEAL_NAME_LEN], tag[TAG_LEN];
    const unsigned char *from = (const unsigned char *)sealed.ptr;
    int n = 0;
    if (sealed.len < SEAL_EXTRA || from[0] != SEAL_VERSION)
        return ERR_CRYPTO;
    seal_name(key, name);
    if (memcmp(from + 1, name, SEAL_NAME_LEN) != 0)
        return ERR_INVALID;
    size_t len = sealed.len - SEAL_EXTRA;
    unsigned char *to = (unsigned char *)buf_reserve(out, len + 1);
    if (!to)
        return ERR_TOO_BIG;
    memcpy(tag, from + SEAL_HEAD + len, TAG_LEN);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, from + 1 + SEAL_NAME_LEN));
    must(EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)context.ptr, (int)context.len));
    must(EVP_DecryptUpdate(ctx, to, &n, from + SEAL_HEAD, (int)len));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag));
    bool is_whole = EVP_DecryptFinal_ex(ctx, to + n, &n) > 0;
    EVP_CIPHER_CTX_free(ctx);
    if (is_whole)
        buf_wrote(out, len);
    else
        OPENSSL_cleanse(to, len);
    return is_whole ? OK : ERR_CRYPTO;
}

bool crypto_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void crypto_random(void *out, size_t len)
{
    char *to = out;
    while (len) {
        ssize_t n = getrandom(to, len, 0);
        if (n < 0) {
            must(errno == EINTR);
            continue;
        }
        to += n;
        len -= (size_t)n;
    }
}

void crypto_wipe(void *ptr, size_t len)
{
    if (ptr)
        OPENSSL_cleanse(ptr, len);
}
