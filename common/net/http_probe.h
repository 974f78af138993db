/* http_probe - sends one request over a connected socket, and collects the answer.   [edge: libevent]
 *
 * It is for a server in this process, which closes the connection behind its answer. It speaks no TLS.
 */
#ifndef COMMON_NET_HTTP_PROBE_H
#define COMMON_NET_HTTP_PROBE_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

struct loop;

/* RC: ERR_TIMEOUT, or ERR_UNAVAIL if the answer is broken or larger than 64 KiB; then STATUS is 0. BODY is borrowed. */
typedef void (*probe_fn)(void *ctx, enum err rc, int status, struct slice body);
/* Sends REQUEST (copied) over FD, which it owns and which does not block. FN exactly once, never before the call returns. The answer must
 * have come TIMEOUT_US from now. The loop must live until FN. */
void http_probe(struct loop *l, int fd, struct slice request, int64_t timeout_us, probe_fn fn,
                void *ctx);

#endif
