/* http_rules - which request heads every parser reads alike, and the answer to all others.   [pure]
 *
 * llhttp parses. These rules look at the raw bytes first and at the parsed fields afterwards. They refuse a webhook
 * that two parsers could read differently, rather than guess (request smuggling). docs/reference/http.md lists the rules for
 * users.
 */
#ifndef COMMON_NET_HTTP_RULES_H
#define COMMON_NET_HTTP_RULES_H

#include "common/base/slice.h"

#include <stdint.h>

/* id, status, code, message */
#define HTTP_FAULTS(X)                                                                             \
    X(NONE, 0, "", "")                                                                             \
    X(METHOD, 400, "bad_request", "the method is not a token")                                     \
    X(TARGET, 400, "bad_request", "the request target holds a byte that must be percent-encoded")  \
    X(TARGET_FORM, 400, "bad_request", "the request target must start with a slash")               \
    X(VERSION, 400, "bad_request", "the request line does not end in HTTP/1.1 or HTTP/1.0")        \
    X(VERSION_MINOR, 505, "bad_request", "only HTTP/1.1 and HTTP/1.0 are spoken here")             \
    X(BARE_LF, 400, "bad_request", "a line ends in a bare LF")                                     \
    X(BARE_CR, 400, "bad_request", "a bare CR")                                                    \
    X(FOLD, 400, "bad_request", "a folded header line")                                            \
    X(NAME, 400, "bad_request", "a header name is empty or not a token followed by a colon")       \
    X(VALUE, 400, "bad_request", "a control character in a header value")                          \
    X(HOST, 400, "bad_request", "exactly one valid Host header is needed")                         \
    X(LENGTH, 400, "bad_request", "Content-Length must stand once and be 1 to 10 digits")          \
    X(LENGTH_AND_ENCODING, 400, "bad_request", "both Content-Length and Transfer-Encoding")        \
    X(ENCODING, 400, "bad_request", "the only Transfer-Encoding is one `chunked`, over HTTP/1.1")  \
    X(CHUNK, 400, "bad_request", "the chunked body is malformed")                                  \
    X(PARSER, 400, "bad_request", "the request is malformed")                                      \
    X(FORWARDED, 400, "bad_request", "X-Forwarded-For and Forwarded name different clients")       \
    X(METHOD_UNKNOWN, 405, "method_not_allowed", "the method is not allowed here")                 \
    X(HEAD_LATE, 408, "timeout", "the headers did not arrive in time")                             \
    X(BODY_LATE, 408, "timeout", "the body did not arrive in time")                                \
    X(BODY_TOO_LARGE, 413, "body_too_large", "the body is larger than allowed here")               \
    X(URI_TOO_LONG, 414, "uri_too_long", "the request target is longer than allowed here")         \
    X(EXPECT, 417, "bad_request", "the only expectation met here is 100-continue")                 \
    X(HEADERS_TOO_LARGE, 431, "headers_too_large", "the headers are larger than allowed here")     \
    X(OVERLOADED, 503, "overloaded", "too many connections, try again shortly")                    \
    X(NO_ROOM, 503, "overloaded", "too many bytes are under way, try again shortly")

enum http_fault {
#define HTTP_FAULT_ENUM(id, status, code, message) FAULT_##id,
    HTTP_FAULTS(HTTP_FAULT_ENUM)
#undef HTTP_FAULT_ENUM
};

struct http_fault_answer {
    int status;
    const char *code, *message;
};
const struct http_fault_answer *http_fault_answer(enum http_fault f);

/* --- the raw bytes of a head, as they arrive --- */

struct http_scan_limits {
    size_t uri_max, headers_max; /* bytes */
    unsigned header_count_max;
};

/* How far the head was judged. All zero at the start of a request. Plain value. */
struct http_scan {
    size_t pos;        /* bytes judged; at SCAN_DONE the length of the head */
    size_t start;      /* where the request line starts (behind one empty line) */
    size_t part;       /* where the token being read started */
    size_t headers_at; /* where the header block starts */
    unsigned headers;  /* header lines seen */
    uint8_t state;
    char major;
};

enum http_scan_verdict { SCAN_MORE, SCAN_DONE, SCAN_FAULT };

/* Goes on judging at S->pos; BYTES starts at the head's first byte and holds all so far. Each byte
 * is looked at once, so a head fed byte by byte costs no more than one in a piece, and an illegal
 * one is refused at its first illegal byte. *FAULT is set for SCAN_FAULT. */
enum http_scan_verdict http_scan(struct http_scan *s, struct slice bytes,
                                 const struct http_scan_limits *max, enum http_fault *fault);

/* --- the fields of a parsed head --- */

struct http_field {
    struct slice name, value; /* value: as on the wire, without leading white space */
};

struct http_head { /* slices of the head's bytes, which must outlive it */
    struct slice method, target;
    unsigned minor; /* HTTP/1.<minor> */
    bool keep_alive;
    const struct http_field *fields;
    size_t count;
};

struct http_framing {
    bool chunked;
    bool has_length;
    bool expect_continue;
    int64_t length; /* of the body; -1 if chunked */
};

/* Request target, Host, Content-Length, Transfer-Encoding and Expect. FAULT_NONE fills *OUT. */
enum http_fault http_rules_head(const struct http_head *h, struct http_framing *out);
/* The value of a Content-Length in a judged head: 1 to 10 digits. A longer run of digits is a
 * number too, but one that no limit here allows: FAULT_BODY_TOO_LARGE. */
enum http_fault http_rules_length(const struct http_field *f, int64_t *out);
/* True if S is a token (RFC 9110 5.6.2), as every header name is. */
bool http_is_token(struct slice s);

#endif
