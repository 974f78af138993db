#include "common/crypto/tls_client.h"

#include "common/base/alloc.h"
#include "common/crypto/certificates.h"
#include "common/crypto/crypto.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_BYTES 256

struct tls_client { /* freed with its last reference */
    pthread_mutex_t lock;
    unsigned refs, version;
    SSL_CTX *ctx;
    unsigned char digest[32]; /* of the files and `verify` */
};

struct tls_stream { /* owned by the caller of tls_stream_new */
    SSL *ssl;
    bool is_up;   /* the handshake is over */
    bool is_over; /* nothing can be read any more */
    bool read_wants_write;
    bool was_asked; /* the server wants a client certificate */
    bool has_read;  /* and took it, or none */
    char fault[FAULT_BYTES];
};

/* ---- whom to trust ---- */

/* Static RSA has no forward secrecy, and CBC suites have a history. TLS 1.3 has its own list, which is fine. */
static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static enum err fail_setup(struct error *e)
{
    char why[160];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    ERR_clear_error();
    return fail(e, ERR_CRYPTO, "TLS cannot be set up: %s", why);
}

static BIO *bio_over(const char *text)
{
    return BIO_new_mem_buf(text, (int)strlen(text));
}

/* Adds the certificates in TEXT to those that are trusted. Returns how many. */
static size_t add_authorities(SSL_CTX *ctx, const char *text)
{
    size_t count = 0;
    BIO *in = bio_over(text);
    for (X509 *x; in && (x = PEM_read_bio_X509(in, NULL, certificates_no_passphrase, NULL));) {
        count += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x) == 1;
        X509_free(x);
    }
    BIO_free(in);
    ERR_clear_error();
    return count;
}

static enum err trust(SSL_CTX *ctx, const struct tls_client_files *files, struct sha256 *digest,
                      struct error *e)
{
    if (!files->verify) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        return OK;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (!files->ca_file)
        return SSL_CTX_set_default_verify_paths(ctx) == 1 ? OK : fail_setup(e);
    char *text = NULL;
    enum err rc = certificates_read_text(files->ca_file, &text, e);
    if (rc == OK)
        sha256_add(digest, slice_str(text));
    if (rc == OK && add_authorities(ctx, text) == 0)
        rc = fail(e, ERR_CRYPTO, "no certificate in %s", files->ca_file);
    free(text);
    return rc;
}

static bool use_chain(SSL_CTX *ctx, const char *text)
{
    BIO *in = bio_over(text);
    X509 *x = in ? PEM_read_bio_X509(in, NULL, certificates_no_passphrase, NULL) : NULL;
    bool ok = x && SSL_CTX_use_certificate(ctx, x) == 1;
    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(in, NULL, certificates_no_passphrase, NULL))) {
        ok = SSL_CTX_add1_chain_cert(ctx, x) == 1;
        X509_free(x);
    }
    BIO_free(in);
    ERR_clear_error();
    return ok;
}

static bool use_key(SSL_CTX *ctx, const char *text)
{
    BIO *in = bio_over(text);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, certificates_no_passphrase, NULL) : NULL;
    bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(in);
    return ok;
}

static enum err identify(SSL_CTX *ctx, const struct tls_client_files *files, struct sha256 *digest,
                         enum tls_client_part *where, struct error *e)
{
    struct client_identity id;
    enum identity_part part;
    if (!files->cert || !files->key)
        return OK;
    enum err rc = client_identity_read(files->cert, files->key, &id, &part, e);
    *where = part == IDENTITY_CERT ? TLS_CLIENT_CERT : TLS_CLIENT_KEY;
    if (rc != OK)
        return rc;
    sha256_add(digest, slice_str(id.cert));
    sha256_add(digest, slice_str(id.key));
    if (!use_chain(ctx, id.cert) || !use_key(ctx, id.key))
        rc = fail_setup(e);
    client_identity_clear(&id);
    return rc;
}

