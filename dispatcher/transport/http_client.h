/* http_client - sends requests, many at a time, on one loop.   [edge: libcurl multi, libevent]
 *
 * One client is one connection pool and one name cache under one set of rules: a reload makes a new
 * client and lets the old one run dry, so that no connection made under old rules is used under new
 * ones.
 *
 * One call is one request on the wire, or none. libcurl would silently send a request again when a
 * kept connection dies before the first byte of an answer; the second pass is stopped, and the call
 * ends with END_UNKNOWN. Redirects are not followed, proxy variables, netrc, cookies and HTTP/2 are
 * off. Names are resolved in threads: at most one lookup of a profile (RESOLVING_HOSTS where its calls go to
 * many hosts) and RESOLVING_MAX in all are under way, other calls wait for the answer. A lookup that hangs is
 * abandoned at the connect timeout.
 */
#ifndef DISPATCHER_HTTP_CLIENT_H
#define DISPATCHER_HTTP_CLIENT_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/net/addr.h"
#include "dispatcher/engine/outcome.h"

struct http_call;
struct http_client;
struct http_profile;
struct loop;

#define RESOLVING_MAX 32
#define RESOLVING_HOSTS 4

struct http_client_options {
    size_t connections_max; /* kept open at most; at least the calls expected at a time */
    const char *proxy;      /* URL or NULL; copied. Egress then judges the proxy's address */
};

/* How a destination is spoken to. Options that do not change from call to call are set once. */
struct http_profile_options {
    bool is_post; /* else GET without a body */
    bool
        many_hosts; /* its calls do not all go to one host: a failed lookup says nothing of the others */
    int64_t timeout_ms, connect_timeout_ms;
    bool verify_tls;
    const char *ca_file; /* only these roots, or NULL for the system's; copied */
    size_t
        body_max; /* the whole body of a 2xx is wanted, up to so many bytes; 0: only its beginning */
};

struct http_result { /* slices borrowed for the call */
    enum attempt_end end;
    int status;               /* 0 if none was seen */
    struct slice retry_after; /* the header's value, or empty */
    struct slice response;    /* the beginning of the body */
    int64_t duration_ms;
    /* Where the whole body is wanted and the status is 2xx. The buffer may be emptied with buf_take. */
    struct buf *body;
    bool is_whole;                               /* the body came to its end */
    bool too_large;                              /* it passed body_max */
    struct slice content_type, content_encoding; /* empty if missing, too long or there twice */
};

/* All called from inside the client, with the CTX of the call. */
struct http_hooks {
    /* May the request use a connection to A? From inside libcurl: must not touch the client. */
    bool (*may_connect)(void *ctx, const struct addr *a);
    /* The request is complete and a connection stands: may it leave now? At most once for a call;
     * after END_ANSWERED (yes) it is on its way, else the call ends with what is returned. From
     * inside libcurl. */
    enum attempt_end (*may_send)(void *ctx);
    /* The call is over. Exactly once, never before http_send returns, not after http_cancel. */
    void (*on_done)(void *ctx, const struct http_result *r);
};

struct http_request_parts { /* borrowed until the call is over */
    const char *url;
    char *headers; /* "Name: value\r\n" lines; line ends are overwritten */
    size_t headers_len;
    struct slice body;
};

struct http_client *http_client_new(struct loop *l, const struct http_client_options *options,
                                    const struct http_hooks *hooks);
/* Closes all connections and frees, with the profiles. No call may be under way, and it must not be
 * called from a hook. */
void http_client_free(struct http_client *c);

/* Owned by the client. */
struct http_profile *http_profile_new(struct http_client *c,
                                      const struct http_profile_options *options);

/* Starts a call. NULL if the library has no memory for it. */
struct http_call *http_send(struct http_profile *p, const struct http_request_parts *parts,
                            void *ctx);
/* Ends a call without on_done; a connection in use is closed. Not from a hook other than on_done.
 */
void http_cancel(struct http_call *call);

#endif
