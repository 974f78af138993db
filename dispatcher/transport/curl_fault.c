#include "dispatcher/transport/curl_fault.h"

#include "common/crypto/certificates.h"

#include <errno.h>
#include <string.h>

/* TEXT has one of WORDS, which end with NULL. */
static bool has_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return true;
    return false;
}

/* The server refused our certificate, or the lack of one. These are names of alerts (RFC 8446 6.2). */
static bool is_about_client_cert(const struct curl_facts *f)
{
    static const char *const alerts[] = {
        "alert certificate required", "alert bad certificate",     "alert unsupported certificate",
        "alert certificate revoked",  "alert certificate expired", "alert certificate unknown",
        "alert unknown ca",           "alert access denied",       NULL};
    /* A TLS 1.2 server has no alert for "certificate required". */
    return has_any(f->text, alerts) ||
           (f->cert_demanded && strstr(f->text, "alert handshake failure"));
}

static bool is_about_version(const struct curl_facts *f)
{
    static const char *const words[] = {"alert protocol version", "unsupported protocol",
                                        "version too low", "wrong ssl version", NULL};
    return has_any(f->text, words);
}

static enum attempt_end end_of_verification(const struct curl_facts *f)
{
    /* libcurl compares the host itself, before it asks OpenSSL for the result: the result is then not known. */
    if (strstr(f->text, "match"))
        return END_TLS_HOST;
    switch (certificate_fault_of(f->verify_result)) {
    case CERTIFICATE_EXPIRED:
        return END_TLS_EXPIRED;
    case CERTIFICATE_NOT_YET_VALID:
        return END_TLS_NOT_YET_VALID;
    case CERTIFICATE_OTHER_HOST:
        return END_TLS_HOST;
    case CERTIFICATE_REVOKED:
        return END_TLS_REVOKED;
    case CERTIFICATE_NO_CRL:
        return END_TLS_CRL;
    case CERTIFICATE_FINE:
    case CERTIFICATE_UNTRUSTED:
        break;
    }
    return END_TLS_UNTRUSTED;
}

static enum attempt_end end_of_tls(const struct curl_facts *f)
{
    if (f->has_proxy && !f->proxy_status && f->proxy_verify_result)
        return END_PROXY;
    switch (f->code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return end_of_verification(f);
    case CURLE_SSL_CRL_BADFILE:
        return END_TLS_CRL;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CLIENTCERT:
        return END_TLS_CLIENT_CERT;
    default:
        break;
    }
    if (is_about_client_cert(f))
        return END_TLS_CLIENT_CERT;
    return is_about_version(f) ? END_TLS_VERSION : END_TLS;
}

static enum attempt_end end_of_connect(const struct curl_facts *f)
{
    if (f->has_proxy)
        return f->proxy_status ? END_PROXY_REFUSED : END_PROXY_CONNECT;
    switch (f->os_errno) {
    case ECONNREFUSED:
        return END_CONNECT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EACCES: /* a route or a firewall of this machine forbids it */
    case EPERM:
        return END_CONNECT_UNREACHABLE;
    case ETIMEDOUT:
        return END_CONNECT_TIMEOUT;
    default:
        return END_CONNECT;
    }
}

static enum attempt_end end_of_lookup(const struct curl_facts *f)
{
    if (f->has_proxy)
        return END_PROXY_DNS;
    bool is_uncertain = f->lookup_failed || f->code == CURLE_OPERATION_TIMEDOUT;
    return is_uncertain ? END_DNS_FAILED : END_DNS_NOT_FOUND;
}

enum attempt_end curl_fault_before(const struct curl_facts *f)
{
    switch (f->code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return END_BAD_URL;
    case CURLE_OPERATION_TIMEDOUT:
        return f->is_resolving ? end_of_lookup(f) : END_CONNECT_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return end_of_lookup(f);
    case CURLE_PROXY: /* a SOCKS proxy answered */
        return END_PROXY_REFUSED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return end_of_tls(f);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return END_LOCAL;
    default:
        return end_of_connect(f);
    }
}

enum attempt_end curl_fault_after(const struct curl_facts *f)
{
    switch (f->code) {
    case CURLE_OPERATION_TIMEDOUT:
        return END_TIMEOUT;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        /* With TLS 1.3 the server looks at our certificate while the request is on its way. */
        return is_about_client_cert(f) ? END_TLS_CLIENT_CERT : END_CLOSED;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return END_CLOSED;
    default: /* also CURLE_OK: a final 1xx, such as a 101 that nobody asked for */
        return END_BAD_RESPONSE;
    }
}
