/* tls - TLS for our listeners.   [edge: OpenSSL]
 *
 * TLS 1.2 and up, and only suites with forward secrecy. A key with a passphrase is an error: nobody is asked for it.
 */
#ifndef COMMON_NET_TLS_H
#define COMMON_NET_TLS_H

#include "common/base/err.h"

struct tls_server;
struct bufferevent;
struct event_base;

/* Loads and checks certificate chain and key (PEM files). Free with tls_server_free; open
 * connections keep what they need. */
enum err tls_server_new(const char *cert_file, const char *key_file, struct tls_server **out,
                        struct error *e) MUST_CHECK;
void tls_server_free(struct tls_server *t);
/* Reads the files again for new connections; on error the old ones stay. Thread-safe. */
enum err tls_server_reload(struct tls_server *t, const char *cert_file, const char *key_file,
                           struct error *e) MUST_CHECK;
/* A server-side bufferevent over FD (which it closes when freed); NULL on failure. */
struct bufferevent *tls_bufferevent(struct tls_server *t, struct event_base *base, int fd);
/* Tells the peer that no more follows (close_notify), once all output was written. */
void tls_bufferevent_bye(struct bufferevent *bev);

#endif
