/* crypto - keyed digests, constant-time comparison, random bytes.   [edge: OpenSSL]
 *
 * The only place that includes <openssl/...> apart from TLS in common/net/tls.c. A key is set up
 * once (OpenSSL 3 looks algorithms up by name on every one-shot call) and duplicated per use.
 */
#ifndef COMMON_CRYPTO_CRYPTO_H
#define COMMON_CRYPTO_CRYPTO_H

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
/* Overwrites memory that held a secret. */
void crypto_wipe(void *ptr, size_t len);

#endif
