#include "common/queue/stamp.h"

#include "common/base/text.h"
#include "common/crypto/crypto.h"

#define CONTEXT_MAX 128
#define SEALED_MAX (STAMP_SECRET_MAX + SEAL_EXTRA)
#define SEALED_TEXT_MAX ((size_t)4 * ((SEALED_MAX + 2) / 3))

static const char *const payloads[] = {"envelope", "result", NULL};
static const char *const gzips[] = {"keep", "always", "never", NULL};
static const char *const truths[] = {"0", "1", NULL};

struct stamp stamp_none(void)
{
    return (struct stamp){.verify_tls = -1, .payload = -1, .gzip = -1};
}

const char *stamp_payload_word(int payload)
{
    return payloads[payload];
}

const char *stamp_gzip_word(int gzip)
{
    return gzips[gzip];
}

static enum err set_choice(const char *const *words, struct slice value, int *out)
{
    for (int i = 0; words[i]; i++)
        if (slice_eq(value, slice_str(words[i]))) {
            *out = i;
            return OK;
        }
    return ERR_INVALID;
}

enum err stamp_set(struct stamp *s, struct slice word, struct slice value)
{
    if (slice_eq(word, SLICE_LIT("tls")))
        return set_choice(truths, value, &s->verify_tls);
    if (slice_eq(word, SLICE_LIT("payload")))
        return set_choice(payloads, value, &s->payload);
    if (slice_eq(word, SLICE_LIT("gzip")))
        return set_choice(gzips, value, &s->gzip);
    if (slice_eq(word, SLICE_LIT("sign")))
        s->scheme = value;
    else if (slice_eq(word, SLICE_LIT("id")))
        s->secret_id = value;
    else if (slice_eq(word, SLICE_LIT("sealed")))
        s->sealed = value;
    else
        return ERR_INVALID;
    return value.len ? OK : ERR_INVALID;
}

enum err stamp_read(struct slice text, struct stamp *out)
{
    enum err rc = OK;
    *out = stamp_none();
    while (text.len && rc == OK) {
        struct slice value = slice_cut(&text, ' '), word = slice_cut(&value, '=');
        rc = stamp_set(out, word, value);
    }
    bool is_signed = out->scheme.len, has_secret = out->secret_id.len && out->sealed.len;
    return rc == OK && is_signed == has_secret ? OK : ERR_INVALID;
}

static void add_word(struct buf *out, const char *word, struct slice value)
{
    if (!value.len)
        return;
    if (out->len)
        buf_add_char(out, ' ');
    buf_add_str(out, word);
    buf_add_char(out, '=');
    buf_add_slice(out, value);
}

void stamp_write(const struct stamp *s, struct buf *out)
{
    if (s->verify_tls >= 0)
        add_word(out, "tls", slice_str(truths[s->verify_tls]));
    if (s->payload >= 0)
        add_word(out, "payload", slice_str(payloads[s->payload]));
    if (s->gzip >= 0)
        add_word(out, "gzip", slice_str(gzips[s->gzip]));
    add_word(out, "sign", s->scheme);
    add_word(out, "id", s->secret_id);
    add_word(out, "sealed", s->sealed);
}

/* The context that is authenticated with the secret: a sealed secret is of no use for another account or under another id. */
static void add_context(struct buf *out, struct slice account, struct slice secret_id)
{
    buf_add_slice(out, account);
    buf_add_char(out, ' ');
    buf_add_slice(out, secret_id);
}

enum err stamp_seal(const unsigned char *key, struct slice account, struct slice secret_id,
                    struct slice secret, struct buf *out)
{
    char about[CONTEXT_MAX], bytes[SEALED_MAX + 1], text[SEALED_TEXT_MAX];
    struct buf context = buf_over(about), sealed = buf_over(bytes);
    add_context(&context, account, secret_id);
    enum err rc = context.failed || secret.len > STAMP_SECRET_MAX
                      ? ERR_TOO_BIG
                      : crypto_seal(key, buf_slice(&context), secret, &sealed);
    if (rc == OK)
        buf_add(out, text, text_base64(sealed.ptr, sealed.len, text));
    return rc == OK && out->failed ? ERR_TOO_BIG : rc;
}

enum err stamp_unseal(const unsigned char *key, struct slice account, const struct stamp *s,
                      struct buf *out)
{
    char about[CONTEXT_MAX], bytes[3 * (SEALED_TEXT_MAX / 4 + 1)];
    struct buf context = buf_over(about);
    size_t len = 0;
    add_context(&context, account, s->secret_id);
    if (context.failed || s->sealed.len > SEALED_TEXT_MAX ||
        text_unbase64(s->sealed, false, bytes, &len) != OK)
        return ERR_CRYPTO;
    return crypto_unseal(key, buf_slice(&context), slice_make(bytes, len), out);
}
