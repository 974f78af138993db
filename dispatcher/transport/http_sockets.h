/* http_sockets - opens libcurl's sockets and watches them in the event loop.   [edge: libevent]
 *
 * libcurl asks to watch a descriptor at the start of each request, and to forget it at the end. A socket that was
 * opened here stays watched in between, which saves two system calls a request. If the server closes an idle
 * connection, its socket is no longer watched.
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

/* A non-blocking socket, or -1 with errno. EMFILE also if one more socket would leave too few descriptors for Redis and
 * the operators' listener. Close it with http_sockets_close. */
int http_sockets_open(struct http_sockets *s, int family, int type, int protocol);
int http_sockets_close(struct http_sockets *s, int fd);
/* FN is called from now on when FD is READABLE or WRITABLE, whichever is set. FD may be a descriptor of libcurl's own. */
void http_sockets_want(struct http_sockets *s, int fd, bool readable, bool writable);

#endif
