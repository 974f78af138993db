/* response - what is read of an answer, and where reading ends.   [pure]
 *
 * Fed with header lines and pieces of the body as they come. Keeps the status, Retry-After and the
 * beginning of the body; everything else is only counted. The status stands as soon as the headers
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

struct response { /* plain value */
    int status;   /* 0 until headers_done */
    bool headers_done;
    int pending_status; /* of the status line last seen */
    unsigned interim;
    size_t header_bytes, body_bytes;
    size_t kept_len, retry_after_len;
    char retry_after[RETRY_AFTER_BYTES_MAX];
    char kept[RESPONSE_KEPT_MAX];
};

void response_reset(struct response *r);
/* LINE: a status line, a header line, the empty line that ends them, or a trailer; with its line
 * end. False: read no further. */
bool response_add_line(struct response *r, struct slice line);
/* False: enough was read. */
bool response_add_body(struct response *r, struct slice piece);

struct slice response_retry_after(const struct response *r); /* or empty */
struct slice response_kept(const struct response *r);

#endif