static enum err load(const struct tls_client_files *files, struct tls_client *c,
                     enum tls_client_part *where, struct error *e)
{
    ERR_clear_error();
    *where = TLS_CLIENT_CA;
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (!c->ctx || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c->ctx, suites) != 1)
        return fail_setup(e);
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* The output grows between two tries of a write, and its first bytes stay where they are. */
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    struct sha256 *digest = sha256_start();
    sha256_add(digest, files->verify ? SLICE_LIT("verify") : SLICE_LIT(""));
    enum err rc = trust(c->ctx, files, digest, e);
    if (rc == OK)
        rc = identify(c->ctx, files, digest, where, e);
    sha256_end(digest, c->digest);
    ERR_clear_error();
    return rc;
}

enum err tls_client_new(const struct tls_client_files *files, struct tls_client **out,
                        enum tls_client_part *where, struct error *e)
{
    struct tls_client *c = NEW(struct tls_client);
    pthread_mutex_init(&c->lock, NULL);
    c->refs = 1;
    enum err rc = load(files, c, where, e);
    if (rc == OK)
        *out = c;
    else
        tls_client_unref(c);
    return rc;
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->lock);
    c->refs++;
    pthread_mutex_unlock(&c->lock);
    return c;
}

void tls_client_unref(struct tls_client *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    bool is_last = --c->refs == 0;
    pthread_mutex_unlock(&c->lock);
    if (!is_last)
        return;
    SSL_CTX_free(c->ctx);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void tls_client_adopt(struct tls_client *c, struct tls_client *fresh)
{
    if (!c || !fresh || c == fresh)
        return;
    pthread_mutex_lock(&c->lock);
    SSL_CTX *old = NULL;
    if (memcmp(c->digest, fresh->digest, sizeof c->digest) != 0) {
        old = c->ctx;
        SSL_CTX_up_ref(fresh->ctx);
        c->ctx = fresh->ctx;
        memcpy(c->digest, fresh->digest, sizeof c->digest);
        c->version++;
    }
    pthread_mutex_unlock(&c->lock);
    SSL_CTX_free(old);
}

unsigned tls_client_version(struct tls_client *c)
{
    if (!c)
        return 0;
    pthread_mutex_lock(&c->lock);
    unsigned version = c->version;
    pthread_mutex_unlock(&c->lock);
    return version;
}

/* ---- a stream ---- */

static bool expect(SSL *ssl, const char *host)
{
    unsigned char address[16];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int on_asked(SSL *ssl, void *arg)
{
    struct tls_stream *s = arg;
    (void)ssl;
    s->was_asked = true;
    return 1;
}

struct tls_stream *tls_stream_new(struct tls_client *c, int fd, const char *host)
{
    pthread_mutex_lock(&c->lock);
    SSL *ssl = SSL_new(c->ctx); /* takes its own reference to the context */
    pthread_mutex_unlock(&c->lock);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || !expect(ssl, host)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_connect_state(ssl);
    struct tls_stream *s = NEW(struct tls_stream);
    s->ssl = ssl;
    SSL_set_cert_cb(ssl, on_asked, s);
    return s;
}

void tls_stream_free(struct tls_stream *s)
{
    if (!s)
        return;
    if (s->is_up && !s->fault[0])
        SSL_shutdown(s->ssl);
    ERR_clear_error();
    SSL_free(s->ssl);
    free(s);
}

static const char *word_of_certificate(long code)
{
    switch (certificate_fault_of(code)) {
    case CERTIFICATE_FINE:
        break;
    case CERTIFICATE_EXPIRED:
        return "tls_expired";
    case CERTIFICATE_NOT_YET_VALID:
        return "tls_not_yet_valid";
    case CERTIFICATE_OTHER_HOST:
        return "tls_host";
    case CERTIFICATE_REVOKED:
        return "tls_revoked";
    case CERTIFICATE_NO_CRL:
        return "tls_crl";
    case CERTIFICATE_UNTRUSTED:
        return "tls_untrusted";
    }
    return NULL;
}

static void set_fault(struct tls_stream *s, const char *word, const char *text)
{
    snprintf(s->fault, sizeof s->fault, "%s: %s", word, text ? text : "unknown");
}

/* The meaning of OpenSSL's error CODE where no certificate of the server is at fault. */
static void set_fault_of_error(struct tls_stream *s, unsigned long code)
{
    switch (ERR_GET_REASON(code)) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        set_fault(s, "tls_client_cert", "the server wants a client certificate that it trusts");
        break;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        set_fault(s, "tls_client_cert", ERR_reason_error_string(code));
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        set_fault(s, "tls", "the server does not speak TLS at this port");
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        set_fault(s, "tls_version", ERR_reason_error_string(code));
        break;
    default:
        set_fault(s, "tls", ERR_reason_error_string(code));
    }
}

/* RESULT is that of SSL_get_error. Returns the errno of what failed. */
static int note_failure(struct tls_stream *s, int result)
{
    int error = errno;
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(s->ssl);
    const char *word = s->is_up ? NULL : word_of_certificate(verified);
    bool is_checked = SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE;
    s->is_over = true;
    if (word && is_checked && result == SSL_ERROR_SSL)
        set_fault(s, word, X509_verify_cert_error_string(verified));
    else if (code)
        set_fault_of_error(s, code);
    else if (!s->is_up)
        set_fault(s, "tls",
                  error && result == SSL_ERROR_SYSCALL
                      ? strerror(error)
                      : "the server closed the connection during the handshake");
    ERR_clear_error();
    return s->fault[0] || !error ? EPROTO : error;
}

enum tls_step tls_stream_connect(struct tls_stream *s)
{
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(s->ssl);
    int result = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, rc);
    switch (result) {
    case SSL_ERROR_NONE:
        s->is_up = true;
        return TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    default:
        (void)note_failure(s, result);
        return TLS_FAILED;
    }
}

