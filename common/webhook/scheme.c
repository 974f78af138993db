#include "common/webhook/scheme.h"

#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/net/http_rules.h"
#include "common/webhook/scheme_credential.h"
#include "common/webhook/scheme_model.h"
#include "common/webhook/scheme_parse.h"
#include "common/webhook/special_headers.h"

#define SECRET_MIN 8    /* bytes: anything shorter can be guessed */
#define SECRET_MAX 4096 /* bytes */

static enum err unknown_scheme(struct slice name, struct error *e)
{
    struct text_guess guess = text_guess(name);
    char guessed[TEXT_GUESS_MAX];
    for (size_t i = 0; i < scheme_row_count; i++)
        text_guess_try(&guess, slice_str(scheme_rows[i].name));
    return fail(e, ERR_INVALID, "unknown scheme \"%.*s\"%s", SLICE_FMT(slice_head(name, 64)),
                text_guess_write(&guess, "", guessed));
}

const char *scheme_word(size_t i)
{
    return i < scheme_row_count ? scheme_rows[i].name : NULL;
}

/* NAME can carry a signature, an id or a timestamp. */
static bool is_usable_header(struct slice name)
{
    return http_is_token(name) && name.len <= 64 && !(special_header(name) & HEADER_FRAMING);
}

static const char *own(struct scheme *s, const char *text)
{
    return s->owned[s->owned_count++] = xstrdup(text);
}

static enum err set_header(struct scheme *s, const char *key, const char *value,
                           struct header_names *names, struct error *e)
{
    if (!value)
        return OK;
    if (!is_usable_header(slice_str(value)))
        return fail(e, ERR_INVALID, "%s: this header cannot carry it; name another one", key);
    *names = (struct header_names){own(s, value), NULL};
    return OK;
}

static bool same_header(const struct header_names *a, const struct header_names *b)
{
    return a->name && b->name && slice_eq_nocase(slice_str(a->name), slice_str(b->name));
}

static enum err set_prefix(struct scheme *s, const char *prefix, struct error *e)
{
    if (!prefix)
        return OK;
    size_t len = strlen(prefix);
    for (size_t i = 0; i < len; i++)
        if (prefix[i] < ' ' || prefix[i] > '~')
            return fail(e, ERR_INVALID, "prefix: use visible ASCII only");
    /* HTTP drops spaces around a value, so a prefix that starts with one could never match. */
    if (len > 64 || (len && prefix[0] == ' '))
        return fail(e, ERR_INVALID, "prefix: at most 64 characters, not starting with a space");
    s->rules.prefix = own(s, prefix);
    return OK;
}

static enum err set_words(struct scheme *s, const struct scheme_spec *spec, struct error *e)
{
    struct slice encoding = slice_str(spec->encoding), digest = slice_str(spec->digest);
    if (slice_eq(encoding, SLICE_LIT("base64")))
        s->rules.encoding = ENCODING_BASE64;
    else if (spec->encoding && !slice_eq(encoding, SLICE_LIT("hex")))
        return fail(e, ERR_INVALID, "encoding: hex or base64");
    if (slice_eq(digest, SLICE_LIT("sha1")))
        s->rules.digest = DIGEST_SHA1;
    else if (slice_eq(digest, SLICE_LIT("sha512")))
        s->rules.digest = DIGEST_SHA512;
    else if (spec->digest && !slice_eq(digest, SLICE_LIT("sha256")))
        return fail(e, ERR_INVALID, "digest: sha1, sha256 or sha512");
    return OK;
}

/* A preset has the provider's own fields. Exception: the senders of a token name its header. */
static enum err customise_preset(struct scheme *s, const struct scheme_spec *spec, struct error *e)
{
    if (spec->header && s->rules.kind != SCHEME_TOKEN)
        return fail(e, ERR_INVALID, "header: is for the hmac and token schemes only");
    if (spec->prefix || spec->encoding || spec->digest || spec->signed_text || spec->id_header ||
        spec->timestamp_header)
        return fail(e, ERR_INVALID,
                    "prefix, encoding, digest, signed, id_header and timestamp_header are for the "
                    "hmac scheme only");
    return set_header(s, "header", spec->header, &s->rules.signature, e);
}

