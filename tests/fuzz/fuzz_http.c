/* The HTTP server over a pair of sockets. A request in pieces gets the same answers as in one piece. A strict client can
 * read them. Each request ends exactly once, and no byte stays charged. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/net/http_server.h"
#include "common/net/loop.h"
#include "tests/fuzz/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 200 };

static const struct http_limits limits = {
    .uri_max = 200,
    .headers_max = 1000,
    .header_count_max = 20,
    .body_max = 600,
    .header_timeout_us = 60000000,
    .body_timeout_us = 60000000,
    .idle_timeout_us = 60000000,
    .connections_max = 4,
};

struct told { /* calls of the handler during one connection */
    unsigned begun, ended, refused, in_handler;
    struct buf story; /* of requests: method, path, body */
    struct buf answers;
};

static struct told told;
static struct loop *loop;
static struct http_server *server;
static struct http_budget budget = {.max = 400};

static void finish(struct http_request *r, int status, const char *body)
{
    told.ended++;
    if (status == 200)
        http_answer(r, 200, SLICE_LIT("text/plain"), SLICE_LIT("X-Made: here\r\n"), slice_str(body),
                    false);
    else
        http_answer_error(r, status, slice_make(NULL, 0), "refused", "by the handler");
}

static void on_request(struct http_request *r, void *ctx)
{
    (void)ctx;
    INSIST(told.begun == told.ended); /* one at a time on a connection */
    told.begun++;
    buf_addf(&told.story, "\n%.*s %.*s ", SLICE_FMT(http_method(r)), SLICE_FMT(http_path(r)));
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct slice name, value;
        http_header_at(r, i, &name, &value);
        INSIST(name.len && slice_eq(value, slice_trim(value)));
    }
    if (slice_starts(http_path(r), SLICE_LIT("/early")))
        finish(r, 401, "");
    else if (slice_starts(http_path(r), SLICE_LIT("/skip")))
        return; /* neither answered nor read: the body is dropped */
    else
        http_read_body(r, slice_starts(http_path(r), SLICE_LIT("/small")) ? 10 : 0);
}

static void on_body(struct http_request *r, struct slice piece, void *ctx)
{
    (void)ctx;
    INSIST(piece.len && told.begun == told.ended + 1);
    INSIST(!slice_starts(http_path(r), SLICE_LIT("/early")));
    buf_add_slice(&told.story, piece);
    bool counts = slice_starts(http_path(r), SLICE_LIT("/charge"));
    if (counts && !http_charge(r, (int64_t)piece.len))
        finish(r, 503, "");
}

static void on_complete(struct http_request *r, void *ctx)
{
    (void)ctx;
    INSIST(told.begun == told.ended + 1);
    buf_add_str(&told.story, " done");
    finish(r, 200, slice_starts(http_path(r), SLICE_LIT("/empty")) ? "" : "taken\n");
}

static void on_gone(struct http_request *r, void *ctx)
{
    (void)r, (void)ctx;
    INSIST(told.begun == told.ended + 1);
    told.ended++;
}

static void on_refused(const char *code, void *ctx)
{
    (void)ctx;
    INSIST(code && *code);
    told.refused++;
}

static void start(void)
{
    static const struct http_handler handler = {on_request, on_body,    on_complete,
                                                on_gone,    on_refused, NULL};
    struct error e;
    loop = loop_new();
    INSIST(http_server_open(loop, "127.0.0.1:0", &limits, &budget, NULL, &handler, &server, &e) ==
           OK);
    buf_init(&told.story, 1 << 20);
    buf_init(&told.answers, 1 << 20);
}

