/* transport - how a request leaves this machine, and how the attempt to send it ended.   [interface]
 *
 *   transport_open ──▶ transport_send ──▶ may_connect ──▶ may_send ──▶ on_left ──▶ on_done
 *                             └────────── transport_cancel: no on_done ────────────────┘
 *
 * The engine and pull know a transport only by this header. A transport has four functions, an endpoint is one
 * destination as its transport knows it, an attempt is one request under way. The only implementation is
 * http_transport.h, over libcurl. An implementation begins its own structs with the three structs below.
 *
 * One transport serves one configuration. A reload makes a new one and closes the old one when its last attempt is
 * over, so no connection made under old rules carries a request under new rules.
 *
 * One attempt puts one request on the wire, or none. A transport never sends a request again by itself.
 */
#ifndef DISPATCHER_TRANSPORT_H
#define DISPATCHER_TRANSPORT_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#include <stdbool.h>
#include <stdint.h>

#define ATTEMPT_RESPONSE_MAX 1024 /* bytes of a response's body that are kept for people */
#define ATTEMPT_FIELD_MAX 256     /* bytes of a Content-Type or Content-Encoding */
#define ATTEMPT_ERROR_BYTES 24
#define ATTEMPT_DETAIL_MAX 255 /* bytes of the library's own words about a failure */
#define RETRY_AFTER_MAX_MS (INT64_C(86400) * 1000)

/* How an attempt ended. The engine decides what follows (outcome.h). */
enum attempt_end {
    END_NONE, /* it goes on; no objection */

    /* A transport reports these. */
    END_ANSWERED, /* the final response's head is complete: its status counts, even if the body broke off */
    /* The request did not leave, because the host could not be reached. */
    END_DNS_NOT_FOUND,
    END_DNS_FAILED,
    END_CONNECT_REFUSED,
    END_CONNECT_UNREACHABLE,
    END_CONNECT_TIMEOUT,
    END_CONNECT, /* for another reason */
    END_TLS_EXPIRED,
    END_TLS_NOT_YET_VALID,
    END_TLS_HOST,
    END_TLS_UNTRUSTED,
    END_TLS_REVOKED,
    END_TLS_CRL,         /* no revocation list in force covers the certificate */
    END_TLS_CLIENT_CERT, /* the server demands a client certificate, or refused ours */
    END_TLS_VERSION,
    END_TLS, /* for another reason */
    END_PROXY_DNS,
    END_PROXY_CONNECT,
    END_PROXY_REFUSED, /* the proxy would not connect to the host */
    END_PROXY,         /* for another reason */
    /* The request left and no status came back. The other side may have taken it. */
    END_TIMEOUT,
    END_CLOSED,
    END_UNKNOWN, /* a kept connection died before the first byte of an answer */
    END_BAD_RESPONSE,
    /* The request did not leave, for another reason. */
    END_BLOCKED, /* may_connect said no */
    END_BAD_URL,
    END_LOCAL, /* this machine is out of descriptors or memory */

    /* pull reports these: a fetch was answered 2xx, but not with a result. */
    END_NOT_READY,
    END_NO_RESULT, /* the task failed at the provider; the status is the task's code */
    END_BAD_RESULT,
    END_TOO_LARGE,
    END_QUEUE, /* Redis did not answer, or did not take the result */

    /* The engine ends attempts with these before the request leaves. */
    END_BAD_BODY,
    END_NO_ROOM, /* the bodies of other attempts have taken the memory */
    END_WINDOW_OVER,
    END_TOO_EARLY,
    END_DRAINING,
    END_ORIGIN_WAITS, /* it asked to wait, in its answer to another attempt */
    END_UNCONFIGURED,
    END_NEXT_UNCONFIGURED, /* of a fetch: a destination of its result */
    END_UNREADABLE,
    END_SECRET, /* the signing secret of the task cannot be read */
    ATTEMPT_END_COUNT
};

struct attempt_result { /* slices and BODY are borrowed for the call */
    enum attempt_end end;
    int status; /* HTTP status; 0 if none came */
    int64_t
        retry_after_ms; /* the server asked to wait so long, at most RETRY_AFTER_MAX_MS; -1: it did not ask */
    int64_t duration_ms;
    /* Why there was no answer, in the library's own words. Printable ASCII, at most ATTEMPT_DETAIL_MAX bytes; may be empty,
     * and may quote the server's certificate. */
    struct slice detail;
    struct slice response; /* the beginning of the body, at most ATTEMPT_RESPONSE_MAX bytes */
    /* Empty if the header is missing, occurs twice, or is longer than ATTEMPT_FIELD_MAX. */
    struct slice content_type, content_encoding;
    /* The whole body of a 2xx, if the endpoint has a body_max; else NULL. buf_take may empty it. */
    struct buf *body;
    bool is_whole;  /* the body is complete */
    bool too_large; /* the body has more than body_max bytes */
};

