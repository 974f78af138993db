/* http_reply - the bytes of an HTTP answer: its head, and the body of an error.   [pure]
 */
#ifndef COMMON_NET_HTTP_REPLY_H
#define COMMON_NET_HTTP_REPLY_H

#include "common/base/buf.h"
#include "common/base/clock.h"

#define HTTP_DATE_LEN 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct http_reply { /* borrows its texts */
    int status;
    struct slice content_type; /* empty: no Content-Type */
    struct slice headers;      /* further lines, each with its "\r\n"; may be empty */
    struct slice body;
    bool is_stream; /* the body follows, and ends with the connection */
    bool close;     /* says Connection: close */
    bool head_only; /* the body's length is said, but the body is not sent: the method was HEAD */
    bool
        http_1_0; /* the client speaks HTTP/1.0, which must be told that the connection stays open */
};

/* The date of RFC 9110, section 5.6.7, and a NUL. SECOND is in seconds since 1970. */
void http_reply_date(wall_ms second, char out[HTTP_DATE_LEN + 1]);
/* Appends the head of R up to and with its empty line. */
void http_reply_head(struct buf *out, const struct http_reply *r, const char *date);
struct http_error_form { /* how errors look below a path */
    const char
        *path; /* "/api": for /api itself, /api/... and /api?...; NULL: there is no such path */
    void (*write)(const char *code, const char *message, struct buf *out);
};
/* Appends {"status":"error","code":CODE,"message":MESSAGE}, or what FORM writes if TARGET is below its path. */
void http_reply_error(const struct http_error_form *form, struct slice target, struct buf *out,
                      const char *code, const char *message);

#endif
