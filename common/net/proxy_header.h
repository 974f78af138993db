/* proxy_header - reads the header of the PROXY protocol, versions 1 and 2, by which a proxy names its client.   [pure]
 *
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. The header stands before the first byte of the connection, and
 * before TLS.
 */
#ifndef COMMON_NET_PROXY_HEADER_H
#define COMMON_NET_PROXY_HEADER_H

#include "common/net/addr.h"

#define PROXY_V1_MAX 107 /* bytes with the CRLF */
#define PROXY_V2_HEAD 16 /* bytes before the addresses */
#define PROXY_V2_MAX                                                                               \
    4096 /* bytes in all; the longest header that HAProxy sends with all its TLVs has some 500 */

enum proxy_verdict {
    PROXY_MORE, /* all bytes so far belong to the header, and it is not whole */
    PROXY_DONE,
    PROXY_BAD,
};

struct proxy_header {
    size_t len; /* bytes of the whole header */
    /* The client's address and port. Family 0: the header names none (LOCAL, UNKNOWN, UNSPEC, a unix socket), and the
     * connection's own address counts. */
    struct addr client;
};

/* BYTES are all that came so far. PROXY_DONE fills *OUT; what stands behind OUT->len belongs to the client. PROXY_BAD sets
 * *WHY (static). Bytes that cannot begin a header are PROXY_BAD at once. */
enum proxy_verdict proxy_header_read(struct slice bytes, struct proxy_header *out,
                                     const char **why) MUST_CHECK;

#endif