static enum err customise(struct scheme *s, const struct scheme_spec *spec, struct error *e)
{
    struct scheme_rules *r = &s->rules;
    if (!slice_eq(slice_str(r->name), SLICE_LIT("hmac")))
        return customise_preset(s, spec, e);
    enum err rc = set_header(s, "header", spec->header, &r->signature, e);
    if (rc == OK)
        rc = set_header(s, "id_header", spec->id_header, &r->id, e);
    if (rc == OK)
        rc = set_header(s, "timestamp_header", spec->timestamp_header, &r->timestamp, e);
    if (rc == OK)
        rc = set_prefix(s, spec->prefix, e);
    if (rc == OK)
        rc = set_words(s, spec, e);
    if (rc == OK && spec->signed_text)
        r->signed_text = own(s, spec->signed_text);
    if (rc == OK &&
        (same_header(&r->signature, &r->id) || same_header(&r->signature, &r->timestamp) ||
         same_header(&r->id, &r->timestamp)))
        return fail(e, ERR_INVALID, "header, id_header and timestamp_header must differ");
    return rc;
}

static enum err compile_text(struct scheme *s, struct error *e)
{
    const struct scheme_rules *r = &s->rules;
    enum err rc = parse_signed_text(r->signed_text, &s->text, e);
    if (rc != OK)
        return rc;
    if (s->text.has_id && !r->id.name)
        return fail(e, ERR_INVALID, "signed: {id} needs an id_header");
    if (s->text.has_timestamp && !r->timestamp.name && r->list != LIST_STRIPE)
        return fail(e, ERR_INVALID, "signed: {timestamp} needs a timestamp_header");
    /* Anyone could renew it: the protection against replays would be an illusion. */
    if (r->timestamp.name && !s->text.has_timestamp)
        return fail(e, ERR_INVALID, "timestamp_header: `signed` does not contain {timestamp}");
    return OK;
}

static enum err set_tolerance(struct scheme *s, int64_t tolerance_s, struct error *e)
{
    if (!s->text.has_timestamp) {
        s->rules.tolerance_s = 0;
        if (tolerance_s > 0)
            return fail(e, ERR_INVALID, "tolerance_s: nothing in this scheme has a timestamp");
    }
    if (tolerance_s < -1)
        return fail(e, ERR_INVALID, "tolerance_s: must not be negative");
    if (tolerance_s >= 0)
        s->rules.tolerance_s = tolerance_s;
    /* With digits of the body added or taken away, a timestamp is far in the future or the past. */
    if (s->text.has_open_timestamp && !s->rules.tolerance_s)
        return fail(e, ERR_INVALID,
                    "signed: put text without a digit between {timestamp} and the other "
                    "variables, or set tolerance_s");
    return OK;
}

void scheme_name_secret(struct slice secret, char out[SCHEME_SECRET_ID_LEN + 1])
{
    unsigned char digest[32];
    struct sha256 *sha = sha256_start();
    sha256_add(sha, slice_make("hookpace-secret", sizeof("hookpace-secret"))); /* with its NUL */
    sha256_add(sha, secret);
    sha256_end(sha, digest);
    text_hex(digest, SCHEME_SECRET_ID_LEN / 2, out);
    out[SCHEME_SECRET_ID_LEN] = '\0';
}

/* "whsec_" and base64, which need not be padded. */
static enum err decode_secret(struct slice text, unsigned char out[SECRET_MAX], size_t *len,
                              size_t number, struct error *e)
{
    if (slice_starts(text, SLICE_LIT("whsec_")))
        text = slice_skip(text, 6);
    if (text_unbase64(text, true, out, len) != OK)
        return fail(e, ERR_INVALID,
                    "secrets/%zu: not base64 (standard alphabet) after an optional whsec_", number);
    if (*len < SECRET_MIN)
        return fail(e, ERR_INVALID, "secrets/%zu: decodes to less than %d bytes", number,
                    SECRET_MIN);
    return OK;
}

