#include "common/crypto/certificates.h"

#include "common/base/alloc.h"
#include "common/crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (16 * 1024 * 1024)

int certificates_no_passphrase(char *out, int size, int writing, void *asked)
{
    (void)out, (void)size, (void)writing;
    if (asked)
        *(bool *)asked = true;
    return 0;
}

static enum err fail_with_reason(struct error *e, const char *what, const char *file)
{
    char why[160];
    ERR_error_string_n(ERR_peek_last_error(), why, sizeof why);
    ERR_clear_error();
    return fail(e, ERR_CRYPTO, "%s in %s: %s", what, file, why);
}

static enum err read_whole(int fd, char *text, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = read(fd, text + got, len - got);
        if (n <= 0)
            return ERR_IO;
        got += (size_t)n;
    }
    return OK;
}

enum err certificates_read_text(const char *file, char **out, struct error *e)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(e, ERR_IO, "cannot open the file %s: %s", file, strerror(errno));
    enum err rc = OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES) {
        rc = fail(e, ERR_IO, "%s is not a file of at most %d bytes", file, FILE_MAX_BYTES);
    } else {
        *out = xcalloc((size_t)st.st_size + 1, 1);
        if (read_whole(fd, *out, (size_t)st.st_size) != OK)
            rc = fail(e, ERR_IO, "cannot read the file %s", file);
    }
    close(fd);
    return rc;
}

static void wipe_text(char *text)
{
    if (text)
        crypto_wipe(text, strlen(text));
    free(text);
}

static BIO *bio_over(const char *text)
{
    return BIO_new_mem_buf(text, (int)strlen(text));
}

/* OpenSSL's last error is that the text has no further "-----BEGIN" of the wanted kind. */
static bool is_at_end(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* The first certificate of the chain in TEXT. The others must be readable. */
static enum err parse_chain(const char *text, const char *file, X509 **out, struct error *e)
{
    BIO *in = bio_over(text);
    *out = in ? PEM_read_bio_X509(in, NULL, certificates_no_passphrase, NULL) : NULL;
    for (X509 *next = *out; next && (next = PEM_read_bio_X509(in, NULL, NULL, NULL));)
        X509_free(next);
    BIO_free(in);
    return *out && is_at_end() ? OK : fail_with_reason(e, "no certificate", file);
}

static enum err parse_key(const char *text, const char *file, EVP_PKEY **out, struct error *e)
{
    bool asked = false;
    BIO *in = bio_over(text);
    *out = in ? PEM_read_bio_PrivateKey(in, NULL, certificates_no_passphrase, &asked) : NULL;
    BIO_free(in);
    if (!*out && asked) {
        ERR_clear_error();
        return fail(e, ERR_CRYPTO, "the key in %s has a passphrase; store the key without one",
                    file);
    }
    return *out ? OK : fail_with_reason(e, "no private key", file);
}

enum err client_identity_read(const char *cert_file, const char *key_file,
                              struct client_identity *out, enum identity_part *where,
                              struct error *e)
{
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    *out = (struct client_identity){0};
    *where = IDENTITY_CERT;
    ERR_clear_error();
    enum err rc = certificates_read_text(cert_file, &out->cert, e);
    if (rc == OK)
        rc = parse_chain(out->cert, cert_file, &cert, e);
    if (rc == OK) {
        *where = IDENTITY_KEY;
        rc = certificates_read_text(key_file, &out->key, e);
    }
    if (rc == OK)
        rc = parse_key(out->key, key_file, &key, e);
    if (rc == OK && X509_check_private_key(cert, key) != 1)
        rc = fail(e, ERR_CRYPTO, "the key in %s does not match the certificate in %s", key_file,
                  cert_file);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (rc != OK)
        client_identity_clear(out);
    return rc;
}

void client_identity_clear(struct client_identity *id)
{
    free(id->cert);
    wipe_text(id->key);
    *id = (struct client_identity){0};
}

static int on_demand(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    bool *demanded = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    (void)cert, (void)key;
    if (demanded)
        *demanded = true;
    return 0; /* go on without */
}

void certificates_note_demand(void *ssl_ctx, bool *demanded)
{
    SSL_CTX_set_app_data((SSL_CTX *)ssl_ctx, demanded);
    SSL_CTX_set_client_cert_cb((SSL_CTX *)ssl_ctx, on_demand);
}

enum err revocation_lists_check(const char *file, bool *is_over, struct error *e)
{
    char *text = NULL;
    size_t count = 0;
    *is_over = false;
    enum err rc = certificates_read_text(file, &text, e);
    BIO *in = rc == OK && text ? bio_over(text) : NULL;
    ERR_clear_error();
    for (X509_CRL *crl;
         in && (crl = PEM_read_bio_X509_CRL(in, NULL, certificates_no_passphrase, NULL)); count++) {
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
        *is_over = *is_over || (next && X509_cmp_current_time(next) < 0);
        X509_CRL_free(crl);
    }
    if (rc == OK && (count == 0 || !is_at_end()))
        rc = fail_with_reason(e, "no revocation list", file);
    ERR_clear_error();
    BIO_free(in);
    wipe_text(text);
    return rc;
}

enum certificate_fault certificate_fault_of(long code)
{
    switch (code) {
    case X509_V_OK:
        return CERTIFICATE_FINE;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CERTIFICATE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return CERTIFICATE_NOT_YET_VALID;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return CERTIFICATE_OTHER_HOST;
    case X509_V_ERR_CERT_REVOKED:
        return CERTIFICATE_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
        return CERTIFICATE_NO_CRL;
    default:
        return CERTIFICATE_UNTRUSTED;
    }
}
