/* scheme - verifies the signatures of incoming webhooks and signs outgoing ones.   [pure, on common/crypto]
 *
 * A scheme is a row of scheme_table.c: header, prefix, encoding, digest, signed text, and the form of a header with
 * several signatures or versions. All signed schemes are presets of `hmac`. Sources: the Standard Webhooks specification
 * and the documentation of GitHub, Stripe, Slack, Shopify, SERPHouse and Semscraper. docs/reference/configuration.md has the
 * details of each scheme.
 */
#ifndef COMMON_WEBHOOK_SCHEME_H
#define COMMON_WEBHOOK_SCHEME_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define SCHEME_SECRETS_MAX 8
#define SCHEME_SECRET_ID_LEN 8
#define SCHEME_PICKS_MAX 2

/* A scheme as configured. scheme_new borrows the strings for the call. */
struct scheme_spec {
    const char *name; /* "serphouse", "hmac", "token", "none", ... */
    /* for "hmac" only; NULL takes the default: X-Signature, "", hex, sha256, {body}, no id, no time
     */
    const char *header, *prefix, *encoding, *digest, *signed_text, *id_header, *timestamp_header;
    int64_t tolerance_s; /* -1: the scheme's own (300 where it has a timestamp); 0: not checked */
    const char *secrets[SCHEME_SECRETS_MAX];
    size_t secret_count;
};

struct scheme; /* immutable, shared by threads */

/* How a provider asks whether a URL is a source's, before it sends events there. */
enum scheme_challenge {
    CHALLENGE_NONE,
    CHALLENGE_URL_VERIFICATION, /* Slack: {"type":"url_verification","challenge":".."}, signed as an event */
};

/* Compiles SPEC. ERR_INVALID with what is wrong (unknown scheme, a secret that is not base64 where
 * it must be, a `signed` text without {body}, ...); never quotes a secret. */
enum err scheme_new(const struct scheme_spec *spec, struct scheme **out,
                    struct error *e) MUST_CHECK;
/* A scheme like S (its headers, encoding, signed text) whose only secret is SECRET. */
enum err scheme_like(const struct scheme *s, const char *secret, struct scheme **out,
                     struct error *e) MUST_CHECK;
void scheme_free(struct scheme *s);
/* The id of a secret, for one that is in no scheme yet; see scheme_secret_id. */
void scheme_name_secret(struct slice secret, char out[SCHEME_SECRET_ID_LEN + 1]);
/* The name of scheme number I; NULL past the last. */
const char *scheme_word(size_t i);
/* True if NAME is a scheme by which we can sign. */
bool scheme_may_sign(struct slice name);
/* True if a secret of scheme NAME is written as "whsec_" and base64. */
bool scheme_secret_is_whsec(struct slice name);
const char *scheme_name(const struct scheme *s);
enum scheme_challenge scheme_challenge(const struct scheme *s);
/* Where the provider documents the event's id, or its tag: pick number I in the words of a source's `id` ("/id",
 * "header:x-github-delivery"); NULL past the last. */
const char *scheme_id_pick(const struct scheme *s, size_t i);
const char *scheme_tag_pick(const struct scheme *s, size_t i);
/* The header line WWW-Authenticate of a 401 (RFC 9110 11.6.1); empty for a scheme that HTTP has no name for. */
const char *scheme_authenticate(const struct scheme *s);

bool scheme_can_sign(const struct scheme *s); /* usable for a destination */
bool scheme_signs_id(const struct scheme *s); /* the message id is covered by the signature */
bool scheme_signs_only_body(const struct scheme *s); /* neither the message id nor the time */
bool scheme_covers_body(const struct scheme *s);     /* false for token, basic, none */
/* How far the signed timestamp may be from the present; 0: it is not checked, or there is none. */
int64_t scheme_tolerance_s(const struct scheme *s);
/* HEADER (any case) carries this scheme's signature, signed id, timestamp or credential: not
 * relayed. An id that is not signed (X-GitHub-Delivery, X-Shopify-Webhook-Id) describes the event,
 * and the providers' own receivers ask for it, so it travels on. */
bool scheme_owns_header(const struct scheme *s, struct slice header);
/* HEADER (any case) shows that the sender knows a secret: a signature or a credential. */
bool scheme_proves_by(const struct scheme *s, struct slice header);
/* scheme_sign writes HEADER (any case, either spelling), so no other line of that name may be sent.
 */
bool scheme_sends_header(const struct scheme *s, struct slice header);

/* How the verification reads the request, so that no HTTP type is needed here. */
struct scheme_request {
    /* The first header with that NAME (any case) without the white space around its value, empty if
     * there is none; COUNT is how many there are. */
    struct slice (*header)(void *ctx, const char *name, unsigned *count);
    void *ctx;
    struct slice query; /* raw, for token */
    wall_ms now;
};

enum scheme_verdict {
    SCHEME_OK,
    SCHEME_MISSING, /* 401 missing_signature */
    SCHEME_INVALID, /* 401 invalid_signature: also two signature, id or timestamp headers */
    SCHEME_STALE,   /* 401 stale_timestamp */
};

/* The name of the header in which S looks for what a 401 with VERDICT complains of; empty if there is none. */
const char *scheme_looks_for(const struct scheme *s, enum scheme_verdict verdict);

struct verify; /* one verification under way */

/* Judges the headers. With SCHEME_OK *OUT is the verification that takes the body, in the form that is signed. End it with
 * verify_end, or with verify_free if the body does not come to its end. The signatures of all secrets are computed and
 * compared in constant time. S must live until then, REQ need not. */
enum scheme_verdict verify_start(const struct scheme *s, const struct scheme_request *req,
                                 struct verify **out) MUST_CHECK;
void verify_body(struct verify *v, struct slice piece);
/* The body is complete: judges the signature and frees V. */
enum scheme_verdict verify_end(struct verify *v) MUST_CHECK;
void verify_free(struct verify *v); /* NULL is fine */
/* The message id by its header, borrowed from the request; empty without one. It is signed if scheme_signs_id says so. A
 * scheme without an id header that is no provider's own takes the headers of the known senders. *ORIGIN gets what the id is unique
 * in (ce-source), or is empty. */
struct slice scheme_message_id(const struct scheme *s, const struct scheme_request *req,
                               struct slice *origin);
/* The text of the timestamp that the signature covers, borrowed from the request; empty without one. */
struct slice scheme_signed_timestamp(const struct scheme *s, const struct scheme_request *req);

/* Appends the header lines ("Name: value\r\n") that sign BODY with secret number SECRET at NOW.
 * MESSAGE_ID is the same on all attempts of a delivery; a character that the signed text uses as a
 * separator next to it ("." in standard-webhooks) is sent as "%2E". ERR_INVALID if an id is needed
 * and MESSAGE_ID is empty or not visible ASCII; ERR_TOO_BIG past the ceiling of HEADERS. */
enum err scheme_sign(const struct scheme *s, size_t secret, struct slice message_id, wall_ms now,
                     struct slice body, struct buf *headers) MUST_CHECK;

/* Appends the header line with the current credential of token or basic, as a sender shows it; nothing for other schemes. */
void scheme_show(const struct scheme *s, struct buf *headers);

/* A short name of a secret by which a delivery remembers which one was in force when it was
 * accepted: the first 32 bits of a SHA-256 over it, in hex. Secret 0 is the current one. */
void scheme_secret_id(const struct scheme *s, size_t secret, char out[SCHEME_SECRET_ID_LEN + 1]);
/* The number of the secret with that id, or 0 if it is no longer configured. */
size_t scheme_find_secret(const struct scheme *s, struct slice id);

#endif
