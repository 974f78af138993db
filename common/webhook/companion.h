/* companion - decides which headers of a webhook are stored with its event and sent on.   [pure] */
#ifndef COMMON_WEBHOOK_COMPANION_H
#define COMMON_WEBHOOK_COMPANION_H

#include "common/base/slice.h"
#include "common/webhook/scheme.h"

#define COMPANION_BYTES_MAX 4096 /* names, values and separators of one event together */

/* True if the header NAME travels with the event. KEEP holds the glob patterns (any case) of the source's keep_headers;
 * NULL means the default: x-* and ce-*. These never travel:
 * - headers of HEADERS_THAT_STAY (special_headers.h);
 * - the signature headers of SCHEME, which may be NULL.
 * x-forwarded-* and x-real-ip name the proxies in front of us. They travel only if a pattern names them, not by a
 * pattern like "x-*". */
bool companion_keeps(struct slice name, const char *const *keep, size_t keep_count,
                     const struct scheme *scheme);

#endif
