/* crypto - keyed digests, sealing, constant-time comparison, random bytes.   [edge: OpenSSL]
 *
 * This folder is the only place that includes <openssl/...> apart from TLS in common/net/tls.c. A key is set up
 * once (OpenSSL 3 looks algorithms up by name on every one-shot call) and duplicated per use.
 */
#ifndef COMMON_CRYPTO_CRYPTO_H
#define COMMON_CRYPTO_CRYPTO_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };
#define DIGEST_MAX 64

/* Bytes of a digest: 20, 32, 64. */
size_t digest_len(enum digest d);
/* The digest of DATA in one go: digest_len() bytes to OUT. For what is computed once. */
void digest_once(enum digest d, struct slice data, unsigned char out[DIGEST_MAX]);

struct hmac_key; /* immutable after making, so any number of threads may start from it */
struct hmac;     /* one running computation */

/* Copies SECRET. NULL if OpenSSL refuses. Free with hmac_key_free (which wipes). */
struct hmac_key *hmac_key_new(enum digest d, struct slice secret);
void hmac_key_free(struct hmac_key *key);

/* Starts a computation; end it with hmac_end, which frees it. */
struct hmac *hmac_start(const struct hmac_key *key);
void hmac_add(struct hmac *h, struct slice s);
/* Writes digest_len() bytes to OUT (may be NULL to give up) and frees H. */
void hmac_end(struct hmac *h, unsigned char out[DIGEST_MAX]);

/* A running SHA-256, for digests of bodies. sha256_end writes 32 bytes and frees it. OUT may be NULL. */
struct sha256;
struct sha256 *sha256_start(void);
void sha256_add(struct sha256 *s, struct slice data);
void sha256_end(struct sha256 *s, unsigned char out[32]);

/* Time does not depend on where the bytes differ (it may depend on the lengths). */
bool crypto_equal(struct slice a, struct slice b);
/* LEN random bytes; the process ends if the system has none. */
void crypto_random(void *out, size_t len);
#define SEAL_KEY_LEN 32
/* Bytes that a sealed text has more than its plain text. */
#define SEAL_EXTRA 33
/* Seals PLAIN with AES-256-GCM under KEY and a random nonce, and appends it to OUT: a version byte, 4 bytes that name KEY, the nonce
 * (12), the encrypted bytes, the tag (16). CONTEXT is authenticated with them and is not in OUT. */
enum err crypto_seal(const unsigned char key[SEAL_KEY_LEN], struct slice context,
                     struct slice plain, struct buf *out) MUST_CHECK;
/* Appends the plain text of SEALED to OUT, for the caller to wipe. ERR_INVALID: another key has sealed it. ERR_CRYPTO:
 * SEALED was changed, or CONTEXT is another one. */
enum err crypto_unseal(const unsigned char key[SEAL_KEY_LEN], struct slice context,
                       struct slice sealed, struct buf *out) MUST_CHECK;
/* Overwrites memory that held a secret. */
void crypto_wipe(void *ptr, size_t len);

#endif