struct attempt_copy { /* Plain value. Do not move it: RESULT's slices point into it. */
    struct attempt_result result;
    char response[ATTEMPT_RESPONSE_MAX], detail[ATTEMPT_DETAIL_MAX];
    char content_type[ATTEMPT_FIELD_MAX], content_encoding[ATTEMPT_FIELD_MAX];
};

/* The word of END, which is not END_ANSWERED and not END_NO_RESULT. */
const char *attempt_end_word(enum attempt_end end);
/* How the attempt ended, as a word for people: "timeout", "http_503", "task_40401". STATUS counts with END_ANSWERED and
 * END_NO_RESULT. */
void attempt_error(enum attempt_end end, int status, char out[ATTEMPT_ERROR_BYTES]);
/* Copies R with everything that its slices point to, but without its body. */
void attempt_copy(struct attempt_copy *out, const struct attempt_result *r);

struct attempt_request { /* borrowed until the attempt is over */
    const char *url;
    char *headers; /* "Name: value\r\n" lines; the transport overwrites the line ends */
    size_t headers_len;
    struct slice body;
};

/* The transport asks and reports through these, with the CTX of the attempt. */
struct transport_hooks {
    /* May the request use a connection to A? Must not call the transport. */
    bool (*may_connect)(void *ctx, const struct addr *a);
    /* The connection stands and the request is complete. END_NONE: it leaves now. Otherwise the attempt ends with
     * what this returns. Called at most once for an attempt. Must not call the transport. */
    enum attempt_end (*may_send)(void *ctx);
    /* The request, or its beginning, was written to the connection a moment ago. Called once after may_send returned
     * END_NONE, and before on_done. Must not call the transport. NULL: nobody wants to know. */
    void (*on_left)(void *ctx);
    /* The attempt is over. Called once, never before transport_send returns, not after transport_cancel. */
    void (*on_done)(void *ctx, const struct attempt_result *r);
};

struct endpoint_options { /* the same for all attempts of a destination */
    bool sends_body;      /* HTTP: POST; else GET without a body */
    bool
        many_hosts; /* its URLs have different hosts: a failed lookup says nothing about the other attempts */
    int64_t timeout_ms, connect_timeout_ms;
    bool verify_tls;
    /* Copied, like the next three. */
    const char *ca_file;     /* trust only these roots; NULL: the system's */
    const char *crl_file;    /* refuse what these lists revoke; NULL: do not look */
    const char *client_cert; /* PEM texts: what to prove ourselves with; NULL: nothing */
    const char *client_key;  /* secret */
    size_t body_max; /* keep the whole body of a 2xx, up to so many bytes; 0: only its beginning */
    const struct transport_hooks *hooks; /* borrowed */
};

struct transport;

struct endpoint {
    struct transport *transport;
};

struct attempt {
    struct endpoint *endpoint;
    void *ctx;
};

struct transport {
    struct endpoint *(*open)(struct transport *t, const struct endpoint_options *o);
    struct attempt *(*send)(struct endpoint *e, const struct attempt_request *q, void *ctx);
    void (*cancel)(struct attempt *a);
    void (*close)(struct transport *t);
};

/* A new endpoint, owned by T. */
static inline struct endpoint *transport_open(struct transport *t, const struct endpoint_options *o)
{
    return t->open(t, o);
}

/* Starts an attempt to send Q to E. It belongs to the transport and lives until on_done returns or until
 * transport_cancel. NULL if there is no memory for it. */
static inline struct attempt *transport_send(struct endpoint *e, const struct attempt_request *q,
                                             void *ctx)
{
    return e->transport->send(e, q, ctx);
}

/* Ends A without on_done and closes its connection. May be called from on_done, not from the other hooks. */
static inline void transport_cancel(struct attempt *a)
{
    a->endpoint->transport->cancel(a);
}

/* Closes all connections and frees T with its endpoints. No attempt may be under way. Not from a hook. NULL is fine. */
static inline void transport_close(struct transport *t)
{
    if (t)
        t->close(t);
}

#endif
