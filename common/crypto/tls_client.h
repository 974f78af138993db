/* tls_client - TLS of connections that we open: whom they trust, and a stream over a socket that does not block.
 * [edge: OpenSSL]
 *
 * TLS 1.2 and up. The server's certificate must be signed by an authority that is trusted and be for the host that was
 * asked for (RFC 6125). A fault begins with one word, as those of attempts do: tls_expired, tls_not_yet_valid, tls_host,
 * tls_untrusted, tls_client_cert, tls_version, tls.
 */
#ifndef COMMON_CRYPTO_TLS_CLIENT_H
#define COMMON_CRYPTO_TLS_CLIENT_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct tls_client; /* counts its references; any thread may use it */
struct tls_client_files {
    const char *ca_file;    /* NULL: the authorities of the system */
    const char *cert, *key; /* both NULL: no client certificate */
    bool verify;
};
enum tls_client_part { TLS_CLIENT_CA, TLS_CLIENT_CERT, TLS_CLIENT_KEY };

/* Reads the files. OK sets *OUT, with one reference. On an error *WHERE says which file it is about. */
enum err tls_client_new(const struct tls_client_files *files, struct tls_client **out,
                        enum tls_client_part *where, struct error *e) MUST_CHECK;
struct tls_client *tls_client_ref(struct tls_client *c); /* NULL is fine, here and below */
void tls_client_unref(struct tls_client *c);
/* Makes C what FRESH is, for streams from now on. */
void tls_client_adopt(struct tls_client *c, struct tls_client *fresh);
/* Another number after each tls_client_adopt that brought other files. */
unsigned tls_client_version(struct tls_client *c);

struct tls_stream;
/* A stream over FD, which stays the caller's, to the server HOST: a name or an address. NULL if OpenSSL refuses. */
struct tls_stream *tls_stream_new(struct tls_client *c, int fd, const char *host);
/* Tells the server that no more follows, if that is possible at once. NULL is fine. */
void tls_stream_free(struct tls_stream *s);

enum tls_step { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };
/* Goes on with the handshake. After TLS_WANTS_... it is called again when the socket is ready for that. */
enum tls_step tls_stream_connect(struct tls_stream *s) MUST_CHECK;
/* As recv: 0 at the end; -1 with EAGAIN, or with EPROTO when tls_stream_fault says why. It reads until OUT is full or
 * nothing has come. */
ssize_t tls_stream_read(struct tls_stream *s, void *out, size_t len);
/* As sendmsg. After EAGAIN the next call must begin with the same bytes. */
ssize_t tls_stream_write(struct tls_stream *s, const struct iovec *iov, int n);
/* There is something to read although the socket may never be readable again. */
bool tls_stream_has_more(const struct tls_stream *s);
/* Reading goes on when the socket is writable. */
bool tls_stream_read_wants_write(const struct tls_stream *s);
/* Why the handshake, a read or a write failed; NULL if it was not for TLS. It looks for an alert of the server too. */
const char *tls_stream_fault(struct tls_stream *s);

#endif
