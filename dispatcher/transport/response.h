/* response - what is read of an answer, and where reading ends.   [pure]
 *
 * Fed with header lines and pieces of the body as they come. Keeps the status, Retry-After, what says what
 * the body is, and the beginning of the body; everything else is only counted. The status stands as soon as the headers
 * of the final response are complete, whatever becomes of the body.
 */
#ifndef DISPATCHER_RESPONSE_H
#define DISPATCHER_RESPONSE_H

#include "common/base/slice.h"

#include <stdbool.h>

#define RESPONSE_READ_MAX ((size_t)64 * 1024) /* of the body */
#define RESPONSE_KEPT_MAX 1024
/* all header lines together, those of interim responses and trailers too */
#define RESPONSE_HEADERS_MAX ((size_t)64 * 1024)
#define RESPONSE_INTERIM_MAX 16 /* 1xx */
#define RETRY_AFTER_BYTES_MAX 64
#define CONTENT_FIELD_MAX 256

struct content_field { /* of the final headers */
    char text[CONTENT_FIELD_MAX];
    size_t len;
    unsigned seen;
};

struct response { /* plain value */
    int status;   /* 0 until headers_done */
    bool headers_done;
    int pending_status; /* of the status line last seen */
    unsigned interim;
    size_t header_bytes, body_bytes;
    size_t kept_len, retry_after_len;
    char retry_after[RETRY_AFTER_BYTES_MAX];
    char kept[RESPONSE_KEPT_MAX];
    struct content_field type, encoding;
};

void response_reset(struct response *r);
/* LINE: a status line, a header line, the empty line that ends them, or a trailer; with its line
 * end. False: read no further. */
bool response_add_line(struct response *r, struct slice line);
/* False: enough was read. */
bool response_add_body(struct response *r, struct slice piece);

/* Keeps copies of what another response said: the beginning of its body and two of its headers. */
void response_keep(struct response *r, struct slice kept, struct slice retry_after,
                   struct slice content_type);

struct slice response_retry_after(const struct response *r); /* or empty */
/* Content-Type and Content-Encoding; empty if missing, over CONTENT_FIELD_MAX, with control characters, or
 * there twice. */
struct slice response_content_type(const struct response *r);
struct slice response_content_encoding(const struct response *r);
struct slice response_kept(const struct response *r);

#endif
