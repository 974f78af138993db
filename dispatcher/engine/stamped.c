#include "dispatcher/engine/stamped.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/crypto/crypto.h"
#include "common/queue/stamp.h"

#include <stdio.h>
#include <stdlib.h>

/* NAME with SECRET: with the headers and texts of the account's own scheme, if that is the same. */
static enum err make_scheme(const struct scheme *own, struct slice name, const char *secret,
                            struct scheme **out)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", SLICE_FMT(slice_head(name, 63)));
    if (own && slice_eq(name, slice_str(scheme_name(own))))
        return scheme_like(own, secret, out, NULL);
    struct scheme_spec spec = {
        .name = text, .tolerance_s = -1, .secrets = {secret}, .secret_count = 1};
    return scheme_may_sign(name) ? scheme_new(&spec, out, NULL) : ERR_INVALID;
}

/* Returns why the secret of STAMP cannot be read, or NULL. */
static const char *unseal(const struct config *conf, const struct destination *dest,
                          const struct stamp *stamp, struct scheme **out)
{
    char text[STAMP_SECRET_MAX + 2];
    struct buf secret = buf_over(text);
    if (!conf->has_secrets_key)
        return "the configuration has no secrets_key";
    enum err rc = stamp_unseal(conf->secrets_key, slice_str(dest->account->name), stamp, &secret);
    const char *why = rc == ERR_INVALID ? "it was sealed with another secrets_key"
                      : rc != OK        ? "it was changed in Redis"
                                        : NULL;
    if (!why && make_scheme(dest->settings->sign, stamp->scheme, text, out) != OK)
        why = "its scheme does not take it";
    crypto_wipe(text, sizeof text);
    return why;
}

struct stamped *stamped_new(const struct request_rules *base, const struct config *conf,
                            const struct destination *dest, const struct event *e)
{
    struct stamp stamp;
    struct scheme *sign = NULL;
    const char *why = "the stamp cannot be read";
    if (stamp_read(e->stamp, &stamp) == OK)
        why = stamp.sealed.len ? unseal(conf, dest, &stamp, &sign) : NULL;
    if (why) {
        LOG_RARELY(LL_ERROR, "secret.unreadable", LS("account", dest->account->name),
                   LSL("secret", stamp.secret_id), LS("reason", why));
        return NULL;
    }
    struct stamped *s = NEW(struct stamped);
    s->rules = *base;
    s->sign = sign;
    s->verify_tls = stamp.verify_tls < 0 ? dest->settings->verify_tls : stamp.verify_tls;
    if (sign)
        s->rules.sign = sign;
    if (stamp.payload >= 0)
        s->rules.payload = (enum account_payload)stamp.payload;
    if (stamp.gzip >= 0)
        s->rules.gzip = (enum gzip_mode)stamp.gzip;
    else if (sign && !dest->settings->has_own_gzip)
        s->rules.gzip = GZIP_NEVER; /* receivers verify the plain bytes */
    return s;
}

void stamped_free(struct stamped *s)
{
    if (!s)
        return;
    scheme_free(s->sign);
    free(s);
}
