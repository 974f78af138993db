/* companion - which headers of a webhook travel with the event.   [pure] */
#ifndef COMMON_WEBHOOK_COMPANION_H
#define COMMON_WEBHOOK_COMPANION_H

#include "common/base/slice.h"
#include "common/webhook/scheme.h"

#define COMPANION_BYTES_MAX 4096 /* names, values and separators of one event together */

/* KEEP: glob patterns (any case) of the source's keep_headers; KEEP == NULL means the default,
 * every x-* and ce-* header but x-forwarded-* and x-real-ip. Those tell who stands between the
 * sender and us, so that a pattern like "x-*" does not take them either: only one that names them
 * does. The scheme's own headers (SCHEME may be NULL), and those that HTTP or the dispatcher sets
 * itself (host, content-*, connection, transfer-encoding, authorization, cookie, user-agent,
 * hookpace-*,
 * ...), are never kept. */
bool companion_keeps(struct slice name, const char *const *keep, size_t keep_count,
                     const struct scheme *scheme);

#endif
