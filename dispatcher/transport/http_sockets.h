/* http_sockets - the HTTP client's descriptors in the event loop.   [edge: libevent]
 *
 * libcurl asks to watch a descriptor at the start of each request and to forget it at its end.
 * Sockets of our own making stay watched in between, which saves two system calls a request, and an
 * idle connection that is closed by its server is simply no longer watched.
 */
#ifndef DISPATCHER_HTTP_SOCKETS_H
#define DISPATCHER_HTTP_SOCKETS_H

#include <stdbool.h>

struct http_sockets;
struct loop;

typedef void (*http_socket_fn)(void *ctx, int fd, bool readable, bool writable);

struct http_sockets *http_sockets_new(struct loop *l, http_socket_fn fn, void *ctx);
/* All descriptors must be closed. */
void http_sockets_free(struct http_sockets *s);

/* A non-blocking socket, or -1 with errno: also where others would leave too few descriptors for Redis and the
 * listener (EMFILE). Close it with http_sockets_close. */
int http_sockets_open(struct http_sockets *s, int family, int type, int protocol);
int http_sockets_close(struct http_sockets *s, int fd);
/* Which events of FD (ours or libcurl's own) are wanted; with none, FN is not called. */
void http_sockets_want(struct http_sockets *s, int fd, bool readable, bool writable);

#endif
