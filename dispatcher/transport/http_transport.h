/* http_transport - sends requests over HTTP, many at a time, on one loop.   [edge: libcurl multi, libevent]
 *
 * One transport has one pool of connections and one cache of names. Redirects, proxy variables, netrc, cookies and
 * HTTP/2 are off.
 *
 * libcurl would send a request again by itself if a kept connection dies before the first byte of an answer. This
 * module stops that second pass and reports END_UNKNOWN.
 *
 * libcurl resolves names in threads, one thread a lookup. At most RESOLVING_MAX lookups run at a time. At most one of
 * them is for a given endpoint, or RESOLVING_HOSTS if the endpoint has many hosts. Other attempts wait until a lookup
 * ends. An attempt whose lookup hangs ends at its connect timeout.
 */
#ifndef DISPATCHER_HTTP_TRANSPORT_H
#define DISPATCHER_HTTP_TRANSPORT_H

#include "dispatcher/transport/transport.h"

struct loop;

#define RESOLVING_MAX 32
#define RESOLVING_HOSTS 4

struct http_transport_options {
    size_t connections_max; /* kept open; at least the number of attempts expected at a time */
    const char
        *proxy; /* URL or NULL; copied. may_connect is then asked about the proxy's address */
};

/* NULL if libcurl cannot start. End it with transport_close. */
struct transport *http_transport_new(struct loop *l, const struct http_transport_options *options);

#endif