static enum err add_key(struct scheme *s, struct slice text, struct error *e)
{
    unsigned char bytes[SECRET_MAX];
    struct slice key = text;
    enum err rc = OK;
    if (s->rules.secret_is_base64) {
        size_t len = 0;
        rc = decode_secret(text, bytes, &len, s->secret_count, e);
        key = slice_make(bytes, len);
    }
    if (rc == OK) {
        s->secrets[s->secret_count].key = hmac_key_new(s->rules.digest, key);
        if (!s->secrets[s->secret_count].key)
            rc = fail(e, ERR_CRYPTO, "OpenSSL refuses the digest");
    }
    crypto_wipe(bytes, sizeof(bytes));
    return rc;
}

static enum err add_secret(struct scheme *s, struct slice text, struct error *e)
{
    struct scheme_secret *secret = &s->secrets[s->secret_count];
    enum err rc = OK;
    if (text.len < SECRET_MIN || text.len > SECRET_MAX)
        return fail(e, ERR_INVALID, "secrets/%zu: must have %d to %d bytes", s->secret_count,
                    SECRET_MIN, SECRET_MAX);
    if (s->rules.kind == SCHEME_SIGNED)
        rc = add_key(s, text, e);
    else if (s->rules.kind == SCHEME_BASIC && !memchr(text.ptr, ':', text.len))
        rc = fail(e, ERR_INVALID, "secrets/%zu: must be user:password", s->secret_count);
    else {
        credential_digest(text, secret->digest);
        secret->shown = xslicedup(text);
    }
    if (rc == OK) {
        scheme_name_secret(text, secret->id);
        s->secret_count++;
    }
    return rc;
}

static enum err take_secrets(struct scheme *s, const struct scheme_spec *spec, struct error *e)
{
    enum err rc = OK;
    if (s->rules.kind == SCHEME_NONE)
        return spec->secret_count == 0
                   ? OK
                   : fail(e, ERR_INVALID,
                          "secrets: the scheme none does not use them; remove them");
    if (spec->secret_count == 0)
        return fail(e, ERR_INVALID, "secrets: at least one is needed");
    if (spec->secret_count > SCHEME_SECRETS_MAX)
        return fail(e, ERR_INVALID, "secrets: at most %d", SCHEME_SECRETS_MAX);
    for (size_t i = 0; i < spec->secret_count && rc == OK; i++)
        rc = add_secret(s, slice_str(spec->secrets[i]), e);
    return rc;
}

enum err scheme_new(const struct scheme_spec *spec, struct scheme **out, struct error *e)
{
    const struct scheme_rules *row = scheme_row(slice_str(spec->name));
    if (!row)
        return unknown_scheme(slice_str(spec->name), e);
    struct scheme *s = NEW(struct scheme);
    s->rules = *row;
    enum err rc = customise(s, spec, e);
    if (rc == OK && row->kind == SCHEME_SIGNED)
        rc = compile_text(s, e);
    if (rc == OK)
        rc = set_tolerance(s, spec->tolerance_s, e);
    if (rc == OK)
        rc = take_secrets(s, spec, e);
    if (rc != OK) {
        scheme_free(s);
        return rc;
    }
    *out = s;
    return OK;
}

enum err scheme_like(const struct scheme *s, const char *secret, struct scheme **out,
                     struct error *e)
{
    static const char *const digests[] = {
        [DIGEST_SHA1] = "sha1", [DIGEST_SHA256] = "sha256", [DIGEST_SHA512] = "sha512"};
    const struct scheme_rules *r = &s->rules;
    struct scheme_spec spec = {
        .name = r->name, .tolerance_s = -1, .secrets = {secret}, .secret_count = 1};
    if (slice_eq(slice_str(r->name), SLICE_LIT("hmac"))) {
        spec.header = r->signature.name;
        spec.prefix = r->prefix;
        spec.encoding = r->encoding == ENCODING_HEX ? "hex" : "base64";
        spec.digest = digests[r->digest];
        spec.signed_text = r->signed_text;
        spec.id_header = r->id.name;
        spec.timestamp_header = r->timestamp.name;
        spec.tolerance_s = r->tolerance_s;
    }
    return scheme_new(&spec, out, e);
}

bool scheme_may_sign(struct slice name)
{
    const struct scheme_rules *row = scheme_row(name);
    return row && row->kind == SCHEME_SIGNED;
}