/* RC is what a read or write returned. Returns 0 at the end of the stream, or -1 with errno. */
static ssize_t stopped(struct tls_stream *s, int rc)
{
    int result = SSL_get_error(s->ssl, rc);
    s->read_wants_write = false;
    switch (result) {
    case SSL_ERROR_WANT_WRITE:
        s->read_wants_write = true;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_READ:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        s->is_over = true;
        return 0;
    default:
        errno = note_failure(s, result);
        return -1;
    }
}

ssize_t tls_stream_read(struct tls_stream *s, void *out, size_t len)
{
    size_t got = 0;
    ERR_clear_error();
    while (got < len) {
        errno = 0;
        int n = SSL_read(s->ssl, (char *)out + got, (int)(len - got));
        if (n <= 0) {
            ssize_t rc = stopped(s, n);
            return got ? (ssize_t)got : rc;
        }
        got += (size_t)n;
        s->has_read = true;
    }
    return (ssize_t)got;
}

ssize_t tls_stream_write(struct tls_stream *s, const struct iovec *iov, int n)
{
    size_t sent = 0;
    ERR_clear_error();
    for (int i = 0; i < n; i++) {
        size_t at = 0;
        while (at < iov[i].iov_len) {
            size_t len = iov[i].iov_len - at;
            errno = 0;
            int rc = SSL_write(s->ssl, (const char *)iov[i].iov_base + at,
                               len < INT_MAX ? (int)len : INT_MAX);
            if (rc <= 0) {
                bool wants_write = s->read_wants_write;
                ssize_t failed = stopped(s, rc);
                s->read_wants_write = wants_write;
                if (failed == 0)
                    errno = EPIPE;
                return sent ? (ssize_t)sent : -1;
            }
            at += (size_t)rc;
            sent += (size_t)rc;
        }
    }
    return (ssize_t)sent;
}

bool tls_stream_has_more(const struct tls_stream *s)
{
    return s->is_over || SSL_has_pending(s->ssl);
}

bool tls_stream_read_wants_write(const struct tls_stream *s)
{
    return s->read_wants_write;
}

const char *tls_stream_fault(struct tls_stream *s)
{
    char rest[64];
    if (!s->fault[0] && s->is_up &&
        !s->is_over) /* after a failed write the alert is still to be read */
        (void)tls_stream_read(s, rest, sizeof rest);
    /* The alert is lost if the server closed the connection while it had unread bytes of ours. */
    if (!s->fault[0] && s->was_asked && !s->has_read)
        set_fault(s, "tls_client_cert",
                  "the server closed the connection when it had asked for a client certificate");
    return s->fault[0] ? s->fault : NULL;
}
