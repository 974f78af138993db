/* stamp - how an account had its webhooks sent when it set a task.   [pure]
 *
 * The record of a task has a stamp if its account has settings of its own. A later change of the settings changes no task that is
 * there. A stamp is one line of words, each only where the account has set it:
 *
 *     tls=0 payload=result gzip=never sign=semscraper id=1f2e3d4c sealed=<base64>
 *
 * The signing secret is in it, sealed under `secrets_key` (crypto_seal) for this account and this id. So it is kept as long as the
 * task, and an account may change its secret as often as it likes.
 */
#ifndef COMMON_QUEUE_STAMP_H
#define COMMON_QUEUE_STAMP_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#define STAMP_MAX 1024
#define STAMP_SECRET_MAX 128 /* bytes of a secret that we make */

struct stamp { /* slices borrowed; -1 and empty: the configuration says it */
    int verify_tls;
    int payload; /* enum account_payload */
    int gzip;    /* enum gzip_mode */
    struct slice scheme, secret_id, sealed;
};

/* Nothing is set. */
struct stamp stamp_none(void);
/* Reads TEXT. A word that it does not know is an error: ERR_INVALID. */
enum err stamp_read(struct slice text, struct stamp *out) MUST_CHECK;
/* Takes over WORD of a stamp ("tls", "payload", "gzip", "sign", "id", "sealed") with VALUE, which S borrows. */
enum err stamp_set(struct stamp *s, struct slice word, struct slice value) MUST_CHECK;
void stamp_write(const struct stamp *s, struct buf *out);
/* The words of enum account_payload and enum gzip_mode. */
const char *stamp_payload_word(int payload);
const char *stamp_gzip_word(int gzip);

/* Seals SECRET of ACCOUNT and appends it as base64. */
enum err stamp_seal(const unsigned char *key, struct slice account, struct slice secret_id,
                    struct slice secret, struct buf *out) MUST_CHECK;
/* Appends the secret of S, for the caller to wipe. Errors as those of crypto_unseal. */
enum err stamp_unseal(const unsigned char *key, struct slice account, const struct stamp *s,
                      struct buf *out) MUST_CHECK;

#endif
