#include "common/program/notify.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/net/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES 256
#define SIGNS_IN_TIME 4 /* the manual asks for 2; a busy machine may delay one */

struct watchdog {
    struct loop_timer *timer;
    int64_t every_us;
    bool (*is_alive)(void *ctx);
    void *ctx;
};

/* "/run/..." is a file, "@name" an abstract socket. False: $NOTIFY_SOCKET is missing, or of a kind that is not known here. */
static bool find_socket(struct sockaddr_un *to, socklen_t *len)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to->sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path, path, n);
    if (path[0] == '@')
        to->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    return true;
}

/* A message that cannot be sent is no reason to stop: systemd then acts as if the process had said nothing. */
static void send_message(const char *message)
{
    struct sockaddr_un to;
    socklen_t len;
    if (!find_socket(&to, &len))
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                         (struct sockaddr *)&to, len) < 0)
        LOG(LL_WARN, "notify.failed", LS("reason", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

void notify_ready(const char *status)
{
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message, "READY=1\nSTATUS=%s", status);
    send_message(message);
}

void notify_status(const char *status)
{
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message, "STATUS=%s", status);
    send_message(message);
}

void notify_reloading(void)
{
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message,
             "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=Reads the configuration",
             clock_mono_us());
    send_message(message);
}

void notify_stopping(int64_t us)
{
    char message[MESSAGE_BYTES];
    snprintf(message, sizeof message,
             "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64 "\nSTATUS=Finishes what has begun", us);
    send_message(message);
}

static void watchdog_tick(void *ctx)
{
    struct watchdog *w = ctx;
    if (w->is_alive(w->ctx))
        send_message("WATCHDOG=1");
    loop_timer_arm(w->timer, w->every_us);
}

/* $WATCHDOG_USEC; 0 if it is missing, is no number, or is meant for another process. */
static int64_t watchdog_time_us(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!us || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    char *end;
    errno = 0;
    long long n = strtoll(us, &end, 10);
    return errno || *end || n < SIGNS_IN_TIME ? 0 : n;
}

struct watchdog *watchdog_new(struct loop *l, bool (*is_alive)(void *ctx), void *ctx)
{
    int64_t us = watchdog_time_us();
    if (us == 0)
        return NULL;
    struct watchdog *w = NEW(struct watchdog);
    *w = (struct watchdog){.every_us = us / SIGNS_IN_TIME, .is_alive = is_alive, .ctx = ctx};
    w->timer = loop_timer_new(l, watchdog_tick, w);
    loop_timer_arm(w->timer, 0);
    return w;
}

void watchdog_free(struct watchdog *w)
{
    if (!w)
        return;
    loop_timer_free(w->timer);
    free(w);
}
