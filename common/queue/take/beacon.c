#include "common/queue/take/beacon.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* An abstract address begins with a zero byte. It is gone when the process is. */
static socklen_t address_of(struct slice instance, struct sockaddr_un *a)
{
    static const char prefix[] = "hookpace/";
    const size_t most = sizeof a->sun_path - sizeof prefix;
    size_t n = instance.len < most ? instance.len : most;
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path + 1, prefix, sizeof prefix - 1);
    memcpy(a->sun_path + sizeof prefix, instance.ptr, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof prefix + n);
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int beacon_open(struct slice instance)
{
    struct sockaddr_un a;
    socklen_t len = address_of(instance, &a);
    int fd = open_socket();
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, len) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void beacon_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool beacon_answers(struct slice instance)
{
    struct sockaddr_un a;
    socklen_t len = address_of(instance, &a);
    int fd = open_socket();
    if (fd < 0)
        return false;
    bool is_alive = connect(fd, (struct sockaddr *)&a, len) == 0;
    close(fd);
    return is_alive;
}
