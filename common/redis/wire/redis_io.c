#include "common/redis/wire/redis_io.h"

#include "common/crypto/tls_client.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t redis_io_read(struct redis_io *io, void *out, size_t len)
{
    return io->tls ? tls_stream_read(io->tls, out, len) : recv(io->fd, out, len, 0);
}

ssize_t redis_io_write(struct redis_io *io, struct iovec *iov, int n)
{
    if (io->tls)
        return tls_stream_write(io->tls, iov, n);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    return sendmsg(io->fd, &msg, MSG_NOSIGNAL);
}

bool redis_io_has_more(const struct redis_io *io)
{
    return io->tls && tls_stream_has_more(io->tls);
}

bool redis_io_read_wants_write(const struct redis_io *io)
{
    return io->tls && tls_stream_read_wants_write(io->tls);
}

const char *redis_io_fault(struct redis_io *io, int error)
{
    const char *fault = io->tls ? tls_stream_fault(io->tls) : NULL;
    if (fault)
        return fault;
    return error ? strerror(error) : "the server closed the connection";
}

void redis_io_close(struct redis_io *io)
{
    tls_stream_free(io->tls);
    if (io->fd >= 0)
        close(io->fd);
    *io = REDIS_IO_CLOSED;
}
