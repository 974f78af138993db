/* curl_fault - why did a request not leave, or get no answer?   [pure]
 *
 * libcurl has one error code for many causes. This module looks at the other things that libcurl knows: the result of
 * the certificate's check and errno of the connect. If neither helps, it looks for OpenSSL's name of an alert in the
 * error text.
 */
#ifndef DISPATCHER_CURL_FAULT_H
#define DISPATCHER_CURL_FAULT_H

#include "dispatcher/transport/transport.h"

#include <curl/curl.h>

struct curl_facts { /* plain value */
    CURLcode code;
    long os_errno;
    long verify_result, proxy_verify_result; /* X509_V_... */
    long proxy_status;                       /* of the proxy's answer to CONNECT; 0 without one */
    bool has_proxy;
    bool is_resolving;  /* the name lookup has not ended */
    bool lookup_failed; /* it ended without a certain answer: the name may exist */
    bool cert_demanded; /* the server asked for a client certificate, and there is none */
    const char *text;   /* libcurl's */
};

/* The request did not leave. */
enum attempt_end curl_fault_before(const struct curl_facts *f);
/* The request left, and no status came back. */
enum attempt_end curl_fault_after(const struct curl_facts *f);

#endif