bool scheme_secret_is_whsec(struct slice name)
{
    const struct scheme_rules *row = scheme_row(name);
    return row && (row->secret_is_base64 || row->list == LIST_STRIPE);
}

void scheme_free(struct scheme *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SCHEME_SECRETS_MAX; i++) {
        hmac_key_free(s->secrets[i].key);
        free(s->secrets[i].shown);
    }
    for (size_t i = 0; i < s->owned_count; i++)
        free(s->owned[i]);
    crypto_wipe(s, sizeof(*s));
    free(s);
}

const char *scheme_name(const struct scheme *s)
{
    return s->rules.name;
}

enum scheme_challenge scheme_challenge(const struct scheme *s)
{
    return s->rules.challenge;
}

const char *scheme_id_pick(const struct scheme *s, size_t i)
{
    return i < SCHEME_PICKS_MAX ? s->rules.id_picks[i] : NULL;
}

const char *scheme_tag_pick(const struct scheme *s, size_t i)
{
    return i < SCHEME_PICKS_MAX ? s->rules.tag_picks[i] : NULL;
}

const char *scheme_authenticate(const struct scheme *s)
{
    return s->rules.authenticate ? s->rules.authenticate : "";
}

bool scheme_can_sign(const struct scheme *s)
{
    return s->rules.kind == SCHEME_SIGNED;
}

bool scheme_signs_id(const struct scheme *s)
{
    return s->text.has_id;
}

bool scheme_signs_only_body(const struct scheme *s)
{
    return s->rules.kind == SCHEME_SIGNED && !s->text.has_id && !s->text.has_timestamp;
}

bool scheme_covers_body(const struct scheme *s)
{
    return s->rules.kind == SCHEME_SIGNED;
}

int64_t scheme_tolerance_s(const struct scheme *s)
{
    return s->rules.tolerance_s;
}

static bool is_named(const struct header_names *names, struct slice header)
{
    return (names->name && slice_eq_nocase(header, slice_str(names->name))) ||
           (names->preferred && slice_eq_nocase(header, slice_str(names->preferred)));
}

bool scheme_proves_by(const struct scheme *s, struct slice header)
{
    const struct scheme_rules *r = &s->rules;
    if ((r->kind == SCHEME_TOKEN || r->kind == SCHEME_BASIC) &&
        slice_eq_nocase(header, SLICE_LIT("authorization")))
        return true;
    return is_named(&r->signature, header) ||
           (r->also_own && slice_eq_nocase(header, slice_str(r->also_own)));
}

bool scheme_owns_header(const struct scheme *s, struct slice header)
{
    const struct scheme_rules *r = &s->rules;
    return scheme_proves_by(s, header) || is_named(&r->timestamp, header) ||
           (s->text.has_id && is_named(&r->id, header));
}

const char *scheme_looks_for(const struct scheme *s, enum scheme_verdict verdict)
{
    const struct scheme_rules *r = &s->rules;
    const char *name = r->signature.name;
    if (!name && (r->kind == SCHEME_TOKEN || r->kind == SCHEME_BASIC))
        return "Authorization";
    if (verdict == SCHEME_STALE && r->timestamp.name)
        name = r->timestamp.name;
    return name ? name : "";
}

bool scheme_sends_header(const struct scheme *s, struct slice header)
{
    const struct scheme_rules *r = &s->rules;
    return r->kind == SCHEME_SIGNED &&
           (is_named(&r->signature, header) || is_named(&r->timestamp, header) ||
            (r->sends_id && is_named(&r->id, header)));
}

void scheme_secret_id(const struct scheme *s, size_t secret, char out[SCHEME_SECRET_ID_LEN + 1])
{
    if (secret < s->secret_count)
        memcpy(out, s->secrets[secret].id, SCHEME_SECRET_ID_LEN + 1);
    else
        out[0] = '\0';
}

size_t scheme_find_secret(const struct scheme *s, struct slice id)
{
    for (size_t i = 0; i < s->secret_count; i++)
        if (slice_eq(id, slice_str(s->secrets[i].id)))
            return i;
    return 0;
}
