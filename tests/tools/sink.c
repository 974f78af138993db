/* sink - a fast HTTP sink for measurements: answers every request 200 and notes when it arrived.
 *
 *     sink [--port N] [--log FILE] [--hold N] [--hold-ms MS]      prints "listening 127.0.0.1:PORT"
 *
 * With --hold it answers nothing until N requests wait, and then all of them at once after MS milliseconds: the sender
 * is idle by then, and does the same in every run.
 *
 * One epoll thread, one core. Arrival is the kernel's time of the packet (SO_TIMESTAMPNS, realtime
 * clock), so that a busy machine does not blur the gaps. SIGTERM writes the log, one line a
 * request: <arrival ns> <attempt> <delivery id or -> <path> GET /__count answers how many requests
 * arrived, the first's and the newest's time; GET /__reset forgets.
 */
#include "common/base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX (64 * 1024)
#define FDS_MAX 65536
#define WORDS_MAX 192

struct arrival {
    int64_t at_ns;
    unsigned attempt;
    char delivery[WORDS_MAX];
    char path[64];
};

struct conn {
    size_t have, skip; /* bytes in IN; bytes of a large body still to be thrown away */
    int64_t at_ns;     /* of the newest bytes */
    char in[IN_MAX];
};

struct sink {
    int epoll, listener, signals, timer;
    const char *log;
    unsigned hold; /* 0: answer at once */
    int64_t hold_ms;
    int *held; /* descriptors of the requests that wait, HOLD at most */
    unsigned held_count;
    struct conn *conns[FDS_MAX];
    struct arrival *arrivals;
    size_t count, room;
    uint64_t total;
    int64_t first_ns, last_ns;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct sink *s, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl");
}

static void drop(struct sink *s, int fd)
{
    for (unsigned n = 0; n < s->held_count; n++)
        if (s->held[n] == fd)
            s->held[n--] = s->held[--s->held_count];
    free(s->conns[fd]);
    s->conns[fd] = NULL;
    close(fd);
}

static void on_accept(struct sink *s)
{
    int fd, one = 1;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FDS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        s->conns[fd] = NEW(struct conn);
        watch(s, fd);
    }
}

/* Reads what there is; -1 at the end of the connection. */
static ssize_t receive(struct conn *c, int fd)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec to = {.iov_base = c->in + c->have, .iov_len = IN_MAX - c->have};
    struct msghdr m = {
        .msg_iov = &to, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(h), sizeof t);
            c->at_ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        }
    }
    return n;
}

/* The value of header NAME (with its colon) in a head; its length in *LEN, 0 without one. */
static const char *header(const char *head, size_t head_len, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *end = head + head_len;
    *len = 0;
    for (const char *p = memchr(head, '\n', head_len); p != NULL && ++p < end;
         p = memchr(p, '\n', (size_t)(end - p))) {
        if ((size_t)(end - p) <= name_len || strncasecmp(p, name, name_len) != 0)
            continue;
        p += name_len;
        while (p < end && *p == ' ')
            p++;
        const char *stop = memchr(p, '\r', (size_t)(end - p));
        *len = (size_t)((stop != NULL ? stop : end) - p);
        return p;
    }
    return "";
}

