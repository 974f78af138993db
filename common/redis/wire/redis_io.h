/* redis_io - the bytes of a connection, in the clear or over TLS.
 */
#ifndef COMMON_REDIS_WIRE_REDIS_IO_H
#define COMMON_REDIS_WIRE_REDIS_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct tls_stream;

struct redis_io { /* redis_io_close ends it; it is closed if all of it is REDIS_IO_CLOSED */
    int fd;       /* does not block; -1: closed */
    struct tls_stream *tls; /* NULL: in the clear */
};
#define REDIS_IO_CLOSED ((struct redis_io){.fd = -1})

/* As recv and sendmsg. If the result is less than LEN, nothing more has come, unless redis_io_has_more. */
ssize_t redis_io_read(struct redis_io *io, void *out, size_t len);
ssize_t redis_io_write(struct redis_io *io, struct iovec *iov, int n);
/* There is more to read, and the socket will not report it. */
bool redis_io_has_more(const struct redis_io *io);
/* Reading waits until the socket is writable. */
bool redis_io_read_wants_write(const struct redis_io *io);
/* Why a call failed with ERROR, an errno; 0: it came to the end. Valid until the next call. */
const char *redis_io_fault(struct redis_io *io, int error);
void redis_io_close(struct redis_io *io);

#endif
