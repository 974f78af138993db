/* loadgen - sends signed webhooks, each with an id of its own, over kept-alive connections.
 *
 *     loadgen --connect HOST:PORT [--path /in/in] [--connections 64] [--count N | --seconds S]
 * [--rate R]
 *             [--size 1024] [--secret S] [--header x-serphouse-signature] [--prefix p] [--log FILE]
 *
 * The bodies are realistic JSON (SERP results), all different, about SIZE bytes. Every signature is
 * computed before the clock starts, so that the sender's work does not eat the core that is
 * measured. Without --rate each connection sends as soon as it is answered; with it requests leave
 * on schedule, and latency counts from the moment a request was due. One line of JSON sums it up;
 * --log writes a line a request: <id> <due or sent ns, realtime> <answered ns> <status>
 */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/crypto/crypto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TEMPLATES 256
#define ID_DIGITS 10
#define SIG_DIGITS 64
#define OUT_MAX (128 * 1024)

struct options {
    const char *host, *path, *secret, *header, *prefix, *log;
    unsigned port, connections, size;
    double seconds, rate;
    uint64_t count;
};

struct template
{
    char *body;
    size_t len, id_at; /* where the id's digits stand */
};

struct sent {
    int64_t due_ns, answered_ns;
    int status;
};

struct conn {
    int fd;
    uint64_t request; /* number of the one under way */
    bool busy;
    size_t have;
    char in[4096];
};

struct run {
    struct options o;
    struct template templates[TEMPLATES];
    char (*signatures)[SIG_DIGITS];
    struct sent *sent;
    struct conn *conns;
    struct conn **idle;
    size_t idle_count;
    int epoll, timer;
    uint64_t next, answered, ok, duplicates, broken;
    int64_t started_ns, stop_ns, last_ns;
    char out[OUT_MAX];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t pick(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A result page as the providers send it: repeating keys, varied values. */
static void make_template(struct template *t, const char *prefix, unsigned size, uint64_t seed)
{
    static const char *const words[] = {"coffee", "grinder", "review",  "best",    "guide", "burr",
                                        "manual", "price",   "kitchen", "compare", "steel", "shop",
                                        "home",   "winner",  "budget",  "quiet"};
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    struct buf b;
    buf_init(&b, 2 * size + 1024);
    buf_addf(&b, "{\"id\":\"%s", prefix);
    t->id_at = b.len;
    buf_addf(&b, "%0*d\",\"tag\":\"team-%u\",\"status\":\"success\",\"results\":[", ID_DIGITS, 0,
             pick(&seed) % 1000);
    for (unsigned rank = 1; rank == 1 || b.len + 180 < size; rank++) {
        const char *x = words[pick(&seed) % 16], *y = words[pick(&seed) % 16];
        unsigned number = pick(&seed) % 100;
        buf_addf(&b,
                 "%s{\"rank\":%u,\"domain\":\"www.%s-%s%u.example\",\"url\":\"https://"
                 "www.%s-%s%u.example/"
                 "%08x\",\"title\":\"%s %s %u\",\"score\":%u.%03u}",
                 rank == 1 ? "" : ",", rank, x, y, number, x, y, number, pick(&seed), y,
                 words[pick(&seed) % 16], pick(&seed) % 5000, pick(&seed) % 100,
                 pick(&seed) % 1000);
    }
    buf_add_str(&b, "],\"cursor\":\"");
    while (b.len + 2 < size)
        buf_add_char(&b, letters[pick(&seed) % 64]);
    buf_add_str(&b, "\"}");
    t->body = buf_take(&b, &t->len);
}

static void put_id(char *at, uint64_t number)
{
    for (int i = ID_DIGITS - 1; i >= 0; i--, number /= 10)
        at[i] = (char)('0' + number % 10);
}

static void sign_all(struct run *r)
{
    struct hmac_key *key = hmac_key_new(DIGEST_SHA256, slice_str(r->o.secret));
    r->signatures = xcalloc(r->o.count, SIG_DIGITS);
    for (uint64_t n = 0; n < r->o.count; n++) {
        struct template *t = &r->templates[n % TEMPLATES];
        unsigned char mac[DIGEST_MAX];
        put_id(t->body + t->id_at, n);
        struct hmac *h = hmac_start(key);
        hmac_add(h, (struct slice){t->body, t->len});
        hmac_end(h, mac);
        for (int i = 0; i < 32; i++) {
            r->signatures[n][2 * i] = "0123456789abcdef"[mac[i] >> 4];
            r->signatures[n][2 * i + 1] = "0123456789abcdef"[mac[i] & 15];
        }
    }
    hmac_key_free(key);
}

static void send_next(struct run *r, struct conn *c, int64_t due_ns)
{
    struct template *t = &r->templates[r->next % TEMPLATES];
    put_id(t->body + t->id_at, r->next);
    int n = snprintf(r->out, sizeof r->out,
                     "POST %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Type: application/json\r\n%s: "
                     "%.64s\r\nContent-Length: "
                     "%zu\r\n\r\n",
                     r->o.path, r->o.host, r->o.port, r->o.header, r->signatures[r->next], t->len);
    memcpy(r->out + n, t->body, t->len);
    size_t len = (size_t)n + t->len;
    r->sent[r->next].due_ns = due_ns;
    c->request = r->next++;
    c->busy = true;
    if (write(c->fd, r->out, len) !=
        (ssize_t)len) /* a request fits the socket's buffer or the server is stuck */
        die("write");
}

static void connect_one(struct run *r, struct conn *c)
{
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)r->o.port)};
    inet_pton(AF_INET, r->o.host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e);
    c->have = 0;
    c->busy = false;
}