/* Takes what has come. False once the server has closed its side. */
static bool collect(int fd)
{
    char bytes[16384];
    ssize_t n;
    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        buf_add(&told.answers, bytes, (size_t)n);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void turn(void)
{
    event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* Sends INPUT as SEED cuts it, ends the sending side, and reads to the end. */
static void talk(struct slice input, uint32_t seed)
{
    struct fuzz_cuts cuts = {seed};
    told.begun = told.ended = told.refused = 0;
    buf_reset(&told.story);
    buf_reset(&told.answers);
    int fd = dial(server);
    turn();
    bool open = true;
    while (input.len && open) {
        struct slice piece = fuzz_piece(&cuts, &input);
        open = send(fd, piece.ptr, piece.len, MSG_NOSIGNAL) == (ssize_t)piece.len;
        turn();
        open = collect(fd) && open;
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < TURNS && (open || dial_is_served()); i++) {
        turn();
        open = collect(fd);
    }
    close(fd);
    for (int i = 0; i < TURNS && dial_is_served(); i++)
        turn();
    INSIST(!dial_is_served());
    INSIST(told.begun == told.ended && atomic_load(&budget.used) == 0);
}

/* --- a strict reader of answers --- */

static struct slice take_line(struct slice *in)
{
    struct slice line = slice_cut(in, '\n');
    INSIST(in->ptr && line.len && line.ptr[line.len - 1] == '\r');
    line.len--;
    for (size_t i = 0; i < line.len; i++)
        INSIST(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
    return line;
}

/* One answer. Returns its status. */
static uint64_t read_answer(struct slice *in, bool *closes)
{
    uint64_t status = 0, length = 0;
    bool has_length = false;
    struct slice line = take_line(in);
    INSIST(slice_starts(line, SLICE_LIT("HTTP/1.1 ")) && line.len > 13);
    INSIST(text_u64(slice_make(line.ptr + 9, 3), 599, &status) == OK && status >= 100);
    for (;;) {
        struct slice value = take_line(in);
        if (!value.len)
            break;
        struct slice name = slice_cut(&value, ':');
        INSIST(value.ptr && name.len && value.len && value.ptr[0] == ' ');
        if (slice_eq_nocase(name, SLICE_LIT("content-length"))) {
            INSIST(!has_length && text_u64(slice_trim(value), 1 << 20, &length) == OK);
            has_length = true;
        } else if (slice_eq_nocase(name, SLICE_LIT("connection"))) {
            *closes |= slice_eq_nocase(slice_trim(value), SLICE_LIT("close"));
        }
    }
    INSIST(has_length == (status >= 200));
    INSIST(in->len >= length);
    *in = slice_skip(*in, length);
    return status;
}

/* Each request that ended by an answer, and each refusal, is one answer; after one that closes
 * nothing follows. */
static void check_answers(void)
{
    struct slice in = buf_slice(&told.answers);
    unsigned answers = 0;
    bool closes = false;
    while (in.len) {
        INSIST(!closes);
        if (read_answer(&in, &closes) >= 200)
            answers++;
    }
    INSIST(answers <= told.ended + told.refused);
}

/* Without the Date lines, which the clock may change meanwhile, and without `100 Continue`, which only a client gets whose body
 * has not come yet. */
static void comparable(const struct buf *from, struct buf *to)
{
    static const struct slice go_on = {"HTTP/1.1 100 Continue\r\n\r\n", 25};
    struct slice rest = buf_slice(from);
    buf_reset(to);
    while (rest.len) {
        if (slice_starts(rest, go_on)) {
            rest = slice_skip(rest, go_on.len);
            continue;
        }
        struct slice line = slice_cut(&rest, '\n');
        if (!slice_starts(line, SLICE_LIT("Date: "))) {
            buf_add_slice(to, line);
            buf_add_char(to, '\n');
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct buf story, answers, again;
    if (!server) {
        start();
        buf_init(&story, 1 << 20);
        buf_init(&answers, 1 << 20);
        buf_init(&again, 1 << 20);
    }
    struct slice input = slice_make(data, size);
    uint32_t seed = 1 + fuzz_byte(&input);
    /* where answers to HEAD end cannot be told from the answers alone */
    bool has_head = input.len && memmem(input.ptr, input.len, "HEAD", 4);
    talk(input, 0);
    if (!has_head)
        check_answers();
    buf_reset(&story);
    buf_add_slice(&story, buf_slice(&told.story));
    comparable(&told.answers, &answers);
    unsigned begun = told.begun;
    talk(input, seed);
    if (!has_head)
        check_answers();
    comparable(&told.answers, &again);
    INSIST(told.begun == begun);
    INSIST(slice_eq(buf_slice(&answers), buf_slice(&again)));
    return 0;
}
