/* scheme_verify - verifies a signature while the body streams in.   [pure, on common/crypto] */
#include "common/webhook/scheme_model.h"

#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/webhook/scheme_credential.h"
#include "common/webhook/scheme_parse.h"

#define TAIL_MAX 4096 /* bytes of what is signed behind the body */

struct verify { /* Freed by verify_end or verify_free. */
    struct signatures shown;
    size_t digest_len;
    struct hmac *macs[SCHEME_SECRETS_MAX]; /* one for each secret; none if there is no signature */
    size_t mac_count;
    struct buf tail; /* a copy: the headers need not outlive verify_start */
};

/* The claims of the headers, not verified yet. */
struct claim {
    struct slice signature, id, timestamp;
};

/* The value of the header; COUNT is the larger one of its two spellings' counts. */
static struct slice look_up(const struct header_names *names, const struct scheme_request *req,
                            unsigned *count)
{
    unsigned again = 0;
    struct slice value = {0}, preferred = {0};
    *count = 0;
    if (names->name)
        value = req->header(req->ctx, names->name, count);
    if (names->preferred)
        preferred = req->header(req->ctx, names->preferred, &again);
    if (again > *count)
        *count = again;
    return preferred.len ? preferred : value;
}

static enum scheme_verdict find(const struct header_names *names, const struct scheme_request *req,
                                bool needed, struct slice *out)
{
    unsigned count = 0;
    *out = look_up(names, req, &count);
    if (count > 1)
        return SCHEME_INVALID;
    return needed && out->len == 0 ? SCHEME_MISSING : SCHEME_OK;
}

static enum scheme_verdict read_claim(const struct scheme *s, const struct scheme_request *req,
                                      struct claim *c)
{
    const struct scheme_rules *r = &s->rules;
    enum scheme_verdict verdict = find(&r->signature, req, true, &c->signature);
    if (verdict == SCHEME_OK)
        verdict = find(&r->id, req, s->text.has_id, &c->id);
    if (verdict == SCHEME_OK)
        verdict = find(&r->timestamp, req, r->timestamp.name != NULL, &c->timestamp);
    if (verdict == SCHEME_OK && s->text.has_id && signed_id_is_ambiguous(&s->text, c->id))
        verdict = SCHEME_INVALID;
    return verdict;
}

/* The limits themselves are inside, as in the Standard Webhooks libraries. */
static enum scheme_verdict judge_time(const struct scheme *s, struct slice timestamp, wall_ms now)
{
    int64_t at = 0;
    if (parse_timestamp(timestamp, &at) != OK)
        return SCHEME_INVALID;
    bool has_zero = timestamp.len > 1 && timestamp.ptr[0] == '0';
    if (has_zero && s->text.has_open_timestamp) /* the zero may be the end of the body */
        return SCHEME_INVALID;
    int64_t age = now / 1000 - at;
    int64_t tolerance = s->rules.tolerance_s;
    return tolerance && (age > tolerance || age < -tolerance) ? SCHEME_STALE : SCHEME_OK;
}

static struct slice part_text(const struct part *part, const struct claim *c)
{
    return part->kind == PART_ID ? c->id : part->kind == PART_TIMESTAMP ? c->timestamp : part->text;
}

/* Starts one computation for each secret with what stands before the body; keeps what comes after.
 */
static void start_macs(struct verify *v, const struct scheme *s, const struct claim *c)
{
    v->digest_len = digest_len(s->rules.digest);
    for (size_t i = 0; i < s->secret_count; i++)
        v->macs[v->mac_count++] = hmac_start(s->secrets[i].key);
    size_t p = 0;
    for (; s->text.parts[p].kind != PART_BODY; p++)
        for (size_t i = 0; i < v->mac_count; i++)
            hmac_add(v->macs[i], part_text(&s->text.parts[p], c));
    for (p++; p < s->text.count; p++)
        buf_add_slice(&v->tail, part_text(&s->text.parts[p], c));
}

static struct verify *verify_new(void)
{
    struct verify *v = NEW(struct verify);
    buf_init(&v->tail, TAIL_MAX);
    return v;
}

void verify_free(struct verify *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->mac_count; i++)
        hmac_end(v->macs[i], NULL);
    buf_clear(&v->tail);
    free(v);
}