static bool may_send(const struct run *r)
{
    return r->next < r->o.count && (r->stop_ns == 0 || now_ns() < r->stop_ns);
}

static int64_t due_of(const struct run *r, uint64_t number)
{
    return r->started_ns + (int64_t)((double)number * 1e9 / r->o.rate);
}

static void send_due(struct run *r)
{
    while (r->idle_count > 0 && may_send(r) && due_of(r, r->next) <= now_ns())
        send_next(r, r->idle[--r->idle_count], due_of(r, r->next));
    if (r->next < r->o.count && r->idle_count > 0) {
        int64_t at = due_of(r, r->next);
        struct itimerspec t = {.it_value = {at / 1000000000, at % 1000000000}};
        timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &t, NULL);
    }
}

static void finish(struct run *r, struct conn *c, int status, bool duplicate)
{
    struct sent *s = &r->sent[c->request];
    s->answered_ns = r->last_ns = now_ns();
    s->status = status;
    c->busy = false;
    r->answered++;
    r->ok += status == 200;
    r->duplicates += duplicate;
    if (r->o.rate > 0) {
        r->idle[r->idle_count++] = c;
        send_due(r);
    } else if (may_send(r)) {
        send_next(r, c, now_ns());
    }
}

static void on_answer(struct run *r, struct conn *c)
{
    ssize_t n = read(c->fd, c->in + c->have, sizeof c->in - 1 - c->have);
    if (n <= 0) {
        bool lost = c->busy; /* an idle one that the server closed is only opened again */
        close(c->fd);
        connect_one(r, c);
        if (lost) {
            r->broken++;
            finish(r, c, 0, false);
        }
        return;
    }
    if (!c->busy) /* refused although nothing was asked: the end comes next */
        return;
    c->have += (size_t)n;
    c->in[c->have] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    char *length = end == NULL ? NULL : strcasestr(c->in, "\r\ncontent-length:");
    char *chunked = end == NULL ? NULL : strcasestr(c->in, "\r\ntransfer-encoding:");
    if (end == NULL)
        return;
    end += 4;
    if (chunked != NULL ? strstr(end, "0\r\n\r\n") == NULL
                        : c->have < (size_t)(end - c->in) +
                                        (length == NULL ? 0 : strtoul(length + 17, NULL, 10)))
        return;
    int status = (int)strtol(c->in + 9, NULL, 10);
    bool duplicate = strstr(end, "\"duplicate\":true") != NULL;
    c->have = 0;
    finish(r, c, status, duplicate);
}

