#include "dispatcher/transport/curl_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/x509_vfy.h>

static void causes_have_ends(void **state)
{
    (void)state;
    static const struct {
        struct curl_facts f;
        enum attempt_end before, after;
    } rows[] = {
        {{.code = CURLE_COULDNT_RESOLVE_HOST}, END_DNS_NOT_FOUND, END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_RESOLVE_HOST, .lookup_failed = true},
         END_DNS_FAILED,
         END_BAD_RESPONSE},
        {{.code = CURLE_OPERATION_TIMEDOUT, .is_resolving = true}, END_DNS_FAILED, END_TIMEOUT},
        {{.code = CURLE_OPERATION_TIMEDOUT}, END_CONNECT_TIMEOUT, END_TIMEOUT},
        {{.code = CURLE_OPERATION_TIMEDOUT, .is_resolving = true, .has_proxy = true},
         END_PROXY_DNS,
         END_TIMEOUT},
        {{.code = CURLE_COULDNT_RESOLVE_PROXY, .has_proxy = true}, END_PROXY_DNS, END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT, .os_errno = ECONNREFUSED},
         END_CONNECT_REFUSED,
         END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT, .os_errno = ENETUNREACH},
         END_CONNECT_UNREACHABLE,
         END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT, .os_errno = EHOSTUNREACH},
         END_CONNECT_UNREACHABLE,
         END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT, .os_errno = ETIMEDOUT},
         END_CONNECT_TIMEOUT,
         END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT}, END_CONNECT, END_BAD_RESPONSE},
        {{.code = CURLE_COULDNT_CONNECT, .os_errno = ECONNREFUSED, .has_proxy = true},
         END_PROXY_CONNECT,
         END_BAD_RESPONSE},
        {{.code = CURLE_RECV_ERROR, .has_proxy = true, .proxy_status = 403},
         END_PROXY_REFUSED,
         END_CLOSED},
        {{.code = CURLE_PROXY, .has_proxy = true}, END_PROXY_REFUSED, END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION, .verify_result = X509_V_ERR_CERT_HAS_EXPIRED},
         END_TLS_EXPIRED,
         END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION, .verify_result = X509_V_ERR_CERT_NOT_YET_VALID},
         END_TLS_NOT_YET_VALID,
         END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION, .verify_result = X509_V_ERR_CERT_REVOKED},
         END_TLS_REVOKED,
         END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION, .verify_result = X509_V_ERR_CRL_HAS_EXPIRED},
         END_TLS_CRL,
         END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION,
          .verify_result = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT},
         END_TLS_UNTRUSTED,
         END_BAD_RESPONSE},
        {{.code = CURLE_PEER_FAILED_VERIFICATION, .text = "no name matches target host name 'x'"},
         END_TLS_HOST,
         END_BAD_RESPONSE},
        {{.code = CURLE_SSL_CRL_BADFILE}, END_TLS_CRL, END_BAD_RESPONSE},
        {{.code = CURLE_SSL_CONNECT_ERROR, .text = "error:0A00042E: tlsv1 alert protocol version"},
         END_TLS_VERSION,
         END_BAD_RESPONSE},
        {{.code = CURLE_SSL_CONNECT_ERROR, .text = "error:0A000412: alert bad certificate"},
         END_TLS_CLIENT_CERT,
         END_BAD_RESPONSE},
        {{.code = CURLE_SSL_CONNECT_ERROR, .text = "alert handshake failure"},
         END_TLS,
         END_BAD_RESPONSE},
        {{.code = CURLE_SSL_CONNECT_ERROR,
          .text = "alert handshake failure",
          .cert_demanded = true},
         END_TLS_CLIENT_CERT,
         END_BAD_RESPONSE},
        {{.code = CURLE_RECV_ERROR, .text = "tlsv13 alert certificate required"},
         END_CONNECT,
         END_TLS_CLIENT_CERT},
        {{.code = CURLE_RECV_ERROR, .text = "Connection reset by peer"}, END_CONNECT, END_CLOSED},
        {{.code = CURLE_SSL_CONNECT_ERROR, .has_proxy = true, .proxy_verify_result = 20},
         END_PROXY,
         END_BAD_RESPONSE},
        {{.code = CURLE_GOT_NOTHING}, END_CONNECT, END_CLOSED},
        {{.code = CURLE_URL_MALFORMAT}, END_BAD_URL, END_BAD_RESPONSE},
        {{.code = CURLE_OUT_OF_MEMORY}, END_LOCAL, END_BAD_RESPONSE},
        {{.code = CURLE_OK}, END_CONNECT, END_BAD_RESPONSE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct curl_facts f = rows[i].f;
        f.text = f.text ? f.text : "";
        if (curl_fault_before(&f) != rows[i].before || curl_fault_after(&f) != rows[i].after)
            fail_msg("row %zu: %d %d", i, (int)curl_fault_before(&f), (int)curl_fault_after(&f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(causes_have_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
