/* keep_headers - picks the headers of a webhook that are stored and delivered with its event.   [on common/webhook] */
#ifndef RECEIVER_KEEP_HEADERS_H
#define RECEIVER_KEEP_HEADERS_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/webhook/companion.h"

struct http_request;
struct source;

#define KEEP_HEADERS_BYTES COMPANION_BYTES_MAX

/* Returns the headers as lines that end in CRLF; OUT, which is reset first, owns them. A header that would take more than
 * KEEP_HEADERS_BYTES in all is left out, and the log says so. traceparent and tracestate are never left out for other headers. */
struct slice keep_headers(const struct http_request *r, const struct source *s, struct buf *out);

#endif
