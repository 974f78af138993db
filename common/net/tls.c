#include "common/net/tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/crypto/certificates.h"

struct tls_server {       /* Owned by the caller of tls_server_new. */
    pthread_mutex_t lock; /* guards the pointer; a context itself is shared by reference */
    SSL_CTX *ctx;
};

static enum err failed(struct error *e, const char *what, const char *file)
{
    char why[160];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return fail(e, ERR_CRYPTO, "TLS %s %s: %s", what, file, why);
}

/* The server speaks only HTTP/1.1. A client that offers only others gets an alert (RFC 7301 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                           const unsigned char *in, unsigned int inlen, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, outlen, ours, sizeof ours - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Static RSA has no forward secrecy, and CBC suites have a history. TLS 1.3 has its own list, which is fine. */
static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static enum err use_key(SSL_CTX *ctx, const char *key, struct error *e)
{
    bool asked = false;
    SSL_CTX_set_default_passwd_cb(ctx, certificates_no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    bool used = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (used)
        return OK;
    if (!asked)
        return failed(e, "key", key);
    ERR_clear_error();
    return fail(e, ERR_CRYPTO, "TLS key %s: has a passphrase; store the key without one", key);
}

static enum err load(const char *cert, const char *key, SSL_CTX **out, struct error *e)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return failed(e, "set up", "context");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* A client that closes without close_notify loses nothing: lengths frame every message. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* 34 KiB less for each idle connection */
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    enum err rc = OK;
    if (SSL_CTX_set_cipher_list(ctx, suites) != 1)
        rc = failed(e, "suites", suites);
    else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        rc = failed(e, "certificate", cert);
    else
        rc = use_key(ctx, key, e);
    if (rc == OK && SSL_CTX_check_private_key(ctx) != 1)
        rc = failed(e, "certificate does not match the key", key);
    if (rc == OK)
        *out = ctx;
    else
        SSL_CTX_free(ctx);
    return rc;
}

enum err tls_server_new(const char *cert_file, const char *key_file, struct tls_server **out,
                        struct error *e)
{
    SSL_CTX *ctx = NULL;
    enum err rc = load(cert_file, key_file, &ctx, e);
    if (rc != OK)
        return rc;
    struct tls_server *t = NEW(struct tls_server);
    pthread_mutex_init(&t->lock, NULL);
    t->ctx = ctx;
    *out = t;
    return OK;
}

void tls_server_free(struct tls_server *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

enum err tls_server_reload(struct tls_server *t, const char *cert_file, const char *key_file,
                           struct error *e)
{
    SSL_CTX *fresh = NULL;
    enum err rc = load(cert_file, key_file, &fresh, e);
    if (rc != OK)
        return rc;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = fresh;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return OK;
}

struct bufferevent *tls_bufferevent(struct tls_server *t, struct event_base *base, int fd)
{
    pthread_mutex_lock(&t->lock);
    SSL *ssl = SSL_new(t->ctx); /* takes its own reference to the context */
    pthread_mutex_unlock(&t->lock);
    if (!ssl)
        return NULL;
    /* Deferred: libevent would otherwise report a broken connection from within a write. */
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!bev) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

void tls_bufferevent_bye(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl && SSL_is_init_finished(ssl))
        SSL_shutdown(ssl);
    ERR_clear_error();
}
