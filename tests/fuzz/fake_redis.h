/* fake_redis - a server in this process that answers what it is asked: the handshake as Redis would, everything else
 * with the next of the replies that the fuzzer thought of. For targets that need Redis but are about something else. */
#ifndef TESTS_FUZZ_FAKE_REDIS_H
#define TESTS_FUZZ_FAKE_REDIS_H

#include "common/base/buf.h"
#include "common/base/text.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct fake_redis {
    struct sockaddr_un address;
    int listener, fd;
    struct buf in;
    struct slice replies; /* to come, with '~' between them */
};

static struct fake_redis fake;

static void fake_remove(void)
{
    unlink(fake.address.sun_path);
    *strrchr(fake.address.sun_path, '/') = 0;
    rmdir(fake.address.sun_path);
}

static void fake_start(void)
{
    char directory[] = "/tmp/fuzz-XXXXXX";
    INSIST(mkdtemp(directory));
    fake.fd = -1;
    fake.address.sun_family = AF_UNIX;
    snprintf(fake.address.sun_path, sizeof fake.address.sun_path, "%s/s", directory);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    INSIST(bind(fake.listener, (struct sockaddr *)&fake.address, sizeof fake.address) == 0);
    INSIST(listen(fake.listener, 16) == 0);
    buf_init(&fake.in, 1 << 26);
    atexit(fake_remove);
}

static void fake_say(struct slice bytes)
{
    if (bytes.len)
        (void)!send(fake.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void fake_answer(struct slice command)
{
    static const char info[] = "$90\r\nredis_version:7.0.15\r\nrole:master\r\nloading:0\r\n"
                               "aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n\r\n";
    if (slice_eq(command, SLICE_LIT("INFO")))
        fake_say(SLICE_LIT(info));
    else if (slice_eq(command, SLICE_LIT("CONFIG")))
        fake_say(SLICE_LIT("*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n"));
    else if (slice_eq(command, SLICE_LIT("CLIENT")) || slice_eq(command, SLICE_LIT("SCRIPT")) ||
             slice_eq(command, SLICE_LIT("PING")))
        fake_say(SLICE_LIT("+OK\r\n"));
    else if (fake.replies.len)
        fake_say(slice_cut(&fake.replies, '~'));
    else
        fake_say(SLICE_LIT("*0\r\n"));
}

/* A number behind KIND and its line end, off the front of *IN. */
static bool fake_number(struct slice *in, char kind, uint64_t *n)
{
    struct slice rest = *in;
    struct slice line = slice_cut(&rest, '\n');
    if (!rest.ptr || line.len < 3)
        return false;
    INSIST(line.ptr[0] == kind &&
           line.ptr[line.len - 1] == '\r'); /* our own commands are well formed */
    INSIST(text_u64(slice_make(line.ptr + 1, line.len - 2), 1 << 28, n) == OK);
    *in = rest;
    return true;
}

/* Takes a command off *IN; NAME is its first word. */
static bool fake_command(struct slice *in, struct slice *name)
{
    struct slice rest = *in;
    uint64_t count, len;
    if (!fake_number(&rest, '*', &count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!fake_number(&rest, '$', &len) || rest.len < len + 2)
            return false;
        if (i == 0)
            *name = slice_make(rest.ptr, len);
        rest = slice_skip(rest, len + 2);
    }
    *in = rest;
    return true;
}

/* Takes a new connection, if there is one, and answers what has been asked. */
static void fake_turn(void)
{
    char bytes[65536];
    int fd = accept(fake.listener, NULL, NULL);
    if (fd >= 0) {
        if (fake.fd >= 0)
            close(fake.fd);
        fake.fd = fd;
        buf_reset(&fake.in);
    }
    for (ssize_t n; (n = recv(fake.fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        buf_add(&fake.in, bytes, (size_t)n);
    struct slice in = buf_slice(&fake.in), name = {0};
    while (in.len && fake_command(&in, &name))
        fake_answer(name);
    size_t used = fake.in.len - in.len;
    if (used && in.len)
        memmove(fake.in.ptr, fake.in.ptr + used, in.len);
    fake.in.len = in.len;
}

static void fake_end(void)
{
    if (fake.fd >= 0)
        close(fake.fd);
    fake.fd = -1;
    for (int fd; (fd = accept(fake.listener, NULL, NULL)) >= 0;)
        close(fd);
    buf_reset(&fake.in);
}

#endif