static void loop(struct run *r)
{
    struct epoll_event events[256];
    int64_t quiet_ns = now_ns();
    while (r->answered < r->next || may_send(r)) {
        int n = epoll_wait(r->epoll, events, 256, 1000);
        if (n > 0)
            quiet_ns = now_ns();
        else if (now_ns() - quiet_ns > 10000000000)
            break; /* a server that was silent for 10 s stays silent */
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            if (events[i].data.ptr != NULL)
                on_answer(r, events[i].data.ptr);
            else if (read(r->timer, &ticks, sizeof ticks) > 0)
                send_due(r);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct run *r)
{
    int64_t *took = xcalloc(r->next + 1, sizeof *took);
    size_t n = 0;
    for (uint64_t i = 0; i < r->next; i++)
        if (r->sent[i].answered_ns != 0)
            took[n++] = r->sent[i].answered_ns - r->sent[i].due_ns;
    qsort(took, n, sizeof *took, by_value);
    double seconds = (double)(r->last_ns - r->started_ns) / 1e9;
    printf("{\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"ok\":%" PRIu64
           ",\"duplicates\":%" PRIu64 ",\"broken\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
           r->next, r->answered, r->ok, r->duplicates, r->broken, seconds, (double)r->ok / seconds,
           n > 0 ? (double)took[n / 2] / 1e6 : 0, n > 0 ? (double)took[n * 99 / 100] / 1e6 : 0,
           n > 0 ? (double)took[n - 1] / 1e6 : 0);
    if (r->o.log != NULL) {
        FILE *f = fopen(r->o.log, "w");
        if (f == NULL)
            die(r->o.log);
        for (uint64_t i = 0; i < r->next; i++)
            fprintf(f, "%s%0*" PRIu64 " %" PRId64 " %" PRId64 " %d\n", r->o.prefix, ID_DIGITS, i,
                    r->sent[i].due_ns, r->sent[i].answered_ns, r->sent[i].status);
        fclose(f);
    }
    free(took);
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.host = "127.0.0.1",
                          .path = "/in/in",
                          .secret = "whsec-test-secret-0123456789",
                          .header = "x-serphouse-signature",
                          .prefix = "b",
                          .connections = 64,
                          .size = 1024};
    for (int n = 1; n + 1 < argc; n += 2) {
        char *name = argv[n] + 2, *value = argv[n + 1];
        if (strcmp(name, "connect") == 0) {
            char *colon = strrchr(value, ':');
            *colon = 0;
            o->host = value;
            o->port = (unsigned)strtoul(colon + 1, NULL, 10);
        } else if (strcmp(name, "path") == 0)
            o->path = value;
        else if (strcmp(name, "secret") == 0)
            o->secret = value;
        else if (strcmp(name, "header") == 0)
            o->header = value;
        else if (strcmp(name, "prefix") == 0)
            o->prefix = value;
        else if (strcmp(name, "log") == 0)
            o->log = value;
        else if (strcmp(name, "connections") == 0)
            o->connections = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "size") == 0)
            o->size = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "count") == 0)
            o->count = strtoull(value, NULL, 10);
        else if (strcmp(name, "seconds") == 0)
            o->seconds = strtod(value, NULL);
        else if (strcmp(name, "rate") == 0)
            o->rate = strtod(value, NULL);
        else {
            fprintf(stderr, "unknown option --%s\n", name);
            exit(2);
        }
    }
    if (o->port == 0 || (o->count == 0 && o->seconds <= 0) || o->size < 256 || o->size > 65536) {
        fprintf(stderr, "see the head of tests/tools/loadgen.c for the options\n");
        exit(2);
    }
    if (o->count == 0) /* enough ids for any rate that one core can serve */
        o->count = (uint64_t)(o->seconds * (o->rate > 0 ? o->rate : 120000)) + 1;
}

int main(int argc, char **argv)
{
    static struct run r;
    read_options(&r.o, argc, argv);
    for (unsigned n = 0; n < TEMPLATES; n++)
        make_template(&r.templates[n], r.o.prefix, r.o.size, n + 1);
    sign_all(&r);
    r.sent = xcalloc(r.o.count, sizeof *r.sent);
    memset(r.sent, 0, r.o.count * sizeof *r.sent); /* touch the pages before the clock starts */
    r.conns = xcalloc(r.o.connections, sizeof *r.conns);
    r.idle = xcalloc(r.o.connections, sizeof(void *));
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    r.timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event tick = {.events = EPOLLIN};
    epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.timer, &tick);
    for (unsigned n = 0; n < r.o.connections; n++)
        connect_one(&r, &r.conns[n]);
    r.started_ns = r.last_ns = now_ns();
    r.stop_ns = r.o.seconds > 0 ? r.started_ns + (int64_t)(r.o.seconds * 1e9) : 0;
    for (unsigned n = 0; n < r.o.connections; n++) {
        if (r.o.rate > 0)
            r.idle[r.idle_count++] = &r.conns[n];
        else if (may_send(&r))
            send_next(&r, &r.conns[n], now_ns());
    }
    if (r.o.rate > 0)
        send_due(&r);
    loop(&r);
    report(&r);
    return 0;
}
