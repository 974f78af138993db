/* response - what is kept of an answer, and when to stop reading it.   [pure]
 *
 * The transport feeds it header lines and pieces of the body as they come. It keeps the status, Retry-After,
 * Content-Type, Content-Encoding and the beginning of the body, and counts the rest. The status is valid as soon as
 * the head of the final response is complete, even if the body breaks off.
 */
#ifndef DISPATCHER_RESPONSE_H
#define DISPATCHER_RESPONSE_H

#include "dispatcher/transport/transport.h"

#define RESPONSE_READ_MAX ((size_t)64 * 1024) /* of the body */
/* all header lines together, those of interim responses and trailers too */
#define RESPONSE_HEADERS_MAX ((size_t)64 * 1024)
#define RESPONSE_INTERIM_MAX 16 /* 1xx */
#define RETRY_AFTER_BYTES_MAX 64

struct content_field { /* of the final headers */
    char text[ATTEMPT_FIELD_MAX];
    size_t len;
    unsigned seen;
};

struct response {       /* plain value */
    int status;         /* 0 until headers_done */
    bool headers_done;  /* of the final response */
    int pending_status; /* of the last status line */
    unsigned interim;   /* 1xx responses so far */
    size_t header_bytes, body_bytes;
    size_t kept_len, retry_after_len;
    char retry_after[RETRY_AFTER_BYTES_MAX];
    char kept[ATTEMPT_RESPONSE_MAX];
    struct content_field type, encoding;
};

void response_reset(struct response *r);
/* LINE is a status line, a header line, the empty line behind them, or a trailer; with its line end. False: stop
 * reading. */
bool response_add_line(struct response *r, struct slice line);
/* False: stop reading. */
bool response_add_body(struct response *r, struct slice piece);

struct slice response_retry_after(const struct response *r); /* the header's value, or empty */
/* The value; empty if the header is missing, occurs twice, has control characters, or is longer than
 * ATTEMPT_FIELD_MAX. */
struct slice response_content_type(const struct response *r);
struct slice response_content_encoding(const struct response *r);
/* The beginning of the body, at most ATTEMPT_RESPONSE_MAX bytes. */
struct slice response_kept(const struct response *r);

#endif
