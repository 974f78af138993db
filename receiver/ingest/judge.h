/* judge - all answers that the receiver gives to webhooks, and the rules that choose one.   [pure] */
#ifndef RECEIVER_JUDGE_H
#define RECEIVER_JUDGE_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/webhook/ids.h"
#include "common/webhook/scheme.h"

struct form_scan;
struct json_scan;
struct source_pick;

#define HEADER_ALLOW "Allow: GET, HEAD, POST\r\n"
#define HEADER_ACCEPT "Accept-Encoding: gzip\r\n"
#define HEADER_RETRY "Retry-After: 1\r\n"

/* id, HTTP status, code (also the metric's `result`), header lines, message. No answer is 410 or 3xx, because senders disable a
 * URL that answers so. */
#define ANSWERS(X)                                                                                 \
    X(OK, 200, "ok", "", "")                                                                       \
    X(DUPLICATE, 200, "duplicate", "", "")                                                         \
    X(CHALLENGE, 200, "challenge", "", "")                                                         \
    X(PROBE, 200, "probe", "", "")                                                                 \
    X(BAD_REQUEST, 400, "bad_request", "", "a GET or HEAD takes no body")                          \
    X(INVALID_JSON, 400, "invalid_json", "", "the body is not valid JSON")                         \
    X(INVALID_GZIP, 400, "invalid_gzip", "", "the body is not valid gzip")                         \
    X(MISSING_SIGNATURE, 401, "missing_signature", "", "the signature or credential is missing")   \
    X(INVALID_SIGNATURE, 401, "invalid_signature", "", "the signature or credential is not valid") \
    X(STALE_TIMESTAMP, 401, "stale_timestamp", "", "the timestamp is too far from the present")    \
    X(ADDRESS_NOT_ALLOWED, 403, "address_not_allowed", "", "this address may not send here")       \
    X(UNKNOWN_SOURCE, 404, "unknown_source", "", "there is no such source")                        \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed", HEADER_ALLOW, "use POST or GET")              \
    X(LENGTH_REQUIRED, 411, "length_required", "",                                                 \
      "send Content-Length, or Transfer-Encoding: chunked")                                        \
    X(BODY_TOO_LARGE, 413, "body_too_large", "", "the body is too large")                          \
    X(INFLATED_TOO_LARGE, 413, "inflated_too_large", "", "the inflated body is too large")         \
    X(UNSUPPORTED_ENCODING, 415, "unsupported_encoding", HEADER_ACCEPT,                            \
      "the only Content-Encoding taken is gzip")                                                   \
    X(INVALID_ID, 422, "invalid_id", "", "the id is not valid")                                    \
    X(HEADERS_TOO_LARGE, 431, "headers_too_large", "", "the headers that are kept are too large")  \
    X(QUEUE_UNAVAILABLE, 503, "queue_unavailable", HEADER_RETRY,                                   \
      "the queue cannot take the event; send it again")                                            \
    X(OVERLOADED, 503, "overloaded", HEADER_RETRY, "too much is under way; send it again")

enum answer {
#define ANSWER_ENUM(id, status, code, headers, message) ANSWER_##id,
    ANSWERS(ANSWER_ENUM)
#undef ANSWER_ENUM
        ANSWER_COUNT
};

struct answer_row {
    int status;
    const char *code, *headers, *message;
};
const struct answer_row *answer_row(enum answer a);

/* --- headers --- */

enum body_encoding { BODY_PLAIN, BODY_GZIP, BODY_UNSUPPORTED };

/* VALUE is the Content-Encoding header, COUNT how many there are. */
enum body_encoding judge_encoding(struct slice value, unsigned count);
/* ANSWER_OK for SCHEME_OK, else the 401. */
enum answer judge_signature(enum scheme_verdict v);
/* --- the body --- */

struct findings { /* about a body that was read to its end */
    enum scheme_verdict signature;
    bool is_unsigned_text; /* the gzip is broken, so the bytes that are signed are missing */
    enum answer defect;    /* ANSWER_OK, ANSWER_INVALID_GZIP or ANSWER_INVALID_JSON */
};

/* Judges the signature first, so that nobody without the secret learns what is wrong with a body. Exception: if the signed
 * bytes are missing, the answer is the defect. */
enum answer judge_body(const struct findings *f);

/* If PLAIN is a Slack url_verification, appends `{"challenge":"..."}` to OUT and returns true. PLAIN is a body whose signature
 * is right. */
bool judge_challenge(struct slice plain, struct buf *out);

/* --- id and tag --- */

struct identity_sources {
    const struct source_pick *picks; /* of ids; those of tags follow */
    size_t id_picks, tag_picks;
    const struct json_scan *scan; /* NULL: the body is not read as JSON */
    const struct form_scan *form; /* NULL: the body is not read as a form */
    const struct scheme_request *request;
    struct slice message_id; /* the scheme's header, or empty */
    bool may_generate;       /* false for a pingback: without an id it announces nothing */
};

enum id_origin {
    ID_NAMED,      /* the body or the query names it */
    ID_OF_HEADER,  /* a pick names the header, which is not the one of the message id */
    ID_OF_MESSAGE, /* it is the message id */
    ID_GENERATED
};

struct identity {
    enum id_origin origin;
    char id[ID_MAX + 1], tag[TAG_BYTES + 1]; /* each ends in a NUL */
    size_t id_len, tag_len;
    bool tag_was_bad; /* so the event has none */
};

/* Returns ANSWER_OK and fills OUT, or ANSWER_INVALID_ID and sets *WHY (static). The first id found counts: if it is bad, the
 * webhook is refused, whatever other ids it has. A bad tag is left out. */
enum answer judge_identity(const struct identity_sources *from, struct identity *out,
                           const char **why);

#endif