static void copy_word(char *to, size_t room, const char *from, size_t len)
{
    len = len < room - 1 ? len : room - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

static void note(struct sink *s, const struct conn *c, const char *head, size_t head_len)
{
    s->total++;
    s->last_ns = c->at_ns;
    if (s->first_ns == 0)
        s->first_ns = c->at_ns;
    if (s->log == NULL)
        return;
    if (s->count == s->room) {
        s->room = s->room == 0 ? 65536 : 2 * s->room;
        s->arrivals = xrealloc(s->arrivals, s->room, sizeof *s->arrivals);
    }
    struct arrival *a = &s->arrivals[s->count++];
    size_t len;
    const char *value = header(head, head_len, "Hookpace-Attempt:", &len);
    a->at_ns = c->at_ns;
    a->attempt = len > 0 ? (unsigned)strtoul(value, NULL, 10) : 0;
    value = header(head, head_len, "Hookpace-Delivery:", &len);
    copy_word(a->delivery, sizeof a->delivery, len > 0 ? value : "-", len > 0 ? len : 1);
    const char *path = memchr(head, ' ', head_len);
    path = path == NULL ? head : path + 1;
    copy_word(a->path, sizeof a->path, path, strcspn(path, " ?\r"));
}

static int answer_command(struct sink *s, const char *head, char *out, size_t room)
{
    char body[128] = "ok\n";
    if (strncmp(head, "GET /__reset", 12) == 0) {
        s->count = 0;
        s->total = 0;
        s->first_ns = s->last_ns = 0;
    } else {
        snprintf(body, sizeof body, "%" PRIu64 " %" PRId64 " %" PRId64 "\n", s->total, s->first_ns,
                 s->last_ns);
    }
    return snprintf(out, room, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
                    body);
}

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static bool send_answer(int fd, const char *text, size_t len)
{
    return write(fd, text, len) == (ssize_t)len;
}

static void hold(struct sink *s, int fd)
{
    s->held[s->held_count++] = fd;
    if (s->held_count < s->hold)
        return;
    struct itimerspec t = {.it_value = {s->hold_ms / 1000, s->hold_ms % 1000 * 1000000 + 1}};
    timerfd_settime(s->timer, 0, &t, NULL);
}

static void answer_held(struct sink *s)
{
    uint64_t ticks;
    if (read(s->timer, &ticks, sizeof ticks) < 0)
        return;
    for (unsigned n = s->held_count; n-- > 0;)
        if (!send_answer(s->held[n], answer, sizeof answer - 1))
            die("write");
    s->held_count = 0;
}

/* Answers the request at the start of what is buffered. False: it is not complete yet, or nonsense.
 */
static bool serve_one(struct sink *s, struct conn *c, int fd, bool *broken)
{
    char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (end == NULL) {
        *broken = c->have == IN_MAX;
        return false;
    }
    size_t head_len = (size_t)(end - c->in) + 4, len;
    const char *length = header(c->in, head_len, "Content-Length:", &len);
    size_t body = len > 0 ? strtoul(length, NULL, 10) : 0;
    if (head_len + body > IN_MAX) /* keep the head, throw the rest away as it comes */
        c->skip = head_len + body - c->have;
    else if (c->have < head_len + body)
        return false;
    char out[256];
    if (strncmp(c->in, "GET /__", 7) == 0) {
        *broken = !send_answer(fd, out, (size_t)answer_command(s, c->in, out, sizeof out));
    } else {
        note(s, c, c->in, head_len);
        if (s->hold)
            hold(s, fd);
        else
            *broken = !send_answer(fd, answer, sizeof answer - 1);
    }
    size_t used = c->skip > 0 ? c->have : head_len + body;
    memmove(c->in, c->in + used, c->have - used);
    c->have -= used;
    return !*broken && c->have > 0;
}

static void on_data(struct sink *s, int fd)
{
    struct conn *c = s->conns[fd];
    ssize_t n = receive(c, fd);
    if (n < 0) {
        drop(s, fd);
        return;
    }
    if (c->skip > 0) { /* nothing else is buffered while a large body passes */
        c->skip -= (size_t)n < c->skip ? (size_t)n : c->skip;
        return;
    }
    c->have += (size_t)n;
    bool broken = false;
    while (c->have > 0 && serve_one(s, c, fd, &broken))
        ;
    if (broken)
        drop(s, fd);
}

static void write_log(const struct sink *s)
{
    if (s->log == NULL)
        return;
    FILE *f = fopen(s->log, "w");
    if (f == NULL)
        die(s->log);
    for (size_t n = 0; n < s->count; n++) {
        const struct arrival *a = &s->arrivals[n];
        fprintf(f, "%" PRId64 " %u %s %s\n", a->at_ns, a->attempt, a->delivery, a->path);
    }
    fclose(f);
}

static void open_listener(struct sink *s, unsigned port)
{
    int one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* inherited by what is accepted: set there, it would come too late for a first request */
    setsockopt(s->listener, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    if (bind(s->listener, (struct sockaddr *)&at, len) != 0 || listen(s->listener, 4096) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &len) != 0)
        die("listen");
    printf("listening 127.0.0.1:%u\n", ntohs(at.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct sink s;
    unsigned port = 0;
    for (int n = 1; n + 1 < argc; n += 2) {
        if (strcmp(argv[n], "--port") == 0)
            port = (unsigned)strtoul(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--log") == 0)
            s.log = argv[n + 1];
        else if (strcmp(argv[n], "--hold") == 0)
            s.hold = (unsigned)strtoul(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--hold-ms") == 0)
            s.hold_ms = strtol(argv[n + 1], NULL, 10);
    }
    s.held = xcalloc(s.hold + 1, sizeof *s.held);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.signals = signalfd(-1, &ends, SFD_CLOEXEC);
    s.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    open_listener(&s, port);
    watch(&s, s.listener);
    watch(&s, s.timer);
    watch(&s, s.signals);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(s.epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == s.signals) {
                write_log(&s);
                return 0;
            }
            if (fd == s.timer)
                answer_held(&s);
            else if (fd == s.listener)
                on_accept(&s);
            else if (s.conns[fd] != NULL)
                on_data(&s, fd);
        }
    }
}