static enum scheme_verdict start_signed(const struct scheme *s, const struct scheme_request *req,
                                        struct verify **out)
{
    struct claim c;
    enum scheme_verdict verdict = read_claim(s, req, &c);
    if (verdict != SCHEME_OK)
        return verdict;
    struct verify *v = verify_new();
    parse_signatures(&s->rules, c.signature, &v->shown);
    if (s->rules.list == LIST_STRIPE)
        c.timestamp = v->shown.timestamp;
    if (v->shown.count == 0)
        verdict = SCHEME_INVALID;
    else if (s->text.has_timestamp)
        verdict = judge_time(s, c.timestamp, req->now);
    if (verdict != SCHEME_OK) {
        verify_free(v);
        return verdict;
    }
    start_macs(v, s, &c);
    *out = v;
    return SCHEME_OK;
}

enum scheme_verdict verify_start(const struct scheme *s, const struct scheme_request *req,
                                 struct verify **out)
{
    enum scheme_verdict verdict = SCHEME_OK;
    *out = NULL;
    switch (s->rules.kind) {
    case SCHEME_SIGNED:
        return start_signed(s, req, out);
    case SCHEME_TOKEN:
        verdict = credential_judge_token(s, req);
        break;
    case SCHEME_BASIC:
        verdict = credential_judge_basic(s, req);
        break;
    case SCHEME_NONE:
        break;
    }
    if (verdict == SCHEME_OK)
        *out = verify_new();
    return verdict;
}

void verify_body(struct verify *v, struct slice piece)
{
    for (size_t i = 0; i < v->mac_count; i++)
        hmac_add(v->macs[i], piece);
}

/* Every signature shown against every secret, without an early way out. */
static enum scheme_verdict compare(struct verify *v)
{
    unsigned char digest[DIGEST_MAX];
    bool match = v->mac_count == 0;
    bool usable = !v->tail.failed;
    for (size_t i = 0; i < v->mac_count; i++) {
        hmac_add(v->macs[i], buf_slice(&v->tail));
        hmac_end(v->macs[i], digest);
        for (size_t j = 0; j < v->shown.count; j++)
            match |= crypto_equal(slice_make(digest, v->digest_len),
                                  slice_make(v->shown.digests[j], v->digest_len));
    }
    v->mac_count = 0;
    return match && usable ? SCHEME_OK : SCHEME_INVALID;
}

enum scheme_verdict verify_end(struct verify *v)
{
    if (!v)
        return SCHEME_INVALID;
    enum scheme_verdict verdict = compare(v);
    verify_free(v);
    return verdict;
}

/* Headers by which senders name a message, whatever the scheme. */
static const char *const id_headers[] = {
    "webhook-id",       "svix-id",           "x-shopify-webhook-id",
    "shopify-event-id", "x-github-delivery", "x-wc-webhook-delivery-id",
};

static struct slice find_any_id(const struct scheme_request *req, struct slice *origin)
{
    unsigned n = 0;
    for (size_t i = 0; i < sizeof id_headers / sizeof *id_headers; i++) {
        struct slice id = req->header(req->ctx, id_headers[i], &n);
        if (id.len)
            return id;
    }
    struct slice id = req->header(req->ctx, "ce-id", &n);
    *origin = id.len ? req->header(req->ctx, "ce-source", &n) : SLICE_LIT("");
    return origin->len ? id : SLICE_LIT("");
}

struct slice scheme_message_id(const struct scheme *s, const struct scheme_request *req,
                               struct slice *origin)
{
    unsigned count = 0;
    *origin = SLICE_LIT("");
    if (!s->rules.id.name && s->rules.takes_any_id)
        return find_any_id(req, origin);
    return look_up(&s->rules.id, req, &count);
}

struct slice scheme_signed_timestamp(const struct scheme *s, const struct scheme_request *req)
{
    unsigned count = 0;
    if (s->rules.kind != SCHEME_SIGNED || !s->text.has_timestamp)
        return SLICE_LIT("");
    if (s->rules.list != LIST_STRIPE)
        return look_up(&s->rules.timestamp, req, &count);
    struct signatures shown;
    parse_signatures(&s->rules, look_up(&s->rules.signature, req, &count), &shown);
    return shown.timestamp;
}
