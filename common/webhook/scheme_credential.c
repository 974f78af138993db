#include "common/webhook/scheme_credential.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/net/http_line.h"

#include <stdlib.h>

#define CREDENTIAL_MAX 4096 /* bytes of a token or of user:password, encoded */

void credential_digest(struct slice secret, unsigned char out[32])
{
    struct sha256 *sha = sha256_start();
    sha256_add(sha, secret);
    sha256_end(sha, out);
}

/* Digests are compared, so that the time tells nothing about a secret's length either. */
static enum scheme_verdict compare(const struct scheme *s, struct slice shown)
{
    unsigned char digest[32];
    bool match = false;
    credential_digest(shown, digest);
    for (size_t i = 0; i < s->secret_count; i++)
        match |= crypto_equal(slice_make(digest, 32), slice_make(s->secrets[i].digest, 32));
    return match ? SCHEME_OK : SCHEME_INVALID;
}

/* The rest of "Authorization: <WORD> ...". SCHEME_MISSING if there is no such header. */
static enum scheme_verdict authorization(const struct scheme_request *req, struct slice word,
                                         struct slice *out)
{
    unsigned count = 0;
    struct slice value = req->header(req->ctx, "Authorization", &count);
    if (count > 1)
        return SCHEME_INVALID;
    if (count == 0 || !slice_starts_nocase(value, word) || value.len <= word.len ||
        value.ptr[word.len] != ' ')
        return SCHEME_MISSING;
    *out = slice_trim(slice_skip(value, word.len));
    return out->len ? SCHEME_OK : SCHEME_MISSING;
}

/* The header that the configuration names for the token. Some senders write "Bearer " before it there too. */
static enum scheme_verdict judge_named(const struct scheme *s, const struct scheme_request *req)
{
    unsigned count = 0;
    if (!s->rules.signature.name)
        return SCHEME_MISSING;
    struct slice shown = req->header(req->ctx, s->rules.signature.name, &count);
    if (count > 1)
        return SCHEME_INVALID;
    if (shown.len == 0)
        return SCHEME_MISSING;
    enum scheme_verdict verdict = compare(s, shown);
    struct slice word = SLICE_LIT("Bearer ");
    if (verdict != SCHEME_OK && slice_starts_nocase(shown, word))
        verdict = compare(s, slice_trim(slice_skip(shown, word.len)));
    return verdict;
}

/* The value of the query's `token`, still encoded. SCHEME_INVALID if there are several. */
static enum scheme_verdict token_in(struct slice query, struct slice *out)
{
    struct slice name = SLICE_LIT("token=");
    bool found = false;
    while (query.ptr) {
        struct slice pair = slice_cut(&query, '&');
        if (!slice_starts(pair, name))
            continue;
        if (found)
            return SCHEME_INVALID;
        found = true;
        *out = slice_skip(pair, name.len);
    }
    return found && out->len ? SCHEME_OK : SCHEME_MISSING;
}

enum scheme_verdict credential_judge_token(const struct scheme *s, const struct scheme_request *req)
{
    struct slice shown = {0};
    struct buf plain;
    enum scheme_verdict verdict = token_in(req->query, &shown);
    if (verdict == SCHEME_MISSING) {
        verdict = judge_named(s, req);
        if (verdict != SCHEME_MISSING)
            return verdict;
        verdict = authorization(req, SLICE_LIT("Bearer"), &shown);
        return verdict == SCHEME_OK ? compare(s, shown) : verdict;
    }
    if (verdict != SCHEME_OK)
        return verdict;
    /* '+' stays a plus: these tokens are pasted into URLs by hand, not filled in by a form. */
    buf_init(&plain, CREDENTIAL_MAX);
    verdict =
        text_unpercent(&plain, shown, false) == OK ? compare(s, buf_slice(&plain)) : SCHEME_INVALID;
    if (plain.ptr)
        crypto_wipe(plain.ptr, plain.len);
    buf_clear(&plain);
    return verdict;
}

enum scheme_verdict credential_judge_basic(const struct scheme *s, const struct scheme_request *req)
{
    struct slice shown = {0};
    unsigned char plain[CREDENTIAL_MAX];
    size_t len = 0;
    enum scheme_verdict verdict = authorization(req, SLICE_LIT("Basic"), &shown);
    if (verdict != SCHEME_OK)
        return verdict;
    if (shown.len > CREDENTIAL_MAX || text_unbase64(shown, false, plain, &len) != OK)
        return SCHEME_INVALID;
    verdict = compare(s, slice_make(plain, len));
    crypto_wipe(plain, len);
    return verdict;
}

void scheme_show(const struct scheme *s, struct buf *headers)
{
    struct buf value;
    if (s->secret_count == 0 || !s->secrets[0].shown)
        return;
    struct slice secret = slice_str(s->secrets[0].shown);
    if (s->rules.signature.name) {
        http_line_add(headers, slice_str(s->rules.signature.name), secret);
        return;
    }
    buf_init(&value, CREDENTIAL_MAX);
    if (s->rules.kind == SCHEME_TOKEN) {
        buf_add_str(&value, "Bearer ");
        buf_add_slice(&value, secret);
    } else {
        char *text = xcalloc(1, 4 * (secret.len / 3 + 1) + 1);
        buf_add_str(&value, "Basic ");
        buf_add(&value, text, text_base64((const unsigned char *)secret.ptr, secret.len, text));
        free(text);
    }
    http_line_add(headers, SLICE_LIT("Authorization"), buf_slice(&value));
    buf_clear(&value);
}
