#include "dispatcher/transport/transport.h"

#include <assert.h>
#include <stdio.h>

static const char *const words[ATTEMPT_END_COUNT] = {
    [END_ANSWERED] = "http",
    [END_DNS_NOT_FOUND] = "dns_not_found",
    [END_DNS_FAILED] = "dns_failed",
    [END_CONNECT_REFUSED] = "connect_refused",
    [END_CONNECT_UNREACHABLE] = "connect_unreachable",
    [END_CONNECT_TIMEOUT] = "connect_timeout",
    [END_CONNECT] = "connect",
    [END_TLS_EXPIRED] = "tls_expired",
    [END_TLS_NOT_YET_VALID] = "tls_not_yet_valid",
    [END_TLS_HOST] = "tls_host",
    [END_TLS_UNTRUSTED] = "tls_untrusted",
    [END_TLS_REVOKED] = "tls_revoked",
    [END_TLS_CRL] = "tls_crl",
    [END_TLS_CLIENT_CERT] = "tls_client_cert",
    [END_TLS_VERSION] = "tls_version",
    [END_TLS] = "tls",
    [END_PROXY_DNS] = "proxy_dns",
    [END_PROXY_CONNECT] = "proxy_connect",
    [END_PROXY_REFUSED] = "proxy_refused",
    [END_PROXY] = "proxy",
    [END_TIMEOUT] = "timeout",
    [END_CLOSED] = "closed",
    [END_UNKNOWN] = "unknown",
    [END_BAD_RESPONSE] = "bad_response",
    [END_NOT_READY] = "not_ready",
    [END_NO_RESULT] = "task",
    [END_BAD_RESULT] = "bad_result",
    [END_TOO_LARGE] = "too_large",
    [END_BLOCKED] = "blocked_address",
    [END_BAD_URL] = "bad_url",
    [END_BAD_BODY] = "bad_body",
    [END_NO_ROOM] = "no_room",
    [END_WINDOW_OVER] = "window_over",
    [END_TOO_EARLY] = "too_early",
    [END_DRAINING] = "draining",
    [END_ORIGIN_WAITS] = "origin_waits",
    [END_LOCAL] = "local_error",
    [END_QUEUE] = "queue_unavailable",
    [END_UNCONFIGURED] = "unconfigured",
    [END_NEXT_UNCONFIGURED] = "next_unconfigured",
    [END_UNREADABLE] = "unreadable",
    [END_SECRET] = "secret_unreadable",
};

const char *attempt_end_word(enum attempt_end end)
{
    assert(end > END_NONE && end < ATTEMPT_END_COUNT);
    return words[end];
}

void attempt_error(enum attempt_end end, int status, char out[ATTEMPT_ERROR_BYTES])
{
    assert(end > END_NONE && end < ATTEMPT_END_COUNT);
    if (end == END_ANSWERED || end == END_NO_RESULT)
        snprintf(out, ATTEMPT_ERROR_BYTES, "%s_%d", words[end], status);
    else
        snprintf(out, ATTEMPT_ERROR_BYTES, "%s", words[end]);
}

static struct slice copy_slice(char *to, size_t max, struct slice from)
{
    assert(from.len <= max);
    (void)max;
    if (from.len)
        memcpy(to, from.ptr, from.len);
    return slice_make(to, from.len);
}

void attempt_copy(struct attempt_copy *out, const struct attempt_result *r)
{
    struct attempt_result *to = &out->result;
    *to = *r;
    to->body = NULL;
    to->detail = copy_slice(out->detail, sizeof out->detail, r->detail);
    to->response = copy_slice(out->response, sizeof out->response, r->response);
    to->content_type = copy_slice(out->content_type, sizeof out->content_type, r->content_type);
    to->content_encoding =
        copy_slice(out->content_encoding, sizeof out->content_encoding, r->content_encoding);
}
