/* certificates - reads the PEM files of TLS, and names what is wrong with a certificate.   [edge: OpenSSL]
 *
 * No function asks for a passphrase: a key that has one is an error.
 */
#ifndef COMMON_CRYPTO_CERTIFICATES_H
#define COMMON_CRYPTO_CERTIFICATES_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* For OpenSSL's pem_password_cb. Sets *ASKED (a bool, or NULL) and refuses. */
int certificates_no_passphrase(char *out, int size, int writing, void *asked);

/* The text of FILE. The caller frees it, and wipes it where it is secret. */
enum err certificates_read_text(const char *file, char **out, struct error *e) MUST_CHECK;

struct
    client_identity { /* what a client proves itself with: PEM texts, NULL without one. The key is secret. */
    char *cert, *key;
};

enum identity_part { IDENTITY_CERT, IDENTITY_KEY };

/* Reads certificate chain and key, and checks that they belong together. On an error *WHERE says which file the error is
 * about. OUT is freed with client_identity_clear. */
enum err client_identity_read(const char *cert_file, const char *key_file,
                              struct client_identity *out, enum identity_part *where,
                              struct error *e) MUST_CHECK;
void client_identity_clear(struct client_identity *id);

/* SSL_CTX is OpenSSL's, of a client's connection. *DEMANDED becomes true if the server asks for a client certificate and there
 * is none. DEMANDED outlives the connection. */
void certificates_note_demand(void *ssl_ctx, bool *demanded);

/* Checks that FILE has revocation lists and nothing that is not one. *IS_OVER: one of them is past its next update. */
enum err revocation_lists_check(const char *file, bool *is_over, struct error *e) MUST_CHECK;

enum certificate_fault {
    CERTIFICATE_FINE,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_NOT_YET_VALID,
    CERTIFICATE_OTHER_HOST,
    CERTIFICATE_REVOKED,
    CERTIFICATE_NO_CRL, /* no revocation list that is in force and covers it */
    CERTIFICATE_UNTRUSTED
};
/* The meaning of OpenSSL's verify result CODE (X509_V_...). */
enum certificate_fault certificate_fault_of(long code);

#endif
