#include "receiver/accounts.h"

#include "common/base/buf.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/ops/router.h"

#define CREDENTIALS_MAX 8192
#define SHA256_LEN 32

/* Compares digests, which have one length, and compares with every account, so that the time reveals nothing. */
bool accounts_find(const struct config *conf, struct slice credentials, struct caller *who)
{
    unsigned char mine[DIGEST_MAX], theirs[DIGEST_MAX];
    static const unsigned roles[] = {
        [ACCOUNT_ADMIN] = ROLE_ADMIN, [ACCOUNT_USER] = ROLE_USER, [ACCOUNT_VIEWER] = ROLE_VIEWER};
    const struct config_account *found = NULL;
    struct buf expected;
    size_t at = 0;
    struct slice name;
    void *value;
    buf_init(&expected, CREDENTIALS_MAX);
    digest_once(DIGEST_SHA256, credentials, theirs);
    while (map_next(&conf->accounts, &at, &name, &value)) {
        const struct config_account *account = value;
        buf_reset(&expected);
        buf_add_slice(&expected, name);
        buf_add_char(&expected, ':');
        buf_add_str(&expected, account->password);
        digest_once(DIGEST_SHA256, buf_slice(&expected), mine);
        if (crypto_equal(slice_make((char *)mine, SHA256_LEN),
                         slice_make((char *)theirs, SHA256_LEN)))
            found = account;
    }
    if (expected.ptr)
        crypto_wipe(expected.ptr, expected.cap);
    buf_clear(&expected);
    if (!found)
        return false;
    who->account = found;
    who->role = roles[found->role];
    return true;
}
