/* keep_headers - the headers of a request that travel with its event.
 */
#ifndef RECEIVER_KEEP_HEADERS_H
#define RECEIVER_KEEP_HEADERS_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/webhook/companion.h"

struct http_request;
struct source;

#define KEEP_HEADERS_BYTES COMPANION_BYTES_MAX

/* As lines, each ended by CRLF, in OUT (reset first; borrowed from there). What goes past
 * KEEP_HEADERS_BYTES is left out, and told in the log. */
struct slice keep_headers(const struct http_request *r, const struct source *s, struct buf *out);

#endif
